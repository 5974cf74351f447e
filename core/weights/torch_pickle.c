/* SPDX-License-Identifier: MIT */
/* The pickle holds no data: a tensor in it is a call of _rebuild_tensor_v2()
 * with a storage, an offset, a shape and strides, and a storage is a
 * persistent id with a key.  Where the storages' bytes are is
 * the container's business (torch_file.c). */
#include "weights/torch_private.h"
#include "base/error.h"
#include "weights/safetensors.h"
#include <string.h>

enum {
  MAX_DEPTH = 16, /* of nested dictionaries */
  MAX_VISITS = 1 << 20,
  MAX_SHARING = 8, /* tensors may have so many times the file's bytes */
};

/* What objects are. */
enum { CLASS, STORAGE_CLASS, STORAGE, TENSOR };

/* Classes, in the order of the names below */
enum { ORDERED_DICT, REBUILD_TENSOR, REBUILD_TENSOR_V2, REBUILD_PARAMETER };

static const char *const classes[] = {"collections.OrderedDict",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter"};

static const struct {
  const char *name, *dtype;
} storage_classes[] = {
    {"torch.FloatStorage", "F32"},
    {"torch.HalfStorage", "F16"},
    {"torch.BFloat16Storage", "BF16"},
    {"torch.DoubleStorage", "F64"},
    {"torch.LongStorage", "I64"},
    {"torch.IntStorage", "I32"},
    {"torch.ShortStorage", "I16"},
    {"torch.CharStorage", "I8"},
    {"torch.ByteStorage", "U8"},
    {"torch.BoolStorage", "BOOL"},
};

/* Elements @offset.. of @storage are a part of it that old files give a name;
 * a tensor's own offset counts from there. */
typedef struct {
  guint storage;
  gsize offset, n;
} View;

typedef struct {
  View view;
  gsize offset;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS], strides[SHU_MAX_DIMS];
} Tensor;

static void
storage_clear (gpointer data)
{
  ShuTorchStorage *s = data;

  g_free (s->key);
  g_clear_pointer (&s->bytes, g_bytes_unref);
}

void
shu_torch_init (ShuTorch *t, const char *label)
{
  *t = (ShuTorch){.label = label};
  t->storages = g_array_new (FALSE, TRUE, sizeof (ShuTorchStorage));
  g_array_set_clear_func (t->storages, storage_clear);
  t->by_key = g_hash_table_new (g_str_hash, g_str_equal);
  t->views = g_array_new (FALSE, TRUE, sizeof (View));
  t->tensors = g_array_new (FALSE, TRUE, sizeof (Tensor));
}

void
shu_torch_clear (ShuTorch *t)
{
  g_hash_table_unref (t->by_key);
  g_array_unref (t->storages);
  g_array_unref (t->views);
  g_array_unref (t->tensors);
  g_clear_pointer (&t->file, shu_tensor_file_free);
}

/* ---- what a pickle asks for ---- */

static ShuPickleValue *
object (ShuPickle *p, int tag, gint64 number)
{
  ShuPickleValue *v = shu_pickle_value (p, SHU_PICKLE_OBJECT);

  v->tag = tag;
  v->number = number;
  return v;
}

static ShuPickleValue *
find_global (ShuPickle *p, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strcmp (name, classes[i]) == 0)
      return object (p, CLASS, (gint64) i);
  for (gsize i = 0; i < G_N_ELEMENTS (storage_classes); i++)
    if (strcmp (name, storage_classes[i].name) == 0)
      return object (p, STORAGE_CLASS, (gint64) i);
  shu_pickle_fail (p, SHU_ERROR_UNSUPPORTED,
      "it needs \"%.200s\", which is more than tensors; only files that hold a "
      "state_dict() or tensors can be read",
      name);
  return NULL;
}

/* Item @i as a number that is not negative. */
static gboolean
get_size (const ShuPickleValue *list, gsize i, gsize *ret)
{
  const ShuPickleValue *v = i < list->n ? list->items[i] : NULL;

  if (!v || v->type != SHU_PICKLE_INT || v->number < 0)
    return FALSE;
  *ret = (gsize) v->number;
  return TRUE;
}

