/* SPDX-License-Identifier: MIT */
#include "texture_subject.h"
#include "geometry/atlas.h"
#include "geometry/bake_private.h"
#include "geometry/cleanup.h"
#include "geometry/flexicubes.h"
#include "geometry/raster.h"
#include "geometry/simplify.h"
#include "geometry/splat.h"
#include "ops/pictures.h"
#include "stages/fields_private.h"
#include "stages/stages.h"
#include "human.h"
#include <math.h>
#include <string.h>

enum { PHOTO_W = 384, PHOTO_H = 512 };

Subject
subject_painted (int n_faces, int texture, int photo)
{
  ShuAtlasParams params = {.size = texture};
  g_autoptr (ShuMesh) body = bodies_person (n_faces);
  Subject s = {shu_atlas (body, &params, NULL, NULL, NULL)};
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  gsize n = s.mesh->n_verts;

  for (int v = 0; v < SHU_N_VIEWS; v++)
    bodies_photograph (s.mesh, v, photo, &s.views.color[v], &s.views.normal[v]);
  for (int i = 0; i < 4; i++)
    s.arrays[i] = g_new0 (float, 4 * n);
  for (gsize i = 0; i < n; i++) {
    bodies_paint (s.mesh->pos + 3 * i, s.arrays[0] + 3 * i);
    for (int k = 0; k < 3; k++) {
      float *c = s.arrays[0] + 3 * i + k;
      *c = MAX (0, *c / 255 + (float) g_rand_double_range (rand, -0.1, 0.1));
      s.arrays[1][3 * i + k] = 0.008f;
    }
    s.arrays[2][4 * i] = 1;
    s.arrays[3][i] = 0.8f;
  }
  s.gaussians = (ShuGaussians){
      (int) n, s.mesh->pos, s.arrays[1], s.arrays[2], s.arrays[3], s.arrays[0]};
  return s;
}

static ShuBundle *
make_mesh (const char *folder, int number, GError **error)
{
  g_autofree Human *human = g_new (Human, 1);
  HumanFrame frame;
  g_autoptr (ShuImage) photo = shu_image_new (PHOTO_W, PHOTO_H, 4);
  g_autoptr (ShuModel) m = shu_model_get (folder, "cpu", error);
  g_autoptr (ShuBundle) subject = NULL, views = NULL, asset = NULL;
  const ShuModelDefaults *d;

  if (!m)
    return NULL;
  d = shu_model_defaults (m);
  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  human_photo (human, &frame, number, PHOTO_W, PHOTO_H, 0.06f, 2, photo->data);
  subject = shu_stage_preprocess (photo,
      &(ShuPreprocessParams){43, d->view_size, d->condition_size}, NULL, error);
  if (subject)
    views = shu_stage_stage1 (
        m, subject, &(ShuStage1Params){-1, -1, -1}, NULL, error);
  if (views)
    asset = shu_stage_stage2 (
        m, views, &(ShuStage2Params){-1, -1, -1, -1, -1, -1}, NULL, error);
  return asset ? shu_stage_mesh (
                     asset, &(ShuMeshParams){.simplify = -1}, NULL, error)
               : NULL;
}

Subject
subject_person (const char *model, int number, int texture, GError **error)
{
  ShuAtlasParams params = {.size = texture};
  g_autoptr (ShuMesh) surface = NULL;
  Subject s = {.bundle = make_mesh (model, number, error)};

  if (!s.bundle)
    return s;
  surface = shu_bundle_take_mesh (s.bundle, FALSE, error);
  g_assert_nonnull (surface);
  s.mesh = shu_atlas (surface, &params, NULL, NULL, error);
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    s.views.color[v] = shu_bundle_take_nth_image (s.bundle, "color", v, NULL);
    s.views.normal[v] = shu_bundle_take_nth_image (s.bundle, "normal", v, NULL);
  }
  g_assert_true (shu_bundle_gaussians (s.bundle, &s.gaussians, NULL));
  return s;
}

