/* SPDX-License-Identifier: MIT */
/* golden [--device D] DIR|FILE...: runs what is in golden files (module name
 * from the metadata -> runner) and prints a line a case with its worst error.
 * Exit status 0 only where every file passed. */
#include "golden.h"
#include "golden_data.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct _GoldenPrivate {
  GBytes *bytes;
  GHashTable *offsets; /* name -> gsize*: data within the file */
  GHashTable *made;    /* name -> GoldenMade */
  GHashTable *seen;    /* names compared */
  GHashTable *calls;   /* tap name -> how often */
  GoldenKind kind;
  gboolean full;   /* limits per tensor, sparse probes */
  gboolean device; /* half precision limits */
  double worst;    /* error / limit */
  double worst_error, worst_limit;
  char *worst_name;
  GString *reasons;
  int n_failed;
} GoldenPrivate;

/* max |a - b| and |a - b|_2, both relative to the golden tensor's rms */
typedef struct {
  double max, l2;
} Difference;

typedef struct {
  const char *dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize n;
} Shape;

/* ---- failures ---- */

void
golden_fail (GoldenCase *t, const char *format, ...)
{
  va_list args;

  t->priv->n_failed++;
  g_string_append (t->priv->reasons, "\n    ");
  va_start (args, format);
  g_string_append_vprintf (t->priv->reasons, format, args);
  va_end (args);
}

void
golden_take_error (GoldenCase *t, GError *error)
{
  golden_fail (t, "%s", error ? error->message : "no reason given");
  g_clear_error (&error);
}

void
golden_expect_error (
    GoldenCase *t, const char *name, double error, double limit)
{
  GoldenPrivate *p = t->priv;
  double ratio = limit > 0 ? error / limit : error == 0 ? 0 : INFINITY;

  g_hash_table_add (p->seen, g_strdup (name));
  if (!(ratio <= 1))
    golden_fail (t, "%s: error %.3g, limit %.3g", name, error, limit);
  if (!p->worst_name || ratio > p->worst || isnan (ratio)) {
    g_free (p->worst_name);
    p->worst_name = g_strdup (name);
    p->worst = ratio;
    p->worst_error = error;
    p->worst_limit = limit;
  }
}

/* ---- what the file has ---- */

const char *
golden_metadata (GoldenCase *t, const char *key)
{
  return shu_safetensors_metadata (t->st, key);
}

static gboolean
find_stored (GoldenCase *t, const char *name, Shape *ret)
{
  int i = shu_safetensors_find (t->st, name);

  if (i < 0)
    return FALSE;
  shu_safetensors_shape (t->st, i, &ret->dtype, &ret->n_dims, ret->dims);
  ret->n = 1;
  for (int k = 0; k < ret->n_dims; k++)
    ret->n *= ret->dims[k];
  return TRUE;
}

static gboolean
find_any (GoldenCase *t, const char *name, Shape *ret)
{
  const GoldenMade *m;

  if (find_stored (t, name, ret))
    return TRUE;
  m = g_hash_table_lookup (t->priv->made, name);
  if (!m)
    return FALSE;
  ret->dtype = "F32";
  ret->n_dims = m->n_dims;
  memcpy (ret->dims, m->dims, sizeof ret->dims);
  ret->n = m->n;
  return TRUE;
}

gboolean
golden_has (GoldenCase *t, const char *name)
{
  Shape shape;

  return find_any (t, name, &shape);
}

int
golden_dims (GoldenCase *t, const char *name, gint64 *ret_dims)
{
  Shape shape;

  if (!find_any (t, name, &shape))
    return 0;
  memcpy (ret_dims, shape.dims, shape.n_dims * sizeof *ret_dims);
  return shape.n_dims;
}

