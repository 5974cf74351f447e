/* SPDX-License-Identifier: MIT */
/* Runners for seeded noise and for the sampling loop of Stage 1, run with the
 * toy network of the set's description. */
#include "golden_image.h"
#include "base/half.h"
#include "sampling/flow_euler.h"
#include "sampling/noise.h"
#include <math.h>
#include <string.h>

/* ---- noise ---- */

void
golden_run_cpu_noise (GoldenCase *t)
{
  gint64 dims[SHU_MAX_DIMS];
  int n_dims = golden_dims (t, "out.trellis_latent", dims);
  ShuNoise noise;
  gsize n = 1;
  g_autofree float *own = NULL;
  g_autofree double *wide = NULL;
  float first[15];

  for (int i = 0; i < n_dims; i++)
    n *= dims[i];
  own = g_new (float, n);
  shu_noise_init (&noise, t->seed, NULL);
  shu_noise_cpu (&noise, own, n);
  wide = g_new (double, MAX (n, 15));
  for (gsize i = 0; i < n; i++)
    wide[i] = own[i];
  golden_expect_within (t, "out.trellis_latent", wide, n, 1e-6);
  /* fewer than 16: one after the other */
  shu_noise_init (&noise, t->seed, NULL);
  shu_noise_cpu (&noise, first, 15);
  for (int i = 0; i < 15; i++)
    wide[i] = first[i];
  golden_expect_within (t, "out.first_15_scalar_path", wide, 15, 1e-6);
}

/* float16: equal for 99.5 % of the values, within 4e-3 for all */
static void
expect_halves (GoldenCase *t, const char *name, const float *own, gsize n)
{
  gsize n_golden, n_other = 0;
  g_autofree double *golden = golden_values (t, name, &n_golden);
  g_autofree char *share = g_strconcat (name, " (share that differs)", NULL);
  double worst = 0;

  if (!golden || n_golden != n) {
    golden_fail (t, "%s: another size", name);
    return;
  }
  for (gsize i = 0; i < n; i++) {
    n_other += golden[i] != own[i];
    worst = MAX (worst, fabs (golden[i] - own[i]));
  }
  golden_expect_error (t, name, worst, 4e-3);
  golden_expect_error (t, share, (double) n_other / n, 5e-3);
}

static gsize
count_of (GoldenCase *t, const char *name)
{
  gint64 dims[SHU_MAX_DIMS];
  int n_dims = golden_dims (t, name, dims);
  gsize n = n_dims > 0;

  for (int i = 0; i < n_dims; i++)
    n *= dims[i];
  return n;
}

/* "out.seedN.*": what Stage 1 draws, in its order */
static void
check_stage1_noise (
    GoldenCase *t, const char *seed, const ShuNoiseDevice *device)
{
  g_autofree char *embed = g_strdup_printf ("out.%s.embed_noise", seed);
  g_autofree char *views = g_strdup_printf ("out.%s.latents", seed);
  g_autofree char *structure = g_strdup_printf ("out.%s.structure", seed);
  gsize n_embed = count_of (t, embed), n_views = count_of (t, views);
  gsize n_structure = count_of (t, structure);
  guint64 number = g_ascii_strtoull (seed + strlen ("seed"), NULL, 10);
  g_autofree float *v = g_new0 (float, MAX (MAX (n_embed, n_views), 1));
  g_autofree float *s = g_new0 (float, MAX (n_structure, 1));
  g_autofree double *wide = g_new (double, MAX (n_structure, 1));
  ShuNoise noise;

  shu_noise_init (&noise, number, device);
  shu_noise_cuda_f16 (&noise, v, n_embed);
  expect_halves (t, embed, v, n_embed);
  shu_noise_stage1 (number, device, n_embed, v, n_views, s, n_structure);
  expect_halves (t, views, v, n_views);
  for (gsize i = 0; i < n_structure; i++)
    wide[i] = s[i];
  golden_expect_within (t, structure, wide, n_structure, 5e-6);
}

