/* SPDX-License-Identifier: MIT */
/* Elementwise operations, with broadcasting. */
#include "ops/cpu/cpu_private.h"
#include "ops/cpu/kernels_private.h"

/* Elements that one thread takes at a time. */
enum { CHUNK = 16384 };

SHU_SIMD static void
affine_run (float *y, const float *x, gsize n, float scale, float shift)
{
  for (gsize i = 0; i < n; i++)
    y[i] = x[i] * scale + shift;
}

SHU_SIMD static void
clamp_run (float *y, const float *x, gsize n, float lo, float hi)
{
  for (gsize i = 0; i < n; i++) {
    float v = x[i] < lo ? lo : x[i];

    y[i] = v > hi ? hi : v;
  }
}

/* Elements of the piece that begins at @at. */
static gsize
piece (gsize n, gint64 at)
{
  return MIN ((gsize) CHUNK, n - (gsize) at);
}

void
shu_cpu_act (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuAct act)
{
#pragma omp parallel for if (x->n > CHUNK)
  for (gint64 at = 0; at < (gint64) x->n; at += CHUNK)
    shu_kernels ()->act (
        shu_f32 (y) + at, shu_f32 (x) + at, piece (x->n, at), act);
}

void
shu_cpu_affine (ShuCtx *c, ShuTensor *y, ShuTensor *x, float scale, float shift)
{
#pragma omp parallel for if (x->n > CHUNK)
  for (gint64 at = 0; at < (gint64) x->n; at += CHUNK)
    affine_run (
        shu_f32 (y) + at, shu_f32 (x) + at, piece (x->n, at), scale, shift);
}

void
shu_cpu_clamp (ShuCtx *c, ShuTensor *y, ShuTensor *x, float lo, float hi)
{
#pragma omp parallel for if (x->n > CHUNK)
  for (gint64 at = 0; at < (gint64) x->n; at += CHUNK)
    clamp_run (shu_f32 (y) + at, shu_f32 (x) + at, piece (x->n, at), lo, hi);
}

void
shu_cpu_geglu_rows (float *y, const float *x, gsize rows, gsize C)
{
#pragma omp parallel for if (rows * C > CHUNK)
  for (gint64 i = 0; i < (gint64) rows; i++)
    shu_kernels ()->geglu (y + (gsize) i * C, x + (gsize) i * 2 * C, C);
}

/* ---- with broadcasting ---- */

/* Loops over x: sizes, and for both other operands the step of each loop (0
 * where it broadcasts), neighbours merged where they move alike. */
typedef struct {
  int n;
  gsize size[SHU_MAX_DIMS];
  gsize b[SHU_MAX_DIMS];
  gsize d[SHU_MAX_DIMS];
} Plan;

static void
broadcast_steps (const ShuTensor *x, const ShuTensor *b, gsize *step)
{
  int lead = x->n_dims - b->n_dims;
  gsize at = 1;

  for (int i = x->n_dims - 1; i >= 0; i--) {
    gint64 size = i >= lead ? b->dims[i - lead] : 1;

    step[i] = size == 1 ? 0 : at;
    at *= (gsize) size;
  }
}

static Plan
broadcast_plan (const ShuTensor *x, const ShuTensor *b, const ShuTensor *d)
{
  gsize sb[SHU_MAX_DIMS], sd[SHU_MAX_DIMS];
  Plan p = {0};

  broadcast_steps (x, b, sb);
  broadcast_steps (x, d, sd);
  for (int i = 0; i < x->n_dims; i++) {
    gsize size = (gsize) x->dims[i];
    int k = p.n - 1;

    if (size == 1)
      continue;
    if (k >= 0 && p.b[k] == sb[i] * size && p.d[k] == sd[i] * size) {
      p.size[k] *= size;
      p.b[k] = sb[i];
      p.d[k] = sd[i];
    } else {
      p.size[p.n] = size;
      p.b[p.n] = sb[i];
      p.d[p.n++] = sd[i];
    }
  }
  if (p.n == 0)
    p.size[p.n++] = 1;
  return p;
}

/* One run: steps sb, sd are 0 or 1 */
#define RUN(EXPR)                                                              \
  do {                                                                         \
    if (sb && sd)                                                              \
      for (gsize i = 0; i < n; i++) {                                          \
        float xi = x[i], bi = b[i], di = d[i];                                 \
        y[i] = EXPR;                                                           \
      }                                                                        \
    else if (sb)                                                               \
      for (gsize i = 0; i < n; i++) {                                          \
        float xi = x[i], bi = b[i], di = *d;                                   \
        y[i] = EXPR;                                                           \
      }                                                                        \
    else if (sd)                                                               \
      for (gsize i = 0; i < n; i++) {                                          \
        float xi = x[i], bi = *b, di = d[i];                                   \
        y[i] = EXPR;                                                           \
      }                                                                        \
    else                                                                       \
      for (gsize i = 0; i < n; i++) {                                          \
        float xi = x[i], bi = *b, di = *d;                                     \
        y[i] = EXPR;                                                           \
      }                                                                        \
  } while (0)

typedef void (*RunFunc) (float *restrict y, const float *restrict x,
    const float *restrict b, gsize sb, const float *restrict d, gsize sd,
    gsize n);

#define RUN_FUNC(name, EXPR)                                                   \
  SHU_SIMD static void name (float *restrict y, const float *restrict x,       \
      const float *restrict b, gsize sb, const float *restrict d, gsize sd,    \
      gsize n)                                                                 \
  {                                                                            \
    RUN (EXPR);                                                                \
  }

RUN_FUNC (add_run, ((void) di, xi + bi))
RUN_FUNC (sub_run, ((void) di, xi - bi))
RUN_FUNC (mul_run, ((void) di, xi *bi))
RUN_FUNC (modulate_run, xi *(1.f + bi) + di)
RUN_FUNC (add_gated_run, xi + bi * di)

static void
broadcast (RunFunc run, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuTensor *d)
{
  Plan p = broadcast_plan (x, b, d);
  gsize row = p.size[p.n - 1];
  gsize pieces = (row + CHUNK - 1) / CHUNK;
  gsize n = x->n / row * pieces;
  gsize sb = p.b[p.n - 1], sd = p.d[p.n - 1];

#pragma omp parallel for if (x->n > CHUNK)
  for (gint64 i = 0; i < (gint64) n; i++) {
    gsize r = (gsize) i / pieces;
    gsize at = (gsize) i % pieces * CHUNK;
    gsize x_at = r * row + at;
    gsize b_at = at * sb, d_at = at * sd;

    for (int k = p.n - 2; k >= 0; k--) {
      b_at += r % p.size[k] * p.b[k];
      d_at += r % p.size[k] * p.d[k];
      r /= p.size[k];
    }
    run (shu_f32 (y) + x_at, shu_f32 (x) + x_at, shu_f32 (b) + b_at, sb,
        shu_f32 (d) + d_at, sd, MIN (CHUNK, row - at));
  }
}

void
shu_cpu_binary (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b, ShuBinary op)
{
  static const RunFunc runs[] = {
      [SHU_BINARY_ADD] = add_run,
      [SHU_BINARY_SUB] = sub_run,
      [SHU_BINARY_MUL] = mul_run,
  };

  broadcast (runs[op], y, x, b, b);
}

void
shu_cpu_ternary (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *b,
    ShuTensor *d, ShuTernary op)
{
  broadcast (
      op == SHU_TERNARY_MODULATE ? modulate_run : add_gated_run, y, x, b, d);
}
