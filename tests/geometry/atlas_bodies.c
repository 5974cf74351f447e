/* SPDX-License-Identifier: MIT */
#include "atlas_bodies.h"
#include "geometry/atlas.h"
#include "geometry/raster.h"
#include "ops/pictures.h"
#include <math.h>
#include <string.h>

/* A capsule from @a to @b, @rings x @sides quads and two caps. */
typedef struct {
  float a[3], b[3], radius;
} Limb;

static const Limb limbs[] = {
    {{0, 0, 0.36f}, {0, 0, 0.39f}, 0.06f}, /* head */
    {{0, 0, 0.02f}, {0, 0, 0.20f}, 0.09f}, /* trunk */
    {{-0.14f, 0, 0.20f}, {-0.22f, -0.02f, -0.06f}, 0.03f},
    {{0.14f, 0, 0.20f}, {0.22f, -0.02f, -0.06f}, 0.03f},
    {{-0.05f, 0, -0.12f}, {-0.07f, 0.01f, -0.41f}, 0.04f},
    {{0.05f, 0, -0.12f}, {0.07f, 0.01f, -0.41f}, 0.04f},
};

static int
add_limb (ShuMesh *m, const Limb *l, int v0, int f0, int rings, int sides)
{
  float axis[3], len = 0, e1[3], e2[3];
  int v = v0, f = f0;

  for (int k = 0; k < 3; k++)
    axis[k] = l->b[k] - l->a[k];
  for (int k = 0; k < 3; k++)
    len += axis[k] * axis[k];
  len = sqrtf (len);
  for (int k = 0; k < 3; k++)
    axis[k] /= len;
  /* y is never along a limb */
  float d = axis[1];
  for (int k = 0; k < 3; k++)
    e1[k] = (k == 1) - d * axis[k];
  float n = sqrtf (e1[0] * e1[0] + e1[1] * e1[1] + e1[2] * e1[2]);
  for (int k = 0; k < 3; k++)
    e1[k] /= n;
  for (int k = 0; k < 3; k++)
    e2[k] = axis[(k + 1) % 3] * e1[(k + 2) % 3] -
            axis[(k + 2) % 3] * e1[(k + 1) % 3];
  for (int r = 0; r <= rings; r++) {
    /* By arc length from pole to pole. */
    float s = (float) r / rings * (len + (float) G_PI * l->radius);
    float q = (float) G_PI / 2 * l->radius, t, w;
    if (s < q)
      t = -l->radius * cosf (s / l->radius), w = sinf (s / l->radius);
    else if (s < q + len)
      t = s - q, w = 1;
    else
      t = len + l->radius * sinf ((s - q - len) / l->radius),
      w = cosf ((s - q - len) / l->radius);
    gboolean pole = r == 0 || r == rings;
    for (int i = 0; i < (pole ? 1 : sides); i++, v++) {
      float a = 2 * (float) G_PI * i / sides;
      for (int k = 0; k < 3; k++)
        m->pos[3 * v + k] =
            l->a[k] + t * axis[k] +
            (pole ? 0 : l->radius * w) * (cosf (a) * e1[k] + sinf (a) * e2[k]);
    }
  }
  for (int r = 0; r < rings; r++)
    for (int i = 0; i < sides; i++) {
      int j = (i + 1) % sides, row = v0 + 1 + (r - 1) * sides;
      int p = r ? row + i : v0, q = r ? row + j : v0;
      int s = r + 1 < rings ? row + sides + i : v - 1;
      int t = r + 1 < rings ? row + sides + j : v - 1;
      if (r)
        memcpy (m->faces + 3 * f++, (gint32[]){p, q, s}, 12);
      if (r + 1 < rings)
        memcpy (m->faces + 3 * f++, (gint32[]){q, t, s}, 12);
    }
  return v;
}

