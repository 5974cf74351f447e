/* SPDX-License-Identifier: MIT */
/* synchuman PHOTO...: writes a GLB file for each photo.  The work is one
 * launch description a photo; what is here is its text and the names of the
 * files. */
#include "commands.h"
#include "estimate.h"
#include "launch.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  char *output;
  char *seed, *steps, *guidance, *face_detail;
  char *texture_size, *texture_format, *texture_quality, *normal_map;
  char *max_bytes;
  char *model, *device, *memory, *precision, *noise_gpu;
  char *from_stage1;
  char *sheet_file, *mesh_ply;
  gboolean sheet, keep_stages, fast, json, verbose, print_pipeline, quantize;
  char **inputs;
  /* from --fast; NULL: as the model says */
  char *steps2, *simplify;
  gboolean to_folder;
} Options;

static void
clear_options (Options *o)
{
  char *strings[] = {o->output, o->seed, o->steps, o->guidance, o->model,
      o->device, o->memory, o->from_stage1, o->sheet_file, o->steps2,
      o->texture_size, o->simplify, o->face_detail, o->precision, o->noise_gpu,
      o->texture_format, o->texture_quality, o->normal_map, o->max_bytes,
      o->mesh_ply};

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    g_free (strings[i]);
  g_strfreev (o->inputs);
}

static const char help_end[] =
    "Commands:\n"
    "  synchuman [make] PHOTO…        photos of a person to GLB files\n"
    "  synchuman run NAME KEY=VALUE…  run a named pipeline, or one from a "
    "file\n"
    "  synchuman inspect FILE…        explain a GLB, a bundle or a model "
    "folder\n"
    "  synchuman render FILE.glb      draw a model from all sides: a sheet, "
    "pictures\n"
    "                                 or a video\n"
    "  synchuman serve                the same over HTTP (docs/api.md)\n"
    "  synchuman models check FOLDER  what a model folder lacks; import: make\n"
    "                                 safetensors of PyTorch's and ONNX files\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.\n";

static gboolean
parse (int argc, char **argv, Options *o, GError **error)
{
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
          "File to write, or folder (exists or ends in /); default: NAME.glb "
          "here",
          "PATH"},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &o->seed, "Seed (43)", "N"},
      {"steps", 0, 0, G_OPTION_ARG_STRING, &o->steps,
          "Denoising steps of Stage 1 (the model's; official 50)", "N"},
      {"guidance", 0, 0, G_OPTION_ARG_STRING, &o->guidance,
          "Guidance of Stage 1 (the model's; official 3.0)", "X"},
      {"face-detail", 0, 0, G_OPTION_ARG_STRING, &o->face_detail,
          "Pixels per length on the face against those elsewhere (1.5)", "X"},
      {"texture-size", 0, 0, G_OPTION_ARG_STRING, &o->texture_size,
          "Pixels of a side of the texture (1024)", "N"},
      {"texture-format", 0, 0, G_OPTION_ARG_STRING, &o->texture_format,
          "jpeg, png, webp, or vertices: colours there and no picture (jpeg)",
          "WORD"},
      {"texture-quality", 0, 0, G_OPTION_ARG_STRING, &o->texture_quality,
          "Of JPEG and WebP, up to 100 (90)", "N"},
      {"normal-map", 0, 0, G_OPTION_ARG_STRING, &o->normal_map,
          "A picture of what simplification took from the surface, for light "
          "to fall on: jpeg, png, webp or none (none; with --fast jpeg)",
          "WORD"},
      {"quantize", 0, 0, G_OPTION_ARG_NONE, &o->quantize,
          "Half the bytes of a vertex, for programs that know "
          "KHR_mesh_quantization",
          NULL},
      {"max-bytes", 0, 0, G_OPTION_ARG_STRING, &o->max_bytes,
          "Largest size of the file, paid for by the texture (10000000 where "
          "the mesh allows for it)",
          "N"},
      {"model", 0, 0, G_OPTION_ARG_FILENAME, &o->model,
          "Model folder, or synthetic:SEED (or synthetic:SEED?voxels=N)",
          "FOLDER"},
      {"device", 0, 0, G_OPTION_ARG_STRING, &o->device, "auto, cpu or cuda:N",
          "DEVICE"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &o->memory,
          "What to do with a GPU's memory: auto, low or normal", "WORD"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &o->precision,
          "Of Stage 1's denoiser: f16, or fp8 on an H100 or H200, which is "
          "faster and less exact",
          "WORD"},
      {"noise-gpu", 0, 0, G_OPTION_ARG_STRING, &o->noise_gpu,
          "The GPU whose noise the seed means: h100 (h200, h800), a100, "
          "rtx4090, a40, or for instance 82x1536 (h100)",
          "NAME"},
      {"fast", 0, 0, G_OPTION_ARG_NONE, &o->fast,
          "Fewer steps, smaller texture, more simplification", NULL},
      {"keep-stages", 0, 0, G_OPTION_ARG_NONE, &o->keep_stages,
          "Also write NAME/stage1_output and NAME/stage2_output", NULL},
      {"mesh-ply", 0, 0, G_OPTION_ARG_STRING, &o->mesh_ply,
          "What is kept as output_mesh.ply: extracted (as it leaves the "
          "decoder) or final (as in the GLB file)",
          "WORD"},
      {"from-stage1", 0, 0, G_OPTION_ARG_FILENAME, &o->from_stage1,
          "Begin with a folder stage1_output instead of a photo", "FOLDER"},
      {"sheet", 0, 0, G_OPTION_ARG_NONE, &o->sheet,
          "Also write NAME-sheet.png: photo, views and model in one picture",
          NULL},
      {"sheet-file", 0, 0, G_OPTION_ARG_FILENAME, &o->sheet_file,
          "The same under this name", "FILE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o->json,
          "One JSON object a line on standard output", NULL},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose,
          "Say what was removed from the surface and filled", NULL},
      {"print-pipeline", 0, 0, G_OPTION_ARG_NONE, &o->print_pipeline,
          "Show what runs, as gst-launch-1.0 takes it", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->inputs, NULL,
          NULL},
      {NULL}};
  g_autoptr (GOptionContext) context = g_option_context_new ("PHOTO…");

  g_option_context_set_summary (context,
      "Turns photos of a person (JPEG, PNG, WebP) into textured 3D models.");
  g_option_context_set_description (context, help_end);
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, &argc, &argv, error);
}

