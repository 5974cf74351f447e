/* SPDX-License-Identifier: MIT */
/* Trunk of the SLat decoders (SyncHuman section 3.3; the reference's
 * models/SecondStage/structured_latent_vae/base.py).
 *
 *   x [N,8] -> input_layer [N,C] + position embedding
 *   -> blocks: h += attn (LN h), in windows of 8^3, shifted by 4 in odd blocks
 *              h += mv_condition ([LN h, normals, colours])
 *              h += mlp (LN h)
 *   -> h [N,C]
 *
 * Traps: no layer norm here has parameters, eps 1e-6; NORMAL comes before
 * COLOUR in the concatenation; views 2 and 3 are stored mirrored, so no view
 * is flipped here; windows are shifted without wrapping around.
 *
 * The concatenation is never made.  mv_condition.0 is linear, views 0 and 2
 * share a pixel (row,x), views 1 and 3 share (row,y), and many voxels share
 * pixels: so its view part is computed once per distinct pixel and gathered.
 * mv_condition.0.weight [H,C+2VD]: columns h, then normals of views 0.., then
 * colours of views 0... */
#include "models/slat_decoder.h"
#include "base/error.h"
#include "nn/sparse_attention.h"
#include "tensor/source.h"
#include <string.h>

enum {
  MAX_VIEWS = 4,
  SIDES = 2, /* pixels (row,x) of views 0 and 2; (row,y) of views 1 and 3 */
};

typedef struct {
  int resolution;
  int latent_channels;
  int model_channels;
  int num_blocks;
  int num_heads;
  int mlp_hidden;
  int window_size; /* 0: attention over everything */
  gboolean qk_rms_norm;
  int n_views;
  int views[MAX_VIEWS]; /* in the order of the concatenation */
  int mv_dim;           /* D */
  int view_channels;    /* F */
} Config;

typedef struct {
  ShuSparseAttention attn;
  ShuLinear mlp0;            /* [4C,C] */
  ShuLinear mlp2;            /* [C,4C] */
  ShuLinear mv_condition0;   /* [H,C]: columns of h, and the bias */
  ShuLinear mv_views[SIDES]; /* [H,2vD]: columns of a side's v views, normals
                                then colours; w NULL where it has none */
  ShuLinear mv_condition2;   /* [C,H] */
} Block;

struct _ShuSlatTrunk {
  Config cfg;
  ShuWeights *w;
  GPtrArray *own;               /* rearranged weights */
  ShuLinear input_layer;        /* [C,8] */
  ShuLinear input_layer_color;  /* [D,F] */
  ShuLinear input_layer_normal; /* [D,F] */
  Block *blocks;
};

static inline int
side_of (int view)
{
  return view % 2;
}

/* ---- configuration ---- */

ShuConfig *
shu_slat_trunk_args (ShuConfig *config)
{
  return shu_config_has (config, "args") ? shu_config_at (config, "args")
                                         : config;
}

static void
read_view_config (Config *cfg, ShuConfig *a, ShuWeights *w)
{
  static const struct {
    const char *mode;
    int n;
    int views[MAX_VIEWS];
  } modes[] = {
      {"4_view", 4, {0, 1, 2, 3}},
      {"front&back", 2, {0, 2}},
      {"front", 1, {0}},
      {"no", 0, {0}},
  };

  const char *mode = shu_config_string (a, "mv_condition_mode", "4_view");
  gint64 dims[SHU_MAX_DIMS] = {0};
  int n_dims = 0;
  gsize i;

  for (i = 0; i < G_N_ELEMENTS (modes); i++)
    if (strcmp (mode, modes[i].mode) == 0)
      break;
  if (i == G_N_ELEMENTS (modes)) {
    shu_config_fail (a,
        "\"mv_condition_mode\": expected 4_view, front&back, front or no, got "
        "\"%.80s\"",
        mode);
    return;
  }
  cfg->n_views = modes[i].n;
  memcpy (cfg->views, modes[i].views, sizeof cfg->views);
  if (shu_config_bool (a, "use_faceinfo", FALSE))
    shu_config_fail (a,
        "\"use_faceinfo\": decoders that look at the face view separately are "
        "not supported");
  /* The reference's configurations do not say these two. */
  if (shu_weights_dims (w, "input_layer_color.weight", &n_dims, dims) &&
      n_dims == 2 && MAX (dims[0], dims[1]) <= 65536) {
    cfg->mv_dim = dims[0];
    cfg->view_channels = dims[1];
    return;
  }
  cfg->mv_dim = shu_config_int (a, "mv_dim", 1, 65536, 1024);
  cfg->view_channels = shu_config_int (a, "mv_channels", 1, 65536,
      cfg->mv_dim * (shu_config_bool (a, "use_multiscale", TRUE) ? 4 : 1));
}

