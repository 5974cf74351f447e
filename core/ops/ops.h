/* SPDX-License-Identifier: MIT */
/* Every operation there is: one interface, a backend behind it.
 *
 * Results are scoped (tensor/context.h).  After a failure every operation
 * returns a nil tensor.  Activations are f32 on the CPU, channels last, any
 * leading dimensions ("..."); weights are in checkpoint order.  "row" means
 * one vector of the last dimension. */
#pragma once
#include "base/precision.h"
#include "tensor/context.h"

G_BEGIN_DECLS

/* Whether the device of @c gains from FP8. */
gboolean shu_has_fp8 (ShuCtx *c);

/* ---- weights of layers; b may be NULL ---- */

typedef struct {
  ShuTensor *w; /* [Co,Ci] */
  ShuTensor *b; /* [Co] */
  ShuPrecision precision;
  ShuPrecision result; /* behind an activation or a gate; see ShuAddNorm */
} ShuLinear;

typedef struct {
  ShuTensor *w; /* [Co,Ci,kH,kW] or [Co,Ci,kD,kH,kW]; sparse [Co,kx,ky,kz,Ci] */
  ShuTensor *b; /* [Co] */
  ShuPrecision precision; /* of 2D ones */
} ShuConv;

typedef struct {
  ShuTensor *w;           /* [C] */
  ShuTensor *b;           /* [C] */
  ShuPrecision precision; /* of a group norm's result; see ShuAddNorm */
} ShuNorm;

/* What a weight is for: a device keeps it in a form that is good for that. */
typedef enum {
  SHU_USE_NONE,
  SHU_USE_NORM,        /* vectors of a norm */
  SHU_USE_LINEAR,      /* and biases, and operands */
  SHU_USE_CONV,        /* [Co,Ci,...] */
  SHU_USE_SPARSE_CONV, /* [Co,3,3,3,Ci] */
  SHU_USE_SPARSE_CONV_SUBDIVIDED,
  SHU_USE_CONV_DOUBLED, /* [Co,Ci,3,3] behind ShuConvParams' upsample */
  SHU_USE_PATCHES,      /* [Co,...] of shu_embed_patches() */
  SHU_USE_JOINED,       /* with others as one product */
  SHU_USE_FP8,          /* [Co,Ci,...] or [Co,Ci] */
  SHU_USE_CONV_DOUBLED_FP8,
  SHU_USE_JOINED_FP8, /* made when first asked for */
} ShuUse;

/* @lead, @place: of a joined one, the first of those, and where it comes */
typedef struct {
  ShuTensor *w;
  ShuUse use;
  ShuTensor *lead;
  int place;
} ShuWeightUse;

/* Weights that live and die together, as a network's do. */
typedef struct {
  int n;
  const ShuWeightUse *uses;
} ShuWeightSet;

/* @bytes: of the device, since the beginning */
typedef void (*ShuUploadFunc) (gsize bytes, gpointer data);

/**
 * shu_upload_weights:
 * @func: (nullable): told now and then
 *
 * Makes the forms of the weights of @n sets on the device of @c, in bulk; later
 * operations find them.  Nothing to do on the CPU.
 */
void shu_upload_weights (ShuCtx *c, int n, const ShuWeightSet *sets,
    ShuUploadFunc func, gpointer data);
/* Bytes of such a form. */
gsize shu_weight_bytes (const ShuWeightUse *use);

typedef enum {
  SHU_ACT_NONE,
  SHU_ACT_SILU,
  SHU_ACT_GELU,      /* exact, erf */
  SHU_ACT_GELU_TANH, /* tanh approximation */
  SHU_ACT_RELU,
  SHU_ACT_SIGMOID,
} ShuAct;

/* ---- moving data ---- */

/* A host array as a scoped tensor (copied). */
ShuTensor *shu_from_host (ShuCtx *c, ShuDType dtype, int n_dims,
    const gint64 *dims, gconstpointer data);
ShuTensor *shu_from_host_as (ShuCtx *c, ShuTrafficKind kind, ShuDType dtype,
    int n_dims, const gint64 *dims, gconstpointer data);
/* Copies all of @t to host memory as f32 (I32 and U8 stay what they are). */
gboolean shu_to_host (ShuCtx *c, ShuTensor *t, gpointer ret_data);
gboolean shu_to_host_as (
    ShuCtx *c, ShuTrafficKind kind, ShuTensor *t, gpointer ret_data);
/* @t, wherever it is, where @c works; scoped, in its own type */
ShuTensor *shu_on_device (ShuCtx *c, ShuTensor *t, ShuTrafficKind kind);
ShuTensor *shu_fill (ShuCtx *c, int n_dims, const gint64 *dims, float value);

