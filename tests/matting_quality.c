/* SPDX-License-Identifier: MIT */
/* How well people are cut out, and how often a picture that is no good is
 * recognised: generated people that training never saw, in front of
 * photographs that it never saw, through the C path.
 *
 *   matting-quality [--people N] [--first K] [--backgrounds DIR] [--model DIR]
 *                   [--save DIR] [--limits] [--verbose]
 *
 * --backgrounds: a folder of JPEG, PNG or WebP files; without it backgrounds
 * are drawn.  --limits: exit status 1 where something is below its floor. */
#include "base/error.h"
#include "formats/photo.h"
#include "formats/png.h"
#include "formats/preprocess.h"
#include "formats/subject.h"
#include "stages/stages.h"
#include "scenes.h"
#include <math.h>
#include <string.h>

static int n_people = 32;
static int first;
static char *backgrounds_folder;
static char *model_folder;
static char *save_folder;
static gboolean with_limits;
static gboolean verbose;

static const GOptionEntry options[] = {
    {"people", 0, 0, G_OPTION_ARG_INT, &n_people, "Pictures of each kind", "N"},
    {"first", 0, 0, G_OPTION_ARG_INT, &first, "First of the held-out", "K"},
    {"backgrounds", 0, 0, G_OPTION_ARG_FILENAME, &backgrounds_folder,
        "Photographs without people", "DIR"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &model_folder, "Model folder",
        "DIR"},
    {"save", 0, 0, G_OPTION_ARG_FILENAME, &save_folder, "Write pictures",
        "DIR"},
    {"limits", 0, 0, G_OPTION_ARG_NONE, &with_limits, "Fail below limits",
        NULL},
    {"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "A line a picture", NULL},
    {NULL},
};

typedef enum {
  SAID_NOTHING,
  SAID_NOBODY,
  SAID_SEVERAL,
  SAID_CUT,
  SAID_OTHER,
  N_SAID,
} Said;

static const char *const said_names[] = {
    "nothing", "no person", "several", "cut", "other"};

static const struct {
  const char *name;
  Said expected;
  double floor; /* share of the pictures that must be recognised */
} kinds[SCENE_N_KINDS] = {
    [SCENE_WHOLE] = {"one whole person", SAID_NOTHING, 0.9},
    [SCENE_WAIST] = {"cut at the waist", SAID_CUT, 0.5},
    [SCENE_CHEST] = {"cut at the chest", SAID_CUT, 0.5},
    [SCENE_SEVERAL] = {"several people", SAID_SEVERAL, 0.5},
    [SCENE_NOBODY] = {"nobody", SAID_NOBODY, 0.5},
};

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char **) a, *(char **) b);
}

static GPtrArray *
load_backgrounds (const char *folder, GError **error)
{
  g_autoptr (GPtrArray) all =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_image_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (!dir)
    return NULL;
  while ((name = g_dir_read_name (dir)))
    g_ptr_array_add (names, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++) {
    g_autoptr (GMappedFile) map =
        g_mapped_file_new (names->pdata[i], FALSE, error);
    g_autoptr (GBytes) bytes = map ? g_mapped_file_get_bytes (map) : NULL;
    g_autoptr (ShuImage) image = bytes ? shu_photo_decode (bytes, error) : NULL;

    if (!image) {
      g_prefix_error (error, "%s: ", (char *) names->pdata[i]);
      return NULL;
    }
    g_ptr_array_add (all, shu_image_to_rgb (image));
  }
  if (all->len == 0) {
    g_set_error (
        error, SHU_ERROR, SHU_ERROR_MISSING, "%s: no pictures", folder);
    return NULL;
  }
  return g_steal_pointer (&all);
}

typedef struct {
  double iou;     /* alpha of one half and more */
  double box_iou; /* boxes around all that is not fully transparent */
  Said said;
} Result;

static Said
what_was_said (const ShuImage *cutout, const GError *error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  ShuSubjectFlags flags;

  if (error)
    return g_error_matches (error, SHU_ERROR, SHU_ERROR_NO_PERSON) ? SAID_NOBODY
                                                                   : SAID_OTHER;
  if (!shu_subject_check (
          c, shu_picture_from_image (c, cutout), &flags, NULL, NULL))
    return SAID_OTHER;
  if (flags & SHU_SUBJECT_SEVERAL)
    return SAID_SEVERAL;
  if (flags & SHU_SUBJECT_CUT_BELOW)
    return SAID_CUT;
  return flags ? SAID_OTHER : SAID_NOTHING;
}

static void
alpha_box (const ShuImage *image, ShuBox *box)
{
  *box = (ShuBox){image->width, image->height, 0, 0};
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++)
      if (image->data[4 * ((gsize) y * image->width + x) + 3] > 0) {
        box->x0 = MIN (box->x0, x);
        box->x1 = MAX (box->x1, x + 1);
        box->y0 = MIN (box->y0, y);
        box->y1 = MAX (box->y1, y + 1);
      }
}

static double
area (const ShuBox *b)
{
  return (double) MAX (b->x1 - b->x0, 0) * MAX (b->y1 - b->y0, 0);
}

