/* SPDX-License-Identifier: MIT */
/* A model is a message in Protocol Buffers' wire format, and only the parts
 * that lead to weights are looked at: graph (7) -> initializer (5), node (1).
 * Numbers of fields and types are those of onnx.proto. */
#include "weights/onnx.h"
#include "base/bytes.h"
#include "base/error.h"
#include "weights/onnx_private.h"
#include "weights/safetensors.h"
#include <string.h>

enum {
  MAX_CONVS = 1 << 16,
  MAX_NUMBERS = 1 << 30, /* bytes of a tensor that is not in one block */
  /* wire types */
  VARINT = 0,
  FIXED64 = 1,
  BYTES = 2,
  FIXED32 = 5,
};

typedef struct {
  guint field;
  int wire;
  guint64 value; /* of a number */
  const guint8 *data;
  gsize size;
} Field;

typedef struct {
  const char *label;
  GBytes *bytes;
  ShuTensorFile *file;
  GArray *convs;        /* ShuOnnxConv */
  GPtrArray *names;     /* of initialisers */
  GArray *initializers; /* ShuStored */
  GHashTable *by_name;  /* name -> position + 1 */
} Onnx;

static const struct {
  int type;
  const char *dtype;
} types[] = {
    {1, "F32"},
    {2, "U8"},
    {3, "I8"},
    {4, "U16"},
    {5, "I16"},
    {6, "I32"},
    {7, "I64"},
    {9, "BOOL"},
    {10, "F16"},
    {11, "F64"},
    {12, "U32"},
    {13, "U64"},
    {16, "BF16"},
};

/* ---- the wire format ---- */

static guint64
take_varint (ShuCursor *c)
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

/* FALSE at the end, and where @c failed. */
static gboolean
next_field (ShuCursor *c, Field *f)
{
  guint64 tag;

  if (c->failed || c->pos == c->size)
    return FALSE;
  tag = take_varint (c);
  *f = (Field){.field = (guint) MIN (tag >> 3, G_MAXUINT), .wire = tag & 7};
  switch (f->wire) {
  case VARINT:
    f->value = take_varint (c);
    break;
  case FIXED64:
    f->size = 8;
    break;
  case FIXED32:
    f->size = 4;
    break;
  case BYTES:
    f->size = take_varint (c);
    break;
  default:
    c->failed = TRUE;
  }
  if (f->wire != VARINT)
    f->data = shu_cursor_take (c, f->size);
  c->failed = c->failed || f->field == 0;
  return !c->failed;
}

static ShuCursor
inside (const Field *f)
{
  return shu_cursor (f->data, f->wire == BYTES ? f->size : 0);
}

static char *
text_of (const Field *f)
{
  return f->wire == BYTES ? g_strndup ((const char *) f->data, f->size)
                          : g_strdup ("");
}

static gboolean
fail (
    const Onnx *o, int code, const char *name, const char *what, GError **error)
{
  if (name)
    g_set_error (error, SHU_ERROR, code, "%s: tensor \"%.200s\": %s", o->label,
        name, what);
  else
    g_set_error (error, SHU_ERROR, code, "%s: %s", o->label, what);
  return FALSE;
}

static gboolean
damaged (const Onnx *o, GError **error)
{
  return fail (o, SHU_ERROR_TRUNCATED, NULL,
      "no whole ONNX model: the file is damaged or ends too early; copy it "
      "again",
      error);
}

/* ---- tensors ---- */

