/* SPDX-License-Identifier: MIT */
/* latents -> conv_in -> down blocks (attention in all but the last) -> mid ->
 * up blocks (attention in all but the first) -> norm, SiLU, conv_out
 *
 * Traps: "attention_head_dim" is the number of heads; up blocks concatenate
 * [current, skip]; SiLU comes once more before each time_emb_proj. */
#include "models/mv_unet.h"
#include "base/error.h"
#include <string.h>

enum { MAX_CHANNELS = 16384, MIN_LEVELS = 3 };

/* ---- configuration ---- */

static const struct {
  const char *key;
  const char *only;
} string_flags[] = {
    {"mid_block_type", "UNetMidBlockMV2DCrossAttn"},
    {"selfattn_block", "self_rowwise"},
    {"class_embed_type", "projection"},
    {"time_embedding_type", "positional"},
    {"resnet_time_scale_shift", "default"},
    {"act_fn", "silu"},
};

static const struct {
  const char *key;
  gboolean only;
} bool_flags[] = {
    {"mvcd_attention", TRUE},
    {"multiview_attention", TRUE},
    {"use_linear_projection", TRUE},
    {"flip_sin_to_cos", TRUE},
    {"cd_attention_mid", FALSE},
    {"cd_attention_last", FALSE},
    {"class_embeddings_concat", FALSE},
    {"dual_cross_attention", FALSE},
    {"only_cross_attention", FALSE},
    {"center_input_sample", FALSE},
    {"use_dino", FALSE},
    {"addition_downsample", FALSE},
    {"resnet_skip_time_act", FALSE},
};

static const char *const absent_keys[] = {"addition_embed_type",
    "encoder_hid_dim_type", "time_cond_proj_dim", "time_embedding_act_fn",
    "timestep_post_act", "cross_attention_norm", "num_attention_heads"};

/* What changes the structure must be what this file implements. */
static void
check_flags (ShuConfig *config)
{
  for (gsize i = 0; i < G_N_ELEMENTS (string_flags); i++) {
    const char *key = string_flags[i].key, *only = string_flags[i].only;

    if (strcmp (shu_config_string (config, key, only), only) != 0)
      shu_config_fail (config, "\"%s\": only \"%s\" is supported", key, only);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (bool_flags); i++) {
    const char *key = bool_flags[i].key;
    gboolean only = bool_flags[i].only;

    if (shu_config_bool (config, key, only) != only)
      shu_config_fail (
          config, "\"%s\": only %s is supported", key, only ? "true" : "false");
  }
  for (gsize i = 0; i < G_N_ELEMENTS (absent_keys); i++)
    if (shu_config_has (config, absent_keys[i]))
      shu_config_fail (
          config, "\"%s\": only null is supported", absent_keys[i]);
  shu_config_int (config, "transformer_layers_per_block", 1, 1, 1);
  shu_config_int (config, "freq_shift", 0, 0, 0);
  shu_config_int (config, "conv_in_kernel", 3, 3, 3);
  shu_config_int (config, "conv_out_kernel", 3, 3, 3);
  shu_config_int (config, "downsample_padding", 1, 1, 1);
  shu_config_float (config, "resnet_out_scale_factor", 1, 1, 1);
  shu_config_float (config, "mid_block_scale_factor", 1, 1, 1);
}

static void
read_sizes (ShuUnetSizes *s, ShuConfig *config)
{
  int n_heads, unit;

  s->side = shu_config_int (config, "sample_size", 1, 4096, -1);
  s->Ci = shu_config_int (config, "in_channels", 1, 4096, -1);
  s->Co = shu_config_int (config, "out_channels", 1, 4096, -1);
  s->V = shu_config_int (config, "num_views", 2, 16, 5);
  s->n_layers = shu_config_int (
      config, "layers_per_block", 1, SHU_UNET_MAX_LAYERS - 1, 2);
  s->n_groups = shu_config_int (config, "norm_num_groups", 1, 4096, 32);
  s->eps = shu_config_float (config, "norm_eps", 1e-12, 1, 1e-5);
  s->X = shu_config_int (config, "cross_attention_dim", 1, MAX_CHANNELS, -1);
  s->P = shu_config_int (
      config, "projection_class_embeddings_input_dim", 1, MAX_CHANNELS, -1);
  s->n_levels = shu_config_ints (
      config, "block_out_channels", 1, MAX_CHANNELS, SHU_UNET_MAX_LEVELS, s->C);
  n_heads = shu_config_ints (
      config, "attention_head_dim", 1, 1024, SHU_UNET_MAX_LEVELS, s->n_heads);
  if (s->n_levels < MIN_LEVELS) {
    shu_config_fail (
        config, "\"block_out_channels\": at least %d levels", MIN_LEVELS);
    s->n_levels = MIN_LEVELS;
  }
  for (int i = n_heads; n_heads == 1 && i < s->n_levels; i++)
    s->n_heads[i] = s->n_heads[0];
  if (n_heads != 1 && n_heads != s->n_levels)
    shu_config_fail (
        config, "\"attention_head_dim\": one number for each level");
  s->E = 4 * s->C[0];
  unit = 3 << (s->n_levels - 1);
  if (s->side % unit != 0)
    shu_config_fail (config, "\"sample_size\": must be a multiple of %d", unit);
}

