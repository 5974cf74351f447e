/* SPDX-License-Identifier: MIT */
/* What the files of the simplification share. */
#pragma once
#include "geometry/quadric_private.h"
#include "geometry/simplify.h"

typedef struct {
  double cost;
  int a, b; /* a < b */
  guint32 version_a, version_b;
} Candidate;

enum { FEW_FACES = 60000 }; /* no regions below */

enum { NOT_MANIFOLD = 1, ON_SEAM = 2, CROWDED = 4 };

/* Scratch of a vertex: what was counted at the stamp of a worker. */
typedef struct {
  int stamp, count;
} Mark;

typedef struct {
  int n_verts;
  int n_faces;
  int n_alive; /* faces, but for what workers have removed */
  Vec3 *pos;
  float *attr;         /* or NULL */
  double color_weight; /* distance that counts as much as a whole colour */
  Quadric *quadric;
  gint32 *faces; /* a dead face has faces[3 f] = -1 */
  int *head;     /* first corner of each vertex, -1 at the end */
  int *next;     /* next corner of the same vertex */
  int *prev;     /* the one before; unset for the first */
  guint8 *border;
  guint8 *locked; /* flags above: stays where it is */
  guint32 *version;
  Mark *mark;
  const ShuProgress *progress; /* or NULL */
  void *block;                 /* all of these */
  GArray *left; /* candidates that regions came to and did not take, or NULL */
} Simplifier;

/* Who collapses edges: of a region, or of all.  Two workers at a time never
 * meet, as vertices next to another's are locked. */
typedef struct {
  Simplifier *s;
  int stamp;
  int n_removed; /* faces */
  double limit;  /* of the cost of a collapse, so far */
  gint64 left;   /* corners that may be looked at before collapses */
  Candidate *heap;
  gsize n_heap;
  gsize heap_size;
  Candidate *later; /* beyond the limit, in any order */
  gsize n_later;
  gsize later_size;
} Worker;

/* What workers may look at: so much at first, all together, and more for each
 * face that goes.  Bodies take 10 to 100 for each. */
enum { FREE_LOOKS = 1 << 24, LOOKS_OF_FACE = 16, LOOKS_OF_GONE = 400 };

/* simplify_init.c */

void simplifier_init (Simplifier *s, const ShuMesh *mesh);
void simplifier_clear (Simplifier *s);

/* simplify_order.c: sets positions, attributes and faces, numbered anew:
 * vertices along the longest axis, faces by their lowest vertex.
 * Returns: the diagonal of the box around all */
double simplifier_take (Simplifier *s, const ShuMesh *mesh);

/* simplify.c */

/* The other two corners of the face of @corner, in order. */
static inline void
others (const Simplifier *s, int corner, int *ret_u, int *ret_v)
{
  int f = corner - corner % 3;

  *ret_u = s->faces[f + (corner + 1) % 3];
  *ret_v = s->faces[f + (corner + 2) % 3];
}

/* What it costs to merge @a and @b, and where they would go. */
double merge_cost (const Simplifier *s, int a, int b, Vec3 *ret_x);

/* Takes the edges from @a, only those to higher vertices if @upwards, as
 * candidates. */
void worker_push_edges (Worker *w, int a, gboolean upwards);

/* Raises the limit: the heap has all candidates of no more than that. */
void worker_raise (Worker *w, double limit);

/* Collapses edges of the heap until @max_removed faces are gone, @max_looks are
 * taken or no candidate is left.  Returns: whether one is left */
gboolean worker_drain (Worker *w, int max_removed, gint64 max_looks);

void worker_clear (Worker *w);

/* simplify_regions.c: most of the way to @target faces, in parts of the mesh
 * that threads share; nothing where it is small.  The last seams stay marked.
 * @ret_cost: all edges but few that can be collapsed for less have been;
 * infinite where none has */
gboolean simplify_regions (
    Simplifier *s, int target, double *ret_cost, GError **error);

/* simplify_whole.c: all edges that there are, the cheapest first, until @target
 * faces are left.  @cost: of simplify_regions() */
gboolean simplify_whole (
    Simplifier *s, int target, double cost, GError **error);
