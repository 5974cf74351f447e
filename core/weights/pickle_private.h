/* SPDX-License-Identifier: MIT */
/* A reader of pickles that executes nothing: it knows the instructions that
 * build numbers, texts, lists and dictionaries, and asks its user what few
 * names ("globals"), calls and persistent ids may stand for. */
#pragma once
#include "base/bytes.h"

typedef enum {
  SHU_PICKLE_NONE,
  SHU_PICKLE_INT, /* and booleans */
  SHU_PICKLE_FLOAT,
  SHU_PICKLE_TEXT, /* and bytes */
  SHU_PICKLE_TUPLE,
  SHU_PICKLE_LIST,
  SHU_PICKLE_DICT, /* items: key, value, key, value … */
  SHU_PICKLE_OBJECT,
} ShuPickleType;

/**
 * ShuPickleValue:
 * @tag: of an object: its user's word for what it is
 * @number: of an integer; of an object: its user's
 * @text: of a text, @n bytes without an end
 * @items: @n of them
 *
 * Belongs to the pickle.  May contain itself.
 */
typedef struct _ShuPickleValue ShuPickleValue;

struct _ShuPickleValue {
  ShuPickleType type;
  int tag;
  gint64 number;
  const char *text;
  ShuPickleValue **items;
  gsize n, room;
};

typedef struct _ShuPickle ShuPickle;

/* Each returns NULL after shu_pickle_fail(). */
typedef struct {
  ShuPickleValue *(*global) (ShuPickle *p, const char *name);
  ShuPickleValue *(*call) (
      ShuPickle *p, const ShuPickleValue *what, ShuPickleValue *args);
  ShuPickleValue *(*persistent) (ShuPickle *p, ShuPickleValue *id);
} ShuPickleHooks;

ShuPickle *shu_pickle_new (
    const char *label, const ShuPickleHooks *hooks, gpointer data);
void shu_pickle_free (ShuPickle *p);
gpointer shu_pickle_data (ShuPickle *p);

/* The value of the pickle at @c, which then is behind it; NULL with an error
 */
ShuPickleValue *shu_pickle_read (ShuPickle *p, ShuCursor *c, GError **error);

ShuPickleValue *shu_pickle_value (ShuPickle *p, ShuPickleType type);
void shu_pickle_add (ShuPickle *p, ShuPickleValue *to, ShuPickleValue *item);
void shu_pickle_fail (ShuPickle *p, int code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

gboolean shu_pickle_is_text (const ShuPickleValue *v, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuPickle, shu_pickle_free)
