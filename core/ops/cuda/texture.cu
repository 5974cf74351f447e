/* SPDX-License-Identifier: MIT */
/* Textures from rows, as ops/cpu/texture.c finds them.  Rows add to a texel in
 * no order: their sums are whole numbers, so that the order does not matter. */
#include "ops/cuda/gradients_private.h"

typedef ShuCudaTexture Texture;
typedef unsigned long long Fixed;

/* of sums over a texture: the same on every card */
enum { BLOCKS = SHU_CUDA_TEXTURE_BLOCKS };

/* Fractions of a sum of rows, and what they are worth */
#define FIXED_SCALE 268435456.f

/* What a row adds to the texels that it reads */
enum {
  ADD_WEIGHT,
  ADD_COLOR,
  ADD_ROBUST_WEIGHT,
  ADD_PRODUCT,
  ADD_RESIDUAL,
};

/* ---- the pyramid ---- */

static __global__ void
coarsen (const float *fine, int from, float *coarse, int side)
{
  for (size_t i = shu_task (); i < (size_t) 3 * side * side;
       i += shu_task_step ()) {
    int k = i % 3, x = i / 3 % side, y = i / 3 / side;
    size_t x0 = 2 * x, x1 = min (2 * x + 1, from - 1);
    size_t y0 = 2 * y, y1 = min (2 * y + 1, from - 1);

    coarse[i] =
        0.25f *
        ((fine[3 * (y0 * from + x0) + k] + fine[3 * (y0 * from + x1) + k]) +
            (fine[3 * (y1 * from + x0) + k] + fine[3 * (y1 * from + x1) + k]));
  }
}

/* A level of sums, with what the level above hands down to it where there is
 * one */
static __global__ void
pull (const Fixed *sum, const float *above, float *y, int side)
{
  int above_side = (side + 1) / 2;

  for (size_t i = shu_task (); i < (size_t) 3 * side * side;
       i += shu_task_step ()) {
    int k = i % 3, x = i / 3 % side, row = i / 3 / side;
    float v = (float) ((double) (long long) sum[i] / FIXED_SCALE);

    if (above) {
      /* An only child stands for two. */
      float times =
          (2 * (x / 2) + 1 < side ? 1 : 2) * (2 * (row / 2) + 1 < side ? 1 : 2);
      v += 0.25f * times *
           above[3 * ((size_t) (row / 2) * above_side + x / 2) + k];
    }
    y[i] = v;
  }
}

/* Adds the sums of a level to those of the one above. */
static __global__ void
lift (const Fixed *fine, int from, Fixed *coarse, int side)
{
  for (size_t i = shu_task (); i < (size_t) 3 * side * side;
       i += shu_task_step ()) {
    int k = i % 3, x = i / 3 % side, y = i / 3 / side;

    for (int j = 0; j < 4; j++) {
      int u = 2 * x + (j & 1), v = 2 * y + (j >> 1);
      if (u < from && v < from)
        coarse[i] += fine[3 * ((size_t) v * from + u) + k];
    }
  }
}

/* ---- rows ---- */

static __device__ bool
counts (const Texture &t, size_t i)
{
  return t.weight[i] > 0 && isfinite (t.place[3 * i]) &&
         isfinite (t.place[3 * i + 1]) && isfinite (t.place[3 * i + 2]);
}

static __device__ void
sample (const Texture &t, const ShuTexturePyramid &p, size_t i, float (&ret)[3])
{
  float up;
  int l = shu_texture_level (t.place[3 * i + 2], p.n_levels, &up);

  ret[0] = ret[1] = ret[2] = 0;
  for (int j = 0; j < (up > 0 ? 2 : 1); j++) {
    int side = p.side[l + j];
    ShuTextureTaps a = shu_texture_taps (
        t.place[3 * i], t.place[3 * i + 1], side, j ? up : 1 - up);
    const float *level = t.pyramid + 3 * p.start[l + j];
    const float *r0 = level + 3 * (size_t) shu_texture_wrap (a.y, side) * side;
    const float *r1 =
        level + 3 * (size_t) shu_texture_wrap (a.y + 1, side) * side;

    for (int k = 0; k < 3; k++) {
      float top = (1 - a.fx) * r0[3 * a.x[0] + k] + a.fx * r0[3 * a.x[1] + k];
      float low = (1 - a.fx) * r1[3 * a.x[0] + k] + a.fx * r1[3 * a.x[1] + k];
      ret[k] += a.share * ((1 - a.fy) * top + a.fy * low);
    }
  }
}

static __device__ void
add_fixed (Fixed *to, float v)
{
  atomicAdd (to, (Fixed) __float2ll_rn (v * FIXED_SCALE));
}

