/* SPDX-License-Identifier: MIT */
#include "stages/fields_private.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

const char *const shu_carried_fields[] = {"color", "normal", "coords",
    "condition", "cutout", "gs_pos", "gs_scale", "gs_quat", "gs_opacity",
    "gs_rgb", NULL};

gboolean
shu_bundle_check_schema (
    const ShuBundle *b, const char *const *schemas, GError **error)
{
  g_autofree char *list = NULL;

  if (g_strv_contains (schemas, shu_bundle_schema (b)))
    return TRUE;
  list = g_strjoinv ("\" or \"", (char **) schemas);
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "a bundle \"%s\" where \"%s\" is needed", shu_bundle_schema (b), list);
  return FALSE;
}

/* ---- pictures ---- */

ShuTensor *
shu_tensor_new_image (const ShuImage *image)
{
  ShuTensor *t = shu_tensor_new (
      SHU_DTYPE_U8, SHU_DIMS (image->height, image->width, image->n_channels));

  memcpy (t->data, image->data, shu_image_size (image));
  return t;
}

ShuImage *
shu_tensor_to_image (ShuTensor *t, ShuTraffic *traffic, GError **error)
{
  g_autoptr (ShuTensor) host =
      shu_tensor_to_host (t, traffic, SHU_TRAFFIC_IMAGE, error);
  ShuImage *image;

  g_return_val_if_fail (t->dtype == SHU_DTYPE_U8 && t->n_dims == 3, NULL);
  if (!host)
    return NULL;
  image = shu_image_new (t->dims[1], t->dims[0], t->dims[2]);
  memcpy (image->data, host->data, shu_image_size (image));
  return image;
}

void
shu_bundle_put_image (ShuBundle *b, const char *name, const ShuImage *image)
{
  shu_bundle_take (b, name, shu_tensor_new_image (image));
}

void
shu_bundle_put_images (
    ShuBundle *b, const char *name, int n, ShuImage *const *images)
{
  const ShuImage *first = images[0];
  gsize size = shu_image_size (first);
  ShuTensor *t = shu_tensor_new (SHU_DTYPE_U8,
      SHU_DIMS (n, first->height, first->width, first->n_channels));

  for (int i = 0; i < n; i++) {
    g_assert (shu_image_size (images[i]) == size);
    memcpy ((guint8 *) t->data + i * size, images[i]->data, size);
  }
  shu_bundle_take (b, name, t);
}

static void
too_few (const ShuBundle *b, const char *name, gint64 n, int i, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "bundle \"%s\": field \"%s\": %d pictures, picture %d is needed",
      shu_bundle_schema (b), name, (int) n, i);
}

/* Whether a tensor [...,H,W,C] of @b is small enough for pictures. */
static gboolean
fits_pictures (
    const ShuBundle *b, const char *name, const ShuTensor *t, GError **error)
{
  gint64 H = t->dims[t->n_dims - 3], W = t->dims[t->n_dims - 2];

  if (H <= SHU_IMAGE_MAX_SIDE && W <= SHU_IMAGE_MAX_SIDE &&
      H * W <= SHU_IMAGE_MAX_PIXELS)
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
      "bundle \"%s\": field \"%s\": a picture of %" G_GINT64_FORMAT
      " x %" G_GINT64_FORMAT " pixels is too large",
      shu_bundle_schema (b), name, W, H);
  return FALSE;
}

/* Item @i of [n,H,W,C] (or the whole of [H,W,C], with @i 0). */
static ShuImage *
take_image (const ShuBundle *b, const char *name, int n_dims, int n_channels,
    int i, GError **error)
{
  const gint64 dims[] = {-1, -1, -1, n_channels};
  ShuTensor *t =
      shu_bundle_need (b, name, SHU_DTYPE_U8, n_dims, dims + 4 - n_dims, error);
  ShuImage *image;

  if (!t)
    return NULL;
  if (n_dims == 4 && i >= t->dims[0]) {
    too_few (b, name, t->dims[0], i, error);
    return NULL;
  }
  if (!fits_pictures (b, name, t, error))
    return NULL;
  image = shu_image_new (
      (int) t->dims[n_dims - 2], (int) t->dims[n_dims - 3], n_channels);
  memcpy (image->data, (guint8 *) t->data + i * shu_image_size (image),
      shu_image_size (image));
  return image;
}

ShuImage *
shu_bundle_take_image (
    const ShuBundle *b, const char *name, int n_channels, GError **error)
{
  return take_image (b, name, 3, n_channels, 0, error);
}

ShuImage *
shu_bundle_take_nth_image (
    const ShuBundle *b, const char *name, int i, GError **error)
{
  return take_image (b, name, 4, 3, i, error);
}

