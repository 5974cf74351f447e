/* SPDX-License-Identifier: MIT */
#include "fixtures.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void
put (GByteArray *a, gconstpointer data, gsize size)
{
  if (size > 0)
    g_byte_array_append (a, data, size);
}

static void
put_uint (GByteArray *a, guint64 value, int n)
{
  guint64 le = GUINT64_TO_LE (value);

  put (a, &le, n);
}

/* ---- pickles ---- */

void
pickle_begin (GByteArray *p)
{
  put (p, "\x80\2", 2);
}

void
pickle_text (GByteArray *p, const char *text)
{
  put (p, "X", 1);
  put_uint (p, strlen (text), 4);
  put (p, text, strlen (text));
}

void
pickle_int (GByteArray *p, gint64 value)
{
  if (value >= 0 && value < 256) {
    put (p, "K", 1);
    put_uint (p, value, 1);
  } else {
    put (p, "\x8a\x08", 2);
    put_uint (p, value, 8);
  }
}

void
pickle_global (GByteArray *p, const char *module, const char *name)
{
  put (p, "c", 1);
  put (p, module, strlen (module));
  put (p, "\n", 1);
  put (p, name, strlen (name));
  put (p, "\n", 1);
}

void
pickle_ops (GByteArray *p, const char *ops)
{
  put (p, ops, strlen (ops));
}

void
pickle_ints (GByteArray *p, int n, const gint64 *values)
{
  pickle_ops (p, "(");
  for (int i = 0; i < n; i++)
    pickle_int (p, values[i]);
  pickle_ops (p, "t");
}

void
pickle_tensor (GByteArray *p, const TorchTensor *t, gboolean legacy)
{
  g_autofree char *storage = g_strconcat (t->type, "Storage", NULL);
  gint64 strides[6], step = 1;

  for (int i = t->n_dims; i-- > 0;) {
    strides[i] = t->strides ? t->strides[i] : step;
    step = (gint64) ((guint64) step * (guint64) t->dims[i]);
  }
  pickle_global (p, "torch._utils", "_rebuild_tensor_v2");
  pickle_ops (p, "((");
  pickle_text (p, "storage");
  pickle_global (p, "torch", storage);
  pickle_text (p, t->storage);
  pickle_text (p, "cpu");
  pickle_int (p, t->n);
  pickle_ops (p, legacy ? "NtQ" : "tQ");
  pickle_int (p, t->offset);
  pickle_ints (p, t->n_dims, t->dims);
  pickle_ints (p, t->n_dims, strides);
  pickle_ops (p, "\x89");
  pickle_global (p, "collections", "OrderedDict");
  pickle_ops (p, ")RtR");
}

GByteArray *
pickle_tensors (int n, const TorchTensor *tensors, gboolean legacy)
{
  GByteArray *p = g_byte_array_new ();

  pickle_begin (p);
  pickle_global (p, "collections", "OrderedDict");
  pickle_ops (p, ")R(");
  for (int i = 0; i < n; i++) {
    pickle_text (p, tensors[i].key);
    pickle_tensor (p, &tensors[i], legacy);
  }
  pickle_ops (p, "u.");
  return p;
}

/* ---- files with holes ---- */

/* To memory or, with @fd, to a file in which data that are not given are holes.
 */
typedef struct {
  GByteArray *a; /* since the last hole */
  int fd;        /* -1: none */
  gsize at;      /* where @a begins in the file */
} Sink;

static gsize
sink_pos (const Sink *s)
{
  return s->at + s->a->len;
}

static gboolean
sink_flush (Sink *s)
{
  gssize n = s->fd < 0 ? 0 : pwrite (s->fd, s->a->data, s->a->len, s->at);
  gboolean ok = s->fd < 0 || n == (gssize) s->a->len;

  if (s->fd >= 0) {
    s->at += s->a->len;
    g_byte_array_set_size (s->a, 0);
  }
  return ok;
}

/* @data, or where there is none a hole */
static void
sink_data (Sink *s, gconstpointer data, gsize size)
{
  if (data || s->fd < 0) {
    put (s->a, data, data ? size : 0);
    return;
  }
  sink_flush (s);
  s->at += size;
}

/* ---- archives ---- */

static guint32
crc32_of (const guint8 *p, gsize n)
{
  guint32 c = 0xffffffff;

  for (gsize i = 0; p && i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++)
      c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
  }
  return ~c;
}

/* What a member's header and its entry in the directory share, from the flags
 * on. */
static void
put_common (GByteArray *a, const ZipMember *m, gsize extra)
{
  put_uint (a, 0, 2); /* flags */
  put_uint (a, 0, 2); /* stored */
  put_uint (a, 0, 4); /* time */
  put_uint (a, crc32_of (m->data, m->size), 4);
  put_uint (a, m->size, 4);
  put_uint (a, m->size, 4);
  put_uint (a, strlen (m->name), 2);
  put_uint (a, extra, 2);
}

