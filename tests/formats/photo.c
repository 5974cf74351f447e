/* SPDX-License-Identifier: MIT */
/* Every kind of photo that people send, and what they should not send. */
#include "fixtures.h"
#include "base/error.h"
#include "formats/photo.h"
#include "formats/png.h"
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <jpeglib.h>

static ShuImage *
decode (GBytes *data)
{
  g_autoptr (GError) error = NULL;
  ShuImage *image = shu_photo_decode (data, &error);

  g_assert_no_error (error);
  g_assert_nonnull (image);
  return image;
}

/* Largest difference of two pictures of the same shape. */
static int
difference (const ShuImage *a, const ShuImage *b)
{
  int worst = 0;

  g_assert_cmpint (a->width, ==, b->width);
  g_assert_cmpint (a->height, ==, b->height);
  g_assert_cmpint (a->n_channels, ==, b->n_channels);
  for (gsize i = 0; i < shu_image_size (a); i++)
    worst = MAX (worst, ABS (a->data[i] - b->data[i]));
  return worst;
}

static void
assert_error (GBytes *data, int code, const char *part)
{
  g_autoptr (GError) error = NULL;
  ShuImage *image = shu_photo_decode (data, &error);

  g_assert_null (image);
  g_assert_error (error, SHU_ERROR, code);
  if (!strstr (error->message, part))
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_jpeg_rgb (void)
{
  g_autoptr (ShuImage) image = fixture_ramp (75, 41);

  for (int progressive = 0; progressive < 2; progressive++) {
    g_autoptr (GBytes) file =
        fixture_jpeg (image, (JpegOptions){.progressive = progressive});
    g_autoptr (ShuImage) got = decode (file);

    g_assert_cmpint (difference (image, got), <=, 6);
  }
}

static void
test_jpeg_grey (void)
{
  g_autoptr (ShuImage) image = shu_image_new (33, 20, 1);
  g_autoptr (ShuImage) expected = shu_image_new (33, 20, 3);
  g_autoptr (GBytes) file = NULL;
  g_autoptr (ShuImage) got = NULL;

  for (int i = 0; i < 33 * 20; i++) {
    image->data[i] = i % 33 * 7;
    memset (expected->data + 3 * i, image->data[i], 3);
  }
  file = fixture_jpeg (image, (JpegOptions){0});
  got = decode (file);
  g_assert_cmpint (difference (expected, got), <=, 6);
}

/* Grey, in @n scans: the mean, then each coefficient bit by bit. */
static GBytes *
jpeg_in_scans (int n)
{
  struct jpeg_compress_struct cinfo;
  struct jpeg_error_mgr errors;
  g_autofree jpeg_scan_info *scans = g_new0 (jpeg_scan_info, n);
  guint8 row[16] = {0};
  JSAMPROW target = row;
  guint8 *data = NULL;
  gulong size = 0;
  GBytes *ret;

  cinfo.err = jpeg_std_error (&errors);
  jpeg_create_compress (&cinfo);
  jpeg_mem_dest (&cinfo, &data, &size);
  cinfo.image_width = cinfo.image_height = 16;
  cinfo.input_components = 1;
  cinfo.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults (&cinfo);
  for (int i = 0; i < n; i++) {
    int bit = 9 - (i - 1) / 63, a = 1 + (i - 1) % 63;

    scans[i] =
        i == 0 ? (jpeg_scan_info){1, {0}, 0, 0, 0, 0}
               : (jpeg_scan_info){1, {0}, a, a, bit == 9 ? 0 : bit + 1, bit};
  }
  cinfo.scan_info = scans;
  cinfo.num_scans = n;
  jpeg_start_compress (&cinfo, TRUE);
  for (int y = 0; y < 16; y++)
    jpeg_write_scanlines (&cinfo, &target, 1);
  jpeg_finish_compress (&cinfo);
  jpeg_destroy_compress (&cinfo);
  ret = g_bytes_new (data, size);
  free (data);
  return ret;
}

static void
test_jpeg_scans (void)
{
  g_autoptr (GBytes) most = jpeg_in_scans (200);
  g_autoptr (GBytes) too_many = jpeg_in_scans (201);
  g_autoptr (ShuImage) got = decode (most);

  g_assert_cmpint (got->width, ==, 16);
  assert_error (too_many, SHU_ERROR_LIMIT, "too many scans");
}

/* The same red, as ink and as Adobe's 255 - ink, directly and as YCCK. */
static void
test_jpeg_cmyk (void)
{
  static const struct {
    JpegOptions options;
    guint8 cmyk[4];
  } rows[] = {
      {{.color_space = JCS_CMYK}, {255 - 20, 255 - 200, 255 - 180, 255 - 30}},
      {{.color_space = JCS_YCCK}, {255 - 20, 255 - 200, 255 - 180, 255 - 30}},
      {{.color_space = JCS_CMYK, .no_adobe = TRUE}, {20, 200, 180, 30}},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuImage) image = shu_image_new (16, 16, 4);
    g_autoptr (GBytes) file = NULL;
    g_autoptr (ShuImage) got = NULL;

    for (int k = 0; k < 256; k++)
      memcpy (image->data + 4 * k, rows[i].cmyk, 4);
    file = fixture_jpeg (image, rows[i].options);
    got = decode (file);
    g_assert_cmpint (got->n_channels, ==, 3);
    g_assert_cmpint (ABS (got->data[0] - 235 * 225 / 255), <=, 3);
    g_assert_cmpint (ABS (got->data[1] - 55 * 225 / 255), <=, 3);
    g_assert_cmpint (ABS (got->data[2] - 75 * 225 / 255), <=, 3);
  }
}

