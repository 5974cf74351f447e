/* SPDX-License-Identifier: MIT */
/* Attention.  A task is one head and one block of queries; its scores fit the
 * cache, and no more than that exists at a time.  Tasks are the same whatever
 * the number of threads. */
#include "ops/cpu/onednn_private.h"
#include "ops/cpu/simd_private.h"
#include "base/error.h"
#include <math.h>

enum { QUERIES = 64 };

/* Row-wise softmax of scale * s, in place, without the division; the sums go
 * to @ret_sum. */
SHU_SIMD static void
softmax_rows (float *s, gsize rows, gsize n, float scale, float *ret_sum)
{
  for (gsize r = 0; r < rows; r++, s += n) {
    V16 top = v_set (-G_MAXFLOAT), sum = v_set (0);
    float m;
    gsize i;

    for (i = 0; i + LANES <= n; i += LANES)
      top = v_max (top, v_load (s + i));
    if (i < n)
      top = v_max (top, v_load_n (s + i, n - i, -G_MAXFLOAT));
    m = v_max_lane (top);
    for (i = 0; i + LANES <= n; i += LANES) {
      V16 e = v_exp ((v_load (s + i) - m) * scale);

      v_store (s + i, e);
      sum += e;
    }
    if (i < n) {
      V16 e = v_exp ((v_load_n (s + i, n - i, -G_MAXFLOAT) - m) * scale);

      memcpy (s + i, &e, (n - i) * sizeof (float));
      sum += e;
    }
    ret_sum[r] = v_sum (sum);
  }
}

/* One head: queries [M,HD], keys and values [N,HD], rows ld apart; scores is
 * room for M * N. */
static dnnl_status_t
attend (float *y, gsize ldy, const float *q, gsize ldq, const float *k,
    const float *v, gsize ldk, gsize M, gsize N, gsize HD, float *scores)
{
  float sum[QUERIES];
  dnnl_status_t status;

  status = dnnl_sgemm ('N', 'T', M, N, HD, 1.f, q, ldq, k, ldk, 0.f, scores, N);
  if (status != dnnl_success)
    return status;
  softmax_rows (scores, M, N, 1.f / sqrtf ((float) HD), sum);
  status = dnnl_sgemm ('N', 'N', M, HD, N, 1.f, scores, N, v, ldk, 0.f, y, ldy);
  for (gsize r = 0; r < M; r++)
    for (gsize i = 0; i < HD; i++)
      y[r * ldy + i] /= sum[r];
  return status;
}

void
shu_cpu_attention (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, int n_heads)
{
  gsize B = (gsize) q->dims[0], Tq = (gsize) q->dims[1];
  gsize Tk = (gsize) k->dims[1], C = (gsize) q->dims[2];
  gsize NH = (gsize) n_heads, HD = C / NH;
  gsize blocks = (Tq + QUERIES - 1) / QUERIES;
  gint64 n = (gint64) (B * NH * blocks);
  dnnl_status_t failed = dnnl_success;

#pragma omp parallel
  {
    g_autofree float *scores = g_new (float, MIN (QUERIES, Tq) * Tk);

#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < n; i++) {
      gsize first = (gsize) i % blocks * QUERIES;
      gsize head = (gsize) i / blocks % NH;
      gsize b = (gsize) i / blocks / NH;
      gsize at = (b * Tq + first) * C + head * HD;
      gsize k_at = b * Tk * C + head * HD;
      dnnl_status_t status;

      status =
          attend (shu_f32 (y) + at, C, shu_f32 (q) + at, C, shu_f32 (k) + k_at,
              shu_f32 (v) + k_at, C, MIN (QUERIES, Tq - first), Tk, HD, scores);
      if (status != dnnl_success) {
#pragma omp atomic write
        failed = status;
      }
    }
  }
  shu_dnn_check (c, failed, "attention");
}

/* ---- one query against few keys ---- */

