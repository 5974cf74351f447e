/* SPDX-License-Identifier: MIT */
#include "geometry/bvh.h"
#include <math.h>
#include <string.h>

enum {
  PER_LEAF = 4,
  MAX_DEPTH = 40,
};

/* How far beyond its edges a line still meets a face, in shares of it: lines
 * between two faces meet one of them. */
static const float slack = 1e-5f;

typedef struct {
  float lo[3], hi[3];
} Box;

/* A face, where the order of the curve has it. */
typedef struct {
  float p[3][3];
  gint32 face;
} Triangle;

/* Children of node i are 2 i + 1 and 2 i + 2; the last @n_leaves nodes are the
 * leaves, which share the triangles out evenly. */
struct _ShuBvh {
  gsize n, n_leaves;
  Triangle *triangles;
  Box *nodes;
};

typedef struct {
  guint64 code;
  gint32 face;
} Key;

/* Every third bit of the result is one of the low 21 of @v. */
static guint64
spread_bits (guint64 v)
{
  v &= 0x1fffff;
  v = (v | v << 32) & 0x001f00000000ffff;
  v = (v | v << 16) & 0x001f0000ff0000ff;
  v = (v | v << 8) & 0x100f00f00f00f00f;
  v = (v | v << 4) & 0x10c30c30c30c30c3;
  v = (v | v << 2) & 0x1249249249249249;
  return v;
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  const Key *l = a, *r = b;

  if (l->code != r->code)
    return l->code < r->code ? -1 : 1;
  return (l->face > r->face) - (l->face < r->face);
}

static void
load (const ShuMesh *mesh, gint32 face, Triangle *ret)
{
  for (int k = 0; k < 3; k++)
    memcpy (ret->p[k],
        mesh->pos + 3 * (gsize) mesh->faces[3 * (gsize) face + k],
        3 * sizeof (float));
  ret->face = face;
}

