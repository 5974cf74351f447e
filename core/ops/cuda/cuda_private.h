/* SPDX-License-Identifier: MIT */
/* What the files of the CUDA backend share: the state of a context, the check
 * of a call's result, scratch memory, and weights in the forms that the device
 * wants.
 *
 * Kernels (*.cu) and what wraps cuBLASLt and cuDNN (gemm, conv, sdpa) know
 * device pointers and sizes; backend.c and layers.c know tensors and call
 * them. */
#pragma once
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/kernels_mesh.h"
#include "ops/cuda/plans.h"
#include "ops/entries_private.h"
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

G_BEGIN_DECLS

typedef struct _ShuCudaStaging ShuCudaStaging;
typedef struct _ShuCudaChecks ShuCudaChecks;

/* Of one context; all its work runs in one stream, and so do both handles. */
typedef struct {
  gatomicrefcount refs; /* the context, and records that last */
  ShuCtx *c;            /* that has it now */
  int device;
  cudaStream_t stream;
  cublasLtHandle_t lt;
  cudnnHandle_t dnn;
  GHashTable *plans;       /* plans.h */
  int room;                /* bytes of shared memory that a block may have */
  int sm;                  /* compute capability, times 10 */
  int n_sm;                /* multiprocessors */
  ShuCudaStaging *staging; /* transfer.c */
  ShuCudaChecks *checks;   /* index.c */
  const char *last;        /* the operation that was started last */
  gboolean sync;           /* wait after each, so that errors name it */
  gboolean watched;        /* by a tool: shu_cuda_expect() */
  gboolean lasting;        /* it makes a record that lasts */
} ShuCuda;

/* ---- state.c ---- */

/* The state of @c, its device made the thread's current one; NULL where @c has
 * failed. */
ShuCuda *shu_cuda (ShuCtx *c);

/**
 * shu_cuda_check:
 * @what: the operation, for the message
 *
 * Returns: whether @e is success; records the failure in @c where not
 */
gboolean shu_cuda_check (ShuCtx *c, cudaError_t e, const char *what);

/* The end of an operation: what its launches or @error (transfer full) say. */
void shu_cuda_done (ShuCtx *c, const char *op, cudaError_t e);
void shu_cuda_done_error (ShuCtx *c, const char *op, GError *error);

/* What a plan of a library may take beside its operands: enough for split sums
 * of products on all cards; convolutions and attention choose what fits. */
enum { SHU_CUDA_WORKSPACE = 64 << 20 };

/* For a call of such a plan, in the innermost scope; FALSE where the context or
 * @error says so.  @ret: NULL where it needs none */
gboolean shu_cuda_workspace (
    ShuCuda *s, gsize bytes, gpointer *ret, GError **error);

/* FALSE, with @c failed, in a record that lasts: what @op uses does not. */
gboolean shu_cuda_passes (ShuCtx *c, const char *op);

void shu_cuda_unref (ShuCuda *s);

/* Device memory in the innermost scope, 256 byte aligned, not cleared; NULL
 * where @c has failed. */
gpointer shu_cuda_scratch (ShuCtx *c, gsize bytes);

/**
 * shu_cuda_expect:
 * @step: bytes from row to row of @y
 *
 * Before a library writes @rows of @bytes: initcheck of before CUDA 13.1 does
 * not see bulk stores, and takes what they wrote for never written.  So where
 * every result has memory of its own for such tools (SHU_CUDA_HEAP=0), it is
 * filled with NaN first: a library that left something out would be seen.  So
 * is what it takes beside, which others have had.
 */
gboolean shu_cuda_expect (ShuCuda *s, gpointer y, gint64 rows, gint64 bytes,
    gint64 step, GError **error);

/* ---- scratch.c ---- */

gsize shu_cuda_scratch_bytes (ShuScratch what, const ShuTensor *y,
    const ShuTensor *x, int n_heads, gint64 n_keys);

/* ---- transfer.c ---- */

void shu_cuda_staging_free (ShuCudaStaging *staging);
/* Bytes @at..@at+@n-1 of something; called by several threads. */
typedef void (*ShuCudaSource) (gpointer data, gsize at, gsize n, char *ret);
/* @bytes of @source go to @dst through memory that is used in turn. */
gboolean shu_cuda_stream_up (
    ShuCtx *c, gpointer dst, gsize bytes, ShuCudaSource source, gpointer data);