/* ---- loading ---- */

static ShuUnetParams
block_params (const ShuMvUnet *m, int level, gboolean attention)
{
  const ShuUnetSizes *s = &m->sizes;

  return (ShuUnetParams){
      .E = s->E,
      .n_groups = s->n_groups,
      .eps = s->eps,
      .mv = {.C = s->C[level],
          .X = s->X,
          .n_heads = MAX (s->n_heads[level], 1),
          .n_groups = s->n_groups,
          .n_blocks = attention,
          .linear = TRUE,
          .joint = TRUE},
      .precision = m->precision,
  };
}

static void
load_blocks (ShuMvUnet *m, ShuWeights *w)
{
  const ShuUnetSizes *s = &m->sizes;
  int n = s->n_levels, n_skips = 0, last = n - 1;
  gint64 skips[SHU_UNET_MAX_SKIPS], Ci[SHU_UNET_MAX_LAYERS], C = s->C[0];
  ShuUnetParams p;
  char name[32];

  G_STATIC_ASSERT (
      1 + SHU_UNET_MAX_LEVELS * SHU_UNET_MAX_LAYERS <= SHU_UNET_MAX_SKIPS + 1);
  skips[n_skips++] = C;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < s->n_layers; j++) {
      Ci[j] = C;
      skips[n_skips++] = C = s->C[i];
    }
    if (i < last)
      skips[n_skips++] = C;
    p = block_params (m, i, i < last);
    g_snprintf (name, sizeof name, "down_blocks.%d", i);
    shu_unet_block_load (&m->down_blocks[i], w, name, s->n_layers, Ci, C,
        i < last ? SHU_UNET_DOWN : SHU_UNET_SAME, &p);
  }
  p = block_params (m, last, TRUE);
  shu_unet_mid_load (&m->mid_block, w, "mid_block", C, &p);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j <= s->n_layers; j++) {
      Ci[j] = C + skips[--n_skips];
      C = s->C[last - i];
    }
    p = block_params (m, last - i, i > 0);
    g_snprintf (name, sizeof name, "up_blocks.%d", i);
    shu_unet_block_load (&m->up_blocks[i], w, name, s->n_layers + 1, Ci, C,
        i < last ? SHU_UNET_UP : SHU_UNET_SAME, &p);
  }
}

/* Stored weights show block types that the lists in the configuration would
 * ask for and this file has not. */
static void
check_block_types (const ShuMvUnet *m, ShuWeights *w)
{
  gint64 dims[SHU_MAX_DIMS];
  char name[64];
  int n;

  g_snprintf (name, sizeof name, "down_blocks.%d.attentions.0.norm.weight",
      m->sizes.n_levels - 1);
  if (shu_weights_dims (w, name, &n, dims) ||
      shu_weights_dims (w, "up_blocks.0.attentions.0.norm.weight", &n, dims))
    shu_weights_fail (w, SHU_ERROR_UNSUPPORTED,
        "attention at the lowest level is not supported");
}

void
shu_mv_unet_load (ShuMvUnet *m, ShuConfig *config, ShuWeights *w)
{
  ShuUnetSizes *s = &m->sizes;

  check_flags (config);
  read_sizes (s, config);
  if (!shu_config_finish (config, NULL))
    return;
  check_block_types (m, w);
  m->conv_in = shu_weights_conv (w, "conv_in", s->C[0], s->Ci, 3);
  m->time_embedding = shu_embed_mlp_load (
      w, "time_embedding.linear_1", "time_embedding.linear_2", s->E, s->C[0]);
  m->class_embedding = shu_embed_mlp_load (
      w, "class_embedding.linear_1", "class_embedding.linear_2", s->E, s->P);
  load_blocks (m, w);
  m->conv_norm_out = shu_weights_norm (w, "conv_norm_out", s->C[0]);
  m->conv_out = shu_weights_conv (w, "conv_out", s->Co, s->C[0], 3);
}

