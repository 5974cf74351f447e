/* SPDX-License-Identifier: MIT */
/* Faces on pixels: every device gives the bits of base/raster.h. */
#include "harness.h"
#include "base/raster.h"
#include "ops/render.h"
#include <math.h>
#include <string.h>

static guint32 noise;

static float
next (void)
{
  noise = noise * 1664525 + 1013904223;
  return (float) (noise >> 8) / (1 << 24) - 0.5f;
}

/* Faces of any size in a cube; in the plane they are within it and beyond. */
typedef struct {
  const char *name;
  int n_verts, n_faces;
  float size;  /* of faces, around where they are */
  float reach; /* of all of them */
} Soup;

static const Soup soups[] = {
    {"one face", 3, 1, 0.5f, 0.5f},
    {"dust", 900, 3000, 0.01f, 1},
    {"leaves", 600, 700, 0.1f, 1},
    {"sheets", 60, 90, 1, 1.2f},
    {"walls", 30, 40, 30, 2},
};

static ShuTensor *
soup_places (ShuCtx *c, const Soup *soup, int n_dims)
{
  ShuTensor *t =
      host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (soup->n_verts, n_dims));
  float *at = t->data, center[3] = {0};

  noise = (guint32) soup->n_verts;
  for (int i = 0; i < soup->n_verts * n_dims; i++) {
    if (i % (3 * n_dims) < n_dims)
      center[i % n_dims] = soup->reach * next () + (n_dims == 2) * 0.5f;
    at[i] = center[i % n_dims] + soup->size * next ();
    if (i % 7 == 0) /* on corners and centres of pixels */
      at[i] = roundf (at[i] * 64) / 64;
  }
  return t;
}

/* Three vertices one after the other, or any; some faces twice */
static ShuTensor *
soup_faces (ShuCtx *c, const Soup *soup)
{
  ShuTensor *t = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS (soup->n_faces, 3));
  gint32 *faces = t->data;

  for (int i = 0; i < 3 * soup->n_faces; i++)
    faces[i] = i < soup->n_verts ? i : (i * 7 + i / 3) % soup->n_verts;
  for (int f = 10; f + 3 < soup->n_faces; f += 10)
    memcpy (faces + 3 * f, faces + 3 * (f - 3), 12);
  return t;
}

/* From outside, from within, and straight along an axis */
static void
set_cameras (int n, ShuCamera *ret)
{
  for (int i = 0; i < n; i++) {
    float yaw = 0.1f + 2.4f * i, pitch = i % 5 * 0.5f - 1;
    float z[3] = {
        sinf (yaw) * cosf (pitch), cosf (yaw) * cosf (pitch), sinf (pitch)};
    float x[3] = {-cosf (yaw), sinf (yaw), 0};
    float y[3] = {z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2],
        z[0] * x[1] - z[1] * x[0]};
    const float *rows[3] = {x, y, z};
    ShuCamera *k = &ret[i];

    *k = (ShuCamera){.perspective = i % 3 != 2,
        .focal = i % 3 == 2 ? 0.8f : 1.4f,
        .cx = 0.5f,
        .cy = i == 1 ? 0.7f : 0.5f};
    for (int r = 0; r < 3; r++)
      memcpy (k->view + 4 * r, rows[r], 12);
    k->view[11] = i % 4 == 3 ? 0.2f : 2;
    k->view[15] = 1;
  }
}

static void
expect_bits (const char *what, ShuCtx *c, ShuTensor *t, gsize first,
    gconstpointer want, gsize n)
{
  const guint32 *got = (const guint32 *) to_host (c, t)->data + first;
  const guint32 *bits = want;

  for (gsize i = 0; i < n; i++)
    if (got[i] != bits[i])
      g_error ("%s: word %zu is %08x, expected %08x", what, i, got[i], bits[i]);
}

