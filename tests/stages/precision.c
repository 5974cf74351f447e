/* SPDX-License-Identifier: MIT */
/* Stage 1 in FP8: the same bits every time, and the same person as in f16.
 *   test_stages_precision PHOTO
 * The model is the environment's, else that which ships. */
#include "base/error.h"
#include "fixtures.h"
#include "stages/stages.h"
#include "formats/bundle_file.h"
#include "formats/photo.h"
#include "base/file.h"
#include "ops/ops.h"
#include <math.h>
#include <string.h>

static const char *photo;

static ShuBundle *
make_subject (ShuModel *m)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  ShuPreprocessParams p = {.seed = 43,
      .view_size = d->view_size,
      .condition_size = d->condition_size};
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_file_map (photo, &error);
  g_autoptr (ShuImage) image = file ? shu_photo_decode (file, &error) : NULL;
  g_autoptr (ShuImage) cutout =
      image ? shu_stage_matting (m, image, NULL, NULL, &error) : NULL;
  ShuBundle *subject =
      cutout ? shu_stage_preprocess (cutout, &p, NULL, &error) : NULL;

  g_assert_no_error (error);
  return subject;
}

static ShuBundle *
make_views (ShuModel *m, const ShuBundle *subject, ShuPrecision precision)
{
  const ShuStage1Params p = {
      .seed = 43, .steps = -1, .guidance = -1, .precision = precision};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) views = shu_stage_stage1 (m, subject, &p, NULL, &error);
  ShuBundle *host;

  g_assert_no_error (error);
  host = shu_bundle_to_host (views, NULL, &error);
  g_assert_no_error (error);
  return host;
}

/* Of two fields of pictures, dB */
static double
psnr (const ShuBundle *a, const ShuBundle *b, const char *name)
{
  const ShuTensor *x = shu_bundle_get (a, name), *y = shu_bundle_get (b, name);
  double sum = 0;

  g_assert_cmpuint (x->n, ==, y->n);
  for (gsize i = 0; i < x->n; i++) {
    double d = ((const guint8 *) x->data)[i] - ((const guint8 *) y->data)[i];

    sum += d * d;
  }
  return sum > 0 ? 10 * log10 (255. * 255. * (double) x->n / sum) : INFINITY;
}

/* Voxels of both over voxels of either */
static double
overlap (const ShuBundle *a, const ShuBundle *b)
{
  const ShuTensor *x = shu_bundle_get (a, "coords");
  const ShuTensor *y = shu_bundle_get (b, "coords");
  const gint32 *v = x->data, *w = y->data;
  gint64 i = 0, k = 0, both = 0, N = x->dims[0], M = y->dims[0];

  while (i < N && k < M) { /* both in order */
    int order = 0;

    for (int d = 0; d < 4 && !order; d++)
      order = (v[4 * i + d] > w[4 * k + d]) - (v[4 * i + d] < w[4 * k + d]);
    both += order == 0;
    i += order <= 0;
    k += order >= 0;
  }
  return (double) both / (double) (N + M - both);
}

static void
compare (const char *what, const ShuBundle *a, const ShuBundle *b)
{
  g_test_message ("%s: colours %.1f dB, normals %.1f dB, voxels %.4f in common",
      what, psnr (a, b, "color"), psnr (a, b, "normal"), overlap (a, b));
}

static void
test_same_person (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get (NULL, "cuda", &error), host = NULL;
  g_autoptr (ShuCtx) c = m ? shu_ctx_new ("cuda", NULL) : NULL;
  g_autoptr (ShuBundle) subject = NULL, f16 = NULL, fp8 = NULL, again = NULL,
                        exact = NULL;
  g_autoptr (GBytes) bytes = NULL, more = NULL;

  if (!c || !shu_has_fp8 (c)) {
    g_test_skip (m ? "a GPU without FP8" : error->message);
    return;
  }
  subject = make_subject (m);
  f16 = make_views (m, subject, SHU_PRECISION_F16);
  fp8 = make_views (m, subject, SHU_PRECISION_FP8);
  again = make_views (m, subject, SHU_PRECISION_FP8);
  bytes = shu_bundle_encode (fp8);
  more = shu_bundle_encode (again);
  g_assert_true (g_bytes_equal (bytes, more));
  compare ("fp8 beside f16", fp8, f16);
  if (shu_model_defaults (m)->view_size <= 384) {
    host = shu_model_get (NULL, "cpu", &error);
    g_assert_no_error (error);
    exact = make_views (host, subject, SHU_PRECISION_F16);
    compare ("f16 beside f32", f16, exact);
    compare ("fp8 beside f32", fp8, exact);
  }
  g_assert_cmpfloat (psnr (fp8, f16, "color"), >, 20);
  g_assert_cmpfloat (psnr (fp8, f16, "normal"), >, 20);
  g_assert_cmpfloat (overlap (fp8, f16), >, 0.8);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  photo = argv[1];
  g_test_add_func ("/stages/precision/same_person", test_same_person);
  return g_test_run ();
}
