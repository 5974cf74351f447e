/* SPDX-License-Identifier: MIT */
/* From mesh features to a simplified closed surface, and from that to a
 * textured one. */
#include "stages/stages.h"
#include "base/error.h"
#include "base/half.h"
#include "geometry/atlas.h"
#include "geometry/bake_normals.h"
#include "geometry/cleanup.h"
#include "geometry/flexicubes.h"
#include "geometry/simplify.h"
#include "stages/fields_private.h"
#include "stages/surface_views_private.h"

/* Steps of this stage as its own progress: the algorithms below report theirs
 * to nobody but still stop, and tell of their laps. */
static ShuProgress
quiet (const ShuProgress *progress)
{
  ShuProgress inner = progress ? *progress : (ShuProgress){NULL};

  inner.func = NULL;
  return inner;
}

/* @feats as f32 in host memory: those of a GPU are f16; (transfer full) */
static ShuTensor *
widen (ShuTensor *feats, const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuTensor) host = shu_tensor_to_host (
      feats, shu_progress_traffic (progress), SHU_TRAFFIC_MESH, error);
  ShuTensor *wide;

  if (!host || host->dtype != SHU_DTYPE_F16)
    return g_steal_pointer (&host);
  wide = shu_tensor_new (SHU_DTYPE_F32, host->n_dims, host->dims);
  shu_f16_to_f32_n (host->data, wide->data, host->n);
  return wide;
}

/* *@ret: on the device where @field is; NULL where that is the host */
static gboolean
find_context (const ShuBundle *b, const char *field,
    const ShuProgress *progress, ShuCtx **ret, GError **error)
{
  ShuTensor *t = shu_bundle_get (b, field);
  g_autofree char *device = NULL;

  *ret = NULL;
  if (!t || shu_tensor_is_host (t))
    return TRUE;
  device = shu_tensor_device (t);
  *ret = shu_ctx_new (device, error);
  if (*ret)
    shu_ctx_set_traffic (*ret, shu_progress_traffic (progress));
  return *ret != NULL;
}

/* On the GPU where the features are */
static ShuMesh *
extract_on_device (
    ShuCtx *c, ShuTensor *coords, ShuTensor *feats, int R, GError **error)
{
  SHU_SCOPE (c);

  return shu_flexicubes_on_device (
      c, R, shu_on_device (c, coords, SHU_TRAFFIC_MESH), feats, error);
}

/* @c: of find_context() */
static ShuMesh *
extract (const ShuBundle *asset, ShuCtx *c, const ShuProgress *progress,
    GError **error)
{
  ShuTensor *coords = shu_bundle_need (
      asset, "mesh_coords", SHU_DTYPE_I32, SHU_DIMS (-1, 3), error);
  ShuTensor *feats = shu_bundle_get (asset, "mesh_feats");
  gint64 R = shu_bundle_int (asset, "mesh-resolution", 0);
  g_autoptr (ShuTensor) wide = NULL;

  if (!coords)
    return NULL;
  feats = shu_bundle_need_anywhere (asset, "mesh_feats",
      feats && feats->dtype == SHU_DTYPE_F16 ? SHU_DTYPE_F16 : SHU_DTYPE_F32,
      SHU_DIMS (coords->dims[0], -1), error);
  if (!feats)
    return NULL;
  if (R < 1 || R > 512 || coords->dims[0] > G_MAXINT / 128) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "bundle \"asset\": a mesh resolution of %" G_GINT64_FORMAT
        " with %" G_GINT64_FORMAT " cells",
        R, coords->dims[0]);
    return NULL;
  }
  if (c && feats->dtype == SHU_DTYPE_F16)
    return extract_on_device (c, coords, feats, R, error);
  wide = widen (feats, progress, error);
  if (!wide)
    return NULL;
  return shu_flexicubes (
      &(ShuFlexiCubesInput){
          .resolution = R,
          .n_cells = coords->dims[0],
          .coords = coords->data,
          .coord_stride = 3,
          .n_channels = feats->dims[1],
          .feats = wide->data,
      },
      error);
}

ShuMesh *
shu_asset_extract (
    const ShuBundle *asset, const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuCtx) c = NULL;

  return find_context (asset, "mesh_feats", progress, &c, error)
             ? extract (asset, c, progress, error)
             : NULL;
}

/* @value of what callers choose: NaN is nowhere */
static gboolean
check_range (const char *stage, const char *name, double value, double lo,
    double hi, GError **error)
{
  if (value >= lo && value <= hi)
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "%s: %s %g, expected %g..%g", stage, name, value, lo, hi);
  return FALSE;
}

