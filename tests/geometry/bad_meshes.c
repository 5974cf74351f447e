/* SPDX-License-Identifier: MIT */
/* Meshes that are no bodies: whatever comes in, what comes out is a closed
 * surface or one clear error, in a time that grows with the faces; and so for
 * what follows, with the surface and with the mesh as it is. */
#include "atlas_check.h"
#include "shapes.h"
#include "geometry/atlas.h"
#include "geometry/cleanup.h"
#include "geometry/simplify.h"
#include "base/error.h"
#include <math.h>
#include <string.h>
#include <time.h>

/* Faces of each; SHU_BAD_FACES in the environment asks for more, with the views
 * of a real job. */
static int n_wanted = 3000;

static ShuMesh *
clean (const ShuMesh *mesh, ShuCleanupReport *report,
    const ShuProgress *progress, GError **error)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;

  if (n_wanted < 100000) {
    params.n_views = 32;
    params.resolution = 128;
  }
  return shu_mesh_outer_surface (mesh, &params, report, progress, error);
}

/* Processor seconds since @start, which becomes now. */
static double
lap (clock_t *start)
{
  clock_t before = *start;

  *start = clock ();
  return (double) (*start - before) / CLOCKS_PER_SEC;
}

/* Simplified and unwrapped, or one clear error. */
static void
expect_atlas_or_error (const ShuMesh *mesh, const char *what)
{
  ShuSimplifyParams params = SHU_SIMPLIFY_PARAMS_INIT;
  ShuAtlasParams atlas = {.size = n_wanted < 100000 ? 256 : 1024};
  ShuAtlasReport report = {0};
  g_autoptr (GError) error = NULL;
  clock_t start = clock ();
  g_autoptr (ShuMesh) fewer = shu_mesh_simplify (mesh, &params, NULL, &error);
  double seconds = lap (&start);
  g_autoptr (ShuMesh) out = NULL;

  g_assert_no_error (error);
  out = shu_atlas (fewer, &atlas, &report, NULL, &error);
  g_test_message ("%s: %d faces -> %d in %.1f s, %d charts in %.1f s%s%s", what,
      mesh->n_faces, fewer->n_faces, seconds, report.n_charts, lap (&start),
      error ? ": " : "", error ? error->message : "");
  if (!out) {
    g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
    return;
  }
  check_atlas (fewer, out, atlas.size, atlas.size / 128);
}

static void
expect_surface_or_error (const ShuMesh *mesh, const char *what)
{
  g_autoptr (GError) error = NULL;
  ShuCleanupReport report;
  clock_t start = clock ();
  g_autoptr (ShuMesh) out = clean (mesh, &report, NULL, &error);

  g_test_message ("%s: %d faces -> %d in %.1f s", what, mesh->n_faces,
      out ? out->n_faces : 0, lap (&start));
  expect_atlas_or_error (mesh, "as it is");
  if (out)
    expect_atlas_or_error (out, "its surface");
  if (!out) {
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, "clean-up: "));
    return;
  }
  g_assert_cmpint (report.holes_left, ==, 0);
  {
    Facts f = shapes_facts (out);

    g_assert_cmpint (f.n_border, ==, 0);
    g_assert_cmpint (f.n_bad_edges, ==, 0);
    g_assert_cmpint (f.n_bad_verts, ==, 0);
    g_assert_cmpint (f.n_duplicate, ==, 0);
  }
}

/* ---- faces apart ---- */

/* Each face with vertices of its own: two sides of @length, and a third corner
 * @width away from the first side */
static ShuMesh *
loose_faces (double length, double width)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  ShuMesh *m = shu_mesh_new (3 * n_wanted, n_wanted, FALSE, FALSE);

  for (int f = 0; f < n_wanted; f++)
    for (int d = 0; d < 3; d++) {
      double at = g_rand_double_range (rand, -0.4, 0.4);
      double side = g_rand_double_range (rand, -length, length);
      float *p = m->pos + 9 * (gsize) f + d;

      p[0] = (float) at;
      p[3] = (float) (at + side);
      p[6] =
          (float) (at + side / 2 + g_rand_double_range (rand, -width, width));
    }
  for (int i = 0; i < 3 * n_wanted; i++)
    m->faces[i] = i;
  return m;
}

static void
test_loose_faces (void)
{
  static const double sizes[][2] = {{0.5, 0.5}, {0.5, 1e-6}, {0.003, 0.003}};

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (ShuMesh) m = loose_faces (sizes[i][0], sizes[i][1]);

    expect_surface_or_error (m, i == 0 ? "walls" : i == 1 ? "needles" : "dust");
  }
}

