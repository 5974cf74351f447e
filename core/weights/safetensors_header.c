/* SPDX-License-Identifier: MIT */
/* See safetensors_header_private.h.  Strings and characters have been checked,
 * so what is left is the grammar. */
#include "weights/safetensors_header_private.h"
#include <string.h>

static const char *const NOT_JSON = "not JSON";
static const char *const TWICE = "a name is there twice";

typedef struct {
  const char *p, *end;
  GStringChunk *strings;
} Text;

/* The next character that is no space; 0 at the end */
static char
peek (Text *t)
{
  while (t->p < t->end && g_ascii_isspace (*t->p))
    t->p++;
  return t->p < t->end ? *t->p : 0;
}

static gboolean
take (Text *t, char ch)
{
  if (peek (t) != ch)
    return FALSE;
  t->p++;
  return TRUE;
}

/* ---- values ---- */

static gunichar
hex_of (const char *p)
{
  gunichar value = 0;

  for (int i = 2; i < 6; i++)
    value = 16 * value + (gunichar) g_ascii_xdigit_value (p[i]);
  return value;
}

/* What the escape at @p means, appended to @to.  Returns: behind it */
static const char *
add_escape (const char *p, GString *to)
{
  static const char from[] = "bfnrt", meant[] = "\b\f\n\r\t";
  const char *at = strchr (from, p[1]);
  gunichar ch;

  if (p[1] != 'u') {
    g_string_append_c (to, at ? meant[at - from] : p[1]);
    return p + 2;
  }
  ch = hex_of (p);
  p += 6;
  if (ch >= 0xd800 && ch < 0xdc00) {
    ch = 0x10000 + ((ch - 0xd800) << 10) + (hex_of (p) - 0xdc00);
    p += 6;
  }
  g_string_append_unichar (to, ch);
  return p;
}

/* The string that follows; NULL: none does */
static const char *
read_string (Text *t)
{
  g_autoptr (GString) decoded = NULL;
  const char *begin;

  if (!take (t, '"'))
    return NULL;
  for (begin = t->p; *t->p != '"' && *t->p != '\\';)
    t->p++;
  if (*t->p == '"')
    return g_string_chunk_insert_len (t->strings, begin, t->p++ - begin);
  decoded = g_string_new_len (begin, t->p - begin);
  while (*t->p != '"')
    if (*t->p == '\\')
      t->p = add_escape (t->p, decoded);
    else
      g_string_append_c (decoded, *t->p++);
  t->p++;
  return g_string_chunk_insert_len (
      t->strings, decoded->str, (gssize) decoded->len);
}

static gsize
digits (const char **p, const char *end)
{
  const char *begin = *p;

  while (*p < end && g_ascii_isdigit (**p))
    ++*p;
  return (gsize) (*p - begin);
}

/* Whether @p..@end-1 is a number as JSON has it. */
static gboolean
is_number (const char *p, const char *end)
{
  p += p < end && *p == '-';
  if (end - p > 1 && p[0] == '0' && g_ascii_isdigit (p[1]))
    return FALSE;
  if (digits (&p, end) == 0)
    return FALSE;
  if (p < end && *p == '.') {
    p++;
    if (digits (&p, end) == 0)
      return FALSE;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    p += p < end && (*p == '-' || *p == '+');
    if (digits (&p, end) == 0)
      return FALSE;
  }
  return p == end;
}

/* true, false, null or a number: its end in @t; FALSE: it is none */
static gboolean
read_word (Text *t, const char **ret_begin)
{
  static const char *const words[] = {"true", "false", "null"};
  gsize n;

  peek (t);
  *ret_begin = t->p;
  while (t->p < t->end &&
         (g_ascii_isalnum (*t->p) || (*t->p && strchr ("+-.", *t->p))))
    t->p++;
  n = (gsize) (t->p - *ret_begin);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (n == strlen (words[i]) && memcmp (*ret_begin, words[i], n) == 0)
      return TRUE;
  return is_number (*ret_begin, t->p);
}

static gboolean skip_value (Text *t);

/* As many members or elements as there are up to @close. */
static gboolean
skip_list (Text *t, char close)
{
  t->p++;
  if (take (t, close))
    return TRUE;
  do {
    if (close == '}' && (!read_string (t) || !take (t, ':')))
      return FALSE;
    if (!skip_value (t))
      return FALSE;
  } while (take (t, ','));
  return take (t, close);
}

/* As deep as shu_json_check() lets it be. */
static gboolean
skip_value (Text *t)
{
  const char *begin;

  switch (peek (t)) {
  case '{':
    return skip_list (t, '}');
  case '[':
    return skip_list (t, ']');
  case '"':
    return read_string (t) != NULL;
  default:
    return read_word (t, &begin);
  }
}

/* A whole number that is not negative, or -1 for any other value; FALSE where
 * there is none. */
