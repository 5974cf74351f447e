/* SPDX-License-Identifier: MIT */
/* Edge collapse by quadrics.  A heap of edges with lazy deletion, ties broken
 * by vertex number, so that the result depends on the input alone; large meshes
 * begin with regions (simplify_regions.c). */
#include "simplify_private.h"
#include "base/error.h"
#include <string.h>

/* Weight of the distance from the old vertices against that from the planes:
 * keeps flat parts well shaped without moving curved ones. */
static const double POINT_WEIGHT = 1e-3;

/* What a whole step of a colour is worth, as a share of the diagonal. */
static const double COLOR_WEIGHT = 0.01;

/* A face may turn by at most acos of this in one collapse. */
static const double MIN_TURN_COS = 0.2;

/* Twice the area over the sum of the squared sides; 0.58 is equilateral. */
static const double MIN_QUALITY = 0.03;

static void
simplifier_clear (Simplifier *s)
{
  g_free (s->pos);
  g_free (s->attr);
  g_free (s->quadric);
  g_free (s->faces);
  g_free (s->head);
  g_free (s->next);
  g_free (s->border);
  g_free (s->locked);
  g_free (s->version);
  g_free (s->mark);
  g_free (s->count);
}

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

static void
heap_push (Worker *w, Candidate c)
{
  gsize i = w->n_heap++;

  if (w->n_heap > w->heap_size) {
    w->heap_size = MAX (1024, 2 * w->heap_size);
    w->heap = g_renew (Candidate, w->heap, w->heap_size);
  }
  for (; i > 0 && is_cheaper (&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
    w->heap[i] = w->heap[(i - 1) / 2];
  w->heap[i] = c;
}

static Candidate
heap_pop (Worker *w)
{
  Candidate top = w->heap[0], last = w->heap[--w->n_heap];
  gsize i = 0;

  for (;;) {
    gsize child = 2 * i + 1;

    if (child >= w->n_heap)
      break;
    if (child + 1 < w->n_heap &&
        is_cheaper (&w->heap[child + 1], &w->heap[child]))
      child++;
    if (!is_cheaper (&w->heap[child], &last))
      break;
    w->heap[i] = w->heap[child];
    i = child;
  }
  w->heap[i] = last;
  return top;
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
      if (s->mark[n[k]] != w->stamp) {
        s->mark[n[k]] = w->stamp;
        s->count[n[k]] = 0;
      }
      s->count[n[k]]++;
    }
  }
}

/* What it costs to merge @a and @b, and where. */
static double
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
      Vec3 x;

      if (s->locked[b] || (upwards && b < a) || s->mark[b] == w->stamp)
        continue;
      s->mark[b] = w->stamp;
      heap_push (w, (Candidate){merge_cost (s, lo, hi, &x), lo, hi,
                        s->version[lo], s->version[hi]});
    }
  }
}

/* Corner lists without the faces that name a vertex twice. */
static void
link_corners (Simplifier *s)
{
  memset (s->head, 0xff, s->n_verts * sizeof (int));
  for (int f = s->n_faces - 1; f >= 0; f--) {
    gint32 *v = s->faces + 3 * (gsize) f;

    if (v[0] == v[1] || v[1] == v[2] || v[2] == v[0]) {
      v[0] = -1;
      s->n_alive--;
      continue;
    }
    for (int k = 0; k < 3; k++) {
      s->next[3 * f + k] = s->head[v[k]];
      s->head[v[k]] = 3 * f + k;
    }
  }
}

/* How the colours of face @f change over it, so that they are what they are at
 * its corners. */
static void
add_color_gradients (const Simplifier *s, int f, Vec3 n, Quadric *q)
{
  const gint32 *v = s->faces + 3 * (gsize) f;
  Vec3 e1 = vec3_sub (s->pos[v[1]], s->pos[v[0]]);
  Vec3 e2 = vec3_sub (s->pos[v[2]], s->pos[v[0]]);
  double area = vec3_length (n) / 2, n2 = vec3_dot (n, n);
  Vec3 along1 = vec3_scale (vec3_cross (e2, n), 1 / n2);
  Vec3 along2 = vec3_scale (vec3_cross (n, e1), 1 / n2);

  q->w += area;
  for (int k = 0; k < QUADRIC_COLORS; k++) {
    double c0 = s->color_weight * s->attr[6 * (gsize) v[0] + k];
    double c1 = s->color_weight * s->attr[6 * (gsize) v[1] + k];
    double c2 = s->color_weight * s->attr[6 * (gsize) v[2] + k];
    Vec3 gradient =
        vec3_add (vec3_scale (along1, c1 - c0), vec3_scale (along2, c2 - c0));
    double offset = c0 - vec3_dot (gradient, s->pos[v[0]]);

    if (isfinite (offset))
      quadric_add_color (q, k, gradient, offset, area);
  }
}

