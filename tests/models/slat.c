/* SPDX-License-Identifier: MIT */
/* The Stage 2 networks with made-up weights: shortcuts against the long way,
 * configurations that must be refused.  Values are compared with the
 * reference by tests/golden.c. */
#include "models/gs_decoder.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "base/error.h"
#include <math.h>

enum { N = 7, L = 5, CHANNELS = 8, COND = 12, SIDE = 16 };

static const gint32 coords[N][3] = {{0, 0, 0}, {0, 0, 1}, {5, 9, 15},
    {5, 8, 15}, {15, 15, 15}, {4, 9, 14}, {8, 0, 3}};
static const ShuVoxels voxels = {.n = N, .stride = 3, .coords = coords[0]};

/* Small numbers that differ from name to name */
static void
formula (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_values, gpointer data)
{
  guint32 state = g_str_hash (name);
  float scale = n_dims > 1 ? sqrtf (3.0f * dims[0] / n) : 0.2f;

  for (gsize i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    ret_values[i] = scale * ((state >> 8) * 0x1p-23f - 1);
  }
}

static gboolean
exists (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "offset_perturbation");
}

static ShuTensor *
made (ShuCtx *c, const char *name, int n_dims, const gint64 *dims)
{
  ShuTensor *zero = shu_fill (c, n_dims, dims, 0);
  g_autofree float *data = g_new (float, zero->n);

  formula (name, 1, dims, zero->n, data, NULL);
  return shu_from_host (c, SHU_DTYPE_F32, n_dims, dims, data);
}

static void
assert_close (ShuCtx *c, ShuTensor *a, ShuTensor *b)
{
  g_autofree float *x = g_new (float, a->n);
  g_autofree float *y = g_new (float, b->n);

  g_assert_cmpuint (a->n, ==, b->n);
  g_assert_true (shu_to_host (c, a, x) && shu_to_host (c, b, y));
  for (gsize i = 0; i < a->n; i++)
    g_assert_cmpfloat_with_epsilon (x[i], y[i], 2e-5f);
}

static void
test_flow_rows (void)
{
  static const char text[] =
      "{\"name\":\"ElasticSLatFlowModel\",\"args\":{\"resolution\":16,"
      "\"in_channels\":8,\"out_channels\":8,\"model_channels\":24,"
      "\"cond_channels\":12,\"num_blocks\":2,\"num_heads\":2,\"patch_size\":2,"
      "\"io_block_channels\":[16],\"qk_rms_norm\":true}}";
  static const float times[] = {1000, 333};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", &error);
  g_autoptr (ShuConfig) config = shu_config_parse (text, -1, "flow", &error);
  g_autoptr (ShuWeights) w =
      shu_weights_new_formula (formula, exists, NULL, NULL);
  g_autoptr (ShuSlatFlow) f = shu_slat_flow_new (config, w, &error);
  SHU_SCOPE (c);
  ShuTensor *cond = made (c, "cond", SHU_DIMS (1, L, COND));
  ShuTensor *zeros = shu_fill (c, SHU_DIMS (1, L, COND), 0);
  ShuTensor *x = made (c, "x", SHU_DIMS (N, CHANNELS)), *both;
  g_autoptr (ShuSlatFlowRun) run = NULL;
  g_autoptr (ShuSlatFlowRun) null = NULL;

  g_assert_no_error (error);
  run = shu_slat_flow_run_new (f, c, &voxels, cond, 2, times, &error);
  null = shu_slat_flow_run_new (f, c, &voxels, zeros, 2, times, &error);
  g_assert_no_error (error);
  for (gint32 i = 0; i < 2; i++) {
    ShuTensor *step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &i);
    ShuTensor *long_way =
        shu_slat_flow_forward (c, null, x, step, SHU_SLAT_COND);

    both = shu_slat_flow_forward (c, run, x, step, SHU_SLAT_BOTH);
    assert_close (c, shu_slice (c, both, 0, 1, 1), long_way);
    assert_close (c, shu_slice (c, both, 0, 1, 1),
        shu_slat_flow_forward (c, run, x, step, SHU_SLAT_UNCOND));
    assert_close (c, shu_slice (c, both, 0, 0, 1),
        shu_slat_flow_forward (c, run, x, step, SHU_SLAT_COND));
  }
  g_assert_true (shu_ctx_finish (c, &error));
}

