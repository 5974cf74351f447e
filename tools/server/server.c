/* SPDX-License-Identifier: MIT */
#include "server.h"
#include "refuse.h"
#include "server-resources.h"
#include <string.h>

/* ---- which answer ---- */

typedef void (*Serve) (Server *s, SoupServerMessage *msg);

/**
 * Route:
 * @open: asked for without a token: what watches over the server, and what
 *   says how to ask for more
 */
typedef struct {
  const char *path;
  const char *method;
  Serve serve;
  gboolean open;
} Route;

static const Route routes[] = {
    {"/", "GET", serve_page, TRUE},
    {"/health", "GET", serve_health, TRUE},
    {"/ready", "GET", serve_ready, TRUE},
    {"/info", "GET", serve_info},
    {"/metrics", "GET", serve_metrics},
    {"/docs", "GET", serve_docs, TRUE},
    {"/openapi.json", "GET", serve_openapi, TRUE},
    {"/app.js", "GET", serve_script, TRUE},
    {"/docs.js", "GET", serve_script, TRUE},
    {"/viewer.js", "GET", serve_script, TRUE},
    {"/generate", "POST", serve_generate},
};

static const char job_prefix[] = "/jobs/";

/* HEAD is GET without the body, which libsoup leaves out. */
static gboolean
has_method (const char *asked, const char *method)
{
  return strcmp (asked, method) == 0 ||
         (strcmp (asked, "HEAD") == 0 && strcmp (method, "GET") == 0);
}

static const Route *
find_route (const char *path, const char *method, gboolean *ret_path_there)
{
  *ret_path_there = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    if (strcmp (path, routes[i].path) == 0) {
      *ret_path_there = TRUE;
      if (has_method (method, routes[i].method))
        return &routes[i];
    }
  return NULL;
}

/* A page of another origin may ask whether it may ask (CORS). */
static void
serve_options (const Server *s, SoupServerMessage *msg)
{
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);

  soup_server_message_set_status (msg, SOUP_STATUS_NO_CONTENT, NULL);
  if (!s->settings->cors_origin)
    return;
  soup_message_headers_replace (
      h, "Access-Control-Allow-Methods", "GET, POST, DELETE");
  soup_message_headers_replace (h, "Access-Control-Allow-Headers",
      "Authorization, Content-Type, Idempotency-Key, Prefer");
  soup_message_headers_replace (h, "Access-Control-Max-Age", "3600");
}

/* Browsers send forms of any page anywhere, and say so (Fetch Metadata): what
 * changes something is for pages of this server, and those it was told of. */
static gboolean
is_foreign (SoupServerMessage *msg, const Settings *settings)
{
  SoupMessageHeaders *h = soup_server_message_get_request_headers (msg);
  const char *method = soup_server_message_get_method (msg);
  const char *site = soup_message_headers_get_one (h, "Sec-Fetch-Site");
  const char *origin = soup_message_headers_get_one (h, "Origin");
  const char *allowed = settings->cors_origin;

  if (!site || strcmp (site, "same-origin") == 0 || strcmp (site, "none") == 0)
    return FALSE;
  return (strcmp (method, "POST") == 0 || strcmp (method, "DELETE") == 0) &&
         g_strcmp0 (allowed, "*") != 0 &&
         (!allowed || g_strcmp0 (origin, allowed) != 0);
}

/* Asked for many parts of a file, libsoup 3.2 answers with each of them in full
 * and puts them together in memory, the same bytes a thousand times over.  Who
 * asks so gets the file. */
static void
drop_ranges (SoupServerMessage *msg)
{
  SoupMessageHeaders *h = soup_server_message_get_request_headers (msg);
  const char *ranges = soup_message_headers_get_list (h, "Range");

  if (ranges && strchr (ranges, ','))
    soup_message_headers_remove (h, "Range");
}

/* Before the body is read: what can be refused already. */
static void
early (SoupServer *soup, SoupServerMessage *msg, const char *path,
    GHashTable *query, gpointer data)
{
  Server *s = data;
  const char *method = soup_server_message_get_method (msg);
  g_auto (Problem) p = {0};
  gboolean there, is_job = g_str_has_prefix (path, job_prefix);
  gboolean is_question = strcmp (method, "OPTIONS") == 0;
  const Route *route = find_route (path, method, &there);

  drop_ranges (msg);
  if (!web_check (
          msg, s->settings, is_question || (route && route->open), &p) ||
      is_question)
    ;
  else if (is_foreign (msg, s->settings))
    problem_set (&p, SOUP_STATUS_FORBIDDEN,
        "A page of another place sends this; the server would have to be "
        "started with --cors-origin");
  else if (!route && there)
    problem_set (&p, SOUP_STATUS_METHOD_NOT_ALLOWED, "%s does not take %s",
        path, method);
  else if (!route && !is_job)
    problem_set (&p, SOUP_STATUS_NOT_FOUND,
        "There is nothing at this path; /docs says what there is");
  else if (route && route->serve == serve_generate) {
    if (s->draining)
      problem_set (
          &p, SOUP_STATUS_SERVICE_UNAVAILABLE, "The server is about to end");
    else if (queue_trouble (s->queue))
      problem_set (&p, SOUP_STATUS_SERVICE_UNAVAILABLE,
          "No worker can begin; /ready says why");
    else if (!queue_has_room (s->queue))
      problem_set (&p, STATUS_TOO_MANY_REQUESTS,
          "%d jobs wait already; try again later", queue_waiting (s->queue));
    else
      web_want_body (msg, s->settings);
  }
  if (!p.status)
    return;
  serve_problem (s, msg, &p);
  refuse_now (msg);
}