/* @src may change once this returns; the copy itself happens in the stream. */
gboolean shu_cuda_to_device (
    ShuCtx *c, gpointer dst, gconstpointer src, gsize bytes);

SHU_ENTRY (cuda, upload);
SHU_ENTRY (cuda, bring);
SHU_ENTRY (cuda, download);

/* ---- lanes.c ---- */

/* A load may go where the one so many before it went. */
enum { SHU_CUDA_LOAD_TURNS = 2 };

/* Some 10 MB or more of @source, which several threads ask at a time */
typedef struct {
  char *dst;
  gsize bytes;
  ShuCudaSource source;
  gpointer data;
} ShuCudaLoad;

/* Load @i will be there for what is launched now; FALSE: stop. */
typedef gboolean (*ShuCudaLoaded) (ShuCtx *c, int i, gpointer data);

/**
 * shu_cuda_lanes:
 * @func: called in order, in this thread
 *
 * Returns: FALSE where @c has failed or @func has; not waited for
 */
gboolean shu_cuda_lanes (ShuCtx *c, int n, const ShuCudaLoad *loads,
    ShuCudaLoaded func, gpointer data);

/* ---- mark.c ---- */

SHU_ENTRY (cuda, mark);
SHU_ENTRY (cuda, between);
SHU_ENTRY (cuda, unmark);

/* ---- index.c: tables of rows that go beyond their end ---- */

/* Fails @c, when it is waited for, unless all of @index lies in lo..hi-1;
 * @lo G_MININT: any negative ones mean nothing. */
void shu_cuda_check_index (ShuCtx *c, const char *op, const char *what,
    ShuTensor *index, int lo, gint64 hi);
/* The stream is at rest. */
void shu_cuda_checks_collect (ShuCtx *c);
void shu_cuda_checks_free (ShuCudaChecks *checks);

/* ---- weights.c ---- */

typedef enum {
  SHU_CUDA_WEIGHT_SAME,       /* as it is */
  SHU_CUDA_WEIGHT_F16,        /* in the order of the checkpoint */
  SHU_CUDA_WEIGHT_KRSC,       /* [Co,Ci,...] -> f16 [Co,...,Ci] */
  SHU_CUDA_WEIGHT_TAPS,       /* [Co,3,3,3,Ci] -> f16 [27,Co,Ci] */
  SHU_CUDA_WEIGHT_SUBDIVIDED, /* [Co,3,3,3,Ci] -> f16 [64,Co,Ci] */
  SHU_CUDA_WEIGHT_DOUBLED,    /* [Co,Ci,3,3] -> f16 [2,2,Co,2,2,Ci] */
  SHU_CUDA_WEIGHT_FP8,        /* [Co,Ci,...] -> ShuCudaFp8, [Co,...,Ci] */
  SHU_CUDA_WEIGHT_DOUBLED_FP8,
  SHU_CUDA_WEIGHT_PADDED, /* [Co,...] -> f16 [Co,shu_cuda_padded_row()] */
  SHU_CUDA_WEIGHT_JOINED, /* with others behind it, f16 */
  SHU_CUDA_WEIGHT_JOINED_FP8,
} ShuCudaLayout;

/* @n elements and zeros, so that each row of f16 begins at 16 bytes */
static inline gint64
shu_cuda_padded_row (gint64 n)
{
  return (n + 7) / 8 * 8;
}

/* What a form in E4M3 begins with */
typedef struct {
  ShuCudaE4m3 scale;
  char room[512 - sizeof (ShuCudaE4m3)];
  guint8 values[];
} ShuCudaFp8;

/**
 * shu_cuda_weight:
 * @w: f32 in host memory, with or without data there
 *
 * @w on the device of @c, made on first use and kept with its storage.
 *
 * Returns: (transfer none): NULL where @c has failed
 */
gconstpointer shu_cuda_weight (ShuCtx *c, ShuTensor *w, ShuCudaLayout layout);

/* The backend's entry */
SHU_ENTRY (cuda, weights);

/**
 * shu_cuda_weights_joined:
 * @w: @n weights with the same second dimension, or none, that are always
 *   asked for together
 *
 * All of @w, one after the other, as f16 or E4M3.
 *
 * Returns: (transfer none): NULL where @c has failed
 */
gconstpointer shu_cuda_weights_joined (
    ShuCtx *c, int n, ShuTensor *const *w, ShuPrecision precision);

SHU_ENTRY (cuda, adopt);

/* ---- upload.c ---- */

