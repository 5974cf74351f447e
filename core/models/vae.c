/* SPDX-License-Identifier: MIT */
/* encode: conv_in -> (resnets, stride-2 convolution)* -> mid -> norm, SiLU,
 *         conv_out -> quant_conv               [B,H,W,3] -> [B,H/f,W/f,2Z]
 * decode: post_quant_conv -> conv_in -> mid -> (resnets, x2, convolution)* ->
 *         norm, SiLU, conv_out                 [B,h,w,Z] -> [B,h f,w f,3]
 *
 * Traps: every norm has eps 1e-6; the encoder's down convolution pads right and
 * bottom only; attention has one head; old files call its layers query, key,
 * value, proj_attn, and may hold them as 1x1 convolutions. */
#include "models/vae.h"
#include "base/error.h"
#include "nn/resnet.h"
#include <string.h>

enum {
  MAX_LEVELS = 8,
  MAX_LAYERS = 8,
  MAX_CHANNELS = 16384,
  MAX_OWNED = 16,
  /* elements of the widest feature map that are worked on at once */
  CHUNK_ELEMENTS = 4 * 1024 * 1024,
};

static const float EPS = 1e-6f;

typedef struct {
  ShuNorm group_norm;                 /* [C] */
  ShuLinear to_q, to_k, to_v, to_out; /* [C,C] */
} Attention;

typedef struct {
  ShuResnet resnets[MAX_LAYERS + 1];
  int n_resnets;
  ShuConv sampler; /* [C,C,3,3], absent (w NULL) in the last block */
} Block;

/* One half: encoder or decoder */
typedef struct {
  ShuConv conv_in;
  Block blocks[MAX_LEVELS]; /* down_blocks or up_blocks */
  ShuResnet mid_resnets[2];
  Attention mid_attention;
  ShuNorm conv_norm_out;
  ShuConv conv_out;
} Half;

struct _ShuVae {
  ShuWeights *weights;
  int n_levels, n_layers, n_groups, Z, n_images;
  int C[MAX_LEVELS];
  float scaling_factor;
  Half encoder, decoder;
  ShuConv quant_conv;      /* [2Z,2Z,1,1], absent where not used */
  ShuConv post_quant_conv; /* [Z,Z,1,1] */
  ShuTensor *owned[MAX_OWNED];
  int n_owned;
};

/* ---- loading ---- */

static void
read_config (ShuVae *m, ShuConfig *config)
{
  m->n_levels = shu_config_ints (
      config, "block_out_channels", 1, MAX_CHANNELS, MAX_LEVELS, m->C);
  m->n_layers = shu_config_int (config, "layers_per_block", 1, MAX_LAYERS, 2);
  m->n_groups = shu_config_int (config, "norm_num_groups", 1, 4096, 32);
  m->Z = shu_config_int (config, "latent_channels", 1, 4096, 4);
  m->n_images = shu_config_int (config, "in_channels", 1, 64, 3);
  m->scaling_factor =
      shu_config_float (config, "scaling_factor", 1e-6, 1e6, 0.18215);
  if (m->n_levels < 1)
    shu_config_fail (config, "\"block_out_channels\" is missing");
  shu_config_int (
      config, "out_channels", m->n_images, m->n_images, m->n_images);
  if (strcmp (shu_config_string (config, "act_fn", "silu"), "silu") != 0)
    shu_config_fail (config, "\"act_fn\": only \"silu\" is supported");
  if (shu_config_has (config, "shift_factor") ||
      shu_config_has (config, "latents_mean") ||
      shu_config_has (config, "latents_std"))
    shu_config_fail (config, "latents that are shifted are not supported");
  if (!shu_config_bool (config, "mid_block_add_attention", TRUE))
    shu_config_fail (
        config, "\"mid_block_add_attention\": only true is supported");
}

