/* SPDX-License-Identifier: MIT */
/* A stack machine.  Every instruction makes at most one value, and the number
 * of instructions is limited, so memory and time are, too; nothing recurses.
 * Instructions are named as Python's pickletools names them. */
#include "weights/pickle_private.h"
#include "base/error.h"
#include <string.h>

enum {
  MAX_STEPS = 1 << 21,
  MAX_MEMO = 1 << 21,
  BLOCK = 512, /* values allocated at a time */
};

struct _ShuPickle {
  const char *label;
  const ShuPickleHooks *hooks;
  gpointer data;
  GPtrArray *blocks; /* of values */
  guint n_in_block;
  GPtrArray *stack; /* values; NULL: a mark */
  GPtrArray *memo;
  guint n_memo; /* entries made, for MEMOIZE */
  guint steps;
  GError *error;
};

ShuPickle *
shu_pickle_new (const char *label, const ShuPickleHooks *hooks, gpointer data)
{
  ShuPickle *p = g_new0 (ShuPickle, 1);

  p->label = label;
  p->hooks = hooks;
  p->data = data;
  p->blocks = g_ptr_array_new_with_free_func (g_free);
  p->stack = g_ptr_array_new ();
  p->memo = g_ptr_array_new ();
  return p;
}

void
shu_pickle_free (ShuPickle *p)
{
  if (!p)
    return;
  for (guint b = 0; b < p->blocks->len; b++) {
    ShuPickleValue *values = g_ptr_array_index (p->blocks, b);

    for (int i = 0; i < BLOCK; i++)
      g_free (values[i].items);
  }
  g_ptr_array_unref (p->blocks);
  g_ptr_array_unref (p->stack);
  g_ptr_array_unref (p->memo);
  g_clear_error (&p->error);
  g_free (p);
}

gpointer
shu_pickle_data (ShuPickle *p)
{
  return p->data;
}

void
shu_pickle_fail (ShuPickle *p, int code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (p->error)
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  p->error = g_error_new (SHU_ERROR, code, "%s: %s", p->label, text);
}

static void
damaged (ShuPickle *p, const char *what)
{
  shu_pickle_fail (
      p, SHU_ERROR_INVALID, "the pickle in it is damaged: %s", what);
}

/* ---- values ---- */

ShuPickleValue *
shu_pickle_value (ShuPickle *p, ShuPickleType type)
{
  ShuPickleValue *values, *v;

  if (p->blocks->len == 0 || p->n_in_block == BLOCK) {
    g_ptr_array_add (p->blocks, g_new0 (ShuPickleValue, BLOCK));
    p->n_in_block = 0;
  }
  values = g_ptr_array_index (p->blocks, p->blocks->len - 1);
  v = &values[p->n_in_block++];
  v->type = type;
  return v;
}

void
shu_pickle_add (ShuPickle *p, ShuPickleValue *to, ShuPickleValue *item)
{
  if (to->n == to->room) {
    to->room = MAX (4, 2 * to->room);
    to->items = g_renew (ShuPickleValue *, to->items, to->room);
  }
  to->items[to->n++] = item;
}

gboolean
shu_pickle_is_text (const ShuPickleValue *v, const char *text)
{
  return v->type == SHU_PICKLE_TEXT && v->n == strlen (text) &&
         memcmp (v->text, text, v->n) == 0;
}

/* ---- the stack ---- */

static void
push (ShuPickle *p, ShuPickleValue *v)
{
  if (v)
    g_ptr_array_add (p->stack, v);
}

/* Never NULL: after a failure a value of no meaning. */
static ShuPickleValue *
pop (ShuPickle *p)
{
  ShuPickleValue *v = NULL;

  if (p->stack->len > 0)
    v = g_ptr_array_steal_index (p->stack, p->stack->len - 1);
  if (v)
    return v;
  damaged (p, "it takes more than it has");
  return shu_pickle_value (p, SHU_PICKLE_NONE);
}

/* The last one, which stays, if it is of @type. */
static ShuPickleValue *
top (ShuPickle *p, ShuPickleType type)
{
  ShuPickleValue *v =
      p->stack->len ? g_ptr_array_index (p->stack, p->stack->len - 1) : NULL;

  if (v && v->type == type)
    return v;
  damaged (p, "it adds to what is no list or dictionary");
  return NULL;
}

