/* SPDX-License-Identifier: MIT */
/* Runners for the sparse modules and the networks of Stage 2.
 *
 * The files hold batches of objects; our networks take one object at a time,
 * so a runner goes through the objects and puts the results one below the
 * other, tapped ones too. */
#include "golden.h"
#include "golden_stage2.h"
#include "models/gs_decoder.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "nn/sparse_attention.h"
#include "nn/sparse_conv.h"
#include "nn/sparse_index.h"
#include <math.h>
#include <string.h>

/* ---- objects of a batch ---- */

enum { MAX_OBJECTS = 16 };

/* Rows start[b]..start[b+1] of coords [n,4] belong to object b. */
typedef struct {
  gint32 *coords;
  int n;
  int B;
  int start[MAX_OBJECTS + 1];
} Batch;

static void
batch_clear (Batch *b)
{
  g_clear_pointer (&b->coords, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

gint32 *
golden_ints (GoldenCase *t, const char *name, gsize *ret_n)
{
  g_autofree double *values = golden_values (t, name, ret_n);
  gint32 *ints = g_new0 (gint32, MAX (*ret_n, 1));

  for (gsize i = 0; i < *ret_n; i++)
    ints[i] = (gint32) values[i];
  return ints;
}

static Batch
get_batch (GoldenCase *t, const char *name)
{
  gsize n;
  Batch b = {.coords = golden_ints (t, name, &n)};

  b.n = n / 4;
  for (int i = 0; i < b.n; i++)
    if ((i == 0 || b.coords[4 * i] != b.coords[4 * i - 4]) && b.B < MAX_OBJECTS)
      b.start[b.B++] = i;
  b.start[b.B] = b.n;
  return b;
}

static ShuVoxels
object (const Batch *b, int i)
{
  return (ShuVoxels){.n = b->start[i + 1] - b->start[i],
      .stride = 4,
      .coords = b->coords + 4 * (gsize) b->start[i]};
}

static ShuTensor *
object_rows (ShuCtx *c, const Batch *b, int i, ShuTensor *x)
{
  return shu_slice (c, x, 0, b->start[i], b->start[i + 1] - b->start[i]);
}

/* ---- taps of all objects together ---- */

static GHashTable *collected; /* name -> GPtrArray of ShuTensor */

static gboolean
collect_tap (GoldenCase *t, const char *name, ShuTensor *value)
{
  GPtrArray *parts = g_hash_table_lookup (collected, name);
  g_autofree char *mid = g_strconcat ("mid.", name, NULL);
  gint64 dims[SHU_MAX_DIMS];
  int n_dims = golden_dims (t, mid, dims);

  if (n_dims == 0)
    return TRUE;
  if (value->n_dims == n_dims + 1 && value->dims[0] == 1)
    value = shu_reshape (t->ctx, value, n_dims, value->dims + 1);
  if (!parts) {
    parts = g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
    g_hash_table_insert (collected, g_strdup (name), parts);
  }
  g_ptr_array_add (parts, shu_tensor_ref (value));
  return TRUE;
}

static void
collect_begin (GoldenCase *t)
{
  collected = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  t->tap = collect_tap;
}

static void
collect_end (GoldenCase *t)
{
  GHashTableIter iter;
  gpointer name, value;

  t->tap = NULL;
  g_hash_table_iter_init (&iter, collected);
  while (g_hash_table_iter_next (&iter, &name, &value)) {
    GPtrArray *parts = value;
    g_autofree char *mid = g_strconcat ("mid.", name, NULL);

    golden_expect (t, mid,
        shu_concat (
            t->ctx, 0, (int) parts->len, (ShuTensor *const *) parts->pdata));
  }
  g_clear_pointer (&collected, g_hash_table_unref);
}

/* ---- sparse modules ---- */

static ShuTensor *
int_rows (ShuCtx *c, const gint32 *data, gint64 n, gint64 width)
{
  gint64 dims[] = {n, width};

  return shu_from_host (c, SHU_DTYPE_I32, width > 1 ? 2 : 1, dims, data);
}

static void
run_downsample (GoldenCase *t)
{
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuVoxels all = {.n = b.n, .stride = 4, .coords = b.coords};
  int factor = shu_config_int (t->config, "factor", 1, 64, -1);
  g_autofree gint32 *coarse = g_new (gint32, 4 * (gsize) b.n);
  g_autofree gint32 *index = g_new (gint32, b.n);
  g_autofree gint32 *count = g_new0 (gint32, b.n);
  int M = shu_voxels_downsample (&all, factor, coarse, index);
  ShuTensor *idx = int_rows (t->ctx, index, b.n, 1);

  for (int i = 0; i < b.n; i++)
    count[index[i]]++;
  golden_expect_exact (t, "mid.idx", index, b.n);
  golden_expect_exact (t, "mid.count", count, M);
  golden_expect_exact (t, "out.down_coords", coarse, 4 * (gsize) M);
  golden_expect (t, "out.down_feats",
      shu_sparse_pool (t->ctx, golden_input (t, "in.feats"), idx, M));
  golden_expect (t, "out.up_feats",
      shu_gather (t->ctx, golden_input (t, "in.up_feats"), idx));
}

static void
run_group_norm (GoldenCase *t)
{
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuTensor *x = golden_input (t, "in.feats"), *parts[MAX_OBJECTS];
  int C = shu_config_int (t->config, "num_channels", 1, 65536, -1);
  int groups = shu_config_int (t->config, "num_groups", 1, 65536, -1);
  double eps = shu_config_float (t->config, "eps", 0, 1, NAN);
  ShuNorm norm = {shu_weights_get (t->weights, "weight", SHU_DIMS (C)),
      shu_weights_get (t->weights, "bias", SHU_DIMS (C))};

  for (int i = 0; i < b.B; i++)
    parts[i] = shu_sparse_group_norm (t->ctx, object_rows (t->ctx, &b, i, x),
        &norm, groups, eps, SHU_ACT_NONE);
  golden_expect (t, "out.feats", shu_concat (t->ctx, 0, b.B, parts));
}

/* Normalises each channel over the voxels, with weights by voxel: so the
 * channels become rows.  The ordinary layer norm is in the same file. */
static void
run_layer_norm (GoldenCase *t)
{
  ShuTensor *x = golden_input (t, "in.feats"), *h;
  gint64 N = x->dims[0], C = x->dims[1];
  double eps = shu_config_float (t->config, "eps", 0, 1, NAN);
  ShuNorm norm = {shu_weights_get (t->weights, "weight", SHU_DIMS (N)),
      shu_weights_get (t->weights, "bias", SHU_DIMS (N))};
  ShuNorm norm32 = shu_weights_norm (t->weights, "layernorm32", C);

  h = shu_permute (t->ctx, x, (const int[]){1, 0});
  h = shu_layer_norm (t->ctx, h, &norm, eps);
  golden_expect (t, "out.feats", shu_permute (t->ctx, h, (const int[]){1, 0}));
  golden_expect (
      t, "out.layernorm32", shu_layer_norm (t->ctx, x, &norm32, 1e-6f));
}

static void
run_subdivide (GoldenCase *t)
{
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuVoxels all = {.n = b.n, .stride = 4, .coords = b.coords};
  gsize n = (gsize) b.n * SHU_VOXEL_CHILDREN;
  g_autofree gint32 *coords = g_new (gint32, 4 * n);

  shu_voxels_subdivide (&all, coords);
  golden_expect_exact (t, "out.coords", coords, 4 * n);
  golden_expect (t, "out.feats",
      shu_repeat (t->ctx, golden_input (t, "in.feats"), SHU_VOXEL_CHILDREN));
}

static void
run_sparse_conv (GoldenCase *t)
{
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuVoxels all = {.n = b.n, .stride = 4, .coords = b.coords};
  int k = shu_config_int (t->config, "kernel_size", 1, 3, -1);
  int Ci = shu_config_int (t->config, "in_channels", 1, 65536, -1);
  int Co = shu_config_int (t->config, "out_channels", 1, 65536, -1);
  ShuTensor *x = golden_input (t, "in.feats");
  g_autofree gint32 *nbr = g_new (gint32, (gsize) b.n * SHU_VOXEL_TAPS);
  ShuConv conv = {
      .w = shu_weights_get (
          t->weights, "conv.weight", SHU_DIMS (Co, k, k, k, Ci)),
      .b = shu_config_bool (t->config, "bias", TRUE)
               ? shu_weights_get (t->weights, "conv.bias", SHU_DIMS (Co))
               : NULL,
  };

  if (conv.w->n != (gsize) Co * k * k * k * Ci)
    return;
  if (k == 1) {
    g_autoptr (ShuTensor) w = shu_sparse_conv1_matrix (conv.w);
    ShuLinear l = {.w = w, .b = conv.b};

    golden_expect (t, "out.feats", shu_linear (t->ctx, x, &l));
    return;
  }
  shu_voxels_neighbours (&all, nbr);
  golden_expect (t, "out.feats",
      shu_sparse_conv (
          t->ctx, x, int_rows (t->ctx, nbr, b.n, SHU_VOXEL_TAPS), &conv));
}

/* ---- attention ---- */

static ShuTensor *
as_batch (ShuCtx *c, ShuTensor *x)
{
  return shu_reshape (c, x, SHU_DIMS (1, x->dims[0], x->dims[1]));
}

static ShuTensor *
as_rows (ShuCtx *c, ShuTensor *x)
{
  return shu_reshape (c, x, SHU_DIMS (x->dims[1], x->dims[2]));
}

/* Queries are rows of in.feats, object by object; the context is dense or
 * has rows of its own. */
static void
cross_attention (
    GoldenCase *t, const ShuSparseAttention *a, const Batch *b, ShuTensor *x)
{
  ShuCtx *c = t->ctx;
  gboolean dense = golden_has (t, "in.context");
  ShuTensor *context =
      golden_input (t, dense ? "in.context" : "in.context_feats");
  g_auto (Batch) cb = {0};
  ShuTensor *parts[MAX_OBJECTS], *k, *v;

  if (!dense)
    cb = get_batch (t, "in.context_coords");
  for (int i = 0; i < b->B; i++) {
    ShuTensor *y = dense ? shu_slice (c, context, 0, i, 1)
                         : as_batch (c, object_rows (c, &cb, i, context));

    shu_sparse_attention_context (c, a, y, &k, &v);
    parts[i] =
        as_rows (c, shu_sparse_attention_cross (c, a,
                        as_batch (c, object_rows (c, b, i, x)), k, v, NULL));
  }
  golden_expect (t, "out.feats", shu_concat (c, 0, b->B, parts));
}

static void
windowed_attention (
    GoldenCase *t, const ShuSparseAttention *a, const Batch *b, ShuTensor *x)
{
  ShuVoxels all = {.n = b->n, .stride = 4, .coords = b->coords};
  int size = shu_config_int (t->config, "window_size", 1, 1024, -1);
  int shift = shu_config_int (t->config, "shift_window", 0, 1024, 0);
  g_autofree gint32 *order = g_new (gint32, b->n);
  g_autofree gint32 *start = g_new (gint32, b->n + 1);
  g_autofree gint32 *window_of_row = g_new (gint32, b->n);
  g_autofree gint32 *lens = g_new (gint32, b->n);
  g_autofree gint32 *batch = g_new (gint32, b->n);
  int G = shu_voxels_windows (&all, size, shift, order, start);

  for (int g = 0; g < G; g++) {
    lens[g] = start[g + 1] - start[g];
    batch[g] = b->coords[4 * order[start[g]]];
    for (int i = start[g]; i < start[g + 1]; i++)
      window_of_row[order[i]] = g;
  }
  golden_expect_exact (t, "mid.window_of_row", window_of_row, b->n);
  golden_expect_exact (t, "mid.seq_lens", lens, G);
  golden_expect_exact (t, "mid.seq_batch", batch, G);
  golden_expect (t, "out.feats",
      shu_sparse_attention_windowed (t->ctx, a, x,
          int_rows (t->ctx, order, b->n, 1), int_rows (t->ctx, start, G + 1, 1),
          NULL));
}

static void
full_attention (
    GoldenCase *t, const ShuSparseAttention *a, const Batch *b, ShuTensor *x)
{
  ShuTensor *parts[MAX_OBJECTS];

  collect_begin (t);
  for (int i = 0; i < b->B; i++)
    parts[i] =
        as_rows (t->ctx, shu_sparse_attention_full (t->ctx, a,
                             as_batch (t->ctx, object_rows (t->ctx, b, i, x))));
  collect_end (t);
  golden_expect (t, "out.feats", shu_concat (t->ctx, 0, b->B, parts));
}

static void
run_attention (GoldenCase *t)
{
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuTensor *x = golden_input (t, "in.feats");
  int C = shu_config_int (t->config, "channels", 1, 65536, -1);
  int NH = shu_config_int (t->config, "num_heads", 1, C, -1);
  gboolean rms = shu_config_bool (t->config, "qk_rms_norm", FALSE);
  const char *type = shu_config_string (t->config, "type", "self");
  const char *mode = shu_config_string (t->config, "attn_mode", "full");

  if (strcmp (type, "cross") == 0) {
    int S = shu_config_int (t->config, "ctx_channels", 1, 65536, -1);
    ShuSparseAttention a =
        shu_sparse_attention_load_cross (t->weights, C, S, NH, rms);

    cross_attention (t, &a, &b, x);
  } else {
    ShuSparseAttention a =
        shu_sparse_attention_load_self (t->weights, C, NH, rms);

    if (strcmp (mode, "windowed") == 0)
      windowed_attention (t, &a, &b, x);
    else
      full_attention (t, &a, &b, x);
  }
}

/* ---- flow ---- */

static void
check_position_embedding (GoldenCase *t, const Batch *b)
{
  gint64 dims[SHU_MAX_DIMS];
  gint32 xyz[3 * 8];

  if (golden_dims (t, "mid.ape_first8", dims) != 2 || b->n < 8)
    return;
  for (int i = 0; i < 8; i++)
    memcpy (xyz + 3 * i, b->coords + 4 * i + 1, 3 * sizeof *xyz);
  golden_expect (t, "mid.ape_first8",
      shu_position_embedding (t->ctx, int_rows (t->ctx, xyz, 8, 3), dims[1]));
}

static void
run_flow (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_auto (Batch) b = get_batch (t, "in.coords");
  g_autoptr (ShuSlatFlow) f = NULL;
  ShuTensor *x = golden_input (t, "in.feats");
  ShuTensor *cond = golden_input (t, "in.cond"), *parts[MAX_OBJECTS], *step;
  gsize n_t;
  g_autofree double *times = golden_values (t, "in.t", &n_t);
  const gint32 first = 0;
  GError *error = NULL;

  f = shu_slat_flow_new (t->config, t->weights, &error);
  if (!f || n_t != (gsize) b.B) {
    golden_take_error (t, error);
    return;
  }
  check_position_embedding (t, &b);
  collect_begin (t);
  step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
  for (int i = 0; i < b.B; i++) {
    ShuVoxels voxels = object (&b, i);
    float time = (float) times[i];
    g_autoptr (ShuSlatFlowRun) run = shu_slat_flow_run_new (
        f, c, &voxels, shu_slice (c, cond, 0, i, 1), 1, &time, &error);

    if (!run) {
      golden_take_error (t, g_steal_pointer (&error));
      break;
    }
    parts[i] = as_rows (c, shu_slat_flow_forward (c, run,
                               object_rows (c, &b, i, x), step, SHU_SLAT_COND));
  }
  collect_end (t);
  if (!shu_ctx_failed (c) && !error)
    golden_expect (t, "out.feats", shu_concat (c, 0, b.B, parts));
}

/* ---- decoders ---- */

/* Item @i of in.mv_color, in.mv_normal [B,V,S,S,F] */
ShuSlatViews
golden_views (GoldenCase *t, ShuTensor *color, ShuTensor *normal, int i)
{
  const gint64 *d = color->dims;
  ShuTensor *part[2] = {
      shu_slice (t->ctx, color, 0, i, 1), shu_slice (t->ctx, normal, 0, i, 1)};

  for (int k = 0; k < 2; k++)
    part[k] = shu_reshape (t->ctx, part[k], SHU_DIMS (d[1], d[2], d[3], d[4]));
  return (ShuSlatViews){.color = part[0], .normal = part[1]};
}

/* Compares with out.@which.*; features are of degree 0 only. */
static void
expect_gaussians (GoldenCase *t, const char *which, const ShuGaussianFields *g)
{
  const struct {
    const char *name;
    ShuTensor *value;
  } fields[] = {{"xyz", g->pos}, {"scaling", g->scale}, {"rotation", g->quat},
      {"opacity", g->opacity}, {"features_dc", g->sh0}, {"features", g->sh0}};

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autofree char *name =
        g_strdup_printf ("out.%s.%s", which, fields[i].name);

    if (golden_has (t, name))
      golden_expect (t, name, fields[i].value);
  }
}

/* Decodes @x and compares the Gaussians; does nothing after a failure. */
void
golden_check_gaussians (GoldenCase *t, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views,
    const char *which)
{
  ShuTensor *y = shu_gs_decoder_forward (t->ctx, d, voxels, x, views);
  ShuGaussianFields g;

  if (shu_gs_decoder_gaussians (t->ctx, d, voxels, y, &g))
    expect_gaussians (t, which, &g);
}

static void
run_gs_decoder (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_auto (Batch) b = get_batch (t, "in.coords");
  g_autoptr (ShuGsDecoder) d = NULL;
  ShuTensor *x = golden_input (t, "in.feats");
  ShuTensor *color = golden_input (t, "in.mv_color");
  ShuTensor *normal = golden_input (t, "in.mv_normal");
  GError *error = NULL;

  d = shu_gs_decoder_new (t->config, t->weights, &error);
  if (!d) {
    golden_take_error (t, error);
    return;
  }
  collect_begin (t);
  for (int i = 0; i < b.B && !shu_ctx_failed (c); i++) {
    ShuVoxels voxels = object (&b, i);
    ShuSlatViews views = golden_views (t, color, normal, i);
    g_autofree char *which = g_strdup_printf ("%d", i);

    golden_check_gaussians (
        t, d, &voxels, object_rows (c, &b, i, x), &views, which);
  }
  collect_end (t);
}

static void
run_mesh_decoder (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_auto (Batch) b = get_batch (t, "in.coords");
  ShuVoxels all = {.n = b.n, .stride = 4, .coords = b.coords};
  gsize n = (gsize) b.n * SHU_MESH_DECODER_GRANDCHILDREN;
  g_autofree gint32 *coords = g_new (gint32, 4 * n);
  g_autoptr (ShuMeshDecoder) d = NULL;
  ShuTensor *x = golden_input (t, "in.feats"), *parts[MAX_OBJECTS];
  ShuTensor *color = golden_input (t, "in.mv_color");
  ShuTensor *normal = golden_input (t, "in.mv_normal");
  GError *error = NULL;

  d = shu_mesh_decoder_new (t->config, t->weights, &error);
  if (!d) {
    golden_take_error (t, error);
    return;
  }
  shu_mesh_decoder_coords (&all, coords);
  golden_expect_exact (t, "out.coords", coords, 4 * n);
  collect_begin (t);
  for (int i = 0; i < b.B; i++) {
    ShuVoxels voxels = object (&b, i);
    ShuSlatViews views = golden_views (t, color, normal, i);

    parts[i] = shu_mesh_decoder_forward (
        c, d, &voxels, object_rows (c, &b, i, x), &views);
  }
  collect_end (t);
  golden_expect (t, "out.feats", shu_concat (c, 0, b.B, parts));
}

/* ---- official sizes ---- */

/* in.coords_xyz [N,3] of one object */
static ShuVoxels
get_xyz (GoldenCase *t, gint32 **ret_coords)
{
  gsize n;

  *ret_coords = golden_ints (t, "in.coords_xyz", &n);
  return (ShuVoxels){.n = n / 3, .stride = 3, .coords = *ret_coords};
}

/* The time is only in the note: "t = float32(666.66666666666674)". */
static float
stated_time (GoldenCase *t)
{
  const char *note = golden_metadata (t, "note");
  const char *at = note ? strstr (note, "t = float32(") : NULL;

  if (!at) {
    golden_fail (t, "the note does not say the time");
    return 0;
  }
  return g_ascii_strtod (at + strlen ("t = float32("), NULL);
}

static void
run_full_flow (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_autofree gint32 *coords = NULL;
  ShuVoxels voxels = get_xyz (t, &coords);
  g_autoptr (ShuSlatFlow) f = NULL;
  g_autoptr (ShuSlatFlowRun) run = NULL;
  float time = stated_time (t);
  const gint32 first = 0;
  GError *error = NULL;

  f = shu_slat_flow_new (t->config, t->weights, &error);
  if (f)
    run = shu_slat_flow_run_new (
        f, c, &voxels, golden_input (t, "in.cond"), 1, &time, &error);
  if (!run) {
    golden_take_error (t, error);
    return;
  }
  golden_expect (t, "out.feats",
      as_rows (c, shu_slat_flow_forward (c, run, golden_input (t, "in.feats"),
                      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first),
                      SHU_SLAT_COND)));
}

