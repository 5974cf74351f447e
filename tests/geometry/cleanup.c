/* SPDX-License-Identifier: MIT */
#include "shapes.h"
#include "geometry/cleanup.h"
#include "base/error.h"
#include <math.h>
#include <omp.h>
#include <string.h>

static const double origin[3] = {0, 0, 0};

static ShuMesh *
clean (const ShuMesh *mesh, ShuCleanupReport *report)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  ShuMesh *out;

  params.n_views = 96;
  params.resolution = 256;
  out = shu_mesh_outer_surface (mesh, &params, report, NULL, &error);
  g_assert_no_error (error);
  shapes_assert_closed (out);
  g_assert_cmpint (report->holes_left, ==, 0);
  return out;
}

static void
turn (ShuMesh *mesh)
{
  for (int f = 0; f < mesh->n_faces; f++) {
    gint32 t = mesh->faces[3 * f];

    mesh->faces[3 * f] = mesh->faces[3 * f + 1];
    mesh->faces[3 * f + 1] = t;
  }
}

static void
drop_above (ShuMesh *mesh, double z)
{
  int n = 0;

  for (int f = 0; f < mesh->n_faces; f++) {
    double mean = 0;

    for (int k = 0; k < 3; k++)
      mean += mesh->pos[3 * mesh->faces[3 * f + k] + 2] / 3;
    if (mean <= z)
      memmove (mesh->faces + 3 * n++, mesh->faces + 3 * f, 12);
  }
  mesh->n_faces = n;
}

static void
test_closed_body_is_left_alone (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 64);
  ShuCleanupReport r;
  g_autoptr (ShuMesh) out = clean (in, &r);

  g_assert_cmpint (out->n_faces, ==, in->n_faces);
  g_assert_cmpint (r.degenerate + r.hidden + r.pieces + r.holes, ==, 0);
  g_assert_cmpmem (out->pos, 12 * out->n_verts, in->pos, 12 * in->n_verts);
  g_assert_cmpmem (out->attr, 24 * out->n_verts, in->attr, 24 * in->n_verts);
}

static void
test_inner_shell_goes (void)
{
  for (int turned = 0; turned < 2; turned++) {
    g_autoptr (ShuMesh) outer = shapes_sphere (origin, 0.4, 64);
    g_autoptr (ShuMesh) inner = shapes_sphere (origin, 0.35, 48);
    g_autoptr (ShuMesh) in = NULL;
    g_autoptr (ShuMesh) out = NULL;
    ShuCleanupReport r;

    if (turned)
      turn (inner);
    in = shapes_join (inner, outer);
    out = clean (in, &r);
    g_assert_cmpint (r.hidden, ==, inner->n_faces);
    g_assert_cmpint (out->n_faces, ==, outer->n_faces);
  }
}

/* Both surfaces of a shell are open at the same place. */
static void
test_open_shell_becomes_solid (void)
{
  g_autoptr (ShuMesh) outer = shapes_sphere (origin, 0.45, 96);
  g_autoptr (ShuMesh) inner = shapes_sphere (origin, 0.42, 96);
  g_autoptr (ShuMesh) in = NULL;
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;
  double r1 = 0.45, h = 0.45 - 0.3;
  double cap = G_PI * h * h * (3 * r1 - h) / 3;

  drop_above (outer, 0.3);
  drop_above (inner, 0.3);
  turn (inner);
  in = shapes_join (outer, inner);
  out = clean (in, &r);
  g_assert_cmpint (shapes_facts (out).n_components, ==, 1);
  g_assert_cmpint (r.hidden, >=, inner->n_faces);
  g_assert_cmpint (r.holes, ==, 1);
  g_assert_cmpint (r.largest_hole, ==, 96);
  g_assert_cmpfloat_with_epsilon (
      shapes_facts (out).volume, 4.0 / 3 * G_PI * r1 * r1 * r1 - cap, 0.006);
}

