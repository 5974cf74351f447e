/* SPDX-License-Identifier: MIT */
/* Planes: against what their descriptions say, pixel by pixel, and in the same
 * bits on every device. */
#include "harness.h"
#include "ops/planes.h"
#include "ops/plane_pixels.h"
#include <math.h>
#include <string.h>

static guint32 noise;

static guint32
next (void)
{
  noise = noise * 1664525 + 1013904223;
  return noise >> 8;
}

/* One pixel in so many is set, of every @step-th column and row; 0: none */
typedef struct {
  const char *name;
  int S, one_in, step;
} Sprinkle;

static const Sprinkle sprinkles[] = {
    {"one pixel", 1, 1, 1},
    {"none", 45, 0, 1},
    {"all", 33, 1, 1},
    {"a lattice", 64, 1, 8}, /* two and four as near */
    {"a coarse lattice", 61, 1, 20},
    {"dense", 40, 3, 1},
    {"sparse", 70, 300, 1},
    {"few", 80, 2000, 1},
};

static ShuTensor *
sprinkle (ShuCtx *c, const Sprinkle *s)
{
  ShuTensor *t = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (s->S, s->S));
  guint8 *mask = t->data;

  noise = (guint32) s->S;
  for (int i = 0; i < s->S * s->S; i++)
    mask[i] = s->one_in && next () % s->one_in == 0 &&
                      i % s->S % s->step == 0 && i / s->S % s->step == 0
                  ? 1 + next () % 255
                  : 0;
  return t;
}

/* By looking at all of them in their order */
static int
look_for_nearest (const guint8 *mask, int S, int i, int limit, int *ret_square)
{
  int best = -1;

  for (int k = 0; k < S * S; k++) {
    int dx = k % S - i % S, dy = k / S - i / S, d = dx * dx + dy * dy;

    if (mask[k] && d <= limit && (best < 0 || d < *ret_square)) {
      best = k;
      *ret_square = d;
    }
  }
  return best;
}

static void
test_nearest (void)
{
  static const float reaches[] = {0, 0.5f, 3, 10.7f};

  for (guint i = 0; i < G_N_ELEMENTS (sprinkles); i++)
    for (guint r = 0; r < G_N_ELEMENTS (reaches); r++) {
      g_autoptr (ShuCtx) c = context_new ();
      SHU_SCOPE (c);
      const Sprinkle *s = &sprinkles[i];
      int limit = r ? (int) (reaches[r] * reaches[r]) : G_MAXINT, square = 0;
      ShuTensor *mask = sprinkle (c, s), *dist;
      ShuTensor *near =
          to_host (c, shu_plane_find_nearest (c, mask, reaches[r], &dist));

      dist = to_host (c, dist);
      for (int k = 0; k < s->S * s->S; k++) {
        int want = look_for_nearest (mask->data, s->S, k, limit, &square);
        float far = want < 0 ? G_MAXFLOAT : sqrtf ((float) square);

        if (index_at (near, k) != want || (float) at (dist, k) != far)
          g_error ("%s, reach %g, pixel %d: %d at %g, expected %d at %g",
              s->name, reaches[r], k, index_at (near, k), at (dist, k), want,
              far);
      }
    }
}

static ShuTensor *
random_plane (ShuCtx *c, int S, int C)
{
  ShuTensor *t =
      host_tensor (c, SHU_DTYPE_F32, C > 1 ? 3 : 2, (const gint64[]){S, S, C});

  noise = (guint32) (S * C);
  for (gsize i = 0; i < t->n; i++)
    ((float *) t->data)[i] = (float) ((int) next () - (1 << 23)) / (1 << 15);
  return t;
}

/* A box along rows or, with a step of a row, along columns */
static void
box (float *y, const float *x, int S, int C, int radius, gboolean down)
{
  for (int i = 0; i < S * S * C; i++) {
    int step = down ? S * C : C, place = down ? i / (S * C) : i / C % S;
    double sum = 0;

    for (int j = place - radius; j <= place + radius; j++)
      sum += shu_plane_exact (x[i + (CLAMP (j, 0, S - 1) - place) * step]);
    y[i] = (float) sum * (1.0f / (2 * radius + 1));
  }
}

static void
test_smooth (void)
{
  static const struct {
    int S, C, radius;
  } rows[] = {{1, 1, 2}, {1, 3, 1}, {5, 3, 9}, {31, 1, 3}, {64, 3, 1},
      {67, 3, 6}, {90, 1, 19}};

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    int S = rows[i].S, C = rows[i].C;
    ShuTensor *x = random_plane (c, S, C);
    ShuTensor *y = to_host (c, shu_plane_smooth (c, x, rows[i].radius));
    g_autofree float *want = g_memdup2 (x->data, shu_tensor_bytes (x));
    g_autofree float *other = g_malloc (shu_tensor_bytes (x));

    for (int pass = 0; pass < 3; pass++) {
      box (other, want, S, C, rows[i].radius, FALSE);
      box (want, other, S, C, rows[i].radius, TRUE);
    }
    if (memcmp (want, y->data, shu_tensor_bytes (x)) != 0)
      g_error ("%d x %d x %d by %d: not the same", S, S, C, rows[i].radius);
  }
}

