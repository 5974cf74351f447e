/* SPDX-License-Identifier: MIT */
/* The rule is the one of the reference data in tests/data/golden, so a set with
 * the same seed reproduces them. */
#include "weights/formula.h"
#include "tensor/source.h"
#include "base/splitmix.h"
#include <math.h>
#include <string.h>

static guint64
fnv1a (const char *text)
{
  guint64 h = 0xCBF29CE484222325u;

  for (; *text; text++)
    h = (h ^ (guint8) *text) * 0x100000001B3u;
  return h;
}

void
shu_formula_values (const char *key, gsize n, float *ret_values)
{
  guint64 state = fnv1a (key);

#pragma omp parallel for if (n > 100000)
  for (gsize i = 0; i < n; i++)
    ret_values[i] = shu_splitmix_value (state, i);
}

/* value = offset + scale * v */
static void
rule (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_offset, float *ret_scale)
{
  static const char *const tables[] = {"class_embedding", "cls_token",
      "pos_embed", "register_tokens", "mask_token",
      "position_embedding.weight"};
  static const char *const queries[] = {
      "to_q", "to_k", "q_proj", "k_proj", "attn.qkv"};
  float a;

  *ret_offset = 0;
  if (g_str_has_suffix (name, "running_mean")) {
    *ret_scale = 0.25f;
    return;
  }
  if (g_str_has_suffix (name, "running_var")) {
    gboolean first = strstr (name, "rebnconvin") != NULL;

    *ret_offset = first ? 1.25f : 0.5f;
    *ret_scale = first ? 0.625f : 0.25f;
    return;
  }
  if (g_str_has_suffix (name, "bias")) {
    *ret_scale = 0.125f;
    return;
  }
  if (g_str_has_suffix (name, "gamma") ||
      (g_str_has_suffix (name, "weight") && n_dims == 1)) {
    *ret_offset = 1;
    *ret_scale = 0.25f;
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    if (g_str_has_suffix (name, tables[i])) {
      *ret_scale = 0.5f;
      return;
    }
  a = sqrtf (3.0f / (float) (n / (gsize) dims[0]));
  for (gsize i = 0; i < G_N_ELEMENTS (queries); i++)
    if (strstr (name, queries[i])) {
      a *= 1.5f;
      break;
    }
  *ret_scale = a;
}

void
shu_formula_weight (guint64 seed, const char *name, int n_dims,
    const gint64 *dims, gsize n, float *ret_values)
{
  g_autofree char *key =
      g_strdup_printf ("%" G_GUINT64_FORMAT "/w.%s", seed, name);
  float offset, scale;

  shu_formula_values (key, n, ret_values);
  rule (name, n_dims, dims, n, &offset, &scale);
#pragma omp parallel for if (n > 100000)
  for (gsize i = 0; i < n; i++) {
    float v = scale * ret_values[i];

    ret_values[i] = offset + v;
  }
}

typedef struct {
  guint64 seed;
  gboolean (*exists) (const char *name, gpointer data);
} Synthetic;

static gboolean
synthetic_exists (const char *name, gpointer data)
{
  Synthetic *s = data;

  return !s->exists || s->exists (name, NULL);
}

static ShuTensor *
synthetic_make (const char *name, int n_dims, const gint64 *dims, gpointer data)
{
  Synthetic *s = data;
  g_autofree char *key =
      g_strdup_printf ("%" G_GUINT64_FORMAT "/w.%s", s->seed, name);
  float offset, scale;
  gsize n = 1;

  for (int i = 0; i < n_dims; i++)
    n *= (gsize) dims[i];
  rule (name, n_dims, dims, n, &offset, &scale);
  return shu_tensor_new_formula (n_dims, dims, fnv1a (key), offset, scale);
}

ShuWeights *
shu_weights_new_synthetic (
    guint64 seed, gboolean (*exists) (const char *name, gpointer data))
{
  Synthetic *s = g_new (Synthetic, 1);

  *s = (Synthetic){.seed = seed, .exists = exists};
  return shu_weights_new_made (synthetic_make, synthetic_exists, s, g_free);
}
