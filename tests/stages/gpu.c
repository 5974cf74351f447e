/* SPDX-License-Identifier: MIT */
#include "gpu.h"
#include "fixtures.h"
#include "tensor/device.h"
#include <string.h>

ShuModel *
gpu_model (const char *folder, ShuMemory memory)
{
  g_autoptr (GError) error = NULL;
  ShuModel *m = shu_model_get_with_memory (folder, "cuda", memory, &error);

  if (!m) {
    g_autofree char *why =
        g_strdup_printf ("no CUDA device: %s", error->message);

    g_test_skip (why);
  }
  return m;
}

gsize
gpu_used (void)
{
  gsize n_free = 0, total = 0;

  shu_device_memory (0, &n_free, &total);
  return total - n_free;
}

gpointer
gpu_occupy (gsize rest)
{
  gsize n_free = 0, total = 0;

  shu_device_memory (0, &n_free, &total);
  return n_free > rest ? shu_device_alloc (0, n_free - rest) : NULL;
}

ShuBundle *
gpu_subject (const ShuModel *m)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  ShuPreprocessParams p = {.seed = 1,
      .view_size = d->view_size,
      .condition_size = d->condition_size};
  g_autoptr (ShuImage) cutout = shu_image_new (200, 300, 4);
  g_autoptr (GError) error = NULL;
  ShuBundle *subject;

  memset (cutout->data, 0, (gsize) 200 * 300 * 4);
  for (int y = 40; y < 260; y++)
    memset (cutout->data + 4 * (y * 200 + 60), 255, 4 * 80);
  subject = shu_stage_preprocess (cutout, &p, NULL, &error);
  g_assert_no_error (error);
  return subject;
}

ShuBundle *
gpu_views (const ShuModel *m, const ShuBundle *subject, int n)
{
  static const char *const carried[] = {"condition", "cutout", NULL};
  const ShuModelDefaults *d = shu_model_defaults (m);
  int S = d->view_size, R = d->voxel_res;
  ShuBundle *views = shu_bundle_new ("views");
  ShuTensor *pictures = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (5, S, S, 3));
  ShuTensor *coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (n, 4));
  gint32 *c = coords->data;

  memset (pictures->data, 100, pictures->n);
  for (int i = 0; i < n; i++, c += 4) {
    c[0] = 0;
    c[1] = i / (R * R);
    c[2] = i / R % R;
    c[3] = i % R;
  }
  shu_bundle_carry (views, subject, carried);
  shu_bundle_set (views, "color", pictures);
  shu_bundle_take (views, "normal", pictures);
  shu_bundle_take (views, "coords", coords);
  return views;
}
