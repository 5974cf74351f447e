/* SPDX-License-Identifier: MIT */
/* cuDNN's graph interface through its C descriptors.  A graph of operations is
 * described once for its shapes and becomes a plan; a plan runs any number of
 * times, without allocating on the device or waiting for it, so that a stream
 * may be captured while it runs.
 *
 * The engine is the first that the heuristic names and that is deterministic,
 * sums in f32 and is content with the workspace: nothing is timed, so the same
 * card always computes the same way. */
#pragma once
#include "ops/cuda/cuda_private.h"

G_BEGIN_DECLS

enum { SHU_CUDNN_MAX_DIMS = 5, SHU_CUDNN_MAX_OPS = 3 };

typedef struct _ShuCudnnGraph ShuCudnnGraph;
typedef struct _ShuCudnnPlan ShuCudnnPlan;

typedef enum {
  SHU_CUDNN_VIRTUAL = 1 << 0,  /* between two operations, not in memory */
  SHU_CUDNN_BY_VALUE = 1 << 1, /* a host pointer to one number */
} ShuCudnnFlags;

/* Dimensions and strides in elements, in cuDNN's order (batch, channels, then
 * space). */
typedef struct {
  gint64 uid;
  cudnnDataType_t type;
  int n_dims;
  gint64 dims[SHU_CUDNN_MAX_DIMS];
  gint64 strides[SHU_CUDNN_MAX_DIMS];
  ShuCudnnFlags flags;
} ShuCudnnTensor;

/* ---- describing; the first failure sticks and comes out of plan_new ---- */

ShuCudnnGraph *shu_cudnn_graph_new (void);
void shu_cudnn_graph_free (ShuCudnnGraph *g);

/* Descriptors belong to the graph; NULL after a failure. */
cudnnBackendDescriptor_t shu_cudnn_tensor (
    ShuCudnnGraph *g, const ShuCudnnTensor *t);
cudnnBackendDescriptor_t shu_cudnn_create (
    ShuCudnnGraph *g, cudnnBackendDescriptorType_t type, const char *what);
void shu_cudnn_set (ShuCudnnGraph *g, cudnnBackendDescriptor_t d,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 n, const void *values);
void shu_cudnn_set_descriptor (ShuCudnnGraph *g, cudnnBackendDescriptor_t d,
    cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value);
void shu_cudnn_finalize (
    ShuCudnnGraph *g, cudnnBackendDescriptor_t d, const char *what);
/* Finalizes @op and makes it the graph's next operation. */
void shu_cudnn_add (
    ShuCudnnGraph *g, cudnnBackendDescriptor_t op, const char *what);

/* y = mode (x), or x + b where @b is given; computed in f32 */
void shu_cudnn_add_pointwise (ShuCudnnGraph *g, cudnnPointwiseMode_t mode,
    cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t b,
    cudnnBackendDescriptor_t y);

/* ---- planning and running ---- */

/**
 * shu_cudnn_plan_new:
 * @g: (transfer full): the graph
 * @dnn: a handle, its device current
 * @workspace: bytes of device memory that a run may use
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_UNSUPPORTED where no engine
 *   does it, now or later; any other failure may pass
 */
ShuCudnnPlan *shu_cudnn_plan_new (
    ShuCudnnGraph *g, cudnnHandle_t dnn, gsize workspace, GError **error);
void shu_cudnn_plan_free (ShuCudnnPlan *plan);

/* "engine 35, workspace 0, notes ...", for messages. */
const char *shu_cudnn_plan_describe (const ShuCudnnPlan *plan);

/**
 * shu_cudnn_plan_run:
 * @uids, @data: the tensors that are in memory, and where
 *
 * Returns: FALSE where the context or @error says so
 */
gboolean shu_cudnn_plan_run (ShuCudnnPlan *plan, ShuCuda *cuda, int n,
    const gint64 *uids, void *const *data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuCudnnGraph, shu_cudnn_graph_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuCudnnPlan, shu_cudnn_plan_free)

G_END_DECLS