ShuMesh *
bodies_person (int n_faces)
{
  int n_limbs = G_N_ELEMENTS (limbs);
  int sides = MAX (6, (int) sqrt (n_faces / (2.0 * n_limbs) / 2));
  int rings = 2 * sides, v = 0;
  int n_verts = (rings - 1) * sides + 2, per_limb = 2 * sides * (rings - 1);
  ShuMesh *m =
      shu_mesh_new (n_limbs * n_verts, n_limbs * per_limb, TRUE, FALSE);

  for (int i = 0; i < n_limbs; i++)
    v = add_limb (m, limbs + i, v, i * per_limb, rings, sides);
  g_assert_cmpint (v, ==, m->n_verts);
  for (int i = 0; i < 6 * m->n_verts; i++)
    m->attr[i] = 0.5f;
  return m;
}

ShuMesh *
bodies_unwrapped (int n_faces, int size)
{
  static ShuMesh *made;
  static int made_faces, made_size;

  if (!made || made_faces != n_faces || made_size != size) {
    ShuAtlasParams params = {.size = size};
    g_autoptr (ShuMesh) body = bodies_person (n_faces);

    shu_mesh_free (made);
    made = shu_atlas (body, &params, NULL, NULL, NULL);
    made_faces = n_faces;
    made_size = size;
    g_assert_nonnull (made);
  }
  return shu_mesh_copy (made);
}

void
bodies_paint (const float *pos, float *ret_rgb)
{
  ret_rgb[0] = 128 + 80 * sinf (31 * pos[0] + 7 * pos[2]);
  ret_rgb[1] = 118 + 60 * sinf (23 * pos[2]);
  ret_rgb[2] = 108 + 70 * cosf (29 * pos[1] - 11 * pos[2]);
}

static ShuTensor *
picture_of (ShuCtx *c, const ShuImage *image)
{
  return image ? shu_picture_from_image (c, image) : NULL;
}

ShuBakeViews
bodies_views (ShuCtx *c, const BodiesPictures *p)
{
  ShuBakeViews views = {
      .person = picture_of (c, p->person), .gaussians = p->gaussians};

  for (int v = 0; v < SHU_N_VIEWS; v++) {
    views.color[v] = picture_of (c, p->color[v]);
    views.normal[v] = picture_of (c, p->normal[v]);
  }
  return views;
}

void
bodies_pictures_clear (BodiesPictures *p)
{
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    g_clear_pointer (&p->color[v], shu_image_free);
    g_clear_pointer (&p->normal[v], shu_image_free);
  }
  g_clear_pointer (&p->person, shu_image_free);
}

void
bodies_photograph (const ShuMesh *mesh, ShuView view, int size,
    ShuImage **ret_color, ShuImage **ret_normal)
{
  bodies_photograph_as (mesh, view, size, bodies_paint, ret_color, ret_normal);
}

void
bodies_photograph_as (const ShuMesh *mesh, ShuView view, int size,
    BodiesPaint paint, ShuImage **ret_color, ShuImage **ret_normal)
{
  ShuCamera camera = shu_camera_of_view (view);
  gboolean mirror = view == SHU_VIEW_BACK || view == SHU_VIEW_LEFT;
  g_autoptr (ShuRaster) r = shu_raster_new (size, size, SHU_RASTER_BARY);

  *ret_color = shu_image_new (size, size, 3);
  *ret_normal = shu_image_new (size, size, 3);
  shu_raster_mesh (r, mesh, &camera, SHU_RASTER_BARY);
  for (int i = 0; i < size * size; i++) {
    int x = mirror ? size - 1 - i % size : i % size, f = r->face[i];
    gsize to = 3 * ((gsize) (i / size) * size + x);
    float p[3], rgb[3] = {255, 255, 255};

    if (f >= 0) {
      const gint32 *v = mesh->faces + 3 * f;
      float b1 = r->bary[2 * i], b2 = r->bary[2 * i + 1];
      for (int k = 0; k < 3; k++)
        p[k] = (1 - b1 - b2) * mesh->pos[3 * v[0] + k] +
               b1 * mesh->pos[3 * v[1] + k] + b2 * mesh->pos[3 * v[2] + k];
      paint (p, rgb);
    }
    for (int k = 0; k < 3; k++) {
      (*ret_color)->data[to + k] = (guint8) (rgb[k] + 0.5f);
      (*ret_normal)->data[to + k] = f >= 0 ? 128 : 255;
    }
  }
}