static void
test_hole_is_filled (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 64);
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;
  double longest = 0;

  drop_above (in, 0.3);
  out = clean (in, &r);
  g_assert_cmpint (r.holes, ==, 1);
  g_assert_cmpint (r.largest_hole, ==, shapes_facts (in).n_border);
  g_assert_cmpint (r.patch_faces, ==, out->n_faces - in->n_faces);
  /* The patch is as fine as what surrounds it. */
  for (int i = 0; i < 3 * out->n_faces; i++) {
    const float *a = out->pos + 3 * out->faces[i];
    const float *b = out->pos + 3 * out->faces[i - i % 3 + (i + 1) % 3];

    longest =
        MAX (longest, hypot (hypot (a[0] - b[0], a[1] - b[1]), a[2] - b[2]));
  }
  g_assert_cmpfloat (longest, <, 0.12);
}

static void
test_large_hole_is_filled (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 700);
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;

  drop_above (in, 0.38);
  out = clean (in, &r);
  g_assert_cmpint (r.largest_hole, ==, shapes_facts (in).n_border);
  g_assert_cmpint (r.largest_hole, >=, 700);
  /* as fine as its border throughout, the patch had 90,000 faces */
  g_assert_cmpint (out->n_faces - in->n_faces, <, 30 * r.largest_hole);
}

static void
test_hole_limit_is_kept (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 64);
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;
  ShuCleanupReport r;

  drop_above (in, 0.3);
  params.max_hole_edges = shapes_facts (in).n_border - 1;
  params.n_views = 32;
  out = shu_mesh_outer_surface (in, &params, &r, NULL, NULL);
  g_assert_cmpint (r.holes_left, ==, 1);
  g_assert_cmpint (shapes_facts (out).n_border, ==, shapes_facts (in).n_border);
}

static void
test_small_pieces_go (void)
{
  const double left[3] = {-0.25, 0, 0}, right[3] = {0.25, 0, 0};
  const double off[3] = {0, 0.4, 0.3};
  g_autoptr (ShuMesh) a = shapes_sphere (left, 0.2, 40);
  g_autoptr (ShuMesh) b = shapes_sphere (right, 0.2, 40);
  g_autoptr (ShuMesh) c = shapes_sphere (off, 0.01, 12);
  g_autoptr (ShuMesh) ab = shapes_join (a, b);
  g_autoptr (ShuMesh) abc = shapes_join (ab, c);
  ShuCleanupReport r;
  g_autoptr (ShuMesh) out = clean (abc, &r);

  g_assert_cmpint (r.pieces, ==, 1);
  g_assert_cmpint (r.piece_faces, ==, c->n_faces);
  g_assert_cmpint (out->n_faces, ==, ab->n_faces);
}

static void
test_person_from_voxels (void)
{
  static const double noises[] = {0, 1.0};

  for (gsize i = 0; i < G_N_ELEMENTS (noises); i++) {
    g_autoptr (ShuMesh) in =
        shapes_extract (field_person, 80, 2.5, noises[i], 5);
    ShuCleanupReport r;
    g_autoptr (ShuMesh) out = clean (in, &r);
    Facts f = shapes_facts (out);

    g_assert_cmpint (f.n_components, ==, 1);
    g_assert_cmpint (f.euler, ==, 2);
    g_assert_cmpint (r.holes, ==, 3); /* head and feet */
    g_assert_cmpfloat_with_epsilon (f.volume, 0.0208, 0.0012);
  }
}

