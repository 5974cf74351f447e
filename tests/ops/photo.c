/* SPDX-License-Identifier: MIT */
/* Steps of photos: pictures in which one can say what must come out, and the
 * same bits on every device. */
#include "harness.h"
#include "ops/photo.h"
#include <math.h>
#include <string.h>

static guint32 noise;

static guint32
next (void)
{
  noise = noise * 1664525 + 1013904223;
  return noise >> 8;
}

static ShuTensor *
plane_new (ShuCtx *c, ShuDType dtype, int S, int C)
{
  return host_tensor (c, dtype, C > 1 ? 3 : 2, (const gint64[]){S, S, C});
}

/* ---- background ---- */

/* A grey level for each letter */
static ShuTensor *
paint (ShuCtx *c, const char *const *rows, int S, const char *letters,
    const float *levels)
{
  ShuTensor *t = plane_new (c, SHU_DTYPE_F32, S, 3);

  for (int i = 0; i < 3 * S * S; i++)
    ((float *) t->data)[i] =
        levels[strchr (letters, rows[i / 3 / S][i / 3 % S]) - letters];
  return t;
}

/* White (.) within the mask that is connected with the outside (o) goes, up to
 * some steps; white that dark colours (#) shut in stays. */
static void
test_background (void)
{
  static const char *const rows[] = {
      "oooooooooo",
      "o..####..o",
      "o..#..#..o",
      "o..####..o",
      "o........o",
      "o........o",
      "o........o",
      "o###..###o",
      "o#......#o",
      "oooooooooo",
  };
  static const float levels[] = {255, 252, 100};

  for (int reach = 0; reach < 12; reach++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    ShuTensor *rgb = paint (c, rows, 10, "o.#", levels);
    ShuTensor *person = plane_new (c, SHU_DTYPE_U8, 10, 1), *y;
    int steps[100], n_wrong = 0;

    for (int i = 0; i < 100; i++) {
      ((guint8 *) person->data)[i] = rows[i / 10][i % 10] != 'o';
      steps[i] = rows[i / 10][i % 10] == 'o' ? 0 : 99;
    }
    for (int round = 0; round < 20; round++)
      for (int i = 11; i < 89; i++)
        if (rows[i / 10][i % 10] == '.')
          steps[i] =
              MIN (steps[i], 1 + MIN (MIN (steps[i - 1], steps[i + 1]),
                                     MIN (steps[i - 10], steps[i + 10])));
    y = to_host (c, shu_photo_background (c, rgb, person, reach));
    for (int i = 0; i < 100; i++)
      n_wrong += (steps[i] <= reach) != ((guint8 *) y->data)[i];
    g_assert_cmpint (n_wrong, ==, 0);
  }
}

/* What the background is as white as follows most of it. */
static void
test_background_level (void)
{
  static const struct {
    float outside, inside;
    gboolean goes;
  } rows[] = {{255, 242, TRUE}, {255, 238, FALSE}, {246, 233, TRUE},
      {246, 229, FALSE}, {120, 235, TRUE}, {120, 225, FALSE}};

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    ShuTensor *rgb = plane_new (c, SHU_DTYPE_F32, 40, 3), *y;
    ShuTensor *person = plane_new (c, SHU_DTYPE_U8, 40, 1);

    for (int k = 0; k < 1600; k++) {
      gboolean in = k % 40 > 9 && k % 40 < 30;
      ((guint8 *) person->data)[k] = in;
      for (int j = 0; j < 3; j++)
        ((float *) rgb->data)[3 * k + j] = in ? rows[i].inside + (float) j
                                           : k % 15 == 0 ? 20
                                                         : rows[i].outside;
    }
    y = to_host (c, shu_photo_background (c, rgb, person, 3));
    g_assert_cmpint (((guint8 *) y->data)[400 + 9], ==, 1);
    g_assert_cmpint (((guint8 *) y->data)[400 + 12], ==, rows[i].goes);
    g_assert_cmpint (((guint8 *) y->data)[400 + 13], ==, 0);
  }
}

/* ---- shares ---- */

