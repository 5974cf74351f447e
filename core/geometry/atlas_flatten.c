/* SPDX-License-Identifier: MIT */
/* Flattens a chart: projected along its mean normal, then relaxed; tested for
 * folds. */
#include "geometry/atlas_private.h"
#include "geometry/raster.h"
#include <math.h>
#include <string.h>

enum {
  N_ROUNDS = 8,        /* of relaxing */
  MAX_TEST = 4096,     /* pixels a side of the test for folds... */
  TEST_OF_FACE = 4096, /* ...and of each face on average, */
  ROWS_OF_FACE = 256,  /* and rows of these */
};

/* A chart with more of its surface stretched to twice its length is cut. */
static const double most_doubled = 0.01;

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
  /* From a vertex, as small charts need all digits. */
  const float *from = s->mesh->pos + 3 * (gsize) c->verts[0];
  for (int i = 0; i < c->n_verts; i++) {
    const float *p = s->mesh->pos + 3 * (gsize) c->verts[i];
    double d[3] = {(double) p[0] - from[0], (double) p[1] - from[1],
        (double) p[2] - from[2]};

    c->uv[2 * i] = (float) (d[0] * t1[0] + d[1] * t1[1] + d[2] * t1[2]);
    c->uv[2 * i + 1] = (float) (d[0] * t2[0] + d[1] * t2[1] + d[2] * t2[2]);
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

/* How far the faces reach along the second axis, all together. */
static double
sum_heights (const ShuChart *c)
{
  double sum = 0;

  for (int i = 0; i < c->n_faces; i++) {
    const gint32 *t = c->tris + 3 * (gsize) i;
    float p = c->uv[2 * t[0] + 1], q = c->uv[2 * t[1] + 1];
    float r = c->uv[2 * t[2] + 1];

    sum += MAX (MAX (p, q), r) - MIN (MIN (p, q), r);
  }
  return sum;
}

int
shu_chart_overlaps (const ShuChart *c, float resolution, int *ret_seed)
{
  float lo[2] = {G_MAXFLOAT, G_MAXFLOAT}, hi[2] = {-G_MAXFLOAT, -G_MAXFLOAT};
  float side[2], fewer;
  g_autofree float *uv = g_new (float, 2 * (gsize) c->n_verts);
  int size[2], n_doubles;

  if (ret_seed)
    ret_seed[0] = ret_seed[1] = -1;
  if (c->n_faces < 2)
    return 0;
  for (int i = 0; i < 2 * c->n_verts; i++) {
    lo[i & 1] = MIN (lo[i & 1], c->uv[i]);
    hi[i & 1] = MAX (hi[i & 1], c->uv[i]);
  }
  resolution =
      MIN (resolution, (float) (ROWS_OF_FACE * c->n_faces / sum_heights (c)));
  for (int d = 0; d < 2; d++)
    side[d] = CLAMP ((hi[d] - lo[d]) * resolution, 1, (float) MAX_TEST);
  fewer =
      MIN (1, sqrtf (TEST_OF_FACE * (float) c->n_faces / side[0] / side[1]));
  for (int d = 0; d < 2; d++)
    size[d] = (int) ceilf (MAX (1, fewer * side[d]));
  for (int i = 0; i < 2 * c->n_verts; i++)
    uv[i] = (c->uv[i] - lo[i & 1]) / MAX (hi[i & 1] - lo[i & 1], 1e-12f);
  ShuMesh flat = {
      .n_verts = c->n_verts, .n_faces = c->n_faces, .uv = uv, .faces = c->tris};
  g_autoptr (ShuRaster) r = shu_raster_new (size[0], size[1], 0);
  shu_raster_uv (r, &flat, 0, &n_doubles);
  if (ret_seed && n_doubles)
    find_pair (c, &flat, r, ret_seed);
  return n_doubles;
}

gboolean
shu_chart_flatten (
    const ShuSurface *s, ShuChart *c, float resolution, int *ret_seed)
{
  g_autoptr (ShuRest) r = shu_rest_new (s, c);

  ret_seed[0] = ret_seed[1] = -1;
  g_free (c->uv);
  c->uv = g_new (float, 2 * (gsize) c->n_verts);
  if (c->n_faces == 1 && c->n_verts == 3) {
    shu_rest_lay (r, c->uv);
    return TRUE;
  }
  project (s, c);
  if (shu_rest_least_area (r, c->uv) < 1e-3)
    return FALSE;
  g_autofree float *flat = g_memdup2 (c->uv, 2 * c->n_verts * sizeof (float));
  shu_rest_relax (r, N_ROUNDS, 0.15, c->uv);
  if (shu_chart_overlaps (c, resolution, ret_seed)) {
    memcpy (c->uv, flat, 2 * c->n_verts * sizeof (float));
    if (shu_chart_overlaps (c, resolution, ret_seed))
      return FALSE;
  }
  return shu_rest_stretch (r, c->uv).doubled <= most_doubled;
}

gboolean
shu_chart_relax (
    const ShuSurface *s, ShuChart *c, int n_rounds, float *ret_stretch)
{
  g_autoptr (ShuRest) r = shu_rest_new (s, c);
  double least = shu_rest_least_area (r, c->uv);

  if (least < 1e-3)
    return FALSE;
  shu_rest_relax (r, n_rounds, MIN (least, 0.15), c->uv);
  *ret_stretch = (float) shu_rest_stretch (r, c->uv).deviation;
  return TRUE;
}
