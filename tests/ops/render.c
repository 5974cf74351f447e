/* SPDX-License-Identifier: MIT */
/* Drawing, on each backend against plain sums in double precision. */
#include "ops/render.h"
#include "geometry/splat.h"
#include "harness.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { EVERYTHING = (1 << 5) - 1 };

/* Gaussians in host memory, to be freed */
typedef struct {
  ShuGaussians g;
  float *pos, *scale, *quat, *opacity, *rgb;
} Cloud;

static void
cloud_clear (Cloud *c)
{
  g_free (c->pos);
  g_free (c->scale);
  g_free (c->quat);
  g_free (c->opacity);
  g_free (c->rgb);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Cloud, cloud_clear)

/* @n in the middle, deviations up to @widest */
static Cloud
cloud_new (int n, double widest)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  Cloud c = {.pos = g_new (float, 3 * n + 1),
      .scale = g_new (float, 3 * n + 1),
      .quat = g_new (float, 4 * n + 1),
      .opacity = g_new (float, n + 1),
      .rgb = g_new (float, 3 * n + 1)};

  for (int i = 0; i < n; i++) {
    for (int k = 0; k < 3; k++) {
      c.pos[3 * i + k] = (float) g_rand_double_range (rand, -0.4, 0.4);
      c.scale[3 * i + k] =
          (float) (widest * g_rand_double_range (rand, 0.1, 1));
      c.rgb[3 * i + k] = (float) g_rand_double_range (rand, 0, 1.2);
    }
    for (int k = 0; k < 4; k++)
      c.quat[4 * i + k] = (float) g_rand_double_range (rand, -1, 1);
    c.opacity[i] = (float) g_rand_double_range (rand, 0.05, 1);
  }
  c.g = (ShuGaussians){n, c.pos, c.scale, c.quat, c.opacity, c.rgb};
  return c;
}

/* What else comes: flat, thin, behind the camera, too near, on the borders,
 * faint, of the same depth */
static Cloud
odd_cloud (int n)
{
  Cloud c = cloud_new (n, 0.06);

  for (int i = 0; i < n; i++)
    switch (i % 9) {
    case 0:
      c.scale[3 * i] = 0;
      break;
    case 1:
      c.scale[3 * i] = c.scale[3 * i + 1] = 0;
      break;
    case 2:
      for (int k = 0; k < 3; k++)
        c.scale[3 * i + k] = 0;
      break;
    case 3:
      c.pos[3 * i] *= 6; /* to either side of the camera, and behind it */
      c.pos[3 * i + 1] *= 6;
      break;
    case 4:
      c.pos[3 * i] = i & 1 ? -0.72f : 0.72f;
      break;
    case 5:
      c.opacity[i] = 0.004f;
      break;
    case 6:
      memcpy (c.pos + 3 * i, c.pos + 3 * (i / 2), 3 * sizeof (float));
      break;
    }
  return c;
}

/* ---- results in host memory ---- */

typedef struct {
  gsize n; /* pixels */
  guint8 *rgb, *mask;
  float *color, *through, *depth;
} Pictures;

static void
pictures_clear (Pictures *p)
{
  g_free (p->rgb);
  g_free (p->mask);
  g_free (p->color);
  g_free (p->through);
  g_free (p->depth);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pictures, pictures_clear)

static gpointer
take (ShuCtx *c, ShuTensor *t)
{
  gpointer data = g_malloc (shu_tensor_bytes (t));

  g_assert_true (shu_to_host (c, t, data));
  return data;
}

static Pictures
draw (const ShuGaussians *g, int V, const ShuCamera *cameras, int size)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  g_autofree ShuSplatCamera *views = g_new (ShuSplatCamera, V);
  ShuSplatInput input = shu_splat_input (c, g);
  g_autoptr (GError) error = NULL;
  ShuSplats s;
  Pictures p = {.n = (gsize) V * size * size};

  for (int v = 0; v < V; v++)
    views[v] = shu_splat_camera (cameras + v);
  if (!shu_splat (c, &input, V, views, size, EVERYTHING, &s)) {
    shu_ctx_finish (c, &error);
    g_assert_no_error (error);
  }
  p.rgb = take (c, s.rgb);
  p.mask = take (c, s.mask);
  p.color = take (c, s.color);
  p.through = take (c, s.through);
  p.depth = take (c, s.depth);
  return p;
}

/* ---- the reference ---- */

typedef struct {
  ShuSplatPoint point;
  int index;
} Item;

static int
compare_items (gconstpointer a, gconstpointer b)
{
  const Item *p = a, *q = b;

  if (p->point.depth != q->point.depth)
    return p->point.depth < q->point.depth ? -1 : 1;
  return p->index - q->index;
}