/* One little-endian element of the file as a number. */
static double
element (const char *dtype, const guint8 *data, gsize i)
{
  guint16 h;
  gint32 s;
  gint64 l;
  float f;
  double d;

  if (strcmp (dtype, "F64") == 0)
    return memcpy (&d, data + 8 * i, 8), d;
  if (strcmp (dtype, "I64") == 0)
    return memcpy (&l, data + 8 * i, 8), (double) l;
  if (strcmp (dtype, "F32") == 0)
    return memcpy (&f, data + 4 * i, 4), f;
  if (strcmp (dtype, "I32") == 0)
    return memcpy (&s, data + 4 * i, 4), s;
  if (strcmp (dtype, "F16") == 0)
    return memcpy (&h, data + 2 * i, 2), shu_f16_to_f32 (h);
  if (strcmp (dtype, "BF16") == 0)
    return memcpy (&h, data + 2 * i, 2), shu_bf16_to_f32 (h);
  if (strcmp (dtype, "U8") == 0 || strcmp (dtype, "BOOL") == 0)
    return data[i];
  return NAN;
}

double *
golden_values (GoldenCase *t, const char *name, gsize *ret_n)
{
  Shape shape;
  double *values;

  if (!find_any (t, name, &shape)) {
    golden_fail (t, "%s: not in the file", name);
    *ret_n = 0;
    return NULL;
  }
  values = g_new (double, shape.n);
  if (find_stored (t, name, &shape)) {
    const gsize *offset = g_hash_table_lookup (t->priv->offsets, name);
    const guint8 *data = g_bytes_get_data (t->priv->bytes, NULL);

    for (gsize i = 0; i < shape.n; i++)
      values[i] = element (shape.dtype, data + *offset, i);
  } else {
    g_autofree float *made = g_new (float, shape.n);

    golden_make (g_hash_table_lookup (t->priv->made, name), name, made);
    for (gsize i = 0; i < shape.n; i++)
      values[i] = made[i];
  }
  *ret_n = shape.n;
  return values;
}

/* Element @i of a channels-first tensor with @S positions an item, as an
 * index into the channels-last one. */
static gsize
channels_last (gsize i, gsize C, gsize S)
{
  return (i / (C * S) * S + i % S) * C + i / S % C;
}

static ShuTensor *
get_input (GoldenCase *t, const char *name, gboolean last)
{
  Shape shape = {0};
  gsize n;
  g_autofree double *values = golden_values (t, name, &n);
  gboolean whole;
  gint64 dims[SHU_MAX_DIMS], C = 1;
  g_autofree float *data = g_new (float, MAX (n, 1));

  if (!values)
    return shu_fill (t->ctx, SHU_DIMS (1), 0);
  find_any (t, name, &shape);
  whole = strcmp (shape.dtype, "I32") == 0;
  memcpy (dims, shape.dims, sizeof dims);
  last = last && shape.n_dims > 2;
  if (last) {
    C = dims[1];
    memmove (dims + 1, dims + 2, (shape.n_dims - 2) * sizeof *dims);
    dims[shape.n_dims - 1] = C;
  }
  for (gsize i = 0; i < n; i++) {
    gsize k = last ? channels_last (i, C, n / shape.dims[0] / C) : i;
    gint32 v = (gint32) values[i];

    if (whole)
      memcpy (data + k, &v, sizeof v);
    else
      data[k] = (float) values[i];
  }
  return shu_from_host (
      t->ctx, whole ? SHU_DTYPE_I32 : SHU_DTYPE_F32, shape.n_dims, dims, data);
}

ShuTensor *
golden_input (GoldenCase *t, const char *name)
{
  return get_input (t, name, FALSE);
}

ShuTensor *
golden_input_last (GoldenCase *t, const char *name)
{
  return get_input (t, name, TRUE);
}

/* ---- comparing ---- */

static Difference
difference (const double *golden, const double *value, gsize n, double rms)
{
  double max = 0, sum = 0, own = 0;

  for (gsize i = 0; i < n; i++) {
    double d = fabs (golden[i] - value[i]);

    if (!isfinite (value[i]))
      d = INFINITY;
    max = MAX (max, d);
    sum += d * d;
    own += golden[i] * golden[i];
  }
  if (rms <= 0)
    rms = sqrt (own / MAX (n, 1));
  rms = MAX (rms, 1e-12);
  return (Difference){max / rms, sqrt (sum / MAX (n, 1)) / rms};
}

