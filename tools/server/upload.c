/* SPDX-License-Identifier: MIT */
#include "upload.h"
#include "form.h"
#include <string.h>

enum { MAX_FIELD = 2048 }; /* bytes of a value */

/* ---- the photo's kind ---- */

static gboolean
begins (const guint8 *data, gsize size, gsize at, const char *with)
{
  return size >= at + strlen (with) &&
         memcmp (data + at, with, strlen (with)) == 0;
}

gboolean
upload_check_kind (GBytes *photo, Problem *p)
{
  gsize n;
  const guint8 *d = g_bytes_get_data (photo, &n);

  if (n == 0)
    return problem_set (
        p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "image: the file is empty");
  if (begins (d, n, 0, "\xff\xd8\xff") ||
      begins (d, n, 0, "\x89PNG\r\n\x1a\n") ||
      (begins (d, n, 0, "RIFF") && begins (d, n, 8, "WEBP")))
    return TRUE;
  if (begins (d, n, 4, "ftyp"))
    return problem_set (p, SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE,
        "image: HEIC, AVIF and videos are not read here: save the photo as "
        "JPEG, PNG or WebP");
  return problem_set (p, SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE,
      "image: this is no JPEG, PNG or WebP file");
}

/* ---- fields ---- */

static gboolean
set_bool (const char *name, const char *text, gboolean *ret, Problem *p)
{
  if (g_ascii_strcasecmp (text, "true") == 0 || strcmp (text, "1") == 0)
    *ret = TRUE;
  else if (g_ascii_strcasecmp (text, "false") == 0 || strcmp (text, "0") == 0)
    *ret = FALSE;
  else
    return problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
        "%s: expected true or false", name);
  return TRUE;
}

static gboolean
take_field (Upload *u, const char *name, const char *text, Problem *p)
{
  g_autoptr (GError) error = NULL;

  if (strcmp (name, "download") == 0)
    return set_bool (name, text, &u->download, p);
  if (strcmp (name, "async") == 0)
    return set_bool (name, text, &u->detached, p);
  if (strcmp (name, "image_url") == 0) {
    u->url = g_strdup (text);
    return TRUE;
  }
  return params_set (u->values, name, text, &error) ||
         problem_set (
             p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "%s", error->message);
}

static gboolean
take_part (Upload *u, const FormPart *part, Problem *p)
{
  gsize size;
  const char *data = g_bytes_get_data (part->body, &size);
  g_autofree char *text = NULL;

  if (strcmp (part->name, "image") == 0) {
    u->photo = g_bytes_ref (part->body);
    return upload_check_kind (part->body, p);
  }
  if (size > MAX_FIELD || (size > 0 && !g_utf8_validate_len (data, size, NULL)))
    return problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
        "%s is too long, or no text", part->name);
  text = g_strndup (data, size);
  return take_field (u, part->name, g_strstrip (text), p);
}

gboolean
upload_parse_body (const char *type, GBytes *body, Upload *ret, Problem *p)
{
  g_autoptr (GPtrArray) parts = form_parse (type, body, p);
  g_auto (Upload) u = {.values = g_hash_table_new_full (
                           g_str_hash, g_str_equal, g_free, g_free)};

  if (!parts)
    return FALSE;
  for (guint i = 0; i < parts->len; i++)
    if (!take_part (&u, parts->pdata[i], p))
      return FALSE;
  if (!u.photo == !u.url)
    return problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
        u.photo ? "image and image_url exclude each other"
                : "image is missing: the photo, as a file");
  *ret = u;
  u = (Upload){NULL};
  return TRUE;
}

gboolean
upload_parse (SoupServerMessage *msg, Upload *ret, Problem *p)
{
  g_autoptr (GBytes) body = web_take_body (msg);
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (msg);
  const char *type = soup_message_headers_get_one (headers, "Content-Type");
  const char *prefer = soup_message_headers_get_list (headers, "Prefer");

  if (!upload_parse_body (type, body, ret, p))
    return FALSE;
  if (prefer && soup_header_contains (prefer, "respond-async"))
    ret->detached = TRUE;
  return TRUE;
}

void
upload_clear (Upload *u)
{
  g_clear_pointer (&u->photo, g_bytes_unref);
  g_clear_pointer (&u->url, g_free);
  g_clear_pointer (&u->values, g_hash_table_unref);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* With its end, so that what is put together can be taken apart. */
static void
add (GChecksum *sum, const char *text)
{
  g_checksum_update (sum, (const guchar *) text, (gssize) strlen (text) + 1);
}

char *
upload_print (const Upload *u)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint n;
  g_autofree gpointer *keys = g_hash_table_get_keys_as_array (u->values, &n);

  qsort (keys, n, sizeof *keys, compare);
  add (sum, u->url ? u->url : "");
  for (guint i = 0; i < n; i++) {
    add (sum, keys[i]);
    add (sum, g_hash_table_lookup (u->values, keys[i]));
  }
  if (u->photo) {
    gsize size;
    const guchar *data = g_bytes_get_data (u->photo, &size);

    g_checksum_update (sum, data, (gssize) size);
  }
  return g_strdup (g_checksum_get_string (sum));
}
