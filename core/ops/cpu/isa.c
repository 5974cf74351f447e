/* SPDX-License-Identifier: MIT */
/* Chooses among the instruction sets that kernels.c is compiled for. */
#include "ops/cpu/kernels_private.h"
#include <dnnl.h>

extern const ShuKernels shu_kernels_baseline, shu_kernels_avx2,
    shu_kernels_avx512;

static const ShuKernels *
choose (void)
{
#ifdef __x86_64__
  guint isa = (guint) dnnl_get_effective_cpu_isa ();

  if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
    return &shu_kernels_avx512;
  if ((isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2)
    return &shu_kernels_avx2;
#endif
  return &shu_kernels_baseline;
}

const ShuKernels *
shu_kernels (void)
{
  static gsize chosen;

  if (g_once_init_enter (&chosen))
    g_once_init_leave (&chosen, (gsize) choose ());
  return (const ShuKernels *) chosen;
}
