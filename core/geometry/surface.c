/* SPDX-License-Identifier: MIT */
#include "surface_private.h"
#include "geometry/sets_private.h"
#include <string.h>

void
surface_init (Surface *s, const ShuMesh *mesh)
{
  gsize n = mesh->n_verts;

  s->n_verts = s->verts_size = mesh->n_verts;
  s->n_faces = s->faces_size = mesh->n_faces;
  s->pos = g_new (Vec3, n + 1);
  for (gsize i = 0; i < n; i++)
    s->pos[i] = vec3_load (mesh->pos + 3 * i);
  s->attr = mesh->attr ? g_memdup2 (mesh->attr, 6 * n * sizeof (float)) : NULL;
  s->faces =
      g_memdup2 (mesh->faces, 3 * (gsize) mesh->n_faces * sizeof (gint32));
  s->twin = g_new (int, 3 * (gsize) mesh->n_faces + 1);
}

void
surface_clear (Surface *s)
{
  g_clear_pointer (&s->pos, g_free);
  g_clear_pointer (&s->attr, g_free);
  g_clear_pointer (&s->faces, g_free);
  g_clear_pointer (&s->twin, g_free);
}

/* Only the vertices that faces use. */
ShuMesh *
surface_to_mesh (const Surface *s)
{
  gsize n_corners = 3 * (gsize) s->n_faces;
  g_autofree int *number = g_new0 (int, s->n_verts + 1);
  ShuMesh *mesh;
  int n_verts = 0;

  for (gsize h = 0; h < n_corners; h++)
    number[s->faces[h]] = 1;
  for (int i = 0; i < s->n_verts; i++)
    number[i] = number[i] ? n_verts++ : -1;
  mesh = shu_mesh_new (n_verts, s->n_faces, s->attr != NULL, FALSE);
  for (int i = 0; i < s->n_verts; i++) {
    if (number[i] < 0)
      continue;
    vec3_store (s->pos[i], mesh->pos + 3 * (gsize) number[i]);
    if (s->attr)
      memcpy (mesh->attr + 6 * (gsize) number[i], surface_attr (s, i),
          6 * sizeof (float));
  }
  for (gsize h = 0; h < n_corners; h++)
    mesh->faces[h] = number[s->faces[h]];
  return mesh;
}

int
surface_add_vertex (Surface *s, Vec3 pos, const float *attr)
{
  if (s->n_verts == s->verts_size) {
    s->verts_size = s->verts_size * 3 / 2 + 64;
    s->pos = g_renew (Vec3, s->pos, s->verts_size);
    if (s->attr)
      s->attr = g_renew (float, s->attr, 6 * (gsize) s->verts_size);
  }
  s->pos[s->n_verts] = pos;
  if (s->attr)
    for (int k = 0; k < 6; k++)
      s->attr[6 * (gsize) s->n_verts + k] = attr[k];
  return s->n_verts++;
}

/* Its twins are -1 until the caller links them. */
int
surface_add_face (Surface *s, int a, int b, int c)
{
  gsize h = 3 * (gsize) s->n_faces;

  if (s->n_faces == s->faces_size) {
    s->faces_size = s->faces_size * 3 / 2 + 64;
    s->faces = g_renew (gint32, s->faces, 3 * (gsize) s->faces_size);
    s->twin = g_renew (int, s->twin, 3 * (gsize) s->faces_size);
  }
  s->faces[h] = a;
  s->faces[h + 1] = b;
  s->faces[h + 2] = c;
  s->twin[h] = s->twin[h + 1] = s->twin[h + 2] = -1;
  return s->n_faces++;
}

void
surface_keep_faces (Surface *s, const guint8 *keep)
{
  g_autofree int *number = g_new (int, s->n_faces + 1);
  int n = 0;

  for (int f = 0; f < s->n_faces; f++)
    number[f] = keep[f] ? n++ : -1;
  if (n == s->n_faces)
    return;
  for (int f = 0; f < s->n_faces; f++)
    for (int k = 0; keep[f] && k < 3; k++) {
      gsize from = 3 * (gsize) f + k, to = 3 * (gsize) number[f] + k;
      int twin = s->twin[from];

      s->faces[to] = s->faces[from];
      if (twin >= 0)
        twin = number[twin / 3] < 0 ? -1 : 3 * number[twin / 3] + twin % 3;
      s->twin[to] = twin;
    }
  s->n_faces = n;
}

