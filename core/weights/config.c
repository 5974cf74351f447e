/* SPDX-License-Identifier: MIT */
/* A tree of views on one JSON document; the root keeps the document, the
 * views and the first failure. */
#include "weights/config.h"
#include "base/error.h"
#include "base/file.h"
#include "weights/json_check.h"
#include <math.h>
#include <string.h>

struct _ShuConfig {
  ShuConfig *root;
  JsonObject *object; /* NULL: an empty one */
  char *name;         /* of the file, then the path inside */
  /* root only */
  JsonParser *parser;
  GPtrArray *views;
  GMutex lock;
  GError *error;
};

static void
view_free (ShuConfig *config)
{
  g_free (config->name);
  g_free (config);
}

static ShuConfig *
view_new (ShuConfig *root, JsonObject *object, char *name)
{
  ShuConfig *view = g_new0 (ShuConfig, 1);

  view->root = root;
  view->object = object;
  view->name = name;
  g_ptr_array_add (root->views, view);
  return view;
}

void
shu_config_free (ShuConfig *config)
{
  if (!config)
    return;
  g_assert (config->root == config);
  g_clear_object (&config->parser);
  g_ptr_array_unref (config->views);
  g_clear_error (&config->error);
  g_mutex_clear (&config->lock);
  view_free (config);
}

ShuConfig *
shu_config_parse (
    const char *text, gssize size, const char *name, GError **error)
{
  g_autoptr (ShuConfig) config = g_new0 (ShuConfig, 1);
  g_autoptr (GError) cause = NULL;
  gsize length = size < 0 ? strlen (text) : (gsize) size;
  JsonNode *root;

  config->root = config;
  config->name = g_strdup (name);
  config->views = g_ptr_array_new_with_free_func ((GDestroyNotify) view_free);
  g_mutex_init (&config->lock);
  config->parser = json_parser_new_immutable ();
  if (!shu_json_check (
          text, length, SHU_CONFIG_MAX_DEPTH, SHU_CONFIG_MAX_BYTES, &cause) ||
      !json_parser_load_from_data (config->parser, text, length, &cause)) {
    g_set_error (error, SHU_ERROR,
        cause->domain == SHU_ERROR ? cause->code : SHU_ERROR_INVALID, "%s: %s",
        name, cause->message);
    return NULL;
  }
  root = json_parser_get_root (config->parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: expected a JSON object", name);
    return NULL;
  }
  config->object = json_node_get_object (root);
  return g_steal_pointer (&config);
}

ShuConfig *
shu_config_open (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = shu_file_map (path, error);
  const char *text;
  gsize size;

  if (!bytes)
    return NULL;
  text = g_bytes_get_data (bytes, &size);
  return shu_config_parse (text, size, path, error);
}

void
shu_config_fail (ShuConfig *config, const char *format, ...)
{
  ShuConfig *root = config->root;
  va_list args;

  g_mutex_lock (&root->lock);
  if (!root->error) {
    g_autofree char *text = NULL;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    root->error = g_error_new (
        SHU_ERROR, SHU_ERROR_INVALID, "%s: %s", config->name, text);
  }
  g_mutex_unlock (&root->lock);
}

gboolean
shu_config_finish (ShuConfig *config, GError **error)
{
  GError *cause;

  g_mutex_lock (&config->root->lock);
  cause = config->root->error ? g_error_copy (config->root->error) : NULL;
  g_mutex_unlock (&config->root->lock);
  if (!cause)
    return TRUE;
  g_propagate_error (error, cause);
  return FALSE;
}

ShuConfig *
shu_config_at (ShuConfig *config, const char *key)
{
  ShuConfig *root = config->root, *view;
  g_auto (GStrv) parts = g_strsplit (key, "/", -1);
  JsonObject *object = config->object;

  for (char **p = parts; *p && object; p++) {
    JsonNode *node = json_object_get_member (object, *p);

    if (node && !JSON_NODE_HOLDS_OBJECT (node) && !JSON_NODE_HOLDS_NULL (node))
      shu_config_fail (config, "\"%s\": expected an object", key);
    object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                   : NULL;
  }
  g_mutex_lock (&root->lock);
  view = view_new (root, object, g_strdup_printf ("%s: %s", config->name, key));
  g_mutex_unlock (&root->lock);
  return view;
}

