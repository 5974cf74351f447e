/* SPDX-License-Identifier: MIT */
/* Pictures of generated people with a known cut-out. */
#include "scenes.h"
#include "formats/preprocess.h"
#include "base/resample.h"
#include "human.h"
#include <math.h>
#include <string.h>

static guint32
hash (guint32 x)
{
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* Deterministic everywhere, unlike the numbers of a library. */
typedef struct {
  guint32 state;
} Random;

static double
draw (Random *r, double lo, double hi)
{
  r->state = hash (r->state + 0x9e3779b9u);
  return lo + (hi - lo) * (r->state / 4294967296.0);
}

/* Smooth noise in 0..1 with details of 1, 1/2, 1/4 and 1/8 */
static double
noise (guint32 seed, double x, double y)
{
  double sum = 0, all = 0;

  for (int k = 0; k < 4; k++, x *= 2, y *= 2) {
    int ix = (int) floor (x), iy = (int) floor (y);
    double fx = x - ix, fy = y - iy, v[4], weight = 1.0 / (1 << k);

    for (int i = 0; i < 4; i++)
      v[i] = hash (seed + k * 7919u + (ix + (i & 1)) * 73856093u +
                   (iy + (i >> 1)) * 19349663u) /
             4294967296.0;
    fx *= fx * (3 - 2 * fx);
    fy *= fy * (3 - 2 * fy);
    sum += weight * ((v[0] * (1 - fx) + v[1] * fx) * (1 - fy) +
                        (v[2] * (1 - fx) + v[3] * fx) * fy);
    all += weight;
  }
  return sum / all;
}

enum { N_THINGS = 6, N_STYLES = 4 };

/* Four kinds: a wall and floor, hills under a sky, things before a wall, a
 * pattern.  Colours, sizes and places are drawn. */
typedef struct {
  guint32 seed;
  int style;
  double color[3][3];        /* above, below, lines */
  double edge;               /* height of the horizon or floor, 0..1 */
  double grid;               /* lines over the picture's height */
  double thing[N_THINGS][7]; /* x0, y0, x1, y1, colour */
} Backdrop;

static void
backdrop_init (Backdrop *b, Random *r, int style)
{
  b->seed = (guint32) draw (r, 0, 4e9);
  b->style = style;
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      b->color[i][k] = draw (r, 0.15, 0.9);
  b->edge = draw (r, 0.55, 0.85);
  b->grid = draw (r, 5, 18);
  for (int i = 0; i < N_THINGS; i++) {
    double *t = b->thing[i];

    t[0] = draw (r, -0.2, 1);
    t[1] = draw (r, 0, 0.8);
    t[2] = t[0] + draw (r, 0.05, 0.35);
    t[3] = t[1] + draw (r, 0.1, 0.5);
    for (int k = 4; k < 7; k++)
      t[k] = draw (r, 0.1, 0.9);
  }
}

static void
backdrop_color (const Backdrop *b, double x, double y, double *ret)
{
  double fine = noise (b->seed, 20 * x, 20 * y) - 0.5;
  double edge = b->edge;
  int part;

  if (b->style == 1)
    edge += 0.3 * (noise (b->seed + 1, 3 * x, 0.5) - 0.5);
  part = y > edge;
  for (int k = 0; k < 3; k++)
    ret[k] = b->color[part][k] * (1.1 - 0.4 * (b->style == 1 ? 1 - y : x));
  if (b->style == 3 && (fmod (b->grid * (x + 1), 1) < 0.12 ||
                           fmod (b->grid * (y + 1), 1) < 0.12))
    memcpy (ret, b->color[2], 3 * sizeof *ret);
  for (int i = 0; b->style == 2 && i < N_THINGS; i++) {
    const double *t = b->thing[i];

    if (x > t[0] && x < t[2] && y > t[1] && y < t[3])
      memcpy (ret, t + 4, 3 * sizeof *ret);
  }
  for (int k = 0; k < 3; k++)
    ret[k] = CLAMP (ret[k] * (1 + 0.5 * fine), 0, 1);
}

static void
draw_backdrop (ShuImage *image, Random *r, int style)
{
  int W = image->width, H = image->height;
  Backdrop b;

  backdrop_init (&b, r, style);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      double color[3];

      backdrop_color (&b, (x + 0.5) / H, (y + 0.5) / H, color);
      for (int k = 0; k < 3; k++)
        image->data[3 * ((gsize) y * W + x) + k] = (guint8) (255 * color[k]);
    }
}

