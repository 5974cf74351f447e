/* SPDX-License-Identifier: MIT */
/* One pixel of the steps of photo.h, for every backend: the same bits where
 * products and sums are not fused. */
#pragma once
#include "ops/photo_step.h"
#include "ops/plane_pixels.h"
#include <float.h>
#include <math.h>

enum {
  SHU_PHOTO_LEAST_WHITE = 230, /* of the background: what is darker is not it */
  SHU_PHOTO_WHITE = 250,       /* of one that nobody drew */
  SHU_PHOTO_WHITE_SLACK = 14,  /* below most of the background */
};

/* Of a colour that tells white from itself, the square */
#define SHU_PHOTO_LEAST_CONTRAST (60.f * 60.f)
/* Of the person in a pixel that can be un-mixed, and in one that need not */
#define SHU_PHOTO_LEAST_COVERAGE 0.5f
#define SHU_PHOTO_SURE_COVERAGE 0.98f
/* A pixel is mixed with the white behind when less of it than this is the
 * colour farther inside. */
#define SHU_PHOTO_LEAST_SHARE 0.92f
#define SHU_PHOTO_LEAST_TRUST 0.001f

/* ShuPhotoJob in the memory of a device; @C: channels of picture */
typedef struct {
  int S, C;
  const uint8_t *picture;
  const float *rgb, *rgb2, *depth, *share, *other;
  const int32_t *from;
  const uint8_t *set;
  int S2; /* of rgb2 */
  float amount, reach;
  int level, mirror;
  float *colors, *plane;
  uint8_t *mask, *sure;
} ShuPhotoPixels;

SHU_PLANE_FN int
shu_photo_darkest (const float *rgb)
{
  float least = rgb[0] < rgb[1] ? rgb[0] : rgb[1];

  return (int) (least < rgb[2] ? least : rgb[2]);
}

/* What the background is as white as: a little less than all but a tenth of it,
 * whose pixels are counted by their darkest channel */
SHU_PLANE_FN int
shu_photo_white (const uint32_t *count)
{
  uint64_t total = 0, below = 0;
  int level = 0;

  for (int i = 0; i < 256; i++)
    total += count[i];
  while (level < 255 && (below += count[level]) * 10 <= total)
    level++;
  level -= SHU_PHOTO_WHITE_SLACK;
  return level < SHU_PHOTO_LEAST_WHITE ? SHU_PHOTO_LEAST_WHITE
         : level > SHU_PHOTO_WHITE     ? SHU_PHOTO_WHITE
                                       : level;
}

/* The share a of a foreground @fg in @c = a fg + (1 - a) white, 1 where white
 * does not explain the difference; -1 where the foreground itself is light. */
SHU_PLANE_FN float
shu_photo_share (const float *c, const float *fg)
{
  float dot = 0, len = 0, rest = 0, a;

  for (int k = 0; k < 3; k++) {
    dot += (255 - c[k]) * (255 - fg[k]);
    len += (255 - fg[k]) * (255 - fg[k]);
  }
  if (len < SHU_PHOTO_LEAST_CONTRAST)
    return -1;
  a = dot / len;
  for (int k = 0; k < 3; k++) {
    float d = 255 - c[k] - a * (255 - fg[k]);
    rest += d * d;
  }
  return rest < 0.15f * (1 - a) * (1 - a) * len + 100
             ? shu_plane_clamp (a, 0, 1)
             : 1;
}

/* Takes the white out of a pixel that is mixed with it. */
SHU_PLANE_FN void
shu_photo_unmix (float *rgb, float coverage)
{
  if (coverage < SHU_PHOTO_LEAST_COVERAGE || coverage >= 1)
    return;
  for (int k = 0; k < 3; k++)
    rgb[k] = shu_plane_clamp (255 - (255 - rgb[k]) / coverage, 0, 255);
}

