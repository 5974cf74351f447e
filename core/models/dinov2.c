/* SPDX-License-Identifier: MIT */
/* patches -> [class, patches] + positions -> [class, registers, patches] ->
 * blocks: x += ls1 attn (norm1 x); x += ls2 mlp (norm2 x)
 *                                   [B,H,W,3] -> [B,1+R+N,C]
 *
 * Traps: registers get no position; the table is resized (antialiased bicubic)
 * only where the grid is another than its own; eps is 1e-6, the condition's
 * extra norm has 1e-5. */
#include "models/dinov2.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 256, MAX_WIDTH = 16384, MAX_GRID = 1024, MAX_TAPS = 64 };

static const float EPS = 1e-6f, CONDITION_EPS = 1e-5f;

typedef struct {
  ShuNorm norm1, norm2; /* [C] */
  ShuLinear qkv;        /* [3C,C], rows q, k, v */
  ShuLinear proj;       /* [C,C] */
  ShuTensor *ls1, *ls2; /* [C] */
  ShuLinear fc1, fc2;   /* [I,C], [C,I] */
} Block;

struct _ShuDinov2 {
  ShuWeights *weights;
  int C, I, patch, grid, depth, n_heads, n_registers;
  ShuLinear patch_embed;      /* [C,3*patch^2], the convolution as a matrix */
  ShuTensor *cls_token;       /* [1,1,C] */
  ShuTensor *pos_embed;       /* [1,1+grid^2,C] */
  ShuTensor *register_tokens; /* [1,R,C] */
  Block *blocks;
  ShuNorm norm;
};

/* ---- loading ---- */

static void
read_config (ShuDinov2 *m, ShuConfig *config, ShuWeights *w)
{
  int width = 1024, grid = 37, depth = 24, registers = 4, patch = 14, n;
  gint64 dims[SHU_MAX_DIMS];
  char name[48];

  if (shu_weights_dims (w, "cls_token", &n, dims) && n == 3)
    width = CLAMP (dims[2], 1, MAX_WIDTH);
  if (shu_weights_dims (w, "pos_embed", &n, dims) && n == 3)
    grid = CLAMP ((int) lround (sqrt (MAX (dims[1] - 1, 1))), 1, MAX_GRID);
  if (shu_weights_dims (w, "register_tokens", &n, dims) && n == 3)
    registers = CLAMP (dims[1], 0, 1024);
  if (shu_weights_dims (w, "patch_embed.proj.weight", &n, dims) && n == 4)
    patch = CLAMP (dims[2], 1, 256);
  for (int i = 0; i < MAX_DEPTH; i++) {
    g_snprintf (name, sizeof name, "blocks.%d.norm1.weight", i);
    if (!shu_weights_dims (w, name, &n, dims))
      break;
    depth = i + 1;
  }
  m->patch = shu_config_int (config, "patch_size", 1, 256, patch);
  m->grid = shu_config_int (config, "img_size", m->patch, MAX_GRID * m->patch,
                grid * m->patch) /
            m->patch;
  m->C = shu_config_int (config, "embed_dim", 1, MAX_WIDTH, width);
  m->depth = shu_config_int (config, "depth", 1, MAX_DEPTH, depth);
  m->n_heads =
      shu_config_int (config, "num_heads", 1, 1024, MAX (m->C / 64, 1));
  m->n_registers =
      shu_config_int (config, "num_register_tokens", 0, 1024, registers);
  m->I =
      (int) lround (m->C * shu_config_float (config, "mlp_ratio", 0.01, 64, 4));
  if (m->C % m->n_heads != 0)
    shu_config_fail (
        config, "\"embed_dim\" must be a multiple of \"num_heads\"");
  if (!shu_config_bool (config, "interpolate_antialias", TRUE) ||
      shu_config_float (config, "interpolate_offset", 0, 1, 0) != 0)
    shu_config_fail (config,
        "only \"interpolate_antialias\" true and \"interpolate_offset\" 0 are "
        "supported");
  shu_config_int (config, "block_chunks", 0, 0, 0);
}

