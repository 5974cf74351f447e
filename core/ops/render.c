/* SPDX-License-Identifier: MIT */
/* Drawing: checks and dispatch. */
#include "ops/render.h"
#include "base/error.h"
#include "ops/backend_private.h"

/* Makes the tensors of @g operands; whether they are what they should be */
static gboolean
splat_operands (ShuCtx *c, ShuSplatInput *g)
{
  ShuTensor **const fields[] = {
      &g->pos, &g->scale, &g->quat, &g->opacity, &g->rgb};
  static const gint64 widths[] = {3, 3, 4, 1, 3};
  gint64 n = g->pos->dims[0];

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    ShuTensor *t = *fields[i];

    if (t->dtype != SHU_DTYPE_F32 || t->n_dims != (widths[i] > 1 ? 2 : 1) ||
        t->dims[0] != n || t->dims[1] != widths[i])
      return FALSE;
    *fields[i] = shu_on_device (c, t, SHU_TRAFFIC_MESH);
  }
  return n <= SHU_SPLAT_MAX_COUNT;
}

static gboolean
camera_is_sound (const ShuSplatCamera *camera)
{
  for (gsize i = 0; i < G_N_ELEMENTS (camera->view); i++)
    if (!shu_splat_is_finite (camera->view[i]))
      return FALSE;
  return camera->focal > 0 && camera->focal < 1e6f;
}

static gboolean
check_views (ShuCtx *c, int V, const ShuSplatCamera *cameras, int size)
{
  if (V < 1 || size < 1 || size > SHU_SPLAT_MAX_SIZE) {
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "splat: expected one picture or more, of 1..%d pixels a side, got %d "
        "of %d",
        SHU_SPLAT_MAX_SIZE, V, size);
    return FALSE;
  }
  for (int v = 0; v < V; v++)
    if (!camera_is_sound (cameras + v)) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "splat: camera %d is not finite or has a focal length outside of "
          "0..1e6",
          v);
      return FALSE;
    }
  return TRUE;
}

/* Where @bit is in @what */
static ShuTensor *
result_new (ShuCtx *c, guint what, guint bit, ShuDType dtype, gint64 V,
    gint64 S, gint64 C)
{
  return what & bit ? shu_scoped (
                          c, dtype, C > 1 ? 4 : 3, (const gint64[]){V, S, S, C})
                    : NULL;
}

gboolean
shu_splat (ShuCtx *c, const ShuSplatInput *gaussians, int V,
    const ShuSplatCamera *cameras, int size, guint what, ShuSplats *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, splat);
  ShuSplatInput g = *gaussians;

  *ret = (ShuSplats){NULL};
  if (!be || !check_views (c, V, cameras, size))
    return FALSE;
  if (!splat_operands (c, &g)) {
    shu_op_wrong (c, "splat",
        "F32 positions [n,3], deviations [n,3], quaternions [n,4], "
        "opacities [n] and colours [n,3], n up to 2^25",
        g.pos, g.scale, g.quat, g.opacity, g.rgb, NULL);
    return FALSE;
  }
  *ret = (ShuSplats){
      .rgb = result_new (c, what, SHU_SPLAT_RGB, SHU_DTYPE_U8, V, size, 3),
      .mask = result_new (c, what, SHU_SPLAT_MASK, SHU_DTYPE_U8, V, size, 1),
      .color = result_new (c, what, SHU_SPLAT_COLOR, SHU_DTYPE_F32, V, size, 3),
      .through =
          result_new (c, what, SHU_SPLAT_THROUGH, SHU_DTYPE_F32, V, size, 1),
      .depth = result_new (c, what, SHU_SPLAT_DEPTH, SHU_DTYPE_F32, V, size, 1),
  };
  if (!shu_ctx_failed (c))
    be->splat (c, &g, V, cameras, size, ret);
  return !shu_ctx_failed (c);
}
