/* SPDX-License-Identifier: MIT */
#include "fill_private.h"

/* Above this, O(n^3) takes too long. */
enum { MAX_DIRECT = 256, COARSE = 128 };

typedef struct {
  const Vec3 *pos;
  const Chords *forbidden;
  GArray *triangles;
} Polygon;

static gboolean
is_forbidden (const Polygon *p, int a, int b)
{
  for (int i = p->forbidden->start[a]; i < p->forbidden->start[a + 1]; i++)
    if (p->forbidden->to[i] == b)
      return TRUE;
  return FALSE;
}

static double
triangle_area (Vec3 a, Vec3 b, Vec3 c)
{
  return vec3_length (vec3_normal (a, b, c)) / 2;
}

static void
emit_span (const Polygon *p, const int *corner, const gint16 *middle, int m,
    int i, int k)
{
  while (k - i >= 2) {
    int j = middle[i * m + k];
    int t[3] = {corner[i], corner[j], corner[k]};

    g_array_append_vals (p->triangles, t, 1);
    emit_span (p, corner, middle, m, i, j);
    i = j;
  }
}

/* The polygon over the @m ascending corners @corner. */
static gboolean
triangulate_direct (const Polygon *p, const int *corner, int m)
{
  g_autofree double *cost = g_new0 (double, (gsize) m *m);
  g_autofree gint16 *middle = g_new0 (gint16, (gsize) m * m);

  for (int span = 2; span < m; span++)
    for (int i = 0; i + span < m; i++) {
      int k = i + span, ci = corner[i], ck = corner[k];
      double best = INFINITY;

      if (span == m - 1 || !is_forbidden (p, ci, ck))
        for (int j = i + 1; j < k; j++) {
          double sum = cost[i * m + j] + cost[j * m + k];

          if (!(sum < best))
            continue;
          sum += triangle_area (p->pos[ci], p->pos[corner[j]], p->pos[ck]);
          if (sum < best) {
            best = sum;
            middle[i * m + k] = j;
          }
        }
      cost[i * m + k] = best;
    }
  if (!isfinite (cost[m - 1]))
    return FALSE;
  emit_span (p, corner, middle, m, 0, m - 1);
  return TRUE;
}

/* Long polygons: one through some of the corners, and one for each stretch
 * between them. */
static gboolean
triangulate_any (const Polygon *p, const int *corner, int m)
{
  int step = (m + COARSE - 1) / COARSE, n = 0;
  g_autofree int *coarse = NULL;

  if (m < 3)
    return TRUE;
  if (m <= MAX_DIRECT)
    return triangulate_direct (p, corner, m);
  coarse = g_new (int, m / step + 2);
  for (int i = 0; i < m - 1; i += step) {
    int end = MIN (i + step, m - 1);

    if (end - i > 1 && is_forbidden (p, corner[i], corner[end]))
      return FALSE;
    coarse[n++] = corner[i];
    if (!triangulate_any (p, corner + i, end - i + 1))
      return FALSE;
  }
  coarse[n++] = corner[m - 1];
  return triangulate_direct (p, coarse, n);
}

gboolean
polygon_triangulate (
    const Vec3 *pos, int n, const Chords *forbidden, GArray *triangles)
{
  Polygon polygon = {pos, forbidden, triangles};
  g_autofree int *corner = g_new (int, n + 1);

  if (n < 3)
    return FALSE;
  for (int i = 0; i < n; i++)
    corner[i] = i;
  return triangulate_any (&polygon, corner, n);
}
