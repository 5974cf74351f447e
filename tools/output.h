/* SPDX-License-Identifier: MIT */
/* What the program says: for people (a bar on a terminal, plain lines
 * elsewhere; results on standard output, the rest on standard error) or for
 * programs (one JSON object a line on standard output). */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  gboolean json;
  gboolean verbose;
  gboolean terminal; /* standard error is one */
  gboolean bar;      /* a bar stands there, unfinished */
  char *last_stage;  /* last one printed on a line of its own */
  gint64 last_line;  /* when, microseconds */
} Output;

void output_init (Output *o, gboolean json);
void output_clear (Output *o);

/* @seconds < 0: not known; @guess: not from an earlier run */
void output_estimate (
    Output *o, const char *input, double seconds, gboolean guess);
void output_progress (
    Output *o, const char *stage, int step, int total, double seconds_left);

/* What a stage did: @text where @o is verbose, the counts in JSON. */
typedef struct {
  const char *name;
  int value;
} OutputCount;

void output_report (Output *o, const char *input, const char *text,
    const OutputCount *counts, int n_counts);
void output_warning (Output *o, const char *input, const char *text);
void output_error (
    Output *o, const char *input, const char *text, const char *detail);
void output_result (Output *o, const char *input, const char *output,
    gsize bytes, double seconds);
/* Ends a bar. */
void output_end_bar (Output *o);

/* @text without what a terminal would obey: names in files can hold that.
 * (transfer full) */
char *output_printable (const char *text);
/* "35 s", "4 min": (transfer full) */
char *output_duration (double seconds);

G_END_DECLS
