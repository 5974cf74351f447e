/* SPDX-License-Identifier: MIT */
/* Group norm that reads x once: all rows of some groups of an item stay in the
 * shared memory of a cluster of blocks until their mean and spread are known.
 * For items that fit; for more of it than some blocks hold, reading twice
 * (norm.cu) is faster. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

enum {
  THREADS = SHU_THREADS,
  AT_ONCE = 6,      /* rows of a thread that are asked for together */
  SECTOR = 32,      /* bytes that memory gives at least */
  MIN_BYTES = 128,  /* of a row of a block */
  MAX_VECTORS = 64, /* of 16 bytes, of the same */
  MAX_GROUPS = 16,  /* of a block */
  MAX_CLUSTER = 8,
  GOOD_BYTES = 48 << 10, /* of x in a block: several on a multiprocessor */
  MOST_BYTES = 64 << 10,
};

/* How x [B,T,C] is cut.  A block has @rows rows of @width channels, which are
 * whole groups; thread (tx,ty) has 8 channels of every TY-th row. */
typedef struct {
  unsigned T, C, size; /* channels of a group */
  unsigned width, TX, TY;
  unsigned cluster, rows, deep; /* blocks of an item's groups; of a block; of a
                                 * thread */
} Cut;

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define HAVE_CLUSTERS 1
#else
#define HAVE_CLUSTERS 0
#endif

static __device__ inline void
cluster_arrive (void)
{
#if HAVE_CLUSTERS
  asm volatile("barrier.cluster.arrive.release.aligned;" : : : "memory");
#endif
}

static __device__ inline void
cluster_wait (void)
{
#if HAVE_CLUSTERS
  asm volatile("barrier.cluster.wait.acquire.aligned;" : : : "memory");
#endif
}

/* *@at in the shared memory of the cluster's block @rank */
static __device__ inline float2
read_other (const float2 *at, unsigned rank)
{
  float2 v = *at;

#if HAVE_CLUSTERS
  uint32_t here = (uint32_t) __cvta_generic_to_shared (at), there;

  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(there)
               : "r"(here), "r"(rank));
  asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];"
               : "=f"(v.x), "=f"(v.y)
               : "r"(there)
               : "memory");
#endif
  return v;
}

/* The thread's rows to @stash, their sums and squares, measured from @from, to
 * its cells */
static __device__ inline void
take_rows (uint4 *stash, float2 *cells, const __half *x, const float (&from)[8],
    const Cut &cut, unsigned n)
{
  size_t step = (size_t) cut.TY * cut.C;
  float sum[8] = {0}, squares[8] = {0};

  for (unsigned r = 0; r < n; r += AT_ONCE) {
    uint4 v[AT_ONCE];

#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
      if (r + i < n)
        v[i] = *(const uint4 *) (x + (r + i) * step);
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
      if (r + i < n) {
        float f[8];

        stash[(r + i) * THREADS] = v[i];
        shu_load (f, (const __half *) &v[i]);
#pragma unroll
        for (int k = 0; k < 8; k++) {
          float d = f[k] - from[k];

          sum[k] += d;
          squares[k] += d * d;
        }
      }
  }
#pragma unroll
  for (int k = 0; k < 8; k++)
    cells[k] = make_float2 (sum[k], squares[k]);
}

/* Of each channel, then of each group of the block: mean and squared distances
 * from it.  @cells [TY,width], @from and @more [width]; all threads call. */
static __device__ inline void
sum_up (float2 *own, float2 *cells, const float *from, const Cut &cut,
    unsigned rows)
{
  unsigned lane = threadIdx.x % SHU_WARP;
  float n = (float) rows;

  for (unsigned c = threadIdx.x; c < cut.width; c += THREADS) {
    float sum = 0, squares = 0;

    for (unsigned k = 0; k < cut.TY; k++) {
      float2 v = cells[k * cut.width + c];

      sum += v.x;
      squares += v.y;
    }
    cells[c] =
        make_float2 (from[c] + sum / n, fmaxf (squares - sum * (sum / n), 0));
  }
  __syncthreads ();
  for (unsigned g = threadIdx.x / SHU_WARP; g < cut.width / cut.size;
       g += THREADS / SHU_WARP) {
    const float2 *group = cells + g * cut.size;
    float mean = 0, squares = 0;

    for (unsigned i = lane; i < cut.size; i += SHU_WARP)
      mean += group[i].x;
    mean = shu_lanes_sum (mean, SHU_WARP) / (float) cut.size;
    for (unsigned i = lane; i < cut.size; i += SHU_WARP) {
      float d = group[i].x - mean;

      squares += group[i].y + n * d * d;
    }
    squares = shu_lanes_sum (squares, SHU_WARP);
    if (lane == 0)
      own[g] = make_float2 (mean, squares);
  }
}

