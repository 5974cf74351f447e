/* SPDX-License-Identifier: MIT */
/* What brings pictures in line with each other, as fields on the vertices:
 * differences of light between views, and between what is seen and what lies
 * underneath. */
#include "geometry/bake_private.h"
#include "geometry/weld.h"

/* Steps of spreading: where nothing holds, about as many as it is vertices
 * across.  Differences of views are to reach so far only: with 40 steps drawn
 * people were 0.1 dB farther from the truth. */
enum { N_SMOOTH = 8, N_MATCH = 15, N_BRIDGE = 100 };

static const float normal_hold = 0.6f; /* of a normal against its neighbours */
static const float match_decay = 0.002f;

/* ---- the mesh ---- */

/* Neighbours of the vertices of a welded mesh */
static void
make_field (ShuBaker *b, const gint32 *first)
{
  const ShuMesh *mesh = b->mesh;
  gint64 n = mesh->n_verts, n_idx = 3 * (gint64) mesh->n_faces;
  g_autofree gint32 *start = g_new0 (gint32, n + 1);
  g_autofree gint32 *next = g_new (gint32, MAX (1, 2 * n_idx));
  g_autofree gint32 *at = NULL;

  for (gint64 i = 0; i < n_idx; i++)
    start[first[mesh->faces[i]] + 1] += 2;
  for (gint64 i = 0; i < n; i++)
    start[i + 1] += start[i];
  at = g_memdup2 (start, (n + 1) * sizeof (gint32));
  for (gint64 i = 0; i < n_idx; i += 3)
    for (int k = 0; k < 3; k++) {
      gint32 v = first[mesh->faces[i + k]];
      next[at[v]++] = first[mesh->faces[i + (k + 1) % 3]];
      next[at[v]++] = first[mesh->faces[i + (k + 2) % 3]];
    }
  b->field = (ShuField){.first = shu_bake_upload (b, SHU_DTYPE_I32,
                            SHU_DIMS (n), first, SHU_TRAFFIC_MESH),
      .start = shu_bake_upload (
          b, SHU_DTYPE_I32, SHU_DIMS (n + 1), start, SHU_TRAFFIC_MESH),
      .next = shu_bake_upload (
          b, SHU_DTYPE_I32, SHU_DIMS (2 * n_idx), next, SHU_TRAFFIC_MESH)};
}

/* Weights of views depend on normals: what is rough would mix them in
 * patches. */
static void
make_normals (ShuBaker *b, const gint32 *first)
{
  gint64 n = b->mesh->n_verts;
  g_autofree float *normals = g_new (float, MAX (1, 3 * n));
  g_autofree float *weight = g_new (float, MAX (1, n));
  ShuBakeHeld held;

  shu_mesh_normals_welded (b->mesh, first, normals);
  for (gint64 i = 0; i < n; i++)
    weight[i] = normal_hold;
  held.value = shu_bake_upload (
      b, SHU_DTYPE_F32, SHU_DIMS (n, 3), normals, SHU_TRAFFIC_MESH);
  held.weight = shu_bake_upload (
      b, SHU_DTYPE_F32, SHU_DIMS (n), weight, SHU_TRAFFIC_MESH);
  b->scene.normal = shu_field_spread (b->c, &b->field, &held, 0, N_SMOOTH);
}

static ShuTensor *
upload_floats (const ShuBaker *b, int n_channels, const float *values)
{
  return shu_bake_upload (b, SHU_DTYPE_F32,
      SHU_DIMS (b->mesh->n_verts, n_channels), values, SHU_TRAFFIC_MESH);
}

void
shu_bake_prepare_mesh (ShuBaker *b)
{
  const ShuMesh *mesh = b->mesh;
  g_autofree gint32 *first = g_new (gint32, MAX (1, mesh->n_verts));

  b->scene.pos = upload_floats (b, 3, mesh->pos);
  b->scene.uv = upload_floats (b, 2, mesh->uv);
  b->scene.attr = mesh->attr ? upload_floats (b, 6, mesh->attr) : NULL;
  b->scene.faces = shu_bake_upload (b, SHU_DTYPE_I32,
      SHU_DIMS (mesh->n_faces, 3), mesh->faces, SHU_TRAFFIC_MESH);
  shu_mesh_weld (mesh, first);
  make_field (b, first);
  make_normals (b, first);
}

/* ---- pictures ---- */

/* The face picture is drawn, not photographed: what differs from the front
 * in low frequencies is taken from the front. */
static void
align_face (ShuBaker *b)
{
  const ShuBakePhoto *front = b->photos[SHU_VIEW_FRONT];
  ShuPhotoJob job = {.rgb = b->face->rgb, .rgb2 = front->rgb};

  shu_photo_step (b->c, SHU_PHOTO_LACK, &job);
  /* About one and a half pixels of the front: the detail beyond is the
   * face's. */
  b->scene.face_shift = shu_plane_smooth (
      b->c, job.colors, MAX (1, 3 * b->face->size / (2 * front->size)));
}

/* What picture @v lacks against @refs, spread over the surface */
static void
match_view (ShuBaker *b, int v, guint refs)
{
  ShuBakeHeld held;

  if (b->photos[v] && shu_bake_differences (b->c, &b->scene, v, refs, &held))
    b->scene.match[v] =
        shu_field_spread (b->c, &b->field, &held, match_decay, N_MATCH);
}

/* The front is the photo: the sides follow it, the back follows the sides.
 * Without it the sides follow the back. */
static void
match_views (ShuBaker *b)
{
  const guint sides = 1 << SHU_VIEW_RIGHT | 1 << SHU_VIEW_LEFT;
  gboolean has_front = b->photos[SHU_VIEW_FRONT] != NULL;
  guint first = 1 << (has_front ? SHU_VIEW_FRONT : SHU_VIEW_BACK);

  match_view (b, SHU_VIEW_RIGHT, first);
  match_view (b, SHU_VIEW_LEFT, first);
  if (has_front)
    match_view (b, SHU_VIEW_BACK, sides);
}

static ShuTensor *
bring (const ShuBaker *b, ShuTensor *picture)
{
  return picture ? shu_on_device (b->c, picture, SHU_TRAFFIC_IMAGE) : NULL;
}

static ShuBakePhoto *
prepare_photo (const ShuBaker *b, int v)
{
  const ShuBakeViews *views = b->views;
  ShuBakePicture picture = {.color = bring (b, views->color[v]),
      .normal = bring (b, views->normal[v]),
      .person = v == SHU_VIEW_FRONT ? bring (b, views->person) : NULL,
      .mirror = v == SHU_VIEW_BACK || v == SHU_VIEW_LEFT};

  return shu_bake_photo_new (b, &picture, v);
}

void
shu_bake_prepare_photos (ShuBaker *b)
{
  const ShuBakeViews *views = b->views;

  for (int v = 0; v < SHU_BAKE_BODY; v++)
    if (views->color[v])
      b->scene.photos[v] = b->photos[v] = prepare_photo (b, v);
  if (views->color[SHU_VIEW_FACE] && b->photos[SHU_VIEW_FRONT]) {
    b->scene.face = b->face = prepare_photo (b, SHU_VIEW_FACE);
    if (!shu_ctx_failed (b->c))
      align_face (b);
  }
  match_views (b);
}

/* The shift between the colour underneath and that of the pictures, spread
 * from where pictures are to where none is. */
void
shu_bake_bridge (ShuBaker *b)
{
  ShuBakeHeld held;

  if (shu_bake_lacks (b->c, &b->scene, &held))
    b->scene.bridge = shu_field_spread (b->c, &b->field, &held, 0, N_BRIDGE);
}