static GArray *
items_new (const ShuGaussians *g, const ShuCamera *camera, int size)
{
  GArray *items = g_array_new (FALSE, FALSE, sizeof (Item));
  ShuSplatCamera view = shu_splat_camera (camera);

  for (int i = 0; i < g->n; i++) {
    Item item = {.index = i};
    double cov[6];

    shu_splat_covariance (g->quat + 4 * i, g->scale + 3 * i, cov);
    item.point =
        shu_splat_project (g->pos + 3 * i, cov, g->opacity[i], &view, size);
    if (item.point.radius)
      g_array_append_val (items, item);
  }
  g_array_sort (items, compare_items);
  return items;
}

/* Whether the tile of pixel @u is one of those of the square around @mean. */
static gboolean
in_tiles (int u, float mean, int radius)
{
  int tile = u / 16;

  return tile >= truncf ((mean - radius) / 16) &&
         tile < truncf ((mean + radius + 15) / 16);
}

/* ret: colour, what comes through, depth */
static void
plain_pixel (
    const ShuGaussians *g, const GArray *items, int x, int y, double *ret)
{
  double through = 1, depth = 0;

  memset (ret, 0, 5 * sizeof *ret);
  for (guint i = 0; i < items->len; i++) {
    const Item *item = &g_array_index (items, Item, i);
    const ShuSplatPoint *p = &item->point;
    double dx = (double) p->mean[0] - x, dy = (double) p->mean[1] - y, alpha;

    if (!in_tiles (x, p->mean[0], p->radius) ||
        !in_tiles (y, p->mean[1], p->radius))
      continue;
    alpha =
        p->alpha * exp (-0.5 * (p->conic[0] * dx * dx + p->conic[2] * dy * dy) -
                        p->conic[1] * dx * dy);
    alpha = MIN (alpha, 0.99f);
    if (alpha < 1.0 / 255)
      continue;
    if (through * (1 - alpha) < 1e-4)
      break;
    for (int k = 0; k < 3; k++)
      ret[k] += g->rgb[3 * item->index + k] * alpha * through;
    depth += p->depth * alpha * through;
    through *= 1 - alpha;
  }
  ret[3] = through;
  ret[4] = through < 1 ? depth / (1 - through) : 0;
}

/* Pixels of view @v, each so manieth; a threshold may be met on one side alone,
 * by a pixel in a thousand. */
static void
expect_plain (const ShuGaussians *g, const ShuCamera *camera, int size,
    const Pictures *p, int v, int step)
{
  g_autoptr (GArray) items = items_new (g, camera, size);
  int n = 0, n_off = 0;

  for (int i = 0; i < size * size; i += step, n++) {
    gsize at = (gsize) v * size * size + i;
    double e[5], worst = 0;

    plain_pixel (g, items, i % size, i / size, e);
    for (int k = 0; k < 3; k++)
      worst = MAX (worst, fabs (p->color[3 * at + k] - e[k]));
    worst = MAX (worst, fabs (p->through[at] - e[3]));
    g_assert_cmpfloat (worst, <, 2e-2);
    g_assert_cmpfloat (fabs (p->depth[at] - e[4]), <, 5e-2);
    n_off += worst > 2e-4;
  }
  g_assert_cmpint (n_off * 1000, <=, n + 999);
}

/* Bytes and masks are what the colours say. */
static void
expect_bytes (const Pictures *p)
{
  for (gsize i = 0; i < p->n; i++) {
    int any = 0;

    for (int k = 0; k < 3; k++) {
      int byte = (int) CLAMP (p->color[3 * i + k] * 255, 0.f, 255.f);

      g_assert_cmpint (p->rgb[3 * i + k], ==, byte);
      any |= byte;
    }
    g_assert_cmpint (p->mask[i], ==, any ? 255 : 0);
  }
}

/* ---- tests ---- */

/* A round Gaussian on the axis is a round spot of known width and height. */
static void
single_one_follows_the_formula (void)
{
  enum { S = 96 };

  float pos[3] = {0, 0, 0}, s[3] = {0.05f, 0.05f, 0.05f}, q[4] = {1, 0, 0, 0};
  float o = 0.8f, c[3] = {0.2f, 0.5f, 1.5f};
  ShuGaussians g = {1, pos, s, q, &o, c};
  ShuCamera camera = shu_camera_orbit (1, 0.5f, 2, 40);
  g_auto (Pictures) out = draw (&g, 1, &camera, S);
  double var = pow (S * camera.focal * 0.05 / 2, 2), wide = var + 0.1;
  double coef = sqrt (var * var / (wide * wide + 1e-6) + 1e-6);

  for (int i = 0; i < S * S; i++) {
    double dx = i % S - (S - 1) / 2.0, dy = i / S - (S - 1) / 2.0;
    double a = 0.8 * coef * exp (-0.5 * (dx * dx + dy * dy) / wide);
    /* Beyond three deviations its tiles may end. */
    if (dx * dx + dy * dy > 9 * wide)
      continue;
    if (a < 1.0 / 255)
      a = 0;
    for (int k = 0; k < 3; k++)
      g_assert_cmpfloat_with_epsilon (out.color[3 * i + k], a * c[k], 2e-4);
    g_assert_cmpfloat_with_epsilon (out.through[i], 1 - a, 2e-4);
    if (a > 0)
      g_assert_cmpfloat_with_epsilon (out.depth[i], 2, 1e-4);
  }
  expect_bytes (&out);
}

