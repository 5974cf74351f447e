/* SPDX-License-Identifier: MIT */
/* The networks of a job by themselves, and what they compute at the official
 * sizes. */
#include "base/error.h"
#include "fixtures.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/joint.h"
#include "models/ss_decoder.h"
#include "models/vae.h"
#include "ops/record.h"
#include "stages/model_private.h"
#include "stages/parts.h"
#include <malloc.h>
#include <string.h>

static int
runs (const ShuPart *p)
{
  int n = 0;

  for (int i = 0; i < SHU_N_PART_STAGES; i++)
    n += shu_part_runs (p, i);
  return n;
}

static gboolean
is_whole (const ShuPart *p)
{
  for (int i = 0; i < SHU_N_PART_STAGES; i++)
    if (shu_part_covers (p, i))
      return TRUE;
  return FALSE;
}

static void
test_each (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  const char *const *names = shu_part_names ();
  int networks = 0;

  for (int i = 0; names[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuPart) p =
        shu_part_new (m, names[i], SHU_PRECISION_F16, &error);
    g_autoptr (ShuRecord) r = NULL;

    g_assert_no_error (error);
    g_assert_cmpstr (shu_part_size (p), !=, "");
    /* what is measured beside a job is neither */
    g_assert_true (is_whole (p) + (runs (p) > 0) ==
                   !(g_str_equal (names[i], "joint-x4") ||
                       g_str_equal (names[i], "gaussians")));
    if (shu_part_context (p))
      r = shu_record_new (shu_part_context (p), SHU_RECORD_WORK);
    shu_part_run (p, &error);
    g_assert_no_error (error);
    if (r)
      g_assert_cmpfloat (shu_record_total (r).flop, >, 1e5);
    networks += r != NULL;
  }
  /* the VAE two ways, DINOv2 on two sizes, four people together */
  g_assert_cmpint (networks, ==, SHU_N_NETS + 3);
}

/* On a GPU the surface's extraction is an operation with bytes to count: cells,
 * their distances, and what comes down. */
static void
test_counts_extraction (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get ("synthetic-tiny:7", "cuda", NULL);
  g_autoptr (ShuPart) p = NULL;
  g_autoptr (ShuRecord) r = NULL;
  ShuRecordRow total;

  if (!m) {
    g_test_skip ("no CUDA device");
    return;
  }
  p = shu_part_new (m, "flexicubes", SHU_PRECISION_F16, &error);
  g_assert_no_error (error);
  r = shu_record_new (shu_part_context (p), SHU_RECORD_WORK);
  shu_part_run (p, &error);
  g_assert_no_error (error);
  total = shu_record_total (r);
  g_assert_cmpfloat (total.flop, ==, 0);
  g_assert_cmpfloat (total.bytes, >, 64 * 236 * (3 * 4 + 53 * 2));
}

static void
test_runs (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  const ShuModelDefaults *d = shu_model_defaults (m);
  g_autoptr (ShuPart) joint =
      shu_part_new (m, "joint", SHU_PRECISION_F16, NULL);
  g_autoptr (ShuPart) dino = shu_part_new (m, "dino", SHU_PRECISION_F16, NULL);
  g_autoptr (ShuPart) job = shu_part_new (m, "job", SHU_PRECISION_F16, NULL);

  g_assert_cmpint (shu_part_runs (joint, SHU_PART_STAGE1), ==, d->steps);
  g_assert_cmpint (shu_part_runs (joint, SHU_PART_STAGE2), ==, 0);
  g_assert_cmpint (shu_part_runs (dino, SHU_PART_STAGE1), ==, 1);
  g_assert_cmpint (shu_part_runs (dino, SHU_PART_STAGE2), ==, 1);
  g_assert_true (shu_part_covers (job, SHU_PART_STAGE1));
  g_assert_false (shu_part_covers (job, SHU_PART_MESH));
}

static void
test_unknown (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_part_new (m, "joints", SHU_PRECISION_F16, &error));
  fixture_expect (
      &error, SHU_ERROR_INVALID, "\"joints\"; the parts are matting, clip");
}

/* From the asset to the file, on a device that has the pictures */
static void
tail_brings_down_the_texture_alone (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get ("synthetic-tiny:5", "cuda", NULL);
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  const ShuProgress progress = {.traffic = traffic};
  g_autoptr (ShuPart) p = NULL;
  ShuTrafficCount image;

  if (!m) { /* tests/plugins/device.c sees it on a pretended one */
    g_test_skip ("no CUDA device");
    return;
  }
  p = shu_part_new (m, "tail@6000", SHU_PRECISION_F16, &error);
  g_assert_no_error (error);
  shu_part_set_progress (p, &progress);
  shu_part_run (p, &error);
  g_assert_no_error (error);
  image = shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE);
  g_assert_cmpuint (image.n_up, ==, 0);
  g_assert_cmpuint (image.n_down, ==, 1);
  g_assert_cmpuint (image.down, ==, 3 * 1024 * 1024);
  g_assert_cmpuint (
      shu_traffic_get (traffic, SHU_TRAFFIC_TENSOR).n_down, ==, 0);
}

/* ---- the official sizes, without computing ---- */

static void
leave_empty (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_values, gpointer data)
{
}

static gboolean
exists (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "pos_emb") && !strstr (name, ".query.") &&
         !strstr (name, ".proj_attn.");
}

static ShuTensor *
empty (ShuCtx *c, int n_dims, const gint64 *dims)
{
  return shu_scoped (c, SHU_DTYPE_F32, n_dims, dims);
}

