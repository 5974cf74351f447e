/* SPDX-License-Identifier: MIT */
/* What follows the networks, from the bundle "asset" to the bytes of the GLB
 * file: what each piece of it takes, for one body or for bodies from small to
 * large, and the most memory that it held. */
#include "bench.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RUNS = 20, POLL = 3000 /* microseconds */ };

/* ---- laps ---- */

typedef struct {
  char *name;
  double seconds[MAX_RUNS]; /* of each run */
} Lap;

typedef struct {
  GPtrArray *laps; /* in the order of the work */
  int run;
  gboolean of_processor;
  double last;
} Laps;

static void
lap_free (gpointer data)
{
  Lap *lap = data;

  g_free (lap->name);
  g_free (lap);
}

static void
on_lap (const char *part, gpointer data)
{
  Laps *l = data;
  double now = bench_now (l->of_processor);
  Lap *lap = NULL;

  for (guint i = 0; i < l->laps->len && !lap; i++) {
    Lap *other = g_ptr_array_index (l->laps, i);

    if (strcmp (other->name, part) == 0)
      lap = other;
  }
  if (!lap) {
    lap = g_new0 (Lap, 1);
    lap->name = g_strdup (part);
    g_ptr_array_add (l->laps, lap);
  }
  lap->seconds[l->run] += now - l->last;
  l->last = now;
}

static double
median (const double *values, int n)
{
  double sorted[MAX_RUNS];

  memcpy (sorted, values, n * sizeof *values);
  return bench_median (sorted, n);
}

/* ---- memory ---- */

/* A line of /proc/self/status, bytes; 0 where there is none */
static gsize
status_bytes (const char *name)
{
  g_autofree char *text = NULL;
  const char *at;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL) ||
      !(at = strstr (text, name)))
    return 0;
  return (gsize) g_ascii_strtoull (at + strlen (name), NULL, 10) << 10;
}

/* Lets the peak begin anew. */
static void
reset_peak (void)
{
  FILE *f = fopen ("/proc/self/clear_refs", "w");

  if (!f)
    return;
  fputs ("5", f);
  fclose (f);
}

/* The device's memory is looked at all the time, as nothing keeps its peak. */
typedef struct {
  ShuPart *part;
  gint stop;
} Watch;

static gpointer
watch (gpointer data)
{
  Watch *w = data;

  while (!g_atomic_int_get (&w->stop)) {
    shu_part_look_at_memory (w->part);
    g_usleep (POLL);
  }
  return NULL;
}

/* ---- one body ---- */

typedef struct {
  Laps laps;
  double all[MAX_RUNS];
  int runs;
  gsize host_before, host_peak;
} Measured;

static gboolean
measure (ShuPart *p, const BenchOptions *o, Measured *m, GError **error)
{
  double budget = o->seconds > 0 ? o->seconds : 1, sum = 0;
  Watch w = {.part = p};
  GThread *thread;
  gboolean ok = TRUE;
  const ShuProgress progress = {.lap = on_lap, .data = &m->laps};

  m->laps.of_processor = o->processor_time;
  shu_part_set_progress (p, &progress);
  malloc_trim (0);
  reset_peak ();
  m->host_before = status_bytes ("VmRSS:");
  thread = g_thread_new ("memory", watch, &w);
  while (ok && m->runs < MAX_RUNS && (m->runs == 0 || sum < budget)) {
    double start = m->laps.last = bench_now (o->processor_time);

    m->laps.run = m->runs;
    ok = shu_part_run (p, error);
    m->all[m->runs] = bench_now (o->processor_time) - start;
    sum += m->all[m->runs++];
  }
  g_atomic_int_set (&w.stop, 1);
  g_thread_join (thread);
  m->host_peak = status_bytes ("VmHWM:");
  shu_part_set_progress (p, NULL);
  return ok;
}

static void
print (const ShuPart *p, const char *name, const Measured *m)
{
  printf ("%s: %s\n", name, shu_part_size (p));
  for (guint i = 0; i < m->laps.laps->len; i++) {
    const Lap *lap = g_ptr_array_index (m->laps.laps, i);

    printf ("%10.1f ms  %s\n", 1e3 * median (lap->seconds, m->runs), lap->name);
  }
  printf ("%10.1f ms  all, median of %d\n"
          "%10.1f MB  of the host, %.1f when it began\n",
      1e3 * median (m->all, m->runs), m->runs, 1e-6 * (double) m->host_peak,
      1e-6 * (double) m->host_before);
  if (shu_part_memory (p) > 0)
    printf ("%10.1f MB  of the device\n", 1e-6 * (double) shu_part_memory (p));
  printf ("\n");
}

static void
print_json (
    const ShuPart *p, const char *name, const Measured *m, gboolean first)
{
  printf ("%s\n  {\"part\": \"%s\", \"size\": \"%s\", \"runs\": %d, "
          "\"median_ms\": %.3f, \"host_mb\": %.1f, \"host_before_mb\": %.1f, "
          "\"device_mb\": %.1f, \"laps\": {",
      first ? "" : ",", name, shu_part_size (p), m->runs,
      1e3 * median (m->all, m->runs), 1e-6 * (double) m->host_peak,
      1e-6 * (double) m->host_before, 1e-6 * (double) shu_part_memory (p));
  for (guint i = 0; i < m->laps.laps->len; i++) {
    const Lap *lap = g_ptr_array_index (m->laps.laps, i);

    printf ("%s\"%s\": %.3f", i ? ", " : "", lap->name,
        1e3 * median (lap->seconds, m->runs));
  }
  printf ("}}");
}

static gboolean
run_one (ShuModel *model, const char *name, const BenchOptions *o,
    gboolean first, GError **error)
{
  g_autoptr (ShuPart) p = shu_part_new (model, name, o->precision, error);
  g_autoptr (GPtrArray) laps = g_ptr_array_new_with_free_func (lap_free);
  g_autofree Measured *m = g_new0 (Measured, 1);
  /* the first run makes contexts, loads kernels */
  gboolean warm_up = first && strcmp (shu_model_device (model), "cpu") != 0;

  m->laps.laps = laps;
  if (!p || (warm_up && !shu_part_run (p, error)) || !measure (p, o, m, error))
    return FALSE;
  if (o->json)
    print_json (p, name, m, first);
  else
    print (p, name, m);
  fflush (stdout);
  return TRUE;
}

gboolean
bench_is_tail (const char *const *parts)
{
  for (int i = 0; parts && parts[i]; i++)
    if (strcmp (parts[i], "tail") != 0 && !g_str_has_prefix (parts[i], "tail@"))
      return FALSE;
  return parts && parts[0];
}

gboolean
bench_tail (const BenchOptions *o, GError **error)
{
  static const char *const growing[] = {"tail@100000", "tail@200000",
      "tail@500000", "tail@1000000", "tail@2000000", NULL};
  const char *const *names =
      o->parts ? (const char *const *) o->parts : growing;
  g_autoptr (ShuModel) model = shu_model_get (o->model, o->device, error);

  if (!model)
    return FALSE;
  if (o->json)
    printf ("[");
  for (int i = 0; names[i]; i++)
    if (!run_one (model, names[i], o, i == 0, error))
      return FALSE;
  if (o->json)
    printf ("\n]\n");
  return TRUE;
}
