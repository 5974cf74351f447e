/* SPDX-License-Identifier: MIT */
/* The wire format, and what a tensor is in it.  Values may be in a block, or as
 * numbers in a field of their type. */
#include "weights/onnx_private.h"
#include "base/error.h"
#include "weights/safetensors.h"
#include <string.h>

/* Bytes of a tensor that is not in one block */
enum { MAX_NUMBERS = 1 << 30 };

typedef ShuOnnxField Field;

/* ---- the wire format ---- */

guint64
shu_onnx_varint (ShuCursor *c)
{
  guint64 v = 0;

  for (int shift = 0; shift < 64; shift += 7) {
    guint64 byte = shu_cursor_uint (c, 1);

    v |= (byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return v;
  }
  c->failed = TRUE;
  return 0;
}

gboolean
shu_onnx_next_field (ShuCursor *c, Field *f)
{
  guint64 tag;

  if (c->failed || c->pos == c->size)
    return FALSE;
  tag = shu_onnx_varint (c);
  *f = (Field){.field = (guint) MIN (tag >> 3, G_MAXUINT), .wire = tag & 7};
  switch (f->wire) {
  case SHU_ONNX_VARINT:
    f->value = shu_onnx_varint (c);
    break;
  case SHU_ONNX_FIXED64:
    f->size = 8;
    break;
  case SHU_ONNX_FIXED32:
    f->size = 4;
    break;
  case SHU_ONNX_BYTES:
    f->size = shu_onnx_varint (c);
    break;
  default:
    c->failed = TRUE;
  }
  if (f->wire != SHU_ONNX_VARINT)
    f->data = shu_cursor_take (c, f->size);
  c->failed = c->failed || f->field == 0;
  return !c->failed;
}

ShuCursor
shu_onnx_inside (const Field *f)
{
  return shu_cursor (f->data, f->wire == SHU_ONNX_BYTES ? f->size : 0);
}

char *
shu_onnx_text (const Field *f)
{
  return f->wire == SHU_ONNX_BYTES ? g_strndup ((const char *) f->data, f->size)
                                   : g_strdup ("");
}

/* ---- tensors ---- */

/* Fields of numbers that are not in a block */
enum {
  FLOAT_DATA = 4,
  INT32_DATA = 5,
  INT64_DATA = 7,
  DOUBLE_DATA = 10,
  UINT64_DATA = 11,
};

/* Data types, and which field their numbers are in: halves as their bits */
static const struct {
  int type;
  const char *dtype;
  guint field;
} types[] = {
    {1, "F32", FLOAT_DATA},
    {2, "U8", INT32_DATA},
    {3, "I8", INT32_DATA},
    {4, "U16", INT32_DATA},
    {5, "I16", INT32_DATA},
    {6, "I32", INT32_DATA},
    {7, "I64", INT64_DATA},
    {9, "BOOL", INT32_DATA},
    {10, "F16", INT32_DATA},
    {11, "F64", DOUBLE_DATA},
    {12, "U32", UINT64_DATA},
    {13, "U64", UINT64_DATA},
    {16, "BF16", INT32_DATA},
};

typedef struct {
  char *name;
  int type;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gboolean many_dims, external, has_raw;
  const guint8 *raw;
  gsize raw_size;
  GByteArray *numbers; /* little endian, of width_of (@numbers_field) bytes */
  guint numbers_field;
} Proto;

static void
proto_clear (Proto *t)
{
  g_free (t->name);
  g_clear_pointer (&t->numbers, g_byte_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Proto, proto_clear)

static void
add_dim (Proto *t, guint64 value)
{
  if (t->n_dims == SHU_MAX_DIMS) {
    t->many_dims = TRUE;
    return;
  }
  t->dims[t->n_dims++] = (gint64) MIN (value, G_MAXINT64);
}

static int
width_of (guint field)
{
  return field == FLOAT_DATA || field == INT32_DATA ? 4 : 8;
}

/* Whether the numbers of @f are all of one field. */
static gboolean
begin_numbers (Proto *t, const Field *f)
{
  if (!t->numbers)
    t->numbers = g_byte_array_new ();
  if (t->numbers_field == 0)
    t->numbers_field = f->field;
  return t->numbers_field == f->field;
}

static void
add_number (Proto *t, guint64 value)
{
  guint64 le = GUINT64_TO_LE (value);

  g_byte_array_append (
      t->numbers, (const guint8 *) &le, width_of (t->numbers_field));
}

/* A field of numbers: packed, or one number at a time. */
static gboolean
add_numbers (Proto *t, const Field *f)
{
  ShuCursor c = shu_onnx_inside (f);

  if (!begin_numbers (t, f))
    return FALSE;
  if (f->wire == SHU_ONNX_VARINT)
    add_number (t, f->value);
  while (c.pos < c.size && !c.failed && t->numbers->len < MAX_NUMBERS)
    add_number (t, shu_onnx_varint (&c));
  return !c.failed && t->numbers->len < MAX_NUMBERS;
}

/* The same of numbers as they are in memory */
static gboolean
add_plain_numbers (Proto *t, const Field *f)
{
  if (!begin_numbers (t, f) || f->size % (gsize) width_of (f->field) != 0 ||
      f->size > MAX_NUMBERS - t->numbers->len)
    return FALSE;
  if (f->data)
    g_byte_array_append (t->numbers, f->data, (guint) f->size);
  return TRUE;
}

static gboolean
read_field (Proto *t, const Field *f)
{
  ShuCursor c = shu_onnx_inside (f);

  switch (f->field) {
  case 1: /* dims */
    if (f->wire == SHU_ONNX_VARINT)
      add_dim (t, f->value);
    while (c.pos < c.size && !c.failed)
      add_dim (t, shu_onnx_varint (&c));
    return !c.failed;
  case 2: /* data_type */
    t->type = (int) MIN (f->value, G_MAXINT);
    return TRUE;
  case FLOAT_DATA:
  case DOUBLE_DATA:
    return add_plain_numbers (t, f);
  case INT32_DATA:
  case INT64_DATA:
  case UINT64_DATA:
    return add_numbers (t, f);
  case 8:
    g_free (t->name);
    t->name = shu_onnx_text (f);
    return TRUE;
  case 9:
    t->has_raw = f->wire == SHU_ONNX_BYTES;
    t->raw = f->data;
    t->raw_size = f->size;
    return t->has_raw;
  case 13: /* external_data */
    t->external = TRUE;
    return TRUE;
  case 14: /* data_location: 1 is external */
    t->external = t->external || f->value != 0;
    return TRUE;
  default:
    return TRUE;
  }
}

/* The numbers of @t, @elem bytes each: (transfer full) */
static GBytes *
take_numbers (Proto *t, gsize elem)
{
  gsize width = (gsize) width_of (t->numbers_field);
  gsize n = t->numbers->len / width;
  guint8 *data = t->numbers->data;

  for (gsize i = 1; i < n && elem < width; i++)
    memmove (data + i * elem, data + i * width, elem);
  g_byte_array_set_size (t->numbers, (guint) (n * elem));
  return g_byte_array_free_to_bytes (g_steal_pointer (&t->numbers));
}

/* What is wrong with @t, or NULL with @ret. */
static const char *
make_stored (GBytes *bytes, Proto *t, ShuStored *ret)
{
  gsize size, elem, n = 1;
  const guint8 *all = g_bytes_get_data (bytes, NULL);
  guint field = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i].type == t->type) {
      ret->dtype = types[i].dtype;
      field = types[i].field;
    }
  if (!ret->dtype)
    return "its type is not supported";
  if (t->many_dims)
    return "it has more than 5 dimensions";
  ret->n_dims = t->n_dims;
  memcpy (ret->dims, t->dims, sizeof t->dims);
  for (int i = 0; i < t->n_dims; i++)
    if (!shu_mul_size (n, (gsize) t->dims[i], &n))
      return "its shape is not valid";
  elem = shu_safetensors_type_size (ret->dtype);
  if (!shu_mul_size (n, elem, &size))
    return "its shape is not valid";
  if (t->has_raw) {
    ret->bytes =
        g_bytes_new_from_bytes (bytes, t->raw ? t->raw - all : 0, t->raw_size);
  } else {
    if (t->numbers && t->numbers_field != field)
      return "its numbers are of another type";
    ret->bytes =
        t->numbers ? take_numbers (t, elem) : g_bytes_new_static ("", 0);
  }
  return g_bytes_get_size (ret->bytes) == size
             ? NULL
             : "its shape and its data do not agree";
}

const char *
shu_onnx_tensor (GBytes *bytes, ShuCursor c, char **ret_name,
    ShuStored *ret_stored, int *ret_code)
{
  g_auto (Proto) t = {.name = g_strdup ("")};
  const char *fault;
  Field f;

  while (shu_onnx_next_field (&c, &f))
    if (!read_field (&t, &f))
      c.failed = TRUE;
  *ret_code = SHU_ERROR_TRUNCATED;
  if (c.failed || c.pos < c.size)
    return "it is damaged";
  *ret_code = SHU_ERROR_INVALID;
  if (!g_utf8_validate (t.name, -1, NULL))
    return "a tensor's name is not valid";
  if (t.external)
    *ret_code = SHU_ERROR_UNSUPPORTED;
  fault = t.external ? "its data are in a file beside the model; save the "
                       "model as one file"
                     : make_stored (bytes, &t, ret_stored);
  if (fault)
    g_clear_pointer (&ret_stored->bytes, g_bytes_unref);
  *ret_name = g_steal_pointer (&t.name);
  return fault;
}
