/* SPDX-License-Identifier: MIT */
/* From the end: the end record, the one with 64-bit numbers before it, the
 * directory, and for each entry of it the member's header. */
#include "weights/stored_zip_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include <string.h>

enum {
  MEMBER = 0x04034b50,
  ENTRY = 0x02014b50,
  END = 0x06054b50,
  END64 = 0x06064b50,
  LOCATOR64 = 0x07064b50,
  END_SIZE = 22,
  LOCATOR_SIZE = 20,
  MAX_COMMENT = 65535,
  MAX_MEMBERS = 1 << 17,
  MAX_NAME = 4096,
};

typedef struct {
  const guint8 *data;
  gsize size;
  gsize n_entries, dir_at, dir_size;
} Zip;

typedef struct {
  gsize at, end; /* header and data */
} Range;

static const char truncated[] = "the archive ends too early; copy it again";

static guint64
number (const guint8 *p, int n)
{
  ShuCursor c = shu_cursor (p, n);

  return shu_cursor_uint (&c, n);
}

/* Bytes @at..@at+@n, or NULL */
static const guint8 *
part (const Zip *z, gsize at, gsize n)
{
  return at <= z->size && n <= z->size - at ? z->data + at : NULL;
}

/* The end record with 64-bit numbers; only archives that need it have one. */
static const char *
find_end64 (Zip *z, gsize end_at)
{
  const guint8 *locator =
      end_at < LOCATOR_SIZE ? NULL : part (z, end_at - LOCATOR_SIZE, 20);
  const guint8 *p;

  if (!locator || number (locator, 4) != LOCATOR64)
    return "its directory is not valid";
  p = part (z, number (locator + 8, 8), 56);
  if (!p || number (p, 4) != END64)
    return "its directory is not valid";
  z->n_entries = number (p + 32, 8);
  z->dir_size = number (p + 40, 8);
  z->dir_at = number (p + 48, 8);
  return NULL;
}

static const char *
find_end (Zip *z)
{
  gsize at = z->size < END_SIZE ? 0 : z->size - END_SIZE;
  gsize least = at > MAX_COMMENT ? at - MAX_COMMENT : 0;
  const guint8 *p;

  for (;; at--) {
    p = part (z, at, END_SIZE);
    if (p && number (p, 4) == END &&
        number (p + 20, 2) == z->size - at - END_SIZE)
      break;
    if (at == least)
      return truncated;
  }
  if (number (p + 4, 2) != 0 || number (p + 6, 2) != 0)
    return "it is one of several parts";
  z->n_entries = number (p + 10, 2);
  z->dir_size = number (p + 12, 4);
  z->dir_at = number (p + 16, 4);
  if (z->n_entries == 0xffff || z->dir_size == 0xffffffff ||
      z->dir_at == 0xffffffff)
    return find_end64 (z, at);
  return NULL;
}

/* Numbers that did not fit into the entry are in its field 1, in this order. */
static gboolean
read_extra (const guint8 *p, gsize size, guint64 **numbers, int n)
{
  ShuCursor c = shu_cursor (p, size);
  int wanted = 0;

  for (int i = 0; i < n; i++)
    wanted += *numbers[i] == 0xffffffff;
  while (wanted > 0 && !c.failed && c.pos < c.size) {
    guint id = shu_cursor_uint (&c, 2);
    gsize length = shu_cursor_uint (&c, 2);
    const guint8 *field = shu_cursor_take (&c, length);
    ShuCursor in = shu_cursor (field, field ? length : 0);

    if (!field || id != 1)
      continue;
    for (int i = 0; i < n; i++)
      if (*numbers[i] == 0xffffffff)
        *numbers[i] = shu_cursor_uint (&in, 8);
    return !in.failed;
  }
  return wanted == 0;
}

/* One entry of the directory at @c; what is wrong with it, or NULL. */
static const char *
read_entry (const Zip *z, ShuCursor *c, char **ret_name, Range *ret_range,
    gsize *ret_data, gsize *ret_size)
{
  const guint8 *p = shu_cursor_take (c, 46), *name, *extra, *member;
  guint64 packed, size, at;
  gsize n_name, n_extra, n_comment, data;

  if (!p || number (p, 4) != ENTRY)
    return "its directory is not valid";
  packed = number (p + 20, 4);
  size = number (p + 24, 4);
  n_name = number (p + 28, 2);
  n_extra = number (p + 30, 2);
  n_comment = number (p + 32, 2);
  at = number (p + 42, 4);
  name = shu_cursor_take (c, n_name);
  extra = shu_cursor_take (c, n_extra);
  if (!shu_cursor_take (c, n_comment) ||
      !read_extra (extra, n_extra, (guint64 *[]){&size, &packed, &at}, 3))
    return "its directory is not valid";
  if (n_name == 0 || n_name > MAX_NAME || memchr (name, 0, n_name) ||
      !g_utf8_validate ((const char *) name, n_name, NULL))
    return "a member's name is not valid";
  if (number (p + 8, 2) & 1 || number (p + 10, 2) != 0 || packed != size)
    return "a member is compressed or encrypted, which PyTorch does not do";
  member = part (z, at, 30);
  if (!member || number (member, 4) != MEMBER)
    return "a member is not where its directory says";
  data = at + 30 + number (member + 26, 2) + number (member + 28, 2);
  if (!part (z, data, size))
    return truncated;
  *ret_name = g_strndup ((const char *) name, n_name);
  *ret_range = (Range){at, data + size};
  *ret_data = data;
  *ret_size = size;
  return NULL;
}

static int
by_place (gconstpointer a, gconstpointer b)
{
  const Range *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

static const char *
read_directory (
    const Zip *z, GBytes *bytes, GHashTable *members, GArray *ranges)
{
  const guint8 *dir = part (z, z->dir_at, z->dir_size);
  ShuCursor c = shu_cursor (dir, dir ? z->dir_size : 0);

  if (!dir)
    return truncated;
  if (z->n_entries > MAX_MEMBERS)
    return "it has too many members";
  for (gsize i = 0; i < z->n_entries; i++) {
    g_autofree char *name = NULL;
    gsize data, size;
    Range range;
    const char *fault = read_entry (z, &c, &name, &range, &data, &size);

    if (fault)
      return fault;
    g_array_append_val (ranges, range);
    if (!g_hash_table_replace (members, g_steal_pointer (&name),
            g_bytes_new_from_bytes (bytes, data, size)))
      return "two members have one name";
  }
  g_array_append_val (ranges, ((Range){z->dir_at, z->dir_at + z->dir_size}));
  g_array_sort (ranges, by_place);
  for (guint i = 1; i < ranges->len; i++)
    if (g_array_index (ranges, Range, i).at <
        g_array_index (ranges, Range, i - 1).end)
      return "members overlap";
  return NULL;
}

GHashTable *
shu_stored_zip_read (GBytes *bytes, const char *label, GError **error)
{
  g_autoptr (GHashTable) members = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_autoptr (GArray) ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  Zip z = {0};
  const char *fault;

  z.data = g_bytes_get_data (bytes, &z.size);
  fault = find_end (&z);
  if (!fault)
    fault = read_directory (&z, bytes, members, ranges);
  if (!fault)
    return g_steal_pointer (&members);
  g_set_error (error, SHU_ERROR,
      fault == truncated ? SHU_ERROR_TRUNCATED : SHU_ERROR_INVALID, "%s: %s",
      label, fault);
  return NULL;
}