static void
random_ones_are_the_plain_sum (void)
{
  static const int sizes[] = {1, 16, 37, 96};

  g_auto (Cloud) c = odd_cloud (500);
  ShuCamera cameras[9];

  shu_camera_renders (9, 2, 40, cameras);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_auto (Pictures) out = draw (&c.g, 9, cameras, sizes[i]);

    for (int v = 0; v < 9; v++)
      expect_plain (&c.g, cameras + v, sizes[i], &out, v, 1);
    expect_bytes (&out);
  }
}

static void
nothing_is_black (void)
{
  g_auto (Cloud) c = cloud_new (0, 0.1);
  ShuCamera camera = shu_camera_orbit (0, 0, 2, 40);
  g_auto (Pictures) out = draw (&c.g, 1, &camera, 20);

  for (gsize i = 0; i < out.n; i++) {
    g_assert_cmpint (out.rgb[3 * i], ==, 0);
    g_assert_cmpint (out.mask[i], ==, 0);
    g_assert_cmpfloat (out.through[i], ==, 1);
    g_assert_cmpfloat (out.depth[i], ==, 0);
  }
}

static void
wild_ones_are_left_out (void)
{
  enum { N = 30, N_WILD = 10, S = 64 };

  g_auto (Cloud) c = cloud_new (N, 0.06);
  ShuCamera camera = shu_camera_orbit (0, 0, 2, 40);
  ShuGaussians rest = {N - N_WILD, c.pos + 3 * N_WILD, c.scale + 3 * N_WILD,
      c.quat + 4 * N_WILD, c.opacity + N_WILD, c.rgb + 3 * N_WILD};

  c.pos[0] = NAN;
  c.pos[4] = 1.9f; /* nearer than the limit */
  c.pos[7] = 30;   /* behind */
  c.pos[9] = 1e30f;
  c.scale[12] = INFINITY;
  c.quat[20] = NAN;
  c.scale[18] = 1e30f;
  memset (c.quat + 28, 0, 4 * sizeof (float));
  c.rgb[24] = NAN;
  c.opacity[9] = INFINITY;
  g_auto (Pictures) all = draw (&c.g, 1, &camera, S);
  g_auto (Pictures) tame = draw (&rest, 1, &camera, S);
  g_assert_cmpmem (all.color, 12 * all.n, tame.color, 12 * tame.n);
  g_assert_cmpmem (all.through, 4 * all.n, tame.through, 4 * tame.n);
  g_assert_cmpmem (all.depth, 4 * all.n, tame.depth, 4 * tame.n);
}

/* The same bytes again: with another number of threads, and with each view
 * alone */
static void
always_the_same (void)
{
  enum { S = 70, V = 7 };

  g_auto (Cloud) c = odd_cloud (800);
  int n_threads = omp_get_max_threads ();
  ShuCamera cameras[V];

  shu_camera_renders (V, 2, 40, cameras);
  g_auto (Pictures) a = draw (&c.g, V, cameras, S);
  omp_set_num_threads (n_threads > 1 ? 1 : 2);
  g_auto (Pictures) b = draw (&c.g, V, cameras, S);
  omp_set_num_threads (n_threads);
  g_assert_cmpmem (a.color, 12 * a.n, b.color, 12 * b.n);
  g_assert_cmpmem (a.depth, 4 * a.n, b.depth, 4 * b.n);
  for (int v = 0; v < V; v++) {
    g_auto (Pictures) one = draw (&c.g, 1, cameras + v, S);

    g_assert_cmpmem (
        one.color, 12 * one.n, a.color + 3 * v * one.n, 12 * one.n);
  }
}

