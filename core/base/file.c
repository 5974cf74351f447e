/* SPDX-License-Identifier: MIT */
#include "file.h"
#include "error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
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

gboolean
shu_file_write_parts (
    const char *path, ShuFilePart part, gpointer data, GError **error)
{
  g_autofree char *temp = g_strdup_printf ("%s.XXXXXX", path);
  int fd = g_mkstemp_full (temp, O_WRONLY | O_CLOEXEC, 0666);
  GError *cause = NULL;
  gboolean ok;
  int e;

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
  if (ok && !cause && g_rename (temp, path) != 0) {
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