static gboolean
read_config (Config *cfg, ShuConfig *config, const char *class_name,
    ShuWeights *w, GError **error)
{
  ShuConfig *a = shu_slat_trunk_args (config);
  const char *name = shu_config_string (config, "name", class_name);
  const char *mode = shu_config_string (a, "attn_mode", "swin");
  int C;

  if (g_str_has_prefix (name, "Elastic"))
    name += strlen ("Elastic");
  if (strcmp (name, class_name) != 0)
    shu_config_fail (
        config, "\"name\": expected %s, got \"%.80s\"", class_name, name);
  C = cfg->model_channels = shu_config_int (a, "model_channels", 6, 8192, -1);
  cfg->resolution = shu_config_int (a, "resolution", 1, 1024, -1);
  cfg->latent_channels = shu_config_int (a, "latent_channels", 1, 1024, -1);
  cfg->num_blocks = shu_config_int (a, "num_blocks", 1, 512, -1);
  cfg->num_heads = shu_config_has (a, "num_heads")
                       ? shu_config_int (a, "num_heads", 1, C, -1)
                       : C / shu_config_int (a, "num_head_channels", 1, C, 64);
  cfg->mlp_hidden = C * shu_config_float (a, "mlp_ratio", 0.125, 64, 4);
  cfg->window_size = shu_config_int (a, "window_size", 1, 1024, 8);
  cfg->qk_rms_norm = shu_config_bool (a, "qk_rms_norm", FALSE);
  if (strcmp (mode, "full") == 0)
    cfg->window_size = 0;
  else if (strcmp (mode, "swin") != 0)
    shu_config_fail (
        a, "\"attn_mode\": expected swin or full, got \"%.80s\"", mode);
  if (cfg->num_heads < 1 || C % MAX (1, cfg->num_heads) != 0)
    shu_config_fail (a, "\"num_heads\": %d does not divide model_channels %d",
        cfg->num_heads, C);
  if (strcmp (shu_config_string (a, "pe_mode", "ape"), "ape") != 0)
    shu_config_fail (a, "\"pe_mode\": only \"ape\" is supported");
  read_view_config (cfg, a, w);
  return shu_config_finish (config, error);
}

/* ---- weights ---- */

/* Columns @pieces of @w as a layer of its own */
static ShuTensor *
own_columns (ShuSlatTrunk *t, ShuTensor *w, int n, const ShuColumns *pieces)
{
  ShuTensor *part = shu_tensor_new_columns (w, n, pieces);

  g_ptr_array_add (t->own, part);
  return shu_weights_use (t->w, part, SHU_USE_LINEAR);
}

