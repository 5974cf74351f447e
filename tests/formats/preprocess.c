/* SPDX-License-Identifier: MIT */
/* Pictures for the networks: hashes are those of the reference's code (Pillow
 * 9.4, NumPy) on the same cut-outs. */
#include "fixtures.h"
#include "base/error.h"
#include "base/postprocess.h"
#include "formats/preprocess.h"
#include <math.h>
#include <string.h>

typedef struct {
  int width, height, side, condition_side;
  ShuBox box;
  guint64 body, face, condition;
} Row;

/* clang-format off */
static const Row rows[] = {
    {93, 141, 192, 126, {39, 56, 54, 85},
        G_GUINT64_CONSTANT (0x21177f67c5d216ca),
        G_GUINT64_CONSTANT (0x143c1400f150f870),
        G_GUINT64_CONSTANT (0xcfa56ca4b21ce4b0)},
    {160, 90, 96, 70, {70, 34, 90, 56},
        G_GUINT64_CONSTANT (0x736547fc3f6e351d),
        G_GUINT64_CONSTANT (0x8c0137070351ceea),
        G_GUINT64_CONSTANT (0x9bb3c2e67130b9d6)},
    {61, 300, 72, 84, {24, 129, 37, 171},
        G_GUINT64_CONSTANT (0x5c6017855d1bd51c),
        G_GUINT64_CONSTANT (0x6c67308c34f6d23a),
        G_GUINT64_CONSTANT (0x084334a292c6c8e1)},
};

/* clang-format on */

static ShuImage *
image_of (ShuCtx *c, ShuTensor *picture)
{
  ShuImage *image = shu_picture_to_image (c, picture, SHU_TRAFFIC_IMAGE);

  g_assert_nonnull (image);
  return image;
}

static void
test_row (gconstpointer data)
{
  const Row *r = data;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuImage) cutout = fixture_cutout (r->width, r->height);
  g_autoptr (ShuImage) body = NULL, face = NULL, front = NULL, condition = NULL;
  ShuSubject s;

  g_assert_true (shu_preprocess (
      c, shu_picture_from_image (c, cutout), r->side, r->condition_side, &s));
  body = image_of (c, s.body);
  face = image_of (c, s.face);
  front = image_of (c, s.front);
  condition = image_of (c, s.condition);
  g_assert_cmpmem (&s.body_box, sizeof (ShuBox), &r->box, sizeof (ShuBox));
  g_assert_cmpuint (fixture_hash (body), ==, r->body);
  g_assert_cmpuint (fixture_hash (face), ==, r->face);
  g_assert_cmpuint (fixture_hash (condition), ==, r->condition);
  g_assert_cmpfloat (s.coverage, >, 0);
  g_assert_cmpfloat (s.coverage, <, 0.5);
  for (gsize i = 0; i < shu_image_size (body); i++)
    g_assert_cmpint (ABS (front->data[i] - body->data[i]), <=, 1);
}

/* That @cutout is refused with @code. */
static void
expect_refused (const ShuImage *cutout, int code)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (GError) error = NULL;
  ShuSubject s;

  g_assert_false (
      shu_preprocess (c, shu_picture_from_image (c, cutout), 96, 70, &s));
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, code);
}

/* A picture with a filled box of the given alpha. */
static ShuImage *
box_cutout (int width, int height, ShuBox box, guint8 alpha)
{
  ShuImage *image = shu_image_new (width, height, 4);

  for (int y = box.y0; y < box.y1; y++)
    for (int x = box.x0; x < box.x1; x++)
      memset (image->data + ((gsize) y * width + x) * 4, alpha, 4);
  return image;
}

static void
test_rejections (void)
{
  static const struct {
    int width, height;
    ShuBox box;
    guint8 alpha;
  } bad[] = {
      {40, 30, {0, 0, 0, 0}, 0},        /* nobody */
      {40, 30, {5, 5, 20, 20}, 204},    /* nothing solid */
      {40, 30, {5, 5, 6, 20}, 255},     /* one column */
      {40, 30, {5, 5, 20, 6}, 255},     /* one row */
      {40, 30, {5, 5, 7, 7}, 255},      /* half is 0 */
      {1, 1, {0, 0, 1, 1}, 255},        /* one pixel */
      {3000, 10, {0, 3, 3000, 5}, 255}, /* height becomes 0 */
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (ShuImage) cutout =
        box_cutout (bad[i].width, bad[i].height, bad[i].box, bad[i].alpha);

    expect_refused (cutout, SHU_ERROR_NO_PERSON);
  }
}

