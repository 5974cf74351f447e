/* SPDX-License-Identifier: MIT */
/* Salient object detection for matting: U^2-Net and its small variant
 * (Qin et al., arXiv 2005.09007). */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _ShuU2net ShuU2net;

/**
 * shu_u2net_new:
 * @config: (nullable): "arch": "u2net" or "u2netp", "in_ch" 3, "out_ch" 1;
 *   stored weights tell their own channels and need no "arch"
 *
 * Keeps a reference to @w; immutable.  Batch norms may be folded already.
 *
 * Returns: (transfer full)
 */
ShuU2net *shu_u2net_new (ShuConfig *config, ShuWeights *w, GError **error);
void shu_u2net_free (ShuU2net *m);

enum { SHU_U2NET_SIDES = 6 };

/**
 * shu_u2net:
 * @x: [B,H,W,3], normalised
 * @ret_sides: (nullable): %SHU_U2NET_SIDES further scoped maps, for training
 *   and tests
 *
 * Returns: scoped, [B,H,W,1]: probabilities
 */
ShuTensor *shu_u2net (
    ShuCtx *c, const ShuU2net *m, ShuTensor *x, ShuTensor **ret_sides);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuU2net, shu_u2net_free)

G_END_DECLS
