/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shumesh
 * @title: shumesh
 * @short_description: extracts and simplifies the surface
 *
 * FlexiCubes, then the outer surface alone, then quadric simplification.  An
 * element message "synchuman-mesh-report" says what was removed and filled: its
 * text, and a count for each thing, e.g. faces-hidden and holes-filled.
 *
 * |[
 * gst-launch-1.0 filesrc location=asset.safetensors ! shubundledec ! shumesh
 * simplify=0.9 ! shuplyenc ! filesink location=mesh.ply
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
  double simplify;
  int faces;
} ShuMeshing;

typedef ShuTransformClass ShuMeshingClass;

GType shu_meshing_get_type (void);
G_DEFINE_FINAL_TYPE (ShuMeshing, shu_meshing, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shumesh, "shumesh", GST_RANK_NONE, shu_meshing_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("asset")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("mesh")));

static const ShuProp props[] = {
    SHU_PROP_MODEL_DOUBLE (ShuMeshing, simplify, "simplify", 0, 0.99,
        "Share of the faces to take away (-1: 0.7, as official)"),
    SHU_PROP_INT (ShuMeshing, faces, "faces", 0, 10000000, 0,
        "Faces to leave instead of a share (0: by the share)"),
};

static void
add_field (const char *name, int value, gpointer data)
{
  gst_structure_set (data, name, G_TYPE_INT, value, NULL);
}

/* Tells the application what was removed and filled. */
static void
post_report (GstElement *element, const ShuBundle *mesh)
{
  g_autofree char *text = NULL;
  ShuMeshReport report;
  GstStructure *s;

  if (!shu_bundle_mesh_report (mesh, &report))
    return;
  text = shu_mesh_report_text (&report);
  s = gst_structure_new (
      "synchuman-mesh-report", "text", G_TYPE_STRING, text, NULL);
  shu_mesh_report_foreach (&report, add_field, s);
  gst_element_post_message (
      element, gst_message_new_element (GST_OBJECT (element), s));
}

static ShuBundle *
run (ShuTransform *trans, const ShuBundle *in, const ShuProgress *progress,
    GError **error)
{
  ShuMeshing *self = (ShuMeshing *) trans;
  ShuMeshParams params;
  ShuBundle *mesh;

  GST_OBJECT_LOCK (self);
  params.simplify = self->simplify;
  params.faces = self->faces;
  GST_OBJECT_UNLOCK (self);
  mesh = shu_stage_mesh (in, &params, progress, error);
  if (mesh)
    post_report (GST_ELEMENT (self), mesh);
  return mesh;
}

static void
shu_meshing_class_init (ShuMeshingClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  SHU_PROPS_INSTALL (klass, props);
  klass->run = run;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Surface extraction",
      "Filter/Converter",
      "Extracts, cleans and simplifies the surface of a person",
      "The synchuman authors");
}

static void
shu_meshing_init (ShuMeshing *self)
{
}
