/* SPDX-License-Identifier: MIT */
/* The sparse extraction against a plain dense one, written from the paper's
 * rules without anything the library uses. */
#include "shapes.h"
#include "base/error.h"
#include "base/half.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { MAX_R = 16, MAX_V = (MAX_R + 1) * (MAX_R + 1) * (MAX_R + 1) };

/* Corner cycles of the six faces: -x +x -y +y -z +z. */
static const int face_corners[6][4] = {{0, 2, 6, 4}, {1, 3, 7, 5}, {0, 1, 5, 4},
    {2, 3, 7, 6}, {0, 1, 3, 2}, {4, 5, 7, 6}};
static const int edge_corners[12][2] = {{0, 1}, {1, 5}, {4, 5}, {0, 4}, {2, 3},
    {3, 7}, {6, 7}, {2, 6}, {2, 0}, {3, 1}, {7, 5}, {6, 4}};

typedef struct {
  int n_groups;
  int group[12];
  int n_ambiguous;
  int ambiguous_face;
} Case;

static int
edge_between (int a, int b)
{
  for (int e = 0; e < 12; e++)
    if ((edge_corners[e][0] == a && edge_corners[e][1] == b) ||
        (edge_corners[e][0] == b && edge_corners[e][1] == a))
      return e;
  g_assert_not_reached ();
}

static void
merge (int *group, int a, int b)
{
  int old = group[b], new = group[a];

  for (int e = 0; e < 12; e++)
    if (group[e] == old)
      group[e] = new;
}

static Case
oracle_case (int id)
{
  Case k = {.ambiguous_face = -1};
  int label[12], order[12], n = 0;

  for (int e = 0; e < 12; e++)
    label[e] = e;
  for (int f = 0; f < 6; f++) {
    int crossing[4], n_crossing = 0;

    for (int i = 0; i < 4; i++) {
      int a = face_corners[f][i], b = face_corners[f][(i + 1) % 4];

      if ((id >> a & 1) != (id >> b & 1))
        crossing[n_crossing++] = edge_between (a, b);
    }
    if (n_crossing == 2)
      merge (label, crossing[0], crossing[1]);
    if (n_crossing != 4)
      continue;
    k.n_ambiguous++;
    k.ambiguous_face = f;
    for (int i = 0; i < 4; i++) {
      int c = face_corners[f][i];

      if (id >> c & 1)
        merge (label, edge_between (c, face_corners[f][(i + 1) % 4]),
            edge_between (c, face_corners[f][(i + 3) % 4]));
    }
  }
  /* By the smallest inside corner; the labels seen so far in order. */
  for (int c = 0; c < 8; c++)
    for (int e = 0; e < 12; e++) {
      gboolean touches = edge_corners[e][0] == c || edge_corners[e][1] == c;
      gboolean known = FALSE;

      if (!touches || !(id >> c & 1) ||
          (id >> edge_corners[e][0] & 1) == (id >> edge_corners[e][1] & 1))
        continue;
      for (int i = 0; i < n; i++)
        known |= order[i] == label[e];
      if (!known)
        order[n++] = label[e];
    }
  k.n_groups = n;
  for (int e = 0; e < 12; e++) {
    k.group[e] = -1;
    for (int i = 0; i < n; i++)
      if (order[i] == label[e] &&
          (id >> edge_corners[e][0] & 1) != (id >> edge_corners[e][1] & 1))
        k.group[e] = id == 231 ? 1 - i : i;
  }
  return k;
}

/* Dense grids, static for their size. */
static double grid_sdf[MAX_V], grid_sum[MAX_V][9], grid_n[MAX_V];
static int row_of[MAX_V], case_of[MAX_V], first_case[MAX_V];
static int first_vert[MAX_V];

static int
vid (int R, int x, int y, int z)
{
  return (x * (R + 1) + y) * (R + 1) + z;
}

static int
corner_vid (int R, int x, int y, int z, int c)
{
  return vid (R, x + (c & 1), y + (c >> 1 & 1), z + (c >> 2 & 1));
}

typedef struct {
  int first, second, positive;
  gint32 quad[4];
  float gamma[4];
} Quad;

static int
compare_quads (gconstpointer a, gconstpointer b)
{
  const Quad *l = a, *r = b;

  if (l->positive != r->positive)
    return r->positive - l->positive;
  if (l->first != r->first)
    return l->first - r->first;
  return l->second - r->second;
}

