/* SPDX-License-Identifier: MIT */
/* PLY files read back, with nothing of what writes them. */
#pragma once
#include <glib.h>

/**
 * PlyFile:
 * @n_values: floats of a vertex
 * @names: (array zero-terminated=1): of these
 * @values: [n_vertices,n_values]; bytes are 0..255
 * @faces: [n_faces,3] vertices
 */
typedef struct {
  int n_vertices, n_values, n_faces;
  GStrv names;
  float *values;
  gint32 *faces;
} PlyFile;

/* A binary file of triangles, or of points; every byte of it must be told of in
 * its header, and every face must be of vertices that are there.  Anything else
 * is a failed assertion.  (transfer full) */
PlyFile *ply_read (GBytes *file);
void ply_free (PlyFile *ply);
/* Column @name of vertex @i */
float ply_value (const PlyFile *ply, int i, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PlyFile, ply_free)