/* The same, with few vertices for all */
static void
test_soups (void)
{
  for (int crowded = 0; crowded < 2; crowded++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (2);
    int n_verts = crowded ? 100 : 100 + n_wanted / 100;
    g_autoptr (ShuMesh) m = shu_mesh_new (n_verts, n_wanted, FALSE, FALSE);

    for (int i = 0; i < 3 * n_verts; i++)
      m->pos[i] = (float) g_rand_double_range (rand, -0.5, 0.5);
    for (int i = 0; i < 3 * n_wanted; i++)
      m->faces[i] = g_rand_int_range (rand, 0, n_verts);
    expect_surface_or_error (m, crowded ? "crowd" : "soup");
  }
}

/* ---- slivers that close ---- */

/* A lathe with few rings of very many faces, its lower end open or not */
static ShuMesh *
lathe (int n_around, int n_rings)
{
  ShuMesh *m = shu_mesh_new (
      n_around * (n_rings + 1) + 1, n_around * (2 * n_rings + 1), FALSE, FALSE);
  gint32 *f = m->faces;

  for (int r = 0; r <= n_rings; r++)
    for (int i = 0; i < n_around; i++) {
      double angle = 2 * G_PI * i / n_around, z = 0.4 - 0.7 * (r + 1.0) / 8;
      float *p = m->pos + 3 * ((gsize) r * n_around + i);

      p[0] = (float) (0.3 * cos (angle));
      p[1] = (float) (0.3 * sin (angle));
      p[2] = (float) z;
    }
  memcpy (m->pos + 3 * (gsize) (m->n_verts - 1), (float[]){0, 0, 0.4f}, 12);
  for (int i = 0; i < n_around; i++, f += 3)
    memcpy (f, (gint32[]){m->n_verts - 1, i, (i + 1) % n_around}, 12);
  for (int r = 0; r < n_rings; r++)
    for (int i = 0; i < n_around; i++, f += 6) {
      gint32 a = r * n_around + i, b = r * n_around + (i + 1) % n_around;

      memcpy (
          f, (gint32[]){a, a + n_around, b, b, a + n_around, b + n_around}, 24);
    }
  return m;
}

static void
test_slivers (void)
{
  g_autoptr (ShuMesh) fan = lathe (n_wanted, 0);
  g_autoptr (ShuMesh) tube = lathe (n_wanted / 7, 3);

  expect_surface_or_error (fan, "fan");
  expect_surface_or_error (tube, "tube");
}

/* A sphere of few rings, of slivers from pole to pole */
static void
test_sliver_sphere (void)
{
  static const double rings[] = {1, 7};

  for (gsize k = 0; k < G_N_ELEMENTS (rings); k++) {
    int n_rings = rings[k], n = n_wanted / (2 * n_rings);
    g_autoptr (ShuMesh) m =
        shu_mesh_new (n * n_rings + 2, 2 * n * n_rings, FALSE, FALSE);
    gint32 *f = m->faces, top = m->n_verts - 1, bottom = m->n_verts - 2;

    for (int i = 0; i < n * n_rings; i++) {
      double across = 2 * G_PI * (i % n) / n;
      double down = G_PI * (i / n + 1) / (n_rings + 1);

      m->pos[3 * i] = (float) (0.4 * sin (down) * cos (across));
      m->pos[3 * i + 1] = (float) (0.4 * sin (down) * sin (across));
      m->pos[3 * i + 2] = (float) (0.4 * cos (down));
    }
    for (int end = 0; end < 2; end++)
      memcpy (
          m->pos + 3 * (bottom + end), (float[]){0, 0, end ? 0.4f : -0.4f}, 12);
    for (int i = 0; i < n; i++) {
      gint32 next = (i + 1) % n, last = n * (n_rings - 1);

      memcpy (f, (gint32[]){top, i, next, bottom, last + next, last + i}, 24);
      f += 6;
      for (int r = 0; r + 1 < n_rings; r++, f += 6)
        memcpy (f,
            (gint32[]){r * n + i, r * n + n + i, r * n + next, r * n + next,
                r * n + n + i, r * n + n + next},
            24);
    }
    expect_surface_or_error (m, k ? "rings" : "spindle");
  }
}