#define DECODER(more)                                                          \
  "{\"name\":\"SLatGaussianDecoder\",\"args\":{\"resolution\":16,"             \
  "\"model_channels\":12,\"latent_channels\":8,\"num_blocks\":2,"              \
  "\"num_heads\":2,\"mv_dim\":3,\"representation_config\":{"                   \
  "\"num_gaussians\":4,\"voxel_size\":1.5,\"perturb_offset\":true,"            \
  "\"scaling_bias\":0.004,\"opacity_bias\":0.1}" more "}}"

/* Each mode runs, and sees the views it should and no others. */
static void
test_modes (void)
{
  static const struct {
    const char *text;
    int n_views;
    gboolean sees[4];
  } modes[] = {
      {DECODER (""), 4, {TRUE, TRUE, TRUE, TRUE}},
      {DECODER (",\"mv_condition_mode\":\"front&back\""), 4,
          {TRUE, FALSE, TRUE, FALSE}},
      {DECODER (",\"mv_condition_mode\":\"front\""), 4, {TRUE}},
      {DECODER (",\"mv_condition_mode\":\"no\""), 4, {FALSE}},
  };

  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);

  for (gsize m = 0; m < G_N_ELEMENTS (modes); m++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuConfig) config =
        shu_config_parse (modes[m].text, -1, "gs", &error);
    g_autoptr (ShuWeights) w =
        shu_weights_new_formula (formula, exists, NULL, NULL);
    g_autoptr (ShuGsDecoder) d = shu_gs_decoder_new (config, w, &error);
    SHU_SCOPE (c);
    ShuTensor *x = made (c, "x", SHU_DIMS (N, CHANNELS));
    g_autofree float *before = g_new (float, N * 14 * 4);
    g_autofree float *after = g_new (float, N * 14 * 4);

    g_assert_no_error (error);
    for (int v = -1; v < 4; v++) {
      ShuTensor *parts[4];
      ShuSlatViews views;
      gboolean changed = FALSE;

      for (int i = 0; i < 4; i++)
        parts[i] =
            made (c, i == v ? "other" : "view", SHU_DIMS (1, SIDE, SIDE, 12));
      views.color = views.normal = shu_concat (c, 0, 4, parts);
      g_assert_true (
          shu_to_host (c, shu_gs_decoder_forward (c, d, &voxels, x, &views),
              v < 0 ? before : after));
      for (int i = 0; v >= 0 && i < N * 14 * 4; i++)
        changed |= before[i] != after[i];
      if (v >= 0)
        g_assert_cmpint (changed, ==, modes[m].sees[v]);
    }
  }
}

static void
test_refuses (void)
{
  static const struct {
    const char *text, *says;
  } bad[] = {
      {DECODER (",\"use_faceinfo\":true"), "use_faceinfo"},
      {DECODER (",\"mv_condition_mode\":\"left\""), "mv_condition_mode"},
      {DECODER (",\"attn_mode\":\"shift_order\""), "attn_mode"},
      {"{\"name\":\"SLatEncoder\",\"args\":{}}", "SLatGaussianDecoder"},
      {"{}", "missing"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuConfig) config =
        shu_config_parse (bad[i].text, -1, "gs", NULL);
    g_autoptr (ShuWeights) w =
        shu_weights_new_formula (formula, exists, NULL, NULL);

    g_assert_nonnull (config);
    g_assert_null (shu_gs_decoder_new (config, w, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, bad[i].says));
  }
}

/* A map too small for the voxels is an error, not a crash. */
static void
test_small_maps (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuConfig) config =
      shu_config_parse (DECODER (""), -1, "gs", NULL);
  g_autoptr (ShuWeights) w =
      shu_weights_new_formula (formula, exists, NULL, NULL);
  g_autoptr (ShuGsDecoder) d = shu_gs_decoder_new (config, w, NULL);
  SHU_SCOPE (c);
  ShuTensor *x = made (c, "x", SHU_DIMS (N, CHANNELS));
  ShuTensor *map = made (c, "map", SHU_DIMS (4, SIDE - 1, SIDE - 1, 12));
  ShuSlatViews views = {map, map};

  shu_gs_decoder_forward (c, d, &voxels, x, &views);
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models/slat_flow/rows_agree", test_flow_rows);
  g_test_add_func ("/models/slat_decoder/modes_see_their_views", test_modes);
  g_test_add_func ("/models/slat_decoder/refuses", test_refuses);
  g_test_add_func ("/models/slat_decoder/small_maps", test_small_maps);
  return g_test_run ();
}
