/* SPDX-License-Identifier: MIT */
#include "output.h"
#include "server/web_json.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 24 };

void
output_init (Output *o, gboolean json)
{
  memset (o, 0, sizeof *o);
  o->json = json;
  o->terminal = !json && isatty (STDERR_FILENO);
}

void
output_clear (Output *o)
{
  g_clear_pointer (&o->last_stage, g_free);
}

char *
output_printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *s = g_string_new (NULL);

  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    gunichar ch = g_utf8_get_char (p);

    g_string_append_unichar (
        s, g_unichar_iscntrl (ch) && ch != '\n' ? '?' : ch);
  }
  return g_string_free (s, FALSE);
}

char *
output_duration (double seconds)
{
  if (seconds < 90)
    return g_strdup_printf ("%.0f s", seconds < 1 ? 1. : seconds);
  if (seconds < 90 * 60)
    return g_strdup_printf ("%.0f min", seconds / 60);
  return g_strdup_printf ("%.1f h", seconds / 3600);
}

void
output_end_bar (Output *o)
{
  if (o->bar)
    fputs ("\r\033[K", stderr);
  o->bar = FALSE;
}

/* ---- JSON ---- */

static JsonBuilder *
json_begin (const char *type)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "type");
  json_builder_add_string_value (b, type);
  return b;
}

/* File names need not be UTF-8; JSON does. */
static void
json_string (JsonBuilder *b, const char *name, const char *value)
{
  g_autofree char *valid = value ? g_utf8_make_valid (value, -1) : NULL;

  if (!valid)
    return;
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, valid);
}

/* Takes over @b. */
static void
json_end (JsonBuilder *b)
{
  g_autofree char *text = NULL;

  json_builder_end_object (b);
  text = web_json_text (b);
  puts (text);
  fflush (stdout);
}

/* ---- what there is to say ---- */

void
output_estimate (Output *o, const char *input, double seconds, gboolean guess)
{
  if (o->json) {
    JsonBuilder *b = json_begin ("estimate");

    json_string (b, "input", input);
    web_seconds (b, "seconds", seconds);
    json_builder_set_member_name (b, "guess");
    json_builder_add_boolean_value (b, guess);
    json_end (b);
  } else {
    g_autofree char *text = output_duration (seconds);

    fprintf (stderr, "%s: will take about %s%s\n", input, text,
        guess ? " (a guess: this model has not run here yet)" : "");
  }
}

static void
print_bar (Output *o, const char *stage, int step, int total, const char *left)
{
  int n = (int) ((gint64) BAR * step / total);

  fprintf (stderr, "\r\033[K%-10s [", stage);
  for (int i = 0; i < BAR; i++)
    fputc (i < n ? '#' : '.', stderr);
  fprintf (stderr, "] %d/%d%s%s", step, total, left ? "  left: " : "",
      left ? left : "");
  fflush (stderr);
  o->bar = TRUE;
}

/* A line when a stage begins and then every ten seconds. */
static void
print_line (Output *o, const char *stage, int step, int total, const char *left)
{
  gint64 now = g_get_monotonic_time ();
  gboolean fresh = g_strcmp0 (o->last_stage, stage) != 0;

  if (!fresh && now - o->last_line < 10 * G_USEC_PER_SEC)
    return;
  g_free (o->last_stage);
  o->last_stage = g_strdup (stage);
  o->last_line = now;
  fprintf (stderr, "%s %d/%d%s%s\n", stage, step, total, left ? ", left: " : "",
      left ? left : "");
}

void
output_progress (
    Output *o, const char *stage, int step, int total, double seconds_left)
{
  g_autofree char *left =
      seconds_left < 0 ? NULL : output_duration (seconds_left);

  if (o->json) {
    JsonBuilder *b = json_begin ("progress");

    json_string (b, "stage", stage);
    web_int (b, "step", step);
    web_int (b, "total", total);
    web_seconds (b, "seconds_left", seconds_left);
    json_end (b);
  } else if (o->terminal)
    print_bar (o, stage, step, total, left);
  else
    print_line (o, stage, step, total, left);
}

void
output_report (Output *o, const char *input, const char *text,
    const OutputCount *counts, int n_counts)
{
  g_autofree char *plain = NULL;

  if (o->json) {
    JsonBuilder *b = json_begin ("report");

    json_string (b, "input", input);
    json_string (b, "message", text);
    for (int i = 0; i < n_counts; i++)
      web_int (b, counts[i].name, counts[i].value);
    json_end (b);
    return;
  }
  if (!o->verbose)
    return;
  output_end_bar (o);
  plain = output_printable (text);
  fprintf (stderr, "%s: %s\n", input, plain);
}

void
output_warning (Output *o, const char *input, const char *text)
{
  g_autofree char *plain = NULL;

  if (o->json) {
    JsonBuilder *b = json_begin ("warning");

    json_string (b, "input", input);
    json_string (b, "message", text);
    json_end (b);
    return;
  }
  output_end_bar (o);
  plain = output_printable (text);
  fprintf (stderr, "synchuman: %s: warning: %s\n", input, plain);
}

void
output_error (
    Output *o, const char *input, const char *text, const char *detail)
{
  g_autofree char *plain = NULL;

  if (o->json) {
    JsonBuilder *b = json_begin ("error");

    json_string (b, "input", input);
    json_string (b, "message", text);
    json_string (b, "detail", detail);
    json_end (b);
    return;
  }
  output_end_bar (o);
  plain = output_printable (text);
  fprintf (stderr, "synchuman: %s%s%s\n", input ? input : "", input ? ": " : "",
      plain);
}

void
output_result (Output *o, const char *input, const char *output, gsize bytes,
    double seconds)
{
  g_autofree char *size = NULL;

  if (o->json) {
    JsonBuilder *b = json_begin ("result");

    json_string (b, "input", input);
    json_string (b, "output", output);
    if (bytes > 0)
      web_int (b, "bytes", (gint64) bytes);
    web_seconds (b, "seconds", seconds);
    json_end (b);
    return;
  }
  output_end_bar (o);
  size = g_format_size (bytes);
  if (output)
    printf ("%s (%s, %.1f s)\n", output, size, seconds);
  fflush (stdout);
}
