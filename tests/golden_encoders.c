/* SPDX-License-Identifier: MIT */
/* Runners for encoders, decoders of Stage 1, and matting. */
#include "golden.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/ss_decoder.h"
#include "models/u2net.h"
#include "models/vae.h"
#include "nn/rsu.h"
#include <math.h>
#include <string.h>

/* ---- f: encoders and decoders ---- */

static gboolean
tap_clip (GoldenCase *t, const char *name, ShuTensor *value)
{
  const char *outs[] = {"out.last_hidden_state", "out.last_hidden"};

  for (gsize i = 0;
       strcmp (name, "last_hidden_state") == 0 && i < G_N_ELEMENTS (outs); i++)
    if (golden_has (t, outs[i]))
      golden_expect (t, outs[i], value);
  return FALSE;
}

static void
run_clip (GoldenCase *t)
{
  GError *error = NULL;
  g_autoptr (ShuClip) m = shu_clip_new (t->config, t->weights, &error);

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  t->tap = tap_clip;
  golden_expect (t, "out.image_embeds",
      shu_clip_embed (t->ctx, m, golden_input_last (t, "in.pixel_values")));
}

/* "in.image.N" -> "out.N.*", with every block tapped */
static void
run_dino_case (GoldenCase *t, const ShuDinov2 *m, int N)
{
  int depth = shu_dinov2_depth (m), patch = shu_dinov2_patch (m);
  g_autofree int *blocks = g_new (int, depth);
  g_autofree ShuTensor **taps = g_new (ShuTensor *, depth);
  g_autofree char *in = g_strdup_printf ("in.image.%d", N);
  ShuTensor *x = golden_input_last (t, in);
  char name[48];

  g_snprintf (name, sizeof name, "out.%d.x_prenorm", N);
  golden_expect (t, name, shu_dinov2_tokens (t->ctx, m, x));
  g_snprintf (name, sizeof name, "out.%d.cond", N);
  golden_expect (t, name, shu_dinov2_condition (t->ctx, m, x));
  g_snprintf (name, sizeof name, "out.%d.pos", N);
  golden_expect (t, name,
      shu_dinov2_positions (t->ctx, m, x->dims[1] / patch, x->dims[2] / patch));
  for (int i = 0; i < depth; i++)
    blocks[i] = i;
  shu_dinov2_taps (t->ctx, m, x, depth, blocks, taps);
  for (int i = 0; i < depth; i++) {
    g_snprintf (name, sizeof name, "out.%d.inter.%d", N, i);
    golden_expect (t, name, taps[i]);
  }
}

static void
run_dino (GoldenCase *t)
{
  GError *error = NULL;
  g_autoptr (ShuDinov2) m = shu_dinov2_new (t->config, t->weights, &error);
  char name[32];

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  for (int N = 0;; N++) {
    SHU_SCOPE (t->ctx);
    g_snprintf (name, sizeof name, "in.image.%d", N);
    if (!golden_has (t, name))
      break;
    run_dino_case (t, m, N);
  }
}

static void
run_dino_full (GoldenCase *t)
{
  static const int blocks[] = {4, 11, 17, 23};
  GError *error = NULL;
  g_autoptr (ShuDinov2) m = shu_dinov2_new (t->config, t->weights, &error);
  ShuTensor *taps[G_N_ELEMENTS (blocks)], *x;
  char name[32];

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  x = shu_dinov2_tokens (t->ctx, m, golden_input_last (t, "in.image518"));
  golden_expect (t, "out.x_prenorm", x);
  golden_expect (t, "out.cond", shu_layer_norm (t->ctx, x, NULL, 1e-5f));
  shu_dinov2_taps (t->ctx, m, golden_input_last (t, "in.image896"),
      G_N_ELEMENTS (blocks), blocks, taps);
  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++) {
    g_snprintf (name, sizeof name, "out.inter.%d", (int) i);
    golden_expect (t, name, taps[i]);
  }
}

/* The small files call some modules by shorter names. */
static gboolean
tap_short (GoldenCase *t, const char *name, ShuTensor *value)
{
  static const char *const names[][2] = {
      {"encoder.mid_block", "mid.encoder.mid"},
      {"decoder.mid_block", "mid.decoder.mid"}, {"middle_block", "mid.middle"}};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i][0]) == 0 && golden_has (t, names[i][1])) {
      golden_expect_last (t, names[i][1], value);
      return TRUE;
    }
  return FALSE;
}

static void
run_vae (GoldenCase *t)
{
  GError *error = NULL;
  g_autoptr (ShuVae) m = shu_vae_new (t->config, t->weights, &error);
  ShuTensor *moments;

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  t->tap = tap_short;
  moments = shu_vae_encode (t->ctx, m, golden_input_last (t, "in.image"));
  if (golden_has (t, "out.moments"))
    golden_expect_last (t, "out.moments", moments);
  golden_expect_last (t, "out.latent_mode",
      shu_slice (t->ctx, moments, 3, 0, shu_vae_latent_channels (m)));
  golden_expect_last (t, "out.decoded",
      shu_vae_decode (t->ctx, m, golden_input_last (t, "in.latent")));
}

/* Occupied voxels must agree but where the logit is as good as zero: nearer to
 * it than logits may be wrong. */
