/* SPDX-License-Identifier: MIT */
/* Layers from their names, and what devices will use their parts for. */
#include "weights/weights.h"

static ShuTensor *
named (ShuWeights *w, ShuUse use, const char *name, const char *what,
    int n_dims, const gint64 *dims)
{
  g_autofree char *full = g_strconcat (name, what, NULL);

  return shu_weights_use (w, shu_weights_get (w, full, n_dims, dims), use);
}

ShuLinear
shu_weights_linear (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, gboolean bias)
{
  return (ShuLinear){
      .w = named (w, SHU_USE_LINEAR, name, ".weight", SHU_DIMS (Co, Ci)),
      .b =
          bias ? named (w, SHU_USE_LINEAR, name, ".bias", SHU_DIMS (Co)) : NULL,
  };
}

void
shu_weights_use_fp8 (ShuWeights *w, ShuLinear *l)
{
  l->precision = SHU_PRECISION_FP8;
  shu_weights_use (w, l->w, SHU_USE_FP8);
}

ShuConv
shu_weights_conv (ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k)
{
  return (ShuConv){
      .w = named (w, SHU_USE_CONV, name, ".weight", SHU_DIMS (Co, Ci, k, k)),
      .b = named (w, SHU_USE_LINEAR, name, ".bias", SHU_DIMS (Co)),
  };
}

ShuConv
shu_weights_conv3 (ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k)
{
  return (ShuConv){
      .w = named (w, SHU_USE_CONV, name, ".weight", SHU_DIMS (Co, Ci, k, k, k)),
      .b = named (w, SHU_USE_LINEAR, name, ".bias", SHU_DIMS (Co)),
  };
}

ShuConv
shu_weights_sparse_conv (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k)
{
  return (ShuConv){
      .w = named (w, SHU_USE_SPARSE_CONV, name, ".conv.weight",
          SHU_DIMS (Co, k, k, k, Ci)),
      .b = named (w, SHU_USE_LINEAR, name, ".conv.bias", SHU_DIMS (Co)),
  };
}

ShuNorm
shu_weights_norm (ShuWeights *w, const char *name, gint64 C)
{
  return (ShuNorm){
      .w = named (w, SHU_USE_NORM, name, ".weight", SHU_DIMS (C)),
      .b = named (w, SHU_USE_NORM, name, ".bias", SHU_DIMS (C)),
  };
}
