/* SPDX-License-Identifier: MIT */
/* 2D: conv_in, down_blocks ... mid ... up_blocks, conv_out
 * 3D: input, blocks 0..n/3 | n/3..2n/3 | 2n/3..n, output
 *
 *   3D part 0; down 0..n-3; SS[0]: 3D += 2D; down n-2; MV[0]: 2D += 3D;
 *   down n-1; mid; 3D part 1; MV[1]; up 0; SS[1]; up 1..; 3D part 2
 *
 * Traps: the skip of down block n-2 is taken before MV[0]; 3D part 1 runs
 * after the mid block but before MV[1]; unconditional rows have zero labels
 * (the noise-level part too), zero image latents and a zero context, but the
 * same text. */
#include "models/joint.h"
#include "base/error.h"
#include <string.h>

enum { N_SYNC = 2 };

struct _ShuJoint {
  ShuWeights *weights;
  ShuMvUnet unet;
  ShuSsDit dit;
  ShuSyncSs dual_CrossAttblocks_SS[N_SYNC];
  ShuSyncMv dual_CrossAttblocks_MV[N_SYNC];
};

struct _ShuJointPrepared {
  ShuViews views; /* of all subjects, with guidance */
  int G, B;       /* guidance, subjects */
  ShuMvUnetText text;
  ShuTensor *images;       /* [R,L,L,Ci-Co] */
  ShuTensor *positions;    /* [grid^3,D] */
  ShuTensor *times;        /* [n_steps,...]: of the 2D residual blocks, */
  ShuTensor *mods;         /* [n_steps,...]: and of the 3D blocks */
  ShuTensor *voxel_pixels; /* of SS, */
  ShuTensor *pixel_voxels; /* and MV */
  ShuDitContext *contexts;
  GPtrArray *owned;
};

/* ---- loading ---- */

static void
read_heads (ShuConfig *config, const char *key, int fallback, int *ret_heads)
{
  int n = shu_config_ints (config, key, 1, 1024, N_SYNC, ret_heads);

  for (int i = n; i < N_SYNC; i++)
    ret_heads[i] = n > 0 ? ret_heads[0] : fallback;
}

static void
load_syncs (ShuJoint *m, ShuConfig *config, ShuWeights *w)
{
  const ShuUnetSizes *u = &m->unet.sizes;
  const ShuSsSizes *s = &m->dit.sizes;
  int n = u->n_levels, ss_heads[N_SYNC], mv_heads[N_SYNC];
  const int ss_width[N_SYNC] = {u->C[n - 3], u->C[n - 1]};
  const int mv_width[N_SYNC] = {u->C[n - 2], u->C[n - 1]};

  shu_config_int (config, "num_dual_CrossAttblocks", N_SYNC, N_SYNC, N_SYNC);
  read_heads (config, "dual_ss_heads", s->n_heads, ss_heads);
  read_heads (config, "dual_mv_heads", s->n_heads, mv_heads);
  for (int i = 0; i < N_SYNC; i++) {
    ShuSyncSizes size = {.D = s->D, .I = s->D};
    char name[64];

    g_snprintf (name, sizeof name, "dual_CrossAttblocks_SS.%d", i);
    size.Cm = ss_width[i];
    size = shu_sync_sizes (w, name, &size);
    size.n_heads = ss_heads[i];
    m->dual_CrossAttblocks_SS[i] = shu_sync_ss_load (w, name, &size);

    g_snprintf (name, sizeof name, "dual_CrossAttblocks_MV.%d", i);
    size = (ShuSyncSizes){.Cm = mv_width[i], .D = s->D, .I = s->D};
    size = shu_sync_sizes (w, name, &size);
    size.n_heads = mv_heads[i];
    m->dual_CrossAttblocks_MV[i] = shu_sync_mv_load (w, name, &size);
  }
}

static ShuJoint *
load (ShuConfig *config, ShuWeights *w, ShuPrecision precision, GError **error)
{
  g_autoptr (ShuJoint) m = g_new0 (ShuJoint, 1);

  m->weights = shu_weights_ref (w);
  m->unet.precision = m->dit.precision = precision;
  shu_mv_unet_load (&m->unet, config, w);
  if (m->unet.sizes.V != SHU_BODY_VIEWS + 1)
    shu_config_fail (
        config, "\"num_views\": only %d is supported", SHU_BODY_VIEWS + 1);
  if (m->unet.sizes.Ci <= m->unet.sizes.Co)
    shu_config_fail (
        config, "\"in_channels\" must be more than \"out_channels\"");
  if (!shu_config_finish (config, error))
    return NULL;
  shu_ss_dit_load (&m->dit, config, w);
  load_syncs (m, config, w);
  if (!shu_config_finish (config, error) || !shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&m);
}