static void
expect_coords (GoldenCase *t, ShuTensor *logits)
{
  g_autofree float *data = g_new (float, logits->n);
  g_autoptr (GArray) own = NULL;
  gsize n;
  g_autofree double *golden = NULL;
  g_autofree guint8 *state = g_new0 (guint8, logits->n);
  const gint64 *d = logits->dims;
  double worst = 0, square = 0;

  if (!shu_to_host (t->ctx, logits, data))
    return;
  own = shu_ss_occupied (data, d[0], d[1], d[2], d[3]);
  golden = golden_values (t, "out.coords", &n);
  for (gsize i = 0; golden && i + 3 < n; i += 4) {
    gint64 at =
        ((golden[i] * d[1] + golden[i + 1]) * d[2] + golden[i + 2]) * d[3] +
        golden[i + 3];

    if (at >= 0 && at < (gint64) logits->n)
      state[at] ^= 1;
  }
  for (guint i = 0; i < own->len; i += 4) {
    const gint32 *row = &g_array_index (own, gint32, i);

    state[((row[0] * d[1] + row[1]) * d[2] + row[2]) * d[3] + row[3]] ^= 1;
  }
  for (gsize i = 0; i < logits->n; i++) {
    square += data[i] * data[i] / logits->n;
    if (state[i])
      worst = MAX (worst, fabs (data[i]));
  }
  golden_expect_error (
      t, "out.coords", worst, golden_is_half (t) ? 1e-2 * sqrt (square) : 1e-4);
}

static void
run_ss_decoder (GoldenCase *t)
{
  GError *error = NULL;
  g_autoptr (ShuSsDecoder) m =
      shu_ss_decoder_new (t->config, t->weights, &error);
  ShuTensor *logits;

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  t->tap = tap_short;
  logits = shu_ss_decoder (t->ctx, m, golden_input_last (t, "in.latent"));
  golden_expect_last (t, "out.logits", logits);
  if (golden_has (t, "out.coords"))
    expect_coords (t, logits);
  if (golden_has (t, "out.occupied")) {
    gsize n;
    g_autofree double *golden = golden_values (t, "out.occupied", &n);
    g_autofree float *data = g_new (float, logits->n);
    double count = 0;

    shu_to_host (t->ctx, logits, data);
    for (gsize i = 0; i < logits->n; i++)
      count += data[i] > 0;
    golden_expect_error (
        t, "out.occupied", fabs (count - golden[0]), 1e-3 * logits->n);
  }
}

/* ---- m: matting ---- */

static void
run_rsu (GoldenCase *t)
{
  g_autofree const char **names = shu_config_keys (t->config);

  for (const char **name = names; *name; name++) {
    ShuConfig *config = shu_config_at (t->config, *name);
    int Ci = shu_config_int (config, "in_ch", 1, 1 << 16, -1);
    int M = shu_config_int (config, "mid_ch", 1, 1 << 16, -1);
    int Co = shu_config_int (config, "out_ch", 1, 1 << 16, -1);
    int height = (int) g_ascii_strtoll (*name + strlen ("rsu"), NULL, 10);
    gboolean dilated = g_str_has_suffix (*name, "f");
    g_autofree char *in = g_strconcat ("in.", *name, NULL);
    g_autofree char *out = g_strconcat ("out.", *name, NULL);
    g_autofree char *odd_in = g_strconcat (in, "_odd", NULL);
    g_autofree char *odd_out = g_strconcat (out, "_odd", NULL);
    ShuRsu r = shu_rsu_load (t->weights, *name, height, dilated, Ci, M, Co);

    golden_expect_last (
        t, out, shu_rsu (t->ctx, &r, golden_input_last (t, in)));
    if (golden_has (t, odd_in))
      golden_expect_last (
          t, odd_out, shu_rsu (t->ctx, &r, golden_input_last (t, odd_in)));
    shu_rsu_clear (&r);
  }
}

static void
run_u2net (GoldenCase *t)
{
  GError *error = NULL;
  g_autoptr (ShuU2net) m = shu_u2net_new (t->config, t->weights, &error);
  ShuTensor *sides[SHU_U2NET_SIDES];
  char name[16];

  if (!m) {
    golden_take_error (t, error);
    return;
  }
  golden_expect_last (
      t, "out.d0", shu_u2net (t->ctx, m, golden_input_last (t, "in.x"), sides));
  for (int i = 0; i < SHU_U2NET_SIDES; i++) {
    g_snprintf (name, sizeof name, "out.d%d", i + 1);
    if (golden_has (t, name))
      golden_expect_last (t, name, sides[i]);
  }
}

const GoldenRunner golden_encoder_runners[] = {
    {"CLIPVisionModelWithProjection (equivalent written in the script)",
        run_clip},
    {"transformers CLIPVisionModelWithProjection", run_clip, GOLDEN_WHOLE},
    {"DinoVisionTransformer with registers", run_dino},
    {"dinov2 vit_large with 4 registers", run_dino_full, GOLDEN_WHOLE},
    {"diffusers AutoencoderKL", run_vae, GOLDEN_WHOLE},
    {"SparseStructureDecoder", run_ss_decoder},
    {"U-2-Net RSU7, RSU6, RSU5, RSU4, RSU4F alone", run_rsu},
    {"U-2-Net U2NETP", run_u2net, GOLDEN_WHOLE},
    {"U-2-Net U2NET (the class behind u2net.pth / u2net.onnx)", run_u2net,
        GOLDEN_WHOLE},
    {NULL, NULL},
};