static void
load_mv_condition (ShuSlatTrunk *t, Block *b, ShuWeights *w)
{
  const Config *cfg = &t->cfg;
  int C = cfg->model_channels, V = cfg->n_views;
  gint64 D = cfg->mv_dim, H = 4 * (gint64) C, dims[SHU_MAX_DIMS];
  ShuColumns pieces[SIDES][2 * MAX_VIEWS];
  int n_dims, n[SIDES] = {0};
  ShuLinear l;

  /* Four times the width, whatever mlp_ratio; but the file has the word. */
  if (shu_weights_dims (w, "mv_condition.0.weight", &n_dims, dims) &&
      n_dims == 2 && dims[0] <= 65536)
    H = dims[0];
  l = shu_weights_linear (w, "mv_condition.0", H, C + 2 * V * D, TRUE);
  b->mv_condition2 = shu_weights_linear (w, "mv_condition.2", C, H, TRUE);
  if (l.w->n_dims != 2)
    return; /* a mismatch, to be reported at the end */
  shu_weights_use (w, l.w, SHU_USE_NONE);
  b->mv_condition0 =
      (ShuLinear){.w = own_columns (t, l.w, 1, &(ShuColumns){0, C}), .b = l.b};
  for (int v = 0; v < 2 * V; v++) { /* normals of all views, then colours */
    int s = side_of (cfg->views[v % V]);

    pieces[s][n[s]++] = (ShuColumns){C + v * D, D};
  }
  for (int s = 0; s < SIDES; s++)
    if (n[s] > 0)
      b->mv_views[s].w = own_columns (t, l.w, n[s], pieces[s]);
}

static void
load_block (ShuSlatTrunk *t, Block *b, ShuWeights *w)
{
  const Config *cfg = &t->cfg;
  int C = cfg->model_channels;

  b->attn = shu_sparse_attention_load_self (
      shu_weights_at (w, "attn"), C, cfg->num_heads, cfg->qk_rms_norm);
  b->mlp0 = shu_weights_linear (w, "mlp.mlp.0", cfg->mlp_hidden, C, TRUE);
  b->mlp2 = shu_weights_linear (w, "mlp.mlp.2", C, cfg->mlp_hidden, TRUE);
  if (cfg->n_views > 0)
    load_mv_condition (t, b, w);
}

ShuSlatTrunk *
shu_slat_trunk_new (
    ShuConfig *config, const char *name, ShuWeights *w, GError **error)
{
  g_autoptr (ShuSlatTrunk) t = g_new0 (ShuSlatTrunk, 1);
  const Config *cfg = &t->cfg;

  t->w = shu_weights_ref (w);
  t->own = g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  if (!read_config (&t->cfg, config, name, w, error))
    return NULL;
  t->input_layer = shu_weights_linear (
      w, "input_layer", cfg->model_channels, cfg->latent_channels, TRUE);
  if (cfg->n_views > 0) {
    t->input_layer_color = shu_weights_linear (
        w, "input_layer_color", cfg->mv_dim, cfg->view_channels, TRUE);
    t->input_layer_normal = shu_weights_linear (
        w, "input_layer_normal", cfg->mv_dim, cfg->view_channels, TRUE);
  }
  t->blocks = g_new0 (Block, cfg->num_blocks);
  for (int i = 0; i < cfg->num_blocks; i++)
    load_block (t, &t->blocks[i], shu_weights_at (w, "blocks.%d", i));
  return g_steal_pointer (&t);
}

void
shu_slat_trunk_free (ShuSlatTrunk *t)
{
  if (!t)
    return;
  g_free (t->blocks);
  g_ptr_array_unref (t->own);
  shu_weights_unref (t->w);
  g_free (t);
}

int
shu_slat_trunk_resolution (const ShuSlatTrunk *t)
{
  return t->cfg.resolution;
}

int
shu_slat_trunk_channels (const ShuSlatTrunk *t)
{
  return t->cfg.model_channels;
}

int
shu_slat_trunk_latent_channels (const ShuSlatTrunk *t)
{
  return t->cfg.latent_channels;
}

int
shu_slat_trunk_view_channels (const ShuSlatTrunk *t)
{
  return t->cfg.n_views > 0 ? t->cfg.view_channels : 0;
}

/* ---- pixels ---- */

/* The distinct pixels of one side. */
typedef struct {
  ShuTensor *features; /* [U,2vD] normals, then colours, of the side's views */
  ShuTensor *of_voxel; /* I32 [N] in 0..U-1 */
} Pixels;

