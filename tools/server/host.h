/* SPDX-License-Identifier: MIT */
/* The server's side of a worker process (worker.h): started, watched, replaced
 * when it ends. */
#pragma once
#include "params.h"
#include "settings.h"

G_BEGIN_DECLS

typedef struct _Host Host;

/**
 * HostInfo:
 * What a worker said when it was ready.
 * @gpu: (nullable)
 * @memory: bytes of the GPU
 * @memory_free: of these at the end of the last job, its own taken off
 * @estimate: seconds for a job, from earlier ones; < 0: not known
 */
typedef struct {
  char *folder, *hash, *device, *gpu;
  gint64 memory, memory_free;
  Defaults defaults;
  double estimate;
} HostInfo;

/**
 * HostEvents:
 * @ready: it takes a job
 * @says: what a worker says of its job (worker.h)
 * @lost: the process has ended; @why for people.  It is started again by
 *   itself
 */
typedef struct {
  void (*ready) (Host *h, gpointer data);
  void (*says) (Host *h, JsonObject *object, gpointer data);
  void (*lost) (Host *h, const char *why, gpointer data);
} HostEvents;

/* "cuda:0", "cuda:1" and so on, as many as there are; "cpu" where there is
 * none.  (transfer full) */
char **host_all_devices (void);

/* Starts a process that works on @device. */
Host *host_new (const Settings *settings, const char *device,
    const HostEvents *events, gpointer data);
/* Ends the process. */
void host_free (Host *h);

/* NULL until the first one was ready */
const HostInfo *host_info (const Host *h);
gboolean host_is_ready (const Host *h);
const char *host_device (const Host *h);
/* Resident memory of the process, bytes */
gint64 host_resident (const Host *h);
/* Why the process does not start; NULL: it does */
const char *host_trouble (const Host *h);

/* @steps, @steps2 <= 0: the model's */
void host_run (Host *h, const char *description, int steps, int steps2);
/* Asks for the end of the job; ends the process if that takes too long. */
void host_cancel (Host *h);
/* Ends the process without asking it. */
void host_kill (const Host *h);

G_END_DECLS
