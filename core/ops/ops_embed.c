/* SPDX-License-Identifier: MIT */
/* What networks begin with: embeddings of times, coordinates and patches, and
 * the tokens of a picture. */
#include "ops/backend_private.h"
#include "base/error.h"

ShuTensor *
shu_timestep_embedding (ShuCtx *c, const float *values, int n, int dim)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, timestep_embedding);
  ShuTensor *y;

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (n > 0 && dim > 0 && dim % 2 == 0, c->nil);
  if (!be)
    return c->nil;
  y = shu_scoped (c, c->real, SHU_DIMS (n, dim));
  if (!shu_ctx_failed (c))
    be->timestep_embedding (c, y, values);
  return y;
}

ShuTensor *
shu_position_embedding (ShuCtx *c, ShuTensor *coords, int C)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, position_embedding);
  ShuTensor *y;

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (C > 0, c->nil);
  if (!be)
    return c->nil;
  coords = shu_operand (c, coords);
  if (coords->dtype != SHU_DTYPE_I32 || coords->n_dims != 2 ||
      coords->dims[1] != 3)
    return shu_op_wrong (
        c, "position_embedding", "coords [N,3] i32", coords, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (coords->dims[0], C));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->position_embedding (c, y, coords);
  return y;
}

ShuTensor *
shu_embed_patches (ShuCtx *c, ShuTensor *x, int P, const ShuLinear *l)
{
  static const char op[] = "embed_patches";
  const ShuBackend *be = SHU_BACKEND_FOR (c, embed_patches);
  gint64 H = x->dims[1], W = x->dims[2];
  ShuTensor *y;

  if (!be)
    return c->nil;
  g_return_val_if_fail (P > 0, c->nil);
  if (H % P || W % P) {
    g_autofree char *what =
        g_strdup_printf ("x [B,H,W,C] with sides that are multiples of %d", P);

    return shu_op_wrong (c, op, what, x, NULL);
  }
  if (!l->w)
    return shu_op_wrong (c, op, "a weight", x, NULL);
  x = shu_operand (c, x);
  if (x->dtype != c->real || x->n_dims != 4 || !shu_is_weight (c, l->w) ||
      l->w->n_dims != 2 || l->w->dims[1] != x->dims[3] * P * P ||
      !shu_is_vector (c, l->b, l->w->dims[0]))
    return shu_op_wrong (c, op, "x [B,H,W,C], weight [Co,C*P*P] and bias [Co]",
        x, l->w, l->b, NULL);
  y = shu_scoped (
      c, c->real, SHU_DIMS (x->dims[0], H / P * (W / P), l->w->dims[0]));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->embed_patches (c, y, x, P, l);
  return y;
}

/* Rows of C of *@x, which becomes an operand; -1: it has others */
static gint64
rows_of (ShuCtx *c, ShuTensor **x, gint64 C)
{
  *x = shu_operand (c, *x);
  return (*x)->dtype == c->real && (*x)->dims[(*x)->n_dims - 1] == C
             ? (gint64) (*x)->n / C
             : -1;
}

static gboolean
is_norm (ShuCtx *c, const ShuNorm *norm, gint64 C)
{
  return !norm ||
         (shu_is_vector (c, norm->w, C) && shu_is_vector (c, norm->b, C));
}

ShuTensor *
shu_embed_tokens (
    ShuCtx *c, ShuTensor *x, const ShuTokens *params, ShuTensor **ret_tokens)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, embed_tokens);
  ShuTokens p = *params;
  gint64 C = x->dims[2], N = x->dims[1], R = 0;
  ShuTensor *y, *tokens;

  *ret_tokens = c->nil;
  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  if (p.registers)
    R = rows_of (c, &p.registers, C);
  if (x->dtype != c->real || x->n_dims != 3 || x->n == 0 || R < 0 ||
      rows_of (c, &p.first, C) != 1 || rows_of (c, &p.positions, C) != 1 + N ||
      !is_norm (c, p.before, C) || !is_norm (c, p.norm, C))
    return shu_op_wrong (c, "embed_tokens",
        "x [B,N,C], first [C], registers [R,C], positions [1+N,C], norms [C]",
        x, p.first, p.positions, p.registers, NULL);
  tokens = shu_scoped (c, c->real, SHU_DIMS (x->dims[0], 1 + R + N, C));
  y = shu_scoped (c, c->real, tokens->n_dims, tokens->dims);
  if (shu_ctx_failed (c))
    return c->nil;
  be->embed_tokens (c, y, tokens, x, &p);
  *ret_tokens = tokens;
  return y;
}
