/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shufilesink
 * @title: shufilesink
 * @short_description: writes a file whole or not at all
 *
 * Every buffer is a whole file, written under a temporary name and renamed, so
 * an error, a stop or a full disk leaves what was there before.  A later buffer
 * replaces the file.  A folder that is not there, or not to be written to, is
 * an error when the element starts.  (filesink opens the file when it starts,
 * so it leaves an empty one behind when a stage before it fails.)
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shuglbmux
 * ! shufilesink location=photo.glb
 * ]|
 */
#include "sink.h"

typedef ShuSink ShuFileSink;
typedef ShuSinkClass ShuFileSinkClass;

GType shu_file_sink_get_type (void);
G_DEFINE_FINAL_TYPE (ShuFileSink, shu_file_sink, SHU_TYPE_SINK)
GST_ELEMENT_REGISTER_DEFINE (
    shufilesink, "shufilesink", GST_RANK_NONE, shu_file_sink_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("ANY"));

static const ShuProp props[] = {
    SHU_PROP_STRING (ShuFileSink, location, "location", "File to write"),
};

static gboolean
save (const char *location, GstBuffer *buffer, GError **error)
{
  g_autoptr (GBytes) bytes = shu_buffer_to_bytes (buffer, error);
  gsize size;
  gconstpointer data = bytes ? g_bytes_get_data (bytes, &size) : NULL;

  return bytes && shu_file_write (location, data, size, error);
}

static void
shu_file_sink_class_init (ShuFileSinkClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->check = shu_file_check;
  klass->write = save;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_set_static_metadata (element, "Atomic file writer",
      "Sink/File", "Writes every buffer as a whole file, replacing it at once",
      "The synchuman authors");
}

static void
shu_file_sink_init (ShuFileSink *self)
{
}
