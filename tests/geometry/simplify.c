/* SPDX-License-Identifier: MIT */
#include "inspect.h"
#include "shapes.h"
#include "geometry/simplify.h"
#include "geometry/normals.h"
#include "base/error.h"
#include <math.h>
#include <omp.h>
#include <string.h>

static const double origin[3] = {0, 0, 0};

static ShuMesh *
simplify (const ShuMesh *mesh, double ratio, int target)
{
  ShuSimplifyParams params = {.ratio = ratio, .target_faces = target};
  g_autoptr (GError) error = NULL;
  ShuMesh *out = shu_mesh_simplify (mesh, &params, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (shu_mesh_check (out, NULL));
  return out;
}

/* Largest distance of points on the surface from the body, and how far faces
 * are turned from it, in degrees: on average over the area, and of all but the
 * worst hundredth of it. */
typedef struct {
  double distance, turn, most_turn;
} Deviation;

typedef struct {
  double turn, area;
} Turned;

static int
compare_turned (gconstpointer a, gconstpointer b)
{
  const Turned *l = a, *r = b;

  return l->turn < r->turn ? -1 : l->turn > r->turn;
}

static Turned
face_turn (Field field, const ShuMesh *m, int f)
{
  static const double step = 1e-4;
  double p[3][3], n[3], at[3], g[3], dot = 0, nn = 0, gg = 0;

  for (int k = 0; k < 3; k++)
    for (int d = 0; d < 3; d++)
      p[k][d] = m->pos[3 * m->faces[3 * f + k] + d];
  for (int d = 0; d < 3; d++) {
    int e = (d + 1) % 3, h = (d + 2) % 3;

    at[d] = (p[0][d] + p[1][d] + p[2][d]) / 3;
    n[d] = (p[1][e] - p[0][e]) * (p[2][h] - p[0][h]) -
           (p[1][h] - p[0][h]) * (p[2][e] - p[0][e]);
  }
  for (int d = 0; d < 3; d++) {
    double above, below, middle = at[d];

    at[d] = middle + step;
    above = field (at);
    at[d] = middle - step;
    below = field (at);
    at[d] = middle;
    g[d] = above - below;
    dot += g[d] * n[d];
    nn += n[d] * n[d];
    gg += g[d] * g[d];
  }
  return (Turned){
      acos (CLAMP (dot / sqrt (nn * gg), -1, 1)) * 180 / G_PI, sqrt (nn) / 2};
}

static Deviation
deviation (Field field, const ShuMesh *m)
{
  g_autofree Turned *turned = g_new (Turned, m->n_faces);
  Deviation d = {0, 0, 0};
  double area = 0, sum = 0;

  for (int f = 0; f < m->n_faces; f++) {
    turned[f] = face_turn (field, m, f);
    area += turned[f].area;
    for (int i = 0; i < 28; i++) { /* a net of points on the face */
      int row = (int) ((sqrt (8 * i + 1) - 1) / 2), k = i - row * (row + 1) / 2;
      double w[3] = {(6 - row) / 6., (row - k) / 6., k / 6.}, p[3] = {0, 0, 0};

      for (int c = 0; c < 3; c++)
        for (int e = 0; e < 3; e++)
          p[e] += w[c] * m->pos[3 * m->faces[3 * f + c] + e];
      d.distance = MAX (d.distance, fabs (field (p)));
    }
  }
  qsort (turned, m->n_faces, sizeof *turned, compare_turned);
  for (int f = 0; f < m->n_faces; f++) {
    d.turn += turned[f].turn * turned[f].area / area;
    sum += turned[f].area;
    if (sum <= 0.99 * area)
      d.most_turn = turned[f].turn;
  }
  return d;
}

/* Cells are 1/64; the extraction itself is 0.0005 and 0.0011 off. */
static void
test_stays_near_bodies (void)
{
  static const struct {
    const char *name;
    Field field;
    double ratio, distance, turn, most_turn;
  } rows[] = {
      {"sphere", field_sphere, 0.7, 0.0012, 1.3, 5},
      {"sphere", field_sphere, 0.95, 0.006, 3, 10},
      {"torus", field_torus, 0.7, 0.0022, 2.8, 8},
      {"torus", field_torus, 0.95, 0.008, 6, 15},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuMesh) in = shapes_extract (rows[i].field, 64, 100, 0, 1);
    g_autoptr (ShuMesh) out = simplify (in, rows[i].ratio, 0);
    Deviation d = deviation (rows[i].field, out);

    g_test_message ("%s, %g gone: %.5f away, turned by %.2f, %.2f",
        rows[i].name, rows[i].ratio, d.distance, d.turn, d.most_turn);
    g_assert_cmpfloat (d.distance, <, rows[i].distance);
    g_assert_cmpfloat (d.turn, <, rows[i].turn);
    g_assert_cmpfloat (d.most_turn, <, rows[i].most_turn);
    g_assert_cmpfloat (inspect_distance (in, out).max, <, rows[i].distance);
  }
}

