/* SPDX-License-Identifier: MIT */
/* conv -> middle residual blocks -> (residual blocks, convolution, pixel
 * shuffle x2)* -> norm, SiLU, conv     [B,r,r,r,Z] -> [B,4r,4r,4r,1]
 *
 * Traps: norms are layer norms over the channels of each voxel, eps 1e-5;
 * "blocks" numbers residual blocks and upsamplers together. */
#include "models/ss_decoder.h"
#include "base/error.h"
#include <string.h>

enum { MAX_LEVELS = 8, MAX_BLOCKS = 64, MAX_CHANNELS = 8192 };

static const float EPS = 1e-5f;

typedef struct {
  ShuNorm norm1, norm2; /* [C] */
  ShuConv conv1, conv2; /* [C,C,3,3,3]; conv1 alone: [8C',C,3,3,3] upsamples */
} Block;

struct _ShuSsDecoder {
  ShuWeights *weights;
  int Z, n_levels, n_middle, n_blocks;
  ShuConv input_layer; /* [C0,Z,3,3,3] */
  Block middle_block[MAX_BLOCKS];
  Block blocks[MAX_BLOCKS];
  ShuNorm out_norm;  /* "out_layer.0" */
  ShuConv out_layer; /* "out_layer.2", [1,C,3,3,3] */
};

static Block
load_res_block (ShuWeights *w, gint64 C)
{
  return (Block){
      .norm1 = shu_weights_norm (w, "norm1", C),
      .conv1 = shu_weights_conv3 (w, "conv1", C, C, 3),
      .norm2 = shu_weights_norm (w, "norm2", C),
      .conv2 = shu_weights_conv3 (w, "conv2", C, C, 3),
  };
}

static void
load_blocks (ShuSsDecoder *m, ShuWeights *w, const int *C, int n_res)
{
  for (int i = 0; i < m->n_middle; i++)
    m->middle_block[i] =
        load_res_block (shu_weights_at (w, "middle_block.%d", i), C[0]);
  for (int i = 0; i < m->n_levels; i++) {
    for (int j = 0; j < n_res; j++, m->n_blocks++)
      m->blocks[m->n_blocks] =
          load_res_block (shu_weights_at (w, "blocks.%d", m->n_blocks), C[i]);
    if (i + 1 < m->n_levels) {
      m->blocks[m->n_blocks].conv1 =
          shu_weights_conv3 (shu_weights_at (w, "blocks.%d", m->n_blocks),
              "conv", 8 * (gint64) C[i + 1], C[i], 3);
      m->n_blocks++;
    }
  }
}

ShuSsDecoder *
shu_ss_decoder_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuSsDecoder) m = g_new0 (ShuSsDecoder, 1);
  ShuConfig *args =
      shu_config_has (config, "args") ? shu_config_at (config, "args") : config;
  int C[MAX_LEVELS], n_res;

  m->weights = shu_weights_ref (w);
  m->Z = shu_config_int (args, "latent_channels", 1, MAX_CHANNELS, -1);
  m->n_middle =
      shu_config_int (args, "num_res_blocks_middle", 0, MAX_BLOCKS, 2);
  n_res = shu_config_int (args, "num_res_blocks", 0, MAX_BLOCKS / 2, 2);
  m->n_levels =
      shu_config_ints (args, "channels", 1, MAX_CHANNELS, MAX_LEVELS, C);
  shu_config_int (args, "out_channels", 1, 1, 1);
  if (m->n_levels < 1)
    shu_config_fail (args, "\"channels\" is missing");
  if ((n_res + 1) * m->n_levels > MAX_BLOCKS)
    shu_config_fail (args, "more than %d blocks", MAX_BLOCKS);
  if (strcmp (shu_config_string (args, "norm_type", "layer"), "layer") != 0)
    shu_config_fail (args, "\"norm_type\": only \"layer\" is supported");
  if (!shu_config_finish (config, error))
    return NULL;
  m->input_layer = shu_weights_conv3 (w, "input_layer", C[0], m->Z, 3);
  load_blocks (m, w, C, n_res);
  m->out_norm = shu_weights_norm (w, "out_layer.0", C[m->n_levels - 1]);
  m->out_layer = shu_weights_conv3 (w, "out_layer.2", 1, C[m->n_levels - 1], 3);
  if (!shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&m);
}

void
shu_ss_decoder_free (ShuSsDecoder *m)
{
  if (!m)
    return;
  shu_weights_unref (m->weights);
  g_free (m);
}

int
shu_ss_decoder_factor (const ShuSsDecoder *m)
{
  return 1 << (m->n_levels - 1);
}

int
shu_ss_decoder_latent_channels (const ShuSsDecoder *m)
{
  return m->Z;
}

static ShuTensor *
norm_silu_conv (ShuCtx *c, ShuTensor *x, const ShuNorm *norm, const ShuConv *k)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_silu (c, shu_layer_norm (c, x, norm, EPS));

  return shu_keep (c, shu_conv3d_same (c, h, k));
}

static ShuTensor *
block (ShuCtx *c, const Block *b, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuTensor *h;

  if (!b->norm1.w) {
    h = shu_conv3d_same (c, x, &b->conv1);
    return shu_keep (c, shu_pixel_shuffle3d (c, h));
  }
  h = norm_silu_conv (c, x, &b->norm1, &b->conv1);
  h = norm_silu_conv (c, h, &b->norm2, &b->conv2);
  return shu_keep (c, shu_add (c, x, h));
}

ShuTensor *
shu_ss_decoder (ShuCtx *c, const ShuSsDecoder *m, ShuTensor *latent)
{
  SHU_SCOPE (c);
  ShuTensor *x;

  if (!shu_ctx_failed (c) && (latent->n_dims != 5 || latent->dims[4] != m->Z))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "structure decoder: the latent must have %d channels", m->Z);
  x = shu_conv3d_same (c, latent, &m->input_layer);
  shu_tap (c, x, "input_layer");
  for (int i = 0; i < m->n_middle; i++)
    x = block (c, &m->middle_block[i], x);
  shu_tap (c, x, "middle_block");
  for (int i = 0; i < m->n_blocks; i++)
    x = shu_tap (c, block (c, &m->blocks[i], x), "blocks.%d", i);
  return shu_keep (c, norm_silu_conv (c, x, &m->out_norm, &m->out_layer));
}

GArray *
shu_ss_occupied (const float *logits, int B, int D, int H, int W)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (gint32));
  gsize i = 0;

  for (int b = 0; b < B; b++)
    for (int x = 0; x < D; x++)
      for (int y = 0; y < H; y++)
        for (int z = 0; z < W; z++, i++)
          if (logits[i] > 0)
            g_array_append_vals (rows, ((gint32[]){b, x, y, z}), 4);
  return rows;
}
