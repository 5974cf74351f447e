/* SPDX-License-Identifier: MIT */
/* Counts for Prometheus. */
#pragma once
#include "api_job.h"

G_BEGIN_DECLS

typedef struct _Metrics Metrics;

Metrics *metrics_new (void);
void metrics_free (Metrics *m);

/* A job that is over. */
void metrics_job (Metrics *m, const ApiJob *job);
/* What failed outside of a worker; @cause as of jobs */
void metrics_failed (Metrics *m, const char *cause);
/* A worker process that has ended. */
void metrics_lost (Metrics *m);
/* A request that has its answer, of @in bytes and @out bytes. */
void metrics_request (Metrics *m, guint status, gint64 in, gint64 out);

/* Jobs that succeeded */
int metrics_jobs_done (const Metrics *m);
/* Of the jobs so far; 10 before the first. */
double metrics_mean_seconds (const Metrics *m);
/* "stage name" to seconds, means so far, as members of @b */
void metrics_write_means (const Metrics *m, JsonBuilder *b);

/**
 * MetricsWorker:
 * A worker process as it is now.
 * @gpu: (nullable)
 * @memory, @memory_free: bytes of the GPU
 * @resident: bytes of the process
 */
typedef struct {
  const char *device, *gpu;
  gboolean ready;
  gint64 memory, memory_free, resident;
} MetricsWorker;

/* As Prometheus reads it (text format 0.0.4); (transfer full) */
char *metrics_text (const Metrics *m, int waiting, int running,
    const MetricsWorker *workers, int n_workers);
/* Bytes of memory in use by the process "self" or with this number */
gint64 resident_memory (const char *pid);

G_END_DECLS
