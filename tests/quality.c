/* SPDX-License-Identifier: MIT */
/* How good a model folder is: the whole job on generated people that training
 * never saw, compared with the truth that the generator knows.
 *
 *   quality [--people N] [--first K] [--model DIR] [--limits] [--save DIR]
 *   quality --photos [--model DIR] [--save DIR] FILE|FOLDER...
 *
 * One line a person, then the means, beside what is wanted and the floor below
 * which something has broken.  --limits: exit status 1 where a mean is below
 * its floor.  --photos: real cut-outs instead, pictures with a transparent
 * background, of which only the front silhouette is known. */
#include "base/error.h"
#include "base/image.h"
#include "formats/glb.h"
#include "formats/photo.h"
#include "formats/png.h"
#include "formats/preprocess.h"
#include "geometry/camera.h"
#include "geometry/render.h"
#include "stages/fields_private.h"
#include "stages/stages.h"
#include "human.h"
#include <math.h>
#include <string.h>

enum { PHOTO_W = 384, PHOTO_H = 512 };

typedef enum {
  VOXEL_IOU,
  AGREEMENT,
  SIDE_IOU,
  NORMAL_DB,
  COLOR_DB,
  FRONT_IOU,
  FRONT_DB,
  CLOSED,
  N_SCORES,
} Score;

static const struct {
  const char *name;
  double wanted;
  double floor; /* of the mean of persons 0..3 */
} scores[N_SCORES] = {
    [VOXEL_IOU] = {"surface-voxel IoU", 0.58, 0.62},
    [AGREEMENT] = {"2D-3D silhouette agreement", 0.93, 0.9},
    [SIDE_IOU] = {"side silhouette IoU", 0.76, 0.74},
    [NORMAL_DB] = {"normal views, foreground dB", 15, 15},
    [COLOR_DB] = {"colour views, foreground dB", 16, 16},
    [FRONT_IOU] = {"model's front silhouette IoU", 0.88, 0.89},
    [FRONT_DB] = {"model's front view dB", 20, 25},
    [CLOSED] = {"closed surface", 1, 1},
};

static int n_people = 4;
static int first;
static char *model_folder;
static char *save_folder;
static gboolean with_limits;
static gboolean with_photos;
static char **paths;

static const GOptionEntry options[] = {
    {"people", 0, 0, G_OPTION_ARG_INT, &n_people, "How many", "N"},
    {"first", 0, 0, G_OPTION_ARG_INT, &first, "First of the held-out", "K"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &model_folder, "Model folder",
        "DIR"},
    {"limits", 0, 0, G_OPTION_ARG_NONE, &with_limits, "Fail below limits",
        NULL},
    {"save", 0, 0, G_OPTION_ARG_FILENAME, &save_folder, "Write pictures",
        "DIR"},
    {"photos", 0, 0, G_OPTION_ARG_NONE, &with_photos,
        "Measure on these cut-outs", NULL},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL,
        "[FILE|FOLDER...]"},
    {NULL},
};

static double
iou (const guint8 *a, const guint8 *b, gsize n)
{
  gsize both = 0, any = 0;

  for (gsize i = 0; i < n; i++) {
    both += a[i] && b[i];
    any += a[i] || b[i];
  }
  return any ? (double) both / any : 1;
}

/* Where something is seen: any channel below 230, as for baking. */
static void
mask_of (const guint8 *rgb, gsize n, guint8 *ret)
{
  for (gsize i = 0; i < n; i++)
    ret[i] = rgb[3 * i] < 230 || rgb[3 * i + 1] < 230 || rgb[3 * i + 2] < 230;
}

/* dB of a against b where mask is set */
static double
psnr (const guint8 *a, const guint8 *b, const guint8 *mask, gsize n)
{
  double sum = 0;
  gsize count = 0;

  for (gsize i = 0; i < n; i++)
    for (int k = 0; mask[i] && k < 3; k++) {
      double d = a[3 * i + k] - (double) b[3 * i + k];

      sum += d * d;
      count++;
    }
  return count ? 10 * log10 (255. * 255. * count / MAX (sum, 1e-9)) : 0;
}

/* Voxels seen along y (axis 1) or x (axis 0): [R,R], row 0 at the top. */
static void
project (const gint32 *coords, int n, int R, int axis, guint8 *ret)
{
  memset (ret, 0, (gsize) R * R);
  for (int i = 0; i < n; i++) {
    const gint32 *p = coords + 4 * i + 1;

    ret[(R - 1 - p[2]) * R + p[axis == 1 ? 0 : 1]] = 1;
  }
}

