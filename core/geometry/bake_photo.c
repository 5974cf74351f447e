/* SPDX-License-Identifier: MIT */
/* Makes a picture ready for baking: colours grown over the outline, trust, and
 * what the mesh hides from its camera. */
#include "geometry/bake_private.h"
#include <math.h>

enum {
  SMOOTH_RADIUS = 6,  /* pixels of 768 */
  SMOOTH_TRUST = 128, /* a radius is this part of a side */
};

/* In units of the body's cube. */
static const float jump = 0.02f; /* a step in depth that hides something */

/**
 * Border:
 * How far from an outline a picture is wrong, in sides of the picture.
 * @blur: of its edge, where the picture itself does not tell
 * @fade: trust is full from here inwards
 * @jump_near: the same as @fade at steps in depth, on the side nearer
 * @jump_far: and on the side behind
 */
typedef struct {
  ShuBakeBlur blur;
  float fade, jump_near, jump_far;
} Border;

/* A photo is sharp; what a decoder drew is blurred over some pixels. */
static const Border photo_border = {{0, 0.001f}, 0.0085f, 0, 0.008f};
static const Border drawn_border = {{0, 0.015f}, 0.02f, 0.012f, 0.025f};
static const Border face_border = {{0, 0.006f}, 0.02f, 0, 0.01f};

static const Border *
border_of_view (ShuView view)
{
  return view == SHU_VIEW_FRONT  ? &photo_border
         : view == SHU_VIEW_FACE ? &face_border
                                 : &drawn_border;
}

/* Pure colours stay; elsewhere the nearest of them, a little blurred so that
 * the outline's corners make no streaks. */
static ShuTensor *
grow_colors (ShuCtx *c, const ShuBakeInside *in)
{
  ShuPhotoJob take = {.rgb = in->rgb}, keep = {.rgb = in->rgb};

  take.from = shu_plane_find_nearest (c, in->pure, 0, NULL);
  shu_photo_step (c, SHU_PHOTO_TAKE, &take);
  keep.rgb2 =
      shu_plane_smooth (c, take.colors, MAX (1, (int) in->rgb->dims[0] / 256));
  keep.set = in->pure;
  shu_photo_step (c, SHU_PHOTO_KEEP, &keep);
  return keep.colors;
}

/* Smooth, but nowhere more than it is pixel by pixel: an outline of steps shall
 * not end in teeth where a picture sees the surface from the side. */
static ShuTensor *
find_trust (ShuCtx *c, const ShuBakeInside *in, float fade)
{
  ShuPhotoJob job = {.depth = in->depth,
      .share = in->share,
      .set = in->pure,
      .amount = MAX (1, fade - 1)};
  ShuPhotoJob least = {NULL};

  shu_photo_step (c, SHU_PHOTO_TRUST, &job);
  least.share = job.plane;
  least.other = shu_plane_smooth (
      c, job.plane, MAX (1, (int) in->depth->dims[0] / SMOOTH_TRUST));
  shu_photo_step (c, SHU_PHOTO_LEAST, &least);
  return least.plane;
}

/* @open (nullable), lower within @reach pixels of a step in depth: on the side
 * behind it, or where the step is negative on the side in front. */
static ShuTensor *
close_jumps (
    ShuCtx *c, ShuTensor *depth, ShuTensor *open, float step, float reach)
{
  ShuPhotoJob edge = {.depth = depth, .amount = step};
  ShuPhotoJob job = {
      .depth = depth, .share = open, .amount = step, .reach = MAX (1, reach)};

  shu_photo_step (c, SHU_PHOTO_EDGE, &edge);
  job.from = shu_plane_find_nearest (c, edge.mask, job.reach + 1, NULL);
  shu_photo_step (c, SHU_PHOTO_OPEN, &job);
  return job.plane;
}

/* The mesh as the camera of @p sees it, and where that hides none of it */
static void
draw_mesh (const ShuBaker *b, ShuBakePhoto *p, const Border *border)
{
  const ShuRasterJob job = {.at = b->scene.pos,
      .faces = b->scene.faces,
      .n_views = 1,
      .cameras = &p->camera,
      .width = p->size,
      .height = p->size,
      .flags = SHU_RASTER_BARY | SHU_RASTER_DEPTH};
  float size = p->size;
  ShuTensor *depth;

  if (!shu_rasterize (b->c, &job, &p->raster))
    return;
  depth = shu_reshape (b->c, p->raster.depth, SHU_DIMS (p->size, p->size));
  p->open = close_jumps (b->c, depth, NULL, jump, border->jump_far * size);
  if (border->jump_near > 0)
    p->open =
        close_jumps (b->c, depth, p->open, -jump, border->jump_near * size);
}

ShuBakePhoto *
shu_bake_photo_new (
    const ShuBaker *b, const ShuBakePicture *picture, ShuView view)
{
  SHU_SCOPE (b->c);
  const Border *border = border_of_view (view);
  ShuBakePhoto *p = g_new0 (ShuBakePhoto, 1);
  ShuBakeInside in;

  p->size = (int) picture->color->dims[0];
  p->camera = shu_camera_of_view (view);
  if (!shu_bake_find_inside (b->c, picture, border->blur, &in))
    return p;
  p->trust = find_trust (b->c, &in, border->fade * p->size);
  p->rgb = grow_colors (b->c, &in);
  p->smooth =
      shu_plane_smooth (b->c, p->rgb, MAX (1, SMOOTH_RADIUS * p->size / 768));
  draw_mesh (b, p, border);
  if (shu_ctx_failed (b->c))
    return p;
  ShuTensor *const kept[] = {p->rgb, p->smooth, p->trust, p->open,
      p->raster.face, p->raster.bary, p->raster.depth};
  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++)
    shu_keep (b->c, kept[i]);
  return p;
}