static void
oracle_grid (const ShuFlexiCubesInput *in)
{
  int R = in->resolution;

  memset (grid_sum, 0, sizeof grid_sum);
  memset (grid_n, 0, sizeof grid_n);
  memset (row_of, 0xff, sizeof row_of);
  for (int v = 0; v < MAX_V; v++)
    grid_sdf[v] = 0;
  for (int row = 0; row < in->n_cells; row++) {
    const gint32 *c = in->coords + 3 * row;
    const float *f = in->feats + (gsize) in->n_channels * row;

    row_of[(c[0] * R + c[1]) * R + c[2]] = row;
    for (int i = 0; i < 8; i++) {
      int v = corner_vid (R, c[0], c[1], c[2], i);

      grid_n[v]++;
      grid_sdf[v] += f[i] - 1.0 / R;
      for (int k = 0; k < 3; k++)
        grid_sum[v][k] += f[8 + 3 * i + k];
      for (int k = 0; k < 6; k++)
        grid_sum[v][3 + k] += f[53 + 6 * i + k];
    }
  }
  for (int v = 0; v < (R + 1) * (R + 1) * (R + 1); v++) {
    int at[3] = {v / (R + 1) / (R + 1), v / (R + 1) % (R + 1), v % (R + 1)};
    double n = MAX (grid_n[v], 1);

    grid_sdf[v] = grid_n[v] > 0 ? grid_sdf[v] / n : 1;
    for (int k = 0; k < 3; k++)
      grid_sum[v][k] =
          at[k] / (double) R - 0.5 + 0.5 / R * tanh (grid_sum[v][k] / n);
    for (int k = 3; k < 9; k++)
      grid_sum[v][k] = 1 / (1 + exp (-grid_sum[v][k] / n));
  }
}

static void
oracle_cases (int R)
{
  for (int i = 0; i < R * R * R; i++) {
    first_case[i] = 0;
    for (int c = 0; c < 8; c++)
      first_case[i] |=
          (grid_sdf[corner_vid (R, i / R / R, i / R % R, i % R, c)] < 0) << c;
  }
  for (int i = 0; i < R * R * R; i++) {
    Case k = oracle_case (first_case[i]), other;
    int at[3] = {i / R / R, i / R % R, i % R}, f = k.ambiguous_face;

    case_of[i] = first_case[i];
    if (k.n_ambiguous != 1 || k.n_groups != 1)
      continue;
    at[f / 2] += f % 2 ? 1 : -1;
    if (at[f / 2] < 0 || at[f / 2] >= R)
      continue;
    other = oracle_case (first_case[(at[0] * R + at[1]) * R + at[2]]);
    if (other.n_ambiguous == 1 && other.n_groups == 1)
      case_of[i] = 255 - first_case[i];
  }
}

static ShuMesh *
oracle_vertices (const ShuFlexiCubesInput *in)
{
  int R = in->resolution, n = 0;
  ShuMesh *mesh;

  for (int groups = 1; groups <= 4; groups++)
    for (int i = 0; i < R * R * R; i++)
      if (oracle_case (case_of[i]).n_groups == groups) {
        first_vert[i] = n;
        n += groups;
      }
  mesh = shu_mesh_new (n, 0, TRUE, FALSE);
  for (int i = 0; i < R * R * R; i++) {
    Case k = oracle_case (case_of[i]);
    const float *f =
        row_of[i] < 0 ? NULL : in->feats + (gsize) in->n_channels * row_of[i];

    for (int g = 0; g < k.n_groups; g++) {
      double sum[9] = {0}, total = 0;

      for (int e = 0; e < 12; e++) {
        int a = edge_corners[e][0], b = edge_corners[e][1];
        int va = corner_vid (R, i / R / R, i / R % R, i % R, a);
        int vb = corner_vid (R, i / R / R, i / R % R, i % R, b);
        double w0, w1, beta;

        if (k.group[e] != g)
          continue;
        w0 = grid_sdf[va] * (f ? 1 + 0.99 * tanh (f[44 + a]) : 1);
        w1 = grid_sdf[vb] * (f ? 1 + 0.99 * tanh (f[44 + b]) : 1);
        beta = f ? 1 + 0.99 * tanh (f[32 + e]) : 1;
        for (int d = 0; d < 9; d++)
          sum[d] +=
              beta * (grid_sum[va][d] * w1 - grid_sum[vb][d] * w0) / (w1 - w0);
        total += beta;
      }
      for (int d = 0; d < 9; d++)
        *(d < 3 ? &mesh->pos[3 * (first_vert[i] + g) + d]
                : &mesh->attr[6 * (first_vert[i] + g) + d - 3]) =
            sum[d] / total;
    }
  }
  return mesh;
}