/* A sphere of which every other vertex stands out: nothing but creases */
static void
test_zigzag (void)
{
  static const double origin[3] = {0, 0, 0};
  static const double heights[] = {0.2, 0.01};

  for (gsize k = 0; k < G_N_ELEMENTS (heights); k++) {
    g_autoptr (ShuMesh) m = shapes_sphere (origin, 0.4, (int) sqrt (n_wanted));

    for (int i = 0; i < 3 * m->n_verts; i++)
      m->pos[i] *= (float) (1 + heights[k] * (i / 3 % 2));
    expect_surface_or_error (m, k ? "rough" : "zigzag");
  }
}

/* ---- bodies into each other ---- */

static ShuMesh *
spheres (int n, double radius, double growth, double spread)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  int side = MAX (6, (int) sqrt ((double) n_wanted / n));
  ShuMesh *all = NULL;

  for (int i = 0; i < n; i++) {
    double center[3];
    g_autoptr (ShuMesh) one = NULL;
    g_autoptr (ShuMesh) before = all;

    for (int d = 0; d < 3; d++)
      center[d] = g_rand_double_range (rand, -1, 1) * spread;
    one = shapes_sphere (center, radius + i * growth, side);
    all = before ? shapes_join (before, one) : g_steal_pointer (&one);
  }
  return all;
}

/* Small bodies that face inwards, and cracks everywhere */
static void
test_many_pieces (void)
{
  g_autoptr (ShuMesh) hollow =
      spheres (MIN (n_wanted / 400, 1500), 0.01, 0, 0.45);
  g_autoptr (ShuMesh) torn = spheres (1, 0.4, 0, 0);

  for (int f = 0; f < hollow->n_faces; f++) {
    gint32 *v = hollow->faces + 3 * (gsize) f, t = v[0];

    v[0] = v[1];
    v[1] = t;
  }
  expect_surface_or_error (hollow, "inside out");
  for (int f = 0, n = torn->n_faces; f < n; f++)
    if (f % 7)
      memmove (torn->faces + 3 * (gsize) (f - f / 7 - 1),
          torn->faces + 3 * (gsize) f, 12);
  torn->n_faces -= torn->n_faces / 7 + 1;
  expect_surface_or_error (torn, "torn");
}

static void
test_bodies_into_each_other (void)
{
  g_autoptr (ShuMesh) crossing = spheres (12, 0.15, 0, 0.3);
  g_autoptr (ShuMesh) nested = spheres (12, 0.1, 0.03, 0);
  g_autoptr (ShuMesh) many = spheres (80, 0.02, 0, 0.45);

  expect_surface_or_error (crossing, "crossing");
  expect_surface_or_error (nested, "nested");
  expect_surface_or_error (many, "many");
}

/* Twisted so that it goes through itself */
static void
test_body_through_itself (void)
{
  static const double origin[3] = {0, 0, 0};
  g_autoptr (ShuMesh) m = shapes_sphere (origin, 0.4, 60);

  for (int i = 0; i < m->n_verts; i++) {
    float *p = m->pos + 3 * (gsize) i;

    p[0] = (float) (p[0] * cos (9 * p[2]));
    p[1] = (float) (p[1] * sin (7 * p[2]));
  }
  expect_surface_or_error (m, "through itself");
}

