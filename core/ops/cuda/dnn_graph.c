/* SPDX-License-Identifier: MIT */
/* See dnn_graph.h. */
#include "ops/cuda/dnn_graph.h"
#include "base/error.h"
#include "ops/cuda/plans.h"
#include <stdbool.h>

/* What cuDNN asks of pointers before it uses its wide loads. */
static const gint64 ALIGNMENT = 16;

struct _ShuCudnnGraph {
  GPtrArray *owned; /* descriptors, in order of creation */
  cudnnBackendDescriptor_t ops[SHU_CUDNN_MAX_OPS];
  int n_ops;
  GError *error;
};

/* Keeps all that it was made from. */
struct _ShuCudnnPlan {
  ShuCudnnGraph *graph;
  cudnnBackendDescriptor_t config;
  cudnnBackendDescriptor_t plan;
  gsize workspace;
  char *description;
};

/* ---- errors ---- */

/* What would be the same another time is "unsupported", a description that
 * makes no sense to an engine included; families are of a thousand. */
static int
code_of (cudnnStatus_t status)
{
  if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
      status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
    return SHU_ERROR_MEMORY;
  return status / 1000 == CUDNN_STATUS_EXECUTION_FAILED / 1000
             ? SHU_ERROR_INTERNAL
             : SHU_ERROR_UNSUPPORTED;
}

/* FALSE, with @error set unless it is already, where @status says so. */
static gboolean
check (cudnnStatus_t status, GError **error, const char *call, const char *what)
{
  char message[1024] = "";

  if (status == CUDNN_STATUS_SUCCESS)
    return TRUE;
  cudnnGetLastErrorString (message, sizeof message);
  if (error && !*error)
    g_set_error (error, SHU_ERROR, code_of (status), "%s (%s): %s %s", call,
        what, cudnnGetErrorString (status), message);
  return FALSE;
}

/* ---- describing ---- */

static void
descriptor_free (gpointer d)
{
  cudnnBackendDestroyDescriptor (d);
}

ShuCudnnGraph *
shu_cudnn_graph_new (void)
{
  ShuCudnnGraph *g = g_new0 (ShuCudnnGraph, 1);

  g->owned = g_ptr_array_new ();
  return g;
}

void
shu_cudnn_graph_free (ShuCudnnGraph *g)
{
  if (!g)
    return;
  for (guint i = g->owned->len; i > 0; i--)
    descriptor_free (g->owned->pdata[i - 1]);
  g_ptr_array_unref (g->owned);
  g_clear_error (&g->error);
  g_free (g);
}

cudnnBackendDescriptor_t
shu_cudnn_create (
    ShuCudnnGraph *g, cudnnBackendDescriptorType_t type, const char *what)
{
  cudnnBackendDescriptor_t d = NULL;

  if (g->error || !check (cudnnBackendCreateDescriptor (type, &d), &g->error,
                      "cudnnBackendCreateDescriptor", what))
    return NULL;
  g_ptr_array_add (g->owned, d);
  return d;
}

void
shu_cudnn_set (ShuCudnnGraph *g, cudnnBackendDescriptor_t d,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 n, const void *values)
{
  char what[32];

  if (g->error)
    return;
  g_snprintf (what, sizeof what, "attribute %d", (int) name);
  check (cudnnBackendSetAttribute (d, name, type, n, values), &g->error,
      "cudnnBackendSetAttribute", what);
}