#define BAD(error, ...)                                                        \
  (g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, __VA_ARGS__), \
      FALSE)

/* The option's value against the range of the property that it sets; see
 * shu_props_install() of the plugin. */
static gboolean
check_number (const char *option, const char *text, const char *element,
    const char *property, GError **error)
{
  g_autoptr (GstElement) e =
      text ? gst_element_factory_make (element, NULL) : NULL;
  GParamSpec *spec;
  double value, lo, hi;
  char *end = NULL;
  gboolean whole, may_be_default;

  if (!text)
    return TRUE;
  gst_object_ref_sink (e);
  spec = g_object_class_find_property (G_OBJECT_GET_CLASS (e), property);
  whole = !G_IS_PARAM_SPEC_DOUBLE (spec);
  hi = G_IS_PARAM_SPEC_INT (spec) ? G_PARAM_SPEC_INT (spec)->maximum
       : whole                    ? (double) G_PARAM_SPEC_INT64 (spec)->maximum
                                  : G_PARAM_SPEC_DOUBLE (spec)->maximum;
  lo = *(const double *) g_param_spec_get_qdata (
      spec, g_quark_from_static_string ("shu-least"));
  may_be_default = G_IS_PARAM_SPEC_INT (spec)
                       ? G_PARAM_SPEC_INT (spec)->minimum < lo
                   : whole ? G_PARAM_SPEC_INT64 (spec)->minimum < lo
                           : G_PARAM_SPEC_DOUBLE (spec)->minimum < lo;
  value = g_ascii_strtod (text, &end);
  if (end == text || *end || (whole && strcspn (text, ".eExX") < strlen (text)))
    return BAD (error, "%s: \"%s\" is no %snumber", option, text,
        whole ? "whole " : "");
  if ((value >= lo && value <= hi) || (may_be_default && value == -1))
    return TRUE;
  return BAD (error, "%s: %s is out of range (%.16g to %.16g%s)", option, text,
      lo, hi, may_be_default ? "; -1: the default" : "");
}

