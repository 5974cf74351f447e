/* SPDX-License-Identifier: MIT */
/* A record is a backend between ops.c and the context's own: every entry notes
 * the call and hands it on. */
#include "ops/record_private.h"
#include <string.h>

static double
last (const ShuTensor *t)
{
  return (double) t->dims[t->n_dims - 1];
}

/* A table of indices in host memory, to be freed; NULL where nothing is
 * counted, or nothing stands in it. */
static gint32 *
indices (ShuCtx *c, ShuTensor *t)
{
  ShuRecord *r = c->record;
  gint32 *values;

  if (!(r->flags & SHU_RECORD_WORK) || c->place == SHU_NOWHERE)
    return NULL;
  values = g_new0 (gint32, t->n);
  if (r->flags & SHU_RECORD_DRY)
    memcpy (values, t->data, t->n * sizeof *values);
  else
    r->real->download (c, values, t);
  return values;
}

/* What a device would take for a while and give back */
static void
pass_scratch (ShuCtx *c, gsize bytes)
{
  SHU_SCOPE (c);

  if (c->place == SHU_NOWHERE && bytes > 0)
    shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS ((gint64) bytes));
}

static void
scratch (ShuCtx *c, ShuScratch what, const ShuTensor *y, const ShuTensor *x,
    int n_heads, gint64 n_keys)
{
  const ShuBackend *real = c->record->real;

  if (c->place == SHU_NOWHERE && real->scratch)
    pass_scratch (c, real->scratch (what, y, x, n_heads, n_keys));
}

/* ---- moving data ---- */

static void
upload (ShuCtx *c, ShuTensor *y, ShuDType dtype, gconstpointer data)
{

  if (c->dry && c->place == SHU_HOST && dtype == SHU_DTYPE_I32)
    memcpy (y->data, data, shu_tensor_bytes (y));
  if (dtype == SHU_DTYPE_F32)
    pass_scratch (c, y->n * sizeof (float));
  RECORD_ (upload, 0, OPERANDS (y), y, dtype, data);
}

static void
download (ShuCtx *c, gpointer data, ShuTensor *x)
{
  ShuRecord *r = c->record;

  if (r->flags & SHU_RECORD_DRY && data)
    memset (data, 0, x->n * sizeof (float));
  if (x->dtype != SHU_DTYPE_I32)
    pass_scratch (c, x->n * sizeof (float));
  RECORD_ (download, 0, OPERANDS (x), data, x);
}

static void
bring (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (bring, 0, OPERANDS (y, x), y, x);
}

static ShuTensor *
adopt (ShuCtx *c, ShuTensor *x)
{
  ShuRecord *r = c->record;

  g_autoptr (GBytes) owner = NULL;
  gboolean real = x->dtype == SHU_DTYPE_F32;

  if (c->place != SHU_NOWHERE)
    return r->real->adopt (c, x);
  owner = g_bytes_new_static ("", 0); /* weights are counted elsewhere */
  return shu_scoped_take (c,
      shu_tensor_new_storage (real ? c->real : x->dtype, x->n_dims, x->dims,
          shu_storage_new_foreign (c->place, owner, r, shu_tensor_bytes (x))));
}

static void
weights (ShuCtx *c, int n, const ShuWeightSet *sets, ShuUploadFunc func,
    gpointer data)
{
  if (!c->dry)
    c->record->real->weights (c, n, sets, func, data);
}

static gboolean
has_fp8 (ShuCtx *c)
{
  const ShuBackend *real = c->record->real;

  return !c->dry && real->has_fp8 && real->has_fp8 (c);
}

/* Dry: whether the device that scratch is told of would */
static gboolean
has_linear_add_norm (
    ShuCtx *c, ShuTensor *x, const ShuLinear *l, const ShuAddNorm *p)
{
  const ShuBackend *real = c->record->real;

  if (c->dry)
    return c->place == SHU_NOWHERE && real->scratch &&
           real->scratch (SHU_SCRATCH_LINEAR_ADD_NORM, x, p->h, 0, 0) > 0;
  return real->has_linear_add_norm && real->has_linear_add_norm (c, x, l, p);
}

