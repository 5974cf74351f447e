/* SPDX-License-Identifier: MIT */
/* Launchers of the backend's own kernels: raw device pointers, sizes and a
 * stream.  "f16" arrays are passed as void *, statistics and vectors of a norm
 * are f32, indices i32.  Shapes are those of ops.h; all arrays are contiguous
 * unless steps are given, and begin at a multiple of their element's size (of
 * 16 bytes where they are to be fast).  y may be x in elementwise operations
 * and norms, nowhere else.
 *
 * Nothing to do is a success.  cudaErrorInvalidValue: arguments outside of
 * the limits that stand here.  All results are the same from run to run; no
 * launcher allocates, waits or touches host memory after it returns, so all of
 * them can be captured.  Compile without --use_fast_math. */
#pragma once
#include "ops/bake_point.h"
#include "ops/photo_pixels.h"
#include "ops/splat_point.h"
#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values of ShuAct, ShuBinary and ShuTernary: .cu files see no GLib. */
enum {
  SHU_CUDA_ACT_NONE,
  SHU_CUDA_ACT_SILU,
  SHU_CUDA_ACT_GELU,
  SHU_CUDA_ACT_GELU_TANH,
  SHU_CUDA_ACT_RELU,
  SHU_CUDA_ACT_SIGMOID,
};

enum {
  SHU_CUDA_F16,
  SHU_CUDA_BF16,
  SHU_CUDA_F32,
};

enum {
  SHU_CUDA_ADD,
  SHU_CUDA_SUB,
  SHU_CUDA_MUL,
};

enum {
  SHU_CUDA_MODULATE,
  SHU_CUDA_ADD_GATED,
};

enum {
  SHU_CUDA_MAX_DIMS = 5,
  SHU_CUDA_MAX_HEAD_GATHER = 256, /* head sizes of attention_gather, _groups */
  SHU_CUDA_MAX_HEAD_GROUPS = 128,
  SHU_CUDA_TAPS = 27,
};

/* A vector or another operand beside x: f16, or f32 where @is_f32. */
typedef struct {
  const void *data; /* NULL: none, where that is allowed */
  int is_f32;
} ShuCudaVector;

/* An operand that broadcasts to x as in ops.h. */
typedef struct {
  ShuCudaVector v;
  int n_dims;
  const int64_t *dims;
} ShuCudaOperand;

/* ---- data.cu ---- */

cudaError_t shu_launch_f32_to_f16 (
    void *y, const float *x, size_t n, cudaStream_t stream);
cudaError_t shu_launch_f16_to_f32 (
    float *y, const void *x, size_t n, cudaStream_t stream);
cudaError_t shu_launch_bf16_to_f16 (
    void *y, const void *x, size_t n, cudaStream_t stream);
cudaError_t shu_launch_bf16_to_f32 (
    float *y, const void *x, size_t n, cudaStream_t stream);
/* y f16 [rows,row] = x times scale [rows]; f16 x may be y */
cudaError_t shu_launch_scale_rows (void *y, const void *x, int x_type,
    const float *scale, size_t rows, size_t row, cudaStream_t stream);
cudaError_t shu_launch_fill_f16 (
    void *y, float value, size_t n, cudaStream_t stream);
/* ShuCopy with its offsets added: n_rows runs of bytes; a step may be 0 */
cudaError_t shu_launch_copy (void *y, const void *x, size_t n_rows,
    size_t bytes, size_t y_step, size_t x_step, cudaStream_t stream);
/* x, n_rows of bytes, to times as many rows: each repeated in a row
 * (shu_repeat), or all again and again (shu_tile) */
cudaError_t shu_launch_repeat (void *y, const void *x, size_t n_rows,
    size_t bytes, size_t times, int in_a_row, cudaStream_t stream);
/* y.dims[i] = x.dims[axes[i]]; elements of 1, 2 or 4 bytes; @dims are x's */
cudaError_t shu_launch_permute (void *y, const void *x, int n_dims,
    const int64_t *dims, const int *axes, size_t elem, cudaStream_t stream);
/* x [N rows of bytes] -> y [M rows]; indices outside of 0..N-1 give zeros */
cudaError_t shu_launch_gather (void *y, const void *x, const int *index,
    size_t M, size_t N, size_t bytes, cudaStream_t stream);
/* *first = min (*first, position of the first index outside of lo..hi-1);
 * n up to 2^31-1.  Start with INT_MAX. */
cudaError_t shu_launch_check_index (int *first, const int *index, size_t n,
    int lo, int hi, cudaStream_t stream);

/* ---- fp8.cu ---- */

/* On the device: what a tensor's numbers are to be multiplied by */
typedef struct {
  float back;
  unsigned top; /* bits of its largest number's size */
} ShuCudaE4m3;

