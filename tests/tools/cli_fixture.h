/* SPDX-License-Identifier: MIT */
/* A program run as people run it, between a folder with photos and an empty
 * one. */
#pragma once
#include "../harness.h"

G_BEGIN_DECLS

/**
 * CliFixture:
 * @in: folder with the photos
 * @out: the program's current folder, empty at first
 * @text, @errors: what it said last
 * @disk_full: a write beyond 50 kB fails
 */
typedef struct {
  char *in, *out;
  char *text, *errors;
  gboolean disk_full;
} CliFixture;

void cli_setup (CliFixture *f, gconstpointer data);
void cli_teardown (CliFixture *f, gconstpointer data);

/* Words of @args are separated by spaces; "IN/" stands for the photos' folder.
 * Returns: the exit status */
int cli_run (CliFixture *f, const char *program, const char *args);

int cli_count_files (const char *folder);
/* Lines in which the program complains; warnings are none. */
int cli_count_errors (const char *text);

/* Caches and models of whoever runs the tests are not looked at.
 * Returns: (transfer full): to be removed with harness_remove() */
char *cli_stay_apart (void);

G_END_DECLS
