/* SPDX-License-Identifier: MIT */
/* Runners for the pictures around the networks: preprocessing, matting, what
 * is saved.  A file's pictures lie beside it as PNG. */
#include "golden_image.h"
#include "golden_data.h"
#include "formats/png.h"
#include "base/postprocess.h"
#include "formats/preprocess.h"
#include "base/resample.h"
#include <math.h>
#include <string.h>

enum {
  MATTING_SIDE = 320,
  BODY_PROBE = 9973,   /* every such float is stored */
  NORMAL_PROBE = 4999, /* likewise */
  FACE_ROWS = 51,      /* distance of the stored rows of a face normal */
};

/* ---- pictures beside the file ---- */

static ShuImage *
read_picture (GoldenCase *t, const char *format, const char *name)
{
  g_autofree char *file = g_strdup_printf (format, name);
  g_autofree char *path = g_build_filename (t->dir, file, NULL);
  GError *error = NULL;
  ShuImage *image = shu_png_read (path, &error);

  if (!image)
    golden_take_error (t, error);
  return image;
}

static gboolean
has_picture (GoldenCase *t, const char *format, const char *name)
{
  g_autofree char *file = g_strdup_printf (format, name);
  g_autofree char *path = g_build_filename (t->dir, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* At most one step on any channel; a grey picture may be stored as RGB. */
static void
expect_picture (
    GoldenCase *t, const char *format, const char *name, const ShuImage *own)
{
  g_autofree char *file = g_strdup_printf (format, name);
  g_autoptr (ShuImage) golden = read_picture (t, format, name);
  int n_own = own ? own->n_channels : 0, n_golden, worst = 0;

  if (!golden)
    return;
  n_golden = golden->n_channels;
  if (!own || own->width != golden->width || own->height != golden->height) {
    golden_fail (t, "%s: another size", file);
    return;
  }
  for (gsize i = 0; i < (gsize) own->width * own->height; i++)
    for (int k = 0; k < MAX (n_own, n_golden); k++) {
      int a = k < n_own ? own->data[i * n_own + k] : 255;
      int b = k < n_golden ? golden->data[i * n_golden + k] : 255;

      if (n_own == 1 && k < 3)
        a = own->data[i];
      worst = MAX (worst, ABS (a - b));
    }
  golden_expect_error (t, file, worst, 1);
}

/* ---- h: preprocessing ---- */

/* [H,W,3] -> the reference's order [3,H,W] */
static float *
planes (const float *v, gsize n_pixels)
{
  float *ret = g_new (float, 3 * n_pixels);

  for (gsize i = 0; i < n_pixels; i++)
    for (int k = 0; k < 3; k++)
      ret[k * n_pixels + i] = v[3 * i + k];
  return ret;
}

/* The float composite of @canvas on white: its sum; every so many-th value is
 * compared with "out.NAME.WHAT_probe" */
static double
expect_composite (
    GoldenCase *t, const char *name, const char *what, const ShuImage *canvas)
{
  gsize n = (gsize) canvas->width * canvas->height;
  g_autofree float *v = g_new (float, 3 * n);
  g_autofree float *first = NULL;
  g_autofree char *probe = g_strdup_printf ("out.%s.%s_probe", name, what);
  gsize n_probes = (3 * n + BODY_PROBE - 1) / BODY_PROBE;
  double sum = 0;

  shu_composite (canvas, 1, v);
  first = planes (v, n);
  for (gsize i = 0; i < 3 * n; i++)
    sum += first[i];
  for (gsize i = 0; i < n_probes; i++)
    first[i] = first[i * BODY_PROBE];
  golden_expect_floats (t, probe, first, n_probes);
  return sum;
}

static double
byte_sum (const ShuImage *image)
{
  double sum = 0;

  for (gsize i = 0; i < shu_image_size (image); i++)
    sum += image->data[i];
  return sum;
}

/* (transfer full) (nullable) */
static ShuImage *
image_of (GoldenCase *t, ShuTensor *picture)
{
  return shu_picture_to_image (t->ctx, picture, SHU_TRAFFIC_IMAGE);
}

static void
run_preprocess_picture (GoldenCase *t, const char *name)
{
  int side = shu_config_int (t->config, "mv_img_wh", 3, 4096, 768);
  g_autoptr (ShuImage) in = read_picture (t, "h_%s_in.png", name);
  g_autoptr (ShuImage) stored = read_picture (t, "h_%s_518.png", name);
  g_autoptr (ShuImage) clip = read_picture (t, "h_%s_clip_body.png", name);
  g_autofree char *wh = g_strdup_printf ("out.%s.sizes_in_wh", name);
  g_autofree char *sums = g_strdup_printf ("out.%s.body_face_518_sums", name);
  g_autoptr (ShuImage) canvas = NULL, face = NULL, body = NULL;
  g_autoptr (ShuImage) face_rgb = NULL, condition = NULL, small = NULL;
  GError *error = NULL;
  double sum[3];

  if (!in || !stored || !clip)
    return;
  golden_expect_exact (t, wh, (gint32[]){in->width, in->height}, 2);
  {
    SHU_SCOPE (t->ctx);
    ShuTensor *cutout = shu_picture_from_image (t->ctx, in);
    ShuTensor *body_canvas = shu_body_canvas (t->ctx, cutout, side, NULL);

    canvas = image_of (t, body_canvas);
    face = image_of (t, shu_face_canvas (t->ctx, body_canvas));
    condition =
        image_of (t, shu_condition_image (t->ctx, cutout, stored->width, NULL));
  }
  if (!shu_ctx_finish (t->ctx, &error)) {
    golden_take_error (t, error);
    return;
  }
  body = shu_image_flatten (canvas, 1);
  face_rgb = shu_image_flatten (face, 1);
  small =
      shu_image_resize (body, clip->width, clip->height, SHU_FILTER_BICUBIC);
  expect_picture (t, "h_%s_body.png", name, body);
  expect_picture (t, "h_%s_face.png", name, face_rgb);
  expect_picture (t, "h_%s_518.png", name, condition);
  expect_picture (t, "h_%s_clip_body.png", name, small);
  sum[0] = expect_composite (t, name, "body", canvas);
  sum[1] = expect_composite (t, name, "face", face);
  sum[2] = byte_sum (condition);
  golden_expect_within (t, sums, sum, 3, 1);
}

static void
run_preprocess (GoldenCase *t)
{
  /* as the feature extractor's JSON and DINOv2 have them */
  static const float clip[] = {0.48145466f, 0.4578275f, 0.40821073f,
      0.26862954f, 0.26130258f, 0.27577711f};
  static const float dino[] = {0.485f, 0.456f, 0.406f, 0.229f, 0.224f, 0.225f};
  static const char suffix[] = ".sizes_in_wh";

  for (int i = 0; i < shu_safetensors_n (t->st); i++) {
    const char *tensor = shu_safetensors_name (t->st, i);
    g_autofree char *name = NULL;

    if (!g_str_has_prefix (tensor, "out.") ||
        !g_str_has_suffix (tensor, suffix))
      continue;
    name = g_strndup (tensor + 4, strlen (tensor) - 4 - strlen (suffix));
    run_preprocess_picture (t, name);
  }
  golden_expect_floats (t, "out.clip_mean_std", clip, G_N_ELEMENTS (clip));
  golden_expect_floats (t, "out.dino_mean_std", dino, G_N_ELEMENTS (dino));
}

/* ---- i: what is saved ---- */

/* Row @b of the decoded batch, [S,S,3] */
static float *
decoded_view (int b, int S, int k)
{
  float *v = g_new (float, 3 * (gsize) S * S);

  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++)
      for (int c = 0; c < 3; c++)
        v[3 * ((gsize) y * S + x) + c] =
            ((3 * x + 5 * y + 61 * c + k * 37 * b) % 640) / 256.0f - 1.25f;
  return v;
}

static void
run_postprocess (GoldenCase *t)
{
  int k = shu_config_int (t->config, "k", 0, 1000, 7), S, q;
  g_autoptr (ShuImage) stored = read_picture (t, "i_%s.png", "normal_0");
  g_autoptr (ShuImage) normal = NULL, color = NULL;
  g_autofree float *front = NULL, *face = NULL, *back = NULL, *first = NULL;
  g_autofree float *rows = NULL;
  gsize n, n_rows = 0, n_probes;

  if (!stored)
    return;
  S = stored->width;
  q = S / 3;
  n = 3 * (gsize) S * S;
  front = decoded_view (0, S, k);
  face = decoded_view (4, S, k);
  back = decoded_view (5 + 2, S, k); /* colours follow the five normals */
  shu_view_denormalize (front, n);
  shu_view_denormalize (face, n);
  shu_view_denormalize (back, n);
  shu_view_paste_face (front, face, S);
  normal = shu_view_to_image (front, S, S, FALSE);
  color = shu_view_to_image (back, S, S, FALSE);
  expect_picture (t, "i_%s.png", "normal_0", normal);
  expect_picture (t, "i_%s.png", "color_2", color);

  rows = g_new (float, n);
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < q; y += FACE_ROWS)
      for (int x = 0; x < q; x++)
        rows[n_rows++] = front[3 * ((gsize) y * S + q + x) + c];
  golden_expect_floats (t, "out.face_normal_rows", rows, n_rows);
  first = planes (front, (gsize) S * S);
  n_probes = (n + NORMAL_PROBE - 1) / NORMAL_PROBE;
  for (gsize i = 0; i < n_probes; i++)
    first[i] = first[i * NORMAL_PROBE];
  golden_expect_floats (t, "out.normal_0_probe", first, n_probes);
}

