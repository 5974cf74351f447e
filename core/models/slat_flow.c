/* SPDX-License-Identifier: MIT */
/* SLatFlowModel (TRELLIS, arXiv 2412.01506, section 3.4; the reference's
 * models/SecondStage/structured_latent_flow.py).
 *
 *   x [N,8] -> input_layer [N,Cio] -> input_blocks, the last of each level
 *     pools by 2 -> [M,C] + position embedding
 *   -> blocks: self attention, cross attention to the image tokens, MLP,
 *     modulated by the time embedding (adaLN-zero)
 *   -> out_blocks on [h, skip], the first of each level unpools -> [N,Cio]
 *   -> layer norm -> out_layer [N,8]
 *
 * Traps: pooling divides by count + 1; pooling comes before the norms and on
 * the skip path too; block modulation is (shift, scale, gate) twice but a
 * res block's is (scale, shift); skips are appended after the current
 * features, last pushed first; all layer norms have eps 1e-6 except the last,
 * 1e-5; only norm1 of res blocks and norm2 of blocks have parameters.
 *
 * A context of zeros makes cross attention a constant vector, and until the
 * first cross attention nothing depends on the context. */
#include "models/slat_flow.h"
#include "base/error.h"
#include "nn/sparse_attention.h"
#include <math.h>
#include <string.h>

enum { MAX_LEVELS = 4, MAX_IO_BLOCKS = 16, TIME_FREQS = 256 };

typedef struct {
  int resolution;
  int in_channels;
  int out_channels;
  int model_channels;
  int cond_channels;
  int num_blocks;
  int num_heads;
  int mlp_hidden;
  int num_io_res_blocks;
  int n_levels; /* poolings by 2; patch_size = 2^n_levels */
  int io_block_channels[MAX_LEVELS];
  gboolean qk_rms_norm;
  gboolean share_mod;
  gboolean use_skip_connection;
} Config;

typedef struct {
  ShuNorm norm1;             /* [Ci] */
  ShuConv conv1;             /* [Co,3,3,3,Ci] */
  ShuConv conv2;             /* [Co,3,3,3,Co] */
  ShuLinear emb_layers;      /* [2Co,C] */
  ShuLinear skip_connection; /* [Co,Ci], w NULL where Ci == Co */
  int Co;
  int level;    /* of the output, 0 finest */
  int up_level; /* level of the input minus that of the output: -1, 0, 1 */
} ResBlock;

typedef struct {
  ShuNorm norm2; /* [C] */
  ShuSparseAttention self_attn;
  ShuSparseAttention cross_attn;
  ShuLinear mlp0;             /* [4C,C] */
  ShuLinear mlp2;             /* [C,4C] */
  ShuLinear adaLN_modulation; /* [6C,C], w NULL where shared */
} Block;

struct _ShuSlatFlow {
  Config cfg;
  ShuWeights *w;
  ShuLinear t_embedder0; /* [C,256] */
  ShuLinear t_embedder2; /* [C,C] */
  ShuLinear input_layer; /* [Cio,8] */
  ShuLinear out_layer;   /* [8,Cio] */
  ShuLinear adaLN_modulation;
  int n_in, n_out;
  ResBlock input_blocks[MAX_IO_BLOCKS];
  ResBlock out_blocks[MAX_IO_BLOCKS];
  Block *blocks;
};

/* ---- configuration ---- */

