/* SPDX-License-Identifier: MIT */
/* Functions that run again and again: in one context, or in many. */
#include "ops/backend_private.h"
#include "base/error.h"
#include <string.h>

/* ---- what both have ---- */

/* A record, and what lies between its operations: it writes to the same blocks
 * every time, so they are for nobody else. */
typedef struct {
  ShuPool *pool;
  gpointer captured;
  gboolean direct; /* cannot be recorded */
  int n_void;      /* what did not become a record */
} Record;

/* Others may spoil a record. */
enum { MAX_VOID = 3 };

static void
run_in (ShuCtx *c, ShuPool *pool, ShuReplayFunc func, gpointer data)
{
  ShuPool *outer = c->pool;

  c->pool = pool;
  {
    SHU_SCOPE (c);

    func (c, data);
  }
  c->pool = outer;
}

/* Where there is no record afterwards, nothing was done; where others spoilt
 * it, nothing has failed either. */
static void
capture (
    ShuCtx *c, Record *r, gboolean lasts, ShuReplayFunc func, gpointer data)
{
  const ShuBackend *be = shu_backend_of (c);
  gboolean spoilt = FALSE;

  if (be->capture_begin && be->capture_begin (c, lasts)) {
    run_in (c, r->pool, func, data);
    r->captured = be->capture_end (c, &spoilt);
  }
  if (spoilt)
    g_clear_error (&c->error);
  if (!r->captured)
    r->direct = ++r->n_void == MAX_VOID || !be->capture_begin;
}

/* ---- in one context ---- */

/* The first run makes what is made once: weights' forms, plans, blocks of
 * memory.  The second is recorded. */
struct _ShuReplay {
  ShuCtx *c;
  ShuReplayFunc func;
  gpointer data;
  Record r;
  gboolean warm; /* ran once */
};

ShuReplay *
shu_replay_new (ShuCtx *c, ShuReplayFunc func, gpointer data)
{
  ShuReplay *r = g_new0 (ShuReplay, 1);

  shu_pool_trim (c->pool); /* what waits there is of no use meanwhile */
  *r = (ShuReplay){.c = c,
      .func = func,
      .data = data,
      .r.pool = shu_pool_new_inner (c->pool)};
  return r;
}

void
shu_replay_free (ShuReplay *r)
{
  if (!r)
    return;
  if (r->r.captured) {
    r->c->wait (r->c);
    shu_backend_of (r->c)->captured_free (r->r.captured);
  }
  shu_pool_unref (r->r.pool);
  g_free (r);
}

void
shu_replay_run (ShuReplay *r)
{
  ShuCtx *c = r->c;

  if (!shu_ctx_ready (c))
    return;
  /* whoever listens wants to see the operations */
  if (!r->warm || r->r.direct || c->tap || c->record) {
    run_in (c, r->r.pool, r->func, r->data);
    r->warm = !shu_ctx_failed (c);
    return;
  }
  if (!r->r.captured) {
    capture (c, &r->r, FALSE, r->func, r->data);
    if (shu_ctx_failed (c))
      return;
  }
  if (r->r.captured)
    shu_backend_of (c)->replay (c, r->r.captured, NULL, NULL);
  else
    run_in (c, r->r.pool, r->func, r->data);
}

/* ---- in many contexts ---- */

struct _ShuRecording {
  GMutex lock; /* of all that follows; who does not get it runs directly */

  /* what it was asked for, and by which context first; 0: nothing as yet */
  int place;
  ShuDType dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gint first;
  gint counted; /* the last context that rehearsed the record */

  Record r;
  const ShuBackend *backend; /* whose record it is */
  ShuTensor *x, *y;          /* of the record */
};

ShuRecording *
shu_recording_new (void)
{
  ShuRecording *r = g_new0 (ShuRecording, 1);

  g_mutex_init (&r->lock);
  return r;
}

/* Lets go of the memory of a record. */
static void
clear_record (ShuRecording *r)
{
  g_clear_pointer (&r->x, shu_tensor_unref);
  g_clear_pointer (&r->y, shu_tensor_unref);
  g_clear_pointer (&r->r.pool, shu_pool_unref);
}

void
shu_recording_free (ShuRecording *r)
{
  if (!r)
    return;
  if (r->r.captured)
    r->backend->captured_free (r->r.captured);
  clear_record (r);
  g_mutex_clear (&r->lock);
  g_free (r);
}

