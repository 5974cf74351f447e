/* SPDX-License-Identifier: MIT */
/* What brings pictures in line with each other, as fields on the vertices:
 * differences of light between views, and between what is seen and what lies
 * underneath. */
#include "geometry/bake_private.h"
#include "geometry/weld.h"
#include "ops/pictures.h"
#include <math.h>
#include <string.h>

enum {
  N_MATCH = 120, /* rounds of spreading differences of side pictures */
  N_SMOOTH = 8,
  N_BRIDGE = 300, /* rounds of spreading colours over unseen parts */
  MAX_DIFFERENCE = 64,
  USUAL_DIFFERENCE = 40,
};

/* The photo, the drawn back, the sides: where front and side see a place at
 * 69 degrees and 21, they weigh the same. */
static const float prior[SHU_BAKE_BODY] = {50, 1, 20, 1};
static const float normal_hold = 0.6f; /* of a normal against its neighbours */
static const float match_decay = 0.002f;
static const float face_fade = 0.06f; /* of the face window, at its border */

/* Weights of views depend on normals: what is rough would mix them in
 * patches. */
static void
smooth_normals (ShuBaker *b, const ShuField *field)
{
  int n = b->mesh->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));

  for (int i = 0; i < n; i++)
    weight[i] = normal_hold;
  shu_field_spread (field, b->normals, weight, 0, N_SMOOTH);
  for (int i = 0; i < n; i++) {
    float *m = b->normals + 3 * (gsize) i;
    float len = sqrtf (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]);
    for (int k = 0; k < 3 && len > 0; k++)
      m[k] /= len;
  }
}

/* The face picture is drawn, not photographed: what differs from the front
 * in low frequencies is taken from the front. */
static void
align_face (ShuBaker *b)
{
  const ShuBakePhoto *front = b->photos[SHU_VIEW_FRONT];
  ShuPhotoJob job = {.rgb = b->face->rgb, .rgb2 = front->rgb};

  shu_photo_step (b->c, SHU_PHOTO_LACK, &job);
  /* About one and a half pixels of the front: the detail beyond is the
   * face's. */
  b->face_shift = shu_plane_smooth (
      b->c, job.colors, MAX (1, 3 * b->face->size / (2 * front->size)));
}

float
shu_bake_prior (int view)
{
  return prior[view];
}

float
shu_bake_face_share (const ShuBaker *b, const float *uv, float *ret_in)
{
  float margin;

  if (!b->face)
    return 0;
  ret_in[0] = 3 * uv[0] - 1;
  ret_in[1] = 3 * uv[1];
  margin = MIN (MIN (ret_in[0], 1 - ret_in[0]), 1 - ret_in[1]);
  return ret_in[1] < 0 ? 0 : CLAMP (margin / face_fade, 0, 1);
}

/* Colour of body picture @v at a point, the face's detail included. */
static void
sample_view (const ShuBaker *b, int v, const float *uv, float *ret)
{
  const ShuBakePhoto *p = b->photos[v];
  float in[2], c[3], shift[3], t;

  shu_bake_photo_sample (p->rgb->data, p->size, 3, uv, ret);
  if (v != SHU_VIEW_FRONT || !((t = shu_bake_face_share (b, uv, in)) > 0))
    return;
  shu_bake_photo_sample (b->face->rgb->data, b->face->size, 3, in, c);
  shu_bake_photo_sample (b->face_shift->data, b->face->size, 3, in, shift);
  for (int k = 0; k < 3; k++)
    ret[k] += t * (c[k] + shift[k] - ret[k]);
}

/* The difference of picture @v to those of @refs (as they are matched
 * themselves) where both see the surface well, spread over it.  What differs
 * much shows something else, and counts little. */