/* Stripes: where colours change, faces stay smaller. */
static void
test_colors_are_kept (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 128);
  g_autoptr (ShuMesh) out = NULL;
  double sum = 0, worst = 0;

  for (int v = 0; v < in->n_verts; v++)
    for (int k = 0; k < 3; k++)
      in->attr[6 * v + k] = 0.5 + 0.4 * sin (30 * in->pos[3 * v + k]);
  out = simplify (in, 0.9, 0);
  for (int f = 0; f < out->n_faces; f++)
    for (int k = 0; k < 3; k++) {
      double pos = 0, color = 0, off;

      for (int c = 0; c < 3; c++) {
        int v = out->faces[3 * f + c];

        pos += out->pos[3 * v + k] / 3;
        color += out->attr[6 * v + k] / 3;
      }
      off = fabs (color - 0.5 - 0.4 * sin (30 * pos));
      sum += off / 3 / out->n_faces;
      worst = MAX (worst, off);
    }
  /* twice as much where colours do not count */
  g_assert_cmpfloat (sum, <, 0.035);
  g_assert_cmpfloat (worst, <, 0.15);
}

/* Large meshes are simplified in regions: what comes out is the same for any
 * number of threads, whole, and as near as from one heap. */
static void
test_regions (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 320);
  int before = omp_get_max_threads ();
  g_autoptr (ShuMesh) one = NULL;
  g_autoptr (ShuMesh) many = NULL;

  omp_set_num_threads (1);
  one = simplify (in, 0, 9001);
  omp_set_num_threads (3);
  many = simplify (in, 0, 9001);
  omp_set_num_threads (before);
  g_assert_cmpint (one->n_faces, ==, 9000);
  g_assert_cmpmem (one->pos, 12 * one->n_verts, many->pos, 12 * many->n_verts);
  g_assert_cmpmem (
      one->faces, 12 * one->n_faces, many->faces, 12 * many->n_faces);
  shapes_assert_closed (one);
  /* also at the poles, where nothing but slivers lie */
  g_assert_cmpfloat (inspect_distance (one, in).max, <, 0.0005);
  g_assert_cmpfloat (inspect_distance (in, one).max, <, 0.0005);
}

/* Two fans of slivers: all faces around two vertices. */
static void
test_crowded_vertices (void)
{
  enum { N = 100000 };

  g_autoptr (ShuMesh) in = shu_mesh_new (N + 2, 2 * N, FALSE, FALSE);
  g_autoptr (ShuMesh) out = NULL;

  for (int i = 0; i < N; i++) {
    double a = 2 * G_PI * i / N;
    int j = (i + 1) % N;

    in->pos[3 * i] = (float) (0.4 * cos (a));
    in->pos[3 * i + 1] = (float) (0.4 * sin (a));
    in->pos[3 * i + 2] = 0;
    memcpy (in->faces + 6 * i, (gint32[]){N, i, j, N + 1, j, i}, 24);
  }
  memcpy (in->pos + 3 * N, (float[]){0, 0, 0.1f, 0, 0, -0.1f}, 24);
  out = simplify (in, 0.7, 0);
  g_assert_cmpint (out->n_faces, ==, 6 * N / 10);
  shapes_assert_closed (out);
}

static void
test_sphere_stays_a_sphere (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 48);
  g_autoptr (ShuMesh) out = simplify (in, 0.7, 0);

  shapes_assert_closed (out);
  g_assert_cmpint (shapes_facts (out).euler, ==, 2);
  g_assert_cmpint (out->n_faces, <=, 0.3 * in->n_faces + 2);
  g_assert_cmpint (out->n_faces, >=, 0.3 * in->n_faces - 2);
  g_assert_cmpfloat (inspect_distance (out, in).max, <, 0.006);
  g_assert_cmpfloat (inspect_distance (in, out).max, <, 0.006);
  g_assert_cmpfloat_with_epsilon (
      shapes_facts (out).volume / shapes_facts (in).volume, 1, 0.01);
}

static void
test_attributes_follow (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 48);
  g_autoptr (ShuMesh) out = simplify (in, 0.7, 0);

  for (int v = 0; v < out->n_verts; v++)
    for (int d = 0; d < 3; d++) {
      double n = out->pos[3 * v + d] / 0.4;

      g_assert_cmpfloat_with_epsilon (
          out->attr[6 * v + d], 0.5 + 0.4 * n, 0.03);
      g_assert_cmpfloat_with_epsilon (
          out->attr[6 * v + 3 + d], 0.5 + 0.5 * n, 0.03);
    }
}

