/* SPDX-License-Identifier: MIT */
/* Runs one pipeline to its end. */
#pragma once
#include "output.h"

G_BEGIN_DECLS

/* Exit statuses of the program. */
enum {
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
  STATUS_STOPPED = 130
};

/**
 * Job:
 * @input: name to use in messages
 * @estimate: seconds that it should take; < 0: not known
 * @stage_seconds: (out): string to a double *, what a stage took
 */
typedef struct {
  const char *input;
  double estimate;
  double seconds;
  GHashTable *stage_seconds;
} Job;

/**
 * job_run:
 * @description: launch description
 *
 * Ctrl-C and SIGTERM stop it within a second.  Errors have been printed when
 * it returns.
 */
int job_run (Job *job, const char *description, Output *output);
void job_clear (Job *job);

G_END_DECLS
