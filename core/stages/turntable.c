/* SPDX-License-Identifier: MIT */
#include "stages/turntable.h"
#include "base/error.h"
#include "formats/glb.h"
#include "formats/photo.h"
#include "geometry/camera.h"
#include "geometry/render.h"
#include "stages/turntable_private.h"
#include <math.h>
#include <string.h>

struct _ShuTurntable {
  ShuTurntableParams params;
  ShuSplatScene *splats; /* in place of all that follows */
  ShuMesh *mesh; /* world frame, around the origin, as large as the picture */
  ShuImage *texture; /* nullable */
  float *normals;
  ShuImage *normal_map; /* nullable */
  float *tangents;      /* nullable */
};

void
shu_turntable_free (ShuTurntable *table)
{
  if (!table)
    return;
  shu_splat_scene_free (table->splats);
  shu_mesh_free (table->mesh);
  shu_image_free (table->texture);
  shu_image_free (table->normal_map);
  g_free (table->normals);
  g_free (table->tangents);
  g_free (table);
}

/* Share of the picture's side that the model takes at most. */
static const double fill = 1 / 1.04;

/* From the file's axes (y up) to the world's: the middle of the bounding box to
 * the origin, the picture's height is 1, its width @aspect. */
static gboolean
place (ShuMesh *m, double aspect, GError **error)
{
  double lo[3] = {INFINITY, INFINITY, INFINITY};
  double hi[3] = {-INFINITY, -INFINITY, -INFINITY};
  double mid[3], radius = 0, extent;

  for (gsize i = 0; i < 3 * (gsize) m->n_verts; i++) {
    lo[i % 3] = MIN (lo[i % 3], m->pos[i]);
    hi[i % 3] = MAX (hi[i % 3], m->pos[i]);
  }
  for (int k = 0; k < 3; k++)
    mid[k] = (lo[k] + hi[k]) / 2;
  for (gsize i = 0; i < (gsize) m->n_verts; i++)
    radius = MAX (
        radius, hypot (m->pos[3 * i] - mid[0], m->pos[3 * i + 2] - mid[2]));
  extent = MAX (hi[1] - lo[1], 2 * radius / aspect) / fill;
  if (!(extent > 1e-30)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "glb: the model has no extent that could be drawn");
    return FALSE;
  }
  for (gsize i = 0; i < (gsize) m->n_verts; i++) {
    float *p = m->pos + 3 * i;
    double x = p[0] - mid[0], y = p[1] - mid[1], z = p[2] - mid[2];
    p[0] = (float) (x / extent);
    p[1] = (float) (-z / extent);
    p[2] = (float) (y / extent);
  }
  return TRUE;
}

/* Directions from the file's axes to the world's, in place, of unit length:
 * files may hold any numbers. */
static void
turn_up (float *v, gsize n, int stride)
{
  for (gsize i = 0; v && i < n; i++) {
    float *p = v + stride * i;
    double x = p[0], y = p[1], z = p[2], length = sqrt (x * x + y * y + z * z);

    p[0] = length > 0 ? (float) (x / length) : 0;
    p[1] = length > 0 ? (float) (-z / length) : 0;
    p[2] = length > 0 ? (float) (y / length) : 0;
  }
}

/* @file (nullable) decoded; FALSE with an error that says @what it is */
static gboolean
decode (GBytes *file, const char *what, ShuImage **ret, GError **error)
{
  if (!file)
    return TRUE;
  *ret = shu_photo_decode (file, error);
  if (!*ret)
    g_prefix_error (error, "glb: its %s: ", what);
  return *ret != NULL;
}

ShuTurntable *
shu_turntable_new (
    GBytes *file, const ShuTurntableParams *params, GError **error)
{
  g_autoptr (ShuTurntable) table = g_new0 (ShuTurntable, 1);
  g_autoptr (ShuGlb) glb = NULL;

  g_return_val_if_fail (params->width > 0 && params->height > 0, NULL);
  g_return_val_if_fail (params->n_frames > 0, NULL);
  table->params = *params;
  if (shu_splat_scene_knows (file)) {
    table->splats = shu_splat_scene_new (
        file, (double) params->width / params->height, error);
    return table->splats ? g_steal_pointer (&table) : NULL;
  }
  glb = shu_glb_decode (file, error);
  if (!glb ||
      !place (glb->mesh, (double) params->width / params->height, error))
    return NULL;
  if (glb->mesh->uv &&
      (!decode (glb->texture, "texture", &table->texture, error) ||
          !decode (glb->normal_map, "normal map", &table->normal_map, error)))
    return NULL;
  turn_up (glb->normals, glb->mesh->n_verts, 3);
  turn_up (glb->tangents, glb->mesh->n_verts, 4);
  table->mesh = g_steal_pointer (&glb->mesh);
  table->normals = glb->normals ? g_steal_pointer (&glb->normals)
                                : shu_render_normals (table->mesh);
  table->tangents = g_steal_pointer (&glb->tangents);
  return g_steal_pointer (&table);
}

