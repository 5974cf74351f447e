/* SPDX-License-Identifier: MIT */
/* The command line program: picks the sub-command. */
#include "commands.h"
#include "job.h"
#include <gst/gst.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  int (*run) (int argc, char **argv);
} commands[] = {
    {"make", cmd_make},
    {"run", cmd_run},
    {"inspect", cmd_inspect},
};

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  if (argc > 1 && strcmp (argv[1], "--version") == 0) {
    g_autofree char *gst = gst_version_string ();

    printf ("synchuman %s (%s)\n", VERSION, gst);
    return STATUS_OK;
  }
  for (guint i = 0; argc > 1 && i < G_N_ELEMENTS (commands); i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);
  /* "make" is what one means without saying it */
  return cmd_make (argc, argv);
}
