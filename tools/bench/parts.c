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

enum { MIN_RUNS = 5, MAX_RUNS = 100 };

typedef struct {
  double median, min; /* seconds */
  int runs;
  double flop, bytes;
  double least; /* seconds */
  guint64 operations;
  gsize results, memory;       /* bytes */
  char *steps;                 /* (nullable): of a whole stage, for people */
  const BenchPytorch *pytorch; /* (nullable) */
} Measured;

static void
measured_clear (Measured *m)
{
  g_free (m->steps);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Measured, measured_clear)

/* What the networks of a stage take together. */
typedef struct {
  double flop, bytes, least;
} Sum;

static int
compare (gconstpointer a, gconstpointer b)
{
  double d = *(const double *) a - *(const double *) b;

  return d < 0 ? -1 : d > 0;
}

double
bench_median (double *values, int n)
{
  qsort (values, n, sizeof *values, compare);
  return values[n / 2];
}

static gboolean
is_whole (const ShuPart *p)
{
  for (int i = 0; i < SHU_N_PART_STAGES; i++)
    if (shu_part_covers (p, i))
      return TRUE;
  return FALSE;
}

/* The times of some runs, after the first: at least MIN_RUNS, of whole stages
 * one. */
static gboolean
time_part (ShuPart *p, double budget, Measured *m, GError **error)
{
  int enough = is_whole (p) ? 1 : MIN_RUNS, n = 0;
  double times[MAX_RUNS], sum = 0;

  if (!shu_part_run (p, error))
    return FALSE;
  while (n < MAX_RUNS && (n < enough || sum < budget)) {
    gint64 start = g_get_monotonic_time ();

    if (is_whole (p)) {
      g_free (m->steps);
      m->steps = bench_steps (p, error);
    }
    if (is_whole (p) ? !m->steps : !shu_part_run (p, error))
      return FALSE;
    times[n] = (double) (g_get_monotonic_time () - start) * 1e-6;
    sum += times[n++];
    shu_part_look_at_memory (p);
  }
  m->runs = n;
  m->median = bench_median (times, n);
  m->min = times[0];
  return TRUE;
}

static gboolean
count_work (
    ShuPart *p, const BenchCeiling *ceiling, Measured *m, GError **error)
{
  g_autoptr (ShuRecord) r =
      shu_record_new (shu_part_context (p), SHU_RECORD_WORK);
  ShuRecordRow total;

  if (!shu_part_run (p, error))
    return FALSE;
  total = shu_record_total (r);
  m->flop = total.flop;
  m->bytes = total.bytes;
  m->operations = total.calls;
  m->least = bench_least (m->flop, m->bytes, ceiling);
  return TRUE;
}

/* ---- rows ---- */

static void
print_head (const BenchOptions *o, ShuCtx *c, const BenchCeiling *ceiling)
{
  g_autofree char *device = shu_ctx_device_name (c);

  if (o->json) {
    printf ("{\n  \"device\": \"%s\",\n  \"matrix_tflops\": %.2f,\n"
            "  \"matrix_sustained_tflops\": %.2f,\n"
            "  \"copy_gbs\": %.1f,\n  \"parts\": [",
        device, ceiling->matrix * 1e-12, ceiling->sustained * 1e-12,
        ceiling->copy * 1e-9);
    return;
  }
  printf ("%s: %.1f TFLOP/s in a large product, %.1f after seconds of it, "
          "%.0f GB/s in a copy\n\n"
          "%-12s %-34s %10s %10s %9s %9s %8s %7s %6s %-6s %5s %6s %9s %9s%s\n",
      device, ceiling->matrix * 1e-12, ceiling->sustained * 1e-12,
      ceiling->copy * 1e-9, "part", "size", "median ms", "min ms", "TFLOP",
      "GB", "TFLOP/s", "GB/s", "of top", "bound", "in job", "ops", "results",
      "memory MB", o->pytorch ? " PyTorch ms times" : "");
}

static const char *
bound (const ShuPart *p, const Measured *m, const BenchCeiling *ceiling)
{
  if (m->least <= 0)
    return "";
  if (is_whole (p))
    return "parts";
  return m->flop / ceiling->matrix >= m->least ? "matrix" : "memory";
}

static int
runs_in_job (const ShuPart *p)
{
  int n = 0;

  for (int i = 0; i < SHU_N_PART_STAGES; i++)
    n += shu_part_runs (p, i);
  return MAX (n, 1);
}

/* @text between quotation marks */
static void
print_text (const char *key, const char *text)
{
  g_autofree char *clean = g_utf8_make_valid (text, -1);

  for (char *p = clean; *p; p++)
    if (g_ascii_iscntrl (*p) || strchr ("\"\\", *p))
      *p = '\'';
  printf (", \"%s\": \"%s\"", key, clean);
}

