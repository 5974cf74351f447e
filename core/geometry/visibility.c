/* SPDX-License-Identifier: MIT */
/* From how many of many directions each face is seen: face numbers are
 * rasterised in views spread by a Hammersley sequence over a sphere of radius
 * 2, perspective of 40 degrees.  Integer edge functions at 4 sub-pixel bits;
 * the counts do not depend on the number of threads. */
#include "surface_private.h"
#include <omp.h>
#include <string.h>

enum {
  SUBPIXEL = 16,
  VIEWS_AT_ONCE = 16,
  LEAST_RESOLUTION = 64,
  LEAST_VIEWS = 32,
};

/* Of all faces in all views: a body has a hundredth of them. */
static const double MAX_PIXELS = 4e9;

static const double EYE_RADIUS = 2;
static const double TAN_HALF_FOV = 0.36397023426620234; /* 20 degrees */

/* What one thread works in. */
typedef struct {
  int *x, *y;     /* vertices, in sub-pixels */
  float *w;       /* 1 / depth */
  float *nearest; /* [resolution^2] largest w */
  int *winner;
  int *stamp; /* last view that a face was seen in */
  int *seen;
  int *missed; /* faces that cover no pixel centre */
  int n_missed;
} Worker;

static void
worker_init (Worker *k, const Surface *s, int resolution)
{
  gsize n_pixels = (gsize) resolution * resolution;

  k->x = g_new (int, s->n_verts + 1);
  k->y = g_new (int, s->n_verts + 1);
  k->w = g_new (float, s->n_verts + 1);
  k->nearest = g_new (float, n_pixels);
  k->winner = g_new (int, n_pixels);
  k->stamp = g_new (int, s->n_faces + 1);
  memset (k->stamp, 0xff, s->n_faces * sizeof (int));
  k->seen = g_new0 (int, s->n_faces + 1);
  k->missed = g_new (int, s->n_faces + 1);
}

static void
worker_clear (Worker *k)
{
  g_free (k->x);
  g_free (k->y);
  g_free (k->w);
  g_free (k->nearest);
  g_free (k->winner);
  g_free (k->stamp);
  g_free (k->seen);
  g_free (k->missed);
}

static double
pixel_size (int resolution)
{
  return 2 * EYE_RADIUS * TAN_HALF_FOV / resolution;
}

static double
radical_inverse_2 (guint32 i)
{
  double sum = 0, digit = 0.5;

  for (; i; i >>= 1, digit /= 2)
    sum += (i & 1) * digit;
  return sum;
}

static void
project (Worker *k, const Surface *s, int view, int n_views, int resolution)
{
  double yaw = 2 * G_PI * radical_inverse_2 (view);
  double sin_pitch = 2.0 * view / n_views - 1;
  double cos_pitch = sqrt (MAX (0, 1 - sin_pitch * sin_pitch));
  Vec3 z = {sin (yaw) * cos_pitch, cos (yaw) * cos_pitch, sin_pitch};
  Vec3 x = {-cos (yaw), sin (yaw), 0}; /* also at the pole */
  Vec3 y = vec3_cross (z, x);
  double half = resolution / 2.0;

  for (int i = 0; i < s->n_verts; i++) {
    double w = 1 / (EYE_RADIUS - vec3_dot (s->pos[i], z));
    double scale = half * w / TAN_HALF_FOV;

    k->x[i] = lrint ((half + scale * vec3_dot (s->pos[i], x)) * SUBPIXEL);
    k->y[i] = lrint ((half + scale * vec3_dot (s->pos[i], y)) * SUBPIXEL);
    k->w[i] = w;
  }
}

/* First pixel whose centre is at or beyond @v sub-pixels. */
static int
first_center (int v)
{
  return (v - SUBPIXEL / 2 + SUBPIXEL - 1) >> 4;
}

/* Returns: whether any pixel centre is covered, seen or not. */
static gboolean
draw_face (Worker *k, const gint32 *v, int face, int resolution)
{
  int ax = k->x[v[0]], ay = k->y[v[0]], bx = k->x[v[1]], by = k->y[v[1]];
  int cx = k->x[v[2]], cy = k->y[v[2]];
  float aw = k->w[v[0]], bw = k->w[v[1]], cw = k->w[v[2]], inv;
  int area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  int x0, x1, y0, y1, step_a, step_b;
  gboolean covered = FALSE;

  if (area == 0)
    return FALSE;
  if (area < 0) {
    int t;

    t = bx, bx = cx, cx = t;
    t = by, by = cy, cy = t;
    inv = bw, bw = cw, cw = inv;
    area = -area;
  }
  inv = 1.0f / area;
  step_a = (cy - by) * SUBPIXEL;
  step_b = (ay - cy) * SUBPIXEL;
  x0 = MAX (0, first_center (MIN (ax, MIN (bx, cx))));
  y0 = MAX (0, first_center (MIN (ay, MIN (by, cy))));
  x1 = MIN (resolution, first_center (MAX (ax, MAX (bx, cx)) + 1));
  y1 = MIN (resolution, first_center (MAX (ay, MAX (by, cy)) + 1));
  for (int py = y0; py < y1; py++) {
    int sx = x0 * SUBPIXEL + SUBPIXEL / 2, sy = py * SUBPIXEL + SUBPIXEL / 2;
    int ea = (cx - bx) * (sy - by) - (cy - by) * (sx - bx);
    int eb = (ax - cx) * (sy - cy) - (ay - cy) * (sx - cx);
    int ec = area - ea - eb;
    gsize at = (gsize) py * resolution + x0;

    for (int px = x0; px < x1;
         px++, at++, ea -= step_a, eb -= step_b, ec += step_a + step_b) {
      float w;

      if ((ea | eb | ec) < 0)
        continue;
      covered = TRUE;
      w = (ea * aw + eb * bw + ec * cw) * inv;
      if (w > k->nearest[at]) {
        k->nearest[at] = w;
        k->winner[at] = face;
      }
    }
  }
  return covered;
}