static void
put_member (Sink *s, const ZipMember *m, gsize align)
{
  gsize data = sink_pos (s) + 30 + strlen (m->name);
  gsize extra = (align - data % align) % align;
  GByteArray *a = s->a;

  if (extra > 0 && extra < 4)
    extra += align;
  put (a, "PK\3\4", 4);
  put_uint (a, 20, 2);
  put_common (a, m, extra);
  put (a, m->name, strlen (m->name));
  if (extra > 0) {
    put (a, "FB", 2);
    put_uint (a, extra - 4, 2);
    for (gsize k = 4; k < extra; k++)
      put (a, "Z", 1);
  }
  sink_data (s, m->data, m->size);
}

static void
put_zip (Sink *s, int n, const ZipMember *members, gsize align)
{
  g_autofree gsize *at = g_new (gsize, n + 1);
  gsize dir, dir_size;
  GByteArray *a = s->a;

  for (int i = 0; i < n; i++) {
    at[i] = sink_pos (s);
    put_member (s, &members[i], align);
  }
  dir = sink_pos (s);
  for (int i = 0; i < n; i++) {
    put (a, "PK\1\2", 4);
    put_uint (a, 20, 2);
    put_uint (a, 20, 2);
    put_common (a, &members[i], 0);
    put_uint (a, 0, 6); /* comment, disk, attributes */
    put_uint (a, 0, 4);
    put_uint (a, at[i], 4);
    put (a, members[i].name, strlen (members[i].name));
  }
  dir_size = sink_pos (s) - dir;
  put (a, "PK\5\6", 4);
  put_uint (a, 0, 4);
  put_uint (a, n, 2);
  put_uint (a, n, 2);
  put_uint (a, dir_size, 4);
  put_uint (a, dir, 4);
  put_uint (a, 0, 2);
}

GBytes *
zip_stored (int n, const ZipMember *members, gsize align)
{
  Sink s = {g_byte_array_new (), -1, 0};

  put_zip (&s, n, members, align);
  return g_byte_array_free_to_bytes (s.a);
}

static void
put_torch_zip (
    Sink *s, int n, const TorchTensor *tensors, const GByteArray *pickle)
{
  g_autoptr (GByteArray) own = pickle_tensors (n, tensors, FALSE);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree ZipMember *members = g_new0 (ZipMember, n + 3);
  int k = 0;

  if (!pickle)
    pickle = own;
  members[k++] = (ZipMember){"archive/data.pkl", pickle->data, pickle->len};
  members[k++] = (ZipMember){"archive/byteorder", "little", 6};
  for (int i = 0; i < n; i++) {
    char *name = g_strconcat ("archive/data/", tensors[i].storage, NULL);

    g_ptr_array_add (names, name);
    if (tensors[i].data || s->fd >= 0)
      members[k++] = (ZipMember){name, tensors[i].data, tensors[i].size};
  }
  members[k++] = (ZipMember){"archive/version", "3\n", 2};
  put_zip (s, k, members, 64);
}

GBytes *
torch_zip (int n, const TorchTensor *tensors, const GByteArray *pickle)
{
  Sink s = {g_byte_array_new (), -1, 0};

  put_torch_zip (&s, n, tensors, pickle);
  return g_byte_array_free_to_bytes (s.a);
}