static void
add_face_quadric (Simplifier *s, int f)
{
  const gint32 *v = s->faces + 3 * (gsize) f;
  Vec3 n = vec3_normal (s->pos[v[0]], s->pos[v[1]], s->pos[v[2]]);
  double area = vec3_length (n) / 2;
  Quadric q = {0};

  quadric_add_plane (&q, vec3_unit (n), s->pos[v[0]], area);
  if (s->attr && area > 0)
    add_color_gradients (s, f, n, &q);
  for (int k = 0; k < 3; k++) {
    quadric_add (&s->quadric[v[k]], &q);
    quadric_add_point (&s->quadric[v[k]], s->pos[v[k]], POINT_WEIGHT * area);
  }
}

/* Planes through border edges, upright on their faces; locks what is not
 * manifold. */
static void
examine_vertex (Worker *w, int a)
{
  Simplifier *s = w->s;

  count_neighbours (w, a);
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int u, v;
    Vec3 edge, n;

    others (s, c, &u, &v);
    if (s->count[u] > 2 || s->count[v] > 2)
      s->locked[a] = NOT_MANIFOLD;
    if (s->count[u] == 1 || s->count[v] == 1)
      s->border[a] = TRUE;
    if (s->count[u] != 1)
      continue;
    edge = vec3_sub (s->pos[u], s->pos[a]);
    n = vec3_unit (
        vec3_cross (edge, vec3_normal (s->pos[a], s->pos[u], s->pos[v])));
    quadric_add_plane (&s->quadric[a], n, s->pos[a], vec3_length (edge));
    quadric_add_plane (&s->quadric[u], n, s->pos[a], vec3_length (edge));
  }
}

static double
diagonal (const Simplifier *s)
{
  Vec3 lo = s->pos[0], hi = lo;

  for (int i = 1; i < s->n_verts; i++) {
    Vec3 p = s->pos[i];

    lo = (Vec3){MIN (lo.x, p.x), MIN (lo.y, p.y), MIN (lo.z, p.z)};
    hi = (Vec3){MAX (hi.x, p.x), MAX (hi.y, p.y), MAX (hi.z, p.z)};
  }
  return vec3_length (vec3_sub (hi, lo));
}

static void
simplifier_init (Simplifier *s, const ShuMesh *mesh)
{
  gsize n = mesh->n_verts + 1, n_corners = 3 * (gsize) mesh->n_faces;
  Worker w = {.s = s};

  s->n_verts = mesh->n_verts;
  s->n_faces = s->n_alive = mesh->n_faces;
  s->pos = g_new (Vec3, n);
  for (int i = 0; i < s->n_verts; i++)
    s->pos[i] = vec3_load (mesh->pos + 3 * (gsize) i);
  if (mesh->attr)
    s->attr = g_memdup2 (mesh->attr, 6 * (n - 1) * sizeof (float));
  s->color_weight = COLOR_WEIGHT * diagonal (s);
  s->quadric = g_new0 (Quadric, n);
  s->faces = g_memdup2 (mesh->faces, n_corners * sizeof (gint32));
  s->head = g_new (int, n);
  s->next = g_new (int, n_corners);
  s->border = g_new0 (guint8, n);
  s->locked = g_new0 (guint8, n);
  s->version = g_new0 (guint32, n);
  s->mark = g_new0 (int, n);
  s->count = g_new (int, n);
  link_corners (s);
  for (int f = 0; f < s->n_faces; f++)
    if (s->faces[3 * (gsize) f] >= 0)
      add_face_quadric (s, f);
  for (int i = 0; i < s->n_verts; i++)
    examine_vertex (&w, i);
  memset (s->mark, 0, n * sizeof (int));
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

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++)
      if (n[k] != a && s->mark[n[k]] == w->stamp && s->count[n[k]] > 0) {
        s->count[n[k]] = 0;
        n_common++;
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

/* Merges @b into @a at @x. */
static void
collapse (Worker *w, int a, int b, Vec3 x)
{
  Simplifier *s = w->s;
  int merged = -1, *tail = &merged;

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
    /* Take the dying face out of the third vertex's list. */
    for (int *p = &s->head[u == a ? v : u]; *p >= 0; p = &s->next[*p])
      if (*p - *p % 3 == f) {
        *p = s->next[*p];
        break;
      }
    s->faces[f] = s->faces[f + 1] = s->faces[f + 2] = -1;
    w->n_removed++;
  }
  for (int side = 0; side < 2; side++)
    for (int c = s->head[side ? b : a]; c >= 0; c = s->next[c])
      if (s->faces[c] >= 0) {
        *tail = c;
        tail = &s->next[c];
      }
  *tail = -1;

  s->head[a] = merged;
  s->head[b] = -1;
  s->pos[a] = x;
  s->border[a] |= s->border[b];
  s->version[a]++;
  s->version[b]++;
}

