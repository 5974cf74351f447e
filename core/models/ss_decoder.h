/* SPDX-License-Identifier: MIT */
/* The decoder of the sparse-structure latent: dense occupancy logits (TRELLIS,
 * arXiv 2412.01506, section 3.2; reference: SparseStructureDecoder). */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _ShuSsDecoder ShuSsDecoder;

/* @config: the arguments, themselves or under "args".  Keeps a reference to
 * @w; immutable.  Returns: (transfer full) */
ShuSsDecoder *shu_ss_decoder_new (
    ShuConfig *config, ShuWeights *w, GError **error);
void shu_ss_decoder_free (ShuSsDecoder *m);

/* Voxels for one latent, each way (official 4) */
int shu_ss_decoder_factor (const ShuSsDecoder *m);
int shu_ss_decoder_latent_channels (const ShuSsDecoder *m);

/* latent [B,r,r,r,Z] -> logits, scoped, [B,r f,r f,r f,1]; occupied where > 0
 */
ShuTensor *shu_ss_decoder (ShuCtx *c, const ShuSsDecoder *m, ShuTensor *latent);

/**
 * shu_ss_occupied:
 * @logits: host, [B,D,H,W]
 *
 * Returns: (transfer full): rows (b,x,y,z) of the positive ones, in
 *   lexicographic order; element type gint32
 */
GArray *shu_ss_occupied (const float *logits, int B, int D, int H, int W);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSsDecoder, shu_ss_decoder_free)

G_END_DECLS
