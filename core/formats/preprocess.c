/* SPDX-License-Identifier: MIT */
/* The pictures that the networks look at, made from a cut-out.  Sources:
 * load_img_face(), preprocess_image() of the reference.  The two crops differ
 * in every respect: alpha > 0 against > 204, exclusive against inclusive box,
 * bicubic against Lanczos, white against black. */
#include "preprocess.h"
#include "photo_private.h"
#include "postprocess.h"
#include "resample.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum {
  ANY_ALPHA = 1,
  SOLID_ALPHA = 205, /* > 0.8 * 255 */
};

void
shu_subject_free (ShuSubject *subject)
{
  if (!subject)
    return;
  shu_image_free (subject->body);
  shu_image_free (subject->face);
  shu_image_free (subject->front);
  shu_image_free (subject->condition);
  g_free (subject);
}

gboolean
shu_image_has_alpha (const ShuImage *image)
{
  gsize n = shu_image_size (image);

  for (gsize i = 3; image->n_channels == 4 && i < n; i += 4)
    if (image->data[i] != 255)
      return TRUE;
  return FALSE;
}

double
shu_image_coverage (const ShuImage *image)
{
  gsize n = shu_image_size (image);
  guint64 sum = 0;

  if (image->n_channels != 4)
    return 1;
  for (gsize i = 3; i < n; i += 4)
    sum += image->data[i];
  return (double) sum / 255 / (n / 4);
}

ShuImage *
shu_image_to_rgb (const ShuImage *image)
{
  int C = image->n_channels;
  gsize n = (gsize) image->width * image->height;
  ShuImage *rgb;

  if (C == 3)
    return shu_image_copy (image);
  rgb = shu_image_new (image->width, image->height, 3);
  for (gsize i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      rgb->data[3 * i + c] = image->data[C * i + (C == 1 ? 0 : c)];
  return rgb;
}

ShuImage *
shu_image_crop (const ShuImage *image, const ShuBox *box)
{
  int C = image->n_channels;
  ShuImage *crop = shu_image_new (box->x1 - box->x0, box->y1 - box->y0, C);
  int x0 = MAX (box->x0, 0), x1 = MIN (box->x1, image->width);
  int y0 = MAX (box->y0, 0), y1 = MIN (box->y1, image->height);

  for (int y = y0; y < y1 && x0 < x1; y++)
    memcpy (
        crop->data + ((gsize) (y - box->y0) * crop->width + x0 - box->x0) * C,
        image->data + ((gsize) y * image->width + x0) * C,
        (gsize) (x1 - x0) * C);
  return crop;
}

/* The smallest and largest coordinates (both inclusive) of the pixels with
 * alpha of @threshold or more. */
static gboolean
find_box (
    const ShuImage *cutout, guint8 threshold, ShuBox *ret_box, GError **error)
{
  ShuBox b = {G_MAXINT, G_MAXINT, -1, -1};

  if (cutout->n_channels != 4) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a cut-out is RGBA, this picture has %d channels: send it through "
        "matting first",
        cutout->n_channels);
    return FALSE;
  }
  for (int y = 0; y < cutout->height; y++) {
    const guint8 *alpha = cutout->data + (gsize) y * cutout->width * 4 + 3;

    for (int x = 0; x < cutout->width; x++)
      if (alpha[4 * x] >= threshold) {
        b.x0 = MIN (b.x0, x);
        b.x1 = MAX (b.x1, x);
        b.y0 = MIN (b.y0, y);
        b.y1 = y;
      }
  }
  if (b.x1 < 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no person found: no pixel of the cut-out has an alpha of %d or more",
        threshold);
    return FALSE;
  }
  *ret_box = b;
  return TRUE;
}

static gboolean
too_small (const ShuBox *b, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
      "no person found: what the cut-out shows is too small or too thin "
      "(%d x %d pixels)",
      b->x1 - b->x0 + 1, b->y1 - b->y0 + 1);
  return FALSE;
}

ShuImage *
shu_body_canvas (
    const ShuImage *cutout, int side, ShuBox *ret_box, GError **error)
{
  g_autoptr (ShuImage) crop = NULL;
  g_autoptr (ShuImage) scaled = NULL;
  ShuImage *canvas;
  ShuBox box;
  int w, h, x, y;
  double s;

  g_return_val_if_fail (side > 0 && side <= SHU_IMAGE_MAX_SIDE, NULL);
  /* The inclusive maximum serves as an exclusive end from here on. */
  if (!find_box (cutout, ANY_ALPHA, &box, error))
    return NULL;
  w = box.x1 - box.x0;
  h = box.y1 - box.y0;
  if (w == 0 || h == 0)
    return too_small (&box, error), NULL;
  s = (double) side / MAX (w, h);
  w = (int) (s * w);
  h = (int) (s * h);
  if (w == 0 || h == 0)
    return too_small (&box, error), NULL;

  crop = shu_image_crop (cutout, &box);
  scaled = shu_image_resize (crop, w, h, SHU_FILTER_BICUBIC);
  x = (side - w) / 2;
  y = (side - h) / 2;
  canvas = shu_image_crop (scaled, &(ShuBox){-x, -y, side - x, side - y});
  if (ret_box)
    *ret_box = box;
  return canvas;
}

