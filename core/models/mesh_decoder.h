/* SPDX-License-Identifier: MIT */
/* Structured latents to features of a mesh on four times finer voxels
 * (SLatMeshDecoder; TRELLIS, arXiv 2412.01506, section 3.2, with SyncHuman's
 * conditioning on views).  geometry/flexicubes.h makes the surface. */
#pragma once
#include "models/slat_decoder.h"

G_BEGIN_DECLS

/* Immutable once loaded; threads may share it. */
typedef struct _ShuMeshDecoder ShuMeshDecoder;

/* @config, @w as for shu_slat_trunk_new().  Returns: (transfer full) */
ShuMeshDecoder *shu_mesh_decoder_new (
    ShuConfig *config, ShuWeights *w, GError **error);
void shu_mesh_decoder_free (ShuMeshDecoder *d);

const ShuSlatTrunk *shu_mesh_decoder_trunk (const ShuMeshDecoder *d);
/* of the mesh features: four times that of the voxels */
int shu_mesh_decoder_resolution (const ShuMeshDecoder *d);
/* 53, or 101 with colours */
int shu_mesh_decoder_out_channels (const ShuMeshDecoder *d);

enum { SHU_MESH_DECODER_GRANDCHILDREN = 64 };

/**
 * shu_mesh_decoder_forward:
 * @voxels: of one object
 * @x: [N,latent channels], rows in the order of the voxels
 * @views: features of the views
 *
 * Returns: scoped [64N,out_channels]: sdf of 8 corners (x fastest),
 *   deformation 8x3, weights 21, colours 8x6; row 64 voxel + 8 child +
 *   grandchild, of the coordinates that shu_mesh_decoder_coords() gives
 */
ShuTensor *shu_mesh_decoder_forward (ShuCtx *c, const ShuMeshDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views);

/* @ret_coords: (out caller-allocates): [64 n, stride] */
void shu_mesh_decoder_coords (const ShuVoxels *voxels, gint32 *ret_coords);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuMeshDecoder, shu_mesh_decoder_free)

G_END_DECLS
