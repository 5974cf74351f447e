/* SPDX-License-Identifier: MIT */
/* The CPU backend's own functions, one file for each family. */
#pragma once
#include "ops/backend_private.h"

G_BEGIN_DECLS

/* A function of plain loops that is compiled for several instruction sets; the
 * widest that the machine has is chosen at load time.  Clang (14) refuses
 * clones that are not inlined: what the build asks for with -march is all that
 * it gets. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define SHU_SIMD                                                               \
  __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3",           \
      "default"))) __attribute__ ((noinline))
#else
#define SHU_SIMD __attribute__ ((noinline))
#endif

static inline float *
shu_f32 (ShuTensor *t)
{
  return (float *) t->data;
}

static inline const gint32 *
shu_i32 (const ShuTensor *t)
{
  return (const gint32 *) t->data;
}

/* scratch.c */

/**
 * shu_cpu_scratch:
 * @n: elements of @size bytes, not cleared
 *
 * Returns: (transfer none): in the innermost scope; NULL where @c has failed,
 *   for lack of memory also
 */
gpointer shu_cpu_scratch (ShuCtx *c, gsize n, gsize size);

/**
 * shu_cpu_rooms:
 * @n: floats that one thread needs
 *
 * Asked for before a parallel region, so that a lack of memory is @c's error.
 * Returns: as shu_cpu_scratch(): rooms for as many threads as can be
 */
float *shu_cpu_rooms (ShuCtx *c, gsize n);
/* The calling thread's own, within the parallel region. */
float *shu_cpu_room (float *rooms, gsize n);

/* data.c */
void shu_cpu_upload (
    ShuCtx *c, ShuTensor *y, ShuDType dtype, gconstpointer data);
void shu_cpu_download (ShuCtx *c, gpointer data, ShuTensor *x);
void shu_cpu_fill (ShuCtx *c, ShuTensor *y, float value);
void shu_cpu_copy (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuCopy *copy);
void shu_cpu_repeat (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, int times, gboolean in_a_row);
void shu_cpu_permute (ShuCtx *c, ShuTensor *y, ShuTensor *x, const int *axes);
void shu_cpu_gather (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index);

/* elementwise.c */
void shu_cpu_binary (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuBinary op);
void shu_cpu_ternary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b,
    ShuTensor *d, ShuTernary op);
void shu_cpu_affine (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, float scale, float shift);
void shu_cpu_act (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuAct act);
void shu_cpu_clamp (ShuCtx *c, ShuTensor *y, ShuTensor *x, float lo, float hi);
/* y = a gelu (g) for rows [a, g] of 2C in x; y may be NULL: x's first half */
void shu_cpu_geglu_rows (float *y, const float *x, gsize rows, gsize C);

/* linear.c */
/* y [n_rows,Co] (+)= act (l (x)), for x [n_rows,Ci] */
void shu_cpu_linear_rows (ShuCtx *c, float *y, const float *x, gsize n_rows,
    const ShuLinear *l, ShuAct act, gboolean sum);
void shu_cpu_linear (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
    ShuAct act, ShuTensor *residual);
void shu_cpu_linear_geglu (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l);

/* conv.c */
void shu_cpu_conv (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p);

/* norm.c */
void shu_cpu_group_norm (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct act);
void shu_cpu_layer_norm (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuNorm *norm, float eps);
/* one row; w, b may be NULL */
void shu_cpu_layer_norm_row (float *restrict y, const float *restrict x,
    const float *restrict w, const float *restrict b, gsize C, float eps);
void shu_cpu_rms_norm_heads (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *gamma);

/* fused.c */
void shu_cpu_add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuNorm *norm, const ShuAddNorm *p);
void shu_cpu_self_attention (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuSelfAttention *p);

/* attention.c */
void shu_cpu_attention (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, int n_heads);
void shu_cpu_attention_gather (ShuCtx *c, ShuTensor *y, ShuTensor *q,
    ShuTensor *k, ShuTensor *v, ShuTensor *index, int n_heads);
void shu_cpu_attention_groups (ShuCtx *c, ShuTensor *y, ShuTensor *q,
    ShuTensor *k, ShuTensor *v, ShuTensor *order, ShuTensor *start,
    int n_heads);

