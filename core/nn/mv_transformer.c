/* SPDX-License-Identifier: MIT */
/* x += attn1 (norm1 x)        both domains of a view in one sequence
 *      then the face view is blended into view 0's top centre
 * x += attn_mv (norm_mv x)    body views only, all views of one image row
 * x += attn2 (norm2 x, text)
 * x += ff (norm3 x)
 *
 * Traps: attn1 joins normal and colour, not views; attn_mv joins views, not
 * domains.  The blend works on attn1's output before the residual, in every
 * block.  The wrapper's group norm has eps 1e-6, the layer norms 1e-5. */
#include "nn/mv_transformer.h"
#include "base/error.h"

static const float NORM_EPS = 1e-5f;

static void
use_joined (ShuWeights *w, const ShuAttn *a)
{
  ShuTensor *all[] = {a->to_q.w, a->to_k.w, a->to_v.w};

  shu_weights_use_joined (w, G_N_ELEMENTS (all), all);
}

ShuMvBlock
shu_mv_block_load (ShuWeights *w, const char *name, gint64 C, gint64 X,
    int n_heads, gboolean joint)
{
  ShuWeights *p = shu_weights_part (w, name);
  ShuMvBlock b = {
      .norm1 = shu_weights_norm (p, "norm1", C),
      .norm_mv = shu_weights_norm (p, "norm_mv", C),
      .norm2 = shu_weights_norm (p, "norm2", C),
      .norm3 = shu_weights_norm (p, "norm3", C),
      .attn1 = shu_attn_load (p, "attn1", C, C, C, n_heads),
      .attn_mv = shu_attn_load (p, "attn_mv", C, C, C, n_heads),
      .attn2 = shu_attn_load (p, "attn2", C, X, C, n_heads),
      .ff = shu_feed_forward_load (p, "ff", C),
      .joint = joint,
  };

  use_joined (w, &b.attn1);
  use_joined (w, &b.attn_mv);
  shu_name_set (b.name, "", "%s", name);
  return b;
}

static void
use_joined_fp8 (ShuWeights *w, ShuAttn *a)
{
  ShuLinear *l[] = {&a->to_q, &a->to_k, &a->to_v};

  for (gsize i = 0; i < G_N_ELEMENTS (l); i++) {
    l[i]->precision = SHU_PRECISION_FP8;
    shu_weights_use (w, l[i]->w, SHU_USE_JOINED_FP8);
  }
}

void
shu_mv_block_use_fp8 (ShuMvBlock *b, ShuWeights *w)
{
  enum { MIN_K = 640 }; /* below that the columns are what takes time */

  shu_weights_use_fp8 (w, &b->ff.out);
  b->ff.proj.result = SHU_PRECISION_FP8;
  if (b->norm1.w->n < MIN_K)
    return;
  use_joined_fp8 (w, &b->attn1);
  use_joined_fp8 (w, &b->attn_mv);
  shu_weights_use_fp8 (w, &b->ff.proj);
}

/* ---- rows of the attentions ---- */

/* Rows of a view's domains follow each other: [GV,2,N]. */
static ShuOrder
domains_joined (gint64 GV, gint64 N)
{
  return (ShuOrder){.size = {SHU_DOMAINS, GV, 1, N},
      .step = {N, SHU_DOMAINS * N, 0, 1},
      .present = GV};
}

/* One image row of all body views follows the other: [2G,H,V-1,W]. */
static ShuOrder
rows_joined (gint64 GD, gint64 V, gint64 H, gint64 W)
{
  gint64 body = V - 1;

  return (ShuOrder){.size = {GD, V, H, W},
      .step = {H * body * W, W, body * W, 1},
      .present = body};
}

/* Names what was added to @x, which nothing else keeps, as [rows,N,C]. */
static void
tap_added (ShuCtx *c, const ShuMvBlock *b, const char *what, ShuTensor *sum,
    ShuTensor *x, gint64 rows)
{
  SHU_SCOPE (c);
  ShuTensor *h;

  if (!shu_tapped (c))
    return;
  h = shu_sub (c, sum, x);
  if (rows < x->dims[0]) { /* without the last view of each */
    gint64 GD = x->dims[0] - rows, V = x->dims[0] / GD;

    h = shu_reshape (
        c, h, SHU_DIMS (GD, V, x->dims[1] * x->dims[2], x->dims[3]));
    h = shu_slice (c, h, 1, 0, V - 1);
    h = shu_reshape (
        c, h, SHU_DIMS (rows, x->dims[1] * x->dims[2], x->dims[3]));
  }
  shu_tap (c, h, "%s%s", b->name, what);
}

/* ---- block ---- */

static gboolean
check_rows (ShuCtx *c, const ShuMvBlock *b, ShuTensor *x, const ShuViews *views)
{
  gint64 R = x->dims[0], H = x->dims[1], W = x->dims[2];

  if (shu_ctx_failed (c))
    return FALSE;
  if (R == SHU_DOMAINS * views->G * views->V && views->V >= 2 &&
      (!b->joint || (H == W && H % 3 == 0)))
    return TRUE;
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "%s: %" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
      " do not fit %d views; sides must be equal and divisible by 3",
      b->name, R, H, W, views->V);
  return FALSE;
}

