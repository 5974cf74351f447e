/* SPDX-License-Identifier: MIT */
#include "ply_reader.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
  const guint8 *at, *end;
} Cursor;

static void
take (Cursor *c, gpointer ret, gsize n)
{
  g_assert_cmpint (c->end - c->at, >=, n);
  memcpy (ret, c->at, n);
  c->at += n;
}

void
ply_free (PlyFile *p)
{
  if (!p)
    return;
  g_strfreev (p->names);
  g_free (p->values);
  g_free (p->faces);
  g_free (p);
}

/* The header's lines; @kinds: 'f' or 'b' for each value of a vertex */
static void
read_header (char **lines, PlyFile *p, GString *kinds)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  g_assert_cmpstr (lines[0], ==, "ply");
  g_assert_cmpstr (lines[1], ==, "format binary_little_endian 1.0");
  for (int i = 2; lines[i] && *lines[i]; i++) {
    if (g_str_has_prefix (lines[i], "element vertex "))
      p->n_vertices = atoi (lines[i] + strlen ("element vertex "));
    else if (g_str_has_prefix (lines[i], "property float "))
      g_ptr_array_add (names, g_strdup (lines[i] + strlen ("property float "))),
          g_string_append_c (kinds, 'f');
    else if (g_str_has_prefix (lines[i], "property uchar "))
      g_ptr_array_add (names, g_strdup (lines[i] + strlen ("property uchar "))),
          g_string_append_c (kinds, 'b');
    else if (g_str_has_prefix (lines[i], "element face "))
      p->n_faces = atoi (lines[i] + strlen ("element face "));
    else
      g_assert_cmpstr (lines[i], ==, "property list uchar int vertex_indices");
  }
  p->n_values = (int) names->len;
  g_ptr_array_add (names, NULL);
  p->names = (GStrv) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

PlyFile *
ply_read (GBytes *file)
{
  static const char mark[] = "end_header\n";
  gsize size;
  const char *data = g_bytes_get_data (file, &size);
  const char *end = g_strstr_len (data, (gssize) size, mark);
  g_autoptr (PlyFile) p = g_new0 (PlyFile, 1);
  g_autoptr (GString) kinds = g_string_new (NULL);

  g_assert_nonnull (end);
  g_autofree char *head = g_strndup (data, end - data);
  g_auto (GStrv) lines = g_strsplit (head, "\n", -1);
  read_header (lines, p, kinds);

  Cursor c = {(const guint8 *) end + strlen (mark), (guint8 *) data + size};
  p->values = g_new (float, (gsize) p->n_vertices * p->n_values + 1);
  p->faces = g_new (gint32, 3 * (gsize) p->n_faces + 1);
  for (gsize i = 0; i < (gsize) p->n_vertices * p->n_values; i++) {
    guint8 byte;

    if (kinds->str[i % p->n_values] == 'f') {
      take (&c, &p->values[i], sizeof (float));
      continue;
    }
    take (&c, &byte, 1);
    p->values[i] = byte;
  }
  for (gsize i = 0; i < (gsize) p->n_faces; i++) {
    guint8 n;

    take (&c, &n, 1);
    g_assert_cmpint (n, ==, 3);
    take (&c, p->faces + 3 * i, 3 * sizeof (gint32));
    for (int k = 0; k < 3; k++) {
      g_assert_cmpint (p->faces[3 * i + k], >=, 0);
      g_assert_cmpint (p->faces[3 * i + k], <, p->n_vertices);
    }
  }
  g_assert_true (c.at == c.end);
  return g_steal_pointer (&p);
}

float
ply_value (const PlyFile *p, int i, const char *name)
{
  for (int k = 0; k < p->n_values; k++)
    if (strcmp (p->names[k], name) == 0)
      return p->values[(gsize) i * p->n_values + k];
  g_error ("no value %s", name);
}
