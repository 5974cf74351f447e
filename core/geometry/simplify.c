/* SPDX-License-Identifier: MIT */
/* Edge collapse by quadrics (Garland and Heckbert 1997).  Serial: a heap of
 * edges with lazy deletion, ties broken by vertex number, so that the result
 * depends on the input alone. */
#include "simplify.h"
#include "vec3_private.h"
#include "base/error.h"
#include <string.h>

/* Weight of the distance from the old vertices against that from the planes:
 * keeps flat parts well shaped without moving curved ones. */
static const double POINT_WEIGHT = 1e-3;

/* A face may turn by at most acos of this in one collapse. */
static const double MIN_TURN_COS = 0.2;

/* Twice the area over the sum of the squared sides; 0.58 is equilateral. */
static const double MIN_QUALITY = 0.03;

/* x' A x + 2 b x + c */
typedef struct {
  double xx, xy, xz, yy, yz, zz;
  Vec3 b;
  double c;
} Quadric;

typedef struct {
  double cost;
  int a, b; /* a < b */
  guint32 version_a, version_b;
} Candidate;

typedef struct {
  int n_verts;
  int n_faces;
  int n_alive; /* faces */
  Vec3 *pos;
  float *attr; /* or NULL */
  Quadric *quadric;
  gint32 *faces; /* a dead face has faces[3 f] = -1 */
  int *head;     /* first corner of each vertex, -1 at the end */
  int *next;     /* next corner of the same vertex */
  guint8 *border;
  guint8 *locked; /* on an edge with more than two faces */
  guint32 *version;
  int *mark; /* scratch: stamp, then count */
  int *count;
  int stamp;
  Candidate *heap;
  gsize n_heap;
  gsize heap_size;
} Simplifier;

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
  g_free (s->heap);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Simplifier, simplifier_clear)

static void
quadric_add (Quadric *q, const Quadric *o)
{
  q->xx += o->xx;
  q->xy += o->xy;
  q->xz += o->xz;
  q->yy += o->yy;
  q->yz += o->yz;
  q->zz += o->zz;
  q->b = vec3_add (q->b, o->b);
  q->c += o->c;
}

/* @weight times the squared distance from the plane through @p. */
static Quadric
quadric_plane (Vec3 n, Vec3 p, double weight)
{
  double d = -vec3_dot (n, p);

  return (Quadric){weight * n.x * n.x, weight * n.x * n.y, weight * n.x * n.z,
      weight * n.y * n.y, weight * n.y * n.z, weight * n.z * n.z,
      vec3_scale (n, weight * d), weight * d * d};
}

/* @weight times the squared distance from @p. */
static Quadric
quadric_point (Vec3 p, double weight)
{
  return (Quadric){weight, 0, 0, weight, 0, weight, vec3_scale (p, -weight),
      weight * vec3_dot (p, p)};
}

static Vec3
quadric_times (const Quadric *q, Vec3 v)
{
  return (Vec3){q->xx * v.x + q->xy * v.y + q->xz * v.z,
      q->xy * v.x + q->yy * v.y + q->yz * v.z,
      q->xz * v.x + q->yz * v.y + q->zz * v.z};
}

static double
quadric_eval (const Quadric *q, Vec3 v)
{
  return vec3_dot (v, quadric_times (q, v)) + 2 * vec3_dot (q->b, v) + q->c;
}

