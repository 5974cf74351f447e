/* SPDX-License-Identifier: MIT */
/* cuBLASLt and cuDNN, opened where a GPU is to be used and not before: starting
 * with them costs every program 0.3 s and 200 MB, and they need not be there
 * where there is no GPU.  Their functions exist here under their own names and
 * go on to the libraries. */
#include "tensor/libs_cuda.h"
#include "base/error.h"
#include <dlfcn.h>
/* not seen outside: a program may have the libraries, too */
#pragma GCC visibility push(hidden)
#include <cublasLt.h>
#include <cudnn.h>
#pragma GCC visibility pop

/* clang-format off */
#define LT_FUNCTIONS(F)                                                        \
  F (cublasStatus_t, cublasLtCreate, (cublasLtHandle_t *a), (a))               \
  F (cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t a), (a))               \
  F (const char *, cublasLtGetStatusString, (cublasStatus_t a), (a))           \
  F (cublasStatus_t, cublasLtMatmul,                                           \
      (cublasLtHandle_t a, cublasLtMatmulDesc_t b, const void *c,              \
          const void *d, cublasLtMatrixLayout_t e, const void *f,              \
          cublasLtMatrixLayout_t g, const void *h, const void *i,              \
          cublasLtMatrixLayout_t j, void *k, cublasLtMatrixLayout_t l,         \
          const cublasLtMatmulAlgo_t *m, void *n, size_t o, cudaStream_t p),   \
      (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p))                        \
  F (cublasStatus_t, cublasLtMatmulAlgoGetHeuristic,                           \
      (cublasLtHandle_t a, cublasLtMatmulDesc_t b, cublasLtMatrixLayout_t c,   \
          cublasLtMatrixLayout_t d, cublasLtMatrixLayout_t e,                  \
          cublasLtMatrixLayout_t f, cublasLtMatmulPreference_t g, int h,       \
          cublasLtMatmulHeuristicResult_t *i, int *j),                         \
      (a, b, c, d, e, f, g, h, i, j))                                          \
  F (cublasStatus_t, cublasLtMatmulDescCreate,                                 \
      (cublasLtMatmulDesc_t *a, cublasComputeType_t b, cudaDataType_t c),      \
      (a, b, c))                                                               \
  F (cublasStatus_t, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t a), (a)) \
  F (cublasStatus_t, cublasLtMatmulDescSetAttribute,                           \
      (cublasLtMatmulDesc_t a, cublasLtMatmulDescAttributes_t b,               \
          const void *c, size_t d), (a, b, c, d))                              \
  F (cublasStatus_t, cublasLtMatmulPreferenceCreate,                           \
      (cublasLtMatmulPreference_t *a), (a))                                    \
  F (cublasStatus_t, cublasLtMatmulPreferenceDestroy,                          \
      (cublasLtMatmulPreference_t a), (a))                                     \
  F (cublasStatus_t, cublasLtMatmulPreferenceSetAttribute,                     \
      (cublasLtMatmulPreference_t a, cublasLtMatmulPreferenceAttributes_t b,   \
          const void *c, size_t d), (a, b, c, d))                              \
  F (cublasStatus_t, cublasLtMatrixLayoutCreate,                               \
      (cublasLtMatrixLayout_t *a, cudaDataType b, uint64_t c, uint64_t d,      \
          int64_t e), (a, b, c, d, e))                                         \
  F (cublasStatus_t, cublasLtMatrixLayoutDestroy,                              \
      (cublasLtMatrixLayout_t a), (a))                                         \
  F (cublasStatus_t, cublasLtMatrixLayoutSetAttribute,                         \
      (cublasLtMatrixLayout_t a, cublasLtMatrixLayoutAttribute_t b,            \
          const void *c, size_t d), (a, b, c, d))

