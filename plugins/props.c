/* SPDX-License-Identifier: MIT */
/* The specs derive from GObject's own so that gst-inspect-1.0 shows ranges,
 * but let every value through to set_property(), which judges it. */
#include "props.h"
#include "shu.h"

/* See props.h: the least value beside -1 */
static GQuark
least_quark (void)
{
  return g_quark_from_static_string ("shu-least");
}

static GQuark
prop_quark (void)
{
  return g_quark_from_static_string ("shu-prop");
}

/* Of an object, where @p was last set to what it cannot be: the message */
static GQuark
refused_quark (const ShuProp *p)
{
  g_autofree char *name = g_strconcat ("shu-prop-refused-", p->name, NULL);

  return g_quark_from_string (name);
}

static void
lax_class_init (gpointer klass, gpointer data)
{
  G_PARAM_SPEC_CLASS (klass)->value_validate = NULL;
  G_PARAM_SPEC_CLASS (klass)->value_is_valid = NULL;
}

static GType
lax_type (const char *name, GType parent)
{
  static GMutex mutex;
  GTypeQuery query;
  GType type;

  g_mutex_lock (&mutex);
  type = g_type_from_name (name);
  if (!type) {
    g_type_query (parent, &query);
    type = g_type_register_static_simple (parent, name, query.class_size,
        lax_class_init, query.instance_size, NULL, 0);
  }
  g_mutex_unlock (&mutex);
  return type;
}

static GParamFlags
flags_of (const ShuProp *p)
{
  return G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS |
         (p->settled ? GST_PARAM_MUTABLE_READY : GST_PARAM_MUTABLE_PLAYING);
}

static GParamSpec *
lax_spec (const char *type, GType parent, const ShuProp *p)
{
  return g_param_spec_internal (
      lax_type (type, parent), p->name, p->name, p->blurb, flags_of (p));
}

static GParamSpec *
make_spec (const ShuProp *p)
{
  double min = p->model_value ? -1 : p->min;
  GParamFlags flags = flags_of (p);
  GParamSpec *spec = NULL;

  switch (p->kind) {
  case SHU_PROP_KIND_INT:
    spec = lax_spec ("ShuParamInt", G_TYPE_PARAM_INT, p);
    ((GParamSpecInt *) spec)->minimum = (int) min;
    ((GParamSpecInt *) spec)->maximum = (int) p->max;
    ((GParamSpecInt *) spec)->default_value = (int) p->def;
    break;
  case SHU_PROP_KIND_INT64:
    spec = lax_spec ("ShuParamInt64", G_TYPE_PARAM_INT64, p);
    ((GParamSpecInt64 *) spec)->minimum = (gint64) min;
    ((GParamSpecInt64 *) spec)->maximum = (gint64) p->max;
    ((GParamSpecInt64 *) spec)->default_value = (gint64) p->def;
    break;
  case SHU_PROP_KIND_DOUBLE:
    spec = lax_spec ("ShuParamDouble", G_TYPE_PARAM_DOUBLE, p);
    ((GParamSpecDouble *) spec)->minimum = min;
    ((GParamSpecDouble *) spec)->maximum = p->max;
    ((GParamSpecDouble *) spec)->default_value = p->def;
    break;
  case SHU_PROP_KIND_STRING:
    spec =
        g_param_spec_string (p->name, p->name, p->blurb, p->def_string, flags);
    break;
  case SHU_PROP_KIND_ENUM:
    spec = g_param_spec_enum (
        p->name, p->name, p->blurb, p->enum_type (), (int) p->def, flags);
    break;
  case SHU_PROP_KIND_BOOL:
    spec =
        g_param_spec_boolean (p->name, p->name, p->blurb, p->def != 0, flags);
    break;
  case SHU_PROP_KIND_TRAFFIC:
    spec = g_param_spec_boxed (p->name, p->name, p->blurb, GST_TYPE_STRUCTURE,
        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    break;
  }
  g_param_spec_set_qdata (spec, prop_quark (), (gpointer) p);
  g_param_spec_set_qdata (spec, least_quark (), (gpointer) &p->min);
  return spec;
}

static gboolean
in_range (GObject *object, const ShuProp *p, double value, const char *text)
{
  /* written so that a NaN fails */
  gboolean ok =
      (value >= p->min && value <= p->max) || (p->model_value && value == -1);
  char *message =
      ok ? NULL
         : g_strdup_printf ("%s=%s is out of range: %s%.16g to %.16g", p->name,
               text, p->model_value ? "-1 (the model's value) or " : "", p->min,
               p->max);

  g_object_set_qdata_full (object, refused_quark (p), message, g_free);
  return ok;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  const ShuProp *p = g_param_spec_get_qdata (spec, prop_quark ());
  g_autofree char *text = NULL;
  g_autofree char *old = NULL;
  g_autofree char *refused = NULL;
  gpointer field;

  if (!p) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
    return;
  }
  field = G_STRUCT_MEMBER_P (object, p->offset);
  text = g_strdup_value_contents (value);
  GST_OBJECT_LOCK (object);
  switch (p->kind) {
  case SHU_PROP_KIND_INT:
    if (in_range (object, p, g_value_get_int (value), text))
      *(int *) field = g_value_get_int (value);
    break;
  case SHU_PROP_KIND_INT64:
    if (in_range (object, p, (double) g_value_get_int64 (value), text))
      *(gint64 *) field = g_value_get_int64 (value);
    break;
  case SHU_PROP_KIND_DOUBLE:
    if (in_range (object, p, g_value_get_double (value), text))
      *(double *) field = g_value_get_double (value);
    break;
  case SHU_PROP_KIND_STRING:
    old = *(char **) field;
    *(char **) field = g_value_dup_string (value);
    break;
  case SHU_PROP_KIND_ENUM:
    *(int *) field = g_value_get_enum (value);
    break;
  case SHU_PROP_KIND_BOOL:
    *(int *) field = g_value_get_boolean (value);
    break;
  case SHU_PROP_KIND_TRAFFIC: /* not writable */
    break;
  }
  refused = g_strdup (g_object_get_qdata (object, refused_quark (p)));
  GST_OBJECT_UNLOCK (object);
  if (refused)
    g_warning ("%s: %s", G_OBJECT_TYPE_NAME (object), refused);
}

