/* SPDX-License-Identifier: MIT */
/* SLatMeshDecoder (TRELLIS section 3.2; the reference's
 * models/SecondStage/structured_latent_vae/decoder_mesh.py).
 *
 *   trunk [N,C] -> subdivide block [8N,C/4] -> subdivide block [64N,C/8]
 *   -> out_layer [64N,101]
 *
 *   subdivide block: h = SiLU (GN x); to 8 children; conv; SiLU (GN); conv
 *                    + conv 1x1x1 of x's children
 *
 * Traps: group norm has 32 groups, eps 1e-5, and statistics over the whole
 * object; there is no layer norm before out_layer; 1x1x1 convolutions read
 * their buffer in another order than its shape says (nn/sparse_conv.h).
 *
 * Children of a voxel have its features, so the first convolution works on
 * the parents, and the 1x1x1 one is done before the children are made. */
#include "models/mesh_decoder.h"
#include "base/error.h"
#include "nn/sparse_conv.h"
#include "nn/sparse_index.h"
#include <string.h>

enum { N_BLOCKS = 2, GROUPS = 32, CHANNELS = 53, COLOR_CHANNELS = 48 };

typedef struct {
  ShuNorm act_layers0;       /* [Ci] */
  ShuConv out_layers0;       /* [Co,3,3,3,Ci] */
  ShuNorm out_layers1;       /* [Co] */
  ShuConv out_layers3;       /* [Co,3,3,3,Co] */
  ShuLinear skip_connection; /* [Co,Ci], rearranged; w NULL where Ci == Co */
  int Co;
} SubdivideBlock;

struct _ShuMeshDecoder {
  ShuSlatTrunk *trunk;
  SubdivideBlock upsample[N_BLOCKS];
  ShuTensor *skip[N_BLOCKS]; /* owned weights */
  ShuLinear out_layer;       /* [101,C/8] */
  int out_channels;
};

/* ---- weights ---- */

static void
load_upsample (ShuMeshDecoder *d, int k, ShuWeights *w, int Ci, int Co)
{
  SubdivideBlock *b = &d->upsample[k];
  ShuConv skip;

  b->Co = Co;
  b->act_layers0 = shu_weights_norm (w, "act_layers.0", Ci);
  b->out_layers0 = shu_weights_sparse_conv (w, "out_layers.0", Co, Ci, 3);
  b->out_layers1 = shu_weights_norm (w, "out_layers.1", Co);
  b->out_layers3 = shu_weights_sparse_conv (w, "out_layers.3", Co, Co, 3);
  skip = shu_weights_sparse_conv (w, "skip_connection", Co, Ci, 1);
  if (skip.w->n != (gsize) Co * Ci)
    return; /* a mismatch, to be reported at the end */
  shu_weights_use (w, b->out_layers0.w, SHU_USE_SPARSE_CONV_SUBDIVIDED);
  shu_weights_use (w, skip.w, SHU_USE_NONE);
  if (!shu_weights_values (w, skip.w))
    return;
  d->skip[k] = shu_sparse_conv1_matrix (skip.w);
  shu_weights_use (w, d->skip[k], SHU_USE_LINEAR);
  b->skip_connection = (ShuLinear){.w = d->skip[k], .b = skip.b};
}

ShuMeshDecoder *
shu_mesh_decoder_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuMeshDecoder) d = g_new0 (ShuMeshDecoder, 1);
  ShuConfig *r =
      shu_config_at (shu_slat_trunk_args (config), "representation_config");
  int C;

  d->trunk = shu_slat_trunk_new (config, "SLatMeshDecoder", w, error);
  if (!d->trunk)
    return NULL;
  C = shu_slat_trunk_channels (d->trunk);
  if (C % (8 * GROUPS) != 0)
    shu_config_fail (shu_slat_trunk_args (config),
        "\"model_channels\": a mesh decoder needs a multiple of %d, got %d",
        8 * GROUPS, C);
  if (shu_slat_trunk_resolution (d->trunk) * 4 > SHU_VOXELS_MAX_SIDE)
    shu_config_fail (shu_slat_trunk_args (config), "\"resolution\": at most %d",
        SHU_VOXELS_MAX_SIDE / 4);
  d->out_channels =
      CHANNELS + (shu_config_bool (r, "use_color", FALSE) ? COLOR_CHANNELS : 0);
  if (!shu_config_finish (config, error))
    return NULL;
  load_upsample (d, 0, shu_weights_at (w, "upsample.0"), C, C / 4);
  load_upsample (d, 1, shu_weights_at (w, "upsample.1"), C / 4, C / 8);
  d->out_layer =
      shu_weights_linear (w, "out_layer", d->out_channels, C / 8, TRUE);
  if (!shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&d);
}