/* x, M rows of C f16, ldx elements apart -> y E4M3 [M,C], times the power of
 * two that its largest number allows; back: 1 over that, times *times, which
 * may be NULL.  M C >= 1; C and ldx multiples of 8, x and y 16 byte aligned */
cudaError_t shu_launch_to_e4m3 (void *y, ShuCudaE4m3 *scale, const void *x,
    const float *times, size_t M, size_t C, size_t ldx, cudaStream_t stream);

/* ---- product_fp8.cu; devices of compute capability 9.0 ---- */

/* x E4M3 [B,H,W,Ci], w E4M3 [Co,kH,kW,Ci] -> y f16 [B,H,W,Co]; a linear layer
 * is of one row, [1,1,M,Ci]
 * @x: images, rows, columns
 * @before: rows above and columns left of x that count as zeros; beyond its
 *   other ends as many as it takes
 * @geglu: w has Co rows more, of which the results gate the first ones'; then
 *   without act
 * @spread: 0 or, where y has twice as many rows and columns, 1 + 2 i + j: those
 *   of which i and j are the rests when divided by 2
 * @act: none, or GELU's tanh approximation
 * @residual: added to y, which lies as y does; then without act, geglu and
 *   spread; NULL: none
 * @e4m3: y is that, behind act or geglu */
typedef struct {
  unsigned x[3], k[2], Ci, Co;
  const void *residual;
  int e4m3;
  int before[2];
  int act, geglu, spread;
} ShuCudaProductFp8;

/* Whether there are such kernels for compute capability @sm / 10 */
int shu_launch_has_fp8 (int sm);
/* Whether it is one that they can do, and not too small to be worth it */
int shu_launch_product_fp8_fits (const ShuCudaProductFp8 *product, int sm);
/* y = act (*scale (x * w) + b); b [Co] or NULL; all 16 byte aligned; only where
 * it fits */
cudaError_t shu_launch_product_fp8 (const ShuCudaProductFp8 *product, void *y,
    const void *x, const void *w, const void *b, const float *scale, int n_sm,
    cudaStream_t stream);

/* ---- elementwise.cu; f16 x and y of 1..5 dimensions ---- */

cudaError_t shu_launch_binary (void *y, const void *x, int n_dims,
    const int64_t *dims, const ShuCudaOperand *b, int op, cudaStream_t stream);
/* modulate: (1 + b) x + d; add_gated: x + b d */
cudaError_t shu_launch_ternary (void *y, const void *x, int n_dims,
    const int64_t *dims, const ShuCudaOperand *b, const ShuCudaOperand *d,
    int op, cudaStream_t stream);
cudaError_t shu_launch_affine (void *y, const void *x, size_t n, float scale,
    float shift, cudaStream_t stream);
cudaError_t shu_launch_act (
    void *y, const void *x, size_t n, int act, cudaStream_t stream);
cudaError_t shu_launch_clamp (
    void *y, const void *x, size_t n, float lo, float hi, cudaStream_t stream);
/* y [M,N] = act (x [M,N] + b [N]) + residual [M,N]; b, residual may be NULL */
cudaError_t shu_launch_bias_act (void *y, const void *x, ShuCudaVector b,
    const void *residual, size_t M, size_t N, int act, cudaStream_t stream);
/* x [M,2C] + b [2C] = [a, g] -> y [M,C] = a gelu (g); b may be NULL */
cudaError_t shu_launch_geglu (void *y, const void *x, ShuCudaVector b, size_t M,
    size_t C, cudaStream_t stream);

/* ---- norm.cu ---- */

/* Bytes of scratch that group_norm needs for x [B,T,C]. */
size_t shu_launch_group_norm_scratch (size_t B, size_t T, size_t C);
/* x [B,T,C], T: everything between; to which f16 add [B,C] is added; add, w,
 * b [C] or NULL; y: f16 or, then with C a multiple of 8 and all aligned,
 * @e4m3 */
cudaError_t shu_launch_group_norm (void *y, const void *x, const void *add,
    const float *w, const float *b, size_t B, size_t T, size_t C, int n_groups,
    float eps, int act, int e4m3, void *scratch, cudaStream_t stream);
/* The same for what fits the shared memory of a cluster, all of it 16 byte
 * aligned; @sm: of the card */
int shu_launch_group_norm_whole_fits (
    size_t B, size_t T, size_t C, int n_groups, int sm);
cudaError_t shu_launch_group_norm_whole (void *y, const void *x,
    const void *add, const float *w, const float *b, size_t B, size_t T,
    size_t C, int n_groups, float eps, int act, int e4m3, int sm,
    cudaStream_t stream);
/* x [M,C]; w, b [C] or NULL */
cudaError_t shu_launch_layer_norm (void *y, const void *x, const float *w,
    const float *b, size_t M, size_t C, float eps, cudaStream_t stream);
