/* SPDX-License-Identifier: MIT */
/* Sets that grow together: each member names another one of its set, or, as
 * its root, itself (Tarjan and van Leeuwen, 1984: path halving). */
#pragma once

/* The root of the set of @i; ways get shorter. */
static inline int
shu_find_root (int *parent, int i)
{
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}
