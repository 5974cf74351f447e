/* SPDX-License-Identifier: MIT */
/* Runners for cameras, pictures and the rendering of Gaussians. */
#include "golden_stage2.h"
#include "formats/preprocess.h"
#include "geometry/camera.h"
#include "geometry/splat.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- cameras ---- */

static const double LIMIT = 1e-6; /* of matrices, absolute */

static void
intrinsics (const ShuCamera *camera, double *ret)
{
  const double k[9] = {
      camera->focal, 0, camera->cx, 0, camera->focal, camera->cy, 0, 0, 1};

  memcpy (ret, k, sizeof k);
}

static void
to_double (const float *m, double *ret, int n)
{
  for (int i = 0; i < n; i++)
    ret[i] = m[i];
}

static void
check_renders (GoldenCase *t, int n_views, float radius, float fov)
{
  g_autofree double *e = g_new (double, 16 * n_views);
  g_autofree double *k = g_new (double, 9 * n_views);
  g_autofree ShuCamera *cameras = g_new (ShuCamera, n_views);

  shu_camera_renders (n_views, radius, fov, cameras);
  for (int i = 0; i < n_views; i++) {
    to_double (cameras[i].view, e + 16 * i, 16);
    intrinsics (cameras + i, k + 9 * i);
  }
  golden_expect_within (t, "out.extrinsics", e, 16 * n_views, LIMIT);
  golden_expect_within (t, "out.intrinsics", k, 9 * n_views, LIMIT);
}

static void
check_hammersley (GoldenCase *t, int n_sphere)
{
  g_autofree double *sphere = g_new (double, 2 * n_sphere);
  gint64 dims[SHU_MAX_DIMS] = {0};
  g_autofree double *points = NULL;

  for (int i = 0; i < n_sphere; i++)
    shu_hammersley_sphere (i, n_sphere, &sphere[2 * i], &sphere[2 * i + 1]);
  golden_expect_within (
      t, "out.sphere_hammersley", sphere, 2 * n_sphere, 1e-14);
  golden_dims (t, "out.hammersley3_32", dims);
  points = g_new0 (double, MAX (1, dims[0] * dims[1]));
  for (int i = 0; i < dims[0]; i++)
    shu_hammersley (i, dims[0], dims[1], points + i * dims[1]);
  golden_expect_within (
      t, "out.hammersley3_32", points, dims[0] * dims[1], 1e-14);
}

/* Views of the visibility pass; the file holds every so manieth. */
static void
check_fill_views (GoldenCase *t, int n_views, float radius, float fov)
{
  const char *step = golden_metadata (t, "fill_step");
  int by = 4;
  g_autofree double *views = g_new (double, 16 * n_views);
  float m[16];
  int n = 0;

  for (const char *p = step; p && *p; p++)
    if (g_ascii_isdigit (*p)) {
      by = MAX (1, atoi (p));
      break;
    }
  for (int i = 0; i < n_views; i += by) {
    double yaw, pitch;

    shu_hammersley_sphere (i, n_views, &yaw, &pitch);
    shu_camera_gl_look_at (yaw, pitch, radius, m);
    to_double (m, views + 16 * n++, 16);
  }
  golden_expect_within (t, "out.fill.views", views, 16 * n, LIMIT);
  shu_projection_perspective (0.5f / tanf (fov * (float) G_PI / 360), 1, 3, m);
  to_double (m, views, 16);
  golden_expect_within (t, "out.fill.projection", views, 16, LIMIT);
}

/* Four views around from far away, a little from the side and from above */
static void
check_snapshot (GoldenCase *t)
{
  const double yaw = -16.0 / 180 * G_PI, pitch = 20.0 / 180 * G_PI;
  double e[4 * 16], k[4 * 9];

  for (int i = 0; i < 4; i++) {
    ShuCamera camera = shu_camera_orbit (i * G_PI / 2 + yaw, pitch, 10, 8);

    to_double (camera.view, e + 16 * i, 16);
    intrinsics (&camera, k + 9 * i);
  }
  golden_expect_within (t, "out.snapshot_extrinsics", e, 64, LIMIT);
  golden_expect_within (t, "out.snapshot_intrinsics", k, 36, LIMIT);
}

void
golden_run_cameras (GoldenCase *t)
{
  int n_views = shu_config_int (t->config, "nviews", 6, 100000, -1);
  int n_fill = shu_config_int (t->config, "fill_holes_views", 1, 100000, -1);
  double fov = shu_config_float (t->config, "fov", 1, 179, NAN);
  double radius = shu_config_float (t->config, "r", 0, 1000, NAN);
  float m[16];
  double p[16];

  check_renders (t, n_views, radius, fov);
  check_hammersley (t, n_views - 5);
  check_fill_views (t, n_fill, radius, fov);
  check_snapshot (t);
  shu_projection_splat (
      0.5f / tanf ((float) fov * (float) G_PI / 360), 0.8f, 1.6f, m);
  to_double (m, p, 16);
  golden_expect_within (t, "out.proj_splat", p, 16, LIMIT);
}

