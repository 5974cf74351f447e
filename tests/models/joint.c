/* SPDX-License-Identifier: MIT */
/* The joint denoiser at sizes that no golden file has: three levels, one
 * layer, with and without guidance. */
#include "base/error.h"
#include "models/joint.h"
#include <math.h>
#include <string.h>

enum { V = 5, ROWS = 2 * V, MAX_SUBJECTS = 3 };

static const char tiny[] =
    "{\"sample_size\": 12, \"in_channels\": 8, \"out_channels\": 4, "
    "\"block_out_channels\": [32, 32, 64], \"layers_per_block\": 1, "
    "\"attention_head_dim\": [1, 2, 2], \"cross_attention_dim\": 8, "
    "\"projection_class_embeddings_input_dim\": 12, \"num_views\": 5, "
    "\"resolution\": 4, \"model_channels\": 32, \"cond_channels\": 16, "
    "\"num_blocks\": 3, \"num_heads\": 2, \"qk_rms_norm\": true}";
static const char mini[] =
    "{\"sample_size\": 24, \"in_channels\": 8, \"out_channels\": 4, "
    "\"block_out_channels\": [64, 128, 128], \"layers_per_block\": 1, "
    "\"attention_head_dim\": [1, 2, 2], \"cross_attention_dim\": 32, "
    "\"projection_class_embeddings_input_dim\": 128, \"num_views\": 5, "
    "\"resolution\": 8, \"model_channels\": 128, \"cond_channels\": 128, "
    "\"num_blocks\": 6, \"num_heads\": 2, \"qk_rms_norm\": true}";

/* ---- a network and its inputs ---- */

static float
noise (guint64 *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (gint32) (*state >> 32) * 0x1p-31f;
}

/* Norms near 1, everything else small enough to keep activations in range;
 * with @data no sync module gives anything. */
static void
formula (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_values, gpointer data)
{
  guint64 state = g_str_hash (name);
  gboolean mute = data && strstr (name, "output_layer_");
  float scale = n_dims > 1 ? sqrtf (3.0f * dims[0] / n) : 0.1f;

  for (gsize i = 0; i < n; i++)
    ret_values[i] = mute ? 0 : scale * noise (&state);
  if (n_dims == 1 && g_str_has_suffix (name, ".weight"))
    for (gsize i = 0; i < n; i++)
      ret_values[i] += 1;
}

static gboolean
exists (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "pos_emb");
}

static ShuJoint *
new_joint (const char *text, gboolean mute, GError **error)
{
  g_autoptr (ShuConfig) config = shu_config_parse (text, -1, "test", error);
  g_autoptr (ShuWeights) w =
      shu_weights_new_formula (formula, exists, GINT_TO_POINTER (mute), NULL);

  g_assert_nonnull (config);
  return shu_joint_new (config, w, error);
}

static ShuTensor *
random_tensor (ShuCtx *c, guint64 seed, int n_dims, const gint64 *dims)
{
  gsize n = 1;
  g_autofree float *v = NULL;

  for (int i = 0; i < n_dims; i++)
    n *= dims[i];
  v = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    v[i] = 1.7f * noise (&seed);
  return shu_from_host (c, SHU_DTYPE_F32, n_dims, dims, v);
}

typedef struct {
  float *views, *structure;
  gsize n_views, n_structure;
} Velocity;

static void
velocity_clear (Velocity *v)
{
  g_free (v->views);
  g_free (v->structure);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Velocity, velocity_clear)

/* [2V,...] of several subjects, by domain: [2 B V,...] */
static ShuTensor *
by_domain (ShuCtx *c, int B, ShuTensor *const *x)
{
  ShuTensor *parts[2 * MAX_SUBJECTS];

  for (int d = 0; d < 2; d++)
    for (int b = 0; b < B; b++)
      parts[d * B + b] = shu_slice (c, x[b], 0, d * V, V);
  return shu_concat (c, 0, 2 * B, parts);
}

/* Seeds of a subject's inputs */
typedef struct {
  guint64 condition, latents;
} Subject;