static __device__ void
spread (const Texture &t, const ShuTexturePyramid &p, size_t i,
    const float (&value)[3])
{
  float up;
  int l = shu_texture_level (t.place[3 * i + 2], p.n_levels, &up);

  for (int j = 0; j < (up > 0 ? 2 : 1); j++) {
    int side = p.side[l + j];
    ShuTextureTaps a = shu_texture_taps (
        t.place[3 * i], t.place[3 * i + 1], side, j ? up : 1 - up);
    Fixed *level = t.sum + 3 * p.start[l + j];

    for (int n = 0; n < 4; n++) {
      size_t row = shu_texture_wrap (a.y + (n >> 1), side);
      float share =
          a.share * (n & 1 ? a.fx : 1 - a.fx) * (n >> 1 ? a.fy : 1 - a.fy);
      for (int k = 0; k < 3; k++)
        add_fixed (level + 3 * (row * side + a.x[n & 1]) + k, share * value[k]);
    }
  }
}

template <int WHAT>
static __global__ void
through_rows (Texture t, ShuTexturePyramid p)
{
  for (size_t i = shu_task (); i < t.n; i += shu_task_step ()) {
    float at[3] = {0, 0, 0}, value[3];

    if (!counts (t, i))
      continue;
    if (WHAT == ADD_PRODUCT || WHAT == ADD_RESIDUAL)
      sample (t, p, i, at);
    for (int k = 0; k < 3; k++) {
      size_t j = 3 * i + k;
      value[k] = WHAT == ADD_WEIGHT          ? t.weight[i]
                 : WHAT == ADD_COLOR         ? t.weight[i] * t.color[j]
                 : WHAT == ADD_ROBUST_WEIGHT ? t.robust[j]
                 : WHAT == ADD_PRODUCT       ? t.robust[j] * at[k]
                                       : t.robust[j] * (t.color[j] - at[k]);
    }
    spread (t, p, i, value);
  }
}

static __global__ void
weigh_rows (Texture t, ShuTexturePyramid p, float soft)
{
  for (size_t i = shu_task (); i < t.n; i += shu_task_step ()) {
    float at[3];

    if (!counts (t, i))
      continue;
    sample (t, p, i, at);
    for (int k = 0; k < 3; k++)
      t.robust[3 * i + k] =
          t.weight[i] * shu_texture_robust (t.color[3 * i + k] - at[k], soft);
  }
}

/* ---- differences of neighbours ---- */

enum { VARIES = 1, STIFF = 2 };

static __global__ void
weigh_differences (Texture t, float soft)
{
  size_t S = t.size;

  for (size_t i = shu_task (); i < S * S; i += shu_task_step ())
    for (int below = 0; below < 2; below++) {
      size_t j = i + (below ? S : 1);
      bool there = below ? i / S + 1 < S : i % S + 1 < S;
      for (int k = 0; k < 3; k++)
        t.steady[(2 * i + below) * 3 + k] =
            there ? t.variation * shu_texture_robust (
                                      t.t[3 * j + k] - t.t[3 * i + k], soft)
                  : 0;
    }
}

/* As in ops/cpu/texture.c */
static __device__ void
sum_differences (const Texture &t, int parts, const float *v, size_t i, int k,
    float (&ret)[2])
{
  size_t S = t.size, x = i % S, y = i / S;

  for (int n = 0; n < 4; n++) {
    bool there = n == 0   ? x + 1 < S
                 : n == 1 ? x > 0
                 : n == 2 ? y + 1 < S
                          : y > 0;
    size_t j = n == 0 ? i + 1 : n == 1 ? i - 1 : n == 2 ? i + S : i - S;
    size_t first = n & 1 ? j : i;
    float w = 0;

    if (!there)
      continue;
    if (parts & VARIES && t.steady)
      w = t.steady[(2 * first + (n >> 1)) * 3 + k];
    if (parts & STIFF && t.acting)
      w += t.stiffness * fminf (t.acting[i], t.acting[j]);
    ret[0] += w;
    ret[1] += w * (v[3 * i + k] - v[3 * j + k]);
  }
}

/* ---- conjugate gradients ---- */

/* The largest weight around each texel, of those in z */
static __global__ void
find_acting (Texture t)
{
  int S = t.size, reach = shu_texture_reach (S);

  for (size_t i = shu_task (); i < (size_t) S * S; i += shu_task_step ()) {
    int x = i % S, y = i / S;
    float most = 0;

    for (int v = max (0, y - reach); v <= min (S - 1, y + reach); v++)
      for (int u = max (0, x - reach); u <= min (S - 1, x + reach); u++)
        most = fmaxf (most, t.z[3 * ((size_t) v * S + u)]);
    t.acting[i] = most;
  }
}

