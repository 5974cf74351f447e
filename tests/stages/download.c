/* SPDX-License-Identifier: MIT */
#include "download.h"
#include "../harness.h"
#include "../weights/fixtures.h"
#include "weights/safetensors.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *part;
  const char *to;    /* file behind the part, or behind the root */
  const char *dtype; /* or, of PyTorch's files, the storage */

  enum { WHOLE, SHARDS, ZIP, LEGACY } format;
} parts[DOWNLOAD_N_PARTS] = {
    [DOWNLOAD_JOINT] = {"OneStage/SyncHuman_2D3DCrossSpaceDiffusion", NULL,
        "F16", SHARDS},
    [DOWNLOAD_VAE] = {"OneStage/vae", "diffusion_pytorch_model.safetensors",
        "F32", WHOLE},
    [DOWNLOAD_CLIP] = {"OneStage/image_encoder", "model.safetensors", "F16",
        WHOLE},
    [DOWNLOAD_SS_DECODER] = {"OneStage/sparse_structure_decoder",
        "model.safetensors", "BF16", WHOLE},
    [DOWNLOAD_SLAT_FLOW] = {"SecondStage/ckpts/slat_flow", "model.safetensors",
        "F32", WHOLE},
    [DOWNLOAD_MESH_DECODER] = {"SecondStage/ckpts/decoder_Mesh",
        "model.safetensors", "F16", WHOLE},
    [DOWNLOAD_GS_DECODER] = {"SecondStage/ckpts/decoder_GS",
        "model.safetensors", "F32", WHOLE},
    [DOWNLOAD_DINO] = {"OneStage/dinov2",
        "torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth", "Float", ZIP},
    [DOWNLOAD_MATTING] = {"OneStage/matting", "u2net/u2net.pth", "Float",
        LEGACY},
};

static const char *data_folder;

void
download_init (const char *folder)
{
  data_folder = folder;
}

/* ---- the inventory ---- */

static void
item_clear (gpointer data)
{
  g_free (((DownloadItem *) data)->name);
}

/* "a.{0..2}.b" three times; with the shape "[3,4]" */
static void
expand (GArray *items, const char *pattern, const char *shape, gboolean count)
{
  const char *brace = strchr (pattern, '{');
  DownloadItem item = {.is_count = count, .n = 1};
  int lo, hi;

  if (brace) {
    const char *rest = strchr (brace, '}') + 1;

    g_assert_cmpint (sscanf (brace, "{%d..%d}", &lo, &hi), ==, 2);
    for (int i = lo; i <= hi; i++) {
      g_autofree char *one = g_strdup_printf (
          "%.*s%d%s", (int) (brace - pattern), pattern, i, rest);

      expand (items, one, shape, count);
    }
    return;
  }
  item.name = g_strdup (pattern);
  for (const char *p = shape + 1; g_ascii_isdigit (*p);) {
    char *end;

    item.dims[item.n_dims] = g_ascii_strtoll (p, &end, 10);
    item.n *= (gsize) item.dims[item.n_dims++];
    p = end + (*end == ',');
  }
  g_array_append_val (items, item);
}

GArray *
download_inventory (int part)
{
  g_autofree char *path = g_build_filename (data_folder, "tensors.tsv", NULL);
  GArray *items = g_array_new (FALSE, TRUE, sizeof (DownloadItem));
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  g_array_set_clear_func (items, item_clear);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (char **l = lines; *l; l++) {
    g_auto (GStrv) words = g_strsplit (*l, "\t", -1);

    if (words[0] && strcmp (words[0], parts[part].part) == 0)
      expand (items, words[1], words[2], words[3] != NULL);
  }
  g_assert_cmpuint (items->len, >, 0);
  return items;
}

/* ---- files as long as the real ones, with nothing in them ---- */

static gboolean
put_hollow (
    const char *path, const DownloadItem *items, guint n, const char *dtype)
{
  g_autofree ShuSafetensorsEntry *entries = g_new0 (ShuSafetensorsEntry, n + 1);
  g_autoptr (GBytes) header = NULL;
  gsize size, total;
  gconstpointer p;
  gboolean ok;
  int fd;

  total = 0;
  for (guint i = 0; i < n; i++) {
    const char *type = items[i].is_count ? "I64" : dtype;

    entries[i] = (ShuSafetensorsEntry){items[i].name, type, items[i].n_dims,
        items[i].dims, items[i].n * shu_safetensors_type_size (type)};
    total += entries[i].size;
  }
  header = shu_safetensors_header ((int) n, entries, NULL);
  p = g_bytes_get_data (header, &size);
  fd = open (path, O_CREAT | O_TRUNC | O_WRONLY, 0666);
  ok = fd >= 0 && write (fd, p, size) == (gssize) size &&
       ftruncate (fd, (off_t) (size + total)) == 0;
  close (fd);
  return ok;
}

