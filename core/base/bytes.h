/* SPDX-License-Identifier: MIT */
/* Checked arithmetic and a bounds-checked cursor: how every reader in the
 * library looks at bytes that came from outside. */
#pragma once
#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* FALSE on overflow; @ret is then unspecified. */
static inline gboolean
shu_mul_size (gsize a, gsize b, gsize *ret)
{
  return !__builtin_mul_overflow (a, b, ret);
}

static inline gboolean
shu_add_size (gsize a, gsize b, gsize *ret)
{
  return !__builtin_add_overflow (a, b, ret);
}

/**
 * ShuCursor:
 * A position in a byte range.  A read beyond the end gives zeros, sets
 * @failed and stays failed, so a parser checks once.  Little endian.
 */
typedef struct {
  const guint8 *data;
  gsize size;
  gsize pos;
  gboolean failed;
} ShuCursor;

static inline ShuCursor
shu_cursor (gconstpointer data, gsize size)
{
  ShuCursor c = {(const guint8 *) data, size, 0, FALSE};

  return c;
}

/* The next @n bytes, or NULL (and @failed) where there are fewer. */
static inline const guint8 *
shu_cursor_take (ShuCursor *c, gsize n)
{
  const guint8 *p = c->data + c->pos;

  if (c->failed || n > c->size - c->pos) {
    c->failed = TRUE;
    return NULL;
  }
  c->pos += n;
  return p;
}

static inline guint64
shu_cursor_uint (ShuCursor *c, int n_bytes)
{
  const guint8 *p = shu_cursor_take (c, n_bytes);
  guint64 v = 0;

  for (int i = 0; p && i < n_bytes; i++)
    v |= (guint64) p[i] << (8 * i);
  return v;
}

G_END_DECLS
