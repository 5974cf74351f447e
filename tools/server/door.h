/* SPDX-License-Identifier: MIT */
/* Where clients come in.  libsoup's own listener loses a socket object with
 * every client, and stops for good when the process has no descriptor left. */
#pragma once
#include "web.h"

G_BEGIN_DECLS

typedef struct _Door Door;

/* Listens as @settings say; every client is @server's. */
Door *door_new (const Settings *settings, SoupServer *server, GError **error);
void door_free (Door *door);
/* The URL.  (transfer full) */
char *door_url (const Door *door);
/* Connections that are open */
int door_clients (const Door *door);

G_END_DECLS
