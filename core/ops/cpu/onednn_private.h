/* SPDX-License-Identifier: MIT */
/* What linear, convolution and attention share of oneDNN: the engine, a
 * context's stream and primitives, and weights in the library's own layouts. */
#pragma once
#include "ops/cpu/cpu_private.h"
#include <dnnl.h>

G_BEGIN_DECLS

/* What tells one primitive from another; zero-filled, compared as bytes. */
typedef struct {
  gint32 kind;
  gint32 act;
  gint32 flags;
  gint32 stride, dilation;
  gint32 before;   /* padding along the outermost axis, */
  gint32 before_h; /* along those between, */
  gint32 before_w; /* and along the innermost */
  gint32 n_dims;
  gint32 reserved;
  gint64 ldy; /* linear: from row to row of y */
  gint64 x[SHU_MAX_DIMS];
  gint64 w[SHU_MAX_DIMS];
  gint64 y[SHU_MAX_DIMS];
} ShuDnnKey;

enum {
  SHU_DNN_LINEAR = 1,
  SHU_DNN_CONV,
};

enum {
  SHU_DNN_BIAS = 1,
  SHU_DNN_SUM = 2, /* adds to what y holds */
};

/* What hangs at ShuTensor.packed. */
typedef struct {
  GMutex lock;
  GArray *items;        /* of layouts, onednn.c */
  ShuTensor *phases[4]; /* conv.c: 2x2 sums for an upsampled convolution */
  float *sparse;        /* sparse.c: [27,Ci,Co], Co rounded up */
  float *subdivided;    /* sparse.c: [8 parities,8 parents,Ci,Co] sums */
} ShuPacked;

typedef struct {
  dnnl_primitive_t primitive;
  dnnl_primitive_t x_reorder, y_reorder; /* NULL: x, y are as it wants them */
  dnnl_memory_desc_t w_desc, b_desc, scratch_desc;
  dnnl_memory_desc_t x_desc, y_desc;   /* as the primitive wants them */
  dnnl_memory_desc_t x_plain, y_plain; /* as they are */
} ShuDnnOp;

/* What one thread does at a time.  How work is cut into parts depends on sizes
 * alone and a part runs on one thread, so results are the same whatever the
 * number of threads: oneDNN on its own cuts sums, too, and at other places for
 * each number of threads. */
typedef struct {
  ShuDnnOp *op;
  dnnl_memory_t w;
  const float *x;
  const float *b; /* may be NULL */
  float *y;
} ShuDnnPart;

dnnl_engine_t shu_dnn_engine (void);
dnnl_stream_t shu_dnn_stream (ShuCtx *c);

/* FALSE, and the context fails, unless @status is success. */
gboolean shu_dnn_check (ShuCtx *c, dnnl_status_t status, const char *what);

/* The primitive of @key, or NULL. */
ShuDnnOp *shu_dnn_lookup (ShuCtx *c, const ShuDnnKey *key);

/* Makes @desc a primitive, with an activation and a sum after it as @key says,
 * and remembers it.  @x and @y say how activations lie.  NULL, and the context
 * fails, where oneDNN cannot. */
ShuDnnOp *shu_dnn_create (ShuCtx *c, const ShuDnnKey *key, gconstpointer desc,
    const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y);

/* The backend's part of a weight, made at the first call. */
ShuPacked *shu_packed_of (ShuTensor *w);

/* @w from element @offset on, whose elements lie as @plain says, in the layout
 * @wanted: made once, kept with the tensor. */
dnnl_memory_t shu_dnn_weight (ShuCtx *c, ShuTensor *w, gsize offset,
    const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted);

void shu_dnn_run (ShuCtx *c, const ShuDnnPart *parts, gsize n);

G_END_DECLS
