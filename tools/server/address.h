/* SPDX-License-Identifier: MIT */
/* Which addresses of the internet a server may connect to when a stranger
 * names them, and a resolver that knows no others. */
#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* Whether @address is one of the public internet: none of this machine, of
 * private networks, of links (where clouds serve their metadata), none that
 * stands for others (mapped, tunnelled), none reserved (RFC 6890). */
gboolean address_is_public (GInetAddress *address);

/**
 * AddressRules:
 * What tests put in the place of the world.
 * @lookup: (nullable): addresses of a host, (element-type GInetAddress)
 *   (transfer full)
 * @allowed: in the place of address_is_public()
 */
typedef struct {
  GList *(*lookup) (const char *host, gpointer data);
  gboolean (*allowed) (GInetAddress *address, gpointer data);
  gpointer data;
} AddressRules;

/* A resolver that leaves out what @rules (or, NULL, address_is_public()) does
 * not allow.  Whoever connects through it connects to an address that was
 * checked: there is no second lookup. */
GResolver *address_resolver_new (const AddressRules *rules);

G_END_DECLS
