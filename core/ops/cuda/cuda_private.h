/* SPDX-License-Identifier: MIT */
/* What the files of the CUDA backend share: the state of a context, the check
 * of a call's result, scratch memory, and weights in the forms that the device
 * wants.
 *
 * Kernels (*.cu) and what wraps cuBLASLt and cuDNN (gemm, conv, sdpa) know
 * device pointers and sizes; backend.c and layers.c know tensors and call
 * them. */
#pragma once
#include "ops/backend_private.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/plans.h"
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

G_BEGIN_DECLS

/* Of one context; all its work runs in one stream, and so do both handles. */
typedef struct {
  int device;
  int sm; /* 10 * major + minor of the compute capability */
  cudaStream_t stream;
  cublasLtHandle_t lt;
  cudnnHandle_t dnn;
  GHashTable *plans; /* plans.h */
  void *workspace;   /* of products, convolutions and attention */
  gsize workspace_size;
} ShuCuda;

/* The state of @c, its device made the thread's current one. */
ShuCuda *shu_cuda (ShuCtx *c);

/**
 * shu_cuda_check:
 * @what: the operation, for the message
 *
 * Returns: whether @e is success; records the failure in @c where not
 */
gboolean shu_cuda_check (ShuCtx *c, cudaError_t e, const char *what);

/* Device memory in the innermost scope, 256 byte aligned, not cleared; NULL
 * where @c has failed. */
gpointer shu_cuda_scratch (ShuCtx *c, gsize bytes);

/* ---- weights ---- */

typedef enum {
  SHU_CUDA_WEIGHT_F16,        /* as in the checkpoint */
  SHU_CUDA_WEIGHT_F32,        /* the same */
  SHU_CUDA_WEIGHT_KRSC,       /* [Co,Ci,...] -> f16 [Co,...,Ci] */
  SHU_CUDA_WEIGHT_TAPS,       /* [Co,3,3,3,Ci] -> f16 [27,Co,Ci] */
  SHU_CUDA_WEIGHT_SUBDIVIDED, /* [Co,3,3,3,Ci] -> f16 [64,Co,Ci] */
} ShuCudaLayout;

/**
 * shu_cuda_weight:
 * @w: a weight in host memory
 * @Ci: innermost size of KRSC, filled up with zeros; 0: as it is
 *
 * @w on the device of @c, made on first use and kept with @w.
 *
 * Returns: (transfer none): NULL where @c has failed
 */
gconstpointer shu_cuda_weight (
    ShuCtx *c, ShuTensor *w, ShuCudaLayout layout, gsize Ci);

G_END_DECLS