/* ---- m: matting ---- */

static void
expect_hash (GoldenCase *t, const char *name, const char *what,
    gconstpointer data, gsize size)
{
  const char *text = golden_metadata (t, "fnv1a64");
  g_autoptr (ShuConfig) hashes =
      text ? shu_config_parse (text, -1, "fnv1a64", NULL) : NULL;
  g_autofree char *key = g_strdup_printf ("%s.%s", name, what);
  g_autofree char *label = g_strdup_printf ("hash of %s", key);
  g_autofree char *own =
      g_strdup_printf ("%016" G_GINT64_MODIFIER "x", golden_fnv1a (data, size));
  const char *golden = hashes ? shu_config_string (hashes, key, "") : "";

  golden_expect_error (t, label, strcmp (own, golden) != 0, 0);
}

static void
expect_image_hash (
    GoldenCase *t, const char *name, const char *what, const ShuImage *image)
{
  expect_hash (t, name, what, image->data, shu_image_size (image));
}

/* The picture in the mode that the configuration says: hash of its bytes */
static void
expect_mode_hash (GoldenCase *t, const char *name, const ShuImage *in)
{
  const char *mode =
      shu_config_string (shu_config_at (t->config, name), "mode", "RGB");
  int n = strcmp (mode, "L") == 0 ? 1 : strcmp (mode, "RGB") == 0 ? 3 : 4;
  g_autoptr (ShuImage) own = shu_image_new (in->width, in->height, n);

  for (gsize i = 0; i < (gsize) in->width * in->height; i++)
    for (int k = 0; k < n; k++)
      own->data[i * n + k] =
          k < in->n_channels ? in->data[i * in->n_channels + k] : 255;
  expect_image_hash (t, name, "in", own);
}

