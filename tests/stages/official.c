/* SPDX-License-Identifier: MIT */
/* Folders as the official download leaves them: nothing is wrong with one that
 * has all, every fault is named, and what lies elsewhere is found.
 *   test_stages_official DATA_FOLDER */
#include "../harness.h"
#include "../weights/fixtures.h"
#include "download.h"
#include "fixtures.h"
#include "stages/model_private.h"
#include "weights/tensor_file.h"
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
setup (Download *f, gconstpointer data)
{
  f->root = harness_folder ();
  f->ckpts = g_build_filename (f->root, "ckpts", NULL);
}

static void
teardown (Download *f, gconstpointer data)
{
  harness_remove (f->root);
  g_free (f->root);
  g_free (f->ckpts);
}

static ShuModelCheck *
check (const Download *f)
{
  g_autoptr (GError) error = NULL;
  ShuModelCheck *result = shu_model_check (f->ckpts, &error);

  g_assert_no_error (error);
  return result;
}

static const ShuPartCheck *
find_part (const ShuModelCheck *c, const char *name)
{
  for (guint i = 0; i < c->parts->len; i++) {
    const ShuPartCheck *p = g_ptr_array_index (c->parts, i);

    if (strcmp (p->name, name) == 0)
      return p;
  }
  g_error ("no part \"%s\"", name);
}

static void
show_problems (const ShuModelCheck *c)
{
  for (guint i = 0; i < c->parts->len; i++) {
    const ShuPartCheck *p = g_ptr_array_index (c->parts, i);

    for (guint k = 0; k < p->problems->len; k++)
      g_test_message ("%s: %s", p->name, (char *) p->problems->pdata[k]);
  }
}

/* ---- tests of the check ---- */

static void
nothing_is_wrong (Download *f, gconstpointer data)
{
  static const struct {
    const char *name, *holds, *note;
    int n;
  } rows[] = {
      {"joint denoiser", "safetensors, F16", NULL, 1397},
      {"VAE", "safetensors, F32", NULL, 248},
      {"image encoder", "safetensors, F16, I64", "position_ids", 521},
      {"structure decoder", "safetensors, BF16", NULL, 74},
      {"prompt embeddings", "PyTorch, F16", NULL, 2},
      {"DINOv2", "PyTorch, F32", "mask_token", 344},
      {"matting", "PyTorch (before 1.6), F32, I64", "112 tensors", 798},
      {"SLat flow", "safetensors, F32", NULL, 526},
      {"mesh decoder", "safetensors, F16", NULL, 172},
      {"Gaussian decoder", "safetensors, F32", NULL, 153},
  };

  g_autoptr (ShuModelCheck) c = NULL;

  if (!download_put (f)) {
    g_test_skip ("the disk has no room for holes");
    return;
  }
  c = check (f);
  show_problems (c);
  g_assert_cmpint (c->n_problems, ==, 0);
  g_assert_cmpuint (c->parts->len, ==, 1 + G_N_ELEMENTS (rows));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const ShuPartCheck *p = find_part (c, rows[i].name);

    g_assert_true (p->found);
    g_assert_cmpint (p->n_tensors, ==, rows[i].n);
    g_assert_cmpstr (p->holds, ==, rows[i].holds);
    g_assert_cmpuint (p->notes->len, ==, rows[i].note ? 1 : 0);
    if (rows[i].note)
      g_assert_nonnull (strstr (p->notes->pdata[0], rows[i].note));
  }
  /* as many bytes as the reference says */
  g_assert_cmpuint (
      find_part (c, "joint denoiser")->n_bytes, ==, 2 * 1703663884ull);
  g_assert_cmpuint (find_part (c, "DINOv2")->n_bytes, ==, 4 * 304372736ull);
}

/* What may be wrong with the tensors of a file */
typedef enum {
  NO_TENSOR,
  WRONG_SHAPE,
  WRONG_TYPE,
  ONE_MORE, /* does no harm */
} Fault;

