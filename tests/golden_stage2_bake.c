/* SPDX-License-Identifier: MIT */
/* Runner for the set-up of texture baking: pictures and masks, cameras, the
 * frame of the result.
 *
 * Masks, cameras and the frame are ours.  The reference then optimises the
 * texture step by step where we solve for it, so its learning rates, and its
 * renderings as pictures to learn from, have no counterpart in the library:
 * those are computed here from their description. */
#include "golden_stage2.h"
#include "formats/glb.h"
#include "geometry/bake_private.h"
#include "ops/pictures.h"
#include <math.h>
#include <string.h>

enum { MASK_LEVEL = 230 }; /* of normals, below which is the person */

static const double LIMIT = 1e-6; /* of matrices, absolute */

/* ---- pictures ---- */

/* Item @i of [V,3,S,S] in 0..1, or all of [3,S,S], as bytes */
static ShuImage *
get_picture (GoldenCase *t, const char *name, int i)
{
  gint64 dims[SHU_MAX_DIMS] = {0};
  int n_dims = golden_dims (t, name, dims), S = dims[MAX (n_dims - 1, 0)];
  gsize n, plane = (gsize) S * S;
  g_autofree double *values = golden_values (t, name, &n);
  ShuImage *image;

  if (n_dims < 3 || n < (i + 1) * 3 * plane) {
    golden_fail (t, "%s: no picture %d", name, i);
    return NULL;
  }
  image = shu_image_new (S, S, 3);
  for (gsize k = 0; k < 3 * plane; k++)
    image->data[k] =
        (float) values[3 * plane * i + k % 3 * plane + k / 3] * 255.0f;
  return image;
}

static void
mirror_rows (ShuImage *image)
{
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width / 2; x++)
      for (int k = 0; k < 3; k++) {
        guint8 *row = image->data + 3 * (gsize) y * image->width;
        guint8 *a = row + 3 * x + k, *b = row + 3 * (image->width - 1 - x) + k;
        guint8 swap = *a;

        *a = *b;
        *b = swap;
      }
}

/* Pictures of Stage 1: the files of back and left are mirrored. */
static void
check_picture (GoldenCase *t, int i)
{
  g_autofree char *obs = g_strdup_printf ("out.obs.%d", i);
  g_autofree char *mask_name = g_strdup_printf ("out.mask.%d", i);
  gboolean face = i == SHU_VIEW_FACE;
  gboolean mirror = i == SHU_VIEW_BACK || i == SHU_VIEW_LEFT;
  g_autoptr (ShuImage) color =
      get_picture (t, face ? "in.faces_img" : "in.mv_img", face ? 0 : i);
  g_autoptr (ShuImage) normal =
      get_picture (t, face ? "in.faces_normal" : "in.mv_normal", face ? 0 : i);
  g_autofree guint8 *mask = NULL;
  ShuPhotoJob job = {.level = MASK_LEVEL};

  if (!color || !normal)
    return;
  job.picture = shu_picture_from_image (t->ctx, normal);
  job.mirror = mirror;
  mask = g_malloc0 ((gsize) normal->width * normal->height);
  shu_photo_step (t->ctx, SHU_PHOTO_BELOW, &job);
  shu_to_host (t->ctx, job.mask, mask);
  golden_expect_bytes (
      t, mask_name, mask, (gsize) normal->width * normal->height);
  if (mirror)
    mirror_rows (color);
  golden_expect_bytes (t, obs, color->data, shu_image_size (color));
}

/* Renderings: what is not black is the person. */
static void
check_render (GoldenCase *t, int i)
{
  g_autofree char *obs = g_strdup_printf ("out.obs.%d", i);
  g_autofree char *mask_name = g_strdup_printf ("out.mask.%d", i);
  gint64 dims[SHU_MAX_DIMS] = {0};
  gsize n, size;
  g_autofree double *values = golden_values (t, "in.render", &n);
  g_autofree guint8 *rgb = NULL;
  g_autofree guint8 *mask = NULL;

  golden_dims (t, "in.render", dims);
  size = dims[1] * dims[2] * 3;
  if (!values || n < (i + 1) * size) {
    golden_fail (t, "in.render: no picture %d", i);
    return;
  }
  rgb = g_new0 (guint8, size);
  mask = g_new0 (guint8, size / 3);
  for (gsize k = 0; k < size; k++) {
    rgb[k] = values[i * size + k];
    mask[k / 3] |= rgb[k] > 0;
  }
  golden_expect_bytes (t, obs, rgb, size);
  golden_expect_bytes (t, mask_name, mask, size / 3);
}