/* The projected features of pixels @at [U] (row * S + column) of one view. */
static ShuTensor *
look (ShuCtx *c, ShuTensor *map, int view, const gint32 *at, int U,
    const ShuLinear *l)
{
  SHU_SCOPE (c);
  gint64 S = map->dims[1];
  g_autofree gint32 *rows = g_new (gint32, U);
  ShuTensor *x;

  for (int u = 0; u < U; u++)
    rows[u] = view * S * S + at[u];
  x = shu_reshape (c, map, SHU_DIMS (map->dims[0] * S * S, map->dims[3]));
  x = shu_gather (
      c, x, shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (U), rows)); /* [U,F] */
  return shu_keep (c, shu_linear (c, x, l));                       /* [U,D] */
}

static Pixels
find_pixels (ShuCtx *c, const ShuSlatTrunk *t, const ShuVoxels *voxels,
    const ShuSlatViews *views, int side)
{
  const Config *cfg = &t->cfg;
  int S = views->color->dims[1], n = 0, U = 0;
  g_autofree gint32 *rank = g_new0 (gint32, (gsize) S * S);
  g_autofree gint32 *of_voxel = g_new (gint32, voxels->n);
  g_autofree gint32 *at = g_new (gint32, MIN (S * S, voxels->n));
  ShuTensor *parts[2 * MAX_VIEWS];
  Pixels p = {NULL, NULL};

  for (int i = 0; i < voxels->n; i++) {
    const gint32 *xyz =
        voxels->coords + (gsize) i * voxels->stride + voxels->stride - 3;

    of_voxel[i] = (S - 1 - xyz[2]) * S + xyz[side];
    rank[of_voxel[i]] = 1;
  }
  for (int i = 0; i < S * S; i++)
    if (rank[i]) {
      rank[i] = U;
      at[U++] = i;
    }
  for (int i = 0; i < voxels->n; i++)
    of_voxel[i] = rank[of_voxel[i]];
  for (int k = 0; k < 2 * cfg->n_views; k++) {
    gboolean is_color = k >= cfg->n_views;
    int view = cfg->views[k % cfg->n_views];

    if (side_of (view) == side)
      parts[n++] = look (c, is_color ? views->color : views->normal, view, at,
          U, is_color ? &t->input_layer_color : &t->input_layer_normal);
  }
  if (n > 0) {
    p.features = shu_concat (c, 1, n, parts);
    p.of_voxel =
        shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (voxels->n), of_voxel);
  }
  return p;
}

/* ---- forward ---- */

typedef struct {
  ShuTensor *order[2]; /* I32 [N]; even blocks, odd blocks */
  ShuTensor *start[2]; /* I32 [G+1] */
} Windows;

static Windows
find_windows (ShuCtx *c, const Config *cfg, const ShuVoxels *voxels)
{
  int N = voxels->n;
  g_autofree gint32 *order = g_new (gint32, N);
  g_autofree gint32 *start = g_new (gint32, N + 1);
  Windows w;

  for (int odd = 0; odd < 2; odd++) {
    int size = cfg->window_size > 0 ? cfg->window_size : SHU_VOXELS_MAX_SIDE;
    int shift = cfg->window_size / 2 * odd;
    int G = shu_voxels_windows (voxels, size, shift, order, start);

    w.order[odd] = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (N), order);
    w.start[odd] = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (G + 1), start);
  }
  return w;
}

/* x [N,C] + mv_condition ([LN x, normals, colours]) */
static ShuTensor *
mv_condition (ShuCtx *c, const Block *b, ShuTensor *x, const Pixels *p)
{
  SHU_SCOPE (c);
  ShuTensor *n = shu_layer_norm (c, x, NULL, 1e-6f);
  ShuTensor *z = shu_linear (c, n, &b->mv_condition0); /* [N,H] */

  for (int s = 0; s < SIDES; s++)
    if (p[s].features) {
      ShuTensor *g = shu_linear (c, p[s].features, &b->mv_views[s]); /* [U,H] */
      ShuTensor *v = shu_gather (c, g, p[s].of_voxel);

      shu_drop (c, g); /* these are large where there are many voxels */
      g = shu_add (c, z, v);
      shu_drop (c, v);
      shu_drop (c, z);
      z = g;
    }
  n = shu_act (c, z, SHU_ACT_GELU_TANH);
  shu_drop (c, z);
  return shu_keep (c, shu_linear_add (c, n, &b->mv_condition2, x));
}