/* Columns that are more and more the colour of the right border */
static void
test_shares (void)
{
  enum { S = 40 };

  static const float color[3] = {40, 120, 90};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *rgb = plane_new (c, SHU_DTYPE_F32, S, 3);
  ShuTensor *depth = plane_new (c, SHU_DTYPE_F32, S, 1);
  ShuTensor *from = plane_new (c, SHU_DTYPE_I32, S, 1);
  guint32 counts[SHU_PHOTO_DEPTHS][SHU_PHOTO_LEVELS];

  for (int i = 0; i < S * S; i++) {
    int x = i % S;
    float share = (float) MIN (x, 25) / 25;

    ((float *) depth->data)[i] = (float) x;
    ((gint32 *) from->data)[i] = x > 30 ? i : i / S * S + 35;
    for (int k = 0; k < 3; k++)
      ((float *) rgb->data)[3 * i + k] = 255 - share * (255 - color[k]);
  }
  g_assert_true (shu_photo_count_shares (c, rgb, depth, from, counts[0]));
  for (int d = 0; d < SHU_PHOTO_DEPTHS; d++)
    for (int l = 0; l < SHU_PHOTO_LEVELS; l++) {
      int x = d / 2;
      gboolean there = d % 2 == 0 && x >= 1 && x <= 30 && l == 2 * MIN (x, 25);
      g_assert_cmpuint (counts[d][l], ==, there ? S : 0);
    }
}

/* ---- pixels ---- */

static float
plane_at (ShuCtx *c, ShuTensor *t, int i)
{
  return (float) at (to_host (c, t), i);
}

static void
test_pictures (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *picture = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (9, 9, 3)), *grey;
  ShuPhotoJob job = {.picture = picture, .mirror = TRUE, .level = 230};
  const guint8 *mask;

  memset (picture->data, 240, 243);
  for (int k = 0; k < 3; k++)
    ((guint8 *) picture->data)[3 * 9 + k] = (guint8) (10 * k); /* (0, 1) */
  ((guint8 *) picture->data)[3 * 20 + 2] = 229;
  g_assert_true (shu_photo_step (c, SHU_PHOTO_COLORS, &job));
  for (int k = 0; k < 3; k++)
    g_assert_cmpfloat (plane_at (c, job.colors, 3 * 17 + k), ==, 10 * k);
  g_assert_true (shu_photo_step (c, SHU_PHOTO_BELOW, &job));
  mask = to_host (c, job.mask)->data;
  for (int i = 0; i < 81; i++)
    g_assert_cmpint (mask[i], ==, i == 17 || i == 24);
  grey = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (2, 2, 1));
  memcpy (grey->data, "\0\377\63\1", 4);
  job = (ShuPhotoJob){.picture = grey};
  g_assert_true (shu_photo_step (c, SHU_PHOTO_SHARES, &job));
  g_assert_cmpfloat (plane_at (c, job.plane, 1), ==, 1);
  g_assert_cmpfloat (plane_at (c, job.plane, 2), ==, 0.2f);
}

/* A stripe of a colour, whose outermost pixels are half white, and a thin one
 * that is nothing but such pixels */
static void
test_white_is_taken_out (void)
{
  enum { S = 30 };

  static const float color[3] = {20, 60, 100};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *rgb = plane_new (c, SHU_DTYPE_F32, S, 3);
  ShuTensor *depth = plane_new (c, SHU_DTYPE_F32, S, 1);
  ShuTensor *share = plane_new (c, SHU_DTYPE_F32, S, 1);
  ShuPhotoJob sure = {.rgb = rgb, .depth = depth, .share = share};
  ShuPhotoJob pure = {.share = share};
  const guint8 *set;

  for (int i = 0; i < S * S; i++) {
    int x = i % S;
    float d = x >= 5 && x < 15 ? MIN (x - 4, 15 - x) : x == 20;

    ((float *) depth->data)[i] = d;
    ((float *) share->data)[i] = d > 1 ? 1 : d > 0 ? 0.6f : 0;
    for (int k = 0; k < 3; k++)
      ((float *) rgb->data)[3 * i + k] =
          255 - ((float *) share->data)[i] * (255 - color[k]);
  }
  g_assert_true (shu_photo_step (c, SHU_PHOTO_SURE, &sure));
  set = to_host (c, sure.sure)->data;
  for (int x = 0; x < S; x++)
    g_assert_cmpint (set[10 * S + x], ==, (x >= 6 && x < 14) || x == 20);
  pure.rgb = sure.colors;
  pure.set = sure.mask;
  pure.from = shu_plane_find_nearest (c, sure.sure, 0, NULL);
  g_assert_true (shu_photo_step (c, SHU_PHOTO_PURE, &pure));
  set = to_host (c, pure.mask)->data;
  for (int x = 0; x < S; x++) {
    gboolean in = (x >= 5 && x < 15) || x == 20;

    g_assert_cmpint (set[10 * S + x], ==, in);
    for (int k = 0; k < 3 && in; k++)
      g_assert_cmpfloat_with_epsilon (
          plane_at (c, pure.colors, 3 * (10 * S + x) + k), color[k], 0.001);
  }
}

