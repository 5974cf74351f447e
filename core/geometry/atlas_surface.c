/* SPDX-License-Identifier: MIT */
/* The surface that an atlas is made of: its faces measured, and linked across
 * their edges. */
#include "geometry/atlas_private.h"
#include "geometry/sets_private.h"
#include <math.h>

static const float head_part = 0.14f; /* of the height, from the top */

/* An edge at the lower of its ends. */
typedef struct {
  gint32 hi;
  gint32 face;
  gint32 side;
} Edge;

static int
compare_edges (gconstpointer a, gconstpointer b)
{
  const Edge *p = a, *q = b;

  if (p->hi != q->hi)
    return p->hi < q->hi ? -1 : 1;
  if (p->face != q->face)
    return p->face < q->face ? -1 : 1;
  return p->side - q->side;
}

/* Links the faces of edges that have their lower end in common. */
static void
link_edges (ShuSurface *s, Edge *edges, gsize n)
{
  const gint32 *v = s->mesh->faces;

  qsort (edges, n, sizeof (Edge), compare_edges);
  for (gsize i = 0, j; i < n; i = j) {
    const Edge *p = edges + i, *q = p + 1;

    for (j = i + 1; j < n && edges[j].hi == edges[i].hi; j++)
      ;
    if (j - i != 2 || p->face == q->face ||
        v[3 * (gsize) p->face + p->side] == v[3 * (gsize) q->face + q->side])
      continue;
    s->next[p->face][p->side] = q->face;
    s->next[q->face][q->side] = p->face;
  }
}

void
shu_surface_link (ShuSurface *s)
{
  const ShuMesh *m = s->mesh;
  gsize n = 3 * (gsize) m->n_faces;
  g_autofree Edge *edges = g_new (Edge, n);
  g_autofree gsize *start = g_new0 (gsize, m->n_verts + 2);

  for (int pass = 0; pass < 2; pass++) {
    for (gsize i = 0; i < n; i++) {
      gint32 a = m->faces[i], b = m->faces[i % 3 == 2 ? i - 2 : i + 1];

      if (pass == 0) {
        s->next[i / 3][i % 3] = -1;
        start[MIN (a, b) + 2] += a != b;
      } else if (a != b) {
        edges[start[MIN (a, b) + 1]++] =
            (Edge){MAX (a, b), (gint32) (i / 3), (gint32) (i % 3)};
      }
    }
    for (int v = 0; pass == 0 && v < m->n_verts; v++)
      start[v + 2] += start[v + 1];
  }
#pragma omp parallel for schedule(static)
  for (int v = 0; v < m->n_verts; v++)
    link_edges (s, edges + start[v], start[v + 1] - start[v]);
}

int
shu_surface_count_parts (const ShuSurface *s)
{
  int n = s->mesh->n_faces, n_parts = n;
  g_autofree gint32 *parent = g_new (gint32, n);

  for (int f = 0; f < n; f++)
    parent[f] = f;
  for (int f = 0; f < n; f++)
    for (int k = 0; k < 3; k++) {
      int other = s->next[f][k], p, q;

      if (other < f || s->zone[other] != s->zone[f])
        continue;
      p = shu_find_root (parent, f);
      q = shu_find_root (parent, other);
      parent[MAX (p, q)] = MIN (p, q);
      n_parts -= p != q;
    }
  return n_parts;
}

void
shu_surface_measure (ShuSurface *s)
{
  const ShuMesh *m = s->mesh;
  float top = -G_MAXFLOAT, bottom = G_MAXFLOAT;

  for (int i = 0; i < m->n_verts; i++) {
    top = MAX (top, m->pos[3 * (gsize) i + 2]);
    bottom = MIN (bottom, m->pos[3 * (gsize) i + 2]);
  }
  for (int f = 0; f < m->n_faces; f++) {
    const float *p[3];
    double a[3], b[3], n[3], len;

    for (int k = 0; k < 3; k++)
      p[k] = m->pos + 3 * (gsize) m->faces[3 * (gsize) f + k];
    for (int d = 0; d < 3; d++) {
      a[d] = (double) p[1][d] - p[0][d];
      b[d] = (double) p[2][d] - p[0][d];
    }
    for (int d = 0; d < 3; d++)
      n[d] = a[(d + 1) % 3] * b[(d + 2) % 3] - a[(d + 2) % 3] * b[(d + 1) % 3];
    len = sqrt (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    s->area[f] = (float) (0.5 * len);
    for (int d = 0; d < 3; d++)
      s->normal[f][d] = len > 0 ? (float) (n[d] / len) : d == 2;
    float z = (p[0][2] + p[1][2] + p[2][2]) / 3;
    s->zone[f] = z > top - head_part * (top - bottom);
  }
}

float
shu_edge_length (const ShuMesh *mesh, int face, int side)
{
  const gint32 *f = mesh->faces + 3 * (gsize) face;
  const float *p = mesh->pos + 3 * (gsize) f[side];
  const float *q = mesh->pos + 3 * (gsize) f[(side + 1) % 3];

  return sqrtf ((p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) +
                (p[2] - q[2]) * (p[2] - q[2]));
}
