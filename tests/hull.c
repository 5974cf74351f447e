/* SPDX-License-Identifier: MIT */
/* The bundle "asset" of a visual hull, and the silhouettes that it is made
 * from. */
#include "hull.h"
#include "geometry/raster.h"
#include "geometry/render.h"
#include "stages/fields_private.h"
#include <string.h>

enum {
  MASK_LEVEL = 230,
  EDGE = 100, /* of a side: a picture's border, which is mixed with white */
  CHANNELS = 53,
  BLOCK = 4, /* cells of a voxel */
};

/* ---- silhouettes ---- */

guint8 *
hull_mask (const ShuImage *normal)
{
  gsize n = (gsize) normal->width * normal->height;
  guint8 *mask = g_malloc (n);

  for (gsize i = 0; i < n; i++) {
    const guint8 *p = normal->data + 3 * i;

    mask[i] = MIN (p[0], MIN (p[1], p[2])) < MASK_LEVEL;
  }
  return mask;
}

void
hull_erode (guint8 *mask, int S, int n)
{
  g_autofree guint8 *old = g_malloc ((gsize) S * S);

  for (int step = 0; step < n; step++) {
    memcpy (old, mask, (gsize) S * S);
    for (int y = 0; y < S; y++)
      for (int x = 0; x < S; x++)
        for (int k = 0; k < 9; k++) {
          int u = x + k % 3 - 1, v = y + k / 3 - 1;

          if (u < 0 || v < 0 || u >= S || v >= S || !old[(gsize) v * S + u])
            mask[(gsize) y * S + x] = 0;
        }
  }
}

/* What of the mask the colours have white, from its outline on: [S,S] */
static guint8 *
find_white (const ShuImage *color, const guint8 *mask)
{
  int S = color->width, head = 0, tail = 0;
  guint8 *white = g_malloc0 ((gsize) S * S);
  g_autofree int *queue = g_new (int, (gsize) S *S);

  for (int i = 0; i < S * S; i++)
    if (!mask[i])
      queue[tail++] = i;
  while (head < tail) {
    int at = queue[head++], x = at % S, y = at / S;
    const int next[] = {x > 0 ? at - 1 : -1, x + 1 < S ? at + 1 : -1,
        y > 0 ? at - S : -1, y + 1 < S ? at + S : -1};

    for (int k = 0; k < 4; k++) {
      const guint8 *p = color->data + 3 * (gsize) MAX (next[k], 0);

      if (next[k] < 0 || !mask[next[k]] || white[next[k]] ||
          MIN (p[0], MIN (p[1], p[2])) < MASK_LEVEL)
        continue;
      white[next[k]] = 1;
      queue[tail++] = next[k];
    }
  }
  return white;
}

guint8 *
hull_person (const ShuImage *color, const ShuImage *normal)
{
  int S = normal->width, r = S / 100;
  guint8 *mask = hull_mask (normal);
  g_autofree guint8 *white = find_white (color, mask);
  g_autofree guint8 *keep = g_memdup2 (white, (gsize) S * S);

  hull_erode (keep, S, r);
  for (int i = 0; i < S * S; i++)
    keep[i] = !keep[i];
  hull_erode (keep, S, 2 * r);
  for (int i = 0; i < S * S; i++)
    mask[i] = mask[i] && (!white[i] || keep[i]);
  return mask;
}

/* ---- the bundle ---- */

static float
distance_at (const float *d, int R, int x, int y, int z)
{
  return d[((gsize) x * (R + 1) + y) * (R + 1) + z];
}

static gboolean
is_cut (const float *d, int R, int x, int y, int z)
{
  int inside = 0, n = BLOCK + 1;

  for (int i = 0; i < n * n * n; i++)
    inside += distance_at (d, R, x + i / n / n, y + i / n % n, z + i % n) < 0;
  return inside > 0 && inside < n * n * n;
}

static void
put_cells (ShuBundle *asset, const float *d, int R)
{
  g_autoptr (GArray) cells = g_array_new (FALSE, FALSE, sizeof (gint32));
  ShuTensor *coords, *feats;
  gint64 n;

  for (int x = 0; x < R; x += BLOCK)
    for (int y = 0; y < R; y += BLOCK)
      for (int z = 0; z < R; z += BLOCK)
        for (int i = 0; is_cut (d, R, x, y, z) && i < BLOCK * BLOCK * BLOCK;
             i++) {
          gint32 cell[] = {
              x + i / BLOCK / BLOCK, y + i / BLOCK % BLOCK, z + i % BLOCK};

          g_array_append_vals (cells, cell, 3);
        }
  n = cells->len / 3;
  coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (n, 3));
  feats = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, CHANNELS));
  memcpy (coords->data, cells->data, shu_tensor_bytes (coords));
  memset (feats->data, 0, shu_tensor_bytes (feats));
  for (gint64 i = 0; i < n; i++) {
    const gint32 *cell = (gint32 *) coords->data + 3 * i;

    for (int c = 0; c < 8; c++) /* the extraction adds -1 / R */
      ((float *) feats->data)[i * CHANNELS + c] =
          distance_at (d, R, cell[0] + (c & 1), cell[1] + (c >> 1 & 1),
              cell[2] + (c >> 2)) +
          1.0f / R;
  }
  shu_bundle_take (asset, "mesh_coords", coords);
  shu_bundle_take (asset, "mesh_feats", feats);
  shu_bundle_set_int (asset, "mesh-resolution", R);
}