ShuJoint *
shu_joint_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  return load (config, w, SHU_PRECISION_F16, error);
}

ShuJoint *
shu_joint_new_fp8 (ShuConfig *config, ShuWeights *w, GError **error)
{
  return load (config, w, SHU_PRECISION_FP8, error);
}

void
shu_joint_free (ShuJoint *m)
{
  if (!m)
    return;
  shu_mv_unet_clear (&m->unet);
  shu_ss_dit_clear (&m->dit);
  shu_weights_unref (m->weights);
  g_free (m);
}

const ShuUnetSizes *
shu_joint_unet_sizes (const ShuJoint *m)
{
  return &m->unet.sizes;
}

const ShuSsSizes *
shu_joint_ss_sizes (const ShuJoint *m)
{
  return &m->dit.sizes;
}

/* ---- what stays the same ---- */

/* x [2 N,...] -> [2 G N,...]: the same for each g, or zero for g = 0 */
static ShuTensor *
spread (ShuCtx *c, ShuTensor *x, int G, gboolean zero_first)
{
  SHU_SCOPE (c);
  gint64 dims[SHU_MAX_DIMS];
  ShuTensor *h, *first;

  if (G == 1)
    return shu_keep (c, x);
  memcpy (dims, x->dims, sizeof dims);
  dims[0] *= G;
  h = shu_reshape (c, x, SHU_DIMS (SHU_DOMAINS, 1, -1));
  first = zero_first ? shu_fill (c, h->n_dims, h->dims, 0) : h;
  h = shu_concat2 (c, 1, first, h); /* [2,G,N*...] */
  return shu_keep (c, shu_reshape (c, h, x->n_dims, dims));
}

/* x [2V,...] -> [2 B V,...]: the same for each subject */
static ShuTensor *
for_subjects (ShuCtx *c, ShuTensor *x, int B)
{
  SHU_SCOPE (c);
  gint64 V = x->dims[0] / SHU_DOMAINS;
  ShuTensor *domains[SHU_DOMAINS];

  if (B == 1)
    return shu_keep (c, x);
  for (int d = 0; d < SHU_DOMAINS; d++)
    domains[d] = shu_tile (c, shu_slice (c, x, 0, d * V, V), B);
  return shu_keep (c, shu_concat (c, 0, SHU_DOMAINS, domains));
}

static gboolean
has_dims (ShuTensor *t, int n_dims, const gint64 *dims)
{
  if (t->n_dims != n_dims)
    return FALSE;
  for (int i = 0; i < n_dims; i++)
    if (dims[i] >= 0 && t->dims[i] != dims[i])
      return FALSE;
  return TRUE;
}

static gboolean
check_condition (ShuCtx *c, const ShuJoint *m, const ShuJointCondition *n)
{
  const ShuUnetSizes *u = &m->unet.sizes;
  gint64 B = n->context->dims[0], R = SHU_DOMAINS * u->V;

  if (shu_ctx_failed (c))
    return FALSE;
  if (n->n_steps > 0 && has_dims (n->text, SHU_DIMS (R, -1, u->X)) &&
      has_dims (n->labels, SHU_DIMS (R * B, u->P)) &&
      has_dims (n->images, SHU_DIMS (R * B, u->side, u->side, u->Ci - u->Co)) &&
      has_dims (n->context, SHU_DIMS (-1, -1, m->dit.sizes.K)))
    return TRUE;
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "joint denoiser: text, labels, image latents or context do not have the "
      "sizes of the configuration");
  return FALSE;
}

/* Keeps @*t beyond the scope. */
static void
own (ShuCtx *c, ShuJointPrepared *p, ShuTensor *t)
{
  ShuTensor *owned = t ? shu_own (c, t) : NULL;

  if (owned)
    g_ptr_array_add (p->owned, owned);
}

static void
own_text (ShuCtx *c, ShuJointPrepared *p, const ShuUnetBlock *b,
    const ShuUnetText *text)
{
  for (int i = 0; i < b->n_attentions; i++)
    for (int k = 0; k < b->attentions[i].n_blocks; k++) {
      own (c, p, text->text[i][k].k);
      own (c, p, text->text[i][k].v);
    }
}

