/* SPDX-License-Identifier: MIT */
/* What a device must be able to do.  ops.c checks shapes and types, allocates
 * the result y and calls; a backend gets arguments that are already right, none
 * of them empty.  Operands are on the context's device; weights of layers and
 * norms are f32 in host memory.  A NULL entry is reported by name.  Failures go
 * to the context. */
#pragma once
#include "ops/bake.h"
#include "ops/gaussians.h"
#include "ops/ops.h"
#include "ops/photo.h"
#include "ops/photo_pixels.h"
#include "ops/pictures.h"
#include "tensor/context_backend.h"

G_BEGIN_DECLS

typedef enum {
  SHU_BINARY_ADD,
  SHU_BINARY_SUB,
  SHU_BINARY_MUL,
} ShuBinary;

typedef enum {
  SHU_TERNARY_MODULATE,  /* (1 + b) x + d */
  SHU_TERNARY_ADD_GATED, /* x + b d, b and d broadcast */
} ShuTernary;

typedef enum {
  SHU_SCRATCH_GEGLU,
  SHU_SCRATCH_GROUP_NORM,
  SHU_SCRATCH_ATTENTION,
  SHU_SCRATCH_SELF_ATTENTION,
  SHU_SCRATCH_UPSAMPLE, /* of a convolution */
  SHU_SCRATCH_CONV, /* of one without; n_heads: of each side, n_keys: stride */
  SHU_SCRATCH_FP8,  /* x of a layer in that */
  SHU_SCRATCH_PATCHES,         /* n_heads: their side */
  SHU_SCRATCH_LINEAR_ADD_NORM, /* of x, that of the layer; 0: not in one */
} ShuScratch;

/* @n_rows runs of @bytes each; offsets and steps in bytes. */
typedef struct {
  gsize n_rows;
  gsize bytes;
  gsize y_offset, y_step;
  gsize x_offset, x_step;
} ShuCopy;

/* All of @x goes to @y. */
typedef struct {
  ShuTensor *y, *x;
} ShuMove;

typedef struct _ShuBackend ShuBackend;

struct _ShuBackend {
  const char *name;

  /* @data of @dtype, that of y or F32 */
  void (*upload) (ShuCtx *c, ShuTensor *y, ShuDType dtype, gconstpointer data);
  void (*download) (ShuCtx *c, gpointer data, ShuTensor *x);
  /* y: x, which is on another device of the kind; waits for it */
  void (*bring) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  /* x, of host memory, as an operand; NULL where that can be read as it is.
   * What is made of it stays with x: most are weights. */
  ShuTensor *(*adopt) (ShuCtx *c, ShuTensor *x);
  /* as shu_upload_weights(); NULL where the host is the device */
  void (*weights) (ShuCtx *c, int n, const ShuWeightSet *sets,
      ShuUploadFunc func, gpointer data);
  /* NULL: no */
  gboolean (*has_fp8) (ShuCtx *c);
  /* whether a linear_geglu in f16, of [M,K] to [M,C], leaves E4M3 where it
   * should; NULL: no */
  gboolean (*geglu_to_e4m3) (ShuCtx *c, gint64 M, gint64 C, gint64 K);
  void (*fill) (ShuCtx *c, ShuTensor *y, float value);