void
shu_cudnn_set_descriptor (ShuCudnnGraph *g, cudnnBackendDescriptor_t d,
    cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value)
{
  shu_cudnn_set (g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void
shu_cudnn_finalize (
    ShuCudnnGraph *g, cudnnBackendDescriptor_t d, const char *what)
{
  if (!g->error)
    check (cudnnBackendFinalize (d), &g->error, "cudnnBackendFinalize", what);
}

cudnnBackendDescriptor_t
shu_cudnn_tensor (ShuCudnnGraph *g, const ShuCudnnTensor *t)
{
  static const char *const what = "tensor";
  cudnnBackendDescriptor_t d =
      shu_cudnn_create (g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, what);
  const bool yes = true;

  shu_cudnn_set (
      g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &t->type);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, t->n_dims, t->dims);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, t->n_dims, t->strides);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &t->uid);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &ALIGNMENT);
  if (t->flags & SHU_CUDNN_VIRTUAL)
    shu_cudnn_set (
        g, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
  if (t->flags & SHU_CUDNN_BY_VALUE)
    shu_cudnn_set (
        g, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
  shu_cudnn_finalize (g, d, what);
  return d;
}

void
shu_cudnn_add (ShuCudnnGraph *g, cudnnBackendDescriptor_t op, const char *what)
{
  g_assert (g->n_ops < SHU_CUDNN_MAX_OPS);
  shu_cudnn_finalize (g, op, what);
  g->ops[g->n_ops++] = op;
}

void
shu_cudnn_add_pointwise (ShuCudnnGraph *g, cudnnPointwiseMode_t mode,
    cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t b,
    cudnnBackendDescriptor_t y)
{
  static const char *const what = "pointwise";
  const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
  cudnnBackendDescriptor_t d, op;

  d = shu_cudnn_create (g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  shu_cudnn_set (
      g, d, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &f32);
  shu_cudnn_finalize (g, d, what);

  op = shu_cudnn_create (g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
  shu_cudnn_set_descriptor (
      g, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, d);
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b)
    shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  shu_cudnn_set_descriptor (g, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  shu_cudnn_add (g, op, what);
}

/* ---- engines ---- */

static gboolean
create (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *ret,
    GError **error)
{
  return check (cudnnBackendCreateDescriptor (type, ret), error,
      "cudnnBackendCreateDescriptor", "plan");
}

static gboolean
read_int64 (cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
    gint64 *ret, GError **error)
{
  int64_t n = 0, value = 0;

  if (!check (
          cudnnBackendGetAttribute (d, name, CUDNN_TYPE_INT64, 1, &n, &value),
          error, "cudnnBackendGetAttribute", "number"))
    return FALSE;
  *ret = value;
  return TRUE;
}

static void
drop_from (GPtrArray *descriptors, guint n)
{
  for (guint i = n; i < descriptors->len; i++)
    descriptor_free (descriptors->pdata[i]);
  g_ptr_array_set_size (descriptors, (gint) n);
}

/* What the heuristic proposes, best first; empty after a failure. */
static GPtrArray *
propose (cudnnBackendDescriptor_t op_graph, cudnnBackendHeurMode_t mode,
    GError **error)
{
  static const char *const what = "heuristic";
  GPtrArray *ret = g_ptr_array_new ();
  cudnnBackendDescriptor_t heur, config;
  int64_t n = 0;
  gboolean ok;

  if (!create (CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heur, error))
    return ret;
  ok = check (cudnnBackendSetAttribute (heur,
                  CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &op_graph),
           error, "cudnnBackendSetAttribute", what) &&
       check (cudnnBackendSetAttribute (heur, CUDNN_ATTR_ENGINEHEUR_MODE,
                  CUDNN_TYPE_HEUR_MODE, 1, &mode),
           error, "cudnnBackendSetAttribute", what) &&
       check (
           cudnnBackendFinalize (heur), error, "cudnnBackendFinalize", what) &&
       check (cudnnBackendGetAttribute (heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n, NULL),
           error, "cudnnBackendGetAttribute", what);
  for (int64_t i = 0; ok && i < n; i++) {
    ok = create (CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config, error);
    if (ok)
      g_ptr_array_add (ret, config);
  }
  if (ok && n > 0)
    ok = check (cudnnBackendGetAttribute (heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                    CUDNN_TYPE_BACKEND_DESCRIPTOR, n, &n, ret->pdata),
        error, "cudnnBackendGetAttribute", what);
  drop_from (ret, ok ? (guint) MIN (n, (int64_t) ret->len) : 0);
  descriptor_free (heur);
  return ret;
}

/* Why an engine will not do, or NULL; and what is known of it. */
static const char *
unwanted (cudnnBackendDescriptor_t config, GString *describe, GError **error)
{
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  cudnnBackendDescriptor_t engine;
  const char *why = NULL;
  int64_t n = 0;
  gint64 index = -1;

  if (!create (CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine, error))
    return "no descriptor";
  if (!check (cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_ENGINE,
                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine),
          error, "cudnnBackendGetAttribute", "engine") ||
      !read_int64 (engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &index, error) ||
      !check (
          cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
              CUDNN_TYPE_NUMERICAL_NOTE, G_N_ELEMENTS (notes), &n, notes),
          error, "cudnnBackendGetAttribute", "numerical notes")) {
    why = "cannot be read";
    n = 0;
  }
  g_string_append_printf (
      describe, "engine %" G_GINT64_FORMAT ", notes", index);
  for (int64_t i = 0; i < MIN (n, (int64_t) G_N_ELEMENTS (notes)); i++) {
    g_string_append_printf (describe, " %d", (int) notes[i]);
    switch (notes[i]) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      why = "not deterministic";
      break;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      why = "sums in less than f32";
      break;
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
      why = "transforms in f16";
      break;
    default:
      break;
    }
  }
  descriptor_free (engine);
  return why;
}

