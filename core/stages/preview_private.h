/* SPDX-License-Identifier: MIT */
/* Pictures of latents without the VAE: colours as a linear function of the
 * latent at their place, fitted to pictures whose latents are known.  Works
 * with any VAE and costs nothing beside a step. */
#pragma once
#include "base/image.h"

typedef struct {
  int L, K;      /* side and channels of the latents */
  double *terms; /* [3][K+1], the last of each row constant; 0..255 */
} ShuLatentColors;

/**
 * shu_latent_colors_init:
 * @pictures: (array length=n): RGB, square
 * @latents: [n,L,L,K], those of the pictures
 */
void shu_latent_colors_init (ShuLatentColors *m, int L, int K, int n,
    const ShuImage *const *pictures, const float *latents);
void shu_latent_colors_clear (ShuLatentColors *m);

/**
 * shu_latent_colors_sheet:
 * @latents: [rows*columns,L,L,K]
 * @side: pixels of a picture on the sheet
 *
 * Returns: (transfer full): RGB, @rows x @columns pictures
 */
ShuImage *shu_latent_colors_sheet (const ShuLatentColors *m, int rows,
    int columns, int side, const float *latents);