static void
max_pool (const guint8 *mask, int S, int R, guint8 *ret)
{
  memset (ret, 0, (gsize) R * R);
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++)
      if (mask[y * S + x])
        ret[y * R / S * R + x * R / S] = 1;
}

static gboolean
score_views (const Human *human, const HumanFrame *frame,
    const ShuBundle *views, double *s, GError **error)
{
  ShuTensor *color = shu_bundle_need (
      views, "color", SHU_DTYPE_U8, SHU_DIMS (5, -1, -1, 3), error);
  ShuTensor *normal = shu_bundle_get (views, "normal");
  ShuTensor *coords = shu_bundle_get (views, "coords");
  int R = shu_bundle_int (views, "voxel-resolution", 0);
  int S = color ? color->dims[1] : 0;
  gsize n = (gsize) S * S, m = (gsize) R * R * R;
  g_autofree guint8 *c = g_malloc (3 * n), *k = g_malloc (3 * n);
  g_autofree guint8 *truth = g_malloc (n), *mask = g_malloc (n);
  g_autofree guint8 *occupied = g_malloc (MAX (m, 1));
  g_autofree guint8 *found = g_malloc0 (MAX (m, 1));
  g_autofree guint8 *p = g_malloc (n), *q = g_malloc (n);

  if (!color)
    return FALSE;
  g_assert (R > 0 && R <= S);
  human_voxels (human, frame, R, occupied);
  for (int i = 0; i < coords->dims[0]; i++) {
    const gint32 *v = (gint32 *) coords->data + 4 * i + 1;

    found[(v[0] * R + v[1]) * R + v[2]] = 1;
  }
  s[VOXEL_IOU] = iou (found, occupied, m);
  for (int v = 0; v < 4; v++) {
    const guint8 *got_c = (guint8 *) color->data + 3 * n * v;
    const guint8 *got_n = (guint8 *) normal->data + 3 * n * v;

    human_view (human, frame, v, S, 2, c, k);
    mask_of (k, n, truth);
    mask_of (got_n, n, mask);
    if (v == 1 || v == 3)
      s[SIDE_IOU] += iou (mask, truth, n) / 2;
    if (v > 0) { /* view 0 is the photo itself */
      s[NORMAL_DB] += psnr (got_n, k, truth, n) / 3;
      s[COLOR_DB] += psnr (got_c, c, truth, n) / 3;
    }
    if (v < 2) {
      project (coords->data, coords->dims[0], R, v == 0, p);
      max_pool (mask, S, R, q);
      s[AGREEMENT] += iou (p, q, (gsize) R * R) / 2;
    }
  }
  return TRUE;
}

/* Whether every edge has exactly two faces, corners at the same place counted
 * as one (a texture cuts the surface into charts). */
