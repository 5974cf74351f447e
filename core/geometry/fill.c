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
  MAX_FAN = 12,     /* faces around the middle of a ring */
  MAX_FINE = 20000, /* faces of a patch as fine as its border */
  MAX_FACES = 12,   /* beyond these, for each edge of the border */
  MAX_LOOP = 4096,  /* edges; longer ones get rings of faces and no more */
  STEEP = 8,        /* edges of such a ring for one of the next, and the square
                       of that where they are very many */
};

static const double SLOPE = 0.3;

/* Steps of triangulating all loops: a sixth of the edges of each times the
 * square of those that are triangulated at once. */
static const double MAX_STEPS = 4e9;

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

/* A border loop. */
typedef struct {
  const int *half; /* half-edges, in order */
  int n;
  int n_verts; /* of the mesh before it was filled */
  int *place;  /* by vertex up to there: where on the loop, or -1 */
  int longest; /* loops with more edges are not triangulated */
} Loop;

static int
place_on_loop (const Loop *l, int v)
{
  return v < l->n_verts ? l->place[v] : -1;
}

/* The chords of the loop that are edges of the mesh already; @ret_to grows. */
static void
list_edges (const Surface *s, const Loop *l, int *ret_start, GArray *ret_to)
{
  for (int i = 0; i < l->n; i++) {
    ret_start[i] = ret_to->len;
    for (int h = l->half[i];;) {
      int back = half_prev (h), k = place_on_loop (l, half_from (s, back));

      if (k >= 0)
        g_array_append_val (ret_to, k);
      if (s->twin[back] < 0)
        break;
      h = s->twin[back];
    }
  }
  ret_start[l->n] = ret_to->len;
}

static int
add_mean_vertex (Surface *s, const int *verts, int n)
{
  Vec3 mean = {0, 0, 0};
  double sum[6] = {0};
  float attr[6];

  for (int i = 0; i < n; i++) {
    mean = vec3_add (mean, vec3_scale (s->pos[verts[i]], 1.0 / n));
    for (int k = 0; s->attr && k < 6; k++)
      sum[k] += surface_attr (s, verts[i])[k] / n;
  }
  for (int k = 0; k < 6; k++)
    attr[k] = sum[k];
  return surface_add_vertex (s, mean, attr);
}

/* Rings of new vertices towards the middle, each of half as many or less, and a
 * fan at the end: always possible, as no chord is used. */
static void
fill_with_rings (Surface *s, const int *loop_verts, int n)
{
  g_autofree int *outer = g_memdup2 (loop_verts, n * sizeof (int));
  g_autofree int *inner = g_new (int, n);
  int center = add_mean_vertex (s, outer, n);

  for (int step; n > MAX_FAN; n /= step) {
    step = n > STEEP * MAX_LOOP ? STEEP * STEEP : n > MAX_LOOP ? STEEP : 2;
    for (int i = 0; i < n / step; i++) {
      int a = outer[step * i], b = outer[step * i + step - 1];

      inner[i] = add_mean_vertex (s, (int[]){a, b, a, b, center}, 5);
    }
    for (int i = 0; i < n; i++) {
      int next = (i + 1) % n, in = MIN (i / step, n / step - 1);
      int in_next = next == 0 ? 0 : MIN (next / step, n / step - 1);

      surface_add_face (s, outer[next], outer[i], inner[in]);
      if (in != in_next)
        surface_add_face (s, outer[next], inner[in], inner[in_next]);
    }
    memcpy (outer, inner, n / step * sizeof (int));
  }
  for (int i = 0; i < n; i++)
    surface_add_face (s, outer[(i + 1) % n], outer[i], center);
}

static void
triangulate (Surface *s, const Loop *l)
{
  g_autofree int *verts = g_new (int, l->n);
  g_autofree Vec3 *pos = g_new (Vec3, l->n);
  g_autofree int *start = g_new (int, l->n + 1);
  g_autoptr (GArray) to = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GArray) triangles = g_array_new (FALSE, FALSE, 3 * sizeof (int));

  list_edges (s, l, start, to);
  for (int i = 0; i < l->n; i++) {
    verts[i] = half_from (s, l->half[i]);
    pos[i] = s->pos[verts[i]];
  }
  if (l->n > l->longest ||
      !polygon_triangulate (
          pos, l->n, &(Chords){start, (const int *) to->data}, triangles)) {
    fill_with_rings (s, verts, l->n);
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
  const Loop *loop;
  double *at_loop; /* [n] */
  int first_vert;  /* new vertices from here on... */
  GArray *inner;   /* ...double */
  double slope;    /* how fast it may grow, or 0 for the mean of a face */
} Density;

