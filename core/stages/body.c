/* SPDX-License-Identifier: MIT */
#include "stages/body_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Capsules from a to b: x, y, z of the ends, radius. */
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

/* From the middle of the head and of the feet to the ends of the unit cube,
 * which nothing may touch. */
static const float HEAD = 0.425f, FEET = 0.455f, END = 0.495f;

/* How the limbs become those of a body: factors for x and y, for z, and for
 * the radius. */
typedef struct {
  float wide, tall, thick;
} Factors;

static Factors
factors (float size)
{
  float up, down;

  if (size <= 1)
    return (Factors){size, size, size};
  up = (END - 0.07f * size) / HEAD;
  down = (END - 0.036f * size) / FEET;
  return (Factors){size, MIN (1, MIN (up, down)), size};
}

float
shu_body_distance (float size, const float p[3])
{
  Factors f = factors (size);
  float best = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (limbs); i++) {
    float dot = 0, length2 = 0, d2 = 0, t, from[3], along[3];

    for (int k = 0; k < 3; k++) {
      float scale = k < 2 ? f.wide : f.tall;

      from[k] = p[k] - scale * limbs[i].a[k];
      along[k] = scale * (limbs[i].b[k] - limbs[i].a[k]);
      dot += from[k] * along[k];
      length2 += along[k] * along[k];
    }
    t = CLAMP (dot / length2, 0, 1);
    for (int k = 0; k < 3; k++) {
      float d = from[k] - t * along[k];

      d2 += d * d;
    }
    best = MIN (best, sqrtf (d2) - f.thick * limbs[i].radius);
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

/* ---- voxels ---- */

/* Distances at all corners of a grid of @R cells: (transfer full)
 * [R+1,R+1,R+1], z fastest */
static float *
corners (float size, int R)
{
  int n = R + 1;
  float *d = g_new (float, (gsize) n *n *n);

#pragma omp parallel for
  for (int x = 0; x < n; x++)
    for (int y = 0; y < n; y++)
      for (int z = 0; z < n; z++) {
        float p[3];

        corner_of ((const gint32[]){x, y, z}, 0, R, p);
        d[((gsize) x * n + y) * n + z] = shu_body_distance (size, p);
      }
  return d;
}

/* Whether the surface goes through the cell; how near it is, in @ret_near: the
 * mean distance of the corners. */
static gboolean
is_cut (const float *d, int R, int x, int y, int z, float *ret_near)
{
  int n = R + 1, inside = 0;
  float sum = 0;

  for (int corner = 0; corner < 8; corner++) {
    float v = d[((gsize) (x + (corner & 1)) * n + y + (corner >> 1 & 1)) * n +
                z + (corner >> 2)];

    inside += v < 0;
    sum += v;
  }
  *ret_near = fabsf (sum / 8);
  return inside > 0 && inside < 8;
}

static int
count (float size, int R)
{
  g_autofree float *d = corners (size, R);
  int n = 0;
  float near;

  for (int x = 0; x < R; x++)
    for (int y = 0; y < R; y++)
      for (int z = 0; z < R; z++)
        n += is_cut (d, R, x, y, z, &near);
  return n;
}

float
shu_body_size (int R, int n_voxels)
{
  enum { STEPS = 12 };

  float low = SHU_BODY_MIN, high = SHU_BODY_MAX;

  if (n_voxels <= 0)
    return 1;
  for (int i = 0; i < STEPS; i++) {
    float middle = (low + high) / 2;

    if (count (middle, R) <= n_voxels)
      low = middle;
    else
      high = middle;
  }
  return low;
}

typedef struct {
  float near;
  gint32 cell;
} Candidate;

static int
by_distance (gconstpointer pa, gconstpointer pb)
{
  const Candidate *a = pa, *b = pb;

  if (a->near != b->near)
    return a->near < b->near ? -1 : 1;
  return a->cell - b->cell;
}

/* Marks the cells of @taken that are cut, then others, nearest first, until
 * there are @n_voxels. */
static void
choose (const float *d, int R, int n_voxels, guint8 *taken)
{
  g_autoptr (GArray) others = g_array_new (FALSE, FALSE, sizeof (Candidate));
  int n = 0;

  for (gint32 i = 0; i < R * R * R; i++) {
    Candidate other = {.cell = i};

    taken[i] = is_cut (d, R, i / R / R, i / R % R, i % R, &other.near);
    n += taken[i];
    if (!taken[i])
      g_array_append_val (others, other);
  }
  if (n >= n_voxels)
    return;
  g_array_sort (others, by_distance);
  for (guint i = 0; i < others->len && n < n_voxels; i++, n++)
    taken[g_array_index (others, Candidate, i).cell] = TRUE;
}

GArray *
shu_body_voxels (float size, int R, int n_voxels)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree float *d = corners (size, R);
  g_autofree guint8 *taken = g_new (guint8, (gsize) R * R * R);

  choose (d, R, n_voxels, taken);
  for (gint32 i = 0; i < R * R * R; i++) {
    gint32 row[] = {0, i / R / R, i / R % R, i % R};

    if (taken[i])
      g_array_append_vals (rows, row, 4);
  }
  return rows;
}

void
shu_body_set_distances (float size, int R, int n, const gint32 *coords,
    int n_channels, float *feats)
{
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    float *f = feats + (gsize) i * n_channels;

    for (int corner = 0; corner < 8; corner++) {
      float p[3];

      corner_of (coords + 3 * i, corner, R, p);
      /* the extraction adds -1 / R */
      f[corner] = shu_body_distance (size, p) * R + 1.0f / R;
    }
    for (int k = 8; k < 53; k++)
      f[k] = 0;
  }
}