static gboolean
geglu_to_e4m3 (ShuCtx *c, gint64 M, gint64 C, gint64 K)
{
  const ShuBackend *real = c->record->real;

  return !c->dry && real->geglu_to_e4m3 && real->geglu_to_e4m3 (c, M, C, K);
}

static void
fill (ShuCtx *c, ShuTensor *y, float value)
{
  RECORD_ (fill, 0, OPERANDS (y), y, value);
}

static void
copy (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuCopy *k)
{
  ShuRecord *r = c->record;
  ShuRecordCall call =
      shu_record_begin (r, "copy", 0, 2, (ShuTensor *const[]){y, x});

  if (r->flags & SHU_RECORD_WORK) /* a part of both */
    call.row->bytes += 2.0 * (double) (k->n_rows * k->bytes) -
                       shu_record_bytes (r, 2, (ShuTensor *const[]){y, x});
  if (!(r->flags & SHU_RECORD_DRY))
    r->real->copy (c, y, x, k);
  shu_record_end (r, &call);
}

static void
repeat (ShuCtx *c, ShuTensor *y, ShuTensor *x, int times, gboolean in_a_row)
{
  RECORD_ (repeat, 0, OPERANDS (y, x), y, x, times, in_a_row);
}

static void
permute (ShuCtx *c, ShuTensor *y, ShuTensor *x, const int *axes)
{
  RECORD_ (permute, 0, OPERANDS (y, x), y, x, axes);
}

static void
gather (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  RECORD_ (gather, 0, OPERANDS (y, x, index), y, x, index);
}

/* ---- elementwise ---- */

static void
binary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuBinary op)
{
  RECORD_ (binary, 0, OPERANDS (y, x, b), y, x, b, op);
}

static void
ternary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuTensor *d,
    ShuTernary op)
{
  RECORD_ (ternary, 0, OPERANDS (y, x, b, d), y, x, b, d, op);
}

static void
affine (ShuCtx *c, ShuTensor *y, ShuTensor *x, float scale, float shift)
{
  RECORD_ (affine, 0, OPERANDS (y, x), y, x, scale, shift);
}

static void
act (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuAct kind)
{
  RECORD_ (act, 0, OPERANDS (y, x), y, x, kind);
}

static void
clamp (ShuCtx *c, ShuTensor *y, ShuTensor *x, float lo, float hi)
{
  RECORD_ (clamp, 0, OPERANDS (y, x), y, x, lo, hi);
}

/* ---- layers ---- */

/* What a layer's x becomes */
static void
round_scratch (
    ShuCtx *c, ShuPrecision precision, const ShuTensor *y, const ShuTensor *x)
{
  if (precision == SHU_PRECISION_FP8)
    scratch (c, SHU_SCRATCH_FP8, y, x, 0, 0);
}

static void
linear (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l, ShuAct kind,
    ShuTensor *residual)
{
  round_scratch (c, l->precision, y, x);
  RECORD_ (linear, 2 * (double) y->n * last (l->w),
      OPERANDS (y, x, l->w, l->b, residual), y, x, l, kind, residual);
}

static void
linear_geglu (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  round_scratch (c, l->precision, y, x);
  if (l->precision != SHU_PRECISION_FP8)
    scratch (c, SHU_SCRATCH_GEGLU, y, x, 0, 0);
  RECORD_ (linear_geglu, 4 * (double) y->n * last (l->w),
      OPERANDS (y, x, l->w, l->b), y, x, l);
}

/* Multiply-adds for one element of y: all of one output channel's weights */
static double
taps (const ShuConv *k)
{
  return (double) k->w->n / (double) k->w->dims[0];
}

