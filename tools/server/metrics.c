/* SPDX-License-Identifier: MIT */
#include "metrics.h"
#include "web_json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Upper bounds of durations, seconds; the last is infinity. */
static const double bounds[] = {
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, INFINITY};

typedef struct {
  guint64 buckets[G_N_ELEMENTS (bounds)];
  guint64 n;
  double sum;
} Histogram;

struct _Metrics {
  GHashTable *stages; /* name to Histogram */
  Histogram jobs;
  GHashTable *failures; /* cause to guint64 * */
  GHashTable *requests; /* "2xx" to guint64 * */
  guint64 cancelled, lost;
  gint64 in, out;
};

Metrics *
metrics_new (void)
{
  Metrics *m = g_new0 (Metrics, 1);

  m->stages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  m->failures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  m->requests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return m;
}

void
metrics_free (Metrics *m)
{
  if (!m)
    return;
  g_hash_table_unref (m->stages);
  g_hash_table_unref (m->failures);
  g_hash_table_unref (m->requests);
  g_free (m);
}

static void
observe (Histogram *h, double seconds)
{
  guint i = 0;

  while (seconds > bounds[i])
    i++;
  h->buckets[i]++;
  h->n++;
  h->sum += seconds;
}

static void
count (GHashTable *table, const char *name)
{
  guint64 *n = g_hash_table_lookup (table, name);

  if (!n) {
    n = g_new0 (guint64, 1);
    g_hash_table_replace (table, g_strdup (name), n);
  }
  (*n)++;
}

void
metrics_job (Metrics *m, const ApiJob *job)
{
  GHashTableIter iter;
  gpointer name, seconds;

  m->cancelled += job->state == API_CANCELLED;
  if (job->state == API_FAILED)
    count (m->failures, job->cause ? job->cause : "internal");
  if (job->state != API_COMPLETED)
    return;
  observe (&m->jobs, job->seconds);
  g_hash_table_iter_init (&iter, job->stages);
  while (g_hash_table_iter_next (&iter, &name, &seconds)) {
    Histogram *h = g_hash_table_lookup (m->stages, name);

    /* names come from a worker, which a stranger's photo may have taken over */
    if (!h && g_hash_table_size (m->stages) >= 32)
      continue;
    if (!h) {
      h = g_new0 (Histogram, 1);
      g_hash_table_replace (m->stages, g_strdup (name), h);
    }
    observe (h, *(double *) seconds);
  }
}

void
metrics_failed (Metrics *m, const char *cause)
{
  count (m->failures, cause);
}

void
metrics_lost (Metrics *m)
{
  m->lost++;
}

void
metrics_request (Metrics *m, guint status, gint64 in, gint64 out)
{
  char group[] = "0xx";

  group[0] = (char) ('0' + MIN (status / 100, 9));
  count (m->requests, group);
  m->in += in;
  m->out += out;
}

int
metrics_jobs_done (const Metrics *m)
{
  return (int) m->jobs.n;
}

double
metrics_mean_seconds (const Metrics *m)
{
  return m->jobs.n ? m->jobs.sum / (double) m->jobs.n : 10;
}

void
metrics_write_means (const Metrics *m, JsonBuilder *b)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, m->stages);
  while (g_hash_table_iter_next (&iter, &name, &value)) {
    const Histogram *h = value;

    web_seconds (b, name, h->sum / (double) h->n);
  }
  if (m->jobs.n)
    web_seconds (b, "total", metrics_mean_seconds (m));
}

/* ---- the text ---- */

static void
head (GString *s, const char *name, const char *type, const char *help)
{
  g_string_append_printf (s, "# HELP synchuman_%s %s\n# TYPE synchuman_%s %s\n",
      name, help, name, type);
}

static void
one (GString *s, const char *name, const char *type, const char *help,
    double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  head (s, name, type, help);
  g_string_append_printf (
      s, "synchuman_%s %s\n", name, web_number (text, value));
}

static void
table (GString *s, const char *name, const char *label, const char *help,
    GHashTable *values)
{
  GHashTableIter iter;
  gpointer key, value;

  head (s, name, "counter", help);
  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_string_append_printf (s,
        "synchuman_%s{%s=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label,
        (char *) key, *(guint64 *) value);
}

