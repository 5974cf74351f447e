/* SPDX-License-Identifier: MIT */
/* What the tests of the elements share: the plugin, a picture, pipelines. */
#pragma once
#include <gst/check/gstharness.h>
#include "../harness.h"

/* The smallest model there is; its weights come from a formula. */
#define TINY "synthetic-tiny:7"

/* gst_init, and the plugin from the path in argv[1]. */
void fixture_init (int *argc, char ***argv);

/* Waits for one of @types; (transfer full).  A pipeline that hangs fails, one
 * on a slow machine does not. */
GstMessage *fixture_wait (GstElement *pipeline, GstMessageType types);
/* Waits for the end of the stream, which must come without an error. */
void fixture_wait_for_end (GstElement *pipeline);

/* Runs a description to its end; the first error's message, or NULL.
 * @ret_n_errors: (optional): how many elements of ours reported one */
char *fixture_run (const char *description, int *ret_n_errors);

/* The same, of one that must end without an error. */
void fixture_succeed (const char *description);

/* A folder with a photo, a.png. */
typedef struct {
  char *folder;
} PhotoFixture;

void photo_fixture_setup (PhotoFixture *f, gconstpointer data);
void photo_fixture_teardown (PhotoFixture *f, gconstpointer data);

/* Begins a pipeline of that photo; %s: the folder. */
#define FROM_PHOTO "filesrc location=%s/a.png ! shuphotodec ! shumatting ! "
#define TO_VIEWS                                                               \
  FROM_PHOTO "shupreprocess seed=5 ! shustage1 num-inference-steps=2"

/* A frame of the same figure for a harness: RGBA, caps already set. */
GstBuffer *fixture_frame (int width, int height, GstCaps **ret_caps);
