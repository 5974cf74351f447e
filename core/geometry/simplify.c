/* SPDX-License-Identifier: MIT */
/* Edge collapse by quadrics.  A heap of edges with lazy deletion, ties broken
 * by vertex number, so that the result depends on the input alone; large meshes
 * begin with regions (simplify_regions.c). */
#include "simplify_private.h"
#include "base/error.h"
#include <string.h>

enum {
  WAYS = 4,     /* children in a heap */
  CHUNK = 8192, /* faces a task */
};

/* A face may turn by at most acos of this in one collapse. */
static const double MIN_TURN_COS = 0.2;

/* Twice the area over the sum of the squared sides; 0.58 is equilateral. */
static const double MIN_QUALITY = 0.03;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Simplifier, simplifier_clear)

/* Where the merged vertex of an edge goes: the minimum of the quadric near
 * the edge, or on its line, or the middle. */
static Vec3
best_position (const Quadric *q, Vec3 a, Vec3 b)
{
  Vec3 d = vec3_sub (b, a), mid = vec3_scale (vec3_add (a, b), 0.5), x;
  double curvature, slope, t = 0.5;

  if (quadric_solve (q, &x)) {
    Vec3 off = vec3_sub (x, mid);

    if (vec3_dot (off, off) <= vec3_dot (d, d))
      return x;
  }
  curvature = vec3_dot (d, quadric_times (q, d));
  slope = vec3_dot (d, vec3_add (quadric_times (q, a), q->b));
  if (curvature > 1e-20 * vec3_dot (d, d))
    t = CLAMP (-slope / curvature, 0, 1);
  return vec3_add (a, vec3_scale (d, t));
}

static gboolean
is_cheaper (const Candidate *l, const Candidate *r)
{
  if (l->cost != r->cost)
    return l->cost < r->cost;
  return l->a != r->a ? l->a < r->a : l->b < r->b;
}

/* Adds @c at the end of a list of @n. */
static void
append (Candidate **list, gsize *n, gsize *size, Candidate c)
{
  if (*n == *size) {
    *size = MAX (1024, 2 * *size);
    *list = g_renew (Candidate, *list, *size);
  }
  (*list)[(*n)++] = c;
}

static void
heap_push (Worker *w, Candidate c)
{
  gsize i = w->n_heap;

  append (&w->heap, &w->n_heap, &w->heap_size, c);
  for (; i > 0 && is_cheaper (&c, &w->heap[(i - 1) / WAYS]); i = (i - 1) / WAYS)
    w->heap[i] = w->heap[(i - 1) / WAYS];
  w->heap[i] = c;
}

/* Where @c goes, from place @i on, with all below that as a heap should be. */
static void
heap_sink (Worker *w, gsize i, Candidate c)
{
  for (gsize first; (first = WAYS * i + 1) < w->n_heap;) {
    gsize end = MIN (first + WAYS, w->n_heap), child = first;

    for (gsize k = first + 1; k < end; k++)
      if (is_cheaper (&w->heap[k], &w->heap[child]))
        child = k;
    if (!is_cheaper (&w->heap[child], &c))
      break;
    w->heap[i] = w->heap[child];
    i = child;
  }
  w->heap[i] = c;
}

static Candidate
heap_pop (Worker *w)
{
  Candidate top = w->heap[0];

  w->n_heap--;
  heap_sink (w, 0, w->heap[w->n_heap]);
  return top;
}

static gboolean
is_valid (const Simplifier *s, const Candidate *c)
{
  return s->version[c->a] == c->version_a && s->version[c->b] == c->version_b;
}

void
worker_raise (Worker *w, double limit)
{
  gsize n = 0;

  w->limit = limit;
  for (gsize i = 0; i < w->n_later; i++) {
    Candidate c = w->later[i];

    if (c.cost > limit)
      w->later[n++] = c;
    else if (is_valid (w->s, &c))
      heap_push (w, c);
  }
  w->n_later = n;
}

void
worker_clear (Worker *w)
{
  g_free (w->heap);
  g_free (w->later);
}

/* Counts in how many faces of @a each of its neighbours is. */
static void
count_neighbours (Worker *w, int a)
{
  Simplifier *s = w->s;

  w->stamp++;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      Mark *m = &s->mark[n[k]];

      if (m->stamp != w->stamp)
        *m = (Mark){w->stamp, 0};
      m->count++;
    }
  }
}

double
merge_cost (const Simplifier *s, int a, int b, Vec3 *ret_x)
{
  Quadric q = s->quadric[a];

  quadric_add (&q, &s->quadric[b]);
  quadric_settle_colors (&q);
  *ret_x = best_position (&q, s->pos[a], s->pos[b]);
  return MAX (0, quadric_eval (&q, *ret_x));
}

