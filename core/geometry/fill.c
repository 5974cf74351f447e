/* SPDX-License-Identifier: MIT */
/* Closes holes one by one, after Liepa, "Filling Holes in Meshes" (2003):
 * the border loop is triangulated with the least area, the patch is refined
 * to the edge lengths around it, and its new vertices are relaxed. */
#include "surface_private.h"
#include "fill_private.h"
#include <string.h>

enum {
  MAX_ROUNDS = 16,
  MAX_FLIP_PASSES = 10,
  RELAX_PASSES = 30,
  MAX_POLYGON = 8192, /* edges; beyond it, a star */
};

/* The border edge after @h: the one that leaves the vertex where @h ends. */
static int
next_border (const Surface *s, int h)
{
  h = half_next (h);
  while (s->twin[h] >= 0)
    h = half_next (s->twin[h]);
  return h;
}

static int
compare_edges (gconstpointer a, gconstpointer b, gpointer data)
{
  const Surface *s = data;
  int h = *(const int *) a, o = *(const int *) b;
  int h_lo = MIN (half_from (s, h), half_to (s, h));
  int o_lo = MIN (half_from (s, o), half_to (s, o));
  int h_hi = MAX (half_from (s, h), half_to (s, h));
  int o_hi = MAX (half_from (s, o), half_to (s, o));

  if (h_lo != o_lo)
    return h_lo < o_lo ? -1 : 1;
  if (h_hi != o_hi)
    return h_hi < o_hi ? -1 : 1;
  return h < o ? -1 : h > o;
}

/* Twins of a fresh patch: its edges meet each other and the loop's. */
static void
link_patch (Surface *s, const int *loop, int n, int first_face)
{
  int n_half = n + 3 * (s->n_faces - first_face);
  g_autofree int *half = g_new (int, n_half);

  memcpy (half, loop, n * sizeof (int));
  for (int i = n; i < n_half; i++)
    half[i] = 3 * first_face + i - n;
  g_qsort_with_data (half, n_half, sizeof (int), compare_edges, s);
  for (int i = 0; i + 1 < n_half; i += 2) {
    g_assert (half_from (s, half[i]) == half_to (s, half[i + 1]) &&
              half_to (s, half[i]) == half_from (s, half[i + 1]));
    s->twin[half[i]] = half[i + 1];
    s->twin[half[i + 1]] = half[i];
  }
}

/* Marks the chords of the loop that are edges of the mesh already. */
static void
forbid_edges (const Surface *s, const int *loop, int n, GHashTable *place,
    guint8 *ret_forbidden)
{
  for (int i = 0; i < n; i++)
    for (int h = loop[i];;) {
      int back = half_prev (h);
      gpointer k = g_hash_table_lookup (
          place, GINT_TO_POINTER (half_from (s, back) + 1));

      if (k) {
        int j = GPOINTER_TO_INT (k) - 1;

        ret_forbidden[(gsize) i * n + j] = TRUE;
        ret_forbidden[(gsize) j * n + i] = TRUE;
      }
      if (s->twin[back] < 0)
        break;
      h = s->twin[back];
    }
}

/* A fan around a new vertex in the middle: always possible. */
static void
fill_with_star (Surface *s, const int *loop, int n)
{
  Vec3 mean = {0, 0, 0};
  double attr_sum[6] = {0};
  float attr[6];
  int center;

  for (int i = 0; i < n; i++) {
    int v = half_from (s, loop[i]);

    mean = vec3_add (mean, vec3_scale (s->pos[v], 1.0 / n));
    for (int k = 0; s->attr && k < 6; k++)
      attr_sum[k] += surface_attr (s, v)[k] / n;
  }
  for (int k = 0; k < 6; k++)
    attr[k] = attr_sum[k];
  center = surface_add_vertex (s, mean, attr);
  for (int i = 0; i < n; i++)
    surface_add_face (s, half_to (s, loop[i]), half_from (s, loop[i]), center);
}

