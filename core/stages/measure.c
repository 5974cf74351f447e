/* SPDX-License-Identifier: MIT */
#include "stages/measure.h"
#include "stages/model_private.h"
#include <string.h>

static const char *const names[SHU_N_LOAD_TIMES] = {
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

G_STATIC_ASSERT (SHU_N_LOAD_TIMES == SHU_N_NETS + 1);

/* Seconds since @start, which becomes now, where they are the fewest yet. */
static void
lap (gint64 *start, ShuLoadTime *t)
{
  gint64 now = g_get_monotonic_time ();
  double seconds = (double) (now - *start) * 1e-6;

  *start = now;
  t->seconds = MIN (t->seconds, seconds);
}

gboolean
shu_measure_load (const char *folder, int runs,
    ShuLoadTime ret_times[SHU_N_LOAD_TIMES], GError **error)
{
  ShuLoadTime times[SHU_N_LOAD_TIMES];

  for (int i = 0; i < SHU_N_LOAD_TIMES; i++)
    times[i] = (ShuLoadTime){names[i], G_MAXDOUBLE};
  for (int r = 0; r < runs; r++) {
    gint64 start = g_get_monotonic_time ();
    g_autoptr (ShuModel) m = shu_model_get (folder, "cpu", error);

    if (!m || !shu_model_prompts (m, error))
      return FALSE;
    lap (&start, &times[SHU_N_NETS]);
    for (int i = 0; i < SHU_N_NETS; i++) {
      if (!shu_model_net (m, (ShuNet) i, error))
        return FALSE;
      lap (&start, &times[i]);
    }
  }
  memcpy (ret_times, times, sizeof times);
  return TRUE;
}