static void
prepare_views (ShuCtx *c, const ShuJoint *m, const ShuJointCondition *n,
    ShuJointPrepared *p)
{
  SHU_SCOPE (c);
  const ShuMvUnet *u = &m->unet;

  shu_mv_unet_text (c, u, for_subjects (c, n->text, p->G * p->B), &p->text);
  p->images = spread (c, n->images, p->G, TRUE);
  own (c, p, p->images);
  for (int i = 0; i < u->sizes.n_levels; i++) {
    own_text (c, p, &u->down_blocks[i], &p->text.down[i]);
    own_text (c, p, &u->up_blocks[i], &p->text.up[i]);
  }
  own_text (c, p, &u->mid_block, &p->text.mid);
}

static void
prepare_structure (ShuCtx *c, const ShuJoint *m, const ShuJointCondition *n,
    ShuJointPrepared *p)
{
  SHU_SCOPE (c);

  p->positions = shu_ss_dit_positions (c, &m->dit);
  own (c, p, p->positions);
  p->contexts = g_new0 (ShuDitContext, m->dit.sizes.n_blocks);
  for (int i = 0; i < m->dit.sizes.n_blocks; i++) {
    p->contexts[i] =
        shu_dit_block_context (c, &m->dit.blocks[i], n->context, n->guided);
    own (c, p, p->contexts[i].kv.k);
    own (c, p, p->contexts[i].kv.v);
    own (c, p, p->contexts[i].constant);
  }
}

static void
prepare_times (ShuCtx *c, const ShuJoint *m, const ShuJointCondition *n,
    ShuJointPrepared *p)
{
  SHU_SCOPE (c);
  const ShuMvUnet *u = &m->unet;
  ShuTensor *class_emb =
      shu_mv_unet_class (c, u, spread (c, n->labels, p->G, TRUE));

  p->times = shu_mv_unet_times (c, u, n->n_steps, n->t, class_emb);
  p->mods = shu_ss_dit_times (c, &m->dit, n->n_steps, n->t3);
  own (c, p, p->times);
  own (c, p, p->mods);
}

static void
prepare_syncs (ShuCtx *c, const ShuJoint *m, ShuJointPrepared *p)
{
  SHU_SCOPE (c);
  const ShuUnetSizes *u = &m->unet.sizes;

  p->voxel_pixels = shu_sync_ss_index (c, p->views.G, m->dit.sizes.grid);
  p->pixel_voxels =
      shu_sync_mv_index (c, p->views.G, u->side >> (u->n_levels - 1));
  own (c, p, p->voxel_pixels);
  own (c, p, p->pixel_voxels);
}

ShuJointPrepared *
shu_joint_prepare (
    ShuCtx *c, const ShuJoint *m, const ShuJointCondition *condition)
{
  g_autoptr (ShuJointPrepared) p = g_new0 (ShuJointPrepared, 1);

  p->owned = g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  if (!check_condition (c, m, condition))
    return NULL;
  p->G = condition->guided ? 2 : 1;
  p->B = condition->context->dims[0];
  p->views = (ShuViews){p->G * p->B, m->unet.sizes.V};
  prepare_views (c, m, condition, p);
  prepare_structure (c, m, condition, p);
  prepare_times (c, m, condition, p);
  prepare_syncs (c, m, p);
  return shu_ctx_failed (c) ? NULL : g_steal_pointer (&p);
}

void
shu_joint_prepared_free (ShuJointPrepared *p)
{
  if (!p)
    return;
  g_ptr_array_unref (p->owned);
  g_free (p->contexts);
  g_free (p);
}

/* ---- one step ---- */

typedef struct {
  const ShuJoint *m;
  const ShuJointPrepared *p;
  ShuUnetTimes times;
  ShuTensor *const *time; /* of the block that comes next */
  ShuTensor *mods;        /* of all 3D blocks */
  ShuSkips skips;
} Step;

/* The row of this step, of tables with one for each. */
static void
take_times (ShuCtx *c, Step *s, ShuTensor *step)
{
  const ShuMvUnet *u = &s->m->unet;
  gint64 R = SHU_DOMAINS * (gint64) s->p->views.G * s->p->views.V;

  shu_mv_unet_time (c, u, shu_gather (c, s->p->times, step), R, &s->times);
  s->time = s->times.t;
  s->mods = shu_gather (c, s->p->mods, step);
}

