/* SPDX-License-Identifier: MIT */
/* One Gaussian out of what a decoder says of it, for every device (TRELLIS,
 * arXiv 2412.01506, section 3.2).  In double precision, so that devices whose
 * exp and tanh round in their own ways agree in the floats that are kept. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define SHU_GAUSSIAN_FN static __host__ __device__ inline
#else
#define SHU_GAUSSIAN_FN static inline
#endif

/* Numbers of each: centre 3, colour 3, scale 3, rotation 4, opacity */
enum { SHU_GAUSSIAN_CHANNELS = 14 };

/**
 * ShuGaussianRule:
 * @per_voxel: Gaussians of a voxel, G
 * @resolution: voxels along a side of the unit cube
 * @voxel_size: of the cube around a voxel's centre in which its Gaussians lie,
 *   in voxels
 * @kernel_3d: deviation of the filter that all are seen through, world units
 * @softplus: the scales' activation; 0: exp
 * @scale_bias, @opacity_bias: added before the activation
 * @lr_xyz: and so on: what the decoder's numbers are multiplied by
 */
typedef struct {
  int per_voxel, resolution;
  double voxel_size, kernel_3d;
  int softplus;
  double scale_bias, opacity_bias;
  double lr_xyz, lr_features_dc, lr_scaling, lr_rotation, lr_opacity;
} ShuGaussianRule;

/* Where @n of them go, [n,.] each */
typedef struct {
  float *pos, *scale, *quat, *opacity, *sh0, *rgb;
} ShuGaussianPlaces;

/* Of the 14 G numbers of a voxel the one that is number @j of Gaussian @g: a
 * field has those of all G together. */
SHU_GAUSSIAN_FN int
shu_gaussian_channel (const ShuGaussianRule *p, int g, int j)
{
  if (j < 9)
    return j / 3 * 3 * p->per_voxel + 3 * g + j % 3;
  return j < 13 ? 9 * p->per_voxel + 4 * g + j - 9 : 13 * p->per_voxel + g;
}

SHU_GAUSSIAN_FN double
shu_gaussian_scale (const ShuGaussianRule *p, double x)
{
  double s = p->softplus && x > 20 ? x : exp (x);

  if (p->softplus && x <= 20)
    s = log1p (s);
  return sqrt (s * s + p->kernel_3d * p->kernel_3d);
}

/* As a length, at least 1e-12, so that none is divided by 0 */
SHU_GAUSSIAN_FN double
shu_gaussian_norm (const double *q)
{
  double norm = sqrt (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);

  return norm > 1e-12 ? norm : 1e-12;
}

/**
 * shu_gaussian_make:
 * @i: which of all
 * @xyz: its voxel
 * @v: [14] its numbers
 * @offset: [3] added to those of its centre
 */
SHU_GAUSSIAN_FN void
shu_gaussian_make (const ShuGaussianRule *p, size_t i, const int32_t *xyz,
    const float *v, const float *offset, const ShuGaussianPlaces *to)
{
  const double c0 = 0.28209479177387814; /* 1 / (2 sqrt pi) */
  int R = p->resolution;
  double q[4], norm;

  for (int k = 0; k < 3; k++) {
    double off = tanh (v[k] * p->lr_xyz + offset[k]);
    float sh0 = (float) (v[3 + k] * p->lr_features_dc);
    double rgb = c0 * sh0 + 0.5;

    to->pos[3 * i + k] =
        (float) ((xyz[k] + 0.5) / R - 0.5 + off / R * 0.5 * p->voxel_size);
    to->sh0[3 * i + k] = sh0;
    to->rgb[3 * i + k] = (float) (0 > rgb ? 0 : rgb);
    to->scale[3 * i + k] = (float) shu_gaussian_scale (
        p, v[6 + k] * p->lr_scaling + p->scale_bias);
  }
  for (int k = 0; k < 4; k++)
    q[k] = v[9 + k] * p->lr_rotation + (k == 0);
  norm = shu_gaussian_norm (q);
  for (int k = 0; k < 4; k++)
    to->quat[4 * i + k] = (float) (q[k] / norm);
  to->opacity[i] =
      (float) (1 / (1 + exp (-(v[13] * p->lr_opacity + p->opacity_bias))));
}