/* ---- shape; a reshape is a view, the others copy, but for slices that lie
 * together in x ---- */

ShuTensor *shu_reshape (
    ShuCtx *c, ShuTensor *x, int n_dims, const gint64 *dims);
/* y.dims[i] = x.dims[axes[i]]; n_dims axes */
ShuTensor *shu_permute (ShuCtx *c, ShuTensor *x, const int *axes);
/* [start, start+size) of dimension @axis */
ShuTensor *shu_slice (
    ShuCtx *c, ShuTensor *x, int axis, gint64 start, gint64 size);
ShuTensor *shu_concat (ShuCtx *c, int axis, int n, ShuTensor *const *x);
#define shu_concat2(c, axis, a, b)                                             \
  shu_concat (c, axis, 2, (ShuTensor *const[]){a, b})
/* x [B,...] -> [B*times,...]; each item repeated @times in a row */
ShuTensor *shu_repeat (ShuCtx *c, ShuTensor *x, int times);
/* x [B,...] -> [times*B,...]; the whole tensor again and again */
ShuTensor *shu_tile (ShuCtx *c, ShuTensor *x, int times);
/* rows of x [N,C] at index I32 [M] (a negative one gives zeros) -> [M,C] */
ShuTensor *shu_gather (ShuCtx *c, ShuTensor *x, ShuTensor *index);

/* ---- elementwise; b broadcasts: its dims, aligned at the end, are equal to
 * x's or 1, leading ones may lack ---- */

ShuTensor *shu_add (ShuCtx *c, ShuTensor *x, ShuTensor *b);
ShuTensor *shu_sub (ShuCtx *c, ShuTensor *x, ShuTensor *b);
ShuTensor *shu_mul (ShuCtx *c, ShuTensor *x, ShuTensor *b);
/* x * scale + shift, scalars */
ShuTensor *shu_affine (ShuCtx *c, ShuTensor *x, float scale, float shift);
ShuTensor *shu_act (ShuCtx *c, ShuTensor *x, ShuAct act);
#define shu_silu(c, x) shu_act (c, x, SHU_ACT_SILU)
ShuTensor *shu_clamp (ShuCtx *c, ShuTensor *x, float lo, float hi);
/* (1 + scale) x + shift; scale, shift broadcast */
ShuTensor *shu_modulate (
    ShuCtx *c, ShuTensor *x, ShuTensor *shift, ShuTensor *scale);
/* x + gate h; gate broadcasts */
ShuTensor *shu_add_gated (
    ShuCtx *c, ShuTensor *x, ShuTensor *h, ShuTensor *gate);

/* ---- layers ---- */

/* x [...,Ci] -> [...,Co] */
ShuTensor *shu_linear (ShuCtx *c, ShuTensor *x, const ShuLinear *l);
/* act (linear (x)) */
ShuTensor *shu_linear_act (
    ShuCtx *c, ShuTensor *x, const ShuLinear *l, ShuAct act);
/* residual + linear (x) */
ShuTensor *shu_linear_add (
    ShuCtx *c, ShuTensor *x, const ShuLinear *l, ShuTensor *residual);
/* l gives [...,2C]: first half a, second half g -> a gelu(g) [...,C] */
ShuTensor *shu_linear_geglu (ShuCtx *c, ShuTensor *x, const ShuLinear *l);

/**
 * ShuConvParams:
 * Zero-initialised members mean: stride 1, dilation 1, no padding, no
 * activation.
 */
typedef struct {
  int stride;
  int dilation;
  int pad_before;    /* top, left (front) */
  int pad_after;     /* bottom, right (back) */
  gboolean upsample; /* nearest x2 before the convolution (2D) */
  ShuAct act;
} ShuConvParams;

/* x [B,H,W,Ci] -> [B,H',W',Co] */
ShuTensor *shu_conv2d (
    ShuCtx *c, ShuTensor *x, const ShuConv *k, const ShuConvParams *p);
/* x [B,D,H,W,Ci] -> [B,D',H',W',Co] */
ShuTensor *shu_conv3d (
    ShuCtx *c, ShuTensor *x, const ShuConv *k, const ShuConvParams *p);
/* 3x3 (3x3x3), stride 1, same size */
ShuTensor *shu_conv2d_same (ShuCtx *c, ShuTensor *x, const ShuConv *k);
ShuTensor *shu_conv3d_same (ShuCtx *c, ShuTensor *x, const ShuConv *k);

/* ---- norms ---- */

