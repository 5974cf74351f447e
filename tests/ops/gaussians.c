/* SPDX-License-Identifier: MIT */
/* Gaussians out of a decoder's numbers, against the formulas as they stand in
 * the paper's code, and between the devices. */
#include "ops/gaussians.h"
#include "harness.h"
#include <math.h>
#include <string.h>

enum { N_FIELDS = 6 };

static const double LIMIT = 1e-14; /* of floats */

/* As the official decoder has it, but for the number a voxel */
static const ShuGaussianRule official = {.resolution = 64,
    .voxel_size = 1.5,
    .kernel_3d = 9e-4,
    .softplus = TRUE,
    .scale_bias = -5.519460251,
    .opacity_bias = -2.197224577,
    .lr_xyz = 1,
    .lr_features_dc = 1,
    .lr_scaling = 1,
    .lr_rotation = 0.1,
    .lr_opacity = 1};

/* What an operation is given */
typedef struct {
  ShuGaussianRule rule;
  ShuTensor *x, *coords, *offset;
} Given;

static Given
given (ShuCtx *c, const ShuGaussianRule *rule, int G, int N)
{
  Given g = {*rule, random_tensor (c, SHU_DIMS (N, 14 * G)),
      random_index (c, SHU_DIMS (N, 3), 0, 64),
      random_tensor (c, SHU_DIMS (G, 3))};
  float *x = g.x->data;

  g.rule.per_voxel = G;
  for (gsize i = 0; i < g.x->n; i++)
    x[i] *= 1 << (i % 6); /* up to 32, which f16 has, too */
  return g;
}

static gboolean
make (ShuCtx *c, const Given *g, ShuTensor **ret)
{
  ShuGaussianFields y;
  gboolean done = shu_gaussians (c, g->x, g->coords, g->offset, &g->rule, &y);
  ShuTensor *const fields[] = {y.pos, y.scale, y.quat, y.opacity, y.sh0, y.rgb};

  memcpy (ret, fields, sizeof fields);
  return done;
}

static double
softplus (double x)
{
  return x > 0 ? x + log1p (exp (-x)) : log1p (exp (x));
}

/* Gaussian @g of voxel @n, a double for each number of each field */
static void
expect_one (const Given *in, int n, int g, double *const *ref)
{
  const ShuGaussianRule *p = &in->rule;
  int G = p->per_voxel, i = n * G + g;
  const float *y = (const float *) in->x->data + (gsize) n * 14 * G;
  double q[4], norm = 0;

  for (int k = 0; k < 3; k++) {
    double sh = y[3 * G + 3 * g + k] * p->lr_features_dc;
    double off = y[3 * g + k] * p->lr_xyz + at (in->offset, 3 * g + k);
    double s = y[6 * G + 3 * g + k] * p->lr_scaling + p->scale_bias;

    ref[0][3 * i + k] = (index_at (in->coords, 3 * n + k) + 0.5) / 64 - 0.5 +
                        tanh (off) * 0.5 * p->voxel_size / 64;
    s = p->softplus ? softplus (s) : exp (s);
    ref[1][3 * i + k] = hypot (s, p->kernel_3d);
    ref[4][3 * i + k] = sh;
    ref[5][3 * i + k] = fmax (0.28209479177387814 * sh + 0.5, 0);
  }
  for (int k = 0; k < 4; k++) {
    q[k] = y[9 * G + 4 * g + k] * p->lr_rotation + (k == 0);
    norm += q[k] * q[k];
  }
  for (int k = 0; k < 4; k++)
    ref[2][4 * i + k] = q[k] / fmax (sqrt (norm), 1e-12);
  ref[3][i] = 1 / (1 + exp (-y[13 * G + g] * p->lr_opacity - p->opacity_bias));
}

static void
check (ShuCtx *c, const Given *g)
{
  static const char *const names[] = {
      "pos", "scale", "quat", "opacity", "sh0", "rgb"};
  ShuTensor *y[N_FIELDS];
  double *ref[N_FIELDS];

  g_assert_true (make (c, g, y));
  for (int i = 0; i < N_FIELDS; i++)
    ref[i] = reference_new (y[i]);
  for (int n = 0; n < g->coords->dims[0]; n++)
    for (int k = 0; k < g->rule.per_voxel; k++)
      expect_one (g, n, k, ref);
  for (int i = 0; i < N_FIELDS; i++)
    check_nmse (c, names[i], y[i], ref[i], LIMIT);
}

static void
test_formulas (void)
{
  static const int sizes[][2] = {{32, 5}, {1, 1}, {3, 333}, {7, 40}};
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    SHU_SCOPE (c);
    ShuGaussianRule rule = official;
    Given g;

    rule.softplus = i != 1;
    rule.lr_xyz = i == 3 ? 0.01 : 1;
    g = given (c, &rule, sizes[i][0], sizes[i][1]);
    check (c, &g);
  }
}

/* What cannot be turned, what is not a number, what is beyond all bounds */
static void
test_odd (void)
{
  enum { QUAT = 9, OPACITY = 13 };

  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Given g = given (c, &official, 1, 3);
  float *x = g.x->data;
  ShuTensor *y[N_FIELDS], *host;

  g.rule.lr_rotation = 1;
  memset (x + QUAT, 0, 4 * sizeof *x);
  x[QUAT] = -1; /* and 1 */
  x[OPACITY] = -60000;
  x[14 + OPACITY] = 60000;
  x[28] = NAN;
  g_assert_true (make (c, &g, y));
  host = to_host (c, y[2]);
  for (int k = 0; k < 4; k++)
    g_assert_cmpfloat (at (host, k), ==, 0);
  host = to_host (c, y[3]);
  g_assert_cmpfloat (at (host, 0), ==, 0);
  g_assert_cmpfloat (at (host, 1), ==, 1);
  host = to_host (c, y[0]);
  g_assert_true (isnan (at (host, 6)));
  g_assert_true (isfinite (at (host, 7)));
}

static void
test_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Given g = given (c, &official, 4, 3);
  ShuTensor *y[N_FIELDS], *x = g.x, *coords = g.coords;

  g.x = random_tensor (c, SHU_DIMS (3, 14));
  g_assert_false (make (c, &g, y));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "gaussians", "[3,14]");
  g.x = x;
  g.coords = random_index (c, SHU_DIMS (3, 4), 0, 64);
  g_assert_false (make (c, &g, y));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "gaussians", "[3,4]");
  g.coords = coords;
  g.rule.per_voxel = 0;
  g_assert_false (make (c, &g, y));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "gaussians");
  g.rule.per_voxel = 4;
  g_assert_true (make (c, &g, y));
}

/* The bits of the CPU, of what a GPU is given */
static void
test_same (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  Given g = given (c, &official, 32, 6000);
  ShuTensor *y[N_FIELDS], *on_cpu[N_FIELDS];

  g_assert_true (make (c, &g, y));
  g_assert_true (make (cpu, &g, on_cpu));
  for (int i = 0; i < N_FIELDS; i++) {
    const ShuTensor *host = to_host (c, y[i]);
    gsize n = 0;

    for (gsize k = 0; k < host->n; k++)
      n += at (host, k) != at (on_cpu[i], k);
    g_assert_cmpuint (n, ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/gaussians/formulas", test_formulas);
  test_add ("/ops/gaussians/odd_numbers", test_odd);
  test_add ("/ops/gaussians/wrong_shapes_fail", test_wrong);
  test_add_cuda ("/ops/gaussians/same_bits", test_same);
  return g_test_run ();
}
