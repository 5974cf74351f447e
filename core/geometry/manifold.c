/* SPDX-License-Identifier: MIT */
/* Makes a triangle soup a combinatorial surface: at most two faces at an
 * edge, one fan of faces at a vertex (Gueziec et al., "Cutting and
 * Stitching", 2001, with the pairing at crowded edges by angle). */
#include "surface_private.h"
#include <string.h>

static int
higher_end (const Surface *s, int h)
{
  return MAX (half_from (s, h), half_to (s, h));
}

static int
compare_higher_ends (gconstpointer a, gconstpointer b, gpointer data)
{
  int h = *(const int *) a, o = *(const int *) b;
  int h_end = higher_end (data, h), o_end = higher_end (data, o);

  if (h_end != o_end)
    return h_end < o_end ? -1 : 1;
  return h < o ? -1 : h > o;
}

/* By the higher end; @half is ascending, and short but for odd meshes. */
static void
sort_by_higher_end (const Surface *s, int *half, int n)
{
  enum { MANY = 64 };

  if (n > MANY) {
    g_qsort_with_data (
        half, n, sizeof (int), compare_higher_ends, (gpointer) s);
    return;
  }
  for (int i = 1; i < n; i++) {
    int h = half[i], end = higher_end (s, h), k = i;

    for (; k > 0 && higher_end (s, half[k - 1]) > end; k--)
      half[k] = half[k - 1];
    half[k] = h;
  }
}

void
edge_groups_init (EdgeGroups *g, const Surface *s)
{
  int n_half = 3 * s->n_faces;
  g_autofree int *start = g_new0 (int, s->n_verts + 2);

  g->half = g_new (int, n_half + 1);
  g->at = g_new (int, n_half + 1);
  g->n = 0;
  /* Counting sort by the lower end, then by the higher. */
  for (int h = 0; h < n_half; h++)
    start[MIN (half_from (s, h), half_to (s, h)) + 1]++;
  for (int v = 0; v < s->n_verts; v++)
    start[v + 1] += start[v];
  for (int h = 0; h < n_half; h++)
    g->half[start[MIN (half_from (s, h), half_to (s, h))]++] = h;
  for (int v = 0, from = 0; v < s->n_verts; from = start[v++]) {
    sort_by_higher_end (s, g->half + from, start[v] - from);
    for (int i = from; i < start[v]; i++) {
      int h = g->half[i], o = i > from ? g->half[i - 1] : -1;

      if (o < 0 || higher_end (s, h) != higher_end (s, o))
        g->at[g->n++] = i;
    }
  }
  g->at[g->n] = n_half;
}

void
edge_groups_clear (EdgeGroups *g)
{
  g_clear_pointer (&g->half, g_free);
  g_clear_pointer (&g->at, g_free);
}

