/* SPDX-License-Identifier: MIT */
/* Runners for the joint denoiser of Stage 1 and its parts. */
#include "golden.h"
#include "models/joint.h"
#include <math.h>
#include <string.h>

static int
size_of (GoldenCase *t, const char *key)
{
  return shu_config_int (t->config, key, 1, 1 << 20, -1);
}

/* The groups of the batch that the small files have. */
static ShuViews
views_of (GoldenCase *t, ShuTensor *x)
{
  int V = shu_config_int (t->config, "num_views", 2, 16, 5);

  return (ShuViews){.G = x->dims[0] / (SHU_DOMAINS * V), .V = V};
}

/* ---- a: multi-view transformer ---- */

static void
run_mv_block (GoldenCase *t)
{
  ShuTensor *x = golden_input (t, "in.hidden"); /* [R,N,C] */
  gint64 H = lround (sqrt (x->dims[1]));
  gboolean joint = shu_config_bool (t->config, "mvcd_attention", TRUE);
  ShuMvBlock b = shu_mv_block_load (t->weights, "", size_of (t, "dim"),
      size_of (t, "cross_attention_dim"), size_of (t, "num_attention_heads"),
      joint);
  ShuViews views = views_of (t, x);
  ShuKeyValue text =
      shu_attn_key_value (t->ctx, &b.attn2, golden_input (t, "in.encoder"));

  x = shu_reshape (t->ctx, x, SHU_DIMS (x->dims[0], H, H, -1));
  golden_expect (t, "out.hidden", shu_mv_block (t->ctx, &b, x, &views, text));
}

static void
run_mv_transformer (GoldenCase *t)
{
  ShuTensor *x = golden_input_last (t, "in.hidden"); /* [R,H,H,C] */
  ShuMvParams params = {
      .C = size_of (t, "in_channels"),
      .X = size_of (t, "cross_attention_dim"),
      .n_heads = size_of (t, "num_attention_heads"),
      .n_groups = size_of (t, "norm_num_groups"),
      .n_blocks = size_of (t, "num_layers"),
      .linear = shu_config_bool (t->config, "use_linear_projection", TRUE),
      .joint = shu_config_bool (t->config, "mvcd_attention", TRUE),
  };
  ShuMvTransformer m = {0};
  ShuViews views = views_of (t, x);
  ShuKeyValue text[SHU_MV_MAX_LAYERS];

  shu_mv_transformer_load (&m, t->weights, "", &params);
  shu_mv_transformer_text (t->ctx, &m, golden_input (t, "in.encoder"), text);
  golden_expect_last (
      t, "out.hidden", shu_mv_transformer (t->ctx, &m, x, &views, text));
  shu_mv_transformer_clear (&m);
}

/* ---- b: blocks of the UNet ---- */

static ShuTensor *
time_input (GoldenCase *t)
{
  return shu_silu (t->ctx, golden_input (t, "in.temb"));
}

static ShuTensor *const *
block_times (GoldenCase *t, const ShuUnetBlock *b, ShuUnetTimes *ret)
{
  ret->n = 0;
  shu_unet_block_times (t->ctx, b, time_input (t), ret);
  return ret->t;
}

static void
run_resnet (GoldenCase *t)
{
  ShuResnet r = shu_resnet_load (t->weights, "", size_of (t, "in_channels"),
      size_of (t, "out_channels"), size_of (t, "temb_channels"),
      size_of (t, "groups"), shu_config_float (t->config, "eps", 0, 1, 1e-5));

  golden_expect_last (t, "out.hidden",
      shu_resnet (t->ctx, &r, golden_input_last (t, "in.hidden"),
          shu_resnet_time (t->ctx, &r, time_input (t))));
}

static ShuUnetParams
unet_params (GoldenCase *t, const char *channels, gboolean attention)
{
  return (ShuUnetParams){
      .E = size_of (t, "temb_channels"),
      .n_groups = size_of (t, "resnet_groups"),
      .eps = shu_config_float (t->config, "resnet_eps", 0, 1, 1e-5),
      .mv = {.C = size_of (t, channels),
          .X = attention ? size_of (t, "cross_attention_dim") : 1,
          .n_heads = attention ? size_of (t, "num_attention_heads") : 1,
          .n_groups = size_of (t, "resnet_groups"),
          .n_blocks = attention,
          .linear = shu_config_bool (t->config, "use_linear_projection", TRUE),
          .joint = shu_config_bool (t->config, "mvcd_attention", TRUE)},
  };
}