/* y = x + z */
static __global__ void
add (float *y, const float *x, const float *z, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = x[i] + z[i];
}

/* The diagonal from the rows' weights in z, and the residual that rows leave
 * in r */
static __global__ void
begin_round (Texture t)
{
  size_t n = (size_t) t.size * t.size;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float hold = t.acting ? t.hold * t.acting[i] : 0, total = 0;

    for (int k = 0; k < 3; k++) {
      float sum[2] = {t.z[3 * i + k], 0};
      if (t.steady)
        sum_differences (t, VARIES, t.t, i, k, sum);
      if (t.acting)
        sum_differences (t, STIFF, t.change, i, k, sum);
      total += sum[0];
      t.r[3 * i + k] -= sum[1] + hold * t.change[3 * i + k];
    }
    t.diagonal[i] = total / 3 + hold;
  }
}

/* r -= step z and change += step d, with @moves; sums of r r / diagonal */
static __global__ void
advance (Texture t, int moves)
{
  size_t n = (size_t) t.size * t.size;
  double sum[3] = {0, 0, 0};
  float step[3] = {0, 0, 0};

  if (moves)
    shu_gradients_step (t.sums, step);
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    for (int k = 0; k < 3 && t.diagonal[i] > 0; k++) {
      size_t j = 3 * i + k;
      float r = t.r[j];
      if (moves) {
        r -= step[k] * t.z[j];
        t.r[j] = r;
        t.change[j] += step[k] * t.d[j];
      }
      sum[k] += (double) r * r / t.diagonal[i];
    }
  shu_gradients_put (t.sums, sum);
}

static __global__ void
turn (Texture t)
{
  size_t n = (size_t) t.size * t.size;

  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    for (int k = 0; k < 3; k++)
      t.d[3 * i + k] =
          (t.diagonal[i] > 0 ? t.r[3 * i + k] / t.diagonal[i] : 0) +
          (float) t.sums.scalars[BACK + k] * t.d[3 * i + k];
}

/* Completes z = A d, of which it has the rows' part; sums of d z. */
static __global__ void
complete (Texture t)
{
  size_t n = (size_t) t.size * t.size;
  double sum[3] = {0, 0, 0};

  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    for (int k = 0; k < 3; k++) {
      float part[2] = {0, 0}, z = t.z[3 * i + k], d = t.d[3 * i + k];
      if (t.acting || t.steady)
        sum_differences (t, VARIES | STIFF, t.d, i, k, part);
      if (t.acting)
        part[1] += t.hold * t.acting[i] * d;
      z += part[1];
      t.z[3 * i + k] = z;
      sum[k] += (double) d * z;
    }
  shu_gradients_put (t.sums, sum);
}

/* ---- what is launched ---- */

#define ROWS(n) <<<shu_blocks (n), SHU_THREADS, 0, stream>>>
#define TEXELS <<<BLOCKS, SHU_THREADS, 0, stream>>>

static void
load_pyramid (const Texture &t, const ShuTexturePyramid &p, const float *x,
    cudaStream_t stream)
{
  cudaMemcpyAsync (t.pyramid, x, 3 * p.start[1] * sizeof *x,
      cudaMemcpyDeviceToDevice, stream);
  for (int l = 1; l < p.n_levels; l++)
    coarsen ROWS (3 * (size_t) p.side[l] * p.side[l]) (
        t.pyramid + 3 * p.start[l - 1], p.side[l - 1],
        t.pyramid + 3 * p.start[l], p.side[l]);
}

/* Sums of rows in y [S,S,3]; @x: what they sample, NULL for nothing */
template <int WHAT>
static void
sum_rows (const Texture &t, const ShuTexturePyramid &p, const float *x,
    float *y, cudaStream_t stream)
{
  if (x)
    load_pyramid (t, p, x, stream);
  cudaMemsetAsync (t.sum, 0, 3 * p.start[p.n_levels] * sizeof *t.sum, stream);
  through_rows<WHAT> ROWS (t.n) (t, p);
  for (int l = p.n_levels - 1; y && l >= 0; l--)
    pull ROWS (3 * (size_t) p.side[l] * p.side[l]) (t.sum + 3 * p.start[l],
        l + 1 < p.n_levels ? t.pyramid + 3 * p.start[l + 1] : NULL,
        l ? t.pyramid + 3 * p.start[l] : y, p.side[l]);
}

