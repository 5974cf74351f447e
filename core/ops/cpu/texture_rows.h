/* SPDX-License-Identifier: MIT */
/* Rows of a texture in order of their place, and the pyramid they read. */
#pragma once
#include "ops/cpu/cpu_private.h"
#include "ops/texture_taps.h"

G_BEGIN_DECLS

enum { SHU_TEXTURE_BANDS = 16 };

/**
 * ShuRowBand:
 * @from, @to: its rows
 * @y0: first texel row of each level that they reach, which may lie before the
 *   level
 * @n_y: how many
 * @start: float at which that begins in @sum
 * @sum: [.., n_channels] what they add to the pyramid
 */
typedef struct {
  gsize from, to;
  int y0[SHU_TEXTURE_MAX_LEVELS], n_y[SHU_TEXTURE_MAX_LEVELS];
  gsize start[SHU_TEXTURE_MAX_LEVELS + 1];
  float *sum;
} ShuRowBand;

/**
 * ShuRowSet:
 * Rows sorted into bands of the texture, each summed on its own and then in
 * order, so that threads change no bit.
 * @place: [n,3] and so on, without rows of no weight
 * @base: (nullable): [S,S,3] the first level of which rows are interpolated
 * @pyramid: [..,3] the levels above it
 */
typedef struct {
  ShuTexturePyramid levels;
  gsize n;
  float *place, *color, *weight;
  const float *base;
  float *pyramid;
  ShuRowBand bands[SHU_TEXTURE_BANDS];
} ShuRowSet;

/* FALSE where @c has failed.  Memory is scoped. */
gboolean shu_row_set_init (
    ShuRowSet *set, ShuCtx *c, const ShuTextureRows *rows, int size);

/* Levels of @set's pyramid above the first, which is @x [S,S,3] and has to stay
 * while rows are sampled */
void shu_row_set_load (ShuRowSet *set, const float *x);

/* Row @i in the pyramid */
void shu_row_sample (const ShuRowSet *set, gsize i, float *ret);

/* Adds @value [3] times the row's shares to the band's sum */
void shu_row_spread (
    const ShuRowSet *set, ShuRowBand *band, gsize i, const float *value);

void shu_row_band_clear (const ShuRowSet *set, ShuRowBand *band);

/* The bands' sums in the pyramid; @pull: then down to @y [S,S,3], its first
 * level, as the means were made; otherwise @y has all levels. */
void shu_row_set_sum (ShuRowSet *set, float *y, gboolean pull);

G_END_DECLS
