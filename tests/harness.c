/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "formats/png.h"
#include <glib/gstdio.h>

static gboolean
inside (double x, double y)
{
  double hx = x - 0.5, hy = y - 0.15;

  if (hx * hx * 1.4 + hy * hy < 0.006)
    return TRUE;
  if (y > 0.22 && y < 0.55)
    return x > 0.38 && x < 0.62;
  return y >= 0.55 && y < 0.95 &&
         ((x > 0.39 && x < 0.48) || (x > 0.52 && x < 0.61));
}

ShuImage *
harness_figure (int width, int height, gboolean visible)
{
  ShuImage *image = shu_image_new (width, height, 4);

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      guint8 *p = image->data + 4 * ((gsize) y * width + x);

      p[0] = (guint8) (40 + 150 * y / height);
      p[1] = (guint8) (90 + 100 * x / width);
      p[2] = 120;
      p[3] =
          visible && inside ((x + 0.5) / width, (y + 0.5) / height) ? 255 : 0;
    }
  return image;
}

GBytes *
harness_png (int width, int height, gboolean visible)
{
  g_autoptr (ShuImage) image = harness_figure (width, height, visible);

  return shu_png_encode (image, NULL);
}

/* As the GLB writer takes it: z up, the front at -y. */
static void
add_side (ShuMesh *m, int k)
{
  static const float corners[4][2] = {
      {-0.2f, -0.1f}, {0.2f, -0.1f}, {0.2f, 0.1f}, {-0.2f, 0.1f}};

  for (int i = 0; i < 4; i++) {
    const float *at = corners[(k + (i == 1 || i == 2)) % 4];
    int v = 4 * k + i;

    m->pos[3 * v] = at[0];
    m->pos[3 * v + 1] = at[1];
    m->pos[3 * v + 2] = i < 2 ? 0 : 0.8f;
    m->uv[2 * v] = (2 * k + 1) / 8.0f;
    m->uv[2 * v + 1] = 0.5f;
  }
  for (int i = 0; i < 6; i++)
    m->faces[6 * k + i] = 4 * k + (i < 3 ? i : (int[]){0, 2, 3}[i - 3]);
}

GBytes *
harness_glb (void)
{
  static const guint8 colors[4][3] = {
      {230, 20, 20}, {20, 230, 20}, {20, 20, 230}, {230, 230, 20}};
  g_autoptr (ShuMesh) m = shu_mesh_new (16, 8, FALSE, TRUE);
  g_autoptr (ShuImage) texture = shu_image_new (32, 8, 3);
  g_autoptr (GBytes) png = NULL;
  ShuGlbParams params = {.height = 0.8f};
  GBytes *glb;

  for (int k = 0; k < 4; k++)
    add_side (m, k);
  for (int i = 0; i < 32 * 8; i++)
    memcpy (texture->data + 3 * i, colors[i % 32 / 8], 3);
  png = shu_png_encode (texture, NULL);
  glb = shu_glb_encode (m, png, NULL, &params, NULL);
  g_assert_nonnull (glb);
  return glb;
}

char *
harness_folder (void)
{
  char *path = g_dir_make_tmp ("shu-test-XXXXXX", NULL);

  g_assert_nonnull (path);
  return path;
}

void
harness_remove (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_unlink (path) != 0) /* also a link to a folder */
      harness_remove (path);
  }
  g_rmdir (folder);
}

void
harness_put (
    const char *folder, const char *name, gconstpointer data, gsize size)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
}

void
harness_put_png (const char *folder, const char *name, int width, int height)
{
  g_autoptr (GBytes) png = harness_png (width, height, TRUE);
  gsize size;
  gconstpointer data = g_bytes_get_data (png, &size);

  harness_put (folder, name, data, size);
}

gboolean
harness_exists (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

GBytes *
harness_contents (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *data = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  return g_bytes_new_take (data, size);
}