static void
load_block (Block *b, ShuWeights *w, gint64 C, gint64 I)
{
  *b = (Block){
      .norm1 = shu_weights_norm (w, "norm1", C),
      .qkv = shu_weights_linear (w, "attn.qkv", 3 * C, C, TRUE),
      .proj = shu_weights_linear (w, "attn.proj", C, C, TRUE),
      .ls1 = shu_weights_get_linear (w, "ls1.gamma", SHU_DIMS (C)),
      .norm2 = shu_weights_norm (w, "norm2", C),
      .fc1 = shu_weights_linear (w, "mlp.fc1", I, C, TRUE),
      .fc2 = shu_weights_linear (w, "mlp.fc2", C, I, TRUE),
      .ls2 = shu_weights_get_linear (w, "ls2.gamma", SHU_DIMS (C)),
  };
}

ShuDinov2 *
shu_dinov2_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuDinov2) m = g_new0 (ShuDinov2, 1);
  gint64 C, k, g;
  ShuTensor *patch;

  m->weights = shu_weights_ref (w);
  read_config (m, config, w);
  if (!shu_config_finish (config, error))
    return NULL;
  C = m->C;
  k = m->patch;
  g = m->grid;
  patch = shu_weights_use (w,
      shu_weights_get (w, "patch_embed.proj.weight", SHU_DIMS (C, 3, k, k)),
      SHU_USE_PATCHES);
  m->patch_embed.b =
      shu_weights_get_linear (w, "patch_embed.proj.bias", SHU_DIMS (C));
  m->cls_token = shu_weights_get_linear (w, "cls_token", SHU_DIMS (1, 1, C));
  m->pos_embed =
      shu_weights_get_linear (w, "pos_embed", SHU_DIMS (1, 1 + g * g, C));
  if (m->n_registers > 0)
    m->register_tokens = shu_weights_get_linear (
        w, "register_tokens", SHU_DIMS (1, m->n_registers, C));
  m->blocks = g_new0 (Block, m->depth);
  for (int i = 0; i < m->depth; i++)
    load_block (&m->blocks[i], shu_weights_at (w, "blocks.%d", i), C, m->I);
  m->norm = shu_weights_norm (w, "norm", C);
  if (!shu_weights_finish (w, error))
    return NULL;
  m->patch_embed.w = shu_tensor_view (patch, SHU_DIMS (C, -1));
  return g_steal_pointer (&m);
}

void
shu_dinov2_free (ShuDinov2 *m)
{
  if (!m)
    return;
  g_clear_pointer (&m->patch_embed.w, shu_tensor_unref);
  g_free (m->blocks);
  shu_weights_unref (m->weights);
  g_free (m);
}

int
shu_dinov2_depth (const ShuDinov2 *m)
{
  return m->depth;
}

int
shu_dinov2_patch (const ShuDinov2 *m)
{
  return m->patch;
}

/* ---- positions ---- */

ShuTensor *
shu_dinov2_positions (ShuCtx *c, const ShuDinov2 *m, int h, int w)
{
  SHU_SCOPE (c);
  gint64 g = m->grid;
  ShuTensor *all = shu_reshape (c, m->pos_embed, SHU_DIMS (-1, m->C)), *map;

  if (h == g && w == g)
    return shu_keep (c, all);
  map = shu_slice (c, all, 0, 1, g * g);
  map = shu_reshape (c, map, SHU_DIMS (1, g, g, m->C));
  map = shu_resize_bicubic_aa (c, map, h, w);
  map = shu_reshape (c, map, SHU_DIMS (-1, m->C));
  return shu_keep (c, shu_concat2 (c, 0, shu_slice (c, all, 0, 0, 1), map));
}

/* ---- forward ---- */

/* images [B,H,W,3] -> [B,1+R+N,C], and in @ret_norm its norm for the first
 * block */
static ShuTensor *
embed (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images, ShuTensor **ret_norm)
{
  SHU_SCOPE (c);
  int h = images->dims[1] / m->patch, w = images->dims[2] / m->patch;
  ShuTokens tokens = {.first = m->cls_token,
      .registers = m->register_tokens,
      .norm = &m->blocks[0].norm1,
      .eps = EPS};
  ShuTensor *x;

  if (!shu_ctx_failed (c) &&
      (images->n_dims != 4 || images->dims[3] != 3 || h < 1 || w < 1 ||
          h > MAX_GRID || w > MAX_GRID || images->dims[1] % m->patch ||
          images->dims[2] % m->patch))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "dinov2: picture sides must be multiples of %d, at most %d", m->patch,
        MAX_GRID * m->patch);
  x = shu_embed_patches (c, images, m->patch, &m->patch_embed);
  shu_tap (c, x, "patch_embed");
  if (shu_ctx_failed (c))
    return *ret_norm = shu_keep (c, x);
  tokens.positions = shu_dinov2_positions (c, m, h, w);
  *ret_norm = shu_keep (c, shu_embed_tokens (c, x, &tokens, &x));
  return shu_keep (c, x);
}