void
worker_drain (Worker *w, double max_cost, int max_removed)
{
  Simplifier *s = w->s;
  int end = w->n_removed + max_removed;

  while (w->n_removed < end && w->n_heap > 0 && w->heap[0].cost <= max_cost) {
    Candidate c = heap_pop (w);
    Vec3 x;

    if (s->version[c.a] != c.version_a || s->version[c.b] != c.version_b)
      continue;
    merge_cost (s, c.a, c.b, &x);
    if (!link_is_ok (w, c.a, c.b) || !shape_is_ok (s, c.a, c.b, x))
      continue;
    collapse (w, c.a, c.b, x);
    worker_push_edges (w, c.a, FALSE);
  }
}

/* All edges that there are, until @target faces are left.  What was refused may
 * become possible once its neighbours have changed. */
static gboolean
simplify_whole (
    Simplifier *s, int target, const ShuProgress *progress, GError **error)
{
  enum { FACES_AT_ONCE = 8192 };

  Worker w = {.s = s};
  int before, total = MAX (1, s->n_faces - target);
  gboolean ok = TRUE;

  memset (s->mark, 0, s->n_verts * sizeof (int));
  do {
    before = s->n_alive;
    w.n_heap = 0;
    for (int i = 0; i < s->n_verts; i++)
      worker_push_edges (&w, i, TRUE);
    while (ok && s->n_alive > target && w.n_heap > 0) {
      w.n_removed = 0;
      worker_drain (&w, INFINITY, MIN (s->n_alive - target, FACES_AT_ONCE));
      s->n_alive -= w.n_removed;
      ok = shu_progress (
          progress, "simplify", s->n_faces - s->n_alive, total, error);
    }
  } while (ok && s->n_alive > target && s->n_alive < before);
  g_free (w.heap);
  return ok;
}

static ShuMesh *
simplifier_result (const Simplifier *s)
{
  g_autofree int *number = g_new (int, s->n_verts + 1);
  ShuMesh *mesh;
  int n_verts = 0, n_faces = 0;

  for (int i = 0; i < s->n_verts; i++)
    number[i] = s->head[i] >= 0 ? n_verts++ : -1;
  mesh = shu_mesh_new (n_verts, s->n_alive, s->attr != NULL, FALSE);
  for (int i = 0; i < s->n_verts; i++) {
    gsize to = number[i];

    if (number[i] < 0)
      continue;
    vec3_store (s->pos[i], mesh->pos + 3 * to);
    if (s->attr)
      memcpy (mesh->attr + 6 * to, s->attr + 6 * (gsize) i, 6 * sizeof (float));
  }
  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    if (v[0] < 0)
      continue;
    for (int k = 0; k < 3; k++)
      mesh->faces[3 * (gsize) n_faces + k] = number[v[k]];
    n_faces++;
  }
  return mesh;
}

ShuMesh *
shu_mesh_simplify (const ShuMesh *mesh, const ShuSimplifyParams *params,
    const ShuProgress *progress, GError **error)
{
  g_auto (Simplifier) s = {0};
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

  simplifier_init (&s, mesh);
  if (!simplify_regions (&s, target, progress, error) ||
      !simplify_whole (&s, target, progress, error))
    return NULL;
  if (s.n_alive == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "simplify: every face of the mesh names a vertex twice");
    return NULL;
  }
  return simplifier_result (&s);
}