static ShuMesh *
true_surface (const Human *human, const HumanFrame *frame, int R)
{
  int half = R / 2, n = 0;
  gsize n_voxels = (gsize) half * half * half;
  g_autofree guint8 *occupied = g_malloc (n_voxels);
  gsize n_cells = 8 * human_voxels (human, frame, half, occupied);
  g_autofree gint32 *coords = g_new (gint32, 3 * n_cells);
  g_autofree float *points = g_new (float, 24 * n_cells);
  g_autofree float *distance = g_new (float, 8 * n_cells);
  g_autofree float *feats = g_new0 (float, SHU_SURFACE_PLAIN *n_cells);
  ShuCleanupParams cleanup = SHU_CLEANUP_PARAMS_INIT;
  ShuSimplifyParams simplify = SHU_SIMPLIFY_PARAMS_INIT;
  g_autoptr (ShuMesh) raw = NULL, outer = NULL;

  for (gsize i = 0; i < n_voxels; i++)
    for (int k = 0; occupied[i] && k < 8; k++, n++) {
      gint32 *p = coords + 3 * n;
      p[0] = 2 * (int) (i / half / half) + (k & 1);
      p[1] = 2 * (int) (i / half % half) + (k >> 1 & 1);
      p[2] = 2 * (int) (i % half) + (k >> 2);
      for (int c = 0; c < 8; c++)
        for (int a = 0; a < 3; a++)
          points[24 * n + 3 * c + a] = (float) (p[a] + (c >> a & 1)) / R - 0.5f;
    }
  human_points (human, frame, points, 8 * n_cells, distance, NULL, NULL);
  for (gsize i = 0; i < 8 * n_cells; i++)
    feats[i / 8 * SHU_SURFACE_PLAIN + i % 8] = distance[i] + 1.0f / R;
  raw = shu_flexicubes (
      &(ShuFlexiCubesInput){R, n, coords, 3, SHU_SURFACE_PLAIN, feats}, NULL);
  g_assert_nonnull (raw);
  outer = shu_mesh_outer_surface (raw, &cleanup, NULL, NULL, NULL);
  g_assert_nonnull (outer);
  return shu_mesh_simplify (outer, &simplify, NULL, NULL);
}

static void
put_gaussians (Subject *s, const Human *human, const HumanFrame *frame, int R)
{
  gsize n = s->mesh->n_verts;

  for (int i = 0; i < 4; i++)
    s->arrays[i] = g_new0 (float, 4 * n);
  human_points (human, frame, s->mesh->pos, n, NULL, s->arrays[0], NULL);
  for (gsize i = 0; i < 3 * n; i++) {
    s->arrays[0][i] *= 0.9f;
    s->arrays[1][i] = 0.8f / R;
  }
  for (gsize i = 0; i < n; i++) {
    s->arrays[2][4 * i] = 1;
    s->arrays[3][i] = 0.8f;
  }
  s->gaussians = (ShuGaussians){(int) n, s->mesh->pos, s->arrays[1],
      s->arrays[2], s->arrays[3], s->arrays[0]};
}

Subject
subject_true (int number, int cells, int texture, int photo)
{
  g_autofree Human *human = g_new (Human, 1);
  HumanFrame frame;
  ShuAtlasParams params = {.size = texture};
  g_autoptr (ShuMesh) surface = NULL;
  Subject s = {NULL};

  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  surface = true_surface (human, &frame, cells);
  s.mesh = shu_atlas (surface, &params, NULL, NULL, NULL);
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    int side = v == SHU_VIEW_FACE ? photo * 2 / 3 : photo;
    ShuImage *color = shu_image_new (side, side, 3);
    ShuImage *normal = shu_image_new (side, side, 3);
    human_view (human, &frame, v, side, 2, color->data, normal->data);
    s.views.color[v] = color;
    s.views.normal[v] = normal;
  }
  put_gaussians (&s, human, &frame, cells);
  return s;
}

void
subject_clear (Subject *s)
{
  shu_mesh_free (s->mesh);
  bodies_pictures_clear (&s->views);
  for (int i = 0; i < 4; i++)
    g_free (s->arrays[i]);
  g_clear_pointer (&s->bundle, shu_bundle_unref);
}

/* uv at a place of the image plane of the camera on the plane of a face:
 * a ray through it, in double precision. */
