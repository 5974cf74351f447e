/* SPDX-License-Identifier: MIT */
/* Cameras for generated people, and the CPU's way to their views, photos,
 * voxels and distances. */
#include "human_private.h"

#ifdef _OPENMP
#define PARALLEL_ROWS _Pragma ("omp parallel for schedule(dynamic, 4)")
#else
#define PARALLEL_ROWS
#endif

/* ---- cameras ---- */

static void
ortho_camera (HumanCamera *camera, Vec centre, Vec dir, Vec across, float width,
    float height)
{
  float *c = camera->f;
  memset (camera, 0, sizeof *camera);
  store (c, sub (centre, mul (dir, 3.f)));
  store (c + 3, mul (across, width));
  store (c + 6, mul (Z, height));
  store (c + 9, dir);
  c[28] = 1.f;
}

/* Views 2 and 3 look from behind and from -x but keep the columns of 0 and 1:
 * only the direction is reversed, so the pictures are mirrored, as stored. */
void
human_view_camera (const HumanFrame *frame, int view, HumanCamera *camera)
{
  Vec dirs[] = {Y, {-1, 0, 0}, {0, -1, 0}, X, Y}, centre = load (frame->centre);
  float s = frame->size;
  if (view == 4) {
    centre = add (centre, mul (Z, s / 3.f));
    s /= 3.f;
  }
  ortho_camera (camera, centre, dirs[view], view % 2 ? Y : X, s, s);
}

/* Half side of the square that human_bound_camera() shows. */
static float
bound_half (const Human *human)
{
  const float *h = human->f;
  return .5f * fmaxf (h[4] - h[1], fmaxf (h[5] - h[2], h[6] - h[3]));
}

static Vec
bound_centre (const Human *human)
{
  return mul (add (load (human->f + 1), load (human->f + 4)), .5f);
}

void
human_bound_camera (const Human *human, int axis, HumanCamera *camera)
{
  float s = 2.f * bound_half (human);
  ortho_camera (camera, bound_centre (human), axis ? mul (X, -1.f) : Y,
      axis ? Y : X, s, s);
}

void
human_fit_frame (const Human *human, const float front[4], const float side[5],
    HumanFrame *frame)
{
  Vec c = bound_centre (human);
  float s = 2.f * bound_half (human);
  float size = fmaxf (
      side[2] - side[0], fmaxf (front[2] - front[0], front[3] - front[1]));
  float y = fminf (fmaxf (side[4], side[2] - .5f * size), side[0] + .5f * size);
  frame->centre[0] = c.x + s * (.5f * (front[0] + front[2]) - .5f);
  frame->centre[1] = c.y + s * (y - .5f);
  frame->centre[2] = c.z + s * (.5f - .5f * (front[1] + front[3]));
  frame->size = s * size;
}

void
human_photo_camera (const Human *human, const HumanFrame *frame, uint64_t photo,
    HumanCamera *camera)
{
  Random r = {.key = hash64 (photo + 0x5f0e11e5ull)};
  float *c = camera->f, s = frame->size;
  /* 2 to 7 body sizes away, nearly level, at the front */
  float dist = s * 2.f * powf (3.5f, random_unit (&r));
  float up = normal (&r, 0, .06f), azimuth = normal (&r, 0, .03f);
  Vec d =
      vec (sinf (azimuth) * cosf (up), cosf (azimuth) * cosf (up), -sinf (up));
  Vec right = unit (cross (d, Z)), above = cross (right, d);
  (void) human;
  memset (camera, 0, sizeof *camera);
  store (c, sub (load (frame->centre), mul (d, dist)));
  store (c + 9, mul (d, dist));
  store (c + 12, mul (right, 1.9f * s));
  store (c + 15, mul (above, 1.9f * s));
  float a = uniform (&r, -1.3f, 1.3f), e = uniform (&r, .05f, 1.2f);
  store (c + 18, vec (sinf (a) * cosf (e), -cosf (a) * cosf (e), sinf (e)));
  c[21] = uniform (&r, .62f, 1.05f);
  c[22] = uniform (&r, .05f, fmaxf (.15f, 1.25f - c[21]));
  c[23] = chance (&r, .5f) ? 0.f : uniform (&r, .05f, .25f);
  for (int i = 24; i < 27; i++)
    c[i] = 1.f + normal (&r, 0, .08f);
  c[27] = 1.f;
  c[28] = uniform (&r, .72f, 1.12f);
}

void
human_fit_photo (HumanCamera *camera, const float box[4], int width, int height,
    float margin)
{
  float *c = camera->f, keep = fmaxf (1.f - 2.f * margin, .1f);
  float side = norm (load (c + 12)), bw = box[2] - box[0], bh = box[3] - box[1];
  Vec right = unit (load (c + 12)), above = unit (load (c + 15));
  float scale = fmaxf (bw / width, bh / height) / keep; /* box per pixel */
  float u = .5f * (box[0] + box[2]) - .5f, v = .5f - .5f * (box[1] + box[3]);
  store (c + 9,
      add (load (c + 9), add (mul (right, u * side), mul (above, v * side))));
  store (c + 12, mul (right, side * scale * width));
  store (c + 15, mul (above, side * scale * height));
}

/* ---- pictures ---- */