static void
handle (SoupServer *soup, SoupServerMessage *msg, const char *path,
    GHashTable *query, gpointer data)
{
  Server *s = data;
  const char *method = soup_server_message_get_method (msg);
  gboolean there;
  const Route *route = find_route (path, method, &there);

  if (strcmp (method, "OPTIONS") == 0)
    serve_options (s, msg);
  else if (route)
    route->serve (s, msg);
  else {
    const char *id = path + strlen (job_prefix);
    const char *rest = strchr (id, '/');
    g_autofree char *name = rest ? g_strndup (id, rest - id) : g_strdup (id);

    serve_job (s, msg, name, rest ? rest : "");
  }
  web_finish_headers (msg, s->settings);
}

/* What a path takes that is there: for the header Allow. */
static const char *
methods_of (const char *path)
{
  const char *id = path + strlen (job_prefix);

  if (g_str_has_prefix (path, job_prefix))
    return strchr (id, '/') ? "GET, HEAD" : "GET, HEAD, DELETE";
  return strcmp (path, "/generate") == 0 ? "POST" : "GET, HEAD";
}

void
serve_problem (Server *s, SoupServerMessage *msg, const Problem *p)
{
  web_problem (msg, p);
  if (p->status == SOUP_STATUS_METHOD_NOT_ALLOWED)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (msg), "Allow",
        methods_of (g_uri_get_path (soup_server_message_get_uri (msg))));
  if (p->status == STATUS_TOO_MANY_REQUESTS ||
      p->status == SOUP_STATUS_SERVICE_UNAVAILABLE) {
    g_autofree char *seconds =
        g_strdup_printf ("%d", queue_retry_after (s->queue));

    soup_message_headers_replace (
        soup_server_message_get_response_headers (msg), "Retry-After", seconds);
  }
  web_finish_headers (msg, s->settings);
}

static void
finished (SoupServer *soup, SoupServerMessage *msg, gpointer data)
{
  Server *s = data;
  guint status = web_status (msg);

  if (status)
    metrics_request (
        s->metrics, status, web_bytes_in (msg), web_bytes_out (msg));
}

/* ---- life ---- */

Server *
server_new (Settings *settings, const AddressRules *rules, GError **error)
{
  g_autoptr (Server) s = g_new0 (Server, 1);

  g_resources_register (server_get_resource ());
  s->settings = settings;
  s->metrics = metrics_new ();
  s->root_name = g_path_get_basename (settings->root);
  s->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  s->ended = g_cancellable_new ();
  s->fetcher = fetcher_new (settings, rules);
  s->soup = soup_server_new ("server-header", "synchuman/" VERSION, NULL);
  web_guard (s->soup);
  soup_server_add_early_handler (s->soup, NULL, early, s, NULL);
  soup_server_add_handler (s->soup, NULL, handle, s, NULL);
  g_signal_connect (s->soup, "request-finished", G_CALLBACK (finished), s);
  g_signal_connect (s->soup, "request-aborted", G_CALLBACK (finished), s);
  /* the port first: who cannot have it shall not touch the jobs of who has */
  s->door = door_new (settings, s->soup, error);
  if (!s->door)
    return NULL;
  s->queue = queue_new (settings, s->metrics, error);
  return s->queue ? g_steal_pointer (&s) : NULL;
}

void
server_free (Server *s)
{
  if (!s)
    return;
  g_cancellable_cancel (s->ended);
  soup_server_disconnect (s->soup);
  g_clear_pointer (&s->door, door_free);
  g_clear_object (&s->soup);
  g_clear_pointer (&s->queue, queue_free);
  g_clear_pointer (&s->fetcher, fetcher_free);
  g_clear_pointer (&s->metrics, metrics_free);
  settings_free (s->settings);
  g_hash_table_unref (s->keys);
  g_free (s->root_name);
  g_object_unref (s->ended);
  g_free (s);
}

char *
server_url (const Server *s)
{
  return door_url (s->door);
}
