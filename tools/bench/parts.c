/* SPDX-License-Identifier: MIT */
/* The networks of a model folder, one by one: how long a run takes on a
 * device, how much it computes and moves, and what share of the device's
 * ceiling that is.
 *
 * The shortest time that a run could take is what its products would take at
 * the speed of one large product, or what its bytes would take at the speed of
 * a copy, whichever is longer. */
#include "bench.h"
#include "ops/record.h"
#include "stages/parts.h"
#include <stdio.h>
#include <string.h>

enum { WARM_UP = 2, MIN_RUNS = 5, MAX_RUNS = 100 };

typedef struct {
  double median, min; /* seconds */
  int runs;
  ShuRecordRow work;
  gsize results, memory; /* bytes */
} Measured;

static int
compare (gconstpointer a, gconstpointer b)
{
  double d = *(const double *) a - *(const double *) b;

  return d < 0 ? -1 : d > 0;
}

/* The times of some runs, at least MIN_RUNS, after the first. */
static gboolean
time_part (ShuPart *p, double budget, Measured *m, GError **error)
{
  double times[MAX_RUNS], sum = 0;
  int n = 0;

  for (int i = 0; i < WARM_UP; i++)
    if (!shu_part_run (p, error))
      return FALSE;
  while (n < MAX_RUNS && (n < MIN_RUNS || sum < budget)) {
    gint64 start = g_get_monotonic_time ();

    if (!shu_part_run (p, error))
      return FALSE;
    times[n] = (double) (g_get_monotonic_time () - start) * 1e-6;
    sum += times[n++];
  }
  qsort (times, n, sizeof *times, compare);
  m->runs = n;
  m->min = times[0];
  m->median = times[n / 2];
  return TRUE;
}

static gboolean
count_work (ShuPart *p, Measured *m, GError **error)
{
  g_autoptr (ShuRecord) r =
      shu_record_new (shu_part_context (p), SHU_RECORD_WORK);

  if (!shu_part_run (p, error))
    return FALSE;
  m->work = shu_record_total (r);
  return TRUE;
}

static double
least (const ShuRecordRow *w, const BenchCeiling *ceiling)
{
  return MAX (w->flop / ceiling->matrix, w->bytes / ceiling->copy);
}

static const char *
bound (const ShuRecordRow *w, const BenchCeiling *ceiling)
{
  return w->flop / ceiling->matrix > w->bytes / ceiling->copy ? "matrix"
                                                              : "memory";
}

/* ---- by operation ---- */

/* What a run does, operation by operation, with the times of another: counting
 * waits for the device here and there. */
static gboolean
print_ops (ShuPart *p, const BenchCeiling *ceiling, GError **error)
{
  ShuCtx *c = shu_part_context (p);
  g_autoptr (GHashTable) work =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (ShuRecord) timed = NULL;
  GPtrArray *rows;
  double total, sum = 0;
  gint64 start;

  {
    g_autoptr (ShuRecord) counted = shu_record_new (c, SHU_RECORD_WORK);

    if (!shu_part_run (p, error))
      return FALSE;
    rows = shu_record_rows (counted);
    for (guint i = 0; i < rows->len; i++) {
      const ShuRecordRow *r = g_ptr_array_index (rows, i);

      g_hash_table_insert (work, g_strconcat (r->op, " ", r->shapes, NULL),
          g_memdup2 (r, sizeof *r));
    }
  }
  timed = shu_record_new (c, SHU_RECORD_TIME);
  start = g_get_monotonic_time ();
  if (!shu_part_run (p, error))
    return FALSE;
  total = (double) (g_get_monotonic_time () - start) * 1e-6;
  rows = shu_record_rows (timed);
  for (guint i = 0; i < rows->len; i++)
    sum += ((ShuRecordRow *) g_ptr_array_index (rows, i))->seconds;
  printf ("\n%9s %6s %6s %9s %8s %8s %6s  operation\n", "ms", "share", "calls",
      "us each", "TFLOP/s", "GB/s", "of top");
  for (guint i = 0; i < rows->len; i++) {
    const ShuRecordRow *r = g_ptr_array_index (rows, i);
    g_autofree char *key = g_strconcat (r->op, " ", r->shapes, NULL);
    const ShuRecordRow *w = g_hash_table_lookup (work, key);
    double s = MAX (r->seconds, 1e-9);

    if (!w)
      continue;
    printf ("%9.3f %5.1f%% %6" G_GUINT64_FORMAT " %9.1f ", 1e3 * r->seconds,
        100 * r->seconds / sum, r->calls, 1e6 * r->seconds / (double) r->calls);
    if (w->flop > 0)
      printf ("%8.1f ", 1e-12 * w->flop / s);
    else
      printf ("%8s ", "");
    printf ("%8.0f %5.0f%%  %s\n", 1e-9 * w->bytes / s,
        100 * least (w, ceiling) / s, key);
  }
  printf ("%9.3f ms in operations, %.3f ms with all that lies between\n",
      1e3 * sum, 1e3 * total);
  return TRUE;
}

