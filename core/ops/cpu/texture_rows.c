/* SPDX-License-Identifier: MIT */
#include "ops/cpu/texture_rows.h"
#include <string.h>

static int
band_of (float v)
{
  int b = (int) ((v - floorf (v)) * SHU_TEXTURE_BANDS);

  return CLAMP (b, 0, SHU_TEXTURE_BANDS - 1);
}

static gboolean
counts (const float *place, float weight)
{
  return weight > 0 && isfinite (place[0]) && isfinite (place[1]) &&
         isfinite (place[2]);
}

/* Counting sort by band. */
static void
sort_rows (ShuRowSet *set, const ShuTextureRows *rows)
{
  const float *place = rows->place->data, *color = rows->color->data;
  const float *weight = rows->weight->data;
  gsize n = (gsize) rows->place->dims[0], next[SHU_TEXTURE_BANDS] = {0};

  for (gsize i = 0; i < n; i++)
    if (counts (place + 3 * i, weight[i]))
      next[band_of (place[3 * i + 1])]++;
  set->n = 0;
  for (int b = 0; b < SHU_TEXTURE_BANDS; b++) {
    set->bands[b].from = set->n;
    set->n += next[b];
    set->bands[b].to = set->n;
    next[b] = set->bands[b].from;
  }
  for (gsize i = 0; i < n; i++) {
    gsize to;
    if (!counts (place + 3 * i, weight[i]))
      continue;
    to = next[band_of (place[3 * i + 1])]++;
    memcpy (set->place + 3 * to, place + 3 * i, 3 * sizeof (float));
    memcpy (set->color + 3 * to, color + 3 * i, 3 * sizeof (float));
    set->weight[to] = weight[i];
  }
}

/* Rows go in parts, so that each knows where its own begin. */
void
shu_cpu_texture_pack (
    ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret)
{
  enum { PART = 1 << 16 };

  const float *place = rows->place->data, *color = rows->color->data;
  const float *weight = rows->weight->data;
  gsize n = rows->weight->n, n_parts = n / PART + 1, total = 0;
  g_autofree gsize *first = g_new0 (gsize, n_parts);

#pragma omp parallel for
  for (gsize p = 0; p < n_parts; p++)
    for (gsize i = p * PART; i < MIN (n, (p + 1) * PART); i++)
      first[p] += weight[i] > 0;
  for (gsize p = 0; p < n_parts; p++) {
    gsize count = first[p];

    first[p] = total;
    total += count;
  }
  *ret = shu_texture_rows_new (c, (gint64) total);
  if (shu_ctx_failed (c))
    return;
#pragma omp parallel for
  for (gsize p = 0; p < n_parts; p++)
    for (gsize i = p * PART, to = first[p]; i < MIN (n, (p + 1) * PART); i++) {
      if (!(weight[i] > 0))
        continue;
      memcpy ((float *) ret->place->data + 3 * to, place + 3 * i,
          3 * sizeof (float));
      memcpy ((float *) ret->color->data + 3 * to, color + 3 * i,
          3 * sizeof (float));
      ((float *) ret->weight->data)[to++] = weight[i];
    }
}

/* The rows of each level that a band can reach, with one to spare for
 * rounding. */
static void
band_extent (const ShuTexturePyramid *p, int b, ShuRowBand *band)
{
  gsize n = 0;

  for (int l = 0; l < p->n_levels; l++) {
    float side = p->side[l];
    int y0 = (int) floorf (side * b / SHU_TEXTURE_BANDS - 0.5f) - 1;
    int y1 = (int) floorf (side * (b + 1) / SHU_TEXTURE_BANDS - 0.5f) + 2;

    band->y0[l] = MAX (y0, -1);
    band->n_y[l] = MIN (y1, p->side[l]) - band->y0[l] + 1;
    band->start[l] = n;
    n += 3 * (gsize) band->n_y[l] * p->side[l];
  }
  band->start[p->n_levels] = n;
}

/* Level @l of the pyramid, at least 1 */
static float *
level_above (const ShuRowSet *set, int l)
{
  return set->pyramid + 3 * (set->levels.start[l] - set->levels.start[1]);
}

static const float *
level_of (const ShuRowSet *set, int l)
{
  return l > 0 ? level_above (set, l) : set->base;
}

gboolean
shu_row_set_init (
    ShuRowSet *set, ShuCtx *c, const ShuTextureRows *rows, int size)
{
  gsize n = (gsize) rows->place->dims[0];
  const ShuTexturePyramid *p = &set->levels;

  set->levels = shu_texture_pyramid (size);
  set->place = shu_cpu_scratch (c, n, 3 * sizeof (float));
  set->color = shu_cpu_scratch (c, n, 3 * sizeof (float));
  set->weight = shu_cpu_scratch (c, n, sizeof (float));
  set->base = NULL;
  set->pyramid = shu_cpu_scratch (
      c, p->start[p->n_levels] - p->start[1], 3 * sizeof (float));
  if (shu_ctx_failed (c))
    return FALSE;
  sort_rows (set, rows);
  for (int b = 0; b < SHU_TEXTURE_BANDS; b++) {
    ShuRowBand *band = set->bands + b;

    band_extent (p, b, band);
    band->sum = shu_cpu_scratch (c, band->start[p->n_levels], sizeof (float));
  }
  return !shu_ctx_failed (c);
}

