/* SPDX-License-Identifier: MIT */
/* What a stage will take of the device's memory, known before it begins: the
 * stage is run for one step with a context that computes nothing and counts
 * what would be allocated.  docs/performance.md compares the sums with what was
 * measured. */
#include "stages/model_private.h"
#include "base/error.h"
#include "ops/record.h"

/* The workspace of the context, and code that the libraries load when they
 * first need it. */
static const gsize LIBRARIES = (gsize) 128 << 20;

gsize
shu_memory_needed (ShuModel *m, gboolean low, ShuRehearsal rehearsal,
    gpointer data, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new_measure ();
  g_autoptr (ShuRecord) record = shu_record_new (c, SHU_RECORD_DRY);
  g_auto (ShuNetUser) dry = {.model = m, .c = c, .low = low};

  if (!rehearsal (&dry, data, error))
    return 0;
  return shu_ctx_held_peak_bytes (c);
}

static double
gigabytes (gsize bytes)
{
  return (double) bytes / (1 << 30);
}

static char *
advice (gboolean low, gsize needed_low)
{
  if (low)
    return g_strdup ("close other programs that use the GPU, use one with more "
                     "memory, or device=cpu");
  return g_strdup_printf (
      "close other programs that use the GPU, or set memory=low, which needs "
      "%.1f GB",
      gigabytes (needed_low));
}

gboolean
shu_memory_admit (ShuNetUser *u, const char *stage, ShuRehearsal rehearsal,
    gpointer data, GError **error)
{
  ShuMemory mode = u->model->memory;
  gsize n_free, total, needed = 0, needed_low = 0;
  g_autofree char *way_out = NULL;
  GError *cause = NULL;

  u->low = mode == SHU_MEMORY_LOW;
  if (!shu_model_device_memory (u->model, &n_free, &total))
    return TRUE;
  if (mode != SHU_MEMORY_LOW)
    needed = shu_memory_needed (u->model, FALSE, rehearsal, data, &cause) +
             LIBRARIES;
  if (!cause && mode != SHU_MEMORY_LOW && needed <= n_free)
    return TRUE;
  if (!cause)
    needed_low =
        shu_memory_needed (u->model, TRUE, rehearsal, data, &cause) + LIBRARIES;
  if (cause) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  if (mode != SHU_MEMORY_NORMAL && needed_low <= n_free) {
    if (mode == SHU_MEMORY_AUTO)
      g_message ("%s: %s: %.1f GB of GPU memory would be needed, %.1f GB are "
                 "free; networks are loaded one after the other",
          u->model->device, stage, gigabytes (needed), gigabytes (n_free));
    u->low = TRUE;
    return TRUE;
  }
  if (mode != SHU_MEMORY_NORMAL)
    needed = needed_low;
  way_out = advice (mode != SHU_MEMORY_NORMAL, needed_low);
  g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
      "%s: %s needs %.1f GB of GPU memory, %.1f of %.1f GB are free; %s",
      u->model->device, stage, gigabytes (needed), gigabytes (n_free),
      gigabytes (total), way_out);
  return FALSE;
}
