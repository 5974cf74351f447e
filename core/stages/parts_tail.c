/* SPDX-License-Identifier: MIT */
/* What comes after the networks, from the bundle "asset" to the bytes of the
 * GLB file, and views of the Gaussians: over the built-in body, of the model's
 * size or of any, with Gaussians on its surface and pictures of it. */
#include "geometry/render.h"
#include "geometry/splat.h"
#include "models/mesh_decoder.h"
#include "stages/body_private.h"
#include "stages/fields_private.h"
#include "stages/parts_private.h"
#include "stages/stages.h"
#include <math.h>
#include <string.h>

enum {
  DISTANCES = 53,
  CHANNELS = DISTANCES + 8 * 6,
  GAUSSIANS = 32,         /* of a voxel */
  FACES_OF_VOXEL = 60,    /* about */
  MAX_RESOLUTION = 512,   /* of FlexiCubes */
  OFFICIAL_VOXELS = 6000, /* of a grid of... */
  OFFICIAL_RESOLUTION = 64,
};

/* Which body in which grids. */
typedef struct {
  float size;
  int voxel_res, mesh_res;
  GArray *rows; /* of shu_body_voxels() */
} Body;

static Body
choose_body (ShuPart *p)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  int N = p->faces / FACES_OF_VOXEL, r;
  float size;

  if (p->faces == 0)
    return (Body){shu_model_body_size (p->model), d->voxel_res, d->mesh_res,
        shu_model_body_voxels (p->model)};
  r = (int) (OFFICIAL_RESOLUTION * sqrt ((double) N / OFFICIAL_VOXELS));
  r = CLAMP (r, 8, MAX_RESOLUTION / 4);
  size = shu_body_size (r, N);
  return (Body){size, r, 4 * r, shu_body_voxels (size, r, N)};
}

/* Colours by place */
static float
color_at (float x)
{
  return CLAMP (x + 0.5f, 0.05f, 0.95f);
}

/* ---- cells ---- */

static void
set_colors (const gint32 *cell, int R, float *logits)
{
  for (int corner = 0; corner < 8; corner++)
    for (int k = 0; k < 6; k++) {
      float at = (float) (cell[k % 3] + (corner >> (k % 3) & 1)) / R - 0.5f;
      float c = color_at (at);

      logits[6 * corner + k] = logf (c / (1 - c));
    }
}

static void
put_cells (ShuPart *p, const Body *body, ShuBundle *asset)
{
  int n_voxels = (int) body->rows->len / 4;
  ShuVoxels voxels = {n_voxels, 4, (const gint32 *) body->rows->data};
  gint64 n = (gint64) SHU_MESH_DECODER_GRANDCHILDREN * n_voxels;
  ShuTensor *coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (n, 3));
  g_autoptr (ShuTensor) feats =
      shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, CHANNELS));
  g_autofree gint32 *with_batch = g_new (gint32, 4 * n);
  gint32 *cells = coords->data;

  shu_mesh_decoder_coords (&voxels, with_batch);
  for (gint64 i = 0; i < n; i++)
    memcpy (cells + 3 * i, with_batch + 4 * i + 1, 3 * sizeof *cells);
  shu_body_set_distances (
      body->size, body->mesh_res, n, cells, CHANNELS, feats->data);
#pragma omp parallel for
  for (gint64 i = 0; i < n; i++)
    set_colors (cells + 3 * i, body->mesh_res,
        (float *) feats->data + i * CHANNELS + DISTANCES);
  shu_bundle_take (asset, "mesh_coords", coords);
  shu_bundle_set_int (asset, "mesh-resolution", body->mesh_res);
  {
    SHU_SCOPE (p->c);
    ShuTensor *there =
        shu_own (p->c, shu_from_host (p->c, SHU_DTYPE_F32, feats->n_dims,
                           feats->dims, feats->data));
    if (there)
      shu_bundle_take (asset, "mesh_feats", there);
  }
}

/* ---- Gaussians ---- */

