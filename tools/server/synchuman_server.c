/* SPDX-License-Identifier: MIT */
/* The program: an HTTP server, or one of its workers. */
#include "../launch.h"
#include "log.h"
#include "server.h"
#include "worker.h"
#include <glib-unix.h>
#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  GMainLoop *loop;
  Server *server;
} Program;

static gboolean
stop (gpointer data)
{
  Program *program = data;

  g_main_loop_quit (program->loop);
  return G_SOURCE_REMOVE;
}

/* No job runs any more; what they made is still on its way. */
static gboolean
stop_when_answered (gpointer data)
{
  return web_answers () > 0 ? G_SOURCE_CONTINUE : stop (data);
}

static gboolean
drained (gpointer data)
{
  g_timeout_add (50, stop_when_answered, data);
  return G_SOURCE_REMOVE;
}

/* Who waits for a job that runs gets an answer all the same. */
static gboolean
out_of_time (gpointer data)
{
  Program *program = data;

  queue_give_up (program->server->queue);
  g_timeout_add (50, stop_when_answered, program);
  g_timeout_add_seconds (1, stop, program);
  return G_SOURCE_REMOVE;
}

/* The first signal lets what runs come to its end, the second does not. */
static gboolean
end (gpointer data)
{
  Program *program = data;
  Server *s = program->server;

  if (s->draining) {
    g_main_loop_quit (program->loop);
    return G_SOURCE_CONTINUE;
  }
  s->draining = TRUE;
  log_line (NULL, "info", "ends when %d jobs are done, in %d s at the latest",
      queue_running (s->queue), s->settings->drain);
  queue_drain (s->queue, drained, program);
  g_timeout_add_seconds ((guint) s->settings->drain, out_of_time, program);
  return G_SOURCE_CONTINUE;
}

static void
print_banner (const Server *s)
{
  g_autofree char *url = server_url (s);
  const Settings *settings = s->settings;
  g_autofree char *devices = g_strjoinv (", ", settings->devices);

  printf ("synchuman-server " VERSION "\n"
          "  models     %s\n"
          "  devices    %s\n"
          "  jobs       %s\n"
          "  address    %s\n"
          "  docs       %sdocs\n",
      settings->model ? settings->model
                      : "as everywhere: SHU_MODEL, then the search path",
      devices, settings->root, url, url);
  fflush (stdout);
}

static int
serve (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Settings) settings = settings_parse (&argc, &argv, &error);
  g_autoptr (Server) server = NULL;
  Program program;

  if (!settings) {
    fprintf (stderr, "synchuman-server: %s\n", error->message);
    return 2;
  }
  settings->banner = TRUE;
  gst_init (NULL, NULL);
  /* for the ranges of parameters; nothing runs in this process */
  if (!launch_load_plugin (&error) ||
      !(server = server_new (g_steal_pointer (&settings), NULL, &error))) {
    fprintf (stderr, "synchuman-server: %s\n", error->message);
    return 1;
  }
  program = (Program){g_main_loop_new (NULL, FALSE), server};
  print_banner (server);
  signal (SIGXFSZ, SIG_IGN); /* ulimit -f: an error of write(), not the end */
  g_unix_signal_add (SIGTERM, end, &program);
  g_unix_signal_add (SIGINT, end, &program);
  g_main_loop_run (program.loop);
  g_main_loop_unref (program.loop);
  return 0;
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  if (argc > 1 && strcmp (argv[1], "--worker") == 0)
    return worker_main (argc, argv);
  return serve (argc, argv);
}
