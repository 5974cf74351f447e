/* SPDX-License-Identifier: MIT */
/* The distance field of a generated person, its colours and its renderer.
 * Compiled by a C compiler for the CPU (included by human*.c) and by NVRTC for
 * CUDA (the training programs), so it includes nothing and allocates nothing.
 *
 * Header h[40]: 0 number of primitives; 1..3, 4..6 bounding box; 7..9 head
 * centre; 10..12 head right; 13..15 head up; 16 head size; 17 wrinkle height;
 * 18 wrinkle frequency; 19 glasses; 20 beard; 21 phase; 22 fabric grain;
 * 23 lips; 24..26 torso right; 27..29 torso up; 30..32 torso origin.
 * Material m[12]: 0 pattern; 1..3 colour; 4..6 second colour; 7 size;
 * 8 phase; 9 height on the torso; 10 variant.
 * Primitive q[20]: 0 type; 1 group; 2 material; 3 bounding radius; 4..6 a;
 * 7..9 b; 10 radius at a; 11 radius at b; 12..14 u; 15 flatness; 16..18 w.
 * Camera c[32]: 0..2 origin; 3..5 across; 6..8 up; 9..11 direction; 12..14,
 * 15..17 change of the direction across and up; 18..20 light; 21 ambient;
 * 22 diffuse; 23 specular; 24..26 light colour; 27 lit; 28 gamma. */
#ifdef __CUDACC__
#define FN static __device__ __forceinline__
#define COUNT_ZEROS(x) (__ffsll ((long long) (x)) - 1)
#define HUMAN_HEADER 40
#define HUMAN_MATERIALS 12
#define HUMAN_MATERIAL 12
#define HUMAN_PRIMITIVES 72
#define HUMAN_PRIMITIVE 20
#define HUMAN_FLOATS                                                           \
  (HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL +                           \
      HUMAN_PRIMITIVES * HUMAN_PRIMITIVE)
#define HUMAN_CAMERA 32
#else
#define FN static inline
#define COUNT_ZEROS(x) __builtin_ctzll (x)
#endif

enum { ROUND_CONE, ELLIPSOID, CAPPED_CONE };

/* Groups are blended smoothly inside and joined sharply to each other. */
enum { BODY, TOP, BOTTOM, FEET, HAIR_GROUP, OUTER, GROUPS };

enum {
  PLAIN,
  STRIPES_ACROSS,
  STRIPES_DOWN,
  CHECKS,
  LOGO,
  GRADIENT,
  OPEN_FRONT,
  BLOTCHES,
  STREAKS,
  FACE,
  DOTS,
  TARTAN
};

typedef struct {
  float x, y, z;
} Vec;

FN Vec
vec (float x, float y, float z)
{
  Vec r = {x, y, z};
  return r;
}

FN Vec
add (Vec a, Vec b)
{
  return vec (a.x + b.x, a.y + b.y, a.z + b.z);
}

FN Vec
sub (Vec a, Vec b)
{
  return vec (a.x - b.x, a.y - b.y, a.z - b.z);
}

FN Vec
mul (Vec a, float s)
{
  return vec (a.x * s, a.y * s, a.z * s);
}

