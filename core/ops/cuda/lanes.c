/* SPDX-License-Identifier: MIT */
/* Much data at once.  One thread reads a mapped file at a tenth of what the bus
 * does, so several do: each takes the next slot's worth of what is to be
 * brought, reads it into page-locked memory of its own and starts the copy.
 * Nobody waits for the others, not even from one load to the next.  The copies
 * have a stream of their own, so that what is made of a load is made while the
 * next one comes.
 *
 * Copies of 1 MB reach 47 GB/s of the bus's 55, of 2 MB 51, of 4 MB 53.  Huge
 * pages are locked in a tenth of the time that cudaMallocHost() takes. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  MAX_LANES = 10, /* together as fast as the bus */
  N_SLOTS = 2,    /* of a lane */
  SLOT = 2 << 20,
  HUGE_PAGE = 2 << 20,
  AHEAD = SHU_CUDA_LOAD_TURNS, /* loads that may be under way */
};

typedef struct {
  ShuCuda *cuda;
  cudaStream_t stream;
  const ShuCudaLoad *loads;
  int n;
  gsize *first;            /* [n+1] slots' worth that come before a load */
  gint next;               /* slot's worth that nobody has taken; atomic */
  cudaEvent_t made[AHEAD]; /* of the load in that turn, something */
  GMutex lock;             /* for what follows */
  GCond changed;
  gsize *left;         /* [n] slots' worth whose copies have not begun */
  int n_made, n_begun; /* loads */
  cudaError_t failure;
  gboolean stop;
} Lanes;

/* ---- a lane ---- */

/* The load that slot's worth @i belongs to */
static int
load_of (const Lanes *l, gsize i)
{
  int lo = 0, hi = l->n - 1;

  while (lo < hi) {
    int mid = (lo + hi + 1) / 2;

    if (l->first[mid] <= i)
      lo = mid;
    else
      hi = mid - 1;
  }
  return lo;
}

/* Until load @k may be copied: what had its turn before has been made use of.
 * FALSE: nothing more is wanted. */
static gboolean
may_begin (Lanes *l, int k)
{
  gboolean ok;

  g_mutex_lock (&l->lock);
  while (k >= l->n_made + AHEAD && !l->stop)
    g_cond_wait (&l->changed, &l->lock);
  for (; l->n_begun <= k && !l->stop; l->n_begun++) {
    cudaError_t e = l->n_begun < AHEAD ? cudaSuccess
                                       : cudaStreamWaitEvent (l->stream,
                                             l->made[l->n_begun % AHEAD], 0);

    if (e != cudaSuccess) {
      l->failure = e;
      l->stop = TRUE;
    }
  }
  ok = !l->stop;
  g_mutex_unlock (&l->lock);
  return ok;
}

static void
has_begun (Lanes *l, int k, cudaError_t e)
{
  g_mutex_lock (&l->lock);
  l->left[k]--;
  if (e != cudaSuccess) {
    l->failure = e;
    l->stop = TRUE;
  }
  if (l->left[k] == 0 || l->stop)
    g_cond_broadcast (&l->changed);
  g_mutex_unlock (&l->lock);
}

/* Slot's worth @i by way of @room, which is free after @passed */
static cudaError_t
pass (const Lanes *l, const ShuCudaLoad *load, gsize i, char *room,
    cudaEvent_t passed)
{
  gsize at = i * SLOT, n = MIN (SLOT, load->bytes - at);
  cudaError_t e = cudaEventSynchronize (passed);

  if (e != cudaSuccess)
    return e;
  load->source (load->data, at, n, room);
  e = cudaMemcpyAsync (
      load->dst + at, room, n, cudaMemcpyHostToDevice, l->stream);
  return e == cudaSuccess ? cudaEventRecord (passed, l->stream) : e;
}

/* What a lane has for itself. */
typedef struct {
  char *slots; /* [N_SLOTS][SLOT] */
  gboolean is_locked;
  cudaEvent_t passed[N_SLOTS];
} Own;

static cudaError_t
get_own (Own *own)
{
  cudaError_t e = cudaSuccess;
  void *p = NULL;

  if (posix_memalign (&p, HUGE_PAGE, N_SLOTS * SLOT) != 0)
    return cudaErrorMemoryAllocation;
  own->slots = p;
  madvise (p, N_SLOTS * SLOT, MADV_HUGEPAGE);
  memset (p, 0, N_SLOTS * SLOT); /* here and not one after the other there */
  e = cudaHostRegister (p, N_SLOTS * SLOT, cudaHostRegisterDefault);
  own->is_locked = e == cudaSuccess;
  for (int i = 0; i < N_SLOTS && e == cudaSuccess; i++)
    e = cudaEventCreateWithFlags (&own->passed[i], cudaEventDisableTiming);
  return e;
}

static void
free_own (Own *own)
{
  for (int i = 0; i < N_SLOTS; i++)
    if (own->passed[i]) {
      cudaEventSynchronize (own->passed[i]); /* the copy reads the slot */
      cudaEventDestroy (own->passed[i]);
    }
  if (own->is_locked)
    cudaHostUnregister (own->slots);
  free (own->slots);
}

