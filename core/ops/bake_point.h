/* SPDX-License-Identifier: MIT */
/* One vertex, texel or pixel of ops/bake.h, for every backend: what pictures
 * show of it, and how much that counts. */
#pragma once
#include "base/camera.h"
#include "ops/plane_pixels.h"
#include "ops/texture_taps.h"
#include <float.h>

enum { SHU_BAKE_BODY = 4 }; /* pictures of the whole body */

/* As in ShuBakePhoto; of size 0 where there is none */
typedef struct {
  int size;
  ShuCamera camera;
  const float *rgb, *smooth, *trust, *open;
  const int *face;
  const float *bary, *depth;
} ShuBakePlanes;

/* As in ShuBakeScene */
typedef struct {
  const float *pos, *normal, *uv, *attr;
  const int *faces;
  ShuBakePlanes photos[SHU_BAKE_BODY], face;
  const float *face_shift;
  const float *match[SHU_BAKE_BODY];
  const float *under, *bridge;
  int under_size;
  float power;
} ShuBakeWorld;

/* Where a texel, a pixel or a vertex is. */
typedef struct {
  float pos[3], normal[3];
  float match[SHU_BAKE_BODY][3];
} ShuBakeSpot;

/* A row of ShuTextureRows; one of weight 0 has nothing else. */
typedef struct {
  float place[3], color[3], weight;
} ShuBakeRow;

/* The photo, the drawn back, the sides: where front and side see a place at
 * 69 degrees and 21, they weigh the same. */
#define SHU_BAKE_PRIOR_FRONT 50.f
#define SHU_BAKE_PRIOR_BACK 20.f
/* In units of the body's cube: behind what hides it */
#define SHU_BAKE_HIDDEN 0.004f
/* of the face window, at its border */
#define SHU_BAKE_FACE_FADE 0.06f
/* Colours may differ by the first at all, and by the second without counting
 * much less. */
#define SHU_BAKE_MAX_DIFFERENCE 64.f
#define SHU_BAKE_USUAL_DIFFERENCE 40.f
/* What the colours underneath weigh, at most, against a picture that looks
 * straight at a place: where all see it from the side, or near an outline, what
 * they show is noise.  And what is seen well enough: there the pictures have it
 * alone, and the colours underneath follow them. */
#define SHU_BAKE_BASE 0.01f
#define SHU_BAKE_SEEN 0.2f
/* Of a pixel that says anything of detail: beside an outline it is mixed with
 * what lies behind. */
#define SHU_BAKE_LEAST_TRUST 0.1f
#define SHU_BAKE_LEAST_ALPHA 0.5f  /* of a drawing */
#define SHU_BAKE_DEPTH_SLACK 0.02f /* between Gaussians and surface */

