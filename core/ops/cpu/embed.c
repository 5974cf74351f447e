/* SPDX-License-Identifier: MIT */
/* Sine and cosine embeddings of times and of voxel coordinates, with angles in
 * f32 as in the reference; patches and tokens of pictures. */
#include "ops/cpu/cpu_private.h"
#include <math.h>
#include <string.h>

void
shu_cpu_timestep_embedding (ShuCtx *c, ShuTensor *y, const float *values)
{
  gsize half = (gsize) y->dims[1] / 2;

  for (gsize i = 0; i < (gsize) y->dims[0]; i++)
    for (gsize k = 0; k < half; k++) {
      float f = expf (-logf (10000.f) * (float) k / (float) half);
      float angle = values[i] * f;
      float *row = shu_f32 (y) + i * 2 * half;

      row[k] = cosf (angle);
      row[half + k] = sinf (angle);
    }
}

void
shu_cpu_position_embedding (ShuCtx *c, ShuTensor *y, ShuTensor *coords)
{
  gsize C = (gsize) y->dims[1];
  gsize d = C / 6;
  g_autofree float *w = g_new (float, d + 1);

  for (gsize k = 0; k < d; k++)
    w[k] = (float) (1 / pow (10000, (double) ((float) k / (float) d)));
#pragma omp parallel for if (y->n > 8192)
  for (gint64 i = 0; i < y->dims[0]; i++) {
    float *row = shu_f32 (y) + (gsize) i * C;

    memset (row, 0, C * sizeof (float));
    for (gsize axis = 0; axis < 3; axis++) {
      float v = (float) shu_i32 (coords)[3 * (gsize) i + axis];

      for (gsize k = 0; k < d; k++) {
        row[2 * axis * d + k] = sinf (v * w[k]);
        row[(2 * axis + 1) * d + k] = cosf (v * w[k]);
      }
    }
  }
}

/* x [rows*P,w*P,C] -> y [rows*w,C*P*P] */
static void
patchify (float *y, const float *x, gsize rows, gsize w, gsize C, gsize P)
{
#pragma omp parallel for if (rows * w * C * P * P > 65536)
  for (gint64 r = 0; r < (gint64) rows; r++)
    for (gsize p = 0; p < w; p++) {
      float *dst = y + ((gsize) r * w + p) * C * P * P;

      for (gsize ch = 0; ch < C; ch++)
        for (gsize i = 0; i < P; i++)
          for (gsize j = 0; j < P; j++)
            *dst++ = x[((((gsize) r * P + i) * w + p) * P + j) * C + ch];
    }
}

void
shu_cpu_embed_patches (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, int P, const ShuLinear *l)
{
  SHU_SCOPE (c);
  gint64 K = l->w->dims[1];
  ShuTensor *patches =
      shu_scoped (c, c->real, SHU_DIMS (y->dims[0], y->dims[1], K));

  if (shu_ctx_failed (c))
    return;
  patchify (shu_f32 (patches), shu_f32 (x),
      (gsize) (x->dims[0] * x->dims[1] / P), (gsize) (x->dims[2] / P),
      (gsize) x->dims[3], (gsize) P);
  shu_cpu_linear (c, y, patches, l, SHU_ACT_NONE, NULL);
}

/* Row @t of the tokens around the patches @x [N,C] of a picture */
static void
token (float *y, const float *x, gsize t, gsize R, const ShuTokens *p, gsize C)
{
  const float *at = shu_f32 (p->first), *position = shu_f32 (p->positions);

  if (t > 0 && t <= R) {
    memcpy (y, shu_f32 (p->registers) + (t - 1) * C, C * sizeof *y);
    return;
  }
  if (t > R) {
    at = x + (t - 1 - R) * C;
    position += (t - R) * C;
  }
  for (gsize i = 0; i < C; i++)
    y[i] = at[i] + position[i];
}

static void
norm_row (float *y, const float *x, const ShuNorm *norm, gsize C, float eps)
{
  shu_cpu_layer_norm_row (y, x, norm && norm->w ? shu_f32 (norm->w) : NULL,
      norm && norm->b ? shu_f32 (norm->b) : NULL, C, eps);
}

void
shu_cpu_embed_tokens (ShuCtx *c, ShuTensor *y, ShuTensor *tokens, ShuTensor *x,
    const ShuTokens *p)
{
  gsize N = (gsize) x->dims[1], T = (gsize) y->dims[1], C = (gsize) x->dims[2];

#pragma omp parallel for if (y->n > 32768)
  for (gint64 r = 0; r < (gint64) (y->n / C); r++) {
    gsize item = (gsize) r / T, t = (gsize) r % T;
    float *to = shu_f32 (tokens) + (gsize) r * C;
    float *norm = shu_f32 (y) + (gsize) r * C;

    token (
        p->before ? norm : to, shu_f32 (x) + item * N * C, t, T - 1 - N, p, C);
    if (p->before)
      norm_row (to, norm, p->before, C, p->eps);
    norm_row (norm, to, p->norm, C, p->eps);
  }
}