static const ShuPickleValue *
get_object (const ShuPickleValue *list, gsize i, int tag)
{
  const ShuPickleValue *v = i < list->n ? list->items[i] : NULL;

  return v && v->type == SHU_PICKLE_OBJECT && v->tag == tag ? v : NULL;
}

/* The storage of a key, made when it is first named; NULL: it was another one.
 */
static ShuTorchStorage *
need_storage (
    ShuTorch *t, const ShuPickleValue *key, int type, gsize n, guint *ret_i)
{
  g_autofree char *name = g_strndup (key->text, key->n);
  const char *dtype = storage_classes[type].dtype;
  guint i = GPOINTER_TO_UINT (g_hash_table_lookup (t->by_key, name));
  ShuTorchStorage *s;

  if (i == 0) {
    ShuTorchStorage new = {.dtype = dtype, .n = n};

    new.elem = shu_safetensors_type_size (dtype);
    new.key = g_steal_pointer (&name);
    g_array_append_val (t->storages, new);
    i = t->storages->len;
    g_hash_table_insert (t->by_key, new.key, GUINT_TO_POINTER (i));
  }
  s = &g_array_index (t->storages, ShuTorchStorage, i - 1);
  *ret_i = i - 1;
  return s->dtype == dtype && s->n == n ? s : NULL;
}

/* ("storage", class, key, place, number of elements), and in old files NULL or
 * (key, offset, number of elements) of a part */
static ShuPickleValue *
find_storage (ShuPickle *p, ShuPickleValue *id)
{
  ShuTorch *t = shu_pickle_data (p);
  gboolean fits = id->type == SHU_PICKLE_TUPLE && id->n >= 5 && id->n <= 6 &&
                  shu_pickle_is_text (id->items[0], "storage");
  const ShuPickleValue *class = fits ? get_object (id, 1, STORAGE_CLASS) : NULL;
  const ShuPickleValue *part = fits && id->n == 6 ? id->items[5] : NULL;
  View view = {0};
  gsize end;

  if (class && id->items[2]->type == SHU_PICKLE_TEXT &&
      id->items[2]->n <= 255 && get_size (id, 4, &view.n) &&
      need_storage (
          t, id->items[2], (int) class->number, view.n, &view.storage)) {
    gsize n = view.n;

    if (!part || part->type == SHU_PICKLE_NONE ||
        (part->type == SHU_PICKLE_TUPLE && get_size (part, 1, &view.offset) &&
            get_size (part, 2, &view.n) &&
            shu_add_size (view.offset, view.n, &end) && end <= n)) {
      g_array_append_val (t->views, view);
      return object (p, STORAGE, t->views->len - 1);
    }
  }
  shu_pickle_fail (p, SHU_ERROR_INVALID, "a storage is not valid");
  return NULL;
}

static ShuPickleValue *
make_tensor (ShuPickle *p, const ShuPickleValue *args)
{
  ShuTorch *t = shu_pickle_data (p);
  const ShuPickleValue *storage = get_object (args, 0, STORAGE);
  const ShuPickleValue *shape = args->n > 2 ? args->items[2] : NULL;
  const ShuPickleValue *strides = args->n > 3 ? args->items[3] : NULL;
  Tensor tensor = {0};
  gboolean ok = storage && get_size (args, 1, &tensor.offset) && strides &&
                shape->type == SHU_PICKLE_TUPLE &&
                strides->type == SHU_PICKLE_TUPLE && shape->n == strides->n;

  if (ok && shape->n > SHU_MAX_DIMS) {
    shu_pickle_fail (p, SHU_ERROR_UNSUPPORTED,
        "a tensor has %zu dimensions, at most %d are supported", shape->n,
        SHU_MAX_DIMS);
    return NULL;
  }
  for (gsize i = 0; ok && i < shape->n; i++) {
    gsize dim, stride;

    ok = get_size (shape, i, &dim) && get_size (strides, i, &stride);
    if (ok) {
      tensor.dims[i] = (gint64) dim;
      tensor.strides[i] = (gint64) stride;
    }
  }
  if (!ok || t->tensors->len > SHU_TENSOR_FILE_MAX) {
    shu_pickle_fail (p, SHU_ERROR_INVALID,
        ok ? "there are too many tensors" : "a tensor is not valid");
    return NULL;
  }
  tensor.n_dims = (int) shape->n;
  tensor.view = g_array_index (t->views, View, storage->number);
  g_array_append_val (t->tensors, tensor);
  return object (p, TENSOR, t->tensors->len - 1);
}

