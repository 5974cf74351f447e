/* SPDX-License-Identifier: MIT */
/* Colours the texture of an unwrapped mesh from pictures of it. */
#pragma once
#include "base/image.h"
#include "base/progress.h"
#include "geometry/camera.h"
#include "geometry/mesh.h"
#include "ops/render.h"

G_BEGIN_DECLS

/**
 * ShuBakeViews:
 * @color: (nullable): RGB pictures, U8 [S,S,3], in the order of ShuView, as
 *   stage 1 stores them: white background, back and left mirrored
 * @normal: (nullable): RGB normal pictures of the same sizes; where a channel
 *   is below 230 is the person.  Without one the colours decide.
 * @person: (nullable): U8 [S,S,1], of the size of the front picture: where it
 *   shows the person (above 127), for a photo whose cut-out is at hand.
 *   Without one the normals decide, less what is as white as the background.
 * @gaussians: (nullable): colour what no picture sees
 *
 * All where the bake works, or in host memory.
 *
 * The front is the photo and overrules the others (it weighs 50 where a side
 * weighs 1 and the back 20); the face adds its detail.
 */
typedef struct {
  ShuTensor *color[SHU_N_VIEWS];
  ShuTensor *normal[SHU_N_VIEWS];
  ShuTensor *person;
  const ShuSplatInput *gaussians;
} ShuBakeViews;

/**
 * ShuBakeParams:
 * @ctx: (nullable): where to work; NULL: on the CPU
 * @size: side of the texture, 64..8192; 0 means 1024
 * @angle_power: power of the cosine of the viewing angle that weights a view;
 *   0 means 4
 * @n_renders: views from which the Gaussians are drawn; 0 means 95
 * @render_size: pixels a side of these; 0 means a quarter of @size,
 *   at least 256
 * @steps: of the solver that sharpens the texture; 0 means 4
 * @stiffness: how smooth what it changes is; 0 means 0.5
 */
typedef struct {
  ShuCtx *ctx;
  int size;
  float angle_power;
  int n_renders;
  int render_size;
  int steps;
  float stiffness;
} ShuBakeParams;

/**
 * shu_bake:
 * @unwrapped: world frame, with uv (shu_atlas()), checked
 * @params: (nullable):
 *
 * Each texel takes the mean of the pictures that see its place, weighted by
 * angle, by distance from outlines and by picture; what is
 * mixed with the white behind is un-mixed or left out, as far in as each
 * picture shows it; the low frequencies of the sides follow the front, those
 * of the back the sides.  What no picture sees takes the colour of the
 * Gaussians, drawn from all around and solved for as the texture that shows
 * what most of these drawings do, else of the vertices, shifted so that it
 * joins its surroundings; space between charts is filled with the colours
 * around it.  Last, the texture is sharpened: by weighted least squares, so
 * that the pixels of the pictures, as means over what they see of it, come
 * back.
 *
 * Returns: (transfer full): RGB, row 0 is v = 0; or NULL with
 *   %SHU_ERROR_INVALID (pictures that are not square RGB, or differ in size)
 *   or %G_IO_ERROR_CANCELLED
 */
ShuImage *shu_bake (const ShuMesh *unwrapped, const ShuBakeViews *views,
    const ShuBakeParams *params, const ShuProgress *progress, GError **error);

G_END_DECLS