/* ---- pictures ---- */

/* <= 1 level on 99.9 % of the bytes, <= 2 everywhere */
void
golden_run_condition_image (GoldenCase *t)
{
  gint64 in_dims[SHU_MAX_DIMS], out_dims[SHU_MAX_DIMS];
  gsize n, n_out, n_off = 0;
  g_autofree double *rgba = golden_values (t, "in.rgba", &n);
  g_autofree double *golden = golden_values (t, "out.rgb", &n_out);
  g_autoptr (ShuImage) cutout = NULL;
  g_autoptr (ShuImage) got = NULL;
  GError *error = NULL;
  ShuBox box;
  double worst = 0;

  if (golden_dims (t, "in.rgba", in_dims) != 3 ||
      golden_dims (t, "out.rgb", out_dims) != 3 || in_dims[2] != 4) {
    golden_fail (t, "no pictures");
    return;
  }
  cutout = shu_image_new (in_dims[1], in_dims[0], 4);
  for (gsize i = 0; i < n; i++)
    cutout->data[i] = rgba[i];
  {
    SHU_SCOPE (t->ctx);

    got = shu_picture_to_image (t->ctx,
        shu_condition_image (
            t->ctx, shu_picture_from_image (t->ctx, cutout), out_dims[0], &box),
        SHU_TRAFFIC_IMAGE);
  }
  shu_ctx_finish (t->ctx, &error);
  if (!got || shu_image_size (got) != n_out) {
    golden_take_error (t, error);
    return;
  }
  for (gsize i = 0; i < n_out; i++) {
    double d = fabs (golden[i] - got->data[i]);

    worst = MAX (worst, d);
    n_off += d > 1;
  }
  golden_expect_error (t, "out.rgb", worst, 2);
  golden_expect_error (
      t, "out.rgb, share off by more than one", (double) n_off / n_out, 1e-3);
}

/* ---- rendering of Gaussians ---- */

typedef struct {
  ShuGaussians g;
  float *arrays[5];
} Gaussians;

