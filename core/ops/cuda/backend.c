/* SPDX-License-Identifier: MIT */
/* The CUDA backend: f16 activations, sums and statistics in f32.  Here is what
 * goes to kernels of our own: tensors become pointers and sizes. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include <string.h>

G_STATIC_ASSERT ((int) SHU_CUDA_ACT_SIGMOID == (int) SHU_ACT_SIGMOID);
G_STATIC_ASSERT ((int) SHU_CUDA_MUL == (int) SHU_BINARY_MUL);
G_STATIC_ASSERT ((int) SHU_CUDA_ADD_GATED == (int) SHU_TERNARY_ADD_GATED);

/* Runs a launcher in the stream of @c; its last argument is the stream. */
#define LAUNCH(c, op, launcher, ...)                                           \
  G_STMT_START                                                                 \
  {                                                                            \
    ShuCuda *s_ = shu_cuda (c);                                                \
                                                                               \
    if (s_)                                                                    \
      shu_cuda_done (c, op, launcher (__VA_ARGS__, s_->stream));               \
  }                                                                            \
  G_STMT_END

/* Rows of the last dimension. */
static gsize
rows (const ShuTensor *x)
{
  return x->n / (gsize) x->dims[x->n_dims - 1];
}

static gsize
last (const ShuTensor *x)
{
  return (gsize) x->dims[x->n_dims - 1];
}

static gconstpointer
data_of (const ShuTensor *x)
{
  return x ? x->data : NULL;
}

/* ---- moving data ---- */

static void
fill (ShuCtx *c, ShuTensor *y, float value)
{
  LAUNCH (c, "fill", shu_launch_fill_f16, y->data, value, y->n);
}

static void
copy (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuCopy *k)
{
  LAUNCH (c, "copy", shu_launch_copy, (char *) y->data + k->y_offset,
      (const char *) x->data + k->x_offset, k->n_rows, k->bytes, k->y_step,
      k->x_step);
}

static void
repeat (ShuCtx *c, ShuTensor *y, ShuTensor *x, int times, gboolean in_a_row)
{
  gsize n = (gsize) x->dims[0];

  LAUNCH (c, "repeat", shu_launch_repeat, y->data, x->data, n,
      shu_tensor_bytes (x) / n, (gsize) times, in_a_row);
}

static void
permute (ShuCtx *c, ShuTensor *y, ShuTensor *x, const int *axes)
{
  LAUNCH (c, "permute", shu_launch_permute, y->data, x->data, x->n_dims,
      x->dims, axes, shu_dtype_size (x->dtype));
}

static void
gather (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  shu_cuda_check_index (c, "gather", "rows", index, G_MININT, x->dims[0]);
  LAUNCH (c, "gather", shu_launch_gather, y->data, x->data, index->data,
      index->n, (gsize) x->dims[0], last (x) * shu_dtype_size (x->dtype));
}

/* ---- elementwise ---- */

static ShuCudaOperand
operand (const ShuTensor *b)
{
  return (ShuCudaOperand){
      .v = {.data = b->data}, .n_dims = b->n_dims, .dims = b->dims};
}

static void
binary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuBinary op)
{
  ShuCudaOperand ob = operand (b);

  LAUNCH (c, "binary", shu_launch_binary, y->data, x->data, x->n_dims, x->dims,
      &ob, (int) op);
}

static void
ternary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuTensor *d,
    ShuTernary op)
{
  ShuCudaOperand ob = operand (b), od = operand (d);

  LAUNCH (c, "ternary", shu_launch_ternary, y->data, x->data, x->n_dims,
      x->dims, &ob, &od, (int) op);
}

static void
affine (ShuCtx *c, ShuTensor *y, ShuTensor *x, float scale, float shift)
{
  LAUNCH (c, "affine", shu_launch_affine, y->data, x->data, x->n, scale, shift);
}

static void
act (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuAct kind)
{
  LAUNCH (c, "act", shu_launch_act, y->data, x->data, x->n, (int) kind);
}

static void
clamp (ShuCtx *c, ShuTensor *y, ShuTensor *x, float lo, float hi)
{
  LAUNCH (c, "clamp", shu_launch_clamp, y->data, x->data, x->n, lo, hi);
}

/* ---- norms ---- */

