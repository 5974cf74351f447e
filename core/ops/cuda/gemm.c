/* SPDX-License-Identifier: MIT */
/* cuBLASLt counts in columns: our row-major y [M,N] is its N x M matrix, so
 * the weights are its A, x is its B, and a bias along N runs down its rows.
 *
 * The algorithm is the first that the heuristic names, without measuring, and
 * sums over parts of K only through f32 parts in the workspace that are added
 * in a fixed order: the same card computes the same bits every time. */
#include "ops/cuda/gemm.h"
#include "ops/cuda/plans.h"
#include "base/error.h"

enum { MAX_ALGOS = 8, MAX_ALIGNMENT = 16 };

static const gsize GEGLU_BYTES = 64 << 20;
static const gint64 GEGLU_ROWS = 256; /* a piece is a multiple of this */

/* Which of the steps the product itself takes. */
typedef struct {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, c, d;
  cublasLtMatmulAlgo_t algo;
  gsize workspace; /* bytes that it needs */
  gboolean has_bias, has_act, has_residual;
} Plan;

/* One call with all that its plan depends on. */
typedef struct {
  const ShuCudaGemm *g;
  void *y;
  const void *x, *w, *b, *residual;
} Call;

static int
code_of (cublasStatus_t status)
{
  switch (status) {
  case CUBLAS_STATUS_ALLOC_FAILED:
    return SHU_ERROR_MEMORY;
  case CUBLAS_STATUS_NOT_SUPPORTED:
  case CUBLAS_STATUS_INVALID_VALUE: /* so some versions say the same */
  case CUBLAS_STATUS_ARCH_MISMATCH:
    return SHU_ERROR_UNSUPPORTED;
  default:
    return SHU_ERROR_INTERNAL;
  }
}

static gboolean
ok (cublasStatus_t status, const char *call, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;

  if (status == CUBLAS_STATUS_SUCCESS)
    return TRUE;
  g_set_error (error, SHU_ERROR, code_of (status),
      "%s: %s; M %" G_GINT64_FORMAT " N %" G_GINT64_FORMAT
      " K %" G_GINT64_FORMAT " ldx %" G_GINT64_FORMAT " ldw %" G_GINT64_FORMAT
      " ldy %" G_GINT64_FORMAT " batch %" G_GINT64_FORMAT
      " w_kn %d y_f32 %d act %d bias %d residual %d",
      call, cublasLtGetStatusString (status), g->M, g->N, g->K, g->ldx, g->ldw,
      g->ldy, g->batch, g->w_kn, g->y_f32, g->act, job->b != NULL,
      job->residual != NULL);
  return FALSE;
}

typedef struct {
  guint32 x, w, y, b, residual;
} Alignments;

/* ---- plans ---- */

static void
plan_free (gpointer data)
{
  Plan *p = data;

  if (p->a)
    cublasLtMatrixLayoutDestroy (p->a);
  if (p->b)
    cublasLtMatrixLayoutDestroy (p->b);
  if (p->c)
    cublasLtMatrixLayoutDestroy (p->c);
  if (p->d)
    cublasLtMatrixLayoutDestroy (p->d);
  if (p->desc)
    cublasLtMatmulDescDestroy (p->desc);
  g_free (p);
}

/* In bytes, of all that lie @step bytes apart from @p on. */
static guint32
alignment (gconstpointer p, gint64 step)
{
  guint32 n = MAX_ALIGNMENT;

  while (((gsize) p | (gsize) step) % n != 0)
    n /= 2;
  return n;
}

/* What both the choice of an algorithm and its key look at. */
static Alignments
alignments (const Call *job)
{
  const ShuCudaGemm *g = job->g;

  return (Alignments){
      .x = alignment (job->x, g->batch > 1 ? 2 * g->x_step : 0),
      .w = alignment (job->w, g->batch > 1 ? 2 * g->w_step : 0),
      .y =
          alignment (job->y, g->batch > 1 ? (g->y_f32 ? 4 : 2) * g->y_step : 0),
      .b = alignment (job->b, 0),
      .residual = alignment (job->residual, 0),
  };
}