/* Where the mark in the top left corner of the stored picture ends up. */
static void
test_orientation (void)
{
  static const struct {
    int width, height, x, y;
  } rows[] = {{32, 48, 0, 0}, {32, 48, 31, 0}, {32, 48, 31, 47},
      {32, 48, 0, 47}, {48, 32, 0, 0}, {48, 32, 47, 0}, {48, 32, 47, 31},
      {48, 32, 0, 31}};

  for (int i = 0; i < 16; i++) {
    g_autoptr (ShuImage) image = shu_image_new (32, 48, 3);
    g_autoptr (GBytes) file = NULL;
    g_autoptr (ShuImage) got = NULL;
    int row = i % 8;
    const guint8 *p;

    for (int y = 0; y < 8; y++)
      memset (image->data + y * 32 * 3, 255, 8 * 3);
    file = fixture_jpeg (
        image, (JpegOptions){.orientation = row + 1, .big_endian = i >= 8});
    got = decode (file);
    g_assert_cmpint (got->width, ==, rows[row].width);
    g_assert_cmpint (got->height, ==, rows[row].height);
    for (int corner = 0; corner < 4; corner++) {
      int x = corner & 1 ? got->width - 1 : 0;
      int y = corner & 2 ? got->height - 1 : 0;

      p = got->data + ((gsize) y * got->width + x) * 3;
      if (x == rows[row].x && y == rows[row].y)
        g_assert_cmpint (p[0], >=, 240);
      else
        g_assert_cmpint (p[0], <=, 15);
    }
  }
}

/* Turning by 6 and then by 8 is nothing; so is every mirror twice. */
static void
test_orientation_inverse (void)
{
  static const int inverse[] = {0, 1, 2, 3, 4, 5, 8, 7, 6};
  g_autoptr (ShuImage) image = fixture_noise (7, 5, 4, 1);

  for (int i = 1; i <= 8; i++) {
    g_autoptr (ShuImage) got = shu_image_orient (
        shu_image_orient (shu_image_copy (image), i, NULL), inverse[i], NULL);

    g_assert_cmpint (difference (image, got), ==, 0);
  }
}

static void
test_exif_nonsense (void)
{
  static const guint8 far[] = "II*\0\xff\xff\xff\xff\1\0\x12\1\3\0\1\0\0\0\6";
  static const guint8 many[] = "II*\0\10\0\0\0\xff\xff\x12\1\3\0\1\0";
  static const guint8 nine[] =
      "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\11\0\0\0\0\0\0\0";

  g_assert_cmpint (shu_exif_orientation (far, sizeof far), ==, 1);
  g_assert_cmpint (shu_exif_orientation (many, sizeof many), ==, 1);
  g_assert_cmpint (shu_exif_orientation (nine, sizeof nine), ==, 1);
  for (gsize n = 0; n < sizeof nine; n++)
    g_assert_cmpint (shu_exif_orientation (nine, n), ==, 1);
}

