/* SPDX-License-Identifier: MIT */
/* Normal maps against bodies whose normals are known. */
#include "geometry/atlas.h"
#include "geometry/bake_normals.h"
#include "geometry/raster.h"
#include "geometry/simplify.h"
#include "geometry/tangents.h"
#include "geometry/weld.h"
#include "shapes.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { SIZE = 512 };

/* ---- bodies ---- */

/* A direction's radius: a sphere, or one with bumps. */
typedef double (*Radius) (const double *d);

static double
smooth (const double *d)
{
  return 0.35;
}

static double
bumpy (const double *d)
{
  return 0.33 + 0.008 * sin (17 * d[0]) * sin (19 * d[1]) * sin (23 * d[2] + 1);
}

static double
length_of (const double *a)
{
  return sqrt (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
}

static ShuMesh *
make_body (Radius radius, int n)
{
  ShuMesh *m = shapes_sphere ((double[]){0, 0, 0}, 1, n);

  for (int v = 0; v < m->n_verts; v++) {
    double d[3] = {m->pos[3 * v], m->pos[3 * v + 1], m->pos[3 * v + 2]};
    double r = radius (d);

    for (int k = 0; k < 3; k++) {
      m->pos[3 * v + k] = (float) (r * d[k]);
      m->attr[6 * v + k] = 0.5f;
    }
  }
  return m;
}

/* The normal of the body where the ray from its middle through @p leaves it. */
static void
true_normal (Radius radius, const float *p, double *ret)
{
  double at[3] = {p[0], p[1], p[2]}, len = length_of (at), r, sum = 0;
  const double e = 1e-5;

  for (int k = 0; k < 3; k++)
    at[k] /= len;
  r = radius (at);
  for (int k = 0; k < 3; k++) {
    double f[2];

    for (int s = 0; s < 2; s++) {
      double q[3], l;

      for (int c = 0; c < 3; c++)
        q[c] = r * at[c] + (c == k ? (s ? e : -e) : 0);
      l = length_of (q);
      for (int c = 0; c < 3; c++)
        q[c] /= l;
      f[s] = l - radius (q);
    }
    ret[k] = f[1] - f[0];
    sum += ret[k] * ret[k];
  }
  for (int k = 0; k < 3; k++)
    ret[k] /= sqrt (sum);
}

typedef struct {
  Radius radius;
  ShuMesh *fine, *mesh;
  float *normals, *tangents;
  ShuImage *map;
} Case;

static Case
make_case (Radius radius, int n, int faces, int size)
{
  Case c = {.radius = radius, .fine = make_body (radius, n)};
  g_autoptr (ShuMesh) simple = shu_mesh_simplify (
      c.fine, &(ShuSimplifyParams){.target_faces = faces}, NULL, NULL);
  g_autofree gint32 *first = NULL;
  g_autoptr (GError) error = NULL;
  ShuNormalReport r;

  c.mesh =
      shu_atlas (simple, &(ShuAtlasParams){.size = size}, NULL, NULL, &error);
  g_assert_no_error (error);
  first = g_new (gint32, c.mesh->n_verts);
  c.normals = g_new (float, 3 * c.mesh->n_verts);
  c.tangents = g_new (float, 4 * c.mesh->n_verts);
  shu_mesh_weld (c.mesh, first);
  shu_mesh_normals_welded (c.mesh, first, c.normals);
  shu_mesh_tangents (c.mesh, c.normals, c.tangents);
  c.map = shu_bake_normals (c.mesh, c.fine, size, &r, NULL, &error);
  g_assert_no_error (error);
  g_test_message ("%d faces for %d: %d texels, %d met, %d near",
      c.mesh->n_faces, c.fine->n_faces, r.texels, r.met, r.near);
  g_assert_cmpint (r.met + r.near, ==, r.texels);
  g_assert_cmpint (r.met, >, r.texels * 0.995);
  return c;
}

static void
case_clear (Case *c)
{
  shu_mesh_free (c->fine);
  shu_mesh_free (c->mesh);
  shu_image_free (c->map);
  g_free (c->normals);
  g_free (c->tangents);
}

/* ---- shading ---- */

/* As a viewer's texture unit does it: bilinear over bytes. */
static void
sample_map (const ShuImage *map, const float *uv, float *ret)
{
  float x = uv[0] * map->width - 0.5f, y = uv[1] * map->height - 0.5f;
  int x0 = (int) floorf (x), y0 = (int) floorf (y);

  memset (ret, 0, 3 * sizeof (float));
  for (int k = 0; k < 4; k++) {
    int u = CLAMP (x0 + (k & 1), 0, map->width - 1);
    int v = CLAMP (y0 + (k >> 1), 0, map->height - 1);
    float w = (k & 1 ? x - x0 : 1 - x + x0) * (k >> 1 ? y - y0 : 1 - y + y0);

    for (int c = 0; c < 3; c++)
      ret[c] += w * map->data[3 * (v * map->width + u) + c] / 255;
  }
  for (int c = 0; c < 3; c++)
    ret[c] = ret[c] * 2 - 1;
}

/* The normal that light falls on, with the map or (NULL) without. */
static void
shading_normal (const Case *c, const ShuImage *map, const gint32 *f,
    const float *w, double *ret)
{
  ShuFrame frame = shu_frame_at (c->normals, c->tangents, f, w);
  float uv[2] = {0}, m[3] = {0, 0, 1};
  double len;

  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 3; i++)
      uv[k] += w[i] * c->mesh->uv[2 * f[i] + k];
  if (map)
    sample_map (map, uv, m);
  for (int k = 0; k < 3; k++)
    ret[k] = (double) m[0] * frame.tangent[k] + m[1] * frame.bitangent[k] +
             m[2] * frame.normal[k];
  len = length_of (ret);
  for (int k = 0; k < 3; k++)
    ret[k] /= len;
}

