/* SPDX-License-Identifier: MIT */
/* The generators of the golden sets: FNV-1a keyed splitmix64 streams.  The
 * rules are those of the sets' own descriptions, in the same float32 steps. */
#include "golden_data.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"
#include "weights/formula.h"
#include <json-glib/json-glib.h>
#include <string.h>

enum { MAX_MADE = 1 << 30 }; /* elements of one tensor */

static const guint64 golden_ratio = 0x9E3779B97F4A7C15u;

guint64
golden_fnv1a (gconstpointer data, gsize size)
{
  const guint8 *p = data;
  guint64 h = 0xCBF29CE484222325u;

  for (gsize i = 0; i < size; i++)
    h = (h ^ p[i]) * 0x100000001B3u;
  return h;
}

static guint64
mix (guint64 z)
{
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

gint32
golden_stream (guint64 key, guint64 i)
{
  return (gint32) (mix (key + (i + 1) * golden_ratio) >> 40) - 8388608;
}

/* Weights come from the library's own rule, which is thereby tested too. */
static void
make_keyed (const GoldenMade *m, const char *name, float *ret)
{
  float scale = (float) m->a;

  if (m->kind == GOLDEN_MADE_WEIGHT)
    shu_formula_weight (m->seed, name + 2, m->n_dims, m->dims, m->n, ret);
  else {
    g_autofree char *key =
        g_strdup_printf ("%" G_GUINT64_FORMAT "/%s", m->seed, name);

    shu_formula_values (key, m->n, ret);
#pragma omp parallel for
    for (gsize i = 0; i < m->n; i++)
      ret[i] *= scale;
  }
  if (!m->halved)
    return;
#pragma omp parallel for
  for (gsize i = 0; i < m->n; i++)
    ret[i] = shu_f16_round (ret[i]);
}

void
golden_make (const GoldenMade *m, const char *name, float *ret_values)
{
  if (m->kind != GOLDEN_MADE_PRNG) {
    make_keyed (m, name, ret_values);
    return;
  }
#pragma omp parallel for
  for (gsize i = 0; i < m->n; i++) {
    double u =
        (double) (mix (m->state + (i + 1) * golden_ratio) >> 40) * 0x1p-24;
    ret_values[i] = (float) (m->b + (2 * u - 1) * m->a);
  }
}

/* ---- metadata ---- */

static gboolean
set_dims (GoldenMade *m, int n_dims, const gint64 *dims)
{
  gsize n = 1;

  if (n_dims < 1 || n_dims > SHU_MAX_DIMS)
    return FALSE;
  m->n_dims = n_dims;
  for (int i = 0; i < SHU_MAX_DIMS; i++)
    m->dims[i] = i < n_dims ? dims[i] : 1;
  for (int i = 0; i < n_dims; i++)
    if (dims[i] < 1 || !shu_mul_size (n, dims[i], &n) || n > MAX_MADE)
      return FALSE;
  m->n = n;
  return TRUE;
}

static int
read_dims (JsonNode *node, gint64 *ret_dims)
{
  JsonArray *array;
  int n;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return 0;
  array = json_node_get_array (node);
  n = json_array_get_length (array);
  if (n > SHU_MAX_DIMS)
    return 0;
  for (int i = 0; i < n; i++)
    ret_dims[i] = json_array_get_int_element (array, i);
  return n;
}

static JsonNode *
parse_object (const char *json)
{
  JsonNode *node = json ? json_from_string (json, NULL) : NULL;

  if (node && !JSON_NODE_HOLDS_OBJECT (node))
    g_clear_pointer (&node, json_node_unref);
  return node;
}

int
golden_json_dims (const char *json, const char *name, gint64 *ret_dims)
{
  g_autoptr (JsonNode) root = parse_object (json);

  return root ? read_dims (
                    json_object_get_member (json_node_get_object (root), name),
                    ret_dims)
              : 0;
}

/* {name: dims} or {name: {shape: dims, scale: s}} */
static gboolean
add_keyed (GHashTable *table, GHashTable *metadata, const char *key,
    GoldenMadeKind kind, guint64 seed)
{
  g_autoptr (JsonNode) root =
      parse_object (g_hash_table_lookup (metadata, key));
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (!root)
    return g_hash_table_lookup (metadata, key) == NULL;
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &name, &node)) {
    g_autofree GoldenMade *m = g_new0 (GoldenMade, 1);
    gint64 dims[SHU_MAX_DIMS];
    int n_dims;

    m->kind = kind;
    m->seed = seed;
    m->halved =
        g_strcmp0 (g_hash_table_lookup (metadata, "rounding"), "float16") == 0;
    if (kind == GOLDEN_MADE_INPUT) {
      JsonObject *o;

      if (!JSON_NODE_HOLDS_OBJECT (node))
        return FALSE;
      o = json_node_get_object (node);
      n_dims = read_dims (json_object_get_member (o, "shape"), dims);
      m->a = json_object_get_double_member_with_default (o, "scale", 1);
    } else {
      n_dims = read_dims (node, dims);
    }
    if (!set_dims (m, n_dims, dims))
      return FALSE;
    g_hash_table_insert (table,
        kind == GOLDEN_MADE_WEIGHT ? g_strconcat ("w.", name, NULL)
                                   : g_strdup (name),
        g_steal_pointer (&m));
  }
  return TRUE;
}