/* x [M,NH,HD], gamma [NH,HD] */
cudaError_t shu_launch_rms_norm_heads (void *y, const void *x,
    const float *gamma, size_t M, size_t NH, size_t HD, cudaStream_t stream);
/* y f16 [M,N] = softmax (scale x) of each row of x f32 [M,N]; scale > 0; rows
 * ldy and ldx elements apart */
cudaError_t shu_launch_softmax (void *y, size_t ldy, const float *x, size_t ldx,
    size_t M, size_t N, float scale, cudaStream_t stream);

/* ---- fused.cu ---- */

/* ShuOrder and ShuAddNorm of ops.h.  A gate belongs to gate_rows rows in a
 * row, scale and shift to scale_rows; w, b [C] or NULL. */
typedef struct {
  int64_t size[4], step[4], first, present;
} ShuCudaOrder;

typedef struct {
  const void *h, *rest, *gate, *scale, *shift;
  const float *w, *b;
  ShuCudaOrder h_order, y_order;
  size_t gate_rows, scale_rows;
  int blend;
  float eps;
  int e4m3; /* what y is, where all is aligned and C a multiple of 8 */
} ShuCudaAddNorm;

/* x, sum [rows,C]; sum NULL where there is no h; up to 2^26 rows */
cudaError_t shu_launch_add_norm (void *y, void *sum, const void *x,
    const ShuCudaAddNorm *p, size_t rows, size_t C, cudaStream_t stream);
/* rms_norm_heads of q and k in x [M,3,NH,HD], in place; gammas [NH,HD], NULL:
 * as it is */
cudaError_t shu_launch_norm_packed (void *x, const float *q_gamma,
    const float *k_gamma, size_t M, size_t NH, size_t HD, cudaStream_t stream);

/* ---- attention_small.cu; scores are scaled by 1 / sqrt (HD) ---- */

/* q [N,NH*HD], k, v [M,NH*HD], index [N,K]; HD up to
 * SHU_CUDA_MAX_HEAD_GATHER.  Rows outside of 0..M-1 are left out; zeros where
 * none remains. */
cudaError_t shu_launch_attention_gather (void *y, const void *q, const void *k,
    const void *v, const int *index, size_t N, size_t M, int K, int NH, int HD,
    cudaStream_t stream);
/* q, k, v [N,NH*HD], order [N], start [G+1]; HD up to
 * SHU_CUDA_MAX_HEAD_GROUPS.  Groups that do not lie within 0..N are left out;
 * rows in no group become zero; an order outside of 0..N-1 reads as zeros. */
cudaError_t shu_launch_attention_groups (void *y, const void *q, const void *k,
    const void *v, const int *order, const int *start, size_t N, size_t G,
    int NH, int HD, cudaStream_t stream);

/* ---- attention_short.cu ---- */

enum { SHU_CUDA_SHORT_HEAD = 64, SHU_CUDA_MAX_ROOM = 227 << 10 };

/* Bytes of shared memory of a block for Tk keys. */
size_t shu_launch_attention_short_room (size_t Tk);
/* q [B,Tq,NH*64], k, v [B,Tk,NH*64] with tokens ld elements apart -> y
 * [B,Tq,NH*64]; all at multiples of 16 bytes.  As many keys as a block of the
 * device has room for. */
cudaError_t shu_launch_attention_short (void *y, const void *q, size_t ldq,
    const void *k, size_t ldk, const void *v, size_t ldv, size_t B, size_t Tq,
    size_t Tk, size_t NH, cudaStream_t stream);

/* ---- attention_few.cu ---- */

/* Whether it has a kernel for that card, and so many keys. */
int shu_launch_attention_few_fits (size_t Tk, int sm);
/* As shu_launch_attention_short(). */
cudaError_t shu_launch_attention_few (void *y, const void *q, size_t ldq,
    const void *k, size_t ldk, const void *v, size_t ldv, size_t B, size_t Tq,
    size_t Tk, size_t NH, cudaStream_t stream);

/* ---- attention_many.cu ---- */

/* Whether it has a kernel for that card, and sizes that it counts. */
int shu_launch_attention_many_fits (
    size_t B, size_t Tq, size_t Tk, size_t NH, int sm);
/* As shu_launch_attention_short(), for any number of keys.  @n_sm:
 * multiprocessors */
cudaError_t shu_launch_attention_many (void *y, const void *q, size_t ldq,
    const void *k, size_t ldk, const void *v, size_t ldv, size_t B, size_t Tq,
    size_t Tk, size_t NH, int n_sm, cudaStream_t stream);

/* ---- stationary.cu; devices of compute capability 9.0 ---- */

