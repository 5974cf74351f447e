/* SPDX-License-Identifier: MIT */
#include "tensor/gpu_arch.h"

gboolean
shu_gpu_arch_runs (const char *archs, int major, int minor)
{
  g_auto (GStrv) list = g_strsplit (archs, " ", -1);

  for (int i = 0; list[i]; i++) {
    char *end;
    int arch = (int) g_ascii_strtoull (list[i], &end, 10);
    gboolean is_last = !list[i + 1];

    if (arch == 10 * major + minor)
      return TRUE;
    if (*end || arch > 10 * major + minor)
      continue;
    if (arch / 10 == major || is_last)
      return TRUE;
  }
  return FALSE;
}
