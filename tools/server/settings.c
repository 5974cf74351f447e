/* SPDX-License-Identifier: MIT */
#include "settings.h"
#include "host.h"
#include "shu.h"
#include <string.h>

enum { MB = 1000 * 1000 };

#define BAD(error, ...)                                                        \
  (g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, __VA_ARGS__), \
      FALSE)

/* Options that are not kept as they are given. */
typedef struct {
  char *devices, *token_file, *certificate, *key;
  int max_upload_mb, quota_mb;
} Raw;

static const char summary[] =
    "Serves photos to textured 3D models over HTTP; see docs/api.md.";

static gboolean
parse (int *argc, char ***argv, Settings *s, Raw *raw, gboolean *version,
    GError **error)
{
  const GOptionEntry entries[] = {
      {"address", 0, 0, G_OPTION_ARG_STRING, &s->address,
          "Address to listen at (127.0.0.1)", "ADDRESS"},
      {"port", 'p', 0, G_OPTION_ARG_INT, &s->port,
          "Port to listen at; 0: a free one (8000)", "N"},
      {"root", 0, 0, G_OPTION_ARG_FILENAME, &s->root,
          "Folder of the jobs (tmp_api_jobs)", "FOLDER"},
      {"model", 0, 0, G_OPTION_ARG_FILENAME, &s->model,
          "Model folder, or synthetic:SEED", "FOLDER"},
      {"devices", 0, 0, G_OPTION_ARG_STRING, &raw->devices,
          "Where to work, commas between: cpu, cuda:N, or all: every GPU; one "
          "job at a time on each (auto: one GPU, or the CPU)",
          "DEVICES"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &s->memory,
          "What to do with a GPU's memory: auto, low or normal", "WORD"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &s->precision,
          "Of Stage 1's denoiser: f16, or fp8 on an H100 or H200", "WORD"},
      {"allow-url", 0, 0, G_OPTION_ARG_NONE, &s->allow_url,
          "Let requests name a photo by an https address (image_url)", NULL},
      {"allow-http-url", 0, 0, G_OPTION_ARG_NONE, &s->allow_http_url,
          "The same with http addresses, too", NULL},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &raw->token_file,
          "Ask for a bearer token; those that are good stand in FILE, one a "
          "line",
          "FILE"},
      {"cors-origin", 0, 0, G_OPTION_ARG_STRING, &s->cors_origin,
          "Let pages of ORIGIN call the server (none; *: all)", "ORIGIN"},
      {"tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &raw->certificate,
          "Speak https with this certificate (PEM)", "FILE"},
      {"tls-key", 0, 0, G_OPTION_ARG_FILENAME, &raw->key,
          "Its key (PEM), where that is another file", "FILE"},
      {"queue", 0, 0, G_OPTION_ARG_INT, &s->queue,
          "Jobs that may wait; more are told to come back (16)", "N"},
      {"job-timeout", 0, 0, G_OPTION_ARG_INT, &s->job_timeout,
          "Longest time for a job (1800)", "SECONDS"},
      {"retention", 0, 0, G_OPTION_ARG_INT, &s->retention,
          "How long finished jobs are kept (86400)", "SECONDS"},
      {"quota", 0, 0, G_OPTION_ARG_INT, &raw->quota_mb,
          "What they may take on the disk; the oldest go first (10000)", "MB"},
      {"drain", 0, 0, G_OPTION_ARG_INT, &s->drain,
          "How long jobs may go on after SIGTERM (60)", "SECONDS"},
      {"max-upload", 0, 0, G_OPTION_ARG_INT, &raw->max_upload_mb,
          "Largest request (32)", "MB"},
      {"version", 0, 0, G_OPTION_ARG_NONE, version, "Say the version", NULL},
      {NULL}};
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  return *argc < 2 ||
         BAD (error, "\"%s\" is no option (--help lists them)", (*argv)[1]);
}

static gboolean
check_range (
    const char *option, gint64 value, gint64 lo, gint64 hi, GError **error)
{
  return (value >= lo && value <= hi) ||
         BAD (error,
             "--%s: %" G_GINT64_FORMAT " is out of range (%" G_GINT64_FORMAT
             " to %" G_GINT64_FORMAT ")",
             option, value, lo, hi);
}

static gboolean
check_numbers (const Settings *s, const Raw *raw, GError **error)
{
  const struct {
    const char *option;
    gint64 value, lo, hi;
  } numbers[] = {
      {"port", s->port, 0, 65535},
      {"queue", s->queue, 0, 10000},
      {"job-timeout", s->job_timeout, 1, 7 * 86400},
      {"retention", s->retention, 1, 365 * 86400},
      {"drain", s->drain, 0, 86400},
      {"quota", raw->quota_mb, 1, 100 * 1000 * 1000},
      {"max-upload", raw->max_upload_mb, 1, 1000},
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!check_range (numbers[i].option, numbers[i].value, numbers[i].lo,
            numbers[i].hi, error))
      return FALSE;
  return TRUE;
}