static void
spoil (GArray *items, const char *name, Fault fault)
{
  for (guint i = 0; i < items->len; i++) {
    DownloadItem *item = &g_array_index (items, DownloadItem, i);

    if (strcmp (item->name, name) != 0)
      continue;
    if (fault == NO_TENSOR)
      g_array_remove_index (items, i);
    else if (fault == WRONG_SHAPE)
      item->n += item->n / (gsize) item->dims[0]++;
    else if (fault == WRONG_TYPE)
      item->is_count = TRUE;
    else {
      DownloadItem more = {
          .name = g_strdup ("more"), .n_dims = 1, .dims = {1}, .n = 1};

      g_array_append_val (items, more);
    }
    return;
  }
  g_error ("no \"%s\"", name);
}

static const struct {
  int part;
  const char *name, *tensor;
  Fault fault;
  const char *message;
} faults[] = {
    {DOWNLOAD_JOINT, "joint denoiser", "conv_in.weight", NO_TENSOR,
        "\"conv_in.weight\" is missing, expected [320,8,3,3]"},
    {DOWNLOAD_JOINT, "joint denoiser",
        "dual_CrossAttblocks_SS.1.normStructure1.weight", WRONG_SHAPE,
        "dual_CrossAttblocks_SS.1.normStructure1.weight: expected [1024], got "
        "[1025]"},
    {DOWNLOAD_VAE, "VAE", "decoder.conv_out.bias", WRONG_TYPE,
        "decoder.conv_out.bias: expected F32, F16 or BF16, got I64"},
    {DOWNLOAD_CLIP, "image encoder", "visual_projection.weight", NO_TENSOR,
        "\"visual_projection.weight\" is missing"},
    {DOWNLOAD_SS_DECODER, "structure decoder", "blocks.5.conv.bias",
        WRONG_SHAPE, "blocks.5.conv.bias: expected [256], got [257]"},
    {DOWNLOAD_SLAT_FLOW, "SLat flow", "out_blocks.1.skip_connection.bias",
        WRONG_TYPE, "got I64"},
    {DOWNLOAD_SLAT_FLOW, "SLat flow", "out_layer.bias", ONE_MORE, NULL},
    {DOWNLOAD_MESH_DECODER, "mesh decoder",
        "upsample.1.out_layers.3.conv.weight", NO_TENSOR,
        "\"upsample.1.out_layers.3.conv.weight\" is missing, expected "
        "[96,3,3,3,96]"},
    {DOWNLOAD_MESH_DECODER, "mesh decoder", "blocks.11.mv_condition.2.bias",
        WRONG_SHAPE, "expected [768], got [769]"},
    {DOWNLOAD_GS_DECODER, "Gaussian decoder", "out_layer.weight", WRONG_SHAPE,
        "out_layer.weight: expected [448,768], got [449,768]"},
    {DOWNLOAD_DINO, "DINOv2", "blocks.7.ls2.gamma", NO_TENSOR,
        "\"blocks.7.ls2.gamma\" is missing, expected [1024]"},
    {DOWNLOAD_MATTING, "matting", "side6.weight", WRONG_SHAPE,
        "side6.weight: expected [1,512,3,3], got [2,512,3,3]"},
};

static void
names_tensors (Download *f, gconstpointer data)
{
  if (!download_put (f)) {
    g_test_skip ("the disk has no room for holes");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    const int part = faults[i].part;
    g_autoptr (GArray) good = download_inventory (part);
    g_autoptr (GArray) bad = download_inventory (part);
    g_autoptr (ShuModelCheck) c = NULL;
    const ShuPartCheck *p;

    spoil (bad, faults[i].tensor, faults[i].fault);
    g_assert_true (download_put_part (f, part, bad));
    c = check (f);
    p = find_part (c, faults[i].name);
    show_problems (c);
    if (faults[i].message) {
      g_assert_cmpint (c->n_problems, ==, 1);
      g_assert_cmpuint (p->problems->len, ==, 1);
      g_assert_nonnull (strstr (p->problems->pdata[0], faults[i].message));
    } else {
      g_assert_cmpint (c->n_problems, ==, 0);
      g_assert_nonnull (strstr (p->notes->pdata[0], "more"));
    }
    g_assert_true (download_put_part (f, part, good));
  }
}

/* ---- files that are not what they should be ---- */

/* ALONE: another text, and no other problem follows from it */
typedef enum { GONE, EXTRA, SHORT, OTHER, ALONE } Change;

