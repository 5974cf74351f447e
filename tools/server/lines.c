/* SPDX-License-Identifier: MIT */
#include "lines.h"
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, MAX_LINE = 4 << 20 };

struct _Lines {
  int fd;
  guint source;
  GByteArray *came;
  LinesObject object;
  LinesEnd end;
  gpointer data;
  gboolean *freed; /* tells take() that a callback did it */
};

static void
finish (Lines *l, const char *why)
{
  LinesEnd end = l->end;

  l->source = 0;
  l->end = NULL;
  if (end)
    end (why, l->data);
}

/* Returns: FALSE where @l is over, or freed */
static gboolean
take_line (Lines *l, const char *text, gsize size)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gboolean freed = FALSE;
  JsonNode *root;

  if (size == 0)
    return TRUE;
  if (!json_parser_load_from_data (parser, text, (gssize) size, NULL) ||
      !(root = json_parser_get_root (parser)) ||
      !JSON_NODE_HOLDS_OBJECT (root)) {
    finish (l, "what came is no JSON object");
    return FALSE;
  }
  l->freed = &freed;
  l->object (json_node_get_object (root), l->data);
  if (freed)
    return FALSE;
  l->freed = NULL;
  return TRUE;
}

static gboolean
take_lines (Lines *l)
{
  const guint8 *end;

  while ((end = memchr (l->came->data, '\n', l->came->len))) {
    gsize size = (gsize) (end - l->came->data);
    g_autofree char *text = g_strndup ((char *) l->came->data, size);

    g_byte_array_remove_range (l->came, 0, (guint) size + 1);
    if (!take_line (l, text, strlen (text)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
readable (int fd, GIOCondition condition, gpointer data)
{
  Lines *l = data;
  guint8 chunk[CHUNK];
  gssize n = read (fd, chunk, sizeof chunk);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  if (n <= 0) {
    finish (l, n < 0 ? g_strerror (errno) : "the other end is gone");
    return G_SOURCE_REMOVE;
  }
  g_byte_array_append (l->came, chunk, (guint) n);
  if (!take_lines (l))
    return G_SOURCE_REMOVE;
  if (l->came->len > MAX_LINE) {
    finish (l, "a line is too long");
    return G_SOURCE_REMOVE;
  }
  return G_SOURCE_CONTINUE;
}

Lines *
lines_new (int fd, LinesObject object, LinesEnd end, gpointer data)
{
  Lines *l = g_new0 (Lines, 1);

  l->fd = fd;
  l->came = g_byte_array_new ();
  l->object = object;
  l->end = end;
  l->data = data;
  l->source = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, l);
  return l;
}

void
lines_free (Lines *l)
{
  if (!l)
    return;
  if (l->freed)
    *l->freed = TRUE;
  if (l->source)
    g_source_remove (l->source);
  g_byte_array_unref (l->came);
  g_free (l);
}
