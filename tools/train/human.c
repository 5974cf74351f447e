/* SPDX-License-Identifier: MIT */
/* Random parameters of a generated person (body, pose, clothes, hair, colours)
 * from one number, and the CPU entry points of human.h. The field itself is in
 * human_field.h. Lengths are metres, angles degrees in the tables. The file is
 * long because it is used as one source by programs outside this folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "human.h"
#include "human_field.h"

#ifdef _OPENMP
#define PARALLEL_ROWS _Pragma ("omp parallel for schedule(dynamic, 4)")
#else
#define PARALLEL_ROWS
#endif
#define RAD 0.017453293f

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

/* Random numbers: a counter hashed with the key (splitmix64). */
typedef struct {
  uint64_t key, count;
} Random;

static uint64_t
hash64 (uint64_t x)
{
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static float
random_unit (Random *r)
{
  return (float) (hash64 (r->key ^ hash64 (r->count++)) >> 40) *
         (1.f / 16777216.f);
}

static float
uniform (Random *r, float lo, float hi)
{
  return lo + (hi - lo) * random_unit (r);
}

static int
chance (Random *r, float p)
{
  return random_unit (r) < p;
}

static int
choose (Random *r, int n)
{
  int i = (int) (random_unit (r) * n);
  return i < n ? i : n - 1;
}

static float
normal (Random *r, float mean, float sigma)
{
  float u = 1.f - random_unit (r), v = random_unit (r);
  return mean + sigma * sqrtf (-2.f * logf (u)) * cosf (6.2831853f * v);
}

/* Three columns: where x, y, z go. */
typedef struct {
  Vec x, y, z;
} Mat;

static Vec
apply (Mat m, Vec v)
{
  return add (add (mul (m.x, v.x), mul (m.y, v.y)), mul (m.z, v.z));
}

static Mat
product (Mat a, Mat b)
{
  return (Mat){apply (a, b.x), apply (a, b.y), apply (a, b.z)};
}

static Vec
turn (Vec v, Vec axis, float angle)
{
  float c = cosf (angle), s = sinf (angle);
  return add (add (mul (v, c), mul (cross (axis, v), s)),
      mul (axis, dot (axis, v) * (1.f - c)));
}

static Mat
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

static float *
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

static void
store (float *p, Vec v)
{
  p[0] = v.x;
  p[1] = v.y;
  p[2] = v.z;
}

static void
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

static void
limb_cone (Maker *m, int group, int material, Vec a, Vec b, float r1, float r2)
{
  cone (m, ROUND_CONE, group, material, a, b, r1, r2, Y, 1.f);
}

static void
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
static Vec
on_torso (const Maker *m, Vec from, float x, float y, float z)
{
  return add (from, apply (m->torso, vec (x, y, z)));
}

static Vec
on_head (const Maker *m, float x, float y, float z)
{
  return add (m->skull, mul (apply (m->face, vec (x, y, z)), m->head));
}

static Vec
between (Vec a, Vec b, float t)
{
  return mix (a, b, t);
}

/* ---- colours ---- */

static const float skins[9][3] = {{1.f, .88f, .77f}, {.95f, .76f, .62f},
    {.88f, .68f, .52f}, {.78f, .53f, .38f}, {.63f, .41f, .28f},
    {.47f, .30f, .21f}, {.34f, .22f, .16f}, {.93f, .81f, .71f},
    {.83f, .64f, .50f}};
static const float hairs[10][3] = {{.08f, .06f, .055f}, {.15f, .10f, .08f},
    {.24f, .16f, .10f}, {.38f, .24f, .14f}, {.55f, .38f, .20f},
    {.77f, .62f, .38f}, {.88f, .77f, .55f}, {.51f, .24f, .12f},
    {.47f, .47f, .48f}, {.79f, .78f, .77f}};
static const float dyes[9][3] = {{.10f, .14f, .28f}, {.16f, .24f, .44f},
    {.35f, .47f, .66f}, {.55f, .66f, .80f}, {.72f, .65f, .52f},
    {.42f, .36f, .26f}, {.30f, .34f, .22f}, {.45f, .10f, .12f},
    {.90f, .85f, .74f}};

static Vec
tint (Random *r, const float rgb[3], float lo, float hi)
{
  float k = uniform (r, lo, hi);
  return vec (rgb[0] * k * uniform (r, .96f, 1.04f),
      rgb[1] * k * uniform (r, .96f, 1.04f),
      rgb[2] * k * uniform (r, .96f, 1.04f));
}

static Vec
cloth_colour (Random *r)
{
  static const float greys[8] = {
      .05f, .09f, .15f, .26f, .42f, .62f, .86f, .95f};
  float kind = random_unit (r);
  if (kind < .36f) {
    float g = greys[choose (r, 8)];
    return vec (g * uniform (r, .92f, 1.05f), g * uniform (r, .92f, 1.05f),
        g * uniform (r, .92f, 1.05f));
  }
  if (kind < .60f)
    return tint (r, dyes[choose (r, 9)], .85f, 1.1f);
  float hue = uniform (r, 0, 6), s = uniform (r, .25f, 1),
        v = uniform (r, .3f, 1);
  float f = hue - floorf (hue), p = v * (1 - s), q = v * (1 - s * f);
  float t = v * (1 - s * (1 - f));
  switch ((int) hue) {
  case 0:
    return vec (v, t, p);
  case 1:
    return vec (q, v, p);
  case 2:
    return vec (p, v, t);
  case 3:
    return vec (p, q, v);
  case 4:
    return vec (t, p, v);
  default:
    return vec (v, p, q);
  }
}

static float *
material (Maker *m, int index, int pattern, Vec c1, Vec c2)
{
  float *p = m->h + HUMAN_HEADER + index * HUMAN_MATERIAL;
  float rgb[6] = {c1.x, c1.y, c1.z, c2.x, c2.y, c2.z};
  p[0] = pattern;
  for (int i = 0; i < 6; i++)
    p[1 + i] = clamp (rgb[i], 0.f, 1.f);
  return p;
}

/* A random pattern out of @kinds in a random second colour. */
static void
patterned (Maker *m, int index, const int *kinds, int n)
{
  static const float sizes[][2] = {{0, 0}, {40, 140}, {40, 140}, {50, 130},
      {.05f, .11f}, {.05f, .3f}, {.02f, .06f}, {15, 45}, {0, 0}, {0, 0},
      {12, 40}, {40, 90}};
  Random *r = &m->r;
  Vec c = cloth_colour (r), other = cloth_colour (r);
  int kind = kinds[choose (r, n)];
  if (chance (r, .4f))
    other = vec (c.x * .5f + .4f, c.y * .5f + .4f, c.z * .5f + .4f);
  float *p = material (m, index, kind, c, other);
  p[7] = uniform (r, sizes[kind][0], sizes[kind][1]);
  p[8] = uniform (r, 0, 6);
  p[9] = uniform (r, -.03f, .06f);
  p[10] = chance (r, .5f);
}

static void
choose_colours (Maker *m, int skirt)
{
  static const int tops[] = {PLAIN, PLAIN, PLAIN, PLAIN, STRIPES_ACROSS,
      STRIPES_DOWN, CHECKS, LOGO, LOGO, GRADIENT, BLOTCHES, DOTS, TARTAN};
  static const int trousers[] = {PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, STREAKS,
      STREAKS, STRIPES_DOWN, BLOTCHES};
  static const int skirts[] = {PLAIN, PLAIN, PLAIN, STRIPES_ACROSS,
      STRIPES_DOWN, CHECKS, GRADIENT, BLOTCHES, DOTS, TARTAN};
  static const int jackets[] = {PLAIN, PLAIN, PLAIN, STREAKS, CHECKS, TARTAN};
  static const int inners[] = {PLAIN, PLAIN, PLAIN, STRIPES_ACROSS, LOGO, DOTS};
  Random *r = &m->r;
  Vec skin = tint (r, skins[choose (r, 9)], .92f, 1.06f);
  Vec hair = tint (r, hairs[choose (r, 10)], .85f, 1.15f);
  material (m, SKIN, FACE, skin, mul (hair, .8f));
  float *p = material (m, HAIR, STREAKS, hair, mul (hair, .55f));
  p[8] = uniform (r, 0, 9);
  patterned (m, SHIRT, tops, 13);
  if (skirt)
    patterned (m, TROUSERS, skirts, 10);
  else
    patterned (m, TROUSERS, trousers, 9);
  patterned (m, JACKET, jackets, 6);
  patterned (m, INNER, inners, 6);
  Vec c = cloth_colour (r);
  material (m, SHOES, PLAIN, c, c);
  if (chance (r, .5f))
    c = vec (.88f, .87f, .85f);
  material (m, SOLE, PLAIN, c, c);
  material (m, BAG, PLAIN, cloth_colour (r), Z);
  material (m, BELT, PLAIN, mul (cloth_colour (r), .5f), Z);
  material (m, HAT, PLAIN, cloth_colour (r), Z);
}

/* ---- body and pose ---- */

/* Kinds of arm: abduction lo, hi; swing lo, hi; elbow lo, hi; direction of
 * the bend outward (times side), y, z. */
enum {
  ARM_STAND,
  ARM_A,
  ARM_T,
  ARM_HIP,
  ARM_POCKET,
  ARM_BENT,
  ARM_CROSS,
  ARM_RAISE,
  ARM_WAVE,
  ARM_REACH,
  ARM_KNEE,
  ARM_UP,
  ARM_CHIN,
  ARM_FREE
};

static const float arm_table[][9] = {{6, 22, -12, 12, 4, 32, -.25f, -1, .1f},
    {22, 55, -12, 12, 0, 22, -.3f, -1, 0}, {72, 96, -9, 9, 0, 15, 0, -1, .3f},
    {36, 52, -25, -5, 75, 100, -1, -.35f, 0},
    {14, 24, -18, 0, 20, 45, -1, -.6f, 0},
    {6, 22, -10, 15, 60, 120, -.4f, -1, .3f},
    {8, 16, 5, 20, 85, 105, -1.4f, -.7f, .1f},
    {110, 165, -16, 16, 0, 60, -1, -.2f, .6f},
    {40, 80, -16, 16, 70, 125, .2f, -.3f, 1},
    {5, 35, 45, 100, 0, 40, -.3f, -.3f, 1},
    {4, 22, 22, 60, 5, 40, -.4f, -1, .2f},
    {150, 178, -12, 25, 0, 35, -1, -.3f, .2f},
    {4, 20, 20, 50, 110, 138, -.5f, -1, 1},
    {0, 120, -50, 90, 0, 120, 0, -1, 1}};

static void
pose_arm (Maker *m, Limb *arm, float side)
{
  static const int any[] = {ARM_HIP, ARM_POCKET, ARM_BENT, ARM_RAISE, ARM_CROSS,
      ARM_WAVE, ARM_REACH, ARM_UP, ARM_CHIN, ARM_STAND};
  static const int seated[] = {ARM_KNEE, ARM_KNEE, ARM_KNEE, ARM_BENT, ARM_CHIN,
      ARM_CROSS, ARM_STAND, ARM_REACH};
  static const int action[] = {ARM_FREE, ARM_FREE, ARM_BENT, ARM_REACH, ARM_T,
      ARM_RAISE, ARM_A, ARM_HIP, ARM_WAVE};
  Random *r = &m->r;
  int kind = ARM_STAND;
  if (m->pose == A_POSE)
    kind = ARM_A;
  else if (m->pose == T_POSE)
    kind = ARM_T;
  else if (m->pose == SIT || m->pose == CROUCH)
    kind = seated[choose (r, 8)];
  else if (m->pose == LUNGE || m->pose == FREE)
    kind = action[choose (r, 9)];
  else if (chance (r, .42f))
    kind = any[choose (r, 10)];
  const float *t = arm_table[kind];
  float ab = uniform (r, t[0], t[1]) * RAD, sw = uniform (r, t[2], t[3]) * RAD;
  float el = uniform (r, t[4], t[5]) * RAD;
  Vec bend = vec (side * t[6], t[7], t[8]);
  if (kind == ARM_FREE)
    bend = vec (normal (r, 0, 1), -1, normal (r, .2f, 1));
  if (m->pose == WALK && kind == ARM_STAND)
    sw = side * uniform (r, 8, 32) * RAD;
  Vec upper =
      apply (m->torso, unit (vec (side * sinf (ab), -sinf (sw) * cosf (ab),
                           -cosf (ab) * cosf (sw))));
  bend = apply (m->torso, bend);
  bend = unit (sub (bend, mul (upper, dot (bend, upper))));
  arm->side = side;
  arm->bend = bend;
  arm->lower = unit (add (mul (upper, cosf (el)), mul (bend, sinf (el))));
  float lift = .05f * fmaxf (0.f, sinf (ab - .6f));
  arm->root = on_torso (m, m->chest, side * m->shoulder, .01f, .115f + lift);
  arm->mid = add (arm->root, mul (upper, .275f));
  arm->end = add (arm->mid, mul (arm->lower, .245f));
}

/* abduction, flexion (forward), knee, toe-out */
static void
leg_angles (Maker *m, float side, float lead, float *out)
{
  Random *r = &m->r;
  switch (m->pose) {
  case WALK:
    out[0] = uniform (r, 0, 5);
    out[1] = -side * uniform (r, 8, 26);
    out[2] = uniform (r, 3, 30);
    break;
  case SIT:
    out[0] = uniform (r, 2, 28);
    out[1] = uniform (r, 62, 96);
    out[2] = uniform (r, 55, 108);
    break;
  case CROUCH:
    out[0] = uniform (r, 8, 42);
    out[1] = uniform (r, 75, 122);
    out[2] = uniform (r, 100, 142);
    break;
  case LUNGE:
    out[0] = uniform (r, 5, 48);
    out[1] = side == lead ? uniform (r, 25, 80) : uniform (r, -25, 12);
    out[2] = side == lead ? uniform (r, 30, 95) : uniform (r, 0, 50);
    break;
  case FREE:
    out[0] = uniform (r, 0, 50);
    out[1] = side == lead ? uniform (r, -35, 90) : normal (r, 0, 10);
    out[2] = side == lead ? uniform (r, 0, 110) : fabsf (normal (r, 0, 12));
    break;
  default:
    out[0] = uniform (r, 1, 11);
    out[1] = normal (r, 0, 4);
    out[2] = fabsf (normal (r, 0, 6));
  }
  out[3] = fabsf (normal (r, 8, 12)) + .7f * out[0] * (m->pose >= SIT);
}

static void
pose_leg (Maker *m, Limb *leg, float side, const float *deg)
{
  float ab = deg[0] * RAD, fl = deg[1] * RAD, kn = deg[2] * RAD;
  float out = deg[3] * RAD;
  Vec upper = unit (
      vec (side * sinf (ab), -sinf (fl) * cosf (ab), -cosf (fl) * cosf (ab)));
  Vec hinge = vec (cosf (out), side * sinf (out), 0);
  hinge = unit (sub (hinge, mul (upper, dot (hinge, upper))));
  leg->side = side;
  leg->lower = turn (upper, hinge, kn);
  leg->root = add (m->pelvis, vec (side * m->hip, 0, -.03f));
  leg->mid = add (leg->root, mul (upper, .43f * m->leg));
  leg->end = add (leg->mid, mul (leg->lower, .41f * m->leg));
  Vec toe = vec (side * sinf (out), -cosf (out), 0);
  leg->bend = unit (add (toe, mul (add (leg->lower, Z), .30f)));
  if (fabsf (deg[1]) > 35.f || deg[0] > 30.f)
    m->flexed = 1;
}

static void
choose_body (Maker *m)
{
  static const int poses[] = {STAND, STAND, STAND, STAND, STAND, STAND, STAND,
      STAND, A_POSE, A_POSE, T_POSE, WALK, WALK, WALK, SIT, CROUCH, LUNGE, FREE,
      STAND, WALK};
  Random *r = &m->r;
  m->female = chance (r, .5f);
  m->child = chance (r, .1f);
  m->girth = clamp (normal (r, m->female ? 1.f : 1.04f, .10f), .8f, 1.38f);
  m->head = normal (r, 1.f, .04f) * (m->child ? 1.18f : 1.f);
  m->leg = normal (r, 1.f, .035f);
  m->shoulder = (m->female ? .165f : .192f) * normal (r, 1.f, .05f) *
                (m->child ? .92f : 1.f);
  m->hip = (m->female ? .100f : .092f) * normal (r, 1.f, .05f) *
           (.55f + .45f * m->girth);
  m->thick = uniform (r, .008f, .022f);
  m->pose = poses[choose (r, 20)];
  float lean = normal (r, .02f, .05f);
  if (m->pose == SIT || m->pose == CROUCH)
    lean = uniform (r, -.05f, .55f);
  if (m->pose == LUNGE || m->pose == FREE)
    lean = normal (r, .15f, .22f);
  float sway = m->pose >= LUNGE ? .15f : .04f;
  m->torso =
      product (product (rotation (X, lean), rotation (Y, normal (r, 0, sway))),
          rotation (Z, normal (r, 0, m->pose >= LUNGE ? .25f : .08f)));
  m->pelvis = vec (0, 0, .93f * m->leg);
  m->chest = on_torso (m, m->pelvis, 0, 0, .34f);
  m->neck = on_torso (m, m->chest, 0, .012f, .185f);
  Mat look = product (product (rotation (Z, normal (r, 0, .24f)),
                          rotation (X, normal (r, .02f, .11f) - .6f * lean)),
      rotation (Y, normal (r, 0, .07f)));
  m->face = product (m->torso, look);
  m->skull = add (on_torso (m, m->neck, 0, -.012f, .06f),
      apply (m->face, vec (0, -.012f, .115f * m->head)));
  float lead = chance (r, .5f) ? 1.f : -1.f, deg[4], shared[4];
  leg_angles (m, -1, lead, shared);
  for (int i = 0; i < 2; i++) {
    float side = i ? 1.f : -1.f;
    pose_arm (m, &m->arms[i], side);
    leg_angles (m, side, lead, deg);
    if (m->pose == SIT || m->pose == CROUCH) /* both legs much alike */
      for (int k = 0; k < 4; k++)
        deg[k] = .75f * shared[k] + .25f * deg[k];
    pose_leg (m, &m->legs[i], side, deg);
  }
}

/* Trunk of a garment or of the body, @t thick. @upper only down to the ribs;
 * otherwise down to the waist, open below, for hem() to continue. */
static void
trunk (Maker *m, int group, int mat, float t, int upper)
{
  float g = m->girth;
  Vec yax = m->torso.y;
  cone (m, ROUND_CONE, group, mat, on_torso (m, m->chest, 0, 0, -.10f),
      on_torso (m, m->chest, 0, 0, .06f), .120f * g + t,
      .135f * g * (m->female ? .94f : 1.02f) + t, yax, .72f);
  if (!upper)
    cone (m, CAPPED_CONE, group, mat, on_torso (m, m->chest, 0, 0, -.04f),
        on_torso (m, m->pelvis, 0, 0, .07f), .112f * g + t,
        .108f * g * (m->female ? .97f : 1.03f) + t, yax, .73f + .1f * (g - 1));
  cone (m, ROUND_CONE, group, mat,
      on_torso (m, m->chest, -.72f * m->shoulder, .01f, .105f),
      on_torso (m, m->chest, .72f * m->shoulder, .01f, .105f), .058f * g + t,
      .058f * g + t, yax, .9f);
  if (m->female && !m->child)
    for (int s = -1; s <= 1; s += 2)
      ball (m, group, mat,
          on_torso (m, m->chest, s * .066f, -.076f * g, -.005f),
          vec (.062f + .7f * t, .056f + .7f * t, .062f + .7f * t), m->torso);
}

static void
make_body (Maker *m, int bare_trunk, int bare_legs)
{
  float g = m->girth, k = m->female ? .88f : 1.05f, hs = m->head;
  if (bare_trunk)
    trunk (m, BODY, SKIN, 0, 0);
  limb_cone (m, BODY, SKIN, on_torso (m, m->neck, 0, 0, -.06f),
      on_head (m, 0, .01f, -.05f), .052f * k, .048f * k);
  ball (m, BODY, SKIN, m->skull, mul (vec (.073f, .092f, .108f), hs), m->face);
  ball (m, BODY, SKIN, on_head (m, 0, -.024f, -.055f),
      mul (vec (m->female ? .056f : .062f, .066f, .066f), hs), m->face);
  limb_cone (m, BODY, SKIN, on_head (m, 0, -.088f, -.004f),
      on_head (m, 0, -.102f, -.030f), .009f * hs, .014f * hs);
  for (int i = 0; i < 2; i++) {
    const Limb *a = &m->arms[i], *l = &m->legs[i];
    ball (m, BODY, SKIN, on_head (m, a->side * .074f, .008f, -.012f),
        mul (vec (.012f, .022f, .032f), hs), m->face);
    limb_cone (m, BODY, SKIN, a->root, a->mid, .050f * g, .040f * g);
    limb_cone (m, BODY, SKIN, a->mid, a->end, .041f * g, .027f);
    Vec thumb = unit (mul (cross (a->lower, a->bend), a->side));
    Vec palm = unit (cross (a->lower, thumb));
    cone (m, ROUND_CONE, BODY, SKIN, add (a->end, mul (a->lower, .02f)),
        add (a->end, mul (a->lower, .085f)), .034f, .030f, palm, .55f);
    cone (m, ROUND_CONE, BODY, SKIN, add (a->end, mul (a->lower, .085f)),
        add (a->end, mul (a->lower, .15f)), .030f, .018f, palm, .6f);
    limb_cone (m, BODY, SKIN, add (a->end, mul (a->lower, .03f)),
        add (add (a->end, mul (a->lower, .075f)), mul (a->bend, .038f)), .013f,
        .010f);
    if (bare_legs) {
      limb_cone (m, BODY, SKIN, l->root, l->mid, .083f * g, .052f * g);
      limb_cone (m, BODY, SKIN, l->mid, l->end, .052f * g, .034f);
    }
    Vec toe = l->bend;
    limb_cone (m, BODY, SKIN, add (l->end, mul (l->lower, .045f)),
        add (add (l->end, mul (toe, .15f)), mul (l->lower, .062f)), .036f,
        .026f);
  }
}

/* ---- clothes ---- */

/* @reach: 0 none, 1 to the elbow, 2 to the wrist; @loose widens the end. */
static void
sleeves (Maker *m, int group, int mat, float t, float reach, float loose)
{
  float g = m->girth;
  if (reach <= 0.f)
    return;
  for (int i = 0; i < 2; i++) {
    const Limb *a = &m->arms[i];
    Vec e = between (a->root, a->mid, fminf (reach, 1.f));
    float r = .043f * g + t * loose;
    limb_cone (m, group, mat, a->root, e, .052f * g + t,
        reach < 1.f ? .046f * g + t * 1.12f : r);
    if (reach > 1.f)
      cone (m, CAPPED_CONE, group, mat, a->mid,
          between (a->mid, a->end, fminf (reach - 1.f, .97f)), r - .012f,
          .021f + t * (.4f + .8f * loose), Y, 1.f);
  }
}

/* Lower part of a top: waist to @drop below the pelvis, wider than what is
 * worn beneath, cut flat. */
static void
hem (Maker *m, int group, int mat, float t, float drop)
{
  float g = m->girth;
  cone (m, CAPPED_CONE, group, mat, on_torso (m, m->pelvis, 0, 0, .12f),
      on_torso (m, m->pelvis, 0, 0, -drop), .106f * g + t,
      (.124f + .10f * drop) * g + t * 1.3f + .012f, m->torso.y, .76f);
}

static void
collar (Maker *m, int group, int mat, float r)
{
  cone (m, CAPPED_CONE, group, mat, on_torso (m, m->neck, 0, 0, -.05f),
      on_torso (m, m->neck, 0, -.008f, -.005f), r, r - .006f, m->torso.y, 1.f);
}

static void
make_top (Maker *m, int top)
{
  static const float reach[] = {
      .6f, 1.97f, 0, 1.97f, 0, 0, 1.97f, 1.97f, 1.97f, 1.97f};
  Random *r = &m->r;
  float t = m->thick, g = m->girth, arm = reach[top];
  if (top == TEE)
    arm = uniform (r, .45f, .85f);
  if (top == BLOUSE && chance (r, .4f))
    arm = chance (r, .5f) ? .6f : 1.5f;
  if (top == DRESS)
    arm = chance (r, .35f) ? 0.f : uniform (r, .35f, 1.97f);
  if (top == CROP) {
    trunk (m, TOP, SHIRT, .6f * t, 1);
    sleeves (m, TOP, SHIRT, t, chance (r, .5f) ? .6f : 0.f, 1);
    return;
  }
  if (top == DRESS) {
    trunk (m, TOP, SHIRT, .7f * t, 0);
    sleeves (m, TOP, SHIRT, .7f * t, arm, 1);
    cone (m, CAPPED_CONE, TOP, SHIRT, on_torso (m, m->pelvis, 0, 0, .12f),
        sub (m->pelvis, mul (Z, uniform (r, .30f, .80f) * m->leg)),
        .098f * g + t, uniform (r, .18f, .34f), Y, .80f);
    return;
  }
  if (top <= BLOUSE) {
    trunk (m, TOP, SHIRT, t, 0);
    sleeves (m, TOP, SHIRT, t, arm, uniform (r, .6f, 1.2f));
    hem (m, TOP, SHIRT, t, uniform (r, .02f, .11f));
    if (top == BLOUSE)
      collar (m, TOP, SHIRT, .064f);
    return;
  }
  /* something over an inner shirt */
  trunk (m, TOP, INNER, .004f, 0);
  float tj = t + .012f, loose = uniform (r, .7f, 1.3f);
  if (top == ROBE)
    loose = uniform (r, 1.5f, 3.2f);
  trunk (m, OUTER, JACKET, tj, 0);
  sleeves (m, OUTER, JACKET, tj, arm, loose);
  hem (m, OUTER, JACKET, tj, uniform (r, .03f, .12f));
  if (top == COAT || top == ROBE) {
    float length =
        top == ROBE ? uniform (r, .6f, .86f) : uniform (r, .28f, .6f);
    cone (m, CAPPED_CONE, OUTER, JACKET, on_torso (m, m->pelvis, 0, 0, .08f),
        sub (m->pelvis, mul (Z, length * m->leg)), .112f * g + tj,
        .155f * g + tj + uniform (r, 0, .09f), Y, .78f);
  }
  float *p = m->h + HUMAN_HEADER + JACKET * HUMAN_MATERIAL;
  const float *in = m->h + HUMAN_HEADER + INNER * HUMAN_MATERIAL;
  if (top == HOODIE) {
    ball (m, OUTER, JACKET, on_torso (m, m->neck, 0, .055f, -.01f),
        vec (.098f, .072f, .072f), m->torso);
    if (chance (r, .5f)) {
      p[0] = LOGO;
      p[7] = .07f;
    }
    return;
  }
  if (chance (r, .7f)) {
    p[0] = OPEN_FRONT;
    memcpy (p + 4, in + 1, 3 * sizeof *p);
    p[7] = uniform (r, .02f, .075f);
    p[10] = chance (r, .5f) ? .6f : 0.f;
  }
  collar (m, OUTER, JACKET, .072f);
}

static void
make_bottom (Maker *m, int bottom)
{
  Random *r = &m->r;
  float g = m->girth, t = uniform (r, .018f, .040f);
  Vec yax = m->torso.y, top = on_torso (m, m->pelvis, 0, 0, .08f);
  if (bottom == SLIM)
    t = uniform (r, .006f, .014f);
  if (bottom == SKIRT || bottom == LONG_SKIRT) {
    float len =
        bottom == SKIRT ? uniform (r, .26f, .5f) : uniform (r, .6f, .85f);
    cone (m, CAPPED_CONE, BOTTOM, TROUSERS, top,
        sub (m->pelvis, mul (Z, len * m->leg)), .104f * g,
        uniform (r, .16f, .30f), Y, .82f);
    return;
  }
  cone (m, CAPPED_CONE, BOTTOM, TROUSERS, top, sub (m->pelvis, mul (Z, .02f)),
      .104f * g + .6f * t, .118f * g + .6f * t, yax, .80f);
  /* seat and crotch: one ball between the thighs keeps wide people closed */
  ball (m, BOTTOM, TROUSERS, sub (m->pelvis, vec (0, -.004f, .04f)),
      vec (.128f * g + .6f * t, .104f * g + .6f * t, .082f), (Mat){X, Y, Z});
  float part = uniform (r, .55f, 1.f), flare = uniform (r, .8f, 1.5f);
  for (int i = 0; i < 2; i++) {
    const Limb *l = &m->legs[i];
    if (bottom == SHORTS) {
      cone (m, CAPPED_CONE, BOTTOM, TROUSERS, l->root,
          between (l->root, l->mid, part), .075f * g + t, .058f * g + t, Y,
          1.f);
      continue;
    }
    limb_cone (
        m, BOTTOM, TROUSERS, l->root, l->mid, .085f * g + t, .055f * g + t);
    cone (m, CAPPED_CONE, BOTTOM, TROUSERS, l->mid,
        between (l->mid, l->end, .97f), .043f * g + t, .028f + t * flare, Y,
        1.f);
  }
  if (chance (r, .3f))
    cone (m, CAPPED_CONE, BOTTOM, BELT, on_torso (m, m->pelvis, 0, 0, .085f),
        on_torso (m, m->pelvis, 0, 0, .065f), .110f * g + .6f * t,
        .110f * g + .6f * t, yax, .80f);
}

static void
make_shoes (Maker *m)
{
  Random *r = &m->r;
  if (chance (r, .05f))
    return;
  int boots = chance (r, .25f), heels = m->female && chance (r, .15f);
  float shaft = uniform (r, .15f, .5f), bulk = uniform (r, .96f, 1.12f);
  for (int i = 0; i < 2; i++) {
    const Limb *l = &m->legs[i];
    Vec down = mul (l->lower, 1.f), toe = l->bend;
    Vec side = unit (cross (toe, down));
    Mat axes = {side, mul (toe, -1.f), unit (cross (side, mul (toe, -1.f)))};
    Vec heel = add (l->end, mul (down, .040f));
    limb_cone (m, FEET, SHOES, sub (heel, mul (toe, .015f)),
        add (add (l->end, mul (toe, .155f)), mul (down, .058f)), .044f * bulk,
        .036f * bulk);
    ball (m, FEET, SOLE,
        add (add (l->end, mul (toe, .065f)), mul (axes.z, -.077f)),
        mul (vec (.046f, .126f, .020f), bulk), axes);
    if (boots)
      limb_cone (m, FEET, SHOES, l->end, between (l->end, l->mid, shaft), .046f,
          .050f);
    if (heels)
      limb_cone (m, FEET, SHOES, sub (heel, mul (toe, .03f)),
          add (sub (heel, mul (toe, .035f)), mul (axes.z, -.085f)), .016f,
          .012f);
  }
}

static void
make_hair (Maker *m)
{
  enum { SHORT, CROPPED, BALD, BOB, LONG_HAIR, TAIL, BUN, CURLS };

  static const int women[] = {
      LONG_HAIR, LONG_HAIR, LONG_HAIR, BOB, BOB, TAIL, BUN, SHORT, CURLS};
  static const int men[] = {
      SHORT, SHORT, SHORT, SHORT, CROPPED, CROPPED, BALD, BOB, CURLS};
  Random *r = &m->r;
  float hs = m->head;
  int style = m->female ? women[choose (r, 9)] : men[choose (r, 9)];
  if (style != BALD) {
    float v = style == CROPPED ? .004f : uniform (r, .006f, .018f);
    if (style == CURLS)
      v = uniform (r, .02f, .05f);
    ball (m, HAIR_GROUP, HAIR,
        on_head (m, 0, .018f + fmaxf (v - .015f, 0.f), .026f),
        mul (vec (.077f + v, .090f + v, .098f + v), hs), m->face);
    ball (m, HAIR_GROUP, HAIR, on_head (m, 0, .045f, -.010f),
        mul (vec (.070f + .5f * v, .058f + .5f * v, .080f + .5f * v), hs),
        m->face);
    if (chance (r, .45f) && style != CROPPED)
      ball (m, HAIR_GROUP, HAIR,
          on_head (m, uniform (r, -.03f, .03f), -.060f, .085f),
          mul (vec (.062f, .040f, .030f), hs), m->face);
  }
  if (style == LONG_HAIR || style == BOB) {
    float low =
        style == BOB ? uniform (r, -.13f, -.07f) : uniform (r, -.36f, -.16f);
    float back = style == BOB ? .050f : .095f;
    int front = style == LONG_HAIR && chance (r, .4f);
    for (int s = -1; s <= 1; s += 2)
      limb_cone (m, HAIR_GROUP, HAIR, on_head (m, s * .062f, .020f, .02f),
          on_head (m, s * (front ? .085f : .072f), front ? -.045f : .03f, low),
          .030f * hs, .026f * hs);
    cone (m, ROUND_CONE, HAIR_GROUP, HAIR, on_head (m, 0, .052f, 0),
        on_head (m, 0, back, low), .062f * hs, .058f * hs, m->face.y, .75f);
  }
  if (style == TAIL)
    limb_cone (m, HAIR_GROUP, HAIR, on_head (m, 0, .11f, .06f),
        on_head (m, uniform (r, -.03f, .03f), .15f, uniform (r, -.3f, -.1f)),
        .032f, .020f);
  if (style == BUN)
    ball (m, HAIR_GROUP, HAIR, on_head (m, 0, .06f, .115f),
        vec (.042f, .042f, .038f), m->face);
  if (chance (r, .12f)) {
    ball (m, OUTER, HAT, on_head (m, 0, .012f, .052f),
        mul (vec (.086f, .102f, .082f), hs), m->face);
    if (chance (r, .6f))
      ball (m, OUTER, HAT, on_head (m, 0, -.115f, .060f),
          mul (vec (.062f, .062f, .009f), hs), m->face);
    else if (chance (r, .4f))
      ball (m, OUTER, HAT, on_head (m, 0, .01f, .055f),
          mul (vec (.15f, .155f, .010f), hs), m->face);
  }
}

static void
make_bags (Maker *m)
{
  Random *r = &m->r;
  float g = m->girth;
  if (chance (r, .09f)) {
    ball (m, OUTER, BAG, on_torso (m, m->chest, 0, .155f * g, -.04f),
        vec (.13f, .075f, .19f), m->torso);
    for (int s = -1; s <= 1; s += 2)
      cone (m, ROUND_CONE, OUTER, BAG,
          on_torso (m, m->chest, s * .10f, -.112f * g, .10f),
          on_torso (m, m->chest, s * .105f, -.10f * g, -.06f), .018f, .018f,
          m->torso.y, .8f);
  }
  if (chance (r, .05f) && m->pose < SIT) {
    const Limb *a = &m->arms[choose (r, 2)];
    Vec hand = add (a->end, mul (a->lower, .12f));
    ball (m, OUTER, BAG, sub (hand, mul (Z, .16f)), vec (.05f, .13f, .10f),
        (Mat){X, Y, Z});
    limb_cone (m, OUTER, BAG, hand, sub (hand, mul (Z, .08f)), .012f, .012f);
  }
}

/* ---- finish ---- */

static Vec
turned (const float *p, Mat yaw)
{
  return apply (yaw, load (p));
}

/* Turns everything by the body's yaw, sets bounds and the header. */
static void
finish (Maker *m)
{
  Random *r = &m->r;
  float *h = m->h, *q = h + HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL;
  float lo[3] = {1e3f, 1e3f, 1e3f}, hi[3] = {-1e3f, -1e3f, -1e3f};
  Mat yaw = rotation (Z, clamp (normal (r, 0, .34f), -1.f, 1.f));
  for (int i = 0; i < m->count; i++, q += HUMAN_PRIMITIVE) {
    int round = (int) q[0] != ELLIPSOID;
    Vec a = turned (q + 4, yaw), b = round ? turned (q + 7, yaw) : a;
    store (q + 4, a);
    if (round)
      store (q + 7, b);
    store (q + 12, turned (q + 12, yaw));
    store (q + 16, turned (q + 16, yaw));
    float half = .5f * norm (sub (a, b)), rm = fmaxf (q[10], q[11]);
    if (!round)
      q[3] = fmaxf (q[7], fmaxf (q[8], q[9]));
    else if ((int) q[0] == CAPPED_CONE)
      q[3] = sqrtf (half * half + rm * rm) + .016f;
    else
      q[3] = half + rm;
    float ra = round ? q[10] + .015f : q[3], rb = round ? q[11] + .015f : q[3];
    float pa[3], pb[3];
    store (pa, a);
    store (pb, b);
    for (int k = 0; k < 3; k++) {
      lo[k] = fminf (lo[k], fminf (pa[k] - ra, pb[k] - rb));
      hi[k] = fmaxf (hi[k], fmaxf (pa[k] + ra, pb[k] + rb));
    }
  }
  h[0] = m->count;
  for (int k = 0; k < 3; k++) {
    h[1 + k] = lo[k] - .02f;
    h[4 + k] = hi[k] + .02f;
  }
  store (h + 7, apply (yaw, m->skull));
  store (h + 10, apply (yaw, m->face.x));
  store (h + 13, apply (yaw, m->face.z));
  h[16] = .098f * m->head;
  h[17] = uniform (r, .0005f, .004f);
  h[18] = uniform (r, 18, 45);
  h[19] = chance (r, .15f) ? (chance (r, .35f) ? 2.f : 1.f) : 0.f;
  h[20] =
      m->female || m->child || chance (r, .5f) ? 0.f : uniform (r, .4f, .95f);
  h[21] = uniform (r, 0, 6);
  h[22] = uniform (r, 0, .14f);
  h[23] = m->female ? random_unit (r) : 0.f;
  store (h + 24, apply (yaw, m->torso.x));
  store (h + 27, apply (yaw, m->torso.z));
  store (h + 30, apply (yaw, m->chest));
}

void
human_generate (Human *human, uint64_t number)
{
  static const int women_top[] = {TEE, LONG, TANK, BLOUSE, CROP, DRESS, DRESS,
      COAT, HOODIE, BLAZER, ROBE, LONG};
  static const int men_top[] = {TEE, TEE, TEE, LONG, TANK, BLOUSE, BLOUSE, COAT,
      HOODIE, BLAZER, ROBE, LONG};
  static const int women_bottom[] = {
      SLIM, SLIM, WIDE, SHORTS, SKIRT, LONG_SKIRT};
  static const int men_bottom[] = {SLIM, WIDE, WIDE, SHORTS, SLIM, WIDE};
  Maker m = {.r = {.key = hash64 (number)}, .h = human->f};
  memset (human, 0, sizeof *human);
  choose_body (&m);
  int top = (m.female ? women_top : men_top)[choose (&m.r, 12)];
  int bottom = (m.female ? women_bottom : men_bottom)[choose (&m.r, 6)];
  if (m.flexed) { /* cloth hangs from bent legs: leave that to trousers */
    if (top == DRESS || top == COAT || top == ROBE)
      top = top == DRESS ? LONG : BLAZER;
    if (bottom == SKIRT || bottom == LONG_SKIRT)
      bottom = WIDE;
  }
  choose_colours (&m, bottom == SKIRT || bottom == LONG_SKIRT);
  make_body (&m, top == CROP,
      top == DRESS || bottom == SHORTS || bottom == SKIRT ||
          bottom == LONG_SKIRT);
  make_top (&m, top);
  if (top != DRESS)
    make_bottom (&m, bottom);
  make_shoes (&m);
  make_hair (&m);
  make_bags (&m);
  finish (&m);
}

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