/* A step in depth between columns 9 and 10, and nothing from 20 on */
static void
test_open (void)
{
  enum { S = 24 };

  for (int sign = -1; sign <= 1; sign += 2) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    ShuTensor *depth = plane_new (c, SHU_DTYPE_F32, S, 1);
    ShuPhotoJob edge = {.depth = depth, .amount = 0.1f * (float) sign};
    ShuPhotoJob open = {.depth = depth, .amount = edge.amount, .reach = 4};

    for (int i = 0; i < S * S; i++)
      ((float *) depth->data)[i] = i % S < 10   ? 1
                                   : i % S < 20 ? 1.5f
                                                : G_MAXFLOAT;
    g_assert_true (shu_photo_step (c, SHU_PHOTO_EDGE, &edge));
    open.from = shu_plane_find_nearest (c, edge.mask, 5, NULL);
    g_assert_true (shu_photo_step (c, SHU_PHOTO_OPEN, &open));
    for (int x = 0; x < S; x++) {
      float far = sign > 0 ? x - 9 : 10 - x;
      float want = far < 1 || far > 4 ? 1 : MAX (0.001f, (far - 1) / 4);

      g_assert_cmpint (((guint8 *) to_host (c, edge.mask)->data)[5 * S + x], ==,
          x == (sign > 0 ? 9 : 10));
      g_assert_cmpfloat_with_epsilon (
          plane_at (c, open.plane, 5 * S + x), want, 1e-6);
    }
  }
}

/* A face that is the front, but for a constant */
static void
test_lack (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *front = plane_new (c, SHU_DTYPE_F32, 36, 3);
  ShuTensor *face = plane_new (c, SHU_DTYPE_F32, 36, 3);
  ShuPhotoJob job = {.rgb = face, .rgb2 = front};

  for (int i = 0; i < 3 * 36 * 36; i++) {
    float x = (float) (i / 3 % 36), y = (float) (i / 3 / 36);

    ((float *) front->data)[i] = 2 * x + 3 * y;
    ((float *) face->data)[i] = 2 * ((x + 0.5f) / 3 + 11.5f) + y + 0.5f;
  }
  g_assert_true (shu_photo_step (c, SHU_PHOTO_LACK, &job));
  for (int i = 2 * 36 + 2; i < 36 * 34; i++)
    if (i % 36 >= 2)
      g_assert_cmpfloat_with_epsilon (
          plane_at (c, job.colors, 3 * i), -1.5, 1e-3);
}

/* ---- every device ---- */

