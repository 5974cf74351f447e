/* SPDX-License-Identifier: MIT */
/* Attention over voxels.  Traps: the norm of q and k is per head with a gamma
 * of its own for each head and channel, and comes before the softmax scale;
 * cross attention to a dense context has none in the networks we know. */
#include "nn/sparse_attention.h"

static void
load_norms (ShuWeights *w, ShuSparseAttention *a)
{
  int HD = a->C / a->NH;

  a->q_rms_norm =
      shu_weights_get_norm (w, "q_rms_norm.gamma", SHU_DIMS (a->NH, HD));
  a->k_rms_norm =
      shu_weights_get_norm (w, "k_rms_norm.gamma", SHU_DIMS (a->NH, HD));
}

ShuSparseAttention
shu_sparse_attention_load_self (
    ShuWeights *w, int C, int NH, gboolean qk_rms_norm)
{
  ShuSparseAttention a = {
      .C = C,
      .NH = NH,
      .to_qkv = shu_weights_linear (w, "to_qkv", 3 * C, C, TRUE),
      .to_out = shu_weights_linear (w, "to_out", C, C, TRUE),
  };

  if (qk_rms_norm)
    load_norms (w, &a);
  return a;
}

ShuSparseAttention
shu_sparse_attention_load_cross (
    ShuWeights *w, int C, int S, int NH, gboolean qk_rms_norm)
{
  ShuSparseAttention a = {
      .C = C,
      .NH = NH,
      .to_q = shu_weights_linear (w, "to_q", C, C, TRUE),
      .to_kv = shu_weights_linear (w, "to_kv", 2 * C, S, TRUE),
      .to_out = shu_weights_linear (w, "to_out", C, C, TRUE),
  };

  if (qk_rms_norm)
    load_norms (w, &a);
  return a;
}

/* x [...,C]; gamma [NH,HD] or NULL */
static ShuTensor *
rms_norm (ShuCtx *c, const ShuSparseAttention *a, ShuTensor *x,
    ShuTensor *gamma, const char *name)
{
  ShuTensor *h;

  if (!gamma)
    return x;
  h = shu_reshape (c, x, SHU_DIMS (x->n / a->C, a->NH, a->C / a->NH));
  h = shu_rms_norm_heads (c, h, gamma);
  shu_tap (c, h, "%s_normed", name);
  return shu_reshape_like (c, h, x);
}

/* h [...,parts C] -> part @i [...,C] */
static ShuTensor *
part (ShuCtx *c, const ShuSparseAttention *a, ShuTensor *h, int i)
{
  return shu_slice (c, h, h->n_dims - 1, (gint64) i * a->C, a->C);
}

static ShuTensor *
project_out (
    ShuCtx *c, const ShuSparseAttention *a, ShuTensor *h, ShuTensor *residual)
{
  return residual ? shu_linear_add (c, h, &a->to_out, residual)
                  : shu_linear (c, h, &a->to_out);
}

/* q, k, v [...,C] of x [...,C] */
static void
project_qkv (
    ShuCtx *c, const ShuSparseAttention *a, ShuTensor *x, ShuTensor *qkv[3])
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear (c, x, &a->to_qkv); /* [...,3C] */

  shu_tap (c, h, "qkv");
  qkv[0] = rms_norm (c, a, part (c, a, h, 0), a->q_rms_norm, "q");
  qkv[1] = rms_norm (c, a, part (c, a, h, 1), a->k_rms_norm, "k");
  qkv[2] = part (c, a, h, 2);
  for (int i = 0; i < 3; i++)
    shu_keep (c, qkv[i]);
}

ShuTensor *
shu_sparse_attention_full (ShuCtx *c, const ShuSparseAttention *a, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuSelfAttention self = {.n = 1,
      .l = {&a->to_qkv},
      .q_gamma = a->q_rms_norm,
      .k_gamma = a->k_rms_norm,
      .n_heads = a->NH};
  ShuTensor *qkv[3], *h;

  if (shu_tapped (c)) /* for listeners alone */
    project_qkv (c, a, x, qkv);
  h = shu_self_attention (c, x, &self); /* [B,T,C] */
  return shu_keep (c, project_out (c, a, h, NULL));
}

ShuTensor *
shu_sparse_attention_windowed (ShuCtx *c, const ShuSparseAttention *a,
    ShuTensor *x, ShuTensor *order, ShuTensor *start, ShuTensor *residual)
{
  SHU_SCOPE (c);
  ShuTensor *qkv[3], *h;

  project_qkv (c, a, x, qkv);
  h = shu_attention_groups (c, qkv[0], qkv[1], qkv[2], order, start, a->NH);
  return shu_keep (c, project_out (c, a, h, residual)); /* [N,C] */
}

void
shu_sparse_attention_context (ShuCtx *c, const ShuSparseAttention *a,
    ShuTensor *context, ShuTensor **ret_k, ShuTensor **ret_v)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear (c, context, &a->to_kv); /* [B,L,2C] */

  *ret_k = shu_keep (c, rms_norm (c, a, part (c, a, h, 0), a->k_rms_norm, "k"));
  *ret_v = shu_keep (c, part (c, a, h, 1));
}

ShuTensor *
shu_sparse_attention_cross (ShuCtx *c, const ShuSparseAttention *a,
    ShuTensor *x, ShuTensor *k, ShuTensor *v, ShuTensor *residual)
{
  SHU_SCOPE (c);
  ShuTensor *q = shu_linear (c, x, &a->to_q); /* [B,T,C] */
  ShuTensor *h;

  q = rms_norm (c, a, q, a->q_rms_norm, "q");
  h = shu_attention (c, q, k, v, a->NH); /* [B,T,C] */
  return shu_keep (c, project_out (c, a, h, residual));
}

ShuTensor *
shu_sparse_attention_null (ShuCtx *c, const ShuSparseAttention *a)
{
  SHU_SCOPE (c);
  ShuTensor *v = shu_slice (c, a->to_kv.b, 0, a->C, a->C);

  v = shu_reshape (c, v, SHU_DIMS (1, a->C));
  return shu_keep (c, shu_linear (c, v, &a->to_out)); /* [1,C] */
}
