/* SPDX-License-Identifier: MIT */
/* The minimum cut against augmenting paths on small random graphs. */
#include "geometry/mincut_private.h"
#include <string.h>

enum { MAX_N = 14 };

static gint64 residual[MAX_N + 2][MAX_N + 2];

static gboolean
find_path (int n, int at, int to, gboolean *seen, gint64 limit, gint64 *ret)
{
  if (at == to) {
    *ret = limit;
    return TRUE;
  }
  seen[at] = TRUE;
  for (int i = 0; i < n; i++) {
    if (seen[i] || residual[at][i] == 0)
      continue;
    if (find_path (n, i, to, seen, MIN (limit, residual[at][i]), ret)) {
      residual[at][i] -= *ret;
      residual[i][at] += *ret;
      return TRUE;
    }
  }
  return FALSE;
}

/* Marks what can reach @to. */
static void
mark_reaching (int n, int to, gboolean *seen)
{
  seen[to] = TRUE;
  for (int i = 0; i < n; i++)
    if (!seen[i] && residual[i][to] > 0)
      mark_reaching (n, i, seen);
}

static void
test_random_graphs (void)
{
  for (int seed = 0; seed < 3000; seed++) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
    int n = g_rand_int_range (rand, 1, MAX_N + 1);
    int n_edges = n > 1 ? g_rand_int_range (rand, 0, 3 * n) : 0;
    g_autoptr (MinCut) cut = min_cut_new (n, n_edges);
    guint8 source[MAX_N];
    gint64 flow = 0, step, got;
    gboolean seen[MAX_N + 2];

    memset (residual, 0, sizeof residual);
    for (int i = 0; i < n; i++) {
      gint64 c = g_rand_int_range (rand, -12, 13);

      c = ABS (c) < 5 ? 0 : c;
      min_cut_set_terminal (cut, i, c);
      if (c > 0)
        residual[n][i] = c;
      if (c < 0)
        residual[i][n + 1] = -c;
    }
    for (int i = 0; i < n_edges; i++) {
      int a = g_rand_int_range (rand, 0, n);
      int b = (a + g_rand_int_range (rand, 1, n)) % n;
      gint64 c = g_rand_int_range (rand, 0, 9);

      min_cut_add_edge (cut, a, b, c);
      residual[a][b] += c;
      residual[b][a] += c;
    }
    do {
      memset (seen, 0, sizeof seen);
      step = 0;
      find_path (n + 2, n, n + 1, seen, G_MAXINT64, &step);
      flow += step;
    } while (step > 0);
    memset (seen, 0, sizeof seen);
    mark_reaching (n + 2, n + 1, seen);

    got = min_cut_solve (cut, NULL, source);
    g_assert_cmpint (got, ==, flow);
    for (int i = 0; i < n; i++)
      g_assert_cmpint (source[i], ==, !seen[i]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/mincut/equals_augmenting_paths", test_random_graphs);
  return g_test_run ();
}