#define DNN_FUNCTIONS(F)                                                       \
  F (cudnnStatus_t, cudnnBackendCreateDescriptor,                              \
      (cudnnBackendDescriptorType_t a, cudnnBackendDescriptor_t *b), (a, b))   \
  F (cudnnStatus_t, cudnnBackendDestroyDescriptor,                             \
      (cudnnBackendDescriptor_t a), (a))                                       \
  F (cudnnStatus_t, cudnnBackendExecute,                                       \
      (cudnnHandle_t a, cudnnBackendDescriptor_t b,                            \
          cudnnBackendDescriptor_t c), (a, b, c))                              \
  F (cudnnStatus_t, cudnnBackendFinalize, (cudnnBackendDescriptor_t a), (a))   \
  F (cudnnStatus_t, cudnnBackendGetAttribute,                                  \
      (cudnnBackendDescriptor_t a, cudnnBackendAttributeName_t b,              \
          cudnnBackendAttributeType_t c, int64_t d, int64_t *e, void *f),      \
      (a, b, c, d, e, f))                                                      \
  F (cudnnStatus_t, cudnnBackendSetAttribute,                                  \
      (cudnnBackendDescriptor_t a, cudnnBackendAttributeName_t b,              \
          cudnnBackendAttributeType_t c, int64_t d, const void *e),            \
      (a, b, c, d, e))                                                         \
  F (cudnnStatus_t, cudnnCreate, (cudnnHandle_t *a), (a))                      \
  F (cudnnStatus_t, cudnnDestroy, (cudnnHandle_t a), (a))                      \
  F (const char *, cudnnGetErrorString, (cudnnStatus_t a), (a))                \
  F (void, cudnnGetLastErrorString, (char *a, size_t b), (a, b))               \
  F (size_t, cudnnGetVersion, (void), ())                                      \
  F (cudnnStatus_t, cudnnSetStream, (cudnnHandle_t a, cudaStream_t b), (a, b))

#define FORWARD(type, name, parameters, arguments)                             \
  static __typeof__ (&name) to_##name;                                         \
                                                                               \
  type name parameters                                                         \
  {                                                                            \
    return to_##name arguments;                                                \
  }
LT_FUNCTIONS (FORWARD)
DNN_FUNCTIONS (FORWARD)

#define ENTRY(type, name, parameters, arguments) {#name, (gpointer *) &to_##name},

/* clang-format on */

typedef struct {
  const char *name;
  gpointer *to;
} Function;

static const Function lt_functions[] = {LT_FUNCTIONS (ENTRY){NULL}};
static const Function dnn_functions[] = {DNN_FUNCTIONS (ENTRY){NULL}};

#define STRING(x) #x
#define VERSIONED(name, major) name STRING (major)

#if CUBLAS_VER_MAJOR >= 13
#define CUDA_MAJOR 13
#else
#define CUDA_MAJOR 12
#endif
#define LT_PRODUCT VERSIONED ("cuBLAS of CUDA ", CUDA_MAJOR)
#define DNN_PRODUCT VERSIONED ("cuDNN ", CUDNN_MAJOR)

/* What to install is named by @product. */
static gboolean
load (const char *product, const char *file, const Function *f, GError **error)
{
  gpointer lib = dlopen (file, RTLD_NOW | RTLD_LOCAL);

  if (!lib) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "a library that CUDA needs is missing: %s; install %s", dlerror (),
        product);
    return FALSE;
  }
  for (; f->name; f++) {
    *f->to = dlsym (lib, f->name);
    if (!*f->to) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
          "%s is too old: it has no %s; install %s", file, f->name, product);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
shu_cuda_libs_load (GError **error)
{
  static GMutex lock;
  static gboolean done;

  g_mutex_lock (&lock);
  if (!done)
    done = load (LT_PRODUCT, VERSIONED ("libcublasLt.so.", CUBLAS_VER_MAJOR),
               lt_functions, error) &&
           load (DNN_PRODUCT, VERSIONED ("libcudnn.so.", CUDNN_MAJOR),
               dnn_functions, error);
  g_mutex_unlock (&lock);
  return done;
}

enum { WITH_ATTENTION = 91400 };

static gpointer
warn_of_slowness (gpointer data)
{
  gsize version = cudnnGetVersion ();
  gpointer nvrtc =
      dlopen (VERSIONED ("libnvrtc.so.", CUDA_MAJOR), RTLD_LAZY | RTLD_LOCAL);

  (void) data;
  if (version < WITH_ATTENTION)
    g_message ("cuDNN is of version %zu.%zu, attention came with 9.14: a slow "
               "one takes its place; install a later cuDNN",
        version / 10000, version % 10000 / 100);
  if (!nvrtc)
    g_message ("%s; without it cuDNN cannot make its attention, and a slow one "
               "takes its place: install NVRTC",
        dlerror ());
  else
    dlclose (nvrtc);
  return NULL;
}

void
shu_cuda_libs_want_attention (void)
{
  static GOnce once = G_ONCE_INIT;

  g_once (&once, warn_of_slowness, NULL);
}
