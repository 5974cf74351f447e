/* SPDX-License-Identifier: MIT */
#include "store.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

struct _Store {
  const Settings *settings;
  GHashTable *jobs; /* id to ApiJob */
  GHashTable *keys; /* key to id */
  int lock;         /* the root, locked; -1: it cannot be */
};

ApiJob *
store_find (const Store *s, const char *id)
{
  return g_hash_table_lookup (s->jobs, id);
}

ApiJob *
store_find_key (const Store *s, const char *key)
{
  const char *id = g_hash_table_lookup (s->keys, key);

  return id ? store_find (s, id) : NULL;
}

void
store_add (Store *s, ApiJob *job)
{
  ApiJob *other = job->key ? store_find_key (s, job->key) : NULL;

  g_hash_table_replace (s->jobs, job->id, api_job_ref (job));
  /* the newest has the key, in whatever order a folder lists them */
  if (job->key && (!other || other->created <= job->created))
    g_hash_table_replace (s->keys, g_strdup (job->key), g_strdup (job->id));
}

void
store_remove (Store *s, ApiJob *job)
{
  g_autoptr (ApiJob) hold = api_job_ref (job);

  g_return_if_fail (api_job_is_over (job));
  if (job->key && store_find_key (s, job->key) == job)
    g_hash_table_remove (s->keys, job->key);
  g_hash_table_remove (s->jobs, job->id);
  api_job_remove (job);
}

/* ---- how long they are kept ---- */

static int
by_age (gconstpointer a, gconstpointer b)
{
  const ApiJob *x = *(ApiJob *const *) a, *y = *(ApiJob *const *) b;

  return x->finished < y->finished ? -1 : x->finished > y->finished;
}

void
store_tidy (Store *s)
{
  g_autoptr (GPtrArray) over = g_ptr_array_new ();
  gint64 oldest =
      g_get_real_time () - (gint64) s->settings->retention * G_USEC_PER_SEC;
  gint64 bytes = 0;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, s->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    ApiJob *job = value;

    bytes += job->bytes;
    if (api_job_is_over (job) && job->watches->len == 0)
      g_ptr_array_add (over, job);
  }
  g_ptr_array_sort (over, by_age);
  for (guint i = 0; i < over->len; i++) {
    ApiJob *job = over->pdata[i];

    if (job->finished >= oldest && bytes <= s->settings->quota)
      break;
    bytes -= job->bytes;
    log_line (job->id, "info", "removed: %s",
        job->finished < oldest ? "its time is over" : "room is needed");
    store_remove (s, job);
  }
}

/* ---- what an earlier server left ---- */

static int
by_birth (gconstpointer a, gconstpointer b, gpointer data)
{
  const ApiJob *x = a, *y = b;

  return x->created < y->created ? -1 : x->created > y->created;
}

static void
take_up (Store *s, const char *id, GQueue *waiting)
{
  g_autoptr (ApiJob) job = api_job_open (s->settings->root, id);
  g_autofree char *upload = NULL;

  if (!job) { /* it never became a job */
    g_autoptr (ApiJob) rest = api_job_alloc (s->settings->root, id);

    api_job_remove (rest);
    return;
  }
  upload = api_job_upload (job);
  if (api_job_is_over (job)) {
    api_job_measure (job);
    store_add (s, job);
  } else if (job->detached && job->tries < API_MAX_TRIES &&
             g_file_test (upload, G_FILE_TEST_EXISTS)) {
    job->state = API_QUEUED;
    job->started = 0;
    store_add (s, job);
    g_queue_insert_sorted (waiting, api_job_ref (job), by_birth, NULL);
    log_line (job->id, "info", "taken up again");
  } else /* whose client waited for it is gone */
    api_job_remove (job);
}

/* Two servers in one root would take each other's running jobs for those of a
 * server that has ended.  Where a file system has no locks there is none. */
static gboolean
lock_root (Store *s, GError **error)
{
  s->lock = open (s->settings->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->lock < 0 || flock (s->lock, LOCK_EX | LOCK_NB) == 0 ||
      errno != EWOULDBLOCK)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
      "--root %s: another server works there; each needs its own",
      s->settings->root);
  return FALSE;
}

static gboolean
open_root (Store *s, GQueue *waiting, GError **error)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (g_mkdir_with_parents (s->settings->root, 0700) != 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "--root %s: the folder cannot be made: %s", s->settings->root,
        g_strerror (errno));
    return FALSE;
  }
  if (g_access (s->settings->root, W_OK | X_OK) != 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "--root %s: cannot be written to: %s", s->settings->root,
        g_strerror (errno));
    return FALSE;
  }
  if (!lock_root (s, error))
    return FALSE;
  dir = g_dir_open (s->settings->root, 0, error);
  if (!dir)
    return FALSE;
  while ((name = g_dir_read_name (dir)))
    if (api_job_is_id (name))
      take_up (s, name, waiting);
  return TRUE;
}

/* ---- life ---- */

Store *
store_new (const Settings *settings, GQueue *waiting, GError **error)
{
  g_autoptr (Store) s = g_new0 (Store, 1);

  s->settings = settings;
  s->lock = -1;
  s->jobs = g_hash_table_new_full (
      g_str_hash, g_str_equal, NULL, (GDestroyNotify) api_job_unref);
  s->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return open_root (s, waiting, error) ? g_steal_pointer (&s) : NULL;
}

void
store_free (Store *s)
{
  if (!s)
    return;
  if (s->lock >= 0)
    close (s->lock);
  g_hash_table_unref (s->keys);
  g_hash_table_unref (s->jobs);
  g_free (s);
}