/* @labels: "" or, with a comma at its end, those that come first */
static void
histogram (GString *s, const char *name, const char *labels, const Histogram *h)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  guint64 sum = 0;
  gsize n = strlen (labels);

  for (guint i = 0; i < G_N_ELEMENTS (bounds); i++) {
    sum += h->buckets[i];
    g_string_append_printf (s,
        "synchuman_%s_bucket{%sle=\"%s\"} %" G_GUINT64_FORMAT "\n", name,
        labels, isinf (bounds[i]) ? "+Inf" : web_number (text, bounds[i]), sum);
  }
  g_string_append_printf (s, "synchuman_%s_sum%s%.*s%s %s\n", name,
      n ? "{" : "", n ? (int) n - 1 : 0, labels, n ? "}" : "",
      web_number (text, h->sum));
  g_string_append_printf (s,
      "synchuman_%s_count%s%.*s%s %" G_GUINT64_FORMAT "\n", name, n ? "{" : "",
      n ? (int) n - 1 : 0, labels, n ? "}" : "", h->n);
}

gint64
resident_memory (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "statm", NULL);
  g_autofree char *text = NULL;
  long pages = 0;

  if (g_file_get_contents (path, &text, NULL, NULL))
    sscanf (text, "%*d %ld", &pages);
  return (gint64) pages * sysconf (_SC_PAGESIZE);
}

static void
of_workers (GString *s, const char *name, const char *help,
    const MetricsWorker *workers, int n, gsize field, gboolean of_gpu)
{
  head (s, name, "gauge", help);
  for (int i = 0; i < n; i++) {
    const MetricsWorker *w = &workers[i];
    g_autofree char *gpu = g_strescape (w->gpu ? w->gpu : "", NULL);

    if (of_gpu && !w->gpu)
      continue;
    g_string_append_printf (s,
        "synchuman_%s{worker=\"%d\",device=\"%s\",gpu=\"%s\"} "
        "%" G_GINT64_FORMAT "\n",
        name, i, w->device, gpu, G_STRUCT_MEMBER (gint64, w, field));
  }
}

static void
workers_text (GString *s, const MetricsWorker *workers, int n)
{
  int ready = 0;

  for (int i = 0; i < n; i++)
    ready += workers[i].ready;
  one (s, "workers_ready", "gauge", "Workers with their model loaded.", ready);
  of_workers (s, "worker_resident_memory_bytes",
      "Memory of a worker's process.", workers, n,
      G_STRUCT_OFFSET (MetricsWorker, resident), FALSE);
  of_workers (s, "gpu_memory_bytes", "Memory of a worker's GPU.", workers, n,
      G_STRUCT_OFFSET (MetricsWorker, memory), TRUE);
  of_workers (s, "gpu_memory_free_bytes",
      "What was free of it at the end of the last job.", workers, n,
      G_STRUCT_OFFSET (MetricsWorker, memory_free), TRUE);
}

char *
metrics_text (const Metrics *m, int waiting, int running,
    const MetricsWorker *workers, int n_workers)
{
  GString *s = g_string_new (NULL);
  GHashTableIter iter;
  gpointer name, value;

  one (s, "jobs_waiting", "gauge", "Jobs in the queue.", waiting);
  one (s, "jobs_running", "gauge", "Jobs that workers do.", running);
  workers_text (s, workers, n_workers);
  one (s, "workers_lost_total", "counter", "Worker processes that ended.",
      (double) m->lost);
  one (s, "jobs_cancelled_total", "counter", "Jobs that were stopped.",
      (double) m->cancelled);
  table (s, "jobs_failed_total", "cause", "Jobs that failed.", m->failures);
  table (s, "requests_total", "class", "Requests by class of status.",
      m->requests);
  one (s, "received_bytes_total", "counter", "Bytes of requests' bodies.",
      (double) m->in);
  one (s, "sent_bytes_total", "counter", "Bytes of answers' bodies.",
      (double) m->out);
  one (s, "resident_memory_bytes", "gauge", "Memory of the server's process.",
      (double) resident_memory ("self"));
  head (s, "job_seconds", "histogram", "Whole jobs that succeeded.");
  histogram (s, "job_seconds", "", &m->jobs);
  head (s, "stage_seconds", "histogram", "Their stages.");
  g_hash_table_iter_init (&iter, m->stages);
  while (g_hash_table_iter_next (&iter, &name, &value)) {
    g_autofree char *label = g_strdup_printf ("stage=\"%s\",", (char *) name);

    histogram (s, "stage_seconds", label, value);
  }
  return g_string_free (s, FALSE);
}