/* Python 2 wrote a list of pairs. */
static ShuPickleValue *
make_dict (ShuPickle *p, const ShuPickleValue *args)
{
  ShuPickleValue *dict = shu_pickle_value (p, SHU_PICKLE_DICT);
  const ShuPickleValue *list = args->n > 0 ? args->items[0] : NULL;

  if (args->n > 1 || (list && list->type != SHU_PICKLE_LIST))
    shu_pickle_fail (p, SHU_ERROR_INVALID, "a dictionary is not valid");
  for (gsize i = 0; list && list->type == SHU_PICKLE_LIST && i < list->n; i++) {
    const ShuPickleValue *pair = list->items[i];

    if ((pair->type != SHU_PICKLE_LIST && pair->type != SHU_PICKLE_TUPLE) ||
        pair->n != 2) {
      shu_pickle_fail (p, SHU_ERROR_INVALID, "a dictionary is not valid");
      return NULL;
    }
    shu_pickle_add (p, dict, pair->items[0]);
    shu_pickle_add (p, dict, pair->items[1]);
  }
  return dict;
}

static ShuPickleValue *
call (ShuPickle *p, const ShuPickleValue *what, ShuPickleValue *args)
{
  if (what->tag == CLASS)
    switch (what->number) {
    case ORDERED_DICT:
      return make_dict (p, args);
    case REBUILD_TENSOR:
    case REBUILD_TENSOR_V2:
      return make_tensor (p, args);
    case REBUILD_PARAMETER:
      if (get_object (args, 0, TENSOR))
        return args->items[0];
    }
  shu_pickle_fail (p, SHU_ERROR_INVALID, "it calls what is no function");
  return NULL;
}

const ShuPickleHooks shu_torch_hooks = {find_global, call, find_storage};

/* ---- names ---- */

/* Whether each element lies behind the one before it. */
static gboolean
is_contiguous (const Tensor *t)
{
  gint64 step = 1;

  for (int i = t->n_dims - 1; i >= 0; i--) {
    if (t->dims[i] == 0)
      return TRUE;
    if (t->dims[i] != 1 && t->strides[i] != step)
      return FALSE;
    if (__builtin_mul_overflow (step, t->dims[i], &step))
      return FALSE;
  }
  return TRUE;
}

static gboolean
add_tensor (ShuTorch *t, const char *name, const Tensor *tensor, GError **error)
{
  const ShuTorchStorage *s =
      &g_array_index (t->storages, ShuTorchStorage, tensor->view.storage);
  ShuStored stored = {.dtype = s->dtype, .n_dims = tensor->n_dims};
  g_autoptr (GBytes) part = NULL;
  gsize size;

  memcpy (stored.dims, tensor->dims, sizeof stored.dims);
  memcpy (stored.strides, tensor->strides, sizeof stored.strides);
  stored.strided = !is_contiguous (tensor);
  if (!s->bytes) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_TRUNCATED,
        "%s: tensor \"%.200s\": its data are not in the file", t->label, name);
    return FALSE;
  }
  if (!shu_mul_size (tensor->offset, s->elem, &stored.offset))
    stored.offset = G_MAXSIZE;
  /* both were checked against the storage, whose size is that of its bytes */
  size = tensor->view.n * s->elem;
  part = g_bytes_new_from_bytes (s->bytes, tensor->view.offset * s->elem, size);
  stored.bytes = part;
  return shu_tensor_file_add (t->file, name, &stored, error);
}