/* Half precision of the reference on this tensor, of the file's "error" */
static Difference
stated_error (GoldenCase *t, const char *name)
{
  g_autoptr (ShuConfig) all = NULL;
  const char *text = golden_metadata (t, "error");
  g_autofree char *key = g_strdup (name);
  double pair[2];

  if (g_str_has_suffix (key, ".stat"))
    key[strlen (key) - 5] = 0;
  else if (g_str_has_suffix (key, ".probe"))
    key[strlen (key) - 6] = 0;
  all = text ? shu_config_parse (text, -1, "error", NULL) : NULL;
  if (all && shu_config_has (all, key) &&
      shu_config_floats (shu_config_at (all, key), "f16", 2, pair) == 2)
    return (Difference){pair[1], pair[0]};
  return (Difference){1.5e-2, 2.5e-3};
}

static void
judge (GoldenCase *t, const char *name, Difference d)
{
  GoldenPrivate *p = t->priv;
  gboolean whole = p->kind == GOLDEN_WHOLE;

  if (p->full) {
    Difference limit = {3e-4, 3e-5};

    if (p->device) {
      limit = stated_error (t, name);
      limit.max *= 3;
      limit.l2 *= 2;
    }
    if (d.l2 / limit.l2 > d.max / limit.max)
      golden_expect_error (t, name, d.l2, limit.l2);
    else
      golden_expect_error (t, name, d.max, limit.max);
  } else if (p->device) {
    golden_expect_error (t, name, d.l2, whole ? 1e-2 : 3e-3);
  } else {
    golden_expect_error (t, name, d.max, whole ? 4e-4 : 1e-4);
  }
}

/* mean, population standard deviation, greatest magnitude */
static void
statistics (const double *value, gsize n, double *ret)
{
  double sum = 0, square = 0, max = 0;

  for (gsize i = 0; i < n; i++) {
    sum += value[i];
    max = MAX (max, fabs (value[i]));
  }
  ret[0] = sum / n;
  for (gsize i = 0; i < n; i++)
    square += (value[i] - ret[0]) * (value[i] - ret[0]);
  ret[1] = sqrt (square / n);
  ret[2] = max;
}

static gsize
probe_index (GoldenCase *t, gsize i, gsize n, gsize n_probes)
{
  if (t->priv->full)
    return (i * 2654435761u + 12345) % n;
  return n_probes == n ? i : i * (n / n_probes);
}

static gsize
stride_of (GoldenCase *t, const char *name)
{
  const char *text = golden_metadata (t, "strides");
  g_autoptr (ShuConfig) strides =
      text ? shu_config_parse (text, -1, "strides", NULL) : NULL;

  return strides && shu_config_has (strides, name)
             ? shu_config_int (strides, name, 1, G_MAXINT, 1)
             : 1;
}

static void
compare_part (
    GoldenCase *t, const char *name, const double *value, gsize n, double rms)
{
  gboolean is_probe = g_str_has_suffix (name, ".probe");
  gsize n_golden, stride = 1;
  g_autofree double *golden = golden_values (t, name, &n_golden);
  g_autofree double *part = NULL;
  double stat[3];

  if (!golden)
    return;
  if (g_str_has_suffix (name, ".stat") && n_golden == 3) {
    statistics (value, n, stat);
    judge (t, name, difference (golden, stat, 3, rms));
    return;
  }
  if (!is_probe)
    stride = stride_of (t, name);
  if (is_probe ? n_golden > n : n_golden != (n + stride - 1) / stride) {
    golden_fail (t,
        "%s: %" G_GSIZE_FORMAT " elements came out, the file has "
        "%" G_GSIZE_FORMAT,
        name, n, n_golden);
    g_hash_table_add (t->priv->seen, g_strdup (name));
    return;
  }
  part = g_new (double, n_golden);
  for (gsize i = 0; i < n_golden; i++)
    part[i] = value[is_probe ? probe_index (t, i, n, n_golden) : i * stride];
  judge (t, name, difference (golden, part, n_golden, rms));
}

