/* SPDX-License-Identifier: MIT */
/* What comes after the networks, over the built-in body, of the model's size or
 * of any: the outer surface of what is extracted, the simplification of that,
 * the atlas of what is left, and its texture. */
#include "base/error.h"
#include "geometry/atlas.h"
#include "geometry/bake.h"
#include "geometry/cleanup.h"
#include "geometry/flexicubes.h"
#include "geometry/simplify.h"
#include "models/mesh_decoder.h"
#include "stages/body_private.h"
#include "stages/parts_private.h"
#include <math.h>
#include <string.h>

enum {
  DISTANCES = 53,
  FACES_OF_VOXEL = 60,    /* about */
  MAX_RESOLUTION = 512,   /* of FlexiCubes */
  OFFICIAL_VOXELS = 6000, /* of a grid of... */
  OFFICIAL_RESOLUTION = 64,
  TEXTURE = 1024,
};

typedef struct {
  ShuMesh *mesh; /* to work on */
  ShuImage *views[SHU_N_VIEWS];
  float *scale, *quat, *opacity, *rgb; /* of a Gaussian at each vertex */
} Tail;

static void
tail_free (gpointer data)
{
  Tail *t = data;

  shu_mesh_free (t->mesh);
  for (int v = 0; v < SHU_N_VIEWS; v++)
    shu_image_free (t->views[v]);
  g_free (t->scale);
  g_free (t->quat);
  g_free (t->opacity);
  g_free (t->rgb);
  g_free (t);
}

/* ---- meshes ---- */

static ShuMesh *
extract (const ShuVoxels *voxels, int R, float size, GError **error)
{
  int n = SHU_MESH_DECODER_GRANDCHILDREN * voxels->n;
  g_autofree gint32 *cells = g_new (gint32, (gsize) 3 * n);
  g_autofree gint32 *with_batch = g_new (gint32, (gsize) 4 * n);
  g_autofree float *feats = g_new (float, (gsize) DISTANCES *n);

  shu_mesh_decoder_coords (voxels, with_batch);
  for (int i = 0; i < n; i++)
    memcpy (cells + 3 * (gsize) i, with_batch + 4 * (gsize) i + 1,
        3 * sizeof *cells);
  shu_body_set_distances (size, R, n, cells, DISTANCES, feats);
  return shu_flexicubes (&(ShuFlexiCubesInput){.resolution = R,
                             .n_cells = n,
                             .coords = cells,
                             .coord_stride = 3,
                             .n_channels = DISTANCES,
                             .feats = feats},
      error);
}

/* Colours by place, as no network has made any. */
static void
paint (ShuMesh *m)
{
  m->attr = g_new (float, 6 * (gsize) m->n_verts + 1);
  for (int v = 0; v < m->n_verts; v++)
    for (int k = 0; k < 6; k++)
      m->attr[6 * (gsize) v + k] =
          k < 3 ? CLAMP (m->pos[3 * (gsize) v + k] + 0.5f, 0, 1) : 0.5f;
}

static ShuMesh *
extract_body (ShuPart *p, GError **error)
{
  int N = p->faces / FACES_OF_VOXEL, R, r;
  g_autoptr (GArray) rows = NULL;
  ShuVoxels voxels;
  float size;
  ShuMesh *m;

  if (p->faces > 0) {
    r = (int) (OFFICIAL_RESOLUTION * sqrt ((double) N / OFFICIAL_VOXELS));
    r = CLAMP (r, 8, MAX_RESOLUTION / 4);
    R = 4 * r;
    size = shu_body_size (r, N);
    rows = shu_body_voxels (size, r, N);
  } else {
    R = shu_model_defaults (p->model)->mesh_res;
    size = shu_model_body_size (p->model);
    rows = shu_model_body_voxels (p->model);
  }
  voxels = (ShuVoxels){(int) rows->len / 4, 4, (const gint32 *) rows->data};
  m = extract (&voxels, R, size, error);
  if (m && !m->attr)
    paint (m);
  return m;
}

static ShuMesh *
outer_surface (const ShuMesh *raw, GError **error)
{
  ShuCleanupParams params = SHU_CLEANUP_PARAMS_INIT;

  return shu_mesh_outer_surface (raw, &params, NULL, NULL, error);
}

static ShuMesh *
simplify (const ShuMesh *outer, GError **error)
{
  ShuSimplifyParams params = SHU_SIMPLIFY_PARAMS_INIT;

  return shu_mesh_simplify (outer, &params, NULL, error);
}

static ShuMesh *
unwrap (const ShuMesh *simple, GError **error)
{
  return shu_atlas (
      simple, &(ShuAtlasParams){.size = TEXTURE}, NULL, NULL, error);
}

