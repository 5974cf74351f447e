/* SPDX-License-Identifier: MIT */
/* A textured mesh as a file that is not larger than asked for. */
#include "base/error.h"
#include "base/resample.h"
#include "formats/glb_private.h"
#include "formats/picture.h"
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
      r->texture_quality == r->texture_quality_asked)
    return NULL;
  return g_strdup_printf (
      "to keep the file within its limit the texture in it has %d pixels a "
      "side (of %d) and quality %d (of %d); a larger max-bytes, fewer faces or "
      "quantize=true make room",
      r->texture_size, r->texture_size_given, r->texture_quality,
      r->texture_quality_asked);
}

/* The picture as large and as good as @room has space for; NULL without an
 * error where nothing fits */
static GBytes *
fit_picture (const ShuImage *texture, ShuPictureType type, gsize room,
    ShuGlbReport *report, GError **error)
{
  gboolean graded = type != SHU_PICTURE_PNG;

  for (int half = 0; half == 0 || MIN (texture->width, texture->height) >>
                                      half >= SHU_TEXTURE_LEAST_SIZE;
       half++) {
    g_autoptr (ShuImage) image = shu_image_resize (texture,
        texture->width >> half, texture->height >> half, SHU_FILTER_BICUBIC);

    for (int q = report->texture_quality_asked;; q -= STEP) {
      g_autoptr (GBytes) file = NULL;

      q = q < report->texture_quality_asked ? MAX (q, SHU_TEXTURE_LEAST_QUALITY)
                                            : q;
      file = shu_picture_encode (image, type, q, error);
      if (!file)
        return NULL;
      if (g_bytes_get_size (file) <= room) {
        report->texture_bytes = g_bytes_get_size (file);
        report->texture_size = image->width;
        report->texture_quality = q;
        return g_steal_pointer (&file);
      }
      if (!graded || q <= SHU_TEXTURE_LEAST_QUALITY)
        break;
    }
  }
  return NULL;
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
  g_autoptr (GBytes) file = shu_glb_encode (painted, NULL, params, error);

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

/* The mesh and the picture that fits beside it. */
static GBytes *
write_textured (const ShuMesh *mesh, const ShuImage *texture,
    const ShuGlbParams *params, ShuGlbReport *report, GError **error)
{
  gsize limit = params->max_bytes ? params->max_bytes : SHU_GLB_BYTES;
  ShuPictureType type = (ShuPictureType) params->texture_format;
  g_autoptr (GlbPack) pack = shu_glb_pack_new (mesh, params, error);
  g_autoptr (GBytes) bare = NULL, picture = NULL;
  g_autoptr (GError) failure = NULL;
  gsize room;

  if (!pack || !(bare = shu_glb_join (pack, NULL, params->name, error)))
    return NULL;
  /* what is said about a picture takes less than a kilobyte */
  report->mesh_bytes = g_bytes_get_size (bare) + 1024;
  room = limit > report->mesh_bytes ? limit - report->mesh_bytes : 0;
  if (room)
    picture = fit_picture (texture, type, room, report, &failure);
  if (!picture && !failure && params->max_bytes) {
    refuse (params, mesh, report, error);
    return NULL;
  }
  report->too_large = !picture;
  if (!picture && !failure)
    picture = fit_picture (texture, type, G_MAXSIZE, report, &failure);
  if (failure) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return NULL;
  }
  return shu_glb_join (pack, picture, params->name, error);
}

GBytes *
shu_glb_write (const ShuMesh *mesh, const ShuImage *texture,
    const ShuGlbParams *params, ShuGlbReport *ret_report, GError **error)
{
  ShuGlbParams p = params ? *params : (ShuGlbParams){.height = 0};
  ShuGlbReport report = {.texture_size = texture->width};
  GBytes *file;

  g_return_val_if_fail (texture->n_channels == 3, NULL);
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
             : write_textured (mesh, texture, &p, &report, error);
  if (!file)
    return NULL;
  report.bytes = g_bytes_get_size (file);
  report.mesh_bytes = report.bytes - report.texture_bytes;
  if (ret_report)
    *ret_report = report;
  return file;
}