/* Over places spread evenly on every face, weighted by area: the mean angle
 * from the true normal, degrees, and the mean difference of what four lights
 * make of it (0..1). */
typedef struct {
  double degrees, worst, light;
} Errors;

static Errors
measure (const Case *c, const ShuImage *map)
{
  static const double lights[4][3] = {
      {0, -1, 0}, {0.8, -0.6, 0}, {-0.48, -0.6, 0.64}, {0, -0.6, 0.8}};
  Errors e = {0};
  double area = 0;

  for (int f = 0; f < c->mesh->n_faces; f++) {
    const gint32 *v = c->mesh->faces + 3 * f;
    const float *p[3];
    double a[3], b[3], n[3], weight;

    for (int k = 0; k < 3; k++)
      p[k] = c->mesh->pos + 3 * v[k];
    for (int k = 0; k < 3; k++) {
      a[k] = p[1][k] - p[0][k];
      b[k] = p[2][k] - p[0][k];
    }
    for (int k = 0; k < 3; k++)
      n[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
    weight = length_of (n);
    for (int i = 0; i < 6; i++)
      for (int k = 0; k < 6 - i; k++) {
        float w[3] = {(i + 1 / 3.f) / 6, (k + 1 / 3.f) / 6, 0}, at[3];
        double want[3], got[3], cosine = 0, degrees;

        w[2] = 1 - w[0] - w[1];
        for (int d = 0; d < 3; d++)
          at[d] = w[0] * p[0][d] + w[1] * p[1][d] + w[2] * p[2][d];
        true_normal (c->radius, at, want);
        shading_normal (c, map, v, w, got);
        for (int d = 0; d < 3; d++)
          cosine += want[d] * got[d];
        degrees = acos (CLAMP (cosine, -1, 1)) * 180 / G_PI;
        e.degrees += weight * degrees;
        e.worst = MAX (e.worst, degrees);
        area += weight;
        for (int l = 0; l < 4; l++) {
          double x = 0, y = 0;

          for (int d = 0; d < 3; d++) {
            x += want[d] * lights[l][d];
            y += got[d] * lights[l][d];
          }
          e.light += weight * fabs (MAX (x, 0) - MAX (y, 0)) / 4;
        }
      }
  }
  e.degrees /= area;
  e.light /= area;
  return e;
}

/* ---- tests ---- */

/* With the map the light falls as on the body, not as on the few faces. */
static void
brings_the_body_back (void)
{
  static const struct {
    Radius radius;
    int n, faces;
    double factor, light; /* least gain in degrees, in light */
  } rows[] = {{smooth, 160, 60, 8, 8}, {bumpy, 320, 1500, 8, 8}};

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Case c = make_case (rows[i].radius, rows[i].n, rows[i].faces, SIZE);
    Errors without = measure (&c, NULL), with = measure (&c, c.map);

    g_test_message ("body %u: without %.2f degrees (worst %.1f), light %.4f; "
                    "with %.2f (%.1f), %.4f",
        i, without.degrees, without.worst, without.light, with.degrees,
        with.worst, with.light);
    g_assert_cmpfloat (with.degrees * rows[i].factor, <, without.degrees);
    g_assert_cmpfloat (with.light * rows[i].light, <, without.light);
    case_clear (&c);
  }
}

/* The smaller pictures that viewers make, by means of bytes, still do. */
static void
smaller_pictures_hold (void)
{
  Case c = make_case (bumpy, 320, 1500, SIZE);
  Errors without = measure (&c, NULL);
  g_autoptr (ShuImage) plain = shu_image_copy (c.map);
  g_autoptr (ShuImage) ours = shu_image_copy (c.map);

  for (int level = 1; level <= 2; level++) {
    ShuImage *half = shu_normal_map_halve (ours), *p;
    int w = plain->width / 2;
    Errors e, o;

    shu_image_free (ours);
    ours = half;
    p = shu_image_new (w, w, 3);
    for (int y = 0; y < w; y++)
      for (int x = 0; x < 3 * w; x++) {
        const guint8 *at =
            plain->data + 12 * (gsize) y * w + 6 * (x / 3) + x % 3;

        p->data[3 * w * y + x] =
            (at[0] + at[3] + at[6 * w] + at[6 * w + 3] + 2) / 4;
      }
    shu_image_free (plain);
    plain = p;
    e = measure (&c, plain);
    o = measure (&c, ours);
    g_test_message ("%d pixels: without %.2f, with %.2f (worst %.1f), of unit "
                    "length %.2f",
        w, without.degrees, e.degrees, e.worst, o.degrees);
    g_assert_cmpfloat (2 * e.degrees, <, without.degrees);
    g_assert_cmpfloat (2 * o.degrees, <, without.degrees);
    for (int i = 0; i < w * w; i++) {
      float n[3];

      shu_normal_decode (ours->data + 3 * i, n);
      g_assert_cmpfloat_with_epsilon (
          n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1, 0.02);
    }
  }
  case_clear (&c);
}