static gboolean
read_config (Config *cfg, ShuConfig *config, GError **error)
{
  ShuConfig *a =
      shu_config_has (config, "args") ? shu_config_at (config, "args") : config;
  const char *name = shu_config_string (config, "name", "SLatFlowModel");
  int C, patch, n_io;

  if (g_str_has_prefix (name, "Elastic"))
    name += strlen ("Elastic");
  if (strcmp (name, "SLatFlowModel") != 0)
    shu_config_fail (
        config, "\"name\": expected SLatFlowModel, got \"%.80s\"", name);
  C = cfg->model_channels = shu_config_int (a, "model_channels", 6, 8192, -1);
  patch = shu_config_int (a, "patch_size", 1, 1 << MAX_LEVELS, 2);
  cfg->resolution = shu_config_int (a, "resolution", 1, 1024, -1);
  cfg->in_channels = shu_config_int (a, "in_channels", 1, 1024, -1);
  cfg->out_channels = shu_config_int (a, "out_channels", 1, 1024, -1);
  cfg->cond_channels = shu_config_int (a, "cond_channels", 1, 65536, -1);
  cfg->num_blocks = shu_config_int (a, "num_blocks", 1, 512, -1);
  cfg->num_heads = shu_config_has (a, "num_heads")
                       ? shu_config_int (a, "num_heads", 1, C, -1)
                       : C / shu_config_int (a, "num_head_channels", 1, C, 64);
  cfg->mlp_hidden = C * shu_config_float (a, "mlp_ratio", 0.125, 64, 4);
  cfg->num_io_res_blocks = shu_config_int (a, "num_io_res_blocks", 1, 4, 2);
  n_io = shu_config_ints (
      a, "io_block_channels", 1, 8192, MAX_LEVELS, cfg->io_block_channels);
  cfg->n_levels = n_io;
  cfg->qk_rms_norm = shu_config_bool (a, "qk_rms_norm", FALSE);
  cfg->share_mod = shu_config_bool (a, "share_mod", FALSE);
  cfg->use_skip_connection = shu_config_bool (a, "use_skip_connection", TRUE);
  if (cfg->num_heads < 1 || C % MAX (1, cfg->num_heads) != 0)
    shu_config_fail (a, "\"num_heads\": %d does not divide model_channels %d",
        cfg->num_heads, C);
  if (patch != 1 << n_io)
    shu_config_fail (a,
        "\"patch_size\": %d does not fit the %d entries of io_block_channels",
        patch, n_io);
  if (strcmp (shu_config_string (a, "pe_mode", "ape"), "ape") != 0)
    shu_config_fail (a, "\"pe_mode\": only \"ape\" is supported");
  if (shu_config_bool (a, "qk_rms_norm_cross", FALSE))
    shu_config_fail (a, "\"qk_rms_norm_cross\" is not supported");
  return shu_config_finish (config, error);
}

/* ---- weights ---- */

static ResBlock
load_res_block (
    const Config *cfg, ShuWeights *w, int Ci, int Co, int level, int up_level)
{
  ResBlock b = {
      .norm1 = shu_weights_norm (w, "norm1", Ci),
      .conv1 = shu_weights_sparse_conv (w, "conv1", Co, Ci, 3),
      .conv2 = shu_weights_sparse_conv (w, "conv2", Co, Co, 3),
      .emb_layers = shu_weights_linear (
          w, "emb_layers.1", 2 * Co, cfg->model_channels, TRUE),
      .Co = Co,
      .level = level,
      .up_level = up_level,
  };

  if (Ci != Co)
    b.skip_connection = shu_weights_linear (w, "skip_connection", Co, Ci, TRUE);
  return b;
}

/* Per level: blocks of the level's own width, then one that pools. */
static void
load_input_blocks (ShuSlatFlow *f, ShuWeights *w)
{
  const Config *cfg = &f->cfg;

  for (int l = 0; l < cfg->n_levels; l++) {
    int Ci = cfg->io_block_channels[l];
    gboolean last = l + 1 == cfg->n_levels;
    int Co = last ? cfg->model_channels : cfg->io_block_channels[l + 1];

    for (int i = 1; i < cfg->num_io_res_blocks; i++, f->n_in++)
      f->input_blocks[f->n_in] = load_res_block (
          cfg, shu_weights_at (w, "input_blocks.%d", f->n_in), Ci, Ci, l, 0);
    f->input_blocks[f->n_in] = load_res_block (
        cfg, shu_weights_at (w, "input_blocks.%d", f->n_in), Ci, Co, l + 1, -1);
    f->n_in++;
  }
}

/* The mirror image: one that unpools, then blocks of the level's width. */
static void
load_out_blocks (ShuSlatFlow *f, ShuWeights *w)
{
  const Config *cfg = &f->cfg;
  int skip = cfg->use_skip_connection ? 2 : 1;

  for (int l = cfg->n_levels - 1; l >= 0; l--) {
    int Co = cfg->io_block_channels[l];
    gboolean first = l + 1 == cfg->n_levels;
    int Ci = first ? cfg->model_channels : cfg->io_block_channels[l + 1];

    f->out_blocks[f->n_out] = load_res_block (cfg,
        shu_weights_at (w, "out_blocks.%d", f->n_out), Ci * skip, Co, l, 1);
    f->n_out++;
    for (int i = 1; i < cfg->num_io_res_blocks; i++, f->n_out++)
      f->out_blocks[f->n_out] = load_res_block (cfg,
          shu_weights_at (w, "out_blocks.%d", f->n_out), Co * skip, Co, l, 0);
  }
}

