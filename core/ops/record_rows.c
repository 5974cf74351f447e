/* SPDX-License-Identifier: MIT */
/* What a record has noted: calls by operation and shapes, their work, and what
 * marks in the stream say of their times. */
#include "ops/record_private.h"
#include <string.h>

typedef struct {
  ShuRecordRow *row;
  gpointer start, end; /* marks */
} Span;

/* ---- rows ---- */

static void
row_free (gpointer data)
{
  ShuRecordRow *row = data;

  g_free (row->shapes);
  g_free (row);
}

static ShuRecordRow *
row_of (ShuRecord *r, const char *op, int n, ShuTensor *const *operands)
{
  g_autoptr (GString) key = g_string_new (op);
  ShuRecordRow *row;

  for (int i = 0; i < n; i++) {
    const ShuTensor *t = operands[i];

    if (!t)
      continue;
    for (int d = 0; d < t->n_dims; d++)
      g_string_append_printf (
          key, "%s%" G_GINT64_FORMAT, d ? "," : " [", t->dims[d]);
    g_string_append_c (key, ']');
  }
  row = g_hash_table_lookup (r->by_key, key->str);
  if (row)
    return row;
  row = g_new0 (ShuRecordRow, 1);
  row->op = op;
  row->shapes = g_strdup (key->str + MIN (strlen (op) + 1, key->len));
  g_ptr_array_add (r->rows, row);
  g_hash_table_insert (r->by_key, g_strdup (key->str), row);
  return row;
}

double
shu_record_bytes (const ShuRecord *r, int n, ShuTensor *const *operands)
{
  double bytes = 0;

  for (int i = 0; i < n; i++) {
    const ShuTensor *t = operands[i];

    if (t)
      bytes +=
          (double) t->n *
          shu_dtype_size (t->dtype == SHU_DTYPE_F32 ? r->c->real : t->dtype);
  }
  return bytes;
}

static gpointer
mark (ShuRecord *r)
{
  gboolean on = r->flags & SHU_RECORD_TIME && r->real->mark;

  return on && !shu_ctx_failed (r->c) ? r->real->mark (r->c) : NULL;
}

/* ---- calls ---- */

ShuRecordCall
shu_record_begin (ShuRecord *r, const char *op, double flop, int n,
    ShuTensor *const *operands)
{
  ShuRecordCall call = {.row = row_of (r, op, n, operands)};

  call.row->calls++;
  if (r->flags & SHU_RECORD_WORK) {
    call.row->flop += flop;
    call.row->bytes += shu_record_bytes (r, n, operands);
  }
  call.start = mark (r);
  return call;
}

void
shu_record_end (ShuRecord *r, const ShuRecordCall *call)
{
  Span span = {call->row, call->start, call->start ? mark (r) : NULL};

  if (span.end)
    g_array_append_val (r->spans, span);
  else if (span.start)
    r->real->unmark (span.start);
}

/* ---- beginning and end ---- */

ShuRecord *
shu_record_new (ShuCtx *c, ShuRecordFlags flags)
{
  ShuRecord *r;

  g_return_val_if_fail (!c->record, NULL);
  g_return_val_if_fail (!(flags & SHU_RECORD_DRY) || c->place < 0, NULL);
  r = g_new0 (ShuRecord, 1);
  r->c = c;
  r->flags = flags;
  r->real = shu_backend_of (c);
  r->by_key = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  r->rows = g_ptr_array_new_with_free_func (row_free);
  r->spans = g_array_new (FALSE, FALSE, sizeof (Span));
  c->record = r;
  c->dry = (flags & SHU_RECORD_DRY) != 0;
  c->backend = &shu_backend_record;
  return r;
}

/* Adds what the marks say to the rows. */
static void
collect (ShuRecord *r)
{
  if (r->c->wait)
    r->c->wait (r->c);
  for (guint i = 0; i < r->spans->len; i++) {
    Span *s = &g_array_index (r->spans, Span, i);

    s->row->seconds += r->real->between (s->start, s->end);
    r->real->unmark (s->start);
    r->real->unmark (s->end);
  }
  g_array_set_size (r->spans, 0);
}

void
shu_record_free (ShuRecord *r)
{
  if (!r)
    return;
  collect (r);
  r->c->record = NULL;
  r->c->dry = FALSE;
  r->c->backend = r->real;
  g_array_unref (r->spans);
  g_hash_table_unref (r->by_key);
  g_ptr_array_unref (r->rows);
  g_free (r);
}

static int
compare (gconstpointer pa, gconstpointer pb)
{
  const ShuRecordRow *a = *(ShuRecordRow *const *) pa;
  const ShuRecordRow *b = *(ShuRecordRow *const *) pb;

  if (a->seconds != b->seconds)
    return a->seconds < b->seconds ? 1 : -1;
  if (a->flop != b->flop)
    return a->flop < b->flop ? 1 : -1;
  if (a->bytes != b->bytes)
    return a->bytes < b->bytes ? 1 : -1;
  return strcmp (a->shapes, b->shapes);
}

GPtrArray *
shu_record_rows (ShuRecord *r)
{
  collect (r);
  g_ptr_array_sort (r->rows, compare);
  return r->rows;
}

ShuRecordRow
shu_record_total (ShuRecord *r)
{
  ShuRecordRow sum = {0};

  collect (r);
  for (guint i = 0; i < r->rows->len; i++) {
    const ShuRecordRow *row = g_ptr_array_index (r->rows, i);

    sum.calls += row->calls;
    sum.flop += row->flop;
    sum.bytes += row->bytes;
    sum.seconds += row->seconds;
  }
  return sum;
}
