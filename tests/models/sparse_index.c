/* SPDX-License-Identifier: MIT */
/* Index tables over voxels against what their definitions say, searched by
 * comparing every voxel with every other. */
#include "nn/sparse_index.h"
#include "base/error.h"
#include <string.h>

enum { MAX_N = 600 };

/* A set of voxels by name: what tends to go wrong at its own size. */
typedef struct {
  const char *name;
  int resolution;
  int batch;
  double density; /* 0: the listed voxels */
  int n;
  gint32 coords[8][4];
} Set;

static const Set sets[] = {
    {"single", 64, 1, 0, 1, {{0, 31, 5, 63}}},
    {"corners", 64, 1, 0, 8,
        {{0, 0, 0, 0}, {0, 63, 63, 63}, {0, 0, 63, 0}, {0, 63, 0, 0},
            {0, 0, 0, 63}, {0, 63, 63, 0}, {0, 0, 63, 63}, {0, 63, 0, 63}}},
    {"isolated", 16, 1, 0, 4,
        {{0, 2, 2, 2}, {0, 12, 2, 2}, {0, 2, 12, 2}, {0, 7, 7, 12}}},
    {"row_at_the_border", 16, 1, 0, 4,
        {{0, 0, 0, 15}, {0, 0, 0, 14}, {0, 0, 1, 15}, {0, 1, 1, 14}}},
    {"dense", 6, 1, 1.0, 0, {{0}}},
    {"random", 12, 1, 0.2, 0, {{0}}},
    {"two_objects", 9, 2, 0.3, 0, {{0}}},
};

/* Rows in a random order, but objects one after the other. */
static ShuVoxels
make (const Set *set, gint32 *coords)
{
  ShuVoxels v = {.n = set->n, .stride = 4, .coords = coords};
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  int R = set->resolution;

  memcpy (coords, set->coords, sizeof set->coords);
  if (set->density == 0)
    return v;
  for (int b = 0; b < set->batch; b++) {
    int first = v.n;

    for (int i = 0; i < R * R * R; i++)
      if (v.n < MAX_N && g_rand_double (rand) < set->density) {
        gint32 row[4] = {b, i / (R * R), i / R % R, i % R};
        int at = g_rand_int_range (rand, first, v.n + 1);

        memmove (coords + 4 * v.n, coords + 4 * at, sizeof row);
        memcpy (coords + 4 * at, row, sizeof row);
        v.n++;
      }
  }
  return v;
}

static int
find (const ShuVoxels *v, gint32 b, gint32 x, gint32 y, gint32 z)
{
  const gint32 want[4] = {b, x, y, z};

  for (int i = 0; i < v->n; i++)
    if (memcmp (v->coords + 4 * (gsize) i, want, sizeof want) == 0)
      return i;
  return -1;
}

static void
check_neighbours (const ShuVoxels *v, const gint32 *nbr)
{
  for (int i = 0; i < v->n; i++) {
    const gint32 *p = v->coords + 4 * (gsize) i;

    for (int k = 0; k < SHU_VOXEL_TAPS; k++)
      g_assert_cmpint (nbr[i * SHU_VOXEL_TAPS + k], ==,
          find (v, p[0], p[1] + k / 9 - 1, p[2] + k / 3 % 3 - 1,
              p[3] + k % 3 - 1));
  }
}

static void
test_neighbours (gconstpointer data)
{
  gint32 coords[4 * MAX_N];
  g_autofree gint32 *nbr = g_new (gint32, MAX_N * SHU_VOXEL_TAPS);
  ShuVoxels v = make (data, coords);

  shu_voxels_neighbours (&v, nbr);
  check_neighbours (&v, nbr);
}

/* Rows of three columns are rows of object 0. */
static void
test_three_columns (gconstpointer data)
{
  gint32 coords[4 * MAX_N], xyz[3 * MAX_N];
  g_autofree gint32 *nbr4 = g_new (gint32, MAX_N * SHU_VOXEL_TAPS);
  g_autofree gint32 *nbr3 = g_new (gint32, MAX_N * SHU_VOXEL_TAPS);
  const Set *set = data;
  ShuVoxels v = make (set, coords);
  ShuVoxels w = {.n = v.n, .stride = 3, .coords = xyz};

  if (set->batch > 1)
    return;
  for (int i = 0; i < v.n; i++)
    memcpy (xyz + 3 * i, coords + 4 * i + 1, 3 * sizeof *xyz);
  shu_voxels_neighbours (&v, nbr4);
  shu_voxels_neighbours (&w, nbr3);
  g_assert_cmpmem (nbr3, v.n * SHU_VOXEL_TAPS * sizeof *nbr3, nbr4,
      v.n * SHU_VOXEL_TAPS * sizeof *nbr4);
}

static void
test_subdivide (gconstpointer data)
{
  gint32 coords[4 * MAX_N];
  ShuVoxels v = make (data, coords);
  ShuVoxels child = {.stride = 4};
  g_autofree gint32 *fine = NULL;
  g_autofree gint32 *nbr = NULL;
  g_autofree gint32 *child_nbr = NULL;

  v.n = MIN (v.n, 120); /* the search is quadratic */
  child.n = v.n * SHU_VOXEL_CHILDREN;
  fine = g_new (gint32, 4 * child.n);
  nbr = g_new (gint32, v.n * SHU_VOXEL_TAPS);
  child_nbr = g_new (gint32, child.n * SHU_VOXEL_TAPS);
  shu_voxels_subdivide (&v, fine);
  child.coords = fine;
  for (int i = 0; i < child.n; i++) {
    const gint32 *p = v.coords + 4 * (i / 8);

    g_assert_cmpint (fine[4 * i], ==, p[0]);
    g_assert_cmpint (fine[4 * i + 1], ==, 2 * p[1] + i / 4 % 2);
    g_assert_cmpint (fine[4 * i + 2], ==, 2 * p[2] + i / 2 % 2);
    g_assert_cmpint (fine[4 * i + 3], ==, 2 * p[3] + i % 2);
  }
  shu_voxels_neighbours (&v, nbr);
  shu_neighbours_subdivide (v.n, nbr, child_nbr);
  check_neighbours (&child, child_nbr);
}

