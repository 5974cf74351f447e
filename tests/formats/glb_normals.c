/* SPDX-License-Identifier: MIT */
/* Normal maps and tangents in GLB files. */
#include "formats/glb.h"
#include "base/error.h"
#include "formats/photo.h"
#include "formats/picture.h"
#include "geometry/bake_normals.h"
#include "geometry/order.h"
#include "geometry/tangents.h"
#include "geometry/weld.h"
#include "fixtures.h"
#include <math.h>
#include <string.h>

enum { SIZE = 256 };

/* Directions that change slowly, around that of the surface. */
static ShuImage *
waves (int size)
{
  ShuImage *map = shu_image_new (size, size, 3);

  for (int i = 0; i < size * size; i++) {
    float x = 0.3f * sinf (12.f * (i % size) / size);
    float y = 0.3f * cosf (9.f * (i / size) / size);
    float n[3] = {x, y, sqrtf (1 - x * x - y * y)};

    shu_normal_encode (n, map->data + 3 * i);
  }
  return map;
}

/* Mean angle between two maps, degrees */
static double
angle (const ShuImage *a, const ShuImage *b)
{
  double sum = 0;
  int n = a->width * a->height;

  g_assert_cmpint (b->width, ==, a->width);
  for (int i = 0; i < n; i++) {
    float p[3], q[3];
    double dot = 0, pp = 0, qq = 0;

    shu_normal_decode (a->data + 3 * i, p);
    shu_normal_decode (b->data + 3 * i, q);
    for (int k = 0; k < 3; k++) {
      dot += p[k] * q[k];
      pp += p[k] * p[k];
      qq += q[k] * q[k];
    }
    sum += acos (CLAMP (dot / sqrt (pp * qq), -1, 1)) * 180 / G_PI;
  }
  return sum / n;
}

static void
assert_tangents (const ShuGlb *glb, double least)
{
  const ShuMesh *m = glb->mesh;
  g_autofree float *want = g_new (float, 4 * (gsize) m->n_verts);

  shu_mesh_tangents (m, glb->normals, want);
  for (int v = 0; v < m->n_verts; v++) {
    const float *t = glb->tangents + 4 * v, *w = want + 4 * v;
    float cosine = t[0] * w[0] + t[1] * w[1] + t[2] * w[2];
    float length = sqrtf (t[0] * t[0] + t[1] * t[1] + t[2] * t[2]);

    g_assert_cmpfloat_with_epsilon (length, 1, 0.007);
    g_assert_cmpfloat (cosine / length, >, least);
    g_assert_cmpfloat (t[3], ==, w[3]);
  }
}

/* Every format of map beside every format of texture comes back. */
static void
every_way_is_read (void)
{
  static const char *const types[] = {"image/jpeg", "image/png", "image/webp"};
  static const double most[] = {0.8, 0, 1.5};

  g_autoptr (ShuMesh) m = fixture_tube (40);
  g_autoptr (ShuImage) texture = fixture_ramp (SIZE, SIZE), map = waves (SIZE);

  for (int i = 0; i < 32; i++) {
    ShuGlbParams params = {.quantize = i / 16,
        .texture_format = i / 4 % 4,
        .normal_format = i % 4};
    gboolean there = params.texture_format != SHU_TEXTURE_VERTICES &&
                     params.normal_format != SHU_NORMALS_NONE;
    g_autoptr (GError) error = NULL;
    ShuGlbReport r;
    g_autoptr (GBytes) file =
        shu_glb_write (m, texture, map, &params, &r, &error);
    g_assert_no_error (error);
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
    g_assert_no_error (error);
    g_autoptr (GBytes) plain =
        shu_glb_write (m, texture, NULL, &params, NULL, NULL);

    g_assert_false (r.no_normal_map);
    g_assert_true ((glb->normal_map != NULL) == there);
    g_assert_true ((glb->tangents != NULL) == there);
    g_assert_true ((r.normal_bytes > 0) == there);
    g_assert_cmpint (
        r.bytes, ==, r.mesh_bytes + r.texture_bytes + r.normal_bytes);
    g_assert_true (g_bytes_equal (file, plain) == !there);
    if (!there)
      continue;
    g_assert_cmpint (r.normal_bytes, ==, g_bytes_get_size (glb->normal_map));
    g_assert_cmpstr (shu_picture_mime (shu_picture_type (glb->normal_map)), ==,
        types[params.normal_format]);
    g_assert_false (g_bytes_equal (glb->normal_map, glb->texture));
    g_autoptr (ShuImage) back = shu_photo_decode (glb->normal_map, &error);
    g_assert_no_error (error);
    g_assert_cmpfloat (angle (map, back), <=, most[params.normal_format]);
    assert_tangents (glb, params.quantize ? 0.999 : 0.999999);
  }
}