static void
conv_scratch (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  const gint64 *side = k->w->dims + 2;

  for (int i = 3; i < k->w->n_dims; i++)
    if (k->w->dims[i] != side[0])
      return;
  scratch (c, SHU_SCRATCH_CONV, y, x, (int) side[0], MAX (p->stride, 1));
}

static void
conv2d (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  if (k->precision == SHU_PRECISION_FP8)
    round_scratch (c, k->precision, y, x);
  else if (p->upsample)
    scratch (c, SHU_SCRATCH_UPSAMPLE, y, x, 0, 0);
  else
    conv_scratch (c, y, x, k, p);
  RECORD_ (conv2d, 2 * (double) y->n * taps (k), OPERANDS (y, x, k->w, k->b), y,
      x, k, p);
}

static void
conv3d (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  conv_scratch (c, y, x, k, p);
  RECORD_ (conv3d, 2 * (double) y->n * taps (k), OPERANDS (y, x, k->w, k->b), y,
      x, k, p);
}

/* ---- norms ---- */

static void
group_norm (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct kind)
{
  scratch (c, SHU_SCRATCH_GROUP_NORM, y, x, 0, 0);
  RECORD_ (group_norm, 0, OPERANDS (y, x, add), y, x, add, norm, n_groups, eps,
      kind);
}

static void
layer_norm (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuNorm *norm, float eps)
{
  RECORD_ (layer_norm, 0, OPERANDS (y, x), y, x, norm, eps);
}

static void
rms_norm_heads (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *gamma)
{
  RECORD_ (rms_norm_heads, 0, OPERANDS (y, x, gamma), y, x, gamma);
}

static void
add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuNorm *norm, const ShuAddNorm *p)
{
  RECORD_ (add_norm, 0, OPERANDS (y, sum, x, p->h), y, sum, x, norm, p);
}

static void
linear_add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuLinear *l, const ShuNorm *norm, const ShuAddNorm *p)
{
  double K = last (p->h), M = (double) p->h->n / K;

  scratch (c, SHU_SCRATCH_LINEAR_ADD_NORM, x, p->h, 0, 0);
  RECORD_ (linear_add_norm, 2 * M * last (x) * K,
      OPERANDS (y, sum, x, p->h, l->w, l->b), y, sum, x, l, norm, p);
}

/* ---- attention: 2 for q k^T, 2 for what follows ---- */

static void
attention (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k, ShuTensor *v,
    int n_heads)
{
  scratch (c, SHU_SCRATCH_ATTENTION, y, q, n_heads, k->dims[1]);
  RECORD_ (attention, 4 * (double) q->n * (double) k->dims[1],
      OPERANDS (y, q, k, v), y, q, k, v, n_heads);
}

static void
self_attention (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuSelfAttention *p)
{
  double product = 2 * 3 * (double) y->n * last (x);

  round_scratch (c, p->l[0]->precision, y, x);
  scratch (c, SHU_SCRATCH_SELF_ATTENTION, y, x, p->n_heads, 0);
  RECORD_ (self_attention, product + 4 * (double) y->n * (double) x->dims[1],
      OPERANDS (y, x, p->l[0]->w, p->n == 3 ? p->l[1]->w : NULL,
          p->n == 3 ? p->l[2]->w : NULL),
      y, x, p);
}

static void
attention_gather (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *index, int n_heads)
{
  RECORD_ (attention_gather, 4 * (double) q->n * last (index),
      OPERANDS (y, q, k, v, index), y, q, k, v, index, n_heads);
}

static void
attention_groups (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads)
{
  g_autofree gint32 *at = indices (c, start);
  double pairs = 0;

  for (gsize i = 1; at && i < start->n; i++)
    pairs += (double) (at[i] - at[i - 1]) * (at[i] - at[i - 1]);
  RECORD_ (attention_groups, 4 * pairs * last (q),
      OPERANDS (y, q, k, v, order, start), y, q, k, v, order, start, n_heads);
}

/* ---- resampling ---- */

static void
resize_bilinear (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (resize_bilinear, 0, OPERANDS (y, x), y, x);
}