/* @value in the reference's order, against all that is stored of @name */
static void
compare (GoldenCase *t, const char *name, const double *value, gsize n)
{
  g_autofree char *stat = g_strconcat (name, ".stat", NULL);
  g_autofree char *probe = g_strconcat (name, ".probe", NULL);
  double rms = 0;
  gboolean any = FALSE;
  Shape shape;

  if (find_stored (t, stat, &shape) && shape.n == 3) {
    g_autofree double *s = golden_values (t, stat, &shape.n);

    rms = sqrt (s[0] * s[0] + s[1] * s[1]);
    compare_part (t, stat, value, n, rms);
    any = TRUE;
  }
  if (find_stored (t, probe, &shape)) {
    compare_part (t, probe, value, n, rms);
    any = TRUE;
  }
  if (find_stored (t, name, &shape)) {
    compare_part (t, name, value, n, 0);
    any = TRUE;
  }
  if (!any)
    golden_fail (t, "%s: not in the file", name);
}

static double *
download (GoldenCase *t, ShuTensor *value, gboolean last)
{
  gint64 C = value->dims[value->n_dims - 1];
  g_autofree float *data = g_new (float, value->n);
  double *ret;

  if (!shu_to_host (t->ctx, value, data))
    return NULL;
  ret = g_new (double, value->n);
  for (gsize i = 0; i < value->n; i++) {
    gsize k = last ? channels_last (i, C, value->n / value->dims[0] / C) : i;
    gint32 v;

    if (value->dtype == SHU_DTYPE_I32)
      ret[i] = (memcpy (&v, data + k, sizeof v), v);
    else
      ret[i] = data[k];
  }
  return ret;
}

static void
expect_tensor (GoldenCase *t, const char *name, ShuTensor *value, gboolean last)
{
  g_autofree double *data = NULL;

  if (shu_ctx_failed (t->ctx))
    return; /* reported once, at the end */
  data = download (t, value, last && value->n_dims > 2);
  if (data)
    compare (t, name, data, value->n);
}

void
golden_expect (GoldenCase *t, const char *name, ShuTensor *value)
{
  expect_tensor (t, name, value, FALSE);
}

void
golden_expect_last (GoldenCase *t, const char *name, ShuTensor *value)
{
  expect_tensor (t, name, value, TRUE);
}

