/* SPDX-License-Identifier: MIT */
/* See conv.h.  cuDNN's dimensions are batch, channels, space, whatever lies
 * how in memory; that is for the strides to say. */
#include "ops/cuda/conv.h"
#include "ops/cuda/dnn_graph.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/plans.h"
#include "base/error.h"

/* Engines count elements in 32 bits; a larger batch goes in pieces.  They ask
 * for pointers at multiples of 16 bytes, which a piece must begin at, too. */
static const gint64 MAX_ELEMENTS = G_MAXINT32;

enum { UNIT = 8 };

enum { UID_X = 1, UID_W, UID_B, UID_Y, UID_SUM, UID_BIASED };

/* Which of the steps the engine itself takes. */
typedef struct {
  ShuCudnnPlan *engine;
  gboolean has_bias, has_act;
} Plan;

static void
plan_free (gpointer data)
{
  Plan *p = data;

  shu_cudnn_plan_free (p->engine);
  g_free (p);
}

gint64
shu_cuda_conv_size (const ShuCudaConv *c, int i)
{
  return (c->x[i] + c->pad_before + c->pad_after - c->dilation * (c->k[i] - 1) -
             1) /
             c->stride +
         1;
}

static gint64
space (const ShuCudaConv *c, gboolean output)
{
  gint64 n = 1;

  for (int i = 0; i < c->n_space; i++)
    n *= output ? shu_cuda_conv_size (c, i) : c->x[i];
  return n;
}

/* ---- the graph: convolution [-> bias [-> ReLU]] ---- */

/* Channels last in memory, without gaps. */
static ShuCudnnTensor
tensor (gint64 uid, int n_space, gint64 n, gint64 C, const gint64 *sizes)
{
  ShuCudnnTensor t = {.uid = uid,
      .type = CUDNN_DATA_HALF,
      .n_dims = n_space + 2,
      .dims = {n, C}};
  gint64 step = C;

  t.strides[1] = 1;
  for (int i = n_space - 1; i >= 0; i--) {
    t.dims[2 + i] = sizes[i];
    t.strides[2 + i] = step;
    step *= sizes[i];
  }
  t.strides[0] = step;
  return t;
}

static cudnnBackendDescriptor_t
between (ShuCudnnGraph *g, const ShuCudnnTensor *y, gint64 uid)
{
  ShuCudnnTensor t = *y;

  t.uid = uid;
  t.type = CUDNN_DATA_FLOAT;
  t.flags = SHU_CUDNN_VIRTUAL;
  return shu_cudnn_tensor (g, &t);
}

static cudnnBackendDescriptor_t
geometry (ShuCudnnGraph *g, const ShuCudaConv *c)
{
  static const char *const what = "convolution";
  const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const gint64 n = c->n_space;
  gint64 before[3], after[3], stride[3], dilation[3];
  cudnnBackendDescriptor_t d =
      shu_cudnn_create (g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, what);

  for (int i = 0; i < c->n_space; i++) {
    gboolean turned = c->turned >> i & 1;

    before[i] = turned ? c->pad_after : c->pad_before;
    after[i] = turned ? c->pad_before : c->pad_after;
    stride[i] = c->stride;
    dilation[i] = c->dilation;
  }
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &f32);
  shu_cudnn_set (g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
      CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n, before);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n, after);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n, stride);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, dilation);
  shu_cudnn_finalize (g, d, what);
  return d;
}