/* Up to the input of step @n_steps of the list. */
static gboolean
prepare_mesh (ShuPart *p, int n_steps, GError **error)
{
  static ShuMesh *(*const steps[]) (const ShuMesh *, GError **) = {
      outer_surface, simplify, unwrap};
  Tail *t = g_new0 (Tail, 1);

  p->data = t;
  p->data_free = tail_free;
  p->runs[SHU_PART_MESH] = 1;
  t->mesh = extract_body (p, error);
  for (int i = 0; t->mesh && i < n_steps; i++) {
    ShuMesh *next = steps[i](t->mesh, error);

    shu_mesh_free (t->mesh);
    t->mesh = next;
  }
  if (!t->mesh)
    return FALSE;
  p->size = g_strdup_printf ("%d faces", t->mesh->n_faces);
  return TRUE;
}

static gboolean
prepare_outer_surface (ShuPart *p, GError **error)
{
  return prepare_mesh (p, 0, error);
}

static gboolean
prepare_simplify (ShuPart *p, GError **error)
{
  return prepare_mesh (p, 1, error);
}

static gboolean
prepare_atlas (ShuPart *p, GError **error)
{
  return prepare_mesh (p, 2, error);
}

static gboolean
run_outer_surface (ShuPart *p, GError **error)
{
  g_autoptr (ShuMesh) m = outer_surface (((Tail *) p->data)->mesh, error);

  return m != NULL;
}

static gboolean
run_simplify (ShuPart *p, GError **error)
{
  g_autoptr (ShuMesh) m = simplify (((Tail *) p->data)->mesh, error);

  return m != NULL;
}

static gboolean
run_atlas (ShuPart *p, GError **error)
{
  g_autoptr (ShuMesh) m = unwrap (((Tail *) p->data)->mesh, error);

  return m != NULL;
}

/* ---- texture ---- */

/* A view of nothing but person: every texel that it sees takes from it. */
static ShuImage *
plain_view (int side)
{
  ShuImage *image = shu_image_new (side, side, 3);

  for (int i = 0; i < side * side; i++) {
    guint8 rgb[] = {i % side * 200 / side, i / side * 200 / side, 100};

    memcpy (image->data + 3 * (gsize) i, rgb, 3);
  }
  return image;
}

static gboolean
prepare_texture (ShuPart *p, GError **error)
{
  static const float upright[] = {1, 0, 0, 0};
  Tail *t;

  if (!prepare_mesh (p, 3, error))
    return FALSE;
  t = p->data;
  for (int v = 0; v < SHU_N_VIEWS; v++)
    t->views[v] = plain_view (shu_model_defaults (p->model)->view_size);
  t->scale = g_new (float, 3 * (gsize) t->mesh->n_verts);
  t->quat = g_new (float, 4 * (gsize) t->mesh->n_verts);
  t->opacity = g_new (float, t->mesh->n_verts);
  t->rgb = g_new (float, 3 * (gsize) t->mesh->n_verts);
  for (int v = 0; v < t->mesh->n_verts; v++) {
    for (int k = 0; k < 3; k++) {
      t->scale[3 * (gsize) v + k] = 0.003f;
      t->rgb[3 * (gsize) v + k] = 0.5f;
    }
    memcpy (t->quat + 4 * (gsize) v, upright, sizeof upright);
    t->opacity[v] = 0.9f;
  }
  return TRUE;
}

static gboolean
run_texture (ShuPart *p, GError **error)
{
  const Tail *t = p->data;
  ShuGaussians gaussians = {
      t->mesh->n_verts, t->mesh->pos, t->scale, t->quat, t->opacity, t->rgb};
  ShuBakeViews views = {.gaussians = &gaussians};
  g_autoptr (ShuImage) texture = NULL;

  for (int v = 0; v < SHU_N_VIEWS; v++)
    views.color[v] = views.normal[v] = t->views[v];
  texture = shu_bake (
      t->mesh, &views, &(ShuBakeParams){.size = TEXTURE}, NULL, error);
  return texture != NULL;
}

const ShuPartKind shu_parts_tail[] = {
    {"outer-surface", SHU_N_NETS, 0, prepare_outer_surface, run_outer_surface,
        .any_size = TRUE},
    {"simplify", SHU_N_NETS, 0, prepare_simplify, run_simplify,
        .any_size = TRUE},
    {"atlas", SHU_N_NETS, 0, prepare_atlas, run_atlas, .any_size = TRUE},
    {"texture", SHU_N_NETS, 0, prepare_texture, run_texture, .any_size = TRUE},
    {NULL},
};
