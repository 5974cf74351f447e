/* SPDX-License-Identifier: MIT */
#include "progress.h"

gboolean
shu_progress (const ShuProgress *progress, const char *stage, int step,
    int total, GError **error)
{
  if (!progress)
    return TRUE;
  if (g_cancellable_set_error_if_cancelled (progress->cancellable, error))
    return FALSE;
  if (progress->func)
    progress->func (stage, step, total, progress->data);
  return TRUE;
}
