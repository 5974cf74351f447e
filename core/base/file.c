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

gboolean
shu_file_write (
    const char *path, gconstpointer data, gsize size, GError **error)
{
  g_autofree char *temp = g_strdup_printf ("%s.XXXXXX", path);
  int fd = g_mkstemp_full (temp, O_WRONLY | O_CLOEXEC, 0666);
  gboolean ok;
  int e;

  if (fd < 0) {
    e = errno;
    g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
        path, g_strerror (e));
    return FALSE;
  }
  ok = write_all (fd, data, size);
  e = errno;
  if (close (fd) != 0 && ok) {
    e = errno;
    ok = FALSE;
  }
  if (ok && g_rename (temp, path) != 0) {
    e = errno;
    ok = FALSE;
  }
  if (!ok) {
    g_unlink (temp);
    g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
        path, g_strerror (e));
  }
  return ok;
}
