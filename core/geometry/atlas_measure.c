/* SPDX-License-Identifier: MIT */
/* How good an atlas is. */
#include "geometry/atlas_private.h"
#include <math.h>

typedef struct {
  float stretch;
  float area;
} Sample;

static int
compare_samples (gconstpointer a, gconstpointer b)
{
  const Sample *p = a, *q = b;

  return (p->stretch > q->stretch) - (p->stretch < q->stretch);
}

/* The two lengths that unit lengths get at least and at most are the singular
 * values of the map; @ret: their ratio, and the face's area.  Returns: whether
 * there is such a thing */
static gboolean
measure_face (const ShuMesh *m, int face, Sample *ret)
{
  const gint32 *f = m->faces + 3 * (gsize) face;
  double e[2][3], u[2][2], ee[3] = {0};

  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < 3; k++)
      e[i][k] = (double) m->pos[3 * (gsize) f[i + 1] + k] -
                m->pos[3 * (gsize) f[0] + k];
    for (int k = 0; k < 2; k++)
      u[i][k] = (double) m->uv[2 * (gsize) f[i + 1] + k] -
                m->uv[2 * (gsize) f[0] + k];
  }
  for (int k = 0; k < 3; k++) {
    ee[0] += e[0][k] * e[0][k];
    ee[1] += e[0][k] * e[1][k];
    ee[2] += e[1][k] * e[1][k];
  }
  double x1 = sqrt (ee[0]), x2 = ee[1] / x1;
  double y2 = sqrt (MAX (0, ee[2] - x2 * x2));
  /* The face as (0,0), (x1,0), (x2,y2), and the map from there. */
  double a = u[0][0] / x1, b = u[0][1] / x1;
  double c = (u[1][0] - a * x2) / y2, d = (u[1][1] - b * x2) / y2;
  double half = (a * a + b * b + c * c + d * d) / 2, det = a * d - b * c;
  double root = sqrt (MAX (0, half * half - det * det));

  ret->area = (float) (0.5 * x1 * y2);
  ret->stretch = (float) sqrt ((half + root) / MAX (half - root, 1e-30));
  return ret->area > 1e-13f && isfinite (ret->stretch);
}

void
shu_atlas_measure (const ShuMesh *m, const ShuRaster *r, ShuAtlasReport *ret)
{
  static const double shares[2] = {0.5, 0.99};

  float *quantiles[2] = {&ret->stretch_median, &ret->stretch_p99};
  g_autofree Sample *samples = g_new (Sample, m->n_faces);
  gsize n_texels = (gsize) r->width * r->height, covered = 0;
  double total = 0, sum = 0;
  int n = 0;

  for (gsize i = 0; i < n_texels; i++)
    covered += r->face[i] >= 0;
  ret->utilisation = (float) ((double) covered / n_texels);
  for (int f = 0; f < m->n_faces; f++)
    if (measure_face (m, f, samples + n))
      total += samples[n++].area;
  qsort (samples, n, sizeof (Sample), compare_samples);
  *quantiles[0] = *quantiles[1] = 1;
  for (int i = 0, q = 0; i < n; i++) {
    sum += samples[i].area;
    while (q < 2 && sum >= shares[q] * total)
      *quantiles[q++] = samples[i].stretch;
  }
}