static void
resize_concat (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *like)
{
  RECORD_ (resize_concat, 0, OPERANDS (y, x, like), y, x, like);
}

static void
resize_bicubic_aa (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (resize_bicubic_aa, 0, OPERANDS (y, x), y, x);
}

static void
upsample_nearest (ShuCtx *c, ShuTensor *y, ShuTensor *x, int factor)
{
  RECORD_ (upsample_nearest, 0, OPERANDS (y, x), y, x, factor);
}

static void
max_pool2 (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (max_pool2, 0, OPERANDS (y, x), y, x);
}

static void
adaptive_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (adaptive_pool, 0, OPERANDS (y, x), y, x);
}

static void
pixel_shuffle3d (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (pixel_shuffle3d, 0, OPERANDS (y, x), y, x);
}

/* ---- sparse voxels ---- */

static void
sparse_conv (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  g_autofree gint32 *at = indices (c, nbr);
  double there = 0;

  for (gsize i = 0; at && i < nbr->n; i++)
    there += at[i] >= 0;
  RECORD_ (sparse_conv, 2 * there * last (x) * last (y),
      OPERANDS (y, x, nbr, k->w, k->b), y, x, nbr, k);
}

/* Along an axis a child reaches its own parent and the one on its side, so of
 * the parents around each of the eight children counts a corner of 2x2x2. */
static void
sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  g_autofree gint32 *at = indices (c, nbr);
  double there = 0;

  for (gsize i = 0; at && i < nbr->n; i++) {
    int tap = (int) (i % 27), n = 1;

    for (int axis = 0; axis < 3; axis++, tap /= 3)
      n *= tap % 3 == 1 ? 2 : 1; /* so many children reach it */
    there += at[i] >= 0 ? n : 0;
  }
  RECORD_ (sparse_conv_subdivided, 2 * there * last (x) * last (y),
      OPERANDS (y, x, nbr, k->w, k->b), y, x, nbr, k);
}

static void
sparse_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  RECORD_ (sparse_pool, 0, OPERANDS (y, x, index), y, x, index);
}

static void
isosurface (ShuCtx *c, const ShuSurfaceCells *cells, ShuSurface *ret)
{
  RECORD_ (isosurface, 0, OPERANDS (cells->coords, cells->feats), cells, ret);
}

static void
gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords, ShuTensor *offset,
    const ShuGaussianRule *rule, const ShuGaussianFields *y)
{
  RECORD_ (gaussians, 0,
      OPERANDS (y->pos, y->scale, y->quat, y->opacity, y->sh0, y->rgb, x,
          coords, offset),
      x, coords, offset, rule, y);
}

/* ---- states ---- */

static void
state_value (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *scale, ShuTensor *shift)
{
  RECORD_ (state_value, 0, OPERANDS (y, x, scale, shift), y, x, scale, shift);
}

static void
flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v, const ShuFlowStep *p,
    ShuTensor *estimate)
{
  RECORD_ (flow_advance, 0, OPERANDS (x, v, estimate), x, v, p, estimate);
}

static void
count (ShuCtx *c, ShuTensor *step)
{
  RECORD_ (count, 0, OPERANDS (step), step);
}

static void
timestep_embedding (ShuCtx *c, ShuTensor *y, const float *values)
{
  RECORD_ (timestep_embedding, 0, OPERANDS (y), y, values);
}

static void
position_embedding (ShuCtx *c, ShuTensor *y, ShuTensor *coords)
{
  RECORD_ (position_embedding, 0, OPERANDS (y, coords), y, coords);
}

static void
embed_patches (ShuCtx *c, ShuTensor *y, ShuTensor *x, int P, const ShuLinear *l)
{
  scratch (c, SHU_SCRATCH_PATCHES, y, x, P, 0);
  RECORD_ (embed_patches, 2 * (double) y->n * last (l->w),
      OPERANDS (y, x, l->w, l->b), y, x, P, l);
}

