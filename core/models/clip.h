/* SPDX-License-Identifier: MIT */
/* The CLIP image encoder (Radford et al., arXiv 2103.00020; reference:
 * transformers' CLIPVisionModelWithProjection). */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _ShuClip ShuClip;

/* @config: the folder's config.json.  Keeps a reference to @w; immutable.
 * Returns: (transfer full) */
ShuClip *shu_clip_new (ShuConfig *config, ShuWeights *w, GError **error);
void shu_clip_free (ShuClip *m);

int shu_clip_image_size (const ShuClip *m);
int shu_clip_projection_dim (const ShuClip *m);

/* pixels [B,S,S,3], normalised -> image embeddings, scoped, [B,P] */
ShuTensor *shu_clip_embed (ShuCtx *c, const ShuClip *m, ShuTensor *pixels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuClip, shu_clip_free)

G_END_DECLS