/* Whether it does that, and should. @sm: 10 x major + minor */
int shu_launch_stationary_fits (
    size_t M, size_t N, size_t K, int geglu, int sm);
/* y [M,N] = x [M,K] w [N,K]^T + b [N] + residual [M,N]; or, for @geglu, w
 * [2N,K], b [2N]: [a, g] = x w^T + b, y = a gelu (g), without residual, then
 * E4M3 where @e4m3.  All f16, at multiples of 16 bytes; b and residual may be
 * NULL.  @n_sm: multiprocessors */
cudaError_t shu_launch_stationary (void *y, const void *x, const void *w,
    const void *b, const void *residual, size_t M, size_t N, size_t K,
    int geglu, int e4m3, int n_sm, cudaStream_t stream);

/* ---- thin.cu ---- */

/* A convolution's map and taps, of a flat one with D, Do and kD 1; k: of every
 * other side */
typedef struct {
  unsigned B, D, H, W, Do, Ho, Wo, kD, k, stride, dilation;
  int pad, pad_depth; /* before */
} ShuCudaWindow;

/* x f16 [B,D,H,W,C] -> y [B,Do,Ho,Wo,row]: [kD,k,k,C], then zeros; row a
 * multiple of 8, 16 byte aligned */
cudaError_t shu_launch_unfold (void *y, const void *x, const ShuCudaWindow *p,
    size_t C, size_t row, cudaStream_t stream);
/* x f16 [rows,n] -> y [rows,ld], zeros behind */
cudaError_t shu_launch_pad_rows (void *y, const void *x, size_t rows, size_t n,
    size_t ld, cudaStream_t stream);
/* x f32 [C,kD,k,k,B D H W], taps @step apart -> y f16 [B,Do,Ho,Wo,C] = act (b +
 * what the pixels that a tap reaches have for it); b may be NULL */
cudaError_t shu_launch_fold (void *y, const float *x, ShuCudaVector b,
    const ShuCudaWindow *p, size_t C, size_t step, int act,
    cudaStream_t stream);

/* ---- doubled.cu; f16 ---- */

/* x [2,2,B,H,W,C]: every other row and column -> y [B,2H,2W,C] */
cudaError_t shu_launch_interleave (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t C, cudaStream_t stream);
/* w [Co,3,3,Ci] -> y [2,2,Co,2,2,Ci]: what w is to a map before it is doubled,
 * for every other row and column of the result */
cudaError_t shu_launch_doubled_weights (
    void *y, const void *w, size_t Co, size_t Ci, cudaStream_t stream);

/* ---- resample.cu; f16 maps [B,H,W,C] -> [B,h,w,C] ---- */

cudaError_t shu_launch_resize_bilinear (void *y, const void *x, size_t B,
    size_t H, size_t W, size_t h, size_t w, size_t C, cudaStream_t stream);
/* Shrinks by up to 1500 times in both directions. */
cudaError_t shu_launch_resize_bicubic_aa (void *y, const void *x, size_t B,
    size_t H, size_t W, size_t h, size_t w, size_t C, cudaStream_t stream);
/* y [B,factor*H,factor*W,C] */
cudaError_t shu_launch_upsample_nearest (void *y, const void *x, size_t B,
    size_t H, size_t W, size_t C, int factor, cudaStream_t stream);
/* y [B,ceil(H/2),ceil(W/2),C] */
cudaError_t shu_launch_max_pool2 (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t C, cudaStream_t stream);
/* x [B,from[0],from[1],from[2],C] -> y [B,to[0],to[1],to[2],C] */
cudaError_t shu_launch_adaptive_pool (void *y, const void *x, size_t B,
    const int64_t from[3], const int64_t to[3], size_t C, cudaStream_t stream);
/* x [B,D,H,W,8C] -> y [B,2D,2H,2W,C] */
cudaError_t shu_launch_pixel_shuffle3d (void *y, const void *x, size_t B,
    size_t D, size_t H, size_t W, size_t C, cudaStream_t stream);
/* x [B,H,W,C] -> y [B,H/P,W/P,C*P*P] */
cudaError_t shu_launch_patchify (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t C, int P, cudaStream_t stream);

/* ---- sparse.cu; neighbours outside of 0..N-1 are absent ---- */

/* x [N,Ci], nbr [N,27], w f16 [27,Co,Ci] (the checkpoint's [Co,27,Ci],
 * permuted), b [Co] or NULL -> y [N,Co]; Ci a multiple of 8 to be fast */
cudaError_t shu_launch_sparse_conv (void *y, const void *x, const int *nbr,
    const void *w, ShuCudaVector b, size_t N, int Ci, int Co,
    cudaStream_t stream);
/* w f16 [27,Co,Ci] -> y f16 [64,Co,Ci]: for each parity and parent the sum of
 * the taps that fall on it */