/* x [B,...,C]: statistics over a group's channels and everything between;
 * then act.  norm->w, b as [C] */
ShuTensor *shu_group_norm (ShuCtx *c, ShuTensor *x, const ShuNorm *norm,
    int n_groups, float eps, ShuAct act);
/* the same of x + add [B,C] */
ShuTensor *shu_group_norm_add (ShuCtx *c, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct act);
/* over the last dimension; norm NULL: without affine */
ShuTensor *shu_layer_norm (
    ShuCtx *c, ShuTensor *x, const ShuNorm *norm, float eps);
/* x [...,NH,HD], gamma [NH,HD]: x / max (|x|, 1e-12) * gamma * sqrt (HD) */
ShuTensor *shu_rms_norm_heads (ShuCtx *c, ShuTensor *x, ShuTensor *gamma);

/**
 * ShuOrder:
 * Where another tensor has the rows of x, which are [n0,n1,n2,n3] by @size.
 * It has those of i1 from @first on, @present of them: row (i0,i1,i2,i3) is its
 * row i0 step[0] + (i1 - first) step[1] + i2 step[2] + i3 step[3].
 */
typedef struct {
  gint64 size[4], step[4];
  gint64 first, present;
} ShuOrder;

/**
 * ShuAddNorm:
 * x + gate h, and its layer norm, modulated: (1 + scale) norm (...) + shift.
 * @h: rows of C, in the order @h_order; NULL: none
 * @rest: [C], what is added to rows that @h has not; NULL: nothing
 * @gate, @scale, @shift: [b,...,C] with b rows that divide x into equal parts;
 *   scale and shift go together; NULL: none
 * @h_order, @y_order: of h, and of the result, which has no other rows; NULL:
 *   as x
 * @blend: where i1 of @h_order counts views, this many in a cycle, of maps
 *   with i2 * i3 pixels in a square: the middle third of the upper third of
 *   the first view's h becomes half itself, half the last view's h at a third
 *   of the size (each pixel the centre of 3x3).  0: no
 * @precision: that of the layer that takes the norm and is the only one to:
 *   with %SHU_PRECISION_FP8 it is E4M3, where that layer can have it; what is
 *   beyond 448 becomes 448
 */
typedef struct {
  ShuTensor *h, *rest, *gate, *scale, *shift;
  const ShuOrder *h_order, *y_order;
  int blend;
  float eps;
  ShuPrecision precision;
} ShuAddNorm;

/* x [...,C] -> the norm [rows,C], or like x without y_order; *ret_sum (may be
 * NULL without h): like x */
ShuTensor *shu_add_norm (ShuCtx *c, ShuTensor *x, const ShuNorm *norm,
    const ShuAddNorm *p, ShuTensor **ret_sum);

/* The same, with what @l makes of @p's h [...,K] in place of h: fewer steps
 * where a device gains from that */
ShuTensor *shu_linear_add_norm (ShuCtx *c, ShuTensor *x, const ShuLinear *l,
    const ShuNorm *norm, const ShuAddNorm *p, ShuTensor **ret_sum);

/* ---- attention: softmax (q k^T / sqrt (HD)) v, per head ---- */

/* q [B,Tq,C], k, v [B,Tk,C] -> [B,Tq,C]; C = n_heads * HD */
ShuTensor *shu_attention (
    ShuCtx *c, ShuTensor *q, ShuTensor *k, ShuTensor *v, int n_heads);

/**
 * ShuSelfAttention:
 * @n: 3 projections of Ci to C: q, k, v; or 1 to 3C, all of them side by side
 * @q_gamma, @k_gamma: [NH,HD], shu_rms_norm_heads() before the product; NULL:
 *   none
 */
typedef struct {
  int n;
  const ShuLinear *l[3];
  ShuTensor *q_gamma, *k_gamma;
  int n_heads;
} ShuSelfAttention;

/* x [B,T,Ci] -> [B,T,C] */
ShuTensor *shu_self_attention (
    ShuCtx *c, ShuTensor *x, const ShuSelfAttention *p);
/* one query against few keys, many times:
 * q [N,C]; k, v [M,C]; index I32 [N,K]: rows of k and v -> [N,C] */
ShuTensor *shu_attention_gather (ShuCtx *c, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *index, int n_heads);
/* tokens in groups that attend within themselves only:
 * q, k, v [N,C]; order I32 [N]: token rows group after group;
 * start I32 [G+1]: first position of each group in order -> [N,C] */
ShuTensor *shu_attention_groups (ShuCtx *c, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads);

/* ---- resampling feature maps ---- */

