/* SPDX-License-Identifier: MIT */
/* Which model an element uses.  In this order: its own properties "model",
 * "device" and "memory"; the GstContext "synchuman.model" (fields of these
 * names; strings, all optional), which the application sets on a pipeline or
 * another element with these properties publishes; the environment and the
 * search path of shu_model_get(). */
#pragma once
#include <gst/gst.h>
#include "shu.h"

G_BEGIN_DECLS

#define SHU_MODEL_CONTEXT "synchuman.model"

/**
 * ShuModelUser:
 * The part of an element that holds its model.
 * @model, @device, @memory: the properties
 */
typedef struct {
  char *model;
  char *device;
  char *memory;
  ShuModel *opened;
} ShuModelUser;

/* The application's way to choose: (transfer full); all may be NULL. */
GstContext *shu_model_context_new (
    const char *model, const char *device, const char *memory);

/**
 * shu_find_context:
 * @ask: the neighbours, too, and not only the pipeline
 *
 * Returns: (transfer full) (nullable): what is known around @element
 */
GstContext *shu_find_context (
    GstElement *element, const char *type, gboolean ask);

/* READY to PAUSED: tells the pipeline about the properties, where set. */
void shu_model_user_publish (ShuModelUser *user, GstElement *element);

/* Opened once until shu_model_user_clear().  (transfer full) */
ShuModel *shu_model_user_get (
    ShuModelUser *user, GstElement *element, GError **error);

/* Where the model is, or will be as far as is known: elements that start later
 * may still choose another one.  (transfer full) (nullable) */
char *shu_model_user_device (ShuModelUser *user, GstElement *element);

/* PAUSED to READY: lets go of the model, keeps the properties. */
void shu_model_user_clear (ShuModelUser *user, GstElement *element);

/* Answers a neighbour's GST_QUERY_CONTEXT. */
gboolean shu_model_user_query (GstElement *element, GstQuery *query);

G_END_DECLS