static Block
load_block (const Config *cfg, ShuWeights *w)
{
  int C = cfg->model_channels;
  Block b = {
      .norm2 = shu_weights_norm (w, "norm2", C),
      .self_attn = shu_sparse_attention_load_self (
          shu_weights_at (w, "self_attn"), C, cfg->num_heads, cfg->qk_rms_norm),
      .cross_attn =
          shu_sparse_attention_load_cross (shu_weights_at (w, "cross_attn"), C,
              cfg->cond_channels, cfg->num_heads, FALSE),
      .mlp0 = shu_weights_linear (w, "mlp.mlp.0", cfg->mlp_hidden, C, TRUE),
      .mlp2 = shu_weights_linear (w, "mlp.mlp.2", C, cfg->mlp_hidden, TRUE),
  };

  if (!cfg->share_mod)
    b.adaLN_modulation =
        shu_weights_linear (w, "adaLN_modulation.1", 6 * C, C, TRUE);
  return b;
}

ShuSlatFlow *
shu_slat_flow_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuSlatFlow) f = g_new0 (ShuSlatFlow, 1);
  const Config *cfg = &f->cfg;
  int C, Cio;

  f->w = shu_weights_ref (w);
  if (!read_config (&f->cfg, config, error))
    return NULL;
  C = cfg->model_channels;
  Cio = cfg->n_levels > 0 ? cfg->io_block_channels[0] : C;
  f->t_embedder0 =
      shu_weights_linear (w, "t_embedder.mlp.0", C, TIME_FREQS, TRUE);
  f->t_embedder2 = shu_weights_linear (w, "t_embedder.mlp.2", C, C, TRUE);
  f->input_layer =
      shu_weights_linear (w, "input_layer", Cio, cfg->in_channels, TRUE);
  f->out_layer =
      shu_weights_linear (w, "out_layer", cfg->out_channels, Cio, TRUE);
  if (cfg->share_mod)
    f->adaLN_modulation =
        shu_weights_linear (w, "adaLN_modulation.1", 6 * C, C, TRUE);
  load_input_blocks (f, w);
  f->blocks = g_new0 (Block, cfg->num_blocks);
  for (int i = 0; i < cfg->num_blocks; i++)
    f->blocks[i] = load_block (cfg, shu_weights_at (w, "blocks.%d", i));
  load_out_blocks (f, w);
  if (!shu_weights_finish (w, error))
    return NULL;
  return g_steal_pointer (&f);
}

void
shu_slat_flow_free (ShuSlatFlow *f)
{
  if (!f)
    return;
  g_free (f->blocks);
  shu_weights_unref (f->w);
  g_free (f);
}

int
shu_slat_flow_in_channels (const ShuSlatFlow *f)
{
  return f->cfg.in_channels;
}

int
shu_slat_flow_cond_channels (const ShuSlatFlow *f)
{
  return f->cfg.cond_channels;
}

/* ---- what stays the same from step to step ---- */

/* One resolution; [0] for one set of rows, [1] for two, one after the other. */
typedef struct {
  int n;
  ShuTensor *nbr[2];   /* I32 [B n,27] */
  ShuTensor *index[2]; /* I32 [B n] rows of the next coarser level */
} Level;

typedef struct {
  ShuTensor *k, *v; /* [1,L,C]; NULL without a context */
  ShuTensor *null;  /* [1,C]: cross attention to zeros */
} BlockRun;

struct _ShuSlatFlowRun {
  const ShuSlatFlow *f;
  int n_steps;
  gboolean has_cond;
  Level levels[MAX_LEVELS + 1];
  ShuTensor *position; /* [M,C] */
  ShuTensor *times;    /* [n_steps,...]: 2Co for each input block, 6C for each
                        * block or for all, 2Co for each output block */
  BlockRun *blocks;
};

/* The table @rows [n,width] once and twice; the second copy refers to rows
 * @shift further down. */