static gboolean
has_shape (const ShuRecording *r, const ShuTensor *x)
{
  return r->first != 0 && x->n_dims == r->n_dims &&
         memcmp (x->dims, r->dims, sizeof x->dims) == 0;
}

/* Whether @x is what @r was asked for, in a context of the same place */
static gboolean
is_known (const ShuCtx *c, const ShuRecording *r, const ShuTensor *x)
{
  return has_shape (r, x) && x->dtype == r->dtype && r->place == c->place;
}

/* What is asked for; and of a run apart the x that it had, and what came of it,
 * both kept */
typedef struct {
  ShuRecordedFunc func;
  gconstpointer data;
  ShuTensor *asked;
  ShuTensor *x, *y;
} Run;

static void
run_apart (ShuCtx *c, gpointer data)
{
  Run *run = data;
  const ShuTensor *like = run->asked;
  ShuTensor *x = shu_scoped (c, like->dtype, like->n_dims, like->dims);

  run->x = shu_own (c, x);
  run->y = shu_own (c, run->func (c, run->data, x));
}

/* Whatever fails, fails again, or not, when it is run directly. */
static void
record (ShuCtx *c, ShuRecording *r, Run *run)
{
  ShuPool *none = shu_pool_new (c->place);

  /* that of no context, and nothing goes from it meanwhile */
  r->r.pool = shu_pool_new_inner (none);
  shu_pool_unref (none);
  r->backend = shu_backend_of (c);
  capture (c, &r->r, TRUE, run_apart, run);
  r->x = run->x;
  r->y = run->y;
  if (r->r.captured)
    return;
  g_clear_error (&c->error);
  clear_record (r);
}

/* With the lock held: scoped; NULL: to be run directly */
static ShuTensor *
replay (ShuCtx *c, ShuRecording *r, Run *run)
{
  ShuTensor *y;

  if (!is_known (c, r, run->asked))
    return NULL;
  if (!r->r.captured && !r->r.direct && r->first != c->serial)
    record (c, r, run);
  if (!r->r.captured)
    return NULL;
  y = shu_scoped (c, r->y->dtype, r->y->n_dims, r->y->dims);
  if (!shu_ctx_failed (c))
    r->backend->replay (
        c, r->r.captured, &(ShuMove){r->x, run->asked}, &(ShuMove){y, r->y});
  return y;
}

/* With the lock held, after @x was run directly */
static void
note (ShuCtx *c, ShuRecording *r, const ShuTensor *x)
{
  if (r->r.captured || is_known (c, r, x))
    return;
  r->place = c->place;
  r->dtype = x->dtype;
  r->n_dims = x->n_dims;
  memcpy (r->dims, x->dims, sizeof r->dims);
  r->first = c->serial;
}

/* With the lock held: counts what a record that is made now will keep. */
static void
rehearse (ShuCtx *c, ShuRecording *r, Run *run)
{
  ShuPool *pool;
  gsize held;

  if (!has_shape (r, run->asked) || r->counted == c->serial || r->r.captured ||
      r->r.direct)
    return;
  r->counted = c->serial;
  pool = shu_pool_new_inner (c->pool);
  run_in (c, pool, run_apart, run);
  held = shu_pool_held_peak (pool);
  g_clear_pointer (&run->x, shu_tensor_unref);
  g_clear_pointer (&run->y, shu_tensor_unref);
  shu_pool_unref (pool);
  shu_ctx_reserve (c, (gssize) held);
}

ShuTensor *
shu_recorded (ShuCtx *c, ShuRecording *r, ShuRecordedFunc func,
    gconstpointer data, ShuTensor *x)
{
  gboolean records = shu_backend_of (c)->capture_begin && !c->tap && !c->record;
  ShuTensor *y = NULL;
  Run run;

  if (!shu_ctx_ready (c))
    return c->nil;
  x = shu_operand (c, x);
  run = (Run){func, data, x};
  if ((records || c->dry) && g_mutex_trylock (&r->lock)) {
    if (c->dry)
      rehearse (c, r, &run);
    else
      y = replay (c, r, &run);
    g_mutex_unlock (&r->lock);
  }
  if (y)
    return y;
  y = func (c, data, x);
  if (records && !shu_ctx_failed (c) && g_mutex_trylock (&r->lock)) {
    note (c, r, x);
    g_mutex_unlock (&r->lock);
  }
  return y;
}