static void
group_norm (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct kind)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gsize B = (gsize) x->dims[0], C = last (x), T = x->n / B / C;
  int e4m3 = y->dtype == SHU_DTYPE_E4M3;
  const float *w, *b;
  gpointer scratch;

  if (!s || !shu_cuda_norm_vectors (c, norm, &w, &b))
    return;
  if (shu_launch_group_norm_whole_fits (B, T, C, n_groups, s->sm) &&
      shu_cuda_aligned16 (x->data) && shu_cuda_aligned16 (y->data) &&
      shu_cuda_aligned16 (data_of (add))) {
    LAUNCH (c, "group_norm", shu_launch_group_norm_whole, y->data, x->data,
        data_of (add), w, b, B, T, C, n_groups, eps, (int) kind, e4m3, s->sm);
    return;
  }
  scratch = shu_cuda_scratch (c, shu_launch_group_norm_scratch (B, T, C));
  if (!scratch)
    return;
  LAUNCH (c, "group_norm", shu_launch_group_norm, y->data, x->data,
      data_of (add), w, b, B, T, C, n_groups, eps, (int) kind, e4m3, scratch);
}

static void
layer_norm (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuNorm *norm, float eps)
{
  const float *w, *b;

  if (shu_cuda_norm_vectors (c, norm, &w, &b))
    LAUNCH (c, "layer_norm", shu_launch_layer_norm, y->data, x->data, w, b,
        rows (x), last (x), eps);
}

static void
rms_norm_heads (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *gamma)
{
  gsize NH = (gsize) gamma->dims[0], HD = (gsize) gamma->dims[1];
  const float *g = shu_cuda_weight (c, gamma, SHU_CUDA_WEIGHT_SAME);

  if (g)
    LAUNCH (c, "rms_norm_heads", shu_launch_rms_norm_heads, y->data, x->data, g,
        x->n / NH / HD, NH, HD);
}

G_STATIC_ASSERT (sizeof (ShuCudaOrder) == sizeof (ShuOrder));

static ShuCudaOrder
order (const ShuOrder *o)
{
  ShuCudaOrder ret;

  memcpy (&ret, o, sizeof ret);
  return ret;
}

/* How many of @n rows in a row share a vector of @v. */
static gsize
rows_of_part (const ShuTensor *v, gsize n)
{
  return v ? n / rows (v) : 1;
}

/* What @p says, but for the norm */
static ShuCudaAddNorm
steps_of (const ShuTensor *y, const ShuTensor *x, const ShuAddNorm *p)
{
  gsize n = rows (x);

  return (ShuCudaAddNorm){
      .h = data_of (p->h),
      .rest = data_of (p->rest),
      .gate = data_of (p->gate),
      .scale = data_of (p->scale),
      .shift = data_of (p->shift),
      .h_order = order (p->h_order),
      .y_order = order (p->y_order),
      .gate_rows = rows_of_part (p->gate, n),
      .scale_rows = rows_of_part (p->scale, n),
      .blend = p->h ? p->blend : 0,
      .eps = p->eps,
      .e4m3 = y->dtype == SHU_DTYPE_E4M3,
  };
}

static void
add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuNorm *norm, const ShuAddNorm *p)
{
  ShuCudaAddNorm k = steps_of (y, x, p);

  if (shu_cuda_norm_vectors (c, norm, &k.w, &k.b))
    LAUNCH (c, "add_norm", shu_launch_add_norm, y->data, sum ? sum->data : NULL,
        x->data, &k, rows (x), last (x));
}

static gboolean
has_linear_add_norm (
    ShuCtx *c, ShuTensor *x, const ShuLinear *l, const ShuAddNorm *p)
{
  ShuCuda *s = shu_cuda (c);

  return s && shu_cuda_aligned16 (x->data) && shu_cuda_aligned16 (p->h->data) &&
         shu_cuda_aligned16 (data_of (p->gate)) &&
         shu_launch_add_norm_parts_fits (rows (x), last (x)) &&
         shu_launch_product_parts_number (
             rows (p->h), last (x), last (p->h), s->n_sm, s->sm) > 0;
}

/* The layer's product in parts of K, which the norm adds up */
static void
linear_add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuLinear *l, const ShuNorm *norm, const ShuAddNorm *p)
{
  SHU_SCOPE (c);
  static const char op[] = "linear_add_norm";
  ShuCuda *s = shu_cuda (c);
  gsize M = rows (x), N = last (x), K = last (p->h);
  unsigned n = shu_launch_product_parts_number (M, N, K, s->n_sm, s->sm);
  gconstpointer w = shu_cuda_weight (c, l->w, SHU_CUDA_WEIGHT_F16);
  gpointer parts = shu_cuda_scratch (c, n * M * N * sizeof (guint16));
  ShuCudaAddNorm k = steps_of (y, x, p);
  ShuCudaVector b;

  k.h = parts;
  if (!w || !parts || !shu_cuda_bias (c, l->b, &b) ||
      !shu_cuda_norm_vectors (c, norm, &k.w, &k.b))
    return;
  LAUNCH (c, op, shu_launch_product_parts, parts, p->h->data, w, M, N, K, n,
      s->n_sm);
  LAUNCH (c, op, shu_launch_add_norm_parts, y->data, sum->data, x->data, &k,
      b.data, n, M, N);
}