static void
match_view (
    ShuBaker *b, const ShuField *field, int v, const int *refs, int n_refs)
{
  const ShuBakePhoto *photo = b->photos[v];
  int n = b->mesh->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));

  b->match[v] = g_new0 (float, MAX (1, 3 * (gsize) n));
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    const float *pos = b->mesh->pos + 3 * (gsize) i;
    const float *normal = b->normals + 3 * (gsize) i;
    float *m = b->match[v] + 3 * (gsize) i, uv[2], c[3], d[3];
    float w = shu_bake_photo_weight (photo, pos, normal, 2, uv);

    weight[i] = 0;
    if (!(w > 0.02f))
      continue;
    shu_bake_photo_sample (photo->smooth->data, photo->size, 3, uv, c);
    for (int r = 0; r < n_refs; r++) {
      const ShuBakePhoto *ref = b->photos[refs[r]];
      const float *shift = b->match[refs[r]];
      float wr = ref ? w * shu_bake_photo_weight (ref, pos, normal, 2, uv) : 0;
      float large = 0;
      if (wr <= 0)
        continue;
      shu_bake_photo_sample (ref->smooth->data, ref->size, 3, uv, d);
      for (int k = 0; k < 3; k++) {
        d[k] += (shift ? shift[3 * (gsize) i + k] : 0) - c[k];
        large += d[k] * d[k];
      }
      wr /= 1 + large / (USUAL_DIFFERENCE * USUAL_DIFFERENCE);
      for (int k = 0; k < 3; k++)
        m[k] += wr * CLAMP (d[k], -MAX_DIFFERENCE, MAX_DIFFERENCE);
      weight[i] += wr;
    }
    for (int k = 0; k < 3 && weight[i] > 0; k++)
      m[k] /= weight[i];
    weight[i] *= 4;
  }
  shu_field_spread (field, b->match[v], weight, match_decay, N_MATCH);
}

/* The front is the photo: the sides follow it, the back follows the sides.
 * Without it the sides follow the back. */
static void
match_views (ShuBaker *b, const ShuField *field)
{
  static const int front[] = {SHU_VIEW_FRONT}, back[] = {SHU_VIEW_BACK};
  static const int sides[] = {SHU_VIEW_RIGHT, SHU_VIEW_LEFT};
  gboolean has_front = b->photos[SHU_VIEW_FRONT] != NULL;

  for (int i = 0; i < 2; i++)
    if (b->photos[sides[i]])
      match_view (b, field, sides[i], has_front ? front : back, 1);
  if (has_front && b->photos[SHU_VIEW_BACK])
    match_view (b, field, SHU_VIEW_BACK, sides, 2);
}

void
shu_bake_mix (
    const float *a, const gint32 *f, const float *l, int stride, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = l[0] * a[stride * (gsize) f[0] + k] +
             l[1] * a[stride * (gsize) f[1] + k] +
             l[2] * a[stride * (gsize) f[2] + k];
}