/* Moves a point onto the surface. */
static void
pull (float size, float *at)
{
  const float step = 1e-3f;
  float d = shu_body_distance (size, at), g[3], len = 0;

  for (int k = 0; k < 3; k++) {
    float beside[3] = {at[0], at[1], at[2]};

    beside[k] += step;
    g[k] = shu_body_distance (size, beside) - d;
    len += g[k] * g[k];
  }
  len = MAX (sqrtf (len), 1e-6f);
  for (int k = 0; k < 3; k++)
    at[k] -= d * g[k] / len;
}

static void
put_gaussians (const Body *body, ShuBundle *asset)
{
  gint64 n = (gint64) GAUSSIANS * (body->rows->len / 4);
  const gint32 *rows = (const gint32 *) body->rows->data;
  ShuTensor *pos = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));
  ShuTensor *scale = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));
  ShuTensor *quat = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 4));
  ShuTensor *opacity = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n));
  ShuTensor *rgb = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));

#pragma omp parallel for
  for (gint64 i = 0; i < n; i++) {
    const gint32 *voxel = rows + 4 * (i / GAUSSIANS) + 1;
    float *at = (float *) pos->data + 3 * i;
    double inside[3];

    shu_hammersley ((int) (i % GAUSSIANS), GAUSSIANS, 3, inside);
    for (int k = 0; k < 3; k++)
      at[k] = (float) (voxel[k] + inside[k]) / body->voxel_res - 0.5f;
    pull (body->size, at);
    for (int k = 0; k < 3; k++) {
      ((float *) scale->data)[3 * i + k] = 0.25f / body->voxel_res;
      ((float *) rgb->data)[3 * i + k] = color_at (at[k]);
    }
    for (int k = 0; k < 4; k++)
      ((float *) quat->data)[4 * i + k] = k == 0;
    ((float *) opacity->data)[i] = 0.9f;
  }
  shu_bundle_take (asset, "gs_pos", pos);
  shu_bundle_take (asset, "gs_scale", scale);
  shu_bundle_take (asset, "gs_quat", quat);
  shu_bundle_take (asset, "gs_opacity", opacity);
  shu_bundle_take (asset, "gs_rgb", rgb);
}

/* ---- pictures ---- */

/* As Stage 1 stores view @v of @mesh: before white, back and left mirrored. */
static ShuImage *
draw (const ShuMesh *mesh, ShuView v, int S)
{
  const ShuCamera camera = shu_camera_of_view (v);
  g_autoptr (ShuImage) seen = shu_render (
      mesh, NULL, &camera, &(ShuRenderParams){.width = S, .height = S});
  ShuImage *out = shu_image_new (S, S, 3);
  gboolean mirror = v == SHU_VIEW_BACK || v == SHU_VIEW_LEFT;

  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      const guint8 *from =
          seen->data + 4 * ((gsize) y * S + (mirror ? S - 1 - x : x));

      for (int k = 0; k < 3; k++)
        out->data[3 * ((gsize) y * S + x) + k] =
            (guint8) ((from[k] * from[3] + 255 * (255 - from[3])) / 255);
    }
  return out;
}

static void
put_pictures (const ShuMesh *body, int S, ShuBundle *asset)
{
  g_autofree float *normals = shu_render_normals (body);
  g_autoptr (ShuMesh) turned = shu_mesh_copy (body);
  ShuImage *color[SHU_N_VIEWS], *normal[SHU_N_VIEWS];

  for (gsize i = 0; i < (gsize) body->n_verts; i++)
    for (int k = 0; k < 3; k++)
      turned->attr[6 * i + k] = normals[3 * i + k] * 0.5f + 0.5f;
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    color[v] = draw (body, v, S);
    normal[v] = draw (turned, v, S);
  }
  shu_bundle_put_images (asset, "color", SHU_N_VIEWS, color);
  shu_bundle_put_images (asset, "normal", SHU_N_VIEWS, normal);
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    shu_image_free (color[v]);
    shu_image_free (normal[v]);
  }
}

/* ---- the part ---- */

/* What the networks leave on their device goes there. */
static gboolean
bring (ShuPart *p, GError **error)
{
  ShuBundle *there =
      shu_bundle_to_device (p->data, shu_model_device (p->model), NULL, error);

  if (!there)
    return FALSE;
  shu_bundle_unref (p->data);
  p->data = there;
  return TRUE;
}