static void
unet_text (GoldenCase *t, const ShuUnetBlock *b, ShuUnetText *ret_text)
{
  if (b->n_attentions > 0)
    shu_unet_block_text (t->ctx, b, golden_input (t, "in.encoder"), ret_text);
}

/* "out.res.N": what a block leaves for the way up */
static void
expect_skips (GoldenCase *t, const ShuSkips *skips)
{
  char name[32];

  for (int i = 0; i < skips->n; i++) {
    g_snprintf (name, sizeof name, "out.res.%d", i);
    if (golden_has (t, name)) /* not stored where it is out.hidden once more */
      golden_expect_last (t, name, skips->t[i]);
  }
}

static void
run_down (GoldenCase *t, gboolean attention)
{
  ShuUnetParams params = unet_params (t, "out_channels", attention);
  gint64 Co = size_of (t, "out_channels"), Ci[SHU_UNET_MAX_LAYERS];
  int n = MIN (size_of (t, "num_layers"), SHU_UNET_MAX_LAYERS);
  ShuTensor *x = golden_input_last (t, "in.hidden");
  gboolean sampler;
  ShuUnetBlock b = {0};
  ShuUnetText text;
  ShuUnetTimes times;
  ShuSkips skips = {0};
  ShuViews views = views_of (t, x);

  /* Attention blocks say nothing: then the weights tell. */
  sampler = shu_config_bool (t->config, "add_downsample",
      shu_weights_has (t->weights, "downsamplers.0.conv.weight"));
  for (int i = 0; i < n; i++)
    Ci[i] = i == 0 ? size_of (t, "in_channels") : Co;
  shu_unet_block_load (&b, t->weights, "", n, Ci, Co,
      sampler ? SHU_UNET_DOWN : SHU_UNET_SAME, &params);
  unet_text (t, &b, &text);
  x = shu_unet_down (
      t->ctx, &b, x, block_times (t, &b, &times), &views, &text, &skips);
  golden_expect_last (t, "out.hidden", x);
  expect_skips (t, &skips);
  shu_unet_block_clear (&b);
}

static void
run_plain_down (GoldenCase *t)
{
  run_down (t, FALSE);
}

static void
run_mv_down (GoldenCase *t)
{
  run_down (t, TRUE);
}

static void
run_mid (GoldenCase *t)
{
  ShuUnetParams params = unet_params (t, "in_channels", TRUE);
  ShuTensor *x = golden_input_last (t, "in.hidden");
  ShuViews views = views_of (t, x);
  ShuUnetBlock b = {0};
  ShuUnetText text;
  ShuUnetTimes times;

  shu_unet_mid_load (&b, t->weights, "", params.mv.C, &params);
  unet_text (t, &b, &text);
  golden_expect_last (t, "out.hidden",
      shu_unet_mid (t->ctx, &b, x, block_times (t, &b, &times), &views, &text));
  shu_unet_block_clear (&b);
}

static void
run_up (GoldenCase *t, gboolean attention)
{
  ShuUnetParams params = unet_params (t, "out_channels", attention);
  gint64 Co = size_of (t, "out_channels"), Ci[SHU_UNET_MAX_LAYERS];
  gint64 C = size_of (t, "prev_output_channel");
  int n = MIN (size_of (t, "num_layers"), SHU_UNET_MAX_LAYERS);
  gboolean sampler = shu_config_bool (t->config, "add_upsample", TRUE);
  ShuTensor *x = golden_input_last (t, "in.hidden");
  ShuViews views = views_of (t, x);
  ShuUnetBlock b = {0};
  ShuUnetText text;
  ShuUnetTimes times;
  ShuSkips skips = {0};
  char name[32];

  for (int i = 0; i < n; i++) {
    g_snprintf (name, sizeof name, "in.res.%d", i);
    skips.t[skips.n++] = golden_input_last (t, name);
  }
  for (int i = 0; i < n; i++, C = Co)
    Ci[i] = C + skips.t[n - 1 - i]->dims[3];
  shu_unet_block_load (&b, t->weights, "", n, Ci, Co,
      sampler ? SHU_UNET_UP : SHU_UNET_SAME, &params);
  unet_text (t, &b, &text);
  x = shu_unet_up (
      t->ctx, &b, x, block_times (t, &b, &times), &views, &text, &skips);
  golden_expect_last (t, "out.hidden", x);
  shu_unet_block_clear (&b);
}

