/* SPDX-License-Identifier: MIT */
#include "form.h"
#include <string.h>

enum {
  MAX_PARTS = 32,
  MAX_BOUNDARY = 70, /* RFC 2046 */
  MAX_HEAD = 4096,   /* bytes of a part's header */
  MAX_NAME = 64,
};

#define BAD(p, ...) problem_set (p, SOUP_STATUS_BAD_REQUEST, __VA_ARGS__)

static void
part_free (gpointer data)
{
  FormPart *part = data;

  g_free (part->name);
  g_clear_pointer (&part->body, g_bytes_unref);
  g_free (part);
}

/* "\r\n--BOUNDARY"; (transfer full) (nullable) */
static char *
read_boundary (const char *type, Problem *p)
{
  g_autoptr (GHashTable) params = NULL;
  const char *boundary = NULL;

  if (type && g_ascii_strncasecmp (type, "multipart/form-data", 19) == 0 &&
      strchr ("; \t", type[19])) {
    const char *rest = strchr (type, ';');

    if (rest)
      params = soup_header_parse_semi_param_list (rest + 1);
    boundary = params ? g_hash_table_lookup (params, "boundary") : NULL;
    if (boundary && *boundary && strlen (boundary) <= MAX_BOUNDARY)
      return g_strconcat ("\r\n--", boundary, NULL);
    BAD (p,
        "the form's parts cannot be told apart: no boundary of 1 to %d "
        "characters",
        MAX_BOUNDARY);
    return NULL;
  }
  problem_set (p, SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE,
      "expected multipart/form-data with a file \"image\", as curl -F "
      "image=@photo.jpg sends it");
  return NULL;
}

/* The name in a part's header; (transfer full) (nullable) */
static char *
read_name (const char *head, gsize size, Problem *p)
{
  static const char field[] = "Content-Disposition:";
  g_autofree char *text = g_strndup (head, size);
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);

  if (strlen (text) != size) {
    BAD (p, "the header of a part has a zero in it");
    return NULL;
  }
  for (char **line = lines; *line; line++) {
    const char *params = strchr (*line, ';');
    g_autoptr (GHashTable) values = NULL;
    const char *name;

    if (g_ascii_strncasecmp (*line, field, strlen (field)) != 0 || !params)
      continue;
    values = soup_header_parse_semi_param_list (params + 1);
    name = g_hash_table_lookup (values, "name");
    if (name && *name && strlen (name) <= MAX_NAME &&
        g_utf8_validate (name, -1, NULL))
      return g_strdup (name);
    if (name) {
      problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
          "the name of a field is no word of 1 to %d bytes", MAX_NAME);
      return NULL;
    }
  }
  BAD (p, "a part has no name");
  return NULL;
}

/* @from, @to: of a part, with its header, in @all */
static gboolean
take_part (GPtrArray *parts, GBytes *all, gsize from, gsize to, Problem *p)
{
  const char *data = g_bytes_get_data (all, NULL);
  const char *end =
      memmem (data + from, MIN (to - from, MAX_HEAD), "\r\n\r\n", 4);
  g_autofree char *name = NULL;
  FormPart *part;
  gsize begin;

  if (!end)
    return BAD (p, "the header of a part has no end within %d bytes", MAX_HEAD);
  if (parts->len == MAX_PARTS)
    return problem_set (
        p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "more than %d parts", MAX_PARTS);
  name = read_name (data + from, (gsize) (end - data) - from, p);
  if (!name)
    return FALSE;
  for (guint i = 0; i < parts->len; i++)
    if (strcmp (((FormPart *) parts->pdata[i])->name, name) == 0)
      return problem_set (
          p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "%s comes twice", name);
  begin = (gsize) (end - data) + 4;
  part = g_new (FormPart, 1);
  *part = (FormPart){
      g_steal_pointer (&name), g_bytes_new_from_bytes (all, begin, to - begin)};
  g_ptr_array_add (parts, part);
  return TRUE;
}

/* What is behind a delimiter: 1: a part, at @ret; 0: the end; -1: neither */
static int
behind (const char *data, gsize size, gsize at, gsize *ret)
{
  if (at + 2 <= size && memcmp (data + at, "--", 2) == 0)
    return 0;
  while (at < size && (data[at] == ' ' || data[at] == '\t'))
    at++;
  *ret = at + 2;
  return at + 2 <= size && memcmp (data + at, "\r\n", 2) == 0 ? 1 : -1;
}

GPtrArray *
form_parse (const char *type, GBytes *body, Problem *p)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (part_free);
  g_autofree char *delimiter = read_boundary (type, p);
  gsize size, n = delimiter ? strlen (delimiter) : 0, at;
  const char *data = g_bytes_get_data (body, &size);
  const char *next;
  int kind;

  if (!delimiter)
    return NULL;
  /* the first one may be at the very begin, without a line break before it */
  if (size >= n - 2 && memcmp (data, delimiter + 2, n - 2) == 0)
    at = n - 2;
  else if (size > 0 && (next = memmem (data, size, delimiter, n)))
    at = (gsize) (next - data) + n;
  else {
    BAD (p, "the form's parts cannot be told apart: its boundary is not there");
    return NULL;
  }
  while ((kind = behind (data, size, at, &at)) > 0) {
    /* the line break before it may be that behind the last delimiter */
    gsize from = at - 2;

    next = memmem (data + from, size - from, delimiter, n);
    if (!next) {
      kind = -1;
      break;
    }
    if (next < data + at || !take_part (parts, body, at, next - data, p)) {
      BAD (p, "a part has no header");
      return NULL;
    }
    at = (gsize) (next - data) + n;
  }
  if (kind < 0) {
    BAD (p, "the form does not end with its boundary");
    return NULL;
  }
  return g_steal_pointer (&parts);
}
