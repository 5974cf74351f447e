/* SPDX-License-Identifier: MIT */
/* One device and one stream of work: allocator, scopes, backend, and the
 * first error of a forward pass. */
#pragma once
#include "tensor/tensor.h"
#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _ShuCtx ShuCtx;

/**
 * shu_ctx_new:
 * @device: "cpu", "cuda:N" ("cuda": the first), or "auto": the first CUDA
 *   device where it can be used, else the CPU; for tests also "mock": the CPU
 *   as a device, whose memory is not taken for that of the host
 *
 * Returns: (transfer full): a context, or NULL with %SHU_ERROR_UNSUPPORTED
 *   where the device is not there
 */
ShuCtx *shu_ctx_new (const char *device, GError **error);
void shu_ctx_free (ShuCtx *c);

/* "cpu", "cuda:N" or "mock" */
const char *shu_ctx_device (ShuCtx *c);

/* Whether a GPU does the work: some of it is then worth more, or cut into
 * larger pieces. */
gboolean shu_ctx_on_gpu (ShuCtx *c);

/* Operations fail with %G_IO_ERROR_CANCELLED once @cancellable is. */
void shu_ctx_set_cancellable (ShuCtx *c, GCancellable *cancellable);

/* Counts what is copied between host and device; NULL: nobody does. */
void shu_ctx_set_traffic (ShuCtx *c, ShuTraffic *traffic);

/**
 * shu_ctx_fail:
 * Records an error unless there is one already; operations that follow do
 * nothing and return a nil tensor (all dims 1).
 */
void shu_ctx_fail (ShuCtx *c, int code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void shu_ctx_take_error (ShuCtx *c, GError *error);
gboolean shu_ctx_failed (ShuCtx *c);

/**
 * shu_ctx_finish:
 * Waits for the device, hands out the first error and clears it.
 */
gboolean shu_ctx_finish (ShuCtx *c, GError **error);

/* Live and peak bytes of results (not of weights). */
gsize shu_ctx_live_bytes (ShuCtx *c);
gsize shu_ctx_peak_bytes (ShuCtx *c);

/* "NVIDIA H200", "cpu"; (transfer full) */
char *shu_ctx_device_name (ShuCtx *c);
/**
 * shu_ctx_new_measure:
 * A context of no device: it only counts what one of CUDA would take.  Has no
 * backend of its own: shu_record_new() with SHU_RECORD_DRY makes it work.
 *
 * Returns: (transfer full)
 */
ShuCtx *shu_ctx_new_measure (void);
/* Whether nothing is computed, so that values mean nothing. */
gboolean shu_ctx_is_dry (ShuCtx *c);
/* The most memory that was taken from the device at once for results, with
 * what lay unused, and with what was reserved (negative: is free again). */
gsize shu_ctx_held_peak_bytes (ShuCtx *c);
void shu_ctx_reserve (ShuCtx *c, gssize bytes);
/* Gives memory that lies unused back to the device. */
void shu_ctx_trim (ShuCtx *c);

/* Bytes of the device's memory in use, by whomever; 0 for the CPU */
gsize shu_ctx_device_bytes (ShuCtx *c);

/* ---- scopes ---- */

typedef struct {
  ShuCtx *c;
} ShuScope;

ShuScope shu_scope_begin (ShuCtx *c);
void shu_scope_end (ShuScope scope);

static inline void
shu_scope_clear (ShuScope *scope)
{
  shu_scope_end (*scope);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuScope, shu_scope_clear)

/**
 * SHU_SCOPE:
 * What operations return from here on dies at the closing brace, except what
 * shu_keep() hands out.
 */
#define SHU_SCOPE(c)                                                           \
  G_GNUC_UNUSED g_auto (ShuScope) shu_scope_ = shu_scope_begin (c)

/* Moves @t to the scope outside.  Returns: (transfer none): @t */
ShuTensor *shu_keep (ShuCtx *c, ShuTensor *t);

/**
 * shu_drop:
 * @t: a result that nobody looks at any more
 *
 * Lets go of it, and of its views, before the innermost scope does, where its
 * memory matters; or of itself alone, where it belongs to a scope outside.
 */
void shu_drop (ShuCtx *c, ShuTensor *t);

/**
 * shu_own:
 * A reference of the caller's own to a scoped result, for what crosses an API
 * border.
 *
 * Returns: (transfer full): NULL after a failure
 */
ShuTensor *shu_own (ShuCtx *c, ShuTensor *t);

/**
 * shu_scoped:
 * A new, not initialised tensor that belongs to the innermost scope.  Of all
 * sizes 1 after a failure.
 */
ShuTensor *shu_scoped (
    ShuCtx *c, ShuDType dtype, int n_dims, const gint64 *dims);

/* Makes the innermost scope hold a reference to @t.  Returns: @t */
ShuTensor *shu_scoped_ref (ShuCtx *c, ShuTensor *t);

/* ---- taps ---- */

/**
 * ShuTapFunc:
 * Sees a named intermediate result (for golden tests and SHU_TAPS).
 */
typedef void (*ShuTapFunc) (const char *name, ShuTensor *t, gpointer data);

void shu_ctx_set_tap (ShuCtx *c, ShuTapFunc func, gpointer data);

/* Names the network that works from here on, for listeners; @part is static. */
void shu_ctx_set_part (ShuCtx *c, const char *part);
const char *shu_ctx_part (ShuCtx *c);

/* Whether somebody listens: what only a tap needs is made for nobody else. */
gboolean shu_tapped (ShuCtx *c);
/* Names @t for listeners; returns @t.  Costs nothing where nobody listens. */
ShuTensor *shu_tap (ShuCtx *c, ShuTensor *t, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuCtx, shu_ctx_free)

G_END_DECLS
