/* SPDX-License-Identifier: MIT */
/* What sm_90a has beyond mma_private.h: products of a whole warpgroup whose
 * operands are in shared memory, copies by descriptor, barriers that count
 * bytes.
 *
 * Operands are rows of 64 halves (128 bytes) as the copy leaves them with its
 * 128 byte swizzle: 8 rows are 1024 bytes, which begin at a multiple of that.
 * Of d [64,N] lane 4 g + t of warp w has rows 16 w + g and, in the second
 * half of each four, 8 more; columns 8 j + 2 t and the next in the j-th four.
 */
#pragma once
#include <cuda.h>
#include <cuda_runtime.h>
#include <stdint.h>
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/mma_private.h"

/* ---- products ---- */

/* Rows of 64 halves at @at in shared memory; + 2 for each 16 halves further */
static __device__ inline uint64_t
shu_wgmma_operand (uint32_t at)
{
  return (uint64_t) ((at & 0x3ffff) >> 4) | (uint64_t) 1 << 16 |
         (uint64_t) (1024 >> 4) << 32 | (uint64_t) 1 << 62;
}

/* Rows of 64 bytes, with the copy's 64 byte swizzle: 8 of them are 512 */
static __device__ inline uint64_t
shu_wgmma_operand_narrow (uint32_t at)
{
  return (uint64_t) ((at & 0x3ffff) >> 4) | (uint64_t) 1 << 16 |
         (uint64_t) (512 >> 4) << 32 | (uint64_t) 2 << 62;
}

/* Rows of 32 bytes, with the copy's 32 byte swizzle: 8 of them are 256 */
static __device__ inline uint64_t
shu_wgmma_operand_thin (uint32_t at)
{
  return (uint64_t) ((at & 0x3ffff) >> 4) | (uint64_t) 1 << 16 |
         (uint64_t) (256 >> 4) << 32 | (uint64_t) 3 << 62;
}

/* The same in two steps, for sums of less: what changes, and the whole */
static __device__ inline uint32_t
shu_wgmma_low (uint32_t at)
{
  return (at & 0x3ffff) >> 4 | 1u << 16;
}

static __device__ inline uint64_t
shu_wgmma_whole (uint32_t low)
{
  return (uint64_t) (1024 >> 4 | 1u << 30) << 32 | low;
}

/* Before products that read or write registers changed since. */
static __device__ inline void
shu_wgmma_fence (void)
{
  asm volatile("wgmma.fence.sync.aligned;" : : : "memory");
}

static __device__ inline void
shu_wgmma_commit (void)
{
  asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");
}

/* Until all but the last N groups are done */
template <int N>
static __device__ inline void
shu_wgmma_wait (void)
{
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(N) : "memory");
}

/* What products have written is there from here on. */
template <int N>
static __device__ inline void
shu_wgmma_settle (float (&d)[N])
{
#pragma unroll
  for (int i = 0; i < N; i++)
    asm volatile("" : "+f"(d[i]) : : "memory");
}

/* clang-format off */
#define EIGHT(i)                                                               \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), \
  "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])

/* d [64,256] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[128], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "%128, %129, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), EIGHT (64), EIGHT (72), EIGHT (80), EIGHT (88),
        EIGHT (96), EIGHT (104), EIGHT (112), EIGHT (120)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,176] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[88], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %90, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n176k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87}, "
      "%88, %89, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), EIGHT (64), EIGHT (72), EIGHT (80)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,160] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[80], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %82, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n160k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79}, "
      "%80, %81, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), EIGHT (64), EIGHT (72)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,144] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[72], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %74, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n144k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71}, "
      "%72, %73, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), EIGHT (64)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,136] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[68], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %70, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n136k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67}, "
      "%68, %69, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), FOUR (64)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,128] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[64], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,104] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[52], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %54, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n104k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51}, "
      "%52, %53, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        FOUR (48)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,96] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[48], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %50, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}, "
      "%48, %49, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,88] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[44], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %46, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n88k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43}, "
      "%44, %45, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), FOUR (40)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,80] (+)= a b; adds where @add */
static __device__ inline void
shu_wgmma (float (&d)[40], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %42, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n80k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39}, "
      "%40, %41, p, 1, 1, 0, 0;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,64] += a b; a in registers, as mma_private.h has them; of b the rows
 * of 64 halves are those of the sum */