/* A form to be made at @y; @lead, @place: as of ShuWeightUse. */
typedef struct {
  ShuTensor *w;
  ShuCudaLayout layout;
  char *y;
  ShuTensor *lead;
  int place;
} ShuCudaForm;

/* Whether nothing is left between the end of @w and what begins behind it. */
gboolean shu_cuda_form_is_whole (const ShuTensor *w);

/* Elements that a form takes, so that the next begins where it may. */
gsize shu_cuda_form_elements (const ShuCudaForm *form);

/* Puts @forms into the order in which they are made, and says what comes
 * first. */
void shu_cuda_forms_sort (int n, ShuCudaForm *forms);

/**
 * shu_cuda_forms_make:
 * @forms: sorted, one behind the other in memory; several times
 * @func: (nullable)
 *
 * Returns: FALSE where @c has failed; not waited for
 */
gboolean shu_cuda_forms_make (ShuCtx *c, int n, const ShuCudaForm *forms,
    ShuUploadFunc func, gpointer data);

/* ---- graph.c ---- */

SHU_ENTRY (cuda, capture_begin);
SHU_ENTRY (cuda, capture_end);
SHU_ENTRY (cuda, replay);
SHU_ENTRY (cuda, captured_free);

/* ---- layers_fp8.c: TRUE where it is done, or @c has failed ---- */

SHU_ENTRY (cuda, has_fp8);
SHU_ENTRY (cuda, geglu_to_e4m3);
/* Whether @x is what layers in f16 take, or make; fails @c where not. */
gboolean shu_cuda_is_f16 (ShuCtx *c, const char *op, const ShuTensor *x);
gboolean shu_cuda_linear_fp8 (ShuCtx *c, const char *op, ShuTensor *y,
    ShuTensor *x, const ShuLinear *l, ShuAct act, gboolean geglu,
    ShuTensor *residual);
gboolean shu_cuda_conv2d_fp8 (ShuCtx *c, ShuTensor *y, ShuTensor *x,
    const ShuConv *k, const ShuConvParams *p);

/* Whether x [M,Ci] times @l, of Co columns, goes there; *ret is how. */
gboolean shu_cuda_fits_fp8 (ShuCuda *s, const ShuLinear *l, gint64 M, gint64 Co,
    ShuCudaProductFp8 *ret);
/* @x, rounded, times @w, which may be NULL after a failure; FALSE where @c or
 * @error says so */
gboolean shu_cuda_product_fp8 (ShuCtx *c, gpointer y, ShuTensor *x,
    const ShuCudaFp8 *w, ShuCudaVector b, const ShuCudaProductFp8 *product,
    GError **error);

/* ---- layers.c ---- */

/* Of a bias, or nothing; FALSE where @c has failed. */
gboolean shu_cuda_bias (ShuCtx *c, ShuTensor *b, ShuCudaVector *ret);
/* The f32 vectors of @norm, NULL where it has none; FALSE where @c has failed.
 */
gboolean shu_cuda_norm_vectors (
    ShuCtx *c, const ShuNorm *norm, const float **ret_w, const float **ret_b);
/* Whether @p is what four convolutions of the map itself can do; channels such
 * that each one's part is aligned. */
gboolean shu_cuda_is_doubled (const ShuConv *k, const ShuConvParams *p);

SHU_ENTRY (cuda, linear);
SHU_ENTRY (cuda, linear_geglu);
SHU_ENTRY (cuda, conv2d);
SHU_ENTRY (cuda, conv3d);
SHU_ENTRY (cuda, attention);
SHU_ENTRY (cuda, self_attention);
SHU_ENTRY (cuda, sparse_conv);
SHU_ENTRY (cuda, sparse_conv_subdivided);

/* ---- embed.c ---- */

SHU_ENTRY (cuda, timestep_embedding);
SHU_ENTRY (cuda, position_embedding);
SHU_ENTRY (cuda, embed_patches);
SHU_ENTRY (cuda, embed_tokens);

/* ---- isosurface.c ---- */

SHU_ENTRY (cuda, isosurface);

/* ---- pictures.c; planes.c, photo.c; splat.c, raster.c; texture.c, bake.c ----
 */

SHU_PICTURE_ENTRIES (cuda);
ShuCudaRows shu_cuda_rows (const ShuTextureRows *r);
/* Room for sums of so many blocks; its fields are NULL where @c has failed. */
ShuCudaGradients shu_cuda_gradients (ShuCtx *c, int n_blocks);

G_END_DECLS
