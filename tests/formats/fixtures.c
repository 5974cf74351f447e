/* SPDX-License-Identifier: MIT */
#include "fixtures.h"
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <webp/encode.h>

ShuImage *
fixture_noise (int width, int height, int n_channels, guint32 seed)
{
  ShuImage *image = shu_image_new (width, height, n_channels);
  gsize n = shu_image_size (image);

  for (gsize i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    image->data[i] = seed >> 24;
  }
  return image;
}

ShuImage *
fixture_ramp (int width, int height)
{
  ShuImage *image = shu_image_new (width, height, 3);

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      guint8 *p = image->data + ((gsize) y * width + x) * 3;

      p[0] = 255 * x / width;
      p[1] = 255 * y / height;
      p[2] = 128;
    }
  return image;
}

ShuImage *
fixture_cutout (int width, int height)
{
  ShuImage *image = fixture_noise (width, height, 4, 5);

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int dx = 10 * (2 * x - width), dy = 7 * (2 * y - height);
      int alpha = 300 - dx * dx / width - dy * dy / height;

      image->data[((gsize) y * width + x) * 4 + 3] = CLAMP (alpha, 0, 255);
    }
  return image;
}

guint64
fixture_hash (const ShuImage *image)
{
  guint64 h = G_GUINT64_CONSTANT (0xcbf29ce484222325);
  gsize n = shu_image_size (image);

  for (gsize i = 0; i < n; i++)
    h = (h ^ image->data[i]) * G_GUINT64_CONSTANT (0x100000001b3);
  return h;
}

static void
write_exif (j_compress_ptr cinfo, const JpegOptions *options)
{
  static const guint8 little[] = "Exif\0\0II*\0\10\0\0\0\1\0"
                                 "\x12\1\3\0\1\0\0\0\0\0\0\0\0\0\0\0";
  static const guint8 big[] = "Exif\0\0MM\0*\0\0\0\10\0\1"
                              "\1\x12\0\3\0\0\0\1\0\0\0\0\0\0\0\0";
  guint8 exif[32];

  memcpy (exif, options->big_endian ? big : little, sizeof exif);
  exif[options->big_endian ? 25 : 24] = options->orientation;
  jpeg_write_marker (cinfo, JPEG_APP0 + 1, exif, sizeof exif);
}