/* A shell with cracks: its two surfaces are one there. */
static void
test_cracked_shell (void)
{
  ShuFlexiCubesInput in = shapes_features (field_sphere, 64, 2.5, 0.3, 1);
  g_autoptr (ShuMesh) raw = NULL;
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;
  int n = 0;

  for (int i = 0; i < in.n_cells; i++) {
    const gint32 *c = in.coords + 3 * i;
    gboolean crack = (c[0] == 31 && c[1] > 20 && c[1] < 44 && c[2] > 32) ||
                     (c[2] == 40 && c[0] > 32 && c[1] > 30 && c[1] < 38);

    if (crack)
      continue;
    memmove ((gint32 *) in.coords + 3 * n, c, 12);
    memmove ((float *) in.feats + 101 * n, in.feats + 101 * i, 404);
    n++;
  }
  in.n_cells = n;
  raw = shu_flexicubes (&in, NULL);
  out = clean (raw, &r);
  g_assert_cmpint (shapes_facts (raw).euler, !=, 2);
  g_assert_cmpfloat (shapes_facts (raw).volume, <, 0.08);
  g_assert_cmpint (shapes_facts (out).n_components, ==, 1);
  g_assert_cmpfloat_with_epsilon (
      shapes_facts (out).volume, 4.0 / 3 * G_PI * 0.027, 0.006);
  shapes_features_clear (&in);
}

