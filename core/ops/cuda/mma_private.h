/* SPDX-License-Identifier: MIT */
/* Tensor cores and asynchronous copies (sm_80 and later), as PTX has them.
 *
 * Fragments of m16n8k16, lane = 4 g + t: a holds rows g and g + 8 (second,
 * fourth word) and columns 2t, 2t + 1, plus 8 in the third and fourth word; b
 * holds rows 2t, 2t + 1, plus 8 in the second word, of column g; c and d hold
 * columns 2t, 2t + 1 of row g, then of row g + 8. */
#pragma once
#include <cuda_fp16.h>
#include <stdint.h>

/* d += a b */
static __device__ inline void
shu_mma (float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8x8 matrices; lanes 8 i .. 8 i + 7 point at the rows of the i-th, 16
 * bytes each.  Word i: columns 2t, 2t + 1 of row g of the i-th. */
static __device__ inline void
shu_ldmatrix_at (uint32_t (&ret)[4], uint32_t at)
{
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(ret[0]), "=r"(ret[1]), "=r"(ret[2]), "=r"(ret[3])
               : "r"(at)
               : "memory");
}

static __device__ inline void
shu_ldmatrix (uint32_t (&ret)[4], const __half *row)
{
  shu_ldmatrix_at (ret, (uint32_t) __cvta_generic_to_shared (row));
}

/* The same of the transposed matrices: rows 2t, 2t + 1 of column g. */
static __device__ inline void
shu_ldmatrix_trans_at (uint32_t (&ret)[4], uint32_t at)
{
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(ret[0]), "=r"(ret[1]), "=r"(ret[2]), "=r"(ret[3])
      : "r"(at)
      : "memory");
}

static __device__ inline void
shu_ldmatrix_trans (uint32_t (&ret)[4], const __half *row)
{
  shu_ldmatrix_trans_at (ret, (uint32_t) __cvta_generic_to_shared (row));
}

/* 16 bytes to shared memory, or zeros; both addresses multiples of 16, src
 * valid in any case. */
static __device__ inline void
shu_copy_async (__half *dst, const __half *src, bool there)
{
  uint32_t at = (uint32_t) __cvta_generic_to_shared (dst);

  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(at), "l"(src), "r"(there ? 16 : 0)
               : "memory");
}

/* Ends a group of copies. */
static __device__ inline void
shu_copy_commit (void)
{
  asm volatile("cp.async.commit_group;" : : : "memory");
}

/* Waits until all but the last N groups of this thread have arrived. */
template <int N>
static __device__ inline void
shu_copy_wait (void)
{
  asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

/* Word i of lane t for word t of lane i, among 4 neighbours */
static __device__ inline void
shu_turn_words (uint32_t (&w)[4], unsigned lane)
{
#pragma unroll
  for (int far = 1; far <= 2; far *= 2)
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (!(i & far)) {
        bool upper = lane & far;
        uint32_t give = upper ? w[i] : w[i + far];
        uint32_t got = __shfl_xor_sync (0xffffffff, give, far);

        if (upper)
          w[i] = got;
        else
          w[i + far] = got;
      }
}
