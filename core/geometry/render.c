/* SPDX-License-Identifier: MIT */
#include "geometry/render.h"
#include "geometry/raster.h"
#include "geometry/tangents.h"
#include "geometry/weld.h"
#include <math.h>
#include <string.h>

typedef struct {
  const ShuMesh *mesh;
  const ShuImage *texture;
  const ShuCamera *camera;
  const ShuRaster *raster;
  const float *normals; /* nullable: no light */
  const float *tangents;
  const ShuImage *normal_map; /* nullable */
  float light;
} Scene;

/* Bilinear, repeated beyond the border. */
static void
sample_texture (const ShuImage *t, const float *uv, float *ret)
{
  float x = (uv[0] - floorf (uv[0])) * t->width - 0.5f;
  float y = (uv[1] - floorf (uv[1])) * t->height - 0.5f;
  int x0 = (int) floorf (x), y0 = (int) floorf (y);
  float fx = x - x0, fy = y - y0;

  ret[0] = ret[1] = ret[2] = 0;
  for (int k = 0; k < 4; k++) {
    int u = (x0 + (k & 1) + t->width) % t->width;
    int v = (y0 + (k >> 1) + t->height) % t->height;
    const guint8 *p = t->data + ((gsize) v * t->width + u) * t->n_channels;
    float w = (k & 1 ? fx : 1 - fx) * (k >> 1 ? fy : 1 - fy);
    for (int c = 0; c < 3; c++)
      ret[c] += w * p[t->n_channels >= 3 ? c : 0];
  }
}

static void
mix (const float *a, const gint32 *f, const float *l, int stride, int n,
    float *ret)
{
  for (int k = 0; k < n; k++)
    ret[k] = l[0] * a[stride * (gsize) f[0] + k] +
             l[1] * a[stride * (gsize) f[1] + k] +
             l[2] * a[stride * (gsize) f[2] + k];
}

/* The normal that light falls on, not of unit length. */
static void
find_normal (const Scene *s, const gint32 *f, const float *l, float *ret)
{
  float uv[2], rgb[3];
  ShuFrame frame;

  if (!s->normal_map) {
    mix (s->normals, f, l, 3, 3, ret);
    return;
  }
  mix (s->mesh->uv, f, l, 2, 2, uv);
  sample_texture (s->normal_map, uv, rgb);
  frame = shu_frame_at (s->normals, s->tangents, f, l);
  for (int k = 0; k < 3; k++)
    ret[k] = (rgb[0] / 127.5f - 1) * frame.tangent[k] +
             (rgb[1] / 127.5f - 1) * frame.bitangent[k] +
             (rgb[2] / 127.5f - 1) * frame.normal[k];
}

static void
shade (const Scene *s, gsize at, float *ret)
{
  const ShuMesh *m = s->mesh;
  const gint32 *f = m->faces + 3 * (gsize) s->raster->face[at];
  const float *bary = s->raster->bary + 2 * at;
  float l[3] = {1 - bary[0] - bary[1], bary[0], bary[1]};

  if (s->texture && m->uv) {
    float uv[2];
    mix (m->uv, f, l, 2, 2, uv);
    sample_texture (s->texture, uv, ret);
  } else if (m->attr) {
    mix (m->attr, f, l, 6, 3, ret);
    for (int c = 0; c < 3; c++)
      ret[c] *= 255;
  } else {
    ret[0] = ret[1] = ret[2] = 200;
  }
  if (s->normals) {
    const float *axis = s->camera->view + 8;
    float n[3], len, cosine;
    find_normal (s, f, l, n);
    len = sqrtf (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    cosine =
        len > 0 ? fabsf (n[0] * axis[0] + n[1] * axis[1] + n[2] * axis[2]) / len
                : 1;
    for (int c = 0; c < 3; c++)
      ret[c] *= 1 - s->light + s->light * cosine;
  }
}

float *
shu_render_normals (const ShuMesh *mesh)
{
  g_autofree gint32 *first = g_new (gint32, MAX (1, mesh->n_verts));
  float *normals = g_new (float, MAX (1, 3 * (gsize) mesh->n_verts));

  shu_mesh_weld (mesh, first);
  shu_mesh_normals_welded (mesh, first, normals);
  return normals;
}

ShuImage *
shu_render (const ShuMesh *mesh, const ShuImage *texture,
    const ShuCamera *camera, const ShuRenderParams *params)
{
  int k = params->supersample ? params->supersample : 2;
  int flags = SHU_RASTER_BARY | (params->cull ? SHU_RASTER_CULL : 0);
  g_autofree float *own = NULL, *own_tangents = NULL;
  const float *normals = params->light > 0 ? params->normals : NULL;
  const float *tangents = params->tangents;
  const ShuImage *map =
      params->light > 0 && mesh->uv ? params->normal_map : NULL;
  ShuImage *out;

  g_return_val_if_fail (params->width > 0 && params->height > 0, NULL);
  g_return_val_if_fail (k >= 1 && k <= 4, NULL);
  if (params->light > 0 && !normals)
    normals = own = shu_render_normals (mesh);
  if (map && !tangents) {
    tangents = own_tangents = g_new (float, 4 * (gsize) mesh->n_verts + 1);
    shu_mesh_tangents (mesh, normals, own_tangents);
  }
  g_autoptr (ShuRaster) raster =
      shu_raster_new (params->width * k, params->height * k, flags);
  shu_raster_mesh (raster, mesh, camera, flags);
  Scene s = {
      mesh, texture, camera, raster, normals, tangents, map, params->light};
  out = shu_image_new (params->width, params->height, 4);
#pragma omp parallel for schedule(dynamic, 8)
  for (int y = 0; y < params->height; y++)
    for (int x = 0; x < params->width; x++) {
      guint8 *p = out->data + 4 * ((gsize) y * params->width + x);
      float sum[3] = {0}, rgb[3];
      int n = 0;
      for (int j = 0; j < k * k; j++) {
        gsize at = (gsize) (y * k + j / k) * raster->width + x * k + j % k;
        if (raster->face[at] < 0)
          continue;
        shade (&s, at, rgb);
        for (int c = 0; c < 3; c++)
          sum[c] += rgb[c];
        n++;
      }
      for (int c = 0; n && c < 3; c++)
        p[c] = (guint8) CLAMP (sum[c] / n + 0.5f, 0, 255);
      p[3] = (guint8) ((255 * n + k * k / 2) / (k * k));
    }
  return out;
}
