/* SPDX-License-Identifier: MIT */
/* Models from all sides: what is where, and that all of it is there. */
#include "../harness.h"
#include "formats/ply.h"
#include <math.h>
#include <string.h>

static ShuTurntable *
open_table (
    GBytes *glb, int width, int height, int n, double degrees, int background)
{
  ShuTurntableParams p = {width, height, n, degrees, background};
  g_autoptr (GError) error = NULL;
  ShuTurntable *table = shu_turntable_new (glb, &p, &error);

  g_assert_no_error (error);
  return table;
}

/* The box's sides are red, green, blue and yellow, from the front on. */
static char
side_at (const ShuImage *image, int x, int y)
{
  const guint8 *p =
      image->data + image->n_channels * ((gsize) y * image->width + x);

  return p[0] > 128   ? p[1] > 128 ? p[2] > 128 ? 'w' : 'y' : 'r'
         : p[1] > 128 ? 'g'
         : p[2] > 128 ? 'b'
                      : '?';
}

static void
sides_in_order (void)
{
  static const struct {
    double degrees;
    const char *order;
  } rows[] = {{360, "rgby"}, {-360, "rybg"}, {720, "rbrb"}, {0, "rrrr"}};

  g_autoptr (GBytes) glb = harness_glb ();

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    g_autoptr (ShuTurntable) t =
        open_table (glb, 64, 64, 4, rows[r].degrees, 0xffffff);
    g_autoptr (ShuImage) sheet = shu_turntable_sheet (t, 3, NULL, NULL);

    g_assert_cmpint (sheet->width, ==, 3 * 64);
    g_assert_cmpint (sheet->height, ==, 2 * 64);
    for (int i = 0; i < 4; i++) {
      g_autoptr (ShuImage) frame = shu_turntable_frame (t, i);

      g_assert_cmpint (side_at (frame, 32, 32), ==, rows[r].order[i]);
      g_assert_cmpint (side_at (sheet, i % 3 * 64 + 32, i / 3 * 64 + 32), ==,
          rows[r].order[i]);
    }
    g_assert_cmpint (side_at (sheet, 2 * 64 + 32, 64 + 32), ==, 'w');
  }
}

/* Four clouds of Gaussians in front, to the right, behind and to the left */
static GBytes *
clouds (float x0)
{
  enum { EACH = 40, N = 4 * EACH };

  static const float dirs[4][2] = {{0, -1}, {1, 0}, {0, 1}, {-1, 0}};
  static const float colors[4][3] = {
      {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}};
  float pos[3 * N], scale[3 * N], quat[4 * N] = {0}, opacity[N], rgb[3 * N];
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < N; i++) {
    const float *dir = dirs[i / EACH];
    float across = 0.1f * (float) (i % 5 - 2);

    pos[3 * i] = x0 + 20 * (0.3f * dir[0] - across * dir[1]);
    pos[3 * i + 1] = 20 * (0.3f * dir[1] + across * dir[0]);
    pos[3 * i + 2] = 20 * (0.1f * (float) (i % EACH / 5) - 0.35f);
    for (int k = 0; k < 3; k++) {
      scale[3 * i + k] = 20 * 0.08f;
      rgb[3 * i + k] = colors[i / EACH][k];
    }
    quat[4 * i] = 1;
    opacity[i] = 0.95f;
  }
  GBytes *file = shu_ply_gaussians (
      &(ShuGaussians){N, pos, scale, quat, opacity, rgb}, &error);
  g_assert_no_error (error);
  return file;
}

static void
gaussians_in_order (void)
{
  g_autoptr (GBytes) file = clouds (100);
  g_autoptr (ShuTurntable) t = open_table (file, 80, 64, 4, 360, 0xffffff);
  g_autoptr (ShuTurntable) clear = open_table (file, 48, 96, 4, 360, -1);

  for (int i = 0; i < 4; i++) {
    g_autoptr (ShuImage) frame = shu_turntable_frame (t, i);
    g_autoptr (ShuImage) rgba = shu_turntable_frame (clear, i);

    g_assert_cmpint (frame->n_channels, ==, 3);
    g_assert_cmpint (side_at (frame, 40, 32), ==, "rgby"[i]);
    g_assert_cmpint (side_at (frame, 1, 1), ==, 'w');
    g_assert_cmpint (rgba->n_channels, ==, 4);
    g_assert_cmpint (rgba->width, ==, 48);
    g_assert_cmpint (side_at (rgba, 24, 48), ==, "rgby"[i]);
    g_assert_cmpint (rgba->data[4 * (48 * 48 + 24) + 3], >, 240);
    g_assert_cmpint (rgba->data[3], ==, 0);
  }
}