static void
triangulate (Surface *s, const int *loop, int n)
{
  g_autofree int *verts = g_new (int, n);
  g_autofree Vec3 *pos = g_new (Vec3, n);
  g_autofree guint8 *forbidden = NULL;
  g_autoptr (GArray) triangles = g_array_new (FALSE, FALSE, 3 * sizeof (int));
  g_autoptr (GHashTable) place = g_hash_table_new (NULL, NULL);

  if (n > MAX_POLYGON) {
    fill_with_star (s, loop, n);
    return;
  }
  forbidden = g_new0 (guint8, (gsize) n * n);
  for (int i = 0; i < n; i++)
    g_hash_table_insert (place, GINT_TO_POINTER (half_from (s, loop[i]) + 1),
        GINT_TO_POINTER (i + 1));
  forbid_edges (s, loop, n, place, forbidden);
  for (int i = 0; i < n; i++) {
    verts[i] = half_from (s, loop[i]);
    pos[i] = s->pos[verts[i]];
  }
  if (!polygon_triangulate (pos, n, forbidden, triangles)) {
    fill_with_star (s, loop, n);
    return;
  }
  for (guint i = 0; i < triangles->len; i++) {
    const int *t = (const int *) triangles->data + 3 * i;

    /* The patch runs along the loop the other way. */
    surface_add_face (s, verts[t[0]], verts[t[2]], verts[t[1]]);
  }
}

/* Length of the edges that should meet at a vertex, by vertex. */
typedef struct {
  int first_vert;   /* new vertices from here on... */
  GArray *inner;    /* ...double */
  GHashTable *loop; /* double * of the loop's vertices */
} Density;

static double
density_at (const Density *d, int v)
{
  if (v >= d->first_vert)
    return g_array_index (d->inner, double, v - d->first_vert);
  return *(double *) g_hash_table_lookup (d->loop, GINT_TO_POINTER (v + 1));
}

/* Splits faces at their centres where they are coarse.  Returns: whether any
 * was. */
static gboolean
split_coarse_faces (Surface *s, int first_face, Density *d)
{
  int n_faces = s->n_faces;
  gboolean any = FALSE;

  for (int f = first_face; f < n_faces; f++) {
    int v[3], c, f1, f2, h = 3 * f, t1 = s->twin[h + 1], t2 = s->twin[h + 2];
    double sigma[3], mean = 0;
    float attr[6] = {0};
    Vec3 center = {0, 0, 0};
    gboolean coarse = TRUE;

    for (int k = 0; k < 3; k++) {
      v[k] = s->faces[h + k];
      sigma[k] = density_at (d, v[k]);
      mean += sigma[k] / 3;
      center = vec3_add (center, vec3_scale (s->pos[v[k]], 1.0 / 3));
      for (int i = 0; s->attr && i < 6; i++)
        attr[i] += surface_attr (s, v[k])[i] / 3;
    }
    for (int k = 0; k < 3; k++) {
      double reach = G_SQRT2 * vec3_length (vec3_sub (center, s->pos[v[k]]));

      coarse = coarse && reach > mean && reach > sigma[k];
    }
    if (!coarse)
      continue;
    any = TRUE;
    c = surface_add_vertex (s, center, attr);
    g_array_append_val (d->inner, mean);
    s->faces[h + 2] = c;
    f1 = surface_add_face (s, v[1], v[2], c);
    f2 = surface_add_face (s, v[2], v[0], c);
    s->twin[3 * f1] = t1;
    s->twin[3 * f2] = t2;
    if (t1 >= 0)
      s->twin[t1] = 3 * f1;
    if (t2 >= 0)
      s->twin[t2] = 3 * f2;
    for (int k = 0; k < 3; k++) {
      int from = (int[]){h, 3 * f1, 3 * f2}[k] + 1;
      int to = (int[]){3 * f1, 3 * f2, h}[k] + 2;

      s->twin[from] = to;
      s->twin[to] = from;
    }
  }
  return any;
}

static double
cotangent (Vec3 apex, Vec3 a, Vec3 b)
{
  Vec3 u = vec3_sub (a, apex), v = vec3_sub (b, apex);
  double sine = vec3_length (vec3_cross (u, v));

  return vec3_dot (u, v) / MAX (sine, 1e-30);
}

/* Whether the other diagonal gives better angles and no fold. */
static gboolean
should_flip (const Surface *s, int h)
{
  int o = s->twin[h];
  Vec3 a = s->pos[half_from (s, h)], b = s->pos[half_to (s, h)];
  Vec3 c = s->pos[half_from (s, half_prev (h))];
  Vec3 d = s->pos[half_from (s, half_prev (o))];
  Vec3 mean;

  if (cotangent (c, a, b) + cotangent (d, a, b) >= -1e-6)
    return FALSE;
  mean = vec3_add (vec3_normal (a, b, c), vec3_normal (b, a, d));
  return vec3_dot (mean, vec3_normal (d, b, c)) > 0 &&
         vec3_dot (mean, vec3_normal (c, a, d)) > 0;
}

