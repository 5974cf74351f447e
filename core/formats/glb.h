/* SPDX-License-Identifier: MIT */
/* Binary glTF 2.0: one textured mesh out; the same, checked, in. */
#pragma once
#include "base/image.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuTextureFormat:
 * @SHU_TEXTURE_JPEG: read everywhere; at quality 90 a fourth of the bytes of
 *   PNG, and the difference is not seen
 * @SHU_TEXTURE_PNG: exact
 * @SHU_TEXTURE_WEBP: by EXT_texture_webp, which programs must know to open the
 *   file; smaller than JPEG
 * @SHU_TEXTURE_VERTICES: no picture, but a colour at each vertex (COLOR_0), for
 *   programs that show no textures; as fine as the mesh
 */
typedef enum {
  SHU_TEXTURE_JPEG,
  SHU_TEXTURE_PNG,
  SHU_TEXTURE_WEBP,
  SHU_TEXTURE_VERTICES,
} ShuTextureFormat;

/**
 * ShuNormalFormat:
 * How a normal map is stored; of JPEG and WebP with the texture's quality.
 *
 * @SHU_NORMALS_JPEG: read everywhere; at quality 90 the normals of a person are
 *   half a degree off, for a fifth of the bytes of PNG
 * @SHU_NORMALS_PNG: exact to the eighth bit
 * @SHU_NORMALS_WEBP: smaller than JPEG, a little farther off;
 *   EXT_texture_webp
 * @SHU_NORMALS_NONE: not at all
 */
typedef enum {
  SHU_NORMALS_JPEG,
  SHU_NORMALS_PNG,
  SHU_NORMALS_WEBP,
  SHU_NORMALS_NONE,
} ShuNormalFormat;

enum {
  SHU_TEXTURE_QUALITY = 90,       /* where none is asked for */
  SHU_TEXTURE_LEAST_QUALITY = 60, /* that a limit of bytes may lead to */
  SHU_TEXTURE_LEAST_SIZE = 256,   /* pixels, likewise */
  SHU_GLB_BYTES = 10000000,       /* aimed at where no limit is given */
};

/**
 * ShuGlbParams:
 * @height: metres from the lowest to the highest point; 0 means 1.7
 * @name: (nullable): name of the node and of the mesh; NULL means "person"
 * @quantize: positions and texture coordinates of 16 bits, normals and tangents
 *   of 8 (KHR_mesh_quantization): 16 bytes a vertex for 32, errors of 1/131070
 * of the largest side and of 0.4 degrees.  Off if nothing is said, as programs
 *   that do not know the extension must refuse the file.
 * @texture_format: of what shu_glb_write() is given
 * @texture_quality: 1..100, of JPEG and WebP; 0 means %SHU_TEXTURE_QUALITY
 * @normal_format: of the normal map, where shu_glb_write() is given one
 * @max_bytes: limit of the file; 0: %SHU_GLB_BYTES where that can be
 *
 * All zeros are the defaults.
 */
typedef struct {
  float height;
  const char *name;
  gboolean quantize;
  ShuTextureFormat texture_format;
  int texture_quality;
  ShuNormalFormat normal_format;
  guint32 max_bytes;
} ShuGlbParams;

/**
 * ShuGlbReport:
 * What became of the limit.
 *
 * @bytes: of the file
 * @texture_bytes: of the texture in it; 0: there is none
 * @normal_bytes: of the normal map, likewise
 * @mesh_bytes: all but these
 * @texture_size: pixels of a side, now and as given
 * @texture_quality: now, and as asked for; the normal map's is the same
 * @no_normal_map: there was no room for the one given
 * @too_large: the mesh alone is beyond %SHU_GLB_BYTES, which nobody had asked
 *   for: nothing was changed
 */
typedef struct {
  gsize bytes, texture_bytes, normal_bytes, mesh_bytes;
  int texture_size, texture_size_given;
  int texture_quality, texture_quality_asked;
  gboolean no_normal_map, too_large;
} ShuGlbReport;

/**
 * shu_glb_report_text:
 * Returns: (transfer full) (nullable): a sentence for users where the file is
 *   not as they asked for
 */
char *shu_glb_report_text (const ShuGlbReport *report);