static void
test_topology_is_kept (void)
{
  static const double noises[] = {0, 0.5};

  for (gsize i = 0; i < G_N_ELEMENTS (noises); i++) {
    g_autoptr (ShuMesh) in =
        shapes_extract (field_torus, 32, 100, noises[i], i);
    Facts before = shapes_facts (in);

    g_assert_cmpint (before.n_border, ==, 0);
    for (double ratio = 0.3; ratio < 1; ratio += 0.2) {
      g_autoptr (ShuMesh) out = simplify (in, ratio, 0);

      if (before.n_bad_verts == 0 && before.n_bad_edges == 0)
        shapes_assert_closed (out);
      g_assert_cmpint (shapes_facts (out).euler, ==, before.euler);
      g_assert_cmpint (
          shapes_facts (out).n_components, ==, before.n_components);
    }
  }
}

static void
test_keeps_border (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 40);
  g_autoptr (ShuMesh) out = NULL;
  int n = 0;

  for (int f = 0; f < in->n_faces; f++) {
    gboolean above = FALSE;

    for (int k = 0; k < 3; k++)
      above |= in->pos[3 * in->faces[3 * f + k] + 2] > 0.25;
    if (!above)
      memmove (in->faces + 3 * n++, in->faces + 3 * f, 12);
  }
  in->n_faces = n;
  out = simplify (in, 0.8, 0);
  {
    Facts facts = shapes_facts (out);
    double top = 0, highest = 0, lowest = 1;

    g_assert_cmpint (facts.n_border, >, 6);
    g_assert_cmpint (facts.n_bad_edges + facts.n_bad_verts, ==, 0);
    g_assert_cmpint (facts.euler, ==, 1);
    for (int f = 0; f < in->n_faces; f++)
      for (int k = 0; k < 3; k++)
        top = MAX (top, in->pos[3 * in->faces[3 * f + k] + 2]);
    /* Border vertices still lie on the circle they lay on. */
    for (int v = 0; v < out->n_verts; v++) {
      const float *p = out->pos + 3 * v;

      if (p[2] < top - 0.01)
        continue;
      highest = MAX (highest, hypot (p[0], p[1]));
      lowest = MIN (lowest, hypot (p[0], p[1]));
      g_assert_cmpfloat_with_epsilon (p[2], top, 1e-3);
    }
    g_assert_cmpfloat (highest - lowest, <, 0.02);
  }
}

static void
test_flat_parts_cost_nothing (void)
{
  /* A net of 20 x 20 squares: four corners are enough, its border stays. */
  enum { N = 20 };

  g_autoptr (ShuMesh) in =
      shu_mesh_new ((N + 1) * (N + 1), 2 * N * N, FALSE, FALSE);
  g_autoptr (ShuMesh) out = NULL;

  for (int v = 0; v < in->n_verts; v++) {
    in->pos[3 * v] = v % (N + 1) / (float) N;
    in->pos[3 * v + 1] = v / (N + 1) / (float) N;
    in->pos[3 * v + 2] = 0;
  }
  for (int i = 0; i < N * N; i++) {
    int a = i / N * (N + 1) + i % N, b = a + N + 1;

    memcpy (in->faces + 6 * i, (gint32[]){a, a + 1, b + 1, a, b + 1, b}, 24);
  }
  out = simplify (in, 0, 40);
  g_assert_cmpint (out->n_faces, <=, 40);
  g_assert_cmpfloat_with_epsilon (shapes_facts (out).area, 1, 0.02);
  for (int v = 0; v < out->n_verts; v++)
    g_assert_cmpfloat_with_epsilon (out->pos[3 * v + 2], 0, 1e-6);
}

static void
test_extremes (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 16);
  g_autoptr (ShuMesh) all = simplify (in, 0, 0);
  g_autoptr (ShuMesh) least = simplify (in, 1, 0);
  g_autoptr (ShuMesh) six = simplify (in, 0, 20);

  g_assert_cmpint (all->n_faces, ==, in->n_faces);
  shapes_assert_closed (least);
  g_assert_cmpint (least->n_faces, >=, 4);
  g_assert_cmpint (least->n_faces, <=, 24);
  shapes_assert_closed (six);
}

static void
test_same_every_time (void)
{
  g_autoptr (ShuMesh) in = shapes_extract (field_person, 40, 2, 1, 7);
  g_autoptr (ShuMesh) a = simplify (in, 0.7, 0);
  g_autoptr (ShuMesh) b = simplify (in, 0.7, 0);

  g_assert_cmpmem (a->pos, 12 * a->n_verts, b->pos, 12 * b->n_verts);
  g_assert_cmpmem (a->faces, 12 * a->n_faces, b->faces, 12 * b->n_faces);
}

