/* SPDX-License-Identifier: MIT */
/* ResnetBlock2D: x + conv2 (silu (norm2 (conv1 (silu (norm1 x)) + time))). */
#include "nn/resnet.h"
#include "base/error.h"

void
shu_name_set (
    char ret_name[SHU_NAME_SIZE], const char *outer, const char *format, ...)
{
  g_autofree char *own = NULL;
  va_list args;

  va_start (args, format);
  own = g_strdup_vprintf (format, args);
  va_end (args);
  g_snprintf (ret_name, SHU_NAME_SIZE, "%s%s%s", outer, own, *own ? "." : "");
}

ShuWeights *
shu_weights_part (ShuWeights *w, const char *name)
{
  return *name ? shu_weights_at (w, "%s", name) : w;
}

void
shu_weights_check_groups (
    ShuWeights *w, const char *name, gint64 C, int n_groups)
{
  if (n_groups < 1 || C % n_groups != 0)
    shu_weights_fail (w, SHU_ERROR_INVALID,
        "%s: %" G_GINT64_FORMAT " channels cannot be split into %d groups",
        name, C, n_groups);
}

ShuResnet
shu_resnet_load (ShuWeights *w, const char *name, gint64 Ci, gint64 Co,
    gint64 E, int n_groups, float eps)
{
  ShuWeights *p = shu_weights_part (w, name);
  ShuResnet r = {
      .norm1 = shu_weights_norm (p, "norm1", Ci),
      .conv1 = shu_weights_conv (p, "conv1", Co, Ci, 3),
      .norm2 = shu_weights_norm (p, "norm2", Co),
      .conv2 = shu_weights_conv (p, "conv2", Co, Co, 3),
      .n_groups = n_groups,
      .eps = eps,
  };

  shu_weights_check_groups (w, name, Ci, n_groups);
  shu_weights_check_groups (w, name, Co, n_groups);
  shu_name_set (r.name, "", "%s", name);
  if (E > 0)
    r.time_emb_proj = shu_weights_linear (p, "time_emb_proj", Co, E, TRUE);
  if (Ci != Co)
    r.conv_shortcut = shu_weights_conv (p, "conv_shortcut", Co, Ci, 1);
  return r;
}

void
shu_resnet_use_fp8 (ShuResnet *r, ShuWeights *w)
{
  ShuConv *convs[] = {&r->conv1, &r->conv2};
  ShuNorm *norms[] = {&r->norm1, &r->norm2};

  for (gsize i = 0; i < G_N_ELEMENTS (convs); i++) {
    convs[i]->precision = norms[i]->precision = SHU_PRECISION_FP8;
    shu_weights_use (w, convs[i]->w, SHU_USE_FP8);
  }
}

ShuTensor *
shu_resnet_time (ShuCtx *c, const ShuResnet *r, ShuTensor *time)
{
  return shu_linear (c, time, &r->time_emb_proj);
}

ShuTensor *
shu_resnet (ShuCtx *c, const ShuResnet *r, ShuTensor *x, ShuTensor *time)
{
  SHU_SCOPE (c);
  ShuTensor *h, *y;

  h = shu_group_norm (c, x, &r->norm1, r->n_groups, r->eps, SHU_ACT_SILU);
  y = shu_conv2d_same (c, h, &r->conv1);
  shu_drop (c, h);
  h = shu_group_norm_add (
      c, y, time, &r->norm2, r->n_groups, r->eps, SHU_ACT_SILU);
  shu_drop (c, y);
  y = shu_conv2d_same (c, h, &r->conv2);
  shu_drop (c, h);
  if (r->conv_shortcut.w)
    x = shu_conv2d (c, x, &r->conv_shortcut, &(ShuConvParams){0});
  h = shu_add (c, y, x);
  return shu_keep (c, shu_tap (c, h, "%.*s", SHU_NAME_ARGS (r->name)));
}
