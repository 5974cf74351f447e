/* SPDX-License-Identifier: MIT */
/* What networks begin with: embeddings of times, coordinates and patches, and
 * the tokens of a picture. */
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/gemm.h"

void
shu_cuda_timestep_embedding (ShuCtx *c, ShuTensor *y, const float *values)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gsize n = (gsize) y->dims[0];
  float *t = shu_cuda_scratch (c, n * sizeof *t);

  if (t && shu_cuda_to_device (c, t, values, n * sizeof *t))
    shu_cuda_done (c, "timestep_embedding",
        shu_launch_timestep_embedding (
            y->data, t, n, (gsize) y->dims[1], s->stream));
}

void
shu_cuda_position_embedding (ShuCtx *c, ShuTensor *y, ShuTensor *coords)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "position_embedding",
        shu_launch_position_embedding (y->data, coords->data,
            (gsize) y->dims[0], (gsize) y->dims[1], s->stream));
}

/* Rows of x and of the weight begin at 16 bytes, so that the fast products take
 * them. */
void
shu_cuda_embed_patches (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, int P, const ShuLinear *l)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gint64 K = shu_cuda_padded_row (l->w->dims[1]), M = y->dims[0] * y->dims[1];
  ShuCudaGemm g = {.M = M, .N = l->w->dims[0], .K = K};
  gconstpointer w = shu_cuda_weight (c, l->w, SHU_CUDA_WEIGHT_PADDED);
  gpointer rows = shu_cuda_scratch (c, (gsize) (M * K) * 2);
  ShuCudaVector b;
  GError *error = NULL;

  if (!w || !rows || !shu_cuda_bias (c, l->b, &b))
    return;
  if (shu_cuda_ok (shu_launch_patches (rows, (gsize) K, x->data,
                       (gsize) x->dims[0], (gsize) x->dims[1],
                       (gsize) x->dims[2], (gsize) x->dims[3], P, s->stream),
          "patches", &error))
    shu_cuda_gemm (s, &g, y->data, rows, w, b, NULL, &error);
  shu_cuda_done_error (c, "embed_patches", error);
}

void
shu_cuda_embed_tokens (ShuCtx *c, ShuTensor *y, ShuTensor *tokens, ShuTensor *x,
    const ShuTokens *p)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaTokens t = {.x = x->data,
      .first = p->first->data,
      .registers = p->registers ? p->registers->data : NULL,
      .positions = p->positions->data,
      .N = (gsize) x->dims[1],
      .R = (gsize) (y->dims[1] - 1 - x->dims[1]),
      .has_before = p->before != NULL,
      .eps = p->eps};

  if (shu_cuda_norm_vectors (c, p->before, &t.before.w, &t.before.b) &&
      shu_cuda_norm_vectors (c, p->norm, &t.norm.w, &t.norm.b))
    shu_cuda_done (c, "embed_tokens",
        shu_launch_tokens (y->data, tokens->data, &t, (gsize) y->dims[0],
            (gsize) y->dims[2], s->stream));
}