static gboolean
is_closed (const ShuMesh *mesh)
{
  g_autoptr (GHashTable) ids = g_hash_table_new_full ((GHashFunc) g_bytes_hash,
      (GEqualFunc) g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  g_autoptr (GHashTable) edges =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autofree gint64 *id = g_new (gint64, MAX (1, mesh->n_verts));
  GHashTableIter iter;
  gpointer count;

  for (int i = 0; i < mesh->n_verts; i++) {
    GBytes *key = g_bytes_new (mesh->pos + 3 * i, 3 * sizeof (float));
    gpointer known = g_hash_table_lookup (ids, key);

    id[i] = known ? GPOINTER_TO_INT (known) : i + 1;
    if (known)
      g_bytes_unref (key);
    else
      g_hash_table_insert (ids, key, GINT_TO_POINTER (i + 1));
  }
  for (int f = 0; f < mesh->n_faces; f++)
    for (int e = 0; e < 3; e++) {
      gint64 a = id[mesh->faces[3 * f + e]];
      gint64 b = id[mesh->faces[3 * f + (e + 1) % 3]];
      gint64 key = a < b ? a << 32 | b : b << 32 | a;
      gpointer old = g_hash_table_lookup (edges, &key);

      g_hash_table_insert (edges, g_memdup2 (&key, sizeof key),
          GINT_TO_POINTER (GPOINTER_TO_INT (old) + 1));
    }
  g_hash_table_iter_init (&iter, edges);
  while (g_hash_table_iter_next (&iter, NULL, &count))
    if (GPOINTER_TO_INT (count) != 2)
      return FALSE;
  return mesh->n_faces > 0;
}

static gboolean
score_model (const ShuImage *cutout, const ShuBundle *model, double *s,
    ShuImage **ret_front, GError **error)
{
  const int S = 384;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (model, TRUE, error);
  g_autoptr (ShuImage) texture = NULL;
  g_autoptr (ShuImage) canvas = NULL;
  g_autoptr (ShuImage) front = NULL;
  ShuCamera camera = shu_camera_of_view (SHU_VIEW_FRONT);
  gsize n = (gsize) S * S;
  g_autofree guint8 *a = g_malloc (n), *b = g_malloc (n), *both = g_malloc (n);
  g_autofree guint8 *rgb = g_malloc (3 * n), *want = g_malloc (3 * n);

  if (!mesh)
    return FALSE;
  texture = shu_bundle_take_image (model, "texture", 3, error);
  canvas = shu_picture_to_image (c,
      shu_body_canvas (c, shu_picture_from_image (c, cutout), S, NULL),
      SHU_TRAFFIC_IMAGE);
  if (!texture || !shu_ctx_finish (c, error))
    return FALSE;
  front = shu_render (
      mesh, texture, &camera, &(ShuRenderParams){.width = S, .height = S});
  for (gsize i = 0; i < n; i++) {
    a[i] = front->data[4 * i + 3] > 127;
    b[i] = canvas->data[4 * i + 3] > 127;
    both[i] = a[i] && b[i];
    memcpy (rgb + 3 * i, front->data + 4 * i, 3);
    memcpy (want + 3 * i, canvas->data + 4 * i, 3);
  }
  s[FRONT_IOU] = iou (a, b, n);
  s[FRONT_DB] = psnr (rgb, want, both, n);
  s[CLOSED] = is_closed (mesh);
  *ret_front = g_steal_pointer (&front);
  return TRUE;
}

/* Stage 1 of @photo, and the rest of the job */
static ShuBundle *
make_views (ShuModel *m, const ShuImage *photo, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  g_autoptr (ShuBundle) subject = shu_stage_preprocess (photo,
      &(ShuPreprocessParams){43, d->view_size, d->condition_size}, NULL, error);

  return subject ? shu_stage_stage1 (
                       m, subject, &(ShuStage1Params){-1, -1, -1}, NULL, error)
                 : NULL;
}

static ShuBundle *
make_model (ShuModel *m, const ShuBundle *views, GError **error)
{
  g_autoptr (ShuBundle) asset = NULL, mesh = NULL;

  asset = shu_stage_stage2 (
      m, views, &(ShuStage2Params){-1, -1, -1, -1, -1, -1}, NULL, error);
  if (!asset)
    return NULL;
  mesh = shu_stage_mesh (asset, &(ShuMeshParams){.simplify = -1}, NULL, error);
  return mesh ? shu_stage_texture (mesh, &(ShuTextureParams){-1}, NULL, error)
              : NULL;
}

static gboolean
save_sheet (const ShuImage *photo, const ShuBundle *model, const char *name,
    GError **error)
{
  g_autofree char *path = g_build_filename (save_folder, name, NULL);
  g_autoptr (ShuImage) sheet = shu_contact_sheet (photo, model, NULL, error);
  g_autoptr (GBytes) png = sheet ? shu_png_encode (sheet, error) : NULL;

  return png && g_file_set_contents (path, g_bytes_get_data (png, NULL),
                    g_bytes_get_size (png), error);
}

static gboolean
run_person (ShuModel *m, int number, double *s, GError **error)
{
  g_autofree Human *human = g_new (Human, 1);
  g_autofree char *name = g_strdup_printf ("%04d.png", number);
  HumanFrame frame;
  g_autoptr (ShuImage) photo = shu_image_new (PHOTO_W, PHOTO_H, 4);
  g_autoptr (ShuImage) front = NULL;
  g_autoptr (ShuBundle) views = NULL, model = NULL;

  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  human_photo (human, &frame, number, PHOTO_W, PHOTO_H, 0.06f, 2, photo->data);
  views = make_views (m, photo, error);
  if (!views || !score_views (human, &frame, views, s, error))
    return FALSE;
  model = make_model (m, views, error);
  if (!model || !score_model (photo, model, s, &front, error))
    return FALSE;
  return !save_folder || save_sheet (photo, model, name, error);
}

static int
run_people (ShuModel *m)
{
  double sum[N_SCORES] = {0};
  int n_bad = 0;

  for (int i = 0; i < n_people; i++) {
    double s[N_SCORES] = {0};
    g_autoptr (GError) error = NULL;

    if (!run_person (m, first + i, s, &error)) {
      g_print ("person %d: %s\n", first + i, error->message);
      return 1;
    }
    g_print ("person %d:", first + i);
    for (int k = 0; k < N_SCORES; k++) {
      g_print (" %.3f", s[k]);
      sum[k] += s[k] / n_people;
    }
    g_print ("\n");
  }
  for (int k = 0; k < N_SCORES; k++) {
    gboolean broken = sum[k] < scores[k].floor - 1e-9;

    g_print ("%-30s %7.3f  wanted %5g  floor %5g  %s\n", scores[k].name, sum[k],
        scores[k].wanted, scores[k].floor,
        broken                             ? "FAIL"
        : sum[k] < scores[k].wanted - 1e-9 ? "below what is wanted"
                                           : "ok");
    n_bad += broken;
  }
  return with_limits && n_bad > 0;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char **) a, *(char **) b);
}

