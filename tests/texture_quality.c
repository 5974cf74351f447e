/* SPDX-License-Identifier: MIT */
/* How near textures come to the truth: bodies of generated people, baked and
 * drawn from sides that no picture shows, against the generator's own pictures
 * of the same sides.
 *
 *   texture-quality [--people N] [--first K] [--model DIR] [--photo S]
 *     [--texture T] [--cells R] [--limits] [--save DIR]
 *
 * With a model its people are taken, without one the true surface and
 * pictures.  One line a person: dB where both show the person, of the four
 * sides that pictures show, of twelve others, and of the face; the share of
 * pixels that are off by more than 64 levels; seconds.  --limits: exit status
 * 1 below what has been reached. */
#include "formats/png.h"
#include "geometry/render.h"
#include "geometry/splat.h"
#include "human.h"
#include "texture_subject.h"
#include <math.h>
#include <string.h>

enum {
  COLUMNS = 6,
  N_SEEN = 4,
  N_OTHERS = 12,
  N_FACE = 1,
  N_ALL = N_SEEN + N_OTHERS + N_FACE
};

static int n_people = 2, first, photo = 384, texture = 1024, cells = 96;
static int side = 320;
static char *model, *save_folder;
static gboolean with_limits;

static const GOptionEntry options[] = {
    {"people", 0, 0, G_OPTION_ARG_INT, &n_people, "How many", "N"},
    {"first", 0, 0, G_OPTION_ARG_INT, &first, "First of the held-out", "K"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &model, "Model folder", "DIR"},
    {"photo", 0, 0, G_OPTION_ARG_INT, &photo, "Side of pictures", "S"},
    {"texture", 0, 0, G_OPTION_ARG_INT, &texture, "Side of the texture", "T"},
    {"cells", 0, 0, G_OPTION_ARG_INT, &cells, "Of the surface, a side", "R"},
    {"side", 0, 0, G_OPTION_ARG_INT, &side, "Of what is compared", "S"},
    {"limits", 0, 0, G_OPTION_ARG_NONE, &with_limits, "Fail below limits",
        NULL},
    {"save", 0, 0, G_OPTION_ARG_FILENAME, &save_folder, "Write pictures",
        "DIR"},
    {NULL},
};

typedef struct {
  double seen, others, face, far_off, seconds;
} Scores;

static ShuCamera
camera_of (int i)
{
  ShuCamera camera = shu_camera_of_view (SHU_VIEW_FRONT);
  double yaw, pitch;

  if (i < N_SEEN)
    return shu_camera_of_view (i);
  if (i == N_ALL - 1)
    return shu_camera_of_view (SHU_VIEW_FACE);
  shu_hammersley_sphere (i - N_SEEN, N_OTHERS, &yaw, &pitch);
  shu_camera_extrinsics ((float) yaw, (float) pitch * 0.6f, 2, camera.view);
  return camera;
}

/* The truth: of the face, the window of a larger picture. */
static ShuImage *
truth (const Human *human, const HumanFrame *frame, int i)
{
  ShuCamera camera = camera_of (i);
  const float *m = camera.view;
  int times = i == N_ALL - 1 ? 3 : 1;
  ShuImage *all = shu_image_new (times * side, times * side, 4);
  ShuImage *window;

  human_orbit (human, frame, m, m + 8, all->width, 2, all->data);
  if (times == 1)
    return all;
  window = shu_image_crop (all, &(ShuBox){side, 0, 2 * side, side});
  shu_image_free (all);
  return window;
}

/* Sum of squares where both are opaque; ret_off += pixels that are far off */
static void
compare (const ShuImage *a, const ShuImage *b, double *ret_sum, gsize *ret_n,
    gsize *ret_off)
{
  for (gsize i = 0; i < (gsize) a->width * a->height; i++) {
    const guint8 *p = a->data + 4 * i, *q = b->data + 4 * i;
    int worst = 0;
    if (p[3] < 255 || q[3] < 255)
      continue;
    for (int k = 0; k < 3; k++) {
      int d = ABS (p[k] - q[k]);
      *ret_sum += d * d;
      worst = MAX (worst, d);
    }
    *ret_n += 1;
    *ret_off += worst > 64;
  }
}

