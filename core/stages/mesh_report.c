/* SPDX-License-Identifier: MIT */
#include "mesh_report.h"

static const struct {
  const char *name;
  gsize offset;
} fields[] = {
    {"faces-extracted", G_STRUCT_OFFSET (ShuMeshReport, extracted)},
    {"faces-dropped", G_STRUCT_OFFSET (ShuMeshReport, dropped)},
    {"faces-turned", G_STRUCT_OFFSET (ShuMeshReport, turned)},
    {"vertices-split", G_STRUCT_OFFSET (ShuMeshReport, split)},
    {"faces-hidden", G_STRUCT_OFFSET (ShuMeshReport, hidden)},
    {"pieces-removed", G_STRUCT_OFFSET (ShuMeshReport, pieces)},
    {"pieces-faces", G_STRUCT_OFFSET (ShuMeshReport, piece_faces)},
    {"holes-filled", G_STRUCT_OFFSET (ShuMeshReport, holes)},
    {"holes-largest", G_STRUCT_OFFSET (ShuMeshReport, largest_hole)},
    {"holes-faces", G_STRUCT_OFFSET (ShuMeshReport, patch_faces)},
    {"holes-left", G_STRUCT_OFFSET (ShuMeshReport, holes_left)},
    {"faces-outer", G_STRUCT_OFFSET (ShuMeshReport, outer)},
    {"faces", G_STRUCT_OFFSET (ShuMeshReport, faces)},
};

gboolean
shu_bundle_mesh_report (const ShuBundle *mesh, ShuMeshReport *ret)
{
  if (shu_bundle_int (mesh, fields[0].name, -1) < 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    G_STRUCT_MEMBER (int, ret, fields[i].offset) =
        (int) CLAMP (shu_bundle_int (mesh, fields[i].name, 0), 0, G_MAXINT);
  return TRUE;
}

static void
set_int (const char *name, int value, gpointer data)
{
  shu_bundle_set_int (data, name, value);
}

void
shu_bundle_set_mesh_report (ShuBundle *mesh, const ShuMeshReport *report)
{
  shu_mesh_report_foreach (report, set_int, mesh);
}

void
shu_mesh_report_foreach (
    const ShuMeshReport *report, ShuMeshReportFunc func, gpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    func (
        fields[i].name, G_STRUCT_MEMBER (int, report, fields[i].offset), data);
}

static void
add (GString *s, int n, const char *one, const char *many)
{
  if (n > 0)
    g_string_append_printf (s, ", %d %s", n, n == 1 ? one : many);
}

char *
shu_mesh_report_text (const ShuMeshReport *r)
{
  GString *s = g_string_new (NULL);

  g_string_append_printf (s, "%d faces extracted", r->extracted);
  add (s, r->dropped, "degenerate or double one dropped",
      "degenerate or double ones dropped");
  add (s, r->turned, "turned", "turned");
  add (s, r->split, "vertex split", "vertices split");
  add (s, r->hidden, "hidden one removed", "hidden ones removed");
  add (s, r->pieces, "small piece removed", "small pieces removed");
  add (s, r->holes, "hole filled", "holes filled");
  if (r->holes > 0)
    g_string_append_printf (s, " (the largest of %d edges, with %d faces)",
        r->largest_hole, r->patch_faces);
  add (s, r->holes_left, "hole left", "holes left");
  g_string_append_printf (
      s, "; %d faces outside, %d after simplification", r->outer, r->faces);
  return g_string_free (s, FALSE);
}
