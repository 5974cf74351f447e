/* SPDX-License-Identifier: MIT */
/* What every answer is made with, and what every request must pass. */
#pragma once
#include <libsoup/soup.h>
#include "settings.h"
#include "web_json.h"

G_BEGIN_DECLS

/* Statuses that libsoup has no names for (RFC 6585) */
enum {
  STATUS_TOO_MANY_REQUESTS = 429,
  STATUS_HEADERS_TOO_LARGE = 431,
};

/**
 * Problem:
 * Why a request is refused: an answer of type application/problem+json (RFC
 * 9457).
 * @status: of HTTP; 0: there is none
 * @detail: for people
 * @job, @cause: (nullable): of a job that has failed
 */
typedef struct {
  guint status;
  char *detail;
  char *job, *cause;
} Problem;

/* Always FALSE.  Only the first problem counts. */
gboolean problem_set (Problem *p, guint status, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void problem_clear (Problem *p);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Problem, problem_clear)

/* Sends @text; @type is its content type. */
void web_text (
    SoupServerMessage *msg, guint status, const char *type, const char *text);
/* Sends and takes over @b, whose root is complete. */
void web_json (SoupServerMessage *msg, guint status, JsonBuilder *b);
void web_problem (SoupServerMessage *msg, const Problem *p);
/* The same as bytes on a connection, which ends behind them.
 * (transfer full) */
char *web_problem_answer (const Problem *p, const Settings *settings);
/* Sends the rest that a browser must know: what it may do with the answer. */
void web_finish_headers (SoupServerMessage *msg, const Settings *settings);

/* Whether the client would rather have @type than JSON. */
gboolean web_prefers (SoupServerMessage *msg, const char *type);

/**
 * web_check:
 * What can be seen of a request before its body, beside its form: a body that
 * is too large, the token.
 *
 * @open: the path may be asked for without a token
 */
gboolean web_check (SoupServerMessage *msg, const Settings *settings,
    gboolean open, Problem *p);

/* Follows every request of @server, for what is asked below, and sees to it
 * that answers come to their end. */
void web_guard (SoupServer *server);
/* The status that the client of @msg has got; 0: it has not asked */
guint web_status (SoupServerMessage *msg);
/* Of other requests the body is dropped as it comes. */
void web_want_body (SoupServerMessage *msg, const Settings *settings);
/* The request's body, which is given away.  (transfer full) */
GBytes *web_take_body (SoupServerMessage *msg);
/* Bytes of the bodies so far */
gint64 web_bytes_in (SoupServerMessage *msg);
gint64 web_bytes_out (SoupServerMessage *msg);
/* Requests of this process that have come and have no whole answer yet */
int web_answers (void);
/* The answer may take as long as it likes: it is a stream of events. */
void web_guard_stream (SoupServerMessage *msg);

typedef void (*WebGone) (SoupServerMessage *msg, gpointer data);

/**
 * web_hold:
 * Holds the answer back until soup_server_message_unpause().
 *
 * @gone: (nullable): called once where the client goes away before
 */
void web_hold (SoupServerMessage *msg, WebGone gone, gpointer data);
/* @gone is not called any more. */
void web_unhold (SoupServerMessage *msg);

G_END_DECLS