static __device__ inline void
shu_wgmma_rows (float (&d)[32], const uint32_t (&a)[4], uint64_t b)
{
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1, 1;\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

/* The same of 16 columns, with rows of 16 halves of b */
static __device__ inline void
shu_wgmma_rows (float (&d)[8], const uint32_t (&a)[4], uint64_t b)
{
  asm volatile("wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9, %10, %11}, %12, 1, 1, 1, 1;\n"
      : EIGHT (0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

/* d [64,160] (+)= a b of E4M3, 32 of K; adds where @add */
static __device__ inline void
shu_wgmma_e4m3 (float (&d)[80], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %82, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n160k32.f32.e4m3.e4m3 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79}, "
      "%80, %81, p, 1, 1;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56), EIGHT (64), EIGHT (72)
      : "l"(a), "l"(b), "r"(add));
}

/* d [64,128] (+)= a b of E4M3, 32 of K; adds where @add */
static __device__ inline void
shu_wgmma_e4m3 (float (&d)[64], uint64_t a, uint64_t b, int add)
{
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, p, 1, 1;\n}\n"
      : EIGHT (0), EIGHT (8), EIGHT (16), EIGHT (24), EIGHT (32), EIGHT (40),
        EIGHT (48), EIGHT (56)
      : "l"(a), "l"(b), "r"(add));
}

#undef EIGHT
#undef FOUR

/* clang-format on */

/* ---- results ---- */

/* Four halves as E4M3 */
static __device__ inline uint32_t
shu_pack_e4m3 (uint32_t a, uint32_t b)
{
  return __nv_cvt_halfraw2_to_fp8x2 (
             *(__half2_raw *) &a, __NV_SATFINITE, __NV_E4M3) |
         (uint32_t) __nv_cvt_halfraw2_to_fp8x2 (
             *(__half2_raw *) &b, __NV_SATFINITE, __NV_E4M3)
             << 16;
}

/* Of attention with heads of up to 64: a warp's 16 rows of the first @n
 * channels of @o over the @sum of their weights, of which the lane has a part,
 * as f16.  y: the first of them, of which @left exist */
static __device__ inline void
shu_write_rows (__half *y, const float (&o)[32], const float (&sum)[2],
    int left, unsigned n, size_t ld, unsigned lane)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    int row = (int) lane / 4 + 8 * h;
    float weight = 1 / shu_lanes_sum (sum[h], 4);

#pragma unroll
    for (int c = 0; c < 8; c += 4) {
      unsigned channel = (c + lane % 4) * 8;
      uint32_t w[4];

#pragma unroll
      for (int i = 0; i < 4; i++)
        w[i] = shu_pack (o[4 * (c + i) + 2 * h] * weight,
            o[4 * (c + i) + 2 * h + 1] * weight);
      shu_turn_words (w, lane);
      if (row < left && channel < n)
        *(uint4 *) (y + row * ld + channel) =
            make_uint4 (w[0], w[1], w[2], w[3]);
    }
  }
}

/* ---- barriers and copies; addresses are of shared memory ---- */

static __device__ inline void
shu_barrier_init (uint32_t barrier, int count)
{
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
               :
               : "r"(barrier), "r"(count)
               : "memory");
}

static __device__ inline void
shu_barrier_arrive (uint32_t barrier)
{
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];"
               :
               : "r"(barrier)
               : "memory");
}

/* Arrives, and lets the barrier wait for that many bytes besides. */
static __device__ inline void
shu_barrier_expect (uint32_t barrier, uint32_t bytes)
{
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               :
               : "r"(barrier), "r"(bytes)
               : "memory");
}

/* Until the phase of that parity is complete */
static __device__ inline void
shu_barrier_wait (uint32_t barrier, uint32_t parity)
{
  uint32_t done;

  do
    asm volatile("{\n.reg .pred p;\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, p;\n}\n"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  while (!done);
}

/* So that the first copy need not wait for the description */
static __device__ inline void
shu_prefetch_map (const CUtensorMap *map)
{
  asm volatile("prefetch.tensormap [%0];" : : "l"(map) : "memory");
}

/* The box of @map at (x, y) to @to */
static __device__ inline void
shu_copy_box (
    uint32_t to, const CUtensorMap *map, int x, int y, uint32_t barrier)
{
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile"
               ".mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
               :
               : "r"(to), "l"(map), "r"(x), "r"(y), "r"(barrier)
               : "memory");
}