void
golden_expect_floats (
    GoldenCase *t, const char *name, const float *value, gsize n)
{
  g_autofree double *data = g_new (double, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    data[i] = value[i];
  compare (t, name, data, n);
}

void
golden_expect_within (
    GoldenCase *t, const char *name, const double *value, gsize n, double limit)
{
  gsize n_golden;
  g_autofree double *golden = golden_values (t, name, &n_golden);
  double max = 0;

  if (!golden)
    return;
  if (n_golden != n) {
    golden_fail (t,
        "%s: %" G_GSIZE_FORMAT " elements came out, the file has "
        "%" G_GSIZE_FORMAT,
        name, n, n_golden);
    return;
  }
  for (gsize i = 0; i < n; i++) {
    double d = fabs (golden[i] - value[i]);

    max = isnan (d) ? INFINITY : MAX (max, d);
  }
  golden_expect_error (t, name, max, limit);
}

void
golden_expect_exact (
    GoldenCase *t, const char *name, const gint32 *value, gsize n)
{
  g_autofree double *data = g_new (double, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    data[i] = value[i];
  golden_expect_within (t, name, data, n, 0);
}

void
golden_expect_bytes (
    GoldenCase *t, const char *name, const guint8 *value, gsize n)
{
  g_autofree double *data = g_new (double, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    data[i] = value[i];
  golden_expect_within (t, name, data, n, 0);
}

/* ---- taps ---- */

/* Whether the file has @name, or parts of it; its dimensions where known. */
static gboolean
find_mid (GoldenCase *t, const char *name, Shape *ret)
{
  g_autofree char *probe = g_strconcat (name, ".probe", NULL);
  g_autofree char *stat = g_strconcat (name, ".stat", NULL);
  const char *mids = golden_metadata (t, "mid_shapes");
  const char *all = golden_metadata (t, "shapes");

  if (find_stored (t, name, ret))
    return TRUE;
  if (!find_stored (t, probe, ret) && !find_stored (t, stat, ret))
    return FALSE;
  ret->n_dims = golden_json_dims (mids, name + strlen ("mid."), ret->dims);
  if (!ret->n_dims)
    ret->n_dims = golden_json_dims (all, name, ret->dims);
  return TRUE;
}

/* A feature map of ours against a channels-first one */
static gboolean
is_permuted (const Shape *golden, const ShuTensor *value)
{
  if (golden->n_dims < 4 || golden->n_dims != value->n_dims ||
      golden->dims[0] != value->dims[0] ||
      golden->dims[1] != value->dims[value->n_dims - 1])
    return FALSE;
  for (int i = 2; i < golden->n_dims; i++)
    if (golden->dims[i] != value->dims[i - 1])
      return FALSE;
  return TRUE;
}

static void
on_tap (const char *name, ShuTensor *value, gpointer data)
{
  GoldenCase *t = data;
  g_autofree char *mid = NULL;
  Shape shape;
  int call;

  if (shu_ctx_failed (t->ctx) || (t->tap && t->tap (t, name, value)))
    return;
  if (t->tap_prefix) {
    if (!g_str_has_prefix (name, t->tap_prefix))
      return;
    name += strlen (t->tap_prefix);
  }
  call = GPOINTER_TO_INT (g_hash_table_lookup (t->priv->calls, name));
  g_hash_table_insert (
      t->priv->calls, g_strdup (name), GINT_TO_POINTER (call + 1));
  mid = call ? g_strdup_printf ("mid.%s.call%d", name, call)
             : g_strconcat ("mid.", name, NULL);
  if (find_mid (t, mid, &shape))
    expect_tensor (t, mid, value, is_permuted (&shape, value));
}

/* ---- weights ---- */

static void
formula_weight (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_values, gpointer data)
{
  GoldenMade m = *(const GoldenMade *) data;
  g_autofree char *full = g_strconcat ("w.", name, NULL);

  m.n_dims = n_dims;
  m.n = n;
  memcpy (m.dims, dims, n_dims * sizeof *dims);
  golden_make (&m, full, ret_values);
}

/* Buffers that the networks compute themselves */
static gboolean
formula_exists (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "pos_emb") &&
         !g_str_has_suffix (name, "offset_perturbation");
}

static void
set_stored_weights (GoldenCase *t)
{
  for (int i = 0; i < shu_safetensors_n (t->st); i++) {
    const char *name = shu_safetensors_name (t->st, i);
    g_autoptr (ShuTensor) w = NULL;
    GError *error = NULL;

    if (!g_str_has_prefix (name, "w."))
      continue;
    w = shu_safetensors_tensor (t->st, i, &error);
    if (w)
      shu_weights_set (t->weights, name + 2, w);
    else
      golden_take_error (t, error);
  }
}

/* Tensors that are both stored and made show whether the generator is right. */
static void
set_made_weights (GoldenCase *t)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, t->priv->made);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const char *name = key;
    const GoldenMade *m = value;
    g_autoptr (ShuTensor) w =
        shu_tensor_new (SHU_DTYPE_F32, m->n_dims, m->dims);
    gboolean stored = shu_safetensors_find (t->st, name) >= 0;

    if (!stored && !g_str_has_prefix (name, "w."))
      continue;
    golden_make (m, name, w->data);
    if (stored) {
      gsize n;
      g_autofree double *golden = golden_values (t, name, &n);
      const float *made = w->data;

      for (gsize i = 0; i < n && i < m->n; i++)
        if ((float) golden[i] != made[i]) {
          golden_fail (t,
              "%s: the generator gives %.9g at %" G_GSIZE_FORMAT
              ", the file has %.9g",
              name, made[i], i, golden[i]);
          break;
        }
    } else {
      shu_weights_set (t->weights, name + 2, w);
    }
  }
}

