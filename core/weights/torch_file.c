/* SPDX-License-Identifier: MIT */
/* What is around the pickle.  In an archive a storage is the member "data/KEY";
 * in files of before, storages follow the pickles, in the order of a list. */
#include "weights/torch_file.h"
#include "base/error.h"
#include "weights/stored_zip_private.h"
#include "weights/torch_private.h"
#include <string.h>

enum { MAX_PICKLE = 64 << 20 }; /* bytes */

static ShuCursor
pickle_cursor (GBytes *bytes, gsize at)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (bytes, &size);

  return shu_cursor (p + at, MIN (size - at, MAX_PICKLE));
}

/* ---- archives ---- */

/* What stands before "data.pkl" in its name; NULL where there is none. */
static char *
find_prefix (GHashTable *members)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, members);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const char *name = key, *slash = strchr (name, '/');

    if (strcmp (slash ? slash + 1 : name, "data.pkl") == 0)
      return g_strndup (name, strlen (name) - strlen ("data.pkl"));
  }
  return NULL;
}

static GBytes *
member (GHashTable *members, const char *prefix, const char *name)
{
  g_autofree char *full = g_strconcat (prefix, name, NULL);

  return g_hash_table_lookup (members, full);
}

static gboolean
is_big_endian (GHashTable *members, const char *prefix)
{
  GBytes *order = member (members, prefix, "byteorder");
  gsize size;
  const char *text = order ? g_bytes_get_data (order, &size) : NULL;

  return text && size == 3 && memcmp (text, "big", 3) == 0;
}

static gboolean
find_data (ShuTorch *t, GHashTable *members, const char *prefix, GError **error)
{
  for (guint i = 0; i < t->storages->len; i++) {
    ShuTorchStorage *s = &g_array_index (t->storages, ShuTorchStorage, i);
    g_autofree char *name = g_strconcat ("data/", s->key, NULL);
    GBytes *bytes = member (members, prefix, name);
    gsize size;

    if (!bytes || !shu_mul_size (s->n, s->elem, &size) ||
        g_bytes_get_size (bytes) != size) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: storage \"%.200s\": %s", t->label, s->key,
          bytes ? "its size is not what the pickle says"
                : "it is not in the archive");
      return FALSE;
    }
    s->bytes = g_bytes_ref (bytes);
  }
  return TRUE;
}

ShuTensorFile *
shu_torch_parse_zip (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (GHashTable) members = shu_stored_zip_read (bytes, name, error);
  g_autofree char *prefix = members ? find_prefix (members) : NULL;
  g_auto (ShuTorch) t = {0};
  g_autoptr (ShuPickle) p = NULL;
  const ShuPickleValue *root;
  ShuCursor c;

  shu_torch_init (&t, name);
  if (!members)
    return NULL;
  if (!prefix || is_big_endian (members, prefix)) {
    g_set_error (error, SHU_ERROR,
        prefix ? SHU_ERROR_UNSUPPORTED : SHU_ERROR_INVALID, "%s: %s", name,
        prefix ? "written on a big-endian machine"
               : "an archive, but not one of PyTorch (no data.pkl in it)");
    return NULL;
  }
  p = shu_pickle_new (name, &shu_torch_hooks, &t);
  c = pickle_cursor (member (members, prefix, "data.pkl"), 0);
  root = shu_pickle_read (p, &c, error);
  if (!root || !find_data (&t, members, prefix, error))
    return NULL;
  return shu_torch_finish (
      &t, root, "PyTorch", g_bytes_get_size (bytes), error);
}

/* ---- before ---- */

/* A number, little endian, that no pickle of anything else begins with */
static const guint8 magic[] = {
    0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static gboolean
check_system (const ShuPickleValue *info)
{
  for (gsize i = 0; info->type == SHU_PICKLE_DICT && i + 1 < info->n; i += 2)
    if (shu_pickle_is_text (info->items[i], "little_endian"))
      return info->items[i + 1]->type == SHU_PICKLE_INT &&
             info->items[i + 1]->number == 1;
  return FALSE;
}

/* Each storage: the number of its elements, and these. */
static gboolean
cut_data (ShuTorch *t, GBytes *bytes, gsize at, const ShuPickleValue *keys,
    GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (bytes, &size);
  ShuCursor c = shu_cursor (p, size);

  c.pos = at;
  for (gsize i = 0; i < keys->n; i++) {
    const ShuPickleValue *key = keys->items[i];
    g_autofree char *name = key->type == SHU_PICKLE_TEXT
                                ? g_strndup (key->text, key->n)
                                : g_strdup ("");
    guint k = GPOINTER_TO_UINT (g_hash_table_lookup (t->by_key, name));
    ShuTorchStorage *s =
        k ? &g_array_index (t->storages, ShuTorchStorage, k - 1) : NULL;
    guint64 n = shu_cursor_uint (&c, 8);
    gsize length;

    if (!c.failed && (!s || s->bytes || n != s->n)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: the storages are not those that the pickle names", t->label);
      return FALSE;
    }
    if (c.failed || !shu_mul_size (s->n, s->elem, &length) ||
        !shu_cursor_take (&c, length)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_TRUNCATED,
          "%s: the file ends inside its data; copy it again", t->label);
      return FALSE;
    }
    s->bytes = g_bytes_new_from_bytes (bytes, c.pos - length, length);
  }
  return TRUE;
}

ShuTensorFile *
shu_torch_parse_legacy (GBytes *bytes, const char *name, GError **error)
{
  g_auto (ShuTorch) t = {0};
  g_autoptr (ShuPickle) p = shu_pickle_new (name, &shu_torch_hooks, &t);
  const ShuPickleValue *parts[4]; /* protocol, system, root, keys */
  ShuCursor c = pickle_cursor (bytes, 0);

  shu_torch_init (&t, name);
  if (c.size < 2 + sizeof magic ||
      memcmp (c.data + 2, magic, sizeof magic) != 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: a pickle, but not one of torch.save()", name);
    return NULL;
  }
  c.pos = 2 + sizeof magic;
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    parts[i] = shu_pickle_read (p, &c, error);
    if (!parts[i])
      return NULL;
  }
  if (parts[0]->type != SHU_PICKLE_INT || parts[0]->number != 1001 ||
      !check_system (parts[1]) || parts[3]->type != SHU_PICKLE_LIST) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "%s: not of the version of torch.save()'s format that is known, or "
        "written on a big-endian machine",
        name);
    return NULL;
  }
  if (!cut_data (&t, bytes, c.pos, parts[3], error))
    return NULL;
  return shu_torch_finish (
      &t, parts[2], "PyTorch (before 1.6)", g_bytes_get_size (bytes), error);
}
