/* SPDX-License-Identifier: MIT */
/* What the parts of the generator share: random numbers, turns, the person in
 * the making and the primitives it is made of. Lengths are metres. */
#ifndef HUMAN_PRIVATE_H
#define HUMAN_PRIVATE_H
#include <math.h>
#include <string.h>
#include "human.h"
#include "human_field.h"

/* Materials */
enum {
  SKIN,
  SHIRT,
  TROUSERS,
  SHOES,
  HAIR,
  JACKET,
  BAG,
  INNER,
  BELT,
  HAT,
  SOLE
};

/* Random numbers: a counter hashed with the key (splitmix64). Each has a
 * statement of its own: compilers differ in the order of a call's arguments. */
typedef struct {
  uint64_t key, count;
} Random;

static inline uint64_t
hash64 (uint64_t x)
{
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static inline float
random_unit (Random *r)
{
  return (float) (hash64 (r->key ^ hash64 (r->count++)) >> 40) *
         (1.f / 16777216.f);
}

static inline float
uniform (Random *r, float lo, float hi)
{
  return lo + (hi - lo) * random_unit (r);
}

static inline int
chance (Random *r, float p)
{
  return random_unit (r) < p;
}

static inline int
choose (Random *r, int n)
{
  int i = (int) (random_unit (r) * n);
  return i < n ? i : n - 1;
}

static inline float
normal (Random *r, float mean, float sigma)
{
  float u = 1.f - random_unit (r), v = random_unit (r);
  return mean + sigma * sqrtf (-2.f * logf (u)) * cosf (6.2831853f * v);
}

/* Three columns: where x, y, z go. */
typedef struct {
  Vec x, y, z;
} Mat;

static inline Vec
apply (Mat m, Vec v)
{
  return add (add (mul (m.x, v.x), mul (m.y, v.y)), mul (m.z, v.z));
}

static inline Mat
product (Mat a, Mat b)
{
  return (Mat){apply (a, b.x), apply (a, b.y), apply (a, b.z)};
}

static inline Vec
turn (Vec v, Vec axis, float angle)
{
  float c = cosf (angle), s = sinf (angle);
  return add (add (mul (v, c), mul (cross (axis, v), s)),
      mul (axis, dot (axis, v) * (1.f - c)));
}

static inline Mat
rotation (Vec axis, float angle)
{
  return (Mat){turn (vec (1, 0, 0), axis, angle),
      turn (vec (0, 1, 0), axis, angle), turn (vec (0, 0, 1), axis, angle)};
}

static const Vec X = {1, 0, 0}, Y = {0, 1, 0}, Z = {0, 0, 1};

/* A limb: joint at the trunk, middle joint, end joint, and directions. */
typedef struct {
  float side; /* -1 or 1: sign of x */
  Vec root, mid, end;
  Vec lower; /* unit: from mid to end */
  Vec bend;  /* arms: where the forearm bends to; legs: toe direction */
} Limb;

/* Tops, bottoms, poses */
enum { TEE, LONG, TANK, BLOUSE, CROP, DRESS, COAT, HOODIE, BLAZER, ROBE };

enum { SLIM, WIDE, SHORTS, SKIRT, LONG_SKIRT };

enum { STAND, A_POSE, T_POSE, WALK, SIT, CROUCH, LUNGE, FREE };

typedef struct {
  Random r;
  float *h;
  int count;
  int female, child, pose, flexed;
  float girth, head, leg, shoulder, hip, thick;
  Vec pelvis, chest, neck, skull;
  Mat torso, face;
  Limb arms[2], legs[2];
} Maker;

/* ---- primitives ---- */

static inline float *
primitive (Maker *m, int type, int group, int material)
{
  float *q = m->h + HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL;
  if (m->count >= HUMAN_PRIMITIVES) /* never seen; keeps memory safe */
    m->count = HUMAN_PRIMITIVES - 1;
  q += HUMAN_PRIMITIVE * m->count++;
  q[0] = type;
  q[1] = group;
  q[2] = material;
  return q;
}

static inline void
store (float *p, Vec v)
{
  p[0] = v.x;
  p[1] = v.y;
  p[2] = v.z;
}

static inline void
cone (Maker *m, int type, int group, int material, Vec a, Vec b, float r1,
    float r2, Vec axis, float flat)
{
  float *q = primitive (m, type, group, material);
  store (q + 4, a);
  store (q + 7, b);
  q[10] = r1;
  q[11] = r2;
  store (q + 12, unit (axis));
  q[15] = flat;
}

static inline void
limb_cone (Maker *m, int group, int material, Vec a, Vec b, float r1, float r2)
{
  cone (m, ROUND_CONE, group, material, a, b, r1, r2, Y, 1.f);
}

static inline void
ball (Maker *m, int group, int material, Vec c, Vec radii, Mat axes)
{
  float *q = primitive (m, ELLIPSOID, group, material);
  store (q + 4, c);
  store (q + 7, radii);
  store (q + 12, axes.x);
  q[15] = 1.f;
  store (q + 16, axes.z);
}

/* A point given in the torso's axes relative to @from. */
static inline Vec
on_torso (const Maker *m, Vec from, float x, float y, float z)
{
  return add (from, apply (m->torso, vec (x, y, z)));
}

static inline Vec
on_head (const Maker *m, float x, float y, float z)
{
  return add (m->skull, mul (apply (m->face, vec (x, y, z)), m->head));
}

static inline Vec
between (Vec a, Vec b, float t)
{
  return mix (a, b, t);
}

/* ---- human_pose.c: body and pose ---- */

/* The first thing to be chosen: all else hangs on it. */
void human_choose_body (Maker *m);

/* What clothes leave bare; hands, feet, neck and head in any case */
void human_make_body (Maker *m, int bare_trunk, int bare_legs);

/* Trunk of a garment or of the body, @t thick. @upper only down to the ribs;
 * otherwise down to the waist, open below, for hem() to continue. */
void human_trunk (Maker *m, int group, int mat, float t, int upper);

/* ---- human_clothes.c: colours, clothes, hair, bags ---- */

/* @skirt: patterns of the bottom are those of skirts */
void human_choose_colours (Maker *m, int skirt);

void human_make_top (Maker *m, int top);
void human_make_bottom (Maker *m, int bottom);
void human_make_shoes (Maker *m);
void human_make_hair (Maker *m);
void human_make_bags (Maker *m);

#endif
