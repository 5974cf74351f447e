/* SPDX-License-Identifier: MIT */
/* Resizing against Pillow 9.4: the hashes are those of its results. */
#include "fixtures.h"
#include "base/resample.h"
#include <string.h>

typedef struct {
  int width, height, n_channels, new_width, new_height;
  ShuFilter filter;
  guint64 hash;
} Row;

/* clang-format off */
static const Row rows[] = {
    {37, 23, 3, 64, 64, SHU_FILTER_BICUBIC, G_GUINT64_CONSTANT (0xd64e28a6e8362d1a)},
    {37, 23, 3, 11, 7, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0xf27ec11ce6eea895)},
    {64, 48, 4, 31, 48, SHU_FILTER_BICUBIC, G_GUINT64_CONSTANT (0x959faaf573e3adc8)},
    {64, 48, 4, 64, 17, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0x47b52ed25820c3e6)},
    {50, 40, 4, 131, 97, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0xec8de4ee79a9c7a3)},
    {33, 70, 1, 320, 320, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0x6f855f1acb380b40)},
    {200, 3, 1, 9, 90, SHU_FILTER_BICUBIC, G_GUINT64_CONSTANT (0xde77c0d3ae03ead8)},
    {1, 1, 4, 5, 3, SHU_FILTER_BICUBIC, G_GUINT64_CONSTANT (0x3a09dd00f2109b6e)},
    {1, 17, 3, 4, 1, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0x1562624e89d93d41)},
    {96, 96, 4, 96, 96, SHU_FILTER_LANCZOS, G_GUINT64_CONSTANT (0x6e1bac7367db8e8e)},
    {128, 128, 3, 1, 1, SHU_FILTER_BICUBIC, G_GUINT64_CONSTANT (0x2fbd121ae17f4037)},
};

/* clang-format on */

static void
test_row (gconstpointer data)
{
  const Row *r = data;
  g_autoptr (ShuImage) image =
      fixture_noise (r->width, r->height, r->n_channels, r->width + r->height);
  g_autoptr (ShuImage) got =
      shu_image_resize (image, r->new_width, r->new_height, r->filter);

  g_assert_cmpint (got->width, ==, r->new_width);
  g_assert_cmpint (got->height, ==, r->new_height);
  g_assert_cmpint (got->n_channels, ==, r->n_channels);
  g_assert_cmpuint (fixture_hash (got), ==, r->hash);
}

static void
test_opaque_is_rgb (void)
{
  g_autoptr (ShuImage) rgb = fixture_noise (41, 29, 3, 6);
  g_autoptr (ShuImage) rgba = shu_image_new (41, 29, 4);
  g_autoptr (ShuImage) a = NULL;
  g_autoptr (ShuImage) b = NULL;

  for (int i = 0; i < 41 * 29; i++) {
    memcpy (rgba->data + 4 * i, rgb->data + 3 * i, 3);
    rgba->data[4 * i + 3] = 255;
  }
  a = shu_image_resize (rgb, 60, 13, SHU_FILTER_LANCZOS);
  b = shu_image_resize (rgba, 60, 13, SHU_FILTER_LANCZOS);
  for (int i = 0; i < 60 * 13; i++) {
    g_assert_cmpmem (a->data + 3 * i, 3, b->data + 4 * i, 3);
    g_assert_cmpint (b->data[4 * i + 3], ==, 255);
  }
}

static void
test_transparent_is_black (void)
{
  g_autoptr (ShuImage) image = fixture_noise (20, 20, 4, 8);
  g_autoptr (ShuImage) got = NULL;

  for (int i = 0; i < 400; i++)
    image->data[4 * i + 3] = 0;
  got = shu_image_resize (image, 33, 7, SHU_FILTER_BICUBIC);
  for (gsize i = 0; i < shu_image_size (got); i++)
    g_assert_cmpint (got->data[i], ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const Row *r = &rows[i];
    g_autofree char *path =
        g_strdup_printf ("/formats/resample/equals_pillow/%dx%dx%d_to_%dx%d_%s",
            r->width, r->height, r->n_channels, r->new_width, r->new_height,
            r->filter == SHU_FILTER_LANCZOS ? "lanczos" : "bicubic");

    g_test_add_data_func (path, r, test_row);
  }
  g_test_add_func ("/formats/resample/opaque_is_rgb", test_opaque_is_rgb);
  g_test_add_func (
      "/formats/resample/transparent_is_black", test_transparent_is_black);
  return g_test_run ();
}
