/* SPDX-License-Identifier: MIT */
#include "bad_assets.h"
#include "base/image.h"
#include "formats/bundle_file.h"
#include "geometry/camera.h"
#include "stages/fields_private.h"
#include <math.h>
#include <string.h>

enum { R = 24, CHANNELS = 53, GAUSSIANS = 8, VIEW = 48 };

const BadBundle bad_bundles[] = {
    {"a ball", "asset", NULL},
    {"no cells", "asset", "\"mesh_coords\": it is empty"},
    {"all outside", "asset", "changes its sign nowhere"},
    {"all inside", "asset", "changes its sign nowhere"},
    {"a cell that is no number", "asset", "not finite"},
    {"a sheet through the grid", "asset", "encloses no volume"},
    {"a cell outside", "asset", "outside the grid"},
    {"a cell twice", "asset", "twice"},
    {"no faces", "mesh", "\"faces\": it is empty"},
    {"a vertex that is no number", "mesh", "not finite"},
    {"a face of one vertex", "mesh", "area of 0"},
    {"a face of a vertex that is not there", "mesh", "vertex 7 of 3"},
    {NULL},
};

static gboolean
is (const BadBundle *what, const char *name)
{
  return strcmp (what->name, name) == 0;
}

/* In cells, at a corner of the grid */
static float
distance (const BadBundle *what, const int *at)
{
  float d[3], r = R / 3.0f;

  for (int k = 0; k < 3; k++)
    d[k] = (float) at[k] - R / 2.0f;
  if (is (what, "all outside"))
    return 1;
  if (is (what, "all inside"))
    return -1;
  if (is (what, "a sheet through the grid"))
    return d[2] + 0.25f;
  return sqrtf (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) - r;
}

static void
put_cells (ShuBundle *b, const BadBundle *what)
{
  int n = is (what, "no cells") ? 0 : R * R * R;
  ShuTensor *coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (n, 3));
  ShuTensor *feats = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, CHANNELS));
  gint32 *cell = coords->data;
  float *f = feats->data;

  memset (f, 0, shu_tensor_bytes (feats));
  for (int i = 0; i < n; i++) {
    const int at[3] = {i / R / R, i / R % R, i % R};

    for (int k = 0; k < 3; k++)
      cell[3 * i + k] = at[k];
    for (int c = 0; c < 8; c++)
      f[CHANNELS * i + c] = distance (what,
          (int[]){at[0] + (c & 1), at[1] + (c >> 1 & 1), at[2] + (c >> 2)});
  }
  if (is (what, "a cell that is no number"))
    f[CHANNELS * n / 2] = NAN;
  if (is (what, "a cell outside"))
    cell[1] = R;
  if (is (what, "a cell twice"))
    cell[5] = cell[2];
  shu_bundle_take (b, "mesh_coords", coords);
  shu_bundle_take (b, "mesh_feats", feats);
  shu_bundle_set_int (b, "mesh-resolution", R);
}

static void
put_mesh (ShuBundle *b, const BadBundle *what)
{
  g_autoptr (ShuMesh) m =
      shu_mesh_new (3, is (what, "no faces") ? 0 : 1, FALSE, FALSE);
  static const float pos[] = {0, 0, 0, 0.1f, 0, 0, 0, 0, 0.1f};
  static const gint32 face[] = {0, 1, 2};

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->faces, face, 3 * m->n_faces * sizeof *face);
  if (is (what, "a vertex that is no number"))
    m->pos[4] = NAN;
  if (is (what, "a face of one vertex"))
    m->faces[0] = m->faces[1] = m->faces[2];
  if (is (what, "a face of a vertex that is not there"))
    m->faces[1] = 7;
  shu_bundle_put_mesh (b, m);
}

static void
put_floats (ShuBundle *b, const char *name, int n_dims, int k)
{
  ShuTensor *t =
      shu_tensor_new (SHU_DTYPE_F32, n_dims, (gint64[]){GAUSSIANS, k});

  for (gsize i = 0; i < t->n; i++)
    ((float *) t->data)[i] = 0.1f;
  shu_bundle_take (b, name, t);
}

/* What texturing wants beside a mesh */
static void
put_rest (ShuBundle *b)
{
  g_autoptr (ShuImage) grey = shu_image_new (VIEW, VIEW, 3);
  ShuImage *views[SHU_N_VIEWS];

  memset (grey->data, 100, shu_image_size (grey));
  for (int v = 0; v < SHU_N_VIEWS; v++)
    views[v] = grey;
  shu_bundle_put_images (b, "color", SHU_N_VIEWS, views);
  shu_bundle_put_images (b, "normal", SHU_N_VIEWS, views);
  put_floats (b, "gs_pos", 2, 3);
  put_floats (b, "gs_scale", 2, 3);
  put_floats (b, "gs_quat", 2, 4);
  put_floats (b, "gs_opacity", 1, 1);
  put_floats (b, "gs_rgb", 2, 3);
}

GBytes *
bad_bundle_make (const BadBundle *what)
{
  g_autoptr (ShuBundle) b = shu_bundle_new (what->schema);

  if (strcmp (what->schema, "asset") == 0)
    put_cells (b, what);
  else
    put_mesh (b, what);
  put_rest (b);
  return shu_bundle_encode (b);
}
