/* SPDX-License-Identifier: MIT */
#include "geometry/paint.h"
#include "geometry/normals.h"
#include "geometry/weld.h"
#include <math.h>
#include <string.h>

enum { MAX_HALVINGS = 3 }; /* beyond the gutter charts would mix */

/* How often to halve the texture, so that a pixel stands for about as much of
 * the surface as one of @n vertices. */
static int
count_halvings (const ShuMesh *mesh, const ShuImage *texture, int n)
{
  double area = 0;

  for (gsize f = 0; f < (gsize) mesh->n_faces; f++) {
    const gint32 *v = mesh->faces + 3 * f;
    const float *a = mesh->uv + 2 * (gsize) v[0];
    const float *b = mesh->uv + 2 * (gsize) v[1];
    const float *c = mesh->uv + 2 * (gsize) v[2];

    area += fabs ((b[0] - a[0]) * (double) (c[1] - a[1]) -
                  (c[0] - a[0]) * (double) (b[1] - a[1])) /
            2;
  }
  double pixels = area * texture->width * texture->height / MAX (1, n);
  return pixels > 1 ? (int) MIN (MAX_HALVINGS, log2 (pixels) / 2) : 0;
}

/* Means of 2 x 2 pixels; an odd last row or column is dropped. */
static ShuImage *
halve (const ShuImage *image)
{
  int w = image->width / 2, h = image->height / 2;
  gsize stride = 3 * (gsize) image->width;
  ShuImage *out = shu_image_new (w, h, 3);

  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      const guint8 *p = image->data + 2 * y * stride + 6 * (gsize) x;

      for (int k = 0; k < 3; k++)
        out->data[3 * ((gsize) y * w + x) + k] =
            (p[k] + p[k + 3] + p[k + stride] + p[k + stride + 3] + 2) / 4;
    }
  return out;
}

/* Adds the colour at @uv, between four pixels, to @sum. */
static void
add_sample (const ShuImage *image, const float *uv, float *sum)
{
  int w = image->width, h = image->height;
  float x = CLAMP (uv[0] * w - 0.5f, 0, w - 1);
  float y = CLAMP (uv[1] * h - 0.5f, 0, h - 1);
  int x0 = (int) x, y0 = (int) y;
  int x1 = MIN (x0 + 1, w - 1), y1 = MIN (y0 + 1, h - 1);
  float s = x - x0, t = y - y0;

  for (int k = 0; k < 3; k++) {
    const guint8 *p = image->data + k;
    float upper = p[3 * ((gsize) y0 * w + x0)] * (1 - s) +
                  p[3 * ((gsize) y0 * w + x1)] * s;
    float lower = p[3 * ((gsize) y1 * w + x0)] * (1 - s) +
                  p[3 * ((gsize) y1 * w + x1)] * s;

    sum[k] += (upper * (1 - t) + lower * t) / 255;
  }
}

/* The mesh without seams; @ret_number: the new number of each vertex */
static ShuMesh *
weld (const ShuMesh *mesh, gint32 *ret_number)
{
  g_autofree gint32 *first = g_new (gint32, MAX (1, mesh->n_verts));
  ShuMesh *out = shu_mesh_new (mesh->n_verts, mesh->n_faces, TRUE, FALSE);
  gsize n = 0;

  shu_mesh_weld (mesh, first);
  for (int v = 0; v < mesh->n_verts; v++)
    if (first[v] == v) {
      memcpy (out->pos + 3 * n, mesh->pos + 3 * (gsize) v, 3 * sizeof (float));
      ret_number[v] = (gint32) n++;
    }
  for (int v = 0; v < mesh->n_verts; v++)
    ret_number[v] = ret_number[first[v]];
  out->n_verts = (int) n;
  n = 0;
  for (gsize f = 0; f < (gsize) mesh->n_faces; f++) {
    gint32 *to = out->faces + 3 * n;

    for (int k = 0; k < 3; k++)
      to[k] = ret_number[mesh->faces[3 * f + k]];
    n += to[0] != to[1] && to[1] != to[2] && to[2] != to[0];
  }
  out->n_faces = (int) n;
  return out;
}

ShuMesh *
shu_mesh_paint (const ShuMesh *mesh, const ShuImage *texture)
{
  g_autofree gint32 *number = g_new (gint32, MAX (1, mesh->n_verts));
  ShuMesh *out = weld (mesh, number);
  gsize n = out->n_verts;
  g_autofree float *sums = g_new0 (float, 4 * n + 1);
  g_autofree float *normals = g_new (float, 3 * n + 1);
  g_autoptr (ShuImage) image = shu_image_copy (texture);

  g_assert (mesh->uv && texture->n_channels == 3);
  for (int i = count_halvings (mesh, texture, out->n_verts); i > 0; i--)
    if (MIN (image->width, image->height) > 1) {
      ShuImage *half = halve (image);

      shu_image_free (image);
      image = half;
    }
  for (gsize v = 0; v < (gsize) mesh->n_verts; v++) {
    float *sum = sums + 4 * (gsize) number[v];

    add_sample (image, mesh->uv + 2 * v, sum);
    sum[3]++;
  }
  shu_mesh_normals (out, normals);
  for (gsize v = 0; v < n; v++)
    for (int k = 0; k < 3; k++) {
      out->attr[6 * v + k] = sums[4 * v + k] / sums[4 * v + 3];
      out->attr[6 * v + 3 + k] = 0.5f + 0.5f * normals[3 * v + k];
    }
  return out;
}