ShuTensor *
shu_mv_block (ShuCtx *c, const ShuMvBlock *b, ShuTensor *x,
    const ShuViews *views, ShuKeyValue text)
{
  SHU_SCOPE (c);
  gint64 R = x->dims[0], H = x->dims[1], W = x->dims[2], C = x->dims[3];
  gint64 V = views->V, GD = SHU_DOMAINS * views->G, GV = views->G * V;
  const ShuOrder domains = domains_joined (GV, H * W);
  const ShuOrder rows = rows_joined (GD, V, H, W);
  const ShuOrder *order = b->joint ? &domains : NULL;
  ShuTensor *h, *a, *sum;

  if (!check_rows (c, b, x, views))
    return shu_keep (c, x);
  h = shu_add_norm (c, x, &b->norm1,
      &(ShuAddNorm){.y_order = order,
          .eps = NORM_EPS,
          .precision = b->attn1.to_q.precision},
      NULL);
  h = shu_reshape (c, h, SHU_DIMS (b->joint ? GV : R, -1, C));
  a = shu_attn_self (c, &b->attn1, h);
  shu_drop (c, h);

  h = shu_add_norm (c, x, &b->norm_mv,
      &(ShuAddNorm){.h = a,
          .h_order = order,
          .blend = b->joint ? views->V : 0,
          .y_order = &rows,
          .eps = NORM_EPS,
          .precision = b->attn_mv.to_q.precision},
      &sum);
  shu_drop (c, a);
  tap_added (c, b, "attn1", sum, x, R);
  shu_drop (c, x);
  x = sum;
  a = shu_attn_self (
      c, &b->attn_mv, shu_reshape (c, h, SHU_DIMS (GD * H, (V - 1) * W, C)));
  shu_drop (c, h);

  h = shu_add_norm (c, x, &b->norm2,
      &(ShuAddNorm){.h = a, .h_order = &rows, .eps = NORM_EPS}, &sum);
  shu_drop (c, a);
  tap_added (c, b, "attn_mv", sum, x, R - GD);
  shu_drop (c, x);
  x = sum;
  a = shu_attn_cross (
      c, &b->attn2, shu_reshape (c, h, SHU_DIMS (R, H * W, C)), text);
  shu_drop (c, h);
  shu_tap (c, a, "%sattn2", b->name);

  h = shu_add_norm (c, x, &b->norm3,
      &(ShuAddNorm){.h = a, .eps = NORM_EPS, .precision = b->ff.proj.precision},
      &sum);
  shu_drop (c, a);
  shu_drop (c, x);
  x = sum;
  sum = shu_feed_forward_add (c, &b->ff, h, x);
  tap_added (c, b, "ff", sum, x, R);
  return shu_keep (c, sum);
}

/* ---- wrapper ---- */

/* A linear layer that the file may hold as a 1x1 convolution. */
static ShuLinear
load_projection (ShuWeights *w, const char *name, gint64 C, gboolean linear,
    ShuTensor **ret_owned)
{
  ShuConv k;

  if (linear)
    return shu_weights_linear (w, name, C, C, TRUE);
  k = shu_weights_conv (w, name, C, C, 1);
  if (k.w->n_dims != 4) /* nil after a failure */
    return (ShuLinear){k.w, k.b};
  shu_weights_use (w, k.w, SHU_USE_LINEAR);
  *ret_owned = shu_tensor_view (k.w, SHU_DIMS (C, C));
  return (ShuLinear){*ret_owned, k.b};
}

void
shu_mv_transformer_load (ShuMvTransformer *ret, ShuWeights *w, const char *name,
    const ShuMvParams *p)
{
  ShuWeights *part = shu_weights_part (w, name);

  shu_weights_check_groups (w, name, p->C, p->n_groups);
  shu_name_set (ret->name, "", "%s", name);
  ret->n_groups = p->n_groups;
  ret->n_blocks = CLAMP (p->n_blocks, 1, SHU_MV_MAX_LAYERS);
  ret->norm = shu_weights_norm (part, "norm", p->C);
  ret->proj_in =
      load_projection (part, "proj_in", p->C, p->linear, &ret->owned[0]);
  for (int i = 0; i < ret->n_blocks; i++) {
    g_autofree char *block = g_strdup_printf (
        "%s%stransformer_blocks.%d", name, *name ? "." : "", i);

    ret->transformer_blocks[i] =
        shu_mv_block_load (w, block, p->C, p->X, p->n_heads, p->joint);
  }
  ret->proj_out =
      load_projection (part, "proj_out", p->C, p->linear, &ret->owned[1]);
}

void
shu_mv_transformer_clear (ShuMvTransformer *t)
{
  g_clear_pointer (&t->owned[0], shu_tensor_unref);
  g_clear_pointer (&t->owned[1], shu_tensor_unref);
}

void
shu_mv_transformer_text (ShuCtx *c, const ShuMvTransformer *t, ShuTensor *text,
    ShuKeyValue *ret_text)
{
  for (int i = 0; i < t->n_blocks; i++)
    ret_text[i] = shu_attn_key_value (c, &t->transformer_blocks[i].attn2, text);
}

ShuTensor *
shu_mv_transformer (ShuCtx *c, const ShuMvTransformer *t, ShuTensor *x,
    const ShuViews *views, const ShuKeyValue *text)
{
  SHU_SCOPE (c);
  ShuTensor *h, *y;

  y = shu_group_norm (c, x, &t->norm, t->n_groups, 1e-6f, SHU_ACT_NONE);
  h = shu_linear (c, shu_tap (c, y, "%snorm", t->name), &t->proj_in);
  shu_drop (c, y);
  shu_tap (c, h, "%sproj_in", t->name);
  for (int i = 0; i < t->n_blocks; i++) {
    h = shu_mv_block (c, &t->transformer_blocks[i], h, views, text[i]);
  }
  h = shu_linear_add (c, h, &t->proj_out, x);
  return shu_keep (c, shu_tap (c, h, "%.*s", SHU_NAME_ARGS (t->name)));
}
