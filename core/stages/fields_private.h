/* SPDX-License-Identifier: MIT */
/* Between pictures, meshes and the tensors of a bundle. */
#pragma once
#include "base/image.h"
#include "base/progress.h"
#include "geometry/mesh.h"
#include "ops/pictures.h"
#include "ops/render.h"
#include "tensor/bundle.h"

/* Puts a picture as u8 [H,W,C]. */
void shu_bundle_put_image (
    ShuBundle *b, const char *name, const ShuImage *image);
/* @n pictures of one size and kind as u8 [n,H,W,C]. */
void shu_bundle_put_images (
    ShuBundle *b, const char *name, int n, ShuImage *const *images);

/* A square RGB (or RGBA) picture out of u8 [S,S,C]; a copy, (transfer full) */
ShuImage *shu_bundle_take_image (
    const ShuBundle *b, const char *name, int n_channels, GError **error);
/* Picture @i of u8 [n,S,S,3] */
ShuImage *shu_bundle_take_nth_image (
    const ShuBundle *b, const char *name, int i, GError **error);

/* An RGB (or RGBA) picture u8 [H,W,C] where @c works: scoped, NULL with an
 * error */
ShuTensor *shu_bundle_picture (ShuCtx *c, const ShuBundle *b, const char *name,
    int n_channels, GError **error);
/* u8 [n,H,W,3] with at least @n_least pictures, in the same way */
ShuTensor *shu_bundle_pictures (ShuCtx *c, const ShuBundle *b, const char *name,
    int n_least, GError **error);

/* The same where they lie: (transfer none) */
ShuTensor *shu_bundle_find_picture (
    const ShuBundle *b, const char *name, int n_channels, GError **error);
ShuTensor *shu_bundle_find_pictures (
    const ShuBundle *b, const char *name, int n_least, GError **error);

/* "vertices", "faces", "attributes", "uv": those that the mesh has. */
void shu_bundle_put_mesh (ShuBundle *b, const ShuMesh *mesh);
/* Checked copy; @with_uv: "uv" must be there.  (transfer full) */
ShuMesh *shu_bundle_take_mesh (
    const ShuBundle *b, gboolean with_uv, GError **error);

/* What a bundle "mesh" or "model" has made itself, the arrays of the mesh and
 * its textures, in host memory; nothing that it carries.  (transfer full) */
ShuBundle *shu_bundle_surface_to_host (
    const ShuBundle *b, ShuTraffic *traffic, GError **error);

/* The surface before simplification, "fine_vertices" and "fine_faces": "mesh"
 * has it for normal maps, and no later bundle. */
void shu_bundle_put_fine (ShuBundle *b, const ShuMesh *fine);
ShuMesh *shu_bundle_take_fine (const ShuBundle *b, GError **error);

/* The Gaussians' fields, borrowed from the bundle; FALSE where they are not
 * all there in matching sizes. */
gboolean shu_bundle_gaussians (
    const ShuBundle *b, ShuGaussians *ret, GError **error);

/* The same where @c works, for drawing; scoped.  Their values are not looked
 * at. */
gboolean shu_bundle_splat_input (
    ShuCtx *c, const ShuBundle *b, ShuSplatInput *ret, GError **error);

/* The raw surface of a bundle "asset" (FlexiCubes); (transfer full) */
ShuMesh *shu_asset_extract (
    const ShuBundle *asset, const ShuProgress *progress, GError **error);

gboolean shu_bundle_check_schema (
    const ShuBundle *b, const char *const *schemas, GError **error);

/* what later stages need of the earlier ones' bundles */
extern const char *const shu_carried_fields[];