/* Files as they are, the pictures of folders in order: (transfer full) */
static GPtrArray *
list_photos (GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);

  for (char **p = paths; p && *p; p++) {
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    g_autoptr (GDir) dir = NULL;
    const char *name;

    if (!g_file_test (*p, G_FILE_TEST_IS_DIR)) {
      g_ptr_array_add (all, g_strdup (*p));
      continue;
    }
    dir = g_dir_open (*p, 0, error);
    if (!dir)
      return NULL;
    while ((name = g_dir_read_name (dir)))
      if (g_str_has_suffix (name, ".png") || g_str_has_suffix (name, ".webp"))
        g_ptr_array_add (names, g_build_filename (*p, name, NULL));
    g_ptr_array_sort (names, compare_names);
    g_ptr_array_extend_and_steal (all, g_steal_pointer (&names));
  }
  if (all->len == 0) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_MISSING,
        "--photos: name PNG or WebP files, or folders of them");
    return NULL;
  }
  return g_steal_pointer (&all);
}

/* FALSE without an error: the picture has no transparency. */
static gboolean
run_photo (ShuModel *m, const char *path, double *s, GError **error)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = g_strconcat (base, "-sheet.png", NULL);
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, error);
  g_autoptr (GBytes) bytes = map ? g_mapped_file_get_bytes (map) : NULL;
  g_autoptr (ShuImage) photo = bytes ? shu_photo_decode (bytes, error) : NULL;
  g_autoptr (ShuImage) cutout = NULL, front = NULL;
  g_autoptr (ShuBundle) views = NULL, model = NULL;
  g_autofree char *warning = NULL;

  if (!photo || !shu_image_has_alpha (photo))
    return FALSE;
  cutout = shu_stage_matting (m, photo, &warning, NULL, error);
  if (!cutout)
    return FALSE;
  if (warning)
    g_print ("%s: %s\n", base, warning);
  views = make_views (m, cutout, error);
  if (!views)
    return FALSE;
  model = make_model (m, views, error);
  if (!model || !score_model (cutout, model, s, &front, error))
    return FALSE;
  return !save_folder || save_sheet (photo, model, name, error);
}

static int
run_photos (ShuModel *m)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = list_photos (&error);
  double sum = 0;
  int n = 0;

  if (!all) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  for (guint i = 0; i < all->len; i++) {
    const char *path = all->pdata[i];
    double s[N_SCORES] = {0};

    if (run_photo (m, path, s, &error)) {
      g_print ("%s: front silhouette IoU %.3f, front view %.1f dB%s\n", path,
          s[FRONT_IOU], s[FRONT_DB], s[CLOSED] ? "" : ", surface not closed");
      sum += s[FRONT_IOU];
      n++;
    } else if (error) {
      g_print ("%s: %s\n", path, error->message);
      return 1;
    } else
      g_print ("%s: left out, no transparent background\n", path);
  }
  if (n > 0)
    g_print (
        "front silhouette IoU: mean %.3f of %d  wanted 0.75\n", sum / n, n);
  return n == 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || n_people < 1 ||
      (paths && !with_photos) ||
      !(m = shu_model_get (model_folder, NULL, &error))) {
    g_printerr ("%s\n", error          ? error->message
                        : n_people < 1 ? "--people: at least 1"
                                       : "files are for --photos");
    return 2;
  }
  return with_photos ? run_photos (m) : run_people (m);
}
