/* SPDX-License-Identifier: MIT */
/* Bodies and poses of generated people. Angles are degrees in the tables. */
#include "human_private.h"

#define RAD 0.017453293f

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
  if (kind == ARM_FREE) {
    float up = normal (r, .2f, 1);
    bend = vec (normal (r, 0, 1), -1, up);
  }
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

void
human_choose_body (Maker *m)
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
  float twist = normal (r, 0, m->pose >= LUNGE ? .25f : .08f);
  float aside = normal (r, 0, sway);
  m->torso = product (
      product (rotation (X, lean), rotation (Y, aside)), rotation (Z, twist));
  m->pelvis = vec (0, 0, .93f * m->leg);
  m->chest = on_torso (m, m->pelvis, 0, 0, .34f);
  m->neck = on_torso (m, m->chest, 0, .012f, .185f);
  float tilt = normal (r, 0, .07f), nod = normal (r, .02f, .11f);
  Mat look = product (product (rotation (Z, normal (r, 0, .24f)),
                          rotation (X, nod - .6f * lean)),
      rotation (Y, tilt));
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

void
human_trunk (Maker *m, int group, int mat, float t, int upper)
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

void
human_make_body (Maker *m, int bare_trunk, int bare_legs)
{
  float g = m->girth, k = m->female ? .88f : 1.05f, hs = m->head;
  if (bare_trunk)
    human_trunk (m, BODY, SKIN, 0, 0);
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
