/* SPDX-License-Identifier: MIT */
/* Writing takes the place of ordinary files, and of nothing else. */
#include "base/error.h"
#include "base/file.h"
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *folder, *file, *link;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("synchuman-file-XXXXXX", NULL);
  f->file = g_build_filename (f->folder, "file", NULL);
  f->link = g_build_filename (f->folder, "link", NULL);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_unlink (f->file);
  g_unlink (f->link);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->folder);
  g_free (f->file);
  g_free (f->link);
}

static void
writes (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (shu_file_check (path, &error));
  g_assert_true (shu_file_write (path, text, strlen (text), &error));
  g_assert_no_error (error);
}

static void
refuses (const char *path, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;

  g_assert_false (shu_file_check (path, &error));
  g_assert_error (error, SHU_ERROR, code);
  g_assert_false (shu_file_write (path, "text", 4, &again));
  g_assert_error (again, SHU_ERROR, code);
}

static void
follows_links (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL;

  writes (f->file, "before");
  g_assert_cmpint (symlink ("file", f->link), ==, 0);
  writes (f->link, "after");
  g_assert_true (g_file_test (f->link, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_get_contents (f->file, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "after");
}

static void
leaves_others (Fixture *f, gconstpointer data)
{
  g_autofree char *below = g_build_filename (f->folder, "no", "file", NULL);

  g_assert_cmpint (mkfifo (f->file, 0600), ==, 0);
  g_assert_cmpint (symlink ("file", f->link), ==, 0);
  refuses (f->file, SHU_ERROR_INVALID);
  refuses (f->link, SHU_ERROR_INVALID);
  refuses (f->folder, SHU_ERROR_INVALID);
  refuses (below, SHU_ERROR_IO);
  g_assert_true (g_file_test (f->link, G_FILE_TEST_IS_SYMLINK));
}

#define ADD(path, func)                                                        \
  g_test_add ("/base/file/" path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("follows_links", follows_links);
  ADD ("leaves_others", leaves_others);
  return g_test_run ();
}