/* "KIND.NAME.WHAT" */
static char *
tensor_name (const char *kind, const char *name, const char *what)
{
  return g_strdup_printf ("%s.%s.%s", kind, name, what);
}

static void
expect_image (GoldenCase *t, const char *kind, const char *name,
    const char *what, const ShuImage *image)
{
  g_autofree char *full = tensor_name (kind, name, what);
  gsize n = shu_image_size (image);
  g_autofree float *v = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    v[i] = image->data[i];
  golden_expect_floats (t, full, v, n);
}

static void
expect_values (GoldenCase *t, const char *kind, const char *name,
    const char *what, const float *v, gsize n)
{
  g_autofree char *full = tensor_name (kind, name, what);

  golden_expect_floats (t, full, v, n);
}

/* The made-up network of the set's description */
static void
made_up_network (GoldenCase *t, const char *name, float *ret)
{
  ShuConfig *config = shu_config_at (t->config, name);
  int cx = shu_config_int (config, "cx", 0, MATTING_SIDE, -1);
  int cy = shu_config_int (config, "cy", 0, MATTING_SIDE, -1);
  g_autofree char *keyed =
      g_strdup_printf ("%" G_GUINT64_FORMAT "/in.net_out.%s", t->seed, name);
  guint64 key = golden_fnv1a (keyed, strlen (keyed));

  for (int y = 0; y < MATTING_SIDE; y++)
    for (int x = 0; x < MATTING_SIDE; x++) {
      int i = y * MATTING_SIDE + x, far, near;

      near =
          3300000 - 11 * (52 * (x - cx) * (x - cx) + 15 * (y - cy) * (y - cy));
      near = CLAMP (near, 20000, 990000);
      far = 600000 - 700 * ((x - 40) * (x - 40) + (y - 60) * (y - 60));
      far = CLAMP (far, 20000, 310000);
      ret[i] =
          (float) (MAX (near, far) + (golden_stream (key, i) >> 15)) * 0x1p-20f;
    }
}

