/* SPDX-License-Identifier: MIT */
/* x [G,r,r,r,Ci] -> patches -> input_layer + positions -> blocks, in three
 * parts -> layer norm -> out_layer -> [G,r,r,r,Co]
 *
 * Traps: token index is (x*grid + y)*grid + z; positions are sin first, the
 * time embedding cos first; the last layer norm has eps 1e-5 and no affine. */
#include "models/ss_dit.h"
#include "base/error.h"

enum { FREQUENCIES = 256, MAX_BLOCKS = 256 };

static void
refuse (ShuConfig *config, const char *key, const char *only)
{
  shu_config_fail (config, "\"%s\": only %s is supported", key, only);
}

static void
read_sizes (ShuSsSizes *s, ShuConfig *config, ShuDitParams *ret_params)
{
  s->res = shu_config_int (config, "resolution", 1, 256, 16);
  s->patch = shu_config_int (config, "patch_size", 1, 16, 1);
  s->Ci = shu_config_int (config, "trellis_in_channels", 1, 4096, 8);
  s->Co = shu_config_int (config, "trellis_out_channels", 1, 4096, 8);
  s->D = shu_config_int (config, "model_channels", 1, 65536, -1);
  s->K = shu_config_int (config, "cond_channels", 1, 65536, -1);
  s->n_blocks = shu_config_int (config, "num_blocks", 1, MAX_BLOCKS, -1);
  s->n_heads = shu_config_int (config, "num_heads", 0, 1024, 0);
  if (s->n_heads == 0)
    s->n_heads = MAX (
        s->D / shu_config_int (config, "num_head_channels", 1, 4096, 64), 1);
  if (s->res % s->patch != 0)
    shu_config_fail (
        config, "\"resolution\" must be a multiple of \"patch_size\"");
  if (s->n_blocks % SHU_SS_PARTS != 0)
    shu_config_fail (
        config, "\"num_blocks\" must be a multiple of %d", SHU_SS_PARTS);
  if (shu_config_bool (config, "share_mod", FALSE))
    refuse (config, "share_mod", "false");
  if (g_strcmp0 (shu_config_string (config, "pe_mode", "ape"), "ape") != 0)
    refuse (config, "pe_mode", "\"ape\"");
  s->grid = s->res / s->patch;
  *ret_params = (ShuDitParams){
      .C = s->D,
      .K = s->K,
      .mlp_ratio = shu_config_float (config, "mlp_ratio", 0.01, 64, 4),
      .n_heads = s->n_heads,
      .qk_rms_norm = shu_config_bool (config, "qk_rms_norm", FALSE),
      .qk_rms_norm_cross = shu_config_bool (config, "qk_rms_norm_cross", FALSE),
  };
}

void
shu_ss_dit_load (ShuSsDit *ret, ShuConfig *config, ShuWeights *w)
{
  ShuSsSizes *s = &ret->sizes;
  ShuDitParams params;
  gint64 P3, T;

  read_sizes (s, config, &params);
  params.precision = ret->precision;
  P3 = (gint64) s->patch * s->patch * s->patch;
  T = (gint64) s->grid * s->grid * s->grid;
  ret->input_layer =
      shu_weights_linear (w, "input_layer", s->D, s->Ci * P3, TRUE);
  if (shu_weights_has (w, "pos_emb"))
    ret->pos_emb = shu_weights_get_linear (w, "pos_emb", SHU_DIMS (T, s->D));
  ret->t_embedder = shu_embed_mlp_load (
      w, "t_embedder.mlp.0", "t_embedder.mlp.2", s->D, FREQUENCIES);
  ret->blocks = g_new0 (ShuDitBlock, s->n_blocks);
  for (int i = 0; i < s->n_blocks; i++) {
    char name[32];

    g_snprintf (name, sizeof name, "blocks.%d", i);
    ret->blocks[i] = shu_dit_block_load (w, name, &params);
  }
  ret->out_layer = shu_weights_linear (w, "out_layer", s->Co * P3, s->D, TRUE);
}

void
shu_ss_dit_clear (ShuSsDit *m)
{
  g_clear_pointer (&m->blocks, g_free);
}

ShuTensor *
shu_ss_dit_positions (ShuCtx *c, const ShuSsDit *m)
{
  if (m->pos_emb)
    return m->pos_emb;
  return shu_grid_embedding (c, m->sizes.grid, m->sizes.D);
}

ShuTensor *
shu_ss_dit_times (ShuCtx *c, const ShuSsDit *m, int n, const float *t)
{
  SHU_SCOPE (c);
  g_autofree ShuTensor **mods = g_new (ShuTensor *, m->sizes.n_blocks);
  ShuTensor *h = shu_timestep_embedding (c, t, n, FREQUENCIES);

  h = shu_embed_mlp (c, &m->t_embedder, h);
  h = shu_silu (c, shu_tap (c, h, "t_embedder"));
  for (int i = 0; i < m->sizes.n_blocks; i++)
    mods[i] = shu_dit_block_modulation (c, &m->blocks[i], h); /* [n,6D] */
  return shu_keep (c, shu_concat (c, 1, m->sizes.n_blocks, mods));
}

ShuTensor *
shu_ss_dit_input (
    ShuCtx *c, const ShuSsDit *m, ShuTensor *x, ShuTensor *positions)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_patchify3d (c, x, m->sizes.patch);

  h = shu_linear (c, h, &m->input_layer);
  h = shu_reshape (c, h, SHU_DIMS (x->dims[0], -1, m->sizes.D));
  shu_tap (c, h, "input_layer");
  return shu_keep (c, shu_add (c, h, positions));
}

ShuTensor *
shu_ss_dit_part (ShuCtx *c, const ShuSsDit *m, int part, ShuTensor *tokens,
    ShuTensor *mods, const ShuDitContext *contexts)
{
  SHU_SCOPE (c);
  int n = m->sizes.n_blocks / SHU_SS_PARTS;

  mods = shu_reshape (c, mods, SHU_DIMS (m->sizes.n_blocks, -1));
  for (int i = part * n; i < (part + 1) * n; i++)
    tokens = shu_dit_block (
        c, &m->blocks[i], tokens, shu_slice (c, mods, 0, i, 1), &contexts[i]);
  return shu_keep (c, tokens);
}

ShuTensor *
shu_ss_dit_output (ShuCtx *c, const ShuSsDit *m, ShuTensor *tokens)
{
  SHU_SCOPE (c);
  gint64 g = m->sizes.grid;
  ShuTensor *h = shu_layer_norm (c, tokens, NULL, 1e-5f);

  h = shu_linear (c, h, &m->out_layer);
  h = shu_reshape (c, h, SHU_DIMS (tokens->dims[0], g, g, g, -1));
  return shu_keep (c, shu_unpatchify3d (c, h, m->sizes.patch));
}