  void (*copy) (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuCopy *copy);
  /* y: each of x's first dimension @times in a row, or all @times again */
  void (*repeat) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, int times, gboolean in_a_row);
  void (*permute) (ShuCtx *c, ShuTensor *y, ShuTensor *x, const int *axes);
  void (*gather) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index);

  void (*binary) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuBinary op);
  void (*ternary) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b,
      ShuTensor *d, ShuTernary op);
  void (*affine) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, float scale, float shift);
  void (*act) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuAct act);
  void (*clamp) (ShuCtx *c, ShuTensor *y, ShuTensor *x, float lo, float hi);

  /* act (x w^T + b) + residual; residual may be NULL */
  void (*linear) (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
      ShuAct act, ShuTensor *residual);
  void (*linear_geglu) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l);
  /* @p complete: stride and dilation at least 1 */
  void (*conv2d) (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
      const ShuConvParams *p);
  void (*conv3d) (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
      const ShuConvParams *p);

  /* add [B,C] or NULL */
  void (*group_norm) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *add,
      const ShuNorm *norm, int n_groups, float eps, ShuAct act);
  void (*layer_norm) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuNorm *norm, float eps);
  void (*rms_norm_heads) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *gamma);
  /* sum: NULL where there is no h; orders complete */
  void (*add_norm) (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
      const ShuNorm *norm, const ShuAddNorm *p);

  /* that with what l makes of p->h in place of h, gate and eps, and nothing
   * else of p; has_linear_add_norm: whether it should be asked for; NULL: never
   */
  gboolean (*has_linear_add_norm) (
      ShuCtx *c, ShuTensor *x, const ShuLinear *l, const ShuAddNorm *p);
  void (*linear_add_norm) (ShuCtx *c, ShuTensor *y, ShuTensor *sum,
      ShuTensor *x, const ShuLinear *l, const ShuNorm *norm,
      const ShuAddNorm *p);

  void (*attention) (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
      ShuTensor *v, int n_heads);
  void (*self_attention) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuSelfAttention *p);
  void (*attention_gather) (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
      ShuTensor *v, ShuTensor *index, int n_heads);
  void (*attention_groups) (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
      ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads);

  void (*resize_bilinear) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  /* y: x, resized bilinearly, and like */
  void (*resize_concat) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *like);
  void (*resize_bicubic_aa) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  void (*upsample_nearest) (ShuCtx *c, ShuTensor *y, ShuTensor *x, int factor);
  void (*max_pool2) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  /* both [B,D,H,W,C] */
  void (*adaptive_pool) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  void (*pixel_shuffle3d) (ShuCtx *c, ShuTensor *y, ShuTensor *x);

  void (*sparse_conv) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
  void (*sparse_conv_subdivided) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
  void (*sparse_pool) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index);

  /* Bytes beside operands and result; NULL: none that matter.  @x: what is
   * normalised, convolved, or asked (the queries) */
  gsize (*scratch) (ShuScratch what, const ShuTensor *y, const ShuTensor *x,
      int n_heads, gint64 n_keys);

  /* x F32 -> y real */
  void (*state_value) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *scale,
      ShuTensor *shift);
  void (*flow_advance) (ShuCtx *c, ShuTensor *x, ShuTensor *v,
      const ShuFlowStep *p, ShuTensor *estimate);
  void (*count) (ShuCtx *c, ShuTensor *step);

  /* sets @ret, in the caller's scope, unless it fails */
  void (*isosurface) (ShuCtx *c, const ShuSurfaceCells *cells, ShuSurface *ret);

  /* into the results that are there; at least one voxel */
  void (*gaussians) (ShuCtx *c, ShuTensor *x, ShuTensor *coords,
      ShuTensor *offset, const ShuGaussianRule *rule,
      const ShuGaussianFields *y);
  /* into the results that are there; there may be no Gaussians */
  void (*splat) (ShuCtx *c, const ShuSplatInput *g, int V,
      const ShuSplatCamera *cameras, int size, const ShuSplats *ret);
  /* y complete; @job's tensors are on the device */
  void (*rasterize) (ShuCtx *c, const ShuRasterJob *job, ShuRastered *y);
  void (*count_seen) (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen);

  void (*timestep_embedding) (ShuCtx *c, ShuTensor *y, const float *values);
  void (*position_embedding) (ShuCtx *c, ShuTensor *y, ShuTensor *coords);
  void (*embed_patches) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, int P, const ShuLinear *l);
  void (*embed_tokens) (ShuCtx *c, ShuTensor *y, ShuTensor *tokens,
      ShuTensor *x, const ShuTokens *p);

  /* A moment of the device's own time, when all that was asked for so far is
   * done; NULL, with the failure recorded.  Freed by unmark(). */
  gpointer (*mark) (ShuCtx *c);
  /* Seconds between two moments that have passed. */
  double (*between) (gpointer from, gpointer to);
  void (*unmark) (gpointer mark);

  /* pictures; y has another size than x */
  void (*picture_resize) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuFilter filter);
  void (*picture_crop) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box);
  void (*picture_flatten) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, float background, gboolean saved);
  void (*picture_paste_face) (
      ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *face);
  void (*picture_normalize) (ShuCtx *c, ShuTensor *y, ShuTensor *x,
      double scale, const double mean[3], const double std[3]);
  void (*picture_from_view) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  void (*picture_measure) (
      ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret);
  void (*picture_window) (ShuCtx *c, ShuTensor *y, ShuTensor *x,
      const ShuBox *box, gboolean mirror);
  void (*picture_clean) (ShuCtx *c, ShuTensor *y, ShuTensor *x);
  void (*picture_cells) (
      ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, guint32 *ret_n);
  /* @ret [2] begins with zeros: opaque pixels, and those that differ */
  void (*picture_compare) (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
      int tolerance, guint32 *ret);
  void (*mask_mean) (ShuCtx *c, ShuTensor *y, ShuTensor *p, ShuTensor *q);
  void (*mask_to_picture) (
      ShuCtx *c, ShuTensor *y, ShuTensor *p, float lo, float hi);
  /* @box lies inside of p */
  void (*mask_measure) (ShuCtx *c, ShuTensor *p, ShuTensor *q,
      const ShuBox *box, int row, ShuMaskMeasures *ret);

  void (*texture_gather) (
      ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows, float hold);
  void (*texture_solve) (ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows,
      ShuTensor *start, const ShuTextureSolver *p);
  /* sets @ret, in the caller's scope, unless it fails */
  void (*texture_pack) (
      ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret);

  /* what they need is there, and fits */
  void (*bake_differences) (ShuCtx *c, const ShuBakeHeld *y,
      const ShuBakeWorld *w, int view, guint refs);
  void (*bake_lacks) (ShuCtx *c, const ShuBakeHeld *y, const ShuBakeWorld *w);
  /* @charts: U8 [S,S] */
  void (*bake_texels) (ShuCtx *c, ShuTensor *y, ShuTensor *charts,
      const ShuBakeWorld *w, const ShuRastered *plane);
  void (*bake_photo_rows) (ShuCtx *c, const ShuTextureRows *y,
      const ShuBakeWorld *w, gboolean is_face, int view, int size,
      float widest);
  void (*bake_drawing_rows) (ShuCtx *c, const ShuTextureRows *y,
      const ShuBakeWorld *w, const ShuBakeDrawings *drawings, int size,
      float widest);
  /* y [n,3], n >= 1 */
  void (*field_spread) (ShuCtx *c, ShuTensor *y, const ShuField *field,
      const ShuBakeHeld *held, float decay, int n_steps);
  void (*bake_picture) (ShuCtx *c, ShuTensor *y, ShuTensor *x);

  /* planes; @dist may be NULL; @limit: the largest square distance */
  void (*plane_find_nearest) (
      ShuCtx *c, ShuTensor *y, ShuTensor *dist, ShuTensor *mask, int limit);
  void (*plane_smooth) (ShuCtx *c, ShuTensor *y, ShuTensor *x, int radius);
  /* @from I32 [S,S]: a good pixel for each, -1: none near */
  void (*plane_fill) (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *from);
  /* @job has what the step takes, and room for what it gives */
  void (*photo_step) (ShuCtx *c, ShuPhotoStep step, const ShuPhotoJob *job);
  void (*photo_background) (
      ShuCtx *c, ShuTensor *y, ShuTensor *rgb, ShuTensor *person, int reach);
  /* @ret begins with zeros */
  void (*photo_count_shares) (ShuCtx *c, ShuTensor *rgb, ShuTensor *depth,
      ShuTensor *from, guint32 *ret);

  /* From capture_begin() on operations are not done but recorded, until
   * capture_end() gives the record, or NULL where something could not be
   * recorded; @ret_void: another thread spoilt it.  FALSE: not now.  NULL where
   * a device cannot do that.
   * @lasts: for other contexts of the place, too, and longer than @c */
  gboolean (*capture_begin) (ShuCtx *c, gboolean lasts);
  gpointer (*capture_end) (ShuCtx *c, gboolean *ret_void);
  /* After what other contexts asked of it; @before, @after: what is copied,
   * both of one that lasts, or NULL.  One thread at a time. */
  void (*replay) (ShuCtx *c, gpointer captured, const ShuMove *before,
      const ShuMove *after);
  /* Of one that lasts: waits for it. */
  void (*captured_free) (gpointer captured);
};

