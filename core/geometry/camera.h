/* SPDX-License-Identifier: MIT */
/* Cameras: the fixed views that stage 1 draws, the spheres of views that
 * baking and hole filling look from, and their matrices.  World: z up, the
 * person faces -y.  Matrices are 4x4, row major, for column vectors. */
#pragma once
#include "base/camera.h"
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuView:
 * The pictures that stage 1 draws, in file order.  All are orthographic; the
 * body views cover [-0.5,0.5], the face x [-1/6,1/6] and z [1/6,1/2].
 */
typedef enum {
  SHU_VIEW_FRONT, /* camera at -y, columns along +x */
  SHU_VIEW_RIGHT, /* camera at +x, columns along +y */
  SHU_VIEW_BACK,  /* camera at +y, columns along -x (its file: mirrored) */
  SHU_VIEW_LEFT,  /* camera at -x, columns along -y (its file: mirrored) */
  SHU_VIEW_FACE,  /* the front camera's face window */
  SHU_N_VIEWS,
} ShuView;

/**
 * shu_camera_extrinsics:
 * @yaw: radians; 0 looks from +y, -pi from -y
 * @pitch: radians; positive looks from above
 * @radius: distance of the eye from the origin, which it looks at
 * @ret_view: (out caller-allocates): 16 floats, OpenCV axes
 *
 * Computed in float32 as the reference does, since at a pole only the
 * rounding of cos (pi/2) decides the roll.
 */
void shu_camera_extrinsics (
    float yaw, float pitch, float radius, float *ret_view);

/**
 * shu_camera_orbit:
 * Returns: the perspective camera at (@yaw, @pitch, @radius) whose field of
 * view is @fov degrees both ways
 */
ShuCamera shu_camera_orbit (float yaw, float pitch, float radius, float fov);

/**
 * shu_camera_of_view:
 * Returns: the orthographic camera of one of stage 1's pictures, as it looks
 * in the world, so the files of back and left are mirrored against it
 */
ShuCamera shu_camera_of_view (ShuView view);

/* The orthographic camera at (@yaw, 0) that sees a square of @extent. */
ShuCamera shu_camera_turntable (float yaw, float extent);

/**
 * shu_camera_render_angles:
 * @i: 0..@n_views-1: the five of stage 1, then a Hammersley sphere
 *
 * Yaw and pitch of the views from which the Gaussians are rendered.
 */
void shu_camera_render_angles (
    int i, int n_views, float *ret_yaw, float *ret_pitch);

/**
 * shu_camera_renders:
 * @n_views: more than SHU_N_VIEWS
 * @radius: of the orbit; the reference has 2
 * @fov: degrees; the reference has 40
 * @ret: (out caller-allocates): @n_views cameras
 *
 * All cameras of shu_camera_render_angles().
 */
void shu_camera_renders (int n_views, float radius, float fov, ShuCamera *ret);

/**
 * shu_hammersley:
 * Point @i of @n of the Hammersley set in @n_dims (1..10) dimensions: i / n,
 * then radical inverses in the first primes.
 */
void shu_hammersley (int i, int n, int n_dims, double *ret_point);

/* The point of the sphere that belongs to it: yaw, pitch in radians. */
void shu_hammersley_sphere (int i, int n, double *ret_yaw, double *ret_pitch);

/**
 * shu_camera_gl_look_at:
 * View matrix with OpenGL axes (y up, z backward) of the eye at (@yaw,
 * @pitch, @radius), in double precision until the last step: what the
 * visibility pass of hole filling uses.
 */
void shu_camera_gl_look_at (
    double yaw, double pitch, double radius, float *ret_view);

/* diag (1,-1,-1,1) @view: the same camera with OpenGL axes. */
void shu_camera_gl_view (const float *view, float *ret_view);

/* OpenGL perspective projection, z in [-1,1] from @near to @far. */
void shu_projection_perspective (
    float focal, float near, float far, float *ret_projection);

/* Orthographic projection of [-0.5,0.5], y negated: raster row 0 is the top. */
void shu_projection_ortho (float near, float far, float *ret_projection);

/* The projection of the splatting renderer: OpenCV axes, z in [0,1]. */
void shu_projection_splat (
    float focal, float near, float far, float *ret_projection);

G_END_DECLS
