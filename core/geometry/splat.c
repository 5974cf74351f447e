/* SPDX-License-Identifier: MIT */
#include "geometry/splat.h"
#include <string.h>

ShuSplatCamera
shu_splat_camera (const ShuCamera *camera)
{
  ShuSplatCamera c = {.focal = camera->focal};

  g_assert (camera->perspective);
  memcpy (c.view, camera->view, sizeof c.view);
  return c;
}

static ShuTensor *
copy (ShuCtx *c, gint64 n, gint64 width, const float *values)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (
      SHU_DTYPE_F32, width > 1 ? 2 : 1, (const gint64[]){n, width});

  if (n > 0)
    memcpy (t->data, values, shu_tensor_bytes (t));
  return shu_on_device (c, t, SHU_TRAFFIC_MESH);
}

ShuSplatInput
shu_splat_input (ShuCtx *c, const ShuGaussians *g)
{
  return (ShuSplatInput){.pos = copy (c, g->n, 3, g->pos),
      .scale = copy (c, g->n, 3, g->scale),
      .quat = copy (c, g->n, 4, g->quat),
      .opacity = copy (c, g->n, 1, g->opacity),
      .rgb = copy (c, g->n, 3, g->rgb)};
}

gboolean
shu_gaussians_views (ShuCtx *c, const ShuSplatInput *gaussians, int first,
    int n_views, int size, guint what, ShuSplats *ret)
{
  g_autofree ShuCamera *around = g_new (ShuCamera, n_views);
  g_autofree ShuSplatCamera *cameras = g_new (ShuSplatCamera, n_views);

  g_assert (first >= 0 && first < n_views && n_views > SHU_N_VIEWS);
  shu_camera_renders (n_views, 2, 40, around);
  for (int i = 0; i < n_views; i++)
    cameras[i] = shu_splat_camera (around + i);
  return shu_splat (
      c, gaussians, n_views - first, cameras + first, size, what, ret);
}
