/* SPDX-License-Identifier: MIT */
/* What the mesh stage did to the extracted surface. */
#pragma once
#include "tensor/bundle.h"

G_BEGIN_DECLS

/**
 * ShuMeshReport:
 * @extracted: faces of the extracted surface
 * @dropped: of them degenerate or there twice
 * @turned: faces turned to face as their neighbours do, and outwards
 * @split: vertices added where edges or vertices were not manifold
 * @hidden: faces removed because nothing outside sees them
 * @pieces: small pieces removed
 * @piece_faces: their faces
 * @holes: holes filled
 * @largest_hole: edges around the largest of them
 * @patch_faces: faces they were filled with
 * @holes_left: holes that stayed open
 * @outer: faces of the outer surface
 * @faces: faces left by simplification
 */
typedef struct {
  int extracted;
  int dropped;
  int turned;
  int split;
  int hidden;
  int pieces;
  int piece_faces;
  int holes;
  int largest_hole;
  int patch_faces;
  int holes_left;
  int outer;
  int faces;
} ShuMeshReport;

/**
 * shu_bundle_mesh_report:
 * @mesh: bundle "mesh", also one that was saved and read again
 *
 * Returns: FALSE where it tells nothing of how it was made
 */
gboolean shu_bundle_mesh_report (const ShuBundle *mesh, ShuMeshReport *ret);
void shu_bundle_set_mesh_report (ShuBundle *mesh, const ShuMeshReport *report);

/* One sentence for people: (transfer full) */
char *shu_mesh_report_text (const ShuMeshReport *report);

/* The fields by name, e.g. "faces-hidden", in the order above. */
typedef void (*ShuMeshReportFunc) (const char *name, int value, gpointer data);
void shu_mesh_report_foreach (
    const ShuMeshReport *report, ShuMeshReportFunc func, gpointer data);

G_END_DECLS
