/* SPDX-License-Identifier: MIT */
#include "geometry/camera.h"
#include <math.h>

static void
assert_near (const float *a, const float *b, int n, float limit)
{
  for (int i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (a[i], b[i], limit);
}

/* Where a point must appear: the table of views in the specification. */
static void
views_see_their_axes (void)
{
  static const struct {
    ShuView view;
    float u[3]; /* change of the column along x, y, z */
    float toward[3];
  } rows[] = {
      {SHU_VIEW_FRONT, {1, 0, 0}, {0, -1, 0}},
      {SHU_VIEW_RIGHT, {0, 1, 0}, {1, 0, 0}},
      {SHU_VIEW_BACK, {-1, 0, 0}, {0, 1, 0}},
      {SHU_VIEW_LEFT, {0, -1, 0}, {-1, 0, 0}},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    ShuCamera c = shu_camera_of_view (rows[i].view);
    float p[3] = {0.25f, -0.125f, 0.375f}, uv[2], z;
    z = shu_camera_project (&c, p, uv);
    g_assert_cmpfloat (
        uv[0], ==, 0.5f + p[0] * rows[i].u[0] + p[1] * rows[i].u[1]);
    g_assert_cmpfloat (uv[1], ==, 0.5f - p[2]);
    g_assert_cmpfloat (
        z, ==, 2 - p[0] * rows[i].toward[0] - p[1] * rows[i].toward[1]);
  }
}

static void
face_window_is_a_third (void)
{
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FACE);
  float lo[3] = {-1.0f / 6, 0, 0.5f}, hi[3] = {1.0f / 6, 0, 1.0f / 6};
  float uv[2];

  shu_camera_project (&c, lo, uv);
  assert_near (uv, (float[]){0, 0}, 2, 1e-6f);
  shu_camera_project (&c, hi, uv);
  assert_near (uv, (float[]){1, 1}, 2, 1e-6f);
}

static void
orbit_looks_at_the_origin (void)
{
  for (int i = 0; i < 100; i++) {
    float yaw, pitch, uv[2], origin[3] = {0, 0, 0}, z;
    shu_camera_render_angles (i, 100, &yaw, &pitch);
    ShuCamera c = shu_camera_orbit (yaw, pitch, 2, 40);
    z = shu_camera_project (&c, origin, uv);
    assert_near (uv, (float[]){0.5f, 0.5f}, 2, 1e-5f);
    g_assert_cmpfloat_with_epsilon (z, 2, 1e-5f);
    for (int r = 0; r < 3; r++)
      for (int s = 0; s <= r; s++) {
        float dot = 0;
        for (int k = 0; k < 3; k++)
          dot += c.view[4 * r + k] * c.view[4 * s + k];
        g_assert_cmpfloat_with_epsilon (dot, r == s, 1e-5f);
      }
  }
}

/* The first point of the sphere looks straight up; x stays +x. */
static void
pole_keeps_the_roll_of_float32 (void)
{
  float yaw, pitch;

  shu_camera_render_angles (5, 100, &yaw, &pitch);
  ShuCamera c = shu_camera_orbit (yaw, pitch, 2, 40);
  assert_near (c.view, (float[]){1, 0, 0}, 3, 1e-6f);
  assert_near (c.view + 8, (float[]){0, 0, 1}, 3, 1e-6f);
}

static void
hammersley_inverts_digits (void)
{
  double p[3];

  shu_hammersley (6, 32, 3, p);
  g_assert_cmpfloat_with_epsilon (p[0], 6.0 / 32, 1e-15);
  g_assert_cmpfloat_with_epsilon (p[1], 0.375, 1e-15);   /* 110 -> .011 */
  g_assert_cmpfloat_with_epsilon (p[2], 2.0 / 9, 1e-15); /* 20 -> .02 */
}

static void
projections_map_near_and_far (void)
{
  float p[16];

  shu_projection_perspective (1.5f, 0.5f, 4, p);
  g_assert_cmpfloat_with_epsilon ((p[10] * -0.5f + p[11]) / 0.5f, -1, 1e-6);
  g_assert_cmpfloat_with_epsilon ((p[10] * -4 + p[11]) / 4, 1, 1e-6);
  shu_projection_ortho (0.1f, 100, p);
  g_assert_cmpfloat_with_epsilon (p[10] * -0.1f + p[11], -1, 1e-6);
  g_assert_cmpfloat_with_epsilon (p[10] * -100 + p[11], 1, 1e-5);
  shu_projection_splat (1, 0.8f, 1.6f, p);
  g_assert_cmpfloat_with_epsilon (p[10] * 0.8f + p[11], 0, 1e-6);
  g_assert_cmpfloat_with_epsilon ((p[10] * 1.6f + p[11]) / 1.6f, 1, 1e-6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/camera/views_see_their_axes", views_see_their_axes);
  g_test_add_func (
      "/geometry/camera/face_window_is_a_third", face_window_is_a_third);
  g_test_add_func (
      "/geometry/camera/orbit_looks_at_the_origin", orbit_looks_at_the_origin);
  g_test_add_func ("/geometry/camera/pole_keeps_the_roll_of_float32",
      pole_keeps_the_roll_of_float32);
  g_test_add_func (
      "/geometry/camera/hammersley_inverts_digits", hammersley_inverts_digits);
  g_test_add_func ("/geometry/camera/projections_map_near_and_far",
      projections_map_near_and_far);
  return g_test_run ();
}
