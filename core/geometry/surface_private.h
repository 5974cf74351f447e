/* SPDX-License-Identifier: MIT */
/* The mesh while it is being cleaned: growing arrays and, for each half-edge,
 * the one on the other side.  Half-edge 3 f + k runs from corner k of face f
 * to corner k + 1. */
#pragma once
#include "geometry/cleanup.h"
#include "geometry/vec3_private.h"

typedef struct {
  int n_verts;
  int n_faces;
  int verts_size;
  int faces_size;
  Vec3 *pos;
  float *attr; /* [n_verts, 6], or NULL */
  gint32 *faces;
  int *twin;    /* -1 on a border */
  int n_turned; /* faces, so far */
  int n_split;  /* vertices added to be manifold, so far */
  const ShuProgress
      *progress; /* or NULL; what follows ends soon when told to */
} Surface;

static inline gboolean
surface_stops (const Surface *s)
{
  return shu_progress_stops (s->progress);
}

void surface_init (Surface *s, const ShuMesh *mesh);
void surface_clear (Surface *s);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Surface, surface_clear)

ShuMesh *surface_to_mesh (const Surface *s);

int surface_add_vertex (Surface *s, Vec3 pos, const float *attr);
int surface_add_face (Surface *s, int a, int b, int c);

/* The weighted mean of vertices' attributes is left to the caller; this is
 * the row of one, or NULL. */
static inline const float *
surface_attr (const Surface *s, int v)
{
  return s->attr ? s->attr + 6 * (gsize) v : NULL;
}

static inline int
half_next (int h)
{
  return h - h % 3 + (h + 1) % 3;
}

static inline int
half_prev (int h)
{
  return h - h % 3 + (h + 2) % 3;
}

static inline int
half_from (const Surface *s, int h)
{
  return s->faces[h];
}

static inline int
half_to (const Surface *s, int h)
{
  return s->faces[half_next (h)];
}

/* Face normal, as long as twice the area. */
static inline Vec3
face_normal (const Surface *s, int f)
{
  const gint32 *v = s->faces + 3 * (gsize) f;

  return vec3_normal (s->pos[v[0]], s->pos[v[1]], s->pos[v[2]]);
}

/* manifold.c */

/* Half-edges grouped by the edge they lie on, groups in ascending order of
 * (lower vertex, higher vertex), members ascending. */
typedef struct {
  int n;     /* groups */
  int *at;   /* [n + 1] where each starts in @half */
  int *half; /* [3 n_faces] */
} EdgeGroups;

void edge_groups_init (EdgeGroups *g, const Surface *s);
void edge_groups_clear (EdgeGroups *g);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (EdgeGroups, edge_groups_clear)

/* Merges vertices at the same place, drops faces without extent in indices
 * and those that are there twice.  Returns: faces dropped. */
int surface_drop_degenerate (Surface *s);

/* Makes every edge and vertex manifold by splitting, and sets the twins.
 * Faces are turned where neighbours disagree. */
void surface_make_manifold (Surface *s);

/* The same where edges are manifold, as after faces were dropped. */
void surface_split_vertices (Surface *s);

/* Keeps the faces that are marked, and their vertices; twins follow. */
void surface_keep_faces (Surface *s, const guint8 *keep);

/* Pieces connected over edges, of all faces or of those that are marked, in the
 * order of their lowest faces; the label of others is -1.  Returns: their
 * number. */
int surface_label_pieces (
    const Surface *s, const guint8 *marked, int *ret_label);

/* Turns pieces that enclose a negative volume.  Twins must be set. */
void surface_orient_outwards (Surface *s);

/* The edge of @h becomes the other diagonal of its two faces.
 * Returns: FALSE, and nothing changes, where that edge exists already. */
gboolean surface_flip_edge (Surface *s, int h);

/* Flips the long edges of faces without area. */
void surface_repair_slivers (Surface *s);

/* fill.c */

/* A closed hole: its faces and the length of its border. */
typedef struct {
  int first_face;
  int n_faces;
  int n_edges;
} FilledHole;

/* Closes border loops of at most @max_hole_edges (0: any); appends a
 * FilledHole each to @filled.  Returns: loops left open. */
int surface_fill_holes (Surface *s, int max_hole_edges, GArray *filled);

/* visibility.c: in how many of the views each face is seen.  Faces from
 * @first_cap on count only where seen from the front. */
gboolean surface_visibility (const Surface *s, int first_cap,
    const ShuCleanupParams *params, int *ret_seen, const ShuProgress *progress,
    GError **error);

/* Sets how many views there are and how large: what the device can do where
 * nothing is asked for; fewer and smaller ones where the faces have so much
 * area that looking at them would take forever: those of no body. */
void surface_choose_views (const Surface *s, ShuCleanupParams *params);

/* hidden.c: clears @keep for the faces that nothing outside sees.
 * Returns: their number. */
int surface_find_hidden (const Surface *s, const ShuCleanupParams *params,
    const int *seen, guint8 *keep);
