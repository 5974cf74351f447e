/* SPDX-License-Identifier: MIT */
/* Rows of equations between texels and pixels, of the pictures and of drawn
 * Gaussians, and what is solved with them. */
#include "geometry/bake_private.h"
#include "geometry/splat.h"
#include <math.h>

enum {
  N_RENDERS = SHU_GAUSSIAN_VIEWS - SHU_N_VIEWS,
  LEAST_SIDE = 256, /* of a drawing */
  AT_ONCE = 16,     /* drawings in memory at most */
  PIXELS = 4 << 20, /* of these */
  CACHED = 1 << 18, /* the same on a CPU, so that they stay in its cache */
  SHARPEN_STEPS = 4,
  CHART_GAP = 128, /* charts are this part of a side apart */
};

/* The widest level that does not reach from one chart into another: two texels
 * of it are no wider than the gap. */
static float
widest_level (int size)
{
  return MAX (0, log2f ((float) size / CHART_GAP) - 1);
}

/* ---- rows ---- */

/* As they are found, in parts: place, colour and weight */
typedef struct {
  GPtrArray *parts[3];
} Rows;

static void
rows_init (Rows *r)
{
  for (int i = 0; i < 3; i++)
    r->parts[i] = g_ptr_array_new ();
}

static void
rows_clear (Rows *r)
{
  for (int i = 0; i < 3; i++)
    g_ptr_array_unref (r->parts[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Rows, rows_clear)

/* Those of @found that weigh something, for the scope outside */
static void
rows_take (Rows *r, ShuCtx *c, const ShuTextureRows *found)
{
  ShuTextureRows some;

  if (!shu_texture_pack (c, found, &some))
    return;
  g_ptr_array_add (r->parts[0], shu_keep (c, some.place));
  g_ptr_array_add (r->parts[1], shu_keep (c, some.color));
  g_ptr_array_add (r->parts[2], shu_keep (c, some.weight));
}

/* FALSE where there is none, or after a failure */
static gboolean
rows_join (const Rows *r, ShuCtx *c, ShuTextureRows *ret)
{
  ShuTensor *all[3];

  if (shu_ctx_failed (c) || r->parts[0]->len == 0)
    return FALSE;
  for (int i = 0; i < 3; i++) {
    all[i] = shu_concat (
        c, 0, (int) r->parts[i]->len, (ShuTensor **) r->parts[i]->pdata);
    for (guint j = 0; j < r->parts[i]->len; j++)
      shu_drop (c, g_ptr_array_index (r->parts[i], j));
  }
  *ret = (ShuTextureRows){all[0], all[1], all[2]};
  return !shu_ctx_failed (c) && all[2]->n > 0;
}

/* ---- Gaussians ---- */

/* Draws and takes @V views. */
static void
add_drawings (const ShuBaker *b, int V, const ShuCamera *cameras, int side,
    int size, Rows *rows)
{
  SHU_SCOPE (b->c);
  ShuBakeDrawings d = {.cameras = cameras};
  const ShuRasterJob job = {.at = b->scene.pos,
      .faces = b->scene.faces,
      .n_views = V,
      .cameras = cameras,
      .width = side,
      .height = side,
      .flags = SHU_RASTER_BARY | SHU_RASTER_DEPTH};
  ShuSplatCamera splat[AT_ONCE];
  ShuTextureRows found;

  for (int i = 0; i < V; i++)
    splat[i] = shu_splat_camera (cameras + i);
  if (shu_splat (b->c, b->views->gaussians, V, splat, side,
          SHU_SPLAT_COLOR | SHU_SPLAT_THROUGH | SHU_SPLAT_DEPTH, &d.splats) &&
      shu_rasterize (b->c, &job, &d.raster) &&
      shu_bake_drawing_rows (
          b->c, &b->scene, &d, size, widest_level (size), &found))
    rows_take (rows, b->c, &found);
}

static int
count_at_once (const ShuBaker *b, int side)
{
  int pixels = shu_ctx_on_gpu (b->c) ? PIXELS : CACHED;

  return CLAMP (pixels / side / side, 1, AT_ONCE);
}

void
shu_bake_gaussians (ShuBaker *b, const ShuBakeParams *params, int size)
{
  SHU_SCOPE (b->c);
  int n_views =
      SHU_N_VIEWS + (params->n_renders ? params->n_renders : N_RENDERS);
  int side =
      params->render_size ? params->render_size : MAX (LEAST_SIDE, size / 2);
  int at_once = count_at_once (b, side);
  g_autofree ShuCamera *around = g_new (ShuCamera, n_views);
  const ShuTextureSolver solver = {.size = size,
      .rounds = 3,
      .steps = 4,
      .soft_first = 32,
      .soft_last = 8,
      .stiffness = 0.2f};
  g_auto (Rows) rows;
  ShuTextureRows all;

  rows_init (&rows);
  shu_camera_renders (n_views, 2, 40, around);
  for (int i = SHU_N_VIEWS; i < n_views; i += at_once)
    add_drawings (b, MIN (at_once, n_views - i), around + i, side, size, &rows);
  if (!rows_join (&rows, b->c, &all))
    return;
  ShuTensor *start = shu_texture_gather (b->c, &all, size, 0.05f);
  b->scene.under =
      shu_keep (b->c, shu_texture_solve (b->c, &all, start, &solver));
}

/* ---- pictures ---- */

static void
add_photo (
    const ShuBaker *b, const ShuBakePhoto *p, int view, int size, Rows *rows)
{
  SHU_SCOPE (b->c);
  ShuTextureRows found;

  if (p && shu_bake_photo_rows (
               b->c, &b->scene, p, view, size, widest_level (size), &found))
    rows_take (rows, b->c, &found);
}

ShuTensor *
shu_bake_sharpen (ShuBaker *b, const ShuBakeParams *params, ShuTensor *rgb)
{
  SHU_SCOPE (b->c);
  const ShuTextureSolver solver = {.size = (int) rgb->dims[0],
      .rounds = 1,
      .steps = params->steps ? params->steps : SHARPEN_STEPS,
      .soft_first = 24,
      .soft_last = 24,
      .hold = 0.1f,
      .stiffness = params->stiffness > 0 ? params->stiffness : 0.5f};
  g_auto (Rows) rows;
  ShuTextureRows all;

  rows_init (&rows);
  for (int v = 0; v < SHU_BAKE_BODY; v++)
    add_photo (b, b->photos[v], v, solver.size, &rows);
  add_photo (b, b->face, SHU_VIEW_FRONT, solver.size, &rows);
  if (!rows_join (&rows, b->c, &all))
    return rgb;
  return shu_keep (b->c, shu_texture_solve (b->c, &all, rgb, &solver));
}