/* ---- plans ---- */

/* The plan of @config where it may be used; NULL, with the reason appended to
 * @reasons, where not, and with @ret_error where that may pass. */
static cudnnBackendDescriptor_t
try_config (cudnnBackendDescriptor_t config, cudnnHandle_t dnn, gsize limit,
    gsize *ret_workspace, GString *describe, GString *reasons,
    GError **ret_error)
{
  static const char *const call = "execution plan";
  g_autoptr (GError) error = NULL;
  cudnnBackendDescriptor_t plan = NULL;
  gint64 workspace = 0;
  const char *why;

  g_string_truncate (describe, 0);
  why = unwanted (config, describe, &error);
  if (!why && create (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan, &error) &&
      (!dnn || check (cudnnBackendSetAttribute (plan,
                          CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
                          1, &dnn),
                   &error, "cudnnBackendSetAttribute", call)) &&
      check (cudnnBackendSetAttribute (plan,
                 CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config),
          &error, "cudnnBackendSetAttribute", call) &&
      check (
          cudnnBackendFinalize (plan), &error, "cudnnBackendFinalize", call) &&
      read_int64 (
          plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, &workspace, &error)) {
    g_string_append_printf (
        describe, ", workspace %" G_GINT64_FORMAT, workspace);
    if (workspace >= 0 && (guint64) workspace <= limit) {
      *ret_workspace = (gsize) workspace;
      return plan;
    }
    why = "needs too much workspace";
  }
  g_string_append_printf (
      reasons, "; %s: %s", describe->str, error ? error->message : why);
  if (plan)
    descriptor_free (plan);
  if (error && !shu_cuda_is_unsupported (error))
    g_propagate_error (ret_error, g_steal_pointer (&error));
  return NULL;
}

/* The first of the first @n of @configs that may be used, which it takes.  A
 * failure that may pass ends it: with a lesser engine the results would depend
 * on luck. */
static ShuCudnnPlan *
choose_of (GPtrArray *configs, guint n, cudnnHandle_t dnn, gsize limit,
    GString *reasons, GError **error)
{
  g_autoptr (GString) describe = g_string_new (NULL);
  ShuCudnnPlan *ret = NULL;

  for (guint i = 0; i < MIN (n, configs->len) && !ret && !*error; i++) {
    gsize workspace = 0;
    cudnnBackendDescriptor_t plan = try_config (
        configs->pdata[i], dnn, limit, &workspace, describe, reasons, error);

    if (!plan)
      continue;
    ret = g_new0 (ShuCudnnPlan, 1);
    ret->config = g_ptr_array_remove_index (configs, i);
    ret->plan = plan;
    ret->workspace = workspace;
    ret->description = g_strdup (describe->str);
  }
  return ret;
}

/* Takes @configs.  What adds parts of sums through the workspace is as fast as
 * others alone, but slower by half within a network, so that one of the first
 * that does without goes before it. */
