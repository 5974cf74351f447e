/* SPDX-License-Identifier: MIT */
/* Tipsify: Sander, Nehab and Barczak, "Fast Triangle Reordering for Vertex
 * Locality and Reduced Overdraw", SIGGRAPH 2007.  Faces are taken in fans
 * around one vertex after the other; the next one is among those that the cache
 * still holds.  The order is cut into groups where that costs little, and the
 * groups that look outwards are drawn first. */
#include "geometry/order.h"
#include "geometry/vec3_private.h"
#include <string.h>

enum { CACHE = 16 }; /* vertices; small, so that it is right for larger ones */

/* A group is cut where its vertices loaded per face have come down to this
 * times those of the whole: more cuts, less overdraw, more loads. */
static const double cut_threshold = 1.05;

typedef struct {
  const ShuMesh *mesh;
  gint32 *start;  /* of a vertex' faces in @around; n_verts + 1 */
  gint32 *around; /* faces */
  gint32 *live;   /* faces of a vertex still to come */
  gint32 *loaded; /* when a vertex came into the cache */
  gint32 *trail;  /* vertices of the faces taken, last on top */
  guint8 *taken;  /* faces */
  gint32 *out;    /* faces in their order */
  int n_out, n_trail, time, cursor;
} Walk;

static void
walk_init (Walk *w, const ShuMesh *mesh)
{
  gsize n = mesh->n_verts, n_idx = 3 * (gsize) mesh->n_faces;

  *w = (Walk){.mesh = mesh, .time = CACHE + 1};
  w->start = g_new0 (gint32, n + 2);
  w->around = g_new (gint32, n_idx);
  w->live = g_new0 (gint32, n);
  w->loaded = g_new0 (gint32, n);
  w->trail = g_new (gint32, n_idx);
  w->taken = g_new0 (guint8, mesh->n_faces);
  w->out = g_new (gint32, mesh->n_faces);
  for (gsize i = 0; i < n_idx; i++)
    w->live[mesh->faces[i]]++;
  for (gsize v = 0; v < n; v++)
    w->start[v + 2] = w->start[v + 1] + w->live[v];
  for (gsize i = 0; i < n_idx; i++)
    w->around[w->start[mesh->faces[i] + 1]++] = (gint32) (i / 3);
}

static void
walk_clear (Walk *w)
{
  g_free (w->start);
  g_free (w->around);
  g_free (w->live);
  g_free (w->loaded);
  g_free (w->trail);
  g_free (w->taken);
  g_free (w->out);
}

/* Takes the faces around @v that are left; the vertices touched are on top of
 * the trail.  Returns: where they begin. */
static int
take_fan (Walk *w, int v)
{
  int first = w->n_trail;

  for (int i = w->start[v]; i < w->start[v + 1]; i++) {
    int f = w->around[i];

    if (w->taken[f])
      continue;
    w->taken[f] = TRUE;
    w->out[w->n_out++] = f;
    for (int k = 0; k < 3; k++) {
      int u = w->mesh->faces[3 * (gsize) f + k];

      w->trail[w->n_trail++] = u;
      w->live[u]--;
      if (w->time - w->loaded[u] > CACHE)
        w->loaded[u] = w->time++;
    }
  }
  return first;
}

/* The vertex touched since @first that has been longest in the cache and will
 * be there still when its faces are done; -1: none has faces left. */
static int
next_in_cache (const Walk *w, int first)
{
  int best = -1, best_age = -1;

  for (int i = first; i < w->n_trail; i++) {
    int v = w->trail[i], age = 0;

    if (w->live[v] == 0)
      continue;
    if (w->time - w->loaded[v] + 2 * w->live[v] <= CACHE)
      age = w->time - w->loaded[v];
    if (age > best_age) {
      best_age = age;
      best = v;
    }
  }
  return best;
}

/* The last vertex touched with faces left, else the first of all; -1: done */
static int
next_elsewhere (Walk *w)
{
  while (w->n_trail > 0)
    if (w->live[w->trail[--w->n_trail]] > 0)
      return w->trail[w->n_trail];
  for (; w->cursor < w->mesh->n_verts; w->cursor++)
    if (w->live[w->cursor] > 0)
      return w->cursor;
  return -1;
}

static void
walk (Walk *w)
{
  for (int v = next_elsewhere (w); v >= 0;) {
    int first = take_fan (w, v);

    v = next_in_cache (w, first);
    if (v < 0)
      v = next_elsewhere (w);
  }
}

/* How many of the vertices of face @i of the order come into the cache for
 * it. */
static int
load_face (Walk *w, int i)
{
  int n = 0;

  for (int k = 0; k < 3; k++) {
    int v = w->mesh->faces[3 * (gsize) w->out[i] + k];

    if (w->time - w->loaded[v] > CACHE) {
      w->loaded[v] = w->time++;
      n++;
    }
  }
  return n;
}

static void
empty_cache (Walk *w)
{
  w->time += CACHE + 1;
}

/* From @begin to where the cache has nothing of the next face, or the end;
 * @ret_loads: what that loads */
