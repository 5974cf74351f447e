/* SPDX-License-Identifier: MIT */
/* SS: tokens [G,r^3,D] += out (ffn (attention of each voxel over the four
 *     pixels, one a body view, that it projects to))
 * MV: maps [.,H,H,Cm] += out (ffn (attention of each pixel over the voxels of
 *     its ray)), by domain
 *
 * Keys and values are made once for each pooled pixel or voxel and gathered:
 * the reference projects the gathered copies, which is the same.
 *
 * Traps: image row = res - 1 - z, Z = H - 1 - row; front and back share the
 * column x, right and left the column y, none mirrored.  Group norm comes
 * before the convolution, GELU is exact, then adaptive pooling.  The inner
 * residuals start from the input layer's output, the outer one from the
 * module's input.  Only normal rows feed SS; the face gets nothing from MV.
 * Group norms here always have 32 groups, eps 1e-5; layer norms eps 1e-6. */
#include "models/sync.h"
#include "base/error.h"

enum { GROUPS = 32 };

static const float GROUP_EPS = 1e-5f;
static const float LAYER_EPS = 1e-6f;

ShuSyncSizes
shu_sync_sizes (ShuWeights *w, const char *name, const ShuSyncSizes *fallback)
{
  static const char *const queries[] = {
      "cross_attn_MV_to_Structure.to_q.weight",
      "cross_attn_Structure_to_normal.to_q.weight"};
  ShuWeights *p = shu_weights_part (w, name);
  ShuSyncSizes s = *fallback;
  gint64 dims[SHU_MAX_DIMS];
  int n;

  if (shu_weights_dims (p, "input_layer_mv.weight", &n, dims))
    s.Cm = dims[0];
  if (shu_weights_dims (p, "input_layer_stucture.weight", &n, dims))
    s.D = dims[0];
  for (gsize i = 0; i < G_N_ELEMENTS (queries); i++)
    if (shu_weights_dims (p, queries[i], &n, dims))
      s.I = dims[0];
  return s;
}

/* ---- SS ---- */

ShuSyncSs
shu_sync_ss_load (ShuWeights *w, const char *name, const ShuSyncSizes *s)
{
  ShuWeights *p = shu_weights_part (w, name);
  ShuSyncSs m = {
      .input_layer_mv =
          shu_weights_linear (p, "input_layer_mv", s->Cm, s->Cm, TRUE),
      .downsample_norm = shu_weights_norm (p, "imagedownsample.conv.0", s->Cm),
      .downsample_conv =
          shu_weights_conv (p, "imagedownsample.conv.1", s->Cm, s->Cm, 3),
      .input_layer_stucture =
          shu_weights_linear (p, "input_layer_stucture", s->D, s->D, TRUE),
      .normStructure1 = shu_weights_norm (p, "normStructure1", s->D),
      .cross_attn = shu_attn_load (
          p, "cross_attn_MV_to_Structure", s->D, s->Cm, s->I, s->n_heads),
      .normStructure2 = shu_weights_norm (p, "normStructure2", s->D),
      .ffn_stucture = shu_feed_forward_load (p, "ffn_stucture", s->D),
      .output_layer_stucture =
          shu_weights_linear (p, "output_layer_stucture", s->D, s->D, TRUE),
  };

  shu_weights_check_groups (w, name, s->Cm, GROUPS);
  shu_name_set (m.name, "", "%s", name);
  return m;
}

ShuTensor *
shu_sync_ss_pool (ShuCtx *c, const ShuSyncSs *m, ShuTensor *maps, int res)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear (c, maps, &m->input_layer_mv);

  h = shu_group_norm (
      c, h, &m->downsample_norm, GROUPS, GROUP_EPS, SHU_ACT_NONE);
  h = shu_conv2d (c, h, &m->downsample_conv,
      &(ShuConvParams){.pad_before = 1, .pad_after = 1, .act = SHU_ACT_GELU});
  return shu_keep (c, shu_adaptive_pool2d (c, h, res, res));
}

/* Of voxel (g,x,y,z) the pixels (g,view,row,col) */
ShuTensor *
shu_sync_ss_index (ShuCtx *c, int G, int res)
{
  gint64 n = (gint64) G * res * res * res;
  g_autofree gint32 *index = g_new (gint32, n * SHU_BODY_VIEWS);

  for (gint64 i = 0; i < n; i++) {
    int z = i % res, y = i / res % res, x = i / (res * res) % res;
    gint64 g = i / ((gint64) res * res * res);

    for (int v = 0; v < SHU_BODY_VIEWS; v++) {
      gint64 row = (g * SHU_BODY_VIEWS + v) * res + res - 1 - z;

      index[i * SHU_BODY_VIEWS + v] = row * res + (v % 2 == 0 ? x : y);
    }
  }
  return shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (n, SHU_BODY_VIEWS), index);
}