static void
run_plain_up (GoldenCase *t)
{
  run_up (t, FALSE);
}

static void
run_mv_up (GoldenCase *t)
{
  run_up (t, TRUE);
}

/* ---- c: synchronisation ---- */

/* The reference works in 4 parts and calls itself NAME, NAME.call1, ... */
static void
expect_quarters (GoldenCase *t, const char *name, ShuTensor *rows)
{
  gint64 n = rows->dims[0] / 4;
  ShuTensor *x = shu_reshape (t->ctx, rows, SHU_DIMS (rows->dims[0], -1));

  for (int i = 0; i < 4; i++) {
    g_autofree char *part = i == 0 ? g_strconcat ("mid.", name, NULL)
                                   : g_strdup_printf ("mid.%s.call%d", name, i);

    golden_expect (t, part, shu_slice (t->ctx, x, 0, i * n, n));
  }
}

static gboolean
tap_sync (GoldenCase *t, const char *name, ShuTensor *value)
{
  if (strcmp (name, "cross_attn") != 0 && strcmp (name, "to_normal") != 0 &&
      strcmp (name, "to_color") != 0)
    return FALSE;
  expect_quarters (t, name, value);
  return TRUE;
}

static ShuSyncSizes
sync_sizes (GoldenCase *t)
{
  int n_heads = size_of (t, "heads");

  return (ShuSyncSizes){
      .Cm = size_of (t, "query_dim_MV"),
      .D = size_of (t, "query_dim_Structure"),
      .I = (gint64) n_heads * size_of (t, "dim_head"),
      .n_heads = n_heads,
  };
}

static int
side_of_cube (gint64 n)
{
  return (int) lround (cbrt ((double) n));
}

static void
run_sync_ss (GoldenCase *t)
{
  ShuSyncSizes sizes = sync_sizes (t);
  ShuSyncSs m = shu_sync_ss_load (t->weights, "", &sizes);
  ShuTensor *maps = golden_input_last (t, "in.MV");
  ShuTensor *tokens = golden_input (t, "in.structure");
  ShuViews views = views_of (t, maps);
  int res = side_of_cube (tokens->dims[1]);

  t->tap = tap_sync;
  golden_expect_last (
      t, "mid.imagedownsample", shu_sync_ss_pool (t->ctx, &m, maps, res));
  golden_expect (t, "out.structure",
      shu_sync_ss (t->ctx, &m, maps, &views, tokens, res,
          shu_sync_ss_index (t->ctx, views.G, res)));
}

static void
run_sync_mv (GoldenCase *t)
{
  ShuSyncSizes sizes = sync_sizes (t);
  ShuSyncMv m = shu_sync_mv_load (t->weights, "", &sizes);
  ShuTensor *maps = golden_input_last (t, "in.MV");
  ShuTensor *tokens = golden_input (t, "in.structure");
  ShuViews views = views_of (t, maps);

  t->tap = tap_sync;
  golden_expect_last (t, "out.MV",
      shu_sync_mv (t->ctx, &m, maps, &views, tokens,
          side_of_cube (tokens->dims[1]),
          shu_sync_mv_index (t->ctx, views.G, (int) maps->dims[1])));
}

/* ---- d: structure transformer ---- */

static void
run_dit_block (GoldenCase *t)
{
  ShuDitParams params = {
      .C = size_of (t, "channels"),
      .K = size_of (t, "ctx_channels"),
      .mlp_ratio = shu_config_float (t->config, "mlp_ratio", 0, 64, 4),
      .n_heads = size_of (t, "num_heads"),
      .qk_rms_norm = shu_config_bool (t->config, "qk_rms_norm", FALSE),
      .qk_rms_norm_cross =
          shu_config_bool (t->config, "qk_rms_norm_cross", FALSE),
  };
  ShuDitBlock b = shu_dit_block_load (t->weights, "", &params);
  ShuDitContext context =
      shu_dit_block_context (t->ctx, &b, golden_input (t, "in.context"), FALSE);
  ShuTensor *mod = shu_silu (t->ctx, golden_input (t, "in.mod"));

  golden_expect (t, "out.x",
      shu_dit_block (t->ctx, &b, golden_input (t, "in.x"),
          shu_dit_block_modulation (t->ctx, &b, mod), &context));
}

