/* SPDX-License-Identifier: MIT */
/* Flattens a chart: projected along its mean normal, then as rigid as possible
 * (Liu et al. 2008), never letting a face turn over; tested for folds. */
#include "geometry/atlas_private.h"
#include "geometry/raster.h"
#include <math.h>
#include <string.h>

enum {
  N_ROUNDS = 8, /* of fitting rotations */
  MIN_CG = 24,  /* iterations of the linear solver a round */
  MAX_CG = 64,
  MAX_TEST = 4096, /* pixels a side of the test for folds */
};

/* A chart with more of its surface stretched to twice its length is cut. */
static const double most_stretched = 0.01;

void
shu_chart_free (gpointer data)
{
  ShuChart *c = data;

  if (!c)
    return;
  g_free (c->faces);
  g_free (c->verts);
  g_free (c->tris);
  g_free (c->uv);
  g_free (c);
}

static int
compare_int (gconstpointer a, gconstpointer b)
{
  gint32 p = *(const gint32 *) a, q = *(const gint32 *) b;

  return (p > q) - (p < q);
}

ShuChart *
shu_chart_new (const ShuSurface *s, const gint32 *faces, int n_faces)
{
  ShuChart *c = g_new0 (ShuChart, 1);

  c->density = 1;
  c->n_faces = n_faces;
  c->faces = g_memdup2 (faces, n_faces * sizeof (gint32));
  qsort (c->faces, n_faces, sizeof (gint32), compare_int);
  c->verts = g_new (gint32, 3 * (gsize) n_faces);
  c->tris = g_new (gint32, 3 * (gsize) n_faces);
  for (int i = 0; i < n_faces; i++)
    memcpy (c->verts + 3 * (gsize) i, s->mesh->faces + 3 * (gsize) c->faces[i],
        3 * sizeof (gint32));
  qsort (c->verts, 3 * (gsize) n_faces, sizeof (gint32), compare_int);
  for (int i = 0; i < 3 * n_faces; i++)
    if (i == 0 || c->verts[i] != c->verts[c->n_verts - 1])
      c->verts[c->n_verts++] = c->verts[i];
  for (int i = 0; i < 3 * n_faces; i++) {
    const gint32 *v = s->mesh->faces + 3 * (gsize) c->faces[i / 3] + i % 3;
    const gint32 *at =
        bsearch (v, c->verts, c->n_verts, sizeof (gint32), compare_int);
    c->tris[i] = (gint32) (at - c->verts);
  }
  return c;
}

/* The faces without their surroundings: corners of each in its own plane, and
 * cotangent weights of the edges opposite of each corner. */
typedef struct {
  float (*rest)[4]; /* second corner (x, 0), third (x, y): x1, x2, y2, area */
  float (*cot)[3];
} Rest;

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

