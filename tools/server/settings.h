/* SPDX-License-Identifier: MIT */
/* What the server was started with. */
#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * Settings:
 * @root: folder of the jobs; each has one of its own there
 * @devices: a worker for each
 * @tokens: (nullable): one of these must come as bearer token
 * @cors_origin: (nullable): whose pages may call the server; "*": all
 * @queue: jobs that may wait
 * @job_timeout, @retention, @drain: seconds
 * @quota: bytes that finished jobs may take
 * @max_upload: bytes of a request
 * @request_seconds, @body_seconds: for a request to come up to the end of its
 *   headers, and of its body; @fetch_seconds: for a photo behind image_url; no
 *   options
 * @banner: say on standard output what workers have; no option
 */
typedef struct {
  char *address;
  int port;
  char *root;
  char *model, *memory, *precision;
  char **devices;
  gboolean allow_url, allow_http_url;
  char **tokens;
  char *cors_origin;
  GTlsCertificate *certificate;
  int queue;
  int job_timeout, retention, drain;
  gint64 quota;
  gint64 max_upload;
  gboolean banner;
  int request_seconds, body_seconds, fetch_seconds;
} Settings;

/* %NULL with an error that says what to change.  (transfer full) */
Settings *settings_parse (int *argc, char ***argv, GError **error);
void settings_free (Settings *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Settings, settings_free)

G_END_DECLS
