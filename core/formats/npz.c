/* SPDX-License-Identifier: MIT */
/* The archive around NPY arrays, by libzip, and the one that carries voxel
 * coordinates from Stage 1 to Stage 2. */
#include "npz.h"
#include "npy_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include <string.h>
#include <zip.h>

enum {
  MAX_MEMBERS = 4096,
  MAX_RATIO = 1100,      /* deflate cannot do better than 1032 */
  MAX_TOTAL = 1 << 30,   /* bytes of all arrays */
  DOS_DATE = 1 << 5 | 1, /* 1980-01-01, what NumPy writes */
};

static gboolean
zip_failed (zip_error_t *cause, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "the NPZ archive is damaged: %s", zip_error_strerror (cause));
  zip_error_fini (cause);
  return FALSE;
}

static zip_t *
open_archive (gconstpointer data, gsize size, GError **error)
{
  zip_error_t cause;
  zip_source_t *source;
  zip_t *zip;

  if (size == 0) { /* to libzip this is an archive without members */
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_TRUNCATED, "the NPZ archive is empty");
    return NULL;
  }
  zip_error_init (&cause);
  source = zip_source_buffer_create (data, size, 0, &cause);
  if (!source) {
    zip_failed (&cause, error);
    return NULL;
  }
  zip = zip_open_from_source (source, ZIP_RDONLY | ZIP_CHECKCONS, &cause);
  if (!zip) {
    zip_source_free (source);
    zip_failed (&cause, error);
    return NULL;
  }
  zip_error_fini (&cause);
  return zip;
}

/* The contents of member @index; @room is what may still be allocated. */
static GBytes *
read_member (
    zip_t *zip, guint64 index, gsize file_size, gsize *room, GError **error)
{
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE;
  g_autofree guint8 *bytes = NULL;
  zip_int64_t got = -1;
  zip_file_t *file;
  zip_stat_t st;

  if (zip_stat_index (zip, index, 0, &st) != 0 ||
      (st.valid & needed) != needed) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the NPZ archive has a member without name or size");
    return NULL;
  }
  if (st.size > *room || st.size / MAX_RATIO > file_size) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "%s: says that it has %" G_GUINT64_FORMAT " bytes, which is too much",
        st.name, (guint64) st.size);
    return NULL;
  }
  bytes = g_try_malloc (st.size + 1);
  file = bytes ? zip_fopen_index (zip, index, 0) : NULL;
  if (file) {
    guint8 more;

    got = zip_fread (file, bytes, st.size);
    if (zip_fread (file, &more, 1) != 0) /* the sum is checked at the end */
      got = -1;
    zip_fclose (file);
  }
  if (got < 0 || (guint64) got != st.size) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: cannot be unpacked: damaged, encrypted or compressed in an "
        "unknown way",
        st.name);
    return NULL;
  }
  *room -= st.size;
  return g_bytes_new_take (g_steal_pointer (&bytes), st.size);
}

static gboolean
read_arrays (zip_t *zip, gsize file_size, GPtrArray *arrays, GError **error)
{
  zip_int64_t n = zip_get_num_entries (zip, 0);
  gsize room = MAX_TOTAL;

  if (n > MAX_MEMBERS) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "the NPZ archive has too many members");
    return FALSE;
  }
  for (zip_int64_t i = 0; i < n; i++) {
    const char *full = zip_get_name (zip, i, 0);
    g_autofree char *name = NULL;
    g_autoptr (GBytes) bytes = NULL;
    ShuNpyArray *array;

    if (!full || !g_str_has_suffix (full, ".npy"))
      continue;
    name = g_strndup (full, strlen (full) - 4);
    bytes = read_member (zip, i, file_size, &room, error);
    array = bytes ? shu_npy_parse (name, bytes, error) : NULL;
    if (!array)
      return FALSE;
    g_ptr_array_add (arrays, array);
  }
  return TRUE;
}

GPtrArray *
shu_npz_read (GBytes *data, GError **error)
{
  g_autoptr (GPtrArray) arrays =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_npy_array_free);
  gsize size;
  const guint8 *p = g_bytes_get_data (data, &size);
  zip_t *zip = open_archive (p, size, error);
  gboolean ok;

  if (!zip)
    return NULL;
  ok = read_arrays (zip, size, arrays, error);
  zip_discard (zip);
  return ok ? g_steal_pointer (&arrays) : NULL;
}

const ShuNpyArray *
shu_npz_find (GPtrArray *arrays, const char *name)
{
  for (guint i = 0; i < arrays->len; i++) {
    const ShuNpyArray *array = arrays->pdata[i];

    if (strcmp (array->name, name) == 0)
      return array;
  }
  return NULL;
}