static void
project (const ShuSurface *s, ShuChart *c)
{
  double n[3] = {0}, len;

  for (int i = 0; i < c->n_faces; i++)
    for (int k = 0; k < 3; k++)
      n[k] += (double) s->area[c->faces[i]] * s->normal[c->faces[i]][k];
  len = sqrt (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  if (len > 0)
    n[0] /= len, n[1] /= len, n[2] /= len;
  else
    n[2] = 1;
  /* An axis well off the normal; t1 x t2 = n. */
  int axis = fabs (n[0]) < 0.6 ? 0 : fabs (n[1]) < 0.6 ? 1 : 2;
  double a[3] = {axis == 0, axis == 1, axis == 2}, t1[3], t2[3];
  double dot = n[axis];
  for (int k = 0; k < 3; k++)
    t1[k] = a[k] - dot * n[k];
  len = sqrt (t1[0] * t1[0] + t1[1] * t1[1] + t1[2] * t1[2]);
  for (int k = 0; k < 3; k++)
    t1[k] /= len;
  for (int k = 0; k < 3; k++)
    t2[k] = n[(k + 1) % 3] * t1[(k + 2) % 3] - n[(k + 2) % 3] * t1[(k + 1) % 3];
  for (int i = 0; i < c->n_verts; i++) {
    const float *p = s->mesh->pos + 3 * (gsize) c->verts[i];
    c->uv[2 * i] = (float) (p[0] * t1[0] + p[1] * t1[1] + p[2] * t1[2]);
    c->uv[2 * i + 1] = (float) (p[0] * t2[0] + p[1] * t2[1] + p[2] * t2[2]);
  }
}

static double
uv_area (const float *uv, const gint32 *t)
{
  const float *a = uv + 2 * t[0], *b = uv + 2 * t[1], *c = uv + 2 * t[2];

  return 0.5 * (((double) b[0] - a[0]) * ((double) c[1] - a[1]) -
                   ((double) b[1] - a[1]) * ((double) c[0] - a[0]));
}

/* The least part of its area that a face keeps; negative where it turns. */
static double
least_area (const ShuChart *c, const Rest *r, const float *uv)
{
  double least = 1;

  for (int i = 0; i < c->n_faces; i++)
    if (r->rest[i][3] > 0)
      least =
          MIN (least, uv_area (uv, c->tris + 3 * (gsize) i) / r->rest[i][3]);
  return least;
}

/* y = L x, L the cotangent Laplacian, two columns. */
static void
apply_laplacian (const ShuChart *c, const Rest *r, const float *x, float *y)
{
  memset (y, 0, 2 * c->n_verts * sizeof (float));
  for (int i = 0; i < c->n_faces; i++)
    for (int k = 0; k < 3; k++) {
      int p = c->tris[3 * i + (k + 1) % 3], q = c->tris[3 * i + (k + 2) % 3];
      for (int d = 0; d < 2; d++) {
        float v = r->cot[i][k] * (x[2 * p + d] - x[2 * q + d]);
        y[2 * p + d] += v;
        y[2 * q + d] -= v;
      }
    }
}

/* Right side of the fit: each face wants to be its rest shape, turned. */
static void
fit_rotations (const ShuChart *c, const Rest *r, const float *uv, float *b)
{
  memset (b, 0, 2 * c->n_verts * sizeof (float));
  for (int i = 0; i < c->n_faces; i++) {
    const gint32 *t = c->tris + 3 * (gsize) i;
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

static double
dot2 (const float *a, const float *b, int n)
{
  double s = 0;

  for (int i = 0; i < 2 * n; i++)
    s += (double) a[i] * b[i];
  return s;
}

/* Conjugate gradients with a diagonal preconditioner, from the @x given.
 * @work: 5 * 2 * n_verts floats */
static void
solve (const ShuChart *c, const Rest *r, const float *diag, const float *b,
    float *x, float *work)
{
  int n = c->n_verts;
  float *res = work, *z = work + 2 * n, *p = work + 4 * n, *q = work + 6 * n;
  double rho = 0, least = 0;

  apply_laplacian (c, r, x, q);
  for (int i = 0; i < 2 * n; i++) {
    res[i] = b[i] - q[i];
    least += 1e-11 * b[i] * b[i] / diag[i / 2];
  }
  int n_cg = CLAMP ((int) sqrt (n) / 3, MIN_CG, MAX_CG);

  for (int it = 0; it < n_cg; it++) {
    double old = rho;
    for (int i = 0; i < 2 * n; i++)
      z[i] = res[i] / diag[i / 2];
    rho = dot2 (res, z, n);
    /* Beyond it only rounding is left, in which the map may drift anywhere. */
    if (!(rho > least))
      return;
    for (int i = 0; i < 2 * n; i++)
      p[i] = it ? z[i] + (float) (rho / old) * p[i] : z[i];
    apply_laplacian (c, r, p, q);
    double pq = dot2 (p, q, n);
    if (!(pq > 0))
      return;
    float alpha = (float) (rho / pq);
    for (int i = 0; i < 2 * n; i++) {
      x[i] += alpha * p[i];
      res[i] -= alpha * q[i];
    }
  }
}

/* Moves the map towards rigid faces, as far as none turns over or gets much
 * smaller than it is. */
static void
relax (ShuChart *c, const Rest *r, int n_rounds, double least)
{
  int n = c->n_verts;
  g_autofree float *diag = g_new0 (float, n);
  g_autofree float *b = g_new (float, 2 * n);
  g_autofree float *x = g_new (float, 2 * n);
  g_autofree float *work = g_new (float, 8 * n);

  for (int i = 0; i < c->n_faces; i++)
    for (int k = 0; k < 3; k++) {
      diag[c->tris[3 * i + (k + 1) % 3]] += r->cot[i][k];
      diag[c->tris[3 * i + (k + 2) % 3]] += r->cot[i][k];
    }
  for (int round = 0; round < n_rounds; round++) {
    float t = 1;

    fit_rotations (c, r, c->uv, b);
    memcpy (x, c->uv, 2 * n * sizeof (float));
    solve (c, r, diag, b, x, work);
    for (; t > 0.05f; t *= 0.6f) {
      for (int i = 0; i < 2 * n; i++)
        work[i] = c->uv[i] + t * (x[i] - c->uv[i]);
      if (least_area (c, r, work) >= least)
        break;
    }
    if (t <= 0.05f)
      return;
    memcpy (c->uv, work, 2 * n * sizeof (float));
  }
}

static gboolean
contains (const float *uv, const gint32 *t, const float *p)
{
  for (int k = 0; k < 3; k++) {
    const float *a = uv + 2 * t[k], *b = uv + 2 * t[(k + 1) % 3];
    if ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) <= 0)
      return FALSE;
  }
  return TRUE;
}

/* Two faces, one of which covers the middle of the other. */
static void
find_pair (
    const ShuChart *c, const ShuMesh *flat, const ShuRaster *r, int *ret_seed)
{
  for (int i = 0; i < c->n_faces; i++) {
    const gint32 *t = c->tris + 3 * (gsize) i;
    float p[2], uv[2];
    int x, y, j;

    for (int d = 0; d < 2; d++) {
      p[d] =
          (c->uv[2 * t[0] + d] + c->uv[2 * t[1] + d] + c->uv[2 * t[2] + d]) / 3;
      uv[d] = (flat->uv[2 * t[0] + d] + flat->uv[2 * t[1] + d] +
                  flat->uv[2 * t[2] + d]) /
              3;
    }
    x = CLAMP ((int) (uv[0] * r->width), 0, r->width - 1);
    y = CLAMP ((int) (uv[1] * r->height), 0, r->height - 1);
    j = r->face[(gsize) y * r->width + x];
    if (j >= 0 && j != i && contains (c->uv, c->tris + 3 * (gsize) j, p)) {
      ret_seed[0] = i;
      ret_seed[1] = j;
      return;
    }
  }
}

int
shu_chart_overlaps (const ShuChart *c, float resolution, int *ret_seed)
{
  float lo[2] = {G_MAXFLOAT, G_MAXFLOAT}, hi[2] = {-G_MAXFLOAT, -G_MAXFLOAT};
  g_autofree float *uv = g_new (float, 2 * (gsize) c->n_verts);
  int size[2], n_doubles;

  for (int i = 0; i < 2 * c->n_verts; i++) {
    lo[i & 1] = MIN (lo[i & 1], c->uv[i]);
    hi[i & 1] = MAX (hi[i & 1], c->uv[i]);
  }
  for (int d = 0; d < 2; d++)
    size[d] =
        (int) CLAMP (ceilf ((hi[d] - lo[d]) * resolution), 1, (float) MAX_TEST);
  for (int i = 0; i < 2 * c->n_verts; i++)
    uv[i] = (c->uv[i] - lo[i & 1]) / MAX (hi[i & 1] - lo[i & 1], 1e-12f);
  ShuMesh flat = {
      .n_verts = c->n_verts, .n_faces = c->n_faces, .uv = uv, .faces = c->tris};
  g_autoptr (ShuRaster) r = shu_raster_new (size[0], size[1], 0);
  shu_raster_uv (r, &flat, 0, &n_doubles);
  if (ret_seed) {
    ret_seed[0] = ret_seed[1] = -1;
    if (n_doubles)
      find_pair (c, &flat, r, ret_seed);
  }
  return n_doubles;
}

/* The map of a face from its rest shape: its matrix, columns (a,b) and (d,e).
 */
static void
face_map (const ShuChart *c, const Rest *r, int i, double *ret)
{
  const float *x = r->rest[i], *p[3];

  for (int k = 0; k < 3; k++)
    p[k] = c->uv + 2 * c->tris[3 * i + k];
  ret[0] = (p[1][0] - p[0][0]) / x[0];
  ret[1] = (p[1][1] - p[0][1]) / x[0];
  ret[2] = (p[2][0] - p[0][0] - ret[0] * x[1]) / x[2];
  ret[3] = (p[2][1] - p[0][1] - ret[1] * x[1]) / x[2];
}

/* Squared deviation of lengths from those of the surface, its mean. */
static double
measure_stretch (const ShuChart *c, const Rest *r)
{
  double sum = 0, area = 0, m[4];

  for (int i = 0; i < c->n_faces; i++) {
    if (!(r->rest[i][3] > 0))
      continue;
    face_map (c, r, i, m);
    double trace = m[0] * m[0] + m[1] * m[1] + m[2] * m[2] + m[3] * m[3];
    double det = m[0] * m[3] - m[1] * m[2];
    double both = sqrt (MAX (0, trace + 2 * det)); /* lengths, their sum */
    sum += r->rest[i][3] * (trace - 2 * both + 2);
    area += r->rest[i][3];
  }
  return area > 0 ? sum / area : 0;
}

/* The share of the surface that is twice as long one way as the other. */
static double
stretched_share (const ShuChart *c, const Rest *r)
{
  double sum = 0, area = 0, m[4];

  for (int i = 0; i < c->n_faces; i++) {
    if (!(r->rest[i][3] > 0))
      continue;
    face_map (c, r, i, m);
    double trace = m[0] * m[0] + m[1] * m[1] + m[2] * m[2] + m[3] * m[3];
    double det = m[0] * m[3] - m[1] * m[2];
    if (!(trace <= (2 + 0.5) * det)) /* trace / det = s + 1 / s */
      sum += r->rest[i][3];
    area += r->rest[i][3];
  }
  return area > 0 ? sum / area : 0;
}

gboolean
shu_chart_flatten (
    const ShuSurface *s, ShuChart *c, float resolution, int *ret_seed)
{
  g_autofree void *rest = g_new (float, 4 * (gsize) c->n_faces);
  g_autofree void *cot = g_new (float, 3 * (gsize) c->n_faces);
  Rest r = {rest, cot};

  ret_seed[0] = ret_seed[1] = -1;
  g_free (c->uv);
  c->uv = g_new (float, 2 * (gsize) c->n_verts);
  for (int i = 0; i < c->n_faces; i++)
    measure_face (s->mesh, c->faces[i], r.rest[i], r.cot[i]);
  project (s, c);
  if (least_area (c, &r, c->uv) < 1e-3)
    return FALSE;
  g_autofree float *flat = g_memdup2 (c->uv, 2 * c->n_verts * sizeof (float));
  relax (c, &r, N_ROUNDS, 0.15);
  if (shu_chart_overlaps (c, resolution, ret_seed)) {
    memcpy (c->uv, flat, 2 * c->n_verts * sizeof (float));
    if (shu_chart_overlaps (c, resolution, ret_seed))
      return FALSE;
  }
  return stretched_share (c, &r) <= most_stretched;
}

gboolean
shu_chart_relax (
    const ShuSurface *s, ShuChart *c, int n_rounds, float *ret_stretch)
{
  g_autofree void *rest = g_new (float, 4 * (gsize) c->n_faces);
  g_autofree void *cot = g_new (float, 3 * (gsize) c->n_faces);
  Rest r = {rest, cot};
  double least;

  for (int i = 0; i < c->n_faces; i++)
    measure_face (s->mesh, c->faces[i], r.rest[i], r.cot[i]);
  least = least_area (c, &r, c->uv);
  if (least < 1e-3)
    return FALSE;
  relax (c, &r, n_rounds, MIN (least, 0.15));
  *ret_stretch = (float) measure_stretch (c, &r);
  return TRUE;
}
