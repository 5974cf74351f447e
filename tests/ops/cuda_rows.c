/* SPDX-License-Identifier: MIT */
/* See cuda_rows.h. */
#include "cuda_rows.h"
#include <string.h>

static const double LIMIT = 1e-6;
static const double WORK = 2e9; /* of the expected values of a row */

enum { GUARD = 512, SAMPLES = 2048, PERIOD = 1000003, REPEATS = 10 };

ShuCuda *cuda;

/* ---- arrays ---- */

void
must (cudaError_t e)
{
  if (e != cudaSuccess)
    g_error ("%s", cudaGetErrorString (e));
}

void
array_new (Array *a, gsize n)
{
  a->n = n;
  a->host = g_new0 (guint16, n + GUARD);
  must (cudaMalloc ((void **) &a->device, (n + GUARD) * sizeof (guint16)));
}

void
array_clear (Array *a)
{
  g_free (a->host);
  if (a->device)
    must (cudaFree (a->device));
}

/* A copy of less than 64 KB may still be on its way when cudaMemcpy() returns,
 * and the stream of the operations does not wait for it. */
static void
upload (gpointer to, gconstpointer from, gsize bytes)
{
  must (cudaMemcpy (to, from, bytes, cudaMemcpyHostToDevice));
  must (cudaStreamSynchronize (cudaStreamLegacy));
}

/* Values in [-scale,scale), a sequence that repeats after PERIOD. */
void
array_random (Array *a, gsize n, float scale)
{
  static guint32 state = 1;
  gsize first = MIN (n, PERIOD);

  array_new (a, n);
  for (gsize i = 0; i < first; i++) {
    state = state * 1664525u + 1013904223u;
    a->host[i] = shu_f32_to_f16 (((float) (state >> 8) * 0x1p-23f - 1) * scale);
  }
  for (gsize i = first; i < n; i++)
    a->host[i] = a->host[i - first];
  upload (a->device, a->host, n * sizeof (guint16));
}

/* ---- biases ---- */

void
vector_random (Vector *v, Bias bias, gsize n)
{
  g_autofree float *wide = g_new (float, n);

  if (bias == NO_BIAS)
    return;
  array_random (&v->a, n, 1);
  v->v = (ShuCudaVector){v->a.device, 0};
  if (bias != BIAS_F32)
    return;
  shu_f16_to_f32_n (v->a.host, wide, n);
  must (cudaMalloc ((void **) &v->wide, n * sizeof (float)));
  upload (v->wide, wide, n * sizeof (float));
  v->v = (ShuCudaVector){v->wide, 1};
}

void
vector_clear (Vector *v)
{
  array_clear (&v->a);
  must (cudaFree (v->wide));
}

/* ---- one row ---- */

static void
poison (Array *y)
{
  must (cudaMemsetAsync (
      y->device, 0xff, (y->n + GUARD) * sizeof (guint16), cuda->stream));
}

static void
download (const Array *y, guint16 *ret)
{
  must (cudaStreamSynchronize (cuda->stream));
  must (cudaMemcpy (ret, y->device, (y->n + GUARD) * sizeof (guint16),
      cudaMemcpyDeviceToHost));
}

/* Runs out of a graph captured here. */
static gboolean
run_captured (const Row *row, GError **error)
{
  cudaGraph_t graph = NULL;
  cudaGraphExec_t exec = NULL;
  gboolean ok;

  must (
      cudaStreamBeginCapture (cuda->stream, cudaStreamCaptureModeThreadLocal));
  ok = row->run (row->job, error);
  if (!shu_cuda_ok (cudaStreamEndCapture (cuda->stream, &graph), "capture",
          ok ? error : NULL))
    return FALSE;
  if (ok)
    ok = shu_cuda_ok (
             cudaGraphInstantiate (&exec, graph, 0), "instantiate", error) &&
         shu_cuda_ok (cudaGraphLaunch (exec, cuda->stream), "replay", error);
  if (ok)
    must (cudaStreamSynchronize (cuda->stream));
  if (exec)
    cudaGraphExecDestroy (exec);
  cudaGraphDestroy (graph);
  return ok;
}

