/* SPDX-License-Identifier: MIT */
#include "geometry/order.h"
#include "atlas_bodies.h"
#include "geometry/paint.h"
#include <math.h>
#include <string.h>

/* A mesh with its faces thrown about. */
static ShuMesh *
shuffle (ShuMesh *m)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (int i = m->n_faces - 1; i > 0; i--) {
    gint32 *a = m->faces + 3 * (gsize) i, keep[3];
    gint32 *b = m->faces + 3 * (gsize) g_rand_int_range (rand, 0, i + 1);

    memcpy (keep, a, sizeof keep);
    memcpy (a, b, sizeof keep);
    memcpy (b, keep, sizeof keep);
  }
  return m;
}

/* Vertices that a first-in-first-out cache of @size loads for each face */
static double
loads_per_face (const ShuMesh *m, int size)
{
  g_autofree int *at = g_new0 (int, m->n_verts);
  int time = size + 1, n = 0;

  for (gsize i = 0; i < 3 * (gsize) m->n_faces; i++)
    if (time - at[m->faces[i]] > size) {
      at[m->faces[i]] = time++;
      n++;
    }
  return (double) n / m->n_faces;
}

enum { SIDE = 96 };

/* Pixels written for each one seen, faces drawn in their order, depth tested,
 * looking along an axis and back. */
static double
overdraw (const ShuMesh *m)
{
  gint64 written = 0, seen = 0;

  for (int side = 0; side < 6; side++) {
    int x = (side / 2 + 1) % 3, y = (side / 2 + 2) % 3, z = side / 2;
    float sign = side % 2 ? 1 : -1;
    g_autofree float *depth = g_new (float, SIDE *SIDE);

    for (int i = 0; i < SIDE * SIDE; i++)
      depth[i] = G_MAXFLOAT;
    for (int f = 0; f < m->n_faces; f++) {
      const gint32 *v = m->faces + 3 * (gsize) f;
      float p[3][3], lo[2] = {SIDE, SIDE}, hi[2] = {0, 0};

      for (int k = 0; k < 3; k++) {
        const float *q = m->pos + 3 * (gsize) v[k];
        p[k][0] = (q[x] + 0.5f) * SIDE;
        p[k][1] = (q[y] + 0.5f) * SIDE;
        p[k][2] = sign * q[z];
        for (int i = 0; i < 2; i++) {
          lo[i] = MIN (lo[i], p[k][i]);
          hi[i] = MAX (hi[i], p[k][i]);
        }
      }
      float area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) -
                   (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
      if (area * sign >= 0) /* its back, or its edge */
        continue;
      for (int j = MAX (0, (int) lo[1]); j < MIN (SIDE, hi[1] + 1); j++)
        for (int i = MAX (0, (int) lo[0]); i < MIN (SIDE, hi[0] + 1); i++) {
          float b[3], d = 0;
          for (int k = 0; k < 3; k++) {
            const float *s = p[(k + 1) % 3], *t = p[(k + 2) % 3];
            b[k] = ((t[0] - s[0]) * (j + 0.5f - s[1]) -
                       (i + 0.5f - s[0]) * (t[1] - s[1])) /
                   area;
            d += b[k] * p[k][2];
          }
          if (b[0] < 0 || b[1] < 0 || b[2] < 0 || d >= depth[j * SIDE + i])
            continue;
          seen += depth[j * SIDE + i] == G_MAXFLOAT;
          depth[j * SIDE + i] = d;
          written++;
        }
    }
  }
  return (double) written / seen;
}

static int
compare_faces (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, 9 * sizeof (float));
}

/* Corners of all faces, each face from its least corner on, sorted: what does
 * not depend on any order. */
static float *
corners (const ShuMesh *m)
{
  float *out = g_new (float, 9 * (gsize) m->n_faces);

  for (gsize f = 0; f < (gsize) m->n_faces; f++) {
    const gint32 *v = m->faces + 3 * f;
    int first = 0;

    for (int k = 1; k < 3; k++)
      if (memcmp (
              m->pos + 3 * (gsize) v[k], m->pos + 3 * (gsize) v[first], 12) < 0)
        first = k;
    for (int k = 0; k < 3; k++)
      memcpy (out + 9 * f + 3 * k, m->pos + 3 * (gsize) v[(first + k) % 3], 12);
  }
  qsort (out, m->n_faces, 9 * sizeof (float), compare_faces);
  return out;
}

static ShuMesh *
body (void)
{
  return shuffle (bodies_person (40000));
}

