/* SPDX-License-Identifier: MIT */
/* A typed, contiguous array on one device.  Feature maps are channels-last
 * ([B,H,W,C], [B,D,H,W,C]), so a feature map is its token sequence. */
#pragma once
#include "base/traffic.h"
#include <glib.h>

G_BEGIN_DECLS

enum { SHU_MAX_DIMS = 5 };

typedef enum {
  SHU_DTYPE_F32,
  SHU_DTYPE_F16,
  SHU_DTYPE_BF16,
  SHU_DTYPE_I32,
  SHU_DTYPE_U8,
  SHU_DTYPE_E4M3, /* between operations, for layers in FP8 (base/e4m3.h) */
} ShuDType;

typedef struct _ShuTensor ShuTensor;
typedef struct _ShuStorage ShuStorage;

/**
 * ShuTensor:
 * @dtype: type of the elements
 * @n_dims: 1..SHU_MAX_DIMS
 * @dims: sizes, outermost first; unused ones are 1
 * @n: number of elements
 * @data: first element; host memory, or that of a context's device
 *
 * Contents are immutable once an operation has produced them.  Reference
 * counted; a reshape shares the storage.
 */
struct _ShuTensor {
  ShuDType dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize n;
  void *data;
  /*< private >*/
  gatomicrefcount refs;
  ShuStorage *storage;
  gpointer packed; /* the CPU backend's own form of a weight, made once */
  GDestroyNotify packed_free;
};

gsize shu_dtype_size (ShuDType dtype);
const char *shu_dtype_name (ShuDType dtype);

/**
 * shu_tensor_new:
 * An owned CPU tensor, not initialised.  Overflowing or negative sizes are the
 * caller's fault (g_assert): check what comes from outside before.
 *
 * Returns: (transfer full)
 */
ShuTensor *shu_tensor_new (ShuDType dtype, int n_dims, const gint64 *dims);

/**
 * shu_tensor_try_new:
 * As shu_tensor_new(), where the size comes from outside.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_LIMIT (sizes that overflow) or
 *   %SHU_ERROR_MEMORY
 */
ShuTensor *shu_tensor_try_new (
    ShuDType dtype, int n_dims, const gint64 *dims, GError **error);

/**
 * shu_tensor_new_bytes:
 * A CPU tensor over @size bytes at @data, kept alive by @owner.
 *
 * Returns: (transfer full)
 */
ShuTensor *shu_tensor_new_bytes (ShuDType dtype, int n_dims, const gint64 *dims,
    GBytes *owner, gconstpointer data);

ShuTensor *shu_tensor_ref (ShuTensor *t);
void shu_tensor_unref (ShuTensor *t);

/**
 * shu_tensor_view:
 * The same elements with other dimensions; one may be -1.  Owned: for code
 * outside a scope; networks use shu_reshape().
 *
 * Returns: (transfer full)
 */
ShuTensor *shu_tensor_view (ShuTensor *t, int n_dims, const gint64 *dims);

gsize shu_tensor_bytes (const ShuTensor *t);

/* Whether @data can be read here. */
gboolean shu_tensor_is_host (const ShuTensor *t);
/* "cpu", "cuda:N": (transfer full) */
char *shu_tensor_device (const ShuTensor *t);

/**
 * shu_tensor_to_host:
 * @traffic: (nullable): counts the copy
 *
 * Whoever made @t has waited for it.  The copy is made once, whoever asks.
 *
 * Returns: (transfer full): @t itself where it is in host memory already; NULL
 *   with an error
 */
ShuTensor *shu_tensor_to_host (
    ShuTensor *t, ShuTraffic *traffic, ShuTrafficKind kind, GError **error);

/* "[2,24,24,64] f32", for messages. */
char *shu_tensor_describe (const ShuTensor *t);

#define SHU_DIMS(...)                                                          \
  (int) (sizeof ((gint64[]){__VA_ARGS__}) / sizeof (gint64)), (const gint64[]) \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuTensor, shu_tensor_unref)

G_END_DECLS
