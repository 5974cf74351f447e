/* SPDX-License-Identifier: MIT */
/* How alike pictures with transparency are, for tests in other languages.
 *   compare_pictures same A B IOU DB: silhouettes and colours
 *   compare_pictures nearer A B C DB: A is nearer to B than to C, by DB
 *   compare_pictures front A B C DB: the same of what is in them, whatever size
 *     and place it has
 * A white background counts as none. */
#include "base/resample.h"
#include "formats/photo.h"
#include "base/file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 96, HEIGHT = 224 };

/* RGBA, transparent where nothing is */
static ShuImage *
load (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_file_map (path, &error);
  g_autoptr (ShuImage) image = file ? shu_photo_decode (file, &error) : NULL;
  ShuImage *out;

  if (!image) {
    fprintf (stderr, "%s: %s\n", path, error->message);
    exit (2);
  }
  out = shu_image_new (image->width, image->height, 4);
  for (int i = 0; i < image->width * image->height; i++) {
    const guint8 *p = image->data + (gsize) image->n_channels * i;
    gboolean white = MIN (p[0], MIN (p[1], p[2])) > 250;

    memcpy (out->data + 4 * (gsize) i, p, 3);
    out->data[4 * (gsize) i + 3] =
        image->n_channels == 4 ? p[3] : (white ? 0 : 255);
  }
  return out;
}

static gboolean
is_there (const ShuImage *a, int i)
{
  return a->data[4 * (gsize) i + 3] >= 128;
}

static double
overlap (const ShuImage *a, const ShuImage *b)
{
  int both = 0, any = 0;

  for (int i = 0; i < a->width * a->height; i++) {
    both += is_there (a, i) && is_there (b, i);
    any += is_there (a, i) || is_there (b, i);
  }
  return any ? both / (double) any : 0;
}

/* Signal to noise where all three show something, dB */
static double
nearness (const ShuImage *a, const ShuImage *b, const ShuImage *also)
{
  double sum = 0;
  int n = 0;

  for (int i = 0; i < a->width * a->height; i++) {
    if (!is_there (a, i) || !is_there (b, i) || !is_there (also, i))
      continue;
    for (int c = 0; c < 3; c++) {
      double d = a->data[4 * (gsize) i + c] - b->data[4 * (gsize) i + c];

      sum += d * d;
      n++;
    }
  }
  return n ? 10 * log10 (255. * 255 * n / (sum + 1e-6)) : 0;
}

/* What is in the picture, as large as this program's pictures are. */
static ShuImage *
cut (const ShuImage *a)
{
  int x0 = a->width, y0 = a->height, x1 = 0, y1 = 0;
  g_autoptr (ShuImage) part = NULL;

  for (int i = 0; i < a->width * a->height; i++)
    if (is_there (a, i)) {
      x0 = MIN (x0, i % a->width), x1 = MAX (x1, i % a->width + 1);
      y0 = MIN (y0, i / a->width), y1 = MAX (y1, i / a->width + 1);
    }
  if (x1 <= x0)
    return shu_image_new (WIDTH, HEIGHT, 4);
  part = shu_image_new (x1 - x0, y1 - y0, 4);
  for (int y = y0; y < y1; y++)
    memcpy (part->data + 4 * (gsize) (y - y0) * part->width,
        a->data + 4 * ((gsize) y * a->width + x0), 4 * (gsize) (x1 - x0));
  return shu_image_resize (part, WIDTH, HEIGHT, SHU_FILTER_BICUBIC);
}

int
main (int argc, char **argv)
{
  gboolean same = argc == 6 && strcmp (argv[1], "same") == 0;
  gboolean front = argc == 6 && strcmp (argv[1], "front") == 0;
  ShuImage *p[3] = {NULL};
  double one, other, least;
  gboolean ok;

  if (argc != 6)
    return 2;
  for (int i = 0; i < (same ? 2 : 3); i++) {
    p[i] = load (argv[2 + i]);
    if (front) {
      ShuImage *part = cut (p[i]);

      shu_image_free (p[i]);
      p[i] = part;
    }
    if (p[i]->width != p[0]->width || p[i]->height != p[0]->height) {
      fprintf (stderr, "%s: of another size\n", argv[2 + i]);
      return 2;
    }
  }
  least = g_ascii_strtod (argv[5], NULL);
  if (same) {
    one = overlap (p[0], p[1]);
    other = nearness (p[0], p[1], p[0]);
    ok = one >= g_ascii_strtod (argv[4], NULL) && other >= least;
    printf ("silhouettes %.4f, colours %.1f dB", one, other);
  } else {
    one = nearness (p[0], p[1], p[2]);
    other = nearness (p[0], p[2], p[1]);
    ok = one >= other + least;
    printf ("%.1f dB, the other %.1f", one, other);
  }
  printf ("%s\n", ok ? "" : ": NOT ENOUGH");
  for (int i = 0; i < 3; i++)
    shu_image_free (p[i]);
  return !ok;
}