/**
 * shu_glb_encode:
 * @mesh: world frame (z up, facing -y), with uv where there is a picture; its
 *   colours are written where there is none and %SHU_TEXTURE_VERTICES is set
 * @picture: (nullable): the texture, a whole JPEG, PNG or WebP file; its first
 *   row is v = 0
 * @normal_map: (nullable): a file likewise, of shu_bake_normals() for this
 *   mesh; the file then has tangents, by shu_mesh_tangents()
 * @params: (nullable): all but formats of pictures, quality and limit
 *
 * Positions become (x, z, -y): y up, facing +z; scaled to @height with the
 * feet at y = 0.  Normals are smooth across seams.  Faces and vertices come in
 * the order of shu_mesh_reorder().  The same arguments give the same bytes.
 *
 * Returns: (transfer full): the file, or NULL with %SHU_ERROR_INVALID (no
 *   faces, no height, an index out of range, not a picture, no colours) or
 *   %SHU_ERROR_LIMIT (2 GiB)
 */
GBytes *shu_glb_encode (const ShuMesh *mesh, GBytes *picture,
    GBytes *normal_map, const ShuGlbParams *params, GError **error);

/**
 * shu_glb_write:
 * @mesh: as for shu_glb_encode(), with uv
 * @texture: RGB, row 0 at v = 0
 * @normal_map: (nullable): RGB, as large as the texture; colours at vertices
 *   leave no place for one
 * @params: (nullable):
 * @ret_report: (out) (optional):
 *
 * As shu_glb_encode() for pictures in memory.  Where the file would be larger
 * than @max_bytes, the quality goes down (by 10, to
 * %SHU_TEXTURE_LEAST_QUALITY); where that is not enough, or they are PNG,
 * their size is halved (down to %SHU_TEXTURE_LEAST_SIZE) and the quality starts
 * again as asked for.  If that does not help the normal map is left out, and
 * all begins again with the texture alone.  The mesh is never changed: where it
 * alone is too large, that is an error, or without a @max_bytes a file beyond
 * %SHU_GLB_BYTES.
 *
 * Returns: (transfer full): NULL with the errors of shu_glb_encode(), or with
 *   %SHU_ERROR_LIMIT where @max_bytes cannot be kept
 */
GBytes *shu_glb_write (const ShuMesh *mesh, const ShuImage *texture,
    const ShuImage *normal_map, const ShuGlbParams *params,
    ShuGlbReport *ret_report, GError **error);

/**
 * ShuGlb:
 * @mesh: axes and units of the file: y up, facing +z, metres; attr where the
 *   file has colours of vertices (sRGB, without normals: 0.5)
 * @normals: (nullable): 3 floats a vertex
 * @tangents: (nullable): 4 floats a vertex: shu_mesh_tangents()
 * @texture: (nullable): the embedded picture of the base colour, undecoded
 * @normal_map: (nullable): that of the normals, undecoded
 * @generator: (nullable): who wrote the file
 */
typedef struct {
  ShuMesh *mesh;
  float *normals;
  float *tangents;
  GBytes *texture;
  GBytes *normal_map;
  char *generator;
} ShuGlb;

/**
 * shu_glb_decode:
 * @data: a GLB file, from anywhere
 *
 * Reads the first primitive of the first mesh: triangles, positions, optionally
 * normals, tangents, texture coordinates and colours, as floats or as
 * KHR_mesh_quantization has them; indices of 8, 16 or 32 bits or none.  The
 * first node that shows the mesh places it (its own matrix, or scale, rotation
 * and translation; those of nodes above are not applied).
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_TRUNCATED,
 *   %SHU_ERROR_INVALID, %SHU_ERROR_LIMIT or %SHU_ERROR_UNSUPPORTED (external
 *   buffers, sparse or compressed data)
 */
ShuGlb *shu_glb_decode (GBytes *data, GError **error);
void shu_glb_free (ShuGlb *glb);

/**
 * shu_mesh_to_y_up:
 * @height: metres from the lowest to the highest point
 * @ret_pos: (out caller-allocates): 3 floats a vertex; may be those of @mesh
 *
 * The positions of @mesh as a GLB file has them.  Returns: FALSE with
 *   %SHU_ERROR_INVALID where the mesh has no height
 */
gboolean shu_mesh_to_y_up (
    const ShuMesh *mesh, float height, float *ret_pos, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuGlb, shu_glb_free)

G_END_DECLS