static void
run_full_gs (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_autofree gint32 *coords = NULL;
  ShuVoxels voxels = get_xyz (t, &coords);
  g_autoptr (ShuGsDecoder) d = NULL;
  ShuSlatViews views;
  GError *error = NULL;

  d = shu_gs_decoder_new (t->config, t->weights, &error);
  if (!d) {
    golden_take_error (t, error);
    return;
  }
  views = golden_views (
      t, golden_input (t, "in.mv_color"), golden_input (t, "in.mv_normal"), 0);
  golden_expect (t, "out.out_layer",
      shu_gs_decoder_forward (
          c, d, &voxels, golden_input (t, "in.feats"), &views));
}

static void
run_full_mesh (GoldenCase *t)
{
  ShuCtx *c = t->ctx;
  g_autofree gint32 *coords = NULL;
  ShuVoxels voxels = get_xyz (t, &coords);
  g_autoptr (ShuMeshDecoder) d = NULL;
  ShuSlatViews views;
  GError *error = NULL;

  d = shu_mesh_decoder_new (t->config, t->weights, &error);
  if (!d) {
    golden_take_error (t, error);
    return;
  }
  views = golden_views (
      t, golden_input (t, "in.mv_color"), golden_input (t, "in.mv_normal"), 0);
  golden_expect (t, "out.feats",
      shu_mesh_decoder_forward (
          c, d, &voxels, golden_input (t, "in.feats"), &views));
}