void
shu_row_set_load (ShuRowSet *set, const float *x)
{
  const ShuTexturePyramid *p = &set->levels;

  set->base = x;
  for (int l = 1; l < p->n_levels; l++) {
    const float *fine = level_of (set, l - 1);
    float *coarse = level_above (set, l);
    gsize side = p->side[l], from = p->side[l - 1];

#pragma omp parallel for if (side >= 64)
    for (gsize y = 0; y < side; y++)
      for (gsize i = 0; i < 3 * side; i++) {
        gsize x0 = 2 * (i / 3), x1 = MIN (x0 + 1, from - 1), k = i % 3;
        gsize y0 = 2 * y, y1 = MIN (y0 + 1, from - 1);

        coarse[3 * y * side + i] =
            0.25f *
            ((fine[3 * (y0 * from + x0) + k] + fine[3 * (y0 * from + x1) + k]) +
                (fine[3 * (y1 * from + x0) + k] +
                    fine[3 * (y1 * from + x1) + k]));
      }
  }
}

void
shu_row_sample (const ShuRowSet *set, gsize i, float *ret)
{
  const ShuTexturePyramid *p = &set->levels;
  const float *at = set->place + 3 * i;
  float up;
  int l = shu_texture_level (at[2], p->n_levels, &up);

  ret[0] = ret[1] = ret[2] = 0;
  for (int j = 0; j < (up > 0 ? 2 : 1); j++) {
    int side = p->side[l + j];
    ShuTextureTaps t = shu_texture_taps (at[0], at[1], side, j ? up : 1 - up);
    const float *level = level_of (set, l + j);
    const float *r0 = level + 3 * (gsize) shu_texture_wrap (t.y, side) * side;
    const float *r1 =
        level + 3 * (gsize) shu_texture_wrap (t.y + 1, side) * side;

    for (int k = 0; k < 3; k++) {
      float a = (1 - t.fx) * r0[3 * t.x[0] + k] + t.fx * r0[3 * t.x[1] + k];
      float b = (1 - t.fx) * r1[3 * t.x[0] + k] + t.fx * r1[3 * t.x[1] + k];
      ret[k] += t.share * ((1 - t.fy) * a + t.fy * b);
    }
  }
}

void
shu_row_spread (
    const ShuRowSet *set, ShuRowBand *band, gsize i, const float *value)
{
  const ShuTexturePyramid *p = &set->levels;
  const float *at = set->place + 3 * i;
  float up;
  int l = shu_texture_level (at[2], p->n_levels, &up);

  for (int j = 0; j < (up > 0 ? 2 : 1); j++) {
    int side = p->side[l + j];
    ShuTextureTaps t = shu_texture_taps (at[0], at[1], side, j ? up : 1 - up);
    float *r0 = band->sum + band->start[l + j] +
                3 * (gsize) (t.y - band->y0[l + j]) * side;
    float *r1 = r0 + 3 * (gsize) side;

    for (int k = 0; k < 3; k++) {
      float a = t.share * (1 - t.fy) * value[k];
      float b = t.share * t.fy * value[k];
      r0[3 * t.x[0] + k] += (1 - t.fx) * a;
      r0[3 * t.x[1] + k] += t.fx * a;
      r1[3 * t.x[0] + k] += (1 - t.fx) * b;
      r1[3 * t.x[1] + k] += t.fx * b;
    }
  }
}

void
shu_row_band_clear (const ShuRowSet *set, ShuRowBand *band)
{
  memset (band->sum, 0, band->start[set->levels.n_levels] * sizeof (float));
}

/* Adds texel row @y of level @l of all bands, which may reach it beyond the
 * other end. */
static void
sum_row (const ShuRowSet *set, int l, int y, float *ret)
{
  int side = set->levels.side[l];

  memset (ret, 0, 3 * (gsize) side * sizeof (float));
  for (int b = 0; b < SHU_TEXTURE_BANDS; b++) {
    const ShuRowBand *band = set->bands + b;

    for (int w = -1; w <= 1; w++) {
      int at = y + w * side - band->y0[l];
      const float *from;

      if (at < 0 || at >= band->n_y[l])
        continue;
      from = band->sum + band->start[l] + 3 * (gsize) at * side;
      for (int i = 0; i < 3 * side; i++)
        ret[i] += from[i];
    }
  }
}

void
shu_row_set_sum (ShuRowSet *set, float *y, gboolean pull)
{
  const ShuTexturePyramid *p = &set->levels;
  for (int l = p->n_levels - 1; l >= 0; l--) {
    int side = p->side[l];
    int up = MIN (l + 1, p->n_levels - 1);
    float *level = pull && l > 0 ? level_above (set, l) : y + 3 * p->start[l];
    const float *above = pull && up > 0 ? level_above (set, up) : y;
    int above_side = (side + 1) / 2;

#pragma omp parallel for if (side >= 64)
    for (int row = 0; row < side; row++) {
      float *r = level + 3 * (gsize) row * side;

      sum_row (set, l, row, r);
      if (!pull || l == p->n_levels - 1)
        continue;
      for (int x = 0; x < side; x++)
        for (int k = 0; k < 3; k++) {
          /* An only child stands for two. */
          float times = (2 * (x / 2) + 1 < side ? 1 : 2) *
                        (2 * (row / 2) + 1 < side ? 1 : 2);
          r[3 * x + k] +=
              0.25f * times *
              above[3 * ((gsize) (row / 2) * above_side + x / 2) + k];
        }
    }
  }
}