/* "out.f32.first.nN", "out.f16.first.nN": of a fresh generator, seed 43 */
static void
check_first_noise (
    GoldenCase *t, const char *name, const ShuNoiseDevice *device)
{
  enum { SEED = 43 };

  gsize n = count_of (t, name);
  g_autofree float *v = g_new0 (float, n);
  g_autofree double *wide = g_new0 (double, n);
  ShuNoise noise;

  shu_noise_init (&noise, SEED, device);
  if (strstr (name, ".f16.")) {
    shu_noise_cuda_f16 (&noise, v, n);
    expect_halves (t, name, v, n);
    return;
  }
  shu_noise_cuda (&noise, v, n);
  for (gsize i = 0; i < n; i++)
    wide[i] = v[i];
  golden_expect_within (t, name, wide, n, 5e-6);
}

void
golden_run_cuda_noise (GoldenCase *t)
{
  ShuNoiseDevice device = {shu_config_int (t->config, "sm_count", 1, 4096, 132),
      shu_config_int (t->config, "max_threads_per_sm", 1, 65536, 2048)};

  for (int i = 0; i < shu_safetensors_n (t->st); i++) {
    const char *name = shu_safetensors_name (t->st, i);
    g_auto (GStrv) part = g_strsplit (name, ".", 3);

    if (g_strv_length (part) < 3 || strcmp (part[0], "out") != 0)
      continue;
    if (g_str_has_prefix (part[1], "seed") && strcmp (part[2], "latents") == 0)
      check_stage1_noise (t, part[1], &device);
    else if (strcmp (part[1], "f32") == 0 || strcmp (part[1], "f16") == 0)
      check_first_noise (t, name, &device);
  }
}

/* ---- sampling ---- */

enum { V = 5, ROWS = 2 * V }; /* normal views, colour views */

/* Sizes and state of one run; arrays channels first, as the file has them */
typedef struct {
  gboolean half;
  const char *suffix; /* "f32" or "f16" */
  int L;              /* elements of one channel of a latent */
  int C;              /* channels of a latent */
  gsize n_structure;
  gsize n_label;  /* of the whole class label */
  gsize n_prompt; /* elements of one prompt */
  gsize n_context;
  float *latents, *images, *prompts, *structure;
  float *labels;  /* [20,n_label] */
  float *context; /* [2,n_context] */
} Toy;

static float
rounded (const Toy *toy, float v)
{
  return toy->half ? shu_f16_round (v) : v;
}

static float *
floats (GoldenCase *t, const Toy *toy, const char *name, gsize *ret_n)
{
  g_autofree double *v = golden_values (t, name, ret_n);
  float *ret = g_new0 (float, MAX (*ret_n, 1));

  for (gsize i = 0; i < *ret_n; i++)
    ret[i] = rounded (toy, (float) v[i]);
  return ret;
}

/* Row r of the UNet's batch: domain, conditional or not, view -> row of 10 */
static int
source_row (int r, gboolean *ret_cond)
{
  *ret_cond = r / V % 2;
  return r / ROWS * V + r % V;
}

/* [embedding, cos (0), sin (0)] in conditional rows, zero in the others */
static void
make_labels (Toy *toy, const float *embeds, gsize n_embed)
{
  toy->n_label = 2 * n_embed;
  toy->labels = g_new0 (float, 2 * ROWS * toy->n_label);
  for (int r = 0; r < 2 * ROWS; r++) {
    gboolean cond;
    const float *e = embeds + source_row (r, &cond) * n_embed;
    float *label = toy->labels + r * toy->n_label;

    for (gsize i = 0; cond && i < n_embed; i++) {
      label[i] = e[i];
      label[n_embed + i] = i < n_embed / 2;
    }
  }
}

/* Layer norm without affine, eps 1e-5, of the rows; zeros before it */
static void
make_context (GoldenCase *t, Toy *toy)
{
  gint64 dims[SHU_MAX_DIMS];
  ShuTensor *x = golden_input (t, "in.dino_x_prenorm");

  golden_dims (t, "in.dino_x_prenorm", dims);
  toy->n_context = x->n;
  toy->context = g_new0 (float, 2 * x->n);
  shu_to_host (
      t->ctx, shu_layer_norm (t->ctx, x, NULL, 1e-5f), toy->context + x->n);
}

static double
mean (const float *v, gsize n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += v[i];
  return n > 0 ? sum / n : 0;
}