static int
compare_rows (const gint32 *a, const gint32 *b)
{
  for (int k = 0; k < 4; k++)
    if (a[k] != b[k])
      return a[k] < b[k] ? -1 : 1;
  return 0;
}

static void
test_downsample (gconstpointer data)
{
  gint32 coords[4 * MAX_N], coarse[4 * MAX_N], index[MAX_N];
  ShuVoxels v = make (data, coords);

  for (int factor = 1; factor <= 3; factor++) {
    int M = shu_voxels_downsample (&v, factor, coarse, index);
    gboolean used[MAX_N] = {FALSE};

    for (int m = 1; m < M; m++) /* sorted, none twice */
      g_assert_cmpint (
          compare_rows (coarse + 4 * (m - 1), coarse + 4 * m), <, 0);
    for (int i = 0; i < v.n; i++) {
      const gint32 *p = coords + 4 * i, *q;

      g_assert_cmpint (index[i], >=, 0);
      g_assert_cmpint (index[i], <, M);
      q = coarse + 4 * index[i];
      used[index[i]] = TRUE;
      g_assert_cmpint (q[0], ==, p[0]);
      for (int k = 1; k < 4; k++)
        g_assert_cmpint (q[k], ==, p[k] / factor);
    }
    for (int m = 0; m < M; m++)
      g_assert_true (used[m]);
  }
}

static void
test_windows (gconstpointer data)
{
  static const int sizes[][2] = {{8, 0}, {8, 4}, {3, 1}, {64, 0}};
  gint32 coords[4 * MAX_N], order[MAX_N], start[MAX_N + 1], of[MAX_N];
  ShuVoxels v = make (data, coords);

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++) {
    int G = shu_voxels_windows (&v, sizes[s][0], sizes[s][1], order, start);

    g_assert_cmpint (start[0], ==, 0);
    g_assert_cmpint (start[G], ==, v.n);
    for (int i = 0; i < v.n; i++)
      of[i] = -1;
    for (int g = 0; g < G; g++) {
      g_assert_cmpint (start[g], <, start[g + 1]);
      for (int i = start[g]; i < start[g + 1]; i++) {
        g_assert_cmpint (of[order[i]], ==, -1); /* every row once */
        of[order[i]] = g;
      }
    }
    for (int i = 0; i < v.n; i++)
      for (int j = 0; j < i; j++) {
        gint32 a[4], b[4];

        for (int k = 0; k < 4; k++) {
          int shift = k ? sizes[s][1] : 0, size = k ? sizes[s][0] : 1;

          a[k] = (coords[4 * i + k] + shift) / size;
          b[k] = (coords[4 * j + k] + shift) / size;
        }
        g_assert_cmpint (CLAMP (of[i] - of[j], -1, 1), ==,
            CLAMP (compare_rows (a, b), -1, 1));
      }
  }
}

static void
test_accepts (gconstpointer data)
{
  gint32 coords[4 * MAX_N];
  const Set *set = data;
  ShuVoxels v = make (set, coords);
  g_autoptr (GError) error = NULL;

  g_assert_true (shu_voxels_check (&v, set->resolution, &error));
  g_assert_no_error (error);
}

static void
test_refuses (void)
{
  static const struct {
    int n, code;
    gint32 coords[3][4];
  } bad[] = {
      {0, SHU_ERROR_INVALID, {{0}}},
      {2, SHU_ERROR_INVALID, {{0, 1, 2, 3}, {0, 1, 2, 16}}},
      {2, SHU_ERROR_INVALID, {{0, 1, 2, 3}, {0, -1, 2, 3}}},
      {2, SHU_ERROR_INVALID, {{0, 1, 2, 3}, {-1, 1, 2, 3}}},
      {3, SHU_ERROR_INVALID, {{0, 1, 2, 3}, {0, 3, 2, 1}, {0, 1, 2, 3}}},
      {1, SHU_ERROR_INVALID, {{0, G_MAXINT32, 2, 3}}},
      {1, SHU_ERROR_INVALID, {{G_MAXINT32, 1, 2, 3}}},
      {G_MAXINT, SHU_ERROR_LIMIT, {{0, 1, 2, 3}}},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    ShuVoxels v = {.n = bad[i].n, .stride = 4, .coords = bad[i].coords[0]};
    g_autoptr (GError) error = NULL;

    g_assert_false (shu_voxels_check (&v, 16, &error));
    g_assert_error (error, SHU_ERROR, bad[i].code);
  }
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
      {"neighbours", test_neighbours},
      {"three_columns", test_three_columns},
      {"subdivide", test_subdivide},
      {"downsample", test_downsample},
      {"windows", test_windows},
      {"accepts", test_accepts},
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    for (gsize k = 0; k < G_N_ELEMENTS (sets); k++) {
      g_autofree char *path = g_strdup_printf (
          "/models/sparse_index/%s/%s", tests[i].name, sets[k].name);

      g_test_add_data_func (path, &sets[k], tests[i].func);
    }
  g_test_add_func ("/models/sparse_index/refuses", test_refuses);
  return g_test_run ();
}
