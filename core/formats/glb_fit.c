/* SPDX-License-Identifier: MIT */
/* A textured mesh as a file that is not larger than asked for. */
#include "base/error.h"
#include "base/resample.h"
#include "formats/glb_private.h"
#include "formats/picture.h"
#include "geometry/bake_normals.h"
#include "geometry/paint.h"
#include <string.h>

enum { STEP = 10 }; /* of the quality */

char *
shu_glb_report_text (const ShuGlbReport *r)
{
  if (r->too_large)
    return g_strdup_printf (
        "the file has %zu bytes: the mesh alone takes %zu, more than the %d "
        "aimed at. Leave fewer faces (simplify or faces of shumesh) or set "
        "quantize=true; max-bytes=%zu accepts the size",
        r->bytes, r->mesh_bytes, SHU_GLB_BYTES, r->bytes);
  if (r->texture_size == r->texture_size_given &&
      r->texture_quality == r->texture_quality_asked && !r->no_normal_map)
    return NULL;
  return g_strdup_printf (
      "to keep the file within its limit the texture in it has %d pixels a "
      "side (of %d) and quality %d (of %d)%s; a larger max-bytes, fewer faces "
      "or quantize=true make room",
      r->texture_size, r->texture_size_given, r->texture_quality,
      r->texture_quality_asked,
      r->no_normal_map ? ", and the normal map is left out" : "");
}

/* What is to be written, and what became of it. */
typedef struct {
  const ShuMesh *mesh;
  const ShuImage *texture, *normals; /* normals nullable */
  const ShuGlbParams *params;
  ShuGlbReport *report;
} Writing;

static void
pictures_clear (GlbPictures *pictures)
{
  g_clear_pointer (&pictures->color, g_bytes_unref);
  g_clear_pointer (&pictures->normals, g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GlbPictures, pictures_clear)

static gsize
size_of (GBytes *file)
{
  return file ? g_bytes_get_size (file) : 0;
}

/* Both of this quality, where they fit into @room: FALSE with an error, or
 * without one where they do not */
static gboolean
encode (const Writing *w, const ShuImage *texture, const ShuImage *normals,
    int quality, gsize room, GlbPictures *ret, GError **error)
{
  g_auto (GlbPictures) p = {NULL};

  p.color = shu_picture_encode (
      texture, (ShuPictureType) w->params->texture_format, quality, error);
  if (!p.color || size_of (p.color) > room)
    return FALSE;
  if (normals) {
    p.normals = shu_picture_encode (
        normals, (ShuPictureType) w->params->normal_format, quality, error);
    if (!p.normals || size_of (p.normals) > room - size_of (p.color))
      return FALSE;
  }
  w->report->texture_bytes = size_of (p.color);
  w->report->normal_bytes = size_of (p.normals);
  w->report->texture_size = texture->width;
  w->report->texture_quality = quality;
  *ret = p;
  p = (GlbPictures){NULL};
  return TRUE;
}

/* Whether quality makes a difference. */
static gboolean
is_graded (const Writing *w)
{
  return w->params->texture_format != SHU_TEXTURE_PNG ||
         (w->normals && w->params->normal_format != SHU_NORMALS_PNG);
}

/* The pictures as large and as good as @room has space for; FALSE without an
 * error where nothing fits */
static gboolean
fit_pictures (const Writing *w, gsize room, GlbPictures *ret, GError **error)
{
  const ShuImage *texture = w->texture;
  int best = w->report->texture_quality_asked;
  g_autoptr (ShuImage) normals =
      w->normals ? shu_image_copy (w->normals) : NULL;

  for (int half = 0; half == 0 || MIN (texture->width, texture->height) >>
                                      half >= SHU_TEXTURE_LEAST_SIZE;
       half++) {
    g_autoptr (ShuImage) image = shu_image_resize (texture,
        texture->width >> half, texture->height >> half, SHU_FILTER_BICUBIC);

    if (half && normals) {
      ShuImage *smaller = shu_normal_map_halve (normals);

      shu_image_free (normals);
      normals = smaller;
    }
    for (int q = best;; q -= STEP) {
      g_autoptr (GError) failure = NULL;

      q = q < best ? MAX (q, SHU_TEXTURE_LEAST_QUALITY) : q;
      if (encode (w, image, normals, q, room, ret, &failure))
        return TRUE;
      if (failure) {
        g_propagate_error (error, g_steal_pointer (&failure));
        return FALSE;
      }
      if (!is_graded (w) || q <= SHU_TEXTURE_LEAST_QUALITY)
        break;
    }
  }
  return FALSE;
}

static void
refuse (const ShuGlbParams *params, const ShuMesh *mesh,
    const ShuGlbReport *report, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
      "%u bytes are too few for this model: its mesh of %d faces alone takes "
      "%zu%s. Leave fewer faces (simplify or faces of shumesh)%s or allow more",
      params->max_bytes, mesh->n_faces, report->mesh_bytes,
      report->mesh_bytes <= params->max_bytes
          ? ", and the smallest texture does not fit beside it"
          : "",
      params->quantize ? "" : ", set quantize=true");
}