/* What of the mesh a picture of @v sees: depth, and the pixel of each vertex */
typedef struct {
  ShuCamera camera;
  ShuRaster *raster;
  const ShuImage *color;
  guint8 *person; /* the inside of the silhouette, as it is stored */
  gboolean mirrored;
} Eye;

/* The colour of @pos in the picture that looks at it most directly; FALSE
 * where none does */
static gboolean
color_of (const Eye *eyes, const float *pos, const float *normal, float *rgb)
{
  float best = 0.3f;

  for (int v = 0; v < 4; v++) {
    const Eye *e = &eyes[v];
    const float *axis = e->camera.view + 8;
    int S = e->color->width, x, y;
    float uv[2], z = shu_camera_project (&e->camera, pos, uv);
    float facing =
        -(axis[0] * normal[0] + axis[1] * normal[1] + axis[2] * normal[2]);
    gsize at;

    x = CLAMP ((int) (uv[0] * S), 0, S - 1);
    y = CLAMP ((int) (uv[1] * S), 0, S - 1);
    at = (gsize) y * S + (e->mirrored ? S - 1 - x : x);
    if (facing <= best || !e->person[at] ||
        z > e->raster->depth[(gsize) y * S + x] + 0.01f)
      continue;
    best = facing;
    for (int k = 0; k < 3; k++)
      rgb[k] = e->color->data[3 * at + k] / 255.0f;
  }
  return best > 0.3f;
}

/* A Gaussian at every vertex that a picture shows. */
static void
put_gaussians (ShuBundle *asset, const ShuMesh *mesh, const float *normals,
    const Eye *eyes, int R)
{
  g_autoptr (GArray) pos = g_array_new (FALSE, FALSE, 3 * sizeof (float));
  g_autoptr (GArray) rgb = g_array_new (FALSE, FALSE, 3 * sizeof (float));
  ShuTensor *t[5];
  gint64 n;

  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    float c[3];

    if (!color_of (eyes, mesh->pos + 3 * i, normals + 3 * i, c))
      continue;
    g_array_append_vals (pos, mesh->pos + 3 * i, 1);
    g_array_append_vals (rgb, c, 1);
  }
  n = pos->len;
  t[0] = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));
  t[1] = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));
  t[2] = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 4));
  t[3] = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n));
  t[4] = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, 3));
  memcpy (t[0]->data, pos->data, shu_tensor_bytes (t[0]));
  memcpy (t[4]->data, rgb->data, shu_tensor_bytes (t[4]));
  for (gint64 i = 0; i < n; i++) {
    for (int k = 0; k < 3; k++)
      ((float *) t[1]->data)[3 * i + k] = 0.6f / R;
    for (int k = 0; k < 4; k++)
      ((float *) t[2]->data)[4 * i + k] = k == 0;
    ((float *) t[3]->data)[i] = 0.9f;
  }
  shu_bundle_take (asset, "gs_pos", t[0]);
  shu_bundle_take (asset, "gs_scale", t[1]);
  shu_bundle_take (asset, "gs_quat", t[2]);
  shu_bundle_take (asset, "gs_opacity", t[3]);
  shu_bundle_take (asset, "gs_rgb", t[4]);
}

static gboolean
color_surface (ShuBundle *asset, ShuImage *const *color,
    ShuImage *const *normal, int R, GError **error)
{
  g_autoptr (ShuMesh) mesh = shu_asset_extract (asset, NULL, error);
  g_autofree float *normals = NULL;
  Eye eyes[4];

  if (!mesh)
    return FALSE;
  normals = shu_render_normals (mesh);
  for (int v = 0; v < 4; v++) {
    int S = color[v]->width;

    eyes[v] = (Eye){.camera = shu_camera_of_view (v),
        .raster = shu_raster_new (S, S, SHU_RASTER_NONE),
        .color = color[v],
        .person = hull_person (color[v], normal[v]),
        .mirrored = v == SHU_VIEW_BACK || v == SHU_VIEW_LEFT};
    hull_erode (eyes[v].person, S, S / EDGE);
    shu_raster_mesh (eyes[v].raster, mesh, &eyes[v].camera, SHU_RASTER_NONE);
  }
  put_gaussians (asset, mesh, normals, eyes, R);
  for (int v = 0; v < 4; v++) {
    shu_raster_free (eyes[v].raster);
    g_free (eyes[v].person);
  }
  return TRUE;
}

ShuBundle *
hull_asset (ShuImage *const color[SHU_N_VIEWS],
    ShuImage *const normal[SHU_N_VIEWS], int R, GError **error)
{
  g_autoptr (ShuBundle) asset = shu_bundle_new ("asset");
  g_autofree float *d = hull_distances (color, normal, R);

  put_cells (asset, d, R);
  shu_bundle_put_images (asset, "color", SHU_N_VIEWS, color);
  shu_bundle_put_images (asset, "normal", SHU_N_VIEWS, normal);
  return color_surface (asset, color, normal, R, error)
             ? g_steal_pointer (&asset)
             : NULL;
}
