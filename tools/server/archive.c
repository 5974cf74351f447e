/* SPDX-License-Identifier: MIT */
#include "archive.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>
#include <zip.h>

static gboolean
fail (zip_error_t *why, GError **error)
{
  int code = zip_error_system_type (why) == ZIP_ET_SYS
                 ? zip_error_code_system (why)
                 : 0;

  /* a process that may not write as much is as good as a full disk */
  g_set_error (error, G_IO_ERROR,
      code == EFBIG ? G_IO_ERROR_NO_SPACE
      : code        ? g_io_error_from_errno (code)
                    : G_IO_ERROR_FAILED,
      "result.zip: %s", zip_error_strerror (why));
  return FALSE;
}

static gboolean
add (zip_t *zip, const char *path, const char *name, gboolean packed,
    GError **error)
{
  zip_source_t *source = zip_source_file (zip, path, 0, -1);
  zip_int64_t at =
      source ? zip_file_add (zip, name, source, ZIP_FL_ENC_UTF_8) : -1;

  if (at < 0) {
    if (source)
      zip_source_free (source);
    return fail (zip_get_error (zip), error);
  }
  /* pictures are packed already */
  zip_set_file_compression (
      zip, (zip_uint64_t) at, packed ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 1);
  return TRUE;
}

static gboolean
add_all (zip_t *zip, const ApiJob *job, GError **error)
{
  const char *name, *file;
  int stage;

  for (int i = 0; api_job_result (i, &stage, &name, &file); i++) {
    g_autofree char *path = api_job_file (job, name, NULL);
    g_autofree char *entry =
        g_build_filename (api_job_stage_folder (stage), file, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS) &&
        !add (zip, path, entry, !g_str_has_suffix (file, ".ply"), error))
      return FALSE;
  }
  return TRUE;
}

static void
write_archive (
    GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const ApiJob *job = data;
  char *path = g_build_filename (job->folder, "result.zip", NULL);
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  GError *error = NULL;
  zip_t *zip;
  zip_error_t why;
  int fd, code = 0;

  if (g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_task_return_pointer (task, path, g_free);
    return;
  }
  fd = g_mkstemp_full (temporary, O_RDWR, 0600);
  if (fd >= 0)
    close (fd);
  zip = zip_open (temporary, ZIP_TRUNCATE | ZIP_CREATE, &code);
  if (!zip) {
    zip_error_init_with_code (&why, code);
    fail (&why, &error);
    zip_error_fini (&why);
  } else if (!add_all (zip, job, &error))
    zip_discard (zip);
  else if (zip_close (zip) != 0) {
    fail (zip_get_error (zip), &error);
    zip_discard (zip);
  } else if (g_rename (temporary, path) != 0)
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_FAILED,
        "result.zip: it cannot be renamed");
  if (error) {
    g_unlink (temporary);
    g_free (path);
    g_task_return_error (task, error);
  } else
    g_task_return_pointer (task, path, g_free);
}

void
archive_write_async (ApiJob *job, GAsyncReadyCallback done, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, done, data);

  g_task_set_task_data (
      task, api_job_ref (job), (GDestroyNotify) api_job_unref);
  g_task_run_in_thread (task, write_archive);
}

char *
archive_write_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