void
worker_push_edges (Worker *w, int a, gboolean upwards)
{
  Simplifier *s = w->s;

  if (s->locked[a])
    return;
  w->stamp++;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      int b = n[k], lo = MIN (a, b), hi = MAX (a, b);
      Candidate edge = {0, lo, hi, s->version[lo], s->version[hi]};
      Vec3 x;

      if (s->locked[b] || (upwards && b < a) || s->mark[b].stamp == w->stamp)
        continue;
      s->mark[b].stamp = w->stamp;
      edge.cost = merge_cost (s, lo, hi, &x);
      if (edge.cost <= w->limit)
        heap_push (w, edge);
      else
        append (&w->later, &w->n_later, &w->later_size, edge);
    }
  }
}

/* Whether merging leaves the neighbourhood a (half-)disc: @a and @b share
 * exactly the vertices opposite to their edge, and no face would double. */
static gboolean
link_is_ok (Worker *w, int a, int b)
{
  Simplifier *s = w->s;
  int opposite[2], n_shared = 0, n_common = 0, n_doubled = 0;

  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int u, v;

    w->left--;
    others (s, c, &u, &v);
    if (u != b && v != b)
      continue;
    if (n_shared == 2)
      return FALSE;
    opposite[n_shared++] = u == b ? v : u;
  }
  if (n_shared == 0 || (n_shared == 2 && s->border[a] && s->border[b]))
    return FALSE;

  count_neighbours (w, a);
  for (int c = s->head[b]; c >= 0; c = s->next[c]) {
    int n[2];

    w->left--;
    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      Mark *m = &s->mark[n[k]];

      if (n[k] != a && m->stamp == w->stamp && m->count > 0) {
        m->count = 0;
        n_common++;
      }
    }
  }
  if (n_common != n_shared)
    return FALSE;
  if (n_shared == 1)
    return TRUE;
  for (int side = 0; side < 2; side++)
    for (int c = s->head[side ? b : a]; c >= 0; c = s->next[c]) {
      int u, v;

      others (s, c, &u, &v);
      n_doubled += (u == opposite[0] && v == opposite[1]) ||
                   (v == opposite[0] && u == opposite[1]);
    }
  return n_doubled == 0;
}

static double
quality (Vec3 a, Vec3 b, Vec3 c, Vec3 normal)
{
  Vec3 ab = vec3_sub (b, a), bc = vec3_sub (c, b), ca = vec3_sub (a, c);
  double sides = vec3_dot (ab, ab) + vec3_dot (bc, bc) + vec3_dot (ca, ca);

  return sides > 0 ? vec3_length (normal) / sides : 0;
}

/* Whether the faces of @a without @b stay upright when @a moves to @x; the
 * worst of their qualities before, those with @b among them, and after. */
static gboolean
stays_upright (const Simplifier *s, int a, int b, Vec3 x, double *worst_before,
    double *worst_after)
{
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    Vec3 pu, pv, before, after;
    int u, v;

    others (s, c, &u, &v);
    pu = s->pos[u];
    pv = s->pos[v];
    before = vec3_normal (s->pos[a], pu, pv);
    *worst_before = MIN (*worst_before, quality (s->pos[a], pu, pv, before));
    if (u == b || v == b)
      continue;
    after = vec3_normal (x, pu, pv);
    if (vec3_dot (before, after) <
        MIN_TURN_COS * vec3_length (before) * vec3_length (after))
      return FALSE;
    *worst_after = MIN (*worst_after, quality (x, pu, pv, after));
  }
  return TRUE;
}

/* No face turns over, and none gets worse than is good enough or than the worst
 * was: slivers must be free to vanish. */
static gboolean
shape_is_ok (const Simplifier *s, int a, int b, Vec3 x)
{
  double before = MIN_QUALITY, after = MIN_QUALITY;

  return stays_upright (s, a, b, x, &before, &after) &&
         stays_upright (s, b, a, x, &before, &after) && after > 0 &&
         after >= before;
}

/* Attributes of the vertex that @a and @b become at @x: what lies between
 * theirs; of colours what fits the faces around best. */
static void
merge_attributes (Simplifier *s, int a, int b, Vec3 x)
{
  Vec3 d = vec3_sub (s->pos[b], s->pos[a]);
  double length2 = vec3_dot (d, d);
  double t = length2 > 0 ? vec3_dot (vec3_sub (x, s->pos[a]), d) / length2 : 0;
  const Quadric *q = &s->quadric[a];

  t = CLAMP (t, 0, 1);
  for (int k = 0; k < 6; k++)
    s->attr[6 * (gsize) a + k] =
        (1 - t) * s->attr[6 * (gsize) a + k] + t * s->attr[6 * (gsize) b + k];
  for (int k = 0; k < QUADRIC_COLORS && q->w > 0 && s->color_weight > 0; k++)
    s->attr[6 * (gsize) a + k] =
        CLAMP (quadric_color (q, k, x) / s->color_weight, 0, 1);
}

/* Takes face @f out of the list of @a, one of its vertices. */
static void
remove_corner (Simplifier *s, int a, int f)
{
  int c = s->faces[f] == a ? f : s->faces[f + 1] == a ? f + 1 : f + 2;

  if (s->head[a] == c)
    s->head[a] = s->next[c];
  else
    s->next[s->prev[c]] = s->next[c];
  if (s->next[c] >= 0)
    s->prev[s->next[c]] = s->prev[c];
}