static guint
hash_place (Vec3 p)
{
  /* both zeros are one place */
  double v[3] = {p.x + 0.0, p.y + 0.0, p.z + 0.0};
  guint64 bits[3], h = 0;

  memcpy (bits, v, sizeof bits);
  for (int k = 0; k < 3; k++)
    h = (h ^ bits[k]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
  return (guint) (h >> 32);
}

/* Vertices at one place become the lowest of them. */
static void
weld (Surface *s)
{
  gsize size = (gsize) 1 << g_bit_storage (2 * (gsize) s->n_verts + 1);
  g_autofree int *table = g_new (int, size);
  g_autofree int *to = g_new (int, s->n_verts + 1);

  memset (table, 0xff, size * sizeof *table);
  for (int i = 0; i < s->n_verts; i++) {
    Vec3 p = s->pos[i];
    gsize at = hash_place (p) & (size - 1);

    for (; table[at] >= 0; at = (at + 1) & (size - 1)) {
      Vec3 q = s->pos[table[at]];

      if (p.x == q.x && p.y == q.y && p.z == q.z)
        break;
    }
    if (table[at] < 0)
      table[at] = i;
    to[i] = table[at];
  }
  for (int h = 0; h < 3 * s->n_faces; h++)
    s->faces[h] = to[s->faces[h]];
}

typedef struct {
  gint32 v[3]; /* ascending */
  int face;
  int sign; /* whether the order is an even permutation */
} FaceKey;

static FaceKey
face_key (const Surface *s, int f)
{
  const gint32 *v = s->faces + 3 * (gsize) f;
  int lo = v[0] < v[1] ? (v[0] < v[2] ? 0 : 2) : (v[1] < v[2] ? 1 : 2);
  gint32 b = v[(lo + 1) % 3], c = v[(lo + 2) % 3];

  return (FaceKey){{v[lo], MIN (b, c), MAX (b, c)}, f, b < c ? 1 : -1};
}

static int
compare_faces (gconstpointer a, gconstpointer b)
{
  const FaceKey *l = a, *r = b;

  for (int k = 0; k < 3; k++)
    if (l->v[k] != r->v[k])
      return l->v[k] < r->v[k] ? -1 : 1;
  return l->face < r->face ? -1 : l->face > r->face;
}

/* By their vertices, then by number; in linear time but for odd meshes. */
static FaceKey *
sort_faces (const Surface *s)
{
  enum { MANY = 64 };

  FaceKey *keys = g_new (FaceKey, s->n_faces + 1);
  g_autofree int *start = g_new0 (int, s->n_verts + 2);

  for (int f = 0; f < s->n_faces; f++)
    start[face_key (s, f).v[0] + 1]++;
  for (int v = 0; v < s->n_verts; v++)
    start[v + 1] += start[v];
  for (int f = 0; f < s->n_faces; f++) {
    FaceKey key = face_key (s, f);

    keys[start[key.v[0]]++] = key;
  }
  for (int v = 0, from = 0; v < s->n_verts; from = start[v++]) {
    if (start[v] - from > MANY) {
      qsort (keys + from, start[v] - from, sizeof *keys, compare_faces);
      continue;
    }
    for (int i = from + 1; i < start[v]; i++) {
      FaceKey key = keys[i];
      int k = i;

      for (; k > from && compare_faces (&keys[k - 1], &key) > 0; k--)
        keys[k] = keys[k - 1];
      keys[k] = key;
    }
  }
  return keys;
}

/* Of faces over the same vertices one stays; none if front meets back. */
static void
mark_duplicates (const Surface *s, guint8 *keep)
{
  g_autofree FaceKey *keys = sort_faces (s);

  for (int i = 0, end; i < s->n_faces; i = end) {
    int sum = 0;
    gboolean found = FALSE;

    for (end = i; end < s->n_faces &&
                  memcmp (keys[i].v, keys[end].v, sizeof keys[i].v) == 0;
         end++)
      sum += keys[end].sign;
    for (int k = i; end - i > 1 && k < end; k++) {
      if (sum == 0 || found || keys[k].sign * sum < 0)
        keep[keys[k].face] = FALSE;
      else
        found = TRUE;
    }
  }
}

int
surface_drop_degenerate (Surface *s)
{
  g_autofree guint8 *keep = g_new (guint8, s->n_faces + 1);
  int before = s->n_faces;

  weld (s);
  memset (s->twin, 0xff, 3 * (gsize) s->n_faces * sizeof (int));
  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    keep[f] = v[0] != v[1] && v[1] != v[2] && v[2] != v[0];
  }
  surface_keep_faces (s, keep);
  memset (keep, TRUE, s->n_faces);
  mark_duplicates (s, keep);
  surface_keep_faces (s, keep);
  return before - s->n_faces;
}

/* Turns faces so that neighbours over two-face edges agree where possible: the
 * fewer of each piece. */
static void
agree_on_winding (Surface *s, const EdgeGroups *g)
{
  g_autofree int *other = g_new (int, 3 * (gsize) s->n_faces + 1);
  g_autofree gint8 *turn = g_new (gint8, s->n_faces + 1);
  g_autofree int *queue = g_new (int, s->n_faces + 1);

  memset (other, 0xff, 3 * (gsize) s->n_faces * sizeof (int));
  memset (turn, 0xff, s->n_faces);
  for (int i = 0; i < g->n; i++)
    if (g->at[i + 1] - g->at[i] == 2) {
      other[g->half[g->at[i]]] = g->half[g->at[i] + 1];
      other[g->half[g->at[i] + 1]] = g->half[g->at[i]];
    }
  for (int seed = 0; seed < s->n_faces; seed++) {
    int n = 0, n_turned = 0;

    if (turn[seed] >= 0)
      continue;
    turn[seed] = 0;
    queue[n++] = seed;
    for (int i = 0; i < n; i++) {
      int f = queue[i];

      n_turned += turn[f];
      for (int h = 3 * f; h < 3 * f + 3; h++) {
        int o = other[h];

        if (o < 0 || turn[o / 3] >= 0)
          continue;
        turn[o / 3] = turn[f] ^ (half_from (s, h) == half_from (s, o));
        queue[n++] = o / 3;
      }
    }
    for (int i = 0; i < n && 2 * n_turned > n; i++)
      turn[queue[i]] ^= 1;
  }
  for (int f = 0; f < s->n_faces; f++)
    if (turn[f] == 1) {
      gint32 *v = s->faces + 3 * (gsize) f, t = v[0];

      s->n_turned++;
      v[0] = v[1];
      v[1] = t;
    }
}

