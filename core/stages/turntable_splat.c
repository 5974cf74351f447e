/* SPDX-License-Identifier: MIT */
#include "stages/turntable_private.h"
#include "base/error.h"
#include "formats/ply.h"
#include "geometry/splat.h"
#include <math.h>
#include <string.h>

enum { MOST = 4000000 }; /* Gaussians: 0.6 GB while they are drawn */

/* The camera is so far away, in heights of the picture, that what is nearer
 * looks little larger. */
static const float distance = 8;
/* Share of the picture's side that centres take at most: the rest is for what
 * reaches beyond them, and for that. */
static const double fill = 1 / 1.15;

/* As large as the picture, around the origin */
struct _ShuSplatScene {
  ShuPlySet *set;
  float *pos, *scale;
};

void
shu_splat_scene_free (ShuSplatScene *scene)
{
  if (!scene)
    return;
  shu_ply_set_free (scene->set);
  g_free (scene->pos);
  g_free (scene->scale);
  g_free (scene);
}

gboolean
shu_splat_scene_knows (GBytes *file)
{
  gsize size;
  const char *data = g_bytes_get_data (file, &size);

  return size >= 4 && memcmp (data, "ply", 3) == 0 &&
         (data[3] == '\n' || data[3] == '\r');
}

/* Middle of the centres that are finite, and how much of the world's height the
 * picture takes; FALSE where that is nothing. */
static gboolean
measure (const ShuGaussians *g, double aspect, double *ret_mid, double *ret)
{
  double lo[3] = {INFINITY, INFINITY, INFINITY};
  double hi[3] = {-INFINITY, -INFINITY, -INFINITY}, radius = 0;

  for (gsize i = 0; i < 3 * (gsize) g->n; i++)
    if (isfinite (g->pos[i])) {
      lo[i % 3] = MIN (lo[i % 3], g->pos[i]);
      hi[i % 3] = MAX (hi[i % 3], g->pos[i]);
    }
  for (int k = 0; k < 3; k++)
    ret_mid[k] = (lo[k] + hi[k]) / 2;
  for (gsize i = 0; i < (gsize) g->n; i++) {
    double d =
        hypot (g->pos[3 * i] - ret_mid[0], g->pos[3 * i + 1] - ret_mid[1]);

    if (isfinite (d))
      radius = MAX (radius, d);
  }
  *ret = MAX (hi[2] - lo[2], 2 * radius / aspect) / fill;
  return *ret > 1e-30 && isfinite (*ret);
}

ShuSplatScene *
shu_splat_scene_new (GBytes *ply, double aspect, GError **error)
{
  g_autoptr (ShuSplatScene) scene = g_new0 (ShuSplatScene, 1);
  double mid[3], extent;
  const ShuGaussians *g;

  scene->set = shu_ply_read_gaussians (ply, error);
  if (!scene->set)
    return NULL;
  g = &scene->set->g;
  if (g->n > MOST) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "ply: %d Gaussians are more than can be drawn here (%d)", g->n, MOST);
    return NULL;
  }
  if (!measure (g, aspect, mid, &extent)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "ply: the Gaussians have no extent that could be drawn");
    return NULL;
  }
  scene->pos = g_new (float, 3 * (gsize) g->n);
  scene->scale = g_new (float, 3 * (gsize) g->n);
  for (gsize i = 0; i < 3 * (gsize) g->n; i++) {
    scene->pos[i] = (float) ((g->pos[i] - mid[i % 3]) / extent);
    scene->scale[i] = (float) (g->scale[i] / extent);
  }
  return g_steal_pointer (&scene);
}

static guint8
to_byte (float v)
{
  return (guint8) CLAMP (255 * v + 0.5f, 0.f, 255.f);
}

/* The middle of a square drawing as straight RGBA */
static ShuImage *
cut_out (const float *rgb, const float *through, int S, int width, int height)
{
  ShuImage *out = shu_image_new (width, height, 4);
  int left = (S - width) / 2, top = (S - height) / 2;

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      gsize from = (gsize) (top + y) * S + left + x;
      guint8 *to = out->data + 4 * ((gsize) y * width + x);
      float alpha = 1 - through[from];

      for (int k = 0; k < 3; k++)
        to[k] = alpha > 0 ? to_byte (rgb[3 * from + k] / alpha) : 0;
      to[3] = to_byte (alpha);
    }
  return out;
}

ShuImage *
shu_splat_scene_draw (
    const ShuSplatScene *scene, float yaw, int width, int height)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  int S = MAX (width, height);
  ShuGaussians g = scene->set->g;
  ShuCamera camera = shu_camera_orbit (yaw, 0, distance, 40);
  g_autoptr (GError) error = NULL;
  ShuSplatCamera view;
  ShuSplatInput input;
  ShuSplats out;

  g.pos = scene->pos;
  g.scale = scene->scale;
  camera.focal = distance * (float) height / (float) S;
  view = shu_splat_camera (&camera);
  input = shu_splat_input (c, &g);
  shu_splat (c, &input, 1, &view, S, SHU_SPLAT_COLOR | SHU_SPLAT_THROUGH, &out);
  if (!shu_ctx_finish (c, &error)) /* no memory */
    g_error ("%s", error->message);
  return cut_out (out.color->data, out.through->data, S, width, height);
}