/* sin and cos are good to 2e-4 only, since angles near 1000 are; f16 adds half
 * a last place of numbers up to 1. */
static void
expect_angles (GoldenCase *t, const char *name, ShuTensor *value)
{
  g_autofree float *data = g_new (float, value->n);
  g_autofree double *wide = g_new (double, value->n);

  if (!shu_to_host (t->ctx, value, data))
    return;
  for (gsize i = 0; i < value->n; i++)
    wide[i] = data[i];
  golden_expect_within (
      t, name, wide, value->n, 2e-4 + (golden_is_half (t) ? 0x1p-12 : 0));
}

static void
run_embedders (GoldenCase *t)
{
  gsize n;
  g_autofree double *values = golden_values (t, "in.t", &n);
  g_autofree float *times = g_new0 (float, MAX (n, 1));
  int dims[2] = {32, 1024}, E = size_of (t, "hidden_size");
  int F = size_of (t, "frequency_embedding_size");
  gint64 unet[SHU_MAX_DIMS] = {0};
  ShuTensor *coords = golden_input (t, "in.coords"), *x;
  ShuEmbedMlp structure, pictures;
  gint64 first[SHU_MAX_DIMS] = {0};

  for (gsize i = 0; i < n; i++)
    times[i] = values[i];
  shu_config_ints (t->config, "ape_channels", 1, 1 << 16, 2, dims);
  golden_dims (t, "out.unet_t_freq", unet);
  golden_dims (t, "w.time_embedding.linear_1.weight", first);
  structure = shu_embed_mlp_load (
      t->weights, "t_embedder.mlp.0", "t_embedder.mlp.2", E, F);
  pictures = shu_embed_mlp_load (t->weights, "time_embedding.linear_1",
      "time_embedding.linear_2", first[0], first[1]);

  x = shu_timestep_embedding (t->ctx, times, n, F);
  expect_angles (t, "out.t_freq", x);
  golden_expect (t, "out.t_emb", shu_embed_mlp (t->ctx, &structure, x));
  x = shu_timestep_embedding (t->ctx, times, n, unet[1]);
  expect_angles (t, "out.unet_t_freq", x);
  x = shu_timestep_embedding (t->ctx, times, n, first[1]);
  golden_expect (t, "out.unet_t_emb", shu_embed_mlp (t->ctx, &pictures, x));
  expect_angles (
      t, "out.pos_small", shu_position_embedding (t->ctx, coords, dims[0]));
  expect_angles (
      t, "out.pos1024", shu_position_embedding (t->ctx, coords, dims[1]));

  x = shu_patchify3d (t->ctx, golden_input_last (t, "in.grid"), 2);
  golden_expect_last (t, "out.patchify2", x);
  golden_expect_last (
      t, "out.unpatchify2_of_patchify2", shu_unpatchify3d (t->ctx, x, 2));
  x = golden_input_last (t, "in.fresh");
  golden_expect_last (
      t, "out.unpatchify2_of_fresh", shu_unpatchify3d (t->ctx, x, 2));
}

/* ---- e: the joint denoiser ---- */

/* The small files list the sizes of the sync modules, which the official
 * configuration has not: of these only the heads are no shapes. */
static ShuConfig *
joint_config (GoldenCase *t, GError **error)
{
  static const char *const lists[][2] = {
      {"dual_ss", "dual_ss_heads"}, {"dual_mv", "dual_mv_heads"}};
  const char *text = golden_metadata (t, "config");
  g_autoptr (JsonNode) root = json_from_string (text, error);
  g_autofree char *own = NULL;
  JsonObject *o;

  if (!root)
    return NULL;
  o = json_node_get_object (root);
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++) {
    JsonArray *list, *heads;

    if (!json_object_has_member (o, lists[i][0]))
      continue;
    list = json_object_get_array_member (o, lists[i][0]);
    heads = json_array_new ();
    for (guint k = 0; k < json_array_get_length (list); k++)
      json_array_add_int_element (
          heads, json_object_get_int_member (
                     json_array_get_object_element (list, k), "heads"));
    json_object_set_array_member (o, lists[i][1], heads);
  }
  own = json_to_string (root, FALSE);
  return shu_config_parse (own, -1, "config", error);
}

