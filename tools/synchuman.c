/* SPDX-License-Identifier: MIT */
/* The command line program: picks the sub-command. */
#include "commands.h"
#include "job.h"
#include "launch.h"
#include <errno.h>
#include <gst/gst.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  int (*run) (int argc, char **argv);
} commands[] = {
    {"make", cmd_make},
    {"run", cmd_run},
    {"inspect", cmd_inspect},
    {"render", cmd_render},
    {"models", cmd_models},
};

/* By default OpenMP's threads spin while they wait for each other, which costs
 * a job several times its duration where another program uses a core.  The
 * runtime reads its settings when a process starts, so it must start again. */
static void
wait_without_spinning (char **argv)
{
  if (g_getenv ("OMP_WAIT_POLICY") || g_getenv ("GOMP_SPINCOUNT"))
    return;
  g_setenv ("OMP_WAIT_POLICY", "passive", TRUE);
  execv ("/proc/self/exe", argv);
}

/* The server is a program of its own, so that this one does without its
 * libraries. */
static int
serve (char **argv)
{
  g_autofree char *folder = launch_program_folder ();
  g_autofree char *path =
      g_build_filename (folder ? folder : "", "synchuman-server", NULL);

  argv[0] = path; /* in its help */
  execvp (path, argv);
  fprintf (stderr,
      "synchuman: %s: %s (was it built? it needs libsoup 3 and libseccomp)\n",
      path, g_strerror (errno));
  return STATUS_FAILED;
}

int
main (int argc, char **argv)
{
  wait_without_spinning (argv);
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  if (argc > 1 && strcmp (argv[1], "--version") == 0) {
    g_autofree char *gst = gst_version_string ();

    printf ("synchuman %s (%s)\n", VERSION, gst);
    return STATUS_OK;
  }
  if (argc > 1 && strcmp (argv[1], "serve") == 0)
    return serve (argv + 1);
  for (guint i = 0; argc > 1 && i < G_N_ELEMENTS (commands); i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);
  /* "make" is what one means without saying it */
  return cmd_make (argc, argv);
}