static void
gaussians_clear (Gaussians *g)
{
  for (int i = 0; i < 5; i++)
    g_clear_pointer (&g->arrays[i], g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Gaussians, gaussians_clear)

static Gaussians
get_gaussians (GoldenCase *t)
{
  static const char *const names[] = {
      "in.xyz", "in.scaling", "in.rotation", "in.opacity", "in.features_dc"};
  Gaussians r = {{0}, {NULL}};
  gsize n = 0;

  for (int i = 0; i < 5; i++) {
    g_autofree double *values = golden_values (t, names[i], &n);

    r.arrays[i] = g_new0 (float, MAX (n, 1));
    for (gsize k = 0; k < n; k++)
      r.arrays[i][k] =
          i < 4 ? values[k] : MAX (0, 0.28209479177387814 * values[k] + 0.5);
  }
  r.g = (ShuGaussians){
      n / 3, r.arrays[0], r.arrays[1], r.arrays[2], r.arrays[3], r.arrays[4]};
  return r;
}

/* Views as the file gives them: extrinsics [V,4,4], intrinsics [V,3,3] */
static gboolean
get_camera (GoldenCase *t, int i, ShuCamera *ret)
{
  gsize n_e, n_k;
  g_autofree double *e = golden_values (t, "in.extrinsics", &n_e);
  g_autofree double *k = golden_values (t, "in.intrinsics", &n_k);

  if (!e || !k || n_e < 16 * (gsize) (i + 1) || n_k < 9 * (gsize) (i + 1))
    return FALSE;
  *ret = (ShuCamera){.perspective = TRUE,
      .focal = k[9 * i],
      .cx = k[9 * i + 2],
      .cy = k[9 * i + 5]};
  for (int j = 0; j < 16; j++)
    ret->view[j] = e[16 * i + j];
  return TRUE;
}

/* @field of every Gaussian against mid.@at.@name */
static void
expect_points (GoldenCase *t, const char *at, const char *name,
    const ShuSplatPoint *points, int n, gsize field, int width)
{
  g_autofree char *full = g_strdup_printf ("mid.%s.%s", at, name);
  g_autofree float *values = g_new (float, (gsize) n *width);

  if (!golden_has (t, full))
    return;
  for (int i = 0; i < n; i++)
    memcpy (values + (gsize) i * width, (const guint8 *) &points[i] + field,
        width * sizeof (float));
  golden_expect_floats (t, full, values, (gsize) n * width);
}

static void
check_projection (GoldenCase *t, const ShuGaussians *g,
    const ShuSplatCamera *camera, int size, const char *at)
{
  g_autofree ShuSplatPoint *points = g_new (ShuSplatPoint, g->n);
  g_autofree gint32 *radii = g_new (gint32, g->n);
  g_autofree char *name = g_strdup_printf ("mid.%s.radii", at);

  for (int i = 0; i < g->n; i++) {
    double cov[6];

    shu_splat_covariance (g->quat + 4 * i, g->scale + 3 * i, cov);
    points[i] =
        shu_splat_project (g->pos + 3 * i, cov, g->opacity[i], camera, size);
    radii[i] = points[i].radius;
  }
  if (golden_has (t, name))
    golden_expect_exact (t, name, radii, g->n);
#define EXPECT(name, field, width)                                             \
  expect_points (t, at, name, points, g->n,                                    \
      G_STRUCT_OFFSET (ShuSplatPoint, field), width)
  EXPECT ("means2d", mean, 2);
  EXPECT ("depth", depth, 1);
  EXPECT ("conic", conic, 3);
  EXPECT ("alpha0", alpha, 1);
  EXPECT ("cov2d", cov, 3);
#undef EXPECT
}

/* Planes [C,S,S] of the file against pixels [S,S,C] of ours: all but one in a
 * thousand within @limit, all within @flip (a threshold crossed in float32) */
static void
expect_picture (GoldenCase *t, const char *name, const float *value, int C,
    int size, double limit, double flip)
{
  g_autofree char *rest = g_strconcat (name, ", share beyond", NULL);
  gsize n, n_off = 0, S = (gsize) size * size;
  g_autofree double *golden = golden_values (t, name, &n);
  double worst = 0;

  if (!golden || n != C * S) {
    golden_fail (t, "%s: not a picture of side %d", name, size);
    return;
  }
  for (gsize i = 0; i < n; i++) {
    double d = fabs (golden[i] - value[i % S * C + i / S]);

    worst = isnan (d) ? INFINITY : MAX (worst, d);
    n_off += !(d <= limit);
  }
  golden_expect_error (t, name, worst, flip);
  golden_expect_error (t, rest, (double) n_off / n, 1e-3);
}

/* How much cutting Gaussians at their tiles changes, as the file says */
static double
stated_tile_difference (GoldenCase *t)
{
  const char *text = golden_metadata (t, "f32_vs_f64_maxabs");
  const char *at = text ? strstr (text, "no tiles max ") : NULL;

  return at ? g_ascii_strtod (at + strlen ("no tiles max "), NULL) : 0.02;
}

static void
check_view (GoldenCase *t, const ShuGaussians *g, int size, int i)
{
  SHU_SCOPE (t->ctx);
  g_autofree char *at = g_strdup_printf ("%d.%d", size, i);
  g_autofree char *image = g_strdup_printf ("out.%s.image", at);
  g_autofree char *through = g_strdup_printf ("out.%s.T", at);
  g_autofree char *whole = g_strdup_printf ("out.%s.image_notiles", at);
  g_autofree float *rgb = g_new (float, 3 * size * size);
  g_autofree float *rest = g_new (float, size *size);
  ShuCamera camera;
  ShuSplatCamera view;
  ShuSplatInput input;
  ShuSplats out;
  GError *error = NULL;

  if (!golden_has (t, image) || !get_camera (t, i, &camera))
    return;
  view = shu_splat_camera (&camera);
  check_projection (t, g, &view, size, at);
  input = shu_splat_input (t->ctx, g);
  if (shu_splat (t->ctx, &input, 1, &view, size,
          SHU_SPLAT_COLOR | SHU_SPLAT_THROUGH, &out)) {
    shu_to_host (t->ctx, out.color, rgb);
    shu_to_host (t->ctx, out.through, rest);
  }
  if (!shu_ctx_finish (t->ctx, &error)) {
    golden_take_error (t, error);
    return;
  }
  expect_picture (t, image, rgb, 3, size, 2e-4, 2e-3);
  expect_picture (t, through, rest, 1, size, 2e-4, 2e-3);
  if (golden_has (t, whole))
    expect_picture (t, whole, rgb, 3, size, stated_tile_difference (t) + 2e-3,
        stated_tile_difference (t) + 2e-3);
}

void
golden_run_gaussian_render (GoldenCase *t)
{
  enum { MAX_SIZES = 8, MAX_VIEWS = 64 };

  g_auto (Gaussians) g = get_gaussians (t);
  int sizes[MAX_SIZES], views[MAX_VIEWS];
  int n_sizes = shu_config_ints (t->config, "sizes", 1, 4096, MAX_SIZES, sizes);
  int n_views =
      shu_config_ints (t->config, "views", 0, 1 << 20, MAX_VIEWS, views);

  for (int s = 0; s < n_sizes; s++)
    for (int i = 0; i < n_views; i++)
      check_view (t, &g.g, sizes[s], i);
}
