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

/* What is written is read, beside properties that nobody asked for. */
static void
gaussians_come_back (void)
{
  enum { N = 20 };

  float pos[3 * N], scale[3 * N], quat[4 * N], opacity[N], rgb[3 * N];
  ShuGaussians g = {N, pos, scale, quat, opacity, rgb};
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3 * N; i++) {
    pos[i] = 0.1f * (float) i - 1;
    scale[i] = 0.001f + 0.01f * (float) i;
    rgb[i] = 0.02f * (float) i;
  }
  for (int i = 0; i < N; i++) {
    opacity[i] = 0.02f + 0.045f * (float) i;
    for (int k = 0; k < 4; k++)
      quat[4 * i + k] = (float) (i + k) * 0.1f - 0.9f;
  }
  g_autoptr (GBytes) file = shu_ply_gaussians (&g, &error);
  g_assert_no_error (error);
  g_autoptr (ShuPlySet) set = shu_ply_read_gaussians (file, &error);
  g_assert_no_error (error);
  g_assert_cmpint (set->g.n, ==, N);
  g_assert_cmpmem (set->g.pos, sizeof pos, pos, sizeof pos);
  g_assert_cmpmem (set->g.quat, sizeof quat, quat, sizeof quat);
  for (int i = 0; i < 3 * N; i++) {
    g_assert_cmpfloat_with_epsilon (set->g.scale[i], scale[i], 1e-6);
    g_assert_cmpfloat_with_epsilon (set->g.rgb[i], rgb[i], 1e-6);
  }
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (set->g.opacity[i], opacity[i], 1e-6);
}

#define FIELDS                                                                 \
  "property float x\nproperty float y\nproperty float z\n"                     \
  "property float f_dc_0\nproperty float f_dc_1\nproperty float f_dc_2\n"      \
  "property float opacity\nproperty float scale_0\nproperty float scale_1\n"   \
  "property float scale_2\nproperty float rot_0\nproperty float rot_1\n"       \
  "property float rot_2\nproperty float rot_3\n"
#define BINARY "ply\nformat binary_little_endian 1.0\n"

static void
hostile_files_are_errors (void)
{
  static const struct {
    const char *text, *says;
  } rows[] = {
      {"", "no polygon file"},
      {"ply", "no polygon file"},
      {"glTF\n", "no polygon file"},
      {"ply\nformat ascii 1.0\n", "binary_little_endian"},
      {"ply\nformat\n", "binary_little_endian"},
      {BINARY "element vertex 1\n", "does not end"},
      {BINARY "element vertex 0\n" FIELDS "end_header\n", "vertices"},
      {BINARY "element vertex 9999999999999999999999\n" FIELDS "end_header\n",
          "vertices"},
      {BINARY "element vertex 30000000\n" FIELDS "end_header\n", "cut off"},
      {BINARY "element vertex 1\n" FIELDS "end_header\n0123456789", "cut off"},
      {BINARY "element face 1\nelement vertex 1\n" FIELDS "end_header\n",
          "first element"},
      {BINARY "element vertex 1\nproperty list uchar int a\n" FIELDS
              "end_header\n",
          "list"},
      {BINARY "element vertex 1\nproperty quad a\n" FIELDS "end_header\n",
          "quad"},
      {BINARY "element vertex 1\nproperty double x\nend_header\n", "float"},
      {BINARY "element vertex 1\nproperty float x\nend_header\n", "no y"},
      {"ply\nelement vertex 1\n" FIELDS "end_header\n", "format"},
      {BINARY "element\nend_header\n", "element"},
      {BINARY "property float x\nend_header\n", "list"},
      {"ply\n\n\nend_header\n", "no Gaussians"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) file = g_bytes_new (rows[i].text, strlen (rows[i].text));
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_ply_read_gaussians (file, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    if (!strstr (error->message, rows[i].says))
      g_error ("\"%s\" does not say \"%s\"", error->message, rows[i].says);
  }
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
  g_test_add_func ("/formats/ply/gaussians_come_back", gaussians_come_back);
  g_test_add_func (
      "/formats/ply/hostile_files_are_errors", hostile_files_are_errors);
  g_test_add_func ("/formats/ply/voxels_are_cubes", voxels_are_cubes);
  return g_test_run ();
}