/* The input of row @r, element @i of [2C,L]: latent, then image latent */
static float
toy_input (const Toy *toy, int r, gsize i)
{
  gboolean cond;
  gsize n = (gsize) toy->C * toy->L;
  int from = source_row (r, &cond);

  if (i < n)
    return toy->latents[from * n + i];
  return cond ? toy->images[from * n + i - n] : 0;
}

/* @ret [20,C,L] */
static void
toy_views (const Toy *toy, double t, float *ret)
{
  gsize n = (gsize) toy->C * toy->L;

  for (int r = 0; r < 2 * ROWS; r++) {
    gboolean cond;
    int from = source_row (r, &cond);
    float label = mean (toy->labels + r * toy->n_label, toy->n_label);
    float prompt = mean (toy->prompts + from * toy->n_prompt, toy->n_prompt);

    for (gsize i = 0; i < n; i++)
      ret[r * n + i] = rounded (toy,
          0.5f * toy_input (toy, r, i) + 0.25f * toy_input (toy, r, n + i) +
              (float) (0.125 * (t / 1000)) * label + 0.0625f * prompt);
  }
}

/* @ret [2,n_structure] */
static void
toy_structure (const Toy *toy, double t3, float *ret)
{
  for (int g = 0; g < 2; g++) {
    float context = mean (toy->context + g * toy->n_context, toy->n_context);

    for (gsize i = 0; i < toy->n_structure; i++)
      ret[g * toy->n_structure + i] =
          rounded (toy, 0.3f * toy->structure[i] - (float) (0.2 * (t3 / 1000)) +
                            0.1f * context);
  }
}

/* float32: an absolute 1e-6.  float16: two steps of that type, at the size of
 * the value or of the tensor's rms, whichever is more: values near zero are
 * differences of larger ones, and the file's CPU reference rounds the time
 * step to float16, which a GPU does not. */
static void
expect_state (
    GoldenCase *t, const Toy *toy, const char *what, const float *own, gsize n)
{
  g_autofree char *name = g_strdup_printf ("%s.%s", what, toy->suffix);
  gsize n_golden;
  g_autofree double *golden = golden_values (t, name, &n_golden);
  double worst = 0, rms = 0;

  if (!golden || n_golden > n) {
    golden_fail (t, "%s: another size", name);
    return;
  }
  for (gsize i = 0; i < n_golden; i++)
    rms += golden[i] * golden[i] / n_golden;
  rms = MAX (sqrt (rms), 0x1p-14);
  for (gsize i = 0; i < n_golden; i++) {
    double step = ldexp (1, ilogb (MAX (fabs (golden[i]), rms)) - 10);
    double d = fabs (golden[i] - own[i]);

    worst = MAX (worst, toy->half ? d / step : d);
  }
  golden_expect_error (t, name, worst, toy->half ? 2 : 1e-6);
}

static void
check_start (GoldenCase *t, Toy *toy)
{
  gsize n = 2 * (gsize) toy->C * toy->L;
  g_autofree float *input = g_new (float, 2 * ROWS * n);

  for (int r = 0; r < 2 * ROWS; r++)
    for (gsize i = 0; i < n; i++)
      input[r * n + i] = toy_input (toy, r, i);
  expect_state (t, toy, "out.first_input", input, 2 * ROWS * n);
  expect_state (
      t, toy, "out.class_labels", toy->labels, 2 * ROWS * toy->n_label);
  expect_state (t, toy, "out.trellis_cond", toy->context, 2 * toy->n_context);
}

static void
toy_step (Toy *toy, double t, double t_next, double guidance)
{
  gsize n = (gsize) toy->C * toy->L * V, m = toy->n_structure;
  g_autofree float *v = g_new (float, 4 * n);
  g_autofree float *w = g_new (float, 2 * m);
  ShuFlowRounding views = toy->half ? SHU_FLOW_F16 : SHU_FLOW_F32;
  ShuFlowRounding structure = toy->half ? SHU_FLOW_F16_VELOCITY : SHU_FLOW_F32;

  /* The file comes from a CPU, where torch rounds a scalar factor to the type
   * of the tensor; a GPU does not. */
  double d = rounded (toy, (float) (t - t_next));

  toy_views (toy, shu_flow_timestep (t), v);
  toy_structure (toy, shu_flow_timestep_f16 (t), w);
  for (int i = 0; i < 2; i++) {
    float *uncond = v + 2 * i * n, *cond = uncond + n;

    shu_guide_scale (cond, uncond, guidance, cond, n, views);
    shu_flow_step (toy->latents + i * n, cond, d, 0, n, views);
  }
  shu_guide_scale (w + m, w, guidance, w, m, structure);
  shu_flow_step (toy->structure, w, d, 0, m, structure);
}