static gboolean
read_size (Text *t, gint64 *ret)
{
  const char *begin;
  guint64 value = 0;

  *ret = -1;
  if (peek (t) == '{' || peek (t) == '[' || peek (t) == '"')
    return skip_value (t);
  if (!read_word (t, &begin))
    return FALSE;
  for (const char *p = begin; p < t->p; p++) {
    guint64 digit = (guint64) (*p - '0');

    if (!g_ascii_isdigit (*p) || value > (G_MAXINT64 - digit) / 10)
      return TRUE;
    value = value * 10 + digit;
  }
  *ret = (gint64) value;
  return TRUE;
}

/* The first @room of an array of sizes, and how many there are */
static gboolean
read_sizes (Text *t, guint room, gint64 *ret, guint *ret_n, gboolean *ret_valid)
{
  *ret_n = 0;
  *ret_valid = TRUE;
  t->p++; /* the bracket */
  if (take (t, ']'))
    return TRUE;
  do {
    gint64 size;

    if (!read_size (t, &size))
      return FALSE;
    *ret_valid = *ret_valid && size >= 0;
    if (*ret_n < room)
      ret[*ret_n] = size;
    ++*ret_n;
  } while (take (t, ','));
  return take (t, ']');
}

/* ---- what is in the header ---- */

static gboolean
read_offsets (Text *t, ShuStHeaderEntry *e)
{
  gint64 at[2] = {0, 0};
  guint n;

  if (!read_sizes (t, 2, at, &n, &e->is_offsets_valid))
    return FALSE;
  e->is_offsets_valid = e->is_offsets_valid && n == 2;
  e->begin = at[0];
  e->end = at[1];
  return TRUE;
}

static const char *
read_entry (Text *t, ShuStHeaderEntry *e)
{
  enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };

  int seen = 0;

  *e = (ShuStHeaderEntry){NULL};
  if (!take (t, '{'))
    return skip_value (t) ? "its entry is not an object" : NOT_JSON;
  if (take (t, '}'))
    return NULL;
  do {
    const char *key = read_string (t);
    gboolean ok = key && take (t, ':');
    int bit = !ok                                 ? 0
              : strcmp (key, "dtype") == 0        ? DTYPE
              : strcmp (key, "shape") == 0        ? SHAPE
              : strcmp (key, "data_offsets") == 0 ? OFFSETS
                                                  : 0;
    char next = ok ? peek (t) : 0;

    if (seen & bit)
      return TWICE;
    seen |= bit;
    if (bit == DTYPE && next == '"') {
      ok = (e->dtype = read_string (t)) != NULL;
    } else if (bit == SHAPE && next == '[') {
      e->has_shape = TRUE;
      ok =
          read_sizes (t, SHU_MAX_DIMS, e->dims, &e->n_dims, &e->is_shape_valid);
    } else if (bit == OFFSETS && next == '[') {
      e->has_offsets = TRUE;
      ok = read_offsets (t, e);
    } else if (ok) {
      ok = skip_value (t);
    }
    if (!ok)
      return NOT_JSON;
  } while (take (t, ','));
  return take (t, '}') ? NULL : NOT_JSON;
}

static const char *
read_metadata (Text *t, const ShuStHeader *h)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (!take (t, '{'))
    return skip_value (t) ? "it is not a list of strings" : NOT_JSON;
  if (take (t, '}'))
    return NULL;
  do {
    const char *key = read_string (t), *value;

    if (!key || !take (t, ':'))
      return NOT_JSON;
    if (peek (t) != '"')
      return skip_value (t) ? "it is not a list of strings" : NOT_JSON;
    value = read_string (t);
    if (!g_hash_table_add (seen, (gpointer) key))
      return TWICE;
    h->metadata (key, value, h->data);
  } while (take (t, ','));
  return take (t, '}') ? NULL : NOT_JSON;
}

const char *
shu_st_header_read (
    const ShuStHeader *h, const char *text, gsize size, const char **ret_name)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  Text t = {text, text + size, h->strings};
  const char *fault = NULL;

  *ret_name = NULL;
  if (!take (&t, '{'))
    return "not an object of tensors";
  if (take (&t, '}'))
    return peek (&t) ? NOT_JSON : NULL;
  do {
    const char *name = read_string (&t);
    ShuStHeaderEntry e;

    if (!name || !take (&t, ':'))
      return NOT_JSON;
    if (!g_hash_table_add (seen, (gpointer) name))
      return TWICE;
    if (strcmp (name, "__metadata__") == 0)
      fault = read_metadata (&t, h);
    else {
      fault = read_entry (&t, &e);
      if (!fault)
        fault = h->entry (name, &e, h->data);
    }
    if (fault) {
      if (fault != NOT_JSON && fault != TWICE)
        *ret_name = name;
      return fault;
    }
  } while (take (&t, ','));
  return take (&t, '}') && !peek (&t) ? NULL : NOT_JSON;
}
