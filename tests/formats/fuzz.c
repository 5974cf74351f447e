/* SPDX-License-Identifier: MIT */
/* Readers of files from outside against files damaged at random: an error or a
 * result, no crash and no hang.  The same program, with --times=100 and under
 * the sanitizers, searches for long. */
#include "base/error.h"
#include "mutate.h"
#include "fixtures.h"
#include "formats/glb.h"
#include "formats/npz.h"
#include "formats/photo.h"
#include "formats/png.h"
#include "weights/config.h"
#include "weights/safetensors.h"
#include <math.h>
#include <png.h>
#include <string.h>

/* ---- checksums, put right so that damage gets behind them ---- */

static guint32
crc32_of (const guint8 *p, gsize n)
{
  guint32 c = 0xffffffff;

  for (gsize i = 0; i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++)
      c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
  }
  return ~c;
}

static guint32
load (const guint8 *p, gboolean big)
{
  guint32 v;

  memcpy (&v, p, 4);
  return big ? GUINT32_FROM_BE (v) : GUINT32_FROM_LE (v);
}

static void
store (guint8 *p, guint32 v, gboolean big)
{
  v = big ? GUINT32_TO_BE (v) : GUINT32_TO_LE (v);
  memcpy (p, &v, 4);
}

static void
mend_png (guint8 *p, gsize size)
{
  gsize at = 8;

  while (at + 12 <= size) {
    gsize n = load (p + at, TRUE);

    if (n > size - at - 12)
      return;
    store (p + at + 8 + n, crc32_of (p + at + 4, n + 4), TRUE);
    at += n + 12;
  }
}

/* Members one behind the other, stored, then the directory. */
static void
mend_zip (guint8 *p, gsize size)
{
  gsize at = 0;
  guint32 sums[8] = {0};
  guint n = 0, i = 0;

  while (at + 30 <= size && load (p + at, FALSE) == 0x04034b50 && n < 8) {
    gsize name = p[at + 26] + 256u * p[at + 27];
    gsize extra = p[at + 28] + 256u * p[at + 29];
    gsize length = load (p + at + 18, FALSE), start = at + 30 + name + extra;

    if (start > size || length > size - start)
      return;
    sums[n] = crc32_of (p + start, length);
    store (p + at + 14, sums[n++], FALSE);
    at = start + length;
  }
  while (at + 46 <= size && load (p + at, FALSE) == 0x02014b50 && i < n) {
    store (p + at + 16, sums[i++], FALSE);
    at += 46 + p[at + 28] + 256u * p[at + 29] + p[at + 30] + 256u * p[at + 31] +
          p[at + 32] + 256u * p[at + 33];
  }
}

/* ---- readers, which look at all that they are given ---- */

static guint
sum (gconstpointer data, gsize size)
{
  const guint8 *p = data;
  volatile guint s = 0;

  for (gsize i = 0; i < size; i++)
    s += p[i];
  return s;
}

static gboolean
read_photo (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuImage) image = shu_photo_decode (bytes, error);

  if (image)
    sum (image->data, shu_image_size (image));
  return image != NULL;
}

static gboolean
read_safetensors (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuSafetensors) st = shu_safetensors_parse (bytes, "fuzz", error);

  for (int i = 0; st && i < shu_safetensors_n (st); i++) {
    g_autoptr (GError) unsupported = NULL;
    g_autoptr (ShuTensor) t = shu_safetensors_tensor (st, i, &unsupported);

    g_assert_cmpint (
        shu_safetensors_find (st, shu_safetensors_name (st, i)), ==, i);
    g_assert_true ((t == NULL) == (unsupported != NULL));
    if (t)
      sum (t->data, shu_tensor_bytes (t));
  }
  return st != NULL;
}

static gboolean
read_config (GBytes *bytes, gpointer data, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (ShuConfig) c =
      shu_config_parse (size ? text : "", size, "fuzz", error);
  int ints[4];
  double doubles[4];
  ShuConfig *inner;
  g_autofree const char **keys = NULL;

  if (!c)
    return FALSE;
  inner = shu_config_at (c, "args/models");
  keys = shu_config_keys (inner);
  for (int i = 0; keys[i]; i++)
    shu_config_string (inner, keys[i], "");
  g_assert_cmpint (shu_config_int (c, "sample_size", 12, 512, 24), >=, 12);
  g_assert_cmpint (shu_config_int (inner, "sample_size", 1, 9, 7), <=, 9);
  g_assert_false (isnan (shu_config_float (c, "eps", 0, 1, 0.5)));
  shu_config_bool (c, "flag", FALSE);
  g_assert_cmpint (shu_config_ints (c, "channels", 1, 9, 4, ints), <=, 4);
  g_assert_cmpint (shu_config_floats (c, "interval", 4, doubles), <=, 4);
  return shu_config_finish (c, error);
}