/* ---- rows ---- */

static void
print_head (const BenchOptions *o, ShuCtx *c, const BenchCeiling *ceiling)
{
  if (o->json) {
    printf ("{\n  \"device\": \"%s\",\n  \"matrix_tflops\": %.1f,\n"
            "  \"copy_gbs\": %.0f,\n  \"parts\": [",
        shu_ctx_device (c), ceiling->matrix * 1e-12, ceiling->copy * 1e-9);
    return;
  }
  printf ("%s: %.1f TFLOP/s in a large product, %.0f GB/s in a copy\n\n"
          "%-12s %-34s %9s %9s %8s %8s %8s %8s %6s %-6s %5s %9s %9s\n",
      shu_ctx_device (c), ceiling->matrix * 1e-12, ceiling->copy * 1e-9, "part",
      "size", "median ms", "min ms", "TFLOP", "GB", "TFLOP/s", "GB/s", "of top",
      "bound", "runs", "results", "memory MB");
}

static void
print_row (const BenchOptions *o, ShuPart *p, const char *name,
    const Measured *m, const BenchCeiling *ceiling, gboolean first)
{
  const ShuRecordRow *w = &m->work;

  if (o->json) {
    printf ("%s\n    {\"part\": \"%s\", \"size\": \"%s\", \"median_ms\": %.4f, "
            "\"min_ms\": %.4f, \"runs\": %d, \"tflop\": %.5f, \"gb\": %.5f, "
            "\"operations\": %" G_GUINT64_FORMAT ", \"share\": %.4f, "
            "\"bound\": \"%s\", \"runs_in_job\": %d, \"results_mb\": %zu, "
            "\"memory_mb\": %zu}",
        first ? "" : ",", name, shu_part_size (p), 1e3 * m->median,
        1e3 * m->min, m->runs, 1e-12 * w->flop, 1e-9 * w->bytes, w->calls,
        least (w, ceiling) / m->median, bound (w, ceiling), shu_part_runs (p),
        m->results >> 20, m->memory >> 20);
    return;
  }
  printf ("%-12s %-34s %9.3f %9.3f %8.3f %8.2f %8.1f %8.0f %5.0f%% %-6s %5d "
          "%9zu %9zu\n",
      name, shu_part_size (p), 1e3 * m->median, 1e3 * m->min, 1e-12 * w->flop,
      1e-9 * w->bytes, 1e-12 * w->flop / m->median, 1e-9 * w->bytes / m->median,
      100 * least (w, ceiling) / m->median, bound (w, ceiling),
      shu_part_runs (p), m->results >> 20, m->memory >> 20);
}

static gboolean
run_part (const BenchOptions *o, ShuModel *model, const char *name,
    const BenchCeiling *ceiling, gboolean first, GError **error)
{
  g_autoptr (ShuPart) p = shu_part_new (model, name, error);
  Measured m;

  if (!p || !time_part (p, o->seconds > 0 ? o->seconds : 1, &m, error) ||
      !count_work (p, &m, error))
    return FALSE;
  m.results = shu_ctx_peak_bytes (shu_part_context (p));
  m.memory = shu_ctx_device_bytes (shu_part_context (p));
  print_row (o, p, name, &m, ceiling, first);
  fflush (stdout);
  return !o->ops || o->json || print_ops (p, ceiling, error);
}

gboolean
bench_parts (const BenchOptions *o, GError **error)
{
  g_autoptr (ShuModel) model = shu_model_get (o->model, o->device, error);
  g_autoptr (ShuCtx) c = NULL;
  gboolean all = o->parts && g_strv_contains ((const char **) o->parts, "all");
  const char *const *names =
      o->parts && !all ? (const char *const *) o->parts : shu_part_names ();
  BenchCeiling ceiling;

  if (!model)
    return FALSE;
  c = shu_ctx_new (shu_model_device (model), error);
  if (!c || !bench_ceiling (shu_model_device (model), &ceiling, error))
    return FALSE;
  print_head (o, c, &ceiling);
  for (int i = 0; names[i]; i++)
    if (!run_part (o, model, names[i], &ceiling, i == 0, error))
      return FALSE;
  if (o->json)
    printf ("\n  ]\n}\n");
  return TRUE;
}