/* All quads, unsorted: each edge of each cell, taken from the cell that is
 * the last of the four around it. */
static GArray *
oracle_quads (const ShuFlexiCubesInput *in)
{
  GArray *quads = g_array_new (FALSE, FALSE, sizeof (Quad));
  int R = in->resolution;

  for (int i = 0; i < R * R * R; i++)
    for (int e = 0; e < 12; e++) {
      int at[3] = {i / R / R, i / R % R, i % R}, n = 0;
      Quad q = {
          .first = corner_vid (R, at[0], at[1], at[2], edge_corners[e][0]),
          .second = corner_vid (R, at[0], at[1], at[2], edge_corners[e][1])};
      int cells[4];

      if ((grid_sdf[q.first] < 0) == (grid_sdf[q.second] < 0))
        continue;
      /* Cells that have both ends among their corners, ascending. */
      for (int c = 0; c < R * R * R && n < 4; c++) {
        int edge = -1;

        for (int k = 0; k < 12; k++) {
          int a =
              corner_vid (R, c / R / R, c / R % R, c % R, edge_corners[k][0]);
          int b =
              corner_vid (R, c / R / R, c / R % R, c % R, edge_corners[k][1]);

          if (a == q.first && b == q.second)
            edge = k;
        }
        if (edge < 0)
          continue;
        q.quad[n] = first_vert[c] + oracle_case (case_of[c]).group[edge];
        q.gamma[n] =
            row_of[c] < 0
                ? 0.5
                : 0.99 / (1 +
                             exp (
                                 -in->feats[in->n_channels * row_of[c] + 52])) +
                      0.005;
        cells[n++] = c;
      }
      if (n == 4 && cells[3] == i) {
        q.positive = grid_sdf[q.first] > 0;
        g_array_append_val (quads, q);
      }
    }
  g_array_sort (quads, compare_quads);
  return quads;
}

static ShuMesh *
oracle (const ShuFlexiCubesInput *in)
{
  ShuMesh *mesh;
  GArray *quads;

  g_assert_cmpint (in->resolution, <=, MAX_R);
  oracle_grid (in);
  oracle_cases (in->resolution);
  mesh = oracle_vertices (in);
  quads = oracle_quads (in);
  g_free (mesh->faces);
  mesh->faces = g_new (gint32, 6 * quads->len + 1);
  mesh->n_faces = 2 * quads->len;
  for (guint i = 0; i < quads->len; i++) {
    const Quad *q = &g_array_index (quads, Quad, i);
    static const int up[4] = {0, 1, 3, 2}, down[4] = {2, 3, 1, 0};
    const int *o = q->positive ? up : down;
    gint32 v[4];
    float g[4];

    for (int k = 0; k < 4; k++) {
      v[k] = q->quad[o[k]];
      g[k] = q->gamma[o[k]];
    }
    if (g[0] * g[2] > g[1] * g[3])
      memcpy (mesh->faces + 6 * i,
          (gint32[]){v[0], v[1], v[2], v[0], v[2], v[3]}, 24);
    else
      memcpy (mesh->faces + 6 * i,
          (gint32[]){v[0], v[1], v[3], v[3], v[1], v[2]}, 24);
  }
  g_array_free (quads, TRUE);
  return mesh;
}

