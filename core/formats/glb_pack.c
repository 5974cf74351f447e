/* SPDX-License-Identifier: MIT */
/* A mesh as a GLB file has it: y up, in metres, in the order of the vertex
 * cache, as floats or as KHR_mesh_quantization has them. */
#include "base/error.h"
#include "formats/glb_private.h"
#include "geometry/order.h"
#include "geometry/tangents.h"
#include "geometry/weld.h"
#include <math.h>
#include <string.h>

static const float default_height = 1.7f;

gboolean
shu_mesh_to_y_up (
    const ShuMesh *mesh, float height, float *ret_pos, GError **error)
{
  float lo = G_MAXFLOAT, hi = -G_MAXFLOAT;

  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    lo = MIN (lo, mesh->pos[3 * i + 2]);
    hi = MAX (hi, mesh->pos[3 * i + 2]);
  }
  if (!(hi - lo > 1e-6f) || !(hi - lo < 1e6f)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the mesh has no height to scale to %g m", height);
    return FALSE;
  }
  float s = height / (hi - lo);
  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    const float *p = mesh->pos + 3 * i;
    /* 0 -, so that no -0 gets into the file */
    float out[3] = {s * p[0], s * (p[2] - lo), 0 - s * p[1]};

    memcpy (ret_pos + 3 * i, out, sizeof out);
  }
  return TRUE;
}

float
shu_srgb_to_linear (float v)
{
  return v <= 0.04045f ? v / 12.92f : powf ((v + 0.055f) / 1.055f, 2.4f);
}

float
shu_linear_to_srgb (float v)
{
  return v <= 0.0031308f ? v * 12.92f : 1.055f * powf (v, 1 / 2.4f) - 0.055f;
}

void
shu_glb_pack_free (GlbPack *pack)
{
  if (!pack)
    return;
  g_byte_array_unref (pack->bin);
  g_free (pack);
}

/* @count items of @size bytes, padded to four. */
static GlbItems *
append (GlbPack *pack, const char *name, const char *shape, int type,
    gconstpointer data, gsize count, gsize size)
{
  static const guint8 zero[4] = {0};
  GlbItems *items = &pack->items[pack->n_items++];

  *items = (GlbItems){.name = name,
      .shape = shape,
      .offset = pack->bin->len,
      .size = count * size,
      .count = count,
      .type = type};
  g_byte_array_append (pack->bin, data, (guint) items->size);
  g_byte_array_append (pack->bin, zero, (guint) (-items->size & 3));
  return items;
}

static void
append_faces (GlbPack *pack, const ShuMesh *mesh)
{
  gsize n = 3 * (gsize) mesh->n_faces;
  g_autofree guint16 *narrow = NULL;

  if (mesh->n_verts >= 65535) {
    append (pack, NULL, "SCALAR", GLB_U32, mesh->faces, n, sizeof (gint32));
    return;
  }
  narrow = g_new (guint16, n);
  for (gsize i = 0; i < n; i++)
    narrow[i] = (guint16) mesh->faces[i];
  append (pack, NULL, "SCALAR", GLB_U16, narrow, n, sizeof (guint16));
}

static void
find_bounds (const float *pos, gsize n, double *lo, double *hi)
{
  for (int k = 0; k < 3; k++) {
    lo[k] = G_MAXDOUBLE;
    hi[k] = -G_MAXDOUBLE;
  }
  for (gsize i = 0; i < 3 * n; i++) {
    lo[i % 3] = MIN (lo[i % 3], pos[i]);
    hi[i % 3] = MAX (hi[i % 3], pos[i]);
  }
}

static void
append_floats (GlbPack *pack, const ShuMesh *mesh, const float *normals,
    const float *tangents)
{
  gsize n = mesh->n_verts;
  GlbItems *items =
      append (pack, "POSITION", "VEC3", GLB_F32, mesh->pos, n, 12);

  items->bounded = TRUE;
  find_bounds (mesh->pos, n, items->lo, items->hi);
  append (pack, "NORMAL", "VEC3", GLB_F32, normals, n, 12);
  if (tangents)
    append (pack, "TANGENT", "VEC4", GLB_F32, tangents, n, 16);
  if (mesh->uv)
    append (pack, "TEXCOORD_0", "VEC2", GLB_F32, mesh->uv, n, 8);
}

static guint16
to_u16 (double v)
{
  return (guint16) (CLAMP (v, 0, 1) * 65535 + 0.5);
}

/* The whole numbers nearest to 127 times the direction @n whose length is close
 * enough to 127 for the validator, which allows for 0.00674 of it. */
static void
round_normal (const float *n, gint8 *ret)
{
  double best = G_MAXDOUBLE;

  for (int corner = 0; corner < 8; corner++) {
    double length = 0, distance = 0;
    int q[3];

    for (int k = 0; k < 3; k++) {
      double v = 127.0 * n[k];

      q[k] = CLAMP ((int) floor (v) + (corner >> k & 1), -127, 127);
      length += q[k] * q[k];
      distance += (q[k] - v) * (q[k] - v);
    }
    if (fabs (sqrt (length) / 127 - 1) > 0.0065)
      distance += 127;
    if (distance < best) {
      best = distance;
      for (int k = 0; k < 3; k++)
        ret[k] = (gint8) q[k];
    }
  }
}

