/* SPDX-License-Identifier: MIT */
#include "address.h"
#include <string.h>

/* ---- the rule ---- */

typedef struct {
  guint8 prefix[6];
  guint bits;
} Net;

/* IANA's special-purpose registry for IPv4 (RFC 6890 and its updates) */
static const Net reserved4[] = {{{0}, 8}, {{10}, 8}, {{100, 64}, 10},
    {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},
    {{192, 0, 2}, 24}, {{192, 31, 196}, 24}, {{192, 52, 193}, 24},
    {{192, 88, 99}, 24}, {{192, 168}, 16}, {{192, 175, 48}, 24},
    {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24}, {{224}, 4},
    {{240}, 4}};

/* For IPv6, within the only block that is in use, 2000::/3 */
static const Net reserved6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocols, Teredo among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* stands for an IPv4 address */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static gboolean
in_net (const guint8 *address, const Net *net)
{
  for (guint i = 0; i < net->bits; i++) {
    guint8 mask = (guint8) (0x80 >> (i & 7));

    if ((address[i / 8] ^ net->prefix[i / 8]) & mask)
      return FALSE;
  }
  return TRUE;
}

gboolean
address_is_public (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  gboolean v4 = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4;
  const Net *nets = v4 ? reserved4 : reserved6;
  guint n = v4 ? G_N_ELEMENTS (reserved4) : G_N_ELEMENTS (reserved6);

  if (!v4 && (bytes[0] & 0xe0) != 0x20)
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (in_net (bytes, &nets[i]))
      return FALSE;
  return TRUE;
}

/* ---- the resolver ---- */

#define TYPE_ADDRESS_RESOLVER (address_resolver_get_type ())
G_DECLARE_FINAL_TYPE (
    AddressResolver, address_resolver, ADDRESS, RESOLVER, GResolver)

struct _AddressResolver {
  GResolver parent;
  GResolver *world;
  AddressRules rules;
};

G_DEFINE_FINAL_TYPE (AddressResolver, address_resolver, G_TYPE_RESOLVER)

static gboolean
wanted (GInetAddress *address, GResolverNameLookupFlags flags)
{
  gboolean v4 = g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4;

  return v4 ? !(flags & G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY)
            : !(flags & G_RESOLVER_NAME_LOOKUP_FLAGS_IPV4_ONLY);
}

/* Takes over @all; those that are allowed. */
static GList *
leave_out (AddressResolver *self, const char *host, GList *all,
    GResolverNameLookupFlags flags, GError **error)
{
  GList *good = NULL;
  int refused = 0;

  for (GList *l = all; l; l = l->next) {
    if (!self->rules.allowed (l->data, self->rules.data))
      refused++;
    else if (wanted (l->data, flags))
      good = g_list_prepend (good, g_object_ref (l->data));
  }
  g_list_free_full (all, g_object_unref);
  if (!good && refused)
    g_set_error (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND,
        "%s is no host of the public internet", host);
  else if (!good)
    g_set_error (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND,
        "%s has no address", host);
  return g_list_reverse (good);
}

static GList *
lookup_with_flags (GResolver *resolver, const char *host,
    GResolverNameLookupFlags flags, GCancellable *cancellable, GError **error)
{
  AddressResolver *self = ADDRESS_RESOLVER (resolver);
  GList *all;

  all = self->rules.lookup
            ? self->rules.lookup (host, self->rules.data)
            : g_resolver_lookup_by_name (self->world, host, cancellable, error);
  if (!all && error && *error)
    return NULL;
  return leave_out (self, host, all, flags, error);
}

static GList *
lookup (GResolver *resolver, const char *host, GCancellable *cancellable,
    GError **error)
{
  return lookup_with_flags (
      resolver, host, G_RESOLVER_NAME_LOOKUP_FLAGS_DEFAULT, cancellable, error);
}

typedef struct {
  char *host;
  GResolverNameLookupFlags flags;
} Question;

static void
question_free (gpointer data)
{
  Question *q = data;

  g_free (q->host);
  g_free (q);
}

static void
free_addresses (gpointer data)
{
  g_list_free_full (data, g_object_unref);
}

static void
in_thread (
    GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Question *q = data;
  GError *error = NULL;
  GList *found =
      lookup_with_flags (source, q->host, q->flags, cancellable, &error);

  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, found, free_addresses);
}

static void
lookup_with_flags_async (GResolver *resolver, const char *host,
    GResolverNameLookupFlags flags, GCancellable *cancellable,
    GAsyncReadyCallback done, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, done, data);
  Question *q = g_new (Question, 1);

  *q = (Question){g_strdup (host), flags};
  g_task_set_task_data (task, q, question_free);
  g_task_run_in_thread (task, in_thread);
}

static void
lookup_async (GResolver *resolver, const char *host, GCancellable *cancellable,
    GAsyncReadyCallback done, gpointer data)
{
  lookup_with_flags_async (resolver, host, G_RESOLVER_NAME_LOOKUP_FLAGS_DEFAULT,
      cancellable, done, data);
}

static GList *
lookup_finish (GResolver *resolver, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
address_resolver_finalize (GObject *object)
{
  g_object_unref (ADDRESS_RESOLVER (object)->world);
  G_OBJECT_CLASS (address_resolver_parent_class)->finalize (object);
}

static void
address_resolver_class_init (AddressResolverClass *klass)
{
  GResolverClass *resolver = G_RESOLVER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = address_resolver_finalize;
  resolver->lookup_by_name = lookup;
  resolver->lookup_by_name_async = lookup_async;
  resolver->lookup_by_name_finish = lookup_finish;
  resolver->lookup_by_name_with_flags = lookup_with_flags;
  resolver->lookup_by_name_with_flags_async = lookup_with_flags_async;
  resolver->lookup_by_name_with_flags_finish = lookup_finish;
}

static void
address_resolver_init (AddressResolver *self)
{
  self->world = g_resolver_get_default ();
}

static gboolean
allow_public (GInetAddress *address, gpointer data)
{
  return address_is_public (address);
}

GResolver *
address_resolver_new (const AddressRules *rules)
{
  AddressResolver *self = g_object_new (TYPE_ADDRESS_RESOLVER, NULL);

  if (rules)
    self->rules = *rules;
  if (!self->rules.allowed)
    self->rules.allowed = allow_public;
  return G_RESOLVER (self);
}
