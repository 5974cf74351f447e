/* SPDX-License-Identifier: MIT */
/* Makes a picture ready for baking: mask, colours grown over the outline,
 * trust, and what the mesh hides from its camera. */
#include "geometry/bake_private.h"
#include <math.h>
#include <string.h>

enum {
  SMOOTH_RADIUS = 6, /* pixels of 768 */
};

/* In units of the body's cube. */
static const float hidden_tolerance = 0.004f;
static const float jump = 0.02f; /* a step in depth that hides something */
static const float least_trust = 0.02f;
static const float cut_out_edge = 0.002f; /* of which colours are not used */

/**
 * Border:
 * How far from an outline a picture is wrong, in sides of the picture.
 * @blur: of its edge, where the picture itself does not tell
 * @fade: trust is full from here inwards
 * @jump_near: the same as @fade at steps in depth, on the side nearer
 * @jump_far: and on the side behind
 */
typedef struct {
  ShuBakeBlur blur;
  float fade, jump_near, jump_far;
} Border;

/* A photo is sharp; what a decoder drew is blurred over some pixels. */
static const Border photo_border = {{0, 0.001f}, 0.0085f, 0, 0.008f};
static const Border drawn_border = {{0, 0.015f}, 0.02f, 0.012f, 0.025f};
static const Border face_border = {{0, 0.006f}, 0.02f, 0, 0.01f};

static const Border *
border_of_view (ShuView view)
{
  return view == SHU_VIEW_FRONT  ? &photo_border
         : view == SHU_VIEW_FACE ? &face_border
                                 : &drawn_border;
}

/* A picture in host memory while it is prepared: as in ShuBakePhoto */
typedef struct {
  int size;
  float *rgb;
  float *trust;
  float *open;
  const float *depth;
} Planes;

/* Two sweeps of a 3x3 neighbourhood that hand on the nearest source found so
 * far (Danielsson 1980): exact but for a fraction of a pixel. */
void
shu_plane_nearest (
    const guint8 *mask, int size, float *ret_dist, gint32 *ret_index)
{
  gsize n = (gsize) size * size;
  g_autofree gint32 *own = ret_index ? NULL : g_new (gint32, n);
  g_autofree float *own_dist = ret_dist ? NULL : g_new (float, n);
  gint32 *index = ret_index ? ret_index : own;
  float *dist = ret_dist ? ret_dist : own_dist;

  for (gsize i = 0; i < n; i++) {
    index[i] = mask[i] ? (gint32) i : -1;
    dist[i] = mask[i] ? 0 : G_MAXFLOAT;
  }
  for (int sweep = 0; sweep < 4; sweep++) {
    int sx = sweep & 1 ? -1 : 1, sy = sweep & 2 ? -1 : 1;
    static const int steps[3][2] = {{-1, 0}, {0, -1}, {-1, -1}};
    for (int j = 0; j < size; j++)
      for (int i = 0; i < size; i++) {
        int x = sx > 0 ? i : size - 1 - i, y = sy > 0 ? j : size - 1 - j;
        gsize at = (gsize) y * size + x;
        for (int k = 0; k < 3; k++) {
          int u = x + sx * steps[k][0], v = y + sy * steps[k][1];
          if (u < 0 || v < 0 || u >= size || v >= size)
            continue;
          gint32 from = index[(gsize) v * size + u];
          if (from < 0)
            continue;
          float dx = (float) (from % size - x), dy = (float) (from / size - y);
          float d = dx * dx + dy * dy;
          if (d < dist[at]) {
            dist[at] = d;
            index[at] = from;
          }
        }
      }
  }
  for (gsize i = 0; i < n; i++)
    if (index[i] >= 0)
      dist[i] = sqrtf (dist[i]);
}

static void
blur_line (float *out, const float *in, int n, int step, int radius)
{
  float scale = 1.0f / (2 * radius + 1);
  double sum = 0;

  for (int i = -radius; i <= radius; i++)
    sum += in[(gsize) CLAMP (i, 0, n - 1) * step];
  for (int i = 0; i < n; i++) {
    out[(gsize) i * step] = (float) sum * scale;
    sum += in[(gsize) MIN (n - 1, i + radius + 1) * step] -
           in[(gsize) MAX (0, i - radius) * step];
  }
}

void
shu_plane_blur (float *plane, int size, int n_channels, int radius)
{
  gsize n = (gsize) size * size * n_channels;
  g_autofree float *other = g_new (float, n);
  int pitch = size * n_channels;

  for (int pass = 0; radius > 0 && pass < 3; pass++) {
#pragma omp parallel for
    for (int y = 0; y < size; y++)
      for (int c = 0; c < n_channels; c++)
        blur_line (other + (gsize) y * pitch + c, plane + (gsize) y * pitch + c,
            size, n_channels, radius);
#pragma omp parallel for
    for (int i = 0; i < pitch; i++)
      blur_line (plane + i, other + i, size, pitch, radius);
  }
}