/* Every other cube of a grid: all edges have four faces */
static void
test_cubes_at_edges (void)
{
  static const gint32 quads[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
      {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  int S = (int) cbrt (n_wanted / 6.0), V = S + 1, n = 0;
  g_autoptr (ShuMesh) m =
      shu_mesh_new (V * V * V, 12 * S * S * S, FALSE, FALSE);

  for (int v = 0; v < V * V * V; v++)
    for (int d = 0, at = v; d < 3; d++, at /= V)
      m->pos[3 * v + d] = (float) (at % V) / S - 0.5f;
  for (int cube = 0; cube < S * S * S; cube++)
    for (int q = 0; q < 6; q++) {
      int x = cube % S, y = cube / S % S, z = cube / S / S;
      gint32 c[4];

      if ((x + y + z) % 2)
        break;
      for (int i = 0; i < 4; i++)
        c[i] = x + (quads[q][i] & 1) +
               V * (y + (quads[q][i] >> 1 & 1) + V * (z + (quads[q][i] >> 2)));
      memcpy (
          m->faces + 3 * n, (gint32[]){c[0], c[1], c[2], c[0], c[2], c[3]}, 24);
      n += 2;
    }
  m->n_faces = n;
  expect_surface_or_error (m, "cubes");
}

/* ---- stopping ---- */

typedef ShuMesh *(*Work) (
    const ShuMesh *m, const ShuProgress *progress, GError **error);

static ShuMesh *
work_surface (const ShuMesh *m, const ShuProgress *progress, GError **error)
{
  return clean (m, NULL, progress, error);
}

static ShuMesh *
work_simplify (const ShuMesh *m, const ShuProgress *progress, GError **error)
{
  ShuSimplifyParams params = SHU_SIMPLIFY_PARAMS_INIT;

  return shu_mesh_simplify (m, &params, progress, error);
}

static ShuMesh *
work_atlas (const ShuMesh *m, const ShuProgress *progress, GError **error)
{
  return shu_atlas (m, NULL, NULL, progress, error);
}

typedef struct {
  GCancellable *stop;
  gint64 delay, at; /* microseconds */
} Timer;

static gpointer
stop_later (gpointer data)
{
  Timer *t = data;

  g_usleep (t->delay);
  t->at = g_get_monotonic_time ();
  g_cancellable_cancel (t->stop);
  return NULL;
}

/* Stopped at moments all over, with how long it took to end, at most */
static void
expect_stops (const ShuMesh *m, Work work, const char *what)
{
  int n_moments = n_wanted < 100000 ? 4 : 12;
  gint64 start = g_get_monotonic_time (), all, slowest = 0;
  g_autoptr (ShuMesh) whole = work (m, NULL, NULL);
  int n_stopped = 0;

  all = g_get_monotonic_time () - start;
  for (int i = 0; i < n_moments; i++) {
    g_autoptr (GCancellable) stop = g_cancellable_new ();
    g_autoptr (GError) error = NULL;
    Timer timer = {stop, all * (2 * i + 1) / (2 * n_moments), 0};
    ShuProgress progress = {.cancellable = stop};
    GThread *thread = g_thread_new ("timer", stop_later, &timer);
    g_autoptr (ShuMesh) out = work (m, &progress, &error);
    gint64 end = g_get_monotonic_time ();

    g_thread_join (thread);
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      continue;
    g_assert_null (out);
    n_stopped++;
    slowest = MAX (slowest, end - timer.at);
  }
  g_test_message ("%s of %.2f s: stopped %d times, after %.2f s at most", what,
      1e-6 * (double) all, n_stopped, 1e-6 * (double) slowest);
}

static void
test_stops (void)
{
  static const double origin[3] = {0, 0, 0};
  g_autoptr (ShuMesh) rough =
      shapes_sphere (origin, 0.4, (int) sqrt (n_wanted));
  g_autoptr (ShuMesh) fan = lathe (n_wanted, 0);

  for (int i = 0; i < 3 * rough->n_verts; i++)
    rough->pos[i] *= (float) (1 + 0.01 * (i / 3 % 2));
  for (int k = 0; k < 2; k++) {
    const ShuMesh *m = k ? fan : rough;

    expect_stops (m, work_surface, "clean-up");
    expect_stops (m, work_simplify, "simplification");
    expect_stops (m, work_atlas, "atlas");
  }
}

/* ---- holes ---- */

static gboolean
keeps (const ShuMesh *m, int f, const guint8 *gone)
{
  for (int k = 0; k < 3; k++)
    if (gone[m->faces[3 * f + k]])
      return FALSE;
  return TRUE;
}

/* What the report says of holes is what was done. */
static void
test_holes_are_counted (void)
{
  static const double origin[3] = {0, 0, 0};
  g_autoptr (ShuMesh) whole = shapes_sphere (origin, 0.4, 60);
  g_autofree guint8 *gone = g_new0 (guint8, whole->n_verts);
  g_autofree guint8 *near = g_new0 (guint8, whole->n_verts);
  g_autoptr (ShuMesh) in = shu_mesh_copy (whole);
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;
  int n_holes = 0, n_left = 0;

  /* vertices no two of which have a common neighbour go with their faces */
  for (int pass = 0; pass < 2; pass++)
    for (int f = 0; f < whole->n_faces; f += 37) {
      gint32 v = whole->faces[3 * f];
      gboolean free = TRUE;

      for (int g = 0; g < whole->n_faces; g++)
        for (int k = 0; k < 3; k++)
          if (whole->faces[3 * g + k] == v)
            for (int i = 0; i < 3; i++)
              free = free && !near[whole->faces[3 * g + i]];
      if (!free || fabsf (whole->pos[3 * v + 2]) > 0.3f)
        continue;
      for (int g = 0; g < whole->n_faces; g++)
        for (int k = 0; k < 3; k++)
          if (whole->faces[3 * g + k] == v)
            for (int i = 0; i < 3; i++)
              near[whole->faces[3 * g + i]] = TRUE;
      gone[v] = TRUE;
      n_holes++;
    }
  for (int f = 0; f < whole->n_faces; f++)
    if (keeps (whole, f, gone))
      memmove (in->faces + 3 * n_left++, whole->faces + 3 * f, 12);
  in->n_faces = n_left;
  out = clean (in, &r, NULL, NULL);
  shapes_assert_closed (out);
  g_assert_cmpint (n_holes, >, 50);
  g_assert_cmpint (r.holes, ==, n_holes);
  g_assert_cmpint (r.holes_left, ==, 0);
  g_assert_cmpint (r.largest_hole, ==, 6);
  g_assert_cmpint (r.hidden + r.pieces + r.degenerate + r.split, ==, 0);
  g_assert_cmpint (r.patch_faces, ==, out->n_faces - in->n_faces);
}

/* Faces whose middles are within one of two balls are gone: touching at a
 * vertex, or all but an island within a ring. */
static void
test_odd_holes (void)
{
  static const double origin[3] = {0, 0, 0};

  for (int island = 0; island < 2; island++) {
    g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 80);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuMesh) out = NULL;
    ShuCleanupReport r;
    int n = 0;

    for (int f = 0; f < in->n_faces; f++) {
      const gint32 *v = in->faces + 3 * f;
      double x = 0, y = 0;
      gboolean up = TRUE, drop;

      for (int k = 0; k < 3; k++) {
        x += in->pos[3 * v[k]] / 3;
        y += in->pos[3 * v[k] + 1] / 3;
        up = up && in->pos[3 * v[k] + 2] > 0;
      }
      drop = island ? hypot (x, y) < 0.25 && hypot (x, y) > 0.1
                    : x * y > 0 && hypot (x, y) < 0.2; /* four meet on top */
      if (!up || !drop)
        memmove (in->faces + 3 * n++, v, 12);
    }
    in->n_faces = n;
    out = clean (in, &r, NULL, &error);
    g_assert_no_error (error);
    shapes_assert_closed (out);
    /* two that share a vertex have one border, once it is two */
    g_assert_cmpint (r.holes, >=, 1);
    g_assert_cmpint (r.holes_left, ==, 0);
    g_assert_cmpfloat (shapes_facts (out).volume, >, 0.2);
  }
}