/* The same of four dimensions */
static __device__ inline void
shu_copy_box (uint32_t to, const CUtensorMap *map, int x, int y, int z, int u,
    uint32_t barrier)
{
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile"
               ".mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], "
               "[%6];"
               :
               : "r"(to), "l"(map), "r"(x), "r"(y), "r"(z), "r"(u), "r"(barrier)
               : "memory");
}

/* The same of a map with sequences: from row @y of the @z-th on */
static __device__ inline void
shu_copy_box_of (
    uint32_t to, const CUtensorMap *map, int x, int y, int z, uint32_t barrier)
{
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile"
               ".mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];"
               :
               : "r"(to), "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier)
               : "memory");
}

/* ---- on the host ---- */

typedef CUresult (*ShuEncode) (CUtensorMap *, CUtensorMapDataType, cuuint32_t,
    void *, const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
    const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
    CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/* cuTensorMapEncodeTiled(), or NULL: the driver has none. */
static inline ShuEncode
shu_box_encode (void)
{
  static ShuEncode encode;
  cudaDriverEntryPointQueryResult found;
  void *f = NULL;

  if (!encode &&
      cudaGetDriverEntryPointByVersion ("cuTensorMapEncodeTiled", &f, 12000,
          cudaEnableDefault, &found) == cudaSuccess &&
      found == cudaDriverEntryPointSuccess)
    encode = (ShuEncode) f;
  return encode;
}

/* Boxes of rows of @dims[0] halves, zeros beyond any of the @n_dims; @steps of
 * the others in bytes; the box's first side is 64 or 16, which is the
 * swizzle's. FALSE: the driver has none. */
static inline bool
shu_boxes (CUtensorMap *ret, const void *data, unsigned n_dims,
    const cuuint64_t *dims, const cuuint64_t *steps, const cuuint32_t *box)
{
  ShuEncode encode = shu_box_encode ();
  const cuuint32_t ones[] = {1, 1, 1, 1};

  return encode &&
         encode (ret, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, n_dims, (void *) data,
             dims, steps, box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
             box[0] == 64 ? CU_TENSOR_MAP_SWIZZLE_128B
                          : CU_TENSOR_MAP_SWIZZLE_32B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

/* Of @rows rows of @n halves, @ld apart, boxes of @box rows by 64 halves; 16
 * byte aligned */
static inline bool
shu_box_map (CUtensorMap *ret, const void *data, size_t rows, size_t n,
    size_t ld, int box)
{
  const cuuint64_t dims[] = {n, rows}, steps[] = {ld * 2};
  const cuuint32_t boxes[] = {64, (cuuint32_t) box};

  return shu_boxes (ret, data, 2, dims, steps, boxes);
}

/* The same of @B sequences, @width halves wide, for shu_copy_box_of() */
static inline bool
shu_box_map_of (CUtensorMap *ret, const void *data, size_t B, size_t rows,
    size_t n, size_t ld, int box, int width = 64)
{
  const cuuint64_t dims[] = {n, rows, B}, steps[] = {ld * 2, rows * ld * 2};
  const cuuint32_t boxes[] = {(cuuint32_t) width, (cuuint32_t) box, 1};

  return shu_boxes (ret, data, 3, dims, steps, boxes);
}

/* Of @B sequences of @rows tokens, @ld apart, with @NH heads of @HD halves side
 * by side, boxes of @box tokens by 64 halves of a head at (0, token, head,
 * sequence): zeros beyond a head that is smaller */
static inline bool
shu_box_map_of_heads (CUtensorMap *ret, const void *data, size_t B, size_t rows,
    size_t NH, size_t HD, size_t ld, int box)
{
  const cuuint64_t dims[] = {HD, rows, NH, B};
  const cuuint64_t steps[] = {ld * 2, HD * 2, rows * ld * 2};
  const cuuint32_t boxes[] = {64, (cuuint32_t) box, 1, 1};

  return shu_boxes (ret, data, 4, dims, steps, boxes);
}
