/* SPDX-License-Identifier: MIT */
/* Pictures: every device gives the bytes of the functions for pictures in host
 * memory; and what is copied is counted. */
#include "harness.h"
#include "base/postprocess.h"
#include "ops/pictures.h"
#include <math.h>
#include <string.h>

static guint32 noise;

static guint32
next (void)
{
  noise = noise * 1664525 + 1013904223;
  return noise >> 8;
}

/* Noise over a slope; alpha is often 0 or 255. */
static ShuImage *
picture (int width, int height, int C)
{
  ShuImage *image = shu_image_new (width, height, C);
  gsize n = shu_image_size (image);

  noise = (guint32) (width * 31 + height * 7 + C);
  for (gsize i = 0; i < n; i++) {
    guint32 r = next ();

    image->data[i] = (guint8) (r % 64 + i * 191 / n);
    if (C == 4 && i % 4 == 3)
      image->data[i] = r % 3 == 0 ? 0 : r % 3 == 1 ? 255 : (guint8) (r >> 4);
  }
  return image;
}

static void
expect_same (const char *what, ShuCtx *c, ShuTensor *got, ShuImage *want)
{
  g_autoptr (ShuImage) image = shu_picture_to_image (c, got, SHU_TRAFFIC_IMAGE);
  g_autoptr (ShuImage) owned = want;
  g_autoptr (GError) error = NULL;

  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  g_assert_cmpint (image->width, ==, want->width);
  g_assert_cmpint (image->height, ==, want->height);
  g_assert_cmpint (image->n_channels, ==, want->n_channels);
  for (gsize i = 0; i < shu_image_size (want); i++)
    if (image->data[i] != want->data[i])
      g_error ("%s: byte %zu is %d, expected %d", what, i, image->data[i],
          want->data[i]);
}

static void
test_resize (void)
{
  static const int sizes[][4] = {{1, 1, 5, 3}, {7, 5, 7, 9}, {7, 5, 3, 5},
      {64, 48, 33, 17}, {33, 17, 64, 48}, {301, 203, 24, 336},
      {1000, 30, 1, 1}};
  g_autoptr (ShuCtx) c = context_new ();

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int C = 1; C <= 4; C += C == 1 ? 2 : 1)
      for (int f = SHU_FILTER_BICUBIC; f <= SHU_FILTER_LANCZOS; f++) {
        SHU_SCOPE (c);
        g_autoptr (ShuImage) x = picture (sizes[i][0], sizes[i][1], C);
        g_autofree char *what =
            g_strdup_printf ("resize row %u, %d channels, filter %d", i, C, f);

        expect_same (what, c,
            shu_picture_resize (
                c, shu_picture_from_image (c, x), sizes[i][2], sizes[i][3], f),
            shu_image_resize (x, sizes[i][2], sizes[i][3], f));
      }
}

static void
test_crop (void)
{
  static const ShuBox boxes[] = {{0, 0, 1, 1}, {3, 2, 20, 15}, {-4, -3, 5, 6},
      {20, 10, 40, 30}, {-5, -5, 35, 28}, {50, 50, 53, 51}};
  g_autoptr (ShuCtx) c = context_new ();

  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    for (int C = 1; C <= 4; C += C == 1 ? 2 : 1) {
      SHU_SCOPE (c);
      g_autoptr (ShuImage) x = picture (31, 23, C);

      expect_same ("crop", c,
          shu_picture_crop (c, shu_picture_from_image (c, x), &boxes[i]),
          shu_image_crop (x, &boxes[i]));
    }
}

static void
test_flatten (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = picture (301, 203, 4);
  ShuTensor *t = shu_picture_from_image (c, x);
  g_autofree float *v = g_new (float, 301 * 203 * 3);

  expect_same ("on white", c, shu_picture_flatten (c, t, 1, FALSE),
      shu_image_flatten (x, 1));
  expect_same ("on black", c, shu_picture_flatten (c, t, 0, FALSE),
      shu_image_flatten (x, 0));
  shu_composite (x, 1, v);
  expect_same ("saved", c, shu_picture_flatten (c, t, 1, TRUE),
      shu_view_to_image (v, 301, 203, TRUE));
}

/* Values that f16 holds, some beyond the range */
static void
test_from_view (void)
{
  enum { S = 48 };

  g_autoptr (ShuCtx) c = context_new ();
  g_autofree float *v = g_new (float, S *S * 3),
                   *face = g_new (float, S *S * 3);
  ShuTensor *front, *close;

  noise = 1;
  for (int i = 0; i < S * S * 3; i++) {
    v[i] = (float) ((int) (next () % 2600) - 1300) / 1024;
    face[i] = (float) ((int) (next () % 2600) - 1300) / 1024;
  }
  front = shu_picture_from_view (
      c, shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 3), v));
  close = shu_picture_from_view (
      c, shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 3), face));
  shu_view_denormalize (v, S * S * 3);
  shu_view_denormalize (face, S * S * 3);
  expect_same ("view", c, front, shu_view_to_image (v, S, S, FALSE));
  shu_view_paste_face (v, face, S);
  expect_same ("face", c, shu_picture_paste_face (c, front, close),
      shu_view_to_image (v, S, S, FALSE));
}