static void
test_rgb_is_refused (void)
{
  g_autoptr (ShuImage) rgb = fixture_ramp (30, 30);

  expect_refused (rgb, SHU_ERROR_INVALID);
}

/* 768 / 47 * 47 truncates to 767. */
static void
test_side_may_be_short (void)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuImage) cutout =
      box_cutout (60, 60, (ShuBox){3, 4, 3 + 21, 4 + 48}, 255);
  g_autoptr (ShuImage) canvas = image_of (
      c, shu_body_canvas (c, shu_picture_from_image (c, cutout), 768, NULL));
  const guint8 *last = canvas->data + (767 * 768 + 384) * 4;

  g_assert_cmpint (canvas->data[384 * 4 + 3], ==, 255);
  g_assert_cmpint (last[3], ==, 0);
  g_assert_cmpint (last[3 - 768 * 4], ==, 255);
}

static void
test_has_alpha (void)
{
  g_autoptr (ShuImage) rgb = fixture_ramp (8, 8);
  g_autoptr (ShuImage) rgba = box_cutout (8, 8, (ShuBox){0, 0, 8, 8}, 255);

  g_assert_false (shu_image_has_alpha (rgb));
  g_assert_cmpfloat (shu_image_coverage (rgb), ==, 1);
  g_assert_false (shu_image_has_alpha (rgba));
  g_assert_cmpfloat (shu_image_coverage (rgba), ==, 1);
  rgba->data[4 * 63 + 3] = 0;
  g_assert_true (shu_image_has_alpha (rgba));
  g_assert_cmpfloat_with_epsilon (shu_image_coverage (rgba), 63 / 64., 1e-12);
}

/* The long side is 1023 where the product falls below 1024. */
static void
test_matting_picture (void)
{
  static const int sizes[][4] = {{1024, 700, 1024, 700}, {1122, 620, 1023, 565},
      {2048, 100, 1024, 50}, {90, 320, 90, 320}, {2, 4000, 1, 1024}};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (ShuImage) photo = shu_image_new (sizes[i][0], sizes[i][1], 4);
    g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
    g_autoptr (ShuImage) picture = image_of (
        c, shu_matting_picture (c, shu_picture_from_image (c, photo)));

    g_assert_cmpint (picture->width, ==, sizes[i][2]);
    g_assert_cmpint (picture->height, ==, sizes[i][3]);
    g_assert_cmpint (picture->n_channels, ==, 3);
  }
}

static void
matting_input (const ShuImage *picture, float *ret)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);

  g_assert_true (shu_to_host (
      c, shu_matting_input (c, shu_picture_from_image (c, picture), 32), ret));
}

static void
test_matting_input (void)
{
  g_autoptr (ShuImage) picture = shu_image_new (10, 10, 3);
  g_autofree float *v = g_new (float, 32 * 32 * 3);

  matting_input (picture, v); /* black: no division by zero */
  g_assert_cmpfloat_with_epsilon (v[0], -0.485 / 0.229, 1e-6);
  memset (picture->data, 100, 300);
  matting_input (picture, v); /* the largest byte becomes 1 */
  g_assert_cmpfloat_with_epsilon (v[0], (1 - 0.485) / 0.229, 1e-6);
  g_assert_cmpfloat_with_epsilon (v[1], (1 - 0.456) / 0.224, 1e-6);
  g_assert_cmpfloat_with_epsilon (v[2], (1 - 0.406) / 0.225, 1e-6);
}

/* (transfer full): NULL with an error */
static ShuImage *
matting_mask (const float *values, int side, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  ShuTensor *p =
      shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, side, side, 1), values);
  ShuMaskMeasures m;
  ShuImage *image;

  g_assert_true (
      shu_mask_measure (c, p, NULL, &(ShuBox){0, 0, side, side}, 0, &m));
  image =
      shu_picture_to_image (c, shu_matting_mask (c, p, &m), SHU_TRAFFIC_IMAGE);
  shu_ctx_finish (c, error);
  return image;
}

