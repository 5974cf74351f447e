/* SPDX-License-Identifier: MIT */
/* Bundles as files that other programs read: GLB and PLY. */
#include "stages/stages.h"
#include "formats/ply.h"
#include "geometry/paint.h"
#include "stages/fields_private.h"

GBytes *
shu_stage_glb (
    const ShuBundle *model, const ShuGlbParams *params, GError **error)
{
  return shu_stage_glb_with_report (model, params, NULL, NULL, error);
}

GBytes *
shu_stage_glb_with_report (const ShuBundle *model, const ShuGlbParams *params,
    const ShuProgress *progress, ShuGlbReport *ret_report, GError **error)
{
  static const char *const schemas[] = {"model", NULL};
  g_autoptr (ShuMesh) mesh = NULL;
  g_autoptr (ShuImage) texture = NULL, normal_map = NULL;
  g_autoptr (ShuBundle) host = NULL;
  g_autoptr (GBytes) file = NULL;

  if (!shu_bundle_check_schema (model, schemas, error) ||
      !shu_progress (progress, "glb", 0, 1, error) ||
      !(host = shu_bundle_surface_to_host (
            model, shu_progress_traffic (progress), error)))
    return NULL;
  mesh = shu_bundle_take_mesh (host, TRUE, error);
  if (!mesh)
    return NULL;
  texture = shu_bundle_take_image (host, "texture", 3, error);
  if (texture && shu_bundle_get (host, "normal_map") &&
      !(normal_map = shu_bundle_take_image (host, "normal_map", 3, error)))
    return NULL;
  file = texture ? shu_glb_write (
                       mesh, texture, normal_map, params, ret_report, error)
                 : NULL;
  if (!file || !shu_progress (progress, "glb", 1, 1, error))
    return NULL;
  return g_steal_pointer (&file);
}

/* The mesh of a bundle "model" with the texture's colours at its vertices. */
static ShuMesh *
take_painted (const ShuBundle *host, GError **error)
{
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (host, TRUE, error);
  g_autoptr (ShuImage) texture =
      mesh ? shu_bundle_take_image (host, "texture", 3, error) : NULL;

  return texture ? shu_mesh_paint (mesh, texture) : NULL;
}

/* The mesh of @bundle, which is none of those that have yet to be made. */
static ShuMesh *
take_mesh (const ShuBundle *bundle, const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuBundle) host = shu_bundle_surface_to_host (
      bundle, shu_progress_traffic (progress), error);

  if (!host)
    return NULL;
  return g_str_equal (shu_bundle_schema (bundle), "model")
             ? take_painted (host, error)
             : shu_bundle_take_mesh (host, FALSE, error);
}

GBytes *
shu_stage_mesh_ply (const ShuBundle *bundle, const ShuGlbParams *params,
    const ShuProgress *progress, GError **error)
{
  static const char *const schemas[] = {"asset", "mesh", "model", NULL};
  g_autoptr (ShuMesh) mesh = NULL;

  if (!shu_bundle_check_schema (bundle, schemas, error))
    return NULL;
  mesh = g_str_equal (shu_bundle_schema (bundle), "asset")
             ? shu_asset_extract (bundle, progress, error)
             : take_mesh (bundle, progress, error);
  return mesh ? shu_ply_mesh (mesh, MAX (params->height, 0), error) : NULL;
}

GBytes *
shu_stage_gaussian_ply (
    const ShuBundle *bundle, const ShuProgress *progress, GError **error)
{
  static const char *const schemas[] = {"asset", "mesh", "model", NULL};
  static const char *const fields[] = {
      "gs_pos", "gs_scale", "gs_quat", "gs_opacity", "gs_rgb", NULL};
  g_autoptr (ShuBundle) some = NULL, host = NULL;
  ShuGaussians gaussians;

  if (!shu_bundle_check_schema (bundle, schemas, error))
    return NULL;
  some = shu_bundle_new (shu_bundle_schema (bundle));
  shu_bundle_carry (some, bundle, fields);
  host = shu_bundle_to_host (some, shu_progress_traffic (progress), error);
  if (!host || !shu_bundle_gaussians (host, &gaussians, error))
    return NULL;
  return shu_ply_gaussians (&gaussians, error);
}
