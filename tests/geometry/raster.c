/* SPDX-License-Identifier: MIT */
#include "atlas_bodies.h"
#include "geometry/raster.h"
#include <math.h>
#include <omp.h>
#include <string.h>

/* A square of two faces at depth @y, whose diagonal runs through pixel
 * centres. */
static ShuMesh *
square (float half, float y)
{
  ShuMesh *m = shu_mesh_new (4, 2, FALSE, TRUE);
  float pos[12] = {
      -half, y, -half, half, y, -half, half, y, half, -half, y, half};
  float uv[8] = {0.25f, 0.25f, 0.75f, 0.25f, 0.75f, 0.75f, 0.25f, 0.75f};
  gint32 faces[6] = {0, 1, 2, 0, 2, 3};

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->uv, uv, sizeof uv);
  memcpy (m->faces, faces, sizeof faces);
  return m;
}

static void
square_covers_its_pixels (void)
{
  g_autoptr (ShuMesh) m = square (0.25f, 0);
  g_autoptr (ShuRaster) r = shu_raster_new (64, 64, SHU_RASTER_BARY);
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FRONT);
  int n = 0, doubles;

  shu_raster_mesh (r, m, &c, SHU_RASTER_BARY | SHU_RASTER_CULL);
  for (int i = 0; i < 64 * 64; i++) {
    int x = i % 64, y = i / 64;
    gboolean in = x >= 16 && x < 48 && y >= 16 && y < 48;
    g_assert_cmpint (r->face[i] >= 0, ==, in);
    n += in;
    if (!in)
      continue;
    g_assert_cmpfloat_with_epsilon (r->depth[i], 2, 1e-6);
    /* The position of the pixel, from the weights. */
    const gint32 *f = m->faces + 3 * r->face[i];
    float b1 = r->bary[2 * i], b2 = r->bary[2 * i + 1];
    float px = (1 - b1 - b2) * m->pos[3 * f[0]] + b1 * m->pos[3 * f[1]] +
               b2 * m->pos[3 * f[2]];
    g_assert_cmpfloat_with_epsilon (px, (x + 0.5f) / 64 - 0.5f, 1e-5);
  }
  g_assert_cmpint (n, ==, 32 * 32);
  shu_raster_uv (r, m, 0, &doubles);
  g_assert_cmpint (doubles, ==, 0);
}

static void
back_faces_are_culled (void)
{
  g_autoptr (ShuMesh) m = square (0.25f, 0);
  g_autoptr (ShuRaster) r = shu_raster_new (32, 32, 0);
  ShuCamera c = shu_camera_of_view (SHU_VIEW_BACK);
  int n[2] = {0};

  for (int cull = 0; cull < 2; cull++) {
    shu_raster_mesh (r, m, &c, cull ? SHU_RASTER_CULL : 0);
    for (int i = 0; i < 32 * 32; i++)
      n[cull] += r->face[i] >= 0;
  }
  g_assert_cmpint (n[0], ==, 256);
  g_assert_cmpint (n[1], ==, 0);
}

static void
nearer_face_wins (void)
{
  g_autoptr (ShuMesh) far = square (0.4f, 0.3f);
  g_autoptr (ShuMesh) near = square (0.2f, -0.3f);
  g_autoptr (ShuMesh) both = shu_mesh_new (8, 4, FALSE, FALSE);
  g_autoptr (ShuRaster) r = shu_raster_new (50, 50, 0);
  ShuCamera c = shu_camera_of_view (SHU_VIEW_FRONT);

  memcpy (both->pos, far->pos, 12 * sizeof (float));
  memcpy (both->pos + 12, near->pos, 12 * sizeof (float));
  for (int i = 0; i < 6; i++) {
    both->faces[i] = far->faces[i];
    both->faces[6 + i] = 4 + near->faces[i];
  }
  shu_raster_mesh (r, both, &c, 0);
  g_assert_cmpint (r->face[25 * 50 + 25], >=, 2);
  g_assert_cmpint (r->face[6 * 50 + 6], <, 2);
  g_assert_cmpint (r->face[6 * 50 + 6], >=, 0);
}

