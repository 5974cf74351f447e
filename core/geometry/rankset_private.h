/* SPDX-License-Identifier: MIT */
/* A set of small integers as a bit mask with a prefix count: membership and
 * the position among the members, in ascending order, in constant time. */
#pragma once
#include <glib.h>

typedef struct {
  gsize n_words;
  guint64 *bits;
  guint32 *before; /* members in the words before, after rank_set_seal () */
  guint32 n;
} RankSet;

static inline void
rank_set_init (RankSet *s, gsize universe)
{
  s->n_words = universe / 64 + 1;
  s->bits = g_new0 (guint64, s->n_words);
  s->before = g_new (guint32, s->n_words);
  s->n = 0;
}

static inline void
rank_set_clear (RankSet *s)
{
  g_clear_pointer (&s->bits, g_free);
  g_clear_pointer (&s->before, g_free);
}

/* Threads may add at the same time.  Returns: whether it was new */
static inline gboolean
rank_set_add (RankSet *s, guint32 i)
{
  guint64 bit = G_GUINT64_CONSTANT (1) << (i & 63), *word = &s->bits[i >> 6];

  if (__atomic_load_n (word, __ATOMIC_RELAXED) & bit)
    return FALSE;
  return !(__atomic_fetch_or (word, bit, __ATOMIC_RELAXED) & bit);
}

/* Counts; to be called after the last change and before the first rank. */
static inline void
rank_set_seal (RankSet *s)
{
  guint32 n = 0;

  for (gsize w = 0; w < s->n_words; w++) {
    s->before[w] = n;
    n += __builtin_popcountll (s->bits[w]);
  }
  s->n = n;
}

/* Position of @i among the members, or -1. */
static inline int
rank_set_rank (const RankSet *s, guint32 i)
{
  guint64 word = s->bits[i >> 6], bit = G_GUINT64_CONSTANT (1) << (i & 63);

  if (!(word & bit))
    return -1;
  return s->before[i >> 6] + __builtin_popcountll (word & (bit - 1));
}

/* All members, ascending, after rank_set_seal ().  Returns: (transfer full):
 * @s->n numbers */
static inline guint32 *
rank_set_members (const RankSet *s)
{
  guint32 *ids = g_new (guint32, MAX (1, s->n));

#pragma omp parallel for
  for (gsize w = 0; w < s->n_words; w++) {
    guint32 *to = ids + s->before[w];

    for (guint64 word = s->bits[w]; word; word &= word - 1)
      *to++ = w * 64 + __builtin_ctzll (word);
  }
  return ids;
}