static gboolean
prepare_tail (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->view_size;
  Body body = choose_body (p);
  ShuBundle *asset = shu_bundle_new ("asset");
  g_autoptr (ShuMesh) mesh = NULL;

  p->data = asset;
  p->data_free = (GDestroyNotify) shu_bundle_unref;
  put_cells (p, &body, asset);
  put_gaussians (&body, asset);
  p->size = g_strdup_printf ("%u voxels", body.rows->len / 4);
  g_array_unref (body.rows);
  if (!shu_ctx_finish (p->c, error))
    return FALSE;
  mesh = shu_asset_extract (asset, NULL, error);
  if (!mesh)
    return FALSE;
  put_pictures (mesh, S, asset);
  return bring (p, error);
}

static gboolean
run_tail (ShuPart *p, GError **error)
{
  const ShuMeshParams mesh_params = {.simplify = -1};
  const ShuTextureParams texture_params = {.texture_size = -1};
  const ShuGlbParams glb_params = {.height = 0};
  g_autoptr (ShuBundle) mesh = NULL, model = NULL;
  g_autoptr (GBytes) glb = NULL;
  ShuMeshReport report;

  mesh = shu_stage_mesh (p->data, &mesh_params, &p->progress, error);
  if (!mesh)
    return FALSE;
  model = shu_stage_texture (mesh, &texture_params, &p->progress, error);
  if (!model)
    return FALSE;
  glb = shu_stage_glb (model, &glb_params, error);
  shu_progress_lap (&p->progress, "GLB");
  if (glb && shu_bundle_mesh_report (mesh, &report)) {
    g_free (p->size);
    p->size = g_strdup_printf ("%d faces, %d left, %.1f MB", report.extracted,
        report.faces, 1e-6 * (double) g_bytes_get_size (glb));
  }
  return glb != NULL;
}

/* ---- views of the Gaussians ---- */

static int
splat_size (const ShuPart *p)
{
  int S = shu_model_defaults (p->model)->view_size;

  return MIN (SHU_GAUSSIAN_VIEW_SIZE, S + S / 3);
}

static gboolean
prepare_gaussians (ShuPart *p, GError **error)
{
  Body body = choose_body (p);
  ShuBundle *b = shu_bundle_new ("asset");

  p->data = b;
  p->data_free = (GDestroyNotify) shu_bundle_unref;
  put_gaussians (&body, b);
  g_array_unref (body.rows);
  return bring (p, error);
}

/* Those that a texture is made from */
static gboolean
run_gaussians (ShuPart *p, GError **error)
{
  enum { VIEWS = SHU_GAUSSIAN_VIEWS - SHU_N_VIEWS };

  gint64 start = g_get_monotonic_time (), n;
  int S = splat_size (p);
  ShuSplatInput input;
  ShuSplats views;
  double seconds;

  if (!shu_bundle_splat_input (p->c, p->data, &input, error))
    return FALSE;
  shu_gaussians_views (p->c, &input, SHU_N_VIEWS, SHU_GAUSSIAN_VIEWS, S,
      SHU_SPLAT_RGB | SHU_SPLAT_MASK, &views);
  if (!shu_ctx_finish (p->c, error))
    return FALSE;
  seconds = 1e-6 * (double) MAX (g_get_monotonic_time () - start, 1) / VIEWS;
  n = input.pos->dims[0];
  g_free (p->size);
  p->size = g_strdup_printf ("%d views of %d x %d, %" G_GINT64_FORMAT
                             " Gaussians: %.2f ms a view, %.0f M a second",
      VIEWS, S, S, n, 1e3 * seconds, 1e-6 * (double) n / seconds);
  return TRUE;
}

const ShuPartKind shu_parts_tail[] = {
    {"gaussians", SHU_N_NETS, 0, prepare_gaussians, run_gaussians, TRUE},
    {"tail", SHU_N_NETS, 1 << SHU_PART_MESH, prepare_tail, run_tail, TRUE},
    {NULL},
};
