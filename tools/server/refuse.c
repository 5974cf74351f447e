/* SPDX-License-Identifier: MIT */
#include "refuse.h"
#include "gate.h"
#include <string.h>

static void
add_header (const char *name, const char *value, gpointer data)
{
  g_string_append_printf (data, "%s: %s\r\n", name, value);
}

/* (transfer full) */
static char *
as_text (SoupServerMessage *msg)
{
  g_autoptr (GBytes) body =
      soup_message_body_flatten (soup_server_message_get_response_body (msg));
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  GString *text = g_string_new (NULL);

  g_string_printf (text, "HTTP/1.1 %u %s\r\n",
      soup_server_message_get_status (msg),
      soup_server_message_get_reason_phrase (msg));
  soup_message_headers_set_content_length (
      h, (goffset) g_bytes_get_size (body));
  soup_message_headers_replace (h, "Connection", "close");
  soup_message_headers_foreach (h, add_header, text);
  g_string_append (text, "\r\n");
  if (strcmp (soup_server_message_get_method (msg), "HEAD") != 0)
    g_string_append_len (
        text, g_bytes_get_data (body, NULL), (gssize) g_bytes_get_size (body));
  return g_string_free (text, FALSE);
}

static void
over (gpointer data)
{
  SoupServerMessage *msg = data;

  soup_server_message_unpause (msg);
  g_object_unref (msg);
}

void
refuse_now (SoupServerMessage *msg)
{
  Gate *gate = gate_of_message (msg);

  soup_server_message_pause (msg);
  if (gate)
    gate_refuse (gate, soup_server_message_get_status (msg), as_text (msg),
        over, g_object_ref (msg));
}