ShuTensor *
shu_bundle_find_picture (
    const ShuBundle *b, const char *name, int n_channels, GError **error)
{
  ShuTensor *t = shu_bundle_need_anywhere (
      b, name, SHU_DTYPE_U8, SHU_DIMS (-1, -1, n_channels), error);

  return t && fits_pictures (b, name, t, error) ? t : NULL;
}

ShuTensor *
shu_bundle_picture (ShuCtx *c, const ShuBundle *b, const char *name,
    int n_channels, GError **error)
{
  ShuTensor *t = shu_bundle_find_picture (b, name, n_channels, error);

  return t ? shu_on_device (c, t, SHU_TRAFFIC_IMAGE) : NULL;
}

ShuTensor *
shu_bundle_find_pictures (
    const ShuBundle *b, const char *name, int n_least, GError **error)
{
  ShuTensor *t = shu_bundle_need_anywhere (
      b, name, SHU_DTYPE_U8, SHU_DIMS (-1, -1, -1, 3), error);

  if (!t || !fits_pictures (b, name, t, error))
    return NULL;
  if (t->dims[0] < n_least) {
    too_few (b, name, t->dims[0], n_least - 1, error);
    return NULL;
  }
  return t;
}

ShuTensor *
shu_bundle_pictures (ShuCtx *c, const ShuBundle *b, const char *name,
    int n_least, GError **error)
{
  ShuTensor *t = shu_bundle_find_pictures (b, name, n_least, error);

  return t ? shu_on_device (c, t, SHU_TRAFFIC_IMAGE) : NULL;
}

/* ---- meshes and Gaussians ---- */

static void
put_floats (ShuBundle *b, const char *name, const float *data, gint64 n, int k)
{
  ShuTensor *t = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, k));

  memcpy (t->data, data, n * k * sizeof (float));
  shu_bundle_take (b, name, t);
}

static void
put_faces (ShuBundle *b, const char *name, const ShuMesh *mesh)
{
  ShuTensor *t = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (mesh->n_faces, 3));

  memcpy (t->data, mesh->faces, t->n * sizeof (gint32));
  shu_bundle_take (b, name, t);
}

void
shu_bundle_put_mesh (ShuBundle *b, const ShuMesh *mesh)
{
  put_floats (b, "vertices", mesh->pos, mesh->n_verts, 3);
  put_faces (b, "faces", mesh);
  if (mesh->attr)
    put_floats (b, "attributes", mesh->attr, mesh->n_verts, 6);
  if (mesh->uv)
    put_floats (b, "uv", mesh->uv, mesh->n_verts, 2);
}

void
shu_bundle_put_fine (ShuBundle *b, const ShuMesh *fine)
{
  put_floats (b, "fine_vertices", fine->pos, fine->n_verts, 3);
  put_faces (b, "fine_faces", fine);
}

/* Whether @n numbers are finite and lie in @lo..@hi. */
static gboolean
check_range (const ShuBundle *b, const char *name, const float *v, gsize n,
    float lo, float hi, GError **error)
{
  for (gsize i = 0; i < n; i++) {
    if (v[i] >= lo && v[i] <= hi)
      continue;
    if (isfinite (v[i]))
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "bundle \"%s\": field \"%s\": number %zu is %g, expected %g..%g",
          shu_bundle_schema (b), name, i, v[i], lo, hi);
    else
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "bundle \"%s\": field \"%s\": number %zu is not finite",
          shu_bundle_schema (b), name, i);
    return FALSE;
  }
  return TRUE;
}

/* The person stands in the unit cube; what lies far from it makes sizes that
 * no texture holds. */
enum { MAX_POSITION = 16 };

/* Positions and faces under these names, and room for more; (transfer full) */
static ShuMesh *
take_surface (const ShuBundle *b, const char *vertices, const char *triangles,
    gboolean with_attr, gboolean with_uv, GError **error)
{
  ShuTensor *pos =
      shu_bundle_need (b, vertices, SHU_DTYPE_F32, SHU_DIMS (-1, 3), error);
  ShuTensor *faces = pos ? shu_bundle_need (b, triangles, SHU_DTYPE_I32,
                               SHU_DIMS (-1, 3), error)
                         : NULL;
  g_autoptr (ShuMesh) mesh = NULL;

  if (!faces)
    return NULL;
  if (pos->dims[0] > G_MAXINT / 16 || faces->dims[0] > G_MAXINT / 16) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_LIMIT, "the mesh is too large");
    return NULL;
  }
  if (!check_range (
          b, vertices, pos->data, pos->n, -MAX_POSITION, MAX_POSITION, error))
    return NULL;
  mesh = shu_mesh_new (pos->dims[0], faces->dims[0], with_attr, with_uv);
  memcpy (mesh->pos, pos->data, shu_tensor_bytes (pos));
  memcpy (mesh->faces, faces->data, shu_tensor_bytes (faces));
  return shu_mesh_check (mesh, error) ? g_steal_pointer (&mesh) : NULL;
}

