/* SPDX-License-Identifier: MIT */
/* Attention.  A task is one head and one block of queries; its scores fit the
 * cache, and no more than that exists at a time.  Tasks are the same whatever
 * the number of threads. */
#include "ops/cpu/cpu_private.h"
#include "ops/cpu/gemm_private.h"
#include "ops/cpu/kernels_private.h"
#include "base/error.h"
#include <math.h>

enum { QUERIES = 96, PANEL = 64 };

/* ret[M,HD] = y[M,HDp] / sum */
static void
divide_rows (float *ret, gsize ld, const float *y, gsize HDp, const float *sum,
    gsize M, gsize HD)
{
  for (gsize r = 0; r < M; r++)
    for (gsize i = 0; i < HD; i++)
      ret[r * ld + i] = y[r * HDp + i] / sum[r];
}

/* Keys and values of one head as the products want them: k [HD,Np], panel
 * after panel of PANEL keys, and v [N,HDp], each rounded up. */
typedef struct {
  const float *k;
  const float *v;
  gsize ldv;
  gsize N, HD;
} Head;

/* One block of queries [M,HD]; room holds M * (Np + HDp). */
static void
attend (float *y, gsize ldy, const float *q, gsize ldq, const Head *head,
    gsize M, float *room)
{
  gsize Np = shu_gemm_round (head->N), HDp = shu_gemm_round (head->HD);
  float *product = room + M * Np;
  float sum[QUERIES];

  for (gsize at = 0; at < Np; at += PANEL) {
    gsize width = MIN (PANEL, Np - at);

    shu_gemm (room + at, Np, q, ldq, head->k + at * head->HD, width, M, width,
        head->HD, FALSE);
  }
  shu_kernels ()->softmax_rows (
      room, Np, M, head->N, 1.f / sqrtf ((float) head->HD), sum);
  shu_gemm (product, HDp, room, Np, head->v, head->ldv, M, HDp, head->N, FALSE);
  divide_rows (y, ldy, product, HDp, sum, M, head->HD);
}

static void
pack_keys (float *ret, const float *k, gsize ld, gsize N, gsize HD)
{
  gsize Np = shu_gemm_round (N);

  for (gsize at = 0; at < Np; at += PANEL)
    shu_transpose (ret + at * HD, MIN (PANEL, Np - at), k + at * ld, ld,
        MIN (PANEL, N - at), HD);
}

static void
pack_values (float *ret, const float *v, gsize ld, gsize N, gsize HD)
{
  gsize HDp = shu_gemm_round (HD);

  for (gsize r = 0; r < N; r++) {
    memcpy (ret + r * HDp, v + r * ld, HD * sizeof (float));
    memset (ret + r * HDp + HD, 0, (HDp - HD) * sizeof (float));
  }
}

void
shu_cpu_attention (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, int n_heads)
{
  SHU_SCOPE (c);
  gsize B = (gsize) q->dims[0], Tq = (gsize) q->dims[1];
  gsize Tk = (gsize) k->dims[1], C = (gsize) q->dims[2];
  gsize NH = (gsize) n_heads, HD = C / NH, HDp = shu_gemm_round (HD);
  gsize Tp = shu_gemm_round (Tk);
  gsize blocks = (Tq + QUERIES - 1) / QUERIES;
  gint64 heads = (gint64) (B * NH), n = heads * (gint64) blocks;
  ShuTensor *keys =
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (heads, (gint64) HD, (gint64) Tp));
  ShuTensor *values = HD == HDp
                          ? v
                          : shu_scoped (c, SHU_DTYPE_F32,
                                SHU_DIMS (heads, (gint64) Tk, (gint64) HDp));
  gsize size = MIN (QUERIES, Tq) * (Tp + HDp);
  float *rooms = shu_cpu_rooms (c, size);

  if (!rooms)
    return;
#pragma omp parallel
  {
    float *room = shu_cpu_room (rooms, size);

#pragma omp for
    for (gint64 i = 0; i < heads; i++) {
      gsize at = (gsize) i / NH * Tk * C + (gsize) i % NH * HD;

      pack_keys (
          shu_f32 (keys) + (gsize) i * HD * Tp, shu_f32 (k) + at, C, Tk, HD);
      if (HD != HDp)
        pack_values (shu_f32 (values) + (gsize) i * Tk * HDp, shu_f32 (v) + at,
            C, Tk, HD);
    }
#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < n; i++) {
      gsize first = (gsize) i % blocks * QUERIES;
      gsize h = (gsize) i / blocks, b = h / NH;
      gsize at = (b * Tq + first) * C + h % NH * HD;
      Head head = {
          .k = shu_f32 (keys) + h * HD * Tp,
          .v = shu_f32 (values) +
               (HD == HDp ? b * Tk * C + h % NH * HD : h * Tk * HDp),
          .ldv = HD == HDp ? C : HDp,
          .N = Tk,
          .HD = HD,
      };

      attend (shu_f32 (y) + at, C, shu_f32 (q) + at, C, &head,
          MIN (QUERIES, Tq - first), room);
    }
  }
}