/* Random operands: the CPU's bits */
static void
test_same_bits (void)
{
  enum { S = 77, N = S * S };

  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  ShuPhotoJob job = {
      .picture = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (S, S, 3)),
      .rgb = plane_new (c, SHU_DTYPE_F32, S, 3),
      .rgb2 = plane_new (c, SHU_DTYPE_F32, S, 3),
      .depth = plane_new (c, SHU_DTYPE_F32, S, 1),
      .share = plane_new (c, SHU_DTYPE_F32, S, 1),
      .other = plane_new (c, SHU_DTYPE_F32, S, 1),
      .from = plane_new (c, SHU_DTYPE_I32, S, 1),
      .set = plane_new (c, SHU_DTYPE_U8, S, 1)};
  guint32 counts[2][SHU_PHOTO_DEPTHS * SHU_PHOTO_LEVELS];
  ShuTensor *y[2];

  noise = 5;
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) {
      ((guint8 *) job.picture->data)[3 * i + k] = (guint8) next ();
      ((float *) job.rgb->data)[3 * i + k] = (float) (next () % 65281) / 256;
      ((float *) job.rgb2->data)[3 * i + k] =
          MIN (255, ((float *) job.rgb->data)[3 * i + k] + 20);
    }
    ((float *) job.depth->data)[i] =
        i % 50 == 0 ? G_MAXFLOAT : (float) (next () % 4000) / 100;
    ((float *) job.share->data)[i] = (float) (next () % 5001) / 5000;
    ((float *) job.other->data)[i] = (float) (next () % 5001) / 5000;
    ((gint32 *) job.from->data)[i] = (gint32) (next () % (N + 1)) - 1;
    ((guint8 *) job.set->data)[i] = next () % 3 == 0;
  }
  for (int step = 0; step < SHU_PHOTO_N_STEPS; step++)
    for (int sign = -1; sign <= 1; sign += 2) {
      ShuPhotoJob a = job, b;

      a.amount = 0.37f * (float) sign;
      a.reach = 5.3f;
      a.level = 130;
      a.mirror = sign > 0;
      if (step == SHU_PHOTO_SHARES)
        a.picture = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (S, S, 1));
      if (step == SHU_PHOTO_SHARES)
        memcpy (a.picture->data, job.picture->data, N);
      b = a;
      g_assert_true (shu_photo_step (c, step, &a));
      g_assert_true (shu_photo_step (cpu, step, &b));
      ShuTensor *const got[] = {a.colors, a.plane, a.mask, a.sure};
      ShuTensor *const want[] = {b.colors, b.plane, b.mask, b.sure};
      for (int k = 0; k < 4; k++)
        if (want[k] && memcmp (to_host (c, got[k])->data, want[k]->data,
                           shu_tensor_bytes (want[k])) != 0)
          g_error ("step %d, result %d: not the CPU's bits", step, k);
    }
  for (int i = 0; i < 2; i++) {
    ShuCtx *on = i ? c : cpu;

    shu_photo_count_shares (on, job.rgb, job.depth, job.from, counts[i]);
    y[i] = shu_photo_background (on, job.rgb2, job.set, 9);
  }
  g_assert_cmpmem (counts[0], sizeof counts[0], counts[1], sizeof counts[1]);
  g_assert_cmpmem (to_host (c, y[1])->data, N, y[0]->data, N);
}

static void
test_errors (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *small = plane_new (c, SHU_DTYPE_F32, 4, 3);
  ShuTensor *large = plane_new (c, SHU_DTYPE_F32, 5, 3);
  ShuPhotoJob job = {.rgb = small};

  g_assert_false (shu_photo_step (c, SHU_PHOTO_TAKE, &job));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "photo_step", "8192");
  job = (ShuPhotoJob){.picture = small};
  g_assert_false (shu_photo_step (c, SHU_PHOTO_COLORS, &job));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "photo_step", "[4,4,3] f32");
  job = (ShuPhotoJob){
      .rgb = small, .rgb2 = large, .set = plane_new (c, SHU_DTYPE_U8, 4, 1)};
  g_assert_false (shu_photo_step (c, SHU_PHOTO_KEEP, &job));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "photo_step");
  shu_photo_background (c, large, job.set, 3);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "photo_background", "[5,5,3]");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/photo/background", test_background);
  test_add ("/ops/photo/background_level", test_background_level);
  test_add ("/ops/photo/shares", test_shares);
  test_add ("/ops/photo/pictures", test_pictures);
  test_add ("/ops/photo/white_is_taken_out", test_white_is_taken_out);
  test_add ("/ops/photo/open", test_open);
  test_add ("/ops/photo/lack", test_lack);
  test_add ("/ops/photo/same_bits", test_same_bits);
  test_add ("/ops/photo/errors", test_errors);
  return g_test_run ();
}
