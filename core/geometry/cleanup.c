/* SPDX-License-Identifier: MIT */
/* The order of the clean-up:
 *
 *   manifold -> holes closed -> visibility -> minimum cut -> hidden parts go
 *            -> small pieces go -> holes closed -> outwards
 *
 * Holes are closed before anything is looked at, or the inside would be seen
 * through them: a body that leaves the grid is open at its border, and so is
 * the inner surface of its shell. */
#include "surface_private.h"
#include "base/error.h"
#include <string.h>

enum {
  MAX_VIEWS = 4096,
  MAX_VIEW_SIZE = 1024,
  MAX_BODIES = 1000, /* pieces, the largest, that hollows are looked for in */
};

/* Views look at the cube [-0.5,0.5]^3; the extraction stays within this. */
static const double VIEW_REACH = 0.51;

typedef struct {
  Vec3 center;
  double scale;
} Frame;

static Frame
put_into_cube (Surface *s)
{
  Frame frame = {{0, 0, 0}, 1};
  Vec3 lo = s->pos[s->faces[0]], hi = lo;
  double reach;

  for (int h = 0; h < 3 * s->n_faces; h++) {
    Vec3 p = s->pos[s->faces[h]];

    lo = (Vec3){MIN (lo.x, p.x), MIN (lo.y, p.y), MIN (lo.z, p.z)};
    hi = (Vec3){MAX (hi.x, p.x), MAX (hi.y, p.y), MAX (hi.z, p.z)};
  }
  reach = MAX (MAX (MAX (hi.x, hi.y), hi.z), -MIN (MIN (lo.x, lo.y), lo.z));
  if (reach <= VIEW_REACH && reach > 0.1)
    return frame;
  frame.center = vec3_scale (vec3_add (lo, hi), 0.5);
  frame.scale = MAX (MAX (hi.x - lo.x, hi.y - lo.y), hi.z - lo.z);
  if (!(frame.scale > 0))
    frame.scale = 1;
  for (int i = 0; i < s->n_verts; i++)
    s->pos[i] =
        vec3_scale (vec3_sub (s->pos[i], frame.center), 1 / frame.scale);
  return frame;
}

static void
put_back (Surface *s, Frame frame)
{
  for (int i = 0; i < s->n_verts && frame.scale != 1; i++)
    s->pos[i] = vec3_add (vec3_scale (s->pos[i], frame.scale), frame.center);
}

typedef struct {
  double area;
  double volume;
  Vec3 lo, hi;
  int n_faces;
} Piece;

static Piece *
measure_pieces (const Surface *s, const int *label, int n_pieces)
{
  Piece *pieces = g_new0 (Piece, n_pieces + 1);

  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;
    Piece *p = &pieces[label[f]];

    p->area += vec3_length (face_normal (s, f)) / 2;
    p->volume +=
        vec3_dot (s->pos[v[0]], vec3_cross (s->pos[v[1]], s->pos[v[2]])) / 6;
    for (int k = 0; k < 3; k++) {
      Vec3 q = s->pos[v[k]];

      if (p->n_faces == 0 && k == 0)
        p->lo = p->hi = q;
      p->lo =
          (Vec3){MIN (p->lo.x, q.x), MIN (p->lo.y, q.y), MIN (p->lo.z, q.z)};
      p->hi =
          (Vec3){MAX (p->hi.x, q.x), MAX (p->hi.y, q.y), MAX (p->hi.z, q.z)};
    }
    p->n_faces++;
  }
  return pieces;
}

static gboolean
lies_within (const Piece *in, const Piece *out)
{
  const double slack = 0.005;

  return in->lo.x > out->lo.x - slack && in->lo.y > out->lo.y - slack &&
         in->lo.z > out->lo.z - slack && in->hi.x < out->hi.x + slack &&
         in->hi.y < out->hi.y + slack && in->hi.z < out->hi.z + slack;
}