/* Where the values behind the last mark begin. */
static guint
find_mark (ShuPickle *p)
{
  for (guint i = p->stack->len; i > 0; i--)
    if (!g_ptr_array_index (p->stack, i - 1))
      return i;
  damaged (p, "there is no mark");
  return p->stack->len;
}

/* Takes the values from the mark on; the mark, too. */
static void
take_marked (ShuPickle *p, guint first, ShuPickleValue *to)
{
  for (guint i = first; to && i < p->stack->len; i++)
    shu_pickle_add (p, to, g_ptr_array_index (p->stack, i));
  if (first > 0)
    g_ptr_array_set_size (p->stack, (gint) first - 1);
}

static void
push_marked (ShuPickle *p, ShuPickleType type)
{
  ShuPickleValue *v = shu_pickle_value (p, type);

  take_marked (p, find_mark (p), v);
  if (type == SHU_PICKLE_DICT && v->n % 2)
    damaged (p, "a key without a value");
  push (p, v);
}

/* What lies behind the mark goes into what lies before it. */
static void
extend (ShuPickle *p, ShuPickleType type)
{
  guint first = find_mark (p);
  ShuPickleValue *to =
      first > 1 ? g_ptr_array_index (p->stack, first - 2) : NULL;

  if (!to || to->type != type)
    damaged (p, "it adds to what is no list or dictionary");
  else if (type == SHU_PICKLE_DICT && (p->stack->len - first) % 2)
    damaged (p, "a key without a value");
  else
    take_marked (p, first, to);
}

static void
push_tuple (ShuPickle *p, int n)
{
  ShuPickleValue *v = shu_pickle_value (p, SHU_PICKLE_TUPLE), *items[3];

  for (int i = n; i-- > 0;)
    items[i] = pop (p);
  for (int i = 0; i < n; i++)
    shu_pickle_add (p, v, items[i]);
  push (p, v);
}

static void
push_int (ShuPickle *p, gint64 number)
{
  ShuPickleValue *v = shu_pickle_value (p, SHU_PICKLE_INT);

  v->number = number;
  push (p, v);
}

/* @n bytes, little endian, two's complement */
static void
push_long (ShuPickle *p, ShuCursor *c, gsize n)
{
  const guint8 *bytes = shu_cursor_take (c, n);
  guint64 number = bytes && n > 0 && bytes[n - 1] & 0x80 ? G_MAXUINT64 : 0;

  for (gsize i = MIN (n, 8); bytes && i-- > 0;)
    number = number << 8 | bytes[i];
  if (n <= 8)
    push_int (p, (gint64) number);
  else /* no size is that large; the magic number of a format is */
    push (p, shu_pickle_value (p, SHU_PICKLE_NONE));
}

static void
push_text (ShuPickle *p, ShuCursor *c, gsize n)
{
  ShuPickleValue *v = shu_pickle_value (p, SHU_PICKLE_TEXT);

  v->text = (const char *) shu_cursor_take (c, n);
  v->n = v->text ? n : 0;
  push (p, v);
}

/* ---- names and calls ---- */

static char *
take_line (ShuPickle *p, ShuCursor *c)
{
  const guint8 *from = c->data + c->pos;
  const guint8 *end = memchr (from, '\n', c->size - c->pos);

  if (!end || end - from > 255) {
    damaged (p, "a name without an end");
    return g_strdup ("");
  }
  shu_cursor_take (c, end - from + 1);
  return g_strndup ((const char *) from, end - from);
}

static void
push_global (ShuPickle *p, const char *module, const char *name)
{
  g_autofree char *full = g_strconcat (module, ".", name, NULL);
  g_autofree char *valid = g_utf8_make_valid (full, -1);

  if (!p->error)
    push (p, p->hooks->global (p, valid));
}