static void
check_against_oracle (const ShuFlexiCubesInput *in)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuMesh) got = shu_flexicubes (in, &error);
  g_autoptr (ShuMesh) want = oracle (in);

  g_assert_no_error (error);
  g_assert_cmpint (got->n_verts, ==, want->n_verts);
  g_assert_cmpint (got->n_faces, ==, want->n_faces);
  g_assert_cmpmem (got->faces, 12 * (gsize) got->n_faces, want->faces,
      12 * (gsize) want->n_faces);
  for (int i = 0; i < 3 * got->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (got->pos[i], want->pos[i], 1e-5);
  for (int i = 0; i < 6 * got->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (got->attr[i], want->attr[i], 2e-5);
}

static void
test_shells (void)
{
  for (int seed = 0; seed < 6; seed++) {
    ShuFlexiCubesInput in =
        shapes_features (seed % 2 ? field_torus : field_person, 9 + seed % 3,
            1.5, seed < 2 ? 0 : 1.5, seed);

    check_against_oracle (&in);
    shapes_features_clear (&in);
  }
}

/* Nothing but noise: all cases, many ambiguous faces, the border too. */
static void
test_noise (void)
{
  for (int seed = 0; seed < 4; seed++) {
    ShuFlexiCubesInput in = shapes_features (field_sphere, 7, 100, 0, seed);
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

    for (int i = 0; i < in.n_cells * 101; i++)
      ((float *) in.feats)[i] = g_rand_double_range (rand, -1, 1);
    in.n_cells -= in.n_cells / 4;
    check_against_oracle (&in);
    shapes_features_clear (&in);
  }
}

static void
test_body_is_closed (void)
{
  g_autoptr (ShuMesh) mesh = shapes_extract (field_torus, 32, 100, 0, 0);
  Facts f = shapes_facts (mesh);

  g_assert_cmpint (f.n_border, ==, 0);
  g_assert_cmpint (f.euler, ==, 0);
  g_assert_cmpfloat_with_epsilon (
      f.volume, 2 * G_PI * G_PI * 0.3 * 0.01, 0.003);
}

static void
test_same_for_any_thread_count (void)
{
  ShuFlexiCubesInput in = shapes_features (field_person, 48, 2, 1, 3);
  int before = omp_get_max_threads ();
  g_autoptr (ShuMesh) one = NULL;
  g_autoptr (ShuMesh) many = NULL;

  omp_set_num_threads (1);
  one = shu_flexicubes (&in, NULL);
  omp_set_num_threads (4);
  many = shu_flexicubes (&in, NULL);
  omp_set_num_threads (before);
  g_assert_cmpmem (one->pos, 12 * one->n_verts, many->pos, 12 * many->n_verts);
  g_assert_cmpmem (
      one->attr, 24 * one->n_verts, many->attr, 24 * many->n_verts);
  g_assert_cmpmem (
      one->faces, 12 * one->n_faces, many->faces, 12 * many->n_faces);
  shapes_features_clear (&in);
}

static void
test_rows_may_be_in_any_order (void)
{
  ShuFlexiCubesInput in = shapes_features (field_sphere, 12, 2, 0.5, 3);
  g_autoptr (ShuMesh) want = shu_flexicubes (&in, NULL);
  g_autoptr (ShuMesh) got = NULL;
  g_autofree gint32 *coords = g_new (gint32, 4 * in.n_cells);
  g_autofree float *feats = g_new (float, 53 * in.n_cells);
  ShuFlexiCubesInput back = {.resolution = 12,
      .n_cells = in.n_cells,
      .coords = coords,
      .coord_stride = 4,
      .n_channels = 53,
      .feats = feats};

  for (int i = 0; i < in.n_cells; i++) {
    int from = in.n_cells - 1 - i;

    coords[4 * i] = 0;
    memcpy (coords + 4 * i + 1, in.coords + 3 * from, 12);
    memcpy (feats + 53 * i, in.feats + 101 * from, 53 * sizeof (float));
  }
  got = shu_flexicubes (&back, NULL);
  g_assert_null (got->attr);
  g_assert_cmpmem (got->pos, 12 * got->n_verts, want->pos, 12 * want->n_verts);
  g_assert_cmpmem (
      got->faces, 12 * got->n_faces, want->faces, 12 * want->n_faces);
  shapes_features_clear (&in);
}

/* ---- on a GPU ---- */

static ShuCtx *
gpu (void)
{
  g_autoptr (GError) error = NULL;
  ShuCtx *c = shu_ctx_new ("cuda", &error);

  if (!c)
    g_test_skip (error->message);
  return c;
}

static ShuMesh *
extract_on (ShuCtx *c, const ShuFlexiCubesInput *in, GError **error)
{
  SHU_SCOPE (c);
  gint64 n = in->n_cells;

  return shu_flexicubes_on_device (c, in->resolution,
      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (n, 3), in->coords),
      shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (n, in->n_channels), in->feats),
      error);
}

/* @in with numbers that f16 has */
static void
check_on_device (ShuCtx *c, ShuFlexiCubesInput *in)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuMesh) got = NULL;
  g_autoptr (ShuMesh) want = NULL;
  gsize n = (gsize) in->n_cells * in->n_channels;
  g_autofree guint16 *half = g_new (guint16, n);

  shu_f32_to_f16_n (in->feats, half, n);
  shu_f16_to_f32_n (half, (float *) in->feats, n);
  want = shu_flexicubes (in, &error);
  g_assert_no_error (error);
  got = extract_on (c, in, &error);
  g_assert_no_error (error);
  g_assert_cmpint (got->n_verts, ==, want->n_verts);
  g_assert_cmpint (got->n_faces, ==, want->n_faces);
  g_assert_cmpmem (got->faces, 12 * (gsize) got->n_faces, want->faces,
      12 * (gsize) want->n_faces);
  for (int i = 0; i < 3 * got->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (got->pos[i], want->pos[i], 1e-7);
  for (int i = 0; i < 6 * got->n_verts; i++)
    g_assert_cmpfloat_with_epsilon (got->attr[i], want->attr[i], 1e-6);
}