/* A mean of many is what the sums say, to the last bit or two. */
static void
test_smooth_keeps_the_mean (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *x = random_plane (c, 80, 1), *y;
  float *v = x->data;

  for (int i = 0; i < 6400; i++)
    v[i] = 1e-3f + 200.0f / 3;
  y = to_host (c, shu_plane_smooth (c, x, 7));
  for (int i = 0; i < 6400; i++)
    g_assert_cmpfloat_with_epsilon (at (y, i), v[0], 3e-5);
}

/* The pyramid, written down again */
static void
fill_from_above (double *rgb, const guint8 *known, int S)
{
  int half = (S + 1) / 2;
  g_autofree double *small = g_new0 (double, 3 * half * half);
  g_autofree guint8 *has = g_new0 (guint8, half * half);

  if (S <= 1)
    return;
  for (int i = 0; i < half * half; i++) {
    int n = 0;
    for (int k = 0; k < 4; k++) {
      int u = 2 * (i % half) + (k & 1), v = 2 * (i / half) + (k >> 1);
      if (u < S && v < S && known[v * S + u]) {
        n++;
        for (int j = 0; j < 3; j++)
          small[3 * i + j] += rgb[3 * (v * S + u) + j];
      }
    }
    for (int j = 0; j < 3 && n; j++)
      small[3 * i + j] /= n;
    has[i] = n > 0;
  }
  fill_from_above (small, has, half);
  for (int i = 0; i < S * S; i++) {
    double x = CLAMP (0.5 * (i % S) - 0.25, 0, half - 1);
    double y = CLAMP (0.5 * (i / S) - 0.25, 0, half - 1);
    int x0 = (int) x, y0 = (int) y, x1 = MIN (x0 + 1, half - 1);
    int y1 = MIN (y0 + 1, half - 1);
    for (int j = 0; j < 3 && !known[i]; j++)
      rgb[3 * i + j] =
          (1 - y + y0) * ((1 - x + x0) * small[3 * (y0 * half + x0) + j] +
                             (x - x0) * small[3 * (y0 * half + x1) + j]) +
          (y - y0) * ((1 - x + x0) * small[3 * (y1 * half + x0) + j] +
                         (x - x0) * small[3 * (y1 * half + x1) + j]);
  }
}

static void
test_fill (void)
{
  static const float reaches[] = {0, 2, 10};

  for (guint i = 0; i < G_N_ELEMENTS (sprinkles); i++)
    for (guint r = 0; r < G_N_ELEMENTS (reaches); r++) {
      g_autoptr (ShuCtx) c = context_new ();
      g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
      SHU_SCOPE (c);
      const Sprinkle *s = &sprinkles[i];
      int n = s->S * s->S, square = 0, limit = (int) (reaches[r] * reaches[r]);
      ShuTensor *mask = sprinkle (c, s), *x = random_plane (c, s->S, 3);
      ShuTensor *y = to_host (c, shu_plane_fill (c, x, mask, reaches[r]));
      ShuTensor *same = shu_plane_fill (cpu, x, mask, reaches[r]);
      double *want = reference_new (y);
      g_autofree guint8 *known = g_malloc0 (n);

      for (int k = 0; k < n; k++) {
        int from = look_for_nearest (mask->data, s->S, k, limit, &square);
        known[k] = from >= 0;
        for (int j = 0; j < 3; j++)
          want[3 * k + j] = from >= 0 ? at (x, 3 * from + j) : 0;
      }
      fill_from_above (want, known, s->S);
      if (s->one_in)
        check_nmse (c, s->name, y, want, 1e-12);
      else
        g_free (want);
      for (int k = 0; k < 3 * n && !s->one_in; k++)
        g_assert_cmpfloat (at (y, k), ==, 0);
      if (memcmp (y->data, same->data, shu_tensor_bytes (y)) != 0)
        g_error ("%s: not the CPU's bits", s->name);
    }
}

/* As large as textures and photos are: the CPU's bits, which the small ones
 * above showed to be right */
static void
test_large (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  const Sprinkle spots = {"spots", 1024, 4000, 1};
  ShuTensor *mask = sprinkle (c, &spots), *x = random_plane (c, 1024, 3);
  ShuTensor *const y[] = {shu_plane_find_nearest (c, mask, 0, NULL),
      shu_plane_smooth (c, x, 8), shu_plane_fill (c, x, mask, 10)};
  ShuTensor *const want[] = {shu_plane_find_nearest (cpu, mask, 0, NULL),
      shu_plane_smooth (cpu, x, 8), shu_plane_fill (cpu, x, mask, 10)};

  for (int i = 0; i < 3; i++)
    if (memcmp (to_host (c, y[i])->data, want[i]->data,
            shu_tensor_bytes (want[i])) != 0)
      g_error ("operation %d: not the CPU's bits", i);
}

static void
test_errors (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *mask = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (4, 5));
  ShuTensor *x = random_plane (c, 4, 3);

  shu_plane_find_nearest (c, mask, 0, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "plane_find_nearest", "u8 [S,S]", "[4,5]");
  shu_plane_smooth (c, mask, 1);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "plane_smooth", "[S,S,3]");
  shu_plane_smooth (c, x, -1);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "plane_smooth", "radius");
  shu_plane_fill (c, x, mask, 1);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "plane_fill", "[4,5]");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/planes/nearest", test_nearest);
  test_add ("/ops/planes/smooth", test_smooth);
  test_add ("/ops/planes/smooth_keeps_the_mean", test_smooth_keeps_the_mean);
  test_add ("/ops/planes/fill", test_fill);
  test_add ("/ops/planes/large", test_large);
  test_add ("/ops/planes/errors", test_errors);
  return g_test_run ();
}