/* A square in the picture as it is seen: u to the right, v down. */
static void
axes_are_those_of_gltf (void)
{
  g_autoptr (ShuMesh) m = shu_mesh_new (4, 2, FALSE, TRUE);
  float normals[12], tangents[16];

  memcpy (m->pos, (float[]){0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1}, 48);
  memcpy (m->faces, (gint32[]){0, 1, 2, 0, 2, 3}, 24);
  for (int mirrored = 0; mirrored < 2; mirrored++) {
    for (int v = 0; v < 4; v++) {
      float x = m->pos[3 * v], y = m->pos[3 * v + 2];

      m->uv[2 * v] = mirrored ? 1 - x : x;
      m->uv[2 * v + 1] = 1 - y;
      memcpy (normals + 3 * v, (float[]){0, -1, 0}, 12);
    }
    shu_mesh_tangents (m, normals, tangents);
    for (int v = 0; v < 4; v++) {
      float side = mirrored ? -1 : 1;

      g_assert_cmpfloat_with_epsilon (tangents[4 * v], side, 1e-6);
      g_assert_cmpfloat (tangents[4 * v + 3], ==, side);
    }
    ShuFrame f =
        shu_frame_at (normals, tangents, m->faces, (float[]){0.2f, 0.5f, 0.3f});
    /* up in the picture, mirrored or not */
    g_assert_cmpfloat_with_epsilon (f.bitangent[2], 1, 1e-6);
  }
}

/* Any mesh has tangents of unit length, across its normals. */
static void
tangents_are_sound (void)
{
  Case c = make_case (bumpy, 96, 600, 256);

  for (int pass = 0; pass < 2; pass++) {
    for (int v = 0; v < c.mesh->n_verts; v++) {
      const float *t = c.tangents + 4 * v, *n = c.normals + 3 * v;

      g_assert_cmpfloat_with_epsilon (
          t[0] * t[0] + t[1] * t[1] + t[2] * t[2], 1, 1e-5);
      g_assert_cmpfloat_with_epsilon (
          t[0] * n[0] + t[1] * n[1] + t[2] * n[2], 0, 1e-5);
      /* all charts show the surface from one side */
      g_assert_cmpfloat (t[3], ==, c.tangents[3]);
    }
    /* coordinates that say nothing */
    memset (c.mesh->uv, 0, 8 * (gsize) c.mesh->n_verts);
    shu_mesh_tangents (c.mesh, c.normals, c.tangents);
  }
  case_clear (&c);
}

static void
threads_change_nothing (void)
{
  int n = omp_get_max_threads ();
  Case a, b;

  omp_set_num_threads (1);
  a = make_case (bumpy, 96, 600, 256);
  omp_set_num_threads (3);
  b = make_case (bumpy, 96, 600, 256);
  omp_set_num_threads (n);
  g_assert_cmpmem (
      a.map->data, shu_image_size (a.map), b.map->data, shu_image_size (b.map));
  case_clear (&a);
  case_clear (&b);
}

/* Where there is no fine surface near, the mesh keeps its own normals. */
static void
nothing_near_is_flat (void)
{
  Case c = make_case (smooth, 48, 300, 128);

  for (int i = 0; i < 3; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuImage) map = NULL;
    ShuNormalReport r;

    if (i == 0)
      for (int k = 0; k < 3 * c.fine->n_verts; k++)
        c.fine->pos[k] *= 3; /* far */
    else if (i == 1)
      for (int k = 0; k < 3 * c.fine->n_verts; k++)
        c.fine->pos[k] = 0.25f; /* without area */
    else
      c.fine->n_faces = 0;
    map = shu_bake_normals (c.mesh, c.fine, 128, &r, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpint (r.met + r.near, ==, 0);
    g_assert_cmpint (r.texels, >, 5000);
    for (int k = 0; k < 128 * 128; k++)
      g_assert_cmpmem (map->data + 3 * k, 3, "\x80\x80\xff", 3);
  }
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/normal_map/brings_the_body_back", brings_the_body_back);
  g_test_add_func (
      "/geometry/normal_map/smaller_pictures_hold", smaller_pictures_hold);
  g_test_add_func (
      "/geometry/normal_map/axes_are_those_of_gltf", axes_are_those_of_gltf);
  g_test_add_func (
      "/geometry/normal_map/tangents_are_sound", tangents_are_sound);
  g_test_add_func (
      "/geometry/normal_map/threads_change_nothing", threads_change_nothing);
  g_test_add_func (
      "/geometry/normal_map/nothing_near_is_flat", nothing_near_is_flat);
  return g_test_run ();
}