/* ---- cameras ---- */

static void
check_cameras (GoldenCase *t, int n_views)
{
  g_autofree double *views = g_new (double, 16 * n_views);
  g_autofree double *projections = g_new (double, 16 * n_views);
  double ortho[16];

  for (int i = 0; i < n_views; i++) {
    float yaw, pitch, view[16], projection[16];
    ShuCamera camera;

    shu_camera_render_angles (i, n_views, &yaw, &pitch);
    camera = shu_camera_orbit (yaw, pitch, 2, 40);
    shu_camera_gl_view (camera.view, view);
    if (i < SHU_N_VIEWS)
      shu_projection_ortho (0.1f, 100, projection);
    else
      shu_projection_perspective (camera.focal, 0.1f, 10, projection);
    for (int k = 0; k < 16; k++) {
      views[16 * i + k] = view[k];
      projections[16 * i + k] = projection[k];
      if (i == 0)
        ortho[k] = projection[k];
    }
  }
  golden_expect_within (t, "out.views", views, 16 * n_views, LIMIT);
  golden_expect_within (t, "out.projections", projections, 16 * n_views, LIMIT);
  golden_expect_within (t, "out.ortho", ortho, 16, LIMIT);
}

/* ---- the rest ---- */

/* Our files stand on the ground; the reference's do not. */
static void
check_frame (GoldenCase *t)
{
  gsize n;
  g_autofree double *in = golden_values (t, "in.vertices", &n);
  g_autoptr (ShuMesh) mesh = NULL;
  g_autofree float *pos = g_new (float, MAX (n, 1));
  g_autofree double *rotated = g_new (double, MAX (n, 1));
  float low = G_MAXFLOAT, high = -G_MAXFLOAT;
  GError *error = NULL;

  if (!in)
    return;
  mesh = shu_mesh_new (n / 3, 0, FALSE, FALSE);
  for (gsize i = 0; i < n; i++) {
    mesh->pos[i] = in[i];
    if (i % 3 == 2) {
      low = MIN (low, mesh->pos[i]);
      high = MAX (high, mesh->pos[i]);
    }
  }
  if (!shu_mesh_to_y_up (mesh, high - low, pos, &error)) {
    golden_take_error (t, error);
    return;
  }
  for (gsize i = 0; i < n; i++)
    rotated[i] = pos[i] + (i % 3 == 1 ? low : 0);
  golden_expect_within (t, "out.rotated", rotated, n, LIMIT);
}

/* Cosine from 1e-2 to 3e-5, set after each step for the next one */
static void
check_learning_rates (GoldenCase *t)
{
  const double first = 1e-2, last = 3e-5;
  gint64 dims[SHU_MAX_DIMS] = {0};
  g_autofree double *lr = NULL;
  int n;

  golden_dims (t, "out.lr", dims);
  n = dims[0];
  lr = g_new (double, MAX (n, 1));
  for (int i = 0; i < n; i++)
    lr[i] = last + 0.5 * (first - last) * (1 + cos (G_PI * MAX (0, i - 1) / n));
  golden_expect_within (t, "out.lr", lr, n, 1e-12);
}

void
golden_run_bake_setup (GoldenCase *t)
{
  int n_views = shu_config_int (t->config, "nviews", SHU_N_VIEWS, 10000, -1);

  for (int i = 0; i < n_views; i++)
    if (i < SHU_N_VIEWS)
      check_picture (t, i);
    else
      check_render (t, i);
  check_cameras (t, n_views);
  check_frame (t);
  check_learning_rates (t);
}
