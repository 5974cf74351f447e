/* SPDX-License-Identifier: MIT */
/* Random bodies are unwrapped, half of them damaged: as they are extracted,
 * without any cleaning up.  SHU_BODIES says how many; a thousand take ten
 * minutes. */
#include "atlas_check.h"
#include "random_bodies.h"
#include "base/error.h"
#include "geometry/atlas.h"

enum { N_BODIES = 60, SIZE = 256 };

static int
n_bodies (void)
{
  const char *text = g_getenv ("SHU_BODIES");

  return text ? (int) g_ascii_strtoll (text, NULL, 10) : N_BODIES;
}

static void
any_body_is_unwrapped (void)
{
  double used = 0;
  int n = n_bodies (), n_charts = 0;

  for (guint32 seed = 0; seed < (guint32) n; seed++) {
    ShuAtlasParams params = {.size = SIZE};
    RandomBody body;
    g_autoptr (ShuMesh) whole = NULL;
    g_autoptr (ShuMesh) in = NULL;
    g_autoptr (ShuMesh) out = NULL;
    g_autoptr (GError) error = NULL;
    ShuAtlasReport report;

    random_body (seed / 2, &body);
    whole = random_body_extract (&body);
    in = seed & 1 ? random_damage (whole, seed) : shu_mesh_copy (whole);
    out = shu_atlas (in, &params, &report, NULL, &error);
    if (!out) {
      /* Torn to more pieces than there are texels. */
      g_test_message ("seed %u: %s", seed, error->message);
      g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
      continue;
    }
    g_test_message ("seed %u: %d faces, %d charts, %.1f %%, %.3f, %.3f", seed,
        in->n_faces, report.n_charts, 100 * report.utilisation,
        report.stretch_median, report.stretch_p99);
    check_atlas (in, out, SIZE, SIZE / 128);
    /* Noise and damage leave folds that no chart can lie flat with. */
    if (seed % 4 == 0) {
      g_assert_cmpfloat (report.stretch_median, <=, 1.25);
      g_assert_cmpfloat (report.stretch_p99, <=, 2.5);
    }
    used += report.utilisation;
    n_charts += report.n_charts;
  }
  g_test_message (
      "%.1f %% used, %.1f charts", 100 * used / n, (double) n_charts / n);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/atlas_any/any_body_is_unwrapped", any_body_is_unwrapped);
  return g_test_run ();
}