static void
test_normalize (void)
{
  static const double mean[] = {0.485, 0.456, 0.406};
  static const double std[] = {0.229, 0.224, 0.225};
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = picture (37, 19, 3);
  ShuTensor *y =
      shu_picture_normalize (c, shu_picture_from_image (c, x), 251, mean, std);
  double *want = reference_new (y);

  for (gsize i = 0; i < y->n; i++)
    want[i] = (x->data[i] / 251. - mean[i % 3]) / std[i % 3];
  check_nmse (c, "normalize", y, want, 1e-12);
}

static void
test_measure (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = shu_image_new (300, 200, 4);
  ShuBox box = {41, 20, 60, 30};
  ShuPictureMeasures m;

  g_assert_true (shu_picture_measure (c, shu_picture_from_image (c, x), 1, &m));
  g_assert_cmpint (m.box.x1, ==, -1);
  g_assert_cmpuint (m.sum, ==, 0);
  g_assert_cmpint (m.max, ==, 0);
  x->data[0] = 9;
  for (int v = 20; v < 31; v++)
    for (int u = 40; u < 61; u++)
      x->data[4 * (v * 300 + u) + 3] = (guint8) (u == 40 ? 204 : 205);
  g_assert_true (
      shu_picture_measure (c, shu_picture_from_image (c, x), 205, &m));
  g_assert_cmpmem (&m.box, sizeof m.box, &box, sizeof box);
  g_assert_cmpuint (m.sum, ==, 11 * (204 + 20 * 205));
  g_assert_cmpint (m.min, ==, 0);
  g_assert_cmpint (m.max, ==, 205);
}

static void
test_window (void)
{
  static const ShuBox boxes[] = {
      {-7, -9, 40, 33}, {3, 2, 20, 15}, {30, 22, 31, 23}};
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = picture (31, 23, 3);

  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    for (int mirror = 0; mirror < 2; mirror++) {
      SHU_SCOPE (c);
      const ShuBox *b = &boxes[i];
      int w = b->x1 - b->x0, h = b->y1 - b->y0;
      ShuImage *want = shu_image_new (w, h, 3);

      for (int v = 0; v < h; v++)
        for (int u = 0; u < w; u++) {
          int from_v = CLAMP (b->y0 + v, 0, 22);
          int from_u = CLAMP (b->x0 + (mirror ? w - 1 - u : u), 0, 30);

          memcpy (want->data + 3 * (v * w + u),
              x->data + 3 * (from_v * 31 + from_u), 3);
        }
      expect_same ("window", c,
          shu_picture_window (c, shu_picture_from_image (c, x), b, mirror),
          want);
    }
}

/* Blobs, crumbs, a spiral whose ends meet late, haze */
static ShuImage *
mask_picture (int side, int n_blobs, int radius)
{
  ShuImage *mask = shu_image_new (side, side, 1);

  noise = (guint32) (side + n_blobs);
  for (int i = 0; i < side * side; i++)
    mask->data[i] = next () % 100 == 0 ? 200 : (guint8) (next () % 26);
  for (int k = 0; k < n_blobs; k++) {
    int x = (int) (next () % (guint32) side),
        y = (int) (next () % (guint32) side);
    int r = 1 + (int) (next () % (guint32) radius);

    for (int v = MAX (y - r, 0); v < MIN (y + r, side); v++)
      for (int u = MAX (x - r, 0); u < MIN (x + r, side); u++)
        mask->data[v * side + u] = (guint8) (30 + next () % 226);
  }
  for (int t = 0; t < 4000; t++) {
    int x = (int) (side / 2 + t * side / 9000. * cos (t / 90.));
    int y = (int) (side / 2 + t * side / 9000. * sin (t / 90.));

    mask->data[y * side + x] = 255;
  }
  return mask;
}

static void
test_clean (void)
{
  static const int cases[][3] = {
      {64, 0, 1}, {64, 5, 4}, {200, 40, 12}, {513, 300, 9}, {1000, 20, 90}};
  g_autoptr (ShuCtx) c = context_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    SHU_SCOPE (c);
    g_autoptr (ShuImage) mask =
        mask_picture (cases[i][0], cases[i][1], cases[i][2]);
    ShuImage *want = shu_image_copy (mask);

    shu_image_clean (want);
    expect_same ("clean", c,
        shu_picture_clean (c, shu_picture_from_image (c, mask)), want);
  }
}