/* The option's value against the words that the property knows. */
static gboolean
check_word (const char *option, const char *text, const char *element,
    const char *property, GError **error)
{
  g_autoptr (GstElement) e =
      text ? gst_element_factory_make (element, NULL) : NULL;
  g_autoptr (GString) words = g_string_new (NULL);
  GEnumClass *klass;

  if (!text)
    return TRUE;
  gst_object_ref_sink (e);
  klass = G_PARAM_SPEC_ENUM (
      g_object_class_find_property (G_OBJECT_GET_CLASS (e), property))
              ->enum_class;
  if (g_enum_get_value_by_nick (klass, text))
    return TRUE;
  for (guint i = 0; i < klass->n_values; i++)
    g_string_append_printf (
        words, "%s%s", i ? ", " : "", klass->values[i].value_nick);
  return BAD (error, "%s: \"%s\" is none of %s", option, text, words->str);
}

/* What a pipeline's text must be; of photos it is the photo's own error. */
static gboolean
check_utf8 (const char *option, const char *name, GError **error)
{
  return !name || g_utf8_validate (name, -1, NULL) ||
         BAD (error, "%s %s: the name is no UTF-8: give another one", option,
             name);
}

static gboolean
check_options (Options *o, GError **error)
{
  guint n = o->inputs ? g_strv_length (o->inputs) : 0;
  ShuPrecision precision;

  if (!shu_precision_parse (o->precision, &precision, error))
    return FALSE;
  if (n == 0 && !o->from_stage1)
    return BAD (error, "no photo given (synchuman --help)");
  if (o->from_stage1 && n > 0)
    return BAD (error, "--from-stage1 takes the place of the photo");
  o->to_folder = o->output && (g_str_has_suffix (o->output, "/") ||
                                  g_file_test (o->output, G_FILE_TEST_IS_DIR));
  if (o->output && strcmp (o->output, "-") == 0)
    return BAD (error, "-o -: a model goes to a file, not to standard output "
                       "(./- is a file)");
  if (n > 1 && o->output && !o->to_folder)
    return BAD (error,
        "-o %s: several photos need a folder (an existing one, or a name that "
        "ends in /)",
        o->output);
  if (n > 1 && o->sheet_file)
    return BAD (error, "--sheet-file: several photos need --sheet");
  if (o->mesh_ply && strcmp (o->mesh_ply, "extracted") != 0 &&
      strcmp (o->mesh_ply, "final") != 0)
    return BAD (
        error, "--mesh-ply: \"%s\" is none of extracted, final", o->mesh_ply);
  if (o->mesh_ply && !o->keep_stages)
    return BAD (error, "--mesh-ply: needs --keep-stages");
  return check_utf8 ("-o", o->output, error) &&
         check_utf8 ("--sheet-file", o->sheet_file, error) &&
         check_number ("--seed", o->seed, "shupreprocess", "seed", error) &&
         check_number (
             "--steps", o->steps, "shustage1", "num-inference-steps", error) &&
         check_number (
             "--guidance", o->guidance, "shustage1", "guidance-scale", error) &&
         check_number ("--face-detail", o->face_detail, "shutexture",
             "face-detail", error) &&
         check_number ("--texture-size", o->texture_size, "shutexture",
             "texture-size", error) &&
         check_number ("--texture-quality", o->texture_quality, "shuglbmux",
             "texture-quality", error) &&
         check_number (
             "--max-bytes", o->max_bytes, "shuglbmux", "max-bytes", error) &&
         check_word ("--texture-format", o->texture_format, "shuglbmux",
             "texture-format", error) &&
         check_word (
             "--normal-map", o->normal_map, "shuglbmux", "normal-map", error);
}

/* "40%" of @whole, at least 2; anything else as it is. */
static char *
share (const char *text, int whole)
{
  int percent;

  if (!g_str_has_suffix (text, "%"))
    return g_strdup (text);
  percent = atoi (text);
  return g_strdup_printf (
      "%d", MIN (whole, MAX (2, (whole * percent + 50) / 100)));
}

