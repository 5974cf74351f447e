/* SPDX-License-Identifier: MIT */
/* What becomes of a driver's answers: core/tensor/device_cuda.c over functions
 * of CUDA that say what a test wants. */
#include "base/error.h"
#include "tensor/context.h"
#include "tensor/device.h"
#include "tensor/gpu_arch.h"
#include "tensor/libs_cuda.h"
#include <cuda_runtime_api.h>
#include <string.h>

static struct {
  cudaError_t count_error;
  int count, driver, major;
  int first_major;     /* 0: like all others */
  const char *library; /* that is missing */
} fake;

cudaError_t
cudaGetDeviceCount (int *ret_count)
{
  *ret_count = fake.count;
  return fake.count_error;
}

int
shu_device_count (void)
{
  return fake.count;
}

cudaError_t
cudaDriverGetVersion (int *ret_version)
{
  *ret_version = fake.driver;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *ret_value, enum cudaDeviceAttr what, int device)
{
  int major = device == 0 && fake.first_major ? fake.first_major : fake.major;

  *ret_value = what == cudaDevAttrComputeCapabilityMajor ? major : 5;
  return cudaSuccess;
}

cudaError_t
cudaGetLastError (void)
{
  return cudaSuccess;
}

const char *
cudaGetErrorString (cudaError_t e)
{
  return "what went wrong";
}

const char *
cudaGetErrorName (cudaError_t e)
{
  return "cudaErrorName";
}

cudaError_t
cudaSetDevice (int device)
{
  return cudaSuccess;
}

cudaError_t
cudaMalloc (void **ret, size_t size)
{
  return cudaErrorMemoryAllocation;
}

cudaError_t
cudaMemcpy (void *dst, const void *src, size_t count, enum cudaMemcpyKind kind)
{
  return cudaSuccess;
}

cudaError_t
cudaFree (void *p)
{
  return cudaSuccess;
}

cudaError_t
cudaStreamQuery (cudaStream_t stream)
{
  return cudaErrorUnknown;
}

cudaError_t
cudaMemGetInfo (size_t *ret_free, size_t *ret_total)
{
  return cudaErrorUnknown;
}

cudaError_t
cudaGetDeviceProperties (struct cudaDeviceProp *ret, int device)
{
  return cudaErrorUnknown;
}

gboolean
shu_cuda_libs_load (GError **error)
{
  if (fake.library)
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "a library that CUDA needs is missing: %s", fake.library);
  return !fake.library;
}

/* @notice: whether "auto" says why it takes the CPU */
static const struct {
  const char *name;
  cudaError_t count_error;
  int count, driver, major;
  const char *library;
  const char *device, *what;
  gboolean notice;
} rows[] = {
    {"no_driver", cudaErrorInsufficientDriver, 0, 0, 0, NULL, "cuda",
        "there is no NVIDIA driver here", FALSE},
    {"old_driver", cudaErrorInsufficientDriver, 0, 11040, 0, NULL, "cuda",
        "the NVIDIA driver is for CUDA 11.4, this build needs", TRUE},
    {"no_gpu", cudaErrorNoDevice, 0, 13000, 0, NULL, "cuda",
        "there is no NVIDIA GPU here", FALSE},
    {"none_counted", cudaSuccess, 0, 13000, 0, NULL, "cuda",
        "there is no NVIDIA GPU here", FALSE},
    {"lost", cudaErrorDevicesUnavailable, 0, 13000, 0, NULL, "cuda",
        "CUDA does not start: what went wrong (cudaErrorName)", TRUE},
    {"old_card", cudaSuccess, 1, 13000, 7, NULL, "cuda",
        "compute capability 7.5, at least 8.0 is needed", TRUE},
    {"one_card", cudaSuccess, 1, 13000, 9, NULL, "cuda:1",
        "device cuda:1: there is 1 here, numbered from 0", FALSE},
    {"two_cards", cudaSuccess, 2, 13000, 9, NULL, "cuda:7",
        "device cuda:7: there are 2 here, numbered from 0", FALSE},
    {"no_cudnn", cudaSuccess, 1, 13000, 9, "libcudnn.so.9", "cuda:0",
        "a library that CUDA needs is missing: libcudnn.so.9", TRUE},
};

static void
test_row (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = NULL;

  fake.count_error = rows[i].count_error;
  fake.count = rows[i].count;
  fake.driver = rows[i].driver;
  fake.major = rows[i].major;
  fake.library = rows[i].library;
  g_assert_null (shu_ctx_new (rows[i].device, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
  if (!strstr (error->message, rows[i].what))
    g_error ("\"%s\" does not say \"%s\"", error->message, rows[i].what);
  g_assert_nonnull (strstr (error->message, "use cpu or auto"));
  g_clear_error (&error);
  if (strchr (rows[i].device, ':') && !rows[i].library)
    return; /* the first card is fine */
  /* a process says it once */
  if (g_test_subprocess ()) {
    c = shu_ctx_new ("auto", &error);
    g_assert_no_error (error);
    g_assert_cmpstr (shu_ctx_device (c), ==, "cpu");
    shu_ctx_free (shu_ctx_new ("auto", NULL));
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  if (rows[i].notice)
    g_test_trap_assert_stderr ("*device auto: the CPU, because*");
  else
    g_test_trap_assert_stderr_unmatched ("*device auto: the CPU, because*");
  g_test_trap_assert_stderr_unmatched ("*device auto*device auto*");
}

/* An old card beside a good one is passed by. */
static void
test_second_card (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = NULL;

  fake.count_error = cudaSuccess;
  fake.count = 2;
  fake.major = 9;
  fake.first_major = 7;
  fake.library = NULL;
  c = shu_ctx_new ("auto", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (shu_ctx_device (c), ==, "cuda:1");
  g_assert_null (shu_ctx_new ("cuda", &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
  fake.first_major = 0;
}

static void
test_archs (void)
{
  static const struct {
    const char *archs;
    int major, minor;
    gboolean runs;
  } cases[] = {
      {"80 86 89 90 100", 8, 0, TRUE},
      {"80 86 89 90 100", 8, 7, TRUE},
      {"80 86 89 90 100", 9, 0, TRUE},
      {"80 86 89 90 100", 10, 3, TRUE},
      {"80 86 89 90 100", 12, 1, TRUE}, /* PTX */
      {"86 90", 8, 0, FALSE},
      {"86 90", 8, 9, TRUE},
      {"90", 8, 9, FALSE},
      {"90", 10, 0, TRUE},
      {"90 86", 9, 0, TRUE},
      {"100 86", 9, 0, TRUE}, /* PTX of the last */
      {"90 80", 10, 0, TRUE},
      {"80 90 100 86", 8, 0, TRUE},
      {"90a", 9, 0, TRUE},
      {"90a", 10, 0, FALSE},
      {"80 100a", 9, 0, FALSE},
      {"", 9, 0, FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (shu_gpu_arch_runs (cases[i].archs, cases[i].major, cases[i].minor) !=
        cases[i].runs)
      g_error (
          "\"%s\" on %d.%d", cases[i].archs, cases[i].major, cases[i].minor);
}

static void
test_memory (void)
{
  gsize n_free, total;

  g_assert_null (shu_device_alloc (0, 1));
  g_assert_false (shu_device_memory (0, &n_free, &total));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/tensor/device/", rows[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_row);
  }
  g_test_add_func ("/tensor/device/second_card", test_second_card);
  g_test_add_func ("/tensor/device/archs", test_archs);
  g_test_add_func ("/tensor/device/no_memory", test_memory);
  return g_test_run ();
}
