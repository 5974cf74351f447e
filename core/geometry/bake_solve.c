/* SPDX-License-Identifier: MIT */
/* Rows of equations between texels and pixels, of the pictures and of drawn
 * Gaussians, and what is solved with them. */
#include "geometry/bake_private.h"
#include "geometry/raster.h"
#include "geometry/splat.h"
#include "ops/texture_taps.h"
#include <math.h>
#include <string.h>

enum {
  N_RENDERS = SHU_GAUSSIAN_VIEWS - SHU_N_VIEWS,
  LEAST_SIDE = 256, /* of a drawing */
  AT_ONCE = 16,     /* drawings in memory */
  SHARPEN_STEPS = 4,
  CHART_GAP = 128, /* charts are this part of a side apart */
};

/* Rows as they are found. */
typedef struct {
  gsize n, room;
  float *place, *color, *weight;
} Rows;

static void
rows_clear (Rows *r)
{
  g_free (r->place);
  g_free (r->color);
  g_free (r->weight);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Rows, rows_clear)

static void
rows_reserve (Rows *r, gsize n)
{
  if (r->n + n <= r->room)
    return;
  r->room = MAX (r->n + n, 2 * r->room);
  r->place = g_renew (float, r->place, 3 * r->room);
  r->color = g_renew (float, r->color, 3 * r->room);
  r->weight = g_renew (float, r->weight, r->room);
}

/* A plane of the host as a scoped tensor that keeps its type */
static ShuTensor *
host_tensor (ShuCtx *c, int n_dims, const gint64 *dims, const float *data)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (SHU_DTYPE_F32, n_dims, dims);

  memcpy (t->data, data, shu_tensor_bytes (t));
  return shu_scoped_ref (c, t);
}

static ShuTextureRows
rows_upload (const Rows *r, ShuCtx *c)
{
  return (ShuTextureRows){host_tensor (c, SHU_DIMS (r->n, 3), r->place),
      host_tensor (c, SHU_DIMS (r->n, 3), r->color),
      host_tensor (c, SHU_DIMS (r->n), r->weight)};
}

/* The widest level that does not reach from one chart into another: two texels
 * of it are no wider than the gap. */
static float
widest_level (int size)
{
  return MAX (0, log2f ((float) size / CHART_GAP) - 1);
}

/* Where a pixel of a picture of @side pixels, which shows @face at @bary, reads
 * a texture of @size. */
static void
find_place (const ShuMesh *mesh, const ShuCamera *camera, int side, int face,
    const float *bary, int size, float *ret)
{
  const gint32 *f = mesh->faces + 3 * (gsize) face;
  float screen[3][3], uv[3][2];

  for (int k = 0; k < 3; k++) {
    screen[k][2] =
        shu_camera_project (camera, mesh->pos + 3 * (gsize) f[k], screen[k]);
    screen[k][0] *= side;
    screen[k][1] *= side;
    memcpy (uv[k], mesh->uv + 2 * (gsize) f[k], sizeof uv[k]);
  }
  shu_texture_place (screen, uv, bary, camera->perspective, size, ret);
  ret[2] = MIN (ret[2], widest_level (size));
}

/* ---- Gaussians ---- */

static const float least_alpha = 0.5f;
static const float depth_slack = 0.02f; /* between Gaussians and surface */

/* How much pixel @i of a drawing tells of the surface: solid, no step in depth
 * beside it, and seen not too much from the side. */