cudaError_t shu_launch_sparse_subdivided_weights (
    void *y, const void *w, int Ci, int Co, cudaStream_t stream);
/* as sparse_conv, nbr of the parents and @w of the launcher above -> [8N,Co] */
cudaError_t shu_launch_sparse_conv_subdivided (void *y, const void *x,
    const int *nbr, const void *w, ShuCudaVector b, size_t N, int Ci, int Co,
    cudaStream_t stream);
/* x [N,C], index [N] -> y [M,C]: sum over members / (count + 1), members in
 * order of their rows */
cudaError_t shu_launch_sparse_pool (void *y, const void *x, const int *index,
    size_t N, size_t M, size_t C, cudaStream_t stream);

/* ---- flow.cu ---- */

/* ShuFlowStep: x, estimate f32 [P,n], estimate may be NULL; v f16 [P,G,n], G 1
 * or 2; schedule [n_steps,3].  Steps outside of 0..n_steps-1 do nothing. */
cudaError_t shu_launch_flow_advance (float *x, float *estimate, const void *v,
    const float *schedule, const int *step, int n_steps, size_t P, int G,
    size_t n, float guidance, int extra, cudaStream_t stream);
cudaError_t shu_launch_state_affine (void *y, const float *x,
    const float *scale, const float *shift, size_t n, size_t K,
    cudaStream_t stream);
cudaError_t shu_launch_count (int *step, cudaStream_t stream);

/* ---- isosurface.cu: geometry/flexicubes.h in steps.  Each leaves in totals
 * how much room the next one needs; the caller reads that, and makes it ---- */

enum {
  SHU_CUDA_ISO_MAX_R = 512,
  SHU_CUDA_ISO_CORNER = 10, /* floats */
  SHU_CUDA_ISO_CASE = 14,   /* bytes */
  SHU_CUDA_ISO_SCAN = 2048, /* elements for which sums holds one */
};

/* in totals */
enum {
  SHU_CUDA_ISO_ACTIVE,
  SHU_CUDA_ISO_TOUCHED,
  SHU_CUDA_ISO_CANDIDATES,
  SHU_CUDA_ISO_SURFACE,
  SHU_CUDA_ISO_CORNERS,
  SHU_CUDA_ISO_DUALS,
  SHU_CUDA_ISO_QUADS,
  SHU_CUDA_ISO_TOTALS,
};

/* in wrong */
enum {
  SHU_CUDA_ISO_OUTSIDE = 1 << 0, /* a cell outside of the grid */
  SHU_CUDA_ISO_TWICE = 1 << 1,
  SHU_CUDA_ISO_NOT_FINITE = 1 << 2,
};

/* Of numbers below 32 words: a bit each, and how many come before each word. */
typedef struct {
  uint32_t *bits, *before; /* [words], bits zero at first */
  size_t words;
} ShuCudaSet;

typedef struct {
  /* what is given: n cells of K channels in a grid of side R, and the 256
   * cases: number of dual vertices, group of each edge, direction of the
   * ambiguous face */
  const int *coords;   /* [n,3] */
  const void *feats;   /* f16 [n,K] */
  const int8_t *cases; /* [256,SHU_CUDA_ISO_CASE] */
  size_t n;
  int K, R;
  unsigned *wrong;  /* zero at first */
  uint32_t *totals; /* [SHU_CUDA_ISO_TOTALS] */
  uint32_t *sums;   /* for the largest of all scans */
  /* index: sets of cells, and of grid vertices (touched, corners) */
  ShuCudaSet active, touched, candidates, surface, corner_set;
  int *row_of; /* [n] */
  /* average */
  size_t n_touched;
  uint32_t *vertices; /* [n_touched] */
  float *sdf;         /* [n_touched] */
  /* select */
  size_t n_candidates;
  uint32_t *candidate_ids; /* [n_candidates] */
  /* number */
  size_t n_surface;
  uint32_t *cells;             /* [n_surface] */
  uint8_t *original, *case_id; /* [n_surface] */
  uint32_t *first_dual;        /* [4,n_surface] */
  /* vertices */
  size_t n_corners;
  uint32_t *corner_ids; /* [n_corners] */
  float *corners;       /* [n_corners,SHU_CUDA_ISO_CORNER] */
  float *gamma;         /* [n_surface] */
  float *pos, *attr;    /* [duals,3], [duals,6]; attr NULL where K is small */
  uint8_t *kinds;       /* [n_corners,3] */
  uint32_t *quad_at;    /* [2,n_corners,3] */
  /* faces */
  int *faces; /* [2 quads,3] */
} ShuCudaIsosurface;

