/* SPDX-License-Identifier: MIT */
#include "file.h"
#include "error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

GBytes *
shu_file_map (const char *path, GError **error)
{
  g_autoptr (GMappedFile) map = NULL;
  g_autoptr (GError) cause = NULL;
  GStatBuf st;

  if (g_stat (path, &st) != 0) {
    int e = errno;

    g_set_error (error, SHU_ERROR,
        e == ENOENT ? SHU_ERROR_MISSING : SHU_ERROR_IO, "%s: %s", path,
        g_strerror (e));
    return NULL;
  }
  if (!S_ISREG (st.st_mode) || st.st_size == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "%s: %s", path,
        S_ISREG (st.st_mode) ? "the file is empty" : "not a regular file");
    return NULL;
  }
  map = g_mapped_file_new (path, FALSE, &cause);
  if (!map) {
    g_set_error (
        error, SHU_ERROR, SHU_ERROR_IO, "%s: %s", path, cause->message);
    return NULL;
  }
  return g_mapped_file_get_bytes (map);
}

static gboolean
write_all (int fd, const char *data, gsize size)
{
  while (size > 0) {
    gssize n = write (fd, data, MIN (size, (gsize) 1 << 30));

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    data += n;
    size -= n;
  }
  return TRUE;
}

/* FALSE with errno, or with @error where a part could not be had. */
static gboolean
write_parts (int fd, ShuFilePart part, gpointer data, GError **error)
{
  g_autoptr (GError) cause = NULL;

  for (int i = 0;; i++) {
    g_autoptr (GBytes) bytes = part (i, data, &cause);
    gsize size;
    const char *p;

    if (cause)
      g_propagate_error (error, g_steal_pointer (&cause));
    if (!bytes)
      return TRUE;
    p = g_bytes_get_data (bytes, &size);
    if (!write_all (fd, p, size))
      return FALSE;
  }
}

/* Renaming takes the place of whatever is there, be it a device.
 * Returns: (transfer full) (nullable): where to write @path */
static char *
real_name (const char *path, GError **error)
{
  GStatBuf st;
  char *resolved, *copy;

  if (g_stat (path, &st) == 0 && !S_ISREG (st.st_mode)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: is there and no ordinary file", path);
    return NULL;
  }
  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK) ||
      !(resolved = realpath (path, NULL)))
    return g_strdup (path);
  copy = g_strdup (resolved);
  free (resolved);
  return copy;
}

gboolean
shu_file_check (const char *path, GError **error)
{
  g_autofree char *real = real_name (path, error);
  g_autofree char *folder = real ? g_path_get_dirname (real) : NULL;
  int e;

  if (!real)
    return FALSE;
  if (g_access (folder, W_OK | X_OK) == 0)
    return TRUE;
  e = errno;
  g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
      path, g_strerror (e));
  return FALSE;
}

gboolean
shu_file_write_parts (
    const char *path, ShuFilePart part, gpointer data, GError **error)
{
  g_autofree char *real = real_name (path, error);
  g_autofree char *temp = real ? g_strdup_printf ("%s.XXXXXX", real) : NULL;
  int fd = real ? g_mkstemp_full (temp, O_WRONLY | O_CLOEXEC, 0666) : -1;
  GError *cause = NULL;
  gboolean ok;
  int e;

  if (!real)
    return FALSE;
  if (fd < 0) {
    e = errno;
    g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
        path, g_strerror (e));
    return FALSE;
  }
  ok = write_parts (fd, part, data, &cause);
  e = errno;
  if (close (fd) != 0 && ok) {
    e = errno;
    ok = FALSE;
  }
  if (ok && !cause && g_rename (temp, real) != 0) {
    e = errno;
    ok = FALSE;
  }
  if (ok && !cause)
    return TRUE;
  g_unlink (temp);
  if (cause)
    g_propagate_error (error, cause);
  else
    g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
        path, g_strerror (e));
  return FALSE;
}

static GBytes *
whole (int i, gpointer data, GError **error)
{
  return i == 0 ? g_bytes_ref (data) : NULL;
}

gboolean
shu_file_write (
    const char *path, gconstpointer data, gsize size, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);

  return shu_file_write_parts (path, whole, bytes, error);
}
