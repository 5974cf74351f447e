/* SPDX-License-Identifier: MIT */
/* The sub-commands: each takes its arguments, its own name first, and returns
 * the exit status. */
#pragma once
#include <glib.h>
#include <string.h>

int cmd_make (int argc, char **argv);
int cmd_run (int argc, char **argv);
int cmd_inspect (int argc, char **argv);
int cmd_models (int argc, char **argv);
int cmd_render (int argc, char **argv);

/* For those that do without GOption */
static inline gboolean
wants_help (const char *arg)
{
  return strcmp (arg, "--help") == 0 || strcmp (arg, "-h") == 0;
}