static int
compare_volumes (gconstpointer a, gconstpointer b, gpointer data)
{
  const Piece *pieces = data;
  int p = *(const int *) a, q = *(const int *) b;

  if (pieces[p].volume != pieces[q].volume)
    return pieces[p].volume > pieces[q].volume ? -1 : 1;
  return p < q ? -1 : p > q;
}

/* Closed pieces that face inwards, within one that faces outwards, bound a
 * hollow: the usual inner surface of a shell. */
static int
drop_hollows (Surface *s)
{
  g_autofree int *label = g_new (int, s->n_faces + 1);
  int n_pieces = surface_label_pieces (s, NULL, label), before = s->n_faces;
  g_autofree Piece *pieces = NULL;
  g_autofree guint8 *keep = NULL;
  g_autofree guint8 *hollow = NULL;
  g_autofree int *largest = NULL;

  if (n_pieces < 2)
    return 0;
  pieces = measure_pieces (s, label, n_pieces);
  keep = g_new (guint8, s->n_faces + 1);
  hollow = g_new0 (guint8, n_pieces + 1);
  largest = g_new (int, n_pieces);
  for (int i = 0; i < n_pieces; i++)
    largest[i] = i;
  g_qsort_with_data (largest, n_pieces, sizeof (int), compare_volumes, pieces);
  for (int i = 0; i < n_pieces; i++)
    for (int k = 0; k < MIN (n_pieces, MAX_BODIES) && !hollow[i] &&
                    pieces[largest[k]].volume > -pieces[i].volume;
         k++)
      hollow[i] =
          pieces[i].volume < 0 && lies_within (&pieces[i], &pieces[largest[k]]);
  for (int f = 0; f < s->n_faces; f++)
    keep[f] = !hollow[label[f]];
  surface_keep_faces (s, keep);
  return before - s->n_faces;
}

static void
drop_small_pieces (Surface *s, double min_piece, ShuCleanupReport *report)
{
  g_autofree int *label = g_new (int, s->n_faces + 1);
  int n_pieces = surface_label_pieces (s, NULL, label), before = s->n_faces;
  g_autofree Piece *pieces = NULL;
  g_autofree guint8 *keep = NULL;
  double area = 0;

  if (n_pieces == 1 && s->n_faces >= 4)
    return;
  pieces = measure_pieces (s, label, n_pieces);
  keep = g_new (guint8, s->n_faces + 1);
  for (int i = 0; i < n_pieces; i++)
    area += pieces[i].area;
  for (int i = 0; i < n_pieces; i++)
    report->pieces +=
        pieces[i].n_faces < 4 || pieces[i].area < min_piece * area;
  for (int f = 0; f < s->n_faces; f++)
    keep[f] = pieces[label[f]].n_faces >= 4 &&
              pieces[label[f]].area >= min_piece * area;
  surface_keep_faces (s, keep);
  report->piece_faces += before - s->n_faces;
}

static void
count_holes (const GArray *holes, const guint8 *keep, ShuCleanupReport *report)
{
  for (guint i = 0; i < holes->len; i++) {
    const FilledHole *h = &g_array_index (holes, FilledHole, i);

    if (keep && !keep[h->first_face])
      continue;
    report->holes++;
    report->largest_hole = MAX (report->largest_hole, h->n_edges);
    report->patch_faces += h->n_faces;
  }
}

/* Whether it was not told to stop.  Steps that are told to end soon, and leave
 * something of no use. */
static gboolean
goes_on (const Surface *s, GError **error)
{
  return !surface_stops (s) ||
         shu_progress (s->progress, "visibility", 0, 1, error);
}