/* [C,C], also where the file has [C,C,1,1] */
static ShuLinear
load_linear (
    ShuVae *m, ShuWeights *w, const char *name, const char *old_name, gint64 C)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL);
  gint64 dims[SHU_MAX_DIMS];
  int n_dims = 2;
  ShuConv k;

  if (!shu_weights_has (w, weight)) {
    g_autofree char *old = g_strconcat (old_name, ".weight", NULL);

    if (shu_weights_has (w, old)) {
      g_free (g_steal_pointer (&weight));
      weight = g_steal_pointer (&old);
      name = old_name;
    }
  }
  shu_weights_dims (w, weight, &n_dims, dims);
  if (n_dims != 4)
    return shu_weights_linear (w, name, C, C, TRUE);
  k = shu_weights_conv (w, name, C, C, 1);
  if (k.w->n_dims != 4)
    return (ShuLinear){k.w, k.b}; /* nil after a failure */
  shu_weights_use (w, k.w, SHU_USE_LINEAR);
  g_assert (m->n_owned < MAX_OWNED);
  return (ShuLinear){
      m->owned[m->n_owned++] = shu_tensor_view (k.w, SHU_DIMS (C, C)), k.b};
}

static void
load_mid (ShuVae *m, Half *half, ShuWeights *w, const char *side, gint64 C)
{
  ShuWeights *a = shu_weights_at (w, "%s.mid_block.attentions.0", side);
  char name[64];

  for (int i = 0; i < 2; i++) {
    g_snprintf (name, sizeof name, "%s.mid_block.resnets.%d", side, i);
    half->mid_resnets[i] = shu_resnet_load (w, name, C, C, 0, m->n_groups, EPS);
  }
  half->mid_attention = (Attention){
      .group_norm = shu_weights_norm (a, "group_norm", C),
      .to_q = load_linear (m, a, "to_q", "query", C),
      .to_k = load_linear (m, a, "to_k", "key", C),
      .to_v = load_linear (m, a, "to_v", "value", C),
      .to_out = load_linear (m, a, "to_out.0", "proj_attn", C),
  };
}

static void
load_block (ShuVae *m, Block *b, ShuWeights *w, const char *name,
    const char *sampler, int n_resnets, gint64 Ci, gint64 Co)
{
  b->n_resnets = n_resnets;
  for (int j = 0; j < n_resnets; j++) {
    g_autofree char *own = g_strdup_printf ("%s.resnets.%d", name, j);

    b->resnets[j] =
        shu_resnet_load (w, own, j == 0 ? Ci : Co, Co, 0, m->n_groups, EPS);
  }
  if (sampler) {
    g_autofree char *own = g_strdup_printf ("%s.%s.0.conv", name, sampler);

    b->sampler = shu_weights_conv (w, own, Co, Co, 3);
    if (strcmp (sampler, "upsamplers") == 0)
      shu_weights_use (w, b->sampler.w, SHU_USE_CONV_DOUBLED);
  }
}

static void
load_encoder (ShuVae *m, ShuWeights *w)
{
  Half *e = &m->encoder;
  gint64 C = m->C[0], last = m->n_levels - 1;

  e->conv_in = shu_weights_conv (w, "encoder.conv_in", C, m->n_images, 3);
  for (int i = 0; i <= last; i++) {
    char name[64];

    g_snprintf (name, sizeof name, "encoder.down_blocks.%d", i);
    load_block (m, &e->blocks[i], w, name, i < last ? "downsamplers" : NULL,
        m->n_layers, C, m->C[i]);
    C = m->C[i];
  }
  load_mid (m, e, w, "encoder", C);
  e->conv_norm_out = shu_weights_norm (w, "encoder.conv_norm_out", C);
  e->conv_out = shu_weights_conv (w, "encoder.conv_out", 2 * m->Z, C, 3);
}