static void
test_cells (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = picture (101, 67, 4);
  guint32 got[17 * 12], want[17 * 12] = {0};
  gsize n, n_want = 0;

  for (int v = 0; v < 67; v++)
    for (int u = 0; u < 101; u++) {
      guint8 a = x->data[4 * (v * 101 + u) + 3];

      want[v / 6 * 17 + u / 6] += a;
      n_want += a >= 128;
    }
  g_assert_true (
      shu_picture_cells (c, shu_picture_from_image (c, x), 6, got, &n));
  g_assert_cmpmem (got, sizeof got, want, sizeof want);
  g_assert_cmpuint (n, ==, n_want);
}

/* Another picture within and beyond what is tolerated, where it is opaque */
static void
test_compare (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) x = picture (101, 67, 4), y = picture (101, 67, 3);
  gsize n, n_other, want = 0, want_other = 0;

  for (int i = 0; i < 101 * 67; i++) {
    int most = 0;

    for (int k = 0; k < 3; k++) {
      if (i % 5)
        y->data[3 * i + k] =
            (guint8) CLAMP (x->data[4 * i + k] + i % 25 - 12, 0, 255);
      most = MAX (most, ABS (y->data[3 * i + k] - x->data[4 * i + k]));
    }
    want += x->data[4 * i + 3] >= 200;
    want_other += x->data[4 * i + 3] >= 200 && most > 7;
  }
  g_assert_true (shu_picture_compare (c, shu_picture_from_image (c, x),
      shu_picture_from_image (c, y), 200, 7, &n, &n_other));
  g_assert_cmpuint (n, ==, want);
  g_assert_cmpuint (n_other, ==, want_other);
  g_assert_cmpuint (n_other, <, n);
}

static void
test_masks (void)
{
  enum { S = 60 };

  g_autoptr (ShuCtx) c = context_new ();
  float p[S * S], q[S * S];
  ShuBox box = {5, 7, 40, 61};
  ShuMaskMeasures m, want = {.lo = 1};
  ShuImage *picture = shu_image_new (S, S, 1);
  ShuTensor *a, *b;
  double *mean;

  noise = 3;
  for (int i = 0; i < S * S; i++) {
    p[i] = (float) (next () % 1025) / 1024;
    q[i] = (float) (next () % 1025) / 1024;
  }
  a = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 1), p);
  b = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 1), q);
  g_assert_true (shu_mask_measure (c, a, b, &box, 9, &m));
  mean = reference_new (a);
  for (int v = 0; v < S; v++)
    for (int u = 0; u < S; u++) {
      float x = p[v * S + u], y = q[v * S + S - 1 - u];

      mean[v * S + u] = (x + y) / 2;
      want.smaller += MIN (x, y);
      want.larger += MAX (x, y);
      want.lo = MIN (want.lo, x);
      want.hi = MAX (want.hi, x);
      want.n_row += v == 9 && x > 0.5f;
      if (u < box.x0 || u >= box.x1 || v < box.y0)
        continue;
      want.most = MAX (want.most, x);
      want.sum += x;
      want.doubt += 4 * x * (1 - x);
    }
  g_assert_true (m.finite);
  g_assert_cmpfloat (m.lo, ==, want.lo);
  g_assert_cmpfloat (m.hi, ==, want.hi);
  g_assert_cmpfloat (m.most, ==, want.most);
  g_assert_cmpint (m.n_row, ==, want.n_row);
  g_assert_cmpfloat_with_epsilon (m.sum, want.sum, 1e-6 * want.sum);
  g_assert_cmpfloat_with_epsilon (m.doubt, want.doubt, 1e-5 * want.doubt);
  g_assert_cmpfloat_with_epsilon (m.smaller, want.smaller, 1e-6 * want.sum);
  g_assert_cmpfloat_with_epsilon (m.larger, want.larger, 1e-6 * want.sum);
  check_nmse (c, "mean", shu_mask_mean (c, a, b), mean, 1e-12);
  for (int i = 0; i < S * S; i++)
    picture->data[i] =
        (guint8) (CLAMP ((p[i] - 0.125f) / 0.75f, 0.f, 1.f) * 255.f);
  expect_same ("mask", c, shu_mask_to_picture (c, a, 0.125f, 0.875f), picture);
  p[70] = NAN;
  a = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 1), p);
  g_assert_true (shu_mask_measure (c, a, NULL, &(ShuBox){0, 0, S, S}, 0, &m));
  g_assert_false (m.finite);
  g_assert_true (isinf (m.most));
}

