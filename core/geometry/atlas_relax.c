/* SPDX-License-Identifier: MIT */
/* Moves the map of a chart towards faces as rigid as possible (Liu et al.
 * 2008), never letting one turn over: each face is fitted by a rotation, and
 * all are joined again by a linear system, over and over. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  FEW = 32,    /* links of a vertex that are compared with each other */
  MIN_CG = 24, /* iterations of the linear solver a round */
  MAX_CG = 64,
};

/* Of squared lengths: a round that changes less is the last. */
static const double least_change = 1e-5;

/* A column of the cotangent Laplacian beside the diagonal. */
typedef struct {
  gint32 other;
  float weight;
} Link;

struct _ShuRest {
  const ShuChart *chart;
  const ShuProgress *progress;
  int n;            /* vertices */
  float (*rest)[4]; /* of a face, second corner (x, 0), third (x, y): x1, x2,
                     * y2, area */
  float (*cot)[3];  /* of the corner opposite of each edge */
  int *start;       /* [n+1] of the links */
  Link *links;
  float *diag;
  double area;
};

static void
measure_face (const ShuMesh *mesh, int face, float *rest, float *cot)
{
  const gint32 *f = mesh->faces + 3 * (gsize) face;
  double e[3][3], l2[3], area2;

  for (int k = 0; k < 3; k++) {
    const float *p = mesh->pos + 3 * (gsize) f[(k + 1) % 3];
    const float *q = mesh->pos + 3 * (gsize) f[(k + 2) % 3];
    for (int d = 0; d < 3; d++)
      e[k][d] = (double) q[d] - p[d];
    l2[k] = e[k][0] * e[k][0] + e[k][1] * e[k][1] + e[k][2] * e[k][2];
  }
  double nx = e[0][1] * e[1][2] - e[0][2] * e[1][1];
  double ny = e[0][2] * e[1][0] - e[0][0] * e[1][2];
  double nz = e[0][0] * e[1][1] - e[0][1] * e[1][0];
  area2 = sqrt (nx * nx + ny * ny + nz * nz);
  double x1 = sqrt (l2[2]);
  rest[0] = (float) x1;
  rest[1] = x1 > 0 ? (float) ((l2[2] + l2[1] - l2[0]) / (2 * x1)) : 0;
  rest[2] = x1 > 0 ? (float) (area2 / x1) : 0;
  rest[3] = (float) (0.5 * area2);
  for (int k = 0; k < 3; k++) {
    double dot = 0.5 * (l2[(k + 1) % 3] + l2[(k + 2) % 3] - l2[k]);
    /* Slivers and obtuse corners: keep the system well behaved. */
    cot[k] = (float) CLAMP (area2 > 0 ? dot / area2 : 0, 0.02, 20);
  }
}

static int
compare_links (gconstpointer a, gconstpointer b)
{
  const Link *p = a, *q = b;

  if (p->other != q->other)
    return p->other < q->other ? -1 : 1;
  return (p->weight > q->weight) - (p->weight < q->weight);
}

/* Makes one of the links to the same vertex.  Returns: how many are left */
static int
unite_links (Link *links, int n)
{
  int n_left = 0;

  if (n > FEW)
    qsort (links, n, sizeof *links, compare_links);
  for (int i = 0; i < n; i++) {
    int j = n > FEW ? MAX (0, n_left - 1) : 0;

    while (j < n_left && links[j].other != links[i].other)
      j++;
    if (j < n_left)
      links[j].weight += links[i].weight;
    else
      links[n_left++] = links[i];
  }
  return n_left;
}

/* Both ways along each edge; edges of two faces are one link. */
static void
link_vertices (ShuRest *r)
{
  const ShuChart *c = r->chart;
  g_autofree int *end = g_new (int, r->n);
  int n = 0;

  r->start = g_new0 (int, r->n + 1);
  for (int i = 0; i < 3 * c->n_faces; i++)
    r->start[c->tris[i] + 1] += 2;
  for (int i = 0; i < r->n; i++) {
    r->start[i + 1] += r->start[i];
    end[i] = r->start[i];
  }
  r->links = g_new (Link, MAX (1, r->start[r->n]));
  for (int i = 0; i < 3 * c->n_faces; i++) {
    int k = i % 3, f = i - k;
    int p = c->tris[f + (k + 1) % 3], q = c->tris[f + (k + 2) % 3];
    float weight = r->cot[i / 3][k];

    r->links[end[p]++] = (Link){q, weight};
    r->links[end[q]++] = (Link){p, weight};
    r->diag[p] += weight;
    r->diag[q] += weight;
  }
  for (int i = 0; i < r->n; i++) {
    int from = r->start[i], left = unite_links (r->links + from, end[i] - from);

    memmove (r->links + n, r->links + from, left * sizeof *r->links);
    r->start[i] = n;
    n += left;
  }
  r->start[r->n] = n;
}

