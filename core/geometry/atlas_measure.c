/* SPDX-License-Identifier: MIT */
/* How good an atlas is. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum { N_BINS = 4096 };

typedef struct {
  float stretch; /* negative: not to be counted */
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

/* Bins that grow with the stretch: of the bits of a number from 1 on. */
static int
bin_of (float stretch)
{
  guint32 bits, one = 0x3f800000;

  memcpy (&bits, &stretch, sizeof bits);
  return bits <= one ? 0 : (int) MIN ((bits - one) >> 14, N_BINS - 1);
}

/* The stretch that @share of the area does not exceed. */
static float
quantile (const Sample *samples, int n, const double *bins, double wanted)
{
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (Sample));
  double sum = 0;
  int bin = 0;

  while (bin < N_BINS - 1 && sum + bins[bin] < wanted)
    sum += bins[bin++];
  for (int i = 0; i < n; i++)
    if (samples[i].stretch >= 0 && bin_of (samples[i].stretch) == bin)
      g_array_append_val (list, samples[i]);
  g_array_sort (list, compare_samples);
  for (guint i = 0; i < list->len; i++) {
    const Sample *s = &g_array_index (list, Sample, i);

    sum += s->area;
    if (sum >= wanted || i + 1 == list->len)
      return s->stretch;
  }
  return 1;
}

void
shu_atlas_stretch (const ShuMesh *m, float ret[2])
{
  static const double shares[2] = {0.5, 0.99};

  g_autofree Sample *samples = g_new (Sample, m->n_faces);
  g_autofree double *bins = g_new0 (double, N_BINS);
  double total = 0;

#pragma omp parallel for schedule(static)
  for (int f = 0; f < m->n_faces; f++)
    if (!measure_face (m, f, samples + f))
      samples[f].stretch = -1;
  for (int f = 0; f < m->n_faces; f++)
    if (samples[f].stretch >= 0) {
      bins[bin_of (samples[f].stretch)] += samples[f].area;
      total += samples[f].area;
    }
  for (int q = 0; q < 2; q++)
    ret[q] = quantile (samples, m->n_faces, bins, shares[q] * total);
}

void
shu_atlas_measure (const ShuMesh *m, const ShuRaster *r, ShuAtlasReport *ret)
{
  gsize n_texels = (gsize) r->width * r->height, covered = 0;
  float stretch[2];

  for (gsize i = 0; i < n_texels; i++)
    covered += r->face[i] >= 0;
  ret->utilisation = (float) ((double) covered / n_texels);
  shu_atlas_stretch (m, stretch);
  ret->stretch_median = stretch[0];
  ret->stretch_p99 = stretch[1];
}