/* Merges @b into @a at @x. */
static void
collapse (Worker *w, int a, int b, Vec3 x)
{
  Simplifier *s = w->s;
  int merged = -1, *tail = &merged, last = -1;

  quadric_add (&s->quadric[a], &s->quadric[b]);
  if (s->attr)
    merge_attributes (s, a, b, x);
  for (int c = s->head[b]; c >= 0; c = s->next[c]) {
    int f = c - c % 3, u, v;

    others (s, c, &u, &v);
    if (u != a && v != a) {
      s->faces[c] = a;
      continue;
    }
    remove_corner (s, u == a ? v : u, f);
    s->faces[f] = s->faces[f + 1] = s->faces[f + 2] = -1;
    w->n_removed++;
  }
  for (int side = 0; side < 2; side++)
    for (int c = s->head[side ? b : a]; c >= 0; c = s->next[c])
      if (s->faces[c] >= 0) {
        *tail = c;
        tail = &s->next[c];
        s->prev[c] = last;
        last = c;
      }
  *tail = -1;

  s->head[a] = merged;
  s->head[b] = -1;
  s->pos[a] = x;
  s->border[a] |= s->border[b];
  s->version[a]++;
  s->version[b]++;
}

gboolean
worker_drain (Worker *w, int max_removed, gint64 max_looks)
{
  Simplifier *s = w->s;
  int start = w->n_removed;
  gint64 least = MAX (0, w->left - max_looks);

  while (
      w->n_removed - start < max_removed && w->left > least && w->n_heap > 0) {
    Candidate c = heap_pop (w);
    Vec3 x;

    if (!is_valid (s, &c))
      continue;
    merge_cost (s, c.a, c.b, &x);
    if (!link_is_ok (w, c.a, c.b) || !shape_is_ok (s, c.a, c.b, x))
      continue;
    collapse (w, c.a, c.b, x);
    worker_push_edges (w, c.a, FALSE);
  }
  w->left += LOOKS_OF_GONE * (gint64) (w->n_removed - start);
  return w->n_heap > 0 && w->left > 0;
}

static ShuMesh *
simplifier_result (const Simplifier *s)
{
  g_autofree int *number = g_new (int, s->n_verts + 1);
  int n_chunks = (s->n_faces + CHUNK - 1) / CHUNK;
  g_autofree int *first = g_new (int, n_chunks + 1);
  ShuMesh *mesh;
  int n_verts = 0, n_faces = 0;

  for (int i = 0; i < s->n_verts; i++)
    number[i] = s->head[i] >= 0 ? n_verts++ : -1;
  mesh = shu_mesh_new (n_verts, s->n_alive, s->attr != NULL, FALSE);
#pragma omp parallel for schedule(static)
  for (int i = 0; i < s->n_verts; i++) {
    gsize to = number[i];

    if (number[i] < 0)
      continue;
    vec3_store (s->pos[i], mesh->pos + 3 * to);
    if (s->attr)
      memcpy (mesh->attr + 6 * to, s->attr + 6 * (gsize) i, 6 * sizeof (float));
  }
  for (int k = 0; k < n_chunks; k++) {
    first[k] = n_faces;
    for (int f = k * CHUNK; f < MIN (s->n_faces, (k + 1) * CHUNK); f++)
      n_faces += s->faces[3 * (gsize) f] >= 0;
  }
#pragma omp parallel for schedule(static)
  for (int k = 0; k < n_chunks; k++) {
    gint32 *to = mesh->faces + 3 * (gsize) first[k];

    for (int f = k * CHUNK; f < MIN (s->n_faces, (k + 1) * CHUNK); f++)
      for (int i = 0; s->faces[3 * (gsize) f] >= 0 && i < 3; i++)
        *to++ = number[s->faces[3 * (gsize) f + i]];
  }
  return mesh;
}

ShuMesh *
shu_mesh_simplify (const ShuMesh *mesh, const ShuSimplifyParams *params,
    const ShuProgress *progress, GError **error)
{
  g_auto (Simplifier) s = {0};
  double cost;
  int target;

  g_return_val_if_fail (params->ratio >= 0 && params->ratio <= 1, NULL);
  g_return_val_if_fail (params->target_faces >= 0, NULL);

  if (!shu_mesh_check (mesh, error))
    return NULL;
  if (mesh->n_faces < 1) {
    g_set_error (
        error, SHU_ERROR, SHU_ERROR_INVALID, "simplify: the mesh has no faces");
    return NULL;
  }
  target = params->target_faces;
  if (target == 0)
    target = (int) ceil (mesh->n_faces * (1 - params->ratio));

  s.progress = progress;
  simplifier_init (&s, mesh);
  if (!shu_progress (
          progress, "simplify", 0, MAX (1, s.n_faces - target), error) ||
      !simplify_regions (&s, target, &cost, error) ||
      !simplify_whole (&s, target, cost, error))
    return NULL;
  if (s.n_alive == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "simplify: every face of the mesh names a vertex twice");
    return NULL;
  }
  return simplifier_result (&s);
}