static float
weigh_render (const ShuBaker *b, const ShuRaster *r, const float *through,
    const float *depth, const ShuCamera *camera, gsize i)
{
  const gint32 *f = b->mesh->faces + 3 * (gsize) r->face[i];
  float l[3] = {1 - r->bary[2 * i] - r->bary[2 * i + 1], r->bary[2 * i],
      r->bary[2 * i + 1]};
  float pos[3], n[3], eye[3], dot = 0, len = 0, cosine;

  if (through[i] > 1 - least_alpha ||
      fabsf (depth[i] - r->depth[i]) > depth_slack)
    return 0;
  shu_bake_mix (b->mesh->pos, f, l, 3, pos);
  shu_bake_mix (b->normals, f, l, 3, n);
  for (int k = 0; k < 3; k++) {
    const float *m = camera->view;
    eye[k] = -(m[k] * m[3] + m[4 + k] * m[7] + m[8 + k] * m[11]) - pos[k];
    dot += eye[k] * n[k];
    len += eye[k] * eye[k];
  }
  len *= n[0] * n[0] + n[1] * n[1] + n[2] * n[2];
  cosine = len > 0 ? dot / sqrtf (len) : 0;
  return cosine > 0.2f ? cosine * cosine : 0;
}

static void
add_render (const ShuBaker *b, const ShuCamera *camera, int side,
    const float *color, const float *through, const float *depth, Rows *rows)
{
  gsize n = (gsize) side * side;
  g_autoptr (ShuRaster) r = shu_raster_new (side, side, SHU_RASTER_BARY);

  shu_raster_mesh (r, b->mesh, camera, SHU_RASTER_BARY);
  rows_reserve (rows, n);
  for (gsize i = 0; i < n; i++) {
    float w =
        r->face[i] < 0 ? 0 : weigh_render (b, r, through, depth, camera, i);
    if (!(w > 0))
      continue;
    find_place (b->mesh, camera, side, r->face[i], r->bary + 2 * i,
        b->under_size, rows->place + 3 * rows->n);
    for (int k = 0; k < 3; k++)
      rows->color[3 * rows->n + k] =
          MIN (255, 255 * color[3 * i + k] / (1 - through[i]));
    rows->weight[rows->n++] = w;
  }
}

/* Draws and takes @V views. */
static void
add_some (const ShuBaker *b, ShuCtx *c, const ShuSplatInput *gaussians, int V,
    const ShuCamera *around, int side, Rows *rows)
{
  SHU_SCOPE (c);
  gsize n = (gsize) side * side;
  ShuSplatCamera cameras[AT_ONCE];
  ShuSplats splats;

  for (int i = 0; i < V; i++)
    cameras[i] = shu_splat_camera (around + i);
  if (!shu_splat (c, gaussians, V, cameras, side,
          SHU_SPLAT_COLOR | SHU_SPLAT_THROUGH | SHU_SPLAT_DEPTH, &splats))
    return;
  for (int i = 0; i < V; i++)
    add_render (b, around + i, side, (float *) splats.color->data + 3 * n * i,
        (float *) splats.through->data + n * i,
        (float *) splats.depth->data + n * i, rows);
}

static void
add_renders (const ShuBaker *b, ShuCtx *c, int n_renders, int side, Rows *rows)
{
  SHU_SCOPE (c);
  int n_views = SHU_N_VIEWS + n_renders;
  g_autofree ShuCamera *around = g_new (ShuCamera, n_views);
  ShuSplatInput gaussians = shu_splat_input (c, b->views->gaussians);

  shu_camera_renders (n_views, 2, 40, around);
  for (int i = SHU_N_VIEWS; i < n_views; i += AT_ONCE)
    add_some (
        b, c, &gaussians, MIN (AT_ONCE, n_views - i), around + i, side, rows);
}

gboolean
shu_bake_gaussians (ShuBaker *b, const ShuBakeParams *params, GError **error)
{
  int n_renders = params->n_renders ? params->n_renders : N_RENDERS;
  int side = params->render_size ? params->render_size
                                 : MAX (LEAST_SIDE, b->under_size / 2);
  ShuTextureSolver solver = {.size = b->under_size,
      .rounds = 3,
      .steps = 4,
      .soft_first = 32,
      .soft_last = 8,
      .stiffness = 0.2f};
  ShuCtx *c = b->c;
  g_auto (Rows) rows = {0};

  add_renders (b, c, n_renders, side, &rows);
  if (!shu_ctx_finish (c, error))
    return FALSE;
  if (rows.n == 0)
    return TRUE;
  b->under = g_new (float, 3 * (gsize) b->under_size * b->under_size);
  {
    SHU_SCOPE (c);
    ShuTextureRows r = rows_upload (&rows, c);
    ShuTensor *start = shu_texture_gather (c, &r, solver.size, 0.05f);

    shu_to_host (c, shu_texture_solve (c, &r, start, &solver), b->under);
  }
  return shu_ctx_finish (c, error);
}