/* resample.c */
void shu_cpu_resize_bilinear (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_resize_bicubic_aa (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_upsample_nearest (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, int factor);
void shu_cpu_max_pool2 (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_adaptive_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_pixel_shuffle3d (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_patchify (ShuCtx *c, ShuTensor *y, ShuTensor *x, int P);

/* sparse.c */
void shu_cpu_sparse_conv (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
void shu_cpu_sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
void shu_cpu_sparse_pool (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index);

/* mark.c */
gpointer shu_cpu_mark (ShuCtx *c);
double shu_cpu_between (gpointer from, gpointer to);

/* state.c */
void shu_cpu_state_value (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *scale, ShuTensor *shift);
void shu_cpu_flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v,
    const ShuFlowStep *p, ShuTensor *estimate);
void shu_cpu_count (ShuCtx *c, ShuTensor *step);

/* embed.c */
void shu_cpu_timestep_embedding (ShuCtx *c, ShuTensor *y, const float *values);
void shu_cpu_position_embedding (ShuCtx *c, ShuTensor *y, ShuTensor *coords);

/* pictures.c */
void shu_cpu_picture_resize (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuFilter filter);
void shu_cpu_picture_crop (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box);
void shu_cpu_picture_flatten (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, float background, gboolean saved);
void shu_cpu_picture_paste_face (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *face);
void shu_cpu_picture_normalize (ShuCtx *c, ShuTensor *y, ShuTensor *x,
    double scale, const double mean[3], const double std[3]);
void shu_cpu_picture_from_view (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret);

void shu_cpu_picture_window (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box, gboolean mirror);
void shu_cpu_picture_clean (ShuCtx *c, ShuTensor *y, ShuTensor *x);
void shu_cpu_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, guint32 *ret_n);
void shu_cpu_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, guint32 *ret);
void shu_cpu_mask_mean (ShuCtx *c, ShuTensor *y, ShuTensor *p, ShuTensor *q);
void shu_cpu_mask_to_picture (
    ShuCtx *c, ShuTensor *y, ShuTensor *p, float lo, float hi);
void shu_cpu_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q,
    const ShuBox *box, int row, ShuMaskMeasures *ret);

/* gaussians.c */
void shu_cpu_gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords,
    ShuTensor *offset, const ShuGaussianRule *p, const ShuGaussianFields *y);

/* splat.c */
void shu_cpu_splat (ShuCtx *c, const ShuSplatInput *g, int V,
    const ShuSplatCamera *cameras, int size, const ShuSplats *ret);

/* texture.c */
void shu_cpu_texture_gather (
    ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows, float hold);
void shu_cpu_texture_solve (ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows,
    ShuTensor *start, const ShuTextureSolver *p);

/* planes.c */
void shu_cpu_plane_find_nearest (
    ShuCtx *c, ShuTensor *y, ShuTensor *dist, ShuTensor *mask, int limit);
void shu_cpu_plane_smooth (ShuCtx *c, ShuTensor *y, ShuTensor *x, int radius);
void shu_cpu_plane_fill (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *from);

/* photo.c */
void shu_cpu_photo_step (ShuCtx *c, ShuPhotoStep step, const ShuPhotoJob *job);
void shu_cpu_photo_background (
    ShuCtx *c, ShuTensor *y, ShuTensor *rgb, ShuTensor *person, int reach);
void shu_cpu_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret);

/* texture_rows.c */
void shu_cpu_texture_pack (
    ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret);

/* bake.c */
void shu_cpu_bake_differences (ShuCtx *c, const ShuBakeHeld *y,
    const ShuBakeWorld *w, int view, guint refs);
void shu_cpu_bake_lacks (
    ShuCtx *c, const ShuBakeHeld *y, const ShuBakeWorld *w);
void shu_cpu_bake_texels (ShuCtx *c, ShuTensor *y, ShuTensor *charts,
    const ShuBakeWorld *w, const ShuRastered *plane);
void shu_cpu_bake_photo_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, gboolean is_face, int view, int size, float widest);
void shu_cpu_bake_drawing_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawings *drawings, int size,
    float widest);
void shu_cpu_field_spread (ShuCtx *c, ShuTensor *y, const ShuField *field,
    const ShuBakeHeld *held, float decay, int n_steps);
void shu_cpu_bake_picture (ShuCtx *c, ShuTensor *y, ShuTensor *x);

/* raster.c */
void shu_cpu_rasterize (ShuCtx *c, const ShuRasterJob *job, ShuRastered *y);
void shu_cpu_count_seen (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen);

G_END_DECLS
