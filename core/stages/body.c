/* SPDX-License-Identifier: MIT */
#include "stages/body_private.h"
#include <math.h>

/* Capsules from a to b: x, z of the ends (y is 0 but for feet), radius. */
static const struct {
  float a[3], b[3], radius;
} limbs[] = {
    {{0, 0, 0.12f}, {0, 0, 0.26f}, 0.105f},         /* chest */
    {{0, 0, 0.02f}, {0, 0, 0.10f}, 0.095f},         /* belly */
    {{0, 0, 0.405f}, {0, 0, 0.425f}, 0.07f},        /* head */
    {{0, 0, 0.30f}, {0, 0, 0.38f}, 0.035f},         /* neck */
    {{0.12f, 0, 0.27f}, {0.21f, 0, 0.02f}, 0.034f}, /* arms */
    {{-0.12f, 0, 0.27f}, {-0.21f, 0, 0.02f}, 0.034f},
    {{0.06f, 0, 0.0f}, {0.08f, 0, -0.44f}, 0.052f}, /* legs */
    {{-0.06f, 0, 0.0f}, {-0.08f, 0, -0.44f}, 0.052f},
    {{0.08f, 0, -0.455f}, {0.085f, -0.07f, -0.455f}, 0.036f}, /* feet */
    {{-0.08f, 0, -0.455f}, {-0.085f, -0.07f, -0.455f}, 0.036f},
};

float
shu_body_distance (const float p[3])
{
  float best = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (limbs); i++) {
    const float *a = limbs[i].a, *b = limbs[i].b;
    float dot = 0, length2 = 0, d2 = 0, t;

    for (int k = 0; k < 3; k++) {
      dot += (p[k] - a[k]) * (b[k] - a[k]);
      length2 += (b[k] - a[k]) * (b[k] - a[k]);
    }
    t = CLAMP (dot / length2, 0, 1);
    for (int k = 0; k < 3; k++) {
      float d = p[k] - a[k] - t * (b[k] - a[k]);

      d2 += d * d;
    }
    best = MIN (best, sqrtf (d2) - limbs[i].radius);
  }
  return best;
}

/* Corner @corner (x fastest) of cell (x,y,z) in the unit cube. */
static void
corner_of (const gint32 *cell, int corner, int R, float ret[3])
{
  for (int k = 0; k < 3; k++)
    ret[k] = (float) (cell[k] + (corner >> k & 1)) / R - 0.5f;
}

GArray *
shu_body_voxels (int R)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (int x = 0; x < R; x++)
    for (int y = 0; y < R; y++)
      for (int z = 0; z < R; z++) {
        gint32 row[] = {0, x, y, z};
        int inside = 0;

        for (int corner = 0; corner < 8; corner++) {
          float p[3];

          corner_of (row + 1, corner, R, p);
          inside += shu_body_distance (p) < 0;
        }
        if (inside > 0 && inside < 8)
          g_array_append_vals (rows, row, 4);
      }
  return rows;
}

void
shu_body_set_distances (
    int R, int n, const gint32 *coords, int n_channels, float *feats)
{
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    float *f = feats + (gsize) i * n_channels;

    for (int corner = 0; corner < 8; corner++) {
      float p[3];

      corner_of (coords + 3 * i, corner, R, p);
      /* the extraction adds -1 / R */
      f[corner] = shu_body_distance (p) * R + 1.0f / R;
    }
    for (int k = 8; k < 53; k++)
      f[k] = 0;
  }
}