/* Whether all edges have one face, or two of one winding. */
static gboolean
is_plain (const Surface *s, const EdgeGroups *g)
{
  for (int i = 0; i < g->n; i++) {
    int n = g->at[i + 1] - g->at[i];

    if (n > 2 || (n == 2 && half_from (s, g->half[g->at[i]]) ==
                                half_from (s, g->half[g->at[i] + 1])))
      return FALSE;
  }
  return TRUE;
}

static gboolean
winding_differs (const Surface *s, const EdgeGroups *g)
{
  for (int i = 0; i < g->n; i++)
    if (g->at[i + 1] - g->at[i] == 2 &&
        half_from (s, g->half[g->at[i]]) ==
            half_from (s, g->half[g->at[i] + 1]))
      return TRUE;
  return FALSE;
}

typedef struct {
  double angle;
  int half;
  gboolean forward;
} Spoke;

static int
compare_spokes (gconstpointer a, gconstpointer b)
{
  const Spoke *l = a, *r = b;

  if (l->angle != r->angle)
    return l->angle < r->angle ? -1 : 1;
  return l->half < r->half ? -1 : l->half > r->half;
}

static void
link_pair (Surface *s, int h, int o)
{
  s->twin[h] = o;
  s->twin[o] = h;
}

/* Pairs the faces around a crowded edge so that each pair encloses a wedge of
 * the inside: bodies that touch there come apart. */
static void
link_crowded (Surface *s, const int *half, int n)
{
  g_autofree Spoke *spokes = g_new (Spoke, n);
  int lo = MIN (half_from (s, half[0]), half_to (s, half[0]));
  int hi = MAX (half_from (s, half[0]), half_to (s, half[0]));
  Vec3 axis = vec3_unit (vec3_sub (s->pos[hi], s->pos[lo]));
  Vec3 e1 = fabs (axis.x) < 0.7 ? (Vec3){1, 0, 0} : (Vec3){0, 1, 0}, e2;
  int next[2] = {0, 0}; /* by direction, the first that may be free */

  e1 = vec3_unit (vec3_cross (axis, e1));
  e2 = vec3_cross (axis, e1);
  for (int i = 0; i < n; i++) {
    Vec3 w = vec3_sub (s->pos[half_from (s, half_prev (half[i]))], s->pos[lo]);

    spokes[i] = (Spoke){atan2 (vec3_dot (w, e2), vec3_dot (w, e1)), half[i],
        half_from (s, half[i]) == lo};
  }
  qsort (spokes, n, sizeof *spokes, compare_spokes);
  for (int i = 0; i < n; i++) {
    const Spoke *b = &spokes[i], *f = &spokes[(i + 1) % n];

    if (!b->forward && f->forward)
      link_pair (s, b->half, f->half);
  }
  /* What the angles left over: any front with any back. */
  for (int i = 0; i < n; i++) {
    int other = !spokes[i].forward, *k = &next[other];

    if (s->twin[spokes[i].half] >= 0)
      continue;
    while (*k < n &&
           (spokes[*k].forward != other || s->twin[spokes[*k].half] >= 0))
      (*k)++;
    if (*k < n)
      link_pair (s, spokes[i].half, spokes[*k].half);
  }
}

static void
link_edges (Surface *s, const EdgeGroups *g)
{
  memset (s->twin, 0xff, 3 * (gsize) s->n_faces * sizeof (int));
  for (int i = 0; i < g->n; i++) {
    const int *half = g->half + g->at[i];
    int n = g->at[i + 1] - g->at[i];

    if (n == 2 && half_from (s, half[0]) != half_from (s, half[1]))
      link_pair (s, half[0], half[1]);
    else if (n > 2)
      link_crowded (s, half, n);
  }
}

/* A fan beyond the first gets a vertex of its own, drawn a little towards its
 * faces so that no reader welds it back; below them where they lie around it
 * evenly. */