extern "C" cudaError_t
shu_launch_texture_solve (const ShuCudaTexture *job, cudaStream_t stream)
{
  Texture t = *job;
  ShuTexturePyramid p = shu_texture_pyramid (t.size);
  size_t n = 3 * p.start[1];

  cudaMemsetAsync (t.change, 0, n * sizeof *t.change, stream);
  if (t.acting) {
    sum_rows<ADD_WEIGHT> (t, p, NULL, t.z, stream);
    find_acting TEXELS (t);
  }
  for (int i = 0; i < t.rounds; i++) {
    float soft = shu_texture_soft (t.soft_first, t.soft_last, i, t.rounds);

    add TEXELS (t.t, t.start, t.change, n);
    load_pyramid (t, p, t.t, stream);
    weigh_rows ROWS (t.n) (t, p, soft);
    if (t.steady)
      weigh_differences TEXELS (t, soft);
    sum_rows<ADD_ROBUST_WEIGHT> (t, p, NULL, t.z, stream);
    sum_rows<ADD_RESIDUAL> (t, p, t.t, t.r, stream);
    begin_round TEXELS (t);
    advance TEXELS (t, 0);
    shu_gradients_sum (t.sums, BLOCKS, RR, 1, stream);
    cudaMemsetAsync (t.d, 0, n * sizeof *t.d, stream);
    for (int j = 0; j < t.steps; j++) {
      turn TEXELS (t);
      sum_rows<ADD_PRODUCT> (t, p, t.d, t.z, stream);
      complete TEXELS (t);
      shu_gradients_sum (t.sums, BLOCKS, DZ, 0, stream);
      advance TEXELS (t, 1);
      shu_gradients_sum (t.sums, BLOCKS, RR, 0, stream);
    }
  }
  add TEXELS (t.y, t.start, t.change, n);
  return cudaGetLastError ();
}

/* ---- means ---- */

static __global__ void
to_float (const Fixed *sum, float *y, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = (float) ((double) (long long) sum[i] / FIXED_SCALE);
}

/* Means of a level out of sums, in place, with those of the level above, linear
 * between its texels, as one row of weight @hold */
static __global__ void
push (float *sum, const float *weight, const float *above, int side, float hold)
{
  int s = (side + 1) / 2;

  for (size_t i = shu_task (); i < (size_t) 3 * side * side;
       i += shu_task_step ()) {
    int k = i % 3, x = i / 3 % side, y = i / 3 / side;
    float own = above ? hold : 0, total = weight[i] + own, mean = 0;

    if (above) {
      float fx = fminf (fmaxf (0.5f * x - 0.25f, 0), s - 1);
      float fy = fminf (fmaxf (0.5f * y - 0.25f, 0), s - 1);
      int x0 = (int) fx, y0 = (int) fy;
      int x1 = min (x0 + 1, s - 1), y1 = min (y0 + 1, s - 1);
      const float *r0 = above + 3 * (size_t) y0 * s + k;
      const float *r1 = above + 3 * (size_t) y1 * s + k;

      fx -= x0;
      fy -= y0;
      mean = (1 - fy) * ((1 - fx) * r0[3 * x0] + fx * r0[3 * x1]) +
             fy * ((1 - fx) * r1[3 * x0] + fx * r1[3 * x1]);
    }
    sum[i] = total > 0 ? (sum[i] + own * mean) / total : 0;
  }
}

/* Sums of all levels, each with what is below it, in y [total,3] */
template <int WHAT>
static void
sum_levels (
    const Texture &t, const ShuTexturePyramid &p, float *y, cudaStream_t stream)
{
  sum_rows<WHAT> (t, p, NULL, NULL, stream);
  for (int l = 1; l < p.n_levels; l++)
    lift ROWS (3 * (size_t) p.side[l] * p.side[l]) (t.sum + 3 * p.start[l - 1],
        p.side[l - 1], t.sum + 3 * p.start[l], p.side[l]);
  to_float TEXELS (t.sum, y, 3 * p.start[p.n_levels]);
}

extern "C" cudaError_t
shu_launch_texture_gather (
    const ShuCudaTexture *job, float *weight, cudaStream_t stream)
{
  Texture t = *job;
  ShuTexturePyramid p = shu_texture_pyramid (t.size);

  sum_levels<ADD_COLOR> (t, p, t.pyramid, stream);
  sum_levels<ADD_WEIGHT> (t, p, weight, stream);
  for (int l = p.n_levels - 1; l >= 0; l--)
    push ROWS (3 * (size_t) p.side[l] * p.side[l]) (t.pyramid + 3 * p.start[l],
        weight + 3 * p.start[l],
        l + 1 < p.n_levels ? t.pyramid + 3 * p.start[l + 1] : NULL, p.side[l],
        t.hold);
  cudaMemcpyAsync (t.y, t.pyramid, 3 * p.start[1] * sizeof *t.y,
      cudaMemcpyDeviceToDevice, stream);
  return cudaGetLastError ();
}
