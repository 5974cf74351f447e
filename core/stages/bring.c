/* SPDX-License-Identifier: MIT */
/* Bundles that come from files, on the device that is to work on them. */
#include "stages/stages.h"
#include "ops/ops.h"
#include <string.h>

/* What Stage 1 and Stage 2 leave on their device, and what they are given
 * there. */
static const char *const on_device[] = {"body", "face", "front", "condition",
    "cutout", "color", "normal", "mesh_feats", "gs_pos", "gs_scale", "gs_quat",
    "gs_opacity", "gs_rgb", NULL};

/* Features are of the device's own type, pictures and Gaussians as they are. */
static ShuTensor *
bring (ShuCtx *c, const char *name, ShuTensor *t)
{
  gboolean picture = t->dtype == SHU_DTYPE_U8;

  if (strcmp (name, "mesh_feats") == 0 && t->dtype == SHU_DTYPE_F32 &&
      shu_tensor_is_host (t))
    return shu_from_host_as (
        c, SHU_TRAFFIC_MESH, t->dtype, t->n_dims, t->dims, t->data);
  return shu_on_device (c, t, picture ? SHU_TRAFFIC_IMAGE : SHU_TRAFFIC_MESH);
}

ShuBundle *
shu_bundle_to_device (
    const ShuBundle *b, const char *device, ShuTraffic *traffic, GError **error)
{
  g_autoptr (ShuBundle) there = shu_bundle_new (shu_bundle_schema (b));
  g_autoptr (ShuCtx) c = shu_ctx_new (device, error);

  if (!c)
    return NULL;
  shu_ctx_set_traffic (c, traffic);
  shu_bundle_carry (there, b, NULL);
  for (int i = 0; i < shu_bundle_n (b); i++) {
    SHU_SCOPE (c);
    const char *name = shu_bundle_name (b, i);
    ShuTensor *t = shu_bundle_nth (b, i);

    if (g_strv_contains (on_device, name))
      t = shu_own (c, bring (c, name, t));
    else
      shu_tensor_ref (t);
    if (t)
      shu_bundle_take (there, name, t);
  }
  return shu_ctx_finish (c, error) ? g_steal_pointer (&there) : NULL;
}