static void
split_fan (Surface *s, const int *fan, int n)
{
  int v = half_from (s, fan[0]), copy;
  Vec3 mean = {0, 0, 0}, normal = {0, 0, 0};
  double reach = 0;
  float attr[6] = {0};

  for (int i = 0; i < n; i++) {
    Vec3 to = vec3_sub (s->pos[half_to (s, fan[i])], s->pos[v]);
    Vec3 from = vec3_sub (s->pos[half_from (s, half_prev (fan[i]))], s->pos[v]);

    mean = vec3_add (mean, vec3_add (to, from));
    normal = vec3_add (normal, vec3_cross (to, from));
    reach = MAX (reach, vec3_length (to));
  }
  mean = vec3_scale (mean, 0.5 / n);
  if (vec3_length (mean) < 0.2 * reach)
    mean = vec3_scale (vec3_unit (normal), -0.2 * reach);
  if (s->attr)
    memcpy (attr, surface_attr (s, v), sizeof attr);
  copy = surface_add_vertex (
      s, vec3_add (s->pos[v], vec3_scale (mean, 0.02)), attr);
  s->n_split++;
  for (int i = 0; i < n; i++)
    s->faces[fan[i]] = copy;
}

/* Half-edges around the start of @start: one way round, then the other if a
 * border stops that.  @seen, @fan: (nullable) */
static void
walk_fan (const Surface *s, int start, guint8 *seen, GArray *fan)
{
  int h = start, twin;

  do {
    if (seen)
      seen[h] = TRUE;
    if (fan)
      g_array_append_val (fan, h);
    h = s->twin[half_prev (h)];
  } while (h >= 0 && h != start);
  if (h < 0)
    for (h = start; (twin = s->twin[h]) >= 0;) {
      h = half_next (twin);
      if (seen)
        seen[h] = TRUE;
      if (fan)
        g_array_append_val (fan, h);
    }
}

void
surface_split_vertices (Surface *s)
{
  int n_half = 3 * s->n_faces;
  g_autofree guint8 *seen = g_new0 (guint8, n_half + 1);
  g_autofree guint8 *used = g_new0 (guint8, s->n_verts + 1);
  g_autoptr (GArray) fan = g_array_new (FALSE, FALSE, sizeof (int));

  for (int start = 0; start < n_half; start++) {
    int v = half_from (s, start);

    if (seen[start])
      continue;
    walk_fan (s, start, seen, NULL);
    if (used[v]) {
      g_array_set_size (fan, 0);
      walk_fan (s, start, NULL, fan);
      split_fan (s, (const int *) fan->data, fan->len);
    }
    used[v] = TRUE;
  }
}

/* Cuts a new vertex into the edge of @h, on both sides. */
static void
split_edge (Surface *s, int h)
{
  int a = half_from (s, h), b = half_to (s, h), twin = s->twin[h], m;
  float attr[6] = {0};

  for (int k = 0; s->attr && k < 6; k++)
    attr[k] = (surface_attr (s, a)[k] + surface_attr (s, b)[k]) / 2;
  m = surface_add_vertex (
      s, vec3_scale (vec3_add (s->pos[a], s->pos[b]), 0.5), attr);
  for (int side = 0; side < 2; side++, h = twin) {
    int to, apex;

    if (h < 0)
      return;
    to = half_to (s, h);
    apex = half_from (s, half_prev (h));
    s->faces[half_next (h)] = m;
    surface_add_face (s, m, to, apex);
  }
}

/* Where two different edges still join the same two vertices, all but one of
 * them are split.  Returns: whether there was any. */
static gboolean
split_parallel_edges (Surface *s, const EdgeGroups *g)
{
  g_autofree guint8 *touched = g_new0 (guint8, s->n_faces + 1);
  gboolean any = FALSE;

  for (int i = 0; i < g->n; i++) {
    const int *half = g->half + g->at[i];
    int n = g->at[i + 1] - g->at[i];

    if (n == 1 || (n == 2 && s->twin[half[0]] == half[1]))
      continue;
    any = TRUE;
    for (int k = 1; k < n; k++) {
      int h = half[k], t = s->twin[h];

      if (t == half[0] || (t >= 0 && t < h) || touched[h / 3] ||
          (t >= 0 && touched[t / 3]))
        continue;
      touched[h / 3] = TRUE;
      if (t >= 0)
        touched[t / 3] = TRUE;
      split_edge (s, h);
      s->n_split++;
    }
  }
  return any;
}

void
surface_make_manifold (Surface *s)
{
  gboolean again = TRUE;

  for (int round = 0; again && round < 16; round++) {
    g_auto (EdgeGroups) g = {0}, split = {0};

    edge_groups_init (&g, s);
    if (round == 0 && winding_differs (s, &g)) {
      agree_on_winding (s, &g);
      edge_groups_clear (&g);
      edge_groups_init (&g, s);
    }
    link_edges (s, &g);
    again = !is_plain (s, &g);
    surface_split_vertices (s);
    if (!again) /* no two edges join the same vertices */
      break;
    edge_groups_init (&split, s);
    again = split_parallel_edges (s, &split);
  }
}