static double
decibels (double sum, gsize n)
{
  return 10 * log10 (255.0 * 255 * 3 * MAX (n, 1) / MAX (sum, 1e-9));
}

static void
put (ShuImage *sheet, const ShuImage *image, int column, int row)
{
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      const guint8 *p = image->data + 4 * ((gsize) y * side + x);
      guint8 *to = sheet->data + 3 * (((gsize) row * side + y) * sheet->width +
                                         column * side + x);
      for (int k = 0; k < 3; k++)
        to[k] = (p[3] * p[k] + (255 - p[3]) * 255) / 255;
    }
}

static void
save (const ShuImage *image, const char *format, int number)
{
  g_autofree char *name = g_strdup_printf (format, number);
  g_autofree char *path = g_build_filename (save_folder, name, NULL);
  g_autoptr (GBytes) png = shu_png_encode (image, NULL);

  g_file_set_contents (
      path, g_bytes_get_data (png, NULL), g_bytes_get_size (png), NULL);
}

static Scores
score (int number, Subject *s)
{
  g_autofree Human *human = g_new (Human, 1);
  HumanFrame frame;
  ShuBakeParams params = {.size = texture};
  double sums[3] = {0};
  gsize n[3] = {0}, off = 0;
  gint64 t0 = g_get_monotonic_time ();
  Scores ret;

  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (c);
  ShuSplatInput gaussians = shu_splat_input (c, &s->gaussians);

  s->views.gaussians = &gaussians;
  ShuBakeViews views = bodies_views (c, &s->views);
  g_autoptr (ShuImage) baked = shu_bake (s->mesh, &views, &params, NULL, NULL);
  ret.seconds = (g_get_monotonic_time () - t0) * 1e-6;
  g_autoptr (ShuImage) sheet = shu_image_new (
      side * COLUMNS, side * 2 * ((N_ALL + COLUMNS - 1) / COLUMNS), 3);
  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  for (int i = 0; i < N_ALL; i++) {
    ShuCamera camera = camera_of (i);
    ShuRenderParams render = {.width = side, .height = side};
    int kind = i < N_SEEN ? 0 : i < N_ALL - 1 ? 1 : 2;
    g_autoptr (ShuImage) a = truth (human, &frame, i);
    g_autoptr (ShuImage) b = shu_render (s->mesh, baked, &camera, &render);

    compare (a, b, sums + kind, n + kind, &off);
    put (sheet, a, i % COLUMNS, i / COLUMNS * 2);
    put (sheet, b, i % COLUMNS, i / COLUMNS * 2 + 1);
  }
  if (save_folder) {
    save (sheet, "sheet%d.png", number);
    save (baked, "texture%d.png", number);
  }
  ret.seen = decibels (sums[0], n[0]);
  ret.others = decibels (sums[1], n[1]);
  ret.face = decibels (sums[2], n[2]);
  ret.far_off = 100.0 * off / MAX (1, n[0] + n[1] + n[2]);
  return ret;
}

static void
print (const char *name, const Scores *s)
{
  g_print ("%-8s seen %.2f dB, others %.2f dB, face %.2f dB, %.3f %% far off,"
           " %.2f s\n",
      name, s->seen, s->others, s->face, s->far_off, s->seconds);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  Scores mean = {0};

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, NULL))
    return 2;
  for (int i = first; i < first + n_people; i++) {
    g_autofree char *name = g_strdup_printf ("%d", i);
    Subject subject = model ? subject_person (model, i, texture, NULL)
                            : subject_true (i, cells, texture, photo);
    Scores s = score (i, &subject);

    print (name, &s);
    mean.seen += s.seen / n_people;
    mean.others += s.others / n_people;
    mean.face += s.face / n_people;
    mean.far_off += s.far_off / n_people;
    mean.seconds += s.seconds / n_people;
    subject_clear (&subject);
  }
  print ("mean", &mean);
  return 0;
}
