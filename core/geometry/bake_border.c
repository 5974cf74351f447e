/* SPDX-License-Identifier: MIT */
/* Where the person ends in a picture: the mask, what of it is the white
 * behind, how far that white reaches in, and which pixels show nothing but
 * the person. */
#include "geometry/bake_private.h"
#include <math.h>
#include <string.h>

enum {
  MASK_LEVEL = 230,    /* a normal below it in any channel: the person */
  LEAST_WHITE = 230,   /* of the background: what is darker is not it */
  PHOTO_WHITE = 250,   /* of one that nobody drew */
  WHITE_SLACK = 14,    /* below most of the background */
  LEAST_CONTRAST = 60, /* of a colour that tells white from itself */
  MAX_STEPS = 64,      /* half pixels that the blur is looked for in */
  N_SHARES = 50,
  LEAST_SAMPLES = 24, /* pixels of one depth that say something */
};

/* How far into the mask the background is looked for, in sides. */
static const float white_reach = 0.09f;
/* Depth at which colours are the person's own; how far inside a mask the
 * edge of the colours is believed to lie, and how wide its blur; in sides. */
static const float deep = 0.06f, deepest_edge = 0.03f, widest_blur = 0.025f;
/* Of the person in a pixel that can be un-mixed, and in one that need not. */
static const float least_coverage = 0.5f, sure_coverage = 0.98f;
/* A pixel is mixed with the white behind when less of it than this is the
 * colour farther inside. */
static const float least_share = 0.92f;

guint8 *
shu_bake_photo_mask (
    const ShuImage *color, const ShuImage *normal, gboolean mirror)
{
  const ShuImage *image = normal ? normal : color;
  int size = color->width;
  guint8 *mask = g_malloc ((gsize) size * size);

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      const guint8 *p =
          image->data + 3 * ((gsize) y * size + (mirror ? size - 1 - x : x));
      mask[(gsize) y * size + x] = MIN (p[0], MIN (p[1], p[2])) < MASK_LEVEL;
    }
  return mask;
}

static int
darkest (const float *rgb)
{
  return (int) MIN (rgb[0], MIN (rgb[1], rgb[2]));
}

/* The level that all but a tenth of the background exceeds, less a little. */
static int
background_level (const float *rgb, const guint8 *mask, gsize n)
{
  gsize count[256] = {0}, total = 0, below = 0;
  int level = 0;

  for (gsize i = 0; i < n; i++)
    if (!mask[i]) {
      count[CLAMP (darkest (rgb + 3 * i), 0, 255)]++;
      total++;
    }
  while (level < 255 && (below += count[level]) * 10 <= total)
    level++;
  return CLAMP (level - WHITE_SLACK, LEAST_WHITE, PHOTO_WHITE);
}

void
shu_bake_drop_background (const float *rgb, guint8 *mask, int size)
{
  gsize n = (gsize) size * size, head = 0, tail = 0;
  int level = background_level (rgb, mask, n);
  int reach = MAX (1, (int) (white_reach * size));
  g_autofree gint32 *queue = g_new (gint32, n);
  g_autofree gint16 *depth = g_new0 (gint16, n);

  for (gsize i = 0; i < n; i++)
    if (!mask[i])
      queue[tail++] = (gint32) i;
  if (tail == 0)
    return;
  while (head < tail) {
    gint32 at = queue[head++];
    int x = at % size, y = at / size;
    const gint32 next[4] = {x > 0 ? at - 1 : -1, x + 1 < size ? at + 1 : -1,
        y > 0 ? at - size : -1, y + 1 < size ? at + size : -1};

    if (depth[at] >= reach)
      continue;
    for (int k = 0; k < 4; k++) {
      gint32 to = next[k];
      if (to < 0 || !mask[to] || darkest (rgb + 3 * (gsize) to) < level)
        continue;
      mask[to] = 0;
      depth[to] = depth[at] + 1;
      queue[tail++] = to;
    }
  }
}

/* The share a of a foreground @fg in @c = a fg + (1 - a) white, 1 where white
 * does not explain the difference; -1 where the foreground itself is light. */
static float
unmix_white (const float *c, const float *fg)
{
  float dot = 0, len = 0, rest = 0, a;

  for (int k = 0; k < 3; k++) {
    dot += (255 - c[k]) * (255 - fg[k]);
    len += (255 - fg[k]) * (255 - fg[k]);
  }
  if (len < LEAST_CONTRAST * LEAST_CONTRAST)
    return -1;
  a = dot / len;
  for (int k = 0; k < 3; k++) {
    float d = 255 - c[k] - a * (255 - fg[k]);
    rest += d * d;
  }
  return rest < 0.15f * (1 - a) * (1 - a) * len + 100 ? CLAMP (a, 0, 1) : 1;
}

/* The share of the person in pixels by their depth, two steps a pixel:
 * the median, or -1 where too few pixels of that depth tell. */
static void
measure_profile (
    const float *rgb, const float *depth_in, int size, float *ret_share)
{
  gsize n = (gsize) size * size;
  g_autofree guint8 *inner = g_malloc (n);
  g_autofree gint32 *from = g_new (gint32, n);
  g_autofree int *count = g_new0 (int, MAX_STEPS *(N_SHARES + 1));

  for (gsize i = 0; i < n; i++)
    inner[i] = depth_in[i] > deep * size;
  shu_plane_nearest (inner, size, NULL, from);
  for (gsize i = 0; i < n; i++) {
    int step = (int) (2 * depth_in[i]);
    float a;

    if (depth_in[i] <= 0 || inner[i] || from[i] < 0 || step >= MAX_STEPS)
      continue;
    a = unmix_white (rgb + 3 * i, rgb + 3 * (gsize) from[i]);
    if (a >= 0)
      count[step * (N_SHARES + 1) + (int) (a * N_SHARES + 0.5f)]++;
  }
  for (int step = 0; step < MAX_STEPS; step++) {
    const int *c = count + step * (N_SHARES + 1);
    int total = 0, below = 0, level = 0;

    for (int i = 0; i <= N_SHARES; i++)
      total += c[i];
    while (level < N_SHARES && 2 * (below + c[level]) < total)
      below += c[level++];
    ret_share[step] = total < LEAST_SAMPLES ? -1 : (float) level / N_SHARES;
  }
}