const GoldenRunner golden_stage2_runners[] = {
    {"modules.sparse.SparseDownsample(2) then SparseUpsample(2)",
        run_downsample, GOLDEN_MODULE},
    {"modules.sparse.SparseGroupNorm32", run_group_norm, GOLDEN_MODULE},
    {"modules.sparse.SparseLayerNorm", run_layer_norm, GOLDEN_MODULE},
    {"modules.sparse.SparseSubdivide", run_subdivide, GOLDEN_MODULE},
    {"modules.sparse.SparseConv3d (spconv SubMConv3d)", run_sparse_conv,
        GOLDEN_MODULE},
    {"modules.sparse.SparseMultiHeadAttention", run_attention, GOLDEN_MODULE},
    {"modules.sparse.SparseMultiHeadAttention (windowed)", run_attention,
        GOLDEN_MODULE},
    {"models.SecondStage.SLatFlowModel", run_flow, GOLDEN_WHOLE},
    {"models.SecondStage.SLatGaussianDecoder", run_gs_decoder, GOLDEN_WHOLE},
    {"models.SecondStage.SLatMeshDecoder", run_mesh_decoder, GOLDEN_WHOLE},
    {"SLatFlowModel", run_full_flow, GOLDEN_WHOLE},
    {"SLatGaussianDecoder", run_full_gs, GOLDEN_WHOLE},
    {"SLatMeshDecoder", run_full_mesh, GOLDEN_WHOLE},
    {"pipelines.samplers.FlowEulerGuidanceIntervalSampler",
        golden_run_slat_sampler, GOLDEN_HOST},
    {"representations.mesh.SparseFeatures2Mesh (FlexiCubes)",
        golden_run_flexicubes, GOLDEN_HOST},
    {"SyncHumanTwoStagePipeline.sample_slat -> slat_decoder_gs, "
     "slat_decoder_mesh",
        golden_run_stage2, GOLDEN_WHOLE},
    {"utils.render_utils.render_multiview, utils.random_utils",
        golden_run_cameras, GOLDEN_HOST},
    {"SyncHumanTwoStagePipeline.preprocess_image (RGBA path)",
        golden_run_condition_image, GOLDEN_HOST},
    {"independent float64 derivation (the official rasterizer is CUDA only)",
        golden_run_gaussian_render, GOLDEN_MODULE},
    {"utils.postprocessing_utils.to_glb / bake_texture (set-up part)",
        golden_run_bake_setup, GOLDEN_HOST},
    {NULL, NULL, GOLDEN_MODULE},
};