static void
load_colors (Planes *p, const ShuImage *color, gboolean mirror)
{
  int size = p->size;

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      int from = mirror ? size - 1 - x : x;
      for (int k = 0; k < 3; k++)
        p->rgb[3 * ((gsize) y * size + x) + k] =
            color->data[3 * ((gsize) y * size + from) + k];
    }
}

/* Pure colours stay; elsewhere the nearest of them, a little blurred so that
 * the outline's corners make no streaks. */
static void
grow_colors (Planes *p, const guint8 *pure)
{
  int size = p->size;
  gsize n = (gsize) size * size;
  g_autofree gint32 *from = g_new (gint32, n);
  g_autofree float *grown = g_new (float, 3 * n);

  shu_plane_nearest (pure, size, NULL, from);
  for (gsize i = 0; i < n; i++) {
    gsize at = from[i] >= 0 ? (gsize) from[i] : i;
    memcpy (grown + 3 * i, p->rgb + 3 * at, 3 * sizeof (float));
  }
  memcpy (p->rgb, grown, 3 * n * sizeof (float));
  shu_plane_blur (grown, size, 3, MAX (1, size / 256));
  for (gsize i = 0; i < n; i++)
    if (!pure[i])
      memcpy (p->rgb + 3 * i, grown + 3 * i, 3 * sizeof (float));
}

/* Finds what of the picture is the person's own colour, takes out the white
 * where the share of it can be told, and spreads the rest from nearby. */
static void
clear_border (
    Planes *p, guint8 *mask, const ShuImage *person, const Border *border)
{
  gsize n = (gsize) p->size * p->size;
  g_autofree guint8 *pure = g_malloc (n);
  g_autofree float *dist = g_new (float, n), *coverage = NULL;
  float fade = MAX (1, border->fade * p->size - 1);

  if (!person)
    shu_bake_drop_background (p->rgb, mask, p->size);
  for (gsize i = 0; i < n; i++) {
    if (person)
      mask[i] = person->data[i] > 127;
    pure[i] = !mask[i];
  }
  shu_plane_nearest (pure, p->size, dist, NULL);
  if (person) {
    coverage = g_new (float, n);
    for (gsize i = 0; i < n; i++)
      coverage[i] = person->data[i] / 255.0f;
  } else {
    coverage = shu_bake_coverage (dist, p->size,
        shu_bake_measure_blur (p->rgb, dist, p->size, border->blur));
  }
  for (gsize i = 0; person && i < n; i++) {
    shu_bake_unmix (p->rgb + 3 * i, coverage[i]);
    pure[i] = dist[i] >= MAX (1, cut_out_edge * p->size);
  }
  if (!person)
    shu_bake_find_pure (p->rgb, dist, coverage, p->size, pure);
  for (gsize i = 0; i < n; i++) {
    float t = MIN ((dist[i] - 1) / fade, (coverage[i] - 0.4f) / 0.6f);
    t = CLAMP (t, 0, 1);
    p->trust[i] = MAX (least_trust, pure[i] ? t * t * (3 - 2 * t) : 0);
  }
  grow_colors (p, pure);
}

/* Lowers p->open within @reach pixels of a step in depth: on the side behind
 * it, or on the side in front. */
static void
close_jumps (Planes *p, gboolean behind, float reach)
{
  const float *depth = p->depth;
  int size = p->size;
  gsize n = (gsize) size * size;
  g_autofree guint8 *edge = g_malloc0 (n);
  g_autofree gint32 *from = g_new (gint32, n);
  g_autofree float *dist = g_new (float, n);
  float sign = behind ? 1 : -1;

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      static const int steps[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
      gsize at = (gsize) y * size + x;
      for (int k = 0; k < 4; k++) {
        int u = x + steps[k][0], v = y + steps[k][1];
        if (u < 0 || v < 0 || u >= size || v >= size)
          continue;
        float other = depth[(gsize) v * size + u];
        edge[at] |= other < G_MAXFLOAT && depth[at] < G_MAXFLOAT &&
                    sign * (other - depth[at]) > jump;
      }
    }
  shu_plane_nearest (edge, size, dist, from);
  for (gsize i = 0; i < n; i++)
    if (from[i] >= 0 && sign * (depth[i] - depth[from[i]]) > jump)
      p->open[i] = MIN (
          p->open[i], CLAMP ((dist[i] - 1) / MAX (1, reach), least_trust, 1));
}

static void
find_jumps (Planes *p, const Border *border)
{
  gsize n = (gsize) p->size * p->size;

  for (gsize i = 0; i < n; i++)
    p->open[i] = 1;
  close_jumps (p, TRUE, border->jump_far * p->size);
  if (border->jump_near > 0)
    close_jumps (p, FALSE, border->jump_near * p->size);
}

