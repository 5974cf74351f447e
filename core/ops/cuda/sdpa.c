/* SPDX-License-Identifier: MIT */
/* See sdpa.h. */
#include "ops/cuda/sdpa.h"
#include "ops/cuda/dnn_graph.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/plans.h"
#include "base/error.h"
#include "tensor/libs_cuda.h"
#include <math.h>

enum { UID_Q = 1, UID_K, UID_V, UID_Y, UID_SCALE };

enum { MAX_HEAD = 256, UNIT = 8 };

/* Scores f32 and weights f16 of a piece */
static const gint64 PIECE_BYTES = 96 << 20;

static ShuCudaSdpa
complete (const ShuCudaSdpa *sdpa)
{
  ShuCudaSdpa s = *sdpa;
  gint64 C = (gint64) s.NH * s.HD;

  s.ldq = s.ldq ? s.ldq : C;
  s.ldk = s.ldk ? s.ldk : C;
  s.ldv = s.ldv ? s.ldv : C;
  return s;
}

/* ---- cuDNN ---- */

static cudnnBackendDescriptor_t
tokens (ShuCudnnGraph *g, gint64 uid, const ShuCudaSdpa *s, gint64 T, gint64 ld)
{
  return shu_cudnn_tensor (g, &(ShuCudnnTensor){.uid = uid,
                                  .type = CUDNN_DATA_HALF,
                                  .n_dims = 4,
                                  .dims = {s->B, s->NH, T, s->HD},
                                  .strides = {T * ld, s->HD, ld, 1}});
}

static ShuCudnnGraph *
graph_new (const ShuCudaSdpa *s)
{
  static const char *const what = "attention";
  ShuCudnnGraph *g = shu_cudnn_graph_new ();
  const ShuCudnnTensor scale = {.uid = UID_SCALE,
      .type = CUDNN_DATA_FLOAT,
      .n_dims = 4,
      .dims = {1, 1, 1, 1},
      .strides = {1, 1, 1, 1},
      .flags = SHU_CUDNN_BY_VALUE};
  cudnnBackendDescriptor_t op =
      shu_cudnn_create (g, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, what);

  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC,
      tokens (g, UID_Q, s, s->Tq, s->ldq));
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
      tokens (g, UID_K, s, s->Tk, s->ldk));
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC,
      tokens (g, UID_V, s, s->Tk, s->ldv));
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC,
      tokens (g, UID_Y, s, s->Tq, (gint64) s->NH * s->HD));
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
      shu_cudnn_tensor (g, &scale));
  shu_cudnn_add (g, op, what);
  return g;
}

/* The kernel copies tiles of 16 byte units. */
static gboolean
fits_kernel (const ShuCudaSdpa *s)
{
  return s->HD % UNIT == 0 && s->HD <= MAX_HEAD && s->ldq % UNIT == 0 &&
         s->ldk % UNIT == 0 && s->ldv % UNIT == 0 &&
         shu_cuda_aligned16 (s->q) && shu_cuda_aligned16 (s->k) &&
         shu_cuda_aligned16 (s->v) && shu_cuda_aligned16 (s->y);
}

static void
plan_free (gpointer plan)
{
  shu_cudnn_plan_free (plan);
}