/* Lines of @path that are not empty. */
static char **
read_tokens (const char *path, GError **error)
{
  g_autoptr (GStrvBuilder) tokens = g_strv_builder_new ();
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean any = FALSE;

  if (!g_file_get_contents (path, &text, NULL, error)) {
    g_prefix_error (error, "--token-file: ");
    return NULL;
  }
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (*g_strstrip (*line)) {
      g_strv_builder_add (tokens, *line);
      any = TRUE;
    }
  if (any)
    return g_strv_builder_end (tokens);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
      "--token-file: there is no token in %s", path);
  return NULL;
}

/* What a worker would refuse, at each of its starts, is refused here. */
static gboolean
check_words (const Settings *s, GError **error)
{
  ShuMemory memory;
  ShuPrecision precision;

  for (char **d = s->devices; *d; d++) {
    const char *number = g_str_has_prefix (*d, "cuda:") ? *d + 5 : NULL;

    if (!*g_strstrip (*d))
      return BAD (error, "--devices: one of the names is empty");
    if (strcmp (*d, "auto") != 0 && strcmp (*d, "cpu") != 0 &&
        strcmp (*d, "cuda") != 0 &&
        !(number && *number &&
            strspn (number, "0123456789") == strlen (number)))
      return BAD (
          error, "--devices: \"%s\": expected auto, cpu, cuda:N or all", *d);
  }
  if (g_strv_length (s->devices) > 64)
    return BAD (error, "--devices: at most 64");
  if (s->memory && !shu_memory_parse (s->memory, &memory, error)) {
    g_prefix_error (error, "--");
    return FALSE;
  }
  if (s->precision && !shu_precision_parse (s->precision, &precision, error)) {
    g_prefix_error (error, "--");
    return FALSE;
  }
  return TRUE;
}

static gboolean
apply (Settings *s, const Raw *raw, GError **error)
{
  char *root =
      g_canonicalize_filename (s->root ? s->root : "tmp_api_jobs", NULL);

  g_free (s->root);
  s->root = root;
  if (!s->address)
    s->address = g_strdup ("127.0.0.1");
  if (g_strcmp0 (raw->devices, "all") == 0)
    s->devices = host_all_devices ();
  else
    s->devices = g_strsplit (raw->devices ? raw->devices : "auto", ",", -1);
  if (!check_words (s, error))
    return FALSE;
  if (s->cors_origin && strpbrk (s->cors_origin, "\r\n"))
    return BAD (error, "--cors-origin: a line break is in it");
  if (raw->token_file && !(s->tokens = read_tokens (raw->token_file, error)))
    return FALSE;
  if (raw->key && !raw->certificate)
    return BAD (error, "--tls-key: --tls-certificate is missing");
  if (raw->certificate) {
    s->certificate = g_tls_certificate_new_from_files (
        raw->certificate, raw->key ? raw->key : raw->certificate, error);
    if (!s->certificate) {
      g_prefix_error (error, "--tls-certificate: ");
      return FALSE;
    }
  }
  s->allow_url = s->allow_url || s->allow_http_url;
  s->quota = (gint64) raw->quota_mb * MB;
  s->max_upload = (gint64) raw->max_upload_mb * MB;
  return g_utf8_validate (s->root, -1, NULL) ||
         BAD (error, "--root: the name is no UTF-8, which a pipeline's text "
                     "must be");
}

Settings *
settings_parse (int *argc, char ***argv, GError **error)
{
  g_autoptr (Settings) s = g_new0 (Settings, 1);
  Raw raw = {.max_upload_mb = 32, .quota_mb = 10000};
  gboolean version = FALSE;
  gboolean good;

  s->port = 8000;
  s->queue = 16;
  s->job_timeout = 1800;
  s->retention = 86400;
  s->drain = 60;
  s->request_seconds = 20;
  s->body_seconds = 120;
  s->fetch_seconds = 30;
  good = parse (argc, argv, s, &raw, &version, error);
  if (good && version) {
    g_print ("synchuman-server %s\n", VERSION);
    exit (0);
  }
  good = good && check_numbers (s, &raw, error) && apply (s, &raw, error);
  g_free (raw.devices);
  g_free (raw.token_file);
  g_free (raw.certificate);
  g_free (raw.key);
  return good ? g_steal_pointer (&s) : NULL;
}

void
settings_free (Settings *s)
{
  if (!s)
    return;
  g_free (s->address);
  g_free (s->root);
  g_free (s->model);
  g_free (s->memory);
  g_free (s->precision);
  g_strfreev (s->devices);
  g_strfreev (s->tokens);
  g_free (s->cors_origin);
  g_clear_object (&s->certificate);
  g_free (s);
}
