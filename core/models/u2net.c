/* SPDX-License-Identifier: MIT */
/* h1 = stage1 (x); h_k = stage_k (pool (h_k-1));
 * d = h6; d = stage_kd ([upsample (d), h_k]), k = 5..1;
 * side_k of each decoder stage and of stage6, upsampled to side 1;
 * sigmoid (outconv ([side_1 .. side_6]))       [B,H,W,3] -> [B,H,W,1]
 *
 * Traps: bilinear, half-pixel centres; no sigmoid on the sides that feed
 * outconv. */
#include "models/u2net.h"
#include "base/error.h"
#include "nn/rsu.h"
#include <string.h>

enum { N_STAGES = 6, N_DECODER = 5 };

typedef struct {
  int Ci, M, Co;
} Width;

struct _ShuU2net {
  ShuWeights *weights;
  ShuRsu stages[N_STAGES];
  ShuRsu decoder[N_DECODER];      /* stage1d .. stage5d */
  ShuConv sides[SHU_U2NET_SIDES]; /* [1,C,3,3] */
  ShuConv outconv;                /* [1,6,1,1] */
  ShuRecording *recording;        /* of mask() */
};

static const struct {
  int height;
  gboolean dilated;
} shapes[N_STAGES] = {
    {7, FALSE}, {6, FALSE}, {5, FALSE}, {4, FALSE}, {4, TRUE}, {4, TRUE}};

/* Channels of stage1..6, then stage1d..5d */
static const Width u2net_widths[N_STAGES + N_DECODER] = {{3, 32, 64},
    {64, 32, 128}, {128, 64, 256}, {256, 128, 512}, {512, 256, 512},
    {512, 256, 512}, {128, 16, 64}, {256, 32, 64}, {512, 64, 128},
    {1024, 128, 256}, {1024, 256, 512}};
static const Width u2netp_widths[N_STAGES + N_DECODER] = {{3, 16, 64},
    {64, 16, 64}, {64, 16, 64}, {64, 16, 64}, {64, 16, 64}, {64, 16, 64},
    {128, 16, 64}, {128, 16, 64}, {128, 16, 64}, {128, 16, 64}, {128, 16, 64}};

/* The stored shapes of a stage, or @fallback */
static Width
stage_width (ShuWeights *w, const char *name, Width fallback)
{
  ShuWeights *p = shu_weights_at (w, "%s", name);
  gint64 dims[SHU_MAX_DIMS];
  int n;

  if (shu_weights_dims (p, "rebnconvin.conv_s1.weight", &n, dims) && n == 4) {
    fallback.Co = dims[0];
    fallback.Ci = dims[1];
  }
  if (shu_weights_dims (p, "rebnconv1.conv_s1.weight", &n, dims) && n == 4)
    fallback.M = dims[0];
  return fallback;
}

static void
load_stages (ShuU2net *m, ShuWeights *w, const Width *widths)
{
  char name[32];
  Width s;

  for (int i = 0; i < N_STAGES; i++) {
    g_snprintf (name, sizeof name, "stage%d", i + 1);
    s = stage_width (w, name, widths[i]);
    m->stages[i] = shu_rsu_load (
        w, name, shapes[i].height, shapes[i].dilated, s.Ci, s.M, s.Co);
    if (i == N_STAGES - 1)
      m->sides[i] = shu_weights_conv (w, "side6", 1, s.Co, 3);
  }
  for (int i = 0; i < N_DECODER; i++) {
    g_snprintf (name, sizeof name, "stage%dd", i + 1);
    s = stage_width (w, name, widths[N_STAGES + i]);
    m->decoder[i] = shu_rsu_load (
        w, name, shapes[i].height, shapes[i].dilated, s.Ci, s.M, s.Co);
    g_snprintf (name, sizeof name, "side%d", i + 1);
    m->sides[i] = shu_weights_conv (w, name, 1, s.Co, 3);
  }
}