static gboolean
limit (ShuTorch *t, const char *what, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT, "%s: %s", t->label, what);
  return FALSE;
}

static gboolean add_values (ShuTorch *t, const ShuPickleValue *v, GString *name,
    int depth, GError **error);

/* @v under @key behind @name, which is as it was afterwards. */
static gboolean
add_member (ShuTorch *t, const ShuPickleValue *v, GString *name,
    const char *key, gsize key_size, int depth, GError **error)
{
  gsize length = name->len;
  gboolean ok;

  if (length + key_size + 1 > SHU_TENSOR_NAME_MAX)
    return limit (t, "a name is too long", error);
  if (length > 0)
    g_string_append_c (name, '.');
  g_string_append_len (name, key, (gssize) key_size);
  ok = add_values (t, v, name, depth + 1, error);
  g_string_truncate (name, length);
  return ok;
}

/* Whether there can be tensors in @v; what else a checkpoint says is left out.
 */
static gboolean
may_hold (const ShuPickleValue *v)
{
  return v->type == SHU_PICKLE_DICT || v->type == SHU_PICKLE_LIST ||
         v->type == SHU_PICKLE_TUPLE ||
         (v->type == SHU_PICKLE_OBJECT && v->tag == TENSOR);
}

static gboolean
add_values (ShuTorch *t, const ShuPickleValue *v, GString *name, int depth,
    GError **error)
{
  /* the walk over items counts too: lists can name lists again and again */
  t->visits += 1 + (int) MIN (v->n, MAX_VISITS);
  if (t->visits > MAX_VISITS || depth > MAX_DEPTH)
    return limit (t, "dictionaries in it are nested too deep", error);
  if (v->type == SHU_PICKLE_OBJECT)
    return add_tensor (
        t, name->str, &g_array_index (t->tensors, Tensor, v->number), error);
  for (gsize i = 0; v->type == SHU_PICKLE_DICT && i + 1 < v->n; i += 2) {
    const ShuPickleValue *key = v->items[i], *item = v->items[i + 1];
    char number[24];

    if (!may_hold (item))
      continue;
    if (key->type == SHU_PICKLE_TEXT && !memchr (key->text, 0, key->n)) {
      if (!add_member (t, item, name, key->text, key->n, depth, error))
        return FALSE;
    } else if (key->type == SHU_PICKLE_INT) {
      g_snprintf (number, sizeof number, "%" G_GINT64_FORMAT, key->number);
      if (!add_member (t, item, name, number, strlen (number), depth, error))
        return FALSE;
    }
  }
  for (gsize i = 0; v->type != SHU_PICKLE_DICT && i < v->n; i++) {
    char number[24];

    g_snprintf (number, sizeof number, "%zu", i);
    if (may_hold (v->items[i]) && !add_member (t, v->items[i], name, number,
                                      strlen (number), depth, error))
      return FALSE;
  }
  return TRUE;
}

static ShuTensorFile *
no_tensors (const ShuTorch *t, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "%s: there are no tensors in it", t->label);
  return NULL;
}

ShuTensorFile *
shu_torch_finish (ShuTorch *t, const ShuPickleValue *root, const char *format,
    gsize file_size, GError **error)
{
  g_autoptr (GString) name = g_string_new (NULL);
  gsize room;

  if (!may_hold (root))
    return no_tensors (t, error);
  if (!shu_mul_size (file_size, MAX_SHARING, &room))
    room = G_MAXSIZE;
  if (root->type == SHU_PICKLE_OBJECT) {
    g_autofree char *base = g_path_get_basename (t->label);
    char *dot = strrchr (base, '.');

    g_string_append_len (name, base, dot ? dot - base : -1);
  }
  t->file = shu_tensor_file_new (t->label, format, room);
  if (!add_values (t, root, name, 0, error))
    return NULL;
  if (shu_tensor_file_n (t->file) == 0)
    return no_tensors (t, error);
  return g_steal_pointer (&t->file);
}