static const struct {
  const char *file; /* behind the root */
  Change change;
  const char *name, *message;
  const char *from, *to; /* of OTHER and ALONE */
} changes[] = {
    {"ckpts/OneStage/pipeline_config.json", GONE, "settings",
        "OneStage/pipeline_config.json"},
    {"ckpts/SecondStage/pipeline.json", GONE, "settings", "pipeline.json"},
    {"ckpts/SecondStage/pipeline.json", ALONE, "settings",
        "must be a folder inside", "\"ckpts/slat_flow", "\"../x/slat_flow"},
    {"ckpts/OneStage/feature_extractor/preprocessor_config.json", GONE,
        "settings", "preprocessor_config.json"},
    {"ckpts/OneStage/vae/config.json", OTHER, "VAE",
        "expected [128,256,3,3], got [256,512,3,3]", "512,\n    512\n",
        "512\n"},
    {"ckpts/OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json", OTHER,
        "settings", "must be a multiple", "\"sample_size\": 96",
        "\"sample_size\": 97"},
    {"ckpts/OneStage/image_encoder/config.json", GONE, "image encoder",
        "image_encoder/config.json"},
    {"ckpts/OneStage/image_encoder/model.safetensors", GONE, "image encoder",
        "no weights here"},
    {"ckpts/OneStage/image_encoder/config.json", OTHER, "image encoder",
        "expected [512,1280], got [1024,1280]", "\"projection_dim\": 1024",
        "\"projection_dim\": 512"},
    {"ckpts/SecondStage/ckpts/slat_flow/model.safetensors", SHORT, "SLat flow",
        "beyond the end of the file"},
    {"ckpts/SecondStage/ckpts/decoder_GS/config.json", OTHER,
        "Gaussian decoder", "use_faceinfo", "\"use_faceinfo\":false",
        "\"use_faceinfo\":true"},
    {"ckpts/OneStage/SyncHuman_2D3DCrossSpaceDiffusion/"
     "diffusion_pytorch_model-00002-of-00002.safetensors",
        GONE, "joint denoiser", "00002-of-00002.safetensors"},
    {"ckpts/OneStage/SyncHuman_2D3DCrossSpaceDiffusion/"
     "diffusion_pytorch_model-00003-of-00003.safetensors",
        EXTRA, "joint denoiser", "the index does not name this shard"},
    {"ckpts/OneStage/vae/model-00001-of-00002.safetensors", EXTRA, "VAE",
        "there is no index"},
    {"torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth", GONE, "DINOv2",
        "torch/hub/checkpoints"},
    {"torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth", SHORT, "DINOv2",
        "ends too early"},
    {"u2net/u2net.pth", GONE, "matting", "u2net"},
    {"u2net/u2net.pth", SHORT, "matting", "ends inside its data"},
    {"SyncHuman/data/fixed_prompt_embeds_7view/clr_embeds.pt", GONE,
        "prompt embeddings", "fixed_prompt_embeds_7view"},
};

static void
change_text (const char *path, const char *from, const char *to)
{
  g_autofree char *text = NULL;
  GString *edited;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  edited = g_string_new (text);
  g_assert_cmpuint (g_string_replace (edited, from, to, 1), ==, 1);
  g_assert_true (g_file_set_contents (path, edited->str, -1, NULL));
  g_string_free (edited, TRUE);
}