/* "timestep (float64) = 818.18, trellis_t = 818": numbers in the note */
static double
number_after (GoldenCase *t, const char *word)
{
  const char *note = golden_metadata (t, "note");
  const char *at = note ? strstr (note, word) : NULL;

  at = at ? strchr (at, '=') : NULL;
  if (!at) {
    golden_fail (t, "the note has no %s", word);
    return 0;
  }
  return g_ascii_strtod (at + 1, NULL);
}

/* One row of ours stands for all rows of the reference's; rows picked out. */
static gboolean
tap_joint (GoldenCase *t, const char *name, ShuTensor *value)
{
  ShuTensor *x = value, *rows[2];

  if (strcmp (name, "time_embedding") == 0) {
    golden_expect (t, "mid.time_embedding",
        shu_repeat (t->ctx, x, 2 * SHU_DOMAINS * views_of (t, x).V));
    return TRUE;
  }
  if (strcmp (name, "dual_CrossAttblocks_MV.0") == 0 &&
      golden_has (t, "mid.dual_CrossAttblocks_MV.0.rows_5_19")) {
    rows[0] = shu_slice (t->ctx, x, 0, 5, 1);
    rows[1] = shu_slice (t->ctx, x, 0, 19, 1);
    golden_expect_last (t, "mid.dual_CrossAttblocks_MV.0.rows_5_19",
        shu_concat2 (t->ctx, 0, rows[0], rows[1]));
  }
  return FALSE;
}

static void
run_joint (GoldenCase *t)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuConfig) config = joint_config (t, &error);
  g_autoptr (ShuJoint) m = !config ? NULL
                           : golden_use_fp8 (t)
                               ? shu_joint_new_fp8 (config, t->weights, &error)
                               : shu_joint_new (config, t->weights, &error);
  g_autoptr (ShuJointPrepared) p = NULL;
  float time = number_after (t, "timestep");
  float time3 = number_after (t, "trellis_t");
  ShuJointCondition condition;
  ShuJointVelocity v;

  if (!m) {
    golden_take_error (t, g_steal_pointer (&error));
    return;
  }
  t->tap = tap_joint;
  condition = (ShuJointCondition){
      .text = golden_input (t, "in.prompt"),
      .labels = golden_input (t, "in.class_labels"),
      .images = golden_input_last (t, "in.image_latents"),
      .context = golden_input (t, "in.trellis_cond"),
      .guided = TRUE,
      .n_steps = 1,
      .t = &time,
      .t3 = &time3,
  };
  p = shu_joint_prepare (t->ctx, m, &condition);
  if (!p)
    return; /* the context has the error */
  v = shu_joint_step (t->ctx, m, p, golden_input_last (t, "in.latents"),
      golden_input_last (t, "in.trellis"),
      shu_from_host (t->ctx, SHU_DTYPE_I32, SHU_DIMS (1), (gint32[]){0}));
  golden_expect_last (t, "out.sample", v.views);
  golden_expect_last (t, "out.trellis", v.structure);
}

const GoldenRunner golden_stage1_runners[] = {
    {"BasicMVTransformerBlock (self_rowwise)", run_mv_block},
    {"TransformerMV2DModel (self_rowwise)", run_mv_transformer},
    {"diffusers ResnetBlock2D", run_resnet},
    {"diffusers DownBlock2D", run_plain_down},
    {"diffusers UpBlock2D", run_plain_up},
    {"CrossAttnDownBlockMV2D", run_mv_down},
    {"UNetMidBlockMV2DCrossAttn", run_mid},
    {"CrossAttnUpBlockMV2D", run_mv_up},
    {"DualCrossAttentionSS", run_sync_ss},
    {"DualCrossAttentionMV", run_sync_mv},
    {"ModulatedTransformerCrossBlock", run_dit_block},
    {"TimestepEmbedder, AbsolutePositionEmbedder, patchify, diffusers "
     "Timesteps+TimestepEmbedding",
        run_embedders},
    {"SyncHuman_2D3DCrossSpaceDiffusion", run_joint, GOLDEN_WHOLE},
    {NULL, NULL},
};
