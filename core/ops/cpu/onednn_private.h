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
  gint32 stride, dilation, before, after;
  gint32 before_w;  /* as before, but along W */
  gint32 n_threads; /* set by the lookup */
  gint32 n_dims;
  gint64 x[SHU_MAX_DIMS];
  gint64 w[SHU_MAX_DIMS];
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
  GPtrArray *items;     /* of dnnl_memory_t, one for each layout */
  ShuTensor *phases[4]; /* conv.c: 2x2 sums for an upsampled convolution */
  float *sparse;        /* sparse.c: [27,Ci,Co], Co rounded up */
  float *subdivided;    /* sparse.c: [8 parities,8 parents,Ci,Co] sums */
} ShuPacked;

typedef struct {
  dnnl_primitive_t primitive;
  dnnl_memory_desc_t w_desc; /* the layout that the primitive wants */
  dnnl_memory_t x, y, b, scratch;
} ShuDnnOp;

dnnl_engine_t shu_dnn_engine (void);
dnnl_stream_t shu_dnn_stream (ShuCtx *c);

/* FALSE, and the context fails, unless @status is success. */
gboolean shu_dnn_check (ShuCtx *c, dnnl_status_t status, const char *what);

/* Completes @key and finds its primitive, or NULL. */
ShuDnnOp *shu_dnn_lookup (ShuCtx *c, ShuDnnKey *key);

/* Makes @desc a primitive, with an activation and a sum after it as @key says,
 * and remembers it.  NULL, and the context fails, where oneDNN cannot. */
ShuDnnOp *shu_dnn_create (ShuCtx *c, const ShuDnnKey *key, gconstpointer desc);

/* The backend's part of a weight, made at the first call. */
ShuPacked *shu_packed_of (ShuTensor *w);

/* @w, whose elements lie as @plain says, in the layout @wanted: made once,
 * kept with the tensor. */
dnnl_memory_t shu_dnn_weight (ShuCtx *c, ShuTensor *w,
    const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted);

void shu_dnn_run (ShuCtx *c, ShuDnnOp *op, ShuTensor *w,
    const dnnl_memory_desc_t *w_plain, const float *x, const float *b,
    float *y);

G_END_DECLS
