/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuPrecision:
 * What the operands of a layer's products are rounded to; sums are f32.
 * @SHU_PRECISION_F16: as the device always does: f16 on a GPU, f32 on the CPU
 * @SHU_PRECISION_FP8: E4M3 (base/e4m3.h) where a GPU gains by it; else as f16
 */
typedef enum {
  SHU_PRECISION_F16,
  SHU_PRECISION_FP8,
} ShuPrecision;

/* "f16" or "fp8"; NULL or "": f16 */
gboolean shu_precision_parse (
    const char *text, ShuPrecision *ret_precision, GError **error);

G_END_DECLS