typedef struct {
  uint8_t *rgb, *normal, *rgba;
} Planes;

static void
render (const Human *human, const HumanCamera *camera, int width, int height,
    int samples, Planes out)
{
  PARALLEL_ROWS
  for (int row = 0; row < height; row++)
    for (int col = 0; col < width; col++) {
      float o[7];
      size_t at = (size_t) row * width + col;
      pixel (human->f, camera->f, width, height, row, col, samples, o);
      float bg = 1.f - o[6], k = 1.f / fmaxf (o[6], 1e-3f);
      for (int i = 0; i < 3; i++) {
        if (out.rgb)
          out.rgb[3 * at + i] = byte (o[i] + bg);
        if (out.normal)
          out.normal[3 * at + i] = byte (o[3 + i] + bg);
        if (out.rgba)
          out.rgba[4 * at + i] = byte (o[i] * k);
      }
      if (out.rgba)
        out.rgba[4 * at + 3] = byte (o[6]);
    }
}

#define PROBE 320

/* Box of what @camera sees and mean column of it, as fractions of the
 * picture. */
static void
covered (const Human *human, const HumanCamera *camera, float box[5])
{
  int x0 = PROBE, y0 = PROBE, x1 = 0, y1 = 0;
  double sum = 0, n = 0;
  for (int row = 0; row < PROBE; row++)
    for (int col = 0; col < PROBE; col++) {
      Vec p, o = load (camera->f), d = load (camera->f + 9);
      float u = (col + .5f) / PROBE - .5f, v = .5f - (row + .5f) / PROBE;
      o = add (o,
          add (mul (load (camera->f + 3), u), mul (load (camera->f + 6), v)));
      d = unit (add (d, add (mul (load (camera->f + 12), u),
                            mul (load (camera->f + 15), v))));
      Mask mask = mask_near (human->f, o, d, .06f);
      if (!(mask.lo | mask.hi) || !trace (human->f, mask, o, d, &p))
        continue;
      x0 = col < x0 ? col : x0;
      x1 = col >= x1 ? col + 1 : x1;
      y0 = row < y0 ? row : y0;
      y1 = row >= y1 ? row + 1 : y1;
      sum += col + .5;
      n++;
    }
  box[0] = (float) x0 / PROBE;
  box[1] = (float) y0 / PROBE;
  box[2] = (float) x1 / PROBE;
  box[3] = (float) y1 / PROBE;
  box[4] = n > 0 ? (float) (sum / n / PROBE) : .5f;
}

void
human_frame (const Human *human, HumanFrame *frame)
{
  float box[2][5];
  for (int axis = 0; axis < 2; axis++) {
    HumanCamera camera;
    human_bound_camera (human, axis, &camera);
    covered (human, &camera, box[axis]);
  }
  human_fit_frame (human, box[0], box[1], frame);
}

void
human_view (const Human *human, const HumanFrame *frame, int view, int side,
    int samples, uint8_t *colour, uint8_t *nrm)
{
  HumanCamera camera;
  human_view_camera (frame, view, &camera);
  render (human, &camera, side, side, samples,
      (Planes){.rgb = colour, .normal = nrm});
}

void
human_orbit (const Human *human, const HumanFrame *frame, const float right[3],
    const float forward[3], int side, int samples, uint8_t *rgba)
{
  HumanCamera camera;
  Vec dir = load (forward), across = load (right);
  float s = frame->size;
  ortho_camera (&camera, load (frame->centre), dir, across, s, s);
  store (camera.f + 6, mul (cross (across, dir), s));
  render (human, &camera, side, side, samples, (Planes){.rgba = rgba});
}

void
human_photo (const Human *human, const HumanFrame *frame, uint64_t photo,
    int width, int height, float margin, int samples, uint8_t *rgba)
{
  HumanCamera camera;
  float box[5];
  human_photo_camera (human, frame, photo, &camera);
  covered (human, &camera, box);
  human_fit_photo (&camera, box, width, height, margin);
  render (human, &camera, width, height, samples, (Planes){.rgba = rgba});
}

size_t
human_voxels (
    const Human *human, const HumanFrame *frame, int res, uint8_t *occupied)
{
  float f[4] = {
      frame->centre[0], frame->centre[1], frame->centre[2], frame->size};
  size_t count = 0;
  PARALLEL_ROWS
  for (int x = 0; x < res; x++)
    for (int y = 0; y < res; y++)
      for (int z = 0; z < res; z++)
        occupied[((size_t) x * res + y) * res + z] =
            voxel_cut (human->f, f, res, x, y, z);
  for (size_t i = 0; i < (size_t) res * res * res; i++)
    count += occupied[i];
  return count;
}

void
human_points (const Human *human, const HumanFrame *frame, const float *points,
    size_t n, float *distance, float *colour, float *nrm)
{
  PARALLEL_ROWS
  for (size_t i = 0; i < n; i++) {
    float o[7];
    Vec p =
        add (mul (load (points + 3 * i), frame->size), load (frame->centre));
    point (human->f, p, 1, o);
    if (distance)
      distance[i] = o[0] / frame->size;
    if (colour)
      memcpy (colour + 3 * i, o + 1, 3 * sizeof *o);
    if (nrm)
      memcpy (nrm + 3 * i, o + 4, 3 * sizeof *o);
  }
}
