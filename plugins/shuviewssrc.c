/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuviewssrc
 * @title: shuviewssrc
 * @short_description: reads a folder stage1_output
 *
 * The folder that #shuviewssink and the official code write: color_N.png,
 * normal_N.png, the condition image and latent.npz.
 *
 * |[
 * gst-launch-1.0 shuviewssrc location=stage1_output ! shustage2 ! shumesh !
 * shutexture ! shuglbmux ! filesink location=photo.glb
 * ]|
 */
#include <gst/base/gstpushsrc.h>
#include "bundle.h"
#include "props.h"
#include "report.h"
#include "location.h"

typedef struct {
  GstPushSrc parent;
  char *location;
  ShuBundle *views; /* until it is pushed */
} ShuViewsSrc;

typedef GstPushSrcClass ShuViewsSrcClass;

GType shu_views_src_get_type (void);
G_DEFINE_FINAL_TYPE (ShuViewsSrc, shu_views_src, GST_TYPE_PUSH_SRC)
GST_ELEMENT_REGISTER_DEFINE (
    shuviewssrc, "shuviewssrc", GST_RANK_NONE, shu_views_src_get_type ())

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS ("views")));

static const ShuProp props[] = {
    SHU_PROP_SETTLED_STRING (
        ShuViewsSrc, location, "location", "Folder to read"),
};

/* Read here and not in create(), where the base class adds an error of its own
 * to ours. */
static gboolean
start (GstBaseSrc *src)
{
  ShuViewsSrc *self = (ShuViewsSrc *) src;
  g_autoptr (GError) error = NULL;

  if (!shu_need_location (src, self->location))
    return FALSE;
  self->views = shu_views_load (self->location, &error);
  if (!self->views)
    shu_report_error (GST_ELEMENT (src), error);
  return self->views != NULL;
}

static gboolean
stop (GstBaseSrc *src)
{
  g_clear_pointer (&((ShuViewsSrc *) src)->views, shu_bundle_unref);
  return TRUE;
}

static gboolean
is_seekable (GstBaseSrc *src)
{
  return FALSE;
}

static GstFlowReturn
create (GstPushSrc *src, GstBuffer **ret_buffer)
{
  g_autoptr (ShuBundle) views = g_steal_pointer (&((ShuViewsSrc *) src)->views);

  if (!views)
    return GST_FLOW_EOS;
  *ret_buffer = gst_buffer_new ();
  shu_buffer_fill_bundle (*ret_buffer, views, NULL, NULL); /* all in memory */
  return GST_FLOW_OK;
}

static void
finalize (GObject *object)
{
  shu_props_clear (object);
  G_OBJECT_CLASS (shu_views_src_parent_class)->finalize (object);
}

static void
shu_views_src_class_init (ShuViewsSrcClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  GST_BASE_SRC_CLASS (klass)->start = start;
  GST_BASE_SRC_CLASS (klass)->stop = stop;
  GST_BASE_SRC_CLASS (klass)->is_seekable = is_seekable;
  klass->create = create;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Views folder reader",
      "Source/File", "Reads the views and voxels of a stage1_output folder",
      "The synchuman authors");
}

static void
shu_views_src_init (ShuViewsSrc *self)
{
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
}