/* Whether rows and tokens are what the modules below were made for. */
static gboolean
check_batch (ShuCtx *c, const char *name, ShuTensor *maps,
    const ShuViews *views, ShuTensor *tokens, int res)
{
  gint64 r = res;

  if (shu_ctx_failed (c))
    return FALSE;
  if (views->V == SHU_BODY_VIEWS + 1 && maps->dims[1] == maps->dims[2] &&
      maps->dims[0] == SHU_DOMAINS * views->G * views->V &&
      tokens->dims[0] == views->G && tokens->dims[1] == r * r * r)
    return TRUE;
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "%s: %d square maps and %d tokens do not fit %d views at resolution %d",
      name, (int) maps->dims[0], (int) tokens->dims[1], views->V, res);
  return FALSE;
}

ShuTensor *
shu_sync_ss (ShuCtx *c, const ShuSyncSs *m, ShuTensor *maps,
    const ShuViews *views, ShuTensor *tokens, int res, ShuTensor *index)
{
  SHU_SCOPE (c);
  int G = views->G, V = views->V;
  gint64 H = maps->dims[1], Cm = maps->dims[3], D = tokens->dims[2];
  ShuKeyValue kv;
  ShuTensor *h, *p;

  if (!check_batch (c, m->name, maps, views, tokens, res))
    return shu_keep (c, tokens);
  h = shu_slice (c, maps, 0, 0, (gint64) G * V); /* normal: the first domain */
  h = shu_reshape (c, h, SHU_DIMS (G, V, H * H * Cm));
  h = shu_slice (c, h, 1, 0, SHU_BODY_VIEWS);
  h = shu_reshape (c, h, SHU_DIMS ((gint64) G * SHU_BODY_VIEWS, H, H, Cm));
  h = shu_sync_ss_pool (c, m, h, res);
  kv = shu_attn_key_value (
      c, &m->cross_attn, shu_reshape (c, h, SHU_DIMS (-1, Cm)));

  p = shu_linear (c, tokens, &m->input_layer_stucture);
  p = shu_reshape (c, p, SHU_DIMS (-1, D));
  h = shu_layer_norm (c, p, &m->normStructure1, LAYER_EPS);
  h = shu_linear (c, h, &m->cross_attn.to_q);
  h = shu_attention_gather (c, h, kv.k, kv.v, index, m->cross_attn.n_heads);
  h = shu_linear (c, h, &m->cross_attn.to_out);
  shu_tap (c, h, "%scross_attn", m->name);
  h = shu_add_norm (
      c, p, &m->normStructure2, &(ShuAddNorm){.h = h, .eps = LAYER_EPS}, &p);
  p = shu_feed_forward_add (c, &m->ffn_stucture, h, p);
  p = shu_reshape_like (c, p, tokens);
  h = shu_linear_add (c, p, &m->output_layer_stucture, tokens);
  return shu_keep (c, shu_tap (c, h, "%.*s", SHU_NAME_ARGS (m->name)));
}

/* ---- MV ---- */

static ShuSyncMvDomain
load_domain (ShuWeights *p, const char *attention, const char *suffix,
    const ShuSyncSizes *s)
{
  g_autofree char *ffn = g_strconcat ("ffn_", suffix, NULL);
  g_autofree char *out = g_strconcat ("output_layer_", suffix, NULL);

  return (ShuSyncMvDomain){
      .cross_attn = shu_attn_load (p, attention, s->Cm, s->D, s->I, s->n_heads),
      .ffn = shu_feed_forward_load (p, ffn, s->Cm),
      .output_layer = shu_weights_linear (p, out, s->Cm, s->Cm, TRUE),
  };
}

ShuSyncMv
shu_sync_mv_load (ShuWeights *w, const char *name, const ShuSyncSizes *s)
{
  ShuWeights *p = shu_weights_part (w, name);
  ShuSyncMv m = {
      .input_layer_mv =
          shu_weights_linear (p, "input_layer_mv", s->Cm, s->Cm, TRUE),
      .input_layer_stucture =
          shu_weights_linear (p, "input_layer_stucture", s->D, s->D, TRUE),
      .downsample_norm = shu_weights_norm (p, "voxeldownsample.conv.0", s->D),
      .downsample_conv =
          shu_weights_conv3 (p, "voxeldownsample.conv.1", s->D, s->D, 3),
      .domain = {load_domain (p, "cross_attn_Structure_to_normal", "no", s),
          load_domain (p, "cross_attn_Structure_to_color", "clr", s)},
  };

  shu_weights_check_groups (w, name, s->D, GROUPS);
  shu_name_set (m.name, "", "%s", name);
  return m;
}