/* In two parts with an index. */
static gboolean
put_shards (
    const char *folder, const DownloadItem *items, guint n, const char *dtype)
{
  static const char *const names[] = {
      "diffusion_pytorch_model-00001-of-00002.safetensors",
      "diffusion_pytorch_model-00002-of-00002.safetensors"};
  g_autoptr (GString) index = g_string_new ("{\"weight_map\": {");
  guint half = n / 2;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (index, "%s\"%s\": \"%s\"", i > 0 ? ", " : "",
        items[i].name, names[i >= half]);
  g_string_append (index, "}}");
  harness_put (folder, "diffusion_pytorch_model.safetensors.index.json",
      index->str, index->len);
  for (int k = 0; k < 2; k++) {
    g_autofree char *path = g_build_filename (folder, names[k], NULL);

    if (!put_hollow (path, items + k * half, k ? n - half : half, dtype))
      return FALSE;
  }
  return TRUE;
}

static gboolean
put_torch (const char *path, const DownloadItem *items, guint n,
    const char *type, gboolean legacy)
{
  g_autofree TorchTensor *tensors = g_new0 (TorchTensor, n);
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++) {
    TorchTensor *t = &tensors[i];

    g_ptr_array_add (keys, g_strdup_printf ("%u", i));
    *t = (TorchTensor){.key = items[i].name,
        .type = items[i].is_count ? "Long" : type,
        .storage = g_ptr_array_index (keys, i),
        .n = (gint64) items[i].n,
        .n_dims = items[i].n_dims};
    memcpy (t->dims, items[i].dims, sizeof items[i].dims);
    t->size = items[i].n * (items[i].is_count ? 8 : type[0] == 'H' ? 2 : 4);
  }
  return legacy ? torch_legacy_hollow (path, (int) n, tensors)
                : torch_zip_hollow (path, (int) n, tensors);
}

gboolean
download_put_bare (const char *path, int n_dims, const gint64 *dims)
{
  g_autoptr (GByteArray) p = g_byte_array_new ();
  TorchTensor t = {
      .key = "", .type = "Half", .storage = "0", .n = 1, .n_dims = n_dims};
  g_autofree char *zeros = NULL;
  g_autoptr (GBytes) bytes = NULL;

  for (int i = 0; i < n_dims; i++) {
    t.dims[i] = dims[i];
    t.n *= dims[i];
  }
  t.size = 2 * (gsize) t.n;
  t.data = zeros = g_malloc0 (t.size);
  pickle_begin (p);
  pickle_tensor (p, &t, FALSE);
  pickle_ops (p, ".");
  bytes = torch_zip (1, &t, p);
  return g_file_set_contents (path, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), NULL);
}

/* ---- the download ---- */

char *
download_part_file (const Download *f, int i)
{
  return parts[i].format >= ZIP
             ? g_build_filename (f->root, parts[i].to, NULL)
             : g_build_filename (f->ckpts, parts[i].part, parts[i].to, NULL);
}

gboolean
download_put_part (const Download *f, int i, const GArray *items)
{
  g_autofree char *path = download_part_file (f, i);
  g_autofree char *folder = g_path_get_dirname (path);
  const DownloadItem *first = (const DownloadItem *) items->data;

  g_mkdir_with_parents (parts[i].format == SHARDS ? path : folder, 0777);
  if (parts[i].format == SHARDS)
    return put_shards (path, first, items->len, parts[i].dtype);
  if (parts[i].format == WHOLE)
    return put_hollow (path, first, items->len, parts[i].dtype);
  return put_torch (
      path, first, items->len, parts[i].dtype, parts[i].format == LEGACY);
}

static void
copy_json (const Download *f, const char *part)
{
  g_autofree char *from = g_build_filename (data_folder, part, NULL);
  g_autofree char *to = g_build_filename (f->ckpts, part, NULL);
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  g_mkdir_with_parents (to, 0777);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (from, name, NULL);
    g_autofree char *text = NULL;
    gsize size;

    if (g_file_get_contents (path, &text, &size, NULL)) {
      g_autofree char *inner = g_build_filename (part, name, NULL);

      harness_put (f->ckpts, inner, text, size);
    }
  }
}

static const char *const prompts[] = {"normal_embeds.pt", "clr_embeds.pt"};

static char *
prompt_file (const Download *f, int i)
{
  return g_build_filename (f->root, "SyncHuman", "data",
      "fixed_prompt_embeds_7view", prompts[i], NULL);
}

gboolean
download_put (const Download *f)
{
  static const char *const folders[] = {"OneStage",
      "OneStage/feature_extractor", "OneStage/image_encoder",
      "OneStage/sparse_structure_decoder",
      "OneStage/SyncHuman_2D3DCrossSpaceDiffusion", "OneStage/vae",
      "SecondStage", "SecondStage/ckpts/decoder_GS",
      "SecondStage/ckpts/decoder_Mesh", "SecondStage/ckpts/slat_flow"};
  gboolean ok = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    copy_json (f, folders[i]);
  for (int i = 0; ok && i < DOWNLOAD_N_PARTS; i++) {
    g_autoptr (GArray) items = download_inventory (i);

    ok = download_put_part (f, i, items);
  }
  for (int i = 0; ok && i < 2; i++) {
    g_autofree char *path = prompt_file (f, i);
    g_autofree char *folder = g_path_get_dirname (path);

    g_mkdir_with_parents (folder, 0777);
    ok = download_put_bare (path, 3, (const gint64[]){7, 77, 1024});
  }
  return ok;
}
