/* SPDX-License-Identifier: MIT */
/* What the server says about itself. */
#include "server.h"
#include <gio/gio.h>

static const char repository[] = "https://github.com/IGL-HKUST/SyncHuman";
static const char paper[] = "https://arxiv.org/abs/2510.07723";

static const char *
stage_state (const Server *s)
{
  return queue_is_ready (s->queue) ? "ready" : "loading";
}

void
serve_health (Server *s, SoupServerMessage *msg)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "status", s->draining ? "draining" : "healthy");
  web_string (b, "service", "synchuman");
  web_string (b, "version", VERSION);
  web_string (b, "stage1", stage_state (s));
  web_string (b, "stage2", stage_state (s));
  web_string (b, "approach", API_APPROACH);
  json_builder_end_object (b);
  web_json (msg, SOUP_STATUS_OK, b);
}

static void
write_workers (const Server *s, JsonBuilder *b)
{
  json_builder_set_member_name (b, "workers");
  json_builder_begin_array (b);
  for (int i = 0; i < queue_workers (s->queue); i++) {
    const Host *h = queue_worker (s->queue, i);
    const HostInfo *info = host_info (h);

    json_builder_begin_object (b);
    web_string (b, "device", info ? info->device : host_device (h));
    web_bool (b, "ready", host_is_ready (h));
    web_string (b, "gpu", info ? info->gpu : NULL);
    web_int (b, "gpu_memory", info ? info->memory : 0);
    web_string (b, "trouble", host_trouble (h));
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

void
serve_ready (Server *s, SoupServerMessage *msg)
{
  gboolean ready = queue_is_ready (s->queue) && !s->draining;
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_bool (b, "ready", ready);
  write_workers (s, b);
  json_builder_end_object (b);
  web_json (msg, ready ? SOUP_STATUS_OK : SOUP_STATUS_SERVICE_UNAVAILABLE, b);
}

static void
write_stages (const HostInfo *info, JsonBuilder *b)
{
  g_autoptr (GHashTable) nothing = g_hash_table_new (g_str_hash, g_str_equal);

  for (int stage = 1; stage <= 2; stage++) {
    json_builder_set_member_name (b, stage == 1 ? "stage1" : "stage2");
    json_builder_begin_object (b);
    params_write (b, stage, nothing, &info->defaults);
    json_builder_end_object (b);
  }
}

static void
write_limits (const Settings *settings, JsonBuilder *b)
{
  json_builder_set_member_name (b, "limits");
  json_builder_begin_object (b);
  web_int (b, "max_upload_bytes", settings->max_upload);
  web_int (b, "queue", settings->queue);
  web_int (b, "job_timeout_seconds", settings->job_timeout);
  web_int (b, "retention_seconds", settings->retention);
  web_int (b, "quota_bytes", settings->quota);
  web_bool (b, "image_url", settings->allow_url);
  json_builder_end_object (b);
}

void
serve_info (Server *s, SoupServerMessage *msg)
{
  const HostInfo *info = queue_info (s->queue);
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "service", "synchuman");
  web_string (b, "version", VERSION);
  web_string (b, "approach", API_APPROACH);
  web_string (b, "repository", repository);
  web_string (b, "paper", paper);
  json_builder_set_member_name (b, "model");
  json_builder_begin_object (b);
  web_string (b, "folder", info ? info->folder : NULL);
  web_string (b, "hash", info ? info->hash : NULL);
  json_builder_end_object (b);
  if (info)
    write_stages (info, b);
  write_workers (s, b);
  json_builder_set_member_name (b, "expected_seconds");
  json_builder_begin_object (b);
  /* of this machine: those of this server, else of earlier runs */
  metrics_write_means (s->metrics, b);
  if (info && info->estimate >= 0)
    web_seconds (b, "estimate", info->estimate);
  json_builder_end_object (b);
  write_limits (s->settings, b);
  json_builder_end_object (b);
  web_json (msg, SOUP_STATUS_OK, b);
}

void
serve_metrics (Server *s, SoupServerMessage *msg)
{
  int n = queue_workers (s->queue);
  g_autofree MetricsWorker *workers = g_new0 (MetricsWorker, n);
  g_autofree char *text = NULL;

  for (int i = 0; i < n; i++) {
    const Host *h = queue_worker (s->queue, i);
    const HostInfo *info = host_info (h);

    workers[i] = (MetricsWorker){.device = host_device (h),
        .ready = host_is_ready (h),
        .resident = host_resident (h)};
    if (info) {
      workers[i].device = info->device;
      workers[i].gpu = info->gpu;
      workers[i].memory = info->memory;
      workers[i].memory_free = info->memory_free;
    }
  }
  text = metrics_text (s->metrics, queue_waiting (s->queue),
      queue_running (s->queue), workers, n);
  web_text (msg, SOUP_STATUS_OK, "text/plain; version=0.0.4", text);
}

/* ---- files of the program ---- */

static void
serve_resource (SoupServerMessage *msg, const char *name, const char *type)
{
  g_autofree char *path = g_strconcat ("/synchuman/server/", name, NULL);
  g_autoptr (GBytes) bytes =
      g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);

  g_return_if_fail (bytes);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_content_type (h, type, NULL);
  /* nothing of other places, should a stranger's words get into a page */
  soup_message_headers_replace (h, "Content-Security-Policy",
      "default-src 'self'; img-src 'self' data: blob:; style-src 'self' "
      "'unsafe-inline'; connect-src 'self' blob: data:; worker-src blob:; "
      "frame-ancestors 'none'");
  soup_message_body_append_bytes (
      soup_server_message_get_response_body (msg), bytes);
  soup_message_body_complete (soup_server_message_get_response_body (msg));
}

void
serve_page (Server *s, SoupServerMessage *msg)
{
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);

  soup_message_headers_replace (h, "Vary", "Accept");
  if (web_prefers (msg, "text/html"))
    serve_resource (msg, "index.html", "text/html; charset=utf-8");
  else
    serve_resource (msg, "openapi.json", "application/json");
}

void
serve_docs (Server *s, SoupServerMessage *msg)
{
  serve_resource (msg, "docs.html", "text/html; charset=utf-8");
}

void
serve_openapi (Server *s, SoupServerMessage *msg)
{
  serve_resource (msg, "openapi.json", "application/json");
}

void
serve_script (Server *s, SoupServerMessage *msg)
{
  const char *path = g_uri_get_path (soup_server_message_get_uri (msg));

  serve_resource (msg, path + 1, "text/javascript; charset=utf-8");
}
