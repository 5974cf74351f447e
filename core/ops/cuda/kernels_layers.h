/* SPDX-License-Identifier: MIT */
/* Launchers of the networks' layers (kernels.h says what all have in common):
 * norms, attention, products, convolutions, maps of other sizes, voxels. */
#pragma once
#include "ops/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

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
/* The same of h = bias + the sum of p->h [n_parts,rows,C], in that order, with
 * its gate, w, b and eps alone; bias [C] or NULL.  Only where it fits; all 16
 * byte aligned; 2 to 4 parts. */
int shu_launch_add_norm_parts_fits (size_t rows, size_t C);
cudaError_t shu_launch_add_norm_parts (void *y, void *sum, const void *x,
    const ShuCudaAddNorm *p, const void *bias, unsigned n_parts, size_t rows,
    size_t C, cudaStream_t stream);
/* rms_norm_heads of q and k in x [M,3,NH,HD], in place; gammas [NH,HD], NULL:
 * as it is */
cudaError_t shu_launch_norm_packed (void *x, const float *q_gamma,
    const float *k_gamma, size_t M, size_t NH, size_t HD, cudaStream_t stream);

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

/* ---- product_few.cu; devices of compute capability 9.0 ---- */

/* Whether it does that, and should. @sm: 10 x major + minor; @n_sm:
 * multiprocessors */
int shu_launch_product_few_fits (
    size_t M, size_t N, size_t K, int act, int n_sm, int sm);
/* y [M,N] = act (x [M,K] w [N,K]^T + b [N]) + residual [M,N]; only where it
 * fits.  All f16, at multiples of 16 bytes; b and residual may be NULL.  w and
 * b are read before the kernels before this one are done. */
cudaError_t shu_launch_product_few (void *y, const void *x, const void *w,
    const void *b, const void *residual, size_t M, size_t N, size_t K, int act,
    int n_sm, cudaStream_t stream);

/* In how many parts of K a product should be, if what is made of it adds them
 * up; 0: in one, or not by this */
unsigned shu_launch_product_parts_number (
    size_t M, size_t N, size_t K, int n_sm, int sm);
/* y [parts,M,N] = x [M,K] w [N,K]^T of each part of K; that many, and alignment
 * and weight as of shu_launch_product_few() */
cudaError_t shu_launch_product_parts (void *y, const void *x, const void *w,
    size_t M, size_t N, size_t K, unsigned parts, int n_sm,
    cudaStream_t stream);

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

/* ---- attention_many.cu, _short, _whole ---- */

/* q [B,Tq,NH*HD], k, v [B,Tk,NH*HD] with tokens ld elements apart -> y
 * [B,Tq,NH*HD]; all at multiples of 16 bytes, HD and ld at multiples of 8 */
typedef struct {
  void *y;
  const void *q, *k, *v;
  size_t ldq, ldk, ldv;
  size_t B, Tq, Tk, NH, HD;
} ShuCudaHeads;

/* Whether there is a kernel for such sizes on that card, and to run it.  @room:
 * bytes of shared memory that a block may have; @n_sm: multiprocessors */
int shu_launch_attention_many_fits (const ShuCudaHeads *h, int sm);
cudaError_t shu_launch_attention_many (
    const ShuCudaHeads *h, int n_sm, cudaStream_t stream);
int shu_launch_attention_short_fits (const ShuCudaHeads *h, size_t room);
cudaError_t shu_launch_attention_short (
    const ShuCudaHeads *h, int n_sm, cudaStream_t stream);
int shu_launch_attention_whole_fits (const ShuCudaHeads *h, int sm);
cudaError_t shu_launch_attention_whole (
    const ShuCudaHeads *h, int n_sm, cudaStream_t stream);

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
/* The same to the first C of y's C + D channels; like [B,h,w,D] to the others
 */
cudaError_t shu_launch_resize_concat (void *y, const void *x, const void *like,
    size_t B, size_t H, size_t W, size_t h, size_t w, size_t C, size_t D,
    cudaStream_t stream);
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

#ifdef __cplusplus
}
#endif
