/* SPDX-License-Identifier: MIT */
/* Sparse voxels: submanifold convolutions as products of gathered rows, block
 * by block, and pooling. */
#include "ops/cpu/gemm_private.h"
#include "ops/cpu/onednn_private.h"
#include "base/error.h"
#include <string.h>

enum { BLOCK = 64, TAPS = 27 };

static gboolean
neighbours_inside (ShuCtx *c, const char *op, ShuTensor *nbr, gint64 N)
{
  const gint32 *rows = shu_i32 (nbr);

  for (gsize i = 0; i < nbr->n; i++)
    if (rows[i] >= N) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "%s: expected neighbours below %" G_GINT64_FORMAT ", got %d", op, N,
          rows[i]);
      return FALSE;
    }
  return TRUE;
}

/* sum [n,Co] = b + products of the present rows with their taps' weights
 * w [n_taps,Ci,Co], Co rounded up; @taps are the entries of a neighbourhood
 * that count (NULL: all). */
static void
convolve_block (float *sum, const float *x, const gint32 *nbr, gsize n,
    const guint8 *taps, gsize n_taps, const float *w, const float *b, gsize Ci,
    gsize Co)
{
  gsize Cp = shu_gemm_round (Co);
  float *to[BLOCK];
  const float *from[BLOCK];

  memset (sum, 0, n * Cp * sizeof (float));
  for (gsize r = 0; b && r < n; r++)
    memcpy (sum + r * Cp, b, Co * sizeof (float));
  for (gsize t = 0; t < n_taps; t++) {
    gsize present = 0;

    for (gsize r = 0; r < n; r++) {
      gint32 row = nbr[r * TAPS + (taps ? taps[t] : t)];

      if (row < 0)
        continue;
      to[present] = sum + r * Cp;
      from[present++] = x + (gsize) row * Ci;
    }
    shu_gemm_rows (to, from, w + t * Ci * Cp, Cp, present, Cp, Ci, TRUE);
  }
}

/* @n zeros that stay with a weight, or NULL with @c failed. */
static float *
weight_room (ShuCtx *c, gsize n)
{
  float *room = g_try_new0 (float, n);

  if (!room)
    shu_ctx_fail (c, SHU_ERROR_MEMORY,
        "no memory for %zu MB of a sparse convolution's weights",
        n * sizeof (float) >> 20);
  return room;
}

/* [Co,27,Ci] -> [27,Ci,Co], Co rounded up */
static float *
turn_weights (ShuCtx *c, ShuTensor *w)
{
  gsize Co = (gsize) w->dims[0], Ci = (gsize) w->dims[4];
  gsize Cp = shu_gemm_round (Co);
  float *turned = weight_room (c, TAPS * Ci * Cp);

  for (gsize o = 0; turned && o < Co; o++)
    for (gsize i = 0; i < TAPS * Ci; i++)
      turned[i * Cp + o] = shu_f32 (w)[o * TAPS * Ci + i];
  return turned;
}

void
shu_cpu_sparse_conv (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  SHU_SCOPE (c);
  gsize N = (gsize) x->dims[0], Ci = (gsize) x->dims[1];
  gsize Co = (gsize) y->dims[1], Cp = shu_gemm_round (Co);
  const float *b = k->b ? shu_f32 (k->b) : NULL;
  gint64 blocks = (gint64) ((N + BLOCK - 1) / BLOCK);
  ShuPacked *packed = shu_packed_of (k->w);
  float *rooms = shu_cpu_rooms (c, BLOCK * Cp);

  if (!rooms || !neighbours_inside (c, "sparse_conv", nbr, x->dims[0]))
    return;
  g_mutex_lock (&packed->lock);
  if (!packed->sparse)
    packed->sparse = turn_weights (c, k->w);
  g_mutex_unlock (&packed->lock);
  if (!packed->sparse)
    return;
#pragma omp parallel
  {
    float *sum = shu_cpu_room (rooms, BLOCK * Cp);

#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < blocks; i++) {
      gsize first = (gsize) i * BLOCK, n = MIN (BLOCK, N - first);

      convolve_block (sum, shu_f32 (x), shu_i32 (nbr) + first * TAPS, n, NULL,
          TAPS, packed->sparse, b, Ci, Co);
      for (gsize r = 0; r < n; r++)
        memcpy (
            shu_f32 (y) + (first + r) * Co, sum + r * Cp, Co * sizeof (float));
    }
  }
}

/* ---- after a subdivision ---- */

/* Along one axis a child of parity p sees two parents: s = 0, the one at
 * offset p - 1, through kernel taps 0 .. -p (one or two of them), and s = 1,
 * the one at offset p. */
static int
parent_offset (int p, int s)
{
  return p + s; /* 0, 1, 2 for -1, 0, +1 */
}

/* Whether kernel tap k of a child of parity p falls on parent slot s:
 * floor ((p + k - 1) / 2) is that parent's offset. */