/* Flips inside the patch towards Delaunay triangles. */
static void
flip_edges (Surface *s, int first_face)
{
  for (int pass = 0; pass < MAX_FLIP_PASSES; pass++) {
    gboolean any = FALSE;

    for (int h = 3 * first_face; h < 3 * s->n_faces; h++)
      if (s->twin[h] > h && should_flip (s, h))
        any |= surface_flip_edge (s, h);
    if (!any)
      return;
  }
}

/* Each new vertex goes to the mean of its neighbours: a soap film. */
static void
relax (Surface *s, int first_face, int first_vert)
{
  int n = s->n_verts - first_vert;
  g_autofree int *leaving = g_new (int, n + 1);

  for (int h = 3 * first_face; h < 3 * s->n_faces; h++)
    if (half_from (s, h) >= first_vert)
      leaving[half_from (s, h) - first_vert] = h;
  for (int pass = 0; pass < RELAX_PASSES; pass++)
    for (int i = 0; i < n; i++) {
      int v = first_vert + i, h = leaving[i], valence = 0;
      double attr[6] = {0};
      Vec3 sum = {0, 0, 0};

      do {
        sum = vec3_add (sum, s->pos[half_to (s, h)]);
        for (int k = 0; s->attr && k < 6; k++)
          attr[k] += surface_attr (s, half_to (s, h))[k];
        valence++;
        h = s->twin[half_prev (h)];
      } while (h != leaving[i]);
      s->pos[v] = vec3_scale (sum, 1.0 / valence);
      for (int k = 0; s->attr && k < 6; k++)
        s->attr[6 * (gsize) v + k] = attr[k] / valence;
    }
}

static void
refine (Surface *s, const int *loop, int n, int first_face, int first_vert)
{
  g_autofree double *length = g_new (double, n);
  g_autoptr (GHashTable) by_vertex = g_hash_table_new (NULL, NULL);
  g_autoptr (GArray) inner = g_array_new (FALSE, FALSE, sizeof (double));
  Density density = {first_vert, inner, by_vertex};
  double mean = 0;

  for (int i = 0; i < n; i++) {
    int before = loop[(i + n - 1) % n];
    Vec3 v = s->pos[half_from (s, loop[i])];

    length[i] = (vec3_length (vec3_sub (s->pos[half_to (s, loop[i])], v)) +
                    vec3_length (vec3_sub (v, s->pos[half_from (s, before)]))) /
                2;
    mean += length[i] / n;
  }
  for (int i = 0; i < n; i++) {
    /* One tiny edge must not ask for thousands of faces. */
    length[i] = MAX (length[i], mean / 2);
    g_hash_table_insert (
        by_vertex, GINT_TO_POINTER (half_from (s, loop[i]) + 1), &length[i]);
  }
  for (int v = first_vert; v < s->n_verts; v++) /* the middle of a star */
    g_array_append_val (inner, mean);

  flip_edges (s, first_face);
  for (int round = 0; round < MAX_ROUNDS; round++) {
    if (!split_coarse_faces (s, first_face, &density))
      break;
    flip_edges (s, first_face);
  }
  relax (s, first_face, first_vert);
  flip_edges (s, first_face);
}

int
surface_fill_holes (Surface *s, int max_hole_edges, GArray *filled)
{
  int n_half = 3 * s->n_faces, n_left = 0;
  g_autofree guint8 *done = g_new0 (guint8, n_half + 1);
  g_autoptr (GArray) loop = g_array_new (FALSE, FALSE, sizeof (int));

  for (int start = 0; start < n_half; start++) {
    FilledHole hole = {s->n_faces, 0};
    int first_vert = s->n_verts;

    if (done[start] || s->twin[start] >= 0)
      continue;
    g_array_set_size (loop, 0);
    for (int h = start; !done[h]; h = next_border (s, h)) {
      done[h] = TRUE;
      g_array_append_val (loop, h);
    }
    hole.n_edges = loop->len;
    if (max_hole_edges > 0 && hole.n_edges > max_hole_edges) {
      n_left++;
      continue;
    }
    triangulate (s, (const int *) loop->data, loop->len);
    link_patch (s, (const int *) loop->data, loop->len, hole.first_face);
    refine (
        s, (const int *) loop->data, loop->len, hole.first_face, first_vert);
    g_array_append_val (filled, hole);
  }
  return n_left;
}