static gboolean
read_npz (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (GPtrArray) arrays = shu_npz_read (bytes, error);

  for (guint i = 0; arrays && i < arrays->len; i++) {
    const ShuNpyArray *a = arrays->pdata[i];
    g_autofree float *f = shu_npy_to_f32 (a);
    g_autofree gint32 *n = shu_npy_to_i32 (a, NULL);

    sum (f, a->n * sizeof *f);
    if (n)
      sum (n, a->n * sizeof *n);
  }
  return arrays != NULL;
}

static gboolean
read_coords (GBytes *bytes, gpointer data, GError **error)
{
  gsize n = 0;
  g_autofree gint32 *coords = shu_coords_decode (bytes, 16, &n, error);

  for (gsize i = 0; coords && i < 4 * n; i++)
    g_assert_cmpint ((guint32) coords[i], <, 16);
  return coords != NULL;
}

static gboolean
read_npy (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuNpyArray) a = shu_npy_parse ("fuzz", bytes, error);
  g_autofree float *f = a ? shu_npy_to_f32 (a) : NULL;

  if (a)
    sum (f, a->n * sizeof *f);
  return a != NULL;
}

static gboolean
read_glb (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuGlb) glb = shu_glb_decode (bytes, error);

  if (!glb)
    return FALSE;
  g_assert_true (shu_mesh_check (glb->mesh, NULL));
  if (glb->mesh->uv)
    sum (glb->mesh->uv, glb->mesh->n_verts * 2 * sizeof (float));
  if (glb->mesh->attr)
    sum (glb->mesh->attr, glb->mesh->n_verts * 6 * sizeof (float));
  if (glb->tangents)
    sum (glb->tangents, glb->mesh->n_verts * 4 * sizeof (float));
  if (glb->normal_map)
    sum (g_bytes_get_data (glb->normal_map, NULL),
        g_bytes_get_size (glb->normal_map));
  if (glb->texture) {
    g_autoptr (ShuImage) image = shu_photo_decode (glb->texture, NULL);

    sum (
        g_bytes_get_data (glb->texture, NULL), g_bytes_get_size (glb->texture));
  }
  return TRUE;
}

/* ---- valid files ---- */

static GBytes *
make_safetensors (void)
{
  static const char *const names[] = {"conv.weight", "bias", "faces", "half"};
  static const ShuDType types[] = {
      SHU_DTYPE_F32, SHU_DTYPE_F32, SHU_DTYPE_I32, SHU_DTYPE_F16};
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  ShuTensor *tensors[G_N_ELEMENTS (names)];
  GBytes *bytes;

  g_hash_table_insert (metadata, "synchuman.bundle", "views/1");
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    tensors[i] = shu_tensor_new (types[i], SHU_DIMS (4 - i, 3, 2));
    memset (tensors[i]->data, (int) i + 1, shu_tensor_bytes (tensors[i]));
  }
  bytes =
      shu_safetensors_write (G_N_ELEMENTS (names), names, tensors, metadata);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    shu_tensor_unref (tensors[i]);
  return bytes;
}

static GBytes *
make_config (void)
{
  static const char text[] =
      "{\"_class_name\": \"Net\", \"sample_size\": 24, \"eps\": 1e-06,\n"
      " \"channels\": [1, 2, 3, 4], \"flag\": true, \"interval\": [0.5, 1.0],\n"
      " \"args\": {\"models\": {\"a\": \"decoder\\u0041\", \"b\": \"x\"},\n"
      " \"deep\": [[[{\"k\": [null, -1.5e3]}]]]}}";

  return g_bytes_new_static (text, strlen (text));
}

static GBytes *
make_npz (void)
{
  g_autoptr (GPtrArray) arrays =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_npy_array_free);

  for (int k = 0; k < 2; k++)
    g_ptr_array_add (
        arrays, shu_npy_array_new (k ? "b" : "coords",
                    k ? SHU_NPY_U8 : SHU_NPY_I64, 2, (const gint64[]){3, 4},
                    g_bytes_new_take (g_malloc0 (k ? 12 : 96), k ? 12 : 96)));
  return shu_npz_encode (arrays, NULL);
}

static GBytes *
make_coords (void)
{
  gint32 coords[8][4];

  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 4; k++)
      coords[i][k] = k == 0 ? 0 : (i >> (k - 1)) & 1;
  return shu_coords_encode (&coords[0][0], 8, NULL);
}