FN float
dot (Vec a, Vec b)
{
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

FN Vec
cross (Vec a, Vec b)
{
  return vec (
      a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

FN float
norm (Vec a)
{
  return sqrtf (dot (a, a));
}

FN Vec
unit (Vec a)
{
  return mul (a, 1.f / fmaxf (norm (a), 1e-9f));
}

FN Vec
load (const float *p)
{
  return vec (p[0], p[1], p[2]);
}

FN float
clamp (float x, float lo, float hi)
{
  return fminf (fmaxf (x, lo), hi);
}

FN float
smooth (float lo, float hi, float x)
{
  x = clamp ((x - lo) / (hi - lo), 0.f, 1.f);
  return x * x * (3.f - 2.f * x);
}

FN Vec
mix (Vec a, Vec b, float t)
{
  return add (mul (a, 1.f - t), mul (b, t));
}

/* 0..1 from three integers, the same on every machine. */
FN float
hash3 (int x, int y, int z)
{
  unsigned h = (unsigned) x * 0x8da6b343u ^ (unsigned) y * 0xd8163841u ^
               (unsigned) z * 0xcb1ab31fu;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  h ^= h >> 15;
  return (float) (h >> 8) * (1.f / 16777216.f);
}

FN float
value_noise (Vec p)
{
  int ix = (int) floorf (p.x), iy = (int) floorf (p.y), iz = (int) floorf (p.z);
  float fx = p.x - ix, fy = p.y - iy, fz = p.z - iz, r = 0.f;
  fx = fx * fx * (3.f - 2.f * fx);
  fy = fy * fy * (3.f - 2.f * fy);
  fz = fz * fz * (3.f - 2.f * fz);
  for (int i = 0; i < 8; i++) {
    int a = i & 1, b = (i >> 1) & 1, c = i >> 2;
    r += hash3 (ix + a, iy + b, iz + c) * (a ? fx : 1.f - fx) *
         (b ? fy : 1.f - fy) * (c ? fz : 1.f - fz);
  }
  return r;
}

/* Ellipsoid: centre a, radii b along u, w x u, w. First-order distance. */
FN float
ellipsoid (const float *q, Vec p)
{
  Vec u = load (q + 12), w = load (q + 16), d = sub (p, load (q + 4));
  Vec l = vec (dot (d, u), dot (d, cross (w, u)), dot (d, w));
  Vec s = vec (l.x / q[7], l.y / q[8], l.z / q[9]);
  float k0 = norm (s), k1 = norm (vec (s.x / q[7], s.y / q[8], s.z / q[9]));
  if (k0 < 1e-6f)
    return -fminf (q[7], fminf (q[8], q[9]));
  return k0 * (k0 - 1.f) / fmaxf (k1, 1e-6f);
}

/* Cone with flat ends from a (radius r1) along ba (radius r2), edges rounded
 * by 12 mm. */
FN float
capped_cone (Vec pa, Vec ba, float r1, float r2)
{
  float l2 = dot (ba, ba), y = dot (pa, ba) / l2, rba = r2 - r1;
  float x = sqrtf (fmaxf (dot (pa, pa) - y * y * l2, 0.f));
  float cax = fmaxf (0.f, x - (y < .5f ? r1 : r2)), cay = fabsf (y - .5f) - .5f;
  float f = clamp ((rba * (x - r1) + y * l2) / (rba * rba + l2), 0.f, 1.f);
  float cbx = x - r1 - f * rba, cby = y - f;
  float s = (cbx < 0.f && cay < 0.f) ? -1.f : 1.f;
  return s * sqrtf (fminf (
                 cax * cax + cay * cay * l2, cbx * cbx + cby * cby * l2)) -
         .012f;
}

/* Convex hull of two balls. */
FN float
round_cone (Vec pa, Vec ba, float r1, float r2)
{
  float l2 = dot (ba, ba), rr = r1 - r2, a2 = l2 - rr * rr, il2 = 1.f / l2;
  float y = dot (pa, ba), z = y - l2;
  Vec t = sub (mul (pa, l2), mul (ba, y));
  float x2 = dot (t, t), y2 = y * y * l2, z2 = z * z * l2;
  float k = (rr > 0.f ? 1.f : -1.f) * rr * rr * x2;
  if ((z > 0.f ? 1.f : -1.f) * a2 * z2 > k)
    return sqrtf (x2 + z2) * il2 - r2;
  if ((y > 0.f ? 1.f : -1.f) * a2 * y2 < k)
    return sqrtf (x2 + y2) * il2 - r1;
  return (sqrtf (fmaxf (x2 * a2 * il2, 0.f)) + y * rr) * il2 - r1;
}

FN float
primitive_distance (const float *q, Vec p)
{
  if ((int) q[0] == ELLIPSOID)
    return ellipsoid (q, p);
  Vec a = load (q + 4), b = load (q + 7), u = load (q + 12);
  float scale = 1.f;
  if (q[15] < .999f) { /* squeezed along u: stretch space instead */
    float m = 1.f / q[15] - 1.f;
    p = add (p, mul (u, m * dot (sub (p, a), u)));
    b = add (b, mul (u, m * dot (sub (b, a), u)));
    scale = .5f * (q[15] + 1.f);
  }
  Vec ba = sub (b, a), pa = sub (p, a);
  if ((int) q[0] == CAPPED_CONE)
    return capped_cone (pa, ba, q[10], q[11]) * scale;
  return round_cone (pa, ba, q[10], q[11]) * scale;
}

/* Which primitives to look at. */
typedef struct {
  unsigned long long lo, hi;
} Mask;

FN Mask
mask_all (const float *h)
{
  int n = (int) h[0];
  Mask m = {~0ull, 0ull};
  if (n < 64)
    m.lo = (1ull << n) - 1;
  else
    m.hi = (1ull << (n - 64)) - 1;
  return m;
}

FN Vec
primitive_centre (const float *q)
{
  Vec a = load (q + 4);
  return (int) q[0] == ELLIPSOID ? a : mul (add (a, load (q + 7)), .5f);
}

/* Primitives whose bounding ball comes within @reach of the ray o + t d
 * (d unit), or of the point o when d is zero. */
FN Mask
mask_near (const float *h, Vec o, Vec d, float reach)
{
  Mask m = {0, 0};
  const float *q = h + HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL;
  int n = (int) h[0];
  for (int i = 0; i < n; i++, q += HUMAN_PRIMITIVE) {
    Vec c = sub (primitive_centre (q), o);
    float t = dot (c, d), r = q[3] + reach;
    if (dot (c, c) - t * t < r * r) {
      if (i < 64)
        m.lo |= 1ull << i;
      else
        m.hi |= 1ull << (i - 64);
    }
  }
  return m;
}

/* Distance to the person among the primitives of @mask; @material is that of
 * the nearest primitive of the winning group. */
FN float
field (const float *h, Mask mask, Vec p, int *material)
{
  const float *q0 = h + HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL;
  const float blend[GROUPS] = {.035f, .040f, .045f, .015f, .03f, .02f};
  float dist[GROUPS], best[GROUPS];
  int mat[GROUPS];
  for (int g = 0; g < GROUPS; g++) {
    dist[g] = best[g] = 1e3f;
    mat[g] = 0;
  }
  for (int w = 0; w < 2; w++)
    for (unsigned long long bits = w ? mask.hi : mask.lo; bits;
         bits &= bits - 1) {
      const float *q = q0 + HUMAN_PRIMITIVE * (COUNT_ZEROS (bits) + 64 * w);
      int g = (int) q[1];
      float d = primitive_distance (q, p), k = blend[g], e;
      if (d < best[g]) {
        best[g] = d;
        mat[g] = (int) q[2];
      }
      e = fmaxf (k - fabsf (d - dist[g]), 0.f) / k;
      dist[g] = fminf (d, dist[g]) - e * e * k * .25f;
    }
  if (h[17] > 0.f) {
    float f = h[18], ph = h[21];
    float w =
        sinf (f * (p.z + .35f * p.x) + ph + 2.f * sinf (.6f * f * p.x + ph)) *
        sinf (.7f * f * (p.x - .6f * p.y) + 1.7f * ph);
    for (int g = TOP; g <= BOTTOM; g++)
      if (dist[g] < .1f)
        dist[g] += h[17] * w;
    if (dist[OUTER] < .1f)
      dist[OUTER] += .7f * h[17] * w;
  }
  int s = 0;
  float d = dist[0];
  for (int g = 1; g < GROUPS; g++)
    if (dist[g] < d) {
      d = dist[g];
      s = g;
    }
  if (material)
    *material = mat[s];
  return d;
}

/* Gradient of the field, not normalised. */
FN Vec
gradient (const float *h, Mask mask, Vec p)
{
  const float e = .002f;
  Vec n = vec (0, 0, 0);
  for (int i = 0; i < 4; i++) {
    Vec k = vec ((((i + 3) >> 1) & 1) ? 1.f : -1.f, ((i >> 1) & 1) ? 1.f : -1.f,
        (i & 1) ? 1.f : -1.f);
    n = add (n, mul (k, field (h, mask, add (p, mul (k, e)), 0)));
  }
  return mul (n, .25f / e);
}

/* Skin with a painted face; d is the place in head coordinates. */
FN Vec
face_colour (const float *h, const float *m, Vec c, Vec p)
{
  Vec hr = load (h + 10), hu = load (h + 13), c2 = load (m + 4);
  Vec d = mul (sub (p, load (h + 7)), 1.f / h[16]);
  float X = dot (d, hr), Z = dot (d, hu), Y = dot (d, cross (hu, hr));
  float ax = fabsf (X);
  if (norm (d) > 1.9f || Y > -.15f || Z < -1.25f)
    return c;
  float cheek = smooth (.6f, .1f, norm (vec (ax - .40f, 0, Z + .30f)));
  c = mix (c, vec (c.x, c.y * .80f, c.z * .78f), .5f * cheek);
  if (h[20] > 0.f)
    c = mix (c, c2, h[20] * smooth (-.42f, -.55f, Z) * smooth (1.f, .8f, ax));
  float iris = norm (vec ((ax - .33f) / .17f, 0, (Z - .10f) / .17f));
  Vec eye = mix (
      vec (.15f, .1f, .08f), vec (.93f, .92f, .9f), smooth (.45f, .6f, iris));
  float lid = norm (vec ((ax - .33f) / .17f, 0, (Z - .10f) / .085f));
  c = mix (eye, c, smooth (.85f, 1.1f, lid));
  float tilt = ax < .35f ? 0.f : .08f * (ax - .35f);
  float brow = norm (vec ((ax - .35f) / .22f, 0, (Z - .30f + tilt) / .05f));
  c = mix (c2, c, smooth (.8f, 1.2f, brow));
  float lips = norm (vec (X / .26f, 0, (Z + .55f + .25f * X * X) / .075f));
  Vec red = mix (
      mul (c, .75f), vec (.62f + .15f * h[23], .27f, .27f), .45f + .4f * h[23]);
  c = mix (red, c, smooth (.75f, 1.15f, lips));
  float nostril = smooth (.16f, .04f, norm (vec (ax - .09f, 0, Z + .20f)));
  c = mul (c, 1.f - .15f * nostril);
  if (h[19] > 0.f) {
    float ring = fabsf (norm (vec ((ax - .34f) / .9f, 0, Z - .10f)) - .25f);
    float bar = ax < .12f ? fabsf (Z - .14f) : 1.f;
    if (h[19] > 1.5f && ring > .0f) /* sunglasses */
      ring = fmaxf (norm (vec ((ax - .34f) / .9f, 0, Z - .10f)) - .25f, 0.f);
    c = mix (vec (.06f, .06f, .07f), c, smooth (.03f, .06f, fminf (ring, bar)));
  }
  return c;
}

/* Albedo at surface point @p of material @mat. */
FN Vec
albedo (const float *h, Vec p, int mat)
{
  const float *m = h + HUMAN_HEADER + mat * HUMAN_MATERIAL;
  Vec c1 = load (m + 1), c2 = load (m + 4), c = c1;
  Vec tx = load (h + 24), tz = load (h + 27), l = sub (p, load (h + 30));
  float x = dot (l, tx), y = dot (l, cross (tz, tx)), z = dot (l, tz);
  float f = m[7], ph = m[8], o = m[9];
  switch ((int) m[0]) {
  case STRIPES_ACROSS:
    c = mix (c1, c2, smooth (-.15f, .15f, sinf (f * z + ph)));
    break;
  case STRIPES_DOWN:
    c = mix (c1, c2, smooth (-.15f, .15f, sinf (f * x + ph)));
    break;
  case CHECKS:
    c = mix (c1, c2,
        .5f * smooth (-.1f, .1f, sinf (f * x + ph)) +
            .5f * smooth (-.1f, .1f, sinf (f * z)));
    break;
  case TARTAN: {
    float s = smooth (.75f, .85f, sinf (f * x + ph)) +
              smooth (.75f, .85f, sinf (f * z));
    float w = .5f * smooth (-.2f, .2f, sinf (.5f * f * x)) +
              .5f * smooth (-.2f, .2f, sinf (.5f * f * z));
    c = mix (mul (c1, 1.f - .45f * w), c2, .5f * clamp (s, 0.f, 2.f));
    break;
  }
  case LOGO:
    if (y < 0.f) {
      float r = m[10] > .5f ? sqrtf (x * x + (z - o) * (z - o))
                            : fmaxf (fabsf (x), 1.5f * fabsf (z - o));
      c = mix (c2, c1, smooth (.9f, 1.f, r / f));
    }
    break;
  case GRADIENT:
    c = mix (c1, c2, smooth (o - f, o + f, z));
    break;
  case OPEN_FRONT:
    if (y < 0.f)
      c = mix (c2, c1,
          smooth (f - .006f, f + .006f, fabsf (x) + .15f * (z - o) * m[10]));
    break;
  case BLOTCHES:
    c = mix (c1, c2,
        smooth (.42f, .58f, value_noise (vec (f * x + ph, f * y, f * z))));
    break;
  case STREAKS:
    c = mix (c1, c2,
        .6f * value_noise (vec (60.f * p.x, 60.f * p.y, 9.f * p.z + ph)));
    break;
  case DOTS: {
    float u = f * x + ph, v = f * z + .5f * floorf (u), w = f * y;
    u -= floorf (u) + .5f;
    v -= floorf (v) + .5f;
    w -= floorf (w) + .5f;
    c = mix (c2, c1, smooth (.26f, .34f, sqrtf (u * u + v * v + .2f * w * w)));
    break;
  }
  case FACE:
    c = face_colour (h, m, c, p);
    break;
  default:
    break;
  }
  float grain = (int) m[0] == FACE ? .03f : h[22];
  float n = .90f + .16f * value_noise (mul (p, 25.f)) +
            grain * (value_noise (mul (p, 130.f)) - .5f);
  return mul (c, fminf (n, 1.05f));
}

/* Marches from o along unit d to the surface. */
FN int
trace (const float *h, Mask mask, Vec o, Vec d, Vec *hit)
{
  float t0 = 0.f, t1 = 1e3f;
  for (int i = 0; i < 3; i++) {
    float oo = i == 0 ? o.x : i == 1 ? o.y : o.z;
    float dd = i == 0 ? d.x : i == 1 ? d.y : d.z;
    float lo = h[1 + i], hi = h[4 + i];
    if (fabsf (dd) < 1e-8f) {
      if (oo < lo || oo > hi)
        return 0;
      continue;
    }
    float a = (lo - oo) / dd, b = (hi - oo) / dd;
    t0 = fmaxf (t0, fminf (a, b));
    t1 = fminf (t1, fmaxf (a, b));
  }
  float t = t0;
  for (int i = 0; i < 72 && t < t1; i++) {
    float s = field (h, mask, add (o, mul (d, t)), 0);
    if (s < .0012f) {
      *hit = add (o, mul (d, t + s));
      return 1;
    }
    t += fmaxf (s * .82f, .0012f);
  }
  return 0;
}

FN float
ambient_occlusion (const float *h, Mask mask, Vec p, Vec n)
{
  float ao = 0.f;
  for (int j = 1; j <= 3; j++) {
    float e = .016f * j * j;
    float d = field (h, mask, add (p, mul (n, e)), 0);
    ao += (e - fminf (e, d)) / (e * 3.f);
  }
  return clamp (1.f - .75f * ao, .25f, 1.f);
}

FN float
tone (const float *c, float x)
{
  return powf (clamp (x, 0.f, 1.f), c[28]);
}

FN Vec
lit_colour (const float *c, Vec a, Vec n, Vec d, float ao)
{
  Vec l = load (c + 18);
  float diffuse = c[22] * fmaxf (dot (n, l), 0.f);
  float ambient = c[21] * (.8f + .2f * n.z) * ao;
  Vec mirror = sub (mul (n, 2.f * dot (n, l)), l);
  float r = c[23] * powf (fmaxf (-dot (mirror, d), 0.f), 20.f);
  return vec (tone (c, a.x * (ambient + diffuse * c[24]) + r),
      tone (c, a.y * (ambient + diffuse * c[25]) + r),
      tone (c, a.z * (ambient + diffuse * c[26]) + r));
}

/* One pixel of a picture of @width x @height.
 * out: colour (3) and normal (3), both times coverage, and coverage. */
FN void
pixel (const float *h, const float *c, int width, int height, int row, int col,
    int samples, float *out)
{
  Vec origin = load (c), across = load (c + 3), up = load (c + 6);
  Vec dir = load (c + 9), dx = load (c + 12), dy = load (c + 15);
  Mask mask = {0, 0};
  for (int i = 0; i < 7; i++)
    out[i] = 0.f;
  for (int k = -1; k < samples * samples; k++) {
    float fx = k < 0 ? .5f : (k % samples + .5f) / samples;
    float fy = k < 0 ? .5f : (k / samples + .5f) / samples;
    float u = (col + fx) / width - .5f, v = .5f - (row + fy) / height;
    Vec o = add (origin, add (mul (across, u), mul (up, v))), p;
    Vec d = unit (add (dir, add (mul (dx, u), mul (dy, v))));
    if (k < 0) { /* the middle ray chooses the primitives for all samples */
      mask = mask_near (h, o, d, .10f);
      if (!(mask.lo | mask.hi))
        return;
      continue;
    }
    if (!trace (h, mask, o, d, &p))
      continue;
    int m;
    field (h, mask, p, &m);
    Vec n = unit (gradient (h, mask, p)), a = albedo (h, p, m);
    float ao = ambient_occlusion (h, mask, p, n);
    a = c[27] > .5f ? lit_colour (c, a, n, d, ao) : mul (a, .70f + .30f * ao);
    out[0] += a.x;
    out[1] += a.y;
    out[2] += a.z;
    out[3] += .5f + .5f * n.x;
    out[4] += .5f + .5f * n.z;
    out[5] += .5f - .5f * n.y;
    out[6] += 1.f;
  }
  for (int i = 0; i < 7; i++)
    out[i] *= 1.f / (samples * samples);
}

FN unsigned char
byte (float x)
{
  return (unsigned char) (clamp (x, 0.f, 1.f) * 255.f + .5f);
}

/* Distance, colour (3) and unit normal (3) at @p, both at the nearest surface
 * point. With @full, the distance is divided by the gradient's length. */
FN void
point (const float *h, Vec p, int full, float *out)
{
  Mask mask = mask_all (h);
  int m;
  out[0] = field (h, mask, p, &m);
  if (!full)
    return;
  Vec g = gradient (h, mask, p), n = unit (g);
  out[0] /= clamp (norm (g), .5f, 2.f);
  Vec s = sub (p, mul (n, clamp (out[0], -.05f, .05f)));
  field (h, mask, s, &m);
  Vec c = albedo (h, s, m);
  out[1] = clamp (c.x, 0.f, 1.f);
  out[2] = clamp (c.y, 0.f, 1.f);
  out[3] = clamp (c.z, 0.f, 1.f);
  out[4] = n.x;
  out[5] = n.y;
  out[6] = n.z;
}

/* 1 if the surface passes through the voxel (x, y, z) of @res^3: signs differ
 * among its 5^3 grid corners. frame: centre (3) and size in metres. */
FN int
voxel_cut (const float *h, const float *frame, int res, int x, int y, int z)
{
  float step = frame[3] / res;
  Vec lo =
      add (load (frame), vec ((x - .5f * res) * step, (y - .5f * res) * step,
                             (z - .5f * res) * step));
  Vec mid = add (lo, vec (.5f * step, .5f * step, .5f * step));
  Mask mask = mask_near (h, mid, vec (0, 0, 0), .87f * step + .06f);
  if (!(mask.lo | mask.hi))
    return 0;
  if (fabsf (field (h, mask, mid, 0)) > 1.5f * step)
    return 0;
  int inside = 0, n = 0;
  for (int i = 0; i < 125; i++) {
    Vec k = vec (i / 25, i / 5 % 5, i % 5);
    inside += field (h, mask, add (lo, mul (k, .25f * step)), 0) < 0.f;
    n++;
    if (inside > 0 && inside < n)
      return 1;
  }
  return 0;
}

#ifdef __CUDACC__
/* Pictures of persons who[i] through cam[i]: u8 [images, n, n, 3] on white,
 * alpha u8 [images, n, n]. With @straight, colour is not blended with white. */
extern "C" __global__ void
render_kernel (const float *people, const int *who, const float *cam, int n,
    int samples, int straight, unsigned char *rgb, unsigned char *nrm,
    unsigned char *alpha)
{
  extern __shared__ float h[];
  long long image = blockIdx.y;
  const float *src = people + (long long) who[image] * HUMAN_FLOATS;
  for (int i = threadIdx.x; i < HUMAN_FLOATS; i += blockDim.x)
    h[i] = src[i];
  __syncthreads ();
  int px = blockIdx.x * blockDim.x + threadIdx.x;
  int tile = px / 64, l = px % 64; /* 8x8 tiles keep a warp together */
  int row = tile / (n / 8) * 8 + l / 8, col = tile % (n / 8) * 8 + l % 8;
  if (px >= n * n)
    return;
  float o[7];
  pixel (h, cam + image * HUMAN_CAMERA, n, n, row, col, samples, o);
  long long at = (image * n + row) * n + col;
  float bg = straight ? 0.f : 1.f - o[6];
  float k = straight ? 1.f / fmaxf (o[6], 1e-3f) : 1.f;
  for (int i = 0; i < 3; i++) {
    if (rgb)
      rgb[at * 3 + i] = byte (o[i] * k + bg);
    if (nrm)
      nrm[at * 3 + i] = byte (o[3 + i] + 1.f - o[6]);
  }
  if (alpha)
    alpha[at] = byte (o[6]);
}

/* out: [count] distances, or [count, 7] with @full. Points in metres. */
extern "C" __global__ void
points_kernel (const float *people, const int *who, const float *pts,
    long long count, int full, float *out)
{
  long long i = blockIdx.x * (long long) blockDim.x + threadIdx.x;
  if (i >= count)
    return;
  point (people + (long long) who[i] * HUMAN_FLOATS, load (pts + 3 * i), full,
      out + (full ? 7 : 1) * i);
}

/* One block row per person: occupied u8 [people, res, res, res]. */
extern "C" __global__ void
voxels_kernel (
    const float *people, const float *frames, int res, unsigned char *occupied)
{
  extern __shared__ float h[];
  long long who = blockIdx.y;
  for (int i = threadIdx.x; i < HUMAN_FLOATS; i += blockDim.x)
    h[i] = people[who * HUMAN_FLOATS + i];
  __syncthreads ();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < res * res * res)
    occupied[who * res * res * res + i] = voxel_cut (
        h, frames + 4 * who, res, i / (res * res), i / res % res, i % res);
}
#endif
