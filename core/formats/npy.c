/* SPDX-License-Identifier: MIT */
/* One NPY array: a line of Python that gives type and shape, then the raw
 * elements.  The format is NumPy's NEP 1. */
#include "npy_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"
#include <math.h>
#include <stdio.h>

typedef struct {
  const char *descr;
  guint size;
} TypeInfo;

static const TypeInfo types[] = {
    [SHU_NPY_F16] = {"<f2", 2},
    [SHU_NPY_F32] = {"<f4", 4},
    [SHU_NPY_F64] = {"<f8", 8},
    [SHU_NPY_I32] = {"<i4", 4},
    [SHU_NPY_I64] = {"<i8", 8},
    [SHU_NPY_U8] = {"|u1", 1},
};

ShuNpyArray *
shu_npy_array_new (const char *name, ShuNpyType type, int n_dims,
    const gint64 *dims, GBytes *data)
{
  ShuNpyArray *a = g_new0 (ShuNpyArray, 1);

  g_assert (n_dims >= 0 && n_dims <= SHU_NPY_MAX_DIMS);
  a->name = g_strdup (name);
  a->type = type;
  a->n_dims = n_dims;
  a->n = 1;
  for (int i = 0; i < n_dims; i++) {
    a->dims[i] = dims[i];
    a->n *= dims[i];
  }
  g_assert (g_bytes_get_size (data) == a->n * types[type].size);
  a->data = data;
  return a;
}

void
shu_npy_array_free (ShuNpyArray *array)
{
  if (!array)
    return;
  g_free (array->name);
  g_bytes_unref (array->data);
  g_free (array);
}

/* The header: a Python dictionary with three known keys. */
typedef struct {
  const char *p;
  const char *end;
  ShuNpyType type;
  gboolean has_type, has_order, has_shape;
  gboolean fortran_order;
  int n_dims;
  gint64 dims[SHU_NPY_MAX_DIMS];
} Header;

static void
skip_space (Header *h)
{
  while (h->p < h->end && g_ascii_isspace (*h->p))
    h->p++;
}

static gboolean
accept (Header *h, const char *word)
{
  gsize n = strlen (word);

  skip_space (h);
  if ((gsize) (h->end - h->p) < n || memcmp (h->p, word, n) != 0)
    return FALSE;
  h->p += n;
  return TRUE;
}

/* A quoted word of at most @size - 1 characters. */
static gboolean
read_string (Header *h, char *ret, gsize size)
{
  gsize n = 0;
  char quote;

  skip_space (h);
  if (h->p == h->end || (*h->p != '\'' && *h->p != '"'))
    return FALSE;
  quote = *h->p++;
  while (h->p < h->end && *h->p != quote && n + 1 < size)
    ret[n++] = *h->p++;
  ret[n] = 0;
  return h->p < h->end && *h->p++ == quote;
}

static gboolean
read_shape (Header *h)
{
  if (!accept (h, "("))
    return FALSE;
  while (!accept (h, ")")) {
    gint64 v = 0;

    if (h->n_dims == SHU_NPY_MAX_DIMS || h->p == h->end ||
        !g_ascii_isdigit (*h->p))
      return FALSE;
    for (; h->p < h->end && g_ascii_isdigit (*h->p); h->p++)
      if (__builtin_mul_overflow (v, 10, &v) ||
          __builtin_add_overflow (v, *h->p - '0', &v))
        return FALSE;
    h->dims[h->n_dims++] = v;
    if (!accept (h, ",")) {
      h->has_shape = TRUE;
      return accept (h, ")");
    }
  }
  h->has_shape = TRUE;
  return TRUE;
}

static gboolean
refuse (const char *name, ShuError code, const char *what, GError **error)
{
  g_set_error (error, SHU_ERROR, code, "%s: %s", name, what);
  return FALSE;
}

static gboolean
read_type (Header *h, const char *name, GError **error)
{
  char descr[16];

  if (!read_string (h, descr, sizeof descr))
    return refuse (name, SHU_ERROR_UNSUPPORTED,
        "the NPY header has no simple element type", error);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (descr, types[i].descr) == 0) {
      h->type = i;
      h->has_type = TRUE;
      return TRUE;
    }
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "%s: element type %.15s is not supported (little-endian float16/32/64, "
      "int32/64 and uint8 are)",
      name, descr);
  return FALSE;
}

static gboolean
read_dictionary (Header *h, const char *name, GError **error)
{
  gboolean ok = accept (h, "{");

  while (ok && !accept (h, "}")) {
    char key[32];

    if (!read_string (h, key, sizeof key) || !accept (h, ":")) {
      ok = FALSE;
    } else if (strcmp (key, "descr") == 0) {
      if (!read_type (h, name, error))
        return FALSE;
    } else if (strcmp (key, "fortran_order") == 0) {
      h->fortran_order = accept (h, "True");
      ok = h->has_order = h->fortran_order || accept (h, "False");
    } else
      ok = strcmp (key, "shape") == 0 && !h->has_shape && read_shape (h);
    if (ok && !accept (h, ",")) {
      ok = accept (h, "}");
      break;
    }
  }
  if (!ok || !h->has_type || !h->has_order || !h->has_shape)
    return refuse (name, SHU_ERROR_INVALID, "the NPY header is damaged", error);
  return TRUE;
}

