/* SPDX-License-Identifier: MIT */
#include "atlas_check.h"
#include "geometry/raster.h"
#include <math.h>

static int
find (gint32 *label, int i)
{
  while (label[i] != i)
    i = label[i] = label[label[i]];
  return i;
}

/* Chart of each vertex: the lowest vertex that edges connect it to. */
static gint32 *
find_charts (const ShuMesh *m)
{
  gint32 *label = g_new (gint32, m->n_verts);

  for (int i = 0; i < m->n_verts; i++)
    label[i] = i;
  for (int i = 0; i < 3 * m->n_faces; i++) {
    int a = find (label, m->faces[i]);
    int b = find (label, m->faces[i % 3 == 2 ? i - 2 : i + 1]);
    label[MAX (a, b)] = MIN (a, b);
  }
  for (int i = 0; i < m->n_verts; i++)
    label[i] = find (label, i);
  return label;
}

static double
surface_area (const ShuMesh *m, int face)
{
  const float *p[3];
  double a[3], b[3], sum = 0;

  for (int k = 0; k < 3; k++)
    p[k] = m->pos + 3 * m->faces[3 * face + k];
  for (int k = 0; k < 3; k++) {
    a[k] = (double) p[1][k] - p[0][k];
    b[k] = (double) p[2][k] - p[0][k];
  }
  for (int k = 0; k < 3; k++)
    sum += pow (
        a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3], 2);
  return sqrt (sum) / 2;
}

static void
check_faces (const ShuMesh *before, const ShuMesh *m)
{
  g_assert_cmpint (m->n_faces, ==, before->n_faces);
  for (int i = 0; i < 3 * m->n_faces; i++)
    for (int k = 0; k < 3; k++)
      g_assert_cmpfloat (m->pos[3 * m->faces[i] + k], ==,
          before->pos[3 * before->faces[i] + k]);
  for (int i = 0; i < 2 * m->n_verts; i++)
    g_assert_true (m->uv[i] >= 0 && m->uv[i] <= 1);
  for (int i = 0; i < m->n_faces; i++) {
    const float *a = m->uv + 2 * m->faces[3 * i];
    const float *b = m->uv + 2 * m->faces[3 * i + 1];
    const float *c = m->uv + 2 * m->faces[3 * i + 2];
    double area = ((double) b[0] - a[0]) * ((double) c[1] - a[1]) -
                  ((double) b[1] - a[1]) * ((double) c[0] - a[0]);
    /* Slivers thinner than the last digit of a coordinate have no side. */
    if (surface_area (m, i) > 1e-7)
      g_assert_cmpfloat (area, >, 0);
  }
}

void
check_atlas (const ShuMesh *before, const ShuMesh *m, int size, int gutter)
{
  g_autoptr (ShuRaster) r = shu_raster_new (size, size, 0);
  g_autofree gint32 *label = find_charts (m);
  int doubles, close = 0;

  check_faces (before, m);
  shu_raster_uv (r, m, 0, &doubles);
  g_assert_cmpint (doubles, ==, 0);
  for (int i = 0; i < size * size; i++) {
    int x = i % size, y = i / size;
    if (r->face[i] < 0)
      continue;
    for (int v = y; v <= MIN (size - 1, y + gutter); v++)
      for (int u = MAX (0, x - gutter); u <= MIN (size - 1, x + gutter); u++) {
        gint32 f = r->face[v * size + u];
        close +=
            f >= 0 && label[m->faces[3 * f]] != label[m->faces[3 * r->face[i]]];
      }
  }
  g_assert_cmpint (close, ==, 0);
}
