/* SPDX-License-Identifier: MIT */
/* What each stage of a job copies between host and device, from the decoded
 * photo to the file: no picture and no feature comes down but the finished
 * texture.
 *   test_stages_traffic PHOTO
 * With the device that the CPU plays, and on a GPU where there is one, there
 * with the model of the environment, else that which ships, too. */
#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "formats/photo.h"
#include <string.h>

enum { TEXTURE = 512 };

enum { MATTING, PREPROCESS, STAGE1, STAGE2, MESH, SURFACE, FILE_, N_STAGES };

static const char *const names[N_STAGES] = {
    "matting", "preprocess", "stage1", "stage2", "mesh", "texture", "glb"};

static const char *path;

/* Who counts, a stage each */
typedef struct {
  ShuTraffic *of[N_STAGES];
  ShuProgress progress[N_STAGES];
} Counters;

static void
counters_init (Counters *k)
{
  for (int i = 0; i < N_STAGES; i++) {
    k->of[i] = shu_traffic_new ();
    k->progress[i] = (ShuProgress){.traffic = k->of[i]};
  }
}

static void
counters_clear (Counters *k)
{
  for (int i = 0; i < N_STAGES; i++)
    shu_traffic_unref (k->of[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Counters, counters_clear)

static void
say (const Counters *k)
{
  for (int i = 0; i < N_STAGES; i++)
    for (int kind = 0; kind < SHU_N_TRAFFIC_KINDS; kind++) {
      ShuTrafficCount n = shu_traffic_get (k->of[i], kind);

      if (n.n_up + n.n_down + n.n_across > 0)
        g_test_message ("%-10s %-7s up %8.1f kB in %3" G_GUINT64_FORMAT
                        ", down %8.1f kB in %3" G_GUINT64_FORMAT
                        ", across %.1f kB",
            names[i], shu_traffic_kind_name (kind), (double) n.up * 1e-3,
            n.n_up, (double) n.down * 1e-3, n.n_down, (double) n.across * 1e-3);
    }
}

/* From where a job goes on as if that had been saved, and read again */
typedef enum { AT_ONCE, FROM_VIEWS, FROM_ASSET } Resume;

static void
bring_to_host (ShuBundle **b)
{
  g_autoptr (GError) error = NULL;
  ShuBundle *host = shu_bundle_to_host (*b, NULL, &error);

  g_assert_no_error (error);
  shu_bundle_unref (*b);
  *b = host;
}

static void
bring_to_device (ShuBundle **b, const char *device)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  ShuBundle *there = shu_bundle_to_device (*b, device, traffic, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE).n_up, >=, 2);
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_MESH).n_up, ==, 6);
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_TENSOR).n_up, ==, 0);
  shu_bundle_unref (*b);
  *b = there;
}

/* (transfer full): the file made of @photo */
static GBytes *
run (ShuModel *m, ShuTensor *photo, int steps, Resume resume, const Counters *k)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  const ShuProgress *p = k->progress;
  ShuStage1Params p1 = fixture_stage1;
  ShuStage2Params p2 = fixture_stage2;
  g_autoptr (ShuTensor) cutout = NULL;
  g_autoptr (ShuBundle) subject = NULL, views = NULL, asset = NULL;
  g_autoptr (ShuBundle) mesh = NULL, model = NULL;
  g_autoptr (GError) error = NULL;
  GBytes *file;

  p1.steps = p2.steps = steps;
  cutout = shu_stage_matting_picture (m, photo, NULL, p + MATTING, &error);
  g_assert_no_error (error);
  subject = shu_stage_preprocess_picture (NULL, cutout,
      &(ShuPreprocessParams){43, d->view_size, d->condition_size},
      p + PREPROCESS, &error);
  g_assert_no_error (error);
  views = shu_stage_stage1 (m, subject, &p1, p + STAGE1, &error);
  g_assert_no_error (error);
  if (resume == FROM_VIEWS)
    bring_to_host (&views);
  asset = shu_stage_stage2 (m, views, &p2, p + STAGE2, &error);
  g_assert_no_error (error);
  if (resume == FROM_ASSET) {
    bring_to_host (&asset);
    bring_to_device (&asset, shu_model_device (m));
  }
  mesh = shu_stage_mesh (asset, &(ShuMeshParams){-1, 0}, p + MESH, &error);
  g_assert_no_error (error);
  model = shu_stage_texture (
      mesh, &(ShuTextureParams){.texture_size = TEXTURE}, p + SURFACE, &error);
  g_assert_no_error (error);
  file = shu_stage_glb_with_report (
      model, &(ShuGlbParams){0}, p + FILE_, NULL, &error);
  g_assert_no_error (error);
  return file;
}

static ShuTrafficCount
count (const Counters *k, int stage, ShuTrafficKind kind)
{
  return shu_traffic_get (k->of[stage], kind);
}

static void
check (const Counters *k)
{
  ShuTrafficCount texture = count (k, SURFACE, SHU_TRAFFIC_IMAGE);

  for (int i = 0; i < N_STAGES; i++) {
    ShuTrafficCount image = count (k, i, SHU_TRAFFIC_IMAGE);

    g_assert_cmpuint (count (k, i, SHU_TRAFFIC_TENSOR).n_down, ==, 0);
    g_assert_cmpuint (count (k, i, SHU_TRAFFIC_PREVIEW).n_down, ==, 0);
    g_assert_cmpuint (image.n_down, ==, i == SURFACE);
    g_assert_cmpuint (image.n_up, ==, i == MATTING);
    g_assert_cmpuint (image.n_across, ==, 0);
    /* boxes, sums, numbers of rows */
    g_assert_cmpuint (count (k, i, SHU_TRAFFIC_COUNT).down, <, 1 << 20);
  }
  g_assert_cmpuint (texture.down, ==, 3 * TEXTURE * TEXTURE);
  /* voxels; the extracted surface, and what was seen of it */
  g_assert_cmpuint (count (k, STAGE1, SHU_TRAFFIC_MESH).n_down, >, 0);
  g_assert_cmpuint (count (k, STAGE2, SHU_TRAFFIC_MESH).n_down, ==, 0);
  g_assert_cmpuint (count (k, MESH, SHU_TRAFFIC_MESH).n_down, >, 0);
  g_assert_cmpuint (count (k, SURFACE, SHU_TRAFFIC_MESH).n_down, ==, 0);
  g_assert_cmpuint (count (k, FILE_, SHU_TRAFFIC_MESH).n_down, ==, 0);
}