/* ---- one query against few keys ---- */

/* Fails unless all of @index lies in 0..n-1. */
static gboolean
index_inside (ShuCtx *c, const char *op, ShuTensor *index, gint64 n)
{
  for (gsize i = 0; i < index->n; i++)
    if (shu_i32 (index)[i] < 0 || shu_i32 (index)[i] >= n) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "%s: expected rows in 0..%" G_GINT64_FORMAT ", got %d", op, n - 1,
          shu_i32 (index)[i]);
      return FALSE;
    }
  return TRUE;
}

void
shu_cpu_attention_gather (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *index, int n_heads)
{
  SHU_SCOPE (c);
  gsize C = (gsize) q->dims[1];
  gsize K = (gsize) index->dims[1];
  float *rooms = shu_cpu_rooms (c, K);

  if (!rooms || !index_inside (c, "attention_gather", index, k->dims[0]))
    return;
#pragma omp parallel
  {
    float *p = shu_cpu_room (rooms, K);

#pragma omp for
    for (gint64 i = 0; i < q->dims[0]; i++)
      shu_kernels ()->attend_row (shu_f32 (y) + (gsize) i * C,
          shu_f32 (q) + (gsize) i * C, shu_f32 (k), shu_f32 (v),
          shu_i32 (index) + (gsize) i * K, K, C, (gsize) n_heads, p);
  }
}

/* ---- groups of tokens ---- */

static void
copy_rows (float *dst, const float *src, const gint32 *rows, gsize n, gsize ld,
    gsize size)
{
  for (gsize i = 0; i < n; i++)
    memcpy (dst + i * size, src + (gsize) rows[i] * ld, size * sizeof (float));
}

/* Floats that a group of n tokens needs beside its tensors. */
static gsize
group_room (gsize n, gsize HD)
{
  gsize Np = shu_gemm_round (n), HDp = shu_gemm_round (HD);

  return 4 * n * HD + Np * HD + n * HDp + MIN (QUERIES, n) * (Np + HDp);
}

/* One head of one group: tokens @rows, n of them. */
static void
group (float *y, const float *q, const float *k, const float *v,
    const gint32 *rows, gsize n, gsize C, gsize HD, float *room)
{
  float *gq = room, *gk = gq + n * HD, *gv = gk + n * HD, *gy = gv + n * HD;
  float *keys = gy + n * HD, *values = keys + shu_gemm_round (n) * HD;
  float *rest = values + n * shu_gemm_round (HD);
  Head head = {keys, values, shu_gemm_round (HD), n, HD};

  copy_rows (gq, q, rows, n, C, HD);
  copy_rows (gk, k, rows, n, C, HD);
  copy_rows (gv, v, rows, n, C, HD);
  pack_keys (keys, gk, HD, n, HD);
  pack_values (values, gv, HD, n, HD);
  for (gsize first = 0; first < n; first += QUERIES)
    attend (gy + first * HD, HD, gq + first * HD, HD, &head,
        MIN (QUERIES, n - first), rest);
  for (gsize i = 0; i < n; i++)
    memcpy (y + (gsize) rows[i] * C, gy + i * HD, HD * sizeof (float));
}

void
shu_cpu_attention_groups (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads)
{
  SHU_SCOPE (c);
  const gint32 *starts = shu_i32 (start);
  gsize G = (gsize) start->dims[0] - 1;
  gsize C = (gsize) q->dims[1], NH = (gsize) n_heads, HD = C / NH;
  gsize largest = 0, size;
  float *rooms;

  if (!index_inside (c, "attention_groups", order, q->dims[0]))
    return;
  for (gsize g = 0; g < G; g++) {
    if (starts[g] < 0 || starts[g + 1] < starts[g] ||
        starts[g + 1] > q->dims[0]) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "attention_groups: expected ascending starts up to %" G_GINT64_FORMAT
          ", got %d then %d",
          q->dims[0], starts[g], starts[g + 1]);
      return;
    }
    largest = MAX (largest, (gsize) (starts[g + 1] - starts[g]));
  }
  size = group_room (largest, HD);
  rooms = shu_cpu_rooms (c, size);
  if (!rooms)
    return;
  memset (y->data, 0, shu_tensor_bytes (y));
#pragma omp parallel
  {
    float *room = shu_cpu_room (rooms, size);

#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < (gint64) (G * NH); i++) {
      gsize g = (gsize) i / NH, at = (gsize) i % NH * HD;
      gsize n = (gsize) (starts[g + 1] - starts[g]);

      if (n > 0)
        group (shu_f32 (y) + at, shu_f32 (q) + at, shu_f32 (k) + at,
            shu_f32 (v) + at, shu_i32 (order) + starts[g], n, C, HD, room);
    }
  }
}
