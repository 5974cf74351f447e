/* SPDX-License-Identifier: MIT */
/* What mesh, texture and file make of Stage 1's pictures, without networks:
 *
 *   real-views FOLDER [--limits] [--save DIR]
 *   real-views --person K [--limits] [--save DIR]
 *
 * builds a body from the pictures of a folder as `shustage1` saves it
 * (color_0..4.png, normal_0..4.png), or of a generated person (hull.h), takes
 * it through the stages from bundle "asset" to a GLB file, reads that, and
 * compares its pictures with those that it was made from: dB where the
 * silhouette, less four pixels at its outline, is.  --limits: exit status 1
 * where the front is below 28 dB or the surface is not closed. */
#include "base/error.h"
#include "formats/glb.h"
#include "formats/photo.h"
#include "formats/png.h"
#include "geometry/render.h"
#include "hull.h"
#include "human.h"
#include "stages/fields_private.h"
#include "stages/stages.h"
#include "stages/turntable.h"
#include <math.h>
#include <string.h>

enum { PERSON_SIDE = 384, PERSON_CELLS = 128, CELLS = 256, ERODED = 4 };

static const double least_front = 28; /* dB */

static int person = -1, texture_size = -1, n_cells;
static char *save_folder;
static gboolean with_limits;
static char **paths;

static const GOptionEntry options[] = {
    {"person", 0, 0, G_OPTION_ARG_INT, &person,
        "This generated person instead of a folder", "K"},
    {"cells", 0, 0, G_OPTION_ARG_INT, &n_cells,
        "Cells of the grid (default 256, of a generated person 128)", "N"},
    {"texture-size", 0, 0, G_OPTION_ARG_INT, &texture_size,
        "Pixels (default: as shutexture)", "N"},
    {"limits", 0, 0, G_OPTION_ARG_NONE, &with_limits, "Fail below limits",
        NULL},
    {"save", 0, 0, G_OPTION_ARG_FILENAME, &save_folder,
        "Write the GLB file, a sheet and the pictures", "DIR"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL,
        "[FOLDER]"},
    {NULL},
};

typedef struct {
  ShuImage *color[SHU_N_VIEWS], *normal[SHU_N_VIEWS];
} Views;

static void
views_clear (Views *v)
{
  for (int i = 0; i < SHU_N_VIEWS; i++) {
    shu_image_free (v->color[i]);
    shu_image_free (v->normal[i]);
  }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Views, views_clear)

/* ---- pictures ---- */

static ShuImage *
read_picture (
    const char *folder, const char *name, int v, int side, GError **error)
{
  g_autofree char *file = g_strdup_printf ("%s_%d.png", name, v);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autoptr (ShuImage) image = shu_png_read (path, error);

  if (!image)
    return NULL;
  if (image->n_channels != 3 || image->width != image->height ||
      (side && image->width != side) || image->width < CELLS) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: %d x %d pixels with %d channels; expected RGB, square, at least "
        "%d, all of one size",
        path, image->width, image->height, image->n_channels, CELLS);
    return NULL;
  }
  return g_steal_pointer (&image);
}

static gboolean
read_views (const char *folder, Views *ret, GError **error)
{
  int side = 0;

  for (int v = 0; v < SHU_N_VIEWS; v++) {
    ret->color[v] = read_picture (folder, "color", v, side, error);
    if (!ret->color[v])
      return FALSE;
    side = ret->color[v]->width;
    ret->normal[v] = read_picture (folder, "normal", v, side, error);
    if (!ret->normal[v])
      return FALSE;
  }
  return TRUE;
}

static void
draw_views (int number, Views *ret)
{
  g_autofree Human *human = g_new (Human, 1);
  HumanFrame frame;

  human_generate (human, HUMAN_HELD_OUT + number);
  human_frame (human, &frame);
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    ret->color[v] = shu_image_new (PERSON_SIDE, PERSON_SIDE, 3);
    ret->normal[v] = shu_image_new (PERSON_SIDE, PERSON_SIDE, 3);
    human_view (human, &frame, v, PERSON_SIDE, 2, ret->color[v]->data,
        ret->normal[v]->data);
  }
}

/* ---- measuring ---- */

/* The file's mesh in the world's frame again: z up, the size of @before. */
static void
to_world (ShuMesh *m, const ShuMesh *before)
{
  float lo = G_MAXFLOAT, hi = -G_MAXFLOAT, height = 0;

  for (gsize i = 0; i < (gsize) before->n_verts; i++) {
    lo = MIN (lo, before->pos[3 * i + 2]);
    hi = MAX (hi, before->pos[3 * i + 2]);
  }
  for (gsize i = 0; i < (gsize) m->n_verts; i++)
    height = MAX (height, m->pos[3 * i + 1]);
  for (gsize i = 0; i < (gsize) m->n_verts; i++) {
    float *p = m->pos + 3 * i, s = (hi - lo) / height;
    const float q[3] = {s * p[0], -s * p[2], s * p[1] + lo};

    memcpy (p, q, sizeof q);
  }
}

/* View @v of the model before white, as Stage 1 stores it. */
static ShuImage *
draw_model (const ShuMesh *mesh, const ShuImage *texture, ShuView v, int S)
{
  const ShuCamera camera = shu_camera_of_view (v);
  g_autoptr (ShuImage) seen = shu_render (
      mesh, texture, &camera, &(ShuRenderParams){.width = S, .height = S});
  gboolean mirrored = v == SHU_VIEW_BACK || v == SHU_VIEW_LEFT;
  ShuImage *out = shu_image_new (S, S, 3);

  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      const guint8 *p =
          seen->data + 4 * ((gsize) y * S + (mirrored ? S - 1 - x : x));

      for (int k = 0; k < 3; k++)
        out->data[3 * ((gsize) y * S + x) + k] =
            (guint8) ((p[k] * p[3] + 255 * (255 - p[3]) + 127) / 255);
    }
  return out;
}