static void
check_views (const Soup *soup, int V, int width, int height, guint flags)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  g_autofree ShuCamera *cameras = g_new (ShuCamera, V);
  ShuRasterJob job = {soup_places (c, soup, 3), soup_faces (c, soup), V,
      cameras, width, height, flags};
  ShuTriangles t = {
      job.at->data, job.faces->data, soup->n_verts, soup->n_faces};
  gsize n = (gsize) width * height, n_seen = 0;
  ShuRastered y;

  set_cameras (V, cameras);
  g_assert_true (shu_rasterize (c, &job, &y));
  g_assert_null (y.n_doubles);
  for (int v = 0; v < V; v++) {
    g_autoptr (ShuRaster) r = shu_raster_new (width, height, flags);

    shu_raster_draw (r, &t, &cameras[v], flags, NULL);
    expect_bits (soup->name, c, y.face, v * n, r->face, n);
    if (flags & SHU_RASTER_BARY)
      expect_bits (soup->name, c, y.bary, 2 * v * n, r->bary, 2 * n);
    if (flags & SHU_RASTER_DEPTH)
      expect_bits (soup->name, c, y.depth, v * n, r->depth, n);
    for (gsize i = 0; i < n; i++)
      n_seen += r->face[i] >= 0;
  }
  g_assert_cmpuint (n_seen, >, 0);
}

static void
test_views (void)
{
  guint all = SHU_RASTER_BARY | SHU_RASTER_DEPTH;

  for (guint i = 0; i < G_N_ELEMENTS (soups); i++) {
    check_views (&soups[i], 7, 129, 67, all);
    check_views (&soups[i], 2, 200, 300, SHU_RASTER_CULL);
  }
  check_views (&soups[2], 70, 33, 17, SHU_RASTER_DEPTH); /* in groups */
  check_views (&soups[3], 3, 1, 1, all);
  check_views (&soups[3], 2, 1500, 1500, all);
}

static void
test_plane (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (soups); i++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    const Soup *soup = &soups[i];
    guint flags = SHU_RASTER_BARY | (i % 2 ? SHU_RASTER_CULL : 0);
    ShuRasterJob job = {.at = soup_places (c, soup, 2),
        .faces = soup_faces (c, soup),
        .n_views = 1,
        .width = 257,
        .height = 190,
        .flags = flags};
    g_autoptr (ShuRaster) r = shu_raster_new (257, 190, flags);
    gint64 n_doubles;
    ShuRastered y;

    g_assert_true (shu_rasterize (c, &job, &y));
    shu_raster_draw (r,
        &(ShuTriangles){
            job.at->data, job.faces->data, soup->n_verts, soup->n_faces},
        NULL, flags, &n_doubles);
    expect_bits (soup->name, c, y.face, 0, r->face, 257 * 190);
    expect_bits (soup->name, c, y.bary, 0, r->bary, 2 * 257 * 190);
    g_assert_cmpint (index_at (to_host (c, y.n_doubles), 0), ==, n_doubles);
  }
}

/* Against what whole pictures show, for faces without flags, and against
 * base/ for all */
