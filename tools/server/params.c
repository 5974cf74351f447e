/* SPDX-License-Identifier: MIT */
#include "params.h"
#include "web_json.h"
#include <gst/gst.h>
#include <string.h>

#define BAD(error, ...)                                                        \
  (g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, __VA_ARGS__), \
      FALSE)

/**
 * Param:
 * @key: placeholder of the pipeline
 * @element, @property: whose largest value holds
 * @least: the element's own smallest, which beside -1 ("as the model says") it
 *   does not tell
 * @at: of the default in Defaults; -1: @fallback
 */
typedef struct {
  const char *name;
  const char *key;
  const char *element, *property;
  double least;
  int stage;
  gboolean whole;
  gssize at;
  double fallback;
} Param;

#define AT(field) G_STRUCT_OFFSET (Defaults, field)

static const Param all[] = {
    {"seed", "seed", "shupreprocess", "seed", 0, 1, TRUE, -1, 43},
    {"guidance_scale", "guidance", "shustage1", "guidance-scale", 0, 1, FALSE,
        AT (guidance_scale)},
    {"num_inference_steps", "steps", "shustage1", "num-inference-steps", 1, 1,
        TRUE, AT (num_inference_steps)},
    {"num_steps", "steps2", "shustage2", "num-steps", 1, 2, TRUE,
        AT (num_steps)},
    {"cfg_strength", "cfg-strength", "shustage2", "cfg-strength", 0, 2, FALSE,
        AT (cfg_strength)},
    {"texture_size", "texture-size", "shutexture", "texture-size", 256, 2, TRUE,
        -1, 1024},
    {"simplify", "simplify", "shumesh", "simplify", 0, 2, FALSE, -1, 0.7},
    {"up_size", "up-size", "shustage2", "up-size", 14, 2, TRUE, AT (up_size)},
};

/* Two numbers: [0.5,1.0] */
static const char interval[] = "cfg_interval";

static gboolean
largest (const Param *p, double *ret_hi)
{
  g_autoptr (GstElement) e = gst_element_factory_make (p->element, NULL);
  GParamSpec *spec;

  if (!e)
    return FALSE;
  gst_object_ref_sink (e);
  spec = g_object_class_find_property (G_OBJECT_GET_CLASS (e), p->property);
  if (G_IS_PARAM_SPEC_INT (spec))
    *ret_hi = G_PARAM_SPEC_INT (spec)->maximum;
  else if (G_IS_PARAM_SPEC_INT64 (spec))
    *ret_hi = (double) G_PARAM_SPEC_INT64 (spec)->maximum;
  else
    *ret_hi = G_PARAM_SPEC_DOUBLE (spec)->maximum;
  return TRUE;
}

static gboolean
parse_number (const char *name, const char *text, gboolean whole,
    double *ret_value, GError **error)
{
  char *end = NULL;

  /* strtod() also knows hexadecimal numbers, "inf" and "nan" */
  if (strspn (text, "+-.0123456789eE") == strlen (text)) {
    *ret_value = g_ascii_strtod (text, &end);
    if (end != text && !*end && !(whole && strpbrk (text, ".eE")))
      return TRUE;
  }
  return BAD (error, "%s: this is no %snumber", name, whole ? "whole " : "");
}

/* As everybody reads it: 010 is ten here, and eight to a pipeline. */
static char *
write_number (double value, gboolean whole)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (whole)
    return g_strdup_printf ("%" G_GINT64_FORMAT, (gint64) value);
  return g_strdup (web_number (buffer, value + 0.0)); /* not -0 */
}

