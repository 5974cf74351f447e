/* SPDX-License-Identifier: MIT */
#include "formats/ply.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

/* The bytes after the header, whose text must be @header. */
static const guint8 *
body (GBytes *file, const char *header, gsize *ret_size)
{
  gsize size, n = strlen (header);
  const char *data = g_bytes_get_data (file, &size);

  g_assert_cmpmem (data, MIN (n, size), header, n);
  *ret_size = size - n;
  return (const guint8 *) data + n;
}

static void
mesh_is_y_up_in_metres (void)
{
  g_autoptr (ShuMesh) m = shu_mesh_new (3, 1, TRUE, FALSE);
  g_autoptr (GError) error = NULL;
  float pos[9] = {0, 0, -0.5f, 0.25f, -0.1f, 0, 0, 0, 0.5f}, p[3];
  gint32 face[3];
  gsize size;

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->faces, (gint32[]){0, 1, 2}, 12);
  for (int i = 0; i < 18; i++)
    m->attr[i] = i % 6 == 0 ? 1 : i % 6 == 1 ? 0.5f : -3;
  g_autoptr (GBytes) file = shu_ply_mesh (m, 2, &error);
  g_assert_no_error (error);
  const guint8 *b = body (file,
      "ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
      "property float x\nproperty float y\nproperty float z\n"
      "property uchar red\nproperty uchar green\nproperty uchar blue\n"
      "element face 1\nproperty list uchar int vertex_indices\nend_header\n",
      &size);
  g_assert_cmpint (size, ==, 3 * 15 + 13);
  memcpy (p, b + 15, 12);
  g_assert_cmpfloat_with_epsilon (p[0], 0.5f, 1e-6);
  g_assert_cmpfloat_with_epsilon (p[1], 1, 1e-6);
  g_assert_cmpfloat_with_epsilon (p[2], 0.2f, 1e-6);
  g_assert_cmpint (b[12], ==, 255);
  g_assert_cmpint (b[13], ==, 128);
  g_assert_cmpint (b[14], ==, 0);
  memcpy (face, b + 46, 12);
  g_assert_cmpint (b[45], ==, 3);
  g_assert_cmpmem (face, 12, m->faces, 12);
  m->pos[4] = NAN;
  g_assert_null (shu_ply_mesh (m, 0, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

static void
gaussians_are_stored_unactivated (void)
{
  float pos[3] = {1, 2, 3}, scale[3] = {1, 0.5f, 0.25f};
  float quat[4] = {1, 0, 0, 0}, opacity = 0.75f, rgb[3] = {0.5f, 1, 0}, row[17];
  ShuGaussians g = {1, pos, scale, quat, &opacity, rgb};
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_ply_gaussians (&g, &error);
  gsize size;

  g_assert_no_error (error);
  const guint8 *b = body (file,
      "ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
      "property float x\nproperty float y\nproperty float z\n"
      "property float nx\nproperty float ny\nproperty float nz\n"
      "property float f_dc_0\nproperty float f_dc_1\nproperty float f_dc_2\n"
      "property float opacity\nproperty float scale_0\n"
      "property float scale_1\nproperty float scale_2\n"
      "property float rot_0\nproperty float rot_1\nproperty float rot_2\n"
      "property float rot_3\nend_header\n",
      &size);
  g_assert_cmpint (size, ==, sizeof row);
  memcpy (row, b, sizeof row);
  const float want[17] = {1, 2, 3, 0, 0, 0, 0, 1.7724539f, -1.7724539f,
      1.0986123f, 0, -0.6931472f, -1.3862944f, 1, 0, 0, 0};
  for (int i = 0; i < 17; i++)
    g_assert_cmpfloat_with_epsilon (row[i], want[i], 1e-5);
  opacity = 1; /* its logit must stay finite */
  g_autoptr (GBytes) full = shu_ply_gaussians (&g, &error);
  g_assert_no_error (error);
  pos[1] = INFINITY;
  g_assert_null (shu_ply_gaussians (&g, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

static void
voxels_are_cubes (void)
{
  gint32 coords[8] = {0, 0, 5, 63, 0, 10, 0, 1};
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_ply_voxels (coords, 2, &error);
  g_auto (GStrv) lines = NULL;

  g_assert_no_error (error);
  g_autofree char *text =
      g_strndup (g_bytes_get_data (file, NULL), g_bytes_get_size (file));
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpstr (lines[2], ==, "element vertex 18");
  g_assert_cmpstr (lines[3], ==, "comment vertices");
  g_assert_cmpstr (lines[7], ==, "element face 12");
  g_assert_cmpstr (lines[9], ==, "end_header");
  g_assert_cmpstr (lines[10], ==, "0.0 5.0 63.0");
  g_assert_cmpstr (lines[12], ==, "-0.5 4.5 62.5"); /* corner 0 */
  g_assert_cmpstr (lines[13], ==, "0.5 4.5 62.5");  /* bit 0: x */
  g_assert_cmpstr (lines[14], ==, "-0.5 5.5 62.5"); /* bit 1: y */
  g_assert_cmpstr (lines[16], ==, "-0.5 4.5 63.5"); /* bit 2: z */
  g_assert_cmpstr (lines[28], ==, "4 4 5 3 2");
  g_assert_cmpstr (lines[34], ==, "4 12 13 11 10");
  g_assert_cmpstr (lines[40], ==, "");
  g_assert_null (shu_ply_voxels (coords, 0, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/formats/ply/mesh_is_y_up_in_metres", mesh_is_y_up_in_metres);
  g_test_add_func ("/formats/ply/gaussians_are_stored_unactivated",
      gaussians_are_stored_unactivated);
  g_test_add_func ("/formats/ply/voxels_are_cubes", voxels_are_cubes);
  return g_test_run ();
}