ShuRest *
shu_rest_new (const ShuSurface *s, const ShuChart *c)
{
  ShuRest *r = g_new0 (ShuRest, 1);

  r->chart = c;
  r->progress = s->progress;
  r->n = c->n_verts;
  r->rest = g_malloc (4 * sizeof (float) * c->n_faces);
  r->cot = g_malloc (3 * sizeof (float) * c->n_faces);
  r->diag = g_new0 (float, r->n);
  for (int i = 0; i < c->n_faces; i++) {
    measure_face (s->mesh, c->faces[i], r->rest[i], r->cot[i]);
    r->area += r->rest[i][3];
  }
  link_vertices (r);
  return r;
}

void
shu_rest_free (ShuRest *r)
{
  g_free (r->rest);
  g_free (r->cot);
  g_free (r->start);
  g_free (r->links);
  g_free (r->diag);
  g_free (r);
}

void
shu_rest_lay (const ShuRest *r, float *uv)
{
  const gint32 *t = r->chart->tris;
  const float at[3][2] = {
      {0, 0}, {r->rest[0][0], 0}, {r->rest[0][1], r->rest[0][2]}};

  for (int k = 0; k < 3; k++)
    memcpy (uv + 2 * t[k], at[k], sizeof at[k]);
}

static double
uv_area (const float *uv, const gint32 *t)
{
  const float *a = uv + 2 * t[0], *b = uv + 2 * t[1], *c = uv + 2 * t[2];

  return 0.5 * (((double) b[0] - a[0]) * ((double) c[1] - a[1]) -
                   ((double) b[1] - a[1]) * ((double) c[0] - a[0]));
}

/* The least part of its area that a face keeps; negative where it turns. */
double
shu_rest_least_area (const ShuRest *r, const float *uv)
{
  double least = 1;

  for (int i = 0; i < r->chart->n_faces; i++)
    if (r->rest[i][3] > 0)
      least = MIN (
          least, uv_area (uv, r->chart->tris + 3 * (gsize) i) / r->rest[i][3]);
  return least;
}

/* y = L x, two columns.  Returns: x y */
static double
apply_laplacian (const ShuRest *r, const float *x, float *y)
{
  double sum[2] = {0};

  for (int i = 0; i < r->n; i++) {
    float u = r->diag[i] * x[2 * i], v = r->diag[i] * x[2 * i + 1];

    for (int j = r->start[i]; j < r->start[i + 1]; j++) {
      const float *p = x + 2 * r->links[j].other;

      u -= r->links[j].weight * p[0];
      v -= r->links[j].weight * p[1];
    }
    y[2 * i] = u;
    y[2 * i + 1] = v;
    sum[0] += (double) x[2 * i] * u;
    sum[1] += (double) x[2 * i + 1] * v;
  }
  return sum[0] + sum[1];
}

/* Right side of the fit: each face wants to be its rest shape, turned. */
static void
fit_rotations (const ShuRest *r, const float *uv, float *b)
{
  memset (b, 0, 2 * r->n * sizeof (float));
  for (int i = 0; i < r->chart->n_faces; i++) {
    const gint32 *t = r->chart->tris + 3 * (gsize) i;
    float x[3][2] = {
        {0, 0}, {r->rest[i][0], 0}, {r->rest[i][1], r->rest[i][2]}};
    double cs = 0, sn = 0, len;

    for (int k = 0; k < 3; k++) {
      int p = (k + 1) % 3, q = (k + 2) % 3;
      double w = r->cot[i][k];
      double dx = x[p][0] - x[q][0], dy = x[p][1] - x[q][1];
      double du = uv[2 * t[p]] - uv[2 * t[q]];
      double dv = uv[2 * t[p] + 1] - uv[2 * t[q] + 1];
      cs += w * (dx * du + dy * dv);
      sn += w * (dx * dv - dy * du);
    }
    len = sqrt (cs * cs + sn * sn);
    if (len > 0)
      cs /= len, sn /= len;
    else
      cs = 1;
    for (int k = 0; k < 3; k++) {
      int p = (k + 1) % 3, q = (k + 2) % 3;
      double w = r->cot[i][k];
      double dx = x[p][0] - x[q][0], dy = x[p][1] - x[q][1];
      float u = (float) (w * (cs * dx - sn * dy));
      float v = (float) (w * (sn * dx + cs * dy));
      b[2 * t[p]] += u, b[2 * t[p] + 1] += v;
      b[2 * t[q]] -= u, b[2 * t[q] + 1] -= v;
    }
  }
}

/* Takes out what moves all alike: the map may be anywhere, and rounding would
 * take it there. */
