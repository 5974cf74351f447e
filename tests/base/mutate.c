/* SPDX-License-Identifier: MIT */
#include "mutate.h"
#include "base/error.h"
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

static guint64 times = 1, first;
static gboolean trace;

/* What the targets share; no seconds: all the time they need. */
static struct {
  gint64 began;
  int seconds;
  int n, n_begun;
} share;

/* One case hangs when it takes longer than this and than many valid ones. */
enum { MAX_SECONDS = 20, MAX_TIMES = 20 };

void
mutate_init (int *argc, char **argv)
{
  int n = 1;

  for (int i = 1; i < *argc; i++)
    if (g_str_has_prefix (argv[i], "--times="))
      times = g_ascii_strtoull (argv[i] + 8, NULL, 10);
    else if (g_str_has_prefix (argv[i], "--first="))
      first = g_ascii_strtoull (argv[i] + 8, NULL, 10);
    else if (strcmp (argv[i], "--trace") == 0)
      trace = TRUE;
    else
      argv[n++] = argv[i];
  *argc = n;
  argv[n] = NULL;
}

/* splitmix64 */
static guint64
draw (guint64 *state, guint64 below)
{
  guint64 z = *state += 0x9E3779B97F4A7C15u;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) % MAX (below, 1);
}

/* Mostly near the start, where headers are. */
static gsize
draw_place (guint64 *state, gsize size)
{
  gsize reach = draw (state, 2) ? size : MIN (size, 256);

  return draw (state, reach);
}

static void
put_word (GByteArray *a, guint64 *state)
{
  const guint64 words[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
      0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, G_MAXINT64, 1ull << 63,
      G_MAXUINT64, a->len, a->len - 1, a->len + 1};
  guint64 v = words[draw (state, G_N_ELEMENTS (words))];
  gsize n = 1u << draw (state, 4), at = draw_place (state, a->len);
  gboolean big = draw (state, 2);

  for (gsize i = 0; i < n && at + i < a->len; i++)
    a->data[at + i] = v >> (8 * (big ? n - 1 - i : i));
}

static void
put_float (GByteArray *a, guint64 *state)
{
  static const guint32 words[] = {0x7fc00000, 0x7f800000, 0xff800000,
      0x7f7fffff, 0xff7fffff, 0x00000001, 0x80000000, 0x4f000000, 0xffffffff,
      0x7fffffff, 0x80000001, 0x3f800000, 0x00000100};
  guint32 v = words[draw (state, G_N_ELEMENTS (words))];
  gsize n = 1 + draw (state, 8) * draw (state, 8);
  gsize at = draw (state, a->len / 4) * 4;

  v = GUINT32_TO_LE (v);
  for (gsize i = 0; i < n && at + 4 <= a->len; i++, at += 4)
    memcpy (a->data + at, &v, 4);
}

/* Digits at or behind a random place become another number. */
static void
put_number (GByteArray *a, guint64 *state)
{
  static const char *const numbers[] = {"0", "-1", "1", "3", "7", "255", "256",
      "65536", "2147483647", "2147483648", "4294967296", "9223372036854775807",
      "18446744073709551616", "1e999", "0.5", "-0", "1e9", "null", "[]", "{}",
      "\"\"", "true", "-9223372036854775808", "00"};
  const char *number = numbers[draw (state, G_N_ELEMENTS (numbers))];
  gsize at = draw_place (state, a->len), end;

  while (at < a->len && !g_ascii_isdigit (a->data[at]))
    at++;
  for (end = at; end < a->len && g_ascii_isdigit (a->data[end]);)
    end++;
  if (at == a->len || end - at > 40)
    return;
  if (end - at >= strlen (number) && draw (state, 4)) { /* lengths stay right */
    memset (a->data + at, ' ', end - at);
    memcpy (a->data + at, number, strlen (number));
    return;
  }
  g_byte_array_remove_range (a, at, end - at);
  end = a->len - at;
  g_byte_array_set_size (a, a->len + strlen (number));
  memmove (a->data + at + strlen (number), a->data + at, end);
  memcpy (a->data + at, number, strlen (number));
}

