/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "lines.h"
#include "log.h"
#include "metrics.h"
#include "web_json.h"
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  MAX_DEVICES = 64,
  PATIENCE = 10,  /* seconds for a job to stop */
  MAX_DELAY = 60, /* seconds before a process that keeps ending is started */
};

struct _Host {
  const Settings *settings;
  char *device;
  HostEvents events;
  gpointer data;
  GSubprocess *process;
  GCancellable *watching;
  Lines *lines;
  int orders, reader; /* pipes */
  HostInfo info;
  gboolean ready, known;
  char *trouble;
  guint patience, restart;
  guint delay;
};

static void start (Host *h);

static void
info_clear (HostInfo *info)
{
  g_free (info->folder);
  g_free (info->hash);
  g_free (info->device);
  g_free (info->gpu);
  memset (info, 0, sizeof *info);
}

/* ---- what it says ---- */

static void
take_info (Host *h, JsonObject *o)
{
  JsonNode *node = json_object_get_member (o, "defaults");
  JsonObject *d =
      node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : o;
  HostInfo *i = &h->info;
  gint64 memory_free = i->memory_free;

  info_clear (i);
  i->memory_free = memory_free;
  i->folder = g_strdup (web_get_string (o, "folder", NULL));
  i->hash = g_strdup (web_get_string (o, "hash", NULL));
  i->device = g_strdup (web_get_string (o, "device", NULL));
  i->gpu = g_strdup (web_get_string (o, "gpu", NULL));
  i->memory = json_object_get_int_member_with_default (o, "memory", 0);
  i->estimate = json_object_get_double_member_with_default (o, "estimate", -1);
#define INT(name) (int) json_object_get_int_member_with_default (d, name, 0)
#define DOUBLE(name) json_object_get_double_member_with_default (d, name, 0)
  i->defaults = (Defaults){.view_size = INT ("view_size"),
      .num_inference_steps = INT ("num_inference_steps"),
      .guidance_scale = DOUBLE ("guidance_scale"),
      .num_steps = INT ("num_steps"),
      .cfg_strength = DOUBLE ("cfg_strength"),
      .cfg_interval = {DOUBLE ("cfg_start"), DOUBLE ("cfg_end")},
      .up_size = INT ("up_size")};
#undef INT
#undef DOUBLE
}

static void
end_patience (Host *h)
{
  if (h->patience)
    g_source_remove (h->patience);
  h->patience = 0;
}

static gboolean
ends_job (const char *type)
{
  return strcmp (type, "done") == 0 || strcmp (type, "failed") == 0 ||
         strcmp (type, "cancelled") == 0;
}

/* The rest of the banner: what only the worker knows. */
static void
announce (const HostInfo *i)
{
  g_autofree char *memory =
      g_format_size (i->gpu ? (guint64) i->memory
                            : (guint64) sysconf (_SC_PHYS_PAGES) *
                                  (guint64) sysconf (_SC_PAGESIZE));

  printf ("  ready      %s: %s, %s; models from %s\n", i->device,
      i->gpu ? i->gpu : "the CPU", memory, i->folder);
  fflush (stdout);
}

static void
said (JsonObject *o, gpointer data)
{
  Host *h = data;
  const char *type = web_get_string (o, "type", "");

  h->info.memory_free = json_object_get_int_member_with_default (
      o, "gpu_free", h->info.memory_free);
  if (strcmp (type, "ready") == 0 && !h->ready) {
    take_info (h, o);
    h->ready = TRUE;
    h->known = TRUE;
    h->delay = 0;
    g_clear_pointer (&h->trouble, g_free);
    log_line (NULL, "info", "worker on %s is ready: %s", h->info.device,
        h->info.folder);
    if (h->settings->banner)
      announce (&h->info);
    h->events.ready (h, h->data);
  } else if (h->ready) {
    if (ends_job (type))
      end_patience (h);
    h->events.says (h, o, h->data);
  } else if (strcmp (type, "failed") == 0) {
    g_free (h->trouble);
    h->trouble = g_strdup (web_get_string (o, "message", NULL));
  }
}

static void
fell_silent (const char *why, gpointer data)
{
  Host *h = data;

  /* its end is what counts; who talks nonsense must end */
  if (h->process)
    g_subprocess_force_exit (h->process);
}

/* ---- its end ---- */

static gboolean
start_again (gpointer data)
{
  Host *h = data;

  h->restart = 0;
  start (h);
  return G_SOURCE_REMOVE;
}