static gpointer
run_lane (gpointer data)
{
  Lanes *l = data;
  Own own = {NULL};
  cudaError_t e = cudaSetDevice (l->cuda->device);
  gsize i;
  int slot = 0;

  if (e == cudaSuccess)
    e = get_own (&own);
  while ((i = (gsize) g_atomic_int_add (&l->next, 1)) < l->first[l->n]) {
    int k = load_of (l, i);

    if (!may_begin (l, k))
      break;
    if (e == cudaSuccess)
      e = pass (l, &l->loads[k], i - l->first[k],
          own.slots + (gsize) slot * SLOT, own.passed[slot]);
    has_begun (l, k, e);
    slot = (slot + 1) % N_SLOTS;
  }
  free_own (&own);
  return NULL;
}

/* ---- who makes something of the loads ---- */

/* Until all copies of load @k have begun; FALSE: they will not. */
static gboolean
wait_for (Lanes *l, int k)
{
  gboolean ok;

  g_mutex_lock (&l->lock);
  while (l->left[k] > 0 && !l->stop)
    g_cond_wait (&l->changed, &l->lock);
  ok = !l->stop;
  g_mutex_unlock (&l->lock);
  return ok;
}

static void
is_made (Lanes *l, gboolean ok)
{
  g_mutex_lock (&l->lock);
  l->n_made++;
  l->stop = l->stop || !ok;
  g_cond_broadcast (&l->changed);
  g_mutex_unlock (&l->lock);
}

static gboolean
make (
    ShuCtx *c, Lanes *l, cudaEvent_t copied, ShuCudaLoaded func, gpointer data)
{
  cudaStream_t s = l->cuda->stream;

  for (int k = 0; k < l->n; k++) {
    gboolean ok = wait_for (l, k);

    ok = ok &&
         shu_cuda_check (c, cudaEventRecord (copied, l->stream), "upload") &&
         shu_cuda_check (c, cudaStreamWaitEvent (s, copied, 0), "upload") &&
         func (c, k, data) &&
         shu_cuda_check (c, cudaEventRecord (l->made[k % AHEAD], s), "upload");
    is_made (l, ok);
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* ---- beginning and end ---- */

static cudaError_t
open_lanes (Lanes *l, cudaEvent_t *ret_copied)
{
  cudaError_t e = cudaStreamCreateWithFlags (&l->stream, cudaStreamNonBlocking);

  if (e == cudaSuccess)
    e = cudaEventCreateWithFlags (ret_copied, cudaEventDisableTiming);
  /* where the loads go, something may still be read */
  if (e == cudaSuccess)
    e = cudaEventRecord (*ret_copied, l->cuda->stream);
  if (e == cudaSuccess)
    e = cudaStreamWaitEvent (l->stream, *ret_copied, 0);
  for (int i = 0; i < AHEAD && e == cudaSuccess; i++)
    e = cudaEventCreateWithFlags (&l->made[i], cudaEventDisableTiming);
  return e;
}

static void
close_lanes (Lanes *l, cudaEvent_t copied)
{
  if (l->stream)
    cudaStreamDestroy (l->stream);
  for (int i = 0; i < AHEAD; i++)
    if (l->made[i])
      cudaEventDestroy (l->made[i]);
  if (copied)
    cudaEventDestroy (copied);
}

gboolean
shu_cuda_lanes (ShuCtx *c, int n, const ShuCudaLoad *loads, ShuCudaLoaded func,
    gpointer data)
{
  ShuCuda *s = shu_cuda (c);
  g_autofree gsize *numbers = g_new0 (gsize, 2 * (gsize) n + 1);
  Lanes l = {.cuda = s,
      .loads = loads,
      .n = n,
      .first = numbers,
      .left = numbers + n + 1};
  int n_lanes = 0, wanted = MIN (omp_get_max_threads (), MAX_LANES);
  cudaEvent_t copied = NULL;
  GThread *lanes[MAX_LANES];
  gboolean ok;

  if (!s)
    return FALSE;
  for (int k = 0; k < n; k++) {
    l.left[k] = (loads[k].bytes + SLOT - 1) / SLOT;
    l.first[k + 1] = l.first[k] + l.left[k];
  }
  g_mutex_init (&l.lock);
  g_cond_init (&l.changed);
  ok = shu_cuda_check (c, open_lanes (&l, &copied), "upload");
  while (ok && n_lanes < wanted &&
         (lanes[n_lanes] = g_thread_try_new ("lane", run_lane, &l, NULL)))
    n_lanes++;
  if (ok && n_lanes == 0)
    shu_ctx_fail (c, SHU_ERROR_MEMORY, "%s: no thread can be had", c->device);
  ok = ok && n_lanes > 0 && make (c, &l, copied, func, data);
  for (int i = 0; i < n_lanes; i++)
    g_thread_join (lanes[i]);
  ok = shu_cuda_check (c, l.failure, "upload") && ok;
  close_lanes (&l, copied);
  g_mutex_clear (&l.lock);
  g_cond_clear (&l.changed);
  return ok;
}
