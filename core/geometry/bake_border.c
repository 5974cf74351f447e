/* SPDX-License-Identifier: MIT */
/* Where the person ends in a picture: the mask, what of it is the white
 * behind, how far that white reaches in, and which pixels show nothing but
 * the person. */
#include "geometry/bake_private.h"
#include <math.h>

enum {
  MASK_LEVEL = 230,    /* a normal below it in any channel: the person */
  CUT_OUT_LEVEL = 128, /* a cut-out below it: not the person */
  LEAST_SAMPLES = 24,  /* pixels of one depth that say something */
};

/* How far into the mask the background is looked for, in sides. */
static const float white_reach = 0.09f;
/* Depth at which colours are the person's own; how far inside a mask the
 * edge of the colours is believed to lie, and how wide its blur; in sides. */
static const float deep = 0.06f, deepest_edge = 0.03f, widest_blur = 0.025f;
/* Of a cut-out, whose colours are not used */
static const float cut_out_edge = 0.002f;

static int
side_of (const ShuTensor *plane)
{
  return (int) plane->dims[0];
}

/* U8 [S,S] where the person is not.  Normals and colours are drawn apart and do
 * not quite agree: what is as white as the background, and connected with it,
 * is taken out of the mask of normals. */
static ShuTensor *
find_outside (ShuCtx *c, const ShuBakePicture *p, ShuTensor *rgb)
{
  ShuPhotoJob job = {.picture = p->person   ? p->person
                                : p->normal ? p->normal
                                            : p->color,
      .level = p->person ? CUT_OUT_LEVEL : MASK_LEVEL,
      .mirror = p->mirror};

  shu_photo_step (c, SHU_PHOTO_BELOW, &job);
  return p->person ? job.mask
                   : shu_photo_background (c, rgb, job.mask,
                         MAX (1, (int) (white_reach * side_of (rgb))));
}

/* The share of the person in pixels by their depth, two steps a pixel:
 * the median, or -1 where too few pixels of that depth tell. */
static gboolean
measure_profile (ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, float *ret_share)
{
  ShuPhotoJob job = {.depth = depth, .amount = deep * side_of (rgb)};
  guint32 counts[SHU_PHOTO_DEPTHS * SHU_PHOTO_LEVELS];

  shu_photo_step (c, SHU_PHOTO_ABOVE, &job);
  if (!shu_photo_count_shares (
          c, rgb, depth, shu_plane_find_nearest (c, job.mask, 0, NULL), counts))
    return FALSE;
  for (int step = 0; step < SHU_PHOTO_DEPTHS; step++) {
    const guint32 *n = counts + step * SHU_PHOTO_LEVELS;
    guint64 total = 0, below = 0;
    int level = 0;

    for (int i = 0; i < SHU_PHOTO_LEVELS; i++)
      total += n[i];
    while (level < SHU_PHOTO_LEVELS - 1 && 2 * (below + n[level]) < total)
      below += n[level++];
    ret_share[step] =
        total < LEAST_SAMPLES ? -1 : (float) level / (SHU_PHOTO_LEVELS - 1);
  }
  return TRUE;
}

/* Pixels inside the outline at which the profile first reaches @share, or
 * -1.  The outermost pixels have a depth of 1, the outline itself 0.5. */
static float
reaches (const float *profile, float share)
{
  float before = -1, at = 0.5f;

  for (int step = 0; step < SHU_PHOTO_DEPTHS; step++) {
    float depth = MAX (0.5f, 0.5f * step + 0.25f);

    if (profile[step] < 0)
      continue;
    if (profile[step] >= share) {
      if (before < 0)
        return 0;
      return at - 0.5f +
             (depth - at) * (share - before) / (profile[step] - before);
    }
    before = profile[step];
    at = depth;
  }
  return -1;
}

/* As the picture shows it, @fallback where it is too light to tell. */
static ShuBakeBlur
measure_blur (ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuBakeBlur fallback)
{
  float profile[SHU_PHOTO_DEPTHS], half, most, size = side_of (rgb);
  ShuBakeBlur blur = fallback;

  if (!measure_profile (c, rgb, depth, profile))
    return blur;
  half = reaches (profile, 0.5f);
  most = reaches (profile, 0.9f);
  if (half < 0 || most < 0)
    return blur;
  /* 90 % of a Gaussian step lie below 1.28 sigma. */
  blur.offset = MIN (half, deepest_edge * size) / size;
  blur.sigma = MIN ((most - half) / 1.28f, widest_blur * size) / size;
  return blur;
}

/* The share of the person in every pixel.  Three boxes of radius r have the
 * variance r (r + 1): between two radii, mixed by variance. */
static ShuTensor *
find_coverage (ShuCtx *c, ShuTensor *depth, ShuBakeBlur blur)
{
  float size = side_of (depth), sigma = blur.sigma * size;
  int radius = (int) ((sqrtf (1 + 4 * sigma * sigma) - 1) / 2);
  ShuPhotoJob ramp = {.depth = depth, .amount = blur.offset * size};
  ShuPhotoJob blend = {
      .amount = (sigma * sigma - radius * (radius + 1)) / (2 * (radius + 1))};

  shu_photo_step (c, SHU_PHOTO_RAMP, &ramp);
  blend.share = shu_plane_smooth (c, ramp.plane, radius);
  blend.other = shu_plane_smooth (c, ramp.plane, radius + 1);
  shu_photo_step (c, SHU_PHOTO_BLEND, &blend);
  return blend.plane;
}

/* Sure are the inside and the middle line of what is thin.  Others are un-mixed
 * with the nearest of these in view. */
static void
find_pure (ShuCtx *c, ShuBakeInside *in)
{
  ShuPhotoJob sure = {.rgb = in->rgb, .depth = in->depth, .share = in->share};
  ShuPhotoJob pure = {.share = in->share};

  shu_photo_step (c, SHU_PHOTO_SURE, &sure);
  pure.rgb = sure.colors;
  pure.set = sure.mask;
  pure.from = shu_plane_find_nearest (c, sure.sure, 0, NULL);
  shu_photo_step (c, SHU_PHOTO_PURE, &pure);
  in->rgb = pure.colors;
  in->pure = pure.mask;
}

/* A cut-out tells the shares. */
static void
use_person (ShuCtx *c, ShuTensor *person, ShuBakeInside *in)
{
  ShuPhotoJob shares = {.picture = person};
  ShuPhotoJob cut = {.rgb = in->rgb,
      .depth = in->depth,
      .amount = MAX (1, cut_out_edge * side_of (person))};

  shu_photo_step (c, SHU_PHOTO_SHARES, &shares);
  in->share = cut.share = shares.plane;
  shu_photo_step (c, SHU_PHOTO_CUT, &cut);
  in->rgb = cut.colors;
  in->pure = cut.mask;
}

gboolean
shu_bake_find_inside (ShuCtx *c, const ShuBakePicture *picture,
    ShuBakeBlur blur, ShuBakeInside *ret)
{
  ShuPhotoJob colors = {.picture = picture->color, .mirror = picture->mirror};
  ShuTensor *outside;

  shu_photo_step (c, SHU_PHOTO_COLORS, &colors);
  ret->rgb = colors.colors;
  outside = find_outside (c, picture, ret->rgb);
  shu_plane_find_nearest (c, outside, 0, &ret->depth);
  if (picture->person) {
    use_person (c, picture->person, ret);
  } else {
    ret->share = find_coverage (
        c, ret->depth, measure_blur (c, ret->rgb, ret->depth, blur));
    find_pure (c, ret);
  }
  return !shu_ctx_failed (c);
}