static void
make_tables (ShuCtx *c, const gint32 *rows, int n, int width, int shift,
    ShuTensor *ret[2])
{
  gsize size = (gsize) n * width;
  g_autofree gint32 *twice = g_new (gint32, 2 * size);

  memcpy (twice, rows, size * sizeof *rows);
  for (gsize i = 0; i < size; i++)
    twice[size + i] = rows[i] < 0 ? -1 : rows[i] + shift;
  for (int b = 0; b < 2; b++) {
    gint64 dims[] = {(gint64) (b + 1) * n, width};

    ret[b] = shu_own (
        c, shu_from_host (c, SHU_DTYPE_I32, width > 1 ? 2 : 1, dims, twice));
  }
}

static void
make_levels (ShuSlatFlowRun *run, ShuCtx *c, const ShuVoxels *voxels)
{
  ShuVoxels at = *voxels;
  g_autofree gint32 *own = NULL;
  g_autofree gint32 *xyz = NULL;

  for (int l = 0; l <= run->f->cfg.n_levels; l++) {
    Level *level = &run->levels[l];
    g_autofree gint32 *nbr = g_new (gint32, (gsize) at.n * SHU_VOXEL_TAPS);
    g_autofree gint32 *index = g_new (gint32, at.n);
    gint32 *coarse;
    int n;

    level->n = at.n;
    shu_voxels_neighbours (&at, nbr);
    make_tables (c, nbr, at.n, SHU_VOXEL_TAPS, at.n, level->nbr);
    if (l == run->f->cfg.n_levels)
      break;
    coarse = g_new (gint32, (gsize) at.n * at.stride);
    n = shu_voxels_downsample (&at, 2, coarse, index);
    make_tables (c, index, at.n, 1, n, level->index);
    g_free (own);
    own = coarse;
    at = (ShuVoxels){.n = n, .stride = at.stride, .coords = own};
  }
  xyz = g_new (gint32, (gsize) at.n * 3);
  for (int i = 0; i < at.n; i++)
    memcpy (xyz + (gsize) i * 3,
        at.coords + (gsize) i * at.stride + at.stride - 3, 3 * sizeof *xyz);
  run->position =
      shu_own (c, shu_position_embedding (c,
                      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (at.n, 3), xyz),
                      run->f->cfg.model_channels));
}

/* Blocks that share a modulation have the first one's. */
static int
n_modulations (const Config *cfg)
{
  return cfg->share_mod ? 1 : cfg->num_blocks;
}

/* The projections of every time embedding, in the order in which a step takes
 * them; SiLU comes first everywhere. */
static void
make_modulations (ShuSlatFlowRun *run, ShuCtx *c, const float *timesteps)
{
  SHU_SCOPE (c);
  const ShuSlatFlow *f = run->f;
  int n_blocks = n_modulations (&f->cfg), n = 0;
  g_autofree ShuTensor **parts =
      g_new (ShuTensor *, f->n_in + n_blocks + f->n_out);
  ShuTensor *e =
      shu_timestep_embedding (c, timesteps, run->n_steps, TIME_FREQS);

  e = shu_linear_act (c, e, &f->t_embedder0, SHU_ACT_SILU);
  e = shu_linear (c, e, &f->t_embedder2); /* [n_steps,C] */
  shu_tap (c, e, "t_emb");
  e = shu_silu (c, e);
  for (int i = 0; i < f->n_in; i++)
    parts[n++] = shu_linear (c, e, &f->input_blocks[i].emb_layers);
  for (int i = 0; i < n_blocks; i++)
    parts[n++] = shu_linear (c, e,
        f->cfg.share_mod ? &f->adaLN_modulation
                         : &f->blocks[i].adaLN_modulation);
  for (int i = 0; i < f->n_out; i++)
    parts[n++] = shu_linear (c, e, &f->out_blocks[i].emb_layers);
  run->times = shu_own (c, shu_concat (c, 1, n, parts));
}

static void
make_context (ShuSlatFlowRun *run, ShuCtx *c, ShuTensor *cond)
{
  for (int i = 0; i < run->f->cfg.num_blocks; i++) {
    SHU_SCOPE (c);
    const ShuSparseAttention *a = &run->f->blocks[i].cross_attn;
    ShuTensor *k, *v;

    run->blocks[i].null = shu_own (c, shu_sparse_attention_null (c, a));
    if (!cond)
      continue;
    shu_sparse_attention_context (c, a, cond, &k, &v);
    run->blocks[i].k = shu_own (c, k);
    run->blocks[i].v = shu_own (c, v);
  }
}