/* One step from seeded inputs. */
static Velocity
run_subjects (ShuCtx *c, const ShuJoint *m, gboolean guided, int B,
    const Subject *subjects)
{
  SHU_SCOPE (c);
  const ShuUnetSizes *u = shu_joint_unet_sizes (m);
  const ShuSsSizes *s = shu_joint_ss_sizes (m);
  const float times[] = {1000, 700};
  ShuJointCondition condition = {
      .text = random_tensor (c, 1, SHU_DIMS (ROWS, 3, u->X)),
      .guided = guided,
      .n_steps = 2,
      .t = times,
      .t3 = times,
  };
  const gint32 step = 1;
  ShuTensor *labels[MAX_SUBJECTS], *images[MAX_SUBJECTS];
  ShuTensor *contexts[MAX_SUBJECTS], *latents[MAX_SUBJECTS];
  ShuTensor *structures[MAX_SUBJECTS];
  g_autoptr (ShuJointPrepared) p = NULL;
  g_autoptr (GError) error = NULL;
  ShuJointVelocity v;
  Velocity ret;

  for (int b = 0; b < B; b++) {
    guint64 own = subjects[b].condition;

    labels[b] = random_tensor (c, own + 2, SHU_DIMS (ROWS, u->P));
    images[b] = random_tensor (
        c, own + 3, SHU_DIMS (ROWS, u->side, u->side, u->Ci - u->Co));
    contexts[b] = random_tensor (c, own + 4, SHU_DIMS (1, 7, s->K));
    latents[b] = random_tensor (
        c, subjects[b].latents, SHU_DIMS (ROWS, u->side, u->side, u->Co));
    structures[b] =
        random_tensor (c, own + 6, SHU_DIMS (1, s->res, s->res, s->res, s->Ci));
  }
  condition.labels = by_domain (c, B, labels);
  condition.images = by_domain (c, B, images);
  condition.context = shu_concat (c, 0, B, contexts);
  p = shu_joint_prepare (c, m, &condition);
  g_assert_nonnull (p);
  v = shu_joint_step (c, m, p, by_domain (c, B, latents),
      shu_concat (c, 0, B, structures),
      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &step));
  ret = (Velocity){.n_views = v.views->n, .n_structure = v.structure->n};
  ret.views = g_new (float, v.views->n);
  ret.structure = g_new (float, v.structure->n);
  shu_to_host (c, v.views, ret.views);
  shu_to_host (c, v.structure, ret.structure);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return ret;
}

static Velocity
run_step (ShuCtx *c, const ShuJoint *m, gboolean guided, guint64 latent_seed)
{
  return run_subjects (c, m, guided, 1, &(Subject){.latents = latent_seed});
}

static double
distance (const float *a, const float *b, gsize n)
{
  double max = 0;

  for (gsize i = 0; i < n; i++) {
    g_assert_true (isfinite (a[i]) && isfinite (b[i]));
    max = MAX (max, fabs ((double) a[i] - b[i]));
  }
  return max;
}

static ShuCtx *
new_ctx (void)
{
  GError *error = NULL;
  ShuCtx *c = shu_ctx_new ("cpu", &error);

  g_assert_no_error (error);
  return c;
}

/* ---- tests ---- */

static void
test_guidance (void)
{
  g_autoptr (ShuCtx) c = new_ctx ();
  g_autoptr (ShuJoint) m = new_joint (tiny, FALSE, NULL);
  g_auto (Velocity) one = run_step (c, m, FALSE, 5);
  g_auto (Velocity) two = run_step (c, m, TRUE, 5);
  gsize n = one.n_views / 2, k = one.n_structure;

  g_assert_cmpuint (two.n_views, ==, 2 * one.n_views);
  g_assert_cmpuint (two.n_structure, ==, 2 * k);
  for (int d = 0; d < 2; d++) {
    const float *cond = two.views + (2 * d + 1) * n;

    g_assert_cmpfloat (distance (cond, one.views + d * n, n), <, 1e-4);
    /* and the condition matters */
    g_assert_cmpfloat (distance (cond, cond - n, n), >, 1e-2);
  }
  g_assert_cmpfloat (distance (two.structure + k, one.structure, k), <, 1e-4);
  g_assert_cmpfloat (distance (two.structure, one.structure, k), >, 1e-2);
}

static void
test_sync (void)
{
  g_autoptr (ShuCtx) c = new_ctx ();
  g_autoptr (ShuJoint) joined = new_joint (tiny, FALSE, NULL);
  g_autoptr (ShuJoint) apart = new_joint (tiny, TRUE, NULL);
  g_auto (Velocity) a = run_step (c, joined, FALSE, 5);
  g_auto (Velocity) b = run_step (c, joined, FALSE, 55);
  g_auto (Velocity) a0 = run_step (c, apart, FALSE, 5);
  g_auto (Velocity) b0 = run_step (c, apart, FALSE, 55);

  /* The pictures reach the structure through the sync modules only. */
  g_assert_cmpfloat (
      distance (a.structure, b.structure, a.n_structure), >, 1e-3);
  g_assert_cmpfloat (
      distance (a0.structure, b0.structure, a.n_structure), ==, 0);
  g_assert_cmpfloat (distance (a0.views, b0.views, a.n_views), >, 1e-3);
}

static void
test_threads (void)
{
  g_autoptr (ShuCtx) c1 = new_ctx (), c2 = new_ctx ();
  g_autoptr (ShuJoint) m = new_joint (tiny, FALSE, NULL);
  g_auto (Velocity) a = run_step (c1, m, TRUE, 5);
  g_auto (Velocity) b = run_step (c2, m, TRUE, 5);

  g_assert_cmpfloat (distance (a.views, b.views, a.n_views), ==, 0);
  g_assert_cmpfloat (distance (a.structure, b.structure, a.n_structure), ==, 0);
}

/* What a subject gets does not depend on who else is there, but for the order
 * in which products of more rows add up. */