/* Two cubes that share an edge, a corner, or a whole face. */
static ShuMesh *
cubes (const double *shift)
{
  static const gint32 quads[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
      {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  ShuMesh *m = shu_mesh_new (16, 24, FALSE, FALSE);

  for (int v = 0; v < 16; v++)
    for (int d = 0; d < 3; d++)
      m->pos[3 * v + d] = (v >> d & 1) * 0.25 - 0.25 + (v / 8) * shift[d];
  for (int q = 0; q < 12; q++) {
    const gint32 *c = quads[q % 6];
    gint32 o = q / 6 * 8;

    memcpy (m->faces + 6 * q,
        (gint32[]){o + c[0], o + c[1], o + c[2], o + c[0], o + c[2], o + c[3]},
        24);
  }
  return m;
}

static void
test_touching_bodies (void)
{
  static const double shifts[][3] = {
      {0.25, 0.25, 0}, {0.25, 0.25, 0.25}, {0.25, 0, 0}, {0.25, 0.1, 0}};

  for (gsize i = 0; i < G_N_ELEMENTS (shifts); i++) {
    g_autoptr (ShuMesh) in = cubes (shifts[i]);
    ShuCleanupReport r;
    g_autoptr (ShuMesh) out = clean (in, &r);

    g_assert_cmpfloat_with_epsilon (shapes_facts (out).volume, 2.0 / 64, 0.003);
    /* an edge, a corner, a face that goes, or half a face without corners */
    g_assert_cmpint (r.split, >=, i < 2 ? 1 : 0);
  }
}

static void
test_disorder_is_mended (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 32);
  g_autoptr (ShuMesh) out = NULL;
  ShuMesh messy;
  int n = in->n_faces;
  g_autofree gint32 *faces = g_new (gint32, 3 * (n + 30));
  ShuCleanupReport r;

  memcpy (faces, in->faces, 12 * n);
  for (int f = 0; f < n; f += 3) { /* turned faces */
    gint32 t = faces[3 * f];
    faces[3 * f] = faces[3 * f + 1];
    faces[3 * f + 1] = t;
  }
  for (int i = 0; i < 30; i++) { /* repeated and collapsed ones */
    memcpy (faces + 3 * (n + i), faces + 30 * i, 12);
    if (i % 2)
      faces[3 * (n + i)] = faces[3 * (n + i) + 1];
  }
  messy = *in;
  messy.faces = faces;
  messy.n_faces = n + 30;
  out = clean (&messy, &r);
  g_assert_cmpint (r.degenerate, ==, 30);
  g_assert_cmpint (r.turned, ==, (n + 2) / 3);
  g_assert_cmpint (r.split, ==, 0);
  g_assert_cmpint (out->n_faces, ==, n);
  g_assert_cmpfloat_with_epsilon (
      shapes_facts (out).volume, shapes_facts (in).volume, 1e-5);
}

/* A vertex in the middle of an edge, with a face of no area to close it. */
static void
test_slivers_are_mended (void)
{
  g_autoptr (ShuMesh) sphere = shapes_sphere (origin, 0.4, 32);
  g_autoptr (ShuMesh) in =
      shu_mesh_new (sphere->n_verts + 20, sphere->n_faces + 40, FALSE, FALSE);
  g_autoptr (ShuMesh) out = NULL;
  ShuCleanupReport r;
  int n = sphere->n_faces;

  memcpy (in->pos, sphere->pos, 12 * sphere->n_verts);
  memcpy (in->faces, sphere->faces, 12 * n);
  for (int i = 0; i < 20; i++) {
    gint32 *f = in->faces + 3 * (100 + 17 * i), m = sphere->n_verts + i;
    gint32 a = f[0], b = f[1], c = f[2];

    for (int d = 0; d < 3; d++)
      in->pos[3 * m + d] = (in->pos[3 * a + d] + in->pos[3 * b + d]) / 2;
    memcpy (in->faces + 3 * n, (gint32[]){a, b, m, m, b, c}, 24);
    n += 2;
    f[1] = m;
  }
  g_assert_cmpint (n, ==, in->n_faces);
  out = clean (in, &r);
  g_assert_cmpint (r.degenerate, ==, 0);
  for (int f = 0; f < out->n_faces; f++) {
    g_autoptr (ShuMesh) one = shu_mesh_copy (out);

    memmove (one->faces, out->faces + 3 * f, 12);
    one->n_faces = 1;
    g_assert_cmpfloat (shapes_facts (one).area, >, 1e-6);
  }
}

static void
test_any_size_and_place (void)
{
  const double center[3] = {120, -40, 7};
  g_autoptr (ShuMesh) outer = shapes_sphere (center, 30, 48);
  g_autoptr (ShuMesh) inner = shapes_sphere (center, 25, 40);
  g_autoptr (ShuMesh) in = shapes_join (outer, inner);
  ShuCleanupReport r;
  g_autoptr (ShuMesh) out = clean (in, &r);

  g_assert_cmpint (out->n_faces, ==, outer->n_faces);
  for (int i = 0; i < 3 * out->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (out->pos[i], outer->pos[i], 1e-4);
}

static void
test_same_for_any_thread_count (void)
{
  g_autoptr (ShuMesh) in = shapes_extract (field_person, 48, 2, 1.5, 3);
  int before = omp_get_max_threads ();
  ShuCleanupReport r;
  g_autoptr (ShuMesh) one = NULL;
  g_autoptr (ShuMesh) many = NULL;

  omp_set_num_threads (1);
  one = clean (in, &r);
  omp_set_num_threads (3);
  many = clean (in, &r);
  omp_set_num_threads (before);
  g_assert_cmpmem (one->pos, 12 * one->n_verts, many->pos, 12 * many->n_verts);
  g_assert_cmpmem (
      one->faces, 12 * one->n_faces, many->faces, 12 * many->n_faces);
}

/* Whatever comes in, what comes out is a closed surface or an error. */
static void
try_soup (const ShuMesh *mesh)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuMesh) out = NULL;

  if (mesh->n_faces < 1000) {
    params.n_views = 16;
    params.resolution = 64;
  }
  out = shu_mesh_outer_surface (mesh, &params, NULL, NULL, &error);
  if (!out) {
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    return;
  }
  {
    Facts f = shapes_facts (out);

    g_assert_cmpint (f.n_border, ==, 0);
    g_assert_cmpint (f.n_bad_edges, ==, 0);
    g_assert_cmpint (f.n_bad_verts, ==, 0);
    g_assert_cmpint (f.n_duplicate, ==, 0);
  }
}

static void
test_soup_gives_a_surface_or_an_error (void)
{
  for (int seed = 0; seed < 150; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    int n_verts = g_rand_int_range (rand, 3, 30);
    int n_faces = g_rand_int_range (rand, 1, 80);
    g_autoptr (ShuMesh) in = shu_mesh_new (n_verts, n_faces, TRUE, FALSE);

    for (int i = 0; i < 3 * n_verts; i++)
      in->pos[i] = seed % 4 ? g_rand_double_range (rand, -0.5, 0.5)
                            : g_rand_int_range (rand, -1, 2) / 2.0;
    for (int i = 0; i < 6 * n_verts; i++)
      in->attr[i] = g_rand_double (rand);
    for (int i = 0; i < 3 * n_faces; i++)
      in->faces[i] = g_rand_int_range (rand, 0, n_verts);
    try_soup (in);
  }
}