static const PngOptions png_rows[] = {
    {PNG_COLOR_TYPE_GRAY, 1},
    {PNG_COLOR_TYPE_GRAY, 2, .interlaced = TRUE},
    {PNG_COLOR_TYPE_GRAY, 4},
    {PNG_COLOR_TYPE_GRAY, 8, .transparent = TRUE},
    {PNG_COLOR_TYPE_GRAY, 16},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 16, .interlaced = TRUE},
    {PNG_COLOR_TYPE_PALETTE, 1},
    {PNG_COLOR_TYPE_PALETTE, 2, .transparent = TRUE},
    {PNG_COLOR_TYPE_PALETTE, 4, .interlaced = TRUE},
    {PNG_COLOR_TYPE_PALETTE, 8, .transparent = TRUE, .interlaced = TRUE},
    {PNG_COLOR_TYPE_RGB, 8},
    {PNG_COLOR_TYPE_RGB, 8, .transparent = TRUE},
    {PNG_COLOR_TYPE_RGB, 16},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, .interlaced = TRUE},
    {PNG_COLOR_TYPE_RGB_ALPHA, 16},
};

static void
test_png_kind (gconstpointer data)
{
  g_autoptr (ShuImage) expected = NULL;
  g_autoptr (GBytes) file =
      fixture_png (37, 21, *(const PngOptions *) data, &expected);
  g_autoptr (ShuImage) got = decode (file);

  g_assert_cmpint (difference (expected, got), ==, 0);
}

static void
append (png_structp png, png_bytep data, size_t n)
{
  g_byte_array_append (png_get_io_ptr (png), data, n);
}

static void
no_flush (png_structp png)
{
}

/* A PNG of a red and a green pixel with @text_size bytes of compressed text
 * (none if 0) and an EXIF block (none if @orientation is 0). */
static GBytes *
png_with_extras (gsize text_size, int orientation)
{
  guint8 exif[] = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\0\0\0\0\0\0\0";
  guint8 row[] = {255, 0, 0, 0, 255, 0};
  g_autofree char *text = g_strnfill (text_size, ' ');
  png_text entry = {.compression = PNG_TEXT_COMPRESSION_zTXt,
      .key = (char *) "Comment",
      .text = text,
      .text_length = text_size};
  GByteArray *out = g_byte_array_new ();
  png_structp png =
      png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct (png);

  exif[18] = orientation;
  png_set_write_fn (png, out, append, no_flush);
  png_set_IHDR (
      png, info, 2, 1, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, 0, 0);
  if (orientation > 0)
    png_set_eXIf_1 (png, info, sizeof exif - 1, exif);
  if (text_size > 0)
    png_set_text (png, info, &entry, 1);
  png_write_info (png, info);
  png_write_row (png, row);
  png_write_end (png, NULL);
  png_destroy_write_struct (&png, &info);
  return g_byte_array_free_to_bytes (out);
}

static void
test_png_orientation (void)
{
  g_autoptr (GBytes) file = png_with_extras (0, 8);
  g_autoptr (ShuImage) got = decode (file);

  g_assert_cmpint (got->width, ==, 1);
  g_assert_cmpint (got->height, ==, 2);
  g_assert_cmpint (got->data[1], ==, 255);
  g_assert_cmpint (got->data[3], ==, 255);
}