void
shu_mv_unet_clear (ShuMvUnet *m)
{
  for (int i = 0; i < m->sizes.n_levels; i++) {
    shu_unet_block_clear (&m->down_blocks[i]);
    shu_unet_block_clear (&m->up_blocks[i]);
  }
  shu_unet_block_clear (&m->mid_block);
}

/* ---- forward ---- */

void
shu_mv_unet_text (
    ShuCtx *c, const ShuMvUnet *m, ShuTensor *text, ShuMvUnetText *ret_text)
{
  for (int i = 0; i < m->sizes.n_levels; i++) {
    shu_unet_block_text (c, &m->down_blocks[i], text, &ret_text->down[i]);
    shu_unet_block_text (c, &m->up_blocks[i], text, &ret_text->up[i]);
  }
  shu_unet_block_text (c, &m->mid_block, text, &ret_text->mid);
}

ShuTensor *
shu_mv_unet_class (ShuCtx *c, const ShuMvUnet *m, ShuTensor *labels)
{
  ShuTensor *h = shu_embed_mlp (c, &m->class_embedding, labels);

  return shu_tap (c, h, "class_embedding");
}

/* Of all times and rows: [n R,Co] for each residual block */
static void
resnet_times (ShuCtx *c, const ShuMvUnet *m, ShuTensor *time, ShuUnetTimes *ret)
{
  ret->n = 0;
  for (int i = 0; i < m->sizes.n_levels; i++)
    shu_unet_block_times (c, &m->down_blocks[i], time, ret);
  shu_unet_block_times (c, &m->mid_block, time, ret);
  for (int i = 0; i < m->sizes.n_levels; i++)
    shu_unet_block_times (c, &m->up_blocks[i], time, ret);
}

ShuTensor *
shu_mv_unet_times (
    ShuCtx *c, const ShuMvUnet *m, int n, const float *t, ShuTensor *class_emb)
{
  SHU_SCOPE (c);
  gint64 R = class_emb->dims[0], E = m->sizes.E;
  ShuTensor *h = shu_timestep_embedding (c, t, n, m->sizes.C[0]);
  ShuUnetTimes times;

  h = shu_embed_mlp (c, &m->time_embedding, h);
  h = shu_repeat (c, shu_tap (c, h, "time_embedding"), R);
  h = shu_add (c, shu_reshape (c, h, SHU_DIMS (n, R, E)), class_emb);
  h = shu_silu (c, shu_reshape (c, h, SHU_DIMS (n * R, E)));
  resnet_times (c, m, h, &times);
  for (int i = 0; i < times.n; i++)
    times.t[i] = shu_reshape (c, times.t[i], SHU_DIMS (n, -1));
  return shu_keep (c, shu_concat (c, 1, times.n, times.t));
}

static void
split_block (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *row, gint64 R,
    gint64 *at, ShuUnetTimes *ret)
{
  for (int i = 0; i < b->n_resnets; i++) {
    gint64 C = b->resnets[i].time_emb_proj.w->dims[0];
    ShuTensor *h = shu_slice (c, row, 0, *at, R * C);

    ret->t[ret->n++] = shu_reshape (c, h, SHU_DIMS (R, C));
    *at += R * C;
  }
}

void
shu_mv_unet_time (ShuCtx *c, const ShuMvUnet *m, ShuTensor *times, gint64 R,
    ShuUnetTimes *ret)
{
  gint64 at = 0;

  times = shu_reshape (c, times, SHU_DIMS (-1));
  ret->n = 0;
  for (int i = 0; i < m->sizes.n_levels; i++)
    split_block (c, &m->down_blocks[i], times, R, &at, ret);
  split_block (c, &m->mid_block, times, R, &at, ret);
  for (int i = 0; i < m->sizes.n_levels; i++)
    split_block (c, &m->up_blocks[i], times, R, &at, ret);
}

ShuTensor *
shu_mv_unet_input (
    ShuCtx *c, const ShuMvUnet *m, ShuTensor *x, ShuSkips *ret_skips)
{
  x = shu_tap (c, shu_conv2d_same (c, x, &m->conv_in), "conv_in");
  ret_skips->t[0] = x;
  ret_skips->n = 1;
  return x;
}

ShuTensor *
shu_mv_unet_output (ShuCtx *c, const ShuMvUnet *m, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuUnetSizes *s = &m->sizes;

  if (shu_tapped (c))
    shu_tap (c,
        shu_group_norm (
            c, x, &m->conv_norm_out, s->n_groups, s->eps, SHU_ACT_NONE),
        "conv_norm_out");
  x = shu_group_norm (
      c, x, &m->conv_norm_out, s->n_groups, s->eps, SHU_ACT_SILU);
  return shu_keep (c, shu_conv2d_same (c, x, &m->conv_out));
}