static void
test_device (void)
{
  g_autoptr (ShuCtx) c = gpu ();

  for (int seed = 0; c && seed < 8; seed++) {
    ShuFlexiCubesInput in =
        seed < 4 ? shapes_features (field_sphere, 7, 100, 0, seed)
                 : shapes_features (seed % 2 ? field_torus : field_person,
                       seed == 6 ? 96 : 9 + seed, 1.5, 1.5, seed);
    g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

    for (int i = 0; seed < 4 && i < in.n_cells * 101; i++)
      ((float *) in.feats)[i] = g_rand_double_range (rand, -1, 1);
    check_on_device (c, &in);
    shapes_features_clear (&in);
  }
}

static void
test_device_bad_input (void)
{
  g_autoptr (ShuCtx) c = gpu ();
  gint32 coords[6] = {1, 1, 1, 2, 1, 1};
  float feats[202];
  ShuFlexiCubesInput in = {4, 2, coords, 3, 101, feats};

  const struct {
    int x;
    float feature;
    const char *words;
  } rows[] = {
      {2, 1, "no surface"},
      {4, 1, "outside"},
      {-1, 1, "outside"},
      {1, 1, "twice"},
      {2, INFINITY, "not finite"},
  };

  for (gsize i = 0; c && i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    coords[3] = rows[i].x;
    for (int k = 0; k < 202; k++)
      feats[k] = rows[i].feature;
    g_assert_null (extract_on (c, &in, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    g_assert_nonnull (strstr (error->message, rows[i].words));
  }
}

static void
expect_error (const ShuFlexiCubesInput *in, int code, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_flexicubes (in, &error));
  g_assert_error (error, SHU_ERROR, code);
  g_assert_nonnull (strstr (error->message, words));
}

static void
test_bad_input (void)
{
  gint32 coords[6] = {1, 1, 1, 2, 1, 1};
  float feats[202];
  ShuFlexiCubesInput in = {4, 2, coords, 3, 101, feats}, bad;

  for (int i = 0; i < 202; i++)
    feats[i] = 1;
  expect_error (&in, SHU_ERROR_INVALID, "no surface");
  for (int i = 0; i < 202; i++)
    feats[i] = -1; /* inside, bounded by what no cell touches */
  bad = in;
  {
    g_autoptr (ShuMesh) mesh = shu_flexicubes (&in, NULL);

    g_assert_cmpint (shapes_facts (mesh).n_border, ==, 0);
  }
  bad.n_cells = 0;
  expect_error (&bad, SHU_ERROR_INVALID, "no cells");
  bad = in;
  bad.resolution = 100000;
  expect_error (&bad, SHU_ERROR_LIMIT, "resolution");
  bad = in;
  bad.n_channels = 52;
  expect_error (&bad, SHU_ERROR_INVALID, "channels");
  coords[3] = 4;
  expect_error (&in, SHU_ERROR_INVALID, "outside");
  coords[3] = -1;
  expect_error (&in, SHU_ERROR_INVALID, "outside");
  coords[3] = 1;
  expect_error (&in, SHU_ERROR_INVALID, "twice");
  coords[3] = 2;
  feats[150] = NAN;
  expect_error (&in, SHU_ERROR_INVALID, "finite");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/flexicubes/shells_equal_dense", test_shells);
  g_test_add_func ("/geometry/flexicubes/noise_equals_dense", test_noise);
  g_test_add_func ("/geometry/flexicubes/body_is_closed", test_body_is_closed);
  g_test_add_func ("/geometry/flexicubes/same_for_any_thread_count",
      test_same_for_any_thread_count);
  g_test_add_func (
      "/geometry/flexicubes/rows_in_any_order", test_rows_may_be_in_any_order);
  g_test_add_func ("/geometry/flexicubes/bad_input", test_bad_input);
  g_test_add_func ("/geometry/flexicubes/device", test_device);
  g_test_add_func (
      "/geometry/flexicubes/device_bad_input", test_device_bad_input);
  return g_test_run ();
}