/* torch's bilinear, align_corners=False, no antialias; x [B,H,W,C] */
ShuTensor *shu_resize_bilinear (ShuCtx *c, ShuTensor *x, int H, int W);
/* the same to the sides of @like [B,H,W,D], and that behind it -> [B,H,W,C+D]
 */
ShuTensor *shu_resize_concat (ShuCtx *c, ShuTensor *x, ShuTensor *like);
/* torch's antialiased bicubic (a = -0.5); x [B,H,W,C] */
ShuTensor *shu_resize_bicubic_aa (ShuCtx *c, ShuTensor *x, int H, int W);
/* nearest, whole factor; x [B,H,W,C] */
ShuTensor *shu_upsample_nearest (ShuCtx *c, ShuTensor *x, int factor);
/* 2x2 maximum, stride 2, ceil mode; x [B,H,W,C] */
ShuTensor *shu_max_pool2 (ShuCtx *c, ShuTensor *x);
/* adaptive mean; x [B,H,W,C] -> [B,h,w,C] */
ShuTensor *shu_adaptive_pool2d (ShuCtx *c, ShuTensor *x, int h, int w);
/* x [B,D,H,W,C] -> [B,d,h,w,C] */
ShuTensor *shu_adaptive_pool3d (ShuCtx *c, ShuTensor *x, int d, int h, int w);
/* x [B,D,H,W,8C'] -> [B,2D,2H,2W,C']; channel 8c' + 4i + 2j + k goes to
 * (2d+i, 2h+j, 2w+k) */
ShuTensor *shu_pixel_shuffle3d (ShuCtx *c, ShuTensor *x);

/* ---- sparse voxels; x [N,C], rows in the order of the coordinates ---- */

/* submanifold 3x3x3: nbr I32 [N,27] rows of x, -1 absent, tap index
 * (kx*3 + ky)*3 + kz; k->w [Co,3,3,3,Ci] */
ShuTensor *shu_sparse_conv (
    ShuCtx *c, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
/* the same after every row became 8 children (order 4dx+2dy+dz), without
 * making them: nbr belongs to the parents -> [8N,Co] */
ShuTensor *shu_sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *x, ShuTensor *nbr, const ShuConv *k);
/* sum over the members of each output row / (count + 1): index I32 [N] in
 * 0..M-1 -> [M,C] */
ShuTensor *shu_sparse_pool (ShuCtx *c, ShuTensor *x, ShuTensor *index, int M);
/* group norm over all rows (one object): x [N,C] */
#define shu_sparse_group_norm(c, x, norm, n_groups, eps, act)                  \
  shu_reshape_like (c,                                                         \
      shu_group_norm (c,                                                       \
          shu_reshape (c, x, SHU_DIMS (1, (x)->dims[0], (x)->dims[1])), norm,  \
          n_groups, eps, act),                                                 \
      x)
/* @x with the dimensions of @like */
ShuTensor *shu_reshape_like (ShuCtx *c, ShuTensor *x, ShuTensor *like);

/* ---- what a sampler keeps: f32 on every device, and the only tensors that
 * change ---- */

/* A host array as a scoped state (copied). */
ShuTensor *shu_state (
    ShuCtx *c, int n_dims, const gint64 *dims, const float *values);
/* Its values now, as an activation */
ShuTensor *shu_state_value (ShuCtx *c, ShuTensor *x);
/* x scale + shift of states x [...,K], scale, shift [K], likewise */
ShuTensor *shu_state_affine (
    ShuCtx *c, ShuTensor *x, ShuTensor *scale, ShuTensor *shift);

/**
 * ShuFlowStep:
 * @step: I32 [1], number of the step
 * @schedule: state [n,3], a row (dt, a, b) for each step
 * @n_parts: x is [P,n], v is [P,n], or guided [P,2,n]: unconditional first
 * @guidance: weight of the condition; ignored where not @guided
 * @extra: the other convention: v has the condition first, and the guidance
 *   counts from it on, so that 0 is none
 */
typedef struct {
  ShuTensor *step, *schedule;
  int n_parts;
  gboolean guided;
  float guidance;
  gboolean extra;
} ShuFlowStep;

/* x -= dt v, where guided with v = u + guidance (c - u), or where @extra with
 * (1 + guidance) c - guidance u; before that @estimate (NULL: not asked for),
 * like x, becomes a x - b v */
void shu_flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v,
    const ShuFlowStep *p, ShuTensor *estimate);
/* step I32 [1] += 1 */
void shu_count (ShuCtx *c, ShuTensor *step);