static double
density_at (const Density *d, int v)
{
  if (v >= d->first_vert)
    return g_array_index (d->inner, double, v - d->first_vert);
  return d->at_loop[d->loop->place[v]];
}

static double
graded (
    const Surface *s, const int *v, const double *sigma, Vec3 at, double slope)
{
  double least = INFINITY;

  for (int k = 0; k < 3; k++)
    least = MIN (
        least, sigma[k] + slope * vec3_length (vec3_sub (at, s->pos[v[k]])));
  return least;
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
    if (d->slope > 0)
      mean = graded (s, v, sigma, center, d->slope);
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
  for (int pass = 0; pass < MAX_FLIP_PASSES && !surface_stops (s); pass++) {
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
  for (int pass = 0; pass < RELAX_PASSES && !surface_stops (s); pass++)
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

static double
patch_area (const Surface *s, int first_face)
{
  double area = 0;

  for (int f = first_face; f < s->n_faces; f++)
    area += vec3_length (face_normal (s, f)) / 2;
  return area;
}

static void
refine (Surface *s, const Loop *l, int first_face, int first_vert)
{
  g_autofree double *length = g_new (double, l->n);
  g_autoptr (GArray) inner = g_array_new (FALSE, FALSE, sizeof (double));
  Density density = {l, length, first_vert, inner, 0};
  double mean = 0;

  for (int i = 0; i < l->n; i++) {
    int before = l->half[(i + l->n - 1) % l->n];
    Vec3 v = s->pos[half_from (s, l->half[i])];

    length[i] = (vec3_length (vec3_sub (s->pos[half_to (s, l->half[i])], v)) +
                    vec3_length (vec3_sub (v, s->pos[half_from (s, before)]))) /
                2;
    mean += length[i] / l->n;
  }
  /* One tiny edge must not ask for thousands of faces. */
  for (int i = 0; i < l->n; i++)
    length[i] = MAX (length[i], mean / 2);
  /* Nor a wide hole for millions: there faces grow towards the middle. */
  if (patch_area (s, first_face) > MAX_FINE * 0.43 * mean * mean)
    density.slope = SLOPE;
  for (int v = first_vert; v < s->n_verts; v++) /* of rings */
    g_array_append_val (inner, mean);

  flip_edges (s, first_face);
  for (int round = 0; round < MAX_ROUNDS && l->n <= l->longest; round++) {
    if (s->n_faces - first_face > MAX_FINE + MAX_FACES * l->n ||
        !split_coarse_faces (s, first_face, &density))
      break;
    flip_edges (s, first_face);
  }
  relax (s, first_face, first_vert);
  flip_edges (s, first_face);
}

static void
fill_hole (Surface *s, const Loop *l, GArray *filled)
{
  FilledHole hole = {.first_face = s->n_faces, .n_edges = l->n};
  int first_vert = s->n_verts;

  for (int i = 0; i < l->n; i++)
    l->place[half_from (s, l->half[i])] = i;
  triangulate (s, l);
  link_patch (s, l->half, l->n, hole.first_face);
  refine (s, l, hole.first_face, first_vert);
  for (int i = 0; i < l->n; i++)
    l->place[half_from (s, l->half[i])] = -1;
  hole.n_faces = s->n_faces - hole.first_face;
  g_array_append_val (filled, hole);
}

static int
longest_loop (const Surface *s)
{
  gsize n_border = 0;

  for (int h = 0; h < 3 * s->n_faces; h++)
    n_border += s->twin[h] < 0;
  return (int) MIN (MAX_LOOP, sqrt (6 * MAX_STEPS / MAX (1, n_border)));
}

int
surface_fill_holes (Surface *s, int max_hole_edges, GArray *filled)
{
  int n_half = 3 * s->n_faces, n_verts = s->n_verts, n_left = 0;
  g_autofree guint8 *done = g_new0 (guint8, n_half + 1);
  g_autofree int *place = g_new (int, n_verts + 1);
  g_autoptr (GArray) loop = g_array_new (FALSE, FALSE, sizeof (int));
  int longest = longest_loop (s);

  memset (place, 0xff, n_verts * sizeof (int));
  for (int start = 0; start < n_half && !surface_stops (s); start++) {
    if (done[start] || s->twin[start] >= 0)
      continue;
    g_array_set_size (loop, 0);
    for (int h = start; !done[h]; h = next_border (s, h)) {
      done[h] = TRUE;
      g_array_append_val (loop, h);
    }
    if (max_hole_edges > 0 && (int) loop->len > max_hole_edges)
      n_left++;
    else
      fill_hole (s,
          &(Loop){(const int *) loop->data, (int) loop->len, n_verts, place,
              longest},
          filled);
  }
  return n_left;
}