/* What cannot be seen from outside goes. */
static gboolean
drop_hidden (Surface *s, const ShuCleanupParams *wanted,
    ShuCleanupReport *report, const ShuProgress *progress, GError **error)
{
  ShuCleanupParams possible = *wanted, *params = &possible;
  g_autoptr (GArray) holes = g_array_new (FALSE, FALSE, sizeof (FilledHole));
  g_autofree int *seen = NULL;
  g_autofree guint8 *keep = NULL;
  int first_cap;

  first_cap = s->n_faces;
  surface_fill_holes (s, params->max_hole_edges, holes);
  if (!goes_on (s, error))
    return FALSE;
  surface_choose_views (s, params);
  seen = g_new (int, s->n_faces + 1);
  keep = g_new (guint8, s->n_faces + 1);
  if (!surface_visibility (s, first_cap, params, seen, progress, error))
    return FALSE;
  memset (keep, TRUE, s->n_faces);
  report->hidden += surface_find_hidden (s, params, seen, keep);
  if (!goes_on (s, error))
    return FALSE;
  count_holes (holes, keep, report);
  surface_keep_faces (s, keep);
  return TRUE;
}

static gboolean
encloses_something (const Surface *s)
{
  double volume = 0, area = 0;

  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    volume += vec3_dot (s->pos[v[0]], vec3_cross (s->pos[v[1]], s->pos[v[2]]));
    area += vec3_length (face_normal (s, f));
  }
  return volume > 1e-6 * area * sqrt (area);
}

static gboolean
nothing_left (GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "clean-up: the mesh encloses no volume, nothing is left of it");
  return FALSE;
}

static gboolean
clean (Surface *s, const ShuCleanupParams *params, ShuCleanupReport *report,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (GArray) holes = g_array_new (FALSE, FALSE, sizeof (FilledHole));

  report->degenerate = surface_drop_degenerate (s);
  if (!goes_on (s, error))
    return FALSE;
  surface_make_manifold (s);
  if (!goes_on (s, error))
    return FALSE;
  drop_small_pieces (s, 0, report);
  if (s->n_faces == 0)
    return nothing_left (error);
  if (!drop_hidden (s, params, report, progress, error))
    return FALSE;
  report->hidden += drop_hollows (s);
  drop_small_pieces (s, params->min_piece, report);
  if (!goes_on (s, error))
    return FALSE;
  surface_split_vertices (s);
  if (!goes_on (s, error))
    return FALSE;
  report->holes_left = surface_fill_holes (s, params->max_hole_edges, holes);
  count_holes (holes, NULL, report);
  if (!goes_on (s, error))
    return FALSE;
  surface_repair_slivers (s);
  surface_orient_outwards (s);
  if (!goes_on (s, error))
    return FALSE;
  report->turned = s->n_turned;
  report->split = s->n_split;
  return s->n_faces == 0 || !encloses_something (s) ? nothing_left (error)
                                                    : TRUE;
}

ShuMesh *
shu_mesh_outer_surface (const ShuMesh *mesh, const ShuCleanupParams *params,
    ShuCleanupReport *ret_report, const ShuProgress *progress, GError **error)
{
  g_auto (Surface) s = {0};
  ShuCleanupReport report = {0};
  Frame frame;

  g_return_val_if_fail (
      params->n_views >= 0 && params->n_views <= MAX_VIEWS, NULL);
  g_return_val_if_fail (
      params->resolution == 0 ||
          (params->resolution >= 16 && params->resolution <= MAX_VIEW_SIZE),
      NULL);
  g_return_val_if_fail (params->ratio >= 0 && params->ratio <= 1, NULL);

  if (!shu_mesh_check (mesh, error))
    return NULL;
  if (mesh->n_faces < 1) {
    g_set_error (
        error, SHU_ERROR, SHU_ERROR_INVALID, "clean-up: the mesh has no faces");
    return NULL;
  }
  surface_init (&s, mesh);
  s.progress = progress;
  frame = put_into_cube (&s);
  if (!clean (&s, params, &report, progress, error))
    return NULL;
  put_back (&s, frame);
  if (ret_report)
    *ret_report = report;
  return surface_to_mesh (&s);
}
