/* SPDX-License-Identifier: MIT */
/* Steps of photos, row by row; the background in words of 32 pixels. */
#include "ops/cpu/cpu_private.h"
#include "ops/photo_pixels.h"
#include <string.h>

enum { WORD = 32 };

static void
step_row (ShuPhotoStep step, const ShuPhotoPixels *p, int y)
{
  gsize i = (gsize) y * p->S;

  switch (step) {
#define STEP(name, func)                                                       \
  case name:                                                                   \
    for (int x = 0; x < p->S; x++)                                             \
      func (p, i + x, x, y);                                                   \
    break;
    SHU_PHOTO_EACH_STEP (STEP)
#undef STEP
  case SHU_PHOTO_N_STEPS:
    break;
  }
}

void
shu_cpu_photo_step (ShuCtx *c, ShuPhotoStep step, const ShuPhotoJob *job)
{
  ShuPhotoPixels p = shu_photo_pixels (job);

#pragma omp parallel for if (p.S > 64)
  for (int y = 0; y < p.S; y++)
    step_row (step, &p, y);
}

/* ---- background ---- */

/* Bits of rows, which begin @pitch words apart, after a word of nothing. @open:
 * what of the person is as white as the background; @now: the background */
static void
pack_rows (const float *rgb, const guint8 *person, int S, gsize pitch,
    guint32 *open, guint32 *now)
{
  guint32 count[256] = {0};
  int white;

#pragma omp parallel for reduction(+ : count[:256]) if (S > 64)
  for (int y = 0; y < S; y++)
    for (gsize i = (gsize) y * S; i < (gsize) (y + 1) * S; i++)
      if (!person[i])
        count[CLAMP (shu_photo_darkest (rgb + 3 * i), 0, 255)]++;
  white = shu_photo_white (count);
#pragma omp parallel for if (S > 64)
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      gsize i = (gsize) y * S + x, at = y * pitch + 1 + x / WORD;
      guint32 bit = 1u << x % WORD;

      if (!person[i])
        now[at] |= bit;
      else if (shu_photo_darkest (rgb + 3 * i) >= white)
        open[at] |= bit;
    }
}

/* One step to the four neighbours, where it is open.  Rows begin and end with a
 * word of nothing. */
static SHU_SIMD void
flood (guint32 *restrict next, const guint32 *restrict now,
    const guint32 *restrict open, int S, gsize pitch)
{
  for (int y = 0; y < S; y++) {
    gsize at = y * pitch;
    gsize up = y > 0 ? at - pitch : at, down = y + 1 < S ? at + pitch : at;

    for (gsize w = 1; w + 1 < pitch; w++) {
      guint32 word = now[at + w];
      guint32 beside = word << 1 | now[at + w - 1] >> (WORD - 1) | word >> 1 |
                       now[at + w + 1] << (WORD - 1);

      next[at + w] =
          word | ((beside | now[up + w] | now[down + w]) & open[at + w]);
    }
  }
}

void
shu_cpu_photo_background (
    ShuCtx *c, ShuTensor *y, ShuTensor *rgb, ShuTensor *person, int reach)
{
  SHU_SCOPE (c);
  int S = (int) y->dims[0];
  gsize pitch = (gsize) (S + WORD - 1) / WORD + 2, n = S * pitch;
  guint32 *room = shu_cpu_scratch (c, 3 * n, sizeof *room), *now, *next;

  if (!room)
    return;
  memset (room, 0, 3 * n * sizeof *room);
  now = room + n;
  next = room + 2 * n;
  pack_rows (shu_f32 (rgb), person->data, S, pitch, room, now);
  for (int i = 0; i < reach; i++) {
    guint32 *swap = now;

    flood (next, now, room, S, pitch);
    now = next;
    next = swap;
  }
#pragma omp parallel for if (S > 64)
  for (int v = 0; v < S; v++)
    for (int u = 0; u < S; u++)
      ((guint8 *) y->data)[(gsize) v * S + u] =
          now[v * pitch + 1 + u / WORD] >> u % WORD & 1;
}

/* ---- shares ---- */

void
shu_cpu_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret)
{
  enum { N = SHU_PHOTO_DEPTHS * SHU_PHOTO_LEVELS };

  gsize n = depth->n;

#pragma omp parallel for reduction(+ : ret[:N]) if (n > 4096)
  for (gsize i = 0; i < n; i++) {
    int bin = shu_photo_bin (shu_f32 (rgb), shu_f32 (depth), shu_i32 (from), i,
        SHU_PHOTO_DEPTHS, SHU_PHOTO_LEVELS);
    if (bin >= 0)
      ret[bin]++;
  }
}