static void
center (const ShuRest *r, float *res)
{
  double sum[2] = {0}, diag = 0;

  for (int i = 0; i < r->n; i++) {
    sum[0] += res[2 * i];
    sum[1] += res[2 * i + 1];
    diag += r->diag[i];
  }
  for (int i = 0; i < 2 * r->n; i++)
    res[i] -= (float) (r->diag[i / 2] * sum[i & 1] / diag);
}

/* Conjugate gradients with a diagonal preconditioner, from the @x given.
 * @work: 8 floats a vertex */
static void
solve (const ShuRest *r, const float *b, float *x, float *work)
{
  int n = r->n, n_cg = CLAMP ((int) sqrt (n) / 3, MIN_CG, MAX_CG);
  float *res = work, *z = work + 2 * n, *p = work + 4 * n, *q = work + 6 * n;
  double rho = 0, least = 0;

  apply_laplacian (r, x, q);
  for (int i = 0; i < 2 * n; i++) {
    res[i] = b[i] - q[i];
    least += 1e-11 * b[i] * b[i] / r->diag[i / 2];
  }
  center (r, res);
  for (int it = 0; it < n_cg && !shu_progress_stops (r->progress); it++) {
    double old = rho, sum[2] = {0};

    for (int i = 0; i < n; i++)
      for (int d = 0; d < 2; d++) {
        z[2 * i + d] = res[2 * i + d] / r->diag[i];
        sum[d] += (double) res[2 * i + d] * z[2 * i + d];
      }
    rho = sum[0] + sum[1];
    /* Beyond it only rounding is left, in which the map may drift anywhere. */
    if (!(rho > least))
      return;
    float beta = it ? (float) (rho / old) : 0;
    for (int i = 0; i < 2 * n; i++)
      p[i] = it ? z[i] + beta * p[i] : z[i];
    double pq = apply_laplacian (r, p, q);
    if (!(pq > 0))
      return;
    float alpha = (float) (rho / pq);
    for (int i = 0; i < 2 * n; i++) {
      x[i] += alpha * p[i];
      res[i] -= alpha * q[i];
    }
  }
}

void
shu_rest_relax (const ShuRest *r, int n_rounds, double least, float *uv)
{
  int n = r->n;
  g_autofree float *b = g_new (float, 2 * n);
  g_autofree float *x = g_new (float, 2 * n);
  g_autofree float *work = g_new (float, 8 * n);

  for (int round = 0; round < n_rounds && !shu_progress_stops (r->progress);
       round++) {
    float t = 1;

    fit_rotations (r, uv, b);
    memcpy (x, uv, 2 * n * sizeof (float));
    solve (r, b, x, work);
    for (; t > 0.05f; t *= 0.6f) {
      for (int i = 0; i < 2 * n; i++)
        work[i] = uv[i] + t * (x[i] - uv[i]);
      if (shu_rest_least_area (r, work) >= least)
        break;
    }
    if (t <= 0.05f)
      return;
    for (int i = 0; i < 2 * n; i++) {
      x[i] = work[i] - uv[i];
      uv[i] = work[i];
    }
    if (apply_laplacian (r, x, b) < least_change * r->area)
      return;
  }
}

/* The map of a face from its rest shape: its matrix, columns (a,b) and (d,e).
 */
static void
face_map (const ShuRest *r, const float *uv, int i, double *ret)
{
  const float *x = r->rest[i], *p[3];

  for (int k = 0; k < 3; k++)
    p[k] = uv + 2 * r->chart->tris[3 * i + k];
  ret[0] = (p[1][0] - p[0][0]) / x[0];
  ret[1] = (p[1][1] - p[0][1]) / x[0];
  ret[2] = (p[2][0] - p[0][0] - ret[0] * x[1]) / x[2];
  ret[3] = (p[2][1] - p[0][1] - ret[1] * x[1]) / x[2];
}

ShuStretch
shu_rest_stretch (const ShuRest *r, const float *uv)
{
  ShuStretch sum = {0, 0};
  double area = 0, m[4];

  for (int i = 0; i < r->chart->n_faces; i++) {
    if (!(r->rest[i][3] > 0))
      continue;
    face_map (r, uv, i, m);
    double trace = m[0] * m[0] + m[1] * m[1] + m[2] * m[2] + m[3] * m[3];
    double det = m[0] * m[3] - m[1] * m[2];
    double both = sqrt (MAX (0, trace + 2 * det)); /* lengths, their sum */
    sum.deviation += r->rest[i][3] * (trace - 2 * both + 2);
    if (!(trace <= (2 + 0.5) * det)) /* trace / det = s + 1 / s */
      sum.doubled += r->rest[i][3];
    area += r->rest[i][3];
  }
  if (area > 0)
    sum = (ShuStretch){sum.deviation / area, sum.doubled / area};
  return sum;
}
