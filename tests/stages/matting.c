/* SPDX-License-Identifier: MIT */
/* Pictures with alpha: whose says who the person is, and whose does not. */
#include "fixtures.h"
#include "base/image.h"
#include "formats/photo.h"
#include <string.h>

static const char *root; /* of the source */

/* A cut-out of @size x @size, its person half as high, with what @change does.
 */
static ShuImage *
cutout_with (int size, void (*change) (ShuImage *image))
{
  g_autoptr (ShuImage) small = fixture_cutout (size / 3, size / 2);
  ShuImage *image = shu_image_new (size, size, 4);

  for (int y = 0; y < small->height; y++)
    memcpy (image->data + ((gsize) (y + size / 4) * size + size / 3) * 4,
        small->data + (gsize) y * small->width * 4, (gsize) small->width * 4);
  change (image);
  return image;
}

static void
leave (ShuImage *image)
{
}

/* Alpha that is soft for a few pixels beyond the person stays. */
static void
soften (ShuImage *image)
{
  gsize W = (gsize) image->width;

  for (gsize i = W * (W / 4) * 4 + 3, end = i + W * 4; i < end; i += 4)
    image->data[i] = i / 4 % W * 12 > W * 5 && i / 4 % W * 12 < W * 7 ? 9 : 0;
}

static void
make_faint_ground (ShuImage *image)
{
  gsize n = shu_image_size (image);

  for (gsize i = 3; i < n; i += 4)
    image->data[i] = MAX (image->data[i], 1 + i / 4 % 2);
}

static void
make_faint_spot (ShuImage *image)
{
  image->data[3] = SHU_CLEAN_FAINT - 1;
}

static void
test_passes_alpha (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  void (*changes[]) (ShuImage *) = {leave, soften};

  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autoptr (ShuImage) image = cutout_with (120, changes[i]);
    g_autoptr (GError) error = NULL;
    g_autofree char *warning = NULL;
    g_autoptr (ShuImage) out =
        shu_stage_matting (m, image, &warning, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpmem (
        out->data, shu_image_size (out), image->data, shu_image_size (image));
  }
}

/* What nobody sees of a cut-out is no part of the person. */
static void
test_drops_faint (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuImage) clean = cutout_with (120, leave);
  void (*changes[]) (ShuImage *) = {make_faint_ground, make_faint_spot};

  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autoptr (ShuImage) image = cutout_with (120, changes[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuImage) out = shu_stage_matting (m, image, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpmem (
        out->data, shu_image_size (out), clean->data, shu_image_size (clean));
  }
}

static void
round_corners (ShuImage *image)
{
  int W = image->width, H = image->height, r = W / 10;

  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      int dx = MAX (r - MIN (x, W - 1 - x), 0);
      int dy = MAX (r - MIN (y, H - 1 - y), 0);

      image->data[((gsize) y * W + x) * 4 + 3] =
          dx * dx + dy * dy <= r * r ? 255 : 0;
    }
}

static void
set_alpha (ShuImage *image, int even, int odd)
{
  gsize n = shu_image_size (image);

  for (gsize i = 3; i < n; i += 4)
    image->data[i] = i / 4 % 2 ? odd : even;
}

static void
make_nearly_opaque (ShuImage *image)
{
  set_alpha (image, 254, 255);
}

static void
make_half_opaque (ShuImage *image)
{
  set_alpha (image, 128, 128);
}

/* Alpha that shows nobody is as if it were not there. */
static void
test_cuts_out_rectangles (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  void (*changes[]) (ShuImage *) = {
      round_corners, make_nearly_opaque, make_half_opaque};

  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autoptr (ShuImage) image = cutout_with (120, changes[i]);
    g_autoptr (ShuImage) rgb = shu_image_to_rgb (image);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuImage) want = shu_stage_matting (m, rgb, NULL, NULL, &error);
    g_autoptr (ShuImage) out = shu_stage_matting (m, image, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpmem (
        out->data, shu_image_size (out), want->data, shu_image_size (want));
    g_assert_cmpfloat (shu_image_coverage (out), <, 0.9);
  }
}

/* A wall of rectangles in all colours. */
static ShuImage *
clutter (int width, int height)
{
  ShuImage *image = shu_image_new (width, height, 3);
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (int i = 0; i < 90; i++) {
    int x0 = g_rand_int_range (rand, -25, width);
    int y0 = g_rand_int_range (rand, -25, height);
    int w = g_rand_int_range (rand, 10, 110);
    int h = g_rand_int_range (rand, 10, 110);
    guint32 colour = g_rand_int (rand);

    for (int y = MAX (y0, 0); y < MIN (y0 + h, height); y++)
      for (int x = MAX (x0, 0); x < MIN (x0 + w, width); x++)
        for (int k = 0; k < 3; k++)
          image->data[(y * width + x) * 3 + k] = colour >> 8 * k & 255;
  }
  return image;
}

/* The model that ships says so where it is unsure, and of its sample not. */
static void
test_says_unsure (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder =
      g_build_filename (root, "examples/models/mini", NULL);
  g_autofree char *path =
      g_build_filename (root, "examples/images/generated-person.jpg", NULL);
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, &error);
  g_autoptr (GBytes) bytes = g_mapped_file_get_bytes (map);
  g_autoptr (ShuImage) person = shu_photo_decode (bytes, &error);
  g_autoptr (ShuImage) wall = clutter (300, 450);
  g_autoptr (ShuModel) m = shu_model_get (folder, "cpu", &error);
  const ShuImage *photos[] = {person, wall};

  g_assert_no_error (error);
  for (int i = 0; i < 2; i++) {
    g_autofree char *warning = NULL;
    g_autoptr (ShuImage) out =
        shu_stage_matting (m, photos[i], &warning, NULL, &error);

    g_assert_no_error (error);
    g_test_message ("%s", warning ? warning : "no warning");
    g_assert_true (
        (warning && strstr (warning, "hardly stands out")) == (i == 1));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/matting/passes_cutouts", test_passes_alpha);
  g_test_add_func ("/stages/matting/drops_faint", test_drops_faint);
  g_test_add_func (
      "/stages/matting/cuts_out_rectangles", test_cuts_out_rectangles);
  g_assert_cmpint (argc, ==, 2);
  root = argv[1];
  g_test_add_func ("/stages/matting/says_where_unsure", test_says_unsure);
  return g_test_run ();
}