/* The minimum, where it is well defined. */
static gboolean
quadric_solve (const Quadric *q, Vec3 *ret)
{
  Vec3 r0 = {q->xx, q->xy, q->xz}, r1 = {q->xy, q->yy, q->yz};
  Vec3 r2 = {q->xz, q->yz, q->zz};
  double norm = sqrt (
      MAX (vec3_dot (r0, r0), MAX (vec3_dot (r1, r1), vec3_dot (r2, r2))));
  Vec3 c12 = vec3_cross (r1, r2);
  double det = vec3_dot (r0, c12);

  if (!(fabs (det) > 1e-10 * norm * norm * norm))
    return FALSE;
  /* A is symmetric, so its inverse has these columns. */
  *ret = vec3_scale (vec3_add (vec3_scale (c12, q->b.x),
                         vec3_add (vec3_scale (vec3_cross (r2, r0), q->b.y),
                             vec3_scale (vec3_cross (r0, r1), q->b.z))),
      -1 / det);
  return TRUE;
}

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
heap_push (Simplifier *s, Candidate c)
{
  gsize i = s->n_heap++;

  if (s->n_heap > s->heap_size) {
    s->heap_size = MAX (1024, 2 * s->heap_size);
    s->heap = g_renew (Candidate, s->heap, s->heap_size);
  }
  for (; i > 0 && is_cheaper (&c, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
    s->heap[i] = s->heap[(i - 1) / 2];
  s->heap[i] = c;
}

static Candidate
heap_pop (Simplifier *s)
{
  Candidate top = s->heap[0], last = s->heap[--s->n_heap];
  gsize i = 0;

  for (;;) {
    gsize child = 2 * i + 1;

    if (child >= s->n_heap)
      break;
    if (child + 1 < s->n_heap &&
        is_cheaper (&s->heap[child + 1], &s->heap[child]))
      child++;
    if (!is_cheaper (&s->heap[child], &last))
      break;
    s->heap[i] = s->heap[child];
    i = child;
  }
  s->heap[i] = last;
  return top;
}

/* The other two corners of the face of @corner, in order. */
static void
others (const Simplifier *s, int corner, int *ret_u, int *ret_v)
{
  int f = corner - corner % 3;

  *ret_u = s->faces[f + (corner + 1) % 3];
  *ret_v = s->faces[f + (corner + 2) % 3];
}

/* Counts in how many faces of @a each of its neighbours is. */
static void
count_neighbours (Simplifier *s, int a)
{
  s->stamp++;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      if (s->mark[n[k]] != s->stamp) {
        s->mark[n[k]] = s->stamp;
        s->count[n[k]] = 0;
      }
      s->count[n[k]]++;
    }
  }
}

/* Pushes the edges of @a, only those to higher vertices if @upwards. */
static void
push_edges (Simplifier *s, int a, gboolean upwards)
{
  s->stamp++;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      int b = n[k], lo = MIN (a, b), hi = MAX (a, b);
      Quadric q = s->quadric[lo];

      if (s->mark[b] == s->stamp || (upwards && b < a) || s->locked[a] ||
          s->locked[b])
        continue;
      s->mark[b] = s->stamp;
      quadric_add (&q, &s->quadric[hi]);
      heap_push (s,
          (Candidate){MAX (0, quadric_eval (&q,
                                  best_position (&q, s->pos[lo], s->pos[hi]))),
              lo, hi, s->version[lo], s->version[hi]});
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

static void
add_face_quadric (Simplifier *s, int f)
{
  const gint32 *v = s->faces + 3 * (gsize) f;
  Vec3 n = vec3_normal (s->pos[v[0]], s->pos[v[1]], s->pos[v[2]]);
  double area = vec3_length (n) / 2;
  Quadric q = quadric_plane (vec3_unit (n), s->pos[v[0]], area);

  for (int k = 0; k < 3; k++) {
    Quadric p = quadric_point (s->pos[v[k]], POINT_WEIGHT * area);

    quadric_add (&s->quadric[v[k]], &q);
    quadric_add (&s->quadric[v[k]], &p);
  }
}

/* Planes through border edges, upright on their faces; locks what is not
 * manifold. */
static void
examine_vertex (Simplifier *s, int a)
{
  count_neighbours (s, a);
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int u, v;
    Vec3 edge, n;
    Quadric q;

    others (s, c, &u, &v);
    if (s->count[u] > 2 || s->count[v] > 2)
      s->locked[a] = TRUE;
    if (s->count[u] == 1 || s->count[v] == 1)
      s->border[a] = TRUE;
    if (s->count[u] != 1)
      continue;
    edge = vec3_sub (s->pos[u], s->pos[a]);
    n = vec3_unit (
        vec3_cross (edge, vec3_normal (s->pos[a], s->pos[u], s->pos[v])));
    q = quadric_plane (n, s->pos[a], vec3_length (edge));
    quadric_add (&s->quadric[a], &q);
    quadric_add (&s->quadric[u], &q);
  }
}