/* Meshes with all faces at few vertices or at one edge: work grows with the
 * faces and not with their square. */
static void
test_crowds_end (void)
{
  enum { N = 20000 };

  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (ShuMesh) book = shu_mesh_new (N + 2, N, FALSE, FALSE);
  g_autoptr (ShuMesh) soup = shu_mesh_new (400, N, FALSE, FALSE);

  for (int i = 0; i < 3 * book->n_verts; i++)
    book->pos[i] = g_rand_double_range (rand, -0.5, 0.5);
  for (int f = 0; f < N; f++)
    memcpy (book->faces + 3 * f, (gint32[]){0, 1, f + 2}, 12);
  try_soup (book);
  for (int i = 0; i < 3 * soup->n_verts; i++)
    soup->pos[i] = g_rand_double_range (rand, -0.5, 0.5);
  for (int i = 0; i < 3 * N; i++)
    soup->faces[i] = g_rand_int_range (rand, 0, soup->n_verts);
  try_soup (soup);
}

static void
expect_error (const ShuMesh *mesh)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.n_views = 16;
  g_assert_null (shu_mesh_outer_surface (mesh, &params, NULL, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_cmpint (strlen (error->message), >, 10);
}

static void
test_bad_meshes (void)
{
  static const float pos[12] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0};
  g_autoptr (ShuMesh) m = shu_mesh_new (4, 2, FALSE, FALSE);

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->faces, (gint32[]){0, 1, 2, 1, 3, 2}, 24);
  expect_error (m); /* a flat sheet encloses nothing */
  m->n_faces = 1;
  expect_error (m);
  m->n_faces = 0;
  expect_error (m);
  m->n_faces = 2;
  m->faces[4] = 1;
  m->faces[0] = 2;
  expect_error (m); /* both degenerate */
  m->faces[0] = 4;
  expect_error (m);
  m->faces[0] = 0;
  m->pos[0] = INFINITY;
  expect_error (m);
  memset (m->pos, 0, sizeof pos);
  expect_error (m);
}

static void
test_can_be_cancelled (void)
{
  g_autoptr (ShuMesh) in = shapes_sphere (origin, 0.4, 32);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ShuProgress progress = {.cancellable = cancellable};
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (shu_mesh_outer_surface (in, &params, NULL, &progress, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/geometry/cleanup/" name, func)
  ADD ("closed_body_is_left_alone", test_closed_body_is_left_alone);
  ADD ("inner_shell_goes", test_inner_shell_goes);
  ADD ("open_shell_becomes_solid", test_open_shell_becomes_solid);
  ADD ("hole_is_filled", test_hole_is_filled);
  ADD ("large_hole_is_filled", test_large_hole_is_filled);
  ADD ("hole_limit_is_kept", test_hole_limit_is_kept);
  ADD ("small_pieces_go", test_small_pieces_go);
  ADD ("person_from_voxels", test_person_from_voxels);
  ADD ("cracked_shell", test_cracked_shell);
  ADD ("touching_bodies", test_touching_bodies);
  ADD ("disorder_is_mended", test_disorder_is_mended);
  ADD ("slivers_are_mended", test_slivers_are_mended);
  ADD ("any_size_and_place", test_any_size_and_place);
  ADD ("same_for_any_thread_count", test_same_for_any_thread_count);
  ADD ("soup_gives_a_surface_or_an_error",
      test_soup_gives_a_surface_or_an_error);
  ADD ("crowds_end", test_crowds_end);
  ADD ("bad_meshes", test_bad_meshes);
  ADD ("can_be_cancelled", test_can_be_cancelled);
  return g_test_run ();
}
