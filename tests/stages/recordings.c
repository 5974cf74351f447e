/* SPDX-License-Identifier: MIT */
/* Networks that a job after the first replays, of a model as it is: the same
 * bits as directly, and what the records take. */
#include "fixtures.h"
#include "gpu.h"
#include "models/clip.h"
#include "models/u2net.h"
#include "ops/ops.h"
#include "stages/model_private.h"
#include "weights/formula.h"
#include <string.h>

typedef ShuTensor *(*Forward) (ShuCtx *c, gconstpointer net, ShuTensor *x);

static ShuTensor *
matting (ShuCtx *c, gconstpointer net, ShuTensor *x)
{
  return shu_u2net (c, net, x, NULL);
}

typedef struct {
  const char *name;
  ShuNet net;
  Forward forward;
  gint64 dims[4];
} Row;

static const Row rows[] = {
    {"clip", SHU_NET_CLIP, (Forward) shu_clip_embed, {2, 224, 224, 3}},
    {"matting", SHU_NET_MATTING, matting, {1, 320, 320, 3}},
};

enum { JOBS = 5 };

static void
look_away (const char *name, ShuTensor *t, gpointer data)
{
}

/* (transfer full): what a job makes of input @i; @direct: whoever listens */
static GBytes *
run (ShuModel *m, gconstpointer net, const Row *row, int i, gboolean direct,
    double *ret_ms, gsize *ret_peak)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_model_context (m, NULL, &error);
  g_autoptr (ShuTensor) host = shu_tensor_new (SHU_DTYPE_F32, 4, row->dims);
  g_autofree char *name = g_strdup_printf ("%s/%d", row->name, i);
  float *values;
  ShuTensor *x, *y;
  gint64 start;
  gsize n;

  g_assert_no_error (error);
  shu_formula_values (name, host->n, host->data);
  x = shu_from_host (c, SHU_DTYPE_F32, 4, row->dims, host->data);
  shu_ctx_finish (c, NULL);
  if (direct)
    shu_ctx_set_tap (c, look_away, NULL);
  start = g_get_monotonic_time ();
  y = row->forward (c, net, x);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  *ret_ms = (double) (g_get_monotonic_time () - start) * 1e-3;
  *ret_peak = shu_ctx_peak_bytes (c);
  n = y->n;
  values = g_new (float, n);
  shu_fetch (c, y, n, values);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (values, n * sizeof (float));
}

static void
test_same_bits (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = gpu_model ("synthetic:701", SHU_MEMORY_NORMAL);
  gconstpointer net;
  gsize before = 0, peak;
  double ms;

  if (!m)
    return;
  net = shu_model_net (m, row->net, &error);
  g_assert_no_error (error);
  for (int i = 0; i < JOBS; i++) {
    g_autoptr (GBytes) expected = run (m, net, row, i, TRUE, &ms, &peak);
    g_autoptr (GBytes) given = NULL;

    if (i == 1)
      before = gpu_used ();
    given = run (m, net, row, i, FALSE, &ms, &peak);
    g_test_message ("%s, job %d: %.3f ms, %.1f MB of its own, %+.1f MB in use",
        row->name, i, ms, (double) peak * 1e-6,
        i == 0 ? 0 : ((double) gpu_used () - (double) before) * 1e-6);
    g_assert_true (g_bytes_equal (given, expected));
    if (i > 0) /* x, y, and y as it comes down */
      g_assert_cmpuint (peak, <, 4 << 20);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strconcat ("/stages/recordings/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_same_bits);
  }
  return g_test_run ();
}