static double
psnr (const ShuImage *a, const ShuImage *b, const guint8 *mask)
{
  gsize n = (gsize) a->width * a->height, count = 0;
  double sum = 0;

  for (gsize i = 0; i < 3 * n; i++)
    if (mask[i / 3]) {
      double d = a->data[i] - (double) b->data[i];

      sum += d * d;
      count++;
    }
  return count ? 10 * log10 (255. * 255. * (double) count / MAX (sum, 1e-9))
               : 0;
}

static gboolean
save_picture (const char *name, const ShuImage *image, GError **error)
{
  g_autofree char *path =
      save_folder ? g_build_filename (save_folder, name, NULL) : NULL;

  return !path || shu_png_write (path, image, error);
}

/* dB of each view of @glb; FALSE with an error */
static gboolean
measure (GBytes *glb, const ShuMesh *before, const Views *views,
    double ret_db[SHU_N_VIEWS], GError **error)
{
  g_autoptr (ShuGlb) file = shu_glb_decode (glb, error);
  g_autoptr (ShuImage) texture =
      file ? shu_photo_decode (file->texture, error) : NULL;

  if (!texture)
    return FALSE;
  to_world (file->mesh, before);
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    int S = views->color[v]->width;
    g_autoptr (ShuImage) seen = draw_model (file->mesh, texture, v, S);
    g_autofree guint8 *mask = hull_mask (views->normal[v]);
    g_autofree char *name = g_strdup_printf ("model_%d.png", v);
    g_autofree char *given = g_strdup_printf ("given_%d.png", v);

    hull_erode (mask, S, ERODED);
    ret_db[v] = psnr (seen, views->color[v], mask);
    if (!save_picture (name, seen, error) ||
        !save_picture (given, views->color[v], error))
      return FALSE;
  }
  return TRUE;
}

/* ---- the job ---- */

static gboolean
save_model (GBytes *glb, const ShuBundle *model, GError **error)
{
  const ShuTurntableParams params = {.width = 384,
      .height = 512,
      .n_frames = 8,
      .degrees = 360,
      .background = 0xffffff};
  g_autofree char *path =
      save_folder ? g_build_filename (save_folder, "model.glb", NULL) : NULL;
  g_autoptr (ShuTurntable) table = NULL;
  g_autoptr (ShuImage) sheet = NULL, texture = NULL;

  if (!path)
    return TRUE;
  table = shu_turntable_new (glb, &params, error);
  sheet = table ? shu_turntable_sheet (table, 4, NULL, error) : NULL;
  texture = sheet ? shu_bundle_take_image (model, "texture", 3, error) : NULL;
  return texture && save_picture ("sheet.png", sheet, error) &&
         save_picture ("texture.png", texture, error) &&
         g_file_set_contents (path, g_bytes_get_data (glb, NULL),
             (gssize) g_bytes_get_size (glb), error);
}

static gboolean
run (const Views *views, int R, int *ret_n_bad, GError **error)
{
  static const char *const names[] = {"front", "right", "back", "left", "face"};
  const ShuMeshParams mesh_params = {.simplify = -1};
  const ShuTextureParams texture_params = {.texture_size = texture_size};
  const ShuGlbParams glb_params = {.height = 0};
  g_autoptr (ShuBundle) asset = NULL, mesh = NULL, model = NULL;
  g_autoptr (ShuMesh) surface = NULL;
  g_autoptr (GBytes) glb = NULL;
  g_autofree char *text = NULL;
  double db[SHU_N_VIEWS];
  ShuMeshReport report;

  asset = hull_asset (views->color, views->normal, R, error);
  if (!asset || !(mesh = shu_stage_mesh (asset, &mesh_params, NULL, error)) ||
      !(model = shu_stage_texture (mesh, &texture_params, NULL, error)) ||
      !(glb = shu_stage_glb (model, &glb_params, error)) ||
      !(surface = shu_bundle_take_mesh (model, TRUE, error)) ||
      !measure (glb, surface, views, db, error) ||
      !save_model (glb, model, error))
    return FALSE;
  shu_bundle_mesh_report (mesh, &report);
  text = shu_mesh_report_text (&report);
  g_print ("%s\n", text);
  for (int v = 0; v < SHU_N_VIEWS; v++)
    g_print ("%s %.2f dB%s", names[v], db[v], v + 1 < SHU_N_VIEWS ? ", " : "");
  g_print ("; front wanted %g\n", least_front);
  *ret_n_bad = (db[SHU_VIEW_FRONT] < least_front) + (report.holes_left > 0);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Views) views = {{NULL}};
  int n_bad = 0;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  if ((person < 0) == (paths == NULL) || (paths && paths[1]) || n_cells < 0 ||
      n_cells > PERSON_SIDE || n_cells % 4) {
    g_printerr ("one folder or --person K, and cells by the four, please\n");
    return 2;
  }
  if (!n_cells)
    n_cells = paths ? CELLS : PERSON_CELLS;
  if (paths ? !read_views (paths[0], &views, &error)
            : (draw_views (person, &views), FALSE))
    goto failed;
  if (!run (&views, n_cells, &n_bad, &error))
    goto failed;
  return with_limits && n_bad > 0;
failed:
  g_printerr ("%s\n", error->message);
  return 1;
}