/* A random part of @background, up to 1.6 times enlarged */
static ShuImage *
cut_backdrop (const ShuImage *background, Random *r, int W, int H)
{
  double s =
      MAX ((double) W / background->width, (double) H / background->height) *
      draw (r, 1, 1.6);
  int w = MIN ((int) (W / s), background->width);
  int h = MIN ((int) (H / s), background->height);
  int x = (int) draw (r, 0, background->width - w + 0.999);
  int y = (int) draw (r, 0, background->height - h + 0.999);
  g_autoptr (ShuImage) part =
      shu_image_crop (background, &(ShuBox){x, y, x + w, y + h});

  return shu_image_resize (part, W, H, SHU_FILTER_BICUBIC);
}

/* Person @number, cropped to what is seen of them: RGBA, at most @W by @H */
static ShuImage *
make_sprite (int number, int W, int H, int samples)
{
  g_autofree Human *human = g_new (Human, 1);
  g_autoptr (ShuImage) picture = shu_image_new (W, H, 4);
  ShuBox box = {W, H, 0, 0};
  HumanFrame frame;

  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  human_photo (human, &frame, number, W, H, 0.01f, samples, picture->data);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      if (picture->data[4 * ((gsize) y * W + x) + 3] > 0) {
        box.x0 = MIN (box.x0, x);
        box.x1 = MAX (box.x1, x + 1);
        box.y0 = MIN (box.y0, y);
        box.y1 = MAX (box.y1, y + 1);
      }
  return shu_image_crop (picture, &box);
}

/* Puts @sprite over what is there: over the photo with a light of its own and
 * a shadow at the feet, over the cut-out as it is. */
static void
paste (Scene *scene, const ShuImage *sprite, int left, int top, Random *r)
{
  int W = scene->photo->width, H = scene->photo->height;
  double gain = draw (r, 0.8, 1.15), tint[3];

  for (int k = 0; k < 3; k++)
    tint[k] = gain * draw (r, 0.95, 1.05);
  for (int y = MAX (top, 0); y < MIN (top + sprite->height, H); y++)
    for (int x = MAX (left, 0); x < MIN (left + sprite->width, W); x++) {
      const guint8 *s =
          sprite->data + 4 * ((gsize) (y - top) * sprite->width + x - left);
      guint8 *p = scene->photo->data + 3 * ((gsize) y * W + x);
      guint8 *q = scene->cutout->data + 4 * ((gsize) y * W + x);
      double a = s[3] / 255.0;

      for (int k = 0; k < 3; k++) {
        double v = MIN (s[k] * tint[k], 255);

        p[k] = (guint8) (v * a + p[k] * (1 - a) + 0.5);
        q[k] = p[k];
      }
      q[3] = MAX (q[3], s[3]);
    }
}

static void
cast_shadow (ShuImage *photo, double cx, double cy, double rx, double dark)
{
  double ry = 0.2 * rx;

  for (int y = 0; y < photo->height; y++)
    for (int x = 0; x < photo->width; x++) {
      double dx = (x - cx) / rx, dy = (y - cy) / ry;
      double shade = 1 - dark * exp (-(dx * dx + dy * dy));
      guint8 *p = photo->data + 3 * ((gsize) y * photo->width + x);

      for (int k = 0; k < 3; k++)
        p[k] = (guint8) (p[k] * shade);
    }
}

static void
add_grain (ShuImage *photo, Random *r)
{
  gsize n = shu_image_size (photo);
  double amount = draw (r, 1, 6);
  guint32 seed = (guint32) draw (r, 0, 4e9);

  for (gsize i = 0; i < n; i++) {
    double v = 0;

    for (guint32 k = 0; k < 4; k++)
      v += hash (seed + 4 * (guint32) i + k) / 4294967296.0 - 0.5;
    v = photo->data[i] + 1.73 * amount * v;
    photo->data[i] = (guint8) CLAMP (v + 0.5, 0, 255);
  }
}

