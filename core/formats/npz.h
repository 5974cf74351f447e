/* SPDX-License-Identifier: MIT */
/* NPZ files: a ZIP archive of NPY arrays, as NumPy writes them. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum { SHU_NPY_MAX_DIMS = 8 };

typedef enum {
  SHU_NPY_F16,
  SHU_NPY_F32,
  SHU_NPY_F64,
  SHU_NPY_I32,
  SHU_NPY_I64,
  SHU_NPY_U8,
} ShuNpyType;

/**
 * ShuNpyArray:
 * @name: in the archive, without ".npy"
 * @type: little endian
 * @n_dims: 0 (one element) .. SHU_NPY_MAX_DIMS
 * @dims: sizes, outermost first, C order
 * @n: number of elements
 * @data: @n elements
 */
typedef struct {
  char *name;
  ShuNpyType type;
  int n_dims;
  gint64 dims[SHU_NPY_MAX_DIMS];
  gsize n;
  GBytes *data;
} ShuNpyArray;

/**
 * shu_npy_array_new:
 * @data: (transfer full): as many bytes as the sizes ask for
 *
 * Returns: (transfer full):
 */
ShuNpyArray *shu_npy_array_new (const char *name, ShuNpyType type, int n_dims,
    const gint64 *dims, GBytes *data);
void shu_npy_array_free (ShuNpyArray *array);

/**
 * shu_npy_parse:
 * @name: what to call the array, also in errors
 * @data: a NPY file
 *
 * An array in Fortran order is turned round.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_INVALID, %SHU_ERROR_TRUNCATED
 *   or %SHU_ERROR_UNSUPPORTED (big endian, other types)
 */
ShuNpyArray *shu_npy_parse (const char *name, GBytes *data, GError **error);

/**
 * shu_npz_read:
 * @data: a whole NPZ file, stored or deflated
 *
 * Returns: (transfer container) (element-type ShuNpyArray): arrays in the order
 *   of the archive; NULL with an error
 */
GPtrArray *shu_npz_read (GBytes *data, GError **error);

/* Returns: (transfer none) (nullable): */
const ShuNpyArray *shu_npz_find (GPtrArray *arrays, const char *name);

/**
 * shu_npz_encode:
 * @arrays: (element-type ShuNpyArray):
 *
 * Stored, without times: the same arrays give the same bytes.
 *
 * Returns: (transfer full):
 */
GBytes *shu_npz_encode (GPtrArray *arrays, GError **error);

/**
 * shu_npy_to_f32:
 * Returns: (transfer full): the elements of any type, converted
 */
float *shu_npy_to_f32 (const ShuNpyArray *array);

/**
 * shu_npy_to_i32:
 * Returns: (transfer full): the elements of any type; NULL with
 *   %SHU_ERROR_INVALID where one is not an integer of 32 bits
 */
gint32 *shu_npy_to_i32 (const ShuNpyArray *array, GError **error);

/**
 * shu_coords_encode:
 * @coords: [N,4], batch and x, y, z
 *
 * Returns: (transfer full): latent.npz of the official code: one array "coords"
 *   of float32
 */
GBytes *shu_coords_encode (const gint32 *coords, gsize N, GError **error);

/**
 * shu_coords_decode:
 * @grid: voxels per side; coordinates must be below
 *
 * Returns: (transfer full): [N,4] with batch 0, in the order of the file; NULL
 *   where the file is damaged, a row lies outside or occurs twice, or there are
 *   none
 */
gint32 *shu_coords_decode (
    GBytes *data, int grid, gsize *ret_n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuNpyArray, shu_npy_array_free)

G_END_DECLS