ShuBakeSpot
shu_bake_spot (const ShuBaker *b, int face, const float *l)
{
  const gint32 *f = b->mesh->faces + 3 * (gsize) face;
  ShuBakeSpot s = {0};
  float *n = s.normal, len;

  shu_bake_mix (b->mesh->pos, f, l, 3, s.pos);
  shu_bake_mix (b->normals, f, l, 3, n);
  len = sqrtf (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  for (int k = 0; k < 3 && len > 0; k++)
    n[k] /= len;
  for (int v = 0; v < SHU_BAKE_BODY; v++)
    if (b->match[v])
      shu_bake_mix (b->match[v], f, l, 3, s.match[v]);
  return s;
}

void
shu_bake_under (
    const ShuBaker *b, const float *uv, const float *own, float *ret)
{
  if (b->under)
    shu_bake_photo_sample (b->under, b->under_size, 3, uv, ret);
  else
    for (int k = 0; k < 3; k++)
      ret[k] = own ? 255 * own[k] : 128;
}

float
shu_bake_sum_views (const ShuBaker *b, const ShuBakeSpot *s, float *ret_sum)
{
  float total = 0;

  ret_sum[0] = ret_sum[1] = ret_sum[2] = 0;
  for (int v = 0; v < SHU_BAKE_BODY; v++) {
    float uv[2], c[3], w;
    if (!b->photos[v])
      continue;
    w = prior[v] *
        shu_bake_photo_weight (b->photos[v], s->pos, s->normal, b->power, uv);
    if (w <= 0)
      continue;
    sample_view (b, v, uv, c);
    for (int k = 0; k < 3; k++)
      ret_sum[k] += w * (c[k] + s->match[v][k]);
    total += w;
  }
  return total;
}

/* Picture @v of the views, where the baker works */
static ShuBakePhoto *
prepare_photo (const ShuBaker *b, int v)
{
  const ShuBakeViews *views = b->views;
  ShuBakePicture picture = {
      .color = shu_picture_from_image (b->c, views->color[v]),
      .mirror = v == SHU_VIEW_BACK || v == SHU_VIEW_LEFT};

  if (views->normal[v])
    picture.normal = shu_picture_from_image (b->c, views->normal[v]);
  if (v == SHU_VIEW_FRONT && views->person)
    picture.person = shu_picture_from_image (b->c, views->person);
  return shu_bake_photo_new (b, &picture, v);
}

void
shu_bake_prepare_photos (ShuBaker *b)
{
  const ShuBakeViews *views = b->views;
  const ShuMesh *mesh = b->mesh;
  g_autofree gint32 *first = g_new (gint32, MAX (1, mesh->n_verts));
  ShuField field;

  shu_mesh_weld (mesh, first);
  b->normals = g_new (float, MAX (1, 3 * (gsize) mesh->n_verts));
  shu_mesh_normals_welded (mesh, first, b->normals);
  shu_field_init (&field, mesh, first);
  smooth_normals (b, &field);
  for (int v = 0; v < SHU_BAKE_BODY; v++)
    if (views->color[v])
      b->photos[v] = prepare_photo (b, v);
  if (views->color[SHU_VIEW_FACE] && b->photos[SHU_VIEW_FRONT]) {
    b->face = prepare_photo (b, SHU_VIEW_FACE);
    if (!shu_ctx_failed (b->c))
      align_face (b);
  }
  if (!shu_ctx_failed (b->c))
    match_views (b, &field);
  shu_field_clear (&field);
}

/* The shift between the colour underneath and that of the pictures, spread
 * from where pictures are to where none is. */
void
shu_bake_bridge (ShuBaker *b)
{
  const ShuMesh *m = b->mesh;
  int n = m->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));
  g_autofree gint32 *first = g_new (gint32, MAX (1, n));
  ShuField field;

  b->bridge = g_new0 (float, MAX (1, 3 * (gsize) n));
#pragma omp parallel for schedule(dynamic, 256)
  for (int i = 0; i < n; i++) {
    ShuBakeSpot s = {0};
    float c[3], base[3], w;

    memcpy (s.pos, m->pos + 3 * (gsize) i, sizeof s.pos);
    memcpy (s.normal, b->normals + 3 * (gsize) i, sizeof s.normal);
    for (int v = 0; v < SHU_BAKE_BODY; v++)
      if (b->match[v])
        memcpy (s.match[v], b->match[v] + 3 * (gsize) i, sizeof s.match[v]);
    w = shu_bake_sum_views (b, &s, c);
    shu_bake_under (b, m->uv + 2 * (gsize) i,
        m->attr ? m->attr + 6 * (gsize) i : NULL, base);
    for (int k = 0; k < 3 && w > 0; k++)
      b->bridge[3 * (gsize) i + k] = c[k] / w - base[k];
    weight[i] = MIN (w, 1) * 8;
  }
  shu_mesh_weld (m, first);
  shu_field_init (&field, m, first);
  shu_field_spread (&field, b->bridge, weight, 0, N_BRIDGE);
  shu_field_clear (&field);
}
