/* SPDX-License-Identifier: MIT */
/* Dual marching cubes by rule (Nielson 2004; the conventions of Shen et al.
 * 2023, FlexiCubes): crossing edges that meet on a face of the cell belong to
 * the same dual vertex.  On a face whose inside corners are diagonal, each
 * inside corner links its own two edges, which keeps such corners apart. */
#include "flexicubes_tables.h"

const gint8 shu_flex_edge[SHU_FLEX_EDGES][2] = {{0, 1}, {1, 5}, {4, 5}, {0, 4},
    {2, 3}, {3, 7}, {6, 7}, {2, 6}, {2, 0}, {3, 1}, {7, 5}, {6, 4}};

static gboolean
is_inside (int id, int corner)
{
  return id >> corner & 1;
}

static gboolean
is_crossing (int id, int edge)
{
  return is_inside (id, shu_flex_edge[edge][0]) !=
         is_inside (id, shu_flex_edge[edge][1]);
}

/* Face d = 2 * axis + side: its corners share one coordinate. */
static gboolean
corner_on_face (int corner, int d)
{
  return (corner >> (d / 2) & 1) == (d & 1);
}

static gboolean
edge_on_face (int edge, int d)
{
  return corner_on_face (shu_flex_edge[edge][0], d) &&
         corner_on_face (shu_flex_edge[edge][1], d);
}

static gboolean
edge_has_corner (int edge, int corner)
{
  return shu_flex_edge[edge][0] == corner || shu_flex_edge[edge][1] == corner;
}

static void
join (gint8 *label, int a, int b)
{
  int from = label[b], to = label[a];

  for (int e = 0; e < SHU_FLEX_EDGES; e++)
    if (label[e] == from)
      label[e] = to;
}

/* Joins the crossing edges of face @d; returns whether it is ambiguous. */
static gboolean
join_face (int id, int d, gint8 *label)
{
  int edges[4], n = 0;

  for (int e = 0; e < SHU_FLEX_EDGES; e++)
    if (edge_on_face (e, d) && is_crossing (id, e))
      edges[n++] = e;
  if (n == 2)
    join (label, edges[0], edges[1]);
  if (n != 4)
    return FALSE;
  for (int i = 0; i < 4; i++)
    for (int k = i + 1; k < 4; k++)
      for (int c = 0; c < 8; c++)
        if (is_inside (id, c) && edge_has_corner (edges[i], c) &&
            edge_has_corner (edges[k], c))
          join (label, edges[i], edges[k]);
  return TRUE;
}

static void
make_case (int id, ShuFlexCase *ret)
{
  gint8 label[SHU_FLEX_EDGES];
  int n_ambiguous = 0, dir = -1;

  for (int e = 0; e < SHU_FLEX_EDGES; e++) {
    label[e] = e;
    ret->group_of_edge[e] = -1;
  }
  for (int d = 0; d < 6; d++)
    if (join_face (id, d, label)) {
      n_ambiguous++;
      dir = d;
    }

  /* Groups in the order of their smallest inside corner. */
  ret->n_dual = 0;
  for (int c = 0; c < 8; c++)
    for (int e = 0; e < SHU_FLEX_EDGES; e++) {
      if (!is_inside (id, c) || !is_crossing (id, e) ||
          !edge_has_corner (e, c) || ret->group_of_edge[e] >= 0)
        continue;
      for (int k = 0; k < SHU_FLEX_EDGES; k++)
        if (label[k] == label[e])
          ret->group_of_edge[k] = ret->n_dual;
      ret->n_dual++;
    }
  /* The one case whose published numbering breaks that rule. */
  if (id == 231)
    for (int e = 0; e < SHU_FLEX_EDGES; e++)
      if (ret->group_of_edge[e] >= 0)
        ret->group_of_edge[e] ^= 1;
  ret->flag_dir = n_ambiguous == 1 && ret->n_dual == 1 ? dir : -1;
}

const ShuFlexCase *
shu_flex_cases (void)
{
  static ShuFlexCase cases[256];
  static gsize ready;

  if (g_once_init_enter (&ready)) {
    for (int id = 0; id < 256; id++)
      make_case (id, &cases[id]);
    g_once_init_leave (&ready, 1);
  }
  return cases;
}
