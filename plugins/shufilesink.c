/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shufilesink
 * @title: shufilesink
 * @short_description: writes a file whole or not at all
 *
 * Every buffer is a whole file, written under a temporary name and renamed, so
 * an error, a stop or a full disk leaves what was there before.  A later buffer
 * replaces the file.  (filesink opens the file when it starts, so it leaves an
 * empty one behind when a stage before it fails.)
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shuglbmux
 * ! shufilesink location=photo.glb
 * ]|
 */
#include "bundle.h"
#include "props.h"
#include "report.h"
#include "folder_elements.h"

typedef struct {
  GstBaseSink parent;
  char *location;
} ShuFileSink;

typedef GstBaseSinkClass ShuFileSinkClass;

GType shu_file_sink_get_type (void);
G_DEFINE_FINAL_TYPE (ShuFileSink, shu_file_sink, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE (
    shufilesink, "shufilesink", GST_RANK_NONE, shu_file_sink_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("ANY"));

static const ShuProp props[] = {
    SHU_PROP_STRING (ShuFileSink, location, "location", "File to write"),
};

static gboolean
start (GstBaseSink *sink)
{
  return shu_need_location (sink, ((ShuFileSink *) sink)->location);
}

static GstFlowReturn
render (GstBaseSink *sink, GstBuffer *buffer)
{
  ShuFileSink *self = (ShuFileSink *) sink;
  g_autoptr (GError) error = NULL;
  GstMapInfo map;
  gboolean ok;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (
        sink, RESOURCE, READ, ("A buffer cannot be read."), (NULL));
    return GST_FLOW_ERROR;
  }
  ok = shu_file_write (self->location, map.data, map.size, &error);
  gst_buffer_unmap (buffer, &map);
  return ok ? GST_FLOW_OK : shu_report_error (GST_ELEMENT (sink), error);
}

static void
finalize (GObject *object)
{
  shu_props_clear (object);
  G_OBJECT_CLASS (shu_file_sink_parent_class)->finalize (object);
}

static void
shu_file_sink_class_init (ShuFileSinkClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  klass->start = start;
  klass->render = render;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_set_static_metadata (element, "Atomic file writer",
      "Sink/File", "Writes every buffer as a whole file, replacing it at once",
      "The synchuman authors");
}

static void
shu_file_sink_init (ShuFileSink *self)
{
  gst_base_sink_set_sync (GST_BASE_SINK (self), FALSE);
}