static void
run_toy (GoldenCase *t, gboolean half)
{
  int n_steps = shu_config_int (t->config, "num_inference_steps", 1, 1000, -1);
  double guidance =
      shu_config_float (t->config, "guidance_scale", -100, 100, NAN);
  double rescale = shu_config_float (t->config, "rescale_t", 1e-3, 1e3, 3);
  g_autofree double *times = g_new (double, n_steps + 1);
  Toy toy = {.half = half, .suffix = half ? "f16" : "f32"}, plain = {0};
  gint64 dims[SHU_MAX_DIMS] = {0};
  gsize n = 0, n_embed = 0;
  g_autofree float *embeds = floats (t, &toy, "in.image_embeds", &n_embed);

  golden_dims (t, "in.latents", dims);
  toy.C = dims[1];
  toy.L = dims[2] * dims[3];
  toy.latents = floats (t, &toy, "in.latents", &n);
  toy.images = floats (t, &toy, "in.image_latents", &n);
  toy.prompts = floats (t, &toy, "in.prompt", &n);
  toy.n_prompt = n / ROWS;
  toy.structure = floats (t, &plain, "in.trellis_latent", &toy.n_structure);
  make_labels (&toy, embeds, n_embed / ROWS);
  make_context (t, &toy);
  check_start (t, &toy);
  shu_flow_times (n_steps, rescale, times);
  for (int i = 0; i < n_steps; i++) {
    gboolean last = i + 1 == n_steps;
    g_autofree char *views = last ? g_strdup ("out.latents")
                                  : g_strdup_printf ("mid.latents_%d", i + 1);
    g_autofree char *structure =
        last ? g_strdup ("out.trellis")
             : g_strdup_printf ("mid.trellis_%d", i + 1);

    toy_step (&toy, times[i], times[i + 1], guidance);
    expect_state (t, &toy, views, toy.latents, (gsize) ROWS * toy.C * toy.L);
    /* the structure's steps store the first channel only */
    expect_state (t, &toy, structure, toy.structure, toy.n_structure);
  }
  g_free (toy.latents);
  g_free (toy.images);
  g_free (toy.prompts);
  g_free (toy.structure);
  g_free (toy.labels);
  g_free (toy.context);
}

static void
check_times (GoldenCase *t, int n_steps, double rescale, const char *name,
    double scale, gboolean with_end, const char *rounded_name)
{
  g_autofree double *times = g_new (double, n_steps + 1);
  g_autofree double *own = g_new (double, n_steps + 1);

  shu_flow_times (n_steps, rescale, times);
  for (int i = 0; i <= n_steps; i++)
    own[i] = scale * times[i];
  golden_expect_within (t, name, own, n_steps + with_end, 1e-12 * scale);
  for (int i = 0; i < n_steps; i++)
    own[i] = shu_flow_timestep_f16 (times[i]);
  golden_expect_within (t, rounded_name, own, n_steps, 0);
}

void
golden_run_sampler (GoldenCase *t)
{
  enum { OFFICIAL_STEPS = 50 };

  int n_steps = shu_config_int (t->config, "num_inference_steps", 1, 1000, -1);
  double rescale = shu_config_float (t->config, "rescale_t", 1e-3, 1e3, 3);

  check_times (t, n_steps, rescale, "out.t_x1000_f64", 1000, FALSE,
      "out.trellis_t_f16value");
  check_times (t, OFFICIAL_STEPS, 3, "out.official_t_seq_50", 1, TRUE,
      "out.official_trellis_t_f16value");
  run_toy (t, FALSE);
  run_toy (t, TRUE);
}