static void
load_decoder (ShuVae *m, ShuWeights *w)
{
  Half *d = &m->decoder;
  gint64 last = m->n_levels - 1, C = m->C[last];

  d->conv_in = shu_weights_conv (w, "decoder.conv_in", C, m->Z, 3);
  load_mid (m, d, w, "decoder", C);
  for (int i = 0; i <= last; i++) {
    char name[64];

    g_snprintf (name, sizeof name, "decoder.up_blocks.%d", i);
    load_block (m, &d->blocks[i], w, name, i < last ? "upsamplers" : NULL,
        m->n_layers + 1, C, m->C[last - i]);
    C = m->C[last - i];
  }
  d->conv_norm_out = shu_weights_norm (w, "decoder.conv_norm_out", C);
  d->conv_out = shu_weights_conv (w, "decoder.conv_out", m->n_images, C, 3);
}

ShuVae *
shu_vae_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuVae) m = g_new0 (ShuVae, 1);

  m->weights = shu_weights_ref (w);
  read_config (m, config);
  if (!shu_config_finish (config, error))
    return NULL;
  load_encoder (m, w);
  load_decoder (m, w);
  if (shu_config_bool (config, "use_quant_conv", TRUE))
    m->quant_conv = shu_weights_conv (w, "quant_conv", 2 * m->Z, 2 * m->Z, 1);
  if (shu_config_bool (config, "use_post_quant_conv", TRUE))
    m->post_quant_conv = shu_weights_conv (w, "post_quant_conv", m->Z, m->Z, 1);
  if (!shu_config_finish (config, error) || !shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&m);
}

void
shu_vae_free (ShuVae *m)
{
  if (!m)
    return;
  for (int i = 0; i < m->n_owned; i++)
    shu_tensor_unref (m->owned[i]);
  shu_weights_unref (m->weights);
  g_free (m);
}

int
shu_vae_factor (const ShuVae *m)
{
  return 1 << (m->n_levels - 1);
}

int
shu_vae_latent_channels (const ShuVae *m)
{
  return m->Z;
}

float
shu_vae_scaling_factor (const ShuVae *m)
{
  return m->scaling_factor;
}

/* ---- forward ---- */

static ShuTensor *
attention (ShuCtx *c, const ShuVae *m, const Attention *a, ShuTensor *x)
{
  SHU_SCOPE (c);
  gint64 B = x->dims[0], C = x->dims[3];
  ShuTensor *h =
      shu_group_norm (c, x, &a->group_norm, m->n_groups, EPS, SHU_ACT_NONE);

  h = shu_reshape (c, h, SHU_DIMS (B, -1, C)); /* [B,HW,C] */
  h = shu_attention (c, shu_linear (c, h, &a->to_q),
      shu_linear (c, h, &a->to_k), shu_linear (c, h, &a->to_v), 1);
  h = shu_reshape_like (c, shu_linear (c, h, &a->to_out), x);
  return shu_keep (c, shu_add (c, x, h));
}

static ShuTensor *
mid_block (ShuCtx *c, const ShuVae *m, const Half *half, const char *side,
    ShuTensor *x)
{
  SHU_SCOPE (c);

  x = shu_resnet (c, &half->mid_resnets[0], x, NULL);
  x = attention (c, m, &half->mid_attention, x);
  shu_tap (c, x, "%s.mid_block.attentions.0", side);
  x = shu_resnet (c, &half->mid_resnets[1], x, NULL);
  return shu_keep (c, shu_tap (c, x, "%s.mid_block", side));
}

static ShuTensor *
block (ShuCtx *c, const Block *b, const ShuConvParams *sampler, ShuTensor *x)
{
  SHU_SCOPE (c);

  for (int i = 0; i < b->n_resnets; i++)
    x = shu_resnet (c, &b->resnets[i], x, NULL);
  if (b->sampler.w)
    x = shu_conv2d (c, x, &b->sampler, sampler);
  return shu_keep (c, x);
}

static ShuTensor *
output (ShuCtx *c, const ShuVae *m, const Half *half, const char *side,
    ShuTensor *x)
{
  SHU_SCOPE (c);

  x = shu_group_norm (
      c, x, &half->conv_norm_out, m->n_groups, EPS, SHU_ACT_NONE);
  x = shu_silu (c, shu_tap (c, x, "%s.conv_norm_out", side));
  return shu_keep (c, shu_conv2d_same (c, x, &half->conv_out));
}

