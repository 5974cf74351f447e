/* SPDX-License-Identifier: MIT */
/* The image autoencoder: spellings of its files, and large batches. */
#include "base/error.h"
#include "models/vae.h"
#include <math.h>
#include <string.h>

static const char config_text[] =
    "{\"block_out_channels\": [8, 16], \"layers_per_block\": 1, "
    "\"norm_num_groups\": 4, \"latent_channels\": 4}";

/* What old files call the layers of the attention */
static const struct {
  const char *now, *old;
} names[] = {{"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"},
    {"to_out.0", "proj_attn"}};

/* Values depend on today's name, whichever was asked for. */
static void
formula (const char *name, int n_dims, const gint64 *dims, gsize n,
    float *ret_values, gpointer data)
{
  g_autofree char *key = g_strdup (name);
  guint64 state;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_auto (GStrv) part = g_strsplit (key, names[i].old, 2);

    if (part[1]) {
      g_free (key);
      key = g_strconcat (part[0], names[i].now, part[1], NULL);
    }
  }
  state = g_str_hash (key);
  for (gsize i = 0; i < n; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    ret_values[i] = 0.2f * (gint32) (state >> 32) * 0x1p-31f + (n_dims == 1);
  }
}

/* @data: the file has the old names */
static gboolean
exists (const char *name, gpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strstr (name, data ? names[i].now : names[i].old))
      return FALSE;
  return TRUE;
}

static ShuVae *
new_vae (gboolean old)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuConfig) config =
      shu_config_parse (config_text, -1, "test", &error);
  g_autoptr (ShuWeights) w =
      shu_weights_new_formula (formula, exists, GINT_TO_POINTER (old), NULL);
  ShuVae *m = shu_vae_new (config, w, &error);

  g_assert_no_error (error);
  return m;
}

/* Latents [B,S,S,4] -> pictures, host; @first: of a longer batch */
static float *
decode (ShuCtx *c, const ShuVae *m, int first, int B, int S, gsize *ret_n)
{
  SHU_SCOPE (c);
  gsize n = (gsize) B * S * S * 4, skip = (gsize) first * S * S * 4;
  g_autofree float *z = g_new (float, n);
  g_autoptr (GError) error = NULL;
  ShuTensor *x;
  float *ret;

  for (gsize i = 0; i < n; i++)
    z[i] = sinf ((i + skip) * 0.37f);
  x = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (B, S, S, 4), z);
  x = shu_vae_decode (c, m, x);
  ret = g_new (float, x->n);
  *ret_n = x->n;
  shu_to_host (c, x, ret);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return ret;
}

static void
test_old_names (void)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuVae) now = new_vae (FALSE), old = new_vae (TRUE);
  gsize n, m;
  g_autofree float *a = decode (c, now, 0, 1, 6, &n);
  g_autofree float *b = decode (c, old, 0, 1, 6, &m);

  g_assert_cmpmem (a, n * sizeof *a, b, m * sizeof *b);
}

static void
test_batch (void)
{
  enum { B = 3 };

  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuVae) m = new_vae (FALSE);
  gsize n, one;
  g_autofree float *all = decode (c, m, 0, B, 24, &n);

  for (int i = 0; i < B; i++) {
    g_autofree float *row = decode (c, m, i, 1, 24, &one);

    g_assert_cmpuint (n, ==, B * one);
    for (gsize k = 0; k < one; k++)
      g_assert_cmpfloat (fabsf (row[k] - all[i * one + k]), <, 1e-4);
  }
}

static void
test_sides (void)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuVae) m = new_vae (FALSE);
  g_autoptr (GError) error = NULL;
  SHU_SCOPE (c);

  shu_vae_encode (c, m, shu_fill (c, SHU_DIMS (1, 8, 9, 3), 0));
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models/vae/old_attention_names", test_old_names);
  g_test_add_func ("/models/vae/rows_are_independent", test_batch);
  g_test_add_func ("/models/vae/odd_sides_refused", test_sides);
  return g_test_run ();
}