static void
test_refuses (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuImage) rgb = picture (6, 6, 3), small = picture (3, 3, 3);
  ShuTensor *x = shu_picture_from_image (c, rgb);
  ShuTensor *y = shu_picture_from_image (c, small);

  shu_picture_flatten (c, x, 1, FALSE);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "picture_flatten", "[H,W,4]", "[6,6,3]");
  shu_picture_paste_face (c, x, y);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "picture_paste_face", "[3,3,3]");
  shu_picture_resize (c, x, 0, 4, SHU_FILTER_BICUBIC);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "picture_resize");
  shu_picture_crop (c, x, &(ShuBox){2, 2, 2, 4});
  CHECK_FAILS (c, SHU_ERROR_INVALID, "picture_crop");
  shu_picture_resize (
      c, shu_fill (c, SHU_DIMS (6, 6, 3), 0), 4, 4, SHU_FILTER_BICUBIC);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "picture_resize", "u8");
}

/* On a device that is none: copies are counted by kind, those that are made
 * once are made once. */
static void
test_traffic (void)
{
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  g_autoptr (ShuCtx) c = shu_ctx_new ("mock", NULL);
  g_autoptr (ShuImage) x = picture (10, 6, 4), back = NULL;
  g_autoptr (ShuTensor) host = NULL, again = NULL;
  g_autofree char *device = NULL;
  ShuTrafficCount image, count, tensor;
  ShuPictureMeasures m;
  ShuTensor *t;
  float v[4];

  shu_ctx_set_traffic (c, traffic);
  t = shu_picture_from_image (c, x);
  g_assert_false (shu_tensor_is_host (t));
  device = shu_tensor_device (t);
  g_assert_cmpstr (device, ==, "mock");
  shu_picture_measure (c, t, 1, &m);
  host = shu_tensor_to_host (t, traffic, SHU_TRAFFIC_IMAGE, NULL);
  again = shu_tensor_to_host (t, traffic, SHU_TRAFFIC_IMAGE, NULL);
  g_assert_cmpmem (host->data, host->n, x->data, shu_image_size (x));
  g_assert_true (host->data == again->data);
  shu_to_host (c, shu_fill (c, SHU_DIMS (4), 2), v);
  image = shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE);
  count = shu_traffic_get (traffic, SHU_TRAFFIC_COUNT);
  tensor = shu_traffic_get (traffic, SHU_TRAFFIC_TENSOR);
  g_assert_cmpuint (image.n_up, ==, 1);
  g_assert_cmpuint (image.up, ==, 240);
  g_assert_cmpuint (image.n_down, ==, 1);
  g_assert_cmpuint (image.down, ==, 240);
  g_assert_cmpuint (count.n_down, ==, 1);
  g_assert_cmpuint (tensor.down, ==, sizeof v);
  g_assert_cmpuint (tensor.n_up, ==, 0);
  g_assert_cmpstr (shu_traffic_kind_name (SHU_TRAFFIC_PREVIEW), ==, "preview");
}

/* A device's tensor is no operand of another's context, but can be brought. */
static void
test_between_devices (void)
{
  g_autoptr (ShuCtx) mock = shu_ctx_new ("mock", NULL);
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuImage) x = picture (8, 8, 3);
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  ShuTensor *there = shu_picture_from_image (mock, x), *here;

  shu_add (
      cpu, shu_fill (mock, SHU_DIMS (2), 1), shu_fill (cpu, SHU_DIMS (2), 1));
  CHECK_FAILS (cpu, SHU_ERROR_INVALID, "mock", "cpu");
  shu_ctx_set_traffic (cpu, traffic);
  here = shu_on_device (cpu, there, SHU_TRAFFIC_IMAGE);
  g_assert_true (shu_tensor_is_host (here));
  g_assert_cmpmem (here->data, here->n, x->data, shu_image_size (x));
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE).n_down, ==, 1);
  g_assert_true (shu_ctx_finish (cpu, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/pictures/resize", test_resize);
  test_add ("/ops/pictures/crop", test_crop);
  test_add ("/ops/pictures/flatten", test_flatten);
  test_add ("/ops/pictures/from_view", test_from_view);
  test_add ("/ops/pictures/normalize", test_normalize);
  test_add ("/ops/pictures/measure", test_measure);
  test_add ("/ops/pictures/window", test_window);
  test_add ("/ops/pictures/clean", test_clean);
  test_add ("/ops/pictures/cells", test_cells);
  test_add ("/ops/pictures/compare", test_compare);
  test_add ("/ops/pictures/masks", test_masks);
  test_add ("/ops/pictures/refuses", test_refuses);
  g_test_add_func ("/ops/pictures/traffic", test_traffic);
  g_test_add_func ("/ops/pictures/between_devices", test_between_devices);
  return g_test_run ();
}