/* @times: with the same file each time; the first time things are made that
 * stay */
static void
run_and_check (const char *folder, const char *device, ShuTensor *photo,
    int steps, int times)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get (folder, device, &error);
  g_autoptr (GBytes) first = NULL;

  g_assert_no_error (error);
  for (int i = 0; i < times; i++) {
    g_auto (Counters) k = {{NULL}};
    g_autoptr (GBytes) file = NULL;

    counters_init (&k);
    file = run (m, photo, steps, AT_ONCE, &k);
    say (&k);
    check (&k);
    if (!first)
      first = g_bytes_ref (file);
    g_assert_true (g_bytes_equal (file, first));
  }
}

static gboolean
skip_without_gpu (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get ("synthetic-tiny:5", "cuda", &error);

  if (!m)
    g_test_skip (error->message);
  return !m;
}

/* A cut-out of @width x @height as a photo with transparency */
static ShuTensor *
cut_out (int width, int height)
{
  g_autoptr (ShuImage) image = fixture_cutout (width, height);

  return shu_tensor_new_image (image);
}

/* A job at once and one from a file must give the same GLB.
 * @at_once, @resumed: what they copied
 * Returns: FALSE where there is no such device, and the test is skipped */
static gboolean
run_both (const char *device, Resume from, Counters *at_once, Counters *resumed)
{
  g_autoptr (ShuTensor) photo = cut_out (60, 90);
  g_autoptr (ShuModel) m = shu_model_get ("synthetic-tiny:7", device, NULL);
  g_autoptr (GBytes) a = NULL, b = NULL;

  counters_init (at_once);
  counters_init (resumed);
  if (!m) {
    g_test_skip ("no CUDA device");
    return FALSE;
  }
  a = run (m, photo, 2, AT_ONCE, at_once);
  b = run (m, photo, 2, from, resumed);
  g_assert_true (g_bytes_equal (a, b));
  return TRUE;
}

/* Views from a file: the rest works on the model's device all the same, its
 * texture too. */
static void
test_resumed (gconstpointer device)
{
  g_auto (Counters) k = {{NULL}}, k2 = {{NULL}};

  if (!run_both (device, FROM_VIEWS, &k, &k2))
    return;
  say (&k2);
  /* colours and normals */
  g_assert_cmpuint (count (&k2, SURFACE, SHU_TRAFFIC_IMAGE).n_up, >=, 2);
  g_assert_cmpuint (count (&k2, SURFACE, SHU_TRAFFIC_IMAGE).n_down, ==, 1);
  g_assert_cmpuint (count (&k2, SURFACE, SHU_TRAFFIC_TENSOR).n_down, ==, 0);
  g_assert_cmpuint (count (&k2, SURFACE, SHU_TRAFFIC_MESH).n_down, ==, 0);
}

/* An asset from a file that is brought to the device is as if it had never left
 * it. */
static void
test_resumed_asset (gconstpointer device)
{
  g_auto (Counters) k = {{NULL}}, k2 = {{NULL}};

  if (!run_both (device, FROM_ASSET, &k, &k2))
    return;
  for (int stage = MESH; stage <= SURFACE; stage++)
    for (int kind = 0; kind < SHU_N_TRAFFIC_KINDS; kind++) {
      ShuTrafficCount a = count (&k, stage, kind), b = count (&k2, stage, kind);

      g_assert_cmpmem (&a, sizeof a, &b, sizeof b);
    }
}

static void
test_mock (void)
{
  g_autoptr (ShuTensor) photo = cut_out (60, 90);

  run_and_check ("synthetic-tiny:7", "mock", photo, 2, 1);
}

static void
test_gpu (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = NULL;
  g_autoptr (ShuImage) image = NULL;
  g_autoptr (ShuTensor) photo = NULL;

  if (skip_without_gpu ())
    return;
  file = shu_file_map (path, &error);
  image = file ? shu_photo_decode (file, &error) : NULL;
  g_assert_no_error (error);
  photo = shu_tensor_new_image (image);
  run_and_check (NULL, "cuda", photo, -1, 2);
}

static void
test_official (void)
{
  g_autoptr (ShuTensor) photo = NULL;

  if (skip_without_gpu ())
    return;
  photo = cut_out (600, 900);
  run_and_check ("synthetic:701", "cuda", photo, 2, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  path = argv[1];
  g_test_add_func ("/stages/traffic/mock", test_mock);
  g_test_add_data_func ("/stages/traffic/resumed_mock", "mock", test_resumed);
  g_test_add_data_func (
      "/stages/traffic/resumed_asset_mock", "mock", test_resumed_asset);
  g_test_add_func ("/stages/traffic/gpu", test_gpu);
  g_test_add_data_func ("/stages/traffic/resumed_gpu", "cuda", test_resumed);
  g_test_add_data_func (
      "/stages/traffic/resumed_asset_gpu", "cuda", test_resumed_asset);
  g_test_add_func ("/stages/traffic/gpu_official_size", test_official);
  return g_test_run ();
}
