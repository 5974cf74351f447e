/* SPDX-License-Identifier: MIT */
/* Colours from pictures onto a surface, each place on its own. */
#include "ops/cpu/cpu_private.h"
#include <string.h>

enum { PART = 256 }; /* places that a thread takes at once */

void
shu_cpu_bake_differences (ShuCtx *c, const ShuBakeHeld *y,
    const ShuBakeWorld *w, int view, guint refs)
{
  float *value = y->value->data, *weight = y->weight->data;

#pragma omp parallel for schedule(dynamic, PART)
  for (int i = 0; i < (int) y->weight->n; i++)
    weight[i] = shu_bake_difference (w, view, refs, i, value + 3 * (gsize) i);
}

void
shu_cpu_bake_lacks (ShuCtx *c, const ShuBakeHeld *y, const ShuBakeWorld *w)
{
  float *value = y->value->data, *weight = y->weight->data;

#pragma omp parallel for schedule(dynamic, PART)
  for (int i = 0; i < (int) y->weight->n; i++)
    weight[i] = shu_bake_lack (w, i, value + 3 * (gsize) i);
}

void
shu_cpu_bake_texels (ShuCtx *c, ShuTensor *y, ShuTensor *charts,
    const ShuBakeWorld *w, const ShuRastered *plane)
{
  guint8 *covered = charts->data;
  const gint32 *face = plane->face->data;
  const float *bary = plane->bary->data;
  float *rgb = y->data;

#pragma omp parallel for schedule(dynamic, PART)
  for (gsize i = 0; i < plane->face->n; i++)
    if ((covered[i] = face[i] >= 0))
      shu_bake_texel (w, face[i], bary + 2 * i, rgb + 3 * i);
    else
      rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = 0;
}

static void
put_row (const ShuTextureRows *y, gsize i, const ShuBakeRow *row)
{
  float *place = y->place->data, *color = y->color->data;

  memcpy (place + 3 * i, row->place, sizeof row->place);
  memcpy (color + 3 * i, row->color, sizeof row->color);
  ((float *) y->weight->data)[i] = row->weight;
}

void
shu_cpu_bake_photo_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, gboolean is_face, int view, int size, float widest)
{
  const ShuBakePlanes *p = is_face ? &w->face : &w->photos[view];

#pragma omp parallel for schedule(dynamic, PART)
  for (gsize i = 0; i < y->weight->n; i++) {
    ShuBakeRow row = shu_bake_photo_row (w, p, is_face, view, i, size, widest);

    put_row (y, i, &row);
  }
}

void
shu_cpu_bake_drawing_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawings *drawings, int size,
    float widest)
{
  for (int v = 0; v < (int) drawings->raster.face->dims[0]; v++) {
    const ShuBakeDrawing d = shu_bake_drawing_of (drawings, v);
    gsize n = (gsize) d.size * d.size;

#pragma omp parallel for schedule(dynamic, PART)
    for (gsize i = 0; i < n; i++) {
      ShuBakeRow row = shu_bake_drawing_row (w, &d, i, size, widest);

      put_row (y, v * n + i, &row);
    }
  }
}

/* ---- fields ---- */

enum { CHUNK = 2048 }; /* vertices that are summed up in one go */

/**
 * Field:
 * Conjugate gradients on all three channels.  What rows of vertices sum up
 * goes chunk by chunk, and then in order.
 * @r, @d, @z: [n,3] residual, direction, and the matrix times that
 * @sums: [chunks,3]
 */
typedef struct {
  ShuFieldSystem s;
  int n;
  float *x, *r, *d, *z;
  double *sums;
} Field;

typedef void (*ChunkFunc) (Field *f, int i, const float *step, double *sum);

