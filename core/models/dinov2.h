/* SPDX-License-Identifier: MIT */
/* DINOv2 with registers (Oquab et al., arXiv 2304.07193; Darcet et al., arXiv
 * 2309.16588; reference: DinoVisionTransformer). */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _ShuDinov2 ShuDinov2;

/**
 * shu_dinov2_new:
 * @config: "img_size", "patch_size", "embed_dim", "depth", "num_heads",
 *   "mlp_ratio", "num_register_tokens"; what is absent is taken from the
 *   shapes of stored weights, else it is the official ViT-L/14's
 *
 * Keeps a reference to @w.  Immutable but for a cache that is locked.
 *
 * Returns: (transfer full)
 */
ShuDinov2 *shu_dinov2_new (ShuConfig *config, ShuWeights *w, GError **error);
void shu_dinov2_free (ShuDinov2 *m);

int shu_dinov2_depth (const ShuDinov2 *m);
int shu_dinov2_patch (const ShuDinov2 *m);

/**
 * shu_dinov2_tokens:
 * @images: [B,H,W,3], normalised, sides multiples of the patch
 *
 * Returns: scoped, [B,1+R+N,C]: class token, registers, patches, before the
 *   final norm ("x_prenorm")
 */
ShuTensor *shu_dinov2_tokens (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images);
/* The tokens as condition of Stage 1: normalised again, without affine, eps
 * 1e-5 */
ShuTensor *shu_dinov2_condition (
    ShuCtx *c, const ShuDinov2 *m, ShuTensor *images);

/**
 * shu_dinov2_taps:
 * @n_taps: number of @blocks, 0-based block indices, ascending
 * @ret_taps: @n_taps scoped tensors [B,H/patch,W/patch,C]: patches after that
 *   block and the final norm
 */
void shu_dinov2_taps (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images,
    int n_taps, const int *blocks, ShuTensor **ret_taps);

/* Position embedding of the class token and of h x w patches: scoped,
 * [1 + h w,C] */
ShuTensor *shu_dinov2_positions (ShuCtx *c, const ShuDinov2 *m, int h, int w);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuDinov2, shu_dinov2_free)

G_END_DECLS