/* The times of the residual blocks of @b, which runs next. */
static ShuTensor *const *
times_of (Step *s, const ShuUnetBlock *b)
{
  ShuTensor *const *ret = s->time;

  s->time += b->n_resnets;
  return ret;
}

static ShuTensor *
structure_part (ShuCtx *c, const Step *s, int part, ShuTensor *h)
{
  return shu_ss_dit_part (c, &s->m->dit, part, h, s->mods, s->p->contexts);
}

static ShuTensor *
sync_ss (ShuCtx *c, const Step *s, int i, ShuTensor *x, ShuTensor *h)
{
  return shu_sync_ss (c, &s->m->dual_CrossAttblocks_SS[i], x, &s->p->views, h,
      s->m->dit.sizes.grid, s->p->voxel_pixels);
}

static ShuTensor *
sync_mv (ShuCtx *c, const Step *s, int i, ShuTensor *x, ShuTensor *h)
{
  return shu_sync_mv (c, &s->m->dual_CrossAttblocks_MV[i], x, &s->p->views, h,
      s->m->dit.sizes.grid, s->p->pixel_voxels);
}

/* latents [2 B V,L,L,Co] -> [R,L,L,Ci] */
static ShuTensor *
with_images (ShuCtx *c, const Step *s, ShuTensor *latents)
{
  SHU_SCOPE (c);
  ShuTensor *x = spread (c, latents, s->p->G, FALSE);

  return shu_keep (c, shu_concat2 (c, 3, x, s->p->images));
}

static gboolean
check_step (ShuCtx *c, const ShuJoint *m, const ShuJointPrepared *p,
    ShuTensor *latents, ShuTensor *structure)
{
  const ShuUnetSizes *u = &m->unet.sizes;
  const ShuSsSizes *s = &m->dit.sizes;
  gint64 R = SHU_DOMAINS * (gint64) p->B * u->V;

  if (shu_ctx_failed (c))
    return FALSE;
  if (has_dims (latents, SHU_DIMS (R, u->side, u->side, u->Co)) &&
      has_dims (structure, SHU_DIMS (p->B, s->res, s->res, s->res, s->Ci)))
    return TRUE;
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "joint denoiser: latents do not have the sizes of the configuration");
  return FALSE;
}

ShuJointVelocity
shu_joint_step (ShuCtx *c, const ShuJoint *m, const ShuJointPrepared *p,
    ShuTensor *latents, ShuTensor *structure, ShuTensor *step)
{
  SHU_SCOPE (c);
  const ShuMvUnet *u = &m->unet;
  const ShuViews *views = &p->views;
  int n = u->sizes.n_levels;
  Step s = {.m = m, .p = p};
  ShuTensor *x, *h; /* pictures [R,.,.,.], structure [G,T,D] */

  if (!check_step (c, m, p, latents, structure))
    return (ShuJointVelocity){shu_keep (c, latents), shu_keep (c, structure)};
  take_times (c, &s, step);

  x = shu_mv_unet_input (c, u, with_images (c, &s, latents), &s.skips);
  h = shu_tile (c, structure, p->G);
  h = shu_ss_dit_input (c, &m->dit, h, p->positions);
  h = structure_part (c, &s, 0, h);

  for (int i = 0; i < n; i++) {
    x = shu_unet_down (c, &u->down_blocks[i], x,
        times_of (&s, &u->down_blocks[i]), views, &p->text.down[i], &s.skips);
    if (i == n - 3)
      h = sync_ss (c, &s, 0, x, h);
    if (i == n - 2)
      x = sync_mv (c, &s, 0, x, h);
  }
  x = shu_unet_mid (
      c, &u->mid_block, x, times_of (&s, &u->mid_block), views, &p->text.mid);
  h = structure_part (c, &s, 1, h);
  x = sync_mv (c, &s, 1, x, h);
  for (int i = 0; i < n; i++) {
    if (i == 1)
      h = sync_ss (c, &s, 1, x, h);
    x = shu_unet_up (c, &u->up_blocks[i], x, times_of (&s, &u->up_blocks[i]),
        views, &p->text.up[i], &s.skips);
  }
  h = structure_part (c, &s, 2, h);
  return (ShuJointVelocity){
      .views = shu_keep (c, shu_mv_unet_output (c, u, x)),
      .structure = shu_keep (c, shu_ss_dit_output (c, &m->dit, h)),
  };
}