void
shu_mesh_decoder_free (ShuMeshDecoder *d)
{
  if (!d)
    return;
  for (int k = 0; k < N_BLOCKS; k++)
    g_clear_pointer (&d->skip[k], shu_tensor_unref);
  shu_slat_trunk_free (d->trunk);
  g_free (d);
}

const ShuSlatTrunk *
shu_mesh_decoder_trunk (const ShuMeshDecoder *d)
{
  return d->trunk;
}

int
shu_mesh_decoder_resolution (const ShuMeshDecoder *d)
{
  return 4 * shu_slat_trunk_resolution (d->trunk);
}

int
shu_mesh_decoder_out_channels (const ShuMeshDecoder *d)
{
  return d->out_channels;
}

void
shu_mesh_decoder_coords (const ShuVoxels *voxels, gint32 *ret_coords)
{
  ShuVoxels child = {
      .n = SHU_VOXEL_CHILDREN * voxels->n, .stride = voxels->stride};
  g_autofree gint32 *coords = g_new (gint32, (gsize) child.n * child.stride);

  shu_voxels_subdivide (voxels, coords);
  child.coords = coords;
  shu_voxels_subdivide (&child, ret_coords);
}

/* ---- forward ---- */

/* The part before the second convolution, in a scope of its own: x [N,Ci]
 * -> [8N,Co] */
static ShuTensor *
subdivide (ShuCtx *c, const SubdivideBlock *b, ShuTensor *x, ShuTensor *nbr)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_sparse_group_norm (
      c, x, &b->act_layers0, GROUPS, 1e-5f, SHU_ACT_SILU);

  h = shu_sparse_conv_subdivided (c, h, nbr, &b->out_layers0); /* [8N,Co] */
  return shu_keep (c, shu_sparse_group_norm (
                          c, h, &b->out_layers1, GROUPS, 1e-5f, SHU_ACT_SILU));
}

/* x [N,Ci] -> [8N,Co]; nbr of the parents, child_nbr of the children */
static ShuTensor *
subdivide_block (ShuCtx *c, const SubdivideBlock *b, ShuTensor *x,
    ShuTensor *nbr, ShuTensor *child_nbr)
{
  SHU_SCOPE (c);
  gint64 N = x->dims[0];
  ShuTensor *h = shu_sparse_conv (
      c, subdivide (c, b, x, nbr), child_nbr, &b->out_layers3); /* [8N,Co] */
  ShuTensor *skip = shu_linear (c, x, &b->skip_connection);     /* [N,Co] */

  h = shu_add (c, shu_reshape (c, h, SHU_DIMS (N, SHU_VOXEL_CHILDREN, b->Co)),
      shu_reshape (c, skip, SHU_DIMS (N, 1, b->Co)));
  return shu_keep (
      c, shu_reshape (c, h, SHU_DIMS (N * SHU_VOXEL_CHILDREN, b->Co)));
}

static ShuTensor *
neighbours (ShuCtx *c, const gint32 *nbr, gint64 n)
{
  return shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (n, SHU_VOXEL_TAPS), nbr);
}

ShuTensor *
shu_mesh_decoder_forward (ShuCtx *c, const ShuMeshDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views)
{
  SHU_SCOPE (c);
  int n = voxels->n;
  ShuTensor *h = shu_slat_trunk_forward (c, d->trunk, voxels, x, views);
  g_autofree gint32 *nbr = NULL;
  ShuTensor *table;

  if (shu_ctx_failed (c))
    return shu_keep (c, h);
  if (n > SHU_VOXELS_MAX / SHU_MESH_DECODER_GRANDCHILDREN) {
    shu_ctx_fail (c, SHU_ERROR_LIMIT, "mesh_decoder: %d voxels, at most %d", n,
        SHU_VOXELS_MAX / SHU_MESH_DECODER_GRANDCHILDREN);
    return shu_keep (c, h);
  }
  nbr = g_new (gint32, (gsize) n * SHU_VOXEL_TAPS);
  shu_voxels_neighbours (voxels, nbr);
  table = neighbours (c, nbr, n);
  for (int k = 0; k < N_BLOCKS; k++) {
    gint64 N = (gint64) n * SHU_VOXEL_CHILDREN;
    gint32 *finer = g_new (gint32, N * SHU_VOXEL_TAPS);
    ShuTensor *coarse = table;

    shu_neighbours_subdivide (n, nbr, finer);
    g_free (nbr);
    nbr = finer;
    n = N;
    table = neighbours (c, nbr, n);
    h = subdivide_block (c, &d->upsample[k], h, coarse, table);
    shu_tap (c, h, "upsample.%d", k);
  }
  return shu_keep (c, shu_linear (c, h, &d->out_layer)); /* [64N,101] */
}
