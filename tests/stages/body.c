/* SPDX-License-Identifier: MIT */
/* The body that stands in for a person where weights come from a formula: as
 * many voxels as asked for, and a closed surface. */
#include "stages/body_private.h"
#include "geometry/flexicubes.h"
#include "models/mesh_decoder.h"
#include <math.h>

static const struct {
  int R, n_voxels;
} bodies[] = {{16, 0}, {16, 32}, {16, 200}, {16, 2048}, {24, 1000}, {64, 512},
    {64, 3000}, {64, 6000}, {64, 32768}};

static gint64
cell (const gint32 *row, int R)
{
  return ((gint64) row[1] * R + row[2]) * R + row[3];
}

static void
test_voxels (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++) {
    int R = bodies[i].R, N = bodies[i].n_voxels;
    float size = shu_body_size (R, N);
    g_autoptr (GArray) rows = shu_body_voxels (size, R, N);
    gint64 before = -1;

    g_assert_cmpfloat (size, >=, SHU_BODY_MIN);
    g_assert_cmpfloat (size, <=, SHU_BODY_MAX);
    if (N > 0)
      g_assert_cmpuint (rows->len, ==, 4 * N);
    else
      g_assert_cmpfloat (size, ==, 1);
    for (guint k = 0; k < rows->len; k += 4) {
      const gint32 *row = &g_array_index (rows, gint32, k);

      g_assert_cmpint (row[0], ==, 0);
      for (int axis = 1; axis < 4; axis++) {
        g_assert_cmpint (row[axis], >=, 0);
        g_assert_cmpint (row[axis], <, R);
      }
      g_assert_cmpint (cell (row, R), >, before);
      before = cell (row, R);
    }
  }
}

/* Sizes, away from those that are tried above */
static void
test_inside_of_the_cube (void)
{
  for (float size = SHU_BODY_MIN; size <= SHU_BODY_MAX; size += 0.05f)
    for (int side = 0; side < 6; side++)
      for (int i = 0; i < 40 * 40; i++) {
        float p[3];

        p[side % 3] = side < 3 ? -0.5f : 0.5f;
        p[(side + 1) % 3] = (float) (i % 40) / 39 - 0.5f;
        p[(side + 2) % 3] = (float) (i / 40) / 39 - 0.5f;
        g_assert_cmpfloat (shu_body_distance (size, p), >, 0);
      }
}

/* Each edge of a face is that of one other, the other way round. */
static gboolean
is_closed (const ShuMesh *m)
{
  g_autoptr (GHashTable) edges =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (int f = 0; f < m->n_faces; f++)
    for (int k = 0; k < 3; k++) {
      gint64 a = m->faces[3 * f + k], b = m->faces[3 * f + (k + 1) % 3];
      gint64 edge = a << 32 | b;

      if (!g_hash_table_add (edges, g_memdup2 (&edge, sizeof edge)))
        return FALSE;
    }
  for (int f = 0; f < m->n_faces; f++)
    for (int k = 0; k < 3; k++) {
      gint64 a = m->faces[3 * f + k], b = m->faces[3 * f + (k + 1) % 3];
      gint64 edge = b << 32 | a;

      if (!g_hash_table_contains (edges, &edge))
        return FALSE;
    }
  return TRUE;
}

static void
test_closed (void)
{
  enum { C = 53 };

  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++) {
    int R = bodies[i].R, N = bodies[i].n_voxels;
    float size = shu_body_size (R, N);
    g_autoptr (GArray) rows = shu_body_voxels (size, R, N);
    ShuVoxels voxels = {rows->len / 4, 4, (gint32 *) rows->data};
    int n = SHU_MESH_DECODER_GRANDCHILDREN * voxels.n;
    g_autofree gint32 *coords = g_new (gint32, (gsize) 4 * n);
    g_autofree gint32 *xyz = g_new (gint32, (gsize) 3 * n);
    g_autofree float *feats = g_new (float, (gsize) C *n);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuMesh) mesh = NULL;

    if (N > 6000)
      continue; /* takes long, and is a body of 6000 with more around it */
    shu_mesh_decoder_coords (&voxels, coords);
    for (int k = 0; k < n; k++)
      for (int axis = 0; axis < 3; axis++)
        xyz[3 * k + axis] = coords[4 * k + 1 + axis];
    shu_body_set_distances (size, 4 * R, n, xyz, C, feats);
    mesh = shu_flexicubes (&(ShuFlexiCubesInput){.resolution = 4 * R,
                               .n_cells = n,
                               .coords = xyz,
                               .coord_stride = 3,
                               .n_channels = C,
                               .feats = feats},
        &error);
    g_assert_no_error (error);
    if (!is_closed (mesh))
      g_error ("%d voxels at %d^3: the surface is open", N, R);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/body/as_many_voxels", test_voxels);
  g_test_add_func ("/stages/body/inside_of_the_cube", test_inside_of_the_cube);
  g_test_add_func ("/stages/body/closed", test_closed);
  return g_test_run ();
}