static void
close_end (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
clear_process (Host *h)
{
  end_patience (h);
  g_clear_pointer (&h->lines, lines_free);
  close_end (&h->orders);
  close_end (&h->reader);
  g_clear_object (&h->process);
  h->ready = FALSE;
}

static void
lost (Host *h, const char *why)
{
  clear_process (h);
  log_line (NULL, "error", "worker on %s: %s%s%s", h->device, why,
      h->trouble ? ": " : "", h->trouble ? h->trouble : "");
  h->delay = CLAMP (h->delay * 2, 1, MAX_DELAY);
  h->restart = g_timeout_add_seconds (h->delay, start_again, h);
  h->events.lost (h, why, h->data);
}

static void
ended (GObject *object, GAsyncResult *result, gpointer data)
{
  GSubprocess *process = G_SUBPROCESS (object);
  g_autoptr (GError) error = NULL;
  g_autofree char *why = NULL;

  g_subprocess_wait_finish (process, result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the host is gone */
  if (g_subprocess_get_if_signaled (process))
    why = g_strdup_printf ("the process was ended by %s",
        g_strsignal (g_subprocess_get_term_sig (process)));
  else
    why = g_strdup_printf (
        "the process ended with %d", g_subprocess_get_exit_status (process));
  lost (data, why);
}

/* ---- its begin ---- */

/* Another process counts: this one has nothing to do with GPUs. */
char **
host_all_devices (void)
{
  const char *argv[] = {"/proc/self/exe", "--worker", "count", NULL};
  g_autoptr (GStrvBuilder) devices = g_strv_builder_new ();
  g_autofree char *path = g_file_read_link (argv[0], NULL);
  g_autofree char *said = NULL;
  int n = 0;

  argv[0] = path;
  if (path && g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL,
                  NULL, &said, NULL, NULL, NULL))
    n = CLAMP (atoi (said), 0, MAX_DEVICES);
  for (int i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("cuda:%d", i);

    g_strv_builder_add (devices, name);
  }
  if (n == 0)
    g_strv_builder_add (devices, "cpu");
  return g_strv_builder_end (devices);
}

static void
start (Host *h)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GError) error = NULL;
  int to[2], from[2];

  if (!g_unix_open_pipe (to, FD_CLOEXEC, &error)) {
    lost (h, error->message);
    return;
  }
  if (!g_unix_open_pipe (from, FD_CLOEXEC, &error)) {
    close (to[0]);
    close (to[1]);
    lost (h, error->message);
    return;
  }
  g_subprocess_launcher_take_stdin_fd (launcher, to[0]);
  g_subprocess_launcher_take_stdout_fd (launcher, from[1]);
  g_subprocess_launcher_setenv (launcher, "SHU_DEVICE", h->device, TRUE);
  g_subprocess_launcher_setenv (launcher, "OMP_WAIT_POLICY", "passive", FALSE);
  if (h->settings->model)
    g_subprocess_launcher_setenv (
        launcher, "SHU_MODEL", h->settings->model, TRUE);
  if (h->settings->memory)
    g_subprocess_launcher_setenv (
        launcher, "SHU_MEMORY", h->settings->memory, TRUE);
  h->process = g_subprocess_launcher_spawn (launcher, &error, "/proc/self/exe",
      "--worker", h->settings->precision, NULL);
  h->orders = to[1];
  h->reader = from[0];
  if (!h->process) {
    lost (h, error->message);
    return;
  }
  h->lines = lines_new (from[0], said, fell_silent, h);
  g_subprocess_wait_async (h->process, h->watching, ended, h);
}

Host *
host_new (const Settings *settings, const char *device,
    const HostEvents *events, gpointer data)
{
  Host *h = g_new0 (Host, 1);

  h->settings = settings;
  h->device = g_strdup (device);
  h->events = *events;
  h->data = data;
  h->orders = -1;
  h->reader = -1;
  h->watching = g_cancellable_new ();
  h->info.estimate = -1;
  start (h);
  return h;
}

void
host_free (Host *h)
{
  if (!h)
    return;
  g_cancellable_cancel (h->watching);
  if (h->process)
    g_subprocess_force_exit (h->process);
  clear_process (h);
  if (h->restart)
    g_source_remove (h->restart);
  g_object_unref (h->watching);
  info_clear (&h->info);
  g_free (h->trouble);
  g_free (h->device);
  g_free (h);
}

const HostInfo *
host_info (const Host *h)
{
  return h->known ? &h->info : NULL;
}

gboolean
host_is_ready (const Host *h)
{
  return h->ready;
}

const char *
host_device (const Host *h)
{
  return h->device;
}

gint64
host_resident (const Host *h)
{
  const char *pid =
      h->process ? g_subprocess_get_identifier (h->process) : NULL;

  return pid ? resident_memory (pid) : 0;
}

const char *
host_trouble (const Host *h)
{
  return h->ready ? NULL : h->trouble;
}

/* ---- orders ---- */

static gboolean
lose_patience (gpointer data)
{
  Host *h = data;

  h->patience = 0;
  if (h->process)
    g_subprocess_force_exit (h->process);
  return G_SOURCE_REMOVE;
}

/* An order is far smaller than a pipe, so this does not wait. */
static void
order (Host *h, JsonBuilder *b)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  json_builder_end_object (b);
  text = web_json_text (b);
  line = g_strconcat (text, "\n", NULL);
  /* who does not listen has ended, or will be ended */
  if (h->orders >= 0 && write (h->orders, line, strlen (line)) < 0 &&
      h->process)
    g_subprocess_force_exit (h->process);
}

void
host_run (Host *h, const char *description, int steps, int steps2)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "run", description);
  web_int (b, "steps", steps);
  web_int (b, "steps2", steps2);
  order (h, b);
}

void
host_cancel (Host *h)
{
  JsonBuilder *b;

  /* once: who does not listen would leave the pipe to fill, and this to wait */
  if (h->patience)
    return;
  b = json_builder_new ();
  json_builder_begin_object (b);
  web_bool (b, "cancel", TRUE);
  order (h, b);
  h->patience = g_timeout_add_seconds (PATIENCE, lose_patience, h);
}

void
host_kill (const Host *h)
{
  if (h->process)
    g_subprocess_force_exit (h->process);
}
