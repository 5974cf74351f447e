/* SPDX-License-Identifier: MIT */
/* Kernels take rows beyond the end of a table for absent ones.  That they were
 * there is found by a kernel too, and told when the context is waited for: the
 * position of the first is kept on the device, one for each operation and
 * range. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"

enum { MAX_CHECKS = 64, NONE_BYTE = 0x7f, NONE = 0x7f7f7f7f };

typedef struct {
  const char *op, *what;
  int lo, hi;
} Check;

struct _ShuCudaChecks {
  int *first; /* [MAX_CHECKS] on the device, NONE where all are inside */
  Check made[MAX_CHECKS];
  int n;
};

void
shu_cuda_checks_free (ShuCudaChecks *checks)
{
  if (!checks)
    return;
  cudaFree (checks->first);
  g_free (checks);
}

static ShuCudaChecks *
checks_of (ShuCtx *c, ShuCuda *s)
{
  ShuCudaChecks *k = s->checks;
  cudaError_t e;

  if (k)
    return k;
  k = g_new0 (ShuCudaChecks, 1);
  e = cudaMalloc ((void **) &k->first, MAX_CHECKS * sizeof (int));
  if (e == cudaSuccess)
    e = cudaMemsetAsync (
        k->first, NONE_BYTE, MAX_CHECKS * sizeof (int), s->stream);
  if (!shu_cuda_check (c, e, "index check"))
    g_clear_pointer (&k, shu_cuda_checks_free);
  s->checks = k;
  return k;
}

void
shu_cuda_check_index (ShuCtx *c, const char *op, const char *what,
    ShuTensor *index, int lo, gint64 hi)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaChecks *k = s && shu_cuda_passes (c, op) ? checks_of (c, s) : NULL;
  Check check = {op, what, lo, (int) MIN (hi, G_MAXINT)};
  int i = 0;

  if (!k)
    return;
  while (i < k->n && (k->made[i].op != op || k->made[i].what != what ||
                         k->made[i].lo != lo || k->made[i].hi != check.hi))
    i++;
  if (i == MAX_CHECKS) {
    c->wait (c);
    i = 0;
  }
  if (i >= k->n) {
    k->made[i] = check;
    k->n = i + 1;
  }
  shu_cuda_done (c, op,
      shu_launch_check_index (&k->first[i], index->data,
          MIN (index->n, (gsize) NONE), lo, check.hi, s->stream));
}

static void
report (ShuCtx *c, const Check *k, int first)
{
  if (k->lo == G_MININT)
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "%s: expected %s below %d, got another at position %d", k->op, k->what,
        k->hi, first);
  else
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "%s: expected %s in %d..%d, got another at position %d", k->op, k->what,
        k->lo, k->hi - 1, first);
}

void
shu_cuda_checks_collect (ShuCtx *c)
{
  ShuCuda *s = c->backend_state;
  ShuCudaChecks *k = s->checks;
  int first[MAX_CHECKS];
  cudaError_t e;

  if (!k || k->n == 0)
    return;
  e = cudaMemcpyAsync (first, k->first, (gsize) k->n * sizeof (int),
      cudaMemcpyDeviceToHost, s->stream);
  if (e == cudaSuccess)
    e = cudaMemsetAsync (
        k->first, NONE_BYTE, (gsize) k->n * sizeof (int), s->stream);
  if (e == cudaSuccess)
    e = cudaStreamSynchronize (s->stream);
  if (!shu_cuda_check (c, e, "index check"))
    return;
  for (int i = 0; i < k->n; i++)
    if (first[i] < NONE)
      report (c, &k->made[i], first[i]);
  k->n = 0;
}