/* ---- small attention ---- */

static gboolean
head_fits (ShuCtx *c, const char *op, int HD, int limit)
{
  if (HD > limit)
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED,
        "%s: %s: heads of %d channels, at most %d", c->device, op, HD, limit);
  return HD <= limit;
}

static void
attention_gather (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *index, int n_heads)
{
  static const char op[] = "attention_gather";
  int HD = (int) q->dims[1] / n_heads;

  if (!head_fits (c, op, HD, SHU_CUDA_MAX_HEAD_GATHER))
    return;
  shu_cuda_check_index (c, op, "rows", index, 0, k->dims[0]);
  LAUNCH (c, op, shu_launch_attention_gather, y->data, q->data, k->data,
      v->data, index->data, (gsize) q->dims[0], (gsize) k->dims[0],
      (int) index->dims[1], n_heads, HD);
}

static void
attention_groups (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads)
{
  static const char op[] = "attention_groups";
  int HD = (int) q->dims[1] / n_heads;

  if (!head_fits (c, op, HD, SHU_CUDA_MAX_HEAD_GROUPS))
    return;
  shu_cuda_check_index (c, op, "rows", order, 0, q->dims[0]);
  shu_cuda_check_index (c, op, "starts", start, 0, q->dims[0] + 1);
  LAUNCH (c, op, shu_launch_attention_groups, y->data, q->data, k->data,
      v->data, order->data, start->data, (gsize) q->dims[0],
      (gsize) start->dims[0] - 1, n_heads, HD);
}

/* ---- resampling ---- */

#define RESIZE(name)                                                           \
  static void name (ShuCtx *c, ShuTensor *y, ShuTensor *x)                     \
  {                                                                            \
    LAUNCH (c, #name, shu_launch_##name, y->data, x->data, (gsize) x->dims[0], \
        (gsize) x->dims[1], (gsize) x->dims[2], (gsize) y->dims[1],            \
        (gsize) y->dims[2], last (x));                                         \
  }

RESIZE (resize_bilinear)
RESIZE (resize_bicubic_aa)

static void
resize_concat (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *like)
{
  LAUNCH (c, "resize_concat", shu_launch_resize_concat, y->data, x->data,
      like->data, (gsize) x->dims[0], (gsize) x->dims[1], (gsize) x->dims[2],
      (gsize) y->dims[1], (gsize) y->dims[2], last (x), last (like));
}

static void
upsample_nearest (ShuCtx *c, ShuTensor *y, ShuTensor *x, int factor)
{
  LAUNCH (c, "upsample_nearest", shu_launch_upsample_nearest, y->data, x->data,
      (gsize) x->dims[0], (gsize) x->dims[1], (gsize) x->dims[2], last (x),
      factor);
}

static void
max_pool2 (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  LAUNCH (c, "max_pool2", shu_launch_max_pool2, y->data, x->data,
      (gsize) x->dims[0], (gsize) x->dims[1], (gsize) x->dims[2], last (x));
}

static void
adaptive_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  LAUNCH (c, "adaptive_pool", shu_launch_adaptive_pool, y->data, x->data,
      (gsize) x->dims[0], x->dims + 1, y->dims + 1, last (x));
}

static void
pixel_shuffle3d (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  LAUNCH (c, "pixel_shuffle3d", shu_launch_pixel_shuffle3d, y->data, x->data,
      (gsize) x->dims[0], (gsize) x->dims[1], (gsize) x->dims[2],
      (gsize) x->dims[3], last (y));
}

/* ---- sparse voxels and states ---- */

static void
sparse_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  shu_cuda_check_index (c, "sparse_pool", "rows", index, 0, y->dims[0]);
  LAUNCH (c, "sparse_pool", shu_launch_sparse_pool, y->data, x->data,
      index->data, (gsize) x->dims[0], (gsize) y->dims[0], last (x));
}

static void
state_value (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *scale, ShuTensor *shift)
{
  if (scale)
    LAUNCH (c, "state_affine", shu_launch_state_affine, y->data, x->data,
        scale->data, shift->data, x->n, scale->n);
  else
    LAUNCH (c, "state_value", shu_launch_f32_to_f16, y->data, x->data, x->n);
}

static void
flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v, const ShuFlowStep *p,
    ShuTensor *estimate)
{
  LAUNCH (c, "flow_advance", shu_launch_flow_advance, x->data,
      estimate ? estimate->data : NULL, v->data, p->schedule->data,
      p->step->data, (int) p->schedule->dims[0], (gsize) p->n_parts,
      p->guided ? 2 : 1, x->n / (gsize) p->n_parts, p->guidance, p->extra);
}