/* Pixels inside the outline at which the profile first reaches @share, or
 * -1.  The outermost pixels have a depth of 1, the outline itself 0.5. */
static float
reaches (const float *profile, float share)
{
  float before = -1, at = 0.5f;

  for (int step = 0; step < MAX_STEPS; step++) {
    float depth = MAX (0.5f, 0.5f * step + 0.25f);

    if (profile[step] < 0)
      continue;
    if (profile[step] >= share) {
      if (before < 0)
        return 0;
      return at - 0.5f +
             (depth - at) * (share - before) / (profile[step] - before);
    }
    before = profile[step];
    at = depth;
  }
  return -1;
}

ShuBakeBlur
shu_bake_measure_blur (
    const float *rgb, const float *depth_in, int size, ShuBakeBlur fallback)
{
  float profile[MAX_STEPS], half, most;
  ShuBakeBlur blur = fallback;

  measure_profile (rgb, depth_in, size, profile);
  half = reaches (profile, 0.5f);
  most = reaches (profile, 0.9f);
  if (half < 0 || most < 0)
    return blur;
  /* 90 % of a Gaussian step lie below 1.28 sigma. */
  blur.offset = MIN (half, deepest_edge * size) / size;
  blur.sigma = MIN ((most - half) / 1.28f, widest_blur * size) / size;
  return blur;
}

/* Three boxes of radius r have the variance r (r + 1): between two radii,
 * mixed by variance. */
float *
shu_bake_coverage (const float *depth_in, int size, ShuBakeBlur blur)
{
  gsize n = (gsize) size * size;
  float sigma = blur.sigma * size, part;
  int radius = (int) ((sqrtf (1 + 4 * sigma * sigma) - 1) / 2);
  float *a = g_new (float, n);
  g_autofree float *wide = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    a[i] = wide[i] = CLAMP (depth_in[i] - blur.offset * size, 0, 1);
  part = (sigma * sigma - radius * (radius + 1)) / (2 * (radius + 1));
  shu_plane_blur (a, size, 1, radius);
  shu_plane_blur (wide, size, 1, radius + 1);
  for (gsize i = 0; i < n; i++)
    a[i] = CLAMP (a[i] + part * (wide[i] - a[i]), 0, 1);
  return a;
}

void
shu_bake_unmix (float *rgb, float coverage)
{
  if (coverage < least_coverage || coverage >= 1)
    return;
  for (int k = 0; k < 3; k++)
    rgb[k] = CLAMP (255 - (255 - rgb[k]) / coverage, 0, 255);
}

/* The ridge of what is thinner than the border: it keeps its middle line. */
static gboolean
is_ridge (const float *depth_in, int size, int x, int y)
{
  float d = depth_in[(gsize) y * size + x];
  int sides = 0;

  for (int k = 0; k < 4; k++) {
    static const int steps[4][2] = {{1, 0}, {0, 1}, {1, 1}, {1, -1}};
    int u = steps[k][0], v = steps[k][1];
    if (x < 1 || y < 1 || x + 1 >= size || y + 1 >= size)
      return FALSE;
    sides += depth_in[(gsize) (y + v) * size + x + u] <= d &&
             depth_in[(gsize) (y - v) * size + x - u] <= d &&
             depth_in[(gsize) (y + v) * size + x + u] +
                     depth_in[(gsize) (y - v) * size + x - u] <
                 2 * d - 0.5f;
  }
  return sides > 0;
}

/* Sure are the inside and the middle line of what is thin.  Others are
 * un-mixed down to the nearest of these, not below: where the edge is sharper
 * than most, dark specks would take the place of light ones. */
void
shu_bake_find_pure (float *rgb, const float *depth_in, const float *coverage,
    int size, guint8 *pure)
{
  gsize n = (gsize) size * size;
  g_autofree guint8 *sure = g_malloc (n);
  g_autofree gint32 *from = g_new (gint32, n);

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize i = (gsize) y * size + x;
      gboolean inside = coverage[i] > sure_coverage;
      pure[i] = depth_in[i] >= 1 && coverage[i] >= least_coverage;
      sure[i] = inside || (pure[i] && is_ridge (depth_in, size, x, y));
      if (sure[i] && !inside)
        shu_bake_unmix (rgb + 3 * i, coverage[i]);
    }
  shu_plane_nearest (sure, size, NULL, from);
  for (gsize i = 0; i < n; i++) {
    float *c = rgb + 3 * i, old[3] = {c[0], c[1], c[2]}, a;
    const float *ref = rgb + 3 * (gsize) from[i];

    if (!pure[i] || sure[i] || from[i] < 0)
      continue;
    shu_bake_unmix (c, coverage[i]);
    for (int k = 0; k < 3; k++)
      c[k] = MAX (c[k], MIN (old[k], ref[k]));
    a = unmix_white (c, ref);
    pure[i] = a < 0 || a >= least_share;
  }
}
