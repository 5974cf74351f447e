/* SPDX-License-Identifier: MIT */
#include "api_job.h"
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/random.h>

enum { ID_BYTES = 8 };

typedef struct {
  ApiWatch watch;
  gpointer data;
} Watch;

/* ---- life ---- */

ApiJob *
api_job_alloc (const char *root, const char *id)
{
  ApiJob *job = g_rc_box_new0 (ApiJob);

  job->id = g_strdup (id);
  job->folder = g_build_filename (root, id, NULL);
  job->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  job->stages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  job->warnings = g_ptr_array_new_with_free_func (g_free);
  job->watches = g_ptr_array_new_with_free_func (g_free);
  job->stage_left = job->expected = job->coverage = -1;
  return job;
}

static void
job_clear (gpointer data)
{
  ApiJob *job = data;

  g_free (job->id);
  g_free (job->folder);
  g_hash_table_unref (job->values);
  g_hash_table_unref (job->stages);
  g_ptr_array_unref (job->warnings);
  g_ptr_array_unref (job->watches);
  g_free (job->key);
  g_free (job->print);
  g_free (job->stage);
  g_free (job->preview);
  g_free (job->cause);
  g_free (job->message);
}

ApiJob *
api_job_ref (ApiJob *job)
{
  return g_rc_box_acquire (job);
}

void
api_job_unref (ApiJob *job)
{
  g_rc_box_release_full (job, job_clear);
}

gboolean
api_job_is_id (const char *id)
{
  return strlen (id) == 2 * ID_BYTES &&
         strspn (id, "0123456789abcdef") == 2 * ID_BYTES;
}

/* Nobody shall guess those of others. */
static char *
new_id (void)
{
  guint8 bytes[ID_BYTES];
  GString *id = g_string_new (NULL);

  while (getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
    ;
  for (int i = 0; i < ID_BYTES; i++)
    g_string_append_printf (id, "%02x", bytes[i]);
  return g_string_free (id, FALSE);
}

ApiJob *
api_job_new (const char *root, GError **error)
{
  g_autofree char *id = new_id ();
  g_autoptr (ApiJob) job = api_job_alloc (root, id);
  g_autofree char *stage2 =
      g_build_filename (job->folder, "stage2_output", NULL);

  if (g_mkdir_with_parents (stage2, 0700) != 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "%s: the folder cannot be made: %s", stage2, g_strerror (errno));
    return NULL;
  }
  job->created = g_get_real_time ();
  return g_steal_pointer (&job);
}

gboolean
api_job_is_over (const ApiJob *job)
{
  return job->state >= API_COMPLETED;
}

double
api_job_seconds_left (const ApiJob *job)
{
  double passed = (double) (g_get_real_time () - job->started) / 1e6;

  if (job->state != API_RUNNING)
    return -1;
  /* of the whole job, where that is known, else of this stage */
  return job->expected > passed ? job->expected - passed : job->stage_left;
}

/* ---- who watches ---- */

void
api_job_watch (ApiJob *job, ApiWatch watch, gpointer data)
{
  Watch *w = g_new (Watch, 1);

  *w = (Watch){watch, data};
  g_ptr_array_add (job->watches, w);
}

void
api_job_unwatch (ApiJob *job, ApiWatch watch, gpointer data)
{
  for (guint i = 0; i < job->watches->len; i++) {
    const Watch *w = job->watches->pdata[i];

    if (w->watch == watch && w->data == data) {
      g_ptr_array_remove_index (job->watches, i);
      return;
    }
  }
}

void
api_job_tell (ApiJob *job, const char *event)
{
  g_autoptr (ApiJob) hold = api_job_ref (job);

  /* from behind: who is told may stop watching */
  for (guint i = job->watches->len; i-- > 0;)
    if (i < job->watches->len) {
      Watch w = *(Watch *) job->watches->pdata[i];

      w.watch (job, event, w.data);
    }
}