ShuU2net *
shu_u2net_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuU2net) m = g_new0 (ShuU2net, 1);
  const Width *widths = u2net_widths;

  m->weights = shu_weights_ref (w);
  m->recording = shu_recording_new ();
  if (config) {
    const char *arch = shu_config_string (config, "arch", "u2net");

    if (strcmp (arch, "u2netp") == 0)
      widths = u2netp_widths;
    else if (strcmp (arch, "u2net") != 0)
      shu_config_fail (
          config, "\"arch\": only \"u2net\" and \"u2netp\" are supported");
    shu_config_int (config, "in_ch", 3, 3, 3);
    shu_config_int (config, "out_ch", 1, 1, 1);
    if (!shu_config_finish (config, error))
      return NULL;
  }
  load_stages (m, w, widths);
  m->outconv = shu_weights_conv (w, "outconv", 1, SHU_U2NET_SIDES, 1);
  if (!shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&m);
}

void
shu_u2net_free (ShuU2net *m)
{
  if (!m)
    return;
  shu_recording_free (m->recording);
  for (int i = 0; i < N_STAGES; i++)
    shu_rsu_clear (&m->stages[i]);
  for (int i = 0; i < N_DECODER; i++)
    shu_rsu_clear (&m->decoder[i]);
  shu_weights_unref (m->weights);
  g_free (m);
}

/* @x at the size of @like, bilinear */
static ShuTensor *
upsample_like (ShuCtx *c, ShuTensor *x, ShuTensor *like)
{
  if (x->dims[1] == like->dims[1] && x->dims[2] == like->dims[2])
    return x;
  return shu_resize_bilinear (c, x, like->dims[1], like->dims[2]);
}

/* A stage of @h at half its size */
static ShuTensor *
encode (ShuCtx *c, const ShuRsu *stage, ShuTensor *h)
{
  SHU_SCOPE (c);

  return shu_keep (c, shu_rsu (c, stage, shu_max_pool2 (c, h)));
}

/* @ret_sides: NULL, or where they go */
static ShuTensor *
forward (ShuCtx *c, const ShuU2net *m, ShuTensor *x, ShuTensor **ret_sides)
{
  SHU_SCOPE (c);
  ShuTensor *h[N_STAGES], *sides[SHU_U2NET_SIDES];

  if (!shu_ctx_failed (c) && (x->n_dims != 4 || x->dims[3] != 3))
    shu_ctx_fail (c, SHU_ERROR_INVALID, "u2net: pictures must be RGB");
  for (int i = 0; i < N_STAGES; i++)
    h[i] = i == 0 ? shu_rsu (c, &m->stages[i], x)
                  : encode (c, &m->stages[i], h[i - 1]);
  for (int i = SHU_U2NET_SIDES - 1; i >= 0; i--) {
    sides[i] = shu_conv2d_same (c, h[i], &m->sides[i]);
    shu_tap (c, sides[i], "side%d", i + 1);
    if (i > 0)
      h[i - 1] = shu_rsu_joined (c, &m->decoder[i - 1], h[i], h[i - 1]);
  }
  for (int i = 0; i < SHU_U2NET_SIDES; i++) {
    sides[i] = upsample_like (c, sides[i], sides[0]);
    if (ret_sides)
      ret_sides[i] = shu_keep (c, shu_act (c, sides[i], SHU_ACT_SIGMOID));
  }
  x = shu_concat (c, 3, SHU_U2NET_SIDES, sides);
  x = shu_tap (
      c, shu_conv2d (c, x, &m->outconv, &(ShuConvParams){0}), "outconv");
  return shu_keep (c, shu_act (c, x, SHU_ACT_SIGMOID));
}

static ShuTensor *
mask (ShuCtx *c, gconstpointer data, ShuTensor *x)
{
  return forward (c, data, x, NULL);
}

ShuTensor *
shu_u2net (ShuCtx *c, const ShuU2net *m, ShuTensor *x, ShuTensor **ret_sides)
{
  return ret_sides ? forward (c, m, x, ret_sides)
                   : shu_recorded (c, m->recording, mask, m, x);
}