static Box
empty_box (void)
{
  return (Box){
      {INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
}

static void
grow (Box *box, const float *lo, const float *hi)
{
  for (int k = 0; k < 3; k++) {
    box->lo[k] = MIN (box->lo[k], lo[k]);
    box->hi[k] = MAX (box->hi[k], hi[k]);
  }
}

/* Faces in the order of the curve: (transfer full) */
static Key *
sort_faces (const ShuMesh *mesh)
{
  Key *keys = g_new (Key, MAX (1, mesh->n_faces));
  Box all = empty_box ();

  for (gsize i = 0; i < (gsize) mesh->n_verts; i++)
    grow (&all, mesh->pos + 3 * i, mesh->pos + 3 * i);
#pragma omp parallel for
  for (int f = 0; f < mesh->n_faces; f++) {
    Triangle t;
    guint64 code = 0;

    load (mesh, f, &t);
    for (int k = 0; k < 3; k++) {
      double middle = (t.p[0][k] + (double) t.p[1][k] + t.p[2][k]) / 3;
      double side = (double) all.hi[k] - all.lo[k];
      double v = side > 0 ? (middle - all.lo[k]) / side : 0;

      code |= spread_bits ((guint64) (CLAMP (v, 0, 1) * 0x1fffff)) << k;
    }
    keys[f] = (Key){code, f};
  }
  qsort (keys, mesh->n_faces, sizeof (Key), compare_keys);
  return keys;
}

/* First triangle of leaf @i */
static gsize
leaf_start (const ShuBvh *bvh, gsize i)
{
  return i * bvh->n / bvh->n_leaves;
}

static void
fill_nodes (ShuBvh *bvh)
{
  gsize first = bvh->n_leaves - 1;

#pragma omp parallel for
  for (gsize i = 0; i < bvh->n_leaves; i++) {
    Box box = empty_box ();

    for (gsize t = leaf_start (bvh, i); t < leaf_start (bvh, i + 1); t++)
      for (int k = 0; k < 3; k++)
        grow (&box, bvh->triangles[t].p[k], bvh->triangles[t].p[k]);
    bvh->nodes[first + i] = box;
  }
  for (gsize i = first; i-- > 0;) {
    bvh->nodes[i] = bvh->nodes[2 * i + 1];
    grow (bvh->nodes + i, bvh->nodes[2 * i + 2].lo, bvh->nodes[2 * i + 2].hi);
  }
}

ShuBvh *
shu_bvh_new (const ShuMesh *mesh)
{
  g_autofree Key *keys = sort_faces (mesh);
  ShuBvh *bvh = g_new0 (ShuBvh, 1);

  bvh->n = mesh->n_faces;
  bvh->n_leaves = 1;
  while (bvh->n_leaves * PER_LEAF < bvh->n)
    bvh->n_leaves *= 2;
  bvh->triangles = g_new (Triangle, MAX (1, bvh->n));
  bvh->nodes = g_new (Box, 2 * bvh->n_leaves - 1);
#pragma omp parallel for
  for (gsize i = 0; i < bvh->n; i++)
    load (mesh, keys[i].face, bvh->triangles + i);
  fill_nodes (bvh);
  return bvh;
}

void
shu_bvh_free (ShuBvh *bvh)
{
  if (!bvh)
    return;
  g_free (bvh->triangles);
  g_free (bvh->nodes);
  g_free (bvh);
}

static float
dot (const float *a, const float *b)
{
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void
cross (const float *a, const float *b, float *ret)
{
  ret[0] = a[1] * b[2] - a[2] * b[1];
  ret[1] = a[2] * b[0] - a[0] * b[2];
  ret[2] = a[0] * b[1] - a[1] * b[0];
}

static void
subtract (const float *a, const float *b, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = a[k] - b[k];
}

/* What is looked for; @best shrinks as places are found. */
typedef struct {
  const float *origin, *axis;
  float inverse[3]; /* of the axis */
  float best;
  gboolean line, found;
  gsize leaf; /* that is looked at */
  ShuBvhHit hit;
} Search;

/* Distance along the line to the part of it in @box; INFINITY where the line
 * passes it by within @s->best. */
static float
line_to_box (const Search *s, const Box *box)
{
  float from = -s->best, to = s->best;

  for (int k = 0; k < 3; k++) {
    float a = (box->lo[k] - s->origin[k]) * s->inverse[k];
    float b = (box->hi[k] - s->origin[k]) * s->inverse[k];

    /* 0 times infinity: along a side of the box, which counts as inside */
    if (isnan (a) || isnan (b))
      continue;
    from = MAX (from, MIN (a, b));
    to = MIN (to, MAX (a, b));
  }
  return from > to ? INFINITY : MAX (0, MAX (from, -to));
}

static float
point_to_box (const Search *s, const Box *box)
{
  float sum = 0;

  for (int k = 0; k < 3; k++) {
    float d =
        MAX (0, MAX (box->lo[k] - s->origin[k], s->origin[k] - box->hi[k]));

    sum += d * d;
  }
  return sqrtf (sum);
}

static void
take (Search *s, const Triangle *t, float distance, float b, float c)
{
  float far = fabsf (distance);

  if (far > s->best || (s->found && far == s->best && t->face > s->hit.face))
    return;
  s->found = TRUE;
  s->best = far;
  s->hit = (ShuBvhHit){t->face, {b, c}, distance, (int) s->leaf};
}

/* Möller and Trumbore 1997 */
static void
meet (Search *s, const Triangle *t, const float *e1, const float *e2)
{
  float p[3], q[3], r[3], det, b, c;

  cross (s->axis, e2, p);
  det = dot (e1, p);
  if (!(fabsf (det) > 1e-30f))
    return;
  subtract (s->origin, t->p[0], r);
  b = dot (r, p) / det;
  cross (r, e1, q);
  c = dot (s->axis, q) / det;
  if (b >= -slack && c >= -slack && b + c <= 1 + slack)
    take (s, t, dot (e2, q) / det, b, c);
}

/* The place on a face nearest to a point (Ericson 2005, section 5.1.5). */
static void
approach (Search *s, const Triangle *t, const float *e1, const float *e2)
{
  float r[3], rest[3], b, c;

  subtract (s->origin, t->p[0], r);
  float d1 = dot (e1, r), d2 = dot (e2, r);
  float aa = dot (e1, e1), ab = dot (e1, e2), bb = dot (e2, e2);
  float d3 = d1 - aa, d4 = d2 - ab, d5 = d1 - ab, d6 = d2 - bb;
  float va = d3 * d6 - d5 * d4, vb = d5 * d2 - d1 * d6, vc = d1 * d4 - d3 * d2;

  if (d1 <= 0 && d2 <= 0)
    b = c = 0;
  else if (d3 >= 0 && d4 <= d3)
    b = 1, c = 0;
  else if (d6 >= 0 && d5 <= d6)
    b = 0, c = 1;
  else if (vc <= 0 && d1 >= 0 && d3 <= 0)
    b = d1 / (d1 - d3), c = 0;
  else if (vb <= 0 && d2 >= 0 && d6 <= 0)
    b = 0, c = d2 / (d2 - d6);
  else if (va <= 0 && d4 - d3 >= 0 && d5 - d6 >= 0) {
    c = (d4 - d3) / (d4 - d3 + d5 - d6);
    b = 1 - c;
  } else {
    b = vb / (va + vb + vc);
    c = vc / (va + vb + vc);
  }
  for (int k = 0; k < 3; k++)
    rest[k] = r[k] - b * e1[k] - c * e2[k];
  take (s, t, sqrtf (dot (rest, rest)), b, c);
}

static void
visit_leaf (const ShuBvh *bvh, Search *s, gsize leaf)
{
  s->leaf = leaf;
  for (gsize i = leaf_start (bvh, leaf); i < leaf_start (bvh, leaf + 1); i++) {
    const Triangle *t = bvh->triangles + i;
    float e1[3], e2[3], normal[3];

    subtract (t->p[1], t->p[0], e1);
    subtract (t->p[2], t->p[0], e2);
    cross (e1, e2, normal);
    if (!(dot (normal, s->axis) > 0))
      continue;
    if (s->line)
      meet (s, t, e1, e2);
    else
      approach (s, t, e1, e2);
  }
}

static float
to_box (const Search *s, const Box *box)
{
  return s->line ? line_to_box (s, box) : point_to_box (s, box);
}

static void
find (const ShuBvh *bvh, int leaf, Search *s)
{
  struct {
    gsize node;
    float distance;
  } stack[MAX_DEPTH];

  int n = 0;

  if (!bvh->n)
    return;
  g_assert (leaf < (int) bvh->n_leaves);
  if (leaf >= 0)
    visit_leaf (bvh, s, leaf);
  stack[n++].node = 0;
  stack[0].distance = to_box (s, bvh->nodes);
  while (n > 0) {
    gsize i = stack[--n].node;

    if (stack[n].distance > s->best)
      continue;
    if (i >= bvh->n_leaves - 1) {
      visit_leaf (bvh, s, i - (bvh->n_leaves - 1));
      continue;
    }
    float a = to_box (s, bvh->nodes + 2 * i + 1);
    float b = to_box (s, bvh->nodes + 2 * i + 2);
    gsize nearer = a <= b ? 2 * i + 1 : 2 * i + 2;

    g_assert (n + 2 <= MAX_DEPTH);
    stack[n].node = 4 * i + 3 - nearer;
    stack[n++].distance = MAX (a, b);
    stack[n].node = nearer;
    stack[n++].distance = MIN (a, b);
  }
}

gboolean
shu_bvh_line (const ShuBvh *bvh, const float *origin, const float *axis,
    float reach, int leaf, ShuBvhHit *ret)
{
  Search s = {.origin = origin, .axis = axis, .best = reach, .line = TRUE};

  for (int k = 0; k < 3; k++)
    s.inverse[k] = 1 / axis[k];
  find (bvh, leaf, &s);
  if (s.found)
    *ret = s.hit;
  return s.found;
}

gboolean
shu_bvh_nearest (const ShuBvh *bvh, const float *point, const float *axis,
    float reach, int leaf, ShuBvhHit *ret)
{
  Search s = {.origin = point, .axis = axis, .best = reach};

  find (bvh, leaf, &s);
  if (s.found)
    *ret = s.hit;
  return s.found;
}