static void
test_seen (void)
{
  enum { V = 45, SIZE = 90 };

  for (guint i = 0; i < G_N_ELEMENTS (soups); i++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    const Soup *soup = &soups[i];
    int m = soup->n_faces;
    ShuCamera cameras[V];
    ShuTensor *kinds = host_tensor (c, SHU_DTYPE_U8, SHU_DIMS (m));
    ShuSeenJob job = {soup_places (c, soup, 3), soup_faces (c, soup), kinds, V,
        cameras, SIZE, 0.03f};
    ShuTriangles t = {job.at->data, job.faces->data, soup->n_verts, m};
    g_autofree gint32 *want = g_new0 (gint32, m);
    g_autofree gint32 *zeros = g_new0 (gint32, m);
    ShuTensor *counts;
    int n_thin = 0;

    set_cameras (V, cameras);
    for (int plain = 0; plain < 2; plain++) {
      memset (want, 0, m * sizeof *want);
      for (int f = 0; f < m; f++)
        ((guint8 *) kinds->data)[f] = plain ? 0 : f % 4;
      for (int v = 0; plain && v < V; v++) {
        g_autoptr (ShuRaster) r = shu_raster_new (SIZE, SIZE, 0);
        g_autofree guint8 *once = g_new0 (guint8, m);

        shu_raster_draw (r, &t, &cameras[v], 0, NULL);
        for (int p = 0; p < SIZE * SIZE; p++)
          if (r->face[p] >= 0 && !once[r->face[p]]) {
            once[r->face[p]] = 1;
            want[r->face[p]]++;
          }
      }
      for (int v = 0; !plain && v < V; v += SHU_SEEN_VIEWS)
        shu_raster_seen (&t, kinds->data, MIN (SHU_SEEN_VIEWS, V - v),
            cameras + v, SIZE, job.slack, want);
      counts = shu_from_host_as (
          c, SHU_TRAFFIC_MESH, SHU_DTYPE_I32, SHU_DIMS (m), zeros);
      shu_count_seen (c, &job, counts);
      expect_bits (soup->name, c, counts, 0, want, m);
      for (int f = 0; f < m; f++)
        n_thin += !plain && f % 4 >= 2 ? want[f] : 0;
    }
    g_assert_cmpint (n_thin, >, m > 1 ? 0 : -1);
  }
}

/* Places that are nowhere: their faces are left out. */
static void
test_wild_places (void)
{
  static const float wild[] = {
      NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e30f, 1e7f, 0};

  for (guint i = 0; i < G_N_ELEMENTS (wild); i++)
    for (int axis = 0; axis < 3; axis++) {
      g_autoptr (ShuCtx) c = context_new ();
      SHU_SCOPE (c);
      const Soup *soup = &soups[3];
      ShuCamera cameras[6];
      ShuRasterJob job = {soup_places (c, soup, 3), soup_faces (c, soup), 6,
          cameras, 64, 64, SHU_RASTER_DEPTH};
      ShuTriangles t = {
          job.at->data, job.faces->data, soup->n_verts, soup->n_faces};
      ShuRastered y;

      for (int v = 0; v < soup->n_verts; v += 5)
        ((float *) job.at->data)[3 * v + axis] = wild[i];
      set_cameras (6, cameras);
      g_assert_true (shu_rasterize (c, &job, &y));
      for (int v = 0; v < 6; v++) {
        g_autoptr (ShuRaster) r = shu_raster_new (64, 64, 0);

        shu_raster_draw (r, &t, &cameras[v], 0, NULL);
        expect_bits ("wild", c, y.face, v * 4096, r->face, 4096);
        expect_bits ("wild", c, y.depth, v * 4096, r->depth, 4096);
      }
    }
}

static void
test_errors (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  const Soup *soup = &soups[2];
  ShuCamera camera;
  ShuRasterJob job = {
      soup_places (c, soup, 3), soup_faces (c, soup), 1, &camera, 16, 16, 0};
  ShuRasterJob wrong = job;
  ShuRastered y;

  set_cameras (1, &camera);
  wrong.width = 0;
  g_assert_false (shu_rasterize (c, &wrong, &y));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "rasterize", "16384");
  wrong = job;
  wrong.cameras = NULL;
  g_assert_false (shu_rasterize (c, &wrong, &y));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "rasterize", "[n,2]");
  ((gint32 *) job.faces->data)[5] = soup->n_verts;
  shu_rasterize (c, &job, &y);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "rasterize", "vertices", "position 5");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/raster/views", test_views);
  test_add ("/ops/raster/plane", test_plane);
  test_add ("/ops/raster/seen", test_seen);
  test_add ("/ops/raster/wild_places", test_wild_places);
  test_add ("/ops/raster/errors", test_errors);
  return g_test_run ();
}