/* tokens [G,res^3,D] -> [G H^3, D]: the voxels at the maps' resolution */
static ShuTensor *
pool_voxels (ShuCtx *c, const ShuSyncMv *m, ShuTensor *tokens, int res, int H)
{
  SHU_SCOPE (c);
  gint64 G = tokens->dims[0], D = tokens->dims[2];
  ShuTensor *h = shu_linear (c, tokens, &m->input_layer_stucture);

  h = shu_reshape (c, h, SHU_DIMS (G, res, res, res, D));
  h = shu_group_norm (
      c, h, &m->downsample_norm, GROUPS, GROUP_EPS, SHU_ACT_NONE);
  h = shu_conv3d (c, h, &m->downsample_conv,
      &(ShuConvParams){.pad_before = 1, .pad_after = 1, .act = SHU_ACT_GELU});
  h = shu_adaptive_pool3d (c, h, H, H, H);
  shu_tap (c, h, "%svoxeldownsample", m->name);
  return shu_keep (c, shu_reshape (c, h, SHU_DIMS (-1, D)));
}

/* Of pixel (g,view,row,col) the voxels (g,X,Y,Z) */
ShuTensor *
shu_sync_mv_index (ShuCtx *c, int G, int H)
{
  gint64 n = (gint64) G * SHU_BODY_VIEWS * H * H;
  g_autofree gint32 *index = g_new (gint32, n * H);

  for (gint64 i = 0; i < n; i++) {
    int col = i % H, Z = H - 1 - i / H % H, v = i / (H * H) % SHU_BODY_VIEWS;
    gint64 g = i / ((gint64) SHU_BODY_VIEWS * H * H);

    for (int k = 0; k < H; k++) {
      int X = v % 2 == 0 ? col : k, Y = v % 2 == 0 ? k : col;

      index[i * H + k] = ((g * H + X) * H + Y) * H + Z;
    }
  }
  return shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (n, H), index);
}

/* body [N,Cm], N pixels of one domain's body views -> what to add to them */
static ShuTensor *
update_domain (ShuCtx *c, const ShuSyncMv *m, int d, ShuTensor *body,
    ShuTensor *voxels, ShuTensor *index)
{
  SHU_SCOPE (c);
  const ShuSyncMvDomain *p = &m->domain[d];
  ShuKeyValue kv = shu_attn_key_value (c, &p->cross_attn, voxels);
  ShuTensor *q = shu_linear (c, body, &m->input_layer_mv), *h;

  h = shu_layer_norm (c, q, NULL, LAYER_EPS);
  h = shu_linear (c, h, &p->cross_attn.to_q);
  h = shu_attention_gather (c, h, kv.k, kv.v, index, p->cross_attn.n_heads);
  h = shu_linear (c, h, &p->cross_attn.to_out);
  shu_tap (c, h, "%s%s", m->name, d == 0 ? "to_normal" : "to_color");
  h = shu_add_norm (c, q, NULL, &(ShuAddNorm){.h = h, .eps = LAYER_EPS}, &q);
  q = shu_feed_forward_add (c, &p->ffn, h, q);
  return shu_keep (c, shu_linear_add (c, q, &p->output_layer, body));
}

ShuTensor *
shu_sync_mv (ShuCtx *c, const ShuSyncMv *m, ShuTensor *maps,
    const ShuViews *views, ShuTensor *tokens, int res, ShuTensor *index)
{
  SHU_SCOPE (c);
  int G = views->G, V = views->V;
  gint64 H = maps->dims[1], Cm = maps->dims[3];
  ShuTensor *voxels, *all, *bodies, *face, *out[SHU_DOMAINS], *h;

  if (!check_batch (c, m->name, maps, views, tokens, res))
    return shu_keep (c, maps);
  voxels = pool_voxels (c, m, tokens, res, H);
  all = shu_reshape (c, maps, SHU_DIMS (SHU_DOMAINS * G, V, H * H, Cm));
  bodies = shu_slice (c, all, 1, 0, SHU_BODY_VIEWS); /* [2G,4,N,Cm] */
  face = shu_slice (c, all, 1, SHU_BODY_VIEWS, 1);
  for (int d = 0; d < SHU_DOMAINS; d++) {
    h = shu_slice (c, bodies, 0, (gint64) d * G, G);
    h = shu_reshape (c, h, SHU_DIMS (-1, Cm));
    out[d] = update_domain (c, m, d, h, voxels, index);
  }
  h = shu_reshape_like (c, shu_concat2 (c, 0, out[0], out[1]), bodies);
  h = shu_reshape_like (c, shu_concat2 (c, 1, h, face), maps);
  return shu_keep (c, shu_tap (c, h, "%.*s", SHU_NAME_ARGS (m->name)));
}
