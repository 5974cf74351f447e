/* SPDX-License-Identifier: MIT */
/* A generated person from one number: what is chosen in which order, and what
 * the field (human_field.h) wants to know of the whole. */
#include "human_private.h"

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
  human_choose_body (&m);
  int top = (m.female ? women_top : men_top)[choose (&m.r, 12)];
  int bottom = (m.female ? women_bottom : men_bottom)[choose (&m.r, 6)];
  if (m.flexed) { /* cloth hangs from bent legs: leave that to trousers */
    if (top == DRESS || top == COAT || top == ROBE)
      top = top == DRESS ? LONG : BLAZER;
    if (bottom == SKIRT || bottom == LONG_SKIRT)
      bottom = WIDE;
  }
  human_choose_colours (&m, bottom == SKIRT || bottom == LONG_SKIRT);
  human_make_body (&m, top == CROP,
      top == DRESS || bottom == SHORTS || bottom == SKIRT ||
          bottom == LONG_SKIRT);
  human_make_top (&m, top);
  if (top != DRESS)
    human_make_bottom (&m, bottom);
  human_make_shoes (&m);
  human_make_hair (&m);
  human_make_bags (&m);
  finish (&m);
}
