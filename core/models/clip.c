/* SPDX-License-Identifier: MIT */
/* patches -> [class, patches] + positions -> pre-norm -> layers -> post-norm of
 * the class token -> projection             [B,S,S,3] -> [B,T,C] -> [B,P]
 *
 * Traps: the patch convolution has no bias; "pre_layrnorm" is the checkpoint's
 * spelling; GELU is the exact one; the result is not normalised. */
#include "models/clip.h"
#include "base/error.h"
#include <string.h>

enum { MAX_LAYERS = 256, MAX_CHANNELS = 16384 };

typedef struct {
  ShuNorm layer_norm1, layer_norm2;           /* [C] */
  ShuLinear q_proj, k_proj, v_proj, out_proj; /* [C,C] */
  ShuLinear fc1, fc2;                         /* [I,C], [C,I] */
} Layer;

struct _ShuClip {
  ShuWeights *weights;
  int C, I, P, S, patch, n_layers, n_heads;
  float eps;
  ShuLinear patch_embedding;  /* [C,3*patch^2], the convolution as a matrix */
  ShuTensor *class_embedding; /* [C] */
  ShuTensor *position_embedding; /* [T,C] */
  ShuNorm pre_layrnorm, post_layernorm;
  Layer *layers;
  ShuLinear visual_projection; /* [P,C] */
  ShuRecording *recording;     /* of embed() */
};

static void
read_config (ShuClip *m, ShuConfig *config)
{
  m->C = shu_config_int (config, "hidden_size", 1, MAX_CHANNELS, -1);
  m->I = shu_config_int (config, "intermediate_size", 1, 4 * MAX_CHANNELS, -1);
  m->P = shu_config_int (config, "projection_dim", 1, MAX_CHANNELS, -1);
  m->S = shu_config_int (config, "image_size", 1, 4096, 224);
  m->patch = shu_config_int (config, "patch_size", 1, 256, 14);
  m->n_layers = shu_config_int (config, "num_hidden_layers", 1, MAX_LAYERS, -1);
  m->n_heads = shu_config_int (config, "num_attention_heads", 1, 1024, -1);
  m->eps = shu_config_float (config, "layer_norm_eps", 1e-12, 1, 1e-5);
  if (strcmp (shu_config_string (config, "hidden_act", "gelu"), "gelu") != 0)
    shu_config_fail (config, "\"hidden_act\": only \"gelu\" is supported");
  shu_config_int (config, "num_channels", 3, 3, 3);
  if (m->S < m->patch)
    shu_config_fail (config, "\"image_size\" is smaller than a patch");
  if (m->C % m->n_heads != 0)
    shu_config_fail (config,
        "\"hidden_size\" must be a multiple of \"num_attention_heads\"");
}

static void
load_layer (Layer *l, ShuWeights *w, gint64 C, gint64 I)
{
  ShuWeights *a = shu_weights_at (w, "self_attn");

  *l = (Layer){
      .layer_norm1 = shu_weights_norm (w, "layer_norm1", C),
      .q_proj = shu_weights_linear (a, "q_proj", C, C, TRUE),
      .k_proj = shu_weights_linear (a, "k_proj", C, C, TRUE),
      .v_proj = shu_weights_linear (a, "v_proj", C, C, TRUE),
      .out_proj = shu_weights_linear (a, "out_proj", C, C, TRUE),
      .layer_norm2 = shu_weights_norm (w, "layer_norm2", C),
      .fc1 = shu_weights_linear (w, "mlp.fc1", I, C, TRUE),
      .fc2 = shu_weights_linear (w, "mlp.fc2", C, I, TRUE),
  };
  shu_weights_use_joined (
      a, 3, (ShuTensor *[]){l->q_proj.w, l->k_proj.w, l->v_proj.w});
  shu_weights_use_joined (
      a, 3, (ShuTensor *[]){l->q_proj.b, l->k_proj.b, l->v_proj.b});
}

ShuClip *
shu_clip_new (ShuConfig *config, ShuWeights *w, GError **error)
{
  g_autoptr (ShuClip) m = g_new0 (ShuClip, 1);
  ShuWeights *v = shu_weights_at (w, "vision_model");
  ShuTensor *patch;
  gint64 side, k;

  m->weights = shu_weights_ref (w);
  m->recording = shu_recording_new ();
  read_config (m, config);
  if (!shu_config_finish (config, error))
    return NULL;
  k = m->patch;
  side = m->S / k;
  patch = shu_weights_use (v,
      shu_weights_get (
          v, "embeddings.patch_embedding.weight", SHU_DIMS (m->C, 3, k, k)),
      SHU_USE_PATCHES);
  m->class_embedding =
      shu_weights_get_linear (v, "embeddings.class_embedding", SHU_DIMS (m->C));
  m->position_embedding = shu_weights_get_linear (v,
      "embeddings.position_embedding.weight", SHU_DIMS (side * side + 1, m->C));
  m->pre_layrnorm = shu_weights_norm (v, "pre_layrnorm", m->C);
  m->layers = g_new0 (Layer, m->n_layers);
  for (int i = 0; i < m->n_layers; i++)
    load_layer (
        &m->layers[i], shu_weights_at (v, "encoder.layers.%d", i), m->C, m->I);
  m->post_layernorm = shu_weights_norm (v, "post_layernorm", m->C);
  m->visual_projection =
      shu_weights_linear (w, "visual_projection", m->P, m->C, FALSE);
  if (!shu_weights_finish (w, error))
    return NULL;
  m->patch_embedding.w = shu_tensor_view (patch, SHU_DIMS (m->C, -1));
  return g_steal_pointer (&m);
}

