/* SPDX-License-Identifier: MIT */
#include "cli_fixture.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- pictures ---- */

/* A PNG file whose header promises 60000 x 60000 pixels. */
static void
put_huge (CliFixture *f)
{
  static const guint8 huge[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,
      0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0,
      0, 0, 0x0f, 0xb0, 0xe2, 0x15, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41,
      0x54, 0x78, 0x9c, 0x63, 0x60, 0x80, 0x01, 0x00, 0x00, 0x0a, 0x00, 0x01,
      0x7f, 0x80, 0x74, 0x5e, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60,
      0x82};

  harness_put (f->in, "huge.png", huge, sizeof huge);
}

void
cli_setup (CliFixture *f, gconstpointer data)
{
  static const guint8 jpeg[] = {
      0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1};
  g_autofree char *empty = NULL;
  g_autoptr (GBytes) png = harness_png (90, 130, TRUE);
  g_autoptr (GBytes) clear = harness_png (80, 80, FALSE);
  g_autoptr (GBytes) glb = harness_glb ();

  f->in = harness_folder ();
  f->out = harness_folder ();
  harness_put (
      f->in, "good.png", g_bytes_get_data (png, NULL), g_bytes_get_size (png));
  harness_put (f->in, "short.png", g_bytes_get_data (png, NULL), 200);
  harness_put (f->in, "clear.png", g_bytes_get_data (clear, NULL),
      g_bytes_get_size (clear));
  harness_put (
      f->in, "box.glb", g_bytes_get_data (glb, NULL), g_bytes_get_size (glb));
  harness_put (f->in, "short.glb", g_bytes_get_data (glb, NULL), 800);
  harness_put_png (f->in, "dot.png", 1, 1);
  harness_put (f->in, "short.jpg", jpeg, sizeof jpeg);
  harness_put (f->in, "empty.jpg", "", 0);
  harness_put (f->in, "text.jpg", "no picture", 10);
  put_huge (f);
  empty = g_build_filename (f->in, "empty-model", NULL);
  g_mkdir (empty, 0777);
}

void
cli_teardown (CliFixture *f, gconstpointer data)
{
  harness_remove (f->in);
  harness_remove (f->out);
  g_free (f->in);
  g_free (f->out);
  g_free (f->text);
  g_free (f->errors);
}

/* ---- running ---- */

static void
in_child (gpointer data)
{
  const CliFixture *f = data;
  struct rlimit limit = {50000, 50000};

  /* a write beyond this fails, as on a full disk */
  if (f->disk_full) {
    signal (SIGXFSZ, SIG_IGN);
    setrlimit (RLIMIT_FSIZE, &limit);
  }
}

int
cli_run (CliFixture *f, const char *program, const char *args)
{
  g_auto (GStrv) words = g_strsplit (args, " ", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_strv_builder_add (builder, program);
  for (char **w = words; *w; w++) {
    g_autofree char *path = g_str_has_prefix (*w, "IN/")
                                ? g_build_filename (f->in, *w + 3, NULL)
                                : g_strdup (*w);

    if (*path)
      g_strv_builder_add (builder, path);
  }
  argv = g_strv_builder_end (builder);
  g_clear_pointer (&f->text, g_free);
  g_clear_pointer (&f->errors, g_free);
  g_spawn_sync (f->out, argv, NULL, G_SPAWN_DEFAULT, in_child, f, &f->text,
      &f->errors, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

int
cli_count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  int n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

int
cli_count_errors (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  int n = 0;

  for (char **l = lines; *l; l++)
    n += g_str_has_prefix (*l, "synchuman: ") && !strstr (*l, ": warning: ");
  return n;
}

char *
cli_stay_apart (void)
{
  char *home = harness_folder ();

  g_setenv ("SHU_MODEL", "synthetic-tiny:7", TRUE);
  g_setenv ("XDG_CACHE_HOME", home, TRUE);
  g_setenv ("U2NET_HOME", home, TRUE);
  g_unsetenv ("TORCH_HOME");
  return home;
}