static void
stack_global (ShuPickle *p)
{
  ShuPickleValue *name = pop (p), *module = pop (p);

  if (name->type != SHU_PICKLE_TEXT || module->type != SHU_PICKLE_TEXT ||
      name->n > 255 || module->n > 255)
    damaged (p, "a name that is no text");
  else {
    g_autofree char *a = g_strndup (module->text, module->n);
    g_autofree char *b = g_strndup (name->text, name->n);

    push_global (p, a, b);
  }
}

static void
reduce (ShuPickle *p)
{
  ShuPickleValue *args = pop (p), *what = pop (p);

  if (args->type != SHU_PICKLE_TUPLE || what->type != SHU_PICKLE_OBJECT)
    damaged (p, "it calls what is no function");
  else if (!p->error)
    push (p, p->hooks->call (p, what, args));
}

/* Attributes that are set on an object: a module's dictionary of tensors has
 * some, which describe versions.  They are not kept. */
static void
build (ShuPickle *p)
{
  ShuPickleValue *state = pop (p), *what = pop (p);

  if (what->type != SHU_PICKLE_DICT && what->type != SHU_PICKLE_OBJECT)
    damaged (p, "it sets attributes of what has none");
  (void) state;
  push (p, what);
}

/* ---- the memo ---- */

static void
put (ShuPickle *p, guint64 at)
{
  ShuPickleValue *v =
      p->stack->len ? g_ptr_array_index (p->stack, p->stack->len - 1) : NULL;

  if (!v)
    damaged (p, "it keeps more than it has");
  else if (at >= MAX_MEMO)
    shu_pickle_fail (
        p, SHU_ERROR_LIMIT, "the pickle in it keeps too many values");
  else {
    if (at >= p->memo->len)
      g_ptr_array_set_size (p->memo, (gint) at + 1);
    p->memo->pdata[at] = v;
    p->n_memo++;
  }
}

static void
get (ShuPickle *p, guint64 at)
{
  ShuPickleValue *v =
      at < p->memo->len ? g_ptr_array_index (p->memo, at) : NULL;

  if (!v)
    damaged (p, "it asks for a value that it has not kept");
  push (p, v);
}

/* ---- instructions ---- */

/* Numbers, texts and what is kept; FALSE: @op is none of them. */
static gboolean
step_value (ShuPickle *p, ShuCursor *c, int op)
{
  switch (op) {
  case 'N': /* NONE */
    push (p, shu_pickle_value (p, SHU_PICKLE_NONE));
    return TRUE;
  case 0x88: /* NEWTRUE */
  case 0x89: /* NEWFALSE */
    push_int (p, op == 0x88);
    return TRUE;
  case 'J': /* BININT */
    push_int (p, (gint32) shu_cursor_uint (c, 4));
    return TRUE;
  case 'K': /* BININT1 */
    push_int (p, (gint64) shu_cursor_uint (c, 1));
    return TRUE;
  case 'M': /* BININT2 */
    push_int (p, (gint64) shu_cursor_uint (c, 2));
    return TRUE;
  case 0x8a: /* LONG1 */
    push_long (p, c, shu_cursor_uint (c, 1));
    return TRUE;
  case 'G': /* BINFLOAT */
    shu_cursor_take (c, 8);
    push (p, shu_pickle_value (p, SHU_PICKLE_FLOAT));
    return TRUE;
  case 'X': /* BINUNICODE */
  case 'T': /* BINSTRING */
  case 'B': /* BINBYTES */
    push_text (p, c, shu_cursor_uint (c, 4));
    return TRUE;
  case 0x8c: /* SHORT_BINUNICODE */
  case 'U':  /* SHORT_BINSTRING */
  case 'C':  /* SHORT_BINBYTES */
    push_text (p, c, shu_cursor_uint (c, 1));
    return TRUE;
  case 'q': /* BINPUT */
    put (p, shu_cursor_uint (c, 1));
    return TRUE;
  case 'r': /* LONG_BINPUT */
    put (p, shu_cursor_uint (c, 4));
    return TRUE;
  case 0x94: /* MEMOIZE */
    put (p, p->n_memo);
    return TRUE;
  case 'h': /* BINGET */
    get (p, shu_cursor_uint (c, 1));
    return TRUE;
  case 'j': /* LONG_BINGET */
    get (p, shu_cursor_uint (c, 4));
    return TRUE;
  default:
    return FALSE;
  }
}

