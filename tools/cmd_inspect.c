/* SPDX-License-Identifier: MIT */
/* synchuman inspect FILE...: what a GLB, a bundle or a model folder holds. */
#include "commands.h"
#include "job.h"
#include "output.h"
#include "shu.h"
#include <stdio.h>
#include <string.h>

static void
show_picture (const char *what, GBytes *file)
{
  g_autoptr (ShuImage) image = shu_photo_decode (file, NULL);

  if (image)
    printf ("  %s %dx%d pixels, %" G_GSIZE_FORMAT " bytes\n", what,
        image->width, image->height, g_bytes_get_size (file));
  else
    printf ("  a %s that cannot be decoded\n", what);
}

static gboolean
show_glb (GBytes *bytes, GError **error)
{
  g_autoptr (ShuGlb) glb = shu_glb_decode (bytes, error);
  g_autofree char *generator = NULL;
  float lo[3], hi[3];

  if (!glb)
    return FALSE;
  for (int k = 0; k < 3; k++) {
    lo[k] = hi[k] = glb->mesh->n_verts ? glb->mesh->pos[k] : 0;
    for (int i = 0; i < glb->mesh->n_verts; i++) {
      lo[k] = MIN (lo[k], glb->mesh->pos[3 * i + k]);
      hi[k] = MAX (hi[k], glb->mesh->pos[3 * i + k]);
    }
  }
  generator =
      output_printable (glb->generator ? glb->generator : "an unnamed program");
  printf ("  GLB (binary glTF 2.0), written by %s\n", generator);
  printf ("  %d vertices, %d faces\n", glb->mesh->n_verts, glb->mesh->n_faces);
  printf ("  size %.3f x %.3f x %.3f m (width, height, depth)\n", hi[0] - lo[0],
      hi[1] - lo[1], hi[2] - lo[2]);
  if (glb->texture)
    show_picture ("texture", glb->texture);
  else
    printf ("  no texture%s\n",
        glb->mesh->attr ? ", but a colour at each vertex" : "");
  if (glb->normal_map)
    show_picture ("normal map", glb->normal_map);
  return TRUE;
}

static gboolean
show_bundle (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (ShuBundle) b = shu_bundle_decode (bytes, name, error);
  g_autoptr (GList) keys = NULL;

  if (!b)
    return FALSE;
  printf ("  bundle \"%s\", %d tensors, %" G_GSIZE_FORMAT " bytes\n",
      shu_bundle_schema (b), shu_bundle_n (b), shu_bundle_bytes (b));
  for (int i = 0; i < shu_bundle_n (b); i++) {
    g_autofree char *field = output_printable (shu_bundle_name (b, i));
    g_autofree char *text = shu_tensor_describe (shu_bundle_nth (b, i));

    printf ("    %-16s %s\n", field, text);
  }
  keys = g_list_sort (
      g_hash_table_get_keys (shu_bundle_metadata (b)), (GCompareFunc) strcmp);
  for (GList *k = keys; k; k = k->next) {
    g_autofree char *key = output_printable (k->data);
    g_autofree char *value = output_printable (shu_bundle_string (b, k->data));

    printf ("    %s = %s\n", key, value);
  }
  return TRUE;
}

static gboolean
show_model (const char *name, GError **error)
{
  g_autoptr (ShuModel) model = shu_model_get (name, NULL, error);
  const ShuModelDefaults *d;

  if (!model)
    return FALSE;
  d = shu_model_defaults (model);
  printf ("  model folder %s, on %s\n", shu_model_folder (model),
      shu_model_device (model));
  printf ("  views %dx%d pixels, condition %dx%d, voxels %d a side, surface "
          "%d a side\n",
      d->view_size, d->view_size, d->condition_size, d->condition_size,
      d->voxel_res, d->mesh_res);
  printf ("  stage 1: %d steps, guidance %g\n", d->steps, d->guidance);
  printf ("  stage 2: %d steps, strength %g in [%g, %g], looks at %d pixels\n",
      d->slat_steps, d->cfg_strength, d->cfg_interval[0], d->cfg_interval[1],
      d->up_size);
  return TRUE;
}

static gboolean
show (const char *name, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gconstpointer data;
  gsize size;

  printf ("%s\n", name);
  if (g_str_has_prefix (name, "synthetic") ||
      g_file_test (name, G_FILE_TEST_IS_DIR))
    return show_model (name, error);
  bytes = shu_file_map (name, error);
  if (!bytes)
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  if (size >= 4 && memcmp (data, "glTF", 4) == 0)
    return show_glb (bytes, error);
  if (size >= 9 && ((const char *) data)[8] == '{')
    return show_bundle (bytes, name, error);
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "this is neither a GLB file nor a bundle (safetensors)");
  return FALSE;
}

static int
say_usage (FILE *to)
{
  fputs ("Usage: synchuman inspect FILE…\n"
         "Explains GLB files, bundles (safetensors) and model folders.\n",
      to);
  return to == stdout ? STATUS_OK : STATUS_USAGE;
}

int
cmd_inspect (int argc, char **argv)
{
  int status = STATUS_OK, first = 1;

  for (; first < argc && argv[first][0] == '-'; first++) {
    if (wants_help (argv[first]))
      return say_usage (stdout);
    if (strcmp (argv[first], "--") == 0) {
      first++;
      break;
    }
    fprintf (stderr, "synchuman: inspect: unknown option %s\n", argv[first]);
    return STATUS_USAGE;
  }
  if (first == argc)
    return say_usage (stderr);
  for (int i = first; i < argc; i++) {
    g_autoptr (GError) error = NULL;

    if (show (argv[i], &error))
      continue;
    fflush (stdout);
    fprintf (stderr, "synchuman: %s: %s\n", argv[i], error->message);
    status = STATUS_FAILED;
  }
  return status;
}