/* What goes into the network: the picture at 320x320, normalised */
static void
check_network_input (GoldenCase *t, const char *name, const ShuImage *picture)
{
  gsize n = MATTING_SIDE * MATTING_SIDE, row = MATTING_SIDE / 2;
  g_autofree float *v = g_new (float, 3 * n), *chw = NULL;
  g_autofree float *line = g_new (float, 3 * MATTING_SIDE);
  g_autoptr (ShuImage) small = shu_image_resize (
      picture, MATTING_SIDE, MATTING_SIDE, SHU_FILTER_LANCZOS);
  g_autofree char *max = tensor_name ("mid", name, "max_pixel");
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  gint32 max_pixel = 0;

  for (gsize i = 0; i < shu_image_size (small); i++)
    max_pixel = MAX (max_pixel, small->data[i]);
  golden_expect_exact (t, max, &max_pixel, 1);
  expect_image_hash (t, name, "320", small);
  expect_picture (t, "m_%s_320.png", name, small);
  /* f32, on every device */
  shu_to_host (cpu,
      shu_matting_input (
          cpu, shu_picture_from_image (cpu, picture), MATTING_SIDE),
      v);
  chw = planes (v, n);
  expect_hash (t, name, "net_in_f32", chw, 3 * n * sizeof *chw);
  expect_values (t, "out", name, "net_in", chw, 3 * n);
  for (int k = 0; k < 3; k++)
    memcpy (line + k * MATTING_SIDE, chw + k * n + row * MATTING_SIDE,
        MATTING_SIDE * sizeof *line);
  expect_values (t, "out", name, "net_in.row160", line, 3 * MATTING_SIDE);
}

/* What comes out of it -> the mask */
static ShuImage *
check_network_output (GoldenCase *t, const char *name)
{
  gsize n = MATTING_SIDE * MATTING_SIDE;
  g_autofree float *p = g_new (float, n);
  float range[2] = {INFINITY, -INFINITY};
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  GError *error = NULL;
  ShuMaskMeasures m;
  ShuTensor *in;
  ShuImage *mask;

  made_up_network (t, name, p);
  expect_hash (t, name, "net_out_f32", p, n * sizeof *p);
  expect_values (t, "mid", name, "net_out", p, n);
  in = shu_from_host (
      cpu, SHU_DTYPE_F32, SHU_DIMS (1, MATTING_SIDE, MATTING_SIDE, 1), p);
  shu_mask_measure (
      cpu, in, NULL, &(ShuBox){0, 0, MATTING_SIDE, MATTING_SIDE}, 0, &m);
  mask = shu_picture_to_image (
      cpu, shu_matting_mask (cpu, in, &m), SHU_TRAFFIC_IMAGE);
  if (!shu_ctx_finish (cpu, &error))
    golden_take_error (t, error);
  for (gsize i = 0; i < n; i++) {
    range[0] = MIN (range[0], p[i]);
    range[1] = MAX (range[1], p[i]);
  }
  expect_values (t, "mid", name, "net_out_minmax", range, 2);
  for (gsize i = 0; i < n; i++)
    p[i] = (p[i] - range[0]) / (range[1] - range[0]);
  expect_values (t, "mid", name, "net_out_norm", p, n);
  return mask;
}