static void
check_work (ShuRecord *r, const char *what, double least, double most)
{
  double tflop = shu_record_total (r).flop * 1e-12;

  g_test_message ("%s: %.3f TFLOP", what, tflop);
  g_assert_cmpfloat (tflop, >, least);
  g_assert_cmpfloat (tflop, <, most);
}

static ShuConfig *
official (const char *path)
{
  return shu_config_parse (shu_synthetic_config (FALSE, path), -1, path, NULL);
}

static void
encode (ShuCtx *c, gconstpointer m)
{
  shu_vae_encode (c, m, empty (c, SHU_DIMS (1, 768, 768, 3)));
}

static void
decode (ShuCtx *c, gconstpointer m)
{
  shu_vae_decode (c, m, empty (c, SHU_DIMS (1, 96, 96, 4)));
}

static void
embed (ShuCtx *c, gconstpointer m)
{
  shu_clip_embed (c, m, empty (c, SHU_DIMS (1, 224, 224, 3)));
}

static void
tokens (ShuCtx *c, gconstpointer m)
{
  shu_dinov2_condition (c, m, empty (c, SHU_DIMS (1, 518, 518, 3)));
}

static void
structure (ShuCtx *c, gconstpointer m)
{
  shu_ss_decoder (c, m, empty (c, SHU_DIMS (1, 16, 16, 16, 8)));
}

typedef gpointer (*LoadFunc) (ShuConfig *, ShuWeights *, GError **);

/* What the official code was counted at. */
static void
test_official (void)
{
  static const struct {
    const char *what, *config;
    LoadFunc load;
    GDestroyNotify free;
    void (*run) (ShuCtx *c, gconstpointer m);
    double tflop;
  } rows[] = {
      {"VAE encoder", "OneStage/vae/config.json", (LoadFunc) shu_vae_new,
          (GDestroyNotify) shu_vae_free, encode, 2.6},
      {"VAE decoder", "OneStage/vae/config.json", (LoadFunc) shu_vae_new,
          (GDestroyNotify) shu_vae_free, decode, 5.75},
      {"CLIP", "OneStage/image_encoder/config.json", (LoadFunc) shu_clip_new,
          (GDestroyNotify) shu_clip_free, embed, 0.335},
      {"DINOv2", "OneStage/dinov2/config.json", (LoadFunc) shu_dinov2_new,
          (GDestroyNotify) shu_dinov2_free, tokens, 1.02},
      {"structure decoder", "OneStage/sparse_structure_decoder/config.json",
          (LoadFunc) shu_ss_decoder_new, (GDestroyNotify) shu_ss_decoder_free,
          structure, 0.81},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuConfig) config = official (rows[i].config);
    g_autoptr (ShuWeights) w =
        shu_weights_new_formula (leave_empty, exists, NULL, NULL);
    g_autoptr (GError) error = NULL;
    gpointer m = rows[i].load (config, w, &error);
    g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
    g_autoptr (ShuRecord) r = NULL;

    g_assert_no_error (error);
    r = shu_record_new (c, SHU_RECORD_WORK | SHU_RECORD_DRY);
    rows[i].run (c, m);
    shu_ctx_finish (c, &error);
    g_assert_no_error (error);
    check_work (r, rows[i].what, rows[i].tflop * 0.99, rows[i].tflop * 1.01);
    rows[i].free (m);
  }
}

/* The official code computes 70.9 TFLOP in a guided step; here is less, because
 * some of it is the same in all steps, and without a condition some of it is
 * constant. */
static void
test_joint (void)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuRecord) prepared_record = NULL;
  g_autoptr (ShuRecord) r = NULL;
  g_autoptr (ShuConfig) config =
      official ("OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json");
  g_autoptr (ShuWeights) w =
      shu_weights_new_formula (leave_empty, exists, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuJoint) m = shu_joint_new (config, w, &error);
  g_autoptr (ShuJointPrepared) p = NULL;
  ShuJointCondition in;
  const float time = 500;
  const gint32 first = 0;
  ShuTensor *step;

  g_assert_no_error (error);
  prepared_record = shu_record_new (c, SHU_RECORD_WORK | SHU_RECORD_DRY);
  in = (ShuJointCondition){.text = empty (c, SHU_DIMS (10, 77, 1024)),
      .labels = empty (c, SHU_DIMS (10, 2048)),
      .images = empty (c, SHU_DIMS (10, 96, 96, 4)),
      .context = empty (c, SHU_DIMS (1, 1374, 1024)),
      .guided = TRUE,
      .n_steps = 1,
      .t = &time,
      .t3 = &time};
  step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
  p = shu_joint_prepare (c, m, &in);
  g_clear_pointer (&prepared_record, shu_record_free);
  r = shu_record_new (c, SHU_RECORD_WORK | SHU_RECORD_DRY);
  {
    SHU_SCOPE (c);

    shu_joint_step (c, m, p, empty (c, SHU_DIMS (10, 96, 96, 4)),
        empty (c, SHU_DIMS (1, 16, 16, 16, 8)), step);
  }
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  check_work (r, "joint step", 0.8 * 70.9, 70.9);
}

int
main (int argc, char **argv)
{
#ifdef M_PERTURB
  /* the weights of the official sizes, never touched, must not become memory */
  mallopt (M_PERTURB, 0);
#endif
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/parts/tail_brings_down_the_texture_alone",
      tail_brings_down_the_texture_alone);
  g_test_add_func ("/stages/parts/each", test_each);
  g_test_add_func ("/stages/parts/counts_extraction", test_counts_extraction);
  g_test_add_func ("/stages/parts/runs", test_runs);
  g_test_add_func ("/stages/parts/unknown", test_unknown);
  g_test_add_func ("/stages/parts/official", test_official);
  g_test_add_func ("/stages/parts/joint_official", test_joint);
  return g_test_run ();
}