static void
names_files (Download *f, gconstpointer data)
{
  if (!download_put (f)) {
    g_test_skip ("the disk has no room for holes");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autofree char *path = g_build_filename (f->root, changes[i].file, NULL);
    g_autofree char *aside = g_strconcat (path, ".aside", NULL);
    g_autoptr (ShuModelCheck) c = NULL, again = NULL;
    GStatBuf st = {0};
    const ShuPartCheck *p;
    gboolean named = FALSE;

    g_test_message ("%s", changes[i].file);
    if (changes[i].change == GONE)
      g_assert_cmpint (g_rename (path, aside), ==, 0);
    else if (changes[i].change == EXTRA)
      harness_put (f->root, changes[i].file, "x", 1);
    else if (changes[i].change >= OTHER)
      change_text (path, changes[i].from, changes[i].to);
    else {
      g_assert_cmpint (g_stat (path, &st), ==, 0);
      g_assert_cmpint (truncate (path, st.st_size - 10), ==, 0);
    }
    c = check (f);
    show_problems (c);
    p = find_part (c, changes[i].name);
    for (guint k = 0; k < p->problems->len; k++)
      named = named || strstr (p->problems->pdata[k], changes[i].message);
    g_assert_true (named);
    if (changes[i].change == ALONE)
      g_assert_cmpint (c->n_problems, ==, 1);
    /* and back */
    if (changes[i].change == GONE)
      g_rename (aside, path);
    else if (changes[i].change == EXTRA)
      g_unlink (path);
    else if (changes[i].change >= OTHER)
      change_text (path, changes[i].to, changes[i].from);
    else
      for (int k = 0; k < DOWNLOAD_N_PARTS; k++) {
        g_autofree char *file = download_part_file (f, k);
        g_autoptr (GArray) items = download_inventory (k);

        if (strcmp (file, path) == 0)
          g_assert_true (download_put_part (f, k, items));
      }
    again = check (f);
    g_assert_cmpint (again->n_problems, ==, 0);
  }
}

static void
any_folder (Download *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModelCheck) c = NULL;

  g_assert_null (shu_model_check (f->ckpts, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MISSING);
  c = shu_model_check (f->root, NULL);
  g_assert_cmpint (c->n_problems, ==, 3 + 7 * 2 + 3);
  for (guint i = 1; i < c->parts->len; i++)
    g_assert_false (
        ((const ShuPartCheck *) g_ptr_array_index (c->parts, i))->found);
}

/* ---- what lies elsewhere is loaded from there ---- */

/* The tensors of the small model's @part as PyTorch would have them. */
static void
move_part (
    const char *folder, const char *part, const char *to, gboolean legacy)
{
  g_autofree char *own = g_build_filename (folder, part, NULL);
  g_autofree char *path = g_build_filename (own, "model.safetensors", NULL);
  g_autofree char *place = g_path_get_dirname (to);
  g_autoptr (ShuTensorFile) file = shu_tensor_file_open (path, NULL);
  int n = shu_tensor_file_n (file);
  g_autofree TorchTensor *tensors = g_new0 (TorchTensor, n);
  g_autoptr (GPtrArray) all =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) bytes = NULL;

  for (int i = 0; i < n; i++) {
    ShuTensor *t = shu_tensor_file_tensor (file, i, NULL);

    g_ptr_array_add (all, t);
    g_ptr_array_add (keys, g_strdup_printf ("%d", i));
    tensors[i] = (TorchTensor){.key = shu_tensor_file_name (file, i),
        .type = t->dtype == SHU_DTYPE_F32 ? "Float" : "Half",
        .storage = g_ptr_array_index (keys, i),
        .n = (gint64) t->n,
        .n_dims = t->n_dims,
        .data = t->data,
        .size = shu_tensor_bytes (t)};
    memcpy (tensors[i].dims, t->dims, sizeof t->dims);
  }
  bytes = legacy ? torch_legacy (n, tensors) : torch_zip (n, tensors, NULL);
  g_mkdir_with_parents (place, 0777);
  g_assert_true (g_file_set_contents (to, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), NULL));
  harness_remove (own);
}

static const char *const prompts[] = {"normal_embeds.pt", "clr_embeds.pt"};

