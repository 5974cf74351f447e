/* SPDX-License-Identifier: MIT */
/* The cases of dual marching cubes, made by rule at first use. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum {
  SHU_FLEX_EDGES = 12,
  SHU_FLEX_MAX_DUAL = 4, /* dual vertices of one cell */
};

/**
 * ShuFlexCase:
 * @n_dual: number of dual vertices, 0..4; 0 only where no edge is crossed
 * @group_of_edge: which dual vertex a crossing edge belongs to, -1 for others
 * @flag_dir: for cases with one ambiguous face and one dual vertex the
 *   outward direction of that face, 2 * axis + (1 if towards +); else -1
 *
 * Bit c of a case number is set where corner c is inside.
 */
typedef struct {
  gint8 n_dual;
  gint8 group_of_edge[SHU_FLEX_EDGES];
  gint8 flag_dir;
} ShuFlexCase;

/* The two corners of each edge.  Corner c lies at (c & 1, c >> 1 & 1,
 * c >> 2 & 1) in x, y, z.  Edges along y run from high to low: keys,
 * interpolation and winding depend on it. */
extern const gint8 shu_flex_edge[SHU_FLEX_EDGES][2];

/* All 256 cases; thread safe. */
const ShuFlexCase *shu_flex_cases (void);

G_END_DECLS