/* Half a megabyte of a file must not become 480 MB of text in memory. */
static void
test_png_text_bomb (void)
{
  enum { HEAD = 8 + 25, COUNT = 64 };

  g_autoptr (GBytes) one = png_with_extras (7500000, 0);
  g_autoptr (GByteArray) many = g_byte_array_new ();
  g_autoptr (GBytes) file = NULL;
  g_autoptr (ShuImage) got = NULL;
  struct rusage before, after;
  gsize size;
  const guint8 *p = g_bytes_get_data (one, &size);
  guint32 length;

  g_assert_true (memcmp (p + HEAD + 4, "zTXt", 4) == 0);
  memcpy (&length, p + HEAD, 4);
  length = GUINT32_FROM_BE (length) + 12;
  g_byte_array_append (many, p, HEAD);
  for (int i = 0; i < COUNT; i++)
    g_byte_array_append (many, p + HEAD, length);
  g_byte_array_append (many, p + HEAD + length, size - HEAD - length);
  file = g_bytes_new_static (many->data, many->len);
  g_assert_cmpint (getrusage (RUSAGE_SELF, &before), ==, 0);
  got = decode (file);
  g_assert_cmpint (getrusage (RUSAGE_SELF, &after), ==, 0);
  g_assert_cmpint (got->width, ==, 2);
  g_assert_cmpint (after.ru_maxrss - before.ru_maxrss, <, 100000); /* kB */
}

static void
test_webp (void)
{
  g_autoptr (ShuImage) rgb = fixture_ramp (50, 31);
  g_autoptr (ShuImage) rgba = fixture_cutout (50, 31);

  for (int lossless = 0; lossless < 2; lossless++) {
    g_autoptr (GBytes) file = fixture_webp (rgb, lossless);
    g_autoptr (GBytes) with_alpha = fixture_webp (rgba, lossless);
    g_autoptr (ShuImage) got = decode (file);
    g_autoptr (ShuImage) got_alpha = decode (with_alpha);

    g_assert_cmpint (difference (rgb, got), <=, lossless ? 0 : 12);
    g_assert_cmpint (got_alpha->n_channels, ==, 4);
    for (gsize i = 3; i < shu_image_size (rgba); i += 4)
      g_assert_cmpint (rgba->data[i], ==, got_alpha->data[i]);
  }
}

static void
test_webp_animated (void)
{
  static const guint8 file[] = "RIFF\x26\0\0\0WEBPVP8X\12\0\0\0\2\0\0\0\x0f\0\0"
                               "\x0f\0\0ANIM\6\0\0\0\0\0\0\0\0\0";
  g_autoptr (GBytes) bytes = g_bytes_new_static (file, 44 + 2);

  assert_error (bytes, SHU_ERROR_UNSUPPORTED, "animated");
}

static void
test_one_pixel (void)
{
  g_autoptr (ShuImage) image = fixture_noise (1, 1, 3, 9);
  g_autoptr (GBytes) png = shu_png_encode (image, NULL);
  g_autoptr (GBytes) jpeg = fixture_jpeg (image, (JpegOptions){0});
  g_autoptr (GBytes) webp = fixture_webp (image, TRUE);
  g_autoptr (ShuImage) a = decode (png);
  g_autoptr (ShuImage) b = decode (jpeg);
  g_autoptr (ShuImage) c = decode (webp);

  g_assert_cmpint (difference (image, a), ==, 0);
  g_assert_cmpint (b->width * b->height, ==, 1);
  g_assert_cmpint (difference (image, c), ==, 0);
}

