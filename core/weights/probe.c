/* SPDX-License-Identifier: MIT */
#include "weights/probe_private.h"
#include <string.h>

struct _ShuProbe {
  GPtrArray *problems;
  GHashTable *seen; /* names; each is judged once */
};

ShuProbe *
shu_probe_new (void)
{
  ShuProbe *p = g_new0 (ShuProbe, 1);

  p->problems = g_ptr_array_new_with_free_func (g_free);
  p->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return p;
}

void
shu_probe_free (ShuProbe *p)
{
  if (!p)
    return;
  g_ptr_array_unref (p->problems);
  g_hash_table_unref (p->seen);
  g_free (p);
}

void
shu_probe_take (ShuProbe *p, char *problem)
{
  g_ptr_array_add (p->problems, problem);
}

GPtrArray *
shu_probe_problems (ShuProbe *p)
{
  return p->problems;
}

gboolean
shu_probe_has_seen (const ShuProbe *p, const char *name)
{
  return g_hash_table_contains (p->seen, name);
}

char *
shu_describe_dims (int n_dims, const gint64 *dims)
{
  GString *s = g_string_new ("[");

  for (int i = 0; i < n_dims; i++) {
    if (i > 0)
      g_string_append_c (s, ',');
    if (dims[i] < 0)
      g_string_append_c (s, '*');
    else
      g_string_append_printf (s, "%" G_GINT64_FORMAT, dims[i]);
  }
  g_string_append_c (s, ']');
  return g_string_free (s, FALSE);
}

static gboolean
is_float (const char *dtype)
{
  static const char *const floats[] = {"F32", "F16", "BF16", NULL};

  return g_strv_contains (floats, dtype);
}

void
shu_probe_look (ShuProbe *p, const char *name, int n_want, const gint64 *want,
    const char *dtype, int n_dims, const gint64 *dims)
{
  g_autofree char *wanted = shu_describe_dims (n_want, want);
  g_autofree char *got = NULL;
  gboolean fits = n_dims == n_want;

  if (!g_hash_table_add (p->seen, g_strdup (name)))
    return;
  if (!dtype) {
    shu_probe_take (
        p, g_strdup_printf (
               "the tensor \"%s\" is missing, expected %s", name, wanted));
    return;
  }
  got = shu_describe_dims (n_dims, dims);
  for (int i = 0; fits && i < n_dims; i++)
    fits = dims[i] > 0 && (want[i] < 0 || dims[i] == want[i]);
  if (!fits)
    shu_probe_take (
        p, g_strdup_printf ("%s: expected %s, got %s", name, wanted, got));
  if (!is_float (dtype))
    shu_probe_take (p,
        g_strdup_printf ("%s: expected F32, F16 or BF16, got %s", name, dtype));
}
