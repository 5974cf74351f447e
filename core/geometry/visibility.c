/* SPDX-License-Identifier: MIT */
/* From how many of many directions each face is seen: views spread by a
 * Hammersley sequence over a sphere of radius 2, perspective of 40 degrees. */
#include "geometry/camera.h"
#include "ops/render.h"
#include "surface_private.h"
#include <string.h>

enum {
  VIEWS_AT_ONCE = 64,     /* on a GPU... */
  CPU_VIEWS_AT_ONCE = 16, /* ...and elsewhere; then work may stop */
  LEAST_RESOLUTION = 32,
  LEAST_VIEWS = 8,
};

/* Steps of all faces in all views: rows and pixels on a CPU, on a GPU pixels of
 * boxes around faces.  A body takes a tenth of them or less. */
static const double MAX_STEPS_CPU = 4e8, MAX_STEPS_GPU = 2e11;

static const double EYE_RADIUS = 2;
static const double FOV = 40; /* degrees */
static const double TAN_HALF_FOV = 0.36397023426620234;

/* Faces lower than so many pixels may cover none though they are in view. */
static const double THIN = 1.6;

static double
pixel_size (int resolution)
{
  return 2 * EYE_RADIUS * TAN_HALF_FOV / resolution;
}

static double
longest_side (const Surface *s, int f)
{
  double longest = 0;

  for (int h = 3 * f; h < 3 * f + 3; h++) {
    Vec3 d = vec3_sub (s->pos[half_to (s, h)], s->pos[half_from (s, h)]);

    longest = MAX (longest, vec3_dot (d, d));
  }
  return sqrt (longest);
}

/* Over the longest side. */
static double
height (const Surface *s, int f)
{
  double longest = longest_side (s, f);

  return longest > 0 ? vec3_length (face_normal (s, f)) / longest : 0;
}

static gboolean
draws_on_gpu (const ShuCleanupParams *params)
{
  return params->ctx && shu_ctx_on_gpu (params->ctx);
}

void
surface_choose_views (const Surface *s, ShuCleanupParams *params)
{
  gboolean on_gpu = draws_on_gpu (params);
  double most = on_gpu ? MAX_STEPS_GPU : MAX_STEPS_CPU;
  double area = 0, length = 0, square = 0;

  if (params->n_views == 0)
    params->n_views = on_gpu ? 1000 : 128;
  if (params->resolution == 0)
    params->resolution = on_gpu ? 1024 : 512;
  for (int f = 0; f < s->n_faces; f++) {
    double side = longest_side (s, f);

    area += vec3_length (face_normal (s, f)) / 2;
    length += side;
    square += side * side;
  }
  for (;;) {
    double pixel = pixel_size (params->resolution);
    /* A face shows half its area on average, and so of its length. */
    double steps = on_gpu ? square / 4 / (pixel * pixel)
                          : area / 2 / (pixel * pixel) + length / 2 / pixel;

    if (params->n_views * steps <= most)
      return;
    if (params->resolution > LEAST_RESOLUTION)
      params->resolution = MAX (LEAST_RESOLUTION, params->resolution / 2);
    else if (params->n_views > LEAST_VIEWS)
      params->n_views = MAX (LEAST_VIEWS, params->n_views / 2);
    else
      return;
  }
}

/* The surface where the views are drawn; the cameras are left to the caller */
static ShuSeenJob
bring_surface (
    ShuCtx *c, const Surface *s, int first_cap, const ShuCleanupParams *params)
{
  double pixel = pixel_size (params->resolution);
  g_autoptr (ShuTensor) places =
      shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (s->n_verts, 3));
  g_autoptr (ShuTensor) faces =
      shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (s->n_faces, 3));
  g_autoptr (ShuTensor) kinds =
      shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (s->n_faces));
  float *at = places->data;
  guint8 *kind = kinds->data;

  memcpy (faces->data, s->faces, faces->n * sizeof (gint32));
#pragma omp parallel for
  for (int i = 0; i < s->n_verts; i++)
    vec3_store (s->pos[i], at + 3 * (gsize) i);
#pragma omp parallel for
  for (int f = 0; f < s->n_faces; f++)
    kind[f] = (height (s, f) < THIN * pixel ? SHU_SEEN_THIN : 0) |
              (f >= first_cap ? SHU_SEEN_FRONT : 0);
  return (ShuSeenJob){.at = shu_on_device (c, places, SHU_TRAFFIC_MESH),
      .faces = shu_on_device (c, faces, SHU_TRAFFIC_MESH),
      .kinds = shu_on_device (c, kinds, SHU_TRAFFIC_MESH),
      .size = params->resolution,
      .slack = (float) pixel};
}

static ShuCamera *
make_cameras (int n)
{
  ShuCamera *cameras = g_new (ShuCamera, n);

  for (int i = 0; i < n; i++) {
    double yaw, pitch;

    shu_hammersley_sphere (i, n, &yaw, &pitch);
    cameras[i] = shu_camera_orbit (
        (float) yaw, (float) pitch, (float) EYE_RADIUS, (float) FOV);
  }
  return cameras;
}

gboolean
surface_visibility (const Surface *s, int first_cap,
    const ShuCleanupParams *params, int *ret_seen, const ShuProgress *progress,
    GError **error)
{
  int n = params->n_views;
  int at_once = draws_on_gpu (params) ? VIEWS_AT_ONCE : CPU_VIEWS_AT_ONCE;
  g_autoptr (ShuCtx) own = params->ctx ? NULL : shu_ctx_new ("cpu", error);
  ShuCtx *c = params->ctx ? params->ctx : own;
  g_autofree ShuCamera *cameras = make_cameras (n);
  gboolean ok = TRUE;

  if (!c)
    return FALSE;
  memset (ret_seen, 0, s->n_faces * sizeof (int));
  {
    SHU_SCOPE (c);
    ShuSeenJob job = bring_surface (c, s, first_cap, params);
    ShuTensor *seen = shu_from_host_as (
        c, SHU_TRAFFIC_MESH, SHU_DTYPE_I32, SHU_DIMS (s->n_faces), ret_seen);

    for (int view = 0; view < n && ok; view += job.n_views) {
      ok = shu_progress (progress, "visibility", view, n, error);
      job.n_views = MIN (at_once, n - view);
      job.cameras = cameras + view;
      if (ok)
        shu_count_seen (c, &job, seen);
    }
    if (ok)
      shu_to_host_as (c, SHU_TRAFFIC_MESH, seen, ret_seen);
  }
  return ok && shu_ctx_finish (c, error);
}
