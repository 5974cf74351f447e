/* SPDX-License-Identifier: MIT */
/* The server's log: a line an event on standard error, as pairs that programs
 * can take apart (logfmt). */
#pragma once
#include <glib.h>

/* @job: (nullable); @level: "info", "warning", "error" */
void log_line (const char *job, const char *level, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