static void
put_torch_legacy (Sink *s, int n, const TorchTensor *tensors)
{
  g_autoptr (GByteArray) main = pickle_tensors (n, tensors, TRUE);
  GByteArray *a = s->a;

  pickle_begin (a);
  put (a, "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
  pickle_begin (a);
  pickle_int (a, 1001);
  pickle_ops (a, ".");
  pickle_begin (a);
  pickle_ops (a, "}(");
  pickle_text (a, "protocol_version");
  pickle_int (a, 1001);
  pickle_text (a, "little_endian");
  pickle_ops (a, "\x88u.");
  put (a, main->data, main->len);
  pickle_begin (a);
  pickle_ops (a, "](");
  for (int i = 0; i < n; i++)
    if (tensors[i].data || s->fd >= 0)
      pickle_text (a, tensors[i].storage);
  pickle_ops (a, "e.");
  for (int i = 0; i < n; i++)
    if (tensors[i].data || s->fd >= 0) {
      put_uint (a, tensors[i].n, 8);
      sink_data (s, tensors[i].data, tensors[i].size);
    }
}

GBytes *
torch_legacy (int n, const TorchTensor *tensors)
{
  Sink s = {g_byte_array_new (), -1, 0};

  put_torch_legacy (&s, n, tensors);
  return g_byte_array_free_to_bytes (s.a);
}

static gboolean
write_hollow (
    const char *path, int n, const TorchTensor *tensors, gboolean legacy)
{
  Sink s = {
      g_byte_array_new (), open (path, O_CREAT | O_TRUNC | O_WRONLY, 0666), 0};
  gboolean ok = s.fd >= 0;

  if (ok && legacy)
    put_torch_legacy (&s, n, tensors);
  else if (ok)
    put_torch_zip (&s, n, tensors, NULL);
  ok = ok && sink_flush (&s) && ftruncate (s.fd, s.at) == 0;
  if (s.fd >= 0)
    close (s.fd);
  g_byte_array_unref (s.a);
  return ok;
}

gboolean
torch_zip_hollow (const char *path, int n, const TorchTensor *tensors)
{
  return write_hollow (path, n, tensors, FALSE);
}

gboolean
torch_legacy_hollow (const char *path, int n, const TorchTensor *tensors)
{
  return write_hollow (path, n, tensors, TRUE);
}

/* ---- ONNX ---- */

static void
put_varint (GByteArray *m, guint64 value)
{
  do {
    guint8 byte = value & 0x7f;

    value >>= 7;
    byte |= value ? 0x80 : 0;
    put (m, &byte, 1);
  } while (value);
}

void
onnx_number (GByteArray *m, int field, guint64 value)
{
  put_varint (m, (guint64) field << 3);
  put_varint (m, value);
}

void
onnx_bytes (GByteArray *m, int field, gconstpointer data, gsize size)
{
  put_varint (m, (guint64) field << 3 | 2);
  put_varint (m, size);
  put (m, data, size);
}

void
onnx_text (GByteArray *m, int field, const char *text)
{
  onnx_bytes (m, field, text, strlen (text));
}

void
onnx_message (GByteArray *m, int field, GByteArray *part)
{
  onnx_bytes (m, field, part->data, part->len);
  g_byte_array_unref (part);
}

GByteArray *
onnx_tensor (
    const char *name, int n_dims, const gint64 *dims, const float *values)
{
  GByteArray *t = g_byte_array_new ();
  gsize n = 1;

  for (int i = 0; i < n_dims; i++) {
    onnx_number (t, 1, dims[i]);
    n *= dims[i];
  }
  onnx_number (t, 2, 1);
  onnx_text (t, 8, name);
  onnx_bytes (t, 9, values, n * sizeof *values);
  return t;
}

static GByteArray *
attribute (const char *name, int value)
{
  GByteArray *a = g_byte_array_new ();

  onnx_text (a, 1, name);
  onnx_number (a, 8, value);
  onnx_number (a, 8, value);
  onnx_number (a, 20, 7);
  return a;
}

GByteArray *
onnx_conv (const char *weight, const char *bias, int kernel, int dilation)
{
  GByteArray *node = g_byte_array_new ();

  onnx_text (node, 1, "x");
  onnx_text (node, 1, weight);
  if (bias)
    onnx_text (node, 1, bias);
  onnx_text (node, 2, "y");
  onnx_text (node, 4, "Conv");
  onnx_message (node, 5, attribute ("dilations", dilation));
  onnx_message (node, 5, attribute ("kernel_shape", kernel));
  return node;
}

GBytes *
onnx_model (GByteArray *graph)
{
  GByteArray *model = g_byte_array_new ();

  onnx_number (model, 1, 6);
  onnx_text (model, 2, "pytorch");
  onnx_message (model, 7, graph);
  return g_byte_array_free_to_bytes (model);
}

/* A convolution with the next number, [Co,Ci,k,k] */
static void
add_conv (GByteArray *graph, int *i, gint64 Co, gint64 Ci, int k, int dilation)
{
  g_autofree char *weight = g_strdup_printf ("%d", 2000 + 2 * *i);
  g_autofree char *bias = g_strdup_printf ("%d", 2001 + 2 * *i);
  float values[6 * 4 * 9], zeros[4];

  for (int j = 0; j < Co * Ci * k * k; j++)
    values[j] = (float) *i + (float) j / 1000;
  for (int j = 0; j < Co; j++)
    zeros[j] = (float) -*i;
  onnx_message (graph, 1, onnx_conv (weight, bias, k, dilation));
  onnx_message (graph, 5,
      onnx_tensor (weight, 4, (const gint64[]){Co, Ci, k, k}, values));
  onnx_message (graph, 5, onnx_tensor (bias, 1, &Co, zeros));
  ++*i;
}

GBytes *
onnx_u2net (void)
{
  static const int down[] = {7, 6, 5, 4, -4, -4}, up[] = {-4, 4, 5, 6, 7};
  GByteArray *graph = g_byte_array_new ();
  int i = 0;

  for (int s = 0; s < 11; s++) {
    int height = s < 6 ? down[s] : up[s - 6], L = ABS (height);

    add_conv (graph, &i, 2, s == 0 ? 3 : s < 6 ? 2 : 4, 3, 1);
    for (int k = 1; k <= L; k++)
      add_conv (graph, &i, 1, k == 1 ? 2 : 1, 3,
          height < 0 ? 1 << (k - 1)
          : k == L   ? 2
                     : 1);
    for (int k = L - 1; k >= 1; k--)
      add_conv (graph, &i, k == 1 ? 2 : 1, 2, 3, height < 0 ? 1 << (k - 1) : 1);
  }
  for (int k = 0; k < 6; k++)
    add_conv (graph, &i, 1, 2, 3, 1);
  add_conv (graph, &i, 1, 6, 1, 1);
  return onnx_model (graph);
}
