/* SPDX-License-Identifier: MIT */
/* Writes docs/elements.md from what the plugin says about itself:
 *   elements-doc PLUGIN.so >docs/elements.md */
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

/* Where -1 stands beside the range: see shu_props_install() */
static void
print_minus_one (GParamSpec *spec, double minimum)
{
  const double *least =
      g_param_spec_get_qdata (spec, g_quark_from_static_string ("shu-least"));

  if (least && minimum < *least)
    printf ("-1, %g", *least);
  else
    printf ("%g", minimum);
}

static void
print_range (GParamSpec *spec)
{
  if (G_IS_PARAM_SPEC_INT (spec)) {
    GParamSpecInt *p = G_PARAM_SPEC_INT (spec);

    print_minus_one (spec, p->minimum);
    printf (" … %d | %d", p->maximum, p->default_value);
  } else if (G_IS_PARAM_SPEC_INT64 (spec)) {
    GParamSpecInt64 *p = G_PARAM_SPEC_INT64 (spec);

    print_minus_one (spec, (double) p->minimum);
    printf (" … %" G_GINT64_FORMAT " | %" G_GINT64_FORMAT, p->maximum,
        p->default_value);
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    GParamSpecDouble *p = G_PARAM_SPEC_DOUBLE (spec);

    print_minus_one (spec, p->minimum);
    printf (" … %g | %g", p->maximum, p->default_value);
  } else if (G_IS_PARAM_SPEC_ENUM (spec)) {
    GEnumClass *values = G_PARAM_SPEC_ENUM (spec)->enum_class;

    for (guint i = 0; i < values->n_values; i++)
      printf ("%s%s", i ? ", " : "", values->values[i].value_nick);
    printf (" | %s",
        g_enum_get_value (values, G_PARAM_SPEC_ENUM (spec)->default_value)
            ->value_nick);
  } else if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    printf ("true, false | %s",
        G_PARAM_SPEC_BOOLEAN (spec)->default_value ? "true" : "false");
  else if (!(spec->flags & G_PARAM_WRITABLE))
    printf ("structure | read-only");
  else
    printf ("text | unset");
}

static void
print_properties (GstElement *element)
{
  guint n;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  gboolean any = FALSE;

  for (guint i = 0; i < n; i++) {
    /* ours, and not what every element has */
    if (!g_str_has_prefix (g_type_name (specs[i]->owner_type), "Shu"))
      continue;
    if (!any)
      printf ("\n| property | values | default | |\n| --- | --- | --- | --- "
              "|\n");
    any = TRUE;
    printf ("| `%s` | ", specs[i]->name);
    print_range (specs[i]);
    printf (" | %s%s |\n", g_param_spec_get_blurb (specs[i]),
        specs[i]->flags & GST_PARAM_MUTABLE_READY ? "; settled at the start"
                                                  : "");
  }
}

static void
print_actions (GstElement *element)
{
  guint n;
  g_autofree guint *ids = g_signal_list_ids (G_OBJECT_TYPE (element), &n);

  for (guint i = 0; i < n; i++)
    printf ("\nAction signal: `%s`.\n", g_signal_name (ids[i]));
}

/* What every build of the plugin has: (transfer full) */
static char *
caps_of (GstStaticPadTemplate *templ)
{
  g_autoptr (GstCaps) all = gst_static_pad_template_get_caps (templ);
  g_autoptr (GstCaps) caps = gst_caps_new_empty ();

  if (gst_caps_is_any (all))
    return gst_caps_to_string (all);
  for (guint i = 0; i < gst_caps_get_size (all); i++)
    if (!gst_caps_features_contains (
            gst_caps_get_features (all, i), "memory:CUDAMemory"))
      gst_caps_append_structure_full (caps,
          gst_structure_copy (gst_caps_get_structure (all, i)),
          gst_caps_features_copy (gst_caps_get_features (all, i)));
  return gst_caps_to_string (caps);
}

static void
print_element (GstElementFactory *factory)
{
  g_autoptr (GstElement) element = gst_element_factory_create (factory, NULL);
  const GList *pads = gst_element_factory_get_static_pad_templates (factory);

  gst_object_ref_sink (element);
  printf ("\n## %s\n\n%s. %s.\n\n", GST_OBJECT_NAME (factory),
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_LONGNAME),
      gst_element_factory_get_metadata (
          factory, GST_ELEMENT_METADATA_DESCRIPTION));
  for (int sinks = 1; sinks >= 0; sinks--)
    for (const GList *l = pads; l; l = l->next) {
      GstStaticPadTemplate *t = l->data;
      g_autofree char *caps = caps_of (t);

      if ((t->direction == GST_PAD_SINK) == sinks)
        printf ("* %s%s%s: `%s`\n", sinks ? "takes" : "gives",
            t->presence == GST_PAD_REQUEST ? ", on request at its pad " : "",
            t->presence == GST_PAD_REQUEST ? t->name_template : "", caps);
    }
  print_properties (element);
  print_actions (element);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (GST_OBJECT_NAME (a), GST_OBJECT_NAME (b));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPlugin) plugin = NULL;
  GList *features;

  gst_init (NULL, NULL);
  plugin = argc == 2 ? gst_plugin_load_file (argv[1], &error) : NULL;
  if (!plugin) {
    fprintf (stderr, "%s\n",
        error ? error->message : "Usage: elements-doc PLUGIN.so");
    return 1;
  }
  printf ("# Elements\n\nGenerated by `elements-doc` from the plugin; "
          "`gst-inspect-1.0 NAME` shows the same. Where -1 is the default it "
          "means the value of the model folder. What is set while data flows "
          "counts for the next buffer, but for what is settled at the start."
          "\n\nWhere the plugin is built "
          "with GStreamer's CUDA library, what `shumatting` and "
          "`shupreprocess` take may also be in memory of CUDA: "
          "`video/x-raw(memory:CUDAMemory)`, in the same formats.\n\n"
          "Elements that work for a while post messages of GStreamer's kind "
          "PROGRESS, and element messages `synchuman-progress`: `stage` "
          "(text), `step` and `total` (int), `remaining` (double: seconds, "
          "-1 where that is not known). `shumesh` posts "
          "`synchuman-mesh-report`: `text`, and counts (int) by name. A "
          "warning about a subject that was left out has details "
          "`synchuman-left-out` with its `pts`.\n");
  features = g_list_sort (gst_registry_get_feature_list_by_plugin (
                              gst_registry_get (), "synchuman"),
      compare);
  for (GList *l = features; l; l = l->next)
    print_element (l->data);
  gst_plugin_feature_list_free (features);
  return 0;
}
