/* SPDX-License-Identifier: MIT */
/* Damages valid files by rule and hands them to a reader: the same numbers
 * damage the same bytes on every machine.  What must hold is that the reader
 * comes back soon, with either a result or an error. */
#pragma once
#include <glib.h>

typedef enum {
  MUTATE_BYTES = 0,       /* bits, words, cuts, copies: what all files get */
  MUTATE_TEXT = 1 << 0,   /* numbers written in digits */
  MUTATE_FLOATS = 1 << 1, /* aligned words become NaN, infinite, huge */
} MutateKind;

/**
 * MutateTarget:
 * @valid: what to start from
 * @read: FALSE with an error, or TRUE without one
 * @mend: (nullable): puts checksums right again, after every second damage
 * @count: cases in a short run
 * @least: of these, those that are run even where time is short
 * @trusted: that @valid can be read is known
 */
typedef struct {
  const char *name;
  GBytes *valid;
  gboolean (*read) (GBytes *bytes, gpointer data, GError **error);
  void (*mend) (guint8 *bytes, gsize size);
  MutateKind kind;
  int count;
  gpointer data;
  int least;
  gboolean trusted;
} MutateTarget;

/* Takes --times=N (N times as many cases in N times the time), --first=N and
 * --trace out of the arguments; before g_test_init(). */
void mutate_init (int *argc, char **argv);

/* The next @n targets share @seconds: one that is late runs its least, so that
 * a slow machine gets through in about the same time with fewer cases. */
void mutate_share (int seconds, int n);

/* Case @i of what can become of @valid; (transfer full) */
GBytes *mutate (const MutateTarget *t, guint64 i);
/* All cases; asserts.  Counts those that were read nevertheless. */
void mutate_run (const MutateTarget *t);