static void
keeps_the_surface (void)
{
  g_autoptr (ShuMesh) m = body ();
  g_autoptr (ShuMesh) a = shu_mesh_reorder (m), b = shu_mesh_reorder (m);
  g_autofree float *before = corners (m), *after = corners (a);
  int n_used = 0;

  g_assert_cmpmem (
      before, 36 * (gsize) m->n_faces, after, 36 * (gsize) a->n_faces);
  g_assert_cmpmem (
      a->faces, 12 * (gsize) a->n_faces, b->faces, 12 * (gsize) b->n_faces);
  /* vertices by first use */
  for (gsize i = 0; i < 3 * (gsize) a->n_faces; i++) {
    g_assert_cmpint (a->faces[i], <=, n_used);
    n_used = MAX (n_used, a->faces[i] + 1);
  }
  g_assert_cmpint (n_used, ==, a->n_verts);
}

static void
serves_the_cache (void)
{
  g_autoptr (ShuMesh) m = body ();
  g_autoptr (ShuMesh) a = shu_mesh_reorder (m);

  g_test_message ("%d faces: loads per face %.3f -> %.3f (16), %.3f -> %.3f "
                  "(32); overdraw %.3f -> %.3f",
      m->n_faces, loads_per_face (m, 16), loads_per_face (a, 16),
      loads_per_face (m, 32), loads_per_face (a, 32), overdraw (m),
      overdraw (a));
  g_assert_cmpfloat (loads_per_face (a, 16), <, 0.8);
  g_assert_cmpfloat (loads_per_face (a, 32), <, 0.72);
  g_assert_cmpfloat (overdraw (a) - 1, <, 0.75 * (overdraw (m) - 1));
}

static void
odd_meshes_are_survived (void)
{
  static const gint32 faces[][6] = {
      {0, 1, 2, 0, 1, 2}, {0, 0, 0, 0, 0, 1}, {5, 4, 3, 3, 4, 5}};

  for (gsize i = 0; i < G_N_ELEMENTS (faces); i++) {
    g_autoptr (ShuMesh) m = shu_mesh_new (6, 2, TRUE, TRUE);

    for (int k = 0; k < 36; k++) {
      m->pos[k % 18] = k % 18 * k % 7;
      m->attr[k] = k;
      m->uv[k % 12] = k % 12 / 12.0f;
    }
    memcpy (m->faces, faces[i], sizeof faces[i]);
    g_autoptr (ShuMesh) a = shu_mesh_reorder (m);
    g_assert_cmpint (a->n_faces, ==, 2);
    g_assert_cmpint (a->n_verts, ==, i == 1 ? 2 : 3);
    g_assert_cmpmem (
        a->attr + 6, 24, m->attr + 6 * faces[i][i == 1 ? 5 : 1], 24);
    m->n_faces = 0;
    g_autoptr (ShuMesh) none = shu_mesh_reorder (m);
    g_assert_cmpint (none->n_faces, ==, 0);
  }
}

/* Two halves of a plane that meet in a seam, each with its own colour; where
 * they meet the mean is right. */
static void
paint_joins_seams (void)
{
  g_autoptr (ShuMesh) m = shu_mesh_new (8, 4, FALSE, TRUE);
  g_autoptr (ShuImage) texture = shu_image_new (64, 64, 3);
  static const gint32 faces[12] = {0, 1, 2, 0, 2, 3, 4, 5, 6, 4, 6, 7};

  for (int i = 0; i < 8; i++) {
    int right = i / 4, x = i % 4 == 1 || i % 4 == 2, y = i % 4 >= 2;

    m->pos[3 * i] = right + x;
    m->pos[3 * i + 1] = 0;
    m->pos[3 * i + 2] = y;
    m->uv[2 * i] = 0.5f * right + (x ? 0.4f : 0.1f);
    m->uv[2 * i + 1] = y ? 0.9f : 0.1f;
  }
  memcpy (m->faces, faces, sizeof faces);
  for (int i = 0; i < 64 * 64; i++)
    memset (texture->data + 3 * i, i % 64 < 32 ? 200 : 100, 3);
  g_autoptr (ShuMesh) painted = shu_mesh_paint (m, texture);
  g_assert_cmpint (painted->n_verts, ==, 6);
  g_assert_cmpint (painted->n_faces, ==, 4);
  g_assert_null (painted->uv);
  for (int i = 0; i < 6; i++) {
    float x = painted->pos[3 * i];
    float want = x < 0.5f ? 200 : x < 1.5f ? 150 : 100;

    g_assert_cmpfloat_with_epsilon (painted->attr[6 * i], want / 255, 1e-3);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/order/keeps_the_surface", keeps_the_surface);
  g_test_add_func ("/geometry/order/serves_the_cache", serves_the_cache);
  g_test_add_func (
      "/geometry/order/odd_meshes_are_survived", odd_meshes_are_survived);
  g_test_add_func ("/geometry/paint/joins_seams", paint_joins_seams);
  return g_test_run ();
}