static void
add_convolution (ShuCudnnGraph *g, const ShuCudaConv *c,
    cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w,
    cudnnBackendDescriptor_t y)
{
  static const char *const what = "convolution";
  const float alpha = 1, beta = 0;
  cudnnBackendDescriptor_t d = geometry (g, c);
  cudnnBackendDescriptor_t op = shu_cudnn_create (
      g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, what);

  shu_cudnn_set_descriptor (
      g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
  shu_cudnn_set_descriptor (
      g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
  shu_cudnn_set_descriptor (
      g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
  shu_cudnn_set_descriptor (
      g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, d);
  shu_cudnn_set (g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
      CUDNN_TYPE_FLOAT, 1, &alpha);
  shu_cudnn_set (g, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
      CUDNN_TYPE_FLOAT, 1, &beta);
  shu_cudnn_add (g, op, what);
}

static ShuCudnnGraph *
graph_new (const ShuCudaConv *c, gboolean bias, gboolean relu)
{
  const gint64 ones[3] = {1, 1, 1};
  gint64 sizes[3] = {0};
  ShuCudnnGraph *g = shu_cudnn_graph_new ();
  ShuCudnnTensor tx = tensor (UID_X, c->n_space, c->B, c->Ci, c->x);
  ShuCudnnTensor tw = tensor (UID_W, c->n_space, c->Co, c->Ci, c->k);
  ShuCudnnTensor tb = tensor (UID_B, c->n_space, 1, c->Co, ones);
  ShuCudnnTensor ty;
  cudnnBackendDescriptor_t x, w, y, sum, biased;

  for (int i = 0; i < c->n_space; i++)
    sizes[i] = shu_cuda_conv_size (c, i);
  ty = tensor (UID_Y, c->n_space, c->B, c->Co, sizes);
  x = shu_cudnn_tensor (g, &tx);
  w = shu_cudnn_tensor (g, &tw);
  y = shu_cudnn_tensor (g, &ty);
  biased = relu ? between (g, &ty, UID_BIASED) : y;
  sum = bias ? between (g, &ty, UID_SUM) : biased;
  add_convolution (g, c, x, w, sum);
  if (bias)
    shu_cudnn_add_pointwise (
        g, CUDNN_POINTWISE_ADD, sum, shu_cudnn_tensor (g, &tb), biased);
  if (relu)
    shu_cudnn_add_pointwise (g, CUDNN_POINTWISE_RELU_FWD, biased, NULL, y);
  return g;
}

/* ---- plans ---- */

static char *
describe (const ShuCudaConv *c)
{
  return g_strdup_printf ("conv %dd, x [%" G_GINT64_FORMAT ",(%" G_GINT64_FORMAT
                          ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
                          "),%" G_GINT64_FORMAT "] to %" G_GINT64_FORMAT
                          " channels, kernel (%" G_GINT64_FORMAT
                          ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
                          "), stride %d, dilation %d, padding %d %d",
      c->n_space, c->B, c->x[0], c->x[1], c->n_space == 3 ? c->x[2] : 1, c->Ci,
      c->Co, c->k[0], c->k[1], c->n_space == 3 ? c->k[2] : 1, c->stride,
      c->dilation, c->pad_before, c->pad_after);
}

/* With all that compiled engines offer, or the bare convolution. */
static Plan *
plan_new (ShuCuda *cuda, const ShuCudaConv *c, gboolean bias, GError **error)
{
  Plan p = {.has_bias = bias, .has_act = bias && c->act == SHU_ACT_RELU};

  g_autofree char *shapes = describe (c);

  p.engine = shu_cudnn_plan_new (graph_new (c, p.has_bias, p.has_act),
      cuda->dnn, SHU_CUDA_WORKSPACE, error);
  if (!p.engine)
    return NULL;
  g_debug ("%s, bias %d, act %d: %s", shapes, p.has_bias, p.has_act,
      shu_cudnn_plan_describe (p.engine));
  return g_memdup2 (&p, sizeof p);
}

static Plan *
plan_for (ShuCuda *cuda, const ShuCudaConv *c, gboolean bias, GError **error)
{
  ShuCudaPlanKey key = {
      .kind = SHU_CUDA_PLAN_CONV,
      .flags = (bias ? 1 : 0) | (gint32) c->act << 8,
      .v = {c->n_space, c->B, c->Ci, c->Co, c->x[0], c->x[1],
          c->n_space == 3 ? c->x[2] : 0, c->k[0], c->k[1],
          c->n_space == 3 ? c->k[2] : 0, c->stride, c->dilation, c->pad_before,
          c->pad_after, c->turned},
  };
  g_autoptr (GError) cause = NULL;
  gpointer p;

  if (shu_cuda_plans_lookup (cuda->plans, &key, &p))
    return p;
  p = bias ? plan_new (cuda, c, TRUE, &cause) : NULL;
  if (cause && !shu_cuda_is_unsupported (cause))
    g_propagate_error (error, g_steal_pointer (&cause));
  else if (!p)
    p = plan_new (cuda, c, FALSE, error);
  if (p)
    shu_cuda_plans_insert (cuda->plans, &key, p, plan_free);
  return p;
}

/* ---- running ---- */

static gboolean
convolve (ShuCuda *cuda, const ShuCudaConv *c, void *y, const void *x,
    const void *w, ShuCudaVector b, GError **error)
{
  gboolean bias = b.data && !b.is_f32;
  Plan *p = plan_for (cuda, c, bias, error);
  gint64 pixels = c->B * space (c, TRUE);
  const gint64 uids[] = {UID_X, UID_W, UID_Y, UID_B};
  void *data[] = {(void *) x, (void *) w, y, (void *) b.data};
  ShuCudaVector rest = {NULL, 0};
  ShuAct act = c->act;

  if (!p || !shu_cuda_expect (cuda, y, pixels, 2 * c->Co, 2 * c->Co, error) ||
      !shu_cudnn_plan_run (
          p->engine, cuda, p->has_bias ? 4 : 3, uids, data, error))
    return FALSE;
  if (!p->has_bias)
    rest = b;
  if (p->has_act)
    act = SHU_ACT_NONE;
  if (!rest.data && act == SHU_ACT_NONE)
    return TRUE;
  return shu_cuda_ok (shu_launch_bias_act (y, y, rest, NULL, (gsize) pixels,
                          (gsize) c->Co, (int) act, cuda->stream),
      "bias_act", error);
}

static gboolean
is_product (const ShuCudaConv *c)
{
  return c->stride == 1 && c->pad_before == 0 && c->pad_after == 0 &&
         c->k[0] == 1 && c->k[1] == 1 && (c->n_space == 2 || c->k[2] == 1);
}

/* Items of a piece, so that the next one is aligned; 0: no number will do */
static gint64
piece_of (gint64 B, gint64 x_item, gint64 y_item)
{
  gint64 fit = MAX (MAX_ELEMENTS / MAX (x_item, y_item), 1), step = 1;

  if (B <= fit)
    return MAX (B, 1);
  while (step * x_item % UNIT != 0 || step * y_item % UNIT != 0)
    step *= 2;
  return fit - fit % step;
}

gboolean
shu_cuda_conv (ShuCuda *cuda, const ShuCudaConv *c, void *y, const void *x,
    const void *w, ShuCudaVector b, GError **error)
{
  gint64 x_item = space (c, FALSE) * c->Ci, y_item = space (c, TRUE) * c->Co;
  gint64 step = piece_of (c->B, x_item, y_item);

  if (is_product (c)) {
    ShuCudaGemm g = {
        .M = c->B * space (c, FALSE), .N = c->Co, .K = c->Ci, .act = c->act};

    return shu_cuda_gemm (cuda, &g, y, x, w, b, NULL, error);
  }
  if (step == 0)
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "convolution: items of more than 2^28 elements must be multiples of %d",
        UNIT);
  for (gint64 at = 0; at < c->B && step > 0; at += step) {
    ShuCudaConv part = *c;

    part.B = MIN (step, c->B - at);
    if (!convolve (cuda, &part, (guint16 *) y + at * y_item,
            (const guint16 *) x + at * x_item, w, b, error)) {
      g_autofree char *shapes = describe (&part);

      g_prefix_error (error, "%s: ", shapes);
      return FALSE;
    }
  }
  return step > 0;
}
