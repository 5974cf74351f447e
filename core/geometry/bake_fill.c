/* SPDX-License-Identifier: MIT */
/* Fills gaps: pictures by push-pull, surfaces by spreading values from vertex
 * to vertex; colours of Gaussians at a point. */
#include "geometry/bake_private.h"
#include <math.h>
#include <string.h>

enum {
  GRID_SIDE = 96, /* cells over the unit cube */
};

/* The Gaussians of a cell: @list[start[cell]..start[cell + 1] - 1]. */
struct _ShuGaussianGrid {
  const ShuGaussians *g;
  gint32 *start;
  gint32 *list;
};

void
shu_push_pull (float *rgb, const guint8 *mask, int size)
{
  int half = (size + 1) / 2;
  gboolean gaps = FALSE;
  g_autofree float *small = NULL;
  g_autofree guint8 *known = NULL;

  for (gsize i = 0; !gaps && i < (gsize) size * size; i++)
    gaps = !mask[i];
  if (!gaps || size <= 1)
    return;
  small = g_new0 (float, 3 * (gsize) half * half);
  known = g_malloc0 ((gsize) half * half);
  for (int y = 0; y < half; y++)
    for (int x = 0; x < half; x++) {
      gsize to = (gsize) y * half + x;
      int n = 0;
      for (int k = 0; k < 4; k++) {
        int u = 2 * x + (k & 1), v = 2 * y + (k >> 1);
        gsize at = (gsize) v * size + u;
        if (u >= size || v >= size || !mask[at])
          continue;
        for (int c = 0; c < 3; c++)
          small[3 * to + c] += rgb[3 * at + c];
        n++;
      }
      for (int c = 0; n && c < 3; c++)
        small[3 * to + c] /= n;
      known[to] = n > 0;
    }
  shu_push_pull (small, known, half);
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize at = (gsize) y * size + x;
      float uv[2] = {((x + 0.5f) / 2) / half, ((y + 0.5f) / 2) / half};
      if (!mask[at])
        shu_bake_photo_sample (small, half, 3, uv, rgb + 3 * at);
    }
}

static int
cell_of (float v)
{
  return CLAMP ((int) floorf ((v + 0.5f) * GRID_SIDE), 0, GRID_SIDE - 1);
}

ShuGaussianGrid *
shu_gaussian_grid_new (const ShuGaussians *g)
{
  ShuGaussianGrid *grid = g_new0 (ShuGaussianGrid, 1);
  gsize n_cells = (gsize) GRID_SIDE * GRID_SIDE * GRID_SIDE;
  g_autofree gint32 *cell = g_new (gint32, MAX (1, g->n));

  grid->g = g;
  grid->start = g_new0 (gint32, n_cells + 1);
  grid->list = g_new (gint32, MAX (1, g->n));
  for (gsize i = 0; i < (gsize) g->n; i++) {
    const float *p = g->pos + 3 * i;
    cell[i] = isfinite (p[0]) && isfinite (p[1]) && isfinite (p[2])
                  ? (cell_of (p[0]) * GRID_SIDE + cell_of (p[1])) * GRID_SIDE +
                        cell_of (p[2])
                  : -1;
    if (cell[i] >= 0)
      grid->start[cell[i] + 1]++;
  }
  for (gsize i = 0; i < n_cells; i++)
    grid->start[i + 1] += grid->start[i];
  g_autofree gint32 *next = g_memdup2 (grid->start, n_cells * sizeof (gint32));
  for (int i = 0; i < g->n; i++)
    if (cell[i] >= 0)
      grid->list[next[cell[i]]++] = i;
  return grid;
}

void
shu_gaussian_grid_free (ShuGaussianGrid *grid)
{
  if (!grid)
    return;
  g_free (grid->start);
  g_free (grid->list);
  g_free (grid);
}

/* Density at offset @d of Gaussian @i, widened so that a surface that runs
 * between thin ones still finds them. */
