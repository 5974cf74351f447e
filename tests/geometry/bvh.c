/* SPDX-License-Identifier: MIT */
/* Lines and nearest places against a look at every face. */
#include "geometry/bvh.h"
#include "shapes.h"
#include <math.h>
#include <string.h>

static void
random_unit (GRand *rand, float *ret)
{
  double v[3], length;

  do {
    length = 0;
    for (int k = 0; k < 3; k++) {
      v[k] = g_rand_double_range (rand, -1, 1);
      length += v[k] * v[k];
    }
  } while (length > 1 || length < 1e-3);
  for (int k = 0; k < 3; k++)
    ret[k] = (float) (v[k] / sqrt (length));
}

/* One face alone is what the search says of it, so the nearest of all is the
 * nearest of each. */
static gboolean
look_at_each (const ShuMesh *m, ShuBvh **each, gboolean line, const float *p,
    const float *axis, float reach, ShuBvhHit *ret)
{
  gboolean found = FALSE;

  for (int f = 0; f < m->n_faces; f++) {
    ShuBvhHit hit;

    if (!(line ? shu_bvh_line (each[f], p, axis, reach, -1, &hit)
               : shu_bvh_nearest (each[f], p, axis, reach, -1, &hit)))
      continue;
    hit.face = f;
    if (!found || fabsf (hit.distance) < fabsf (ret->distance))
      *ret = hit;
    found = TRUE;
  }
  return found;
}

static void
finds_what_is_closest (void)
{
  g_autoptr (ShuMesh) m = shapes_extract (field_torus, 14, 1.8, 0, 0);
  ShuBvh **each = g_new (ShuBvh *, m->n_faces);
  g_autoptr (ShuBvh) bvh = shu_bvh_new (m);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  int n_found[2] = {0}, leaf = -1;

  for (int f = 0; f < m->n_faces; f++) {
    ShuMesh one = *m;

    one.n_faces = 1;
    one.faces = m->faces + 3 * f;
    each[f] = shu_bvh_new (&one);
  }
  for (int i = 0; i < 2000; i++) {
    gboolean line = i & 1, found, expected;
    float p[3], axis[3], reach = (float) g_rand_double_range (rand, 0, 0.3);
    ShuBvhHit a = {0}, b = {0};

    for (int k = 0; k < 3; k++)
      p[k] = (float) g_rand_double_range (rand, -0.5, 0.5);
    random_unit (rand, axis);
    found = line ? shu_bvh_line (bvh, p, axis, reach, leaf, &a)
                 : shu_bvh_nearest (bvh, p, axis, reach, leaf, &a);
    expected = look_at_each (m, each, line, p, axis, reach, &b);
    g_assert_cmpint (found, ==, expected);
    if (!found)
      continue;
    n_found[line]++;
    g_assert_cmpint (a.face, ==, b.face);
    b.leaf = leaf = a.leaf;
    g_assert_cmpmem (&a, sizeof a, &b, sizeof b);
    g_assert_cmpfloat (fabsf (a.distance), <=, reach);
  }
  g_assert_cmpint (MIN (n_found[0], n_found[1]), >, 50);
  for (int f = 0; f < m->n_faces; f++)
    shu_bvh_free (each[f]);
  g_free (each);
}

/* What is found is where it is said to be. */
static void
places_are_right (void)
{
  g_autoptr (ShuMesh) m = shapes_sphere ((double[]){0, 0, 0}, 0.3, 60);
  g_autoptr (ShuBvh) bvh = shu_bvh_new (m);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);

  for (int i = 0; i < 3000; i++) {
    float axis[3], p[3], q[3] = {0};
    double radius = g_rand_double_range (rand, 0.2, 0.4), r = 0;
    ShuBvhHit hit;

    random_unit (rand, axis);
    for (int k = 0; k < 3; k++)
      p[k] = (float) radius * axis[k];
    g_assert_true (shu_bvh_line (bvh, p, axis, 0.15f, -1, &hit));
    g_assert_cmpfloat_with_epsilon (hit.distance, 0.3 - radius, 0.004);
    for (int k = 0; k < 3; k++) {
      const gint32 *f = m->faces + 3 * hit.face;
      float w[3] = {1 - hit.bary[0] - hit.bary[1], hit.bary[0], hit.bary[1]};

      for (int c = 0; c < 3; c++)
        q[k] += w[c] * m->pos[3 * f[c] + k];
      g_assert_cmpfloat_with_epsilon (
          q[k], p[k] + hit.distance * axis[k], 1e-5);
    }
    g_assert_true (shu_bvh_nearest (bvh, p, axis, 0.15f, -1, &hit));
    g_assert_cmpfloat_with_epsilon (hit.distance, fabs (0.3 - radius), 0.004);
    /* the other side of the sphere turns its back */
    for (int k = 0; k < 3; k++) {
      axis[k] = -axis[k];
      r += p[k] * p[k];
    }
    g_assert_false (shu_bvh_line (bvh, p, axis, 0.15f, -1, &hit));
    g_assert_cmpfloat_with_epsilon (sqrt (r), radius, 1e-6);
  }
}

/* No faces, faces without area, one face: no crash, nothing found that is not
 * there. */
static void
odd_meshes (void)
{
  for (int n = 0; n < 3; n++) {
    g_autoptr (ShuMesh) m = shu_mesh_new (3, n, FALSE, FALSE);
    float p[3] = {0.2f, 0.2f, 0.1f}, up[3] = {0, 0, 1};
    ShuBvhHit hit;

    memcpy (m->pos, (float[]){0, 0, 0, 1, 0, 0, 0, 1, 0}, 36);
    for (int f = 0; f < n; f++)
      memcpy (
          m->faces + 3 * f, f ? (gint32[]){1, 1, 2} : (gint32[]){0, 1, 2}, 12);
    g_autoptr (ShuBvh) bvh = shu_bvh_new (m);
    g_assert_cmpint (shu_bvh_line (bvh, p, up, 1, -1, &hit), ==, n > 0);
    g_assert_cmpint (shu_bvh_nearest (bvh, p, up, 1, -1, &hit), ==, n > 0);
    g_assert_false (shu_bvh_nearest (bvh, p, up, 0.09f, -1, &hit));
    if (n)
      g_assert_cmpfloat_with_epsilon (hit.bary[0], 0.2, 1e-6);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/bvh/finds_what_is_closest", finds_what_is_closest);
  g_test_add_func ("/geometry/bvh/places_are_right", places_are_right);
  g_test_add_func ("/geometry/bvh/odd_meshes", odd_meshes);
  return g_test_run ();
}