static void
find_uv (const ShuMesh *m, int face, const ShuCamera *camera, double X,
    double Y, double *ret)
{
  const gint32 *f = m->faces + 3 * (gsize) face;
  double x = (X - camera->cx) / camera->focal;
  double y = (Y - camera->cy) / camera->focal, c[3][3], l[3], sum = 0;

  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) {
      const float *row = camera->view + 4 * k, *p = m->pos + 3 * (gsize) f[i];
      c[i][k] = (double) row[0] * p[0] + (double) row[1] * p[1] +
                (double) row[2] * p[2] + row[3];
      if (k == 2 && !camera->perspective)
        c[i][k] = 1;
    }
  /* l solves sum l_i c_i = (x, y, 1) up to a factor. */
  for (int i = 0; i < 3; i++) {
    const double *a = c[(i + 1) % 3], *b = c[(i + 2) % 3];
    l[i] = x * (a[1] * b[2] - a[2] * b[1]) + y * (a[2] * b[0] - a[0] * b[2]) +
           (a[0] * b[1] - a[1] * b[0]);
    sum += l[i];
  }
  for (int k = 0; k < 2; k++)
    ret[k] = (l[0] * m->uv[2 * f[0] + k] + l[1] * m->uv[2 * f[1] + k] +
                 l[2] * m->uv[2 * f[2] + k]) /
             sum;
}

static ScheduleView
observe (const ShuMesh *mesh, const ShuCamera *camera, int size,
    const guint8 *rgb, const guint8 *mask)
{
  gsize n = (gsize) size * size;
  ScheduleView v = {
      0, g_new0 (float, 2 * n), g_new0 (float, 4 * n), g_new0 (float, 3 * n)};
  g_autoptr (ShuRaster) r = shu_raster_new (size, size, 0);

  shu_raster_mesh (r, mesh, camera, 0);
  for (gsize i = 0; i < n; i++) {
    double X = (i % size + 0.5) / size, Y = (i / size + 0.5) / size;
    const double h = 0.05 / size;

    if (!mask[i])
      continue;
    for (int k = 0; k < 3; k++)
      v.obs[3 * v.n + k] = rgb[3 * i + k] / 255.0f;
    if (r->face[i] >= 0) {
      double at[2], dx[2], dy[2];
      find_uv (mesh, r->face[i], camera, X, Y, at);
      find_uv (mesh, r->face[i], camera, X + h, Y, dx);
      find_uv (mesh, r->face[i], camera, X, Y + h, dy);
      for (int k = 0; k < 2; k++) {
        v.uv[2 * v.n + k] = at[k];
        v.uv_dr[4 * v.n + 2 * k] = (dx[k] - at[k]) / 0.05;
        v.uv_dr[4 * v.n + 2 * k + 1] = (dy[k] - at[k]) / 0.05;
      }
    }
    v.n++;
  }
  return v;
}

static ScheduleView
observe_picture (const Subject *s, int view)
{
  const ShuImage *color = s->views.color[view];
  int size = color->width;
  gboolean mirror = view == SHU_VIEW_BACK || view == SHU_VIEW_LEFT;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  ShuPhotoJob person = {
      .picture = shu_picture_from_image (c, s->views.normal[view]),
      .level = 230,
      .mirror = mirror};
  g_autofree guint8 *rgb = g_malloc (shu_image_size (color));
  ShuCamera camera = shu_camera_of_view (view);

  for (int i = 0; i < size * size; i++) {
    int x = mirror ? size - 1 - i % size : i % size;
    memcpy (rgb + 3 * i, color->data + 3 * (i / size * size + x), 3);
  }
  g_assert_true (shu_photo_step (c, SHU_PHOTO_BELOW, &person));
  return observe (s->mesh, &camera, size, rgb, person.mask->data);
}

static void
observe_gaussians (
    const Subject *s, int n_views, int size, ScheduleView *ret_views)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  gsize n = (gsize) size * size;
  g_autofree ShuCamera *cameras = g_new (ShuCamera, n_views);
  ShuSplatInput gaussians = shu_splat_input (c, &s->gaussians);
  ShuSplats splats;

  shu_camera_renders (n_views, 2, 40, cameras);
  g_assert_true (shu_gaussians_views (c, &gaussians, SHU_N_VIEWS, n_views, size,
      SHU_SPLAT_RGB | SHU_SPLAT_MASK, &splats));
  for (int i = SHU_N_VIEWS; i < n_views; i++) {
    gsize at = n * (i - SHU_N_VIEWS);
    ret_views[i] = observe (s->mesh, cameras + i, size,
        (guint8 *) splats.rgb->data + 3 * at,
        (guint8 *) splats.mask->data + at);
  }
}

ScheduleView *
subject_observe (const Subject *s, int n_views, int size)
{
  ScheduleView *views = g_new0 (ScheduleView, n_views);

  for (int i = 0; i < SHU_N_VIEWS; i++)
    views[i] = observe_picture (s, i);
  observe_gaussians (s, n_views, size, views);
  return views;
}
