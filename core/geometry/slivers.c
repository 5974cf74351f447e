/* SPDX-License-Identifier: MIT */
/* Faces whose corners lie (almost) on a line. */
#include "surface_private.h"

enum { MAX_PASSES = 4 };

/* Twice the area against the square of the longest side. */
static const double MIN_SHAPE = 1e-6;

static double
side2 (const Surface *s, int h)
{
  Vec3 d = vec3_sub (s->pos[half_to (s, h)], s->pos[half_from (s, h)]);

  return vec3_dot (d, d);
}

static int
longest_side (const Surface *s, int f)
{
  int best = 3 * f;

  for (int h = 3 * f + 1; h < 3 * f + 3; h++)
    if (side2 (s, h) > side2 (s, best))
      best = h;
  return best;
}

/* 0 for a line, at most 0.87. */
static double
shape (const Surface *s, int f)
{
  double longest = side2 (s, longest_side (s, f));

  return longest > 0 ? vec3_length (face_normal (s, f)) / longest : 0;
}

/* Moves the corner that lies on the longest side a little, out of the line
 * and along the normal of the neighbour there. */
static void
nudge (Surface *s, int h)
{
  int apex = half_from (s, half_prev (h)), twin = s->twin[h];
  Vec3 along = vec3_sub (s->pos[half_to (s, h)], s->pos[half_from (s, h)]);
  Vec3 normal = {0, 0, 0}, out;

  if (twin >= 0)
    normal = vec3_unit (face_normal (s, twin / 3));
  out = vec3_cross (along, normal); /* into the neighbour's face */
  out = vec3_dot (out, out) > 0 ? vec3_unit (out) : (Vec3){0, 0, 1};
  out = vec3_scale (out, -1e-3 * vec3_length (along));
  s->pos[apex] = vec3_add (s->pos[apex], out);
}

void
surface_repair_slivers (Surface *s)
{
  for (int pass = 0; pass < MAX_PASSES && !surface_stops (s); pass++) {
    gboolean any = FALSE;

    for (int f = 0; f < s->n_faces; f++) {
      int h, twin;
      double worst;

      if (shape (s, f) > MIN_SHAPE)
        continue;
      any = TRUE;
      h = longest_side (s, f);
      twin = s->twin[h];
      worst = twin < 0 ? 1 : MIN (shape (s, f), shape (s, twin / 3));
      if (twin >= 0 && surface_flip_edge (s, h)) {
        if (MIN (shape (s, f), shape (s, twin / 3)) > worst)
          continue;
        /* No better: back again; the diagonal is the edge before now. */
        surface_flip_edge (s, half_prev (h));
      }
      nudge (s, longest_side (s, f));
    }
    if (!any)
      return;
  }
}
