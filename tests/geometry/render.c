/* SPDX-License-Identifier: MIT */
#include "geometry/render.h"
#include "geometry/bake_normals.h"
#include <string.h>

/* A square before the front camera, its texture upright. */
static ShuMesh *
poster (void)
{
  ShuMesh *m = shu_mesh_new (4, 2, FALSE, TRUE);
  float pos[12] = {
      -0.25f, 0, -0.25f, 0.25f, 0, -0.25f, 0.25f, 0, 0.25f, -0.25f, 0, 0.25f};
  float uv[8] = {0, 1, 1, 1, 1, 0, 0, 0};

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->uv, uv, sizeof uv);
  memcpy (m->faces, (gint32[]){0, 1, 2, 0, 2, 3}, 24);
  return m;
}

/* 32 texels onto 32 pixels: the picture comes back as it is. */
static void
texture_comes_back (void)
{
  g_autoptr (ShuMesh) m = poster ();
  g_autoptr (ShuImage) texture = shu_image_new (32, 32, 3);
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FRONT);
  ShuRenderParams params = {.width = 64, .height = 64, .supersample = 1};

  for (int i = 0; i < 3 * 32 * 32; i++)
    texture->data[i] = (guint8) (i * 37);
  g_autoptr (ShuImage) out = shu_render (m, texture, &c, &params);
  for (int y = 0; y < 64; y++)
    for (int x = 0; x < 64; x++) {
      const guint8 *p = out->data + 4 * (64 * y + x);
      gboolean in = x >= 16 && x < 48 && y >= 16 && y < 48;
      g_assert_cmpint (p[3], ==, in ? 255 : 0);
      for (int k = 0; in && k < 3; k++)
        g_assert_cmpint (
            ABS (p[k] - texture->data[3 * (32 * (y - 16) + x - 16) + k]), <=,
            1);
    }
}

static void
edges_are_soft (void)
{
  g_autoptr (ShuMesh) m = poster ();
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FRONT);
  ShuRenderParams params = {.width = 62, .height = 62, .cull = TRUE};

  g_autoptr (ShuImage) out = shu_render (m, NULL, &c, &params);
  /* Half of pixel 15 is covered. */
  g_assert_cmpint (out->data[4 * (31 * 62 + 15) + 3], ==, 128);
  g_assert_cmpint (out->data[4 * (31 * 62 + 15)], ==, 200);
  c = shu_camera_of_view (SHU_VIEW_BACK);
  g_autoptr (ShuImage) back = shu_render (m, NULL, &c, &params);
  g_assert_cmpint (back->data[4 * (31 * 62 + 31) + 3], ==, 0);
}

/* A normal map turns the light's angle, by the axes of its picture: the head
 * light falls on what leans by 60 degrees with half of its strength. */
static void
normal_map_is_seen (void)
{
  static const float normals[3][3] = {
      {0, 0, 1}, {0.8660254f, 0, 0.5f}, {0, -0.8660254f, 0.5f}};
  g_autoptr (ShuMesh) m = poster ();
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FRONT);

  for (int i = 0; i < 3; i++) {
    g_autoptr (ShuImage) map = shu_image_new (16, 16, 3);
    ShuRenderParams params = {
        .width = 64, .height = 64, .light = 1, .normal_map = map};

    for (int k = 0; k < 16 * 16; k++)
      shu_normal_encode (normals[i], map->data + 3 * k);
    g_autoptr (ShuImage) out = shu_render (m, NULL, &c, &params);
    g_assert_cmpint (
        ABS (out->data[4 * (32 * 64 + 32)] - (i ? 100 : 200)), <=, 2);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/render/texture_comes_back", texture_comes_back);
  g_test_add_func ("/geometry/render/edges_are_soft", edges_are_soft);
  g_test_add_func ("/geometry/render/normal_map_is_seen", normal_map_is_seen);
  return g_test_run ();
}
