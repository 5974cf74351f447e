/* SPDX-License-Identifier: MIT */
/* Colours, clothes, hair and bags of generated people. */
#include "human_private.h"

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
  float k = uniform (r, lo, hi), z = uniform (r, .96f, 1.04f);
  float y = uniform (r, .96f, 1.04f), x = uniform (r, .96f, 1.04f);
  return vec (rgb[0] * k * x, rgb[1] * k * y, rgb[2] * k * z);
}

static Vec
cloth_colour (Random *r)
{
  static const float greys[8] = {
      .05f, .09f, .15f, .26f, .42f, .62f, .86f, .95f};
  float kind = random_unit (r);
  if (kind < .36f) {
    float g = greys[choose (r, 8)], z = uniform (r, .92f, 1.05f);
    float y = uniform (r, .92f, 1.05f), x = uniform (r, .92f, 1.05f);
    return vec (g * x, g * y, g * z);
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

void
human_choose_colours (Maker *m, int skirt)
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

void
human_make_top (Maker *m, int top)
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
    human_trunk (m, TOP, SHIRT, .6f * t, 1);
    sleeves (m, TOP, SHIRT, t, chance (r, .5f) ? .6f : 0.f, 1);
    return;
  }
  if (top == DRESS) {
    human_trunk (m, TOP, SHIRT, .7f * t, 0);
    sleeves (m, TOP, SHIRT, .7f * t, arm, 1);
    float width = uniform (r, .18f, .34f), length = uniform (r, .30f, .80f);
    cone (m, CAPPED_CONE, TOP, SHIRT, on_torso (m, m->pelvis, 0, 0, .12f),
        sub (m->pelvis, mul (Z, length * m->leg)), .098f * g + t, width, Y,
        .80f);
    return;
  }
  if (top <= BLOUSE) {
    human_trunk (m, TOP, SHIRT, t, 0);
    sleeves (m, TOP, SHIRT, t, arm, uniform (r, .6f, 1.2f));
    hem (m, TOP, SHIRT, t, uniform (r, .02f, .11f));
    if (top == BLOUSE)
      collar (m, TOP, SHIRT, .064f);
    return;
  }
  /* something over an inner shirt */
  human_trunk (m, TOP, INNER, .004f, 0);
  float tj = t + .012f, loose = uniform (r, .7f, 1.3f);
  if (top == ROBE)
    loose = uniform (r, 1.5f, 3.2f);
  human_trunk (m, OUTER, JACKET, tj, 0);
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

void
human_make_bottom (Maker *m, int bottom)
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

void
human_make_shoes (Maker *m)
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

void
human_make_hair (Maker *m)
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
  if (style == TAIL) {
    float low = uniform (r, -.3f, -.1f), aside = uniform (r, -.03f, .03f);
    limb_cone (m, HAIR_GROUP, HAIR, on_head (m, 0, .11f, .06f),
        on_head (m, aside, .15f, low), .032f, .020f);
  }
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

void
human_make_bags (Maker *m)
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