/* Fills what the user left open from pipelines/fast.preset. */
static gboolean
apply_fast (Options *o, const ShuModelDefaults *d, GError **error)
{
  g_autofree char *path = launch_find ("fast", ".preset");
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!path)
    return BAD (error, "--fast: the file pipelines/fast.preset is missing");
  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++) {
    const char *eq = strchr (*line, '=');

    if (!eq || **line == '#')
      continue;
    if (g_str_has_prefix (*line, "num-inference-steps=") && !o->steps)
      o->steps = share (eq + 1, d->steps);
    else if (g_str_has_prefix (*line, "num-steps="))
      o->steps2 = share (eq + 1, d->slat_steps);
    else if (g_str_has_prefix (*line, "texture-size=") && !o->texture_size)
      o->texture_size = g_strdup (eq + 1);
    else if (g_str_has_prefix (*line, "normal-map=") && !o->normal_map)
      o->normal_map = g_strdup (eq + 1);
    else if (g_str_has_prefix (*line, "simplify="))
      o->simplify = g_strdup (eq + 1);
  }
  return TRUE;
}

/* ---- names ---- */

typedef struct {
  char *glb;
  char *sheet;  /* NULL: none */
  char *folder; /* of the stages; NULL: none */
} Names;

static void
clear_names (Names *n)
{
  g_free (n->glb);
  g_free (n->sheet);
  g_free (n->folder);
}

static char *
stem_of (const char *path)
{
  g_autofree char *base = g_path_get_basename (path);
  char *dot = strrchr (base, '.');

  if (dot && dot != base)
    *dot = 0;
  return g_strdup (base);
}

static void
make_names (const Options *o, const char *input, Names *ret)
{
  g_autofree char *stem = stem_of (input);
  g_autofree char *folder = NULL;
  g_autofree char *file = g_strconcat (stem, ".glb", NULL);
  g_autofree char *sheet = NULL;

  if (o->output && !o->to_folder) {
    g_free (stem);
    stem = stem_of (o->output);
    folder = g_path_get_dirname (o->output);
    ret->glb = g_strdup (o->output);
  } else {
    folder = g_strdup (o->output ? o->output : "");
    ret->glb = g_build_filename (folder, file, NULL);
  }
  if (strcmp (folder, ".") == 0)
    *folder = 0;
  sheet = g_strconcat (stem, "-sheet.png", NULL);
  ret->sheet = o->sheet_file ? g_strdup (o->sheet_file)
               : o->sheet    ? g_build_filename (folder, sheet, NULL)
                             : NULL;
  ret->folder = o->keep_stages ? g_build_filename (folder, stem, NULL) : NULL;
}

