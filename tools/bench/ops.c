/* SPDX-License-Identifier: MIT */
/* Where the time of a network goes: by operation, then by operation and
 * shapes.  Times are the device's, of another run than the counts: counting
 * waits for the device here and there. */
#include "bench.h"
#include "ops/record.h"
#include <stdio.h>

/* A row of either table; the counts of one run, the time of the other. */
typedef struct {
  ShuRecordRow row;
  double least;
} Entry;

typedef struct {
  GHashTable *by_name; /* -> Entry, of entries */
  GPtrArray *entries;
} Table;

static Table
table_new (void)
{
  return (Table){g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
      g_ptr_array_new_with_free_func (g_free)};
}

static void
table_clear (Table *t)
{
  g_hash_table_unref (t->by_name);
  g_ptr_array_unref (t->entries);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Table, table_clear)

/* Takes over @name. */
static Entry *
entry_of (Table *t, char *name)
{
  Entry *e = g_hash_table_lookup (t->by_name, name);

  if (e) {
    g_free (name);
    return e;
  }
  e = g_new0 (Entry, 1);
  e->row.op = name;
  g_ptr_array_add (t->entries, e);
  g_hash_table_insert (t->by_name, name, e);
  return e;
}

static void
add (Entry *e, const ShuRecordRow *r, const BenchCeiling *ceiling)
{
  e->row.flop += r->flop;
  e->row.bytes += r->bytes;
  e->row.seconds += r->seconds;
  e->row.calls += r->seconds > 0 ? r->calls : 0;
  e->least += bench_least (r->flop, r->bytes, ceiling);
}

/* One run with a record of the given kind, added to both tables. */
static gboolean
run (ShuPart *p, ShuRecordFlags flags, const BenchCeiling *ceiling,
    Table *by_op, Table *by_shapes, GError **error)
{
  g_autoptr (ShuRecord) record = shu_record_new (shu_part_context (p), flags);
  GPtrArray *rows;

  if (!shu_part_run (p, error))
    return FALSE;
  rows = shu_record_rows (record);
  for (guint i = 0; i < rows->len; i++) {
    const ShuRecordRow *r = g_ptr_array_index (rows, i);

    add (entry_of (by_op, g_strdup (r->op)), r, ceiling);
    add (entry_of (by_shapes, g_strconcat (r->op, " ", r->shapes, NULL)), r,
        ceiling);
  }
  return TRUE;
}

static int
compare (gconstpointer pa, gconstpointer pb)
{
  const Entry *a = *(Entry *const *) pa, *b = *(Entry *const *) pb;

  return a->row.seconds < b->row.seconds   ? 1
         : a->row.seconds > b->row.seconds ? -1
                                           : 0;
}

static void
print (Table *t, double sum)
{
  printf ("\n%9s %6s %6s %9s %8s %8s %6s  operation\n", "ms", "share", "calls",
      "us each", "TFLOP/s", "GB/s", "of top");
  g_ptr_array_sort (t->entries, compare);
  for (guint i = 0; i < t->entries->len; i++) {
    const Entry *e = g_ptr_array_index (t->entries, i);
    const ShuRecordRow *r = &e->row;
    double s = MAX (r->seconds, 1e-9);

    printf ("%9.3f %5.1f%% %6" G_GUINT64_FORMAT " %9.1f ", 1e3 * r->seconds,
        100 * r->seconds / sum, r->calls,
        1e6 * r->seconds / (double) MAX (r->calls, 1));
    if (r->flop > 0)
      printf ("%8.1f ", 1e-12 * r->flop / s);
    else
      printf ("%8s ", "");
    printf (
        "%8.0f %5.0f%%  %s\n", 1e-9 * r->bytes / s, 100 * e->least / s, r->op);
  }
}

gboolean
bench_ops (ShuPart *p, const BenchCeiling *ceiling, GError **error)
{
  g_auto (Table) by_op = table_new (), by_shapes = table_new ();
  double sum = 0, total;
  gint64 start;

  if (!run (p, SHU_RECORD_WORK, ceiling, &by_op, &by_shapes, error))
    return FALSE;
  start = g_get_monotonic_time ();
  if (!run (p, SHU_RECORD_TIME, ceiling, &by_op, &by_shapes, error))
    return FALSE;
  total = (double) (g_get_monotonic_time () - start) * 1e-6;
  for (guint i = 0; i < by_op.entries->len; i++)
    sum += ((Entry *) g_ptr_array_index (by_op.entries, i))->row.seconds;
  print (&by_op, MAX (sum, 1e-9));
  print (&by_shapes, MAX (sum, 1e-9));
  printf ("%9.3f ms in operations, %.3f ms with all that lies between\n\n",
      1e3 * sum, 1e3 * total);
  return TRUE;
}

/* ---- whole stages ---- */

typedef struct {
  GString *text;
  gint64 last; /* microseconds */
} Clock;

static void
on_progress (const char *stage, int step, int total, gpointer data)
{
  Clock *clock = data;
  gint64 now = g_get_monotonic_time ();

  g_string_append_printf (clock->text, "%9.3f ms to %s %d/%d\n",
      (double) (now - clock->last) * 1e-3, stage, step, total);
  clock->last = now;
}

char *
bench_steps (ShuPart *p, GError **error)
{
  Clock clock = {g_string_new ("\n"), g_get_monotonic_time ()};
  const ShuProgress progress = {.func = on_progress, .data = &clock};
  gboolean ok;

  shu_part_set_progress (p, &progress);
  ok = shu_part_run (p, error);
  shu_part_set_progress (p, NULL);
  g_string_append_printf (clock.text, "%9.3f ms to the end\n\n",
      (double) (g_get_monotonic_time () - clock.last) * 1e-3);
  return g_string_free (clock.text, !ok);
}