/* The member, or NULL where it is absent or null. */
static JsonNode *
member (ShuConfig *config, const char *key)
{
  JsonNode *node =
      config->object ? json_object_get_member (config->object, key) : NULL;

  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

gboolean
shu_config_has (ShuConfig *config, const char *key)
{
  return member (config, key) != NULL;
}

static gboolean
get_number (JsonNode *node, double *ret)
{
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node)
                                            : G_TYPE_INVALID;

  if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
    return FALSE;
  *ret = json_node_get_double (node);
  return TRUE;
}

int
shu_config_int (
    ShuConfig *config, const char *key, int lo, int hi, int fallback)
{
  JsonNode *node = member (config, key);
  double value;

  if (!node && fallback >= lo && fallback <= hi)
    return fallback;
  if (!node)
    shu_config_fail (config, "\"%s\" is missing", key);
  else if (!get_number (node, &value) || value != floor (value) || value < lo ||
           value > hi)
    shu_config_fail (
        config, "\"%s\": expected a whole number in %d..%d", key, lo, hi);
  else
    return value;
  return lo;
}

double
shu_config_float (
    ShuConfig *config, const char *key, double lo, double hi, double fallback)
{
  JsonNode *node = member (config, key);
  double value;

  if (!node && !isnan (fallback))
    return fallback;
  if (!node)
    shu_config_fail (config, "\"%s\" is missing", key);
  else if (!get_number (node, &value) || !(value >= lo && value <= hi))
    shu_config_fail (
        config, "\"%s\": expected a number in %g..%g", key, lo, hi);
  else
    return value;
  return lo;
}

gboolean
shu_config_bool (ShuConfig *config, const char *key, gboolean fallback)
{
  JsonNode *node = member (config, key);

  if (!node)
    return fallback;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_BOOLEAN) {
    shu_config_fail (config, "\"%s\": expected true or false", key);
    return fallback;
  }
  return json_node_get_boolean (node);
}

const char *
shu_config_string (ShuConfig *config, const char *key, const char *fallback)
{
  JsonNode *node = member (config, key);

  if (!node && fallback)
    return fallback;
  if (node && JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  shu_config_fail (
      config, node ? "\"%s\": expected a string" : "\"%s\" is missing", key);
  return "";
}

/* Element @i of a list, or a lone number as a list of one. */
static int
list_length (JsonNode *node)
{
  if (!node)
    return 0;
  return JSON_NODE_HOLDS_ARRAY (node)
             ? (int) json_array_get_length (json_node_get_array (node))
             : 1;
}

static gboolean
list_number (JsonNode *node, int i, double *ret)
{
  if (JSON_NODE_HOLDS_ARRAY (node))
    node = json_array_get_element (json_node_get_array (node), i);
  return get_number (node, ret);
}

int
shu_config_ints (ShuConfig *config, const char *key, int lo, int hi, int max,
    int *ret_values)
{
  JsonNode *node = member (config, key);
  int n = list_length (node);

  if (n > max) {
    shu_config_fail (config, "\"%s\": more than %d numbers", key, max);
    return 0;
  }
  for (int i = 0; i < n; i++) {
    double value;

    if (!list_number (node, i, &value) || value != floor (value) ||
        value < lo || value > hi) {
      shu_config_fail (
          config, "\"%s\": expected whole numbers in %d..%d", key, lo, hi);
      return 0;
    }
    ret_values[i] = value;
  }
  return n;
}

int
shu_config_floats (
    ShuConfig *config, const char *key, int max, double *ret_values)
{
  JsonNode *node = member (config, key);
  int n = list_length (node);

  if (n > max) {
    shu_config_fail (config, "\"%s\": more than %d numbers", key, max);
    return 0;
  }
  for (int i = 0; i < n; i++)
    if (!list_number (node, i, &ret_values[i]) || !isfinite (ret_values[i])) {
      shu_config_fail (config, "\"%s\": expected numbers", key);
      return 0;
    }
  return n;
}

const char **
shu_config_keys (ShuConfig *config)
{
  GPtrArray *keys = g_ptr_array_new ();
  JsonObjectIter iter;
  const char *key;
  JsonNode *node;

  if (config->object) {
    json_object_iter_init (&iter, config->object);
    while (json_object_iter_next (&iter, &key, &node))
      g_ptr_array_add (keys, (gpointer) key);
  }
  g_ptr_array_add (keys, NULL);
  return (const char **) g_ptr_array_free (keys, FALSE);
}