/* Lists, dictionaries and marks; FALSE: @op is none of them. */
static gboolean
step_container (ShuPickle *p, int op)
{
  ShuPickleValue *to, *item, *key;

  switch (op) {
  case '(': /* MARK */
    g_ptr_array_add (p->stack, NULL);
    return TRUE;
  case ')': /* EMPTY_TUPLE */
  case 0x85:
  case 0x86:
  case 0x87: /* TUPLE1, TUPLE2, TUPLE3 */
    push_tuple (p, op == ')' ? 0 : op - 0x84);
    return TRUE;
  case ']': /* EMPTY_LIST */
    push (p, shu_pickle_value (p, SHU_PICKLE_LIST));
    return TRUE;
  case '}': /* EMPTY_DICT */
    push (p, shu_pickle_value (p, SHU_PICKLE_DICT));
    return TRUE;
  case 't': /* TUPLE */
    push_marked (p, SHU_PICKLE_TUPLE);
    return TRUE;
  case 'l': /* LIST */
    push_marked (p, SHU_PICKLE_LIST);
    return TRUE;
  case 'd': /* DICT */
    push_marked (p, SHU_PICKLE_DICT);
    return TRUE;
  case 'a': /* APPEND */
    item = pop (p);
    to = top (p, SHU_PICKLE_LIST);
    if (to)
      shu_pickle_add (p, to, item);
    return TRUE;
  case 's': /* SETITEM */
    item = pop (p);
    key = pop (p);
    to = top (p, SHU_PICKLE_DICT);
    if (to) {
      shu_pickle_add (p, to, key);
      shu_pickle_add (p, to, item);
    }
    return TRUE;
  case 'e': /* APPENDS */
    extend (p, SHU_PICKLE_LIST);
    return TRUE;
  case 'u': /* SETITEMS */
    extend (p, SHU_PICKLE_DICT);
    return TRUE;
  default:
    return FALSE;
  }
}

static void
step (ShuPickle *p, ShuCursor *c, int op)
{
  if (step_value (p, c, op) || step_container (p, op))
    return;
  switch (op) {
  case 0x80: /* PROTO */
    if (shu_cursor_uint (c, 1) > 5)
      shu_pickle_fail (p, SHU_ERROR_UNSUPPORTED,
          "its pickle is of a protocol that is not known");
    return;
  case 0x95: /* FRAME: a length */
    shu_cursor_take (c, 8);
    return;
  case 'c': { /* GLOBAL */
    g_autofree char *module = take_line (p, c);
    g_autofree char *name = take_line (p, c);

    push_global (p, module, name);
    return;
  }
  case 0x93: /* STACK_GLOBAL */
    stack_global (p);
    return;
  case 'R': /* REDUCE */
    reduce (p);
    return;
  case 'b': /* BUILD */
    build (p);
    return;
  case 'Q': { /* BINPERSID */
    ShuPickleValue *id = pop (p);

    if (!p->error)
      push (p, p->hooks->persistent (p, id));
    return;
  }
  default:
    shu_pickle_fail (p, SHU_ERROR_UNSUPPORTED,
        "its pickle has an instruction (0x%02x) that no file of tensors needs",
        op);
  }
}

ShuPickleValue *
shu_pickle_read (ShuPickle *p, ShuCursor *c, GError **error)
{
  ShuPickleValue *result = NULL;

  g_ptr_array_set_size (p->stack, 0);
  g_ptr_array_set_size (p->memo, 0);
  p->n_memo = 0;
  while (!p->error && !c->failed) {
    int op = (int) shu_cursor_uint (c, 1);

    if (c->failed)
      break;
    if (op == '.') { /* STOP */
      result = pop (p);
      break;
    }
    step (p, c, op);
    if (++p->steps > MAX_STEPS)
      shu_pickle_fail (p, SHU_ERROR_LIMIT, "its pickle is too long");
  }
  if (c->failed)
    shu_pickle_fail (p, SHU_ERROR_TRUNCATED,
        "the pickle in it ends too early; copy the file again");
  if (!p->error)
    return result;
  g_propagate_error (error, g_steal_pointer (&p->error));
  return NULL;
}