/* The pictures of a texture, from some camera on */
static void
views_go_around (void)
{
  enum { S = 33, V = 9, FIRST = SHU_N_VIEWS };

  g_auto (Cloud) c = odd_cloud (300);
  ShuCamera cameras[V];
  g_autoptr (ShuCtx) ctx = context_new ();
  SHU_SCOPE (ctx);
  ShuSplatInput input = shu_splat_input (ctx, &c.g);
  g_autofree guint8 *rgb = NULL;
  ShuSplats out;

  shu_camera_renders (V, 2, 40, cameras);
  g_auto (Pictures) all = draw (&c.g, V, cameras, S);
  g_assert_true (
      shu_gaussians_views (ctx, &input, FIRST, V, S, SHU_SPLAT_RGB, &out));
  g_assert_cmpint (out.rgb->dims[0], ==, V - FIRST);
  g_assert_true (!out.mask && !out.color && !out.through && !out.depth);
  rgb = take (ctx, out.rgb);
  g_assert_cmpmem (rgb, out.rgb->n, all.rgb + 3 * FIRST * S * S, out.rgb->n);
}

/* More pairs of Gaussian and tile than are listed at a time */
static void
large_ones_come_in_parts (void)
{
  enum { N = 2300, S = 1024, V = 2 };

  g_auto (Cloud) c = cloud_new (N, 0.5);
  ShuCamera cameras[V] = {
      shu_camera_orbit (0, 0, 2, 40), shu_camera_orbit (1, 0, 2, 40)};

  for (int i = 0; i < 3 * N; i++)
    c.scale[i] += 0.5f;
  for (int i = 0; i < N; i++)
    c.opacity[i] = 0.5f;
  g_auto (Pictures) out = draw (&c.g, V, cameras, S);
  for (int v = 0; v < V; v++)
    expect_plain (&c.g, cameras + v, S, &out, v, 20011);
}

/* As many as 40,000 voxels have */
static void
million_stays_in_bounds (void)
{
  enum { N = 1300000, S = 128, V = 2 };

  g_auto (Cloud) c = cloud_new (N, 0.01);
  g_autoptr (ShuCtx) ctx = context_new ();
  SHU_SCOPE (ctx);
  ShuSplatInput input = shu_splat_input (ctx, &c.g);
  gsize before = shu_ctx_live_bytes (ctx);
  g_autofree guint8 *mask = NULL;
  gsize n = 0;
  ShuSplats out;

  g_assert_true (shu_gaussians_views (
      ctx, &input, SHU_N_VIEWS, SHU_N_VIEWS + V, S, SHU_SPLAT_MASK, &out));
  g_assert_null (out.rgb);
  mask = take (ctx, out.mask);
  for (int i = 0; i < V * S * S; i++)
    n += mask[i] == 255;
  g_assert_cmpuint (n, >, V * S * S / 4);
  g_assert_cmpuint (shu_ctx_peak_bytes (ctx) - before, <, (gsize) 600 << 20);
}

static void
errors_say_what_is_wrong (void)
{
  g_auto (Cloud) c = cloud_new (4, 0.1);
  g_autoptr (ShuCtx) ctx = context_new ();
  SHU_SCOPE (ctx);
  ShuSplatInput input = shu_splat_input (ctx, &c.g), other = input;
  ShuCamera camera = shu_camera_orbit (0, 0, 2, 40);
  ShuSplatCamera view = shu_splat_camera (&camera);
  ShuSplats out;

  other.quat = input.pos;
  g_assert_false (shu_splat (ctx, &other, 1, &view, 8, SHU_SPLAT_RGB, &out));
  CHECK_FAILS (ctx, SHU_ERROR_INVALID, "splat", "quaternions [n,4]", "[4,3]");
  g_assert_false (shu_splat (ctx, &input, 1, &view, 0, SHU_SPLAT_RGB, &out));
  CHECK_FAILS (ctx, SHU_ERROR_INVALID, "splat", "pixels a side");
  g_assert_false (
      shu_splat (ctx, &input, 1, &view, 100000, SHU_SPLAT_RGB, &out));
  CHECK_FAILS (ctx, SHU_ERROR_INVALID, "splat", "8192", "100000");
  view.view[3] = NAN;
  g_assert_false (shu_splat (ctx, &input, 1, &view, 8, SHU_SPLAT_RGB, &out));
  CHECK_FAILS (ctx, SHU_ERROR_INVALID, "splat", "camera 0");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/splat/single_one_follows_the_formula",
      single_one_follows_the_formula);
  test_add ("/ops/splat/random_ones_are_the_plain_sum",
      random_ones_are_the_plain_sum);
  test_add ("/ops/splat/nothing_is_black", nothing_is_black);
  test_add ("/ops/splat/wild_ones_are_left_out", wild_ones_are_left_out);
  test_add ("/ops/splat/always_the_same", always_the_same);
  test_add ("/ops/splat/views_go_around", views_go_around);
  test_add ("/ops/splat/large_ones_come_in_parts", large_ones_come_in_parts);
  test_add ("/ops/splat/million_stays_in_bounds", million_stays_in_bounds);
  test_add ("/ops/splat/errors_say_what_is_wrong", errors_say_what_is_wrong);
  return g_test_run ();
}