static void
open_weights (GoldenCase *t)
{
  static const char *const words[] = {"stored", "none"};
  const char *weights = golden_metadata (t, "weights");

  if (t->priv->full && !golden_metadata (t, "weight_shapes")) {
    GoldenMade *m = g_new0 (GoldenMade, 1);

    m->kind = GOLDEN_MADE_WEIGHT;
    m->seed = t->seed;
    m->halved = TRUE;
    t->weights =
        shu_weights_new_formula (formula_weight, formula_exists, m, g_free);
    return;
  }
  t->weights = shu_weights_new ();
  if (weights && strcmp (weights, "prng") != 0 &&
      strcmp (weights, words[0]) != 0 && strcmp (weights, words[1]) != 0)
    golden_fail (t, "weights are \"%s\": prng, stored or none known", weights);
  set_stored_weights (t);
  set_made_weights (t);
}

/* ---- cases ---- */

static const GoldenRunner *
find_runner (const char *module)
{
  const GoldenRunner *const tables[] = {
      golden_stage1_runners, golden_image_runners, golden_stage2_runners};

  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const GoldenRunner *r = tables[i]; r->module; r++)
      if (g_strcmp0 (r->module, module) == 0)
        return r;
  return NULL;
}

static gboolean
open_case (GoldenCase *t, GError **error)
{
  GoldenPrivate *p = t->priv;
  const char *seed, *config;

  p->bytes = shu_file_map (t->path, error);
  if (!p->bytes)
    return FALSE;
  t->st = shu_safetensors_parse (p->bytes, t->path, error);
  if (!t->st)
    return FALSE;
  p->offsets = golden_offsets (p->bytes);
  p->made = golden_made_table (shu_safetensors_all_metadata (t->st), error);
  if (!p->made)
    return FALSE;
  t->module = golden_metadata (t, "module");
  seed = golden_metadata (t, "seed");
  t->seed = seed ? g_ascii_strtoull (seed, NULL, 10) : 0;
  p->full = golden_metadata (t, "rounding") != NULL;
  config = golden_metadata (t, "config");
  t->config = shu_config_parse (config ? config : "{}", -1, "config", error);
  if (!t->config)
    return FALSE;
  open_weights (t);
  return TRUE;
}

/* Each out.* must have been looked at; counts what there was to look at. */
static void
check_seen (GoldenCase *t, int *ret_seen, int *ret_all)
{
  *ret_seen = *ret_all = 0;
  for (int i = 0; i < shu_safetensors_n (t->st); i++) {
    const char *name = shu_safetensors_name (t->st, i);
    gboolean is_out = g_str_has_prefix (name, "out.");

    if (!is_out && !g_str_has_prefix (name, "mid."))
      continue;
    ++*ret_all;
    if (g_hash_table_contains (t->priv->seen, name))
      ++*ret_seen;
    else if (is_out)
      golden_fail (t, "%s: nothing was compared with it", name);
    else if (g_getenv ("GOLDEN_VERBOSE"))
      printf ("    %s: not compared\n", name);
  }
}

static void
run_runner (GoldenCase *t, const GoldenRunner *runner)
{
  GError *error = NULL;

  t->priv->kind = runner->kind;
  shu_ctx_set_tap (t->ctx, on_tap, t);
  {
    SHU_SCOPE (t->ctx);
    runner->run (t);
  }
  shu_ctx_set_tap (t->ctx, NULL, NULL);
  if (!shu_ctx_finish (t->ctx, &error))
    golden_take_error (t, g_steal_pointer (&error));
  if (!shu_weights_finish (t->weights, &error))
    golden_take_error (t, g_steal_pointer (&error));
  if (!shu_config_finish (t->config, &error))
    golden_take_error (t, g_steal_pointer (&error));
}