ShuMesh *
shu_bundle_take_mesh (const ShuBundle *b, gboolean with_uv, GError **error)
{
  ShuTensor *attr = shu_bundle_get (b, "attributes"), *uv;
  g_autoptr (ShuMesh) mesh =
      take_surface (b, "vertices", "faces", attr != NULL, with_uv, error);

  if (!mesh)
    return NULL;
  if (attr) {
    if (!shu_bundle_need (b, "attributes", SHU_DTYPE_F32,
            SHU_DIMS (mesh->n_verts, 6), error) ||
        !check_range (b, "attributes", attr->data, attr->n, -G_MAXFLOAT,
            G_MAXFLOAT, error))
      return NULL;
    memcpy (mesh->attr, attr->data, shu_tensor_bytes (attr));
  }
  if (with_uv) {
    uv = shu_bundle_need (
        b, "uv", SHU_DTYPE_F32, SHU_DIMS (mesh->n_verts, 2), error);
    if (!uv || !check_range (b, "uv", uv->data, uv->n, 0, 1, error))
      return NULL;
    memcpy (mesh->uv, uv->data, shu_tensor_bytes (uv));
  }
  return g_steal_pointer (&mesh);
}

ShuBundle *
shu_bundle_surface_to_host (
    const ShuBundle *b, ShuTraffic *traffic, GError **error)
{
  static const char *const fields[] = {"vertices", "faces", "attributes", "uv",
      "fine_vertices", "fine_faces", "texture", "normal_map", NULL};
  g_autoptr (ShuBundle) some = shu_bundle_new (shu_bundle_schema (b));

  shu_bundle_carry (some, b, fields);
  return shu_bundle_to_host (some, traffic, error);
}

ShuMesh *
shu_bundle_take_fine (const ShuBundle *b, GError **error)
{
  return take_surface (b, "fine_vertices", "fine_faces", FALSE, FALSE, error);
}

enum { N_GAUSSIAN_FIELDS = 5 };

static const struct {
  const char *name;
  int k;
} gaussian_fields[N_GAUSSIAN_FIELDS] = {{"gs_pos", 3}, {"gs_scale", 3},
    {"gs_quat", 4}, {"gs_opacity", 1}, {"gs_rgb", 3}};

/* Of matching sizes; @need: shu_bundle_need() or its like */
static gboolean
find_gaussians (const ShuBundle *b,
    ShuTensor *(*need) (const ShuBundle *b, const char *name, ShuDType dtype,
        int n_dims, const gint64 *dims, GError **error),
    ShuTensor **ret, GError **error)
{
  gint64 n = -1;

  for (int i = 0; i < N_GAUSSIAN_FIELDS; i++) {
    int k = gaussian_fields[i].k;

    ret[i] = need (b, gaussian_fields[i].name, SHU_DTYPE_F32, k == 1 ? 1 : 2,
        (const gint64[]){n, k}, error);
    if (!ret[i])
      return FALSE;
    n = ret[i]->dims[0];
  }
  if (n > SHU_SPLAT_MAX_COUNT) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_LIMIT, "there are too many Gaussians");
    return FALSE;
  }
  return TRUE;
}

gboolean
shu_bundle_gaussians (const ShuBundle *b, ShuGaussians *ret, GError **error)
{
  ShuTensor *t[N_GAUSSIAN_FIELDS];

  if (!find_gaussians (b, shu_bundle_need, t, error))
    return FALSE;
  for (int i = 0; i < N_GAUSSIAN_FIELDS; i++)
    if (!check_range (b, gaussian_fields[i].name, t[i]->data, t[i]->n,
            -G_MAXFLOAT, G_MAXFLOAT, error))
      return FALSE;
  *ret = (ShuGaussians){.n = (int) t[0]->dims[0],
      .pos = t[0]->data,
      .scale = t[1]->data,
      .quat = t[2]->data,
      .opacity = t[3]->data,
      .rgb = t[4]->data};
  return TRUE;
}

gboolean
shu_bundle_splat_input (
    ShuCtx *c, const ShuBundle *b, ShuSplatInput *ret, GError **error)
{
  ShuTensor *t[N_GAUSSIAN_FIELDS];

  if (!find_gaussians (b, shu_bundle_need_anywhere, t, error))
    return FALSE;
  for (int i = 0; i < N_GAUSSIAN_FIELDS; i++)
    t[i] = shu_on_device (c, t[i], SHU_TRAFFIC_MESH);
  *ret = (ShuSplatInput){t[0], t[1], t[2], t[3], t[4]};
  return TRUE;
}