static void
test_bad_meshes (void)
{
  ShuSimplifyParams params = SHU_SIMPLIFY_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuMesh) empty = shu_mesh_new (0, 0, FALSE, FALSE);
  g_autoptr (ShuMesh) one = shu_mesh_new (3, 1, FALSE, FALSE);
  g_autoptr (ShuMesh) out = NULL;
  static const float pos[9] = {0, 0, 0, 1, 0, 0, 0, 1, 0};

  g_assert_null (shu_mesh_simplify (empty, &params, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);

  memcpy (one->pos, pos, sizeof pos);
  memcpy (one->faces, (gint32[]){0, 1, 2}, 12);
  out = shu_mesh_simplify (one, &params, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (out->n_faces, ==, 1);

  one->faces[1] = 0;
  g_assert_null (shu_mesh_simplify (one, &params, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  one->faces[1] = 7;
  g_assert_null (shu_mesh_simplify (one, &params, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  one->faces[1] = 1;
  one->pos[4] = NAN;
  g_assert_null (shu_mesh_simplify (one, &params, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

/* Faces at random between few vertices: nothing of a surface. */
static void
test_soup_survives (void)
{
  for (int seed = 0; seed < 200; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    g_autoptr (ShuMesh) in = shu_mesh_new (12, 60, TRUE, FALSE);
    g_autoptr (ShuMesh) out = NULL;

    for (int i = 0; i < 36; i++)
      in->pos[i] = seed % 3 ? g_rand_double_range (rand, -1, 1) : i % 2;
    for (int i = 0; i < 72; i++)
      in->attr[i] = g_rand_double (rand);
    for (int i = 0; i < 180; i++)
      in->faces[i] = g_rand_int_range (rand, 0, 12);
    out = simplify (in, 0.9, 0);
    g_assert_cmpint (out->n_faces, >, 0);
  }
}

enum { STOP_AT = 5 }; /* more looks than there are rounds */

/* A stop at one of the looks at whether to. */
static void
stop_later (const char *stage, int step, int total, gpointer data)
{
  int *n_looks = g_object_get_data (data, "looks");

  if (++*n_looks == STOP_AT)
    g_cancellable_cancel (data);
}

/* Where next to nothing can be collapsed work stops, too, when it is told to.
 */
static void
test_soup_stops (void)
{
  enum { N_VERTS = 3000, N_FACES = 200000 };

  g_autoptr (GCancellable) stop = g_cancellable_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (ShuMesh) in = shu_mesh_new (N_VERTS, N_FACES, FALSE, FALSE);
  g_autoptr (GError) error = NULL;
  int n_looks = 0;
  ShuProgress progress = {
      .func = stop_later, .data = stop, .cancellable = stop};

  g_object_set_data (G_OBJECT (stop), "looks", &n_looks);
  for (int i = 0; i < 3 * N_VERTS; i++)
    in->pos[i] = (float) g_rand_double (rand);
  for (int i = 0; i < 3 * N_FACES; i++)
    in->faces[i] = g_rand_int_range (rand, 0, N_VERTS);
  g_assert_null (shu_mesh_simplify (
      in, &(ShuSimplifyParams){.ratio = 0.9}, &progress, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (n_looks, ==, STOP_AT);
}

static void
test_normals (void)
{
  const double center[3] = {0.1, -0.2, 0};
  g_autoptr (ShuMesh) mesh = shapes_sphere (center, 0.3, 32);
  g_autofree float *n = g_new (float, 3 * mesh->n_verts);

  shu_mesh_normals (mesh, n);
  for (int i = 0; i < 3 * mesh->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (
        n[i], (mesh->pos[i] - center[i % 3]) / 0.3, 0.02);
  mesh->n_faces = 0;
  shu_mesh_normals (mesh, n);
  g_assert_cmpfloat (n[2], ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/geometry/" name, func)
  ADD ("simplify/sphere_stays_a_sphere", test_sphere_stays_a_sphere);
  ADD ("simplify/stays_near_bodies", test_stays_near_bodies);
  ADD ("simplify/colors_are_kept", test_colors_are_kept);
  ADD ("simplify/regions", test_regions);
  ADD ("simplify/crowded_vertices", test_crowded_vertices);
  ADD ("simplify/attributes_follow", test_attributes_follow);
  ADD ("simplify/topology_is_kept", test_topology_is_kept);
  ADD ("simplify/keeps_border", test_keeps_border);
  ADD ("simplify/flat_parts_cost_nothing", test_flat_parts_cost_nothing);
  ADD ("simplify/extremes", test_extremes);
  ADD ("simplify/same_every_time", test_same_every_time);
  ADD ("simplify/bad_meshes", test_bad_meshes);
  ADD ("simplify/soup_survives", test_soup_survives);
  ADD ("simplify/soup_stops", test_soup_stops);
  ADD ("normals/of_a_sphere", test_normals);
  return g_test_run ();
}