static void
clear_case (GoldenCase *t)
{
  GoldenPrivate *p = t->priv;

  g_clear_pointer (&t->weights, shu_weights_unref);
  g_clear_pointer (&t->config, shu_config_free);
  g_clear_pointer (&t->st, shu_safetensors_free);
  g_clear_pointer (&p->bytes, g_bytes_unref);
  g_clear_pointer (&p->offsets, g_hash_table_unref);
  g_clear_pointer (&p->made, g_hash_table_unref);
  g_hash_table_unref (p->seen);
  g_hash_table_unref (p->calls);
  g_string_free (p->reasons, TRUE);
  g_free (p->worst_name);
}

/* Returns whether the file passed. */
static gboolean
run_file (const char *path, ShuCtx *ctx)
{
  GoldenPrivate p = {
      .seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
      .calls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
      .device = !g_str_has_prefix (shu_ctx_device (ctx), "cpu"),
      .reasons = g_string_new (NULL),
  };
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  GoldenCase t = {.path = path, .dir = dir, .ctx = ctx, .priv = &p};
  gint64 begin = g_get_monotonic_time ();
  const GoldenRunner *runner;
  int n_seen = 0, n_all = 0;
  gboolean ok;
  GError *error = NULL;

  if (!open_case (&t, &error)) {
    golden_take_error (&t, error);
  } else if (!(runner = find_runner (t.module))) {
    golden_fail (&t, "no runner for this module");
  } else {
    run_runner (&t, runner);
    check_seen (&t, &n_seen, &n_all);
  }
  ok = p.n_failed == 0;
  printf ("%-32s %-48.48s worst %.2e (%s) limit %.1e, %d/%d tensors, %.1f s: "
          "%s%s\n",
      base, t.module ? t.module : "?", p.worst_error,
      p.worst_name ? p.worst_name : "-", p.worst_limit, n_seen, n_all,
      (g_get_monotonic_time () - begin) * 1e-6, ok ? "ok" : "FAIL",
      p.reasons->str);
  fflush (stdout);
  clear_case (&t);
  return ok;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* @path itself, or the golden files in it, sorted */
static gboolean
add_paths (GPtrArray *paths, const char *path, GError **error)
{
  guint first = paths->len;
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_ptr_array_add (paths, g_strdup (path));
    return TRUE;
  }
  dir = g_dir_open (path, 0, error);
  if (!dir)
    return FALSE;
  while ((name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".safetensors"))
      g_ptr_array_add (paths, g_build_filename (path, name, NULL));
  qsort (paths->pdata + first, paths->len - first, sizeof (gpointer),
      compare_paths);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autofree char *device = g_strdup ("cpu");
  const GOptionEntry entries[] = {
      {"device", 'd', 0, G_OPTION_ARG_STRING, &device, "cpu, cuda:N", "D"},
      {NULL},
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("DIR|FILE...");
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ShuCtx) ctx = NULL;
  g_autoptr (GError) error = NULL;
  guint n_ok = 0;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error) ||
      !(ctx = shu_ctx_new (device, &error))) {
    fprintf (stderr, "golden: %s\n", error->message);
    return 2;
  }
  for (int i = 1; i < argc; i++)
    if (!add_paths (paths, argv[i], &error)) {
      fprintf (stderr, "golden: %s\n", error->message);
      return 2;
    }
  for (guint i = 0; i < paths->len; i++)
    n_ok += run_file (g_ptr_array_index (paths, i), ctx);
  printf (
      "%u files, %u passed, %u failed\n", paths->len, n_ok, paths->len - n_ok);
  return paths->len > 0 && n_ok == paths->len ? 0 : 1;
}
