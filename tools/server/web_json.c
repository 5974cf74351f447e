/* SPDX-License-Identifier: MIT */
#include "web_json.h"
#include <math.h>
#include <string.h>

void
web_string (JsonBuilder *b, const char *name, const char *value)
{
  /* what clients and files say need not be UTF-8; JSON is */
  g_autofree char *valid = value ? g_utf8_make_valid (value, -1) : NULL;

  json_builder_set_member_name (b, name);
  if (valid)
    json_builder_add_string_value (b, valid);
  else
    json_builder_add_null_value (b);
}

void
web_int (JsonBuilder *b, const char *name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

void
web_double (JsonBuilder *b, const char *name, double value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

void
web_known (JsonBuilder *b, const char *name, double value)
{
  if (value >= 0)
    web_double (b, name, value);
  else
    web_string (b, name, NULL);
}

void
web_seconds (JsonBuilder *b, const char *name, double value)
{
  web_known (b, name, value < 0 ? value : round (value * 1e3) / 1e3);
}

void
web_bool (JsonBuilder *b, const char *name, gboolean value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, value);
}

/* ---- as text ---- */

const char *
web_number (char buffer[G_ASCII_DTOSTR_BUF_SIZE], double value)
{
  static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_ascii_formatd (buffer, G_ASCII_DTOSTR_BUF_SIZE, formats[i], value);
    if (g_ascii_strtod (buffer, NULL) == value)
      break;
  }
  return buffer;
}

static void append_node (GString *s, JsonNode *node);

static void
append_leaf (GString *s, JsonNode *node)
{
  g_autofree char *text = json_to_string (node, FALSE);

  g_string_append (s, text);
}

/* JSON has no word for what is not finite; 3 would be a whole number. */
static void
append_double (GString *s, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (value - value != 0) {
    g_string_append (s, "null");
    return;
  }
  g_string_append (s, web_number (buffer, value));
  if (!strpbrk (buffer, ".e"))
    g_string_append (s, ".0");
}

static void
append_member (
    JsonObject *object, const char *name, JsonNode *node, gpointer data)
{
  g_autoptr (JsonNode) key = json_node_new (JSON_NODE_VALUE);
  GString *s = data;

  if (s->str[s->len - 1] != '{')
    g_string_append_c (s, ',');
  json_node_set_string (key, name);
  append_leaf (s, key);
  g_string_append_c (s, ':');
  append_node (s, node);
}

static void
append_element (JsonArray *array, guint i, JsonNode *node, gpointer data)
{
  if (i > 0)
    g_string_append_c (data, ',');
  append_node (data, node);
}

static void
append_node (GString *s, JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node)) {
    g_string_append_c (s, '{');
    json_object_foreach_member (json_node_get_object (node), append_member, s);
    g_string_append_c (s, '}');
  } else if (JSON_NODE_HOLDS_ARRAY (node)) {
    g_string_append_c (s, '[');
    json_array_foreach_element (json_node_get_array (node), append_element, s);
    g_string_append_c (s, ']');
  } else if (JSON_NODE_HOLDS_VALUE (node) &&
             json_node_get_value_type (node) == G_TYPE_DOUBLE)
    append_double (s, json_node_get_double (node));
  else
    append_leaf (s, node);
}

/* Not json_to_string(): it writes 0.7 as 0.69999999999999996. */
char *
web_json_text (JsonBuilder *b)
{
  g_autoptr (JsonNode) root = json_builder_get_root (b);
  GString *s = g_string_new (NULL);

  append_node (s, root);
  g_object_unref (b);
  return g_string_free (s, FALSE);
}

const char *
web_get_string (JsonObject *o, const char *name, const char *fallback)
{
  JsonNode *node = json_object_get_member (o, name);

  return node && JSON_NODE_HOLDS_VALUE (node) &&
                 json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : fallback;
}
