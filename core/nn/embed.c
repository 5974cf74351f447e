/* SPDX-License-Identifier: MIT */
/* Embeddings shared by the networks.  Patches are gathers: the row tables are
 * made on the host, once per call. */
#include "nn/embed.h"
#include "base/error.h"

ShuEmbedMlp
shu_embed_mlp_load (
    ShuWeights *w, const char *first, const char *second, gint64 E, gint64 F)
{
  return (ShuEmbedMlp){
      .linear_1 = shu_weights_linear (w, first, E, F, TRUE),
      .linear_2 = shu_weights_linear (w, second, E, E, TRUE),
  };
}

ShuTensor *
shu_embed_mlp (ShuCtx *c, const ShuEmbedMlp *e, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear_act (c, x, &e->linear_1, SHU_ACT_SILU);

  return shu_keep (c, shu_linear (c, h, &e->linear_2));
}

/* Visits the points of a [B,D,H,W] grid patch by patch, (i, j, k) innermost:
 * rows[n] is the grid row of the n-th point visited; inverse: the other way. */
static ShuTensor *
patch_rows (ShuCtx *c, const gint64 *dims, int P, gboolean inverse)
{
  gint64 D = dims[1], H = dims[2], W = dims[3], n = 0;
  gint64 total = dims[0] * D * H * W;
  g_autofree gint32 *rows = g_new (gint32, MAX (total, 1));

  for (gint64 b = 0; b < dims[0]; b++)
    for (gint64 d = 0; d < D / P; d++)
      for (gint64 h = 0; h < H / P; h++)
        for (gint64 w = 0; w < W / P; w++)
          for (int i = 0; i < P * P * P; i++, n++) {
            gint64 z = d * P + i / (P * P), y = h * P + i / P % P;
            gint64 row = ((b * D + z) * H + y) * W + w * P + i % P;

            rows[inverse ? row : n] = inverse ? n : row;
          }
  return shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (total), rows);
}

ShuTensor *
shu_patchify3d (ShuCtx *c, ShuTensor *x, int P)
{
  SHU_SCOPE (c);
  gint64 B = x->dims[0], D = x->dims[1], H = x->dims[2], W = x->dims[3];
  gint64 C = x->dims[4], n = (gint64) P * P * P;
  ShuTensor *h;

  if (P == 1)
    return shu_keep (c, x);
  if (P < 1 || D % P || H % P || W % P) {
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "patchify: %dx%dx%d voxels are no whole patches of %d", (int) D,
        (int) H, (int) W, P);
    return shu_keep (c, x);
  }
  h = shu_reshape (c, x, SHU_DIMS (-1, C));
  h = shu_gather (c, h, patch_rows (c, x->dims, P, FALSE));
  h = shu_reshape (c, h, SHU_DIMS (-1, n, C));
  h = shu_permute (c, h, (const int[]){0, 2, 1});
  return shu_keep (
      c, shu_reshape (c, h, SHU_DIMS (B, D / P, H / P, W / P, C * n)));
}

ShuTensor *
shu_unpatchify3d (ShuCtx *c, ShuTensor *x, int P)
{
  SHU_SCOPE (c);
  gint64 n = (gint64) P * P * P, C = x->dims[4] / MAX (n, 1);
  gint64 dims[] = {
      x->dims[0], x->dims[1] * P, x->dims[2] * P, x->dims[3] * P, C};
  ShuTensor *h;

  if (P == 1)
    return shu_keep (c, x);
  if (P < 1 || x->dims[4] % n) {
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "unpatchify: %d channels are no whole patches of %d", (int) x->dims[4],
        P);
    return shu_keep (c, x);
  }
  h = shu_reshape (c, x, SHU_DIMS (-1, C, n));
  h = shu_permute (c, h, (const int[]){0, 2, 1});
  h = shu_reshape (c, h, SHU_DIMS (-1, C));
  h = shu_gather (c, h, patch_rows (c, dims, P, TRUE));
  return shu_keep (c, shu_reshape (c, h, 5, dims));
}

ShuTensor *
shu_grid_embedding (ShuCtx *c, int D, int C)
{
  SHU_SCOPE (c);
  gint64 n = (gint64) D * D * D;
  g_autofree gint32 *coords = g_new (gint32, 3 * MAX (n, 1));

  for (gint64 i = 0; i < n; i++) {
    coords[3 * i] = i / ((gint64) D * D);
    coords[3 * i + 1] = i / D % D;
    coords[3 * i + 2] = i % D;
  }
  return shu_keep (
      c, shu_position_embedding (
             c, shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (n, 3), coords), C));
}