static void
count (ShuCtx *c, ShuTensor *step)
{
  LAUNCH (c, "count", shu_launch_count, step->data);
}

static void
gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords, ShuTensor *offset,
    const ShuGaussianRule *p, const ShuGaussianFields *y)
{
  const ShuGaussianPlaces to = {y->pos->data, y->scale->data, y->quat->data,
      y->opacity->data, y->sh0->data, y->rgb->data};

  LAUNCH (c, "gaussians", shu_launch_gaussians, &to, x->data, coords->data,
      offset->data, p, rows (coords));
}

const ShuBackend shu_backend_cuda = {
    .name = "cuda",
    .upload = shu_cuda_upload,
    .bring = shu_cuda_bring,
    .download = shu_cuda_download,
    .adopt = shu_cuda_adopt,
    .scratch = shu_cuda_scratch_bytes,
    .weights = shu_cuda_weights,
    .has_fp8 = shu_cuda_has_fp8,
    .geglu_to_e4m3 = shu_cuda_geglu_to_e4m3,
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
    .linear = shu_cuda_linear,
    .linear_geglu = shu_cuda_linear_geglu,
    .conv2d = shu_cuda_conv2d,
    .conv3d = shu_cuda_conv3d,
    .group_norm = group_norm,
    .layer_norm = layer_norm,
    .rms_norm_heads = rms_norm_heads,
    .add_norm = add_norm,
    .has_linear_add_norm = has_linear_add_norm,
    .linear_add_norm = linear_add_norm,
    .attention = shu_cuda_attention,
    .self_attention = shu_cuda_self_attention,
    .attention_gather = attention_gather,
    .attention_groups = attention_groups,
    .resize_bilinear = resize_bilinear,
    .resize_concat = resize_concat,
    .resize_bicubic_aa = resize_bicubic_aa,
    .upsample_nearest = upsample_nearest,
    .max_pool2 = max_pool2,
    .adaptive_pool = adaptive_pool,
    .pixel_shuffle3d = pixel_shuffle3d,
    .sparse_conv = shu_cuda_sparse_conv,
    .sparse_conv_subdivided = shu_cuda_sparse_conv_subdivided,
    .sparse_pool = sparse_pool,
    .state_value = state_value,
    .flow_advance = flow_advance,
    .count = count,

    .isosurface = shu_cuda_isosurface,
    .gaussians = gaussians,
    .splat = shu_cuda_splat,
    .texture_gather = shu_cuda_texture_gather,
    .texture_solve = shu_cuda_texture_solve,
    .texture_pack = shu_cuda_texture_pack,
    .bake_differences = shu_cuda_bake_differences,
    .bake_lacks = shu_cuda_bake_lacks,
    .bake_texels = shu_cuda_bake_texels,
    .bake_photo_rows = shu_cuda_bake_photo_rows,
    .bake_drawing_rows = shu_cuda_bake_drawing_rows,
    .field_spread = shu_cuda_field_spread,
    .bake_picture = shu_cuda_bake_picture,
    .timestep_embedding = shu_cuda_timestep_embedding,
    .position_embedding = shu_cuda_position_embedding,
    .embed_patches = shu_cuda_embed_patches,
    .embed_tokens = shu_cuda_embed_tokens,
    .mark = shu_cuda_mark,
    .between = shu_cuda_between,
    .unmark = shu_cuda_unmark,
    .picture_resize = shu_cuda_picture_resize,
    .picture_crop = shu_cuda_picture_crop,
    .picture_flatten = shu_cuda_picture_flatten,
    .picture_paste_face = shu_cuda_picture_paste_face,
    .picture_normalize = shu_cuda_picture_normalize,
    .picture_from_view = shu_cuda_picture_from_view,
    .picture_measure = shu_cuda_picture_measure,
    .picture_window = shu_cuda_picture_window,
    .picture_clean = shu_cuda_picture_clean,
    .picture_cells = shu_cuda_picture_cells,
    .picture_compare = shu_cuda_picture_compare,
    .mask_mean = shu_cuda_mask_mean,
    .mask_to_picture = shu_cuda_mask_to_picture,
    .mask_measure = shu_cuda_mask_measure,
    .capture_begin = shu_cuda_capture_begin,
    .capture_end = shu_cuda_capture_end,
    .replay = shu_cuda_replay,
    .captured_free = shu_cuda_captured_free,
    .plane_find_nearest = shu_cuda_plane_find_nearest,
    .plane_smooth = shu_cuda_plane_smooth,
    .plane_fill = shu_cuda_plane_fill,
    .photo_step = shu_cuda_photo_step,
    .photo_background = shu_cuda_photo_background,
    .photo_count_shares = shu_cuda_photo_count_shares,
    .rasterize = shu_cuda_rasterize,
    .count_seen = shu_cuda_count_seen,
};