static void
compare (const ShuImage *got, const ShuImage *truth, Result *r)
{
  gsize both = 0, any = 0;
  ShuBox a, b, c;

  g_assert (got->width == truth->width && got->height == truth->height);
  for (gsize i = 3; i < shu_image_size (got); i += 4) {
    both += got->data[i] > 127 && truth->data[i] > 127;
    any += got->data[i] > 127 || truth->data[i] > 127;
  }
  r->iou = any ? (double) both / any : 1;
  alpha_box (got, &a);
  alpha_box (truth, &b);
  c = (ShuBox){
      MAX (a.x0, b.x0), MAX (a.y0, b.y0), MIN (a.x1, b.x1), MIN (a.y1, b.y1)};
  r->box_iou = area (&c) / MAX (area (&a) + area (&b) - area (&c), 1);
}

/* Photo, what was cut out, the truth: side by side over grey */
static gboolean
save_sheet (const Scene *scene, const ShuImage *cutout, const char *name,
    GError **error)
{
  int W = scene->photo->width, H = scene->photo->height;
  g_autoptr (ShuImage) sheet = shu_image_new (3 * W, H, 3);
  g_autofree char *path = g_build_filename (save_folder, name, NULL);
  const ShuImage *parts[] = {cutout, scene->cutout};

  for (int y = 0; y < H; y++)
    memcpy (sheet->data + 9 * (gsize) y * W,
        scene->photo->data + 3 * (gsize) y * W, 3 * W);
  for (int i = 0; i < 2; i++) {
    g_autoptr (ShuImage) flat =
        parts[i] ? shu_image_flatten (parts[i], 0.6f) : shu_image_new (W, H, 3);

    for (int y = 0; y < H; y++)
      memcpy (sheet->data + 3 * (3 * (gsize) y * W + (1 + i) * W),
          flat->data + 3 * (gsize) y * W, 3 * W);
  }
  return shu_png_write (path, sheet, error);
}

static gboolean
run_scene (ShuModel *m, SceneKind kind, int number, const ShuImage *background,
    Result *ret, Said *ret_png, GError **error)
{
  g_autoptr (Scene) scene = scene_new (kind, number, background);
  g_autoptr (GError) failure = NULL, png_failure = NULL;
  g_autofree char *name = g_strdup_printf ("%d-%04d.png", kind, number);
  g_autoptr (ShuImage) cutout =
      shu_stage_matting (m, scene->photo, NULL, NULL, &failure);
  g_autoptr (ShuImage) png =
      shu_stage_matting (m, scene->cutout, NULL, NULL, &png_failure);

  *ret = (Result){.said = what_was_said (cutout, failure)};
  if (cutout)
    compare (cutout, scene->cutout, ret);
  *ret_png = what_was_said (png, png_failure);
  if (verbose)
    g_print ("  %s: IoU %.3f, box %.3f, %s; as PNG: %s%s%s\n", name, ret->iou,
        ret->box_iou, said_names[ret->said], said_names[*ret_png],
        failure ? "; " : "", failure ? failure->message : "");
  return !save_folder || save_sheet (scene, cutout, name, error);
}

static double
mean_of (const double *v, int n)
{
  double sum = 0;

  for (int i = 0; i < n; i++)
    sum += v[i];
  return sum / n;
}

static int
order (const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* of sorted values */
static double
median_of (const double *v, int n)
{
  return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static void
print_said (const char *what, const int *count, Said expected)
{
  g_print ("  %-8s recognised %3d of %d;", what, count[expected], n_people);
  for (int i = 0; i < N_SAID; i++)
    if (count[i])
      g_print (" %s: %d", said_names[i], count[i]);
  g_print ("\n");
}

static gboolean
run_kind (ShuModel *m, SceneKind kind, GPtrArray *backgrounds, int *n_bad,
    GError **error)
{
  g_autofree double *iou = g_new (double, n_people);
  g_autofree double *box = g_new (double, n_people);
  int photo[N_SAID] = {0}, png[N_SAID] = {0};
  Said expected = kinds[kind].expected;

  g_print ("%s\n", kinds[kind].name);
  for (int i = 0; i < n_people; i++) {
    const ShuImage *background =
        backgrounds ? backgrounds->pdata[(first + i) % backgrounds->len] : NULL;
    Said said;
    Result r;

    if (!run_scene (m, kind, first + i, background, &r, &said, error))
      return FALSE;
    iou[i] = r.iou;
    box[i] = r.box_iou;
    photo[r.said]++;
    png[said]++;
  }
  if (kind != SCENE_NOBODY) {
    double mean = mean_of (iou, n_people);

    qsort (iou, n_people, sizeof *iou, order);
    qsort (box, n_people, sizeof *box, order);
    g_print ("  matte IoU: mean %.3f, median %.3f, worst %.3f; box IoU: mean "
             "%.3f, worst %.3f\n",
        mean, median_of (iou, n_people), iou[0], mean_of (box, n_people),
        box[0]);
    if (kind == SCENE_WHOLE)
      *n_bad += mean < 0.8;
  }
  print_said ("photo:", photo, expected);
  print_said ("cut-out:", png, expected);
  *n_bad += photo[expected] < kinds[kind].floor * n_people;
  *n_bad += png[expected] < kinds[kind].floor * n_people;
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GPtrArray) backgrounds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = NULL;
  int n_bad = 0;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || n_people < 1 ||
      !(m = shu_model_get (model_folder, NULL, &error)) ||
      (backgrounds_folder &&
          !(backgrounds = load_backgrounds (backgrounds_folder, &error)))) {
    g_printerr ("%s\n", error ? error->message : "--people: at least 1");
    return 2;
  }
  for (int kind = 0; kind < SCENE_N_KINDS; kind++)
    if (!run_kind (m, kind, backgrounds, &n_bad, &error)) {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  return with_limits && n_bad > 0;
}