static gboolean
set_interval (GHashTable *values, const char *text, GError **error)
{
  g_autofree char *plain = g_strdelimit (g_strdup (text), "[]()", ' ');
  g_auto (GStrv) parts = g_strsplit (plain, ",", -1);
  double value[2];

  if (g_strv_length (parts) != 2)
    return BAD (error, "%s: expected two numbers, as in [0.5,1.0]", interval);
  for (int i = 0; i < 2; i++)
    if (!parse_number (
            interval, g_strstrip (parts[i]), FALSE, &value[i], error))
      return FALSE;
  if (!(value[0] >= 0 && value[0] <= value[1] && value[1] <= 1))
    return BAD (error, "%s: expected 0 <= begin <= end <= 1, as in [0.5,1.0]",
        interval);
  g_hash_table_replace (
      values, g_strdup ("cfg-start"), write_number (value[0], FALSE));
  g_hash_table_replace (
      values, g_strdup ("cfg-end"), write_number (value[1], FALSE));
  return TRUE;
}

gboolean
params_set (
    GHashTable *values, const char *name, const char *text, GError **error)
{
  double value, hi;

  if (strcmp (name, interval) == 0)
    return set_interval (values, text, error);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    const Param *p = &all[i];

    if (strcmp (name, p->name) != 0)
      continue;
    if (!largest (p, &hi))
      return BAD (error, "%s: the element %s is missing", name, p->element);
    if (!parse_number (name, text, p->whole, &value, error))
      return FALSE;
    if (!(value >= p->least && value <= hi))
      return BAD (error, "%s: %s is out of range (%.16g to %.16g)", name, text,
          p->least, hi);
    if (strcmp (name, "up_size") == 0 && (int) value % 14 != 0)
      return BAD (error, "%s: %s is no multiple of 14", name, text);
    g_hash_table_replace (
        values, g_strdup (p->key), write_number (value, p->whole));
    return TRUE;
  }
  {
    g_autofree char *names = params_names ();

    return BAD (
        error, "there is no field with this name; those there are: %s", names);
  }
}

gboolean
params_check (GHashTable *values, const Defaults *defaults, GError **error)
{
  const char *up_size = g_hash_table_lookup (values, "up-size");

  /* a patch of the look for each voxel of a side is the model's own size */
  return !up_size || atoi (up_size) >= defaults->up_size ||
         BAD (error, "up_size: %s is below the model's %d", up_size,
             defaults->up_size);
}

char *
params_names (void)
{
  GString *s = g_string_new ("image, image_url, download, async, cfg_interval");

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_string_append_printf (s, ", %s", all[i].name);
  return g_string_free (s, FALSE);
}

static double
value_of (GHashTable *values, const char *key, double fallback)
{
  const char *text = g_hash_table_lookup (values, key);

  return text ? g_ascii_strtod (text, NULL) : fallback;
}

static double
default_of (const Param *p, const Defaults *d)
{
  const char *field = (const char *) d + MAX (p->at, 0);

  if (p->at < 0)
    return p->fallback;
  return p->whole ? *(const int *) field : *(const double *) field;
}

static void
write_pair (JsonBuilder *b, const char *name, double first, double second,
    gboolean whole)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
  for (int i = 0; i < 2; i++)
    if (whole)
      json_builder_add_int_value (b, (gint64) (i ? second : first));
    else
      json_builder_add_double_value (b, i ? second : first);
  json_builder_end_array (b);
}

void
params_write (JsonBuilder *b, int stage, GHashTable *values, const Defaults *d)
{
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    const Param *p = &all[i];
    double value = value_of (values, p->key, default_of (p, d));

    if (p->stage != stage)
      continue;
    json_builder_set_member_name (b, p->name);
    if (p->whole)
      json_builder_add_int_value (b, (gint64) value);
    else
      json_builder_add_double_value (b, value);
  }
  if (stage == 2) {
    write_pair (b, interval, value_of (values, "cfg-start", d->cfg_interval[0]),
        value_of (values, "cfg-end", d->cfg_interval[1]), FALSE);
    return;
  }
  write_pair (b, "mv_img_wh", d->view_size, d->view_size, TRUE);
  json_builder_set_member_name (b, "num_views");
  json_builder_add_int_value (b, 5);
  json_builder_set_member_name (b, "background_color");
  json_builder_add_string_value (b, "white");
}
