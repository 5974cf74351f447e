/* SPDX-License-Identifier: MIT */
/* A job: what was asked for, how far it is, what became of it.  Its folder
 * holds it beyond the life of the server. */
#pragma once
#include "params.h"

G_BEGIN_DECLS

/* The field "approach" of answers */
#define API_APPROACH "two_stage"

enum { API_MAX_TRIES = 2 }; /* of a job whose worker ends */

typedef enum {
  API_QUEUED,
  API_RUNNING,
  API_COMPLETED,
  API_FAILED,
  API_CANCELLED,
} ApiState;

typedef struct _ApiJob ApiJob;

/* @event: "state", "progress", "preview", "warning" */
typedef void (*ApiWatch) (ApiJob *job, const char *event, gpointer data);

/**
 * ApiJob:
 * @id: 16 hexadecimal digits
 * @folder: holds upload, job.json, and in time stage1_output, stage2_output
 * @values: placeholders of pipelines/api.pipeline, from the request
 * @detached: goes on where its client goes away
 * @key, @print: (nullable): what makes a request the same as an earlier one,
 *   and a digest of that one
 * @created, @started, @finished: microseconds since 1970; 0: not yet
 * @tries: times that a worker has begun it
 * @cancelling: it was asked to stop
 * @step, @total: of @stage; @total is 0 before the first
 * @stage_left: seconds; < 0: not known
 * @expected: seconds for all of it, as it began; < 0: not known
 * @coverage: share of the photo that shows the person; < 0: not known
 * @stages: name to a double *, seconds
 * @preview: (nullable): a JPEG file in base64
 * @status, @cause, @message: why it failed: of HTTP, a word, a sentence
 * @bytes: of its folder, when it is finished
 */
struct _ApiJob {
  char *id, *folder;
  GHashTable *values;
  gboolean detached;
  char *key, *print;
  ApiState state;
  gint64 created, started, finished;
  int tries;
  gboolean cancelling;
  char *stage;
  int step, total;
  double stage_left, expected;
  double coverage, seconds;
  GHashTable *stages;
  char *preview;
  GPtrArray *warnings;
  guint status;
  char *cause, *message;
  gint64 bytes;
  GPtrArray *watches;
};

/* An empty one; no folder is made.  (transfer full) */
ApiJob *api_job_alloc (const char *root, const char *id);
/* A new one in a new folder of @root, which is made; (transfer full) */
ApiJob *api_job_new (const char *root, GError **error);
/* The one that a folder holds, as it was left; NULL where it holds none */
ApiJob *api_job_open (const char *root, const char *id);
ApiJob *api_job_ref (ApiJob *job);
void api_job_unref (ApiJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ApiJob, api_job_unref)

/* Whether @id can be one. */
gboolean api_job_is_id (const char *id);
gboolean api_job_is_over (const ApiJob *job);
const char *api_job_state (const ApiJob *job);
/* Seconds to its end; < 0: not known */
double api_job_seconds_left (const ApiJob *job);
/* Writes job.json. */
gboolean api_job_save (const ApiJob *job, GError **error);
/* Removes the folder and all that is in it. */
void api_job_remove (const ApiJob *job);

/**
 * api_job_file:
 * @name: of a result, as in "files" of an answer: "color_0", "input",
 *   "output.glb", or with its ending: "color_0.png"
 *
 * Returns: (transfer full) (nullable): its path; NULL where there is no such
 *   name.  Nothing of @name gets into the path.
 */
char *api_job_file (const ApiJob *job, const char *name, const char **ret_type);
/* Path of the upload.  (transfer full) */
char *api_job_upload (const ApiJob *job);

/* Name of the folder of stage 1 or 2 in the job's */
const char *api_job_stage_folder (int stage);
/* Sets @bytes. */
void api_job_measure (ApiJob *job);

/* The i-th result, for lists: FALSE behind the last. */
gboolean api_job_result (
    int i, int *ret_stage, const char **ret_name, const char **ret_file);

/* Members of an answer's object about @job; @root_name as in paths, @defaults
 * for what was not asked for. */
void api_job_write (const ApiJob *job, JsonBuilder *b, const char *root_name,
    const Defaults *defaults);

void api_job_watch (ApiJob *job, ApiWatch watch, gpointer data);
void api_job_unwatch (ApiJob *job, ApiWatch watch, gpointer data);
/* Takes what a worker says of @job (worker.h), and tells who watches. */
void api_job_hear (ApiJob *job, JsonObject *o);
/* Tells all that watch. */
void api_job_tell (ApiJob *job, const char *event);

G_END_DECLS
