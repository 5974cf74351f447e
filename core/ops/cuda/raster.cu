/* SPDX-License-Identifier: MIT */
/* Half-space rasterisation with the rules of base/raster.c: every number that
 * decides is worked out there and here by the same roundings.  Nearest faces
 * are found by the least of (depth, face) in one word, so the order in which
 * they come does not matter.  A thread draws a face; what is too large for one,
 * all threads of its block do together. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_mesh.h"
#include <float.h>

typedef ShuCudaRaster Raster;

enum {
  SUB = 256, /* sub-pixels a pixel */
  MAX_COORD = 1 << 20,
  SMALL = 32 * SUB, /* edge functions of such faces fit in 32 bits */
  FEW = 96,         /* pixels that a thread looks at alone */
  BLOCK = 128,
  FRONT = 1 << 0, /* ShuSeenFlags */
  THIN = 1 << 1,
};

static const float NEAR = 0.01f;

/* ---- keys ---- */

#define EMPTY (~0ull)

/* Floats as integers of the same order; both zeros are one. */
static __device__ unsigned
depth_to_bits (float depth)
{
  unsigned u = __float_as_uint (depth == 0 ? 0.f : depth);

  return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static __device__ float
bits_to_depth (unsigned u)
{
  return __uint_as_float (u & 0x80000000u ? u ^ 0x80000000u : ~u);
}

static __device__ int
key_face (unsigned long long key)
{
  return (int) (unsigned) key;
}

static __device__ float
key_depth (unsigned long long key)
{
  return bits_to_depth ((unsigned) (key >> 32));
}

/* ---- corners ---- */

struct Corner {
  int x, y; /* sub-pixels */
  float z, w;
};

/* One row of the camera's matrix times a place */
static __device__ float
along (const float *m, const float *p)
{
  return __fadd_rn (
      __fadd_rn (__fadd_rn (__fmul_rn (m[0], p[0]), __fmul_rn (m[1], p[1])),
          __fmul_rn (m[2], p[2])),
      m[3]);
}

static __device__ int
to_subpixel (float v)
{
  return (int) floorf (__fadd_rn (__fmul_rn (v, (float) SUB), 0.5f));
}

/* @k: NULL in the plane.  Whether it is somewhere */
static __device__ bool
find_corner (
    const Raster &r, const ShuCudaCamera *k, unsigned vertex, Corner *ret)
{
  float u, v, z = 0;

  if (vertex >= r.n_verts)
    return false;
  ret->w = 1;
  if (k) {
    const float *at = r.at + 3 * (size_t) vertex;
    float p[3] = {at[0], at[1], at[2]}, s = k->focal;

    z = along (k->view + 8, p);
    if (k->perspective) {
      s = __fdiv_rn (s, z);
      ret->w = __fdiv_rn (1.f, z);
      if (!(z > NEAR))
        return false;
    }
    u = __fadd_rn (__fmul_rn (s, along (k->view, p)), k->cx);
    v = __fadd_rn (__fmul_rn (s, along (k->view + 4, p)), k->cy);
  } else {
    u = r.at[2 * (size_t) vertex];
    v = r.at[2 * (size_t) vertex + 1];
  }
  u = __fmul_rn (u, (float) r.W);
  v = __fmul_rn (v, (float) r.H);
  if (!(fabsf (u) < MAX_COORD && fabsf (v) < MAX_COORD && fabsf (z) < FLT_MAX))
    return false;
  ret->x = to_subpixel (u);
  ret->y = to_subpixel (v);
  ret->z = z;
  return true;
}

/* ---- faces ---- */

/* Corners so that the area is positive; edge k lies opposite of corner k. */
struct Drawing {
  Corner v[3];
  long long area;
  bool swap; /* the second and third corner changed places */
  int x0, x1, y0, y1;
  bool small;
};

static __device__ int
first_pixel (int v)
{
  return (v + SUB / 2 - 1) >> 8;
}

static __device__ int
last_pixel (int v)
{
  return (v - SUB / 2) >> 8;
}

static __device__ bool
find_corners (
    const Raster &r, const ShuCudaCamera *k, size_t face, Corner (&v)[3])
{
  const int *f = r.faces + 3 * face;

  return find_corner (r, k, f[0], &v[0]) && find_corner (r, k, f[1], &v[1]) &&
         find_corner (r, k, f[2], &v[2]);
}

/* Whether there is anything to draw; *ret_there: whether it is there at all,
 * be it without a pixel */
static __device__ bool
set_up (const Raster &r, int view, size_t face, bool front, Drawing &d,
    bool *ret_there)
{
  const ShuCudaCamera *k = r.cameras ? r.cameras + view : NULL;
  int left, right, top, bottom;

  *ret_there = !front;
  if (!find_corners (r, k, face, d.v))
    return false;
  d.area = (long long) (d.v[1].x - d.v[0].x) * (d.v[2].y - d.v[0].y) -
           (long long) (d.v[1].y - d.v[0].y) * (d.v[2].x - d.v[0].x);
  d.swap = d.area < 0;
  *ret_there = !front || d.swap;
  if (d.area == 0 || (front && !d.swap))
    return false;
  if (d.swap) {
    Corner t = d.v[1];

    d.v[1] = d.v[2];
    d.v[2] = t;
    d.area = -d.area;
  }
  left = min (d.v[0].x, min (d.v[1].x, d.v[2].x));
  right = max (d.v[0].x, max (d.v[1].x, d.v[2].x));
  top = min (d.v[0].y, min (d.v[1].y, d.v[2].y));
  bottom = max (d.v[0].y, max (d.v[1].y, d.v[2].y));
  d.small = max (right - left, bottom - top) < SMALL;
  d.x0 = max (0, first_pixel (left));
  d.x1 = min (r.W - 1, last_pixel (right));
  d.y0 = max (0, first_pixel (top));
  d.y1 = min (r.H - 1, last_pixel (bottom));
  return d.x0 <= d.x1 && d.y0 <= d.y1;
}

/* What edge functions say of a pixel's centre, and how they go on. */
template <class Int> struct Edges {
  Int e[3], dx[3], dy[3];
  int bias[3];

  __device__ Edges (const Drawing &d, int x, int y)
  {
#pragma unroll
    for (int k = 0; k < 3; k++) {
      const Corner &p = d.v[(k + 1) % 3], &q = d.v[(k + 2) % 3];

      dx[k] = q.x - p.x;
      dy[k] = q.y - p.y;
      e[k] = dx[k] * (Int) (y * SUB + SUB / 2 - p.y) -
             dy[k] * (Int) (x * SUB + SUB / 2 - p.x);
      bias[k] = q.y < p.y || (q.y == p.y && q.x > p.x) ? 0 : -1;
    }
  }

  __device__ bool inside (void) const
  {
    return ((e[0] + bias[0]) | (e[1] + bias[1]) | (e[2] + bias[2])) >= 0;
  }
};

/* Weights of the corners on the screen, in the face's own order */
template <class Int>
static __device__ void
weigh (const Drawing &d, const Int (&e)[3], double scale, double (&l)[3])
{
  l[0] = __dmul_rn ((double) e[0], scale);
  l[1] = __dmul_rn ((double) e[d.swap ? 2 : 1], scale);
  l[2] = __dmul_rn ((double) e[d.swap ? 1 : 2], scale);
}

/* ... times what the corners have, by which perspective is undone */
static __device__ double
weigh_depth (const Drawing &d, double (&l)[3])
{
  const Corner &b = d.v[d.swap ? 2 : 1], &c = d.v[d.swap ? 1 : 2];

  l[0] = __dmul_rn (l[0], (double) d.v[0].w);
  l[1] = __dmul_rn (l[1], (double) b.w);
  l[2] = __dmul_rn (l[2], (double) c.w);
  return __dadd_rn (__dadd_rn (l[0], l[1]), l[2]);
}

template <class Int>
static __device__ float
depth_at (const Drawing &d, const Int (&e)[3], double scale, bool perspective)
{
  const Corner &b = d.v[d.swap ? 2 : 1], &c = d.v[d.swap ? 1 : 2];
  double l[3];

  weigh (d, e, scale, l);
  if (perspective)
    return __double2float_rn (__ddiv_rn (1.0, weigh_depth (d, l)));
  return __double2float_rn (
      __dadd_rn (__dadd_rn (__dmul_rn (l[0], (double) d.v[0].z),
                     __dmul_rn (l[1], (double) b.z)),
          __dmul_rn (l[2], (double) c.z)));
}

/* A pixel of the view that a face covers */
struct Target {
  unsigned long long *keys; /* of the view */
  int W;
  bool perspective, flat;
  unsigned face;
  double scale;

  template <class Int>
  __device__ void put (const Drawing &d, const Int (&e)[3], int x, int y) const
  {
    float depth = flat ? 0.f : depth_at (d, e, scale, perspective);
    unsigned long long key =
        (unsigned long long) depth_to_bits (depth) << 32 | face;
    unsigned long long *at = keys + (size_t) y * W + x;

    if (key < *at) /* an old answer costs time alone */
      atomicMin (at, key);
  }
};

static __device__ int
draw_alone (const Drawing &d, const Target &t)
{
  Edges<int> row (d, d.x0, d.y0);
  int n = 0;

  for (int y = d.y0; y <= d.y1; y++) {
    Edges<int> at = row;

    for (int x = d.x0; x <= d.x1; x++) {
      if (at.inside ()) {
        n++;
        t.put (d, at.e, x, y);
      }
#pragma unroll
      for (int k = 0; k < 3; k++)
        at.e[k] -= at.dy[k] * SUB;
    }
#pragma unroll
    for (int k = 0; k < 3; k++)
      row.e[k] += row.dx[k] * SUB;
  }
  return n;
}

/* The block does; how many pixels this thread has covered */
static __device__ int
draw_together (const Drawing &d, const Target &t)
{
  int width = d.x1 - d.x0 + 1, n = 0;
  long long pixels = (long long) width * (d.y1 - d.y0 + 1);

  for (long long i = threadIdx.x; i < pixels; i += BLOCK) {
    int y = d.y0 + (int) ((unsigned) i / (unsigned) width);
    int x = d.x0 + (int) ((unsigned) i % (unsigned) width);
    Edges<long long> at (d, x, y);

    if (at.inside ()) {
      n++;
      t.put (d, at.e, x, y);
    }
  }
  return n;
}

static __device__ Target
target (const Raster &r, int view, size_t face, const Drawing &d)
{
  Target t;

  t.keys = r.keys + (size_t) view * r.H * r.W;
  t.W = r.W;
  t.perspective = r.cameras && r.cameras[view].perspective;
  t.flat = !r.cameras;
  t.face = (unsigned) face;
  t.scale = __ddiv_rn (1.0, (double) d.area);
  return t;
}

/* A thread a face of a view */
static __global__ void
draw_faces (Raster r)
{
  __shared__ int large[BLOCK], n_large;
  int view = blockIdx.y, n_covered = 0;
  size_t face = (size_t) blockIdx.x * BLOCK + threadIdx.x;
  bool thin = false, there = false, waits = false;
  Drawing d;

  if (threadIdx.x == 0)
    n_large = 0;
  __syncthreads ();
  if (face < r.n_faces) {
    int kind = r.kinds ? r.kinds[face] : r.cull ? FRONT : 0;

    thin = kind & THIN;
    if (set_up (r, view, face, kind & FRONT, d, &there)) {
      waits = !d.small || (d.x1 - d.x0 + 1) * (d.y1 - d.y0 + 1) > FEW;
      if (waits)
        large[atomicAdd (&n_large, 1)] = threadIdx.x;
      else
        n_covered = draw_alone (d, target (r, view, face, d));
    }
    if (thin && there && !waits && n_covered == 0)
      atomicOr (&r.missed[face], 1u << view);
  }
  __syncthreads ();
  for (int i = 0; i < n_large; i++) {
    size_t other = (size_t) blockIdx.x * BLOCK + large[i];
    int n = 0;

    /* the same for all threads */
    if (set_up (r, view, other, false, d, &there))
      n = draw_together (d, target (r, view, other, d));
    n_covered += n;
    if (!__syncthreads_or (n) && threadIdx.x == 0 && r.kinds &&
        r.kinds[other] & THIN)
      atomicOr (&r.missed[other], 1u << view);
  }
  if (r.n_doubles) {
    n_covered = shu_lanes_sum (n_covered, SHU_WARP);
    if (threadIdx.x % SHU_WARP == 0 && n_covered > 0)
      atomicAdd (r.n_doubles, n_covered);
  }
}

extern "C" cudaError_t
shu_launch_raster_draw (const ShuCudaRaster *r, cudaStream_t stream)
{
  dim3 grid ((unsigned) shu_div_up (r->n_faces, BLOCK), r->V);
  cudaError_t e;

  if (r->V < 1 || r->V > SHU_CUDA_RASTER_VIEWS || r->n_faces < 1 ||
      r->n_faces > 0x7fffffff)
    return cudaErrorInvalidValue;
  e = cudaMemsetAsync (
      r->keys, 0xff, (size_t) r->V * r->H * r->W * sizeof *r->keys, stream);
  if (e == cudaSuccess && r->n_doubles)
    e = cudaMemsetAsync (r->n_doubles, 0, sizeof *r->n_doubles, stream);
  if (e != cudaSuccess)
    return e;
  draw_faces<<<grid, BLOCK, 0, stream>>> (*r);
  return cudaGetLastError ();
}

/* ---- what the keys say ---- */

/* A thread a pixel; of the plane what is seen counts once less. */
static __global__ void
resolve (int *to_face, float *bary, float *depth, Raster r)
{
  size_t pixels = (size_t) r.H * r.W;
  int n_seen = 0;

  for (size_t i = shu_task (); i < r.V * pixels; i += shu_task_step ()) {
    unsigned long long key = r.keys[i];
    int view = (int) (i / pixels), at = (int) (i % pixels);
    float b = 0, c = 0;
    Drawing d;
    bool there;

    if (key != EMPTY && bary &&
        set_up (r, view, key_face (key), false, d, &there)) {
      Edges<long long> edges (d, at % r.W, at / r.W);
      double l[3], sum;

      weigh (d, edges.e, __ddiv_rn (1.0, (double) d.area), l);
      sum = weigh_depth (d, l);
      b = __double2float_rn (__ddiv_rn (l[1], sum));
      c = __double2float_rn (__ddiv_rn (l[2], sum));
    }
    to_face[i] = key == EMPTY ? -1 : key_face (key);
    if (bary) {
      bary[2 * i] = b;
      bary[2 * i + 1] = c;
    }
    if (depth)
      depth[i] = key == EMPTY ? FLT_MAX : key_depth (key);
    n_seen += key != EMPTY;
  }
  if (r.n_doubles) {
    n_seen = shu_lanes_sum (n_seen, SHU_WARP);
    if (threadIdx.x % SHU_WARP == 0 && n_seen > 0)
      atomicSub (r.n_doubles, n_seen);
  }
}

extern "C" cudaError_t
shu_launch_raster_resolve (int *face, float *bary, float *depth,
    const ShuCudaRaster *r, cudaStream_t stream)
{
  resolve<<<shu_blocks ((size_t) r->V * r->H * r->W), SHU_THREADS, 0,
      stream>>> (face, bary, depth, *r);
  return cudaGetLastError ();
}

/* ---- faces that are seen ---- */

/* A thread a pixel */
static __global__ void
mark_seen (Raster r)
{
  size_t pixels = (size_t) r.H * r.W;

  for (size_t i = shu_task (); i < r.V * pixels; i += shu_task_step ()) {
    unsigned long long key = r.keys[i];
    unsigned bit = 1u << (i / pixels);

    if (key != EMPTY && !(r.seen[key_face (key)] & bit))
      atomicOr (&r.seen[key_face (key)], bit);
  }
}

/* Whether the centre of a face is in view */
static __device__ bool
shows (const Raster &r, int view, size_t face)
{
  const ShuCudaCamera *k = r.cameras + view;
  unsigned long long key;
  Corner v[3];
  float depth;
  int x, y;

  if (!find_corners (r, k, face, v))
    return false;
  x = v[0].x + v[1].x + v[2].x;
  y = v[0].y + v[1].y + v[2].y;
  if (x < 0 || y < 0 || x >= r.W * 3 * SUB || y >= r.H * 3 * SUB)
    return false;
  key = r.keys[((size_t) view * r.H + y / (3 * SUB)) * r.W + x / (3 * SUB)];
  depth = k->perspective
              ? __fdiv_rn (3.f, __fadd_rn (__fadd_rn (v[0].w, v[1].w), v[2].w))
              : __fdiv_rn (__fadd_rn (__fadd_rn (v[0].z, v[1].z), v[2].z), 3.f);
  return key == EMPTY || depth <= __fadd_rn (key_depth (key), r.slack);
}

/* A thread a face */
static __global__ void
count_seen (int *counts, Raster r)
{
  for (size_t f = shu_task (); f < r.n_faces; f += shu_task_step ()) {
    unsigned seen = r.seen[f];

    for (unsigned missed = r.missed[f]; missed; missed &= missed - 1) {
      int view = __ffs (missed) - 1;

      if (shows (r, view, f))
        seen |= 1u << view;
    }
    counts[f] += __popc (seen);
    r.seen[f] = r.missed[f] = 0;
  }
}

extern "C" cudaError_t
shu_launch_raster_seen (
    int *counts, const ShuCudaRaster *r, cudaStream_t stream)
{
  mark_seen<<<shu_blocks ((size_t) r->V * r->H * r->W), SHU_THREADS, 0,
      stream>>> (*r);
  count_seen<<<shu_blocks (r->n_faces), SHU_THREADS, 0, stream>>> (counts, *r);
  return cudaGetLastError ();
}