/* Values may be in a block, or as numbers in a field of their type. */
typedef struct {
  char *name;
  int type;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gboolean many_dims, external, has_raw;
  const guint8 *raw;
  gsize raw_size;
  GByteArray *numbers; /* little endian, as long as the type is */
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

static void
add_number (Proto *t, guint64 value, int size)
{
  guint64 le = GUINT64_TO_LE (value);

  g_byte_array_append (t->numbers, (const guint8 *) &le, size);
}

/* A field of numbers: packed, or one number at a time. */
static gboolean
add_numbers (Proto *t, const Field *f, int size)
{
  ShuCursor c = inside (f);

  if (!t->numbers)
    t->numbers = g_byte_array_new ();
  if (f->wire == VARINT)
    add_number (t, f->value, size);
  while (c.pos < c.size && !c.failed && t->numbers->len < MAX_NUMBERS)
    add_number (t, take_varint (&c), size);
  return !c.failed && t->numbers->len < MAX_NUMBERS;
}

static gboolean
read_field (Proto *t, const Field *f)
{
  ShuCursor c = inside (f);

  switch (f->field) {
  case 1: /* dims */
    if (f->wire == VARINT)
      add_dim (t, f->value);
    while (c.pos < c.size && !c.failed)
      add_dim (t, take_varint (&c));
    return !c.failed;
  case 2: /* data_type */
    t->type = (int) MIN (f->value, G_MAXINT);
    return TRUE;
  case 4: /* float_data: as long as they are, whether packed or not */
    if (!t->numbers)
      t->numbers = g_byte_array_new ();
    if (f->size % 4 != 0 || f->size > MAX_NUMBERS - t->numbers->len)
      return FALSE;
    if (f->data)
      g_byte_array_append (t->numbers, f->data, (guint) f->size);
    return TRUE;
  case 5: /* int32_data: halves as their bits */
    return add_numbers (t, f, 2);
  case 7: /* int64_data */
    return add_numbers (t, f, 8);
  case 8:
    g_free (t->name);
    t->name = text_of (f);
    return TRUE;
  case 9:
    t->has_raw = f->wire == BYTES;
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

/* Which type the numbers of @t have in @numbers. */
static gboolean
numbers_fit (const Proto *t, const char *dtype)
{
  if (strcmp (dtype, "F32") == 0 || strcmp (dtype, "I64") == 0)
    return TRUE;
  return strcmp (dtype, "F16") == 0 || strcmp (dtype, "BF16") == 0;
}

/* What is wrong with @t, or NULL with @ret. */
static const char *
make_stored (const Onnx *o, Proto *t, ShuStored *ret)
{
  gsize size, n = 1;
  const guint8 *all = g_bytes_get_data (o->bytes, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i].type == t->type)
      ret->dtype = types[i].dtype;
  if (!ret->dtype)
    return "its type is not supported";
  if (t->many_dims)
    return "it has more than 5 dimensions";
  ret->n_dims = t->n_dims;
  memcpy (ret->dims, t->dims, sizeof t->dims);
  for (int i = 0; i < t->n_dims; i++)
    if (!shu_mul_size (n, (gsize) t->dims[i], &n))
      return "its shape is not valid";
  if (!shu_mul_size (n, shu_safetensors_type_size (ret->dtype), &size))
    return "its shape is not valid";
  if (t->has_raw) {
    ret->bytes = g_bytes_new_from_bytes (
        o->bytes, t->raw ? t->raw - all : 0, t->raw_size);
  } else {
    if (t->numbers && !numbers_fit (t, ret->dtype))
      return "numbers of its type are not supported outside of raw_data";
    ret->bytes =
        t->numbers ? g_byte_array_free_to_bytes (g_steal_pointer (&t->numbers))
                   : g_bytes_new_static ("", 0);
  }
  return g_bytes_get_size (ret->bytes) == size
             ? NULL
             : "its shape and its data do not agree";
}

static gboolean
read_tensor (Onnx *o, ShuCursor c, GError **error)
{
  g_auto (Proto) t = {.name = g_strdup ("")};
  ShuStored stored = {0};
  const char *fault;
  Field f;

  while (next_field (&c, &f))
    if (!read_field (&t, &f))
      c.failed = TRUE;
  if (c.failed || c.pos < c.size)
    return damaged (o, error);
  if (!g_utf8_validate (t.name, -1, NULL))
    return fail (
        o, SHU_ERROR_INVALID, NULL, "a tensor's name is not valid", error);
  if (t.external)
    return fail (o, SHU_ERROR_UNSUPPORTED, t.name,
        "its data are in a file beside the model; save the model as one file",
        error);
  if (o->names->len >= SHU_TENSOR_FILE_MAX)
    return fail (o, SHU_ERROR_LIMIT, NULL, "too many tensors", error);
  fault = make_stored (o, &t, &stored);
  if (fault) {
    g_clear_pointer (&stored.bytes, g_bytes_unref);
    return fail (o, SHU_ERROR_INVALID, t.name, fault, error);
  }
  g_ptr_array_add (o->names, g_steal_pointer (&t.name));
  g_array_append_val (o->initializers, stored);
  g_hash_table_insert (o->by_name,
      g_ptr_array_index (o->names, o->names->len - 1),
      GUINT_TO_POINTER (o->names->len));
  return TRUE;
}

/* ---- nodes ---- */

static void
conv_clear (gpointer data)
{
  ShuOnnxConv *conv = data;

  g_free (conv->weight);
  g_free (conv->bias);
}

/* The first number of an attribute, and its name. */
static gboolean
read_attribute (ShuCursor c, ShuOnnxConv *conv)
{
  g_autofree char *name = NULL;
  guint64 value = 0;
  gboolean found = FALSE;
  Field f;

  while (next_field (&c, &f)) {
    if (f.field == 1) {
      g_free (name);
      name = text_of (&f);
    } else if (f.field == 8 && !found) { /* ints */
      ShuCursor in = inside (&f);

      value = f.wire == VARINT ? f.value : take_varint (&in);
      found = f.wire == VARINT || !in.failed;
    }
  }
  if (found && name && strcmp (name, "dilations") == 0)
    conv->dilation = (int) MIN (value, 1024);
  else if (found && name && strcmp (name, "kernel_shape") == 0)
    conv->kernel = (int) MIN (value, 1024);
  return !c.failed && c.pos == c.size;
}

static gboolean
read_node (Onnx *o, ShuCursor c, GError **error)
{
  ShuOnnxConv conv = {.dilation = 1};
  gboolean is_conv = FALSE, ok = TRUE;
  int n_inputs = 0;
  Field f;

  while (ok && next_field (&c, &f)) {
    if (f.field == 1 && n_inputs++ > 0) { /* data, weight, bias */
      char **to = n_inputs == 2 ? &conv.weight : &conv.bias;

      g_free (*to);
      *to = text_of (&f);
    } else if (f.field == 4)
      is_conv = f.wire == BYTES && f.size == 4 && !memcmp (f.data, "Conv", 4);
    else if (f.field == 5)
      ok = read_attribute (inside (&f), &conv);
  }
  if (ok && is_conv && o->convs->len < MAX_CONVS) {
    conv.weight = conv.weight ? conv.weight : g_strdup ("");
    conv.bias = conv.bias ? conv.bias : g_strdup ("");
    g_array_append_val (o->convs, conv);
  } else
    conv_clear (&conv);
  return (ok && !c.failed && c.pos == c.size) || damaged (o, error);
}

/* ---- the file ---- */

static gboolean
add (Onnx *o, const char *name, const char *suffix, guint i, GError **error)
{
  g_autofree char *full = g_strconcat (name, suffix, NULL);

  return shu_tensor_file_add (
      o->file, full, &g_array_index (o->initializers, ShuStored, i), error);
}

/* Position of the initialiser @name + 1, or 0 */
static guint
find (const Onnx *o, const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (o->by_name, name));
}

/* Convolutions under U²-Net's names; @taken: initialisers that have one.  One
 * may serve several: exporters leave equal ones out. */
static gboolean
name_u2net (Onnx *o, gboolean *taken, GError **error)
{
  for (guint i = 0; i < o->convs->len; i++) {
    const ShuOnnxConv *conv = &g_array_index (o->convs, ShuOnnxConv, i);
    g_autofree char *name = shu_u2net_conv_name (i);
    guint w = find (o, conv->weight), b = find (o, conv->bias);

    if (!w || !b)
      return fail (o, SHU_ERROR_INVALID, name,
          "its data are no initialiser of the graph", error);
    taken[w - 1] = taken[b - 1] = TRUE;
    if (!add (o, name, ".weight", w - 1, error) ||
        !add (o, name, ".bias", b - 1, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
finish (Onnx *o, GError **error)
{
  g_autofree gboolean *taken = g_new0 (gboolean, o->names->len + 1);
  gsize room;

  if (o->names->len == 0)
    return fail (
        o, SHU_ERROR_INVALID, NULL, "no ONNX model with weights", error);
  if (!shu_mul_size (g_bytes_get_size (o->bytes), 8, &room))
    room = G_MAXSIZE;
  o->file = shu_tensor_file_new (o->label, "ONNX", room);
  if (!find (o, "stage1.rebnconvin.conv_s1.weight") &&
      shu_u2net_matches ((ShuOnnxConv *) o->convs->data, o->convs->len) &&
      !name_u2net (o, taken, error))
    return FALSE;
  for (guint i = 0; i < o->names->len; i++)
    if (!taken[i] && !add (o, g_ptr_array_index (o->names, i), "", i, error))
      return FALSE;
  return TRUE;
}

static gboolean
read_graph (Onnx *o, ShuCursor c, GError **error)
{
  Field f;

  while (next_field (&c, &f)) {
    if (f.field == 1 && !read_node (o, inside (&f), error))
      return FALSE;
    if (f.field == 5 && !read_tensor (o, inside (&f), error))
      return FALSE;
    if (f.field == 15)
      return fail (o, SHU_ERROR_UNSUPPORTED, NULL,
          "sparse weights are not supported", error);
  }
  return (!c.failed && c.pos == c.size) || damaged (o, error);
}

static gboolean
read_model (Onnx *o, GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (o->bytes, &size);
  ShuCursor c = shu_cursor (p, size);
  Field f;

  while (next_field (&c, &f))
    if (f.field == 7 && !read_graph (o, inside (&f), error))
      return FALSE;
  if (c.failed || c.pos < c.size)
    return damaged (o, error);
  return finish (o, error);
}

static void
stored_clear (gpointer data)
{
  g_bytes_unref (((ShuStored *) data)->bytes);
}

ShuTensorFile *
shu_onnx_parse (GBytes *bytes, const char *name, GError **error)
{
  Onnx o = {.label = name, .bytes = bytes};
  gboolean ok;

  o.convs = g_array_new (FALSE, TRUE, sizeof (ShuOnnxConv));
  g_array_set_clear_func (o.convs, conv_clear);
  o.names = g_ptr_array_new_with_free_func (g_free);
  o.initializers = g_array_new (FALSE, TRUE, sizeof (ShuStored));
  g_array_set_clear_func (o.initializers, stored_clear);
  o.by_name = g_hash_table_new (g_str_hash, g_str_equal);
  ok = read_model (&o, error);
  if (!ok)
    g_clear_pointer (&o.file, shu_tensor_file_free);
  g_hash_table_unref (o.by_name);
  g_array_unref (o.convs);
  g_ptr_array_unref (o.names);
  g_array_unref (o.initializers);
  return o.file;
}