/* Finds the header, fills @h and leaves @c at the elements. */
static gboolean
read_header (ShuCursor *c, Header *h, const char *name, GError **error)
{
  const guint8 *magic = shu_cursor_take (c, 6);
  guint major = shu_cursor_uint (c, 1);
  gsize length;

  shu_cursor_uint (c, 1);
  length = shu_cursor_uint (c, major == 1 ? 2 : 4);
  if (magic && memcmp (magic, "\x93NUMPY", 6) != 0)
    return refuse (name, SHU_ERROR_INVALID, "not a NPY array", error);
  if (!c->failed && (major < 1 || major > 3))
    return refuse (
        name, SHU_ERROR_UNSUPPORTED, "unknown version of NPY", error);
  h->p = (const char *) shu_cursor_take (c, length);
  if (!h->p)
    return refuse (
        name, SHU_ERROR_TRUNCATED, "the NPY header is cut short", error);
  h->end = h->p + length;
  return read_dictionary (h, name, error);
}

/* From Fortran order, where the first index runs fastest, to C order. */
static GBytes *
reorder (const Header *h, const guint8 *src, gsize size)
{
  gsize item = types[h->type].size, n = size / item;
  gsize stride[SHU_NPY_MAX_DIMS], index[SHU_NPY_MAX_DIMS] = {0};
  guint8 *dst = g_malloc (MAX (size, 1));
  gsize from = 0;

  for (int i = 0; i < h->n_dims; i++)
    stride[i] = i == 0 ? 1 : stride[i - 1] * h->dims[i - 1];
  for (gsize i = 0; i < n; i++) {
    memcpy (dst + i * item, src + from * item, item);
    for (int d = h->n_dims - 1; d >= 0; d--) {
      from += stride[d];
      if (++index[d] < (gsize) h->dims[d])
        break;
      from -= stride[d] * index[d];
      index[d] = 0;
    }
  }
  return g_bytes_new_take (dst, size);
}

ShuNpyArray *
shu_npy_parse (const char *name, GBytes *data, GError **error)
{
  ShuCursor c =
      shu_cursor (g_bytes_get_data (data, NULL), g_bytes_get_size (data));
  Header h = {0};
  gsize size;

  if (!read_header (&c, &h, name, error))
    return NULL;
  size = types[h.type].size;
  for (int i = 0; i < h.n_dims; i++)
    if (!shu_mul_size (size, h.dims[i], &size)) {
      refuse (name, SHU_ERROR_LIMIT, "the array is too large", error);
      return NULL;
    }
  if (size != c.size - c.pos) {
    g_set_error (error, SHU_ERROR,
        size > c.size - c.pos ? SHU_ERROR_TRUNCATED : SHU_ERROR_INVALID,
        "%s: expected %" G_GSIZE_FORMAT " bytes of elements, found "
        "%" G_GSIZE_FORMAT,
        name, size, c.size - c.pos);
    return NULL;
  }
  return shu_npy_array_new (name, h.type, h.n_dims, h.dims,
      h.fortran_order ? reorder (&h, c.data + c.pos, size)
                      : g_bytes_new_from_bytes (data, c.pos, size));
}

/* Padded so that the elements start at a multiple of 64, as NumPy does. */
GByteArray *
shu_npy_write (const ShuNpyArray *array)
{
  g_autoptr (GString) line = g_string_new (NULL);
  GByteArray *out = g_byte_array_new ();
  gsize length;

  g_string_printf (line, "{'descr': '%s', 'fortran_order': False, 'shape': (",
      types[array->type].descr);
  for (int i = 0; i < array->n_dims; i++)
    g_string_append_printf (
        line, "%s%" G_GINT64_FORMAT, i == 0 ? "" : ", ", array->dims[i]);
  g_string_append (line, array->n_dims == 1 ? ",), }" : "), }");
  while ((10 + line->len + 1) % 64 != 0)
    g_string_append_c (line, ' ');
  g_string_append_c (line, '\n');

  length = line->len;
  g_byte_array_append (out, (const guint8 *) "\x93NUMPY\1\0", 8);
  g_byte_array_append (
      out, (const guint8[]){length & 0xff, (length >> 8) & 0xff}, 2);
  g_byte_array_append (out, (const guint8 *) line->str, line->len);
  g_byte_array_append (out, g_bytes_get_data (array->data, NULL),
      (guint) g_bytes_get_size (array->data));
  return out;
}

/* Element @i as a number; exact but for large 64-bit integers. */
static double
element (const ShuNpyArray *array, const guint8 *p, gsize i)
{
  union {
    guint16 f16;
    float f32;
    double f64;
    gint32 i32;
    gint64 i64;
    guint8 u8;
  } v;

  memcpy (&v, p + i * types[array->type].size, types[array->type].size);
  switch (array->type) {
  case SHU_NPY_F16:
    return shu_f16_to_f32 (GUINT16_FROM_LE (v.f16));
  case SHU_NPY_F32:
    return v.f32;
  case SHU_NPY_F64:
    return v.f64;
  case SHU_NPY_I32:
    return v.i32;
  case SHU_NPY_I64:
    return (double) v.i64;
  case SHU_NPY_U8:
    return v.u8;
  }
  g_assert_not_reached ();
}

float *
shu_npy_to_f32 (const ShuNpyArray *array)
{
  const guint8 *p = g_bytes_get_data (array->data, NULL);
  float *ret = g_new (float, MAX (array->n, 1));

  for (gsize i = 0; i < array->n; i++)
    ret[i] = (float) element (array, p, i);
  return ret;
}

gint32 *
shu_npy_to_i32 (const ShuNpyArray *array, GError **error)
{
  const guint8 *p = g_bytes_get_data (array->data, NULL);
  g_autofree gint32 *ret = g_new (gint32, MAX (array->n, 1));

  for (gsize i = 0; i < array->n; i++) {
    double v = element (array, p, i);

    if (!(v >= G_MININT32 && v <= G_MAXINT32) || v != floor (v)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: element %" G_GSIZE_FORMAT " is %g, expected an integer",
          array->name, i, v);
      return NULL;
    }
    ret[i] = (gint32) v;
  }
  return g_steal_pointer (&ret);
}