static void
print_json (ShuPart *p, const char *name, const Measured *m,
    const BenchCeiling *ceiling, gboolean first)
{
  printf ("%s\n    {\"part\": \"%s\", \"size\": \"%s\", "
          "\"median_ms\": %.4f, \"min_ms\": %.4f, \"runs\": %d",
      first ? "" : ",", name, shu_part_size (p), 1e3 * m->median, 1e3 * m->min,
      m->runs);
  if (m->least > 0)
    printf (", \"tflop\": %.6f, \"gb\": %.6f, \"tflops\": %.3f, "
            "\"gbs\": %.1f, \"least_ms\": %.4f, \"share\": %.4f, "
            "\"bound\": \"%s\"",
        1e-12 * m->flop, 1e-9 * m->bytes, 1e-12 * m->flop / m->median,
        1e-9 * m->bytes / m->median, 1e3 * m->least, m->least / m->median,
        bound (p, m, ceiling));
  if (m->operations > 0)
    printf (", \"operations\": %" G_GUINT64_FORMAT ", \"results_mb\": %zu",
        m->operations, m->results >> 20);
  if (m->pytorch && m->pytorch->why)
    print_text ("pytorch_missing", m->pytorch->why);
  else if (m->pytorch)
    printf (", \"pytorch_median_ms\": %.4f, \"pytorch_min_ms\": %.4f, "
            "\"pytorch_times\": %.3f",
        1e3 * m->pytorch->median, 1e3 * m->pytorch->min,
        m->pytorch->median / m->median);
  printf (", \"runs_in_job\": %d, \"memory_mb\": %zu}", runs_in_job (p),
      m->memory >> 20);
}

static void
print_row (ShuPart *p, const char *name, const Measured *m,
    const BenchCeiling *ceiling)
{
  printf ("%-12s %-34s %10.3f %10.3f ", name, shu_part_size (p),
      1e3 * m->median, 1e3 * m->min);
  if (m->least > 0)
    printf ("%9.3f %9.2f %8.1f %7.0f %5.0f%% %-6s ", 1e-12 * m->flop,
        1e-9 * m->bytes, 1e-12 * m->flop / m->median,
        1e-9 * m->bytes / m->median, 100 * m->least / m->median,
        bound (p, m, ceiling));
  else
    printf ("%9s %9s %8s %7s %6s %-6s ", "", "", "", "", "", "");
  if (m->operations > 0)
    printf ("%5d %6" G_GUINT64_FORMAT " %9zu %9zu", runs_in_job (p),
        m->operations, m->results >> 20, m->memory >> 20);
  else
    printf ("%5d %6s %9s %9zu", runs_in_job (p), "", "", m->memory >> 20);
  if (m->pytorch && m->pytorch->why)
    printf ("  %s", m->pytorch->why);
  else if (m->pytorch)
    printf (" %10.3f %5.2f", 1e3 * m->pytorch->median,
        m->pytorch->median / m->median);
  printf ("\n");
}

/* ---- parts ---- */

/* A network, which has products, adds to @sums of the stages it runs in; a
 * whole stage is made of them. */
static void
sum_up (const ShuPart *p, Measured *m, Sum *sums)
{
  for (int i = 0; i < SHU_N_PART_STAGES; i++) {
    int n = shu_part_runs (p, i);

    if (shu_part_covers (p, i)) {
      m->flop += sums[i].flop;
      m->bytes += sums[i].bytes;
      m->least += sums[i].least;
    }
    if (m->flop == 0)
      continue;
    sums[i].flop += n * m->flop;
    sums[i].bytes += n * m->bytes;
    sums[i].least += n * m->least;
  }
}

typedef struct {
  const BenchOptions *o;
  ShuModel *model;
  BenchCeiling ceiling;
  GHashTable *pytorch; /* (nullable): of bench_pytorch() */
  gboolean all;        /* the parts, so that sums are complete */
  Sum sums[SHU_N_PART_STAGES];
} Bench;

static gboolean
run_part (Bench *b, const char *name, gboolean first, GError **error)
{
  const BenchOptions *o = b->o;
  g_autoptr (ShuPart) p = shu_part_new (b->model, name, b->o->precision, error);
  g_auto (Measured) m = {0};

  if (!p || !time_part (p, o->seconds > 0 ? o->seconds : 1, &m, error))
    return FALSE;
  if (shu_part_context (p) && !count_work (p, &b->ceiling, &m, error))
    return FALSE;
  m.results = shu_part_results (p);
  m.memory = shu_part_memory (p);
  if (b->pytorch)
    m.pytorch = g_hash_table_lookup (b->pytorch, name);
  if (b->all)
    sum_up (p, &m, b->sums);
  if (o->json)
    print_json (p, name, &m, &b->ceiling, first);
  else
    print_row (p, name, &m, &b->ceiling);
  fflush (stdout);
  if (!o->ops || o->json)
    return TRUE;
  if (m.steps)
    printf ("%s", m.steps);
  return !shu_part_context (p) || bench_ops (p, &b->ceiling, error);
}

static gboolean
run_parts (Bench *b, const char *const *names, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new (shu_model_device (b->model), error);

  if (!c || !bench_ceiling (shu_model_device (b->model), &b->ceiling, error))
    return FALSE;
  print_head (b->o, c, &b->ceiling);
  for (int i = 0; names[i]; i++)
    if (!run_part (b, names[i], i == 0, error))
      return FALSE;
  if (b->o->json)
    printf ("\n  ]\n}\n");
  return TRUE;
}

gboolean
bench_parts (const BenchOptions *o, GError **error)
{
  gboolean all =
      !o->parts || g_strv_contains ((const char *const *) o->parts, "all");
  const char *const *names =
      all ? shu_part_names () : (const char *const *) o->parts;
  g_autoptr (GHashTable) pytorch = NULL;
  g_autoptr (ShuModel) model = NULL;

  if (o->pytorch && !(pytorch = bench_pytorch (o->pytorch, names, error)))
    return FALSE;
  model = shu_model_get (o->model, o->device, error);
  return model &&
         run_parts (
             &(Bench){.o = o, .model = model, .pytorch = pytorch, .all = all},
             names, error);
}
