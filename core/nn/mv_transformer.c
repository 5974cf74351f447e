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

  shu_name_set (b.name, "", "%s", name);
  return b;
}

/* ---- attn1 ---- */

/* The middle third of the upper third of @front becomes half itself, half the
 * face made three times smaller.  front, face [B,H,H,C]; H divisible by 3 */
static ShuTensor *
blend_face (ShuCtx *c, ShuTensor *front, ShuTensor *face)
{
  SHU_SCOPE (c);
  gint64 H = front->dims[1];
  int q = H / 3;
  ShuTensor *top = shu_slice (c, front, 1, 0, q);      /* [B,q,H,C] */
  ShuTensor *rest = shu_slice (c, front, 1, q, H - q); /* [B,H-q,H,C] */
  ShuTensor *middle = shu_slice (c, top, 2, q, q);     /* [B,q,q,C] */
  ShuTensor *small = shu_resize_bilinear (c, face, q, q);

  middle = shu_affine (c, shu_add (c, middle, small), 0.5f, 0);
  top = shu_concat (c, 2, 3,
      (ShuTensor *const[]){shu_slice (c, top, 2, 0, q), middle,
          shu_slice (c, top, 2, 2 * q, H - 2 * q)});
  return shu_keep (c, shu_concat2 (c, 1, top, rest));
}

/* x [R,H,H,C], normalised -> [R,H,H,C] */
static ShuTensor *
joint_attention (
    ShuCtx *c, const ShuMvBlock *b, ShuTensor *x, const ShuViews *views)
{
  SHU_SCOPE (c);
  gint64 H = x->dims[1], C = x->dims[3], V = views->V, GV = views->G * V;
  ShuTensor *h, *front, *face, *others;

  h = shu_reshape (c, x, SHU_DIMS (SHU_DOMAINS, GV, H * H, C));
  h = shu_permute (c, h, (const int[]){1, 0, 2, 3}); /* [GV,2,N,C] */
  h = shu_reshape (c, h, SHU_DIMS (GV, SHU_DOMAINS * H * H, C));
  h = shu_attn_self (c, &b->attn1, h);
  h = shu_reshape (c, h, SHU_DIMS (GV, SHU_DOMAINS, H * H, C));
  h = shu_permute (c, h, (const int[]){1, 0, 2, 3}); /* [2,GV,N,C] */
  h = shu_reshape (c, h, SHU_DIMS (SHU_DOMAINS * views->G, V, H, H, C));

  front = shu_slice (c, h, 1, 0, 1); /* [2G,1,H,H,C] */
  others = shu_slice (c, h, 1, 1, V - 1);
  face = shu_slice (c, h, 1, V - 1, 1);
  front = blend_face (c, shu_reshape (c, front, SHU_DIMS (-1, H, H, C)),
      shu_reshape (c, face, SHU_DIMS (-1, H, H, C)));
  front = shu_reshape (c, front, SHU_DIMS (-1, 1, H, H, C));
  h = shu_concat2 (c, 1, front, others);
  return shu_keep (c, shu_reshape_like (c, h, x));
}

static ShuTensor *
plain_attention (ShuCtx *c, const ShuMvBlock *b, ShuTensor *x)
{
  SHU_SCOPE (c);
  gint64 R = x->dims[0], C = x->dims[3];
  ShuTensor *h =
      shu_attn_self (c, &b->attn1, shu_reshape (c, x, SHU_DIMS (R, -1, C)));

  return shu_keep (c, shu_reshape_like (c, h, x));
}

/* ---- attn_mv ---- */

/* x [R,H,H,C] -> [R,H,H,C] with the residual; the face view stays as it is */
static ShuTensor *
row_attention (
    ShuCtx *c, const ShuMvBlock *b, ShuTensor *x, const ShuViews *views)
{
  SHU_SCOPE (c);
  gint64 H = x->dims[1], W = x->dims[2], C = x->dims[3];
  gint64 GD = SHU_DOMAINS * views->G, body = views->V - 1;
  ShuTensor *all, *bodies, *face, *h;

  all = shu_reshape (c, x, SHU_DIMS (GD, views->V, H, W * C));
  bodies = shu_slice (c, all, 1, 0, body); /* [2G,4,H,W*C] */
  face = shu_slice (c, all, 1, body, 1);

  h = shu_reshape (c, bodies, SHU_DIMS (-1, C));
  h = shu_layer_norm (c, h, &b->norm_mv, NORM_EPS);
  h = shu_reshape_like (c, h, bodies);
  h = shu_permute (c, h, (const int[]){0, 2, 1, 3}); /* [2G,H,4,W*C] */
  h = shu_reshape (c, h, SHU_DIMS (GD * H, body * W, C));
  h = shu_attn_self (c, &b->attn_mv, h);
  h = shu_reshape (c, h, SHU_DIMS (GD, H, body, W * C));
  h = shu_permute (c, h, (const int[]){0, 2, 1, 3}); /* [2G,4,H,W*C] */
  shu_tap (c, shu_reshape (c, h, SHU_DIMS (GD * body, H * W, C)), "%sattn_mv",
      b->name);
  h = shu_concat2 (c, 1, shu_add (c, bodies, h), face);
  return shu_keep (c, shu_reshape_like (c, h, x));
}

/* ---- block ---- */

ShuTensor *
shu_mv_block (ShuCtx *c, const ShuMvBlock *b, ShuTensor *x,
    const ShuViews *views, ShuKeyValue text)
{
  SHU_SCOPE (c);
  gint64 R = x->dims[0], H = x->dims[1], W = x->dims[2], C = x->dims[3];
  ShuTensor *h;

  if (R != SHU_DOMAINS * views->G * views->V || views->V < 2 ||
      (b->joint && (H != W || H % 3 != 0)))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "%s: %" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT
        "x%" G_GINT64_FORMAT " do not fit %d views; sides must be equal and "
        "divisible by 3",
        b->name, R, H, W, views->V);

  h = shu_layer_norm (c, x, &b->norm1, NORM_EPS);
  h = b->joint ? joint_attention (c, b, h, views) : plain_attention (c, b, h);
  x = shu_add (c, x, shu_tap (c, h, "%sattn1", b->name));

  x = row_attention (c, b, x, views);

  x = shu_reshape (c, x, SHU_DIMS (R, H * W, C));
  h = shu_layer_norm (c, x, &b->norm2, NORM_EPS);
  h = shu_attn_cross (c, &b->attn2, h, text);
  x = shu_add (c, x, shu_tap (c, h, "%sattn2", b->name));

  h = shu_layer_norm (c, x, &b->norm3, NORM_EPS);
  h = shu_feed_forward (c, &b->ff, h);
  x = shu_add (c, x, shu_tap (c, h, "%sff", b->name));
  return shu_keep (c, shu_reshape (c, x, SHU_DIMS (R, H, W, C)));
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
  ShuTensor *h =
      shu_group_norm (c, x, &t->norm, t->n_groups, 1e-6f, SHU_ACT_NONE);

  h = shu_linear (c, shu_tap (c, h, "%snorm", t->name), &t->proj_in);
  shu_tap (c, h, "%sproj_in", t->name);
  for (int i = 0; i < t->n_blocks; i++)
    h = shu_mv_block (c, &t->transformer_blocks[i], h, views, text[i]);
  h = shu_linear_add (c, h, &t->proj_out, x);
  return shu_keep (c, shu_tap (c, h, "%.*s", SHU_NAME_ARGS (t->name)));
}
