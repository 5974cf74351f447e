/* SPDX-License-Identifier: MIT */
#include "model.h"

GstContext *
shu_model_context_new (
    const char *model, const char *device, const char *memory)
{
  GstContext *context = gst_context_new (SHU_MODEL_CONTEXT, FALSE);
  GstStructure *s = gst_context_writable_structure (context);

  if (model)
    gst_structure_set (s, "model", G_TYPE_STRING, model, NULL);
  if (device)
    gst_structure_set (s, "device", G_TYPE_STRING, device, NULL);
  if (memory)
    gst_structure_set (s, "memory", G_TYPE_STRING, memory, NULL);
  return context;
}

static gboolean
ask_peer (const GValue *item, GValue *ret, gpointer query)
{
  if (!gst_pad_peer_query (g_value_get_object (item), query))
    return TRUE;
  g_value_set_boolean (ret, TRUE);
  return FALSE;
}

static gboolean
ask_neighbours (GstIterator *pads, GstQuery *query)
{
  GValue ret = G_VALUE_INIT;
  gboolean found;

  g_value_init (&ret, G_TYPE_BOOLEAN);
  while (gst_iterator_fold (pads, ask_peer, &ret, query) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (pads);
  gst_iterator_free (pads);
  found = g_value_get_boolean (&ret);
  g_value_unset (&ret);
  return found;
}

/* A bin answers the message before it returns, as an application does that
 * listens in a sync handler. */
GstContext *
shu_find_context (GstElement *element, const char *type, gboolean ask)
{
  GstContext *context = gst_element_get_context (element, type);
  g_autoptr (GstQuery) query = NULL;

  if (!context && ask) {
    query = gst_query_new_context (type);
    if (ask_neighbours (gst_element_iterate_src_pads (element), query) ||
        ask_neighbours (gst_element_iterate_sink_pads (element), query)) {
      GstContext *theirs; /* the query's */

      gst_query_parse_context (query, &theirs);
      if (theirs)
        gst_element_set_context (element, theirs);
    }
  }
  g_clear_pointer (&context, gst_context_unref);
  gst_element_post_message (
      element, gst_message_new_need_context (GST_OBJECT (element), type));
  return gst_element_get_context (element, type);
}

typedef struct {
  char *model, *device, *memory; /* or NULL */
} Choice;

static void
choice_clear (Choice *c)
{
  g_free (c->model);
  g_free (c->device);
  g_free (c->memory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Choice, choice_clear)

/* Own properties first */
static Choice
choose (ShuModelUser *user, GstElement *element, GstContext *context)
{
  const GstStructure *s = context ? gst_context_get_structure (context) : NULL;
  Choice c;

  GST_OBJECT_LOCK (element);
  c.model = g_strdup (user->model);
  c.device = g_strdup (user->device);
  c.memory = g_strdup (user->memory);
  GST_OBJECT_UNLOCK (element);
  if (s && !c.model)
    c.model = g_strdup (gst_structure_get_string (s, "model"));
  if (s && !c.device)
    c.device = g_strdup (gst_structure_get_string (s, "device"));
  if (s && !c.memory)
    c.memory = g_strdup (gst_structure_get_string (s, "memory"));
  return c;
}

void
shu_model_user_publish (ShuModelUser *user, GstElement *element)
{
  g_autoptr (GstContext) known = NULL;
  g_autoptr (GstContext) context = NULL;
  g_auto (Choice) c = {NULL};

  if (!user->model && !user->device && !user->memory)
    return;
  known = shu_find_context (element, SHU_MODEL_CONTEXT, TRUE);
  c = choose (user, element, known);
  context = shu_model_context_new (c.model, c.device, c.memory);
  gst_element_set_context (element, context);
  gst_element_post_message (
      element, gst_message_new_have_context (
                   GST_OBJECT (element), gst_context_ref (context)));
}

ShuModel *
shu_model_user_get (ShuModelUser *user, GstElement *element, GError **error)
{
  g_autoptr (GstContext) context = NULL;
  g_autoptr (ShuModel) model = NULL;
  g_auto (Choice) c = {NULL};
  ShuMemory memory;

  GST_OBJECT_LOCK (element);
  if (user->opened)
    model = shu_model_ref (user->opened);
  GST_OBJECT_UNLOCK (element);
  if (model)
    return g_steal_pointer (&model);

  context = shu_find_context (element, SHU_MODEL_CONTEXT, TRUE);
  c = choose (user, element, context);
  if (!shu_memory_parse (c.memory, &memory, error))
    return NULL;
  model = shu_model_get_with_memory (c.model, c.device, memory, error);
  if (!model)
    return NULL;
  GST_OBJECT_LOCK (element);
  if (!user->opened)
    user->opened = shu_model_ref (model);
  GST_OBJECT_UNLOCK (element);
  return g_steal_pointer (&model);
}

char *
shu_model_user_device (ShuModelUser *user, GstElement *element)
{
  g_autoptr (GstContext) context = NULL;
  g_auto (Choice) c = {NULL};
  char *device;

  GST_OBJECT_LOCK (element);
  device = user->opened ? g_strdup (shu_model_device (user->opened)) : NULL;
  GST_OBJECT_UNLOCK (element);
  if (device)
    return device;
  context = shu_find_context (element, SHU_MODEL_CONTEXT, TRUE);
  c = choose (user, element, context);
  return shu_resolve_device (c.device, NULL);
}

void
shu_model_user_clear (ShuModelUser *user, GstElement *element)
{
  ShuModel *model;

  GST_OBJECT_LOCK (element);
  model = g_steal_pointer (&user->opened);
  GST_OBJECT_UNLOCK (element);
  if (model)
    shu_model_unref (model);
}

gboolean
shu_model_user_query (GstElement *element, GstQuery *query)
{
  g_autoptr (GstContext) context = NULL;
  const char *type;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT)
    return FALSE;
  gst_query_parse_context_type (query, &type);
  context = gst_element_get_context (element, type);
  if (!context)
    return FALSE;
  gst_query_set_context (query, context);
  return TRUE;
}
