/* SPDX-License-Identifier: MIT */
#include "base/precision.h"
#include "base/error.h"
#include <string.h>

gboolean
shu_precision_parse (
    const char *text, ShuPrecision *ret_precision, GError **error)
{
  static const char *const words[] = {
      [SHU_PRECISION_F16] = "f16",
      [SHU_PRECISION_FP8] = "fp8",
  };

  if (!text || !*text)
    text = words[SHU_PRECISION_F16];
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (text, words[i]) == 0) {
      *ret_precision = (ShuPrecision) i;
      return TRUE;
    }
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "precision \"%.40s\": expected f16 or fp8", text);
  return FALSE;
}
