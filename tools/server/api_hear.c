/* SPDX-License-Identifier: MIT */
/* What a worker says of its job.  A stranger's photo may have taken the worker
 * over, so its words may be anything. */
#include "api_job.h"
#include "web_json.h"
#include <string.h>

enum { MAX_WARNINGS = 16 };

static void
take_progress (ApiJob *job, JsonObject *o)
{
  const char *stage = web_get_string (o, "stage", "");

  if (g_strcmp0 (job->stage, stage) != 0) {
    g_free (job->stage);
    job->stage = g_strndup (stage, 32);
  }
  job->step = (int) json_object_get_int_member_with_default (o, "step", 0);
  job->total = (int) json_object_get_int_member_with_default (o, "total", 0);
  job->stage_left =
      json_object_get_double_member_with_default (o, "remaining", -1);
  api_job_tell (job, "progress");
}

static void
take_stage (JsonObject *o, const char *name, JsonNode *node, gpointer data)
{
  double *seconds;

  /* names become labels of metrics */
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen (name))
    return;
  seconds = g_new (double, 1);
  *seconds = json_node_get_double (node);
  g_hash_table_replace (data, g_strdup (name), seconds);
}

static void
take_times (ApiJob *job, JsonObject *o)
{
  JsonNode *stages = json_object_get_member (o, "stages");

  job->seconds = json_object_get_double_member_with_default (o, "seconds", 0);
  if (stages && JSON_NODE_HOLDS_OBJECT (stages))
    json_object_foreach_member (
        json_node_get_object (stages), take_stage, job->stages);
}

void
api_job_hear (ApiJob *job, JsonObject *o)
{
  const char *type = web_get_string (o, "type", "");

  if (strcmp (type, "started") == 0)
    job->expected =
        json_object_get_double_member_with_default (o, "estimate", -1);
  else if (strcmp (type, "progress") == 0)
    take_progress (job, o);
  else if (strcmp (type, "subject") == 0)
    job->coverage =
        json_object_get_double_member_with_default (o, "alpha_coverage", -1);
  else if (strcmp (type, "done") == 0)
    take_times (job, o);
  else if (strcmp (type, "preview") == 0) {
    g_free (job->preview);
    job->preview = g_strdup (web_get_string (o, "jpeg", ""));
    api_job_tell (job, "preview");
  } else if (strcmp (type, "warning") == 0 &&
             job->warnings->len < MAX_WARNINGS) {
    g_ptr_array_add (
        job->warnings, g_strdup (web_get_string (o, "message", "")));
    api_job_tell (job, "warning");
  }
}