static GBytes *
make_npy (void)
{
  static const char header[] =
      "\x93NUMPY\1\0\x3a\0{'descr': '<f4', 'fortran_order': True, "
      "'shape': (2, 3)}\n";
  GByteArray *a = g_byte_array_new ();

  /* sized by hand: 10 bytes, then 58 of text */
  g_byte_array_append (a, (const guint8 *) header, sizeof header - 1);
  g_assert_cmpint (a->len, <=, 68);
  while (a->len < 68)
    g_byte_array_append (a, (const guint8 *) " ", 1);
  g_byte_array_set_size (a, 68 + 24);
  memset (a->data + 68, 0x3f, 24);
  return g_byte_array_free_to_bytes (a);
}

/* @packed: quantized, colours at the vertices in place of a picture */
static GBytes *
make_glb (gboolean packed)
{
  static const float attr[24] = {0.5f, 1};
  float pos[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  float uv[] = {0, 0, 1, 0, 0, 1, 1, 1};
  gint32 faces[] = {0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3};
  ShuMesh mesh = {.n_verts = 4,
      .n_faces = 4,
      .pos = pos,
      .uv = uv,
      .faces = faces,
      .attr = (float *) attr};
  ShuGlbParams params = {.height = 1,
      .quantize = packed,
      .texture_format = packed ? SHU_TEXTURE_VERTICES : SHU_TEXTURE_PNG};
  g_autoptr (ShuImage) image = fixture_noise (4, 4, 3, 1);
  g_autoptr (GBytes) png = shu_png_encode (image, NULL);

  return shu_glb_encode (
      &mesh, packed ? NULL : png, packed ? NULL : png, &params, NULL);
}

/* @kind: 0 baseline, 1 progressive with EXIF, 2 CMYK */
static GBytes *
make_jpeg (int kind)
{
  g_autoptr (ShuImage) image = fixture_noise (19, 17, kind == 2 ? 4 : 3, 3);

  return fixture_jpeg (
      image, (JpegOptions){.progressive = kind == 1, .orientation = 6 * kind});
}

static GBytes *
make_png (int type, int depth, gboolean interlaced)
{
  return fixture_png (13, 11,
      (PngOptions){type, depth, interlaced, type != PNG_COLOR_TYPE_RGB_ALPHA},
      NULL);
}

static GBytes *
make_webp (gboolean lossless)
{
  g_autoptr (ShuImage) image = fixture_cutout (17, 15);

  return fixture_webp (image, lossless);
}

static void
test_target (gconstpointer data)
{
  mutate_run (data);
}

int
main (int argc, char **argv)
{
  MutateTarget targets[] = {
      {"safetensors", make_safetensors (), read_safetensors, NULL, MUTATE_TEXT,
          3000, NULL},
      {"config", make_config (), read_config, NULL, MUTATE_TEXT, 3000, NULL},
      {"npz", make_npz (), read_npz, mend_zip, MUTATE_BYTES, 2000, NULL},
      {"coords", make_coords (), read_coords, mend_zip, MUTATE_FLOATS, 2000,
          NULL},
      {"npy", make_npy (), read_npy, NULL, MUTATE_TEXT, 3000, NULL},
      {"glb", make_glb (FALSE), read_glb, NULL, MUTATE_TEXT, 3000, NULL},
      {"glb_packed", make_glb (TRUE), read_glb, NULL, MUTATE_TEXT, 3000, NULL},
      {"jpeg", make_jpeg (0), read_photo, NULL, MUTATE_BYTES, 1000, NULL},
      {"jpeg_progressive", make_jpeg (1), read_photo, NULL, MUTATE_BYTES, 1000,
          NULL},
      {"jpeg_cmyk", make_jpeg (2), read_photo, NULL, MUTATE_BYTES, 1000, NULL},
      {"png_palette", make_png (PNG_COLOR_TYPE_PALETTE, 4, FALSE), read_photo,
          mend_png, MUTATE_BYTES, 1000, NULL},
      {"png_interlaced", make_png (PNG_COLOR_TYPE_RGB, 16, TRUE), read_photo,
          mend_png, MUTATE_BYTES, 1000, NULL},
      {"png_alpha", make_png (PNG_COLOR_TYPE_RGB_ALPHA, 8, FALSE), read_photo,
          mend_png, MUTATE_BYTES, 1000, NULL},
      {"webp_lossy", make_webp (FALSE), read_photo, NULL, MUTATE_BYTES, 1000,
          NULL},
      {"webp_lossless", make_webp (TRUE), read_photo, NULL, MUTATE_BYTES, 1000,
          NULL},
  };
  int status;

  mutate_init (&argc, argv);
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autofree char *path =
        g_strdup_printf ("/fuzz/%s/fails_clearly", targets[i].name);

    g_test_add_data_func (path, &targets[i], test_target);
  }
  status = g_test_run ();
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++)
    g_bytes_unref (targets[i].valid);
  return status;
}
