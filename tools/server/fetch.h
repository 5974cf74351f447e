/* SPDX-License-Identifier: MIT */
/* Gets a photo from an address that a stranger named. */
#pragma once
#include "address.h"
#include "web.h"

G_BEGIN_DECLS

typedef struct _Fetcher Fetcher;

/* @photo: NULL with a problem in @p */
typedef void (*Fetched) (GBytes *photo, Problem *p, gpointer data);

/* @rules: (nullable): for tests; becomes the rule for all lookups of the
 * process */
Fetcher *fetcher_new (const Settings *settings, const AddressRules *rules);
void fetcher_free (Fetcher *f);

/**
 * fetch:
 * @url: https, or http where the settings allow it; no name and password in it,
 *   a host of the public internet, the protocol's port
 * @cancellable: (nullable): ends it early; then @done is called all the same
 *
 * Redirects are followed three times, each checked like the first; no proxy,
 * no cookies, no compression; at most the settings' largest upload, and 30 s.
 */
void fetch (Fetcher *f, const char *url, GCancellable *cancellable,
    Fetched done, gpointer data);

/* Whether @url may be asked for, as far as itself says. */
gboolean fetch_check_url (const Fetcher *f, const char *url, Problem *p);

G_END_DECLS
