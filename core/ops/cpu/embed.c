/* SPDX-License-Identifier: MIT */
/* Sine and cosine embeddings of times and of voxel coordinates.  Angles in f32
 * as in the reference. */
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
