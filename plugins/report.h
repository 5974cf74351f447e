/* SPDX-License-Identifier: MIT */
/* What elements tell the application: progress, warnings, errors. */
#pragma once
#include <gst/gst.h>
#include "shu.h"

G_BEGIN_DECLS

/**
 * ShuReport:
 * Turns the library's progress into GStreamer's progress messages, each
 * followed by an element message "synchuman-progress" with the fields stage
 * (string), step, total (int) and remaining (double, seconds; -1: not known).
 */
typedef struct {
  GstElement *element;
  char stage[32]; /* "" when none is under way */
  int step, total;
  gint64 started, posted; /* microseconds */
  gint64 first_step_done;
} ShuReport;

/* Of type ShuProgressFunc; @data is a ShuReport. */
void shu_report_progress (
    const char *stage, int step, int total, gpointer data);

/* Closes the stage that is under way. */
void shu_report_done (ShuReport *report, const GError *error);

/* Posts exactly one error message: the GError's text and what to do about it;
 * posts nothing for %G_IO_ERROR_CANCELLED.
 * Returns: what the pad function shall */
GstFlowReturn shu_report_error (GstElement *element, const GError *error);

/* Posts the same as a warning: one of several was left out, that of @pts, which
 * is in the message's details as well. */
void shu_report_left_out (
    GstElement *element, const GError *error, GstClockTime pts);

void shu_report_warning (GstElement *element, const char *text);

G_END_DECLS