ShuSlatFlowRun *
shu_slat_flow_run_new (const ShuSlatFlow *f, ShuCtx *c, const ShuVoxels *voxels,
    ShuTensor *cond, int n_steps, const float *timesteps, GError **error)
{
  g_autoptr (ShuSlatFlowRun) run = g_new0 (ShuSlatFlowRun, 1);
  SHU_SCOPE (c);

  g_return_val_if_fail (n_steps > 0, NULL);
  run->f = f;
  run->n_steps = n_steps;
  run->has_cond = cond != NULL;
  run->blocks = g_new0 (BlockRun, f->cfg.num_blocks);
  if (!shu_voxels_check (voxels, f->cfg.resolution, error))
    return NULL;
  if (cond && (cond->n_dims != 3 || cond->dims[0] != 1 ||
                  cond->dims[2] != f->cfg.cond_channels)) {
    g_autofree char *got = shu_tensor_describe (cond);

    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "slat_flow: expected a context [1,L,%d], got %s", f->cfg.cond_channels,
        got);
    return NULL;
  }
  make_levels (run, c, voxels);
  make_modulations (run, c, timesteps);
  make_context (run, c, cond);
  if (!shu_ctx_finish (c, error))
    return NULL;
  return g_steal_pointer (&run);
}

void
shu_slat_flow_run_free (ShuSlatFlowRun *run)
{
  if (!run)
    return;
  for (int l = 0; l <= MAX_LEVELS; l++)
    for (int b = 0; b < 2; b++) {
      g_clear_pointer (&run->levels[l].nbr[b], shu_tensor_unref);
      g_clear_pointer (&run->levels[l].index[b], shu_tensor_unref);
    }
  for (int i = 0; i < run->f->cfg.num_blocks; i++) {
    g_clear_pointer (&run->blocks[i].k, shu_tensor_unref);
    g_clear_pointer (&run->blocks[i].v, shu_tensor_unref);
    g_clear_pointer (&run->blocks[i].null, shu_tensor_unref);
  }
  g_clear_pointer (&run->position, shu_tensor_unref);
  g_clear_pointer (&run->times, shu_tensor_unref);
  g_free (run->blocks);
  g_free (run);
}

/* ---- forward ---- */

/* x [B n,Ci] -> [B n',Co]; emb [1,2Co] = scale, shift */
static ShuTensor *
res_block (ShuCtx *c, const ShuSlatFlowRun *run, const ResBlock *b,
    ShuTensor *x, ShuTensor *emb, int B)
{
  SHU_SCOPE (c);
  const Level *level = &run->levels[b->level];
  ShuTensor *nbr = level->nbr[B - 1];
  ShuTensor *scale = shu_slice (c, emb, 1, 0, b->Co);
  ShuTensor *shift = shu_slice (c, emb, 1, b->Co, b->Co);
  ShuTensor *h;

  if (b->up_level < 0)
    x = shu_sparse_pool (
        c, x, run->levels[b->level - 1].index[B - 1], B * level->n);
  else if (b->up_level > 0)
    x = shu_gather (c, x, level->index[B - 1]);
  h = shu_silu (c, shu_layer_norm (c, x, &b->norm1, 1e-6f));
  h = shu_sparse_conv (c, h, nbr, &b->conv1);
  h = shu_modulate (c, shu_layer_norm (c, h, NULL, 1e-6f), shift, scale);
  h = shu_sparse_conv (c, shu_silu (c, h), nbr, &b->conv2);
  h = b->skip_connection.w ? shu_linear_add (c, x, &b->skip_connection, h)
                           : shu_add (c, x, h);
  return shu_keep (c, h);
}

/* x [B,M,C], B 1 or the number of @rows -> [number of rows,M,C]; mod [1,6C] =
 * (shift, scale, gate) twice */
