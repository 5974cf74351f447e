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

enum { GS_CHANNELS = 14, MAX_PER_VOXEL = 1024 };

static const double SH_C0 = 0.28209479177387814; /* 1 / (2 sqrt pi) */

struct _ShuGsDecoder {
  ShuSlatTrunk *trunk;
  ShuLinear out_layer; /* [14G,C] */
  int num_gaussians;   /* G */
  float *offset;       /* [G,3] offset_perturbation */
  double voxel_size;   /* voxels */
  double kernel_3d;    /* world units */
  gboolean softplus;   /* else exp */
  double scale_bias;   /* before the activation */
  double opacity_bias;
  double lr_xyz, lr_features_dc, lr_scaling, lr_rotation, lr_opacity;
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
  for (int i = 0; i < d->num_gaussians; i++) {
    double point[3] = {(double) i / d->num_gaussians, radical_inverse (2, i),
        radical_inverse (3, i)};

    for (int k = 0; k < 3; k++)
      d->offset[i * 3 + k] = atanh ((2 * (float) point[k] - 1) / d->voxel_size);
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
      w, "offset_perturbation", SHU_DIMS (d->num_gaussians, 3));
  if (t->n == (gsize) d->num_gaussians * 3 && shu_weights_values (w, t))
    memcpy (d->offset, t->data, t->n * sizeof (float));
}

static double
inverse_softplus (double y)
{
  return y + log (-expm1 (-y));
}

static gboolean
read_config (ShuGsDecoder *d, ShuConfig *config, GError **error)
{
  ShuConfig *r =
      shu_config_at (shu_slat_trunk_args (config), "representation_config");
  ShuConfig *lr = shu_config_at (r, "lr");
  const char *act = shu_config_string (r, "scaling_activation", "softplus");
  double bias = shu_config_float (r, "scaling_bias", 1e-9, 1e3, NAN);
  double opacity = shu_config_float (r, "opacity_bias", 1e-6, 1 - 1e-6, NAN);

  d->num_gaussians = shu_config_int (r, "num_gaussians", 1, MAX_PER_VOXEL, -1);
  /* above 1, or the inverse of the tanh has no end */
  d->voxel_size = shu_config_float (r, "voxel_size", 1 + 1e-6, 1e3, 1.5);
  d->kernel_3d = shu_config_float (r, "3d_filter_kernel_size", 0, 1e3, 0);
  d->softplus = strcmp (act, "softplus") == 0;
  if (!d->softplus && strcmp (act, "exp") != 0)
    shu_config_fail (r,
        "\"scaling_activation\": expected softplus or exp, got \"%.80s\"", act);
  d->scale_bias = d->softplus ? inverse_softplus (bias) : log (bias);
  d->opacity_bias = log (opacity / (1 - opacity));
  d->lr_xyz = shu_config_float (lr, "_xyz", -1e6, 1e6, 1);
  d->lr_features_dc = shu_config_float (lr, "_features_dc", -1e6, 1e6, 1);
  d->lr_scaling = shu_config_float (lr, "_scaling", -1e6, 1e6, 1);
  d->lr_rotation = shu_config_float (lr, "_rotation", -1e6, 1e6, 1);
  d->lr_opacity = shu_config_float (lr, "_opacity", -1e6, 1e6, 1);
  return shu_config_finish (config, error);
}

ShuGsDecoder *
shu_gs_decoder_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuGsDecoder) d = g_new0 (ShuGsDecoder, 1);
  ShuConfig *r =
      shu_config_at (shu_slat_trunk_args (config), "representation_config");

  d->trunk = shu_slat_trunk_new (config, "SLatGaussianDecoder", w, error);
  if (!d->trunk || !read_config (d, config, error))
    return NULL;
  d->offset = g_new0 (float, d->num_gaussians * 3);
  if (shu_config_bool (r, "perturb_offset", FALSE))
    load_offsets (d, w);
  d->out_layer = shu_weights_linear (w, "out_layer",
      GS_CHANNELS * d->num_gaussians, shu_slat_trunk_channels (d->trunk), TRUE);
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
  g_free (d->offset);
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
  return d->num_gaussians;
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

static double
softplus (double x)
{
  return x > 20 ? x : log1p (exp (x));
}

/* One voxel at @xyz; @y [14G]; @a's arrays from Gaussian @first on. */
static void
voxel_gaussians (const ShuGsDecoder *d, const gint32 *xyz, const float *y,
    const ShuGaussianArrays *a, gsize first)
{
  int G = d->num_gaussians;
  int res = shu_slat_trunk_resolution (d->trunk);
  float *pos = (float *) a->pos->data + 3 * first;
  float *scale = (float *) a->scale->data + 3 * first;
  float *quat = (float *) a->quat->data + 4 * first;
  float *opacity = (float *) a->opacity->data + first;
  float *sh0 = (float *) a->sh0->data + 3 * first;
  float *rgb = (float *) a->rgb->data + 3 * first;

  for (int i = 0; i < 3 * G; i++) {
    double off = tanh (y[i] * d->lr_xyz + d->offset[i]);
    double s = y[6 * G + i] * d->lr_scaling + d->scale_bias;

    s = d->softplus ? softplus (s) : exp (s);
    pos[i] = (xyz[i % 3] + 0.5) / res - 0.5 + off / res * 0.5 * d->voxel_size;
    scale[i] = sqrt (s * s + d->kernel_3d * d->kernel_3d);
    sh0[i] = y[3 * G + i] * d->lr_features_dc;
    rgb[i] = MAX (0, SH_C0 * sh0[i] + 0.5);
  }
  for (int g = 0; g < G; g++) {
    const float *r = y + 9 * G + 4 * g;
    double q[4], norm = 0;

    for (int k = 0; k < 4; k++) {
      q[k] = r[k] * d->lr_rotation + (k == 0);
      norm += q[k] * q[k];
    }
    norm = MAX (sqrt (norm), 1e-12);
    for (int k = 0; k < 4; k++)
      quat[4 * g + k] = q[k] / norm;
    opacity[g] =
        1 / (1 + exp (-(y[13 * G + g] * d->lr_opacity + d->opacity_bias)));
  }
}

void
shu_gs_decoder_gaussians (const ShuGsDecoder *d, const ShuVoxels *voxels,
    const float *y, ShuGaussianArrays *ret)
{
  int G = d->num_gaussians;
  gint64 n = (gint64) voxels->n * G;

  g_return_if_fail (n <= G_MAXINT);
  *ret = (ShuGaussianArrays){
      .n = n,
      .pos = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .scale = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .quat = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 4)),
      .opacity = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n)),
      .sh0 = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .rgb = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3)),
  };
#pragma omp parallel for schedule(static)
  for (int i = 0; i < voxels->n; i++)
    voxel_gaussians (d, voxels->coords + (gsize) (i + 1) * voxels->stride - 3,
        y + (gsize) i * GS_CHANNELS * G, ret, (gsize) i * G);
}

void
shu_gaussian_arrays_clear (ShuGaussianArrays *a)
{
  g_clear_pointer (&a->pos, shu_tensor_unref);
  g_clear_pointer (&a->scale, shu_tensor_unref);
  g_clear_pointer (&a->quat, shu_tensor_unref);
  g_clear_pointer (&a->opacity, shu_tensor_unref);
  g_clear_pointer (&a->sh0, shu_tensor_unref);
  g_clear_pointer (&a->rgb, shu_tensor_unref);
  a->n = 0;
}
