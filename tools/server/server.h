/* SPDX-License-Identifier: MIT */
/* The HTTP server: its routes (docs/api.md). */
#pragma once
#include "door.h"
#include "fetch.h"
#include "metrics.h"
#include "queue.h"
#include "web.h"

G_BEGIN_DECLS

/**
 * Server:
 * @root_name: the jobs' folder as answers name it
 * @keys: of requests whose job is not stored yet (Idempotency-Key)
 * @draining: no new jobs, it is going to end
 * @ended: cancelled when it is freed; what was under way then must not touch it
 */
typedef struct {
  Settings *settings;
  SoupServer *soup;
  Door *door;
  Queue *queue;
  Metrics *metrics;
  Fetcher *fetcher;
  char *root_name;
  GHashTable *keys;
  GCancellable *ended;
  gboolean draining;
} Server;

/* Takes over @settings; listens. */
/* @rules: (nullable): for tests */
Server *server_new (
    Settings *settings, const AddressRules *rules, GError **error);
void server_free (Server *s);
/* Where it listens: a URL.  (transfer full) */
char *server_url (const Server *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Server, server_free)

/* ---- answers, by file ---- */

/* Answers to requests about a job; @rest: the path behind /jobs/ID, "" or
 * "/…". */
void serve_job (
    Server *s, SoupServerMessage *msg, const char *id, const char *rest);
/* A refusal, with the time after which another try makes sense */
void serve_problem (Server *s, SoupServerMessage *msg, const Problem *p);
/* A file that cannot be written, at no fault of the client's: counted, too */
void serve_failure (Server *s, Problem *p, const GError *error);
void serve_generate (Server *s, SoupServerMessage *msg);
void serve_events (Server *s, SoupServerMessage *msg, ApiJob *job);
/* A file of a job that is over */
void serve_file (SoupServerMessage *msg, const char *path, const char *type,
    const char *name);
/* The job's ZIP; @msg is held until it is there. */
void serve_archive (Server *s, SoupServerMessage *msg, ApiJob *job);
/* What there is to say about a job. */
void serve_status (
    Server *s, SoupServerMessage *msg, guint status, ApiJob *job);
void serve_health (Server *s, SoupServerMessage *msg);
void serve_ready (Server *s, SoupServerMessage *msg);
void serve_info (Server *s, SoupServerMessage *msg);
void serve_metrics (Server *s, SoupServerMessage *msg);
void serve_page (Server *s, SoupServerMessage *msg);
void serve_docs (Server *s, SoupServerMessage *msg);
void serve_openapi (Server *s, SoupServerMessage *msg);
/* The page's: a file named as its path */
void serve_script (Server *s, SoupServerMessage *msg);

G_END_DECLS