/* ---- pictures ---- */

/* Of a pixel that says anything of detail: beside an outline it is mixed with
 * what lies behind. */
static const float least_trust = 0.1f;

/* Pixels of a picture.  @view: the body picture that it belongs to */
static void
add_photo (
    const ShuBaker *b, const ShuBakePhoto *p, int view, int size, Rows *rows)
{
  gsize n = (gsize) p->size * p->size;
  gboolean face = p == b->face;
  const float *axis = p->camera.view + 8;
  const float *rgb = p->rgb->data, *bary = p->raster.bary->data;
  const float *trust = p->trust->data, *open = p->open->data;
  const float *shift = face ? b->face_shift->data : NULL;
  const gint32 *shown = p->raster.face->data;

  rows_reserve (rows, n);
  for (gsize i = 0; i < n; i++) {
    float l[3], in[2], cosine = 0, w = trust[i] * open[i], share;
    float uv[2] = {
        (i % p->size + 0.5f) / p->size, (i / p->size + 0.5f) / p->size};

    if (shown[i] < 0 || w < least_trust)
      continue;
    l[1] = bary[2 * i];
    l[2] = bary[2 * i + 1];
    l[0] = 1 - l[1] - l[2];
    ShuBakeSpot s = shu_bake_spot (b, shown[i], l);
    for (int k = 0; k < 3; k++)
      cosine -= s.normal[k] * axis[k];
    if (cosine <= 0.05f)
      continue;
    if (face) {
      uv[0] = (uv[0] + 1) / 3;
      uv[1] /= 3;
    }
    share = view == SHU_VIEW_FRONT ? shu_bake_face_share (b, uv, in) : 0;
    w *= powf (cosine, b->power) * shu_bake_prior (view) /
         shu_bake_prior (SHU_VIEW_FRONT) * (face ? share : 1 - share);
    if (!(w > 0))
      continue;
    find_place (b->mesh, &p->camera, p->size, shown[i], bary + 2 * i, size,
        rows->place + 3 * rows->n);
    for (int k = 0; k < 3; k++)
      rows->color[3 * rows->n + k] =
          rgb[3 * i + k] + s.match[view][k] + (shift ? shift[3 * i + k] : 0);
    rows->weight[rows->n++] = w;
  }
}

gboolean
shu_bake_sharpen (ShuBaker *b, const ShuBakeParams *params, int size,
    float *rgb, GError **error)
{
  ShuTextureSolver solver = {.size = size,
      .rounds = 1,
      .steps = params->steps ? params->steps : SHARPEN_STEPS,
      .soft_first = 24,
      .soft_last = 24,
      .hold = 0.1f,
      .stiffness = params->stiffness > 0 ? params->stiffness : 0.5f};
  ShuCtx *c = b->c;
  g_auto (Rows) rows = {0};

  for (int v = 0; v < SHU_BAKE_BODY; v++)
    if (b->photos[v])
      add_photo (b, b->photos[v], v, size, &rows);
  if (b->face)
    add_photo (b, b->face, SHU_VIEW_FRONT, size, &rows);
  if (rows.n == 0)
    return TRUE;
  {
    SHU_SCOPE (c);
    ShuTextureRows r = rows_upload (&rows, c);
    ShuTensor *start = host_tensor (c, SHU_DIMS (size, size, 3), rgb);

    shu_to_host (c, shu_texture_solve (c, &r, start, &solver), rgb);
  }
  return shu_ctx_finish (c, error);
}
