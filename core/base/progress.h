/* SPDX-License-Identifier: MIT */
/* How long work reports its progress and learns that it should stop. */
#pragma once
#include <gio/gio.h>
#include "base/traffic.h"

G_BEGIN_DECLS

/**
 * ShuProgressFunc:
 * @stage: name of the work, e.g. "stage1"
 * @step: steps done, 0..@total
 * @total: number of steps, at least 1
 *
 * Called from the thread that does the work; must return quickly.
 */
typedef void (*ShuProgressFunc) (
    const char *stage, int step, int total, gpointer data);

/**
 * ShuLapFunc:
 * @part: what the work has been at since it began, or since the last call
 */
typedef void (*ShuLapFunc) (const char *part, gpointer data);

/**
 * ShuProgress:
 * Everything may be NULL; so may a pointer to it.
 * @traffic: counts what the work copies between host and device
 * @lap: for those who measure where time goes
 */
typedef struct {
  ShuProgressFunc func;
  gpointer data;
  GCancellable *cancellable;
  ShuTraffic *traffic;
  ShuLapFunc lap;
} ShuProgress;

/* (nullable): of @progress, which may be NULL, too */
static inline ShuTraffic *
shu_progress_traffic (const ShuProgress *progress)
{
  return progress ? progress->traffic : NULL;
}

static inline void
shu_progress_lap (const ShuProgress *progress, const char *part)
{
  if (progress && progress->lap)
    progress->lap (part, progress->data);
}

/* Whether the work must stop: for loops that threads share, and for those that
 * others around them see the end of.  Costs next to nothing. */
static inline gboolean
shu_progress_stops (const ShuProgress *progress)
{
  return progress && g_cancellable_is_cancelled (progress->cancellable);
}

/**
 * shu_progress:
 * Reports @step of @total.
 *
 * Returns: FALSE with %G_IO_ERROR_CANCELLED when the work must stop.
 */
gboolean shu_progress (const ShuProgress *progress, const char *stage, int step,
    int total, GError **error);

G_END_DECLS