static gboolean
layout_new (cublasLtMatrixLayout_t *ret, cudaDataType_t type, gint64 rows,
    gint64 columns, gint64 ld, gint64 step, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;
  gint32 batch = (gint32) g->batch;

  if (!ok (cublasLtMatrixLayoutCreate (
               ret, type, (guint64) rows, (guint64) columns, ld),
          "cublasLtMatrixLayoutCreate", job, error))
    return FALSE;
  return batch == 1 ||
         (ok (cublasLtMatrixLayoutSetAttribute (*ret,
                  CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
              "batch count", job, error) &&
             ok (cublasLtMatrixLayoutSetAttribute (*ret,
                     CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step,
                     sizeof step),
                 "batch step", job, error));
}

static gboolean
set (Plan *p, cublasLtMatmulDescAttributes_t name, const void *value,
    gsize size, const Call *job, GError **error)
{
  return ok (cublasLtMatmulDescSetAttribute (p->desc, name, value, size),
      "cublasLtMatmulDescSetAttribute", job, error);
}

static gboolean
set_bias (Plan *p, const Call *job, GError **error)
{
  return set (
      p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &job->b, sizeof job->b, job, error);
}

/* What the product does after the sum, as the plan's flags say. */
static gboolean
set_epilogue (Plan *p, const Call *job, GError **error)
{
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const cudaDataType_t f16 = CUDA_R_16F;

  if (p->has_act && job->g->act == SHU_ACT_RELU)
    epilogue =
        p->has_bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
  else if (p->has_act && job->g->act == SHU_ACT_GELU_TANH)
    epilogue =
        p->has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  else if (p->has_bias)
    epilogue = CUBLASLT_EPILOGUE_BIAS;
  if (!set (p, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue, job,
          error))
    return FALSE;
  return !p->has_bias || (set (p, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &f16,
                              sizeof f16, job, error) &&
                             set_bias (p, job, error));
}

static gboolean
describe (Plan *p, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;
  cudaDataType_t out = g->y_f32 ? CUDA_R_32F : CUDA_R_16F;
  cublasOperation_t transpose = g->w_kn ? CUBLAS_OP_N : CUBLAS_OP_T;

  return ok (cublasLtMatmulDescCreate (
                 &p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F),
             "cublasLtMatmulDescCreate", job, error) &&
         set (p, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof transpose, job,
             error) &&
         set_epilogue (p, job, error) &&
         layout_new (&p->a, CUDA_R_16F, g->w_kn ? g->N : g->K,
             g->w_kn ? g->K : g->N, g->ldw, g->w_step, job, error) &&
         layout_new (
             &p->b, CUDA_R_16F, g->K, g->M, g->ldx, g->x_step, job, error) &&
         layout_new (&p->c, out, g->N, g->M, g->ldy, g->y_step, job, error) &&
         layout_new (&p->d, out, g->N, g->M, g->ldy, g->y_step, job, error);
}

static gboolean
prefer (cublasLtMatmulPreference_t pref,
    cublasLtMatmulPreferenceAttributes_t name, const void *value, gsize size,
    const Call *job, GError **error)
{
  return ok (cublasLtMatmulPreferenceSetAttribute (pref, name, value, size),
      "cublasLtMatmulPreferenceSetAttribute", job, error);
}

static gboolean
prefer_all (cublasLtMatmulPreference_t pref, const Plan *p, const Call *job,
    GError **error)
{
  const guint64 workspace = SHU_CUDA_WORKSPACE;
  const guint32 schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const Alignments of = alignments (job);
  guint32 a = of.w, b = of.x, c = of.y, d = of.y;

  if (p->has_residual)
    c = of.residual;
  if (p->has_bias) /* read as wide as y is written */
    d = MIN (d, of.b);
  return prefer (pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
             sizeof workspace, job, error) &&
         prefer (pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
             sizeof schemes, job, error) &&
         prefer (pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a, sizeof a,
             job, error) &&
         prefer (pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b, sizeof b,
             job, error) &&
         prefer (pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c, sizeof c,
             job, error) &&
         prefer (pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &d, sizeof d,
             job, error);
}

static gboolean
choose (ShuCuda *cuda, Plan *p, const Call *job, GError **error)
{
  static const char *const call = "cublasLtMatmulAlgoGetHeuristic";
  cublasLtMatmulHeuristicResult_t found[MAX_ALGOS];
  cublasLtMatmulPreference_t pref;
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  gboolean done = FALSE;
  int n = 0;

  if (!ok (cublasLtMatmulPreferenceCreate (&pref),
          "cublasLtMatmulPreferenceCreate", job, error))
    return FALSE;
  if (!prefer_all (pref, p, job, error)) {
    cublasLtMatmulPreferenceDestroy (pref);
    return FALSE;
  }
  status = cublasLtMatmulAlgoGetHeuristic (
      cuda->lt, p->desc, p->a, p->b, p->c, p->d, pref, MAX_ALGOS, found, &n);
  cublasLtMatmulPreferenceDestroy (pref);
  if (!ok (status, call, job, error))
    return FALSE;
  for (int i = 0; i < n && !done; i++)
    if (found[i].state == CUBLAS_STATUS_SUCCESS &&
        found[i].workspaceSize <= SHU_CUDA_WORKSPACE) {
      p->algo = found[i].algo;
      p->workspace = found[i].workspaceSize;
      g_debug ("product of %" G_GINT64_FORMAT " rows, %" G_GINT64_FORMAT
               " to %" G_GINT64_FORMAT " channels: workspace %zu",
          job->g->M, job->g->K, job->g->N, p->workspace);
      done = TRUE;
    }
  return done || ok (CUBLAS_STATUS_NOT_SUPPORTED, call, job, error);
}

/* @fused: with as much as the library offers, or the bare product */
static Plan *
plan_new (ShuCuda *cuda, const Call *job, gboolean fused, GError **error)
{
  Plan *p = g_new0 (Plan, 1);
  ShuAct act = job->g->act;

  if (fused) {
    p->has_bias = job->b != NULL;
    p->has_residual = job->residual != NULL && act == SHU_ACT_NONE;
    p->has_act =
        !job->residual && (act == SHU_ACT_RELU || act == SHU_ACT_GELU_TANH);
  }
  if (describe (p, job, error) && choose (cuda, p, job, error))
    return p;
  plan_free (p);
  return NULL;
}

static Plan *
plan_for (ShuCuda *cuda, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;
  const Alignments of = alignments (job);
  ShuCudaPlanKey key = {
      .kind = SHU_CUDA_PLAN_GEMM,
      .flags = (g->w_kn ? 1 : 0) | (g->y_f32 ? 2 : 0) | (job->b ? 4 : 0) |
               (job->residual ? 8 : 0) | (gint32) g->act << 8,
      .v = {g->M, g->N, g->K, g->ldx, g->ldw, g->ldy, g->batch, g->x_step,
          g->w_step, g->y_step, of.x, of.w, of.y, of.b, of.residual},
  };
  g_autoptr (GError) cause = NULL;
  gpointer p;

  if (shu_cuda_plans_lookup (cuda->plans, &key, &p))
    return p;
  p = plan_new (cuda, job, TRUE, &cause);
  if (!p && shu_cuda_is_unsupported (cause))
    p = plan_new (cuda, job, FALSE, error);
  else if (!p)
    g_propagate_error (error, g_steal_pointer (&cause));
  if (p)
    shu_cuda_plans_insert (cuda->plans, &key, p, plan_free);
  return p;
}

/* ---- our own kernels ---- */

static gboolean
are_aligned (const Call *job)
{
  return shu_cuda_aligned16 (job->y) && shu_cuda_aligned16 (job->x) &&
         shu_cuda_aligned16 (job->w) && shu_cuda_aligned16 (job->b) &&
         shu_cuda_aligned16 (job->residual);
}

/* Whether @job, complete, is without gaps and in the formats that they have */
static gboolean
is_plain (const Call *job, gboolean bias_f32)
{
  const ShuCudaGemm *g = job->g;

  return !g->w_kn && !g->y_f32 && g->batch == 1 && !bias_f32 &&
         g->ldx == g->K && g->ldw == g->K && g->ldy == g->N &&
         are_aligned (job);
}

static gboolean
is_stationary (ShuCuda *cuda, const Call *job, gboolean geglu)
{
  const ShuCudaGemm *g = job->g;

  return g->act == SHU_ACT_NONE &&
         shu_launch_stationary_fits (
             (gsize) g->M, (gsize) g->N, (gsize) g->K, geglu, cuda->sm);
}

static gboolean
is_few (ShuCuda *cuda, const Call *job)
{
  const ShuCudaGemm *g = job->g;

  return shu_launch_product_few_fits ((gsize) g->M, (gsize) g->N, (gsize) g->K,
      (int) g->act, cuda->n_sm, cuda->sm);
}

static gboolean
run_stationary (ShuCuda *cuda, const Call *job, gboolean geglu, gboolean e4m3,
    GError **error)
{
  const ShuCudaGemm *g = job->g;

  return shu_cuda_ok (shu_launch_stationary (job->y, job->x, job->w, job->b,
                          job->residual, (gsize) g->M, (gsize) g->N,
                          (gsize) g->K, geglu, e4m3, cuda->n_sm, cuda->stream),
      "product", error);
}

static gboolean
run_few (ShuCuda *cuda, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;

  return shu_cuda_ok (shu_launch_product_few (job->y, job->x, job->w, job->b,
                          job->residual, (gsize) g->M, (gsize) g->N,
                          (gsize) g->K, (int) g->act, cuda->n_sm, cuda->stream),
      "product of few rows", error);
}

/* ---- products ---- */

static gboolean
expect (ShuCuda *cuda, const Call *job, GError **error)
{
  const ShuCudaGemm *g = job->g;
  gint64 elem = g->y_f32 ? 4 : 2;

  if (job->y == job->residual) /* is there already */
    return TRUE;
  for (gint64 i = 0; i < g->batch; i++)
    if (!shu_cuda_expect (cuda, (char *) job->y + i * g->y_step * elem, g->M,
            g->N * elem, g->ldy * elem, error))
      return FALSE;
  return TRUE;
}

static gboolean
multiply (ShuCuda *cuda, Plan *p, const Call *job, GError **error)
{
  SHU_SCOPE (cuda->c);
  const float one = 1, beta = p->has_residual ? 1 : 0;
  gpointer workspace;

  return shu_cuda_workspace (cuda, p->workspace, &workspace, error) &&
         (!p->has_bias || set_bias (p, job, error)) &&
         expect (cuda, job, error) &&
         ok (cublasLtMatmul (cuda->lt, p->desc, &one, job->w, p->a, job->x,
                 p->b, &beta, p->has_residual ? job->residual : job->y, p->c,
                 job->y, p->d, &p->algo, workspace, p->workspace, cuda->stream),
             "cublasLtMatmul", job, error);
}

gboolean
shu_cuda_gemm (ShuCuda *cuda, const ShuCudaGemm *gemm, void *y, const void *x,
    const void *w, ShuCudaVector b, const void *residual, GError **error)
{
  ShuCudaGemm g = *gemm;
  Call job = {&g, y, x, w, b.is_f32 ? NULL : b.data, residual};
  ShuCudaVector rest = {NULL, 0};
  gboolean bare = !b.data && !residual && g.act == SHU_ACT_NONE;
  Plan *p;

  g.ldx = g.ldx ? g.ldx : g.K;
  g.ldw = g.ldw ? g.ldw : g.w_kn ? g.N : g.K;
  g.ldy = g.ldy ? g.ldy : g.N;
  g.batch = MAX (g.batch, 1);
  g_assert (bare || (g.batch == 1 && !g.y_f32));
  if (is_plain (&job, b.is_f32)) {
    if (is_stationary (cuda, &job, FALSE))
      return run_stationary (cuda, &job, FALSE, FALSE, error);
    if (is_few (cuda, &job))
      return run_few (cuda, &job, error);
  }
  p = plan_for (cuda, &job, error);
  if (!p || !multiply (cuda, p, &job, error))
    return FALSE;
  if (b.data && !p->has_bias)
    rest = b;
  if (p->has_act)
    g.act = SHU_ACT_NONE;
  if (p->has_residual)
    residual = NULL;
  if (!rest.data && !residual && g.act == SHU_ACT_NONE)
    return TRUE;
  g_assert (g.ldy == g.N);
  return shu_cuda_ok (shu_launch_bias_act (y, y, rest, residual, (gsize) g.M,
                          (gsize) g.N, (int) g.act, cuda->stream),
      "gemm: bias_act", error);
}

/* ---- GEGLU ---- */

/* Rows of a piece: pieces of equal size that fit GEGLU_BYTES. */
static gint64
geglu_rows (gint64 M, gint64 C)
{
  gint64 fit = MAX ((gint64) GEGLU_BYTES / (4 * C), GEGLU_ROWS);
  gint64 n = (M + fit - 1) / fit;
  gint64 rows = (M + n - 1) / n;

  rows = (rows + GEGLU_ROWS - 1) / GEGLU_ROWS * GEGLU_ROWS;
  return MIN (rows, M);
}

gsize
shu_cuda_gemm_geglu_scratch (gint64 M, gint64 C)
{
  return (gsize) (geglu_rows (M, C) * 4 * C);
}

gboolean
shu_cuda_gemm_geglu (ShuCuda *cuda, gint64 M, gint64 C, gint64 K, void *y,
    gboolean e4m3, const void *x, const void *w, ShuCudaVector b, void *scratch,
    GError **error)
{
  const ShuCudaVector none = {NULL, 0};
  gint64 rows = geglu_rows (M, C);

  const ShuCudaGemm whole = {.M = M, .N = C, .K = K};
  const Call job = {&whole, y, x, w, b.data, NULL};

  if (!b.is_f32 && are_aligned (&job) && is_stationary (cuda, &job, TRUE))
    return run_stationary (cuda, &job, TRUE, e4m3, error);
  if (e4m3) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "geglu: no kernel for this that leaves FP8");
    return FALSE;
  }
  for (gint64 at = 0; at < M; at += rows) {
    ShuCudaGemm g = {.M = MIN (rows, M - at), .N = 2 * C, .K = K};

    if (!shu_cuda_gemm (cuda, &g, scratch, (const guint16 *) x + at * K, w, b,
            NULL, error) ||
        !shu_cuda_ok (shu_launch_geglu ((guint16 *) y + at * C, scratch, none,
                          (gsize) g.M, (gsize) C, cuda->stream),
            "gemm: geglu", error))
      return FALSE;
  }
  return TRUE;
}
