/* SPDX-License-Identifier: MIT */
/* The networks themselves say what they ask for: each is made of weights that
 * only look (shu_weights_probe()). */
#include "stages/model_check.h"
#include "base/error.h"
#include "stages/model_files_private.h"
#include "stages/model_private.h"
#include <string.h>

static const char official[] =
    "the official SyncHuman download (OneStage and SecondStage; the project is "
    "https://github.com/IGL-HKUST/SyncHuman)";

/* Order of the list, and what is said of each. */
static const struct {
  ShuNet net; /* SHU_N_NETS: the prompt embeddings */
  const char *name;
  const char *fallback; /* folder, where pipeline.json does not say it */
  const char *origin;
} parts[] = {
    {SHU_NET_JOINT, "joint denoiser", NULL, official},
    {SHU_NET_VAE, "VAE", NULL, official},
    {SHU_NET_CLIP, "image encoder", NULL, official},
    {SHU_NET_SS_DECODER, "structure decoder", NULL, official},
    {SHU_N_NETS, "prompt embeddings", NULL,
        "the official SyncHuman repository, "
        "SyncHuman/data/fixed_prompt_embeds_7view"},
    {SHU_NET_DINO, "DINOv2", NULL,
        "the DINOv2 project (model dinov2_vitl14_reg), for instance through "
        "PyTorch Hub, which keeps it in its cache"},
    {SHU_NET_MATTING, "matting", NULL,
        "rembg, which keeps u2net.onnx in ~/.u2net, or the U-2-Net project "
        "(u2net.pth)"},
    {SHU_NET_SLAT_FLOW, "SLat flow", "ckpts/slat_flow", official},
    {SHU_NET_MESH_DECODER, "mesh decoder", "ckpts/decoder_Mesh", official},
    {SHU_NET_GS_DECODER, "Gaussian decoder", "ckpts/decoder_GS", official},
};

static void
part_free (gpointer data)
{
  ShuPartCheck *p = data;

  g_free (p->name);
  g_free (p->path);
  g_free (p->holds);
  g_ptr_array_unref (p->problems);
  g_ptr_array_unref (p->notes);
  g_free (p);
}

void
shu_model_check_free (ShuModelCheck *check)
{
  if (!check)
    return;
  g_free (check->folder);
  g_ptr_array_unref (check->parts);
  g_free (check);
}

static ShuPartCheck *
add_part (ShuModelCheck *check, const char *name, const char *origin)
{
  ShuPartCheck *p = g_new0 (ShuPartCheck, 1);

  p->name = g_strdup (name);
  p->origin = origin;
  p->problems = g_ptr_array_new_with_free_func (g_free);
  p->notes = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (check->parts, p);
  return p;
}

static void
take (GPtrArray *list, char *text)
{
  g_ptr_array_add (list, text);
}

static void
take_error (ShuPartCheck *p, GError **error)
{
  take (p->problems, g_strdup ((*error)->message));
  g_clear_error (error);
}

/* ---- settings ---- */

/* The JSON files that belong to no network. */
static void
check_settings (ShuModelCheck *check)
{
  static const char *const files[] = {"OneStage/pipeline_config.json",
      "OneStage/feature_extractor/preprocessor_config.json",
      "SecondStage/pipeline.json"};
  ShuPartCheck *p = add_part (check, "settings", official);
  g_autoptr (GError) error = NULL;

  p->path = g_strdup (check->folder);
  p->found = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (check->folder, files[i], NULL);
    g_autoptr (ShuConfig) config = shu_config_open (path, &error);

    if (!config)
      take_error (p, &error);
  }
  if (p->problems->len == 0) { /* and what they say together */
    g_autoptr (ShuModel) m = shu_model_get (check->folder, "cpu", &error);

    if (!m)
      take_error (p, &error);
  }
}

/* Where Stage 2's network @i is, relative to the folder. */
static char *
part_path (const char *folder, gsize i)
{
  const ShuNetKind *kind = &shu_nets[parts[i].net];
  g_autofree char *file =
      g_build_filename (folder, "SecondStage", "pipeline.json", NULL);
  g_autoptr (ShuConfig) pipeline = NULL;
  const char *name = parts[i].fallback;

  if (!kind->key)
    return g_strdup (kind->path);
  pipeline = shu_config_open (file, NULL);
  if (pipeline)
    name = shu_config_string (
        shu_config_at (pipeline, "args/models"), kind->key, name);
  if (!shu_model_is_inside (name)) /* the settings' fault, which says so */
    name = parts[i].fallback;
  return g_build_filename (kind->path, name, NULL);
}

/* ---- shards ---- */

/* Files of safetensors in several parts that their index does not name are left
 * from another download, or the index is. */
static void
check_shards (ShuPartCheck *p, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GHashTable) named =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) shards = g_ptr_array_new_with_free_func (g_free);
  gboolean have_index = FALSE;
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autoptr (ShuConfig) index = NULL;
    g_autofree const char **keys = NULL;
    ShuConfig *map;

    if (g_pattern_match_simple ("*-of-*.safetensors", name))
      g_ptr_array_add (shards, g_strdup (name));
    if (!g_str_has_suffix (name, ".safetensors.index.json"))
      continue;
    have_index = TRUE;
    index = shu_config_open (path, NULL);
    if (!index)
      continue;
    map = shu_config_at (index, "weight_map");
    keys = shu_config_keys (map);
    for (int i = 0; keys[i]; i++)
      g_hash_table_add (named, g_strdup (shu_config_string (map, keys[i], "")));
  }
  for (guint i = 0; i < shards->len; i++)
    if (!g_hash_table_contains (named, shards->pdata[i]))
      take (p->problems,
          g_strdup_printf ("%s/%s: %s", folder, (char *) shards->pdata[i],
              have_index ? "the index does not name this shard; is it left "
                           "from another download?"
                         : "a shard, but there is no index "
                           "(….safetensors.index.json)"));
}

