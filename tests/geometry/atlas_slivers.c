/* SPDX-License-Identifier: MIT */
#include "geometry/atlas_private.h"
#include <string.h>

/* A narrow face and two that are lines share a corner: moved the shortest way,
 * which the lines ask for, it would make a line of the narrow one. */
static void
raised_faces_flatten_no_larger_ones (void)
{
  static const gint8 at[7][2] = {
      {0, 0}, {-1, 100}, {-1, -100}, {0, -50}, {0, 50}, {0, -30}, {0, 30}};
  static const float areas[2][3] = {{1, 0.1f, 0.2f}, {0.1f, 0.2f, 1}};

  for (int i = 0; i < 2; i++) {
    g_autoptr (ShuMesh) m = shu_mesh_new (7, 3, FALSE, TRUE);

    for (int k = 0; k < 14; k++)
      m->uv[k] = 0.75f + at[k / 2][k % 2] * 0x1p-24f;
    memcpy (m->faces, (gint32[]){0, 1, 2, 0, 3, 4, 0, 5, 6}, 36);
    g_assert_true (shu_atlas_raise_slivers (m, areas[i]));
    for (int f = 0; f < 3; f++) {
      const float *a = m->uv + 2 * m->faces[3 * f];
      const float *b = m->uv + 2 * m->faces[3 * f + 1];
      const float *c = m->uv + 2 * m->faces[3 * f + 2];

      g_assert_cmpfloat (
          (b[0] - a[0]) * (c[1] - a[1]), >, (b[1] - a[1]) * (c[0] - a[0]));
    }
    /* the corner of all three */
    g_assert_true ((m->uv[0] == 0.75f) == (i == 0));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/atlas_slivers/raised_faces_flatten_no_larger_ones",
      raised_faces_flatten_no_larger_ones);
  return g_test_run ();
}