SHU_SIMD static void
gather_row (float *restrict y, const float *restrict q, const float *k,
    const float *v, const gint32 *rows, gsize K, gsize C, gsize NH,
    float *restrict p)
{
  gsize HD = C / NH;
  float scale = 1.f / sqrtf ((float) HD);

  for (gsize h = 0; h < NH; h++) {
    float top = -G_MAXFLOAT, sum = 0;
    const float *qh = q + h * HD;
    float *yh = y + h * HD;

    for (gsize j = 0; j < K; j++) {
      const float *kh = k + (gsize) rows[j] * C + h * HD;
      V16 acc = v_set (0);
      gsize i;

      for (i = 0; i + LANES <= HD; i += LANES)
        acc += v_load (qh + i) * v_load (kh + i);
      if (i < HD)
        acc += v_load_n (qh + i, HD - i, 0) * v_load_n (kh + i, HD - i, 0);
      p[j] = v_sum (acc) * scale;
      top = p[j] > top ? p[j] : top;
    }
    for (gsize j = 0; j < K; j++) {
      p[j] = expf (p[j] - top);
      sum += p[j];
    }
    memset (yh, 0, HD * sizeof (float));
    for (gsize j = 0; j < K; j++) {
      const float *vh = v + (gsize) rows[j] * C + h * HD;
      float weight = p[j] / sum;

      for (gsize i = 0; i < HD; i++)
        yh[i] += weight * vh[i];
    }
  }
}

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
  gsize C = (gsize) q->dims[1];
  gsize K = (gsize) index->dims[1];

  if (!index_inside (c, "attention_gather", index, k->dims[0]))
    return;
#pragma omp parallel
  {
    g_autofree float *p = g_new (float, K);

#pragma omp for
    for (gint64 i = 0; i < q->dims[0]; i++)
      gather_row (shu_f32 (y) + (gsize) i * C, shu_f32 (q) + (gsize) i * C,
          shu_f32 (k), shu_f32 (v), shu_i32 (index) + (gsize) i * K, K, C,
          (gsize) n_heads, p);
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

/* Group @rows of n tokens, one head; room holds 4 * n * HD floats and
 * QUERIES * n more. */
static dnnl_status_t
group (float *y, const float *q, const float *k, const float *v,
    const gint32 *rows, gsize n, gsize C, gsize HD, float *room)
{
  float *gq = room, *gk = gq + n * HD, *gv = gk + n * HD, *gy = gv + n * HD;
  float *scores = gy + n * HD;
  dnnl_status_t status = dnnl_success;

  copy_rows (gq, q, rows, n, C, HD);
  copy_rows (gk, k, rows, n, C, HD);
  copy_rows (gv, v, rows, n, C, HD);
  for (gsize first = 0; first < n && status == dnnl_success; first += QUERIES)
    status = attend (gy + first * HD, HD, gq + first * HD, HD, gk, gv, HD,
        MIN (QUERIES, n - first), n, HD, scores);
  for (gsize i = 0; i < n; i++)
    memcpy (y + (gsize) rows[i] * C, gy + i * HD, HD * sizeof (float));
  return status;
}

void
shu_cpu_attention_groups (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, ShuTensor *order, ShuTensor *start, int n_heads)
{
  const gint32 *starts = shu_i32 (start);
  gsize G = (gsize) start->dims[0] - 1;
  gsize C = (gsize) q->dims[1], NH = (gsize) n_heads, HD = C / NH;
  gsize largest = 0;
  dnnl_status_t failed = dnnl_success;

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
  memset (y->data, 0, shu_tensor_bytes (y));
#pragma omp parallel
  {
    g_autofree float *room =
        g_new (float, largest *(4 * HD + MIN (QUERIES, largest)));

#pragma omp for schedule(dynamic)
    for (gint64 i = 0; i < (gint64) (G * NH); i++) {
      gsize g = (gsize) i / NH, at = (gsize) i % NH * HD;
      gsize n = (gsize) (starts[g + 1] - starts[g]);
      dnnl_status_t status;

      if (n == 0)
        continue;
      status = group (shu_f32 (y) + at, shu_f32 (q) + at, shu_f32 (k) + at,
          shu_f32 (v) + at, shu_i32 (order) + starts[g], n, C, HD, room);
      if (status != dnnl_success) {
#pragma omp atomic write
        failed = status;
      }
    }
  }
  shu_dnn_check (c, failed, "attention_groups");
}
