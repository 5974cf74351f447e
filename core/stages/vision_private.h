/* SPDX-License-Identifier: MIT */
/* Pictures as the image encoders want them. */
#pragma once
#include "base/image.h"
#include "ops/ops.h"

extern const float shu_imagenet_mean[3];
extern const float shu_imagenet_std[3];

/**
 * shu_vision_input:
 * @image: RGB, square
 * @side: resized to this (bilinear, in float) where it differs
 *
 * Returns: scoped [1,side,side,3]: (value / 255 - mean) / std
 */
ShuTensor *shu_vision_input (ShuCtx *c, const ShuImage *image, int side,
    const float mean[3], const float std[3]);