static ShuTensor *
upload_plane (const ShuBaker *b, int size, int n_channels, const float *plane)
{
  const gint64 dims[] = {size, size, n_channels};

  return shu_bake_upload (
      b, SHU_DTYPE_F32, n_channels > 1 ? 3 : 2, dims, plane, SHU_TRAFFIC_IMAGE);
}

/* The mesh as the camera of @p sees it; *@ret_depth in host memory */
static void
draw_mesh (const ShuBaker *b, ShuBakePhoto *p, float *ret_depth)
{
  const ShuRasterJob job = {.at = b->pos,
      .faces = b->faces,
      .n_views = 1,
      .cameras = &p->camera,
      .width = p->size,
      .height = p->size,
      .flags = SHU_RASTER_BARY | SHU_RASTER_DEPTH};

  if (shu_rasterize (b->c, &job, &p->raster))
    shu_to_host (b->c, p->raster.depth, ret_depth);
}

ShuBakePhoto *
shu_bake_photo_new (const ShuBaker *b, const ShuImage *color,
    const ShuImage *normal, const ShuImage *person, ShuView view)
{
  ShuBakePhoto *p = g_new0 (ShuBakePhoto, 1);
  gboolean mirror = view == SHU_VIEW_BACK || view == SHU_VIEW_LEFT;
  const Border *border = border_of_view (view);
  int size = color->width;
  gsize n = (gsize) size * size;
  g_autofree float *rgb = g_new (float, 3 * n), *trust = g_new (float, n);
  g_autofree float *open = g_new (float, n), *depth = g_new0 (float, n);
  g_autofree guint8 *mask = shu_bake_photo_mask (color, normal, mirror);
  Planes planes = {size, rgb, trust, open, depth};

  p->size = size;
  p->camera = shu_camera_of_view (view);
  load_colors (&planes, color, mirror);
  clear_border (&planes, mask, person, border);
  draw_mesh (b, p, depth);
  find_jumps (&planes, border);
  p->rgb = upload_plane (b, size, 3, rgb);
  p->trust = upload_plane (b, size, 1, trust);
  p->open = upload_plane (b, size, 1, open);
  shu_plane_blur (rgb, size, 3, MAX (1, SMOOTH_RADIUS * size / 768));
  p->smooth = upload_plane (b, size, 3, rgb);
  return p;
}

void
shu_bake_photo_sample (
    const float *plane, int size, int n_channels, const float *uv, float *ret)
{
  float x = CLAMP (uv[0] * size - 0.5f, 0, size - 1);
  float y = CLAMP (uv[1] * size - 0.5f, 0, size - 1);
  int x0 = (int) x, y0 = (int) y;
  int x1 = MIN (x0 + 1, size - 1), y1 = MIN (y0 + 1, size - 1);
  float fx = x - x0, fy = y - y0;
  const float *a = plane + ((gsize) y0 * size + x0) * n_channels;
  const float *b = plane + ((gsize) y0 * size + x1) * n_channels;
  const float *c = plane + ((gsize) y1 * size + x0) * n_channels;
  const float *d = plane + ((gsize) y1 * size + x1) * n_channels;

  for (int k = 0; k < n_channels; k++)
    ret[k] = (1 - fy) * ((1 - fx) * a[k] + fx * b[k]) +
             fy * ((1 - fx) * c[k] + fx * d[k]);
}

float
shu_bake_photo_weight (const ShuBakePhoto *p, const float *pos,
    const float *normal, float power, float *ret_uv)
{
  const float *axis = p->camera.view + 8, *depth = p->raster.depth->data;
  float cosine =
      -(normal[0] * axis[0] + normal[1] * axis[1] + normal[2] * axis[2]);
  float z = shu_camera_project (&p->camera, pos, ret_uv), far = -G_MAXFLOAT;
  float trust, open;

  if (cosine <= 0.05f || ret_uv[0] < 0 || ret_uv[1] < 0 || ret_uv[0] > 1 ||
      ret_uv[1] > 1)
    return 0;
  int x = (int) floorf (ret_uv[0] * p->size - 0.5f);
  int y = (int) floorf (ret_uv[1] * p->size - 0.5f);
  for (int k = 0; k < 4; k++) {
    int u = CLAMP (x + (k & 1), 0, p->size - 1);
    int v = CLAMP (y + (k >> 1), 0, p->size - 1);
    far = MAX (far, depth[(gsize) v * p->size + u]);
  }
  if (z > far + hidden_tolerance)
    return 0;
  shu_bake_photo_sample (p->trust->data, p->size, 1, ret_uv, &trust);
  shu_bake_photo_sample (p->open->data, p->size, 1, ret_uv, &open);
  return powf (cosine, power) * trust * open;
}