static void
append_quantized (GlbPack *pack, const ShuMesh *mesh, const float *normals,
    const float *tangents)
{
  gsize n = mesh->n_verts;
  g_autofree guint16 *wide = g_new0 (guint16, 4 * n);
  g_autofree gint8 *narrow = g_new0 (gint8, 4 * n);
  double hi[3], side = 0;
  GlbItems *items;

  pack->quantized = TRUE;
  find_bounds (mesh->pos, n, pack->origin, hi);
  for (int k = 0; k < 3; k++)
    side = MAX (side, hi[k] - pack->origin[k]);
  pack->scale = side / 65535;
  for (gsize i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      wide[4 * i + k] =
          to_u16 ((mesh->pos[3 * i + k] - pack->origin[k]) / side);
  items = append (pack, "POSITION", "VEC3", GLB_U16, wide, n, 8);
  items->stride = 8;
  items->bounded = TRUE;
  for (int k = 0; k < 3; k++)
    items->hi[k] = to_u16 ((hi[k] - pack->origin[k]) / side);

  for (gsize i = 0; i < n; i++)
    round_normal (normals + 3 * i, narrow + 4 * i);
  items = append (pack, "NORMAL", "VEC3", GLB_I8, narrow, n, 4);
  items->stride = 4;
  items->normalized = TRUE;

  for (gsize i = 0; i < n && tangents; i++) {
    round_normal (tangents + 4 * i, narrow + 4 * i);
    narrow[4 * i + 3] = tangents[4 * i + 3] < 0 ? -127 : 127;
  }
  if (tangents)
    append (pack, "TANGENT", "VEC4", GLB_I8, narrow, n, 4)->normalized = TRUE;

  if (!mesh->uv)
    return;
  for (gsize i = 0; i < 2 * n; i++)
    wide[i] = to_u16 (mesh->uv[i]);
  items = append (pack, "TEXCOORD_0", "VEC2", GLB_U16, wide, n, 4);
  items->normalized = TRUE;
}

/* Eight bits would be too few for the dark colours of linear light. */
static void
append_colors (GlbPack *pack, const ShuMesh *mesh)
{
  gsize n = mesh->n_verts;
  g_autofree guint16 *wide = g_new0 (guint16, 4 * n);
  GlbItems *items;

  for (gsize i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      wide[4 * i + k] = to_u16 (
          shu_srgb_to_linear (CLAMP (mesh->attr[6 * i + k], 0.0f, 1.0f)));
  items = append (pack, "COLOR_0", "VEC3", GLB_U16, wide, n, 8);
  items->stride = 8;
  items->normalized = TRUE;
}

static gboolean
check_mesh (const ShuMesh *mesh, const ShuGlbParams *params, GError **error)
{
  if (mesh->n_faces < 1 || mesh->n_verts < 3) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a model needs at least one face; this one has %d faces, %d vertices",
        mesh->n_faces, mesh->n_verts);
    return FALSE;
  }
  if (params->texture_format == SHU_TEXTURE_VERTICES && !mesh->attr) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the vertices of this mesh have no colours");
    return FALSE;
  }
  if (60 * (gsize) mesh->n_verts + 12 * (gsize) mesh->n_faces > GLB_MAX_BYTES) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "a model of %d vertices, %d faces is too large for one file",
        mesh->n_verts, mesh->n_faces);
    return FALSE;
  }
  return shu_mesh_check (mesh, error);
}

GlbPack *
shu_glb_pack_new (const ShuMesh *mesh, gboolean with_tangents,
    const ShuGlbParams *params, GError **error)
{
  float height = params->height > 0 ? params->height : default_height;
  g_autoptr (ShuMesh) m = NULL;
  g_autofree float *tangents = NULL;
  GlbPack *pack;

  if (!check_mesh (mesh, params, error))
    return NULL;
  m = shu_mesh_reorder (mesh);
  if (!shu_mesh_to_y_up (m, height, m->pos, error))
    return NULL;
  g_autofree float *normals = g_new (float, 3 * (gsize) m->n_verts);
  g_autofree gint32 *first = g_new (gint32, m->n_verts);
  shu_mesh_weld (m, first);
  shu_mesh_normals_welded (m, first, normals);
  if (with_tangents) {
    tangents = g_new (float, 4 * (gsize) m->n_verts);
    shu_mesh_tangents (m, normals, tangents);
  }

  pack = g_new0 (GlbPack, 1);
  pack->bin = g_byte_array_new ();
  append_faces (pack, m);
  if (params->quantize)
    append_quantized (pack, m, normals, tangents);
  else
    append_floats (pack, m, normals, tangents);
  if (params->texture_format == SHU_TEXTURE_VERTICES)
    append_colors (pack, m);
  return pack;
}
