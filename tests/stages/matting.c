/* SPDX-License-Identifier: MIT */
/* Pictures with alpha: whose says who the person is, and whose does not. */
#include "fixtures.h"
#include "base/image.h"
#include <string.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/matting/passes_cutouts", test_passes_alpha);
  g_test_add_func ("/stages/matting/drops_faint", test_drops_faint);
  g_test_add_func (
      "/stages/matting/cuts_out_rectangles", test_cuts_out_rectangles);
  return g_test_run ();
}
