/* SPDX-License-Identifier: MIT */
/* The contact sheet: what went in, what every stage made of it, and the model
 * from eight sides. */
#include "stages/stages.h"
#include "formats/preprocess.h"
#include "formats/resample.h"
#include "geometry/camera.h"
#include "geometry/render.h"
#include "stages/fields_private.h"
#include <math.h>
#include <string.h>

enum { CELL = 256, COLUMNS = 8, ROWS = 3, PHOTO_ROWS = 1, N_SIDES = 8 };

/* @image (RGB or RGBA, over white) fitted into cell (@column, @row). */
static void
put (ShuImage *sheet, const ShuImage *image, int column, int row)
{
  double s = (double) CELL / MAX (image->width, image->height);
  int w = CLAMP (image->width * s, 1, CELL);
  int h = CLAMP (image->height * s, 1, CELL);
  g_autoptr (ShuImage) rgba =
      shu_image_resize (image, w, h, SHU_FILTER_BICUBIC);
  g_autoptr (ShuImage) rgb = rgba->n_channels == 4 ? shu_image_flatten (rgba, 1)
                                                   : shu_image_to_rgb (rgba);

  for (int y = 0; y < h; y++)
    memcpy (sheet->data +
                3 * ((gsize) (row * CELL + (CELL - h) / 2 + y) * sheet->width +
                        column * CELL + (CELL - w) / 2),
        rgb->data + 3 * (gsize) y * w, 3 * (gsize) w);
}

static gboolean
put_field (ShuImage *sheet, const ShuBundle *b, const char *field, int n,
    int column, int row, GError **error)
{
  for (int i = 0; i < n; i++) {
    g_autoptr (ShuImage) image = shu_bundle_take_nth_image (b, field, i, error);

    if (!image)
      return FALSE;
    put (sheet, image, column + i, row);
  }
  return TRUE;
}

static gboolean
put_model (ShuImage *sheet, const ShuBundle *b, int row, GError **error)
{
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (b, TRUE, error);
  g_autoptr (ShuImage) texture = NULL;

  if (!mesh)
    return FALSE;
  texture = shu_bundle_take_image (b, "texture", 3, error);
  if (!texture)
    return FALSE;
  for (int i = 0; i < N_SIDES; i++) {
    ShuCamera camera =
        shu_camera_turntable (-G_PI + 2 * G_PI * i / N_SIDES, 1.05f);
    ShuRenderParams params = {.width = CELL, .height = CELL, .light = 0.35f};
    g_autoptr (ShuImage) side = shu_render (mesh, texture, &camera, &params);

    put (sheet, side, i, row);
  }
  return TRUE;
}

/* Row 0: photo, cut-out, condition; row 1: colours and, after the photo's
 * columns, normals; row 2: the model. */
ShuImage *
shu_contact_sheet (
    const ShuImage *photo, const ShuBundle *model, GError **error)
{
  g_autoptr (ShuImage) sheet = shu_image_new (COLUMNS * CELL, ROWS * CELL, 3);
  g_autoptr (ShuImage) cutout =
      shu_bundle_take_image (model, "cutout", 4, error);

  memset (sheet->data, 255, shu_image_size (sheet));
  if (!cutout)
    return NULL;
  if (photo)
    put (sheet, photo, 0, 0);
  put (sheet, cutout, 1, 0);
  if (!put_field (sheet, model, "color", 5, 2, 0, error) ||
      !put_field (sheet, model, "normal", 5, 2, 1, error) ||
      !put_model (sheet, model, 2, error))
    return NULL;
  return g_steal_pointer (&sheet);
}
