/* SPDX-License-Identifier: MIT */
/* What a stage will take of the device's memory, known before it begins: the
 * stage is run for one step with a context that computes nothing and counts
 * what would be allocated.  docs/performance.md compares the sums with what was
 * measured. */
#include "stages/model_private.h"
#include "base/error.h"
#include "ops/record.h"
#include <string.h>

/* What a stage takes beside results and weights: the most that a plan of the
 * libraries may ask for beside its operands (3.4 MB do on an H200, other cards
 * have other plans), and code that these load when they first need it, 24 MB.
 */
static const gsize WORKSPACE = (gsize) 64 << 20, CODE = (gsize) 32 << 20;

gsize
shu_memory_needed (ShuModel *m, int n, gboolean low, ShuRehearsal rehearsal,
    gpointer data, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new_measure ();
  g_autoptr (ShuRecord) record = shu_record_new (c, SHU_RECORD_DRY);
  g_auto (ShuNetUser) dry = {.model = m, .c = c, .low = low, .together = n};

  if (!rehearsal (&dry, data, error))
    return 0;
  return shu_ctx_held_peak_bytes (c) + WORKSPACE + CODE;
}

static double
gigabytes (gsize bytes)
{
  return (double) bytes / (1 << 30);
}

/* What a stage asks for, and what there is */
typedef struct {
  ShuNetUser *user;
  const char *stage;
  ShuRehearsal rehearsal;
  gpointer data;
  gsize n_free, total;
} Question;

/* The most subjects, up to @most, that fit; 0: not even one, or an error.
 * @ret_needed: what the last count of them that was tried takes */
static int
find_room (const Question *q, int most, int least, gboolean low,
    gsize *ret_needed, GError **error)
{
  for (int n = most; n >= least; n--) {
    gsize needed = shu_memory_needed (
        q->user->model, n, low, q->rehearsal, q->data, error);

    if (needed == 0)
      return 0;
    *ret_needed = needed;
    if (*ret_needed <= q->n_free)
      return n;
  }
  return 0;
}

static void
say_less (const Question *q, int n, gboolean low, gsize needed)
{
  g_autofree char *fewer = NULL;

  if (n < q->user->together)
    fewer =
        g_strdup_printf ("; %d of %d subjects at a time", n, q->user->together);
  g_message ("%s: %s: %.1f GB of GPU memory would be needed, %.1f GB are "
             "free%s%s",
      q->user->model->device, q->stage, gigabytes (needed),
      gigabytes (q->n_free),
      low ? "; networks are loaded one after the other" : "",
      fewer ? fewer : "");
}

/* What can be done, after @fits subjects fit as it is and one would take
 * @needed_low of little memory */
static char *
advice (const Question *q, int fits, gsize needed_low)
{
  if (fits > 0)
    return g_strdup_printf (
        "work on fewer subjects together (batch-size=%d), close other programs "
        "that use the GPU, or set memory=auto",
        fits);
  if (q->user->low)
    return g_strdup ("close other programs that use the GPU, use one with more "
                     "memory, or device=cpu");
  return g_strdup_printf (
      "close other programs that use the GPU, or set memory=low, which needs "
      "%.1f GB",
      gigabytes (needed_low));
}

/* @needed: as a whole, @fits: subjects that fit the same way */
static gboolean
refuse (
    const Question *q, gsize needed, int fits, gsize needed_low, GError **error)
{
  g_autofree char *way_out = advice (q, fits, needed_low);
  g_autofree char *count =
      q->user->together > 1 && fits > 0
          ? g_strdup_printf (" of %d subjects", q->user->together)
          : g_strdup ("");

  g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
      "%s: %s%s needs %.1f GB of GPU memory, %.1f of %.1f GB are free; %s",
      q->user->model->device, q->stage, count, gigabytes (needed),
      gigabytes (q->n_free), gigabytes (q->total), way_out);
  return FALSE;
}

/* All of them as they are wanted, or an error. */
static gboolean
admit_normal (const Question *q, GError **error)
{
  gsize needed = 0, needed_less = 0, needed_low = 0;
  GError *cause = NULL;
  int n = q->user->together;
  int fits = find_room (q, n, n, FALSE, &needed, &cause);

  if (fits == n)
    return TRUE;
  if (!cause && n > 1)
    fits = find_room (q, n - 1, 1, FALSE, &needed_less, &cause);
  if (!cause && fits == 0)
    find_room (q, 1, 1, TRUE, &needed_low, &cause);
  if (cause) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  return refuse (
      q, fits > 0 || n == 1 ? needed : needed_less, fits, needed_low, error);
}

/* As many as fit, with all networks where @mode lets them stay. */
static gboolean
admit_what_fits (const Question *q, ShuMemory mode, GError **error)
{
  ShuNetUser *u = q->user;
  gsize wanted = 0, needed = 0;
  GError *cause = NULL;
  int n = u->together, fits = 0;

  u->low = mode == SHU_MEMORY_LOW;
  fits = find_room (q, n, n, u->low, &wanted, &cause);
  if (!cause && fits == 0 && n > 1)
    fits = find_room (q, n - 1, 1, u->low, &needed, &cause);
  if (!cause && fits == 0 && !u->low) {
    u->low = TRUE;
    fits = find_room (q, n, 1, TRUE, &needed, &cause);
  }
  if (cause) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  if (fits == 0)
    return refuse (q, needed ? needed : wanted, 0, 0, error);
  if (fits < n || (u->low && mode != SHU_MEMORY_LOW))
    say_less (q, fits, u->low && mode != SHU_MEMORY_LOW, wanted);
  u->together = fits;
  return TRUE;
}

gboolean
shu_memory_admit (ShuNetUser *u, const char *stage, ShuRehearsal rehearsal,
    gpointer data, GError **error)
{
  Question q = {u, stage, rehearsal, data, 0, 0};
  ShuMemory mode = u->model->memory;

  u->low = mode == SHU_MEMORY_LOW;
  u->together = MAX (u->together, 1);
  if (strcmp (u->model->device, "cpu") == 0)
    u->together = 1;
  if (!shu_model_device_memory (u->model, &q.n_free, &q.total))
    return TRUE;
  return mode == SHU_MEMORY_NORMAL ? admit_normal (&q, error)
                                   : admit_what_fits (&q, mode, error);
}