/* ---- surface of sparse cells, on devices alone; geometry/flexicubes.h says
 * what it is, and calls it ---- */

enum {
  SHU_SURFACE_PLAIN = 53, /* channels of a cell */
  SHU_SURFACE_COLORED = 101,
  SHU_SURFACE_CASES = 256,
  SHU_SURFACE_CASE = 14, /* bytes: dual vertices, groups of the 12 edges,
                          * direction of the ambiguous face or -1 */
};

typedef struct {
  int resolution;
  ShuTensor *coords; /* I32 [n,3] */
  ShuTensor *feats;  /* [n,53 or 101] */
  ShuTensor *cases;  /* U8 [256,14] */
} ShuSurfaceCells;

typedef struct {
  ShuTensor *pos;   /* F32 [V,3] */
  ShuTensor *attr;  /* F32 [V,6], NULL without colours */
  ShuTensor *faces; /* I32 [F,3] */
} ShuSurface;

/* Waits for the device some times: sizes depend on values.  Results are
 * scoped; FALSE after a failure. */
gboolean shu_isosurface (
    ShuCtx *c, const ShuSurfaceCells *cells, ShuSurface *ret);

/* ---- embeddings ---- */

/* [cos (value w_k), sin (value w_k)], w_k = 10000^(-k/(dim/2)); values are
 * host floats -> [n,dim] */
ShuTensor *shu_timestep_embedding (
    ShuCtx *c, const float *values, int n, int dim);
/* coords I32 [N,3] -> [N,C]: per axis [sin, cos] of d = C/6 frequencies
 * 10000^(-k/d), zero-padded to C */
ShuTensor *shu_position_embedding (ShuCtx *c, ShuTensor *coords, int C);
/* A convolution of size and stride P as a linear layer: x [B,H,W,C], l->w
 * [Co,C*P*P], columns in the order (c, i, j) -> [B,H/P*W/P,Co] */
ShuTensor *shu_embed_patches (
    ShuCtx *c, ShuTensor *x, int P, const ShuLinear *l);

/**
 * ShuTokens:
 * What stands around N patches where a transformer begins.
 * @first: [C], the token before all others
 * @registers: [R,C], tokens behind it, which have no position; NULL: none
 * @positions: [1+N,C], what is added to the first and to the patches
 * @before: norm of all that, which gives the tokens; NULL: they are the sums
 * @norm: of the tokens, for the first layer
 * @eps: of both
 *
 * Leading dimensions of 1 do not matter.
 */
typedef struct {
  ShuTensor *first, *registers, *positions;
  const ShuNorm *before, *norm;
  float eps;
} ShuTokens;

/* x [B,N,C] -> the norm [B,1+R+N,C]; *ret_tokens: what it is of */
ShuTensor *shu_embed_tokens (
    ShuCtx *c, ShuTensor *x, const ShuTokens *p, ShuTensor **ret_tokens);

/* ---- again and again ---- */

typedef void (*ShuReplayFunc) (ShuCtx *c, gpointer data);

/**
 * ShuReplay:
 * A function that asks for the same operations of the same tensors every time.
 * Where the device can, they are recorded once and started together from then
 * on; states and counters are how such a function goes on.
 */
typedef struct _ShuReplay ShuReplay;

/* @c must outlive it.  Returns: (transfer full) */
ShuReplay *shu_replay_new (ShuCtx *c, ShuReplayFunc func, gpointer data);
void shu_replay_run (ShuReplay *r);
void shu_replay_free (ShuReplay *r);

typedef ShuTensor *(*ShuRecordedFunc) (
    ShuCtx *c, gconstpointer data, ShuTensor *x);

/**
 * ShuRecording:
 * A function of one tensor, and of what never changes, that many contexts ask
 * one after the other: a network, with which it lives.  Where the device can,
 * its operations are recorded once a second context asks for a result of the
 * same shape, in memory of their own, and started together from then on.  It is
 * run directly for any other shape, beside a context that asks at the same
 * time, and for who listens to its operations; results are the same.
 */
typedef struct _ShuRecording ShuRecording;

/* (transfer full) */
ShuRecording *shu_recording_new (void);
/* What contexts asked for may still be under way. */
void shu_recording_free (ShuRecording *r);
/* What @func makes of @x; scoped.  Not within a ShuReplay.
 * @func, @data: always the same for @r */
ShuTensor *shu_recorded (ShuCtx *c, ShuRecording *r, ShuRecordedFunc func,
    gconstpointer data, ShuTensor *x);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuReplay, shu_replay_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuRecording, shu_recording_free)

G_END_DECLS
