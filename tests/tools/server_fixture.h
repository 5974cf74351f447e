/* SPDX-License-Identifier: MIT */
/* A server in the test's own process, and a client that asks it. */
#pragma once
#include "../harness.h"
#include "server/server.h"

/**
 * Fixture:
 * @url: of the server, with a slash at its end
 * @root: folder of its jobs
 */
typedef struct {
  Server *server;
  SoupSession *client;
  char *url, *root;
} Fixture;

/* The program's main(): a test is a worker, too.  @argv[1] is the plugin. */
int fixture_main (int argc, char **argv, void (*add_tests) (void));

/* Options as on the command line, spaces between; the model is the smallest
 * there is, the port a free one. */
void fixture_start (Fixture *f, const char *options, const AddressRules *rules);
void fixture_stop (Fixture *f);
/* Until a worker takes jobs. */
void fixture_wait_ready (Fixture *f);
/* Lets the server work until @condition holds; fails after a minute. */
void fixture_wait (gboolean (*condition) (gpointer data), gpointer data);

/* The job with that id, which must be there, and what fixture_wait() may wait
 * for. */
ApiJob *fixture_job (const Fixture *f, const char *id);
gboolean fixture_job_is_over (gpointer job);
gboolean fixture_job_is_running (gpointer job);

/**
 * Answer:
 * @json: (nullable): the body, where it is a JSON object
 */
typedef struct {
  guint status;
  char *type;
  GBytes *body;
  JsonParser *parser;
  JsonObject *json;
} Answer;

void answer_clear (Answer *a);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

/* (transfer full) */
SoupMessage *fixture_message (
    const Fixture *f, const char *method, const char *path);
/* A PNG file of a person.  (transfer full) */
GBytes *fixture_photo (void);
/* A form with @image (nullable) and fields "name=value", spaces between. */
SoupMessage *fixture_form (const Fixture *f, GBytes *image, const char *fields);
/* Takes over @msg. */
Answer fixture_ask (Fixture *f, SoupMessage *msg);
Answer fixture_get (Fixture *f, const char *path);
/* A member of the answer; fails where it is missing. */
const char *answer_string (const Answer *a, const char *name);

/* What one says on a plain connection, and all that comes back until it ends.
 * (transfer full) */
char *fixture_raw (Fixture *f, const char *text);
/* The same for @n clients at once: most of what they take is waiting.
 * @ret: (out caller-allocates) (transfer full): what each is told */
void fixture_raw_together (
    Fixture *f, guint n, const char *const *texts, char **ret);
