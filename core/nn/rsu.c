/* SPDX-License-Identifier: MIT */
/* a = in (x); e1 = down1 (a); e_k = down_k (pool (e_k-1)), k < L;
 * bottom = down_L (e_L-1), dilated, not pooled;
 * d = up_L-1 ([bottom, e_L-1]); d = up_k ([upsample (d), e_k]); a + d
 *
 * Traps: concatenation is [deeper, skip]; RSU-4F dilates its decoder too. */
#include "nn/rsu.h"
#include "base/error.h"
#include "tensor/source.h"
#include <math.h>

static const double BN_EPS = 1e-5;

/* w' = w g / sqrt (var + eps); b' = (b - mean) g / sqrt (var + eps) + beta */
static ShuConv
fold (const ShuConv *k, const ShuNorm *bn, ShuTensor *mean, ShuTensor *var)
{
  gint64 Co = k->w->dims[0];
  g_autofree double *s = g_new (double, (gsize) Co);
  ShuTensor *b = shu_tensor_new (SHU_DTYPE_F32, 1, k->b->dims);
  const float *b0 = k->b->data, *mu = mean->data, *v = var->data;
  const float *gamma = bn->w->data, *beta = bn->b->data;

  for (gint64 o = 0; o < Co; o++) {
    s[o] = gamma[o] / sqrt (v[o] + BN_EPS);
    ((float *) b->data)[o] = (float) ((b0[o] - mu[o]) * s[o] + beta[o]);
  }
  return (ShuConv){.w = shu_tensor_new_scaled (k->w, s), .b = b};
}

static ShuRebnconv
load_unit (ShuWeights *w, const char *rsu, const char *name, gint64 Ci,
    gint64 Co, int dilation)
{
  ShuWeights *p = shu_weights_at (shu_weights_part (w, rsu), "%s", name);
  ShuConv k = shu_weights_conv (p, "conv_s1", Co, Ci, 3);
  ShuRebnconv unit = {.dilation = dilation};

  /* Exporters fold too: then there is no batch norm left. */
  if (shu_weights_has (p, "bn_s1.weight")) {
    ShuNorm bn = shu_weights_norm (p, "bn_s1", Co);
    ShuTensor *mean = shu_weights_get (p, "bn_s1.running_mean", SHU_DIMS (Co));
    ShuTensor *var = shu_weights_get (p, "bn_s1.running_var", SHU_DIMS (Co));

    ShuTensor *vectors[] = {k.b, bn.w, bn.b, mean, var};
    gboolean fits = k.w->n_dims == 4;

    shu_weights_use (p, k.w, SHU_USE_NONE);
    for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++) {
      fits = fits && vectors[i]->n == (gsize) Co &&
             shu_weights_values (p, vectors[i]);
      shu_weights_use (p, vectors[i], SHU_USE_NONE);
    }
    if (fits) {
      unit.conv = fold (&k, &bn, mean, var);
      shu_weights_settle (p, unit.conv.w);
      shu_weights_use (p, unit.conv.w, SHU_USE_CONV);
      shu_weights_use (p, unit.conv.b, SHU_USE_LINEAR);
    }
  } else {
    unit.conv = (ShuConv){.w = shu_tensor_ref (k.w), .b = shu_tensor_ref (k.b)};
  }
  return unit;
}

ShuRsu
shu_rsu_load (ShuWeights *w, const char *name, int height, gboolean dilated,
    gint64 Ci, gint64 M, gint64 Co)
{
  ShuRsu r = {.height = height, .dilated = dilated};
  int bottom = dilated ? 1 << (height - 1) : 2;
  char unit[32];

  g_assert (height >= 4 && height <= SHU_RSU_MAX_UNITS);
  shu_name_set (r.name, "", "%s", name);
  r.in = load_unit (w, name, "rebnconvin", Ci, Co, 1);
  for (int k = 0; k < height; k++) {
    int dilation = k == height - 1 ? bottom : dilated ? 1 << k : 1;

    g_snprintf (unit, sizeof unit, "rebnconv%d", k + 1);
    r.down[k] = load_unit (w, name, unit, k == 0 ? Co : M, M, dilation);
  }
  for (int k = 0; k < height - 1; k++) {
    g_snprintf (unit, sizeof unit, "rebnconv%dd", k + 1);
    r.up[k] =
        load_unit (w, name, unit, 2 * M, k == 0 ? Co : M, dilated ? 1 << k : 1);
  }
  return r;
}

static void
unit_clear (ShuRebnconv *unit)
{
  g_clear_pointer (&unit->conv.w, shu_tensor_unref);
  g_clear_pointer (&unit->conv.b, shu_tensor_unref);
}

void
shu_rsu_clear (ShuRsu *r)
{
  unit_clear (&r->in);
  for (int k = 0; k < SHU_RSU_MAX_UNITS; k++)
    unit_clear (&r->down[k]);
  for (int k = 0; k < SHU_RSU_MAX_UNITS - 1; k++)
    unit_clear (&r->up[k]);
}

static ShuTensor *
run_unit (ShuCtx *c, const ShuRebnconv *unit, ShuTensor *x)
{
  return shu_conv2d (c, x, &unit->conv,
      &(ShuConvParams){.dilation = unit->dilation,
          .pad_before = unit->dilation,
          .pad_after = unit->dilation,
          .act = SHU_ACT_RELU});
}

/* [@d at the size of @skip, @skip], both let go, through a unit */
static ShuTensor *
run_joined (ShuCtx *c, const ShuRebnconv *unit, ShuTensor *d, ShuTensor *skip)
{
  SHU_SCOPE (c);
  ShuTensor *joined = shu_resize_concat (c, d, skip);

  shu_drop (c, d);
  shu_drop (c, skip);
  return shu_keep (c, run_unit (c, unit, joined));
}

/* a: of the first unit */
static ShuTensor *
run_others (ShuCtx *c, const ShuRsu *r, ShuTensor *a)
{
  SHU_SCOPE (c);
  int L = r->height;
  ShuTensor *e[SHU_RSU_MAX_UNITS] = {NULL}, *d;

  shu_tap (c, a, "%srebnconvin", r->name);
  for (int k = 0; k < L; k++) {
    ShuTensor *from = k == 0 ? a : e[k - 1];
    gboolean pools = k > 0 && k < L - 1 && !r->dilated;

    if (pools)
      from = shu_max_pool2 (c, from);
    e[k] = shu_tap (
        c, run_unit (c, &r->down[k], from), "%srebnconv%d", r->name, k + 1);
    if (pools)
      shu_drop (c, from);
  }
  d = e[L - 1];
  for (int k = L - 2; k >= 0; k--)
    d = shu_tap (
        c, run_joined (c, &r->up[k], d, e[k]), "%srebnconv%dd", r->name, k + 1);
  d = shu_add (c, d, a);
  return shu_keep (c, shu_tap (c, d, "%.*s", SHU_NAME_ARGS (r->name)));
}

ShuTensor *
shu_rsu (ShuCtx *c, const ShuRsu *r, ShuTensor *x)
{
  SHU_SCOPE (c);

  return shu_keep (c, run_others (c, r, run_unit (c, &r->in, x)));
}

ShuTensor *
shu_rsu_joined (ShuCtx *c, const ShuRsu *r, ShuTensor *deeper, ShuTensor *skip)
{
  SHU_SCOPE (c);

  return shu_keep (c, run_others (c, r, run_joined (c, &r->in, deeper, skip)));
}