static ShuTensor *
encode_rows (ShuCtx *c, const ShuVae *m, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuConvParams down = {.stride = 2, .pad_after = 1};
  const Half *e = &m->encoder;

  x = shu_conv2d_same (c, x, &e->conv_in);
  shu_tap (c, x, "encoder.conv_in");
  for (int i = 0; i < m->n_levels; i++) {
    x = block (c, &e->blocks[i], &down, x);
    shu_tap (c, x, "encoder.down_blocks.%d", i);
  }
  x = mid_block (c, m, e, "encoder", x);
  x = output (c, m, e, "encoder", x);
  if (m->quant_conv.w)
    x = shu_conv2d (c, x, &m->quant_conv, &(ShuConvParams){0});
  return shu_keep (c, x);
}

static ShuTensor *
decode_rows (ShuCtx *c, const ShuVae *m, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuConvParams up = {.pad_before = 1, .pad_after = 1, .upsample = TRUE};
  const Half *d = &m->decoder;

  if (m->post_quant_conv.w)
    x = shu_conv2d (c, x, &m->post_quant_conv, &(ShuConvParams){0});
  x = shu_tap (c, shu_conv2d_same (c, x, &d->conv_in), "decoder.conv_in");
  x = mid_block (c, m, d, "decoder", x);
  for (int i = 0; i < m->n_levels; i++) {
    x = block (c, &d->blocks[i], &up, x);
    shu_tap (c, x, "decoder.up_blocks.%d", i);
  }
  return shu_keep (c, output (c, m, d, "decoder", x));
}

typedef ShuTensor *(*RowsFunc) (ShuCtx *c, const ShuVae *m, ShuTensor *x);

/* @func on @x, few rows at a time; @pixels: of one picture */
static ShuTensor *
by_chunks (
    ShuCtx *c, const ShuVae *m, RowsFunc func, ShuTensor *x, gint64 pixels)
{
  SHU_SCOPE (c);
  gint64 B = x->dims[0];
  gint64 rows = CLAMP (CHUNK_ELEMENTS / MAX (pixels * m->C[0], 1), 1, B);
  g_autofree ShuTensor **parts = g_new (ShuTensor *, B);
  int n = 0;

  if (rows == B)
    return shu_keep (c, func (c, m, x));
  for (gint64 i = 0; i < B; i += rows)
    parts[n++] = func (c, m, shu_slice (c, x, 0, i, MIN (rows, B - i)));
  return shu_keep (c, shu_concat (c, 0, n, parts));
}

ShuTensor *
shu_vae_encode (ShuCtx *c, const ShuVae *m, ShuTensor *images)
{
  gint64 H = images->dims[1], W = images->dims[2], f = shu_vae_factor (m);

  if (!shu_ctx_failed (c) &&
      (images->n_dims != 4 || images->dims[3] != m->n_images || H % f || W % f))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "vae: pictures of %dx%d: sides must be multiples of %d", (int) W,
        (int) H, (int) f);
  return by_chunks (c, m, encode_rows, images, H * W);
}

ShuTensor *
shu_vae_encode_mode (ShuCtx *c, const ShuVae *m, ShuTensor *images)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_vae_encode (c, m, images);

  return shu_keep (c, shu_slice (c, h, 3, 0, m->Z));
}

ShuTensor *
shu_vae_decode (ShuCtx *c, const ShuVae *m, ShuTensor *latents)
{
  gint64 f = shu_vae_factor (m);

  if (!shu_ctx_failed (c) && (latents->n_dims != 4 || latents->dims[3] != m->Z))
    shu_ctx_fail (
        c, SHU_ERROR_INVALID, "vae: latents must have %d channels", m->Z);
  return by_chunks (
      c, m, decode_rows, latents, latents->dims[1] * f * latents->dims[2] * f);
}
