/* SPDX-License-Identifier: MIT */
/* golden [--device D] [--precision P] DIR|FILE...: runs what is in golden files
 * (module name from the metadata -> runner) and prints a line a case with its
 * worst error. With --precision fp8 the joint denoiser computes in that.  Exit
 * status 0 only where every file passed. */
#include "golden_private.h"
#include "golden_data.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- taps ---- */

/* Whether the file has @name, or parts of it; its dimensions where known. */
static gboolean
find_mid (GoldenCase *t, const char *name, GoldenShape *ret)
{
  g_autofree char *probe = g_strconcat (name, ".probe", NULL);
  g_autofree char *stat = g_strconcat (name, ".stat", NULL);
  const char *mids = golden_metadata (t, "mid_shapes");
  const char *all = golden_metadata (t, "shapes");

  if (golden_find_stored (t, name, ret))
    return TRUE;
  if (!golden_find_stored (t, probe, ret) && !golden_find_stored (t, stat, ret))
    return FALSE;
  ret->n_dims = golden_json_dims (mids, name + strlen ("mid."), ret->dims);
  if (!ret->n_dims)
    ret->n_dims = golden_json_dims (all, name, ret->dims);
  return TRUE;
}

/* A feature map of ours against a channels-first one */
static gboolean
is_permuted (const GoldenShape *golden, const ShuTensor *value)
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
  GoldenShape shape;
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
    golden_expect_tensor (t, mid, value, is_permuted (&shape, value));
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
  const GoldenRunner *const tables[] = {golden_stage1_runners,
      golden_encoder_runners, golden_image_runners, golden_stage2_runners};

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

/* @host: a context of the CPU, for what knows no other.  Returns whether the
 * file passed. */
static gboolean
run_file (const char *path, gboolean fp8, ShuCtx *ctx, ShuCtx *host)
{
  GoldenPrivate p = {
      .fp8 = fp8,
      .seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
      .calls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
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
    if (runner->kind == GOLDEN_HOST)
      t.ctx = host;
    p.device = !g_str_has_prefix (shu_ctx_device (t.ctx), "cpu");
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
  g_autofree char *device = g_strdup ("cpu"), *words = NULL;
  const GOptionEntry entries[] = {
      {"device", 'd', 0, G_OPTION_ARG_STRING, &device, "cpu, cuda:N", "D"},
      {"precision", 'p', 0, G_OPTION_ARG_STRING, &words, "f16, fp8", "P"},
      {NULL},
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("DIR|FILE...");
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ShuCtx) ctx = NULL;
  g_autoptr (ShuCtx) host = shu_ctx_new ("cpu", NULL);
  g_autoptr (GError) error = NULL;
  ShuPrecision precision;
  guint n_ok = 0;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error) ||
      !shu_precision_parse (words, &precision, &error) ||
      !(ctx = shu_ctx_new (device, &error))) {
    fprintf (stderr, "golden: %s\n", error->message);
    return 2;
  }
  if (precision == SHU_PRECISION_FP8 && !shu_has_fp8 (ctx)) {
    fprintf (stderr, "golden: %s does not gain from fp8\n", device);
    return 2;
  }
  for (int i = 1; i < argc; i++)
    if (!add_paths (paths, argv[i], &error)) {
      fprintf (stderr, "golden: %s\n", error->message);
      return 2;
    }
  for (guint i = 0; i < paths->len; i++)
    n_ok += run_file (g_ptr_array_index (paths, i),
        precision == SHU_PRECISION_FP8, ctx, host);
  printf (
      "%u files, %u passed, %u failed\n", paths->len, n_ok, paths->len - n_ok);
  return paths->len > 0 && n_ok == paths->len ? 0 : 1;
}