ShuImage *
shu_face_canvas (const ShuImage *canvas)
{
  int third = canvas->width / 3;
  ShuBox box = {third, 0, 2 * third, third};
  g_autoptr (ShuImage) crop = shu_image_crop (canvas, &box);

  return shu_image_resize (
      crop, canvas->width, canvas->height, SHU_FILTER_BICUBIC);
}

/* (a + b) / 2 - half and + half, each rounded half to even. */
static void
round_span (int a, int b, int half, int *ret_lo, int *ret_hi)
{
  double centre = (a + b) / 2.0;

  *ret_lo = (int) rint (centre - half);
  *ret_hi = (int) rint (centre + half);
}

ShuImage *
shu_condition_image (
    const ShuImage *cutout, int side, ShuBox *ret_box, GError **error)
{
  g_autoptr (ShuImage) crop = NULL;
  g_autoptr (ShuImage) scaled = NULL;
  ShuBox solid, box;
  int extent, half;

  g_return_val_if_fail (side > 0 && side <= SHU_IMAGE_MAX_SIDE, NULL);
  if (!find_box (cutout, SOLID_ALPHA, &solid, error))
    return NULL;
  extent = MAX (solid.x1 - solid.x0, solid.y1 - solid.y0);
  half = (int) (extent * 1.2) / 2;
  if (half == 0)
    return too_small (&solid, error), NULL;
  round_span (solid.x0, solid.x1, half, &box.x0, &box.x1);
  round_span (solid.y0, solid.y1, half, &box.y0, &box.y1);
  if (!shu_photo_check_size (box.x1 - box.x0, box.y1 - box.y0, error))
    return NULL;
  crop = shu_image_crop (cutout, &box);
  scaled = shu_image_resize (crop, side, side, SHU_FILTER_LANCZOS);
  if (ret_box)
    *ret_box = box;
  return shu_image_flatten (scaled, 0.0f);
}

void
shu_composite (const ShuImage *rgba, float background, float *ret)
{
  gsize n = (gsize) rgba->width * rgba->height;

  for (gsize i = 0; i < n; i++) {
    const guint8 *p = rgba->data + 4 * i;
    float alpha = p[3] / 255.0f;
    float rest = background * (1.0f - alpha);

    for (int c = 0; c < 3; c++) {
      float part = p[c] / 255.0f * alpha;

      ret[3 * i + c] = part + rest;
    }
  }
}

ShuImage *
shu_image_flatten (const ShuImage *rgba, float background)
{
  gsize n = (gsize) rgba->width * rgba->height * 3;
  g_autofree float *v = g_new (float, n);
  ShuImage *rgb = shu_image_new (rgba->width, rgba->height, 3);

  shu_composite (rgba, background, v);
  for (gsize i = 0; i < n; i++)
    rgb->data[i] = (guint8) (v[i] * 255.0f);
  return rgb;
}

/* What the reference saves of the same composite: float16, then rounded. */
static ShuImage *
saved_front (const ShuImage *canvas)
{
  g_autofree float *v =
      g_new (float, (gsize) canvas->width * canvas->height * 3);

  shu_composite (canvas, 1.0f, v);
  return shu_view_to_image (v, canvas->width, canvas->height, TRUE);
}

ShuSubject *
shu_preprocess (
    const ShuImage *cutout, int side, int condition_side, GError **error)
{
  g_autoptr (ShuSubject) s = g_new0 (ShuSubject, 1);
  g_autoptr (ShuImage) canvas = NULL;
  g_autoptr (ShuImage) face = NULL;

  g_return_val_if_fail (side % 3 == 0, NULL);
  canvas = shu_body_canvas (cutout, side, &s->body_box, error);
  if (!canvas)
    return NULL;
  s->condition =
      shu_condition_image (cutout, condition_side, &s->condition_box, error);
  if (!s->condition)
    return NULL;
  face = shu_face_canvas (canvas);
  s->body = shu_image_flatten (canvas, 1.0f);
  s->face = shu_image_flatten (face, 1.0f);
  s->front = saved_front (canvas);
  s->coverage = shu_image_coverage (cutout);
  return g_steal_pointer (&s);
}
