/* SPDX-License-Identifier: MIT */
/* The CPU backend's own functions, one file for each family. */
#pragma once
#include "ops/entries_private.h"

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
SHU_ENTRY (cpu, upload);
SHU_ENTRY (cpu, download);
SHU_ENTRY (cpu, fill);
SHU_ENTRY (cpu, copy);
SHU_ENTRY (cpu, repeat);
SHU_ENTRY (cpu, permute);
SHU_ENTRY (cpu, gather);

/* elementwise.c */
SHU_ENTRY (cpu, binary);
SHU_ENTRY (cpu, ternary);
SHU_ENTRY (cpu, affine);
SHU_ENTRY (cpu, act);
SHU_ENTRY (cpu, clamp);
/* y = a gelu (g) for rows [a, g] of 2C in x; y may be NULL: x's first half */
void shu_cpu_geglu_rows (float *y, const float *x, gsize rows, gsize C);

/* linear.c */
/* y [n_rows,Co] (+)= act (l (x)), for x [n_rows,Ci] */
void shu_cpu_linear_rows (ShuCtx *c, float *y, const float *x, gsize n_rows,
    const ShuLinear *l, ShuAct act, gboolean sum);
SHU_ENTRY (cpu, linear);
SHU_ENTRY (cpu, linear_geglu);

/* conv.c */
void shu_cpu_conv (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p);

/* norm.c */
SHU_ENTRY (cpu, group_norm);
SHU_ENTRY (cpu, layer_norm);
/* one row; w, b may be NULL */
void shu_cpu_layer_norm_row (float *restrict y, const float *restrict x,
    const float *restrict w, const float *restrict b, gsize C, float eps);
SHU_ENTRY (cpu, rms_norm_heads);

/* fused.c */
SHU_ENTRY (cpu, add_norm);
SHU_ENTRY (cpu, self_attention);

/* attention.c */
SHU_ENTRY (cpu, attention);
SHU_ENTRY (cpu, attention_gather);
SHU_ENTRY (cpu, attention_groups);

/* resample.c */
SHU_ENTRY (cpu, resize_bilinear);
SHU_ENTRY (cpu, resize_concat);
SHU_ENTRY (cpu, resize_bicubic_aa);
SHU_ENTRY (cpu, upsample_nearest);
SHU_ENTRY (cpu, max_pool2);
SHU_ENTRY (cpu, adaptive_pool);
SHU_ENTRY (cpu, pixel_shuffle3d);

/* sparse.c */
SHU_ENTRY (cpu, sparse_conv);
SHU_ENTRY (cpu, sparse_conv_subdivided);
SHU_ENTRY (cpu, sparse_pool);

/* mark.c */
SHU_ENTRY (cpu, mark);
SHU_ENTRY (cpu, between);

/* state.c */
SHU_ENTRY (cpu, state_value);
SHU_ENTRY (cpu, flow_advance);
SHU_ENTRY (cpu, count);

/* embed.c */
SHU_ENTRY (cpu, timestep_embedding);
SHU_ENTRY (cpu, position_embedding);
SHU_ENTRY (cpu, embed_patches);
SHU_ENTRY (cpu, embed_tokens);

/* gaussians.c */
SHU_ENTRY (cpu, gaussians);

/* pictures.c; planes.c, photo.c; splat.c, raster.c; texture.c, texture_rows.c,
 * bake.c */
SHU_PICTURE_ENTRIES (cpu);

G_END_DECLS