static void
test_matting_mask (void)
{
  float p[] = {0.25f, 0.5f, 0.75f, 0.375f};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuImage) mask = matting_mask (p, 2, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (mask->data, 4, ((guint8[]){0, 127, 255, 63}), 4);
  p[0] = p[1] = p[2] = p[3];
  g_assert_null (matting_mask (p, 2, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON);
  g_clear_error (&error);
  p[1] = NAN;
  g_assert_null (matting_mask (p, 2, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

static void
test_matting_cutout (void)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuImage) picture = shu_image_new (2, 1, 3);
  g_autoptr (ShuImage) mask = shu_image_new (2, 1, 1);
  g_autoptr (ShuImage) cutout = NULL;

  memset (picture->data, 200, 6);
  mask->data[0] = 210;
  mask->data[1] = 255;
  cutout =
      image_of (c, shu_matting_cutout (c, shu_picture_from_image (c, picture),
                       shu_picture_from_image (c, mask)));
  g_assert_cmpmem (
      cutout->data, 8, ((guint8[]){200, 200, 200, 210, 200, 200, 200, 255}), 8);
}

static void
test_crop_pads (void)
{
  g_autoptr (ShuImage) image = fixture_noise (4, 3, 3, 1);
  g_autoptr (ShuImage) crop = shu_image_crop (image, &(ShuBox){-2, -1, 6, 5});
  g_autoptr (ShuImage) outside =
      shu_image_crop (image, &(ShuBox){10, 10, 12, 12});

  for (int y = 0; y < 6; y++)
    for (int x = 0; x < 8; x++) {
      gboolean inside = x >= 2 && x < 6 && y >= 1 && y < 4;

      for (int c = 0; c < 3; c++)
        g_assert_cmpint (crop->data[(y * 8 + x) * 3 + c], ==,
            inside ? image->data[((y - 1) * 4 + x - 2) * 3 + c] : 0);
    }
  for (int i = 0; i < 12; i++)
    g_assert_cmpint (outside->data[i], ==, 0);
}

static void
test_levels_survive_saving (void)
{
  g_autoptr (ShuImage) odd = NULL;
  float v[3 * 256];

  for (int i = 0; i < 768; i++)
    v[i] = (i / 3) / 255.0f;
  for (int half = 0; half < 2; half++) {
    g_autoptr (ShuImage) image = shu_view_to_image (v, 16, 16, half);

    for (int i = 0; i < 768; i++)
      g_assert_cmpint (image->data[i], ==, i / 3);
  }
  v[0] = NAN;
  v[1] = 7;
  v[2] = -7;
  odd = shu_view_to_image (v, 1, 1, TRUE);
  g_assert_cmpmem (odd->data, 3, ((guint8[]){0, 255, 0}), 3);
}

static void
test_face_paste (void)
{
  enum { S = 12 };

  g_autofree float *front = g_new0 (float, S *S * 3);
  g_autofree float *face = g_new (float, S *S * 3);

  for (int i = 0; i < S * S * 3; i++)
    face[i] = i + 1;
  shu_view_paste_face (front, face, S);
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      gboolean pasted = y < S / 3 && x >= S / 3 && x < 2 * S / 3;
      int from = ((3 * y + 1) * S + 3 * (x - S / 3) + 1) * 3;

      g_assert_cmpfloat (front[(y * S + x) * 3], ==, pasted ? from + 1 : 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strdup_printf ("/formats/preprocess/equals_reference/%dx%d",
            rows[i].width, rows[i].height);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/formats/preprocess/rejects_nobody", test_rejections);
  g_test_add_func ("/formats/preprocess/rejects_rgb", test_rgb_is_refused);
  g_test_add_func (
      "/formats/preprocess/side_may_be_short", test_side_may_be_short);
  g_test_add_func ("/formats/preprocess/sees_alpha", test_has_alpha);
  g_test_add_func ("/formats/preprocess/crop_pads", test_crop_pads);
  g_test_add_func ("/formats/matting/picture_size", test_matting_picture);
  g_test_add_func ("/formats/matting/input", test_matting_input);
  g_test_add_func ("/formats/matting/mask", test_matting_mask);
  g_test_add_func ("/formats/matting/cutout", test_matting_cutout);
  g_test_add_func (
      "/formats/postprocess/levels_survive", test_levels_survive_saving);
  g_test_add_func ("/formats/postprocess/pastes_face", test_face_paste);
  return g_test_run ();
}
