/* SPDX-License-Identifier: MIT */
#include "atlas_bodies.h"
#include "atlas_check.h"
#include "base/error.h"
#include "geometry/atlas.h"
#include "shapes.h"
#include <math.h>
#include <omp.h>
#include <string.h>

static ShuMesh *
unwrap (const ShuMesh *mesh, int size, ShuAtlasReport *report)
{
  ShuAtlasParams params = {.size = size};
  g_autoptr (GError) error = NULL;
  ShuMesh *out = shu_atlas (mesh, &params, report, NULL, &error);

  g_assert_no_error (error);
  return out;
}

static void
tell (const char *name, const ShuMesh *m, const ShuAtlasReport *r)
{
  g_test_message ("%s: %d faces, %d charts, %.1f %%, stretch %.3f, %.3f", name,
      m->n_faces, r->n_charts, 100 * r->utilisation, r->stretch_median,
      r->stretch_p99);
}

static void
analytic_bodies_have_no_folds (void)
{
  const double origin[3] = {0, 0, 0};

  for (int body = 0; body < 3; body++) {
    g_autoptr (ShuMesh) m = body == 0 ? shapes_sphere (origin, 0.4, 24)
                            : body == 1
                                ? shapes_extract (field_torus, 40, 2, 0, 1)
                                : shapes_extract (field_person, 48, 2, 0.1, 2);
    for (int size = 256; size <= 512; size *= 2) {
      ShuAtlasReport report;
      g_autoptr (ShuMesh) out = unwrap (m, size, &report);
      tell ("body", m, &report);
      check_atlas (m, out, size, size / 128);
      g_assert_cmpint (report.n_doubles, ==, 0);
      g_assert_cmpfloat (report.stretch_median, <=, 1.25);
      g_assert_cmpfloat (report.stretch_p99, <=, 2.5);
    }
  }
}

static void
person_has_few_charts (void)
{
  g_autoptr (ShuMesh) m = bodies_person (15000);
  ShuAtlasReport report;
  g_autoptr (ShuMesh) out = unwrap (m, 1024, &report);

  tell ("person", m, &report);
  check_atlas (m, out, 1024, 8);
  g_assert_cmpint (report.n_charts, <=, 60);
  g_assert_cmpfloat (report.utilisation, >=, 0.7);
  g_assert_cmpfloat (report.stretch_median, <=, 1.25);
  g_assert_cmpfloat (report.stretch_p99, <=, 2.5);
}

/* Faces in any order, borders, edges of three faces, faces without area. */
static void
any_mesh_is_unwrapped (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (ShuMesh) m = shu_mesh_new (60, 120, TRUE, FALSE);
  ShuAtlasReport report;

  for (int i = 0; i < 3 * 60; i++)
    m->pos[i] = (float) g_rand_double_range (rand, -0.5, 0.5);
  for (int i = 0; i < 6 * 60; i++)
    m->attr[i] = (float) g_rand_double (rand);
  for (int i = 0; i < 3 * 120; i++)
    m->faces[i] = g_rand_int_range (rand, 0, 60);
  g_autoptr (ShuMesh) out = unwrap (m, 512, &report);
  g_assert_cmpint (report.n_doubles, ==, 0);
  for (int i = 0; i < 3 * 120; i++)
    for (int k = 0; k < 6; k++)
      g_assert_cmpfloat (
          out->attr[6 * out->faces[i] + k], ==, m->attr[6 * m->faces[i] + k]);
}