static ShuTensor *
block (ShuCtx *c, const Block *b, const BlockRun *r, ShuTensor *x,
    ShuTensor *mod, ShuSlatRows rows)
{
  SHU_SCOPE (c);
  int B = rows == SHU_SLAT_BOTH ? 2 : 1, C = b->self_attn.C;
  gint64 M = x->dims[1];
  const ShuOrder with_context = {
      .size = {1, B, 1, M}, .step = {0, M, 0, 1}, .present = 1};
  ShuAddNorm p = {.eps = 1e-6f};
  ShuTensor *m[6], *h;

  h = shu_reshape (c, mod, SHU_DIMS (6, C));
  for (int i = 0; i < 6; i++)
    m[i] = shu_slice (c, h, 0, i, 1); /* [1,C] */
  h = shu_add_norm (c, x, NULL,
      &(ShuAddNorm){.shift = m[0], .scale = m[1], .eps = 1e-6f}, NULL);
  h = shu_sparse_attention_full (c, &b->self_attn, h);
  if (x->dims[0] < B) { /* they part here */
    x = shu_tile (c, x, B);
    h = shu_tile (c, h, B);
  }
  if (rows & SHU_SLAT_COND) {
    h = shu_add_norm (c, x, &b->norm2,
        &(ShuAddNorm){
            .h = h, .gate = m[2], .y_order = &with_context, .eps = 1e-6f},
        &x);
    p.h = shu_sparse_attention_cross (c, &b->cross_attn,
        shu_reshape (c, h, SHU_DIMS (1, M, C)), r->k, r->v, NULL);
    p.h_order = &with_context;
    p.rest = B > 1 ? r->null : NULL;
  } else {
    x = shu_add (c, shu_add_gated (c, x, h, m[2]), r->null);
  }
  p.shift = m[3];
  p.scale = m[4];
  h = shu_add_norm (c, x, NULL, &p, &x);
  h = shu_linear_act (c, h, &b->mlp0, SHU_ACT_GELU_TANH);
  h = shu_linear (c, h, &b->mlp2);
  return shu_keep (c, shu_add_gated (c, x, h, m[5]));
}

/* The next @n of a row of run->times: [1,n] */
static ShuTensor *
take (ShuCtx *c, ShuTensor *row, gint64 *at, int n)
{
  ShuTensor *t = shu_slice (c, row, 1, *at, n);

  *at += n;
  return t;
}

ShuTensor *
shu_slat_flow_forward (ShuCtx *c, const ShuSlatFlowRun *run, ShuTensor *x,
    ShuTensor *step, ShuSlatRows rows)
{
  SHU_SCOPE (c);
  const ShuSlatFlow *f = run->f;
  int N = run->levels[0].n, M = run->levels[f->cfg.n_levels].n;
  int B = rows == SHU_SLAT_BOTH ? 2 : 1, C = f->cfg.model_channels;
  ShuTensor *skips[MAX_IO_BLOCKS], *row, *emb = NULL, *h;
  gint64 at = 0;

  g_return_val_if_fail (run->has_cond || rows == SHU_SLAT_UNCOND, NULL);
  row = shu_gather (c, run->times, step);
  h = shu_linear (c, x, &f->input_layer); /* [N,Cio] */
  shu_tap (c, h, "input_layer");
  for (int i = 0; i < f->n_in; i++) {
    emb = take (c, row, &at, 2 * f->input_blocks[i].Co);
    h = skips[i] = res_block (c, run, &f->input_blocks[i], h, emb, 1);
    shu_tap (c, h, "input_blocks.%d", i);
  }
  h = shu_reshape (c, shu_add (c, h, run->position), SHU_DIMS (1, M, C));
  for (int i = 0; i < f->cfg.num_blocks; i++) {
    ShuTensor *before = h;

    if (i < n_modulations (&f->cfg))
      emb = take (c, row, &at, 6 * C);
    h = block (c, &f->blocks[i], &run->blocks[i], h, emb, rows);
    shu_drop (c, before);
    shu_tap (c, h, "blocks.%d", i);
  }
  h = shu_reshape (c, h, SHU_DIMS (B * M, C));
  for (int i = 0; i < f->n_out; i++) {
    emb = take (c, row, &at, 2 * f->out_blocks[i].Co);
    if (f->cfg.use_skip_connection) {
      ShuTensor *skip = skips[f->n_in - 1 - i];

      h = shu_concat2 (c, 1, h, B > 1 ? shu_tile (c, skip, B) : skip);
    }
    h = res_block (c, run, &f->out_blocks[i], h, emb, B);
    shu_tap (c, h, "out_blocks.%d", i);
  }
  h = shu_layer_norm (c, h, NULL, 1e-5f);
  h = shu_linear (c, h, &f->out_layer); /* [B N,out] */
  return shu_keep (c, shu_reshape (c, h, SHU_DIMS (B, N, f->cfg.out_channels)));
}