/* The part of the picture that the model takes. */
static ShuBox
covered (const ShuImage *image)
{
  ShuBox box = {image->width, image->height, 0, 0};

  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++)
      if (image->data[4 * ((gsize) y * image->width + x) + 3]) {
        box.x0 = MIN (box.x0, x), box.x1 = MAX (box.x1, x + 1);
        box.y0 = MIN (box.y0, y), box.y1 = MAX (box.y1, y + 1);
      }
  return box;
}

#define BYTES "\"count\":3,\"componentType\":5121,\"type\":\"VEC4\""

/* A triangle that faces the front; @colors: what kind of items its colours are,
 * NULL: none. */
static GBytes *
triangle (const char *colors, float size)
{
  g_autofree char *json = g_strdup_printf (
      "{\"asset\":{\"version\":\"2.0\"},\"meshes\":[{\"primitives\":[{"
      "\"attributes\":{\"POSITION\":0%s}}]}],\"accessors\":[{\"bufferView\":0,"
      "\"componentType\":5126,\"count\":3,\"type\":\"VEC3\"},{\"bufferView\":0,"
      "\"byteOffset\":36,\"normalized\":true,%s}],\"bufferViews\":[{\"buffer\":"
      "0,"
      "\"byteLength\":48}],\"buffers\":[{\"byteLength\":48}]}",
      colors ? ",\"COLOR_0\":1" : "",
      colors ? colors : "\"count\":3,\"componentType\":5121");
  float pos[9] = {-size, 0, 0, size, 0, 0, 0, size, 0};
  /* linear; half of the light is more than half of the scale */
  guint8 rgba[12] = {55, 0, 255, 9, 55, 0, 255, 9, 55, 0, 255, 9};
  guint32 n = (guint32) (strlen (json) + 3) / 4 * 4;
  guint32 head[] = {0x46546C67, 2, 28 + n + 48, n, 0x4E4F534A};
  guint32 bin[] = {48, 0x004E4942};
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, (guint8 *) head, sizeof head);
  g_byte_array_append (out, (guint8 *) json, (guint) strlen (json));
  g_byte_array_append (out, (guint8 *) "   ", n - (guint) strlen (json));
  g_byte_array_append (out, (guint8 *) bin, sizeof bin);
  g_byte_array_append (out, (guint8 *) pos, sizeof pos);
  g_byte_array_append (out, rgba, sizeof rgba);
  return g_byte_array_free_to_bytes (out);
}

/* Whatever the units and the picture's shape: nothing is cut off, nothing is
 * distorted, no room is wasted. */
static void
fits (void)
{
  static const int sizes[][2] = {{80, 80}, {40, 160}, {200, 50}};
  static const float scales[] = {0, 1, 1e-6f, 1e30f};

  for (int k = 0; k < 12; k++) {
    gboolean is_box = k < 3;
    g_autoptr (GBytes) glb =
        is_box ? harness_glb () : triangle (NULL, scales[k / 3]);
    int w = sizes[k % 3][0], h = sizes[k % 3][1], width = 0, height = 0;
    g_autoptr (ShuTurntable) t = open_table (glb, w, h, 8, 360, -1);

    for (int i = 0; i < 8; i++) {
      g_autoptr (ShuImage) frame = shu_turntable_frame (t, i);
      ShuBox b = covered (frame);

      g_assert_cmpint (frame->n_channels, ==, 4);
      g_assert_cmpint (MIN (b.x0, b.y0), >, 0);
      g_assert_cmpint (b.x1, <, w);
      g_assert_cmpint (b.y1, <, h);
      if (i == 0 && is_box) /* 0.4 wide, 0.8 high */
        g_assert_cmpint (ABS (2 * (b.x1 - b.x0) - (b.y1 - b.y0)), <=, 4);
      width = MAX (width, b.x1 - b.x0);
      height = MAX (height, b.y1 - b.y0);
    }
    g_assert_true (width > 0.85 * w || height > 0.92 * h);
  }
}