static void
simplifier_init (Simplifier *s, const ShuMesh *mesh)
{
  gsize n = mesh->n_verts + 1, n_corners = 3 * (gsize) mesh->n_faces;

  s->n_verts = mesh->n_verts;
  s->n_faces = s->n_alive = mesh->n_faces;
  s->pos = g_new (Vec3, n);
  for (int i = 0; i < s->n_verts; i++)
    s->pos[i] = vec3_load (mesh->pos + 3 * (gsize) i);
  if (mesh->attr)
    s->attr = g_memdup2 (mesh->attr, 6 * (n - 1) * sizeof (float));
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
    examine_vertex (s, i);
}

/* Whether merging leaves the neighbourhood a (half-)disc: @a and @b share
 * exactly the vertices opposite to their edge, and no face would double. */
static gboolean
link_is_ok (Simplifier *s, int a, int b)
{
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

  count_neighbours (s, a);
  for (int c = s->head[b]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++)
      if (n[k] != a && s->mark[n[k]] == s->stamp && s->count[n[k]] > 0) {
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

/* Whether the faces of @a without @b stay upright when @a moves to @x. */
static gboolean
shape_is_ok (const Simplifier *s, int a, int b, Vec3 x)
{
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    Vec3 pu, pv, before, after;
    double q;
    int u, v;

    others (s, c, &u, &v);
    if (u == b || v == b)
      continue;
    pu = s->pos[u];
    pv = s->pos[v];
    before = vec3_normal (s->pos[a], pu, pv);
    after = vec3_normal (x, pu, pv);
    if (vec3_dot (before, after) <
        MIN_TURN_COS * vec3_length (before) * vec3_length (after))
      return FALSE;
    q = quality (x, pu, pv, after);
    if (q < MIN_QUALITY && q <= quality (s->pos[a], pu, pv, before))
      return FALSE;
  }
  return TRUE;
}

/* Merges @b into @a at @x. */
static void
collapse (Simplifier *s, int a, int b, Vec3 x)
{
  Vec3 d = vec3_sub (s->pos[b], s->pos[a]);
  double length2 = vec3_dot (d, d);
  double t = length2 > 0 ? vec3_dot (vec3_sub (x, s->pos[a]), d) / length2 : 0;
  int merged = -1, *tail = &merged;

  t = CLAMP (t, 0, 1);
  for (int k = 0; s->attr && k < 6; k++)
    s->attr[6 * (gsize) a + k] =
        (1 - t) * s->attr[6 * (gsize) a + k] + t * s->attr[6 * (gsize) b + k];

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
    s->n_alive--;
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
  quadric_add (&s->quadric[a], &s->quadric[b]);
  s->border[a] |= s->border[b];
  s->version[a]++;
  s->version[b]++;
}

/* Collapses until @target faces are left or no candidate remains. */
static gboolean
drain_heap (
    Simplifier *s, int target, const ShuProgress *progress, GError **error)
{
  int total = MAX (1, s->n_faces - target), calls = 0;

  while (s->n_alive > target && s->n_heap > 0) {
    Candidate c = heap_pop (s);
    Quadric q;
    Vec3 x;

    if (++calls % 4096 == 0 && !shu_progress (progress, "simplify",
                                   s->n_faces - s->n_alive, total, error))
      return FALSE;
    if (s->version[c.a] != c.version_a || s->version[c.b] != c.version_b)
      continue;
    q = s->quadric[c.a];
    quadric_add (&q, &s->quadric[c.b]);
    x = best_position (&q, s->pos[c.a], s->pos[c.b]);
    if (!link_is_ok (s, c.a, c.b) || !shape_is_ok (s, c.a, c.b, x) ||
        !shape_is_ok (s, c.b, c.a, x))
      continue;
    collapse (s, c.a, c.b, x);
    push_edges (s, c.a, FALSE);
  }
  return TRUE;
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
  int target, before;

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
  /* What was refused may become possible once its neighbours have changed. */
  do {
    before = s.n_alive;
    s.n_heap = 0;
    for (int i = 0; i < s.n_verts; i++)
      push_edges (&s, i, TRUE);
    if (!drain_heap (&s, target, progress, error))
      return NULL;
  } while (s.n_alive > target && s.n_alive < before);
  if (s.n_alive == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "simplify: every face of the mesh names a vertex twice");
    return NULL;
  }
  return simplifier_result (&s);
}
