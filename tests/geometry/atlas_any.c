/* SPDX-License-Identifier: MIT */
/* Random bodies are unwrapped, half of them damaged: as they are extracted,
 * without any cleaning up.  SHU_BODIES says how many, a thousand take ten
 * minutes; SHU_SEED which comes first. */
#include "atlas_check.h"
#include "random_bodies.h"
#include "base/error.h"
#include "geometry/atlas.h"

enum { N_BODIES = 60, SIZE = 256 };

static int
number_of (const char *variable, int otherwise)
{
  const char *text = g_getenv (variable);

  return text ? (int) g_ascii_strtoll (text, NULL, 10) : otherwise;
}

typedef struct {
  double used;
  int n_charts;
  int n_refused;
} Sums;

static void
unwrap (guint32 seed, Sums *sums)
{
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
    sums->n_refused++;
    return;
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
  sums->used += report.utilisation;
  sums->n_charts += report.n_charts;
}

static void
any_body_is_unwrapped (void)
{
  int n = number_of ("SHU_BODIES", N_BODIES);
  guint32 first = number_of ("SHU_SEED", 0);
  Sums sums = {0};

  for (guint32 seed = first; seed < first + n; seed++)
    unwrap (seed, &sums);
  g_test_message ("%d refused; %.1f %% used, %.1f charts", sums.n_refused,
      100 * sums.used / n, (double) sums.n_charts / n);
  g_assert_cmpint (sums.n_refused, <=, n / 20);
}

/* A chart of this body is flat, but not with its corners rounded where it comes
 * to lie. */
static void
folds_of_rounding (void)
{
  Sums sums = {0};

  unwrap (789, &sums);
  g_assert_cmpint (sums.n_refused, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/atlas_any/any_body_is_unwrapped", any_body_is_unwrapped);
  g_test_add_func ("/geometry/atlas_any/folds_of_rounding", folds_of_rounding);
  return g_test_run ();
}
