/* SPDX-License-Identifier: MIT */
/* What simplification begins with: corners by vertex, and the quadric of each
 * vertex.  Threads share the faces in chunks; vertices with faces in several
 * chunks are summed up one by one. */
#include "simplify_private.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  CACHE_LINE = 64,
  HUGE_PAGE = 2 << 20,
  FEW = 32, /* neighbours that are counted one by one */
  CHUNK = 8192,
  N_LINKERS = 8, /* tasks that look at all faces */
  CROWD = 20000, /* neighbours with which a vertex stays: each collapse there
                    would look at all of them */
};

/* Weight of the distance from the old vertices against that from the planes:
 * keeps flat parts well shaped without moving curved ones. */
static const double POINT_WEIGHT = 1e-3;

/* What a whole step of a colour is worth, as a share of the diagonal. */
static const double COLOR_WEIGHT = 0.01;

void
simplifier_clear (Simplifier *s)
{
  free (s->block);
  g_clear_pointer (&s->left, g_array_unref);
}

/* The next @n entries of a block; of none, how large it must be. */
static void *
cut (char *block, gsize *used, gsize n, gsize size)
{
  void *at = block ? block + *used : NULL;

  *used += (n * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  return at;
}

static void
place_arrays (Simplifier *s, gboolean colored, gsize *used)
{
  gsize n = s->n_verts, n_corners = 3 * (gsize) s->n_faces;
  char *block = s->block;

  s->pos = cut (block, used, n, sizeof *s->pos);
  s->attr = colored ? cut (block, used, 6 * n, sizeof *s->attr) : NULL;
  s->quadric = cut (block, used, n, sizeof *s->quadric);
  s->faces = cut (block, used, n_corners, sizeof *s->faces);
  s->head = cut (block, used, n, sizeof *s->head);
  s->next = cut (block, used, n_corners, sizeof *s->next);
  s->prev = cut (block, used, n_corners, sizeof *s->prev);
  s->border = cut (block, used, n, sizeof *s->border);
  s->locked = cut (block, used, n, sizeof *s->locked);
  s->version = cut (block, used, n, sizeof *s->version);
  s->mark = cut (block, used, n, sizeof *s->mark);
}

/* One block for all: large pages, and few of them to give back. */
static void
allocate (Simplifier *s, gboolean colored)
{
  gsize size = 0, used = 0;

  place_arrays (s, colored, &size);
  size = (size + HUGE_PAGE) / HUGE_PAGE * HUGE_PAGE;
  if (posix_memalign (&s->block, HUGE_PAGE, size) != 0)
    g_error ("simplify: no %zu bytes of memory", size);
  madvise (s->block, size, MADV_HUGEPAGE);
  place_arrays (s, colored, &used);
}

/* Takes faces out that name a vertex twice. */
static void
drop_degenerate (Simplifier *s)
{
  int n_dropped = 0;

#pragma omp parallel for schedule(static) reduction(+ : n_dropped)
  for (int f = 0; f < s->n_faces; f++) {
    gint32 *v = s->faces + 3 * (gsize) f;

    if (v[0] == v[1] || v[1] == v[2] || v[2] == v[0]) {
      v[0] = -1;
      n_dropped++;
    }
  }
  s->n_alive -= n_dropped;
}

/* Corner lists, in order.  Each task reads all faces and has some of the
 * vertices. */
static void
link_corners (Simplifier *s)
{
#pragma omp parallel for schedule(static, 1)
  for (int task = 0; task < N_LINKERS; task++) {
    int lo = (int) ((gint64) s->n_verts * task / N_LINKERS);
    int hi = (int) ((gint64) s->n_verts * (task + 1) / N_LINKERS);

    memset (s->head + lo, 0xff, (hi - lo) * sizeof (int));
    for (int f = s->n_faces - 1; f >= 0; f--) {
      const gint32 *v = s->faces + 3 * (gsize) f;

      for (int k = 0; k < 3 && v[0] >= 0; k++) {
        if (v[k] < lo || v[k] >= hi)
          continue;
        s->next[3 * f + k] = s->head[v[k]];
        if (s->head[v[k]] >= 0)
          s->prev[s->head[v[k]]] = 3 * f + k;
        s->head[v[k]] = 3 * f + k;
      }
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

/* The part of a face in the quadrics of its vertices, but for where these are.
 * Returns: its area */
static double
face_quadric (const Simplifier *s, int f, Quadric *ret)
{
  const gint32 *v = s->faces + 3 * (gsize) f;
  Vec3 n = vec3_normal (s->pos[v[0]], s->pos[v[1]], s->pos[v[2]]);
  double area = vec3_length (n) / 2;

  *ret = (Quadric){0};
  quadric_add_plane (ret, vec3_unit (n), s->pos[v[0]], area);
  if (s->attr && area > 0)
    add_color_gradients (s, f, n, ret);
  return area;
}

static void
add_face (Simplifier *s, int a, const Quadric *q, double area)
{
  quadric_add (&s->quadric[a], q);
  quadric_add_point (&s->quadric[a], s->pos[a], POINT_WEIGHT * area);
}

/* Whether the faces of @a are in several chunks; they are in order. */
static gboolean
is_shared (const Simplifier *s, int a)
{
  int first = s->head[a], last = first;

  while (s->next[last] >= 0)
    last = s->next[last];
  return first / (3 * CHUNK) != last / (3 * CHUNK);
}

static void
add_faces (Simplifier *s)
{
  g_autofree guint8 *shared = g_malloc0 (s->n_verts + 1);

#pragma omp parallel for schedule(static)
  for (int a = 0; a < s->n_verts; a++) {
    s->quadric[a] = (Quadric){0};
    s->border[a] = s->locked[a] = 0;
    s->version[a] = 0;
    shared[a] = s->head[a] >= 0 && is_shared (s, a);
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (int first = 0; first < s->n_faces; first += CHUNK)
    for (int f = first; f < MIN (s->n_faces, first + CHUNK); f++) {
      const gint32 *v = s->faces + 3 * (gsize) f;
      Quadric q;
      double area;

      if (v[0] < 0 || (shared[v[0]] && shared[v[1]] && shared[v[2]]))
        continue;
      area = face_quadric (s, f, &q);
      for (int k = 0; k < 3; k++)
        if (!shared[v[k]])
          add_face (s, v[k], &q, area);
    }
#pragma omp parallel for schedule(dynamic, 1024)
  for (int a = 0; a < s->n_verts; a++)
    for (int c = shared[a] && !shu_progress_stops (s->progress) ? s->head[a]
                                                                : -1;
         c >= 0; c = s->next[c]) {
      Quadric q;
      double area = face_quadric (s, c / 3, &q);

      add_face (s, a, &q, area);
    }
}

/* The plane through a border edge, upright on its face. */
static void
add_border (const Simplifier *s, int from, int to, int third, Quadric *q)
{
  Vec3 edge = vec3_sub (s->pos[to], s->pos[from]);
  Vec3 n = vec3_normal (s->pos[from], s->pos[to], s->pos[third]);

  quadric_add_plane (
      q, vec3_unit (vec3_cross (edge, n)), s->pos[from], vec3_length (edge));
}

static int
compare_int (gconstpointer a, gconstpointer b)
{
  gint32 p = *(const gint32 *) a, q = *(const gint32 *) b;

  return (p > q) - (p < q);
}

/* The neighbours of a vertex, once for each face; in order where they are many.
 */
typedef struct {
  int n;
  const gint32 *list;
  gint32 few[FEW];
  GArray *many;
} Neighbours;

static void
list_neighbours (const Simplifier *s, int a, Neighbours *ret)
{
  gint32 *to = ret->few;

  ret->n = 0;
  for (int c = s->head[a]; c >= 0; c = s->next[c])
    ret->n += 2;
  if (ret->n > FEW) {
    g_array_set_size (ret->many, ret->n);
    to = (gint32 *) ret->many->data;
  }
  ret->list = to;
  for (int c = s->head[a]; c >= 0; c = s->next[c], to += 2)
    others (s, c, &to[0], &to[1]);
  if (ret->n > FEW)
    g_array_sort (ret->many, compare_int);
}

/* In how many of the faces @b is, up to 3 where there are many. */
static int
count_of (const Neighbours *all, gint32 b)
{
  const gint32 *n = all->list;
  int lo = 0, hi = all->n, count = 0;

  if (all->n <= FEW) {
    for (int i = 0; i < all->n; i++)
      count += n[i] == b;
    return count;
  }
  while (lo < hi) {
    int mid = (lo + hi) / 2;

    if (n[mid] < b)
      lo = mid + 1;
    else
      hi = mid;
  }
  while (lo + count < all->n && n[lo + count] == b && count < 3)
    count++;
  return count;
}

/* Whether it is at a border, which its quadric then knows; locked where it is
 * not manifold, or crowded. */
static void
examine_vertex (Simplifier *s, int a, Neighbours *list)
{
  list_neighbours (s, a, list);
  if (list->n > CROWD)
    s->locked[a] |= CROWDED;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int u, v, n_u, n_v;

    others (s, c, &u, &v);
    n_u = count_of (list, u);
    n_v = count_of (list, v);
    if (n_u > 2 || n_v > 2)
      s->locked[a] |= NOT_MANIFOLD;
    if (n_u == 1)
      add_border (s, a, u, v, &s->quadric[a]);
    if (n_v == 1)
      add_border (s, v, a, u, &s->quadric[a]);
    s->border[a] |= n_u == 1 || n_v == 1;
  }
}

void
simplifier_init (Simplifier *s, const ShuMesh *mesh)
{
  s->n_verts = mesh->n_verts;
  s->n_faces = s->n_alive = mesh->n_faces;
  allocate (s, mesh->attr != NULL);
  s->color_weight = COLOR_WEIGHT * simplifier_take (s, mesh);
  drop_degenerate (s);
  link_corners (s);
  add_faces (s);
#pragma omp parallel
  {
    g_autoptr (GArray) many = g_array_new (FALSE, FALSE, sizeof (gint32));
    Neighbours list = {.many = many};

#pragma omp for schedule(dynamic, 1024)
    for (int i = 0; i < s->n_verts; i++)
      if (!shu_progress_stops (s->progress))
        examine_vertex (s, i, &list);
  }
}