static void
embed_tokens (ShuCtx *c, ShuTensor *y, ShuTensor *tokens, ShuTensor *x,
    const ShuTokens *p)
{
  RECORD_ (embed_tokens, 0,
      OPERANDS (y, tokens, x, p->first, p->registers, p->positions), y, tokens,
      x, p);
}

const ShuBackend shu_backend_record = {
    .name = "record",
    .upload = upload,
    .bring = bring,
    .download = download,
    .adopt = adopt,
    .weights = weights,
    .has_fp8 = has_fp8,
    .geglu_to_e4m3 = geglu_to_e4m3,
    .fill = fill,
    .copy = copy,
    .repeat = repeat,
    .permute = permute,
    .gather = gather,
    .binary = binary,
    .ternary = ternary,
    .affine = affine,
    .act = act,
    .clamp = clamp,
    .linear = linear,
    .linear_geglu = linear_geglu,
    .conv2d = conv2d,
    .conv3d = conv3d,
    .group_norm = group_norm,
    .layer_norm = layer_norm,
    .rms_norm_heads = rms_norm_heads,
    .add_norm = add_norm,
    .has_linear_add_norm = has_linear_add_norm,
    .linear_add_norm = linear_add_norm,
    .attention = attention,
    .self_attention = self_attention,
    .attention_gather = attention_gather,
    .attention_groups = attention_groups,
    .resize_bilinear = resize_bilinear,
    .resize_concat = resize_concat,
    .resize_bicubic_aa = resize_bicubic_aa,
    .upsample_nearest = upsample_nearest,
    .max_pool2 = max_pool2,
    .adaptive_pool = adaptive_pool,
    .pixel_shuffle3d = pixel_shuffle3d,
    .sparse_conv = sparse_conv,
    .sparse_conv_subdivided = sparse_conv_subdivided,
    .sparse_pool = sparse_pool,
    .state_value = state_value,
    .flow_advance = flow_advance,
    .count = count,

    .isosurface = isosurface,
    .gaussians = gaussians,
    .splat = shu_record_splat,
    .texture_gather = shu_record_texture_gather,
    .texture_solve = shu_record_texture_solve,
    .plane_find_nearest = shu_record_plane_find_nearest,
    .plane_smooth = shu_record_plane_smooth,
    .plane_fill = shu_record_plane_fill,
    .photo_step = shu_record_photo_step,
    .photo_background = shu_record_photo_background,
    .photo_count_shares = shu_record_photo_count_shares,
    .texture_pack = shu_record_texture_pack,
    .bake_differences = shu_record_bake_differences,
    .bake_lacks = shu_record_bake_lacks,
    .bake_texels = shu_record_bake_texels,
    .bake_photo_rows = shu_record_bake_photo_rows,
    .bake_drawing_rows = shu_record_bake_drawing_rows,
    .field_spread = shu_record_field_spread,
    .bake_picture = shu_record_bake_picture,
    .rasterize = shu_record_rasterize,
    .count_seen = shu_record_count_seen,
    .timestep_embedding = timestep_embedding,
    .position_embedding = position_embedding,
    .embed_patches = embed_patches,
    .embed_tokens = embed_tokens,
    .picture_resize = shu_record_picture_resize,
    .picture_crop = shu_record_picture_crop,
    .picture_flatten = shu_record_picture_flatten,
    .picture_paste_face = shu_record_picture_paste_face,
    .picture_normalize = shu_record_picture_normalize,
    .picture_from_view = shu_record_picture_from_view,
    .picture_measure = shu_record_picture_measure,
    .picture_window = shu_record_picture_window,
    .picture_clean = shu_record_picture_clean,
    .picture_cells = shu_record_picture_cells,
    .picture_compare = shu_record_picture_compare,
    .mask_mean = shu_record_mask_mean,
    .mask_to_picture = shu_record_mask_to_picture,
    .mask_measure = shu_record_mask_measure,
};
