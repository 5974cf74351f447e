/* SPDX-License-Identifier: MIT */
/* Minimum s-t cut (Boykov and Kolmogorov 2004). */
#pragma once
#include "base/progress.h"

typedef struct _MinCut MinCut;

MinCut *min_cut_new (int n_nodes, int max_edges);
void min_cut_free (MinCut *cut);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MinCut, min_cut_free)

/* Capacity from the source (positive) or to the sink (negative). */
void min_cut_set_terminal (MinCut *cut, int node, gint64 capacity);

/* Undirected edge, the same capacity both ways. */
void min_cut_add_edge (MinCut *cut, int a, int b, gint64 capacity);

/* @ret_source: TRUE for each node from which the sink cannot be reached in
 * the residual graph, i.e. the largest source side of a minimum cut.
 * @progress: (nullable): the cut is none where it says stop
 * Returns: the capacity of the cut. */
gint64 min_cut_solve (
    MinCut *cut, const ShuProgress *progress, guint8 *ret_source);
