/* SPDX-License-Identifier: MIT */
/* The contact sheet: what went in, what every stage made of it, and the model
 * from eight sides. */
#include "stages/stages.h"
#include "formats/preprocess.h"
#include "base/resample.h"
#include "geometry/camera.h"
#include "geometry/render.h"
#include "geometry/tangents.h"
#include "stages/fields_private.h"
#include <math.h>
#include <string.h>

/* Photo and cut-out fill BIG columns and both upper rows; the eight sides of
 * the model, as wide as everything above, stand below. */
enum { CELL = 256, BIG = 320, N_PICTURES = 5, N_SIDES = 8 };

enum { WIDTH = 2 * BIG + N_PICTURES * CELL, TOP = 2 * CELL };

enum { SIDE = WIDTH / N_SIDES, HEIGHT = TOP + SIDE };

/* @image (RGB or RGBA, over white) fitted into a box of the sheet.  Flattened
 * first: what transparent pixels hold must not get into the edges. */
static void
put (ShuImage *sheet, const ShuImage *image, int left, int top, int width,
    int height)
{
  double s =
      MIN ((double) width / image->width, (double) height / image->height);
  int w = CLAMP (image->width * s + 0.5, 1, width);
  int h = CLAMP (image->height * s + 0.5, 1, height);
  g_autoptr (ShuImage) rgb = image->n_channels == 4
                                 ? shu_image_flatten (image, 1)
                                 : shu_image_to_rgb (image);
  g_autoptr (ShuImage) fit = shu_image_resize (rgb, w, h, SHU_FILTER_BICUBIC);

  left += (width - w) / 2;
  top += (height - h) / 2;
  for (int y = 0; y < h; y++)
    memcpy (sheet->data + 3 * ((gsize) (top + y) * sheet->width + left),
        fit->data + 3 * (gsize) y * w, 3 * (gsize) w);
}

static gboolean
put_field (ShuImage *sheet, const ShuBundle *b, const char *field, int top,
    GError **error)
{
  for (int i = 0; i < N_PICTURES; i++) {
    g_autoptr (ShuImage) image = shu_bundle_take_nth_image (b, field, i, error);

    if (!image)
      return FALSE;
    put (sheet, image, 2 * BIG + i * CELL, top, CELL, CELL);
  }
  return TRUE;
}

static gboolean
put_model (ShuImage *sheet, const ShuBundle *b, const ShuProgress *progress,
    GError **error)
{
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (b, TRUE, error);
  g_autoptr (ShuImage) texture = NULL, normal_map = NULL;
  g_autofree float *normals = NULL, *tangents = NULL;

  if (!mesh)
    return FALSE;
  texture = shu_bundle_take_image (b, "texture", 3, error);
  if (!texture)
    return FALSE;
  if (shu_bundle_get (b, "normal_map") &&
      !(normal_map = shu_bundle_take_image (b, "normal_map", 3, error)))
    return FALSE;
  normals = shu_render_normals (mesh);
  tangents = g_new (float, 4 * (gsize) mesh->n_verts + 1);
  shu_mesh_tangents (mesh, normals, tangents);
  for (int i = 0; i < N_SIDES; i++) {
    ShuCamera camera =
        shu_camera_turntable (-G_PI + 2 * G_PI * i / N_SIDES, 1.05f);
    ShuRenderParams params = {.width = SIDE,
        .height = SIDE,
        .supersample = 3,
        .light = 0.2f,
        .normals = normals,
        .normal_map = normal_map,
        .tangents = tangents};
    if (!shu_progress (progress, "sheet", i, N_SIDES, error))
      return FALSE;
    g_autoptr (ShuImage) side = shu_render (mesh, texture, &camera, &params);

    put (sheet, side, i * SIDE, TOP, SIDE, SIDE);
  }
  return shu_progress (progress, "sheet", N_SIDES, N_SIDES, error);
}

/* Left: photo, cut-out; right of them: colours above normals; below: the
 * model. */
ShuImage *
shu_contact_sheet (const ShuImage *photo, const ShuBundle *bundle,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuBundle) model = shu_bundle_to_host (bundle, NULL, error);
  g_autoptr (ShuImage) sheet = shu_image_new (WIDTH, HEIGHT, 3);
  g_autoptr (ShuImage) cutout =
      model ? shu_bundle_take_image (model, "cutout", 4, error) : NULL;

  memset (sheet->data, 255, shu_image_size (sheet));
  if (!cutout)
    return NULL;
  if (photo)
    put (sheet, photo, 0, 0, BIG, TOP);
  put (sheet, cutout, photo ? BIG : 0, 0, photo ? BIG : 2 * BIG, TOP);
  if (!put_field (sheet, model, "color", 0, error) ||
      !put_field (sheet, model, "normal", CELL, error) ||
      !put_model (sheet, model, progress, error))
    return NULL;
  return g_steal_pointer (&sheet);
}
