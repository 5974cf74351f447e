/* SPDX-License-Identifier: MIT */
/* The parameters of a job under their official names: what a request may say,
 * and what an answer says was used. */
#pragma once
#include <glib.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * Defaults:
 * What the model folder in use has where a request says nothing; from the
 * worker.
 * @view_size: side of the views, pixels
 */
typedef struct {
  int view_size;
  int num_inference_steps;
  double guidance_scale;
  int num_steps;
  double cfg_strength;
  double cfg_interval[2];
  int up_size;
} Defaults;

/**
 * params_set:
 * @values: placeholder of pipelines/api.pipeline to text; changed
 * @name: as in the request, e.g. "guidance_scale"
 *
 * Returns: FALSE with an error that says what is allowed
 */
gboolean params_set (
    GHashTable *values, const char *name, const char *text, GError **error);

/* What depends on the model, too: FALSE with an error that says what is
 * allowed. */
gboolean params_check (
    GHashTable *values, const Defaults *defaults, GError **error);

/* Names of all, for messages.  (transfer full) */
char *params_names (void);

/* The members of "parameters" of stage 1 or 2: those in use. */
void params_write (
    JsonBuilder *b, int stage, GHashTable *values, const Defaults *defaults);

G_END_DECLS
