/* SPDX-License-Identifier: MIT */
/* What the writers and the reader of GLB files share. */
#pragma once
#include "formats/glb.h"

G_BEGIN_DECLS

enum {
  GLB_MAGIC = 0x46546C67, /* "glTF" */
  GLB_CHUNK_JSON = 0x4E4F534A,
  GLB_CHUNK_BIN = 0x004E4942,
  GLB_I8 = 5120,
  GLB_U8 = 5121,
  GLB_I16 = 5122,
  GLB_U16 = 5123,
  GLB_U32 = 5125,
  GLB_F32 = 5126,
  GLB_ARRAY_BUFFER = 34962,
  GLB_ELEMENT_ARRAY_BUFFER = 34963,
  GLB_MAX_BYTES = G_MAXINT32 - (1 << 20), /* of a buffer we write */
};

/**
 * GlbItems:
 * One part of the buffer, a view and an accessor.
 *
 * @name: of the attribute; NULL: indices
 * @stride: bytes from one item to the next; 0: as the type says
 * @lo: with @bounded: least and largest values as stored
 */
typedef struct {
  const char *name, *shape;
  gsize offset, size, count;
  int type, stride;
  gboolean normalized, bounded;
  double lo[3], hi[3];
} GlbItems;

/**
 * GlbPack:
 * A mesh as the file has it.
 *
 * @items: indices, positions, normals, and tangents, coordinates or colours
 *   where there are any
 * @origin: with @quantized: where the positions' zero is, metres
 * @scale: with @quantized: metres of one step
 */
typedef struct {
  GByteArray *bin;
  GlbItems items[6];
  int n_items;
  gboolean quantized;
  double origin[3], scale;
} GlbPack;

/**
 * GlbPictures:
 * Whole files, checked.
 */
typedef struct {
  GBytes *color;   /* nullable */
  GBytes *normals; /* nullable */
} GlbPictures;

/* @with_tangents: for a normal map */
GlbPack *shu_glb_pack_new (const ShuMesh *mesh, gboolean with_tangents,
    const ShuGlbParams *params, GError **error);
void shu_glb_pack_free (GlbPack *pack);

/* The file */
GBytes *shu_glb_join (const GlbPack *pack, const GlbPictures *pictures,
    const char *name, GError **error);

/* Colours in files are linear, those in memory are not (IEC 61966-2-1). */
float shu_srgb_to_linear (float v);
float shu_linear_to_srgb (float v);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GlbPack, shu_glb_pack_free)

G_END_DECLS
