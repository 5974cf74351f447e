/* SPDX-License-Identifier: MIT */
/* Pictures as the image encoders want them. */
#pragma once
#include "ops/pictures.h"

extern const double shu_imagenet_mean[3];
extern const double shu_imagenet_std[3];

/**
 * shu_vision_input:
 * @picture: RGB, square
 * @side: resized to this (bilinear, in float) where it differs
 *
 * Returns: scoped [1,side,side,3]: (value / 255 - mean) / std
 */
ShuTensor *shu_vision_input (ShuCtx *c, ShuTensor *picture, int side,
    const double mean[3], const double std[3]);