/* ---- what encloses nothing ---- */

static void
expect_error (const ShuMesh *m, const char *words)
{
  g_autoptr (GError) error = NULL;
  ShuCleanupReport report;

  g_assert_null (clean (m, &report, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, words));
}

static void
test_nothing (void)
{
  static const double origin[3] = {0, 0, 0};
  g_autoptr (ShuMesh) m = shapes_sphere (origin, 0.4, 24);
  g_autoptr (ShuMesh) dust = spheres (300, 0.001, 0, 0.45);
  g_autoptr (ShuMesh) flat = shapes_sphere (origin, 0.4, 24);
  int n = m->n_faces;

  expect_error (dust, "nothing is left"); /* no piece is large enough */
  for (int i = 0; i < flat->n_verts; i++)
    flat->pos[3 * i + 2] = 0;
  expect_error (flat, "nothing is left");
  m->n_faces = 0;
  expect_error (m, "no faces");
  m->n_faces = 1;
  expect_error (m, "nothing is left");
  m->n_faces = n;
  m->pos[7] = NAN;
  expect_error (m, "finite");
}

int
main (int argc, char **argv)
{
  const char *n = g_getenv ("SHU_BAD_FACES");

  if (n)
    n_wanted = MAX (1000, atoi (n));
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/geometry/bad_meshes/" name, func)
  ADD ("loose_faces", test_loose_faces);
  ADD ("soups", test_soups);
  ADD ("slivers", test_slivers);
  ADD ("sliver_sphere", test_sliver_sphere);
  ADD ("zigzag", test_zigzag);
  ADD ("many_pieces", test_many_pieces);
  ADD ("bodies_into_each_other", test_bodies_into_each_other);
  ADD ("body_through_itself", test_body_through_itself);
  ADD ("cubes_at_edges", test_cubes_at_edges);
  ADD ("stops", test_stops);
  ADD ("holes_are_counted", test_holes_are_counted);
  ADD ("odd_holes", test_odd_holes);
  ADD ("nothing", test_nothing);
  return g_test_run ();
}
