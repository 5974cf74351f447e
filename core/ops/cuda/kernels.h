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
 * them can be captured.  Compile without --use_fast_math.
 *
 * This file has what all share, and what moves and combines arrays; those of
 * layers, pictures and meshes are in kernels_*.h. */
#pragma once
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

/* ---- embed.cu ---- */

/* values f32 [n] on the device; y f16 [n,dim], dim even */
cudaError_t shu_launch_timestep_embedding (
    void *y, const float *values, size_t n, size_t dim, cudaStream_t stream);
/* coords [N,3] -> y f16 [N,C] */
cudaError_t shu_launch_position_embedding (
    void *y, const int *coords, size_t N, size_t C, cudaStream_t stream);
/* x f16 [B,H,W,C] -> y f16 [B*H/P*W/P,row], from C*P*P on zeros */
cudaError_t shu_launch_patches (void *y, size_t row, const void *x, size_t B,
    size_t H, size_t W, size_t C, int P, cudaStream_t stream);

/* w, b [C] or NULL */
typedef struct {
  const float *w, *b;
} ShuCudaNorm;

/* ShuTokens of ops.h, f16: patches x [B,N,C], @R registers; has_before: that
 * norm is there, maybe without vectors */
typedef struct {
  const void *x, *first, *registers, *positions;
  size_t N, R;
  ShuCudaNorm before, norm;
  int has_before;
  float eps;
} ShuCudaTokens;

/* tokens, and y, their norm: f16 [B,1+R+N,C], C up to 2^14 */
cudaError_t shu_launch_tokens (void *y, void *tokens, const ShuCudaTokens *p,
    size_t B, size_t C, cudaStream_t stream);

/* ---- formula.cu ---- */

/* y[i] = offset + scale * v[i], rounded to f16 (and kept as f32 in the second):
 * bit for bit shu_formula_weight(), whose host part gives @key (the FNV-1a hash
 * of "SEED/w.NAME"), @offset and @scale. */
cudaError_t shu_launch_formula_f16 (void *y, uint64_t key, float offset,
    float scale, size_t n, cudaStream_t stream);
cudaError_t shu_launch_formula_f32 (float *y, uint64_t key, float offset,
    float scale, size_t n, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