/* ---- weights ---- */

static void
note_unused (ShuPartCheck *p, ShuWeights *w)
{
  enum { SHOWN = 3 };

  g_auto (GStrv) names = shu_weights_unused (w);
  guint n = g_strv_length (names);
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < MIN (n, SHOWN); i++)
    g_string_append_printf (list, "%s%.200s", i > 0 ? ", " : "", names[i]);
  if (n > 0)
    take (p->notes, g_strdup_printf ("not used: %u tensor%s (%s%s)", n,
                        n > 1 ? "s" : "", list->str, n > SHOWN ? ", …" : ""));
}

/* Opens what @files name and describes it; NULL with a problem. */
static ShuWeights *
open_part (ShuPartCheck *p, const ShuPartFiles *files)
{
  g_autoptr (GError) error = NULL;
  ShuWeights *w = shu_part_weights (files, &error);

  if (!w) {
    p->found = error->code != SHU_ERROR_MISSING;
    take_error (p, &error);
    return NULL;
  }
  p->found = TRUE;
  p->holds = shu_weights_describe (w);
  shu_weights_count (w, &p->n_tensors, &p->n_bytes);
  shu_weights_probe (w);
  return w;
}

static void
check_net (ShuPartCheck *p, ShuNet net, const ShuPartFiles *files)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuConfig) config = shu_part_config (files, &error);
  g_autoptr (ShuWeights) w = NULL;
  GPtrArray *found;
  gpointer none;

  if (!config)
    take_error (p, &error);
  w = open_part (p, files);
  if (!w || !config)
    return;
  none = shu_nets[net].load (config, w, &error);
  g_assert (!none && error);
  /* that weights were only looked at is no problem; a configuration is one */
  if (error->code != SHU_ERROR_INTERNAL)
    take_error (p, &error);
  else
    note_unused (p, w);
  found = shu_weights_problems (w);
  for (guint i = 0; i < found->len; i++)
    take (p->problems, g_strdup (found->pdata[i]));
}

/* Two tensors [5 or 7,S,X] of one shape; X is the denoiser's. */
static void
check_prompts (ShuPartCheck *p, const char *folder, const ShuPartFiles *files)
{
  static const char *const names[] = {"normal_embeds", "clr_embeds"};
  g_autofree char *path = g_build_filename (
      folder, shu_nets[SHU_NET_JOINT].path, "config.json", NULL);
  g_autoptr (ShuConfig) joint = shu_config_open (path, NULL);
  g_autoptr (ShuWeights) w = open_part (p, files);
  gint64 dims[SHU_MAX_DIMS] = {0}, want[3] = {-1, -1, -1};
  GPtrArray *found;
  int n;

  if (!w)
    return;
  if (joint)
    want[2] = shu_config_int (joint, "cross_attention_dim", 1, 65536, 1);
  for (int i = 0; i < 2; i++) {
    shu_weights_get (w, names[i], 3, want);
    if (shu_weights_dims (w, names[i], &n, dims) && n == 3 && i == 0)
      memcpy (want, dims, sizeof want); /* the second one has the same */
  }
  if (dims[0] > 0 && dims[0] != 5 && dims[0] != 7)
    take (p->problems, g_strdup_printf ("embeddings of %" G_GINT64_FORMAT
                                        " views, expected 5 or 7",
                           dims[0]));
  found = shu_weights_problems (w);
  for (guint i = 0; i < found->len; i++)
    take (p->problems, g_strdup (found->pdata[i]));
  note_unused (p, w);
}

static void
check_part (ShuModelCheck *check, gsize i)
{
  ShuPartCheck *p = add_part (check, parts[i].name, parts[i].origin);
  g_autofree char *part = parts[i].net == SHU_N_NETS
                              ? g_strdup ("OneStage/prompt_embeds")
                              : part_path (check->folder, i);
  g_auto (ShuPartFiles) files = {0};
  g_autoptr (GError) error = NULL;

  if (!shu_part_find (check->folder, part, &files, &error)) {
    p->path = g_build_filename (check->folder, part, NULL);
    take_error (p, &error);
    return;
  }
  p->path = g_strjoinv (", ", files.weights);
  if (parts[i].net == SHU_N_NETS)
    check_prompts (p, check->folder, &files);
  else
    check_net (p, parts[i].net, &files);
  if (files.config)
    check_shards (p, files.weights[0]);
}

ShuModelCheck *
shu_model_check (const char *folder, GError **error)
{
  ShuModelCheck *check;

  if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
        "%s: there is no such folder", folder);
    return NULL;
  }
  check = g_new0 (ShuModelCheck, 1);
  check->folder = g_canonicalize_filename (folder, NULL);
  check->parts = g_ptr_array_new_with_free_func (part_free);
  check_settings (check);
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    check_part (check, i);
  for (guint i = 0; i < check->parts->len; i++) {
    const ShuPartCheck *p = g_ptr_array_index (check->parts, i);

    check->n_problems += (int) p->problems->len;
  }
  return check;
}
