/* SPDX-License-Identifier: MIT */
#include "stages/preview_private.h"
#include "base/resample.h"
#include <math.h>
#include <string.h>

/* Solves @a [n,n+3], symmetric and positive definite, for its three right
 * sides by Gauss-Jordan elimination in place. */
static void
solve (int n, double *a)
{
  int w = n + 3;

  for (int i = 0; i < n; i++) {
    double pivot = a[i * w + i];

    for (int k = i; k < w; k++)
      a[i * w + k] /= pivot;
    for (int j = 0; j < n; j++) {
      double f = a[j * w + i];

      for (int k = i; j != i && k < w; k++)
        a[j * w + k] -= f * a[i * w + k];
    }
  }
}

/* Adds the pixels of one picture to the normal equations. */
static void
accumulate (const ShuLatentColors *m, const ShuImage *picture,
    const float *latents, double *a)
{
  g_autoptr (ShuImage) small =
      shu_image_resize (picture, m->L, m->L, SHU_FILTER_BICUBIC);
  int n = m->K + 1, w = n + 3;
  g_autofree double *row = g_new (double, w);

  row[m->K] = 1;
  for (int i = 0; i < m->L * m->L; i++) {
    for (int k = 0; k < m->K; k++)
      row[k] = latents[(gsize) i * m->K + k];
    for (int k = 0; k < 3; k++)
      row[n + k] = small->data[3 * i + k];
    for (int j = 0; j < n; j++)
      for (int k = 0; k < w; k++)
        a[j * w + k] += row[j] * row[k];
  }
}

void
shu_latent_colors_init (ShuLatentColors *m, int L, int K, int n,
    const ShuImage *const *pictures, const float *latents)
{
  int size = K + 1, w = size + 3;
  g_autofree double *a = g_new0 (double, size *w);

  *m = (ShuLatentColors){.L = L, .K = K, .terms = g_new (double, 3 * size)};
  for (int i = 0; i < n; i++)
    accumulate (m, pictures[i], latents + (gsize) i * L * L * K, a);
  /* keeps it solvable where channels depend on each other */
  for (int i = 0; i < size; i++)
    a[i * w + i] += 1e-3 * L * L;
  solve (size, a);
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < size; i++)
      m->terms[k * size + i] = a[i * w + size + k];
}

void
shu_latent_colors_clear (ShuLatentColors *m)
{
  g_clear_pointer (&m->terms, g_free);
}

static void
draw (const ShuLatentColors *m, const float *latents, ShuImage *sheet, int x0,
    int y0)
{
  for (int y = 0; y < m->L; y++)
    for (int x = 0; x < m->L; x++) {
      const float *z = latents + ((gsize) y * m->L + x) * m->K;
      guint8 *p = sheet->data + 3 * ((gsize) (y0 + y) * sheet->width + x0 + x);

      for (int k = 0; k < 3; k++) {
        const double *terms = m->terms + k * (m->K + 1);
        double v = terms[m->K];

        for (int i = 0; i < m->K; i++)
          v += terms[i] * z[i];
        p[k] = v >= 255 ? 255 : v > 0 ? (guint8) (v + 0.5) : 0;
      }
    }
}

ShuImage *
shu_latent_colors_sheet (const ShuLatentColors *m, int rows, int columns,
    int side, const float *latents)
{
  g_autoptr (ShuImage) small = shu_image_new (columns * m->L, rows * m->L, 3);

  for (int i = 0; i < rows * columns; i++)
    draw (m, latents + (gsize) i * m->L * m->L * m->K, small,
        i % columns * m->L, i / columns * m->L);
  return shu_image_resize (
      small, columns * side, rows * side, SHU_FILTER_BICUBIC);
}