/* Mean (twice: what f32 loses of it, too) and 1 / spread of group @g of all the
 * cluster's blocks; a warp calls */
static __device__ inline float3
total (const float2 *own, unsigned g, const Cut &cut, float eps)
{
  unsigned lane = threadIdx.x % SHU_WARP;
  double count = (double) cut.T * cut.size, n = 0, mean, d;
  float2 v = make_float2 (0, 0);

  if (lane < cut.cluster) {
    v = read_other (own + g, lane);
    n = (double) min (cut.rows, cut.T - lane * cut.rows) * cut.size;
  }
  mean = shu_lanes_sum (n * v.x, SHU_WARP) / count;
  d = v.x - mean;
  d = shu_lanes_sum (v.y + n * d * d, SHU_WARP);
  return make_float3 ((float) mean, (float) (mean - (float) mean),
      (float) (1 / sqrt (d / count + eps)));
}

/* y = act ((x - mean) a + b) of the thread's rows, from @stash */
static __device__ inline void
write_rows (void *y, size_t at, const uint4 *stash, const float (&m)[8],
    const float (&a)[8], const float (&b)[8], const Cut &cut, unsigned n,
    int act, int e4m3)
{
  size_t step = (size_t) cut.TY * cut.C;

#pragma unroll 2
  for (unsigned r = 0; r < n; r++) {
    uint4 v = stash[r * THREADS];
    float f[8];

    shu_load (f, (const __half *) &v);
#pragma unroll
    for (int k = 0; k < 8; k++)
      f[k] = shu_act_of ((f[k] - m[k]) * a[k] + b[k], act);
    shu_store_norm (y, at + r * step, f, e4m3);
  }
}

/* A cluster's blocks differ in blockIdx.x; blockIdx.y: item and groups */
static __global__ void
__launch_bounds__ (THREADS, 3)
    group_norm_whole (void *y, const __half *x, const __half *add,
        const float *w, const float *b, Cut cut, float eps, int act, int e4m3)
{
  extern __shared__ __align__ (16) uint4 room[];
  float2 *cells = (float2 *) (room + cut.deep * THREADS);
  float *from = (float *) (cells + cut.TY * cut.width);
  float2 *own = (float2 *) (from + cut.width);
  __shared__ float3 totals[MAX_GROUPS];
  unsigned sets = cut.C / cut.width, item = blockIdx.y / sets;
  unsigned tx = threadIdx.x % cut.TX, ty = threadIdx.x / cut.TX;
  unsigned first = blockIdx.x * cut.rows, rows = min (cut.rows, cut.T - first);
  unsigned ch = blockIdx.y % sets * cut.width + tx * SHU_VECTOR;
  unsigned n = ty < cut.TY && ty < rows ? (rows - ty - 1) / cut.TY + 1 : 0;
  size_t at = ((size_t) item * cut.T + first) * cut.C + ch;
  float m[8], a[8], shift[8], more[8] = {0};

  shu_load (m, x + at);
  at += ty * cut.C;
  if (add)
    shu_load (more, add + (size_t) item * cut.C + ch);
  if (ty < cut.TY)
    take_rows (room + threadIdx.x, cells + ty * cut.width + tx * SHU_VECTOR,
        x + at, m, cut, n);
  if (ty == 0)
#pragma unroll
    for (int k = 0; k < 8; k++)
      from[tx * SHU_VECTOR + k] = m[k] + more[k];
  __syncthreads ();
  sum_up (own, cells, from, cut, rows);
  __syncthreads ();
  if (cut.cluster > 1) {
    cluster_arrive ();
    cluster_wait ();
  }
  for (unsigned g = threadIdx.x / SHU_WARP; g < cut.width / cut.size;
       g += THREADS / SHU_WARP)
    totals[g] = total (own, g, cut, eps);
  __syncthreads ();
  if (cut.cluster > 1)
    cluster_arrive ();
#pragma unroll
  for (int k = 0; k < 8; k++) {
    float3 t = totals[(tx * SHU_VECTOR + k) / cut.size];

    a[k] = (w ? w[ch + k] : 1.f) * t.z;
    shift[k] = (b ? b[ch + k] : 0.f) - t.y * a[k];
    m[k] = t.x - more[k]; /* as if the mean were less */
  }
  write_rows (y, at, room + threadIdx.x, m, a, shift, cut, n, act, e4m3);
  if (cut.cluster > 1) /* others have read what is here */
    cluster_wait ();
}

