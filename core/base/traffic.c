/* SPDX-License-Identifier: MIT */
#include "traffic.h"

struct _ShuTraffic {
  gatomicrefcount refs;
  GMutex lock;
  ShuTrafficCount counts[SHU_N_TRAFFIC_KINDS];
};

const char *
shu_traffic_kind_name (ShuTrafficKind kind)
{
  static const char *const names[] = {
      "tensor", "image", "mesh", "count", "preview"};

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == SHU_N_TRAFFIC_KINDS);
  g_return_val_if_fail ((gsize) kind < G_N_ELEMENTS (names), NULL);
  return names[kind];
}

ShuTraffic *
shu_traffic_new (void)
{
  ShuTraffic *t = g_new0 (ShuTraffic, 1);

  g_atomic_ref_count_init (&t->refs);
  g_mutex_init (&t->lock);
  return t;
}

ShuTraffic *
shu_traffic_ref (ShuTraffic *t)
{
  g_atomic_ref_count_inc (&t->refs);
  return t;
}

void
shu_traffic_unref (ShuTraffic *t)
{
  if (!t || !g_atomic_ref_count_dec (&t->refs))
    return;
  g_mutex_clear (&t->lock);
  g_free (t);
}

void
shu_traffic_add_up (ShuTraffic *t, ShuTrafficKind kind, gsize bytes)
{
  if (!t)
    return;
  g_mutex_lock (&t->lock);
  t->counts[kind].n_up++;
  t->counts[kind].up += bytes;
  g_mutex_unlock (&t->lock);
}

void
shu_traffic_add_down (ShuTraffic *t, ShuTrafficKind kind, gsize bytes)
{
  if (!t)
    return;
  g_mutex_lock (&t->lock);
  t->counts[kind].n_down++;
  t->counts[kind].down += bytes;
  g_mutex_unlock (&t->lock);
}

void
shu_traffic_add_across (ShuTraffic *t, ShuTrafficKind kind, gsize bytes)
{
  if (!t)
    return;
  g_mutex_lock (&t->lock);
  t->counts[kind].n_across++;
  t->counts[kind].across += bytes;
  g_mutex_unlock (&t->lock);
}

ShuTrafficCount
shu_traffic_get (ShuTraffic *t, ShuTrafficKind kind)
{
  ShuTrafficCount count;

  g_mutex_lock (&t->lock);
  count = t->counts[kind];
  g_mutex_unlock (&t->lock);
  return count;
}