/* What the file says about axes is what the map was made for: the order of
 * vertices, the units and the turn of the model change nothing. */
static void
axes_are_kept (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (24);
  g_autoptr (ShuMesh) ordered = shu_mesh_reorder (m);
  g_autoptr (ShuImage) texture = fixture_ramp (SIZE, SIZE), map = waves (SIZE);
  gsize n = ordered->n_verts;
  g_autofree gint32 *first = g_new (gint32, n);
  g_autofree float *normals = g_new (float, 3 * n);
  g_autofree float *tangents = g_new (float, 4 * n);
  g_autoptr (GBytes) file = shu_glb_write (m, texture, map, NULL, NULL, NULL);
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, NULL);

  shu_mesh_weld (ordered, first);
  shu_mesh_normals_welded (ordered, first, normals);
  shu_mesh_tangents (ordered, normals, tangents);
  g_assert_cmpint (glb->mesh->n_verts, ==, (int) n);
  for (gsize v = 0; v < n; v++) {
    const float *t = tangents + 4 * v;
    const float want[4] = {t[0], t[2], -t[1], t[3]};

    for (int k = 0; k < 4; k++)
      g_assert_cmpfloat_with_epsilon (glb->tangents[4 * v + k], want[k], 1e-5);
  }
}

/* The map gives way with the texture, then altogether. */
static void
limits_are_kept (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (40);
  g_autoptr (ShuImage) texture = fixture_noise (1024, 1024, 3, 5);
  g_autoptr (ShuImage) map = fixture_noise (1024, 1024, 3, 6);
  gboolean gone = FALSE;
  ShuGlbReport r;

  for (guint32 limit = 4000000; limit > 80000; limit = limit * 9 / 10) {
    ShuGlbParams params = {.max_bytes = limit};
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) file =
        shu_glb_write (m, texture, map, &params, &r, &error);
    g_autofree char *text = NULL;

    if (!file) {
      g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
      break;
    }
    g_assert_cmpint (g_bytes_get_size (file), <=, limit);
    g_assert_true (r.no_normal_map == (r.normal_bytes == 0));
    g_assert_true (r.no_normal_map || !gone);
    gone = r.no_normal_map;
    text = shu_glb_report_text (&r);
    if (gone)
      g_assert_nonnull (strstr (text, "normal map is left out"));
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, NULL);
    g_assert_true ((glb->tangents == NULL) == gone);
    if (gone)
      continue;
    g_autoptr (ShuImage) back = shu_photo_decode (glb->normal_map, NULL);
    g_assert_cmpint (back->width, ==, r.texture_size);
  }
  g_assert_true (gone);
}

static void
writer_refuses (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (8);
  g_autoptr (GBytes) text = g_bytes_new_static ("not a picture", 13);
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_glb_encode (m, NULL, text, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "normal map"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/glb_normals/every_way_is_read", every_way_is_read);
  g_test_add_func ("/formats/glb_normals/axes_are_kept", axes_are_kept);
  g_test_add_func ("/formats/glb_normals/limits_are_kept", limits_are_kept);
  g_test_add_func ("/formats/glb_normals/writer_refuses", writer_refuses);
  return g_test_run ();
}