/* @rgba over the colour 0xRRGGBB */
static ShuImage *
flatten (const ShuImage *rgba, int background)
{
  ShuImage *out = shu_image_new (rgba->width, rgba->height, 3);
  gsize n = (gsize) rgba->width * rgba->height;

  for (gsize i = 0; i < n; i++) {
    const guint8 *p = rgba->data + 4 * i;
    for (int c = 0; c < 3; c++) {
      int behind = background >> (16 - 8 * c) & 255;
      out->data[3 * i + c] =
          (guint8) ((p[c] * p[3] + behind * (255 - p[3]) + 127) / 255);
    }
  }
  return out;
}

/* RGBA */
static ShuImage *
draw_mesh (const ShuTurntable *table, float yaw)
{
  const ShuTurntableParams *p = &table->params;
  ShuRenderParams params = {.width = p->width,
      .height = p->height,
      .light = 0.3f,
      .normals = table->normals,
      .normal_map = table->normal_map,
      .tangents = table->tangents};
  ShuCamera camera = shu_camera_turntable (yaw, 1);

  /* Image sides are widths in x and heights in y. */
  for (int k = 0; k < 4; k++)
    camera.view[k] *= (float) p->height / (float) p->width;
  return shu_render (table->mesh, table->texture, &camera, &params);
}

ShuImage *
shu_turntable_frame (const ShuTurntable *table, int i)
{
  const ShuTurntableParams *p = &table->params;
  double turned = fmod (p->degrees * i / p->n_frames, 360) * G_PI / 180;
  float yaw = (float) (-G_PI - turned);
  g_autoptr (ShuImage) out =
      table->splats
          ? shu_splat_scene_draw (table->splats, yaw, p->width, p->height)
          : draw_mesh (table, yaw);

  return p->background < 0 ? g_steal_pointer (&out)
                           : flatten (out, p->background);
}

static void
copy_in (ShuImage *sheet, const ShuImage *frame, int left, int top)
{
  int n = sheet->n_channels;

  for (int y = 0; y < frame->height; y++)
    memcpy (sheet->data + n * ((gsize) (top + y) * sheet->width + left),
        frame->data + (gsize) n * y * frame->width, (gsize) n * frame->width);
}

ShuImage *
shu_turntable_sheet (const ShuTurntable *table, int columns,
    const ShuProgress *progress, GError **error)
{
  const ShuTurntableParams *p = &table->params;
  int n = p->n_frames;
  gint64 width = (gint64) p->width * MIN (columns, n);
  gint64 height = (gint64) p->height * ((n + columns - 1) / columns);
  g_autoptr (ShuImage) out = NULL;

  g_return_val_if_fail (columns > 0, NULL);
  if (width > SHU_IMAGE_MAX_SIDE || height > SHU_IMAGE_MAX_SIDE ||
      width * height > SHU_IMAGE_MAX_PIXELS) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "a sheet of %dx%d pictures of %dx%d pixels is too large: up to %d "
        "pixels a side and %d in all are possible",
        MIN (columns, n), (n + columns - 1) / columns, p->width, p->height,
        SHU_IMAGE_MAX_SIDE, SHU_IMAGE_MAX_PIXELS);
    return NULL;
  }
  for (int i = 0; i < n; i++) {
    if (!shu_progress (progress, "render", i, n, error))
      return NULL;
    g_autoptr (ShuImage) frame = shu_turntable_frame (table, i);
    if (!out) {
      out = shu_image_new ((int) width, (int) height, frame->n_channels);
      for (gsize k = 0; k < shu_image_size (out); k++)
        out->data[k] = p->background < 0
                           ? 0
                           : (guint8) (p->background >> (16 - 8 * (k % 3)));
    }
    copy_in (out, frame, i % columns * p->width, i / columns * p->height);
  }
  if (!shu_progress (progress, "render", n, n, error))
    return NULL;
  return g_steal_pointer (&out);
}
