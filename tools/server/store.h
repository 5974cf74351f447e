/* SPDX-License-Identifier: MIT */
/* The jobs there are, each with a folder below the server's root: what is kept
 * of them, for how long, and what an earlier server has left. */
#pragma once
#include "api_job.h"
#include "settings.h"

G_BEGIN_DECLS

typedef struct _Store Store;

/**
 * store_new:
 * Makes the root, and takes up the jobs in it.
 *
 * @waiting: gets a reference to each that is to be done, the oldest first
 */
Store *store_new (const Settings *settings, GQueue *waiting, GError **error);
void store_free (Store *s);

/* Takes a reference. */
void store_add (Store *s, ApiJob *job);
/* (transfer none) (nullable) */
ApiJob *store_find (const Store *s, const char *id);
/* The newest job under this key.  (transfer none) (nullable) */
ApiJob *store_find_key (const Store *s, const char *key);
/* Forgets a job that is over, with its folder. */
void store_remove (Store *s, ApiJob *job);
/* Removes those that were over too long ago, or are too many for the disk. */
void store_tidy (Store *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Store, store_free)

G_END_DECLS