SHU_TAPS_FN float
shu_bake_dot (const float *a, const float *b)
{
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

SHU_TAPS_FN unsigned char
shu_bake_byte (float x)
{
  return (unsigned char) shu_plane_clamp (x + 0.5f, 0, 255);
}

SHU_TAPS_FN void
shu_bake_unit (float *v)
{
  float len = sqrtf (shu_bake_dot (v, v));

  for (int k = 0; k < 3 && len > 0; k++)
    v[k] /= len;
}

/* What a body picture weighs against the others where both see best */
SHU_TAPS_FN float
shu_bake_prior (int view)
{
  return view == 0 ? SHU_BAKE_PRIOR_FRONT : view == 2 ? SHU_BAKE_PRIOR_BACK : 1;
}

/* Weight 0..1 of a picture at a point of the surface with unit normal
 * @normal: visibility, trust and the cosine to the power @power. */
SHU_TAPS_FN float
shu_bake_weight (const ShuBakePlanes *p, const float *pos, const float *normal,
    float power, float *ret_uv)
{
  float cosine = -shu_bake_dot (normal, p->camera.view + 8);
  float z = shu_camera_project (&p->camera, pos, ret_uv), far = -FLT_MAX;
  float trust, open;
  int x, y, most = p->size - 1;

  if (!(cosine > 0.05f) || !(ret_uv[0] >= 0) || !(ret_uv[1] >= 0) ||
      !(ret_uv[0] <= 1) || !(ret_uv[1] <= 1))
    return 0;
  x = (int) floorf (ret_uv[0] * (float) p->size - 0.5f);
  y = (int) floorf (ret_uv[1] * (float) p->size - 0.5f);
  for (int k = 0; k < 4; k++) {
    int u = x + (k & 1), v = y + (k >> 1);

    u = u < 0 ? 0 : u > most ? most : u;
    v = v < 0 ? 0 : v > most ? most : v;
    far = fmaxf (far, p->depth[(size_t) v * p->size + u]);
  }
  if (z > far + SHU_BAKE_HIDDEN)
    return 0;
  shu_plane_sample (p->trust, p->size, 1, ret_uv, &trust);
  shu_plane_sample (p->open, p->size, 1, ret_uv, &open);
  return powf (cosine, power) * trust * open;
}

/* Share of the face's picture, instead of the front's, at a place of the
 * front; @ret_in: (out): the place in the face's picture, both in sides */
SHU_TAPS_FN float
shu_bake_face_share (const ShuBakeWorld *w, const float *uv, float *ret_in)
{
  float margin;

  if (w->face.size == 0)
    return 0;
  ret_in[0] = 3 * uv[0] - 1;
  ret_in[1] = 3 * uv[1];
  margin = fminf (fminf (ret_in[0], 1 - ret_in[0]), 1 - ret_in[1]);
  return ret_in[1] < 0 ? 0
                       : shu_plane_clamp (margin / SHU_BAKE_FACE_FADE, 0, 1);
}

/* Colour of body picture @v at a point, the face's detail included. */
SHU_TAPS_FN void
shu_bake_view (const ShuBakeWorld *w, int v, const float *uv, float *ret)
{
  const ShuBakePlanes *p = &w->photos[v];
  float in[2], c[3], shift[3], t;

  shu_plane_sample (p->rgb, p->size, 3, uv, ret);
  if (v != 0 || !((t = shu_bake_face_share (w, uv, in)) > 0))
    return;
  shu_plane_sample (w->face.rgb, w->face.size, 3, in, c);
  shu_plane_sample (w->face_shift, w->face.size, 3, in, shift);
  for (int k = 0; k < 3; k++)
    ret[k] += t * (c[k] + shift[k] - ret[k]);
}

/* Weighted mean of the pictures at a spot.  Returns: how well they see it, as
 * the sum of their weights before some overrule others; 0: none does */
SHU_TAPS_FN float
shu_bake_mean_views (
    const ShuBakeWorld *w, const ShuBakeSpot *s, float *ret_mean)
{
  float total = 0, seen = 0;

  ret_mean[0] = ret_mean[1] = ret_mean[2] = 0;
  for (int v = 0; v < SHU_BAKE_BODY; v++) {
    float uv[2], c[3], weight, share;

    if (w->photos[v].size == 0)
      continue;
    weight = shu_bake_weight (&w->photos[v], s->pos, s->normal, w->power, uv);
    if (!(weight > 0))
      continue;
    share = shu_bake_prior (v) * weight;
    shu_bake_view (w, v, uv, c);
    for (int k = 0; k < 3; k++)
      ret_mean[k] += share * (c[k] + s->match[v][k]);
    total += share;
    seen += weight;
  }
  for (int k = 0; k < 3 && total > 0; k++)
    ret_mean[k] /= total;
  return seen;
}

/* The colour underneath at texture place @uv, or @own 0..1 (nullable) */
SHU_TAPS_FN void
shu_bake_under (
    const ShuBakeWorld *w, const float *uv, const float *own, float *ret)
{
  if (w->under)
    shu_plane_sample (w->under, w->under_size, 3, uv, ret);
  else
    for (int k = 0; k < 3; k++)
      ret[k] = own ? 255 * own[k] : 128;
}

/* ---- vertices ---- */

/* As shu_bake_differences() has it */
SHU_TAPS_FN float
shu_bake_difference (
    const ShuBakeWorld *w, int view, unsigned refs, int i, float *ret)
{
  const ShuBakePlanes *photo = &w->photos[view];
  const float *pos = w->pos + 3 * (size_t) i;
  const float *n = w->normal + 3 * (size_t) i;
  float normal[3] = {n[0], n[1], n[2]}, uv[2], c[3], total = 0, own;

  shu_bake_unit (normal);
  own = shu_bake_weight (photo, pos, normal, 2, uv);
  ret[0] = ret[1] = ret[2] = 0;
  if (!(own > 0.02f))
    return 0;
  shu_plane_sample (photo->smooth, photo->size, 3, uv, c);
  for (int r = 0; r < SHU_BAKE_BODY; r++) {
    const ShuBakePlanes *ref = &w->photos[r];
    float d[3], large = 0, share;

    if (!(refs >> r & 1) || ref->size == 0)
      continue;
    share = own * shu_bake_weight (ref, pos, normal, 2, uv);
    if (!(share > 0))
      continue;
    shu_plane_sample (ref->smooth, ref->size, 3, uv, d);
    for (int k = 0; k < 3; k++) {
      d[k] += (w->match[r] ? w->match[r][3 * (size_t) i + k] : 0) - c[k];
      large += d[k] * d[k];
    }
    share /=
        1 + large / (SHU_BAKE_USUAL_DIFFERENCE * SHU_BAKE_USUAL_DIFFERENCE);
    for (int k = 0; k < 3; k++)
      ret[k] += share * shu_plane_clamp (d[k], -SHU_BAKE_MAX_DIFFERENCE,
                            SHU_BAKE_MAX_DIFFERENCE);
    total += share;
  }
  for (int k = 0; k < 3 && total > 0; k++)
    ret[k] /= total;
  return 4 * total;
}

/* As shu_bake_lacks() has it */
SHU_TAPS_FN float
shu_bake_lack (const ShuBakeWorld *w, int i, float *ret)
{
  ShuBakeSpot s;
  float c[3], base[3], seen;

  for (int k = 0; k < 3; k++) {
    s.pos[k] = w->pos[3 * (size_t) i + k];
    s.normal[k] = w->normal[3 * (size_t) i + k];
    for (int v = 0; v < SHU_BAKE_BODY; v++)
      s.match[v][k] = w->match[v] ? w->match[v][3 * (size_t) i + k] : 0;
  }
  shu_bake_unit (s.normal);
  seen = shu_bake_mean_views (w, &s, c);
  shu_bake_under (w, w->uv + 2 * (size_t) i,
      w->attr ? w->attr + 6 * (size_t) i : NULL, base);
  for (int k = 0; k < 3; k++)
    ret[k] = seen > 0 ? c[k] - base[k] : 0;
  return fminf (seen / SHU_BAKE_SEEN, 1) * 8;
}

/* ---- texels ---- */

/* Three values of each vertex of a face, @stride floats apart, mixed */
SHU_TAPS_FN void
shu_bake_mix (
    const float *a, const int *f, const float *l, int stride, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = l[0] * a[stride * (size_t) f[0] + k] +
             l[1] * a[stride * (size_t) f[1] + k] +
             l[2] * a[stride * (size_t) f[2] + k];
}

/* The place on a face with weights @l of its corners */
SHU_TAPS_FN ShuBakeSpot
shu_bake_spot (const ShuBakeWorld *w, const int *f, const float *l)
{
  ShuBakeSpot s;

  shu_bake_mix (w->pos, f, l, 3, s.pos);
  shu_bake_mix (w->normal, f, l, 3, s.normal);
  shu_bake_unit (s.normal);
  for (int v = 0; v < SHU_BAKE_BODY; v++)
    if (w->match[v])
      shu_bake_mix (w->match[v], f, l, 3, s.match[v]);
    else
      s.match[v][0] = s.match[v][1] = s.match[v][2] = 0;
  return s;
}

/* The texel that shows @face at @bary */
SHU_TAPS_FN void
shu_bake_texel (const ShuBakeWorld *w, int face, const float *bary, float *ret)
{
  const int *f = w->faces + 3 * (size_t) face;
  float l[3] = {1 - bary[0] - bary[1], bary[0], bary[1]}, own[3], base[3];
  float mean[3], bridge[3], uv[2], seen, share;
  ShuBakeSpot s = shu_bake_spot (w, f, l);

  seen = shu_bake_mean_views (w, &s, mean);
  if (w->attr)
    shu_bake_mix (w->attr, f, l, 6, own);
  for (int k = 0; k < 2; k++)
    uv[k] = l[0] * w->uv[2 * (size_t) f[0] + k] +
            l[1] * w->uv[2 * (size_t) f[1] + k] +
            l[2] * w->uv[2 * (size_t) f[2] + k];
  shu_bake_under (w, uv, w->attr ? own : NULL, base);
  shu_bake_mix (w->bridge, f, l, 3, bridge);
  share = SHU_BAKE_BASE * fmaxf (0, 1 - seen / SHU_BAKE_SEEN);
  share /= seen + share;
  for (int k = 0; k < 3; k++)
    ret[k] = shu_plane_clamp (
        mean[k] + share * (base[k] + bridge[k] - mean[k]), 0, 255);
}

/* ---- rows ---- */

/* Where a pixel of a picture of @side pixels, which shows @face at @bary, reads
 * a texture of @size. */
SHU_TAPS_FN void
shu_bake_place (const ShuBakeWorld *w, const ShuCamera *camera, int side,
    int face, const float *bary, int size, float widest, float *ret)
{
  const int *f = w->faces + 3 * (size_t) face;
  float screen[3][3], uv[3][2];

  for (int k = 0; k < 3; k++) {
    screen[k][2] =
        shu_camera_project (camera, w->pos + 3 * (size_t) f[k], screen[k]);
    screen[k][0] *= (float) side;
    screen[k][1] *= (float) side;
    uv[k][0] = w->uv[2 * (size_t) f[k]];
    uv[k][1] = w->uv[2 * (size_t) f[k] + 1];
  }
  shu_texture_place (screen, uv, bary, camera->perspective, size, ret);
  ret[2] = fminf (ret[2], widest);
}

/* Pixel @i of a photo of the body, or of the face, which belongs to @view */
SHU_TAPS_FN ShuBakeRow
shu_bake_photo_row (const ShuBakeWorld *w, const ShuBakePlanes *p, int is_face,
    int view, size_t i, int size, float widest)
{
  ShuBakeRow row = {{0, 0, 0}, {0, 0, 0}, 0};
  float l[3], in[2], cosine, share, weight = p->trust[i] * p->open[i];
  float uv[2] = {((float) (i % p->size) + 0.5f) / (float) p->size,
      ((float) (i / p->size) + 0.5f) / (float) p->size};
  ShuBakeSpot s;

  if (p->face[i] < 0 || weight < SHU_BAKE_LEAST_TRUST)
    return row;
  l[1] = p->bary[2 * i];
  l[2] = p->bary[2 * i + 1];
  l[0] = 1 - l[1] - l[2];
  s = shu_bake_spot (w, w->faces + 3 * (size_t) p->face[i], l);
  cosine = -shu_bake_dot (s.normal, p->camera.view + 8);
  if (!(cosine > 0.05f))
    return row;
  if (is_face) {
    uv[0] = (uv[0] + 1) / 3;
    uv[1] /= 3;
  }
  share = view == 0 ? shu_bake_face_share (w, uv, in) : 0;
  weight *= powf (cosine, w->power) * shu_bake_prior (view) /
            SHU_BAKE_PRIOR_FRONT * (is_face ? share : 1 - share);
  if (!(weight > 0))
    return row;
  row.weight = weight;
  shu_bake_place (w, &p->camera, p->size, p->face[i], p->bary + 2 * i, size,
      widest, row.place);
  for (int k = 0; k < 3; k++)
    row.color[k] = p->rgb[3 * i + k] + s.match[view][k] +
                   (is_face ? w->face_shift[3 * i + k] : 0);
  return row;
}

/* As in ShuBakeDrawings, from one camera */
typedef struct {
  ShuCamera camera;
  int size;
  const float *color, *through, *depth;
  const int *face;
  const float *bary, *face_depth;
} ShuBakeDrawing;

/* Pixel @i of a drawing tells of the surface where it is solid, has no step in
 * depth beside it, and is seen not too much from the side. */
SHU_TAPS_FN ShuBakeRow
shu_bake_drawing_row (const ShuBakeWorld *w, const ShuBakeDrawing *d, size_t i,
    int size, float widest)
{
  ShuBakeRow row = {{0, 0, 0}, {0, 0, 0}, 0};
  const float *m = d->camera.view, *bary = d->bary + 2 * i;
  const float l[3] = {1 - bary[0] - bary[1], bary[0], bary[1]};
  const int *f;
  float pos[3], n[3], eye[3], len, cosine;

  if (d->face[i] < 0 || d->through[i] > 1 - SHU_BAKE_LEAST_ALPHA ||
      fabsf (d->depth[i] - d->face_depth[i]) > SHU_BAKE_DEPTH_SLACK)
    return row;
  f = w->faces + 3 * (size_t) d->face[i];
  shu_bake_mix (w->pos, f, l, 3, pos);
  shu_bake_mix (w->normal, f, l, 3, n);
  for (int k = 0; k < 3; k++)
    eye[k] = -(m[k] * m[3] + m[4 + k] * m[7] + m[8 + k] * m[11]) - pos[k];
  len = shu_bake_dot (eye, eye) * shu_bake_dot (n, n);
  cosine = len > 0 ? shu_bake_dot (eye, n) / sqrtf (len) : 0;
  if (!(cosine > 0.2f))
    return row;
  row.weight = cosine * cosine;
  shu_bake_place (
      w, &d->camera, d->size, d->face[i], bary, size, widest, row.place);
  for (int k = 0; k < 3; k++)
    row.color[k] = fminf (255, 255 * d->color[3 * i + k] / (1 - d->through[i]));
  return row;
}

/* ---- fields ---- */

/* As in shu_field_spread(): of each vertex that stands for itself and has
 * neighbours, (diagonal - neighbours) x = what it holds to. */
typedef struct {
  const int *first, *start, *next;
  const float *held, *weight;
  float decay;
} ShuFieldSystem;

/* 0 where there is no equation */
SHU_TAPS_FN float
shu_field_diagonal (const ShuFieldSystem *s, int i)
{
  float m = (float) (s->start[i + 1] - s->start[i]);

  return s->first[i] == i ? m * (1 + s->weight[i] + s->decay) : 0;
}

/* 1 over it, or 0 */
SHU_TAPS_FN float
shu_field_over (const ShuFieldSystem *s, int i)
{
  float diagonal = shu_field_diagonal (s, i);

  return diagonal > 0 ? 1 / diagonal : 0;
}

/* The system's matrix times @x [n,3], at vertex @i */
SHU_TAPS_FN void
shu_field_product (const ShuFieldSystem *s, int i, const float *x, float *ret)
{
  float diagonal = shu_field_diagonal (s, i);
  float sum[3] = {0, 0, 0};

  for (int e = s->start[i]; diagonal > 0 && e < s->start[i + 1]; e++)
    for (int k = 0; k < 3; k++)
      sum[k] += x[3 * (size_t) s->next[e] + k];
  for (int k = 0; k < 3; k++)
    ret[k] = diagonal * x[3 * (size_t) i + k] - sum[k];
}

/* What @x leaves; adds its square over the diagonal to @sum. */
SHU_TAPS_FN void
shu_field_residual (
    const ShuFieldSystem *s, int i, const float *x, float *ret, double *sum)
{
  float over = shu_field_over (s, i);
  float hold = (float) (s->start[i + 1] - s->start[i]) * s->weight[i];

  shu_field_product (s, i, x, ret);
  for (int k = 0; k < 3; k++) {
    ret[k] = over > 0 ? hold * s->held[3 * (size_t) i + k] - ret[k] : 0;
    sum[k] += (double) over * ret[k] * ret[k];
  }
}