cudaError_t shu_launch_iso_index (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_average (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_select (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_number (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_vertices (
    const ShuCudaIsosurface *g, cudaStream_t stream);
cudaError_t shu_launch_iso_faces (
    const ShuCudaIsosurface *g, cudaStream_t stream);

/* ---- splat.cu: Gaussians as in ops/render.h.  Views of one set of them;
 * "tile" counts on from view to view, row by row. ---- */

enum { SHU_CUDA_SPLAT_SCAN = 2048 }; /* items for a word of sums */

typedef struct {
  /* the scene: n Gaussians, tiles of each view's side */
  const float *pos, *scale, *quat, *opacity, *rgb;
  size_t n;
  int size, side;
  /* V views at a time */
  const ShuSplatCamera *cameras; /* [V] */
  size_t V;
  ShuSplatDot *dots;    /* [V,n] */
  ShuSplatTiles *tiles; /* [V,n] */
  uint32_t *counts;     /* [V,side,side]: of each tile */
  /* tiles first..end-1 of them, n_pairs in all */
  size_t first, end, n_pairs;
  const uint32_t *starts; /* [V,side,side]: of tiles, among these pairs */
  uint32_t *at;           /* [V,n]: of dots of these views, among these pairs */
  uint32_t *sums;         /* a word for each SHU_CUDA_SPLAT_SCAN of V n */
  uint32_t *total;
  uint64_t *keys[2];  /* [n_pairs]: tile and depth; from one to the other */
  uint32_t *which[2]; /* [n_pairs]: of the Gaussians */
  void *room;
  size_t room_bytes;
  /* pictures [V,size,size,.], each of them or NULL */
  uint8_t *out_rgb, *out_mask;
  float *out_color, *out_through, *out_depth;
} ShuCudaSplat;

/* Dots, and counts, which are 0 before */
cudaError_t shu_launch_splat_project (
    const ShuCudaSplat *g, cudaStream_t stream);
/* Bytes that sorting n_pairs takes beside keys and which */
cudaError_t shu_launch_splat_sort_room (size_t n_pairs, size_t *ret_bytes);
/* The pairs, sorted: in keys[1] and which[1]; none is a success */
cudaError_t shu_launch_splat_sort (const ShuCudaSplat *g, cudaStream_t stream);
/* Pixels of the tiles */
cudaError_t shu_launch_splat_blend (const ShuCudaSplat *g, cudaStream_t stream);

/* ---- embed.cu ---- */

/* values f32 [n] on the device; y f16 [n,dim], dim even */
cudaError_t shu_launch_timestep_embedding (
    void *y, const float *values, size_t n, size_t dim, cudaStream_t stream);
/* coords [N,3] -> y f16 [N,C] */
cudaError_t shu_launch_position_embedding (
    void *y, const int *coords, size_t N, size_t C, cudaStream_t stream);

/* ---- formula.cu ---- */

/* y[i] = offset + scale * v[i], rounded to f16 (and kept as f32 in the second):
 * bit for bit shu_formula_weight(), whose host part gives @key (the FNV-1a hash
 * of "SEED/w.NAME"), @offset and @scale. */
cudaError_t shu_launch_formula_f16 (void *y, uint64_t key, float offset,
    float scale, size_t n, cudaStream_t stream);
cudaError_t shu_launch_formula_f32 (float *y, uint64_t key, float offset,
    float scale, size_t n, cudaStream_t stream);

/* ---- pictures.cu: bytes, channels last, C of 1, 3 or 4 ---- */

/* Of one axis, as ShuTaps, in device memory */
typedef struct {
  int stride;
  const int *first;
  const int *count;
  const int32_t *weight;
} ShuCudaTaps;

/* y [H,n_out,C] from x [H,W,C] */
cudaError_t shu_launch_picture_columns (uint8_t *y, const uint8_t *x, size_t H,
    size_t W, size_t n_out, int C, const ShuCudaTaps *taps,
    cudaStream_t stream);
/* y [n_out,row] from x [H,row]: row bytes */
cudaError_t shu_launch_picture_rows (uint8_t *y, const uint8_t *x, size_t row,
    size_t n_out, const ShuCudaTaps *taps, cudaStream_t stream);
/* n pixels RGBA; y may be x */
cudaError_t shu_launch_picture_premultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream);
cudaError_t shu_launch_picture_unpremultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream);
/* y [h,w,C]: x [H,W,C] from (left, top) on, zeros outside */
cudaError_t shu_launch_picture_crop (uint8_t *y, const uint8_t *x, int h, int w,
    int H, int W, int C, int left, int top, cudaStream_t stream);
/* n pixels RGBA -> RGB */
cudaError_t shu_launch_picture_flatten (uint8_t *y, const uint8_t *x, size_t n,
    float background, int saved, cudaStream_t stream);
/* x, face [S,S,3] */
cudaError_t shu_launch_picture_paste_face (uint8_t *y, const uint8_t *x,
    const uint8_t *face, int S, cudaStream_t stream);
/* n pixels RGB -> f16 (v / scale - mean) / std; mean, std: 3 each, host */
cudaError_t shu_launch_picture_normalize (void *y, const uint8_t *x, size_t n,
    double scale, const double *mean, const double *std, cudaStream_t stream);
/* n values f16, -1..1 -> bytes */
cudaError_t shu_launch_picture_from_view (
    uint8_t *y, const void *x, size_t n, cudaStream_t stream);

/* ShuPictureMeasures in device memory */
typedef struct {
  unsigned long long sum;
  int x0, y0, x1, y1;
  int min, max;
} ShuCudaMeasures;

/* @ret holds the values to start from */
cudaError_t shu_launch_picture_measure (ShuCudaMeasures *ret, const uint8_t *x,
    int H, int W, int C, int threshold, cudaStream_t stream);

/* y [h,w,C]: x [H,W,C] from (left, top) on, its border beyond it; mirrored */
cudaError_t shu_launch_picture_window (uint8_t *y, const uint8_t *x, int h,
    int w, int H, int W, int C, int left, int top, int mirror,
    cudaStream_t stream);
/* sums [ceil (H / step), ceil (W / step)] of the last channel; *n += how many
 * are 128 and more */
cudaError_t shu_launch_picture_cells (uint32_t *sums, uint32_t *n,
    const uint8_t *x, int H, int W, int C, int step, cudaStream_t stream);

/* n [2]: pixels of x [count,4] that are opaque, and those that differ from y
 * [count,3] */
cudaError_t shu_launch_picture_compare (uint32_t *n, const uint8_t *x,
    const uint8_t *y, size_t count, int opaque, int tolerance,
    cudaStream_t stream);

/* ---- masks.cu: f16 [S,S], or bytes [H,W] ---- */

cudaError_t shu_launch_mask_mean (
    void *y, const void *p, const void *q, int S, cudaStream_t stream);
cudaError_t shu_launch_mask_to_picture (uint8_t *y, const void *p, size_t n,
    float lo, float hi, cudaStream_t stream);

/* ShuMaskMeasures in device memory */
typedef struct {
  double sum, doubt, smaller, larger;
  float lo, hi, most;
  int finite, n_row;
} ShuCudaMaskMeasures;

/* of p and the mirrored q; x0 <= u < x1, y0 <= v < y1 is the box */
cudaError_t shu_launch_mask_measure (ShuCudaMaskMeasures *ret, const void *p,
    const void *q, int S, int x0, int y0, int x1, int y1, int row,
    cudaStream_t stream);

/* y without what is below @faint, and without the four-connected pieces whose
 * sum times @share is below the largest; label [H,W], sums [H,W + 1]: scratch
 */
cudaError_t shu_launch_mask_clean (uint8_t *y, const uint8_t *x, int H, int W,
    int faint, int share, int *label, unsigned long long *sums,
    cudaStream_t stream);

/* ---- texture.cu: core/ops/texture.h ---- */

typedef struct {
  int size;
  size_t n;
  const float *place, *color, *weight; /* rows: [n,3], [n,3], [n] */
  const float *start;                  /* [S,S,3], and so on */
  float *y;
  int rounds, steps;
  float soft_first, soft_last, variation, hold, stiffness;
  /* of all levels of the pyramid, [total,3] */
  float *pyramid;
  unsigned long long *sum;
  float *t, *change, *r, *d, *z;
  float *diagonal; /* [S,S] */
  float *robust;   /* [n,3] */
  float *acting;   /* [S,S], with hold or stiffness */
  float *steady;   /* [S,S,2,3], with variation */
  double *partial; /* [1024,3] */
  double *scalars; /* [9] */
} ShuCudaTexture;

cudaError_t shu_launch_texture_solve (
    const ShuCudaTexture *job, cudaStream_t stream);
/* of job: what comes before start, y, hold, pyramid and sum; weight [total,3]
 */
cudaError_t shu_launch_texture_gather (
    const ShuCudaTexture *job, float *weight, cudaStream_t stream);

/* ---- planes.cu: core/ops/planes.h ---- */

/* near [S,S]: scratch; dist may be NULL */
cudaError_t shu_launch_plane_nearest (int *index, float *dist,
    const uint8_t *mask, int S, int limit, short *near, cudaStream_t stream);
/* room: like x */
cudaError_t shu_launch_plane_smooth (float *y, const float *x, float *room,
    int S, int C, int radius, cudaStream_t stream);
/* levels: [total - S S,3] of the pyramid above the plane; known: [total] */
cudaError_t shu_launch_plane_fill (float *y, const float *x, const int *from,
    int S, float *levels, uint8_t *known, cudaStream_t stream);

/* ---- photo.cu: core/ops/photo.h ---- */

cudaError_t shu_launch_photo_step (
    int step, const ShuPhotoPixels *p, cudaStream_t stream);
/* room: 257 + 3 S ceil (S / 32) */
cudaError_t shu_launch_photo_background (uint8_t *y, const float *rgb,
    const uint8_t *person, int S, int reach, uint32_t *room,
    cudaStream_t stream);
/* count [n_depths,n_levels]; planes of n pixels */
cudaError_t shu_launch_photo_count_shares (uint32_t *count, const float *rgb,
    const float *depth, const int *from, size_t n, int n_depths, int n_levels,
    cudaStream_t stream);

/* Rows of n pixels, and so on: [n,3], [n,3], [n] */
typedef struct {
  size_t n;
  float *place, *color, *weight;
} ShuCudaRows;

/* ---- pack.cu ---- */

enum { SHU_CUDA_PACK_SCAN = 2048 }; /* rows for which sums holds one */

/* to [n]: how many rows before each weigh something; *total: of all; n up to
 * 2^32-1 */
cudaError_t shu_launch_count_rows (uint32_t *to, uint32_t *total,
    uint32_t *sums, const float *weight, size_t n, cudaStream_t stream);
/* Those of x that weigh something */
cudaError_t shu_launch_pack_rows (const ShuCudaRows *y, const ShuCudaRows *x,
    const uint32_t *to, cudaStream_t stream);

/* ---- bake.cu: ops/bake_point.h for each of n places ---- */

/* value [n,3], weight [n] */
cudaError_t shu_launch_bake_differences (float *value, float *weight,
    const ShuBakeWorld *w, int view, unsigned refs, int n, cudaStream_t stream);
cudaError_t shu_launch_bake_lacks (float *value, float *weight,
    const ShuBakeWorld *w, int n, cudaStream_t stream);
/* y [n,3]; face [n], bary [n,2] */
cudaError_t shu_launch_bake_texels (float *y, uint8_t *charts,
    const ShuBakeWorld *w, const int *face, const float *bary, size_t n,
    cudaStream_t stream);
cudaError_t shu_launch_bake_picture (
    uint8_t *y, const float *x, size_t n, cudaStream_t stream);
/* of the pixels of a photo, and of a drawing */
cudaError_t shu_launch_bake_photo_rows (const ShuCudaRows *y,
    const ShuBakeWorld *w, int is_face, int view, int size, float widest,
    cudaStream_t stream);
cudaError_t shu_launch_bake_drawing_rows (const ShuCudaRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawing *d, int size, float widest,
    cudaStream_t stream);

enum { SHU_CUDA_FIELD_BLOCKS = 128 };

typedef struct {
  ShuFieldSystem s;
  int n;
  float *y, *x, *r, *d, *z; /* [n,3] */
  double *partial;          /* [SHU_CUDA_FIELD_BLOCKS,3] */
  double *scalars;          /* [12] */
} ShuCudaField;

cudaError_t shu_launch_field_spread (
    const ShuCudaField *field, int n_steps, cudaStream_t stream);

/* ---- raster.cu: base/raster.h, some views at a time ---- */

enum { SHU_CUDA_RASTER_VIEWS = 32 }; /* at most */

/* ShuCamera without what never changes */
typedef struct {
  float view[12];
  float focal, cx, cy;
  int perspective;
} ShuCudaCamera;

typedef struct {
  const float *at;  /* [n_verts,3], or [n_verts,2] of the plane */
  const int *faces; /* [n_faces,3] */
  size_t n_verts, n_faces;
  const ShuCudaCamera *cameras; /* [V], in device memory; NULL: the plane */
  int V, H, W;
  int cull;
  unsigned long long *keys; /* [V,H,W]: depth and face of the nearest */
  int *n_doubles;           /* of the plane */
  /* of seen faces */
  const uint8_t *kinds; /* [n_faces] of ShuSeenFlags, or NULL */
  uint32_t *seen;       /* [n_faces] a bit a view, zero at first */
  uint32_t *missed;     /* likewise: thin and without a pixel */
  float slack;
} ShuCudaRaster;

/* Sets keys, n_doubles, and missed where there are kinds. */
cudaError_t shu_launch_raster_draw (
    const ShuCudaRaster *r, cudaStream_t stream);
/* keys -> face, bary (NULL: not wanted), depth (likewise), of all views */
cudaError_t shu_launch_raster_resolve (int *face, float *bary, float *depth,
    const ShuCudaRaster *r, cudaStream_t stream);
/* keys, missed -> counts [n_faces] grow; seen and missed are zero again */
cudaError_t shu_launch_raster_seen (
    int *counts, const ShuCudaRaster *r, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