static void
for_vertices (Field *f, ChunkFunc func, const float *step, double *ret)
{
  int n_chunks = (f->n + CHUNK - 1) / CHUNK;

#pragma omp parallel for schedule(static, 1)
  for (int j = 0; j < n_chunks; j++) {
    double sum[3] = {0};

    for (int i = j * CHUNK; i < MIN (f->n, (j + 1) * CHUNK); i++)
      func (f, i, step, sum);
    memcpy (f->sums + 3 * j, sum, sizeof sum);
  }
  for (int k = 0; k < 3; k++) {
    ret[k] = 0;
    for (int j = 0; j < n_chunks; j++)
      ret[k] += f->sums[3 * j + k];
  }
}

static void
begin (Field *f, int i, const float *step, double *sum)
{
  shu_field_residual (&f->s, i, f->x, f->r + 3 * (gsize) i, sum);
}

/* d = r / diagonal + step d */
static void
turn (Field *f, int i, const float *step, double *sum)
{
  float over = shu_field_over (&f->s, i);

  for (gsize j = 3 * (gsize) i, k = 0; k < 3; j++, k++)
    f->d[j] = over * f->r[j] + step[k] * f->d[j];
}

static void
multiply (Field *f, int i, const float *step, double *sum)
{
  float *z = f->z + 3 * (gsize) i;

  shu_field_product (&f->s, i, f->d, z);
  for (int k = 0; k < 3; k++)
    sum[k] += (double) f->d[3 * (gsize) i + k] * z[k];
}

static void
advance (Field *f, int i, const float *step, double *sum)
{
  float over = shu_field_over (&f->s, i);

  for (gsize j = 3 * (gsize) i, k = 0; k < 3; j++, k++) {
    f->x[j] += step[k] * f->d[j];
    f->r[j] -= step[k] * f->z[j];
    sum[k] += (double) over * f->r[j] * f->r[j];
  }
}

static void
solve (Field *f, int n_steps)
{
  double rr[3], first[3], next[3], dz[3], unused[3];
  float step[3], back[3] = {0};

  for_vertices (f, begin, NULL, rr);
  memcpy (first, rr, sizeof first);
  for (int i = 0; i < n_steps; i++) {
    for_vertices (f, turn, back, unused);
    for_vertices (f, multiply, NULL, dz);
    for (int k = 0; k < 3; k++)
      step[k] = shu_gradient_step (rr[k], first[k], dz[k]);
    for_vertices (f, advance, step, next);
    for (int k = 0; k < 3; k++) {
      back[k] = rr[k] > 0 ? (float) (next[k] / rr[k]) : 0;
      rr[k] = next[k];
    }
  }
}

void
shu_cpu_field_spread (ShuCtx *c, ShuTensor *y, const ShuField *field,
    const ShuBakeHeld *held, float decay, int n_steps)
{
  SHU_SCOPE (c);
  gsize n = held->weight->n;
  const gint32 *first = field->first->data;
  float *out = y->data;
  Field f = {.s = {.first = first,
                 .start = field->start->data,
                 .next = field->next->data,
                 .held = held->value->data,
                 .weight = held->weight->data,
                 .decay = decay},
      .n = (int) n,
      .x = shu_cpu_scratch (c, n, 3 * sizeof (float)),
      .r = shu_cpu_scratch (c, n, 3 * sizeof (float)),
      .d = shu_cpu_scratch (c, n, 3 * sizeof (float)),
      .z = shu_cpu_scratch (c, n, 3 * sizeof (float)),
      .sums = shu_cpu_scratch (c, n / CHUNK + 1, 3 * sizeof (double))};

  if (shu_ctx_failed (c))
    return;
  memcpy (f.x, held->value->data, 3 * n * sizeof (float));
  memset (f.d, 0, 3 * n * sizeof (float));
  solve (&f, n_steps);
#pragma omp parallel for
  for (gsize i = 0; i < n; i++)
    memcpy (out + 3 * i, f.x + 3 * (gsize) first[i], 3 * sizeof (float));
}

void
shu_cpu_bake_picture (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  const float *from = x->data;
  guint8 *to = y->data;

#pragma omp parallel for
  for (gsize i = 0; i < y->n; i++)
    to[i] = shu_bake_byte (from[i]);
}