static double
nmse (const Row *row, const Array *y)
{
  gsize n = MIN (y->n, (gsize) CLAMP (WORK / row->work, 64, SAMPLES));
  double err = 0, norm = 0;

#pragma omp parallel for reduction(+ : err, norm)
  for (gsize k = 0; k < n; k++) {
    /* all, or some everywhere with both ends */
    gsize i = n == y->n ? k : (gsize) ((double) k * (y->n - 1) / (n - 1));
    double expected = row->expect (row->job, i), d = value (y, i) - expected;

    err += d * d;
    norm += expected * expected;
  }
  return err / (norm + 1e-30);
}

static gboolean
all_finite (const Array *y)
{
  for (gsize i = 0; i < y->n; i++)
    if ((y->host[i] & 0x7c00) == 0x7c00)
      return FALSE;
  return TRUE;
}

static gboolean
guard_intact (const Array *y)
{
  for (gsize i = 0; i < GUARD; i++)
    if (y->host[y->n + i] != 0xffff)
      return FALSE;
  return TRUE;
}

static float
milliseconds (const Row *row)
{
  cudaEvent_t from, to;
  float ms = 0;

  must (cudaEventCreate (&from));
  must (cudaEventCreate (&to));
  must (cudaEventRecord (from, cuda->stream));
  for (int i = 0; i < REPEATS; i++)
    row->run (row->job, NULL);
  must (cudaEventRecord (to, cuda->stream));
  must (cudaEventSynchronize (to));
  must (cudaEventElapsedTime (&ms, from, to));
  cudaEventDestroy (from);
  cudaEventDestroy (to);
  return ms / REPEATS;
}

/* Says what is wrong with a row, NULL: nothing. */
static const char *
check_again (const Row *row, Array *y, GError **error)
{
  gsize size = (y->n + GUARD) * sizeof (guint16);
  g_autofree guint16 *again = g_malloc (size);

  poison (y);
  if (!row->run (row->job, error))
    return "second run";
  download (y, again);
  if (memcmp (again, y->host, size) != 0)
    return "other bits the second time";
  poison (y);
  if (!run_captured (row, error))
    return "captured run";
  download (y, again);
  return memcmp (again, y->host, size) != 0 ? "other bits from the graph"
                                            : NULL;
}

/* What SHU_ROWS leaves of the rows, which come in the same order each time */
static gboolean
is_wanted (const char *name)
{
  static unsigned n_asked;
  const char *only = g_getenv ("SHU_ROWS");
  unsigned part, parts;

  if (only && sscanf (only, "%u/%u", &part, &parts) == 2 && parts > 0)
    return n_asked++ % parts == part;
  return !only || g_pattern_match_simple (only, name);
}

void
check_row (const Row *row, Array *y)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) line = g_string_new (row->name);
  gint64 start = g_get_monotonic_time ();
  const char *wrong = NULL;
  double e;

  if (!is_wanted (row->name))
    return;
  poison (y);
  if (!row->run (row->job, &error)) {
    wrong = "first run";
  } else {
    download (y, y->host);
    g_string_append_printf (line, ": first %.0f ms",
        (double) (g_get_monotonic_time () - start) / 1e3);
    e = nmse (row, y);
    g_string_append_printf (line, ", NMSE %.2g", e);
    if (!guard_intact (y))
      wrong = "wrote beyond the result";
    else if (!all_finite (y))
      wrong = "not finite";
    else if (!(e < LIMIT))
      wrong = "inexact";
    else
      wrong = check_again (row, y, &error);
  }
  if (!wrong && g_test_perf ()) {
    float ms = milliseconds (row);

    g_string_append_printf (
        line, ", %.3f ms, %.1f TFLOP/s", ms, row->flops / ms * 1e-9);
  }
  if (wrong) {
    g_string_append_printf (
        line, " FAILED: %s %s", wrong, error ? error->message : "");
    g_test_fail ();
  }
  g_print ("# %s\n", line->str);
}
