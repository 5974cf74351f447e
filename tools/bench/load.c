/* SPDX-License-Identifier: MIT */
#include "load.h"

static const char *const names[SHU_N_NETS + 1] = {
    [SHU_NET_JOINT] = "joint denoiser",
    [SHU_NET_VAE] = "VAE",
    [SHU_NET_CLIP] = "CLIP",
    [SHU_NET_DINO] = "DINO",
    [SHU_NET_SS_DECODER] = "structure decoder",
    [SHU_NET_SLAT_FLOW] = "SLat flow",
    [SHU_NET_MESH_DECODER] = "mesh decoder",
    [SHU_NET_GS_DECODER] = "Gaussian decoder",
    [SHU_NET_MATTING] = "matting",
    [SHU_N_NETS] = "folder and prompts",
};

const char *
bench_load_name (int i)
{
  return names[i];
}

static double
lap (gint64 *start)
{
  gint64 now = g_get_monotonic_time ();
  double seconds = (double) (now - *start) * 1e-6;

  *start = now;
  return seconds;
}

gboolean
bench_load (const char *folder, int runs, double ret_seconds[SHU_N_NETS + 1],
    GError **error)
{
  for (int i = 0; i <= SHU_N_NETS; i++)
    ret_seconds[i] = G_MAXDOUBLE;
  for (int r = 0; r < runs; r++) {
    gint64 start = g_get_monotonic_time ();
    g_autoptr (ShuModel) m = shu_model_get (folder, "cpu", error);
    double t;

    if (!m || !shu_model_prompts (m, error))
      return FALSE;
    t = lap (&start);
    ret_seconds[SHU_N_NETS] = MIN (ret_seconds[SHU_N_NETS], t);
    for (int i = 0; i < SHU_N_NETS; i++) {
      if (!shu_model_net (m, (ShuNet) i, error))
        return FALSE;
      t = lap (&start);
      ret_seconds[i] = MIN (ret_seconds[i], t);
    }
  }
  return TRUE;
}