/* One person, of whose height the share @seen is above the lower border */
static void
put_one (Scene *scene, Random *r, int number, double seen)
{
  int W = scene->photo->width, H = scene->photo->height;
  double share = seen < 1 ? draw (r, 0.86, 0.95) / seen : draw (r, 0.6, 0.93);
  int tall = (int) (share * H);
  int wide = seen < 1 ? tall : MIN (tall, (int) (0.96 * W));
  g_autoptr (ShuImage) sprite =
      make_sprite (number, wide, tall, seen < 1 ? 1 : 2);
  double room_x = MAX (0.96 * W - sprite->width, 0);
  double room_y = MAX (0.97 * H - sprite->height, 0);
  int left = (int) (0.5 * (W - sprite->width) + draw (r, -0.45, 0.45) * room_x);
  int top = (int) (0.015 * H + draw (r, 0.2, 1) * room_y);

  if (seen < 1)
    top = (int) (H - seen * sprite->height);
  else
    cast_shadow (scene->photo, left + 0.5 * sprite->width, top + sprite->height,
        0.4 * sprite->width, draw (r, 0, 0.5));
  paste (scene, sprite, left, top, r);
}

/* Two or three in a row, between some distance and a slight overlap */
static void
put_several (Scene *scene, Random *r, int number)
{
  int W = scene->photo->width, H = scene->photo->height;
  int n = draw (r, 0, 3) < 2 ? 2 : 3, width = 0, x;
  ShuImage *sprite[3];
  int gap[3] = {0};

  for (int i = 0; i < n; i++) {
    sprite[i] = make_sprite (3 * number + i, (int) (0.96 * W / n),
        (int) (draw (r, 0.7, 0.93) * H), 2);
    if (i > 0)
      gap[i] = (int) (draw (r, -0.15, 0.3) * sprite[i]->width);
    width += sprite[i]->width + gap[i];
  }
  x = (W - width) / 2;
  for (int i = 0; i < n; i++) {
    int top = (int) (0.97 * H) - sprite[i]->height;

    x += gap[i];
    cast_shadow (scene->photo, x + 0.5 * sprite[i]->width,
        top + sprite[i]->height, 0.4 * sprite[i]->width, draw (r, 0, 0.5));
    paste (scene, sprite[i], x, top, r);
    x += sprite[i]->width;
    shu_image_free (sprite[i]);
  }
}

void
scene_free (Scene *scene)
{
  if (!scene)
    return;
  shu_image_free (scene->photo);
  shu_image_free (scene->cutout);
  g_free (scene);
}

Scene *
scene_new (SceneKind kind, int number, const ShuImage *background)
{
  static const struct {
    int width, height;
  } sizes[] = {{432, 576}, {512, 512}, {384, 640}, {640, 480}};

  Random r = {hash (number + 1) ^ (kind + 1) * 0x51ed270bu};
  Scene *scene = g_new0 (Scene, 1);
  int i =
      kind == SCENE_SEVERAL ? 1 + 2 * (number % 2) : (number + number / 4) % 4;
  int W = sizes[i].width, H = sizes[i].height;

  if (background)
    scene->photo = cut_backdrop (background, &r, W, H);
  else {
    scene->photo = shu_image_new (W, H, 3);
    draw_backdrop (scene->photo, &r, number % N_STYLES);
  }
  scene->cutout = shu_image_new (W, H, 4);
  switch (kind) {
  case SCENE_WHOLE:
    put_one (scene, &r, number, 1);
    break;
  case SCENE_WAIST:
    put_one (scene, &r, number, draw (&r, 0.45, 0.6));
    break;
  case SCENE_CHEST:
    put_one (scene, &r, number, draw (&r, 0.28, 0.38));
    break;
  case SCENE_SEVERAL:
    put_several (scene, &r, number);
    break;
  default:
    break;
  }
  add_grain (scene->photo, &r);
  return scene;
}
