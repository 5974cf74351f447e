/* SPDX-License-Identifier: MIT */
#include "log.h"
#include <stdio.h>

void
log_line (const char *job, const char *level, const char *format, ...)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *when = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *text = NULL;
  g_autofree char *escaped = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  /* a stranger's words must not make lines of their own */
  escaped = g_strescape (text, NULL);
  fprintf (stderr, "time=%s.%03dZ level=%s%s%s msg=\"%s\"\n", when,
      g_date_time_get_microsecond (now) / 1000, level, job ? " job=" : "",
      job ? job : "", escaped);
}
