/* SPDX-License-Identifier: MIT */
/* SLatGaussianDecoder (TRELLIS section 3.2; the reference's
 * models/SecondStage/structured_latent_vae/decoder_gs.py).
 *
 *   trunk [N,C] -> layer norm, eps 1e-5, no affine -> out_layer [N,14G]
 *   -> G Gaussians a voxel, each moved within voxel_size voxels of its centre
 *
 * Traps: each field is [G][component]; biases are added before the activation
 * so that zeros give scaling_bias and opacity_bias; offset_perturbation is a
 * buffer of the file, or a Hammersley sequence where the file lacks it. */
#include "models/gs_decoder.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum { MAX_PER_VOXEL = 1024 };

struct _ShuGsDecoder {
  ShuSlatTrunk *trunk;
  ShuLinear out_layer; /* [14G,C] */
  ShuGaussianRule rule;
  ShuTensor *offset; /* [G,3] offset_perturbation, host */
};

/* ---- configuration ---- */

static double
radical_inverse (int base, int i)
{
  double value = 0, digit = 1;

  for (; i > 0; i /= base) {
    digit /= base;
    value += digit * (i % base);
  }
  return value;
}

/* Where a decoder that says nothing puts its Gaussians: point i of G of the
 * Hammersley sequence in the voxel, through the inverse of the tanh below. */
static void
make_offsets (ShuGsDecoder *d)
{
  float *offset = d->offset->data;

  for (int i = 0; i < d->rule.per_voxel; i++) {
    double point[3] = {(double) i / d->rule.per_voxel, radical_inverse (2, i),
        radical_inverse (3, i)};

    for (int k = 0; k < 3; k++)
      offset[i * 3 + k] =
          atanh ((2 * (float) point[k] - 1) / d->rule.voxel_size);
  }
}

static void
load_offsets (ShuGsDecoder *d, ShuWeights *w)
{
  ShuTensor *t;

  if (!shu_weights_has (w, "offset_perturbation")) {
    make_offsets (d);
    return;
  }
  t = shu_weights_get (
      w, "offset_perturbation", SHU_DIMS (d->rule.per_voxel, 3));
  if (t->n == (gsize) d->rule.per_voxel * 3 && shu_weights_values (w, t))
    memcpy (d->offset->data, t->data, t->n * sizeof (float));
}

static double
inverse_softplus (double y)
{
  return y + log (-expm1 (-y));
}

static gboolean
read_rule (ShuGsDecoder *d, ShuConfig *config, GError **error)
{
  ShuConfig *r =
      shu_config_at (shu_slat_trunk_args (config), "representation_config");
  ShuConfig *lr = shu_config_at (r, "lr");
  const char *act = shu_config_string (r, "scaling_activation", "softplus");
  double bias = shu_config_float (r, "scaling_bias", 1e-9, 1e3, NAN);
  double opacity = shu_config_float (r, "opacity_bias", 1e-6, 1 - 1e-6, NAN);
  ShuGaussianRule *p = &d->rule;

  p->resolution = shu_slat_trunk_resolution (d->trunk);
  p->per_voxel = shu_config_int (r, "num_gaussians", 1, MAX_PER_VOXEL, -1);
  /* above 1, or the inverse of the tanh has no end */
  p->voxel_size = shu_config_float (r, "voxel_size", 1 + 1e-6, 1e3, 1.5);
  p->kernel_3d = shu_config_float (r, "3d_filter_kernel_size", 0, 1e3, 0);
  p->softplus = strcmp (act, "softplus") == 0;
  if (!p->softplus && strcmp (act, "exp") != 0)
    shu_config_fail (r,
        "\"scaling_activation\": expected softplus or exp, got \"%.80s\"", act);
  p->scale_bias = p->softplus ? inverse_softplus (bias) : log (bias);
  p->opacity_bias = log (opacity / (1 - opacity));
  p->lr_xyz = shu_config_float (lr, "_xyz", -1e6, 1e6, 1);
  p->lr_features_dc = shu_config_float (lr, "_features_dc", -1e6, 1e6, 1);
  p->lr_scaling = shu_config_float (lr, "_scaling", -1e6, 1e6, 1);
  p->lr_rotation = shu_config_float (lr, "_rotation", -1e6, 1e6, 1);
  p->lr_opacity = shu_config_float (lr, "_opacity", -1e6, 1e6, 1);
  return shu_config_finish (config, error);
}

ShuGsDecoder *
shu_gs_decoder_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuGsDecoder) d = g_new0 (ShuGsDecoder, 1);
  ShuConfig *r =
      shu_config_at (shu_slat_trunk_args (config), "representation_config");

  d->trunk = shu_slat_trunk_new (config, "SLatGaussianDecoder", w, error);
  if (!d->trunk || !read_rule (d, config, error))
    return NULL;
  d->offset = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (d->rule.per_voxel, 3));
  memset (d->offset->data, 0, shu_tensor_bytes (d->offset));
  if (shu_config_bool (r, "perturb_offset", FALSE))
    load_offsets (d, w);
  d->out_layer = shu_weights_linear (w, "out_layer",
      SHU_GAUSSIAN_CHANNELS * d->rule.per_voxel,
      shu_slat_trunk_channels (d->trunk), TRUE);
  if (!shu_config_finish (config, error) || !shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&d);
}

void
shu_gs_decoder_free (ShuGsDecoder *d)
{
  if (!d)
    return;
  shu_slat_trunk_free (d->trunk);
  g_clear_pointer (&d->offset, shu_tensor_unref);
  g_free (d);
}

const ShuSlatTrunk *
shu_gs_decoder_trunk (const ShuGsDecoder *d)
{
  return d->trunk;
}

int
shu_gs_decoder_per_voxel (const ShuGsDecoder *d)
{
  return d->rule.per_voxel;
}

/* ---- forward ---- */

ShuTensor *
shu_gs_decoder_forward (ShuCtx *c, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_slat_trunk_forward (c, d->trunk, voxels, x, views);

  h = shu_layer_norm (c, h, NULL, 1e-5f);
  h = shu_linear (c, h, &d->out_layer); /* [N,14G] */
  shu_tap (c, h, "out_layer");
  return shu_keep (c, h);
}

/* ---- representation ---- */

gboolean
shu_gs_decoder_gaussians (ShuCtx *c, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, ShuGaussianFields *ret)
{
  g_autoptr (ShuTensor) coords =
      shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (voxels->n, 3));
  gint32 *xyz = coords->data;

  for (int i = 0; i < voxels->n; i++)
    memcpy (xyz + 3 * (gsize) i,
        voxels->coords + (gsize) (i + 1) * voxels->stride - 3, 3 * sizeof *xyz);
  return shu_gaussians (c, x, coords, d->offset, &d->rule, ret);
}