/* 60000 x 60000 in a header of a few bytes: refused, nothing allocated. */
static void
test_huge (void)
{
  g_autoptr (ShuImage) image = fixture_ramp (16, 16);
  g_autoptr (GBytes) jpeg = fixture_jpeg (image, (JpegOptions){0});
  g_autoptr (GBytes) png = shu_png_encode (image, NULL);
  gsize size;
  guint8 *p = g_bytes_unref_to_data (g_steal_pointer (&jpeg), &size);
  gsize sof = 0;
  guint32 crc;

  while (p[sof] != 0xff || p[sof + 1] != 0xc0)
    sof++;
  memcpy (p + sof + 5, "\xea\x60\xea\x60", 4);
  jpeg = g_bytes_new_take (p, size);
  assert_error (jpeg, SHU_ERROR_LIMIT, "60000 x 60000");

  p = g_bytes_unref_to_data (g_steal_pointer (&png), &size);
  memcpy (p + 16, "\0\0\xea\x60\0\0\xea\x60", 8);
  crc = 0xffffffff;
  for (int i = 12; i < 29; i++) {
    crc ^= p[i];
    for (int k = 0; k < 8; k++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  crc = GUINT32_TO_BE (~crc);
  memcpy (p + 29, &crc, 4);
  png = g_bytes_new_take (p, size);
  assert_error (png, SHU_ERROR_LIMIT, "shrink it first");
}

static void
test_foreign (void)
{
  static const struct {
    const char *data;
    gsize size;
    int code;
    const char *part;
  } rows[] = {
      {"", 0, SHU_ERROR_INVALID, "nothing"},
      {"x", 1, SHU_ERROR_INVALID, "not a picture"},
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0",
          16, SHU_ERROR_UNSUPPORTED,
          "HEIC is not supported; convert it to JPEG or PNG"},
      {"\0\0\0\x18"
       "ftypavif\0\0\0\0",
          16, SHU_ERROR_UNSUPPORTED, "AVIF is not supported"},
      {"GIF89a\1\0\1\0", 10, SHU_ERROR_UNSUPPORTED, "GIF is not supported"},
      {"BM\0\0\0\0\0\0", 8, SHU_ERROR_UNSUPPORTED, "BMP is not supported"},
      {"II*\0\10\0\0\0", 8, SHU_ERROR_UNSUPPORTED, "TIFF is not supported"},
      {"MM\0*\0\0\0\10", 8, SHU_ERROR_UNSUPPORTED, "TIFF is not supported"},
      {"\xff\xd8\xff", 3, SHU_ERROR_TRUNCATED, "cut short"},
      {"\x89PNG\r\n\x1a\n", 8, SHU_ERROR_TRUNCATED, "cut short"},
      {"RIFF\0\0\0\0WEBP", 12, SHU_ERROR_TRUNCATED, "cut short"},
      {"RIFF\4\0\0\0WEBP", 12, SHU_ERROR_INVALID, "damaged"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new_static (rows[i].data, rows[i].size);

    assert_error (bytes, rows[i].code, rows[i].part);
  }
}

/* One file of each decoder's kinds. */
static GPtrArray *
all_kinds (void)
{
  GPtrArray *files =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (ShuImage) rgb = fixture_noise (61, 47, 3, 3);
  g_autoptr (ShuImage) rgba = fixture_cutout (61, 47);

  g_ptr_array_add (files, fixture_jpeg (rgb, (JpegOptions){.orientation = 6}));
  g_ptr_array_add (
      files, fixture_jpeg (rgb, (JpegOptions){.progressive = TRUE}));
  g_ptr_array_add (files, shu_png_encode (rgba, NULL));
  g_ptr_array_add (files,
      fixture_png (40, 30,
          (PngOptions){PNG_COLOR_TYPE_PALETTE, 4, .interlaced = TRUE}, NULL));
  g_ptr_array_add (files, fixture_webp (rgb, FALSE));
  g_ptr_array_add (files, fixture_webp (rgba, FALSE));
  g_ptr_array_add (files, fixture_webp (rgba, TRUE));
  return files;
}

static void
assert_cut_fails (GBytes *file, gsize size)
{
  g_autofree guint8 *part =
      g_memdup2 (g_bytes_get_data (file, NULL), MAX (size, 1));
  g_autoptr (GBytes) cut = g_bytes_new_static (part, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuImage) image = shu_photo_decode (cut, &error);

  g_assert_null (image);
  g_assert_nonnull (error);
  g_assert_true (error->domain == SHU_ERROR);
}

static void
test_truncated (void)
{
  g_autoptr (GPtrArray) files = all_kinds ();

  for (guint i = 0; i < files->len; i++) {
    gsize size = g_bytes_get_size (files->pdata[i]);

    for (int k = 0; k < 16; k++)
      assert_cut_fails (files->pdata[i], size * k / 16);
    for (gsize missing = 1; missing <= 4; missing++)
      assert_cut_fails (files->pdata[i], size - missing);
  }
}

/* Damage gives an error or a picture, within 2 seconds of tries; what else it
 * may do is for the sanitisers to see. */
static void
test_damaged (void)
{
  g_autoptr (GPtrArray) files = all_kinds ();
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  gint64 end = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  int n_bad = 0, n = 0;

  for (; n < 20000 && g_get_monotonic_time () < end; n++) {
    GBytes *file = files->pdata[n % files->len];
    gsize size = g_bytes_get_size (file);
    guint8 *copy = g_memdup2 (g_bytes_get_data (file, NULL), size);
    g_autoptr (GBytes) damaged = g_bytes_new_take (copy, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuImage) image = NULL;
    int flips = g_rand_int_range (random, 1, 8);

    for (int k = 0; k < flips; k++)
      copy[g_rand_int_range (random, 0, n % 3 ? size : MIN (size, 64))] ^=
          1 << g_rand_int_range (random, 0, 8);
    image = shu_photo_decode (damaged, &error);
    g_assert_true ((image == NULL) == (error != NULL));
    n_bad += image == NULL;
  }
  g_assert_cmpint (n, >, 20);
  g_assert_cmpint (n_bad, >, n / 4);
}

/* The checksum alone says that a PNG is damaged. */
static void
test_png_checksum (void)
{
  g_autoptr (ShuImage) image = fixture_noise (9, 9, 3, 2);
  g_autoptr (GBytes) file = shu_png_encode (image, NULL);
  gsize size;
  guint8 *p = g_bytes_unref_to_data (g_steal_pointer (&file), &size);

  p[size - 16] ^= 1; /* in the sum of the last IDAT */
  file = g_bytes_new_take (p, size);
  assert_error (file, SHU_ERROR_INVALID, "damaged");
}

/* What follows the end of a picture is not its business (phones put videos
 * there). */
static void
test_trailing_bytes (void)
{
  g_autoptr (ShuImage) image = fixture_ramp (24, 24);
  g_autoptr (GBytes) file = fixture_jpeg (image, (JpegOptions){0});
  g_autoptr (GByteArray) more = g_byte_array_new ();
  g_autoptr (GBytes) whole = NULL;
  g_autoptr (ShuImage) got = NULL;

  g_byte_array_append (
      more, g_bytes_get_data (file, NULL), g_bytes_get_size (file));
  g_byte_array_append (more, (const guint8 *) "ftypmp42", 8);
  whole = g_bytes_new (more->data, more->len);
  got = decode (whole);
  g_assert_cmpint (difference (image, got), <=, 8);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/photo/jpeg_rgb", test_jpeg_rgb);
  g_test_add_func ("/formats/photo/jpeg_grey", test_jpeg_grey);
  g_test_add_func ("/formats/photo/jpeg_scans_are_limited", test_jpeg_scans);
  g_test_add_func ("/formats/photo/jpeg_cmyk", test_jpeg_cmyk);
  g_test_add_func (
      "/formats/photo/trailing_bytes_are_ignored", test_trailing_bytes);
  g_test_add_func ("/formats/photo/orientation_is_applied", test_orientation);
  g_test_add_func (
      "/formats/photo/orientation_has_inverse", test_orientation_inverse);
  g_test_add_func (
      "/formats/photo/exif_nonsense_is_ignored", test_exif_nonsense);
  for (guint i = 0; i < G_N_ELEMENTS (png_rows); i++) {
    const PngOptions *o = &png_rows[i];
    g_autofree char *path = g_strdup_printf (
        "/formats/photo/png/type_%d_depth_%d%s%s", o->color_type, o->bit_depth,
        o->interlaced ? "_interlaced" : "", o->transparent ? "_trns" : "");

    g_test_add_data_func (path, o, test_png_kind);
  }
  g_test_add_func ("/formats/photo/png_checksum_counts", test_png_checksum);
  g_test_add_func (
      "/formats/photo/png_orientation_is_applied", test_png_orientation);
  g_test_add_func (
      "/formats/photo/png_text_is_not_unpacked", test_png_text_bomb);
  g_test_add_func ("/formats/photo/webp", test_webp);
  g_test_add_func (
      "/formats/photo/webp_animated_is_refused", test_webp_animated);
  g_test_add_func ("/formats/photo/one_pixel", test_one_pixel);
  g_test_add_func ("/formats/photo/huge_is_refused", test_huge);
  g_test_add_func ("/formats/photo/foreign_formats_are_named", test_foreign);
  g_test_add_func ("/formats/photo/truncated_is_an_error", test_truncated);
  g_test_add_func ("/formats/photo/damaged_does_no_harm", test_damaged);
  return g_test_run ();
}