/* Where pixel @i is counted; -1: nowhere */
SHU_PLANE_FN int
shu_photo_bin (const float *rgb, const float *depth, const int32_t *from,
    size_t i, int n_depths, int n_levels)
{
  float d = 2 * depth[i], a;

  if (!(d > 0 && d < (float) n_depths) || from[i] < 0 || from[i] == (int) i)
    return -1;
  a = shu_photo_share (rgb + 3 * i, rgb + 3 * (size_t) from[i]);
  return a < 0 ? -1
               : (int) d * n_levels + (int) (a * (float) (n_levels - 1) + 0.5f);
}

/* The ridge of what is thinner than the border: it keeps its middle line. */
SHU_PLANE_FN int
shu_photo_is_ridge (const float *depth, int S, int x, int y)
{
  size_t i = (size_t) y * S + x;
  const size_t steps[4] = {1, (size_t) S, (size_t) S + 1, (size_t) S - 1};

  if (x < 1 || y < 1 || x + 1 >= S || y + 1 >= S)
    return 0;
  for (int k = 0; k < 4; k++) {
    float a = depth[i + steps[k]], b = depth[i - steps[k]], d = depth[i];
    if (a <= d && b <= d && a + b < 2 * d - 0.5f)
      return 1;
  }
  return 0;
}

/* ---- steps ---- */

SHU_PLANE_FN size_t
shu_photo_picture_at (const ShuPhotoPixels *p, int x, int y)
{
  return p->C * ((size_t) y * p->S + (p->mirror ? p->S - 1 - x : x));
}

SHU_PLANE_FN void
shu_photo_put (const ShuPhotoPixels *p, size_t i, const float *rgb)
{
  for (int k = 0; k < 3; k++)
    p->colors[3 * i + k] = rgb[k];
}

SHU_PLANE_FN void
shu_photo_colors (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  const uint8_t *from = p->picture + shu_photo_picture_at (p, x, y);

  for (int k = 0; k < 3; k++)
    p->colors[3 * i + k] = (float) from[k];
}

SHU_PLANE_FN void
shu_photo_shares (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  p->plane[i] = (float) p->picture[shu_photo_picture_at (p, x, y)] / 255;
}

SHU_PLANE_FN void
shu_photo_below (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  const uint8_t *from = p->picture + shu_photo_picture_at (p, x, y);
  int is_below = 0;

  for (int k = 0; k < p->C; k++)
    is_below |= from[k] < p->level;
  p->mask[i] = (uint8_t) is_below;
}

SHU_PLANE_FN void
shu_photo_above (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  p->mask[i] = p->depth[i] > p->amount;
}

SHU_PLANE_FN void
shu_photo_ramp (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  p->plane[i] = shu_plane_clamp (p->depth[i] - p->amount, 0, 1);
}

SHU_PLANE_FN void
shu_photo_blend (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float a = p->share[i];

  p->plane[i] = shu_plane_clamp (a + p->amount * (p->other[i] - a), 0, 1);
}

SHU_PLANE_FN void
shu_photo_sure (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float c[3] = {p->rgb[3 * i], p->rgb[3 * i + 1], p->rgb[3 * i + 2]};
  int inside = p->share[i] > SHU_PHOTO_SURE_COVERAGE;
  int pure = p->depth[i] >= 1 && p->share[i] >= SHU_PHOTO_LEAST_COVERAGE;
  int ridge = !inside && pure && shu_photo_is_ridge (p->depth, p->S, x, y);

  if (ridge)
    shu_photo_unmix (c, p->share[i]);
  shu_photo_put (p, i, c);
  p->mask[i] = (uint8_t) pure;
  p->sure[i] = (uint8_t) (inside || ridge);
}