void
shu_clip_free (ShuClip *m)
{
  if (!m)
    return;
  shu_recording_free (m->recording);
  g_clear_pointer (&m->patch_embedding.w, shu_tensor_unref);
  g_free (m->layers);
  shu_weights_unref (m->weights);
  g_free (m);
}

int
shu_clip_image_size (const ShuClip *m)
{
  return m->S;
}

int
shu_clip_projection_dim (const ShuClip *m)
{
  return m->P;
}

/* Rows of x [B,T,C] that are first tokens -> [B,C] */
static ShuOrder
first_tokens (const ShuTensor *x)
{
  return (ShuOrder){{x->dims[0], x->dims[1], 1, 1}, {1, 0, 0, 0}, 0, 1};
}

/* x [B,T,C], h: its norm, both let go -> its next value, and in @ret_norm the
 * norm of that for the layer after this, or of its first tokens */
static ShuTensor *
layer (ShuCtx *c, const ShuClip *m, int i, ShuTensor *x, ShuTensor *h,
    ShuTensor **ret_norm)
{
  SHU_SCOPE (c);
  const Layer *l = &m->layers[i];
  const ShuSelfAttention self = {
      .n = 3, .l = {&l->q_proj, &l->k_proj, &l->v_proj}, .n_heads = m->n_heads};
  const gboolean is_last = i + 1 == m->n_layers;
  const ShuOrder first = first_tokens (x);
  ShuTensor *const before[2] = {x, h};

  h = shu_linear (c, shu_self_attention (c, h, &self), &l->out_proj);
  shu_tap (c, h, "layers.%d.self_attn", i);
  h = shu_add_norm (
      c, x, &l->layer_norm2, &(ShuAddNorm){.h = h, .eps = m->eps}, &x);
  h = shu_linear_act (c, h, &l->fc1, SHU_ACT_GELU);
  if (shu_tapped (c)) /* for listeners alone */
    shu_tap (c, shu_linear (c, h, &l->fc2), "layers.%d.mlp", i);
  h = shu_linear_add_norm (c, x, &l->fc2,
      is_last ? &m->post_layernorm : &l[1].layer_norm1,
      &(ShuAddNorm){.h = h, .y_order = is_last ? &first : NULL, .eps = m->eps},
      &x);
  *ret_norm = shu_keep (c, h);
  shu_drop (c, before[0]);
  shu_drop (c, before[1]);
  return shu_keep (c, shu_tap (c, x, "layers.%d", i));
}

static ShuTensor *
embed (ShuCtx *c, gconstpointer data, ShuTensor *pixels)
{
  SHU_SCOPE (c);
  const ShuClip *m = data;
  const ShuTokens tokens = {.first = m->class_embedding,
      .positions = m->position_embedding,
      .before = &m->pre_layrnorm,
      .norm = &m->layers[0].layer_norm1,
      .eps = m->eps};
  ShuTensor *x, *h;

  if (!shu_ctx_failed (c) &&
      (pixels->n_dims != 4 || pixels->dims[1] != m->S ||
          pixels->dims[2] != m->S || pixels->dims[3] != 3))
    shu_ctx_fail (
        c, SHU_ERROR_INVALID, "clip: pictures must be %dx%d RGB", m->S, m->S);
  x = shu_embed_patches (c, pixels, m->patch, &m->patch_embedding);
  h = shu_embed_tokens (c, x, &tokens, &x); /* [B,T,C] */
  shu_tap (c, x, "pre_layrnorm");
  for (int i = 0; i < m->n_layers; i++)
    x = layer (c, m, i, x, h, &h);
  shu_tap (c, x, "last_hidden_state");
  return shu_keep (c, shu_linear (c, h, &m->visual_projection)); /* [B,P] */
}

ShuTensor *
shu_clip_embed (ShuCtx *c, const ShuClip *m, ShuTensor *pixels)
{
  return shu_recorded (c, m->recording, embed, m, pixels);
}