static gboolean
falls_on (int p, int s, int k)
{
  return (p + k + 1) / 2 == parent_offset (p, s);
}

/* The weights of each parity as [8 parities,8 parents,Ci,Co], Co rounded
 * up. */
static float *
sum_weights (ShuCtx *c, ShuTensor *w)
{
  gsize Co = (gsize) w->dims[0], Ci = (gsize) w->dims[4];
  gsize Cp = shu_gemm_round (Co);
  float *sums = weight_room (c, 64 * Ci * Cp);

  for (int at = 0; sums && at < 64 * TAPS; at++) {
    int parity = at / TAPS / 8, slot = at / TAPS % 8, tap = at % TAPS;

    if (!falls_on (parity >> 2, slot >> 2, tap / 9) ||
        !falls_on (parity >> 1 & 1, slot >> 1 & 1, tap / 3 % 3) ||
        !falls_on (parity & 1, slot & 1, tap % 3))
      continue;
    for (gsize o = 0; o < Co; o++) {
      float *dst = sums + (gsize) (parity * 8 + slot) * Ci * Cp + o;
      const float *src = shu_f32 (w) + (o * TAPS + (gsize) tap) * Ci;

      for (gsize i = 0; i < Ci; i++)
        dst[i * Cp] += src[i];
    }
  }
  return sums;
}

static const float *
subdivided_weights (ShuCtx *c, ShuTensor *w)
{
  ShuPacked *packed = shu_packed_of (w);

  g_mutex_lock (&packed->lock);
  if (!packed->subdivided)
    packed->subdivided = sum_weights (c, w);
  g_mutex_unlock (&packed->lock);
  return packed->subdivided;
}

/* The taps of a parent's neighbourhood that a child of @parity sees. */
static void
parent_taps (int parity, guint8 *ret_taps)
{
  for (int slot = 0; slot < 8; slot++)
    ret_taps[slot] =
        (guint8) (parent_offset (parity >> 2, slot >> 2) * 9 +
                  parent_offset (parity >> 1 & 1, slot >> 1 & 1) * 3 +
                  parent_offset (parity & 1, slot & 1));
}

void
shu_cpu_sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  SHU_SCOPE (c);
  gsize N = (gsize) x->dims[0], Ci = (gsize) x->dims[1];
  gsize Co = (gsize) y->dims[1], Cp = shu_gemm_round (Co);
  const float *b = k->b ? shu_f32 (k->b) : NULL;
  const float *w = subdivided_weights (c, k->w);
  gint64 blocks = (gint64) ((N + BLOCK - 1) / BLOCK);
  float *rooms = shu_cpu_rooms (c, BLOCK * Cp);

  if (!w || !rooms ||
      !neighbours_inside (c, "sparse_conv_subdivided", nbr, x->dims[0]))
    return;
#pragma omp parallel
  {
    float *sum = shu_cpu_room (rooms, BLOCK * Cp);

#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < 8 * blocks; i++) {
      gsize first = (gsize) i / 8 * BLOCK, n = MIN (BLOCK, N - first);
      gsize parity = (gsize) i % 8;
      guint8 taps[8];

      parent_taps ((int) parity, taps);
      convolve_block (sum, shu_f32 (x), shu_i32 (nbr) + first * TAPS, n, taps,
          8, w + parity * 8 * Ci * Cp, b, Ci, Co);
      for (gsize r = 0; r < n; r++)
        memcpy (shu_f32 (y) + (8 * (first + r) + parity) * Co, sum + r * Cp,
            Co * sizeof (float));
    }
  }
}

/* ---- pooling ---- */

void
shu_cpu_sparse_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  SHU_SCOPE (c);
  gsize C = (gsize) x->dims[1], M = (gsize) y->dims[0];
  const gint32 *rows = shu_i32 (index);
  gint32 *count = shu_cpu_scratch (c, M, sizeof (gint32));

  if (!count)
    return;
  memset (count, 0, M * sizeof (gint32));
  for (gsize i = 0; i < index->n; i++)
    if (rows[i] < 0 || rows[i] >= y->dims[0]) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "sparse_pool: expected rows in 0..%" G_GINT64_FORMAT ", got %d",
          y->dims[0] - 1, rows[i]);
      return;
    }
  memset (y->data, 0, shu_tensor_bytes (y));
  for (gsize i = 0; i < index->n; i++) {
    float *dst = shu_f32 (y) + (gsize) rows[i] * C;
    const float *src = shu_f32 (x) + i * C;

    count[rows[i]]++;
    for (gsize k = 0; k < C; k++)
      dst[k] += src[k];
  }
  /* Not the mean: the reference's scatter keeps the zero that it starts from
   * as a member. */
  for (gsize m = 0; m < M; m++)
    for (gsize k = 0; k < C; k++)
      shu_f32 (y)[m * C + k] /= (float) (count[m] + 1);
}