/* x [B,T,C], h: its norm, both let go -> its next value, and in @ret_norm the
 * norm of that for the block after this, or for what takes a condition */
static ShuTensor *
block (ShuCtx *c, const ShuDinov2 *m, int i, ShuTensor *x, ShuTensor *h,
    ShuTensor **ret_norm)
{
  SHU_SCOPE (c);
  const Block *b = &m->blocks[i];
  const gboolean is_last = i + 1 == m->depth;
  const ShuSelfAttention self = {.n = 1, .l = {&b->qkv}, .n_heads = m->n_heads};
  ShuTensor *const before[2] = {x, h};

  h = shu_linear (c, shu_self_attention (c, h, &self), &b->proj);
  shu_tap (c, h, "blocks.%d.attn", i);
  h = shu_add_norm (
      c, x, &b->norm2, &(ShuAddNorm){.h = h, .gate = b->ls1, .eps = EPS}, &x);
  h = shu_linear_act (c, h, &b->fc1, SHU_ACT_GELU);
  if (shu_tapped (c)) /* for listeners alone */
    shu_tap (c, shu_linear (c, h, &b->fc2), "blocks.%d.mlp", i);
  h = shu_linear_add_norm (c, x, &b->fc2, is_last ? NULL : &b[1].norm1,
      &(ShuAddNorm){
          .h = h, .gate = b->ls2, .eps = is_last ? CONDITION_EPS : EPS},
      &x);
  *ret_norm = shu_keep (c, h);
  shu_drop (c, before[0]);
  shu_drop (c, before[1]);
  return shu_keep (c, shu_tap (c, x, "blocks.%d", i));
}

/* images -> tokens [B,1+R+N,C], and in @ret_norm the norm of those */
static ShuTensor *
run (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images, ShuTensor **ret_norm)
{
  SHU_SCOPE (c);
  ShuTensor *h, *x = embed (c, m, images, &h);

  for (int i = 0; i < m->depth; i++)
    x = block (c, m, i, x, h, &h);
  *ret_norm = shu_keep (c, h);
  return shu_keep (c, x);
}

ShuTensor *
shu_dinov2_tokens (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images)
{
  SHU_SCOPE (c);
  ShuTensor *norm;

  return shu_keep (c, run (c, m, images, &norm));
}

ShuTensor *
shu_dinov2_condition (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images)
{
  SHU_SCOPE (c);
  ShuTensor *norm;

  run (c, m, images, &norm);
  return shu_keep (c, norm);
}

static ShuTensor *
patches (ShuCtx *c, const ShuDinov2 *m, ShuTensor *x, gint64 h, gint64 w)
{
  SHU_SCOPE (c);

  x = shu_slice (c, x, 1, 1 + m->n_registers, h * w);
  x = shu_layer_norm (c, x, &m->norm, EPS);
  return shu_keep (c, shu_reshape (c, x, SHU_DIMS (-1, h, w, m->C)));
}

void
shu_dinov2_taps (ShuCtx *c, const ShuDinov2 *m, ShuTensor *images, int n_taps,
    const int *blocks, ShuTensor **ret_taps)
{
  SHU_SCOPE (c);
  gint64 h = images->dims[1] / m->patch, w = images->dims[2] / m->patch;
  ShuTensor *norm, *x = embed (c, m, images, &norm);
  int n = 0;

  for (int i = 0; i < m->depth && n < n_taps; i++) {
    x = block (c, m, i, x, norm, &norm);
    if (blocks[n] == i)
      ret_taps[n++] = shu_keep (c, patches (c, m, x, h, w));
  }
  if (n == n_taps)
    return;
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "dinov2: block %d was asked for, there are %d", blocks[n], m->depth);
  for (; n < n_taps; n++)
    ret_taps[n] = shu_keep (c, x);
}
