/* SPDX-License-Identifier: MIT */
/* The jobs that wait, and those that the workers do. */
#pragma once
#include "api_job.h"
#include "host.h"
#include "metrics.h"
#include "settings.h"
#include "store.h"

G_BEGIN_DECLS

typedef struct _Queue Queue;

/* Makes the folder, takes up what an earlier server left in it, and starts a
 * worker for each device. */
Queue *queue_new (const Settings *settings, Metrics *metrics, GError **error);
void queue_free (Queue *q);

/**
 * queue_submit:
 * @job: new, with its upload in its folder; the queue takes a reference
 *
 * Returns: FALSE with %G_IO_ERROR_BUSY where too many wait already, or with
 *   what writing its record said
 */
gboolean queue_submit (Queue *q, ApiJob *job, GError **error);
gboolean queue_has_room (const Queue *q);
/* Seconds after which a client may try again. */
int queue_retry_after (const Queue *q);

/* All jobs.  (transfer none) */
Store *queue_store (const Queue *q);
/* 1: the next; 0: it does not wait */
int queue_position (const Queue *q, const ApiJob *job);
int queue_waiting (const Queue *q);
int queue_running (const Queue *q);

/* Stops it if it is not over. */
void queue_cancel (Queue *q, ApiJob *job);
int queue_workers (const Queue *q);
const Host *queue_worker (const Queue *q, int i);
/* What the first worker said that was ready; NULL: none was yet */
const HostInfo *queue_info (const Queue *q);
/* Whether a worker takes jobs. */
gboolean queue_is_ready (const Queue *q);

/* Why none of the workers begins; NULL: one does, or may yet.  */
const char *queue_trouble (const Queue *q);
/* Starts nothing more, tells clients whose job waits to go elsewhere, and calls
 * @done when nothing runs. */
void queue_drain (Queue *q, GSourceFunc done, gpointer data);
/* The same to clients whose job runs. */
void queue_give_up (Queue *q);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Queue, queue_free)

G_END_DECLS