/* (transfer full) */
static GstStructure *
stats_of (ShuTraffic *traffic)
{
  GstStructure *s = gst_structure_new_empty ("synchuman-stats");

  for (int k = 0; k < SHU_N_TRAFFIC_KINDS; k++) {
    const char *kind = shu_traffic_kind_name (k);
    ShuTrafficCount count = shu_traffic_get (traffic, k);

    const struct {
      const char *what;
      guint64 value;
    } fields[] = {{"up", count.up}, {"down", count.down},
        {"across", count.across}, {"n-up", count.n_up},
        {"n-down", count.n_down}, {"n-across", count.n_across}};

    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
      g_autofree char *name = g_strdup_printf ("%s-%s", kind, fields[i].what);

      gst_structure_set (s, name, G_TYPE_UINT64, fields[i].value, NULL);
    }
  }
  return s;
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const ShuProp *p = g_param_spec_get_qdata (spec, prop_quark ());
  gpointer field;

  if (!p) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
    return;
  }
  field = G_STRUCT_MEMBER_P (object, p->offset);
  GST_OBJECT_LOCK (object);
  switch (p->kind) {
  case SHU_PROP_KIND_INT:
    g_value_set_int (value, *(int *) field);
    break;
  case SHU_PROP_KIND_INT64:
    g_value_set_int64 (value, *(gint64 *) field);
    break;
  case SHU_PROP_KIND_DOUBLE:
    g_value_set_double (value, *(double *) field);
    break;
  case SHU_PROP_KIND_STRING:
    g_value_set_string (value, *(char **) field);
    break;
  case SHU_PROP_KIND_ENUM:
    g_value_set_enum (value, *(int *) field);
    break;
  case SHU_PROP_KIND_BOOL:
    g_value_set_boolean (value, *(int *) field);
    break;
  case SHU_PROP_KIND_TRAFFIC:
    g_value_take_boxed (value, stats_of (*(ShuTraffic **) field));
    break;
  }
  GST_OBJECT_UNLOCK (object);
}

void
shu_props_install (GObjectClass *klass, const ShuProp *props, guint n)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  /* An id is unique within a class, and the table's address within it. */
  for (guint i = 0; i < n; i++) {
    guint n_before;
    g_autofree GParamSpec **before =
        g_object_class_list_properties (klass, &n_before);

    g_object_class_install_property (
        klass, n_before + 1, make_spec (&props[i]));
  }
}

void
shu_props_clear (gpointer object)
{
  guint n;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++) {
    const ShuProp *p = g_param_spec_get_qdata (specs[i], prop_quark ());

    if (p && p->kind == SHU_PROP_KIND_STRING)
      g_clear_pointer ((char **) G_STRUCT_MEMBER_P (object, p->offset), g_free);
  }
}

gboolean
shu_props_check (gpointer object, GError **error)
{
  guint n;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++) {
    const ShuProp *p = g_param_spec_get_qdata (specs[i], prop_quark ());
    const char *message =
        p ? g_object_get_qdata (object, refused_quark (p)) : NULL;

    if (!message)
      continue;
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "%s", message);
    return FALSE;
  }
  return TRUE;
}