/* ---- launch ---- */

static size_t
room_bytes (const Cut &cut)
{
  return (size_t) cut.deep * THREADS * 16 +
         cut.TY * cut.width * sizeof (float2) + cut.width * sizeof (float) +
         MAX_GROUPS * sizeof (float2);
}

static size_t
stash_bytes (const Cut &cut, size_t cluster)
{
  size_t rows = shu_div_up (cut.T, cluster);

  return shu_div_up (rows, cut.TY) * THREADS * 16;
}

/* Columns that are whole groups, and whole units of memory if there are such;
 * 0: none */
static unsigned
width_of (size_t C, unsigned size)
{
  for (unsigned unit = SECTOR; unit >= 16; unit /= 2)
    for (unsigned n = 1; n <= MAX_GROUPS && n * size <= C; n++) {
      unsigned bytes = n * size * sizeof (__half);

      if (C % (n * size) == 0 && bytes % unit == 0 &&
          bytes / 16 <= MAX_VECTORS && (bytes >= MIN_BYTES || n * size == C))
        return n * size;
    }
  return 0;
}

/* Blocks of a cluster at most: what was compiled for older cards, from which
 * the driver may have made this card's code, has none. */
static unsigned
largest_cluster (int sm)
{
  cudaFuncAttributes a;

  if (sm >= 90 && cudaFuncGetAttributes (&a, group_norm_whole) == cudaSuccess)
    return a.ptxVersion >= 90 ? MAX_CLUSTER : 1;
  cudaGetLastError ();
  return 1;
}

/* FALSE: not for this kernel. */
static bool
cut_of (Cut *ret, size_t B, size_t T, size_t C, int n_groups, int sm)
{
  Cut cut = {};
  unsigned most;

  cut.T = (unsigned) T;
  cut.C = (unsigned) C;
  cut.size = cut.C / (unsigned) n_groups;
  cut.width = width_of (C, cut.size);
  if (cut.width == 0 || C % SHU_VECTOR || T > 1u << 20 ||
      B * (C / cut.width) > 65535)
    return false;
  cut.TX = cut.width / SHU_VECTOR;
  cut.TY = THREADS / cut.TX;
  most = largest_cluster (sm);
  cut.cluster = 1;
  while (cut.cluster < most && stash_bytes (cut, cut.cluster) > GOOD_BYTES)
    cut.cluster *= 2;
  cut.rows = (unsigned) shu_div_up (T, cut.cluster);
  cut.deep = (unsigned) shu_div_up (cut.rows, cut.TY);
  *ret = cut;
  return stash_bytes (cut, cut.cluster) <= MOST_BYTES &&
         (cut.cluster - 1) * cut.rows < T;
}

extern "C" int
shu_launch_group_norm_whole_fits (
    size_t B, size_t T, size_t C, int n_groups, int sm)
{
  Cut cut;

  return B > 0 && T > 0 && C > 0 && n_groups > 0 && C % n_groups == 0 &&
         cut_of (&cut, B, T, C, n_groups, sm);
}

extern "C" cudaError_t
shu_launch_group_norm_whole (void *y, const void *x, const void *add,
    const float *w, const float *b, size_t B, size_t T, size_t C, int n_groups,
    float eps, int act, int e4m3, int sm, cudaStream_t stream)
{
  cudaLaunchConfig_t config = {};
  cudaLaunchAttribute attribute;
  cudaError_t e;
  Cut cut;

  if (!cut_of (&cut, B, T, C, n_groups, sm) || !shu_aligned (y) ||
      !shu_aligned (x) || !shu_aligned (add))
    return cudaErrorInvalidValue;
  config.gridDim = dim3 (cut.cluster, (unsigned) (B * (C / cut.width)));
  config.blockDim = dim3 (THREADS);
  config.dynamicSmemBytes = room_bytes (cut);
  config.stream = stream;
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = cut.cluster;
  attribute.val.clusterDim.y = 1;
  attribute.val.clusterDim.z = 1;
  config.attrs = &attribute;
  config.numAttrs = cut.cluster > 1 ? 1 : 0;
  e = shu_allow_shared<group_norm_whole> (config.dynamicSmemBytes);
  if (e != cudaSuccess)
    return e;
  return cudaLaunchKernelEx (&config, group_norm_whole, y, (const __half *) x,
      (const __half *) add, w, b, cut, eps, act, e4m3);
}