/* "name|2x3|a|b|0xstate;..." */
static gboolean
add_prng (GHashTable *table, const char *list)
{
  g_auto (GStrv) items = g_strsplit (list ? list : "", ";", -1);

  for (char **item = items; *item; item++) {
    g_auto (GStrv) part = g_strsplit (*item, "|", -1);
    g_autofree GoldenMade *m = g_new0 (GoldenMade, 1);
    g_auto (GStrv) size = NULL;
    gint64 dims[SHU_MAX_DIMS];
    int n_dims;

    if (!**item)
      continue;
    if (g_strv_length (part) != 5)
      return FALSE;
    size = g_strsplit (part[1], "x", -1);
    n_dims = g_strv_length (size);
    if (n_dims > SHU_MAX_DIMS)
      return FALSE;
    for (int i = 0; i < n_dims; i++)
      dims[i] = g_ascii_strtoll (size[i], NULL, 10);
    m->kind = GOLDEN_MADE_PRNG;
    m->a = g_ascii_strtod (part[2], NULL);
    m->b = g_ascii_strtod (part[3], NULL);
    m->state = g_ascii_strtoull (part[4], NULL, 16);
    if (!set_dims (m, n_dims, dims))
      return FALSE;
    g_hash_table_insert (table, g_strdup (part[0]), g_steal_pointer (&m));
  }
  return TRUE;
}

GHashTable *
golden_made_table (GHashTable *metadata, GError **error)
{
  g_autoptr (GHashTable) table =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  const char *seed_text = g_hash_table_lookup (metadata, "seed");
  const char *prng = g_hash_table_lookup (metadata, "prng");
  guint64 seed = seed_text ? g_ascii_strtoull (seed_text, NULL, 10) : 0;

  if (!add_keyed (table, metadata, "weight_shapes", GOLDEN_MADE_WEIGHT, seed) ||
      !add_keyed (table, metadata, "prng_inputs", GOLDEN_MADE_INPUT, seed) ||
      !add_prng (table, prng)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the metadata entries for generated tensors cannot be read");
    return NULL;
  }
  return g_steal_pointer (&table);
}

GHashTable *
golden_offsets (GBytes *file)
{
  GHashTable *table =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  gsize size, header, begin;
  const guint8 *data = g_bytes_get_data (file, &size);
  ShuCursor cursor = shu_cursor (data, size);
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) root = NULL;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  header = shu_cursor_uint (&cursor, 8);
  data = shu_cursor_take (&cursor, header);
  if (!data)
    return table;
  text = g_strndup ((const char *) data, header);
  root = parse_object (text);
  if (!root)
    return table;
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &name, &node)) {
    gint64 range[SHU_MAX_DIMS];

    if (!JSON_NODE_HOLDS_OBJECT (node) ||
        read_dims (json_object_get_member (
                       json_node_get_object (node), "data_offsets"),
            range) != 2)
      continue;
    begin = 8 + header + range[0];
    g_hash_table_insert (
        table, g_strdup (name), g_memdup2 (&begin, sizeof begin));
  }
  return table;
}
