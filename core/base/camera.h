/* SPDX-License-Identifier: MIT */
/* A camera as numbers, for every device; geometry/camera.h makes them.  Images
 * have u to the right and v down, both in image sides. */
#pragma once

#ifdef __CUDACC__
#define SHU_CAMERA_FN static __host__ __device__ inline
#else
#define SHU_CAMERA_FN static inline
#endif

/**
 * ShuCamera:
 * @view: world to camera, OpenCV axes: x right, y down, z forward; 4x4, row
 *   major
 * @perspective: otherwise orthographic
 * @focal: image sides per unit of x / z (perspective) or of x (orthographic)
 * @cx: where the axis meets the image, in image sides; the centre is 0.5
 * @cy: the same, downwards
 */
typedef struct {
  float view[16];
  int perspective;
  float focal;
  float cx, cy;
} ShuCamera;

/**
 * shu_camera_project:
 * @p: a point of the world
 * @ret_uv: (out caller-allocates): image position in image sides, v downwards
 *
 * Returns: the depth along the camera's axis; @ret_uv is meaningless where it
 * is not positive and the camera is a perspective one
 */
SHU_CAMERA_FN float
shu_camera_project (const ShuCamera *camera, const float *p, float *ret_uv)
{
  const float *m = camera->view;
  float x = m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3];
  float y = m[4] * p[0] + m[5] * p[1] + m[6] * p[2] + m[7];
  float z = m[8] * p[0] + m[9] * p[1] + m[10] * p[2] + m[11];
  float s = camera->perspective ? camera->focal / z : camera->focal;

  ret_uv[0] = s * x + camera->cx;
  ret_uv[1] = s * y + camera->cy;
  return z;
}