static float
density (const ShuGaussians *g, gsize i, const float *d)
{
  const float *q = g->quat + 4 * i, *s = g->scale + 3 * i;
  float w = q[0], x = q[1], y = q[2], z = q[3], e = 0;
  float rot[3][3] = {
      {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
      {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
      {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
  static const float width = 0.3f / GRID_SIDE;

  for (int k = 0; k < 3; k++) {
    float along = rot[0][k] * d[0] + rot[1][k] * d[1] + rot[2][k] * d[2];
    e += along * along / (s[k] * s[k] + width * width);
  }
  return g->opacity[i] * expf (-0.5f * e);
}

gboolean
shu_gaussian_grid_sample (
    const ShuGaussianGrid *grid, const float *pos, float *ret_rgb)
{
  const ShuGaussians *g = grid->g;
  int c[3] = {cell_of (pos[0]), cell_of (pos[1]), cell_of (pos[2])};
  double sum = 0, rgb[3] = {0};

  for (int x = MAX (0, c[0] - 1); x <= MIN (GRID_SIDE - 1, c[0] + 1); x++)
    for (int y = MAX (0, c[1] - 1); y <= MIN (GRID_SIDE - 1, c[1] + 1); y++) {
      gsize row = ((gsize) x * GRID_SIDE + y) * GRID_SIDE;
      gint32 end = grid->start[row + MIN (GRID_SIDE - 1, c[2] + 1) + 1];
      for (gint32 j = grid->start[row + MAX (0, c[2] - 1)]; j < end; j++) {
        gsize i = grid->list[j];
        const float *p = g->pos + 3 * i;
        float d[3] = {pos[0] - p[0], pos[1] - p[1], pos[2] - p[2]};
        float w = density (g, i, d);
        if (!(w > 0))
          continue;
        sum += w;
        for (int k = 0; k < 3; k++)
          rgb[k] += (double) w * g->rgb[3 * i + k];
      }
    }
  if (!(sum > 1e-4))
    return FALSE;
  for (int k = 0; k < 3; k++)
    ret_rgb[k] = (float) CLAMP (rgb[k] / sum, 0, 1);
  return TRUE;
}

void
shu_field_init (ShuField *f, const ShuMesh *mesh, const gint32 *first)
{
  gsize n = mesh->n_verts, n_idx = 3 * (gsize) mesh->n_faces;

  *f = (ShuField){.n_verts = mesh->n_verts, .first = first};
  f->start = g_new0 (gint32, n + 1);
  f->next = g_new (gint32, MAX (1, 2 * n_idx));
  for (gsize i = 0; i < n_idx; i++)
    f->start[first[mesh->faces[i]] + 1] += 2;
  for (gsize i = 0; i < n; i++)
    f->start[i + 1] += f->start[i];
  g_autofree gint32 *at = g_memdup2 (f->start, MAX (1, n) * sizeof (gint32));
  for (gsize i = 0; i < n_idx; i += 3)
    for (int k = 0; k < 3; k++) {
      gint32 v = first[mesh->faces[i + k]];
      f->next[at[v]++] = first[mesh->faces[i + (k + 1) % 3]];
      f->next[at[v]++] = first[mesh->faces[i + (k + 2) % 3]];
    }
}

void
shu_field_clear (ShuField *f)
{
  g_clear_pointer (&f->start, g_free);
  g_clear_pointer (&f->next, g_free);
}

/* Gauss-Seidel, forwards and backwards in turn: serial, so the same always. */
void
shu_field_spread (const ShuField *f, float *value, const float *weight,
    float decay, int n_rounds)
{
  gsize n = f->n_verts;
  g_autofree float *held = g_memdup2 (value, MAX (1, 3 * n) * sizeof (float));

  for (int round = 0; round < n_rounds; round++)
    for (gsize j = 0; j < n; j++) {
      gsize i = round & 1 ? n - 1 - j : j;
      int m = f->start[i + 1] - f->start[i];
      float sum[3] = {0}, total = weight[i] + decay;

      if (!m || f->first[i] != (gint32) i)
        continue;
      for (gint32 e = f->start[i]; e < f->start[i + 1]; e++)
        for (int c = 0; c < 3; c++)
          sum[c] += value[3 * (gsize) f->next[e] + c];
      total += 1;
      for (int c = 0; c < 3; c++)
        value[3 * i + c] = (sum[c] / m + weight[i] * held[3 * i + c]) / total;
    }
  for (gsize i = 0; i < n; i++)
    memcpy (value + 3 * i, value + 3 * (gsize) f->first[i], 3 * sizeof (float));
}