static void
scattered (Download *f, gconstpointer data)
{
  g_autofree char *folder = fixture_model_folder ();
  g_autofree char *dino = g_build_filename (f->root, "torch", "hub",
      "checkpoints", "dinov2_vitl14_reg4_pretrain.pth", NULL);
  g_autofree char *u2net =
      g_build_filename (f->root, "u2net", "u2net.pth", NULL);
  g_autoptr (ShuModel) whole = shu_model_get (folder, "cpu", NULL);
  g_autoptr (ShuTensor) before =
      shu_tensor_ref (shu_model_prompts (whole, NULL));
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = NULL;
  ShuTensor *after;

  g_clear_pointer (&whole, shu_model_unref);
  move_part (folder, "OneStage/dinov2", dino, FALSE);
  move_part (folder, "OneStage/matting", u2net, TRUE);
  for (int i = 0; i < 2; i++) {
    g_autofree char *name = g_strdup_printf ("OneStage/%s", prompts[i]);
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_assert_true (download_put_bare (path, 3, (const gint64[]){7, 4, 32}));
  }
  {
    g_autofree char *own =
        g_build_filename (folder, "OneStage", "prompt_embeds", NULL);

    harness_remove (own);
  }
  m = shu_model_get (folder, "cpu", &error);
  g_assert_no_error (error);
  g_assert_nonnull (shu_model_net (m, SHU_NET_DINO, &error));
  g_assert_no_error (error);
  g_assert_nonnull (shu_model_net (m, SHU_NET_MATTING, &error));
  g_assert_no_error (error);
  after = shu_model_prompts (m, &error);
  g_assert_no_error (error);
  g_assert_cmpint (after->dims[0], ==, before->dims[0]);
  g_assert_cmpfloat (*(float *) after->data, ==, 0);
  g_clear_pointer (&m, shu_model_unref);
  /* gone: the message says what is looked for and where */
  g_assert_cmpint (g_unlink (dino), ==, 0);
  m = shu_model_get (folder, "cpu", NULL);
  g_assert_null (shu_model_net (m, SHU_NET_DINO, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MISSING);
  g_assert_nonnull (strstr (
      error->message, "dinov2_vitl14_reg4_pretrain (.safetensors, .pth)"));
  g_assert_nonnull (strstr (error->message, "torch/hub/checkpoints"));
  fixture_remove_folder (folder);
}

/* The cache's folder counts where PyTorch's own variable is not set. */
static void
other_places (Download *f, gconstpointer data)
{
  g_autofree char *folder = fixture_model_folder ();
  g_autofree char *dino = g_build_filename (f->root, "cache", "torch", "hub",
      "checkpoints", "dinov2_vitl14_reg4_pretrain.pth", NULL);
  g_autofree char *u2net =
      g_build_filename (f->root, "data", ".u2net", "u2net.pth", NULL);
  g_autofree char *cache = g_build_filename (f->root, "cache", NULL);
  g_autofree char *share = g_build_filename (f->root, "data", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = NULL;

  move_part (folder, "OneStage/dinov2", dino, FALSE);
  move_part (folder, "OneStage/matting", u2net, FALSE);
  g_unsetenv ("TORCH_HOME");
  g_unsetenv ("U2NET_HOME");
  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  g_setenv ("XDG_DATA_HOME", share, TRUE);
  m = shu_model_get (folder, "cpu", &error);
  g_assert_no_error (error);
  g_assert_nonnull (shu_model_net (m, SHU_NET_DINO, &error));
  g_assert_nonnull (shu_model_net (m, SHU_NET_MATTING, &error));
  g_assert_no_error (error);
  g_unsetenv ("XDG_CACHE_HOME");
  g_unsetenv ("XDG_DATA_HOME");
  fixture_remove_folder (folder);
}

#define ADD(path, func)                                                        \
  g_test_add (                                                                 \
      "/stages/official/" path, Download, NULL, setup_places, func, teardown)

/* The tools' places are in the fixture's root. */
static void
setup_places (Download *f, gconstpointer data)
{
  g_autofree char *torch = NULL, *u2net = NULL;

  setup (f, data);
  torch = g_build_filename (f->root, "torch", NULL);
  u2net = g_build_filename (f->root, "u2net", NULL);
  g_setenv ("TORCH_HOME", torch, TRUE);
  g_setenv ("U2NET_HOME", u2net, TRUE);
}

int
main (int argc, char **argv)
{
  g_unsetenv ("SHU_MODEL");
  g_unsetenv ("SHU_DEVICE");
  g_test_init (&argc, &argv, NULL);
  download_init (argv[1]);
  ADD ("nothing_is_wrong", nothing_is_wrong);
  ADD ("names_tensors", names_tensors);
  ADD ("names_files", names_files);
  ADD ("any_folder", any_folder);
  ADD ("scattered_parts", scattered);
  ADD ("other_places", other_places);
  return g_test_run ();
}
