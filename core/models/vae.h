/* SPDX-License-Identifier: MIT */
/* The image autoencoder (Rombach et al., arXiv 2112.10752; reference:
 * diffusers' AutoencoderKL). */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _ShuVae ShuVae;

/* @config: the folder's config.json.  Keeps a reference to @w; immutable.
 * Returns: (transfer full) */
ShuVae *shu_vae_new (ShuConfig *config, ShuWeights *w, GError **error);
void shu_vae_free (ShuVae *m);

/* Pixels for one latent, each way (official 8) */
int shu_vae_factor (const ShuVae *m);
int shu_vae_latent_channels (const ShuVae *m);
/* What the pipeline multiplies latents with (official 0.18215) */
float shu_vae_scaling_factor (const ShuVae *m);

/**
 * shu_vae_encode:
 * @images: [B,H,W,3] in [-1,1], sides multiples of the factor
 *
 * Returns: scoped, [B,H/f,W/f,2Z]: means, then log variances, not scaled.  The
 *   mode is the first half (shu_vae_encode_mode())
 */
ShuTensor *shu_vae_encode (ShuCtx *c, const ShuVae *m, ShuTensor *images);
/* [B,H/f,W/f,Z], not scaled */
ShuTensor *shu_vae_encode_mode (ShuCtx *c, const ShuVae *m, ShuTensor *images);

/**
 * shu_vae_decode:
 * @latents: [B,h,w,Z], divided by the scaling factor
 *
 * Works on few pictures at a time, so that memory does not grow with B.
 *
 * Returns: scoped, [B,h*f,w*f,3], about [-1,1]
 */
ShuTensor *shu_vae_decode (ShuCtx *c, const ShuVae *m, ShuTensor *latents);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuVae, shu_vae_free)

G_END_DECLS