static int
measure_run (Walk *w, int begin, int *ret_loads)
{
  int end = begin, n;

  empty_cache (w);
  for (*ret_loads = 0; end < w->n_out; end++, *ret_loads += n) {
    n = load_face (w, end);
    if (n == 3 && end > begin)
      break;
  }
  return end;
}

/* Where groups begin; (transfer full) */
static GArray *
cut_groups (Walk *w)
{
  GArray *cuts = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (int begin = 0, end; begin < w->n_out; begin = end) {
    int loads = 0, n = 0;
    double most;

    end = measure_run (w, begin, &loads);
    most = cut_threshold * loads / (end - begin);
    loads = 0;
    for (int i = begin; i < end; i++) {
      if (n == 0) {
        g_array_append_val (cuts, i);
        empty_cache (w);
      }
      loads += load_face (w, i);
      n++;
      if (loads <= most * n)
        loads = n = 0;
    }
  }
  return cuts;
}

/* A group and how far out it looks. */
typedef struct {
  gint32 begin, end;
  double out;
} Group;

static int
compare_groups (gconstpointer a, gconstpointer b)
{
  const Group *g = a, *h = b;

  return g->out != h->out ? (g->out < h->out) - (g->out > h->out)
                          : (g->begin > h->begin) - (g->begin < h->begin);
}

/* Sums of the faces' areas, centres (times area) and normals (likewise). */
typedef struct {
  Vec3 centre, normal;
  double area;
} Sums;

static void
add_face (Sums *s, const ShuMesh *mesh, int f)
{
  const gint32 *v = mesh->faces + 3 * (gsize) f;
  Vec3 a = vec3_load (mesh->pos + 3 * (gsize) v[0]);
  Vec3 b = vec3_load (mesh->pos + 3 * (gsize) v[1]);
  Vec3 c = vec3_load (mesh->pos + 3 * (gsize) v[2]);
  Vec3 n = vec3_normal (a, b, c);
  double area = vec3_length (n);

  s->normal = vec3_add (s->normal, n);
  s->area += area;
  s->centre = vec3_add (
      s->centre, vec3_scale (vec3_add (vec3_add (a, b), c), area / 3));
}

static Vec3
centre_of (const Sums *s)
{
  return vec3_scale (s->centre, s->area > 0 ? 1 / s->area : 0);
}

/* (transfer full): the groups, those in front first */
static Group *
sort_groups (const Walk *w, const GArray *cuts)
{
  Group *groups = g_new (Group, cuts->len);
  Sums all = {.area = 0};

  for (int f = 0; f < w->mesh->n_faces; f++)
    add_face (&all, w->mesh, f);
  for (guint g = 0; g < cuts->len; g++) {
    Sums s = {.area = 0};

    groups[g].begin = g_array_index (cuts, gint32, g);
    groups[g].end = g + 1 < cuts->len ? g_array_index (cuts, gint32, g + 1)
                                      : w->mesh->n_faces;
    for (int i = groups[g].begin; i < groups[g].end; i++)
      add_face (&s, w->mesh, w->out[i]);
    groups[g].out = vec3_dot (
        vec3_sub (centre_of (&s), centre_of (&all)), vec3_unit (s.normal));
  }
  qsort (groups, cuts->len, sizeof *groups, compare_groups);
  return groups;
}

/* @mesh with its faces as @groups of @order say, vertices by first use */
static ShuMesh *
gather (const ShuMesh *mesh, const gint32 *order, const Group *groups, guint n)
{
  gsize n_faces = 0;
  int n_verts = 0;
  g_autofree gint32 *number = g_new (gint32, mesh->n_verts);
  ShuMesh *out = shu_mesh_new (
      mesh->n_verts, mesh->n_faces, mesh->attr != NULL, mesh->uv != NULL);

  memset (number, -1, mesh->n_verts * sizeof *number);
  for (guint g = 0; g < n; g++)
    for (int i = groups[g].begin; i < groups[g].end; i++, n_faces++)
      for (int k = 0; k < 3; k++) {
        gsize v = mesh->faces[3 * (gsize) order[i] + k];

        if (number[v] < 0) {
          gsize u = number[v] = n_verts++;

          memcpy (out->pos + 3 * u, mesh->pos + 3 * v, 3 * sizeof (float));
          if (mesh->attr)
            memcpy (out->attr + 6 * u, mesh->attr + 6 * v, 6 * sizeof (float));
          if (mesh->uv)
            memcpy (out->uv + 2 * u, mesh->uv + 2 * v, 2 * sizeof (float));
        }
        out->faces[3 * n_faces + k] = number[v];
      }
  out->n_verts = n_verts;
  return out;
}

ShuMesh *
shu_mesh_reorder (const ShuMesh *mesh)
{
  g_autoptr (GArray) cuts = NULL;
  g_autofree Group *groups = NULL;
  ShuMesh *out;
  Walk w;

  if (mesh->n_faces < 1)
    return shu_mesh_copy (mesh);
  walk_init (&w, mesh);
  walk (&w);
  cuts = cut_groups (&w);
  groups = sort_groups (&w, cuts);
  out = gather (mesh, w.out, groups, cuts->len);
  walk_clear (&w);
  return out;
}
