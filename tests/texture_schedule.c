/* SPDX-License-Identifier: MIT */
#include "texture_schedule.h"
#include <math.h>
#include <string.h>

enum { MAX_LEVELS = 14 };

static const double variation = 0.01;

typedef struct {
  int size, n_levels;
  float *level[MAX_LEVELS];
} Chain;

static void
chain_init (Chain *c, int size)
{
  *c = (Chain){.size = size};
  for (int s = size; s >= 1; s /= 2)
    c->level[c->n_levels++] = g_new0 (float, 3 * s * s);
}

static void
chain_clear (Chain *c)
{
  for (int l = 0; l < c->n_levels; l++)
    g_free (c->level[l]);
}

static void
chain_build (Chain *c)
{
  for (int l = 1; l < c->n_levels; l++) {
    int s = c->size >> l;
    const float *fine = c->level[l - 1];
    for (int y = 0; y < s; y++)
      for (int x = 0; x < s; x++)
        for (int k = 0; k < 3; k++) {
          const float *p = fine + 3 * (2 * y * 2 * s + 2 * x) + k;
          c->level[l][3 * (y * s + x) + k] =
              (p[0] + p[3] + p[6 * s] + p[6 * s + 3]) / 4;
        }
  }
}

/* Gradients of coarse levels, down to the first. */
static void
chain_unwind (Chain *c)
{
  for (int l = c->n_levels - 1; l > 0; l--) {
    int s = c->size >> l;
    float *fine = c->level[l - 1];
    for (int y = 0; y < 2 * s; y++)
      for (int x = 0; x < 2 * s; x++)
        for (int k = 0; k < 3; k++)
          fine[3 * (y * 2 * s + x) + k] +=
              c->level[l][3 * (y / 2 * s + x / 2) + k] / 4;
  }
}

static float
level_of (const float *dr, int size, int n_levels)
{
  double sx = dr[0] * size, sy = dr[1] * size;
  double tx = dr[2] * size, ty = dr[3] * size;
  double a = sx * sx + tx * tx, b = sy * sy + ty * ty, c = sx * sy + tx * ty;
  double major = (a + b) / 2 + sqrt ((a - b) * (a - b) / 4 + c * c);

  return CLAMP (0.5 * log2 (MAX (major, 1e-30)), 0, n_levels - 1);
}

/* Where one level is read: four texels and their shares. */
static void
find_taps (const float *uv, int side, int *at, float *share)
{
  float u = (uv[0] - floorf (uv[0])) * side - 0.5f;
  float v = (uv[1] - floorf (uv[1])) * side - 0.5f;
  int x = (int) floorf (u), y = (int) floorf (v);

  for (int i = 0; i < 4; i++) {
    int tx = (x + (i & 1) + side) % side, ty = (y + (i >> 1) + side) % side;
    at[i] = 3 * (ty * side + tx);
    share[i] = (i & 1 ? u - x : 1 - u + x) * (i >> 1 ? v - y : 1 - v + y);
  }
}

/* The sample of pixel @i; with @gradient, of length 1 / n in the direction
 * that lowers the loss, into @back.  Returns: its part of the loss */
static double
pixel (const ScheduleView *view, gsize i, const Chain *t, Chain *back)
{
  float level = level_of (view->uv_dr + 4 * i, t->size, t->n_levels);
  int l0 = (int) level, at[2][4];
  float share[2][4], up = level - l0, c[3] = {0}, scale = 1.0f / (3 * view->n);
  double loss = 0;

  for (int j = 0; j < 2; j++) {
    int l = MIN (l0 + j, t->n_levels - 1);
    find_taps (view->uv + 2 * i, t->size >> l, at[j], share[j]);
    for (int n = 0; n < 4; n++) {
      share[j][n] *= j ? up : 1 - up;
      for (int k = 0; k < 3; k++)
        c[k] += share[j][n] * t->level[l][at[j][n] + k];
    }
  }
  for (int k = 0; k < 3; k++) {
    float d = c[k] - view->obs[3 * i + k];
    float g = d > 0 ? scale : d < 0 ? -scale : 0;
    loss += fabsf (d) * scale;
    for (int j = 0; back && j < 2; j++)
      for (int n = 0; n < 4; n++)
        back->level[MIN (l0 + j, t->n_levels - 1)][at[j][n] + k] +=
            g * share[j][n];
  }
  return loss;
}

static double
add_variation (const float *t, int size, float *back)
{
  float scale = variation / (3.0f * size * (size - 1));
  double sum = 0;

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++)
      for (int below = 0; below < 2; below++)
        for (int k = 0; k < 3; k++) {
          int i = 3 * (y * size + x) + k, j = i + (below ? 3 * size : 3);
          if ((below ? y : x) + 1 >= size)
            continue;
          float d = t[j] - t[i], g = d > 0 ? scale : d < 0 ? -scale : 0;
          sum += fabsf (d) * scale;
          if (back) {
            back[j] += g;
            back[i] -= g;
          }
        }
  return sum;
}

double
schedule_rate (int i, int n)
{
  const double first = 1e-2, last = 3e-5;

  return last + 0.5 * (first - last) * (1 + cos (G_PI * MAX (0, i - 1) / n));
}

static void
adam (float *t, const float *g, float *m, float *v, gsize n, int step,
    double rate)
{
  float scale1 = 1 / (1 - pow (0.5, step + 1));
  float scale2 = 1 / (1 - pow (0.9, step + 1));

  for (gsize i = 0; i < n; i++) {
    m[i] = 0.5f * m[i] + 0.5f * g[i];
    v[i] = 0.9f * v[i] + 0.1f * g[i] * g[i];
    t[i] -= (float) rate * m[i] * scale1 / (sqrtf (v[i] * scale2) + 1e-8f);
  }
}

void
schedule_run (const ScheduleView *views, int n_views, int size, int n_steps,
    guint32 seed, float *texture)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  gsize n = 3 * (gsize) size * size;
  g_autofree float *m = g_new0 (float, n), *v = g_new0 (float, n);
  Chain t, back;

  chain_init (&t, size);
  chain_init (&back, size);
  for (int step = 0; step < n_steps; step++) {
    gboolean all = step <= n_steps * 930 / 1000;
    int i = all ? g_rand_int_range (rand, 0, n_views)
                : 2 * g_rand_int_range (rand, 0, 2);

    chain_build (&t);
    for (int l = 0; l < back.n_levels; l++)
      memset (back.level[l], 0, (n >> 2 * l) * sizeof (float));
    for (gsize p = 0; p < views[i].n; p++)
      pixel (views + i, p, &t, &back);
    chain_unwind (&back);
    add_variation (t.level[0], size, back.level[0]);
    adam (t.level[0], back.level[0], m, v, n, step,
        schedule_rate (step, n_steps));
  }
  memcpy (texture, t.level[0], n * sizeof (float));
  chain_clear (&t);
  chain_clear (&back);
}

double
schedule_objective (
    const ScheduleView *views, int n_views, int size, const float *texture)
{
  double sum = 0;
  Chain t;

  chain_init (&t, size);
  memcpy (t.level[0], texture, 3 * sizeof (float) * size * size);
  chain_build (&t);
  for (int i = 0; i < n_views; i++)
    for (gsize p = 0; p < views[i].n; p++)
      sum += pixel (views + i, p, &t, NULL) / n_views;
  chain_clear (&t);
  return sum + add_variation (texture, size, NULL);
}

void
schedule_view_clear (ScheduleView *view)
{
  g_free (view->uv);
  g_free (view->uv_dr);
  g_free (view->obs);
}