/* @ret_plan: NULL where cuDNN will not do */
static gboolean
plan_for (ShuCuda *cuda, const ShuCudaSdpa *s, ShuCudnnPlan **ret_plan,
    GError **error)
{
  ShuCudaPlanKey key = {
      .kind = SHU_CUDA_PLAN_SDPA,
      .v = {s->B, s->Tq, s->Tk, s->NH, s->HD, s->ldq, s->ldk, s->ldv},
  };
  g_autoptr (GError) cause = NULL;
  gpointer p = NULL;

  *ret_plan = NULL;
  if (!fits_kernel (s))
    return TRUE;
  if (!shu_cuda_plans_lookup (cuda->plans, &key, &p)) {
    shu_cuda_libs_want_attention ();
    p = shu_cudnn_plan_new (
        graph_new (s), cuda->dnn, SHU_CUDA_WORKSPACE, &cause);
    g_debug ("attention of [%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
             ",%d,%d] to %" G_GINT64_FORMAT " keys: %s",
        s->B, s->Tq, s->NH, s->HD, s->Tk,
        p ? shu_cudnn_plan_describe (p) : cause->message);
    if (!p && !shu_cuda_is_unsupported (cause)) {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
    shu_cuda_plans_insert (cuda->plans, &key, p, plan_free);
  }
  *ret_plan = p;
  return TRUE;
}

static gboolean
run_kernel (
    ShuCuda *cuda, ShuCudnnPlan *plan, const ShuCudaSdpa *s, GError **error)
{
  const gint64 uids[] = {UID_Q, UID_K, UID_V, UID_Y, UID_SCALE};
  float scale = 1.f / sqrtf ((float) s->HD);
  void *data[] = {(void *) s->q, (void *) s->k, (void *) s->v, s->y, &scale};
  gint64 row = 2 * (gint64) s->NH * s->HD;

  return shu_cuda_expect (cuda, s->y, s->B * s->Tq, row, row, error) &&
         shu_cudnn_plan_run (
             plan, cuda, G_N_ELEMENTS (uids), uids, data, error);
}

/* ---- our own kernels ---- */

typedef cudaError_t (*Launch) (
    const ShuCudaHeads *h, int n_sm, cudaStream_t stream);

static ShuCudaHeads
heads_of (const ShuCudaSdpa *s)
{
  return (ShuCudaHeads){.y = s->y,
      .q = s->q,
      .k = s->k,
      .v = s->v,
      .ldq = (gsize) s->ldq,
      .ldk = (gsize) s->ldk,
      .ldv = (gsize) s->ldv,
      .B = (gsize) s->B,
      .Tq = (gsize) s->Tq,
      .Tk = (gsize) s->Tk,
      .NH = (gsize) s->NH,
      .HD = (gsize) s->HD};
}

/* NULL: there is none */
static Launch
launch_of (ShuCuda *cuda, const ShuCudaSdpa *s)
{
  ShuCudaHeads h = heads_of (s);

  if (!fits_kernel (s))
    return NULL;
  if (shu_launch_attention_many_fits (&h, cuda->sm))
    return shu_launch_attention_many;
  if (shu_launch_attention_whole_fits (&h, cuda->sm))
    return shu_launch_attention_whole;
  if (shu_launch_attention_short_fits (&h, (gsize) cuda->room))
    return shu_launch_attention_short;
  return NULL;
}

/* ---- through memory ---- */

/* A piece is some heads of one sequence and some of its queries. */
typedef struct {
  gint64 Tkp; /* keys, rounded up so that rows of scores are aligned */
  gint64 heads, rows;
  gsize scores_bytes, bytes;
} Pieces;

static Pieces
pieces_of (const ShuCudaSdpa *s)
{
  Pieces p = {.Tkp = (s->Tk + UNIT - 1) / UNIT * UNIT};
  gint64 fit = MAX (PIECE_BYTES / (6 * p.Tkp), 1); /* rows of all heads */
  gint64 scores;

  p.rows = MIN (s->Tq, fit);
  p.heads = CLAMP (fit / p.rows, 1, s->NH);
  scores = p.heads * p.rows * p.Tkp;
  p.scores_bytes = (gsize) scores * sizeof (float);
  p.bytes = p.scores_bytes + (gsize) scores * sizeof (guint16);
  return p;
}

/* @head, @row: the piece's first of @heads and @rows in sequence @b */
static gboolean
run_piece (ShuCuda *cuda, const ShuCudaSdpa *s, const Pieces *p, gint64 b,
    gint64 head, gint64 heads, gint64 row, gint64 rows, void *scratch,
    GError **error)
{
  const ShuCudaVector none = {NULL, 0};
  gint64 HD = s->HD, C = s->NH * HD, at = head * HD;
  const guint16 *q = (const guint16 *) s->q + (b * s->Tq + row) * s->ldq + at;
  const guint16 *k = (const guint16 *) s->k + b * s->Tk * s->ldk + at;
  const guint16 *v = (const guint16 *) s->v + b * s->Tk * s->ldv + at;
  guint16 *y = (guint16 *) s->y + (b * s->Tq + row) * C + at;
  float *scores = scratch;
  guint16 *weights = (guint16 *) ((char *) scratch + p->scores_bytes);
  ShuCudaGemm qk = {.M = rows,
      .N = s->Tk,
      .K = HD,
      .ldx = s->ldq,
      .ldw = s->ldk,
      .ldy = p->Tkp,
      .y_f32 = TRUE,
      .batch = heads,
      .x_step = HD,
      .w_step = HD,
      .y_step = rows * p->Tkp};
  ShuCudaGemm wv = {.M = rows,
      .N = HD,
      .K = s->Tk,
      .ldx = p->Tkp,
      .ldw = s->ldv,
      .ldy = C,
      .w_kn = TRUE,
      .batch = heads,
      .x_step = rows * p->Tkp,
      .w_step = HD,
      .y_step = HD};

  return shu_cuda_gemm (cuda, &qk, scores, q, k, none, NULL, error) &&
         shu_cuda_ok (shu_launch_softmax (weights, (gsize) p->Tkp, scores,
                          (gsize) p->Tkp, (gsize) (heads * rows), (gsize) s->Tk,
                          1.f / sqrtf ((float) HD), cuda->stream),
             "softmax", error) &&
         shu_cuda_gemm (cuda, &wv, y, weights, v, none, NULL, error);
}

static gboolean
run_pieces (ShuCuda *cuda, const ShuCudaSdpa *s, void *scratch, GError **error)
{
  Pieces p = pieces_of (s);

  for (gint64 b = 0; b < s->B; b++)
    for (gint64 head = 0; head < s->NH; head += p.heads)
      for (gint64 row = 0; row < s->Tq; row += p.rows)
        if (!run_piece (cuda, s, &p, b, head, MIN (p.heads, s->NH - head), row,
                MIN (p.rows, s->Tq - row), scratch, error))
          return FALSE;
  return TRUE;
}

/* ---- either ---- */

gsize
shu_cuda_sdpa_scratch (ShuCuda *cuda, const ShuCudaSdpa *sdpa)
{
  ShuCudaSdpa s = complete (sdpa);
  ShuCudnnPlan *plan = NULL;

  if (launch_of (cuda, &s) || (plan_for (cuda, &s, &plan, NULL) && plan))
    return 0;
  return pieces_of (&s).bytes;
}

gsize
shu_cuda_sdpa_scratch_guess (const ShuCudaSdpa *sdpa)
{
  ShuCudaSdpa s = complete (sdpa);

  return s.HD % 8 == 0 && s.HD <= MAX_HEAD ? 0 : pieces_of (&s).bytes;
}

static gboolean
run (ShuCuda *cuda, const ShuCudaSdpa *s, void *scratch, GError **error)
{
  Launch launch = launch_of (cuda, s);
  ShuCudaHeads h = heads_of (s);
  ShuCudnnPlan *plan = NULL;

  if (launch)
    return shu_cuda_ok (
        launch (&h, cuda->n_sm, cuda->stream), "own kernel", error);
  if (!plan_for (cuda, s, &plan, error))
    return FALSE;
  return plan ? run_kernel (cuda, plan, s, error)
              : run_pieces (cuda, s, scratch, error);
}

gboolean
shu_cuda_sdpa (
    ShuCuda *cuda, const ShuCudaSdpa *sdpa, void *scratch, GError **error)
{
  ShuCudaSdpa s = complete (sdpa);

  if (run (cuda, &s, scratch, error))
    return TRUE;
  g_prefix_error (error,
      "attention: q [%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT
      ",%d,%d], %" G_GINT64_FORMAT " keys, steps %" G_GINT64_FORMAT
      " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ": ",
      s.B, s.Tq, s.NH, s.HD, s.Tk, s.ldq, s.ldk, s.ldv);
  return FALSE;
}
