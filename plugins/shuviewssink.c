/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuviewssink
 * @title: shuviewssink
 * @short_description: writes a folder stage1_output
 *
 * As the official code leaves it; read back by #shuviewssrc.  A new folder is
 * written beside and then renamed, so it is there whole or not at all.  In one
 * that is there files are replaced, each at once, and others left.
 *
 * |[
 * gst-launch-1.0 filesrc location=views.safetensors ! shubundledec !
 * shuviewssink location=stage1_output
 * ]|
 */
#include "sink.h"

typedef ShuSink ShuViewsSink;
typedef ShuSinkClass ShuViewsSinkClass;

GType shu_views_sink_get_type (void);
G_DEFINE_FINAL_TYPE (ShuViewsSink, shu_views_sink, SHU_TYPE_SINK)
GST_ELEMENT_REGISTER_DEFINE (
    shuviewssink, "shuviewssink", GST_RANK_NONE, shu_views_sink_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS ("{ views, asset, mesh, model }")));

static const ShuProp props[] = {
    SHU_PROP_STRING (ShuViewsSink, location, "location",
        "Folder to write, which is made where it is not there, with its "
        "parents"),
};

static gboolean
save (const char *location, GstBuffer *buffer, GError **error)
{
  g_autoptr (ShuBundle) views = shu_buffer_get_bundle (buffer, error);

  return views && shu_views_save (views, location, error);
}

static void
shu_views_sink_class_init (ShuViewsSinkClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->write = save;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_set_static_metadata (element, "Views folder writer",
      "Sink/File", "Writes the views and voxels as a stage1_output folder",
      "The synchuman authors");
}

static void
shu_views_sink_init (ShuViewsSink *self)
{
}