/* Texels per area of the head's front against the legs'. */
static void
face_gets_more_texels (void)
{
  g_autoptr (ShuMesh) m = bodies_person (6000);
  double ratio[2];

  for (int run = 0; run < 2; run++) {
    ShuAtlasParams params = {.size = 512, .face_detail = run ? 2 : 1};
    g_autoptr (ShuMesh) out = shu_atlas (m, &params, NULL, NULL, NULL);
    double texels[2] = {0}, area[2] = {0};
    for (int i = 0; i < m->n_faces; i++) {
      const gint32 *f = out->faces + 3 * i;
      const float *p[3], *q[3];
      for (int k = 0; k < 3; k++) {
        p[k] = out->pos + 3 * f[k];
        q[k] = out->uv + 2 * f[k];
      }
      int part = p[0][2] > 0.36f && p[0][1] < -0.05f ? 0
                 : p[0][2] < -0.2f                   ? 1
                                                     : -1;
      if (part < 0)
        continue;
      double e[2][3], n[3];
      for (int k = 0; k < 3; k++) {
        e[0][k] = p[1][k] - p[0][k];
        e[1][k] = p[2][k] - p[0][k];
      }
      for (int k = 0; k < 3; k++)
        n[k] = e[0][(k + 1) % 3] * e[1][(k + 2) % 3] -
               e[0][(k + 2) % 3] * e[1][(k + 1) % 3];
      area[part] += sqrt (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
      texels[part] += ((double) q[1][0] - q[0][0]) * (q[2][1] - q[0][1]) -
                      ((double) q[1][1] - q[0][1]) * (q[2][0] - q[0][0]);
    }
    ratio[run] = texels[0] / area[0] / (texels[1] / area[1]);
  }
  g_assert_cmpfloat_with_epsilon (ratio[0], 1, 0.25);
  g_assert_cmpfloat (ratio[1], >, 2.5 * ratio[0]);
}

static void
threads_do_not_matter (void)
{
  g_autoptr (ShuMesh) m = bodies_person (3000);
  int n_threads = omp_get_max_threads ();
  ShuAtlasReport report;
  g_autoptr (ShuMesh) a = unwrap (m, 512, &report);

  omp_set_num_threads (n_threads > 1 ? 1 : 2);
  g_autoptr (ShuMesh) b = unwrap (m, 512, &report);
  omp_set_num_threads (n_threads);
  g_assert_cmpint (a->n_verts, ==, b->n_verts);
  g_assert_cmpmem (a->uv, 8 * a->n_verts, b->uv, 8 * b->n_verts);
  g_assert_cmpmem (a->faces, 12 * a->n_faces, b->faces, 12 * b->n_faces);
}

/* The three corners of one triangle. */
static const struct {
  const char *name;
  float pos[9];
  gboolean ok;
} triangles[] = {
    {"plain", {0, 0, 0, 1, 0, 0, 0, 1, 0}, TRUE},
    {"small", {0, 0, 0, 1e-6f, 0, 0, 0, 1e-6f, 0}, TRUE},
    {"a sliver", {0, 0, 0, 1, 0, 0, 0.5f, 1e-5f, 0}, TRUE},
    {"a point", {0}, FALSE},
    {"a line", {0, 0, 0, 1, 1, 1, 2, 2, 2}, FALSE},
    {"not a number", {0, 0, 0, 1, 0, 0, 0, NAN, 0}, FALSE},
    {"infinite", {0, 0, 0, INFINITY, 0, 0, 0, 1, 0}, FALSE},
    {"too large", {0, 0, 0, 1e30f, 0, 0, 0, 1e30f, 0}, FALSE},
};

static void
one_triangle_is_unwrapped_or_an_error (void)
{
  const ShuAtlasParams small = {.size = 256};

  for (gsize i = 0; i < G_N_ELEMENTS (triangles); i++) {
    g_autoptr (ShuMesh) m = shu_mesh_new (3, 1, FALSE, FALSE);
    g_autoptr (ShuMesh) out = NULL;
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", triangles[i].name);
    memcpy (m->pos, triangles[i].pos, 9 * sizeof (float));
    memcpy (m->faces, (gint32[]){0, 1, 2}, 12);
    out = shu_atlas (m, triangles[i].ok ? &small : NULL, NULL, NULL, &error);
    if (triangles[i].ok) {
      g_assert_no_error (error);
      check_atlas (m, out, small.size, small.size / 128);
    } else {
      g_assert_null (out);
      g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
    }
  }
}

static void
no_face_is_an_error (void)
{
  g_autoptr (ShuMesh) m = shu_mesh_new (3, 0, FALSE, FALSE);
  g_autoptr (GError) error = NULL;

  memset (m->pos, 0, 9 * sizeof (float));
  g_assert_null (shu_atlas (m, NULL, NULL, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

/* Strips beside a large square, so narrow that the last digit of a coordinate
 * is wider. */
static void
narrow_faces_keep_an_area (void)
{
  enum { STRIPS = 4 };

  g_autoptr (ShuMesh) m =
      shu_mesh_new (2 * STRIPS + 4, 2 * STRIPS + 2, FALSE, FALSE);

  for (int i = 0; i < m->n_verts; i++) {
    m->pos[3 * i] = i % 2 ? 5.0f : 0;
    m->pos[3 * i + 1] = i < 2 ? -5.0f : 1e-7f * (float) (i / 2 - 1);
    m->pos[3 * i + 2] = 0;
  }
  for (int i = 0; i <= STRIPS; i++)
    memcpy (m->faces + 6 * i,
        (gint32[]){
            2 * i, 2 * i + 1, 2 * i + 2, 2 * i + 2, 2 * i + 1, 2 * i + 3},
        24);
  for (int size = 256; size <= 1024; size *= 2) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuMesh) out =
        shu_atlas (m, &(ShuAtlasParams){.size = size}, NULL, NULL, &error);

    g_assert_no_error (error);
    check_atlas (m, out, size, size / 128);
  }
}

/* A fan of triangles a thousand times as long as wide, and the same loose. */
static void
slivers_are_unwrapped (void)
{
  enum { N = 4000 };

  for (int loose = 0; loose < 2; loose++) {
    int n = loose ? 60 : N;
    g_autoptr (ShuMesh) m = shu_mesh_new (3 * n, n, FALSE, FALSE);
    g_autoptr (ShuMesh) out = NULL;
    ShuAtlasReport report;

    for (int i = 0; i < n; i++)
      for (int k = 0; k < 3; k++) {
        double a = 2 * G_PI * (i + (k == 2)) / N;
        float *p = m->pos + 3 * (3 * i + k);
        p[0] = k ? (float) (0.4 * cos (a)) : 0;
        p[1] = k ? (float) (0.4 * sin (a)) : 0;
        p[2] = k ? 0.1f * (i & 1) * loose : 0;
        m->faces[3 * i + k] = loose    ? 3 * i + k
                              : k == 0 ? 0
                              : k == 1 ? 3 * i + 1
                                       : (3 * i + 4) % (3 * N);
      }
    out = unwrap (m, 512, &report);
    check_atlas (m, out, 512, 4);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/atlas/analytic_bodies_have_no_folds",
      analytic_bodies_have_no_folds);
  g_test_add_func (
      "/geometry/atlas/person_has_few_charts", person_has_few_charts);
  g_test_add_func (
      "/geometry/atlas/any_mesh_is_unwrapped", any_mesh_is_unwrapped);
  g_test_add_func (
      "/geometry/atlas/face_gets_more_texels", face_gets_more_texels);
  g_test_add_func (
      "/geometry/atlas/threads_do_not_matter", threads_do_not_matter);
  g_test_add_func ("/geometry/atlas/one_triangle_is_unwrapped_or_an_error",
      one_triangle_is_unwrapped_or_an_error);
  g_test_add_func ("/geometry/atlas/no_face_is_an_error", no_face_is_an_error);
  g_test_add_func (
      "/geometry/atlas/narrow_faces_keep_an_area", narrow_faces_keep_an_area);
  g_test_add_func (
      "/geometry/atlas/slivers_are_unwrapped", slivers_are_unwrapped);
  return g_test_run ();
}