/* A part is left out, doubled, or copied over another. */
static void
move_part (GByteArray *a, guint64 *state)
{
  gsize at = draw_place (state, a->len);
  gsize some = 1 + draw (state, 64), n = MIN (some, a->len - at);
  gsize to = draw_place (state, a->len);
  g_autofree guint8 *part = g_memdup2 (a->data + at, n);

  switch (draw (state, 3)) {
  case 0:
    if (n < a->len)
      g_byte_array_remove_range (a, at, n);
    break;
  case 1:
    memcpy (a->data + to, part, MIN (n, a->len - to));
    break;
  default:
    g_byte_array_set_size (a, a->len + n);
    memmove (a->data + to + n, a->data + to, a->len - n - to);
    memcpy (a->data + to, part, n);
  }
}

GBytes *
mutate (const MutateTarget *t, guint64 i)
{
  guint64 state = i * 0x2545F4914F6CDD1Du + g_str_hash (t->name);
  GByteArray *a = g_byte_array_new ();
  int n = 1 + (int) draw (&state, 4);

  g_byte_array_append (
      a, g_bytes_get_data (t->valid, NULL), g_bytes_get_size (t->valid));
  while (n-- > 0 && a->len > 0) {
    guint64 what = draw (&state, 16);

    if ((t->kind & MUTATE_TEXT) && what < 6)
      put_number (a, &state);
    else if ((t->kind & MUTATE_FLOATS) && what < 12)
      put_float (a, &state);
    else if (what < 9)
      a->data[draw_place (&state, a->len)] ^= 1u << draw (&state, 8);
    else if (what < 13)
      put_word (a, &state);
    else if (what < 15)
      move_part (a, &state);
    else
      g_byte_array_set_size (a, draw (&state, a->len));
  }
  if (t->mend && i % 2)
    t->mend (a->data, a->len);
  return g_byte_array_free_to_bytes (a);
}

void
mutate_share (int seconds, int n)
{
  share.began = g_get_monotonic_time ();
  share.seconds = seconds;
  share.n = MAX (n, 1);
  share.n_begun = 0;
}

/* Time left by earlier targets is there for this one. */
static gboolean
late (void)
{
  gint64 gone = g_get_monotonic_time () - share.began;

  return share.seconds > 0 && gone * share.n > (gint64) times * share.seconds *
                                                   G_USEC_PER_SEC *
                                                   MIN (share.n_begun, share.n);
}

/* In at most @patience microseconds. */
static void
run_case (const MutateTarget *t, guint64 i, gint64 patience, int *n_read)
{
  /* of its own, exactly as long: a byte too far is seen by the sanitizer */
  g_autoptr (GBytes) bytes = mutate (t, i);
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  gboolean ok;

  if (trace)
    g_printerr ("%s: case %" G_GUINT64_FORMAT "\n", t->name, i);
  ok = t->read (bytes, t->data, &error);
  *n_read += ok;
  if (ok == (error != NULL))
    g_error ("%s: case %" G_GUINT64_FORMAT ": result %d, error %s", t->name, i,
        ok, error ? error->message : "none");
  if (error && (error->domain != SHU_ERROR || !*error->message))
    g_error ("%s: case %" G_GUINT64_FORMAT ": a foreign error: %s", t->name, i,
        error->message);
  if (g_get_monotonic_time () - start > patience)
    g_error ("%s: case %" G_GUINT64_FORMAT ": takes longer than %d s", t->name,
        i, (int) (patience / G_USEC_PER_SEC));
}

void
mutate_run (const MutateTarget *t)
{
  static gint64 valid_time;
  guint64 n = t->count * times, n_run = 0;
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  int n_read = 0;

  share.n_begun++;
  /* what is tested must be reachable */
  if (!t->trusted && !t->read (t->valid, t->data, &error))
    g_error ("%s: %s", t->name, error->message);
  if (!t->trusted)
    valid_time = g_get_monotonic_time () - start;
  while (n_run < n && (n_run < (guint64) t->least || !late ()))
    run_case (t, first + n_run++,
        MAX (MAX_SECONDS * G_USEC_PER_SEC, MAX_TIMES * valid_time), &n_read);
  g_test_message ("%s: %d of %" G_GUINT64_FORMAT
                  " were read, of %" G_GUINT64_FORMAT " cases",
      t->name, n_read, n_run, n);
}
