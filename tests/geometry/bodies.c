/* SPDX-License-Identifier: MIT */
/* What must hold of the surface of any body and of what is left of it after
 * simplification, tried on a thousand bodies, half of them damaged. */
#include "inspect.h"
#include "random_bodies.h"
#include "shapes.h"
#include "geometry/cleanup.h"
#include "geometry/simplify.h"
#include "geometry/weld.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum { N_BODIES = 1000, N_LINES = 16 };

static ShuMesh *
outer_surface (const ShuMesh *mesh, ShuCleanupReport *report, GError **error)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;

  params.n_views = 32;
  params.resolution = 96;
  return shu_mesh_outer_surface (mesh, &params, report, NULL, error);
}

/* Readers that join vertices at one place must still find a surface. */
static void
assert_closed_when_welded (const ShuMesh *mesh)
{
  g_autoptr (ShuMesh) welded = shu_mesh_copy (mesh);
  g_autofree gint32 *first = g_new (gint32, mesh->n_verts);

  shu_mesh_weld (mesh, first);
  for (int i = 0; i < 3 * mesh->n_faces; i++)
    welded->faces[i] = first[mesh->faces[i]];
  shapes_assert_closed (welded);
}

/* Returns: the share of what is enclosed that is not so just once. */
static double
assert_outer (const ShuMesh *mesh)
{
  Winding w;

  shapes_assert_closed (mesh);
  assert_closed_when_welded (mesh);
  w = inspect_winding (mesh, N_LINES);
  return w.once > 0 ? w.otherwise / (w.once + w.otherwise) : 0;
}

static double
check (guint32 seed, const ShuMesh *in)
{
  ShuSimplifyParams params = SHU_SIMPLIFY_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  ShuCleanupReport report;
  g_autoptr (ShuMesh) outer = outer_surface (in, &report, &error);
  g_autoptr (ShuMesh) simple = NULL;
  double otherwise;

  if (!outer) {
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    return 0;
  }
  g_assert_cmpint (report.holes_left, ==, 0);
  otherwise = assert_outer (outer);
  simple = shu_mesh_simplify (outer, &params, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (shapes_facts (simple).euler, ==, shapes_facts (outer).euler);
  return MAX (otherwise, assert_outer (simple));
}

/* Noise folds a surface here and there; damage tears it, and what is torn
 * overlaps. */
static void
test_whole_bodies (void)
{
  for (guint32 seed = 0; seed < N_BODIES; seed += 2) {
    RandomBody body;
    g_autoptr (ShuMesh) in = NULL;

    g_test_message ("seed %u", seed);
    random_body (seed / 2, &body);
    in = random_body_extract (&body);
    g_assert_nonnull (in);
    g_assert_cmpfloat (check (seed, in), <, 0.02);
  }
}

static void
test_damaged_bodies (void)
{
  double sum = 0;

  for (guint32 seed = 1; seed < N_BODIES; seed += 2) {
    RandomBody body;
    g_autoptr (ShuMesh) in = NULL;
    g_autoptr (ShuMesh) damaged = NULL;

    g_test_message ("seed %u", seed);
    random_body (seed / 2, &body);
    in = random_body_extract (&body);
    damaged = random_damage (in, seed);
    sum += check (seed, damaged);
  }
  g_assert_cmpfloat (sum / (N_BODIES / 2), <, 0.01);
}

/* A body that is solid stays so: no surface lies within it, and what was
 * inside still is. */
static void
test_solid_bodies_stay_solid (void)
{
  for (guint32 seed = 0; seed < 200; seed += 4) { /* no noise, no cracks */
    RandomBody body;
    g_autoptr (ShuMesh) in = NULL;
    g_autoptr (ShuMesh) out = NULL;
    ShuCleanupReport report;
    int n_wrong = 0, n_inside = 0;

    random_body (seed, &body);
    in = random_body_extract (&body);
    out = outer_surface (in, &report, NULL);
    for (int line = 0; out && line < 20; line++) {
      double p[3] = {line % 5 * 0.0871 - 0.17, line / 5 * 0.0911 - 0.13, -0.5};
      g_autoptr (GArray) spans = inspect_spans (out, p[0], p[1]);

      for (; p[2] < 0.5; p[2] += 0.01) {
        gboolean inside = FALSE;

        if (random_body_distance (&body, p) > -0.08)
          continue;
        for (guint i = 0; i < spans->len; i++) {
          const double *s = (const double *) spans->data + 2 * i;

          inside |= p[2] > s[0] && p[2] < s[1];
        }
        n_inside++;
        n_wrong += !inside;
      }
    }
    g_test_message ("seed %u: %d of %d outside", seed, n_wrong, n_inside);
    g_assert_cmpint (n_wrong, ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/geometry/bodies/" name, func)
  ADD ("whole", test_whole_bodies);
  ADD ("damaged", test_damaged_bodies);
  ADD ("solid_stay_solid", test_solid_bodies_stay_solid);
  return g_test_run ();
}
