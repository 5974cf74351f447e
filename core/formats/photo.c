/* SPDX-License-Identifier: MIT */
/* The type of a photo by its first bytes, limits, and EXIF orientation.  The
 * decoders are in photo_jpeg.c, photo_png.c and photo_webp.c. */
#include "photo.h"
#include "photo_private.h"
#include "base/error.h"
#include <string.h>

/* Formats that people do send and that are not read here. */
typedef struct {
  const char *name;
  guint offset;
  const char *magic;
  guint length;
} ForeignFormat;

static const ForeignFormat foreign[] = {
    {"HEIC", 4, "ftyphei", 7},
    {"HEIC", 4, "ftyphev", 7},
    {"HEIF", 4, "ftypmif1", 8},
    {"HEIF", 4, "ftypmsf1", 8},
    {"AVIF", 4, "ftypavi", 7},
    {"Canon CR3", 4, "ftypcrx ", 8},
    {"A video file", 4, "ftyp", 4},
    {"GIF", 0, "GIF8", 4},
    {"BMP", 0, "BM", 2},
    {"TIFF", 0, "II*\0", 4},
    {"TIFF", 0, "MM\0*", 4},
    {"JPEG XL", 0, "\xff\x0a", 2},
    {"JPEG XL", 4, "JXL \r\n\x87\n", 8},
    {"JPEG 2000", 4, "jP  \r\n\x87\n", 8},
    {"JPEG 2000", 0, "\xff\x4f\xff\x51", 4},
    {"Photoshop PSD", 0, "8BPS", 4},
    {"PDF", 0, "%PDF", 4},
    {"SVG", 0, "<svg", 4},
    {"SVG or XML", 0, "<?xml", 5},
    {"ICO", 0, "\0\0\1\0", 4},
};

static gboolean
has_magic (const guint8 *data, gsize size, guint offset, const char *magic,
    guint length)
{
  return size >= offset + length && memcmp (data + offset, magic, length) == 0;
}

gboolean
shu_photo_check_size (guint64 width, guint64 height, GError **error)
{
  if (width == 0 || height == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the picture has no pixels (%" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
        ")",
        width, height);
    return FALSE;
  }
  if (width > SHU_IMAGE_MAX_SIDE || height > SHU_IMAGE_MAX_SIDE ||
      width * height > SHU_IMAGE_MAX_PIXELS) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "the picture is too large: %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
        " pixels, at most %d a side and %d million in all are accepted; "
        "shrink it first",
        width, height, SHU_IMAGE_MAX_SIDE, SHU_IMAGE_MAX_PIXELS / 1000000);
    return FALSE;
  }
  return TRUE;
}

ShuImage *
shu_photo_image_new (
    guint64 width, guint64 height, int n_channels, GError **error)
{
  ShuImage *image;
  guint8 *pixels;

  if (!shu_photo_check_size (width, height, error))
    return NULL;
  pixels = g_try_malloc0 (width * height * n_channels);
  if (!pixels) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "not enough memory for a picture of %d x %d pixels", (int) width,
        (int) height);
    return NULL;
  }
  image = g_new (ShuImage, 1);
  *image = (ShuImage){.width = (int) width,
      .height = (int) height,
      .n_channels = n_channels,
      .data = pixels};
  return image;
}

/* An unsigned number of @n bytes in the byte order of the EXIF block. */
static guint32
exif_uint (const guint8 *p, int n, gboolean big_endian)
{
  guint32 v = 0;

  for (int i = 0; i < n; i++)
    v |= (guint32) p[i] << (8 * (big_endian ? n - 1 - i : i));
  return v;
}

int
shu_exif_orientation (const guint8 *data, gsize size)
{
  enum { ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };

  gboolean big;
  guint32 ifd, n_entries;

  if (has_magic (data, size, 0, "Exif\0\0", 6)) {
    data += 6;
    size -= 6;
  }
  if (size < 14)
    return 1;
  big = data[0] == 'M';
  if (memcmp (data, big ? "MM\0*" : "II*\0", 4) != 0)
    return 1;
  ifd = exif_uint (data + 4, 4, big);
  if (ifd > size - 2)
    return 1;
  n_entries = exif_uint (data + ifd, 2, big);
  n_entries = MIN (n_entries, (size - ifd - 2) / ENTRY);
  for (guint32 i = 0; i < n_entries; i++) {
    const guint8 *entry = data + ifd + 2 + i * ENTRY;
    guint32 value = exif_uint (entry + 8, 2, big);

    if (exif_uint (entry, 2, big) == ORIENTATION)
      return exif_uint (entry + 2, 2, big) == TYPE_SHORT && value >= 1 &&
                     value <= 8
                 ? (int) value
                 : 1;
  }
  return 1;
}

ShuImage *
shu_image_orient (ShuImage *image, int orientation, GError **error)
{
  g_autoptr (ShuImage) src = image;
  gssize C = src->n_channels, W = src->width, H = src->height;
  gssize row = W * C;
  /* Each picture is walked from one of the four corners, along rows or along
   * columns. */
  gboolean from_right = orientation == 2 || orientation == 3 ||
                        orientation == 7 || orientation == 8;
  gboolean from_bottom = orientation == 3 || orientation == 4 ||
                         orientation == 6 || orientation == 7;
  gboolean transposed = orientation >= 5;
  gssize x_step = from_right ? -C : C, y_step = from_bottom ? -row : row;
  gssize across = transposed ? y_step : x_step;
  gssize down = transposed ? x_step : y_step;
  const guint8 *corner;
  ShuImage *dst;

  if (orientation <= 1 || orientation > 8)
    return g_steal_pointer (&src);
  dst = shu_photo_image_new (transposed ? H : W, transposed ? W : H, C, error);
  if (!dst)
    return NULL;
  corner = src->data + (from_right ? row - C : 0) +
           (from_bottom ? (H - 1) * row : 0);
#pragma omp parallel for
  for (int y = 0; y < dst->height; y++) {
    guint8 *out = dst->data + (gsize) y * dst->width * C;

    for (int x = 0; x < dst->width; x++)
      memcpy (out + x * C, corner + x * across + y * down, C);
  }
  return dst;
}

static void
report_foreign (const guint8 *data, gsize size, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (foreign); i++) {
    const ForeignFormat *f = &foreign[i];

    if (has_magic (data, size, f->offset, f->magic, f->length)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
          "%s is not supported; convert it to JPEG or PNG", f->name);
      return;
    }
  }
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "this is not a picture: expected a JPEG, PNG or WebP file, found %s",
      size == 0 ? "nothing (0 bytes)" : "something else");
}

ShuImage *
shu_photo_decode (GBytes *data, GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (data, &size);
  int orientation = 1;
  ShuImage *image;

  if (has_magic (p, size, 0, "\xff\xd8\xff", 3))
    image = shu_photo_read_jpeg (p, size, &orientation, error);
  else if (has_magic (p, size, 0, "\x89PNG\r\n\x1a\n", 8))
    image = shu_photo_read_png (p, size, &orientation, error);
  else if (has_magic (p, size, 0, "RIFF", 4) &&
           has_magic (p, size, 8, "WEBP", 4))
    image = shu_photo_read_webp (p, size, &orientation, error);
  else {
    report_foreign (p, size, error);
    return NULL;
  }
  return image ? shu_image_orient (image, orientation, error) : NULL;
}