/* The job of a step in the memory of the device */
ShuPhotoPixels shu_photo_pixels (const ShuPhotoJob *job);

extern const ShuBackend shu_backend_cpu;
extern const ShuBackend shu_backend_cuda;
extern const ShuBackend shu_backend_record; /* record.c */

/* The backend of @c, picked where it has none yet. */
const ShuBackend *shu_backend_of (ShuCtx *c);

/* The backend of @c where it has an entry for the operation and @c is in
 * order; NULL, with the error recorded, where not. */
#define SHU_BACKEND_FOR(c, op)                                                 \
  shu_backend_get (c, #op, G_STRUCT_OFFSET (ShuBackend, op) / sizeof (gpointer))
const ShuBackend *shu_backend_get (ShuCtx *c, const char *op, gsize slot);

/* @x where the operations of @c can read it: weights, and other tensors in host
 * memory, go to the device. */
ShuTensor *shu_operand (ShuCtx *c, ShuTensor *x);
/* Of a result, @rows of @C, that is for a layer of @precision alone. */
ShuDType shu_result_dtype (
    ShuCtx *c, ShuPrecision precision, gint64 rows, gint64 C);
/* @x, in host memory, with data there: weights may come without. */
ShuTensor *shu_operand_of_host (ShuCtx *c, ShuTensor *x);
/* Whether @w is a weight; sees to it that it has data where @c is the host's.
 */
gboolean shu_is_weight (ShuCtx *c, ShuTensor *w);
/* NULL, or a weight [C] (any shape with C elements) */
gboolean shu_is_vector (ShuCtx *c, ShuTensor *w, gint64 C);

/* Camera, and first value of each, of view @v */
ShuBakeDrawing shu_bake_drawing_of (const ShuBakeDrawings *drawings, int v);

/* For @n rows, not initialised; scoped */
ShuTextureRows shu_texture_rows_new (ShuCtx *c, gint64 n);

/* Records "OP: WHAT, got SHAPE and SHAPE ..." (tensors up to a NULL); returns
 * the nil tensor. */
ShuTensor *shu_op_wrong (
    ShuCtx *c, const char *op, const char *what, ...) G_GNUC_NULL_TERMINATED;

G_END_DECLS