GBytes *
fixture_jpeg (const ShuImage *image, JpegOptions options)
{
  struct jpeg_compress_struct cinfo;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL;
  unsigned long size = 0;
  GBytes *ret;

  cinfo.err = jpeg_std_error (&errors);
  jpeg_create_compress (&cinfo);
  jpeg_mem_dest (&cinfo, &data, &size);
  cinfo.image_width = image->width;
  cinfo.image_height = image->height;
  cinfo.input_components = image->n_channels;
  cinfo.in_color_space = image->n_channels == 1   ? JCS_GRAYSCALE
                         : image->n_channels == 4 ? JCS_CMYK
                                                  : JCS_RGB;
  jpeg_set_defaults (&cinfo);
  if (options.color_space)
    jpeg_set_colorspace (&cinfo, options.color_space);
  if (options.no_adobe)
    cinfo.write_Adobe_marker = FALSE;
  jpeg_set_quality (&cinfo, 97, TRUE);
  if (options.progressive)
    jpeg_simple_progression (&cinfo);
  jpeg_start_compress (&cinfo, TRUE);
  if (options.orientation)
    write_exif (&cinfo, &options);
  while (cinfo.next_scanline < cinfo.image_height) {
    JSAMPROW row = image->data + (gsize) cinfo.next_scanline * image->width *
                                     image->n_channels;

    jpeg_write_scanlines (&cinfo, &row, 1);
  }
  jpeg_finish_compress (&cinfo);
  jpeg_destroy_compress (&cinfo);
  ret = g_bytes_new (data, size);
  free (data);
  return ret;
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

/* Sample @c of pixel (x, y), in 0..2^depth - 1. */
static guint
sample (int x, int y, int c, int depth)
{
  guint v = (guint) (x * 2654435761u + y * 40503u + c * 97u) * 2246822519u;

  return (v >> 8) & ((1u << depth) - 1);
}

static int
samples_per_pixel (int color_type)
{
  switch (color_type) {
  case PNG_COLOR_TYPE_GRAY_ALPHA:
    return 2;
  case PNG_COLOR_TYPE_RGB:
    return 3;
  case PNG_COLOR_TYPE_RGB_ALPHA:
    return 4;
  default:
    return 1;
  }
}

/* Palette entry @i and its alpha. */
static void
palette_entry (guint i, guint8 ret[4])
{
  ret[0] = i * 37 + 11;
  ret[1] = i * 91 + 5;
  ret[2] = 255 - i;
  ret[3] = i * 53;
}

static guint8
to_8_bits (guint v, int depth)
{
  guint max = (1u << depth) - 1;

  return (v * 255 + max / 2) / max;
}

static void
expected_pixel (const PngOptions *o, int x, int y, guint8 *p, int n_channels)
{
  gboolean grey = !(o->color_type & PNG_COLOR_MASK_COLOR);
  int n = samples_per_pixel (o->color_type);
  guint8 v[4], entry[4];

  for (int c = 0; c < n; c++)
    v[c] = to_8_bits (sample (x, y, c, o->bit_depth), o->bit_depth);
  if (o->color_type == PNG_COLOR_TYPE_PALETTE) {
    palette_entry (sample (x, y, 0, o->bit_depth), entry);
    memcpy (p, entry, n_channels);
    return;
  }
  for (int c = 0; c < 3; c++)
    p[c] = v[grey ? 0 : c];
  if (n_channels == 4 && o->transparent) {
    gboolean same = TRUE;

    for (int c = 0; c < n; c++)
      same = same &&
             sample (x, y, c, o->bit_depth) == sample (1, 1, c, o->bit_depth);
    p[3] = same ? 0 : 255;
  } else if (n_channels == 4)
    p[3] = v[n - 1];
}

static void
write_transparency (png_structp png, png_infop info, const PngOptions *o)
{
  png_color palette[256];
  guint8 alpha[256], entry[4];
  guint n = 1u << MIN (o->bit_depth, 8);
  png_color_16 key = {
      .red = sample (1, 1, 0, o->bit_depth),
      .green = sample (1, 1, 1, o->bit_depth),
      .blue = sample (1, 1, 2, o->bit_depth),
      .gray = sample (1, 1, 0, o->bit_depth),
  };

  for (guint i = 0; i < n; i++) {
    palette_entry (i, entry);
    palette[i] = (png_color){entry[0], entry[1], entry[2]};
    alpha[i] = entry[3];
  }
  if (o->color_type == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE (png, info, palette, n);
  if (o->transparent)
    png_set_tRNS (png, info, alpha, n, &key);
}

static void
fill_row (const PngOptions *o, int y, int width, guint8 *row)
{
  int n = samples_per_pixel (o->color_type), depth = o->bit_depth;
  gsize bit = 0;

  memset (row, 0, (gsize) width * n * 2);
  for (int x = 0; x < width; x++)
    for (int c = 0; c < n; c++, bit += depth) {
      guint v = sample (x, y, c, depth);

      if (depth == 16)
        row[bit / 8 + 1] = v & 0xff;
      row[bit / 8] |= depth == 16 ? v >> 8 : v << (8 - depth - bit % 8);
    }
}

GBytes *
fixture_png (int width, int height, PngOptions o, ShuImage **ret_expected)
{
  GByteArray *out = g_byte_array_new ();
  png_structp png =
      png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct (png);
  g_autofree guint8 *row = g_malloc ((gsize) width * 8);
  int n = (o.color_type & PNG_COLOR_MASK_ALPHA) || o.transparent ? 4 : 3;
  int passes;

  png_set_write_fn (png, out, append, no_flush);
  png_set_IHDR (png, info, width, height, o.bit_depth, o.color_type,
      o.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
  write_transparency (png, info, &o);
  png_write_info (png, info);
  passes = png_set_interlace_handling (png);
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < height; y++) {
      fill_row (&o, y, width, row);
      png_write_row (png, row);
    }
  png_write_end (png, info);
  png_destroy_write_struct (&png, &info);
  if (ret_expected) {
    *ret_expected = shu_image_new (width, height, n);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++)
        expected_pixel (
            &o, x, y, (*ret_expected)->data + ((gsize) y * width + x) * n, n);
  }
  return g_byte_array_free_to_bytes (out);
}

GBytes *
fixture_webp (const ShuImage *image, gboolean lossless)
{
  int stride = image->width * image->n_channels;
  guint8 *data = NULL;
  gsize size;
  GBytes *ret;

  if (image->n_channels == 4)
    size = lossless ? WebPEncodeLosslessRGBA (image->data, image->width,
                          image->height, stride, &data)
                    : WebPEncodeRGBA (image->data, image->width, image->height,
                          stride, 90, &data);
  else
    size = lossless ? WebPEncodeLosslessRGB (image->data, image->width,
                          image->height, stride, &data)
                    : WebPEncodeRGB (image->data, image->width, image->height,
                          stride, 90, &data);
  ret = g_bytes_new (data, size);
  WebPFree (data);
  return ret;
}

ShuMesh *
fixture_tube (int n)
{
  ShuMesh *m = shu_mesh_new (n * n, 2 * (n - 1) * (n - 1), FALSE, TRUE);
  gint32 *f = m->faces;

  for (int i = 0; i < n * n; i++) {
    float u = (float) (i % n) / (n - 1), v = (float) (i / n) / (n - 1);
    float turn = i % n == n - 1 ? 0 : 2 * (float) G_PI * u;

    m->pos[3 * i] = 0.2f * cosf (turn);
    m->pos[3 * i + 1] = 0.2f * sinf (turn);
    m->pos[3 * i + 2] = 0.5f - v;
    m->uv[2 * i] = 0.05f + 0.9f * u;
    m->uv[2 * i + 1] = 0.05f + 0.9f * v;
  }
  for (int y = 0; y < n - 1; y++)
    for (int x = 0; x < n - 1; x++, f += 6) {
      int a = y * n + x;

      memcpy (f, (gint32[]){a, a + n, a + 1, a + 1, a + n, a + n + 1}, 24);
    }
  return m;
}