/* Over the longest side. */
static double
height (const Surface *s, int f)
{
  double longest = 0;

  for (int h = 3 * f; h < 3 * f + 3; h++) {
    Vec3 d = vec3_sub (s->pos[half_to (s, h)], s->pos[half_from (s, h)]);

    longest = MAX (longest, vec3_dot (d, d));
  }
  return longest > 0 ? vec3_length (face_normal (s, f)) / sqrt (longest) : 0;
}

static void
count_seen (Worker *k, int face, int view)
{
  if (face >= 0 && k->stamp[face] != view) {
    k->stamp[face] = view;
    k->seen[face]++;
  }
}

/* A face thinner than a pixel may win none though it is in full view:
 * its centre decides, one pixel of depth allowed for. */
static void
count_missed (Worker *k, const Surface *s, int view, int resolution)
{
  double pixel = pixel_size (resolution);

  for (int i = 0; i < k->n_missed; i++) {
    const gint32 *v = s->faces + 3 * (gsize) k->missed[i];
    int px = (k->x[v[0]] + k->x[v[1]] + k->x[v[2]]) / (3 * SUBPIXEL);
    int py = (k->y[v[0]] + k->y[v[1]] + k->y[v[2]]) / (3 * SUBPIXEL);
    double w = (k->w[v[0]] + k->w[v[1]] + k->w[v[2]]) / 3;
    gsize at = (gsize) py * resolution + px;

    if (px < 0 || py < 0 || px >= resolution || py >= resolution)
      continue;
    if (k->nearest[at] <= 0 || 1 / w <= 1 / k->nearest[at] + pixel)
      count_seen (k, k->missed[i], view);
  }
}

static void
draw_view (Worker *k, const Surface *s, const guint8 *small, int first_cap,
    int view, int n_views, int resolution)
{
  gsize n_pixels = (gsize) resolution * resolution;

  memset (k->nearest, 0, n_pixels * sizeof (float));
  memset (k->winner, 0xff, n_pixels * sizeof (int));
  k->n_missed = 0;
  project (k, s, view, n_views, resolution);
  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    if (f >= first_cap &&
        (k->x[v[1]] - k->x[v[0]]) * (k->y[v[2]] - k->y[v[0]]) <=
            (k->y[v[1]] - k->y[v[0]]) * (k->x[v[2]] - k->x[v[0]]))
      continue;
    if (!draw_face (k, v, f, resolution) && small[f])
      k->missed[k->n_missed++] = f;
  }
  for (gsize i = 0; i < n_pixels; i++)
    count_seen (k, k->winner[i], view);
  count_missed (k, s, view, resolution);
}

void
surface_limit_views (const Surface *s, ShuCleanupParams *params)
{
  double area = 0, pixels;

  for (int f = 0; f < s->n_faces; f++)
    area += vec3_length (face_normal (s, f)) / 2;
  for (;;) {
    double pixel = pixel_size (params->resolution);

    /* A face shows half its area on average. */
    pixels = params->n_views * area / 2 / (pixel * pixel);
    if (pixels <= MAX_PIXELS)
      return;
    if (params->resolution > LEAST_RESOLUTION)
      params->resolution = MAX (LEAST_RESOLUTION, params->resolution / 2);
    else if (params->n_views > LEAST_VIEWS)
      params->n_views = MAX (LEAST_VIEWS, params->n_views / 2);
    else
      return;
  }
}

gboolean
surface_visibility (const Surface *s, int first_cap, int n_views,
    int resolution, int *ret_seen, const ShuProgress *progress, GError **error)
{
  int n_workers = omp_get_max_threads ();
  g_autofree Worker *workers = g_new0 (Worker, n_workers);
  g_autofree guint8 *small = g_new (guint8, s->n_faces + 1);
  double pixel = pixel_size (resolution);
  gboolean ok = TRUE;

  for (int f = 0; f < s->n_faces; f++)
    small[f] = height (s, f) < 1.6 * pixel;
  for (int i = 0; i < n_workers; i++)
    worker_init (&workers[i], s, resolution);
  for (int view = 0; view < n_views && ok; view += VIEWS_AT_ONCE) {
    int end = MIN (n_views, view + VIEWS_AT_ONCE);

    ok = shu_progress (progress, "visibility", view, n_views, error);
#pragma omp parallel for schedule(dynamic) if (ok)
    for (int i = view; i < end; i++)
      if (ok)
        draw_view (&workers[omp_get_thread_num ()], s, small, first_cap, i,
            n_views, resolution);
  }
  memset (ret_seen, 0, s->n_faces * sizeof (int));
  for (int i = 0; i < n_workers; i++) {
    for (int f = 0; f < s->n_faces; f++)
      ret_seen[f] += workers[i].seen[f];
    worker_clear (&workers[i]);
  }
  return ok;
}