/* h [N,C] */
static ShuTensor *
block (ShuCtx *c, const ShuSlatTrunk *t, int i, ShuTensor *h, const Windows *w,
    const Pixels *p)
{
  SHU_SCOPE (c);
  const Block *b = &t->blocks[i];
  ShuTensor *n = shu_layer_norm (c, h, NULL, 1e-6f);

  h = shu_sparse_attention_windowed (
      c, &b->attn, n, w->order[i % 2], w->start[i % 2], h);
  if (t->cfg.n_views > 0)
    h = mv_condition (c, b, h, p);
  n = shu_layer_norm (c, h, NULL, 1e-6f);
  n = shu_linear_act (c, n, &b->mlp0, SHU_ACT_GELU_TANH);
  return shu_keep (c, shu_linear_add (c, n, &b->mlp2, h));
}

/* Whether @map can be looked up by every voxel; else a failure. */
static gboolean
check_map (ShuCtx *c, const Config *cfg, const ShuVoxels *voxels,
    const ShuSlatViews *views, const ShuTensor *map, const char *name)
{
  int need = 0;

  for (int i = 0; i < voxels->n; i++)
    for (int k = 1; k <= 3; k++)
      need =
          MAX (need, voxels->coords[(gsize) (i + 1) * voxels->stride - k] + 1);
  if (map && map->n_dims == 4 && map->dims[0] > cfg->views[cfg->n_views - 1] &&
      map->dims[0] <= 64 && map->dims[1] == map->dims[2] &&
      map->dims[1] >= need && map->dims[1] <= 4096 &&
      map->dims[3] == cfg->view_channels)
    return TRUE;
  {
    g_autofree char *got =
        map ? shu_tensor_describe (map) : g_strdup ("nothing");

    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "slat_decoder: %s features: expected [%d,S,S,%d] with S from %d, got "
        "%s",
        name, cfg->views[cfg->n_views - 1] + 1, cfg->view_channels, need, got);
  }
  return FALSE;
}

ShuTensor *
shu_slat_trunk_forward (ShuCtx *c, const ShuSlatTrunk *t,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views)
{
  SHU_SCOPE (c);
  const Config *cfg = &t->cfg;
  int N = voxels->n;
  g_autofree gint32 *xyz = g_new (gint32, (gsize) N * 3);
  Pixels pixels[SIDES] = {{NULL, NULL}, {NULL, NULL}};
  GError *error = NULL;
  Windows windows;
  ShuTensor *h;

  if (!shu_voxels_check (voxels, cfg->resolution, &error))
    shu_ctx_take_error (c, error);
  else if (cfg->n_views > 0 &&
           check_map (c, cfg, voxels, views, views->color, "colour") &&
           check_map (c, cfg, voxels, views, views->normal, "normal"))
    for (int s = 0; s < SIDES; s++)
      pixels[s] = find_pixels (c, t, voxels, views, s);
  if (shu_ctx_failed (c))
    return shu_keep (c, shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (1)));
  for (int i = 0; i < N; i++)
    memcpy (xyz + (gsize) i * 3,
        voxels->coords + (gsize) (i + 1) * voxels->stride - 3, 3 * sizeof *xyz);
  windows = find_windows (c, cfg, voxels);
  h = shu_linear (c, x, &t->input_layer); /* [N,C] */
  shu_tap (c, h, "input_layer");
  h = shu_add (c, h,
      shu_position_embedding (c,
          shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (N, 3), xyz),
          cfg->model_channels));
  for (int i = 0; i < cfg->num_blocks; i++) {
    ShuTensor *before = h;

    h = block (c, t, i, h, &windows, pixels);
    shu_drop (c, before);
    shu_tap (c, h, "blocks.%d", i);
  }
  return shu_keep (c, h);
}