static gboolean
is_same_file (const char *a, const char *b)
{
  GStatBuf x, y;

  return g_stat (a, &x) == 0 && g_stat (b, &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

/* A result must not take the place of a photo, nor of another result: what is
 * written is added to @seen. */
static gboolean
check_result (const Options *o, const char *input, const char *result,
    GHashTable *seen, GError **error)
{
  g_autofree char *path = g_canonicalize_filename (result, NULL);

  for (char **photo = o->inputs; photo && *photo; photo++)
    if (is_same_file (*photo, result))
      return BAD (error,
          "%s: is a photo and would be replaced by a result; "
          "give another name",
          result);
  if (g_hash_table_add (seen, g_steal_pointer (&path)))
    return TRUE;
  return BAD (error, "%s: another photo or sheet is to be written to %s too",
      input, result);
}

static gboolean
check_names (const Options *o, GError **error)
{
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  char *only[] = {o->from_stage1, NULL};
  gboolean ok = TRUE;

  for (char **in = o->from_stage1 ? only : o->inputs; ok && *in; in++) {
    Names names = {NULL};

    make_names (o, *in, &names);
    ok = check_result (o, *in, names.glb, seen, error) &&
         (!names.sheet || check_result (o, *in, names.sheet, seen, error));
    clear_names (&names);
  }
  return ok;
}

/* ---- the pipeline ---- */

static void
add (GString *s, const char *property, const char *value)
{
  g_autofree char *quoted = value ? launch_quote (value) : NULL;

  if (quoted)
    g_string_append_printf (s, " %s=%s", property, quoted);
}

static void
add_path (GString *s, const char *folder, const char *name, const char *file)
{
  g_autofree char *path = g_build_filename (folder, name, file, NULL);

  add (s, "location", path);
}

static gboolean
wants_normals (const Options *o)
{
  return o->normal_map && strcmp (o->normal_map, "none") != 0;
}

static char *
describe (const Options *o, const char *input, const Names *n)
{
  GString *s = g_string_new (NULL);

  if (o->from_stage1) {
    g_string_append (s, "shuviewssrc");
    add (s, "location", input);
  } else {
    g_string_append (s, "filesrc");
    add (s, "location", input);
    g_string_append (s, " ! shuphotodec ! shumatting ! shupreprocess");
    add (s, "seed", o->seed);
    g_string_append (s, " ! shustage1");
    add (s, "num-inference-steps", o->steps);
    add (s, "guidance-scale", o->guidance);
    add (s, "model", o->model);
    add (s, "device", o->device);
    add (s, "memory", o->memory);
    add (s, "precision", o->precision);
    add (s, "noise-gpu", o->noise_gpu);
    if (n->folder)
      g_string_append (s, " ! tee name=views ! queue");
  }
  g_string_append (s, " ! shustage2");
  add (s, "num-steps", o->steps2);
  if (o->from_stage1) {
    add (s, "seed", o->seed);
    add (s, "model", o->model);
    add (s, "device", o->device);
    add (s, "memory", o->memory);
  }
  if (n->folder)
    g_string_append (s, " ! tee name=asset ! queue");
  g_string_append (s, " ! shumesh");
  add (s, "simplify", o->simplify);
  g_string_append (s, " ! shutexture");
  add (s, "texture-size", o->texture_size);
  add (s, "face-detail", o->face_detail);
  add (s, "normal-map", wants_normals (o) ? "true" : NULL);
  if (n->folder || n->sheet)
    g_string_append (s, " ! tee name=model ! queue");
  g_string_append (s, " ! shuglbmux");
  add (s, "texture-format", o->texture_format);
  add (s, "texture-quality", o->texture_quality);
  add (s, "normal-map", wants_normals (o) ? o->normal_map : NULL);
  add (s, "quantize", o->quantize ? "true" : NULL);
  add (s, "max-bytes", o->max_bytes);
  if (n->folder)
    g_string_append (s, " ! tee name=file ! queue");
  g_string_append (s, " ! shufilesink");
  add (s, "location", n->glb);
  if (n->folder && !o->from_stage1) {
    g_string_append (s, "  views. ! queue ! shuviewssink");
    add_path (s, n->folder, "stage1_output", NULL);
  }
  if (n->folder) {
    g_string_append (s, "  file. ! queue ! shufilesink");
    add_path (s, n->folder, "stage2_output", "output.glb");
    g_string_append (s, o->mesh_ply && strcmp (o->mesh_ply, "final") == 0
                            ? "  model. ! queue ! shuplyenc ! shufilesink"
                            : "  asset. ! queue ! shuplyenc ! shufilesink");
    add_path (s, n->folder, "stage2_output", "output_mesh.ply");
    g_string_append (
        s, "  asset. ! queue ! shuplyenc content=gaussians ! shufilesink");
    add_path (s, n->folder, "stage2_output", "gaussians.ply");
  }
  if (n->sheet) {
    g_string_append (s, "  model. ! queue ! shusheet");
    add (s, "photo", o->from_stage1 ? NULL : input);
    g_string_append (s, " ! pngenc ! shufilesink");
    add (s, "location", n->sheet);
  }
  return g_string_free (s, FALSE);
}

/* ---- one photo ---- */

/* Before the work, not after it: can the results be written? */
static gboolean
prepare_folders (const Options *o, const Names *n, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (n->glb);
  g_autofree char *stage2 =
      n->folder ? g_build_filename (n->folder, "stage2_output", NULL) : NULL;
  g_autofree char *sheet = n->sheet ? g_path_get_dirname (n->sheet) : NULL;

  if (o->to_folder && g_mkdir_with_parents (parent, 0777) != 0)
    return BAD (
        error, "%s: the folder cannot be made: %s", parent, g_strerror (errno));
  /* renaming would put a file in the place of a device */
  if (g_file_test (n->glb, G_FILE_TEST_EXISTS) &&
      !g_file_test (n->glb, G_FILE_TEST_IS_REGULAR))
    return BAD (error, "%s: is there and no ordinary file", n->glb);
  if (g_access (parent, W_OK | X_OK) != 0)
    return BAD (
        error, "%s: cannot be written to: %s", parent, g_strerror (errno));
  if (sheet && g_access (sheet, W_OK | X_OK) != 0)
    return BAD (
        error, "%s: cannot be written to: %s", sheet, g_strerror (errno));
  if (stage2 && g_mkdir_with_parents (stage2, 0777) != 0)
    return BAD (
        error, "%s: the folder cannot be made: %s", stage2, g_strerror (errno));
  return TRUE;
}

/* Takes away what prepare_folders() made, where it is empty. */
static void
tidy_folders (const Names *n)
{
  g_autofree char *stage2 =
      n->folder ? g_build_filename (n->folder, "stage2_output", NULL) : NULL;

  if (!stage2)
    return;
  g_rmdir (stage2);
  g_rmdir (n->folder);
}

static gboolean
check_input (const Options *o, const char *input, GError **error)
{
  if (!g_file_test (input, G_FILE_TEST_EXISTS))
    return BAD (error, "there is no such file");
  if (!g_utf8_validate (input, -1, NULL))
    return BAD (error, "the name is no UTF-8, which a pipeline's text must be: "
                       "rename it");
  if (o->from_stage1)
    return TRUE;
  if (g_file_test (input, G_FILE_TEST_IS_DIR))
    return BAD (error, "is a folder, not a photo");
  if (g_access (input, R_OK) != 0)
    return BAD (error, "cannot be read: %s", g_strerror (errno));
  return TRUE;
}

static gsize
size_of (const char *path)
{
  GStatBuf st;

  return g_stat (path, &st) == 0 ? (gsize) st.st_size : 0;
}

static int
make_one (const Options *o, const Work *work, const char *input, Output *output)
{
  Names names = {NULL};
  Job job = {.input = input};
  g_autoptr (GError) error = NULL;
  g_autofree char *description = NULL;
  int status = STATUS_FAILED;
  gboolean guess;

  make_names (o, input, &names);
  if (!check_input (o, input, &error) || !prepare_folders (o, &names, &error)) {
    output_error (output, input, error->message, NULL);
    clear_names (&names);
    return status;
  }
  description = describe (o, input, &names);
  if (o->print_pipeline)
    fprintf (stderr, "gst-launch-1.0 %s\n", description);
  job.estimate = estimate_seconds (work, &guess);
  output_estimate (output, input, job.estimate, guess);
  status = job_run (&job, description, output);
  if (status == STATUS_OK) {
    output_result (output, input, names.glb, size_of (names.glb), job.seconds);
    estimate_remember (work, &job);
  } else
    tidy_folders (&names);
  job_clear (&job);
  clear_names (&names);
  return status;
}

static int
make_all (Options *o, Output *output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) model = NULL;
  const ShuModelDefaults *d;
  ShuMemory memory;
  int status = STATUS_OK;
  char *only[] = {o->from_stage1, NULL};
  Work work;

  if (!check_options (o, &error) || !check_names (o, &error)) {
    output_error (output, NULL, error->message, NULL);
    return STATUS_USAGE;
  }
  if (shu_memory_parse (o->memory, &memory, &error))
    model = shu_model_get_with_memory (o->model, o->device, memory, &error);
  if (!model ||
      (o->fast && !apply_fast (o, shu_model_defaults (model), &error))) {
    output_error (output, NULL, error->message, NULL);
    return STATUS_FAILED;
  }
  d = shu_model_defaults (model);
  work = (Work){.model = model,
      .steps1 = o->from_stage1                    ? 0
                : o->steps && atoi (o->steps) > 0 ? atoi (o->steps)
                                                  : d->steps,
      .steps2 = o->steps2 ? atoi (o->steps2) : d->slat_steps};
  for (char **in = o->from_stage1 ? only : o->inputs; *in; in++) {
    int one = make_one (o, &work, *in, output);

    if (one != STATUS_OK)
      status = one;
    if (one == STATUS_STOPPED)
      break;
  }
  return status;
}

int
cmd_make (int argc, char **argv)
{
  Options o = {NULL};
  Output output;
  g_autoptr (GError) error = NULL;
  int status;

  if (!parse (argc, argv, &o, &error)) {
    fprintf (stderr, "synchuman: %s\n", error->message);
    return STATUS_USAGE;
  }
  gst_init (NULL, NULL);
  output_init (&output, o.json);
  output.verbose = o.verbose;
  if (launch_load_plugin (&error))
    status = make_all (&o, &output);
  else {
    output_error (&output, NULL, error->message, NULL);
    status = STATUS_FAILED;
  }
  output_clear (&output);
  clear_options (&o);
  return status;
}