/* A plane seen at an angle: depth and weights must agree with the ray. */
static void
perspective_is_undone (void)
{
  g_autoptr (ShuMesh) m = shu_mesh_new (3, 1, FALSE, FALSE);
  g_autoptr (ShuRaster) r = shu_raster_new (128, 128, SHU_RASTER_BARY);
  float pos[9] = {-0.4f, -0.4f, -0.3f, 0.4f, 0.4f, -0.3f, 0, 0.1f, 0.4f};
  ShuCamera c = shu_camera_orbit ((float) -G_PI, 0.3f, 2, 40);
  int n = 0;

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->faces, (gint32[]){0, 1, 2}, 12);
  shu_raster_mesh (r, m, &c, SHU_RASTER_BARY);
  for (int i = 0; i < 128 * 128; i++) {
    float p[3], uv[2], b1 = r->bary[2 * i], b2 = r->bary[2 * i + 1], z;
    if (r->face[i] < 0)
      continue;
    for (int k = 0; k < 3; k++)
      p[k] = (1 - b1 - b2) * pos[k] + b1 * pos[3 + k] + b2 * pos[6 + k];
    z = shu_camera_project (&c, p, uv);
    g_assert_cmpfloat_with_epsilon (uv[0] * 128, i % 128 + 0.5f, 0.02);
    g_assert_cmpfloat_with_epsilon (uv[1] * 128, i / 128 + 0.5f, 0.02);
    g_assert_cmpfloat_with_epsilon (z, r->depth[i], 1e-3);
    n++;
  }
  g_assert_cmpint (n, >, 500);
}

/* A closed body covers each pixel as often from the front as from behind, and
 * no thread count changes anything. */
static void
closed_body_has_no_cracks (void)
{
  g_autoptr (ShuMesh) m = bodies_person (6000);
  ShuCamera c = shu_camera_orbit (0.7f, 0.4f, 2, 40);
  g_autoptr (ShuRaster) a = shu_raster_new (301, 301, SHU_RASTER_BARY);
  g_autoptr (ShuRaster) b = shu_raster_new (301, 301, SHU_RASTER_BARY);
  int n_threads = omp_get_max_threads (), n = 0;

  shu_raster_mesh (a, m, &c, SHU_RASTER_CULL | SHU_RASTER_BARY);
  for (int f = 0; f < m->n_faces; f++) {
    gint32 t = m->faces[3 * f + 1];
    m->faces[3 * f + 1] = m->faces[3 * f + 2];
    m->faces[3 * f + 2] = t;
  }
  shu_raster_mesh (b, m, &c, SHU_RASTER_CULL | SHU_RASTER_BARY);
  for (int i = 0; i < 301 * 301; i++) {
    g_assert_cmpint (a->face[i] >= 0, ==, b->face[i] >= 0);
    n += a->face[i] >= 0;
  }
  g_assert_cmpint (n, >, 5000);
  omp_set_num_threads (1);
  shu_raster_mesh (a, m, &c, SHU_RASTER_CULL | SHU_RASTER_BARY);
  omp_set_num_threads (n_threads);
  g_assert_cmpmem (a->face, 301 * 301 * 4, b->face, 301 * 301 * 4);
  g_assert_cmpmem (a->bary, 301 * 301 * 8, b->bary, 301 * 301 * 8);
}

static void
wild_positions_are_left_out (void)
{
  g_autoptr (ShuMesh) m = square (1e30f, 0);
  g_autoptr (ShuRaster) r = shu_raster_new (16, 16, 0);
  ShuCamera c = shu_camera_orbit (0, 0, 2, 40);

  shu_raster_mesh (r, m, &c, 0);
  m->pos[0] = m->pos[1] = 3; /* behind the camera */
  m->pos[4] = 2;             /* in its centre */
  shu_raster_mesh (r, m, &c, 0);
  for (int i = 0; i < 256; i++)
    g_assert_cmpint (r->face[i], ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/raster/square_covers_its_pixels", square_covers_its_pixels);
  g_test_add_func (
      "/geometry/raster/back_faces_are_culled", back_faces_are_culled);
  g_test_add_func ("/geometry/raster/nearer_face_wins", nearer_face_wins);
  g_test_add_func (
      "/geometry/raster/perspective_is_undone", perspective_is_undone);
  g_test_add_func (
      "/geometry/raster/closed_body_has_no_cracks", closed_body_has_no_cracks);
  g_test_add_func ("/geometry/raster/wild_positions_are_left_out",
      wild_positions_are_left_out);
  return g_test_run ();
}