int
surface_label_pieces (const Surface *s, const guint8 *marked, int *ret_label)
{
  int n_pieces = 0;

  for (int f = 0; f < s->n_faces; f++)
    ret_label[f] = f;
  for (int h = 0; h < 3 * s->n_faces; h++) {
    int o = s->twin[h], a, b;

    if (o > h || o < 0 || (marked && !(marked[h / 3] && marked[o / 3])))
      continue;
    a = shu_find_root (ret_label, h / 3);
    b = shu_find_root (ret_label, o / 3);
    ret_label[MAX (a, b)] = MIN (a, b);
  }
  /* Roots come before the rest of their pieces. */
  for (int f = 0; f < s->n_faces; f++) {
    int root = ret_label[f];

    if (marked && !marked[f])
      ret_label[f] = -1;
    else
      ret_label[f] = root == f ? n_pieces++ : ret_label[root];
  }
  return n_pieces;
}

/* Turning a face (a, b, c) into (b, a, c): half-edges 0, 1, 2 become
 * 0, 2, 1. */
static int
turned (int h)
{
  static const int map[3] = {0, 2, 1};

  return h - h % 3 + map[h % 3];
}

void
surface_orient_outwards (Surface *s)
{
  g_autofree int *label = g_new (int, s->n_faces + 1);
  int n_pieces = surface_label_pieces (s, NULL, label);
  g_autofree double *volume = g_new0 (double, n_pieces + 1);

  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    volume[label[f]] +=
        vec3_dot (s->pos[v[0]], vec3_cross (s->pos[v[1]], s->pos[v[2]]));
  }
  for (int f = 0; f < s->n_faces; f++) {
    gint32 *v = s->faces + 3 * (gsize) f;
    int *twin = s->twin + 3 * (gsize) f, t;

    if (volume[label[f]] >= 0)
      continue;
    s->n_turned++;
    t = v[0];
    v[0] = v[1];
    v[1] = t;
    t = twin[1];
    twin[1] = twin[2];
    twin[2] = t;
    for (int k = 0; k < 3; k++)
      if (twin[k] >= 0)
        twin[k] = turned (twin[k]);
  }
}

/* A walk around a vertex: first one way, then the other if a border stops
 * that. */
typedef struct {
  int start, at;
  gboolean back;
  gboolean done;
} Walk;

/* One face further.  Returns: whether that has the vertex @v */
static gboolean
walk_on (const Surface *s, Walk *w, int v)
{
  int prev = half_prev (w->at);
  gboolean found = half_to (s, w->at) == v || half_from (s, prev) == v;

  if (!w->back) {
    w->at = s->twin[prev];
    w->done = w->at == w->start;
    w->back = w->at < 0;
    if (w->back)
      w->at = w->start;
  }
  if (w->back) {
    w->done = s->twin[w->at] < 0;
    if (!w->done)
      w->at = half_next (s->twin[w->at]);
  }
  return found;
}

/* Whether an edge joins the starts of two half-edges.  Around both in step, as
 * one of them may have millions of faces. */
static gboolean
are_joined (const Surface *s, int h, int o)
{
  Walk a = {.start = h, .at = h}, b = {.start = o, .at = o};

  for (;;) {
    if (walk_on (s, &a, half_from (s, o)) || walk_on (s, &b, half_from (s, h)))
      return TRUE;
    if (a.done || b.done)
      return FALSE;
  }
}

/* Faces (a, b, c) and (b, a, d) become (d, b, c) and (c, a, d). */
gboolean
surface_flip_edge (Surface *s, int h)
{
  int o = s->twin[h], hp = half_prev (h), op, c, d, t_hp, t_op;

  if (o < 0)
    return FALSE;
  op = half_prev (o);
  c = half_from (s, hp);
  d = half_from (s, op);
  if (c == d || are_joined (s, hp, op))
    return FALSE;
  t_hp = s->twin[hp];
  t_op = s->twin[op];
  s->faces[h] = d;
  s->faces[o] = c;
  /* h: d -> b, b -> c, hp: c -> d;  o: c -> a, a -> d, op: d -> c */
  s->twin[h] = t_op;
  s->twin[o] = t_hp;
  if (t_op >= 0)
    s->twin[t_op] = h;
  if (t_hp >= 0)
    s->twin[t_hp] = o;
  s->twin[hp] = op;
  s->twin[op] = hp;
  return TRUE;
}
