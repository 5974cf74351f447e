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
  return shu_stage_glb_with_report (model, params, NULL, error);
}

GBytes *
shu_stage_glb_with_report (const ShuBundle *model, const ShuGlbParams *params,
    ShuGlbReport *ret_report, GError **error)
{
  static const char *const schemas[] = {"model", NULL};
  g_autoptr (ShuMesh) mesh = NULL;
  g_autoptr (ShuImage) texture = NULL;
  g_autoptr (ShuBundle) host = NULL;

  if (!shu_bundle_check_schema (model, schemas, error) ||
      !(host = shu_bundle_to_host (model, NULL, error)))
    return NULL;
  mesh = shu_bundle_take_mesh (host, TRUE, error);
  if (!mesh)
    return NULL;
  texture = shu_bundle_take_image (host, "texture", 3, error);
  return texture ? shu_glb_write (mesh, texture, params, ret_report, error)
                 : NULL;
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

GBytes *
shu_stage_mesh_ply (
    const ShuBundle *bundle, const ShuGlbParams *params, GError **error)
{
  static const char *const schemas[] = {"asset", "mesh", "model", NULL};
  const char *schema = shu_bundle_schema (bundle);
  g_autoptr (ShuBundle) host = NULL;
  g_autoptr (ShuMesh) mesh = NULL;

  if (!shu_bundle_check_schema (bundle, schemas, error) ||
      !(host = shu_bundle_to_host (bundle, NULL, error)))
    return NULL;
  mesh = g_str_equal (schema, "asset") ? shu_asset_extract (host, NULL, error)
         : g_str_equal (schema, "model")
             ? take_painted (host, error)
             : shu_bundle_take_mesh (host, FALSE, error);
  return mesh ? shu_ply_mesh (mesh, MAX (params->height, 0), error) : NULL;
}

GBytes *
shu_stage_gaussian_ply (const ShuBundle *bundle, GError **error)
{
  static const char *const schemas[] = {"asset", "mesh", "model", NULL};
  g_autoptr (ShuBundle) host = NULL;
  ShuGaussians gaussians;

  if (!shu_bundle_check_schema (bundle, schemas, error) ||
      !(host = shu_bundle_to_host (bundle, NULL, error)) ||
      !shu_bundle_gaussians (host, &gaussians, error))
    return NULL;
  return shu_ply_gaussians (&gaussians, error);
}
