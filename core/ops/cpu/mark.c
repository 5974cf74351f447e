/* SPDX-License-Identifier: MIT */
/* Moments of time: what is asked for is done at once here. */
#include "ops/cpu/cpu_private.h"
#include <time.h>

gpointer
shu_cpu_mark (ShuCtx *c)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return g_memdup2 (&now, sizeof now);
}

double
shu_cpu_between (gpointer from, gpointer to)
{
  const struct timespec *a = from, *b = to;

  return (double) (b->tv_sec - a->tv_sec) +
         (double) (b->tv_nsec - a->tv_nsec) * 1e-9;
}
