/* SPDX-License-Identifier: MIT */
/* The texture that the library solves for against the one that the reference's
 * steps end with: the loss of the reference, on the same pictures.
 *
 *   texture-objective MODEL [--views N] [--size S] [--texture T] [--steps K] */
#include "ops/texture.h"
#include "ops/texture_taps.h"
#include "texture_subject.h"
#include <math.h>
#include <string.h>

enum { SEED = 11 };

static const double variation = 0.01; /* of the reference's loss */
static int n_views = 100, size = 128, texture = 256, n_steps = 1000;
static int rounds = 4, cg = 6;
static double soft_first = 0.1, soft_last = 0.01, gather_hold = 0.02;
static char *device = "cpu";
static char **paths;

static const GOptionEntry options[] = {
    {"views", 0, 0, G_OPTION_ARG_INT, &n_views, "Pictures in all", "N"},
    {"size", 0, 0, G_OPTION_ARG_INT, &size, "Side of Gaussians' pictures", "S"},
    {"texture", 0, 0, G_OPTION_ARG_INT, &texture, "Side of the texture", "T"},
    {"steps", 0, 0, G_OPTION_ARG_INT, &n_steps, "Steps of the schedule", "K"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Rounds of the solver", "K"},
    {"cg", 0, 0, G_OPTION_ARG_INT, &cg, "Steps of a round", "K"},
    {"soft-first", 0, 0, G_OPTION_ARG_DOUBLE, &soft_first, "First", "X"},
    {"soft-last", 0, 0, G_OPTION_ARG_DOUBLE, &soft_last, "Last", "X"},
    {"device", 0, 0, G_OPTION_ARG_STRING, &device, "Where to solve", "D"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL,
        "MODEL"},
    {NULL},
};

static ShuTensor *
plane (ShuCtx *c, gint64 n, int width, const float *data)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (
      SHU_DTYPE_F32, width > 1 ? 2 : 1, (const gint64[]){n, width});

  memcpy (t->data, data, shu_tensor_bytes (t));
  return shu_on_device (c, t, SHU_TRAFFIC_MESH);
}

/* All that the loss sees, as rows: a picture's pixels share its weight. */
static ShuTextureRows
make_rows (ShuCtx *c, const ScheduleView *views, float *ret_variation)
{
  gsize n = 0, at = 0, least = G_MAXSIZE;

  for (int v = 0; v < n_views; v++) {
    n += views[v].n;
    least = views[v].n ? MIN (least, views[v].n) : least;
  }
  g_autofree float *place = g_new (float, 3 * n), *color = g_new (float, 3 * n);
  g_autofree float *weight = g_new (float, n);
  for (int v = 0; v < n_views; v++)
    for (gsize i = 0; i < views[v].n; i++, at++) {
      const float *d = views[v].uv_dr + 4 * i;
      float a = d[0] * d[0] + d[2] * d[2], b = d[1] * d[1] + d[3] * d[3];
      float ab = d[0] * d[1] + d[2] * d[3];
      float major = (a + b) / 2 + sqrtf ((a - b) * (a - b) / 4 + ab * ab);
      place[3 * at] = views[v].uv[2 * i];
      place[3 * at + 1] = views[v].uv[2 * i + 1];
      place[3 * at + 2] = MAX (0, 0.5f * log2f (major * texture * texture));
      memcpy (color + 3 * at, views[v].obs + 3 * i, 3 * sizeof (float));
      weight[at] = (float) least / views[v].n;
    }
  *ret_variation = (float) (variation * n_views * (double) least /
                            ((double) texture * (texture - 1)));
  return (ShuTextureRows){
      plane (c, n, 3, place), plane (c, n, 3, color), plane (c, n, 1, weight)};
}

/* The second time, when all is warm, is what is printed. */
static void
solve (const ScheduleView *views, float *ret)
{
  g_autoptr (ShuCtx) c = shu_ctx_new (device, NULL);
  ShuTextureSolver p = {texture, rounds, cg, soft_first, soft_last};
  gsize n = 3 * (gsize) texture * texture;
  g_autofree float *first = g_new (float, n);

  for (int i = 0; i < (g_strcmp0 (device, "cpu") ? 2 : 1); i++) {
    SHU_SCOPE (c);
    ShuTextureRows rows = make_rows (c, views, &p.variation);
    gint64 t0, t1, t2;
    ShuTensor *start, *t;

    g_assert_true (shu_ctx_finish (c, NULL));
    t0 = g_get_monotonic_time ();
    start = shu_texture_gather (c, &rows, texture, gather_hold);
    shu_to_host (c, start, first);
    t1 = g_get_monotonic_time ();
    t = shu_texture_solve (c, &rows, start, &p);
    shu_to_host (c, t, ret);
    t2 = g_get_monotonic_time ();
    g_test_message ("%d rows: means %.0f ms, solved in %.0f ms",
        (int) rows.place->dims[0], (t1 - t0) * 1e-3, (t2 - t1) * 1e-3);
  }
  g_test_message (
      "means: loss %.5f", schedule_objective (views, n_views, texture, first));
  g_assert_true (shu_ctx_finish (c, NULL));
}

static void
compare (Subject *s)
{
  ScheduleView *views = subject_observe (s, n_views, size);
  gsize n = 3 * (gsize) texture * texture;
  g_autofree float *ours = g_new (float, n), *theirs = g_new (float, n);
  gint64 t0 = g_get_monotonic_time ();
  double a, b;

  schedule_run (views, n_views, texture, n_steps, SEED, theirs);
  b = schedule_objective (views, n_views, texture, theirs);
  g_test_message ("%d steps in %.1f s: loss %.5f", n_steps,
      (g_get_monotonic_time () - t0) * 1e-6, b);
  solve (views, ours);
  a = schedule_objective (views, n_views, texture, ours);
  g_test_message ("solved: loss %.5f", a);
  g_assert_cmpfloat (a, <=, b);
  for (int v = 0; v < n_views; v++)
    schedule_view_clear (views + v);
  g_free (views);
}

static void
painted_body (void)
{
  Subject s = subject_painted (4000, texture, size);

  compare (&s);
  subject_clear (&s);
}

static void
generated_person (void)
{
  g_autoptr (GError) error = NULL;
  Subject s = subject_person (paths[0], 0, texture, &error);

  g_assert_no_error (error);
  compare (&s);
  subject_clear (&s);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("MODEL");

  g_test_init (&argc, &argv, NULL);
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, NULL) || !paths)
    return 2;
  g_test_add_func ("/texture/objective/painted_body", painted_body);
  g_test_add_func ("/texture/objective/generated_person", generated_person);
  return g_test_run ();
}