static gboolean
add_array (zip_t *zip, const ShuNpyArray *array)
{
  g_autofree char *name = g_strconcat (array->name, ".npy", NULL);
  g_autoptr (GByteArray) npy = shu_npy_write (array);
  guint length = npy->len;
  gpointer bytes = g_memdup2 (npy->data, length);
  /* libzip frees with free(), which is what g_free() is since GLib 2.46 */
  zip_source_t *source = zip_source_buffer (zip, bytes, length, 1);
  zip_int64_t index;

  if (!source) {
    g_free (bytes);
    return FALSE;
  }
  index = zip_file_add (zip, name, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free (source);
    return FALSE;
  }
  return zip_set_file_compression (zip, index, ZIP_CM_STORE, 0) == 0 &&
         zip_file_set_dostime (zip, index, 0, DOS_DATE, 0) == 0;
}

/* The bytes that @source holds once the archive on it is closed. */
static GBytes *
take_bytes (zip_source_t *source)
{
  g_autofree guint8 *bytes = NULL;
  zip_stat_t st;

  if (zip_source_stat (source, &st) != 0 || !(st.valid & ZIP_STAT_SIZE) ||
      zip_source_open (source) != 0)
    return NULL;
  bytes = g_malloc (st.size);
  if (zip_source_read (source, bytes, st.size) != (zip_int64_t) st.size) {
    zip_source_close (source);
    return NULL;
  }
  zip_source_close (source);
  return g_bytes_new_take (g_steal_pointer (&bytes), st.size);
}

GBytes *
shu_npz_encode (GPtrArray *arrays, GError **error)
{
  zip_error_t cause;
  zip_source_t *source;
  zip_t *zip;
  GBytes *ret = NULL;
  gboolean ok = TRUE;

  zip_error_init (&cause);
  source = zip_source_buffer_create (NULL, 0, 0, &cause);
  zip = source ? zip_open_from_source (source, ZIP_TRUNCATE, &cause) : NULL;
  if (!zip) {
    if (source)
      zip_source_free (source);
    zip_failed (&cause, error);
    return NULL;
  }
  zip_source_keep (source);
  for (guint i = 0; ok && i < arrays->len; i++)
    ok = add_array (zip, arrays->pdata[i]);
  if (ok && zip_close (zip) == 0)
    ret = take_bytes (source);
  else
    zip_discard (zip);
  zip_source_free (source);
  zip_error_fini (&cause);
  if (!ret)
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "the NPZ archive could not be made");
  return ret;
}

GBytes *
shu_coords_encode (const gint32 *coords, gsize N, GError **error)
{
  g_autoptr (GPtrArray) arrays =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_npy_array_free);
  float *v = g_new (float, MAX (N * 4, 1));

  for (gsize i = 0; i < N * 4; i++)
    v[i] = coords[i];
  g_ptr_array_add (arrays,
      shu_npy_array_new ("coords", SHU_NPY_F32, 2, (const gint64[]){N, 4},
          g_bytes_new_take (v, N * 4 * sizeof *v)));
  return shu_npz_encode (arrays, error);
}

/* Each row inside the grid and only once. */
static gboolean
check_coords (const gint32 *c, gsize N, int grid, GError **error)
{
  g_autofree guint8 *seen = g_malloc0 ((gsize) grid * grid * grid);

  for (gsize i = 0; i < N; i++, c += 4) {
    gboolean inside = c[0] == 0;
    gsize cell = 0;

    for (int axis = 1; axis < 4; axis++) {
      inside = inside && c[axis] >= 0 && c[axis] < grid;
      cell = cell * grid + (inside ? c[axis] : 0);
    }
    if (!inside || seen[cell]) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "coords: row %" G_GSIZE_FORMAT " (%d, %d, %d, %d) %s", i, c[0], c[1],
          c[2], c[3],
          inside ? "occurs twice" : "lies outside the grid of voxels");
      return FALSE;
    }
    seen[cell] = 1;
  }
  return TRUE;
}

gint32 *
shu_coords_decode (GBytes *data, int grid, gsize *ret_n, GError **error)
{
  g_autoptr (GPtrArray) arrays = shu_npz_read (data, error);
  g_autofree gint32 *coords = NULL;
  const ShuNpyArray *a;

  g_return_val_if_fail (grid > 0 && grid <= 512, NULL);
  if (!arrays)
    return NULL;
  a = shu_npz_find (arrays, "coords");
  if (!a || a->n_dims != 2 || a->dims[1] != 4 || a->n == 0) {
    g_set_error_literal (error, SHU_ERROR,
        a ? SHU_ERROR_INVALID : SHU_ERROR_MISSING,
        a ? "coords: expected a table of 4 columns with at least one row"
          : "the NPZ archive has no array \"coords\"");
    return NULL;
  }
  coords = shu_npy_to_i32 (a, error);
  if (!coords || !check_coords (coords, a->dims[0], grid, error))
    return NULL;
  *ret_n = a->dims[0];
  return g_steal_pointer (&coords);
}