SHU_PLANE_FN void
shu_photo_pure (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float c[3] = {p->rgb[3 * i], p->rgb[3 * i + 1], p->rgb[3 * i + 2]};
  int pure = p->set[i];

  if (pure && p->from[i] >= 0 && p->from[i] != (int) i) {
    const float *ref = p->rgb + 3 * (size_t) p->from[i];
    float a;

    shu_photo_unmix (c, p->share[i]);
    for (int k = 0; k < 3; k++) {
      float old = p->rgb[3 * i + k], least = old < ref[k] ? old : ref[k];
      c[k] = c[k] > least ? c[k] : least;
    }
    a = shu_photo_share (c, ref);
    pure = a < 0 || a >= SHU_PHOTO_LEAST_SHARE;
  }
  shu_photo_put (p, i, c);
  p->mask[i] = (uint8_t) pure;
}

SHU_PLANE_FN void
shu_photo_cut (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float c[3] = {p->rgb[3 * i], p->rgb[3 * i + 1], p->rgb[3 * i + 2]};

  shu_photo_unmix (c, p->share[i]);
  shu_photo_put (p, i, c);
  p->mask[i] = p->depth[i] >= p->amount;
}

SHU_PLANE_FN void
shu_photo_trust (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float in = (p->depth[i] - 1) / p->amount, of = (p->share[i] - 0.4f) / 0.6f;
  float t = shu_plane_clamp (in < of ? in : of, 0, 1);

  t = p->set[i] ? t * t * (3 - 2 * t) : 0;
  p->plane[i] = t > SHU_PHOTO_LEAST_TRUST ? t : SHU_PHOTO_LEAST_TRUST;
}

SHU_PLANE_FN void
shu_photo_least (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  p->plane[i] = p->share[i] < p->other[i] ? p->share[i] : p->other[i];
}

SHU_PLANE_FN void
shu_photo_take (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  shu_photo_put (
      p, i, p->rgb + 3 * (p->from[i] >= 0 ? (size_t) p->from[i] : i));
}

SHU_PLANE_FN void
shu_photo_keep (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  shu_photo_put (p, i, (p->set[i] ? p->rgb : p->rgb2) + 3 * i);
}

/* Whether @far lies behind @near by the step, or before it where that is
 * negative */
SHU_PLANE_FN int
shu_photo_steps (float near, float far, float step)
{
  return step > 0 ? far - near > step : near - far > -step;
}

SHU_PLANE_FN void
shu_photo_edge (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  const int there[4] = {x + 1 < p->S, x > 0, y + 1 < p->S, y > 0};
  const size_t other[4] = {i + 1, i - 1, i + p->S, i - p->S};
  int edge = 0;

  for (int k = 0; k < 4; k++)
    edge |= there[k] && p->depth[i] < FLT_MAX && p->depth[other[k]] < FLT_MAX &&
            shu_photo_steps (p->depth[i], p->depth[other[k]], p->amount);
  p->mask[i] = (uint8_t) edge;
}

SHU_PLANE_FN void
shu_photo_open (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  int at = p->from[i];
  float open = p->share ? p->share[i] : 1, t;

  if (at >= 0 && shu_photo_steps (p->depth[at], p->depth[i], p->amount)) {
    float dx = (float) (at % p->S - x), dy = (float) (at / p->S - y);

    t = (sqrtf (dx * dx + dy * dy) - 1) / (p->reach > 1 ? p->reach : 1);
    t = shu_plane_clamp (t, SHU_PHOTO_LEAST_TRUST, 1);
    open = t < open ? t : open;
  }
  p->plane[i] = open;
}

/* The face's picture is the middle third of the upper third of the front's. */
SHU_PLANE_FN void
shu_photo_lack (const ShuPhotoPixels *p, size_t i, int x, int y)
{
  float S = (float) p->S, c[3];
  float uv[2] = {
      ((float) x + 0.5f) / S / 3 + 1.0f / 3, ((float) y + 0.5f) / S / 3};

  shu_plane_sample (p->rgb2, p->S2, 3, uv, c);
  for (int k = 0; k < 3; k++)
    c[k] -= p->rgb[3 * i + k];
  shu_photo_put (p, i, c);
}