/* As the reference does it, whose colours are multiplied by alpha once more */
static ShuImage *
multiplied_cutout (GoldenCase *t, const ShuImage *picture, const ShuImage *mask)
{
  SHU_SCOPE (t->ctx);
  ShuImage *cutout = image_of (
      t, shu_matting_cutout (t->ctx, shu_picture_from_image (t->ctx, picture),
             shu_picture_from_image (t->ctx, mask)));

  for (gsize i = 0; cutout && i < shu_image_size (cutout); i += 4)
    for (int k = 0; k < 3; k++)
      cutout->data[i + k] =
          shu_mul_div_255 (cutout->data[i + k], cutout->data[i + 3]);
  return cutout;
}

static void
run_matting_picture (GoldenCase *t, const char *name)
{
  g_autoptr (ShuImage) in = read_picture (t, "m_%s_in.png", name);
  g_autoptr (ShuImage) stored = read_picture (t, "m_%s_518.png", name);
  g_autoptr (ShuImage) rgb = NULL, picture = NULL, mask = NULL, full = NULL;
  g_autoptr (ShuImage) cutout = NULL, condition = NULL;
  g_autofree char *sizes = tensor_name ("mid", name, "sizes_wh_in_shrunk");
  GError *error = NULL;

  if (!in || !stored)
    return;
  expect_mode_hash (t, name, in);
  {
    SHU_SCOPE (t->ctx);

    picture = image_of (
        t, shu_matting_picture (t->ctx, shu_picture_from_image (t->ctx, in)));
  }
  if (!shu_ctx_finish (t->ctx, &error)) {
    golden_take_error (t, error);
    return;
  }
  golden_expect_exact (t, sizes,
      (gint32[]){in->width, in->height, picture->width, picture->height}, 4);
  expect_image_hash (t, name, "shrunk", picture);
  expect_image (t, "mid", name, "shrunk", picture);
  check_network_input (t, name, picture);
  mask = check_network_output (t, name);
  if (!mask)
    return;
  expect_image_hash (t, name, "mask320", mask);
  expect_picture (t, "m_%s_mask320.png", name, mask);
  full = shu_image_resize (
      mask, picture->width, picture->height, SHU_FILTER_LANCZOS);
  expect_image_hash (t, name, "mask", full);
  expect_picture (t, "m_%s_mask.png", name, full);
  cutout = multiplied_cutout (t, picture, mask);
  expect_image_hash (t, name, "cutout", cutout);
  expect_image (t, "out", name, "cutout", cutout);
  if (has_picture (t, "m_%s_cutout.png", name))
    expect_picture (t, "m_%s_cutout.png", name, cutout);
  {
    SHU_SCOPE (t->ctx);

    condition = image_of (
        t, shu_condition_image (t->ctx, shu_picture_from_image (t->ctx, cutout),
               stored->width, NULL));
  }
  if (!shu_ctx_finish (t->ctx, &error)) {
    golden_take_error (t, error);
    return;
  }
  expect_image_hash (t, name, "518", condition);
  expect_image (t, "out", name, "final518", condition);
  expect_picture (t, "m_%s_518.png", name, condition);
}

static void
run_matting (GoldenCase *t)
{
  g_autofree const char **names = shu_config_keys (t->config);

  for (const char **name = names; *name; name++)
    run_matting_picture (t, *name);
}

const GoldenRunner golden_image_runners[] = {
    {"torch.manual_seed + torch.randn(1,8,16,16,16) on the CPU generator",
        golden_run_cpu_noise, GOLDEN_HOST},
    {"torch.randn (CUDA, Philox)", golden_run_cuda_noise, GOLDEN_HOST},
    {"SyncHumanOneStagePipeline.run_model loop with the toy network",
        golden_run_sampler, GOLDEN_HOST},
    {"load_img_face, preprocess_image, CLIP image preprocessing",
        run_preprocess, GOLDEN_HOST},
    {"VaeImageProcessor.postprocess(pt) + face normal paste + save_image "
     "rounding",
        run_postprocess, GOLDEN_HOST},
    {"rembg.remove with U2netSession and a made-up network; SyncHuman "
     "preprocess_image around it",
        run_matting, GOLDEN_HOST},
    {NULL, NULL, GOLDEN_MODULE},
};