static ShuCudnnPlan *
choose (GPtrArray *configs, cudnnHandle_t dnn, gsize limit, GString *reasons,
    GError **error)
{
  enum { FIRST = 4, SMALL = 64 << 10 };

  ShuCudnnPlan *ret = choose_of (
      configs, FIRST, dnn, MIN (limit, (gsize) SMALL), reasons, error);

  if (!ret && !*error)
    ret = choose_of (configs, configs->len, dnn, limit, reasons, error);
  drop_from (configs, 0);
  g_ptr_array_unref (configs);
  return ret;
}

ShuCudnnPlan *
shu_cudnn_plan_new (
    ShuCudnnGraph *g, cudnnHandle_t dnn, gsize workspace, GError **error)
{
  static const cudnnBackendHeurMode_t modes[] = {
      CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  g_autoptr (ShuCudnnGraph) graph = g;
  g_autoptr (GString) reasons = g_string_new (NULL);
  cudnnBackendDescriptor_t op_graph =
      shu_cudnn_create (g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "graph");

  shu_cudnn_set (g, op_graph, CUDNN_ATTR_OPERATIONGRAPH_OPS,
      CUDNN_TYPE_BACKEND_DESCRIPTOR, g->n_ops, g->ops);
  if (dnn)
    shu_cudnn_set (g, op_graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE,
        CUDNN_TYPE_HANDLE, 1, &dnn);
  shu_cudnn_finalize (g, op_graph, "graph");
  if (g->error) {
    g_propagate_error (error, g_steal_pointer (&g->error));
    return NULL;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++) {
    g_autoptr (GError) failure = NULL;
    GPtrArray *configs = propose (op_graph, modes[i], &failure);
    g_autoptr (GError) passing = NULL;
    ShuCudnnPlan *plan = choose (configs, dnn, workspace, reasons, &passing);

    if (plan) {
      plan->graph = g_steal_pointer (&graph);
      return plan;
    }
    if (failure && !passing && !shu_cuda_is_unsupported (failure))
      passing = g_error_copy (failure);
    if (passing) {
      g_propagate_error (error, g_steal_pointer (&passing));
      return NULL;
    }
    if (failure)
      g_string_append_printf (reasons, "; %s", failure->message);
  }
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "no engine of cuDNN %zu can be used%s", cudnnGetVersion (), reasons->str);
  return NULL;
}

void
shu_cudnn_plan_free (ShuCudnnPlan *plan)
{
  if (!plan)
    return;
  descriptor_free (plan->plan);
  descriptor_free (plan->config);
  shu_cudnn_graph_free (plan->graph);
  g_free (plan->description);
  g_free (plan);
}

const char *
shu_cudnn_plan_describe (const ShuCudnnPlan *plan)
{
  return plan->description;
}

gboolean
shu_cudnn_plan_run (ShuCudnnPlan *plan, ShuCuda *cuda, int n,
    const gint64 *uids, void *const *data, GError **error)
{
  SHU_SCOPE (cuda->c);
  cudnnBackendDescriptor_t pack;
  gpointer workspace;
  gboolean ok;

  if (!shu_cuda_workspace (cuda, plan->workspace, &workspace, error) ||
      !create (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack, error))
    return FALSE;
  ok =
      check (cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                 CUDNN_TYPE_INT64, n, uids),
          error, "cudnnBackendSetAttribute", "uids") &&
      check (
          cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
              CUDNN_TYPE_VOID_PTR, n, data),
          error, "cudnnBackendSetAttribute", "pointers") &&
      check (cudnnBackendSetAttribute (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                 CUDNN_TYPE_VOID_PTR, 1, &workspace),
          error, "cudnnBackendSetAttribute", "workspace") &&
      check (cudnnBackendFinalize (pack), error, "cudnnBackendFinalize",
          "variant pack") &&
      check (cudnnBackendExecute (cuda->dnn, plan->plan, pack), error,
          "cudnnBackendExecute", plan->description);
  descriptor_free (pack);
  return ok;
}