static GBytes *
write_painted (const ShuMesh *mesh, const ShuImage *texture,
    const ShuGlbParams *params, ShuGlbReport *report, GError **error)
{
  gsize limit = params->max_bytes ? params->max_bytes : SHU_GLB_BYTES;
  g_autoptr (ShuMesh) painted = shu_mesh_paint (mesh, texture);
  g_autoptr (GBytes) file = shu_glb_encode (painted, NULL, NULL, params, error);

  if (!file)
    return NULL;
  report->bytes = report->mesh_bytes = g_bytes_get_size (file);
  report->too_large = report->bytes > limit;
  if (report->too_large && params->max_bytes) {
    refuse (params, mesh, report, error);
    return NULL;
  }
  return g_steal_pointer (&file);
}

/* The mesh and the pictures that fit beside it; @room_for_all: whatever they
 * take.  NULL without an error where they do not fit */
static GBytes *
write_textured (const Writing *w, gboolean room_for_all, GError **error)
{
  gsize limit = w->params->max_bytes ? w->params->max_bytes : SHU_GLB_BYTES;
  const GlbPictures none = {NULL};
  g_autoptr (GlbPack) pack =
      shu_glb_pack_new (w->mesh, w->normals != NULL, w->params, error);
  g_autoptr (GBytes) bare = NULL;
  g_auto (GlbPictures) pictures = {NULL};
  gsize room;

  if (!pack || !(bare = shu_glb_join (pack, &none, w->params->name, error)))
    return NULL;
  /* what is said about pictures takes less than a kilobyte */
  w->report->mesh_bytes = g_bytes_get_size (bare) + 1024;
  room = limit > w->report->mesh_bytes ? limit - w->report->mesh_bytes : 0;
  if (room_for_all)
    room = G_MAXSIZE;
  if (!room || !fit_pictures (w, room, &pictures, error))
    return NULL;
  return shu_glb_join (pack, &pictures, w->params->name, error);
}

/* The normal map goes before the texture does, and neither where nobody asked
 * for a limit that the mesh alone is beyond. */
static GBytes *
write_within_limit (const Writing *asked, GError **error)
{
  Writing w = *asked;
  g_autoptr (GError) failure = NULL;
  GBytes *file = write_textured (&w, FALSE, &failure);

  if (!file && !failure && w.normals) {
    w.normals = NULL;
    file = write_textured (&w, FALSE, &failure);
    w.report->no_normal_map = file != NULL;
  }
  if (!file && !failure && w.params->max_bytes) {
    refuse (w.params, w.mesh, w.report, error);
    return NULL;
  }
  if (!file && !failure) {
    w.report->too_large = TRUE;
    file = write_textured (asked, TRUE, &failure);
  }
  if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  return file;
}

GBytes *
shu_glb_write (const ShuMesh *mesh, const ShuImage *texture,
    const ShuImage *normal_map, const ShuGlbParams *params,
    ShuGlbReport *ret_report, GError **error)
{
  ShuGlbParams p = params ? *params : (ShuGlbParams){.height = 0};
  ShuGlbReport report = {.texture_size = texture->width};
  Writing w = {mesh, texture,
      p.normal_format == SHU_NORMALS_NONE ? NULL : normal_map, &p, &report};
  GBytes *file;

  g_return_val_if_fail (texture->n_channels == 3, NULL);
  g_return_val_if_fail (!normal_map || normal_map->n_channels == 3, NULL);
  if (!shu_mesh_check (mesh, error))
    return NULL;
  if (!mesh->uv) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a texture needs a mesh with texture coordinates");
    return NULL;
  }
  report.texture_size_given = texture->width;
  report.texture_quality_asked = report.texture_quality =
      p.texture_quality > 0 ? MIN (p.texture_quality, 100)
                            : SHU_TEXTURE_QUALITY;
  file = p.texture_format == SHU_TEXTURE_VERTICES
             ? write_painted (mesh, texture, &p, &report, error)
             : write_within_limit (&w, error);
  if (!file)
    return NULL;
  report.bytes = g_bytes_get_size (file);
  report.mesh_bytes = report.bytes - report.texture_bytes - report.normal_bytes;
  if (ret_report)
    *ret_report = report;
  return file;
}