static void
background_shows (void)
{
  g_autoptr (GBytes) glb = harness_glb ();
  g_autoptr (ShuTurntable) t = open_table (glb, 32, 32, 1, 360, 0x102030);
  g_autoptr (ShuImage) frame = shu_turntable_frame (t, 0);

  g_assert_cmpint (frame->n_channels, ==, 3);
  g_assert_cmpmem (frame->data, 3, "\x10\x20\x30", 3);
}

static void
vertex_colors (void)
{
  for (int colors = 0; colors < 2; colors++) {
    g_autoptr (GBytes) glb = triangle (colors ? BYTES : NULL, 1);
    g_autoptr (ShuTurntable) t = open_table (glb, 32, 32, 1, 360, 0xffffff);
    g_autoptr (ShuImage) frame = shu_turntable_frame (t, 0);
    const guint8 *p = frame->data + 3 * (18 * 32 + 16);
    static const int expected[2][3] = {{200, 200, 200}, {128, 0, 255}};

    for (int c = 0; c < 3; c++)
      g_assert_cmpint (ABS (p[c] - expected[colors][c]), <=, 1);
  }
}

static void
refuses (void)
{
  static const char *const colors[] = {
      "\"count\":2,\"componentType\":5121,\"type\":\"VEC4\"",
      "\"count\":3,\"componentType\":5120,\"type\":\"VEC4\"",
      "\"count\":3,\"componentType\":5121,\"type\":\"VEC2\"",
      "\"count\":3,\"componentType\":5126,\"type\":\"VEC4\""};
  ShuTurntableParams p = {4096, 4096, 3600, 360, 0};
  g_autoptr (GBytes) point = triangle (NULL, 0), whole = harness_glb ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTurntable) t = NULL;

  g_assert_null (shu_turntable_new (point, &p, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  for (guint i = 0; i < G_N_ELEMENTS (colors); i++) {
    g_autoptr (GBytes) glb = triangle (colors[i], 1);

    g_assert_null (shu_turntable_new (glb, &p, &error));
    g_assert_nonnull (strstr (error->message, i < 3 ? "COLOR_0" : "accessor"));
    g_clear_error (&error);
  }
  t = shu_turntable_new (whole, &p, &error);
  g_assert_no_error (error);
  g_assert_null (shu_turntable_sheet (t, 4, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
}

/* Any bytes changed: an error or a picture, never a crash. */
static void
damage_is_survived (void)
{
  g_autoptr (GBytes) box = harness_glb (), flat = triangle (BYTES, 1);
  GBytes *files[] = {box, flat};
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  ShuTurntableParams p = {16, 24, 2, 360, -1};
  int n_drawn = 0;

  for (int i = 0; i < 2000; i++) {
    gsize size;
    const guint8 *data = g_bytes_get_data (files[i % 2], &size);
    guint8 *copy = g_memdup2 (data, size);
    g_autoptr (GBytes) damaged = g_bytes_new_take (copy, size);
    g_autoptr (ShuTurntable) t = NULL;

    for (int k = g_rand_int_range (rand, 1, 6); k > 0; k--)
      copy[g_rand_int_range (rand, i % 4 < 2 ? 0 : (int) size * 2 / 3,
          (int) size)] = (guint8) g_rand_int_range (rand, 0, 256);
    t = shu_turntable_new (damaged, &p, NULL);
    if (t) {
      shu_image_free (shu_turntable_frame (t, 1));
      n_drawn++;
    }
  }
  g_assert_cmpint (n_drawn, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/turntable/sides_in_order", sides_in_order);
  g_test_add_func ("/stages/turntable/gaussians_in_order", gaussians_in_order);
  g_test_add_func ("/stages/turntable/fits", fits);
  g_test_add_func ("/stages/turntable/background_shows", background_shows);
  g_test_add_func ("/stages/turntable/vertex_colors", vertex_colors);
  g_test_add_func ("/stages/turntable/refuses", refuses);
  g_test_add_func ("/stages/turntable/damage_is_survived", damage_is_survived);
  return g_test_run ();
}
