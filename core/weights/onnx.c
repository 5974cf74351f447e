/* SPDX-License-Identifier: MIT */
/* A model is a message in Protocol Buffers' wire format, and only the parts
 * that lead to weights are looked at: graph (7) -> initializer (5), node (1).
 * Numbers of fields and types are those of onnx.proto. */
#include "weights/onnx.h"
#include "base/error.h"
#include "weights/onnx_private.h"
#include <string.h>

enum { MAX_CONVS = 1 << 16 };

typedef ShuOnnxField Field;

typedef struct {
  const char *label;
  GBytes *bytes;
  ShuTensorFile *file;
  GArray *convs;        /* ShuOnnxConv */
  GPtrArray *names;     /* of initialisers */
  GArray *initializers; /* ShuStored */
  GHashTable *by_name;  /* name -> position + 1 */
} Onnx;

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

static gboolean
read_tensor (Onnx *o, ShuCursor c, GError **error)
{
  g_autofree char *name = NULL;
  ShuStored stored = {0};
  int code;
  const char *fault = shu_onnx_tensor (o->bytes, c, &name, &stored, &code);

  if (fault)
    return code == SHU_ERROR_TRUNCATED ? damaged (o, error)
                                       : fail (o, code, name, fault, error);
  g_hash_table_insert (o->by_name, name, GUINT_TO_POINTER (o->names->len + 1));
  g_ptr_array_add (o->names, g_steal_pointer (&name));
  g_array_append_val (o->initializers, stored);
  return o->names->len <= SHU_TENSOR_FILE_MAX ||
         fail (o, SHU_ERROR_LIMIT, NULL, "too many tensors", error);
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

  while (shu_onnx_next_field (&c, &f)) {
    if (f.field == 1) {
      g_free (name);
      name = shu_onnx_text (&f);
    } else if (f.field == 8 && !found) { /* ints */
      ShuCursor in = shu_onnx_inside (&f);

      value = f.wire == SHU_ONNX_VARINT ? f.value : shu_onnx_varint (&in);
      found = f.wire == SHU_ONNX_VARINT || !in.failed;
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

  while (ok && shu_onnx_next_field (&c, &f)) {
    if (f.field == 1 && n_inputs++ > 0) { /* data, weight, bias */
      char **to = n_inputs == 2 ? &conv.weight : &conv.bias;

      g_free (*to);
      *to = shu_onnx_text (&f);
    } else if (f.field == 4)
      is_conv = f.wire == SHU_ONNX_BYTES && f.size == 4 &&
                !memcmp (f.data, "Conv", 4);
    else if (f.field == 5)
      ok = read_attribute (shu_onnx_inside (&f), &conv);
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

  while (shu_onnx_next_field (&c, &f)) {
    if (f.field == 1 && !read_node (o, shu_onnx_inside (&f), error))
      return FALSE;
    if (f.field == 5 && !read_tensor (o, shu_onnx_inside (&f), error))
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

  while (shu_onnx_next_field (&c, &f))
    if (f.field == 7 && !read_graph (o, shu_onnx_inside (&f), error))
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