ShuBundle *
shu_stage_mesh (const ShuBundle *asset, const ShuMeshParams *params,
    const ShuProgress *progress, GError **error)
{
  static const char *const schemas[] = {"asset", NULL};
  ShuProgress inner = quiet (progress);
  ShuCleanupParams cleanup = SHU_CLEANUP_PARAMS_INIT;
  ShuCleanupReport report;
  ShuSimplifyParams simplify = {
      .ratio = params->simplify < 0 ? 0.7 : params->simplify,
      .target_faces = MAX (0, params->faces)};
  g_autoptr (ShuMesh) raw = NULL, outer = NULL, simple = NULL;
  g_autoptr (ShuCtx) c = NULL;
  ShuBundle *b;

  if (!shu_bundle_check_schema (asset, schemas, error) ||
      !check_range ("mesh", "simplify", simplify.ratio, 0, 0.99, error) ||
      !shu_progress (progress, "mesh", 0, 3, error) ||
      !find_context (asset, "mesh_feats", progress, &c, error))
    return NULL;
  raw = extract (asset, c, progress, error);
  shu_progress_lap (progress, "extraction");
  if (!raw || !shu_progress (progress, "mesh", 1, 3, error))
    return NULL;
  cleanup.ctx = c;
  outer = shu_mesh_outer_surface (raw, &cleanup, &report, &inner, error);
  shu_progress_lap (progress, "outer surface");
  if (!outer || !shu_progress (progress, "mesh", 2, 3, error))
    return NULL;
  simple = shu_mesh_simplify (outer, &simplify, &inner, error);
  shu_progress_lap (progress, "simplification");
  if (!simple || !shu_progress (progress, "mesh", 3, 3, error))
    return NULL;
  b = shu_bundle_new ("mesh");
  shu_bundle_carry (b, asset, shu_carried_fields);
  shu_bundle_put_mesh (b, simple);
  shu_bundle_put_fine (b, outer);
  shu_bundle_set_mesh_report (b, &(ShuMeshReport){.extracted = raw->n_faces,
                                     .dropped = report.degenerate,
                                     .turned = report.turned,
                                     .split = report.split,
                                     .hidden = report.hidden,
                                     .pieces = report.pieces,
                                     .piece_faces = report.piece_faces,
                                     .holes = report.holes,
                                     .largest_hole = report.largest_hole,
                                     .patch_faces = report.patch_faces,
                                     .holes_left = report.holes_left,
                                     .outer = outer->n_faces,
                                     .faces = simple->n_faces});
  shu_progress_lap (progress, "bundle");
  return b;
}

/* What simplification took away, as a picture on @unwrapped; (transfer full) */
static ShuImage *
bake_normals (const ShuBundle *b, const ShuMesh *unwrapped, int size,
    const ShuProgress *inner, GError **error)
{
  g_autoptr (ShuMesh) fine = shu_bundle_take_fine (b, error);

  return fine ? shu_bake_normals (unwrapped, fine, size, NULL, inner, error)
              : NULL;
}

/* Where the texture of @mesh is made: on the device where its pictures are, or,
 * where those come from files, its Gaussians */
static gboolean
find_bake_context (const ShuBundle *mesh, const ShuProgress *progress,
    ShuCtx **ret, GError **error)
{
  if (!find_context (mesh, "color", progress, ret, error))
    return FALSE;
  if (!*ret && !find_context (mesh, "gs_pos", progress, ret, error))
    return FALSE;
  return *ret || (*ret = shu_ctx_new ("cpu", error));
}

static ShuImage *
bake (const ShuBundle *mesh, const ShuMesh *unwrapped, int size,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuCtx) c = NULL;
  ShuProgress inner = quiet (progress);

  if (!find_bake_context (mesh, progress, &c, error))
    return NULL;
  SHU_SCOPE (c);
  ShuBakeParams params = {.ctx = c, .size = size};
  ShuSplatInput gaussians;
  ShuBakeViews views = {.gaussians = &gaussians};
  return shu_bundle_splat_input (c, mesh, &gaussians, error) &&
                 shu_surface_views (c, mesh, &views, error)
             ? shu_bake (unwrapped, &views, &params, &inner, error)
             : NULL;
}

ShuBundle *
shu_stage_texture (const ShuBundle *mesh, const ShuTextureParams *params,
    const ShuProgress *progress, GError **error)
{
  static const char *const schemas[] = {"mesh", NULL};
  int size = params->texture_size < 0 ? 1024 : params->texture_size;
  int steps = params->normal_map ? 3 : 2;
  ShuProgress inner = quiet (progress);
  double detail = params->face_detail <= 0 ? 0 : params->face_detail;
  ShuAtlasParams atlas = {.size = size, .face_detail = (float) detail};
  g_autoptr (ShuMesh) surface = NULL, unwrapped = NULL;
  g_autoptr (ShuImage) texture = NULL, map = NULL;
  g_autoptr (ShuBundle) host = NULL;
  ShuBundle *b = NULL;

  if (!shu_bundle_check_schema (mesh, schemas, error) ||
      !check_range ("texture", "size", size, 256, 4096, error) ||
      (detail != 0 &&
          !check_range ("texture", "face detail", detail, 0.5, 4, error)) ||
      !shu_progress (progress, "texture", 0, steps, error))
    return NULL;
  host =
      shu_bundle_surface_to_host (mesh, shu_progress_traffic (progress), error);
  surface = host ? shu_bundle_take_mesh (host, FALSE, error) : NULL;
  if (!surface)
    return NULL;
  shu_progress_lap (progress, "bundle");
  unwrapped = shu_atlas (surface, &atlas, NULL, &inner, error);
  shu_progress_lap (progress, "atlas");
  if (unwrapped && shu_progress (progress, "texture", 1, steps, error))
    texture = bake (mesh, unwrapped, size, progress, error);
  if (!texture || !shu_progress (progress, "texture", 2, steps, error))
    return NULL;
  if (params->normal_map &&
      (!(map = bake_normals (host, unwrapped, size, &inner, error)) ||
          !shu_progress (progress, "texture", steps, steps, error)))
    return NULL;
  if (map)
    shu_progress_lap (progress, "normal map");
  b = shu_bundle_new ("model");
  shu_bundle_carry (b, mesh, shu_carried_fields);
  shu_bundle_put_mesh (b, unwrapped);
  shu_bundle_put_image (b, "texture", texture);
  if (map)
    shu_bundle_put_image (b, "normal_map", map);
  shu_progress_lap (progress, "bundle");
  return b;
}