static void
test_subjects (gconstpointer data)
{
  static const Subject subjects[MAX_SUBJECTS] = {{0, 5}, {100, 6}, {200, 5}};
  gboolean guided = GPOINTER_TO_INT (data);
  int G = guided ? 2 : 1;
  g_autoptr (ShuCtx) c = new_ctx ();
  g_autoptr (ShuJoint) m = new_joint (tiny, FALSE, NULL);
  g_auto (Velocity) all = run_subjects (c, m, guided, MAX_SUBJECTS, subjects);

  for (int b = 0; b < MAX_SUBJECTS; b++) {
    g_auto (Velocity) alone = run_subjects (c, m, guided, 1, &subjects[b]);
    gsize n = alone.n_views / (2 * G), k = alone.n_structure / G;
    gsize last = (2 * G - 1) * n; /* colours, with the condition */

    for (int i = 0; i < 2 * G; i++) /* domains, with and without condition */
      g_assert_cmpfloat (distance (all.views + (i * MAX_SUBJECTS + b) * n,
                             alone.views + i * n, n),
          <, 1e-4);
    for (int g = 0; g < G; g++)
      g_assert_cmpfloat (distance (all.structure + (g * MAX_SUBJECTS + b) * k,
                             alone.structure + g * k, k),
          <, 1e-4);
    if (b > 0)
      g_assert_cmpfloat (distance (all.views + (2 * G - 1) * MAX_SUBJECTS * n,
                             alone.views + last, n),
          >, 1e-2);
  }
}

static void
test_memory (void)
{
  g_autoptr (ShuCtx) c = new_ctx ();
  g_autoptr (ShuJoint) m = new_joint (mini, FALSE, NULL);
  g_auto (Velocity) v = run_step (c, m, TRUE, 5);

  g_assert_cmpuint (v.n_views, ==, 2 * ROWS * 24 * 24 * 4);
  g_test_message ("peak %" G_GSIZE_FORMAT " bytes", shu_ctx_peak_bytes (c));
  g_assert_cmpuint (shu_ctx_peak_bytes (c), <, 200 * 1000 * 1000);
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 0);
}

/* The tiny configuration with @member in place of its own, or added */
static char *
with_member (const char *member)
{
  g_autofree char *key =
      g_strndup (member, strchr (member + 1, '"') - member + 1);
  g_auto (GStrv) part = g_strsplit (tiny, key, 2);
  const char *rest;

  if (!part[1])
    return g_strdup_printf ("%.*s, %s}", (int) strlen (tiny) - 1, tiny, member);
  rest = strpbrk (part[1], ",[}");
  if (*rest == '[')
    rest = strchr (rest, ']') + 1;
  return g_strdup_printf ("%s%s%s", part[0], member, rest);
}

static void
test_refused (void)
{
  static const char *const members[] = {"\"mvcd_attention\": false",
      "\"selfattn_block\": \"self\"", "\"cd_attention_mid\": true",
      "\"use_linear_projection\": false", "\"pe_mode\": \"rope\"",
      "\"share_mod\": true", "\"act_fn\": \"gelu\"", "\"num_views\": 6",
      "\"sample_size\": 16", "\"num_blocks\": 4",
      "\"block_out_channels\": [32, 32]", "\"attention_head_dim\": [1, 2]",
      "\"resolution\": -1", "\"patch_size\": 3", "\"num_heads\": 3",
      "\"block_out_channels\": [32, 32, 40]", "\"layers_per_block\": 1e9",
      "\"time_cond_proj_dim\": 256"};

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++) {
    g_autofree char *text = with_member (members[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuJoint) m = new_joint (text, FALSE, &error);

    if (m || !error)
      g_error ("%s was accepted", members[i]);
    g_test_message ("%s", error->message);
  }
}

static void
test_wrong_rows (void)
{
  g_autoptr (ShuCtx) c = new_ctx ();
  g_autoptr (ShuJoint) m = new_joint (tiny, FALSE, NULL);
  g_autoptr (GError) error = NULL;
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, 1, SHU_DIMS (ROWS, 3, 9));
  const float t = 500;
  ShuJointCondition condition = {x, x, x, x, TRUE, 1, &t, &t};

  g_assert_null (shu_joint_prepare (c, m, &condition));
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/models/joint/unguided_equals_conditional_rows", test_guidance);
  g_test_add_func ("/models/joint/sync_is_the_only_bridge", test_sync);
  g_test_add_func ("/models/joint/same_bits_in_two_contexts", test_threads);
  g_test_add_data_func ("/models/joint/subjects_are_alone",
      GINT_TO_POINTER (FALSE), test_subjects);
  g_test_add_data_func ("/models/joint/subjects_are_alone_guided",
      GINT_TO_POINTER (TRUE), test_subjects);
  g_test_add_func ("/models/joint/mini_stays_small", test_memory);
  g_test_add_func ("/models/joint/unsupported_structure_refused", test_refused);
  g_test_add_func ("/models/joint/wrong_rows_fail", test_wrong_rows);
  return g_test_run ();
}
