/* SPDX-License-Identifier: MIT */
/* What the files of a record share: it, and how an entry of its backend notes a
 * call. */
#pragma once
#include "base/error.h"
#include "ops/backend_private.h"
#include "ops/record.h"

G_BEGIN_DECLS

struct _ShuRecord {
  ShuCtx *c;
  ShuRecordFlags flags;
  const ShuBackend *real;
  GHashTable *by_key; /* "op shapes" -> ShuRecordRow, of rows */
  GPtrArray *rows;    /* of ShuRecordRow */
  GArray *spans;      /* times not yet looked at; record_rows.c */
};

/* ---- record_rows.c ---- */

/* One call, from its beginning to its end. */
typedef struct {
  ShuRecordRow *row;
  gpointer start; /* mark */
} ShuRecordCall;

/* @operands: result first, NULL for one that is not there */
ShuRecordCall shu_record_begin (ShuRecord *r, const char *op, double flop,
    int n, ShuTensor *const *operands);
void shu_record_end (ShuRecord *r, const ShuRecordCall *call);

/* Of all @operands, as the device has them. */
double shu_record_bytes (const ShuRecord *r, int n, ShuTensor *const *operands);

#define OPERANDS(...)                                                          \
  ((ShuTensor *const[]){__VA_ARGS__}),                                         \
      sizeof ((ShuTensor *const[]){__VA_ARGS__}) / sizeof (ShuTensor *)

/* Notes the call of @op with the OPERANDS that follow, result first, and makes
 * it with the arguments that are left. */
#define RECORD(op, flop, operands, n_operands, ...)                            \
  G_STMT_START                                                                 \
  {                                                                            \
    ShuRecord *r_ = c->record;                                                 \
    ShuRecordCall call_ =                                                      \
        shu_record_begin (r_, #op, flop, n_operands, operands);                \
                                                                               \
    if (r_->flags & SHU_RECORD_DRY)                                            \
      ;                                                                        \
    else if (r_->real->op)                                                     \
      r_->real->op (c, __VA_ARGS__);                                           \
    else                                                                       \
      shu_ctx_fail (                                                           \
          c, SHU_ERROR_UNSUPPORTED, "%s: no %s", r_->real->name, #op);         \
    shu_record_end (r_, &call_);                                               \
  }                                                                            \
  G_STMT_END
#define RECORD_(...) RECORD (__VA_ARGS__)

/* ---- record_pictures.c ---- */

/* Declares the backend's entry of that name. */
#define SHU_RECORD_ENTRY(op)                                                   \
  __typeof__ (*((ShuBackend *) NULL)->op) shu_record_##op

SHU_RECORD_ENTRY (picture_resize);
SHU_RECORD_ENTRY (picture_crop);
SHU_RECORD_ENTRY (picture_flatten);
SHU_RECORD_ENTRY (picture_paste_face);
SHU_RECORD_ENTRY (picture_normalize);
SHU_RECORD_ENTRY (picture_from_view);
SHU_RECORD_ENTRY (picture_measure);
SHU_RECORD_ENTRY (picture_window);
SHU_RECORD_ENTRY (picture_clean);
SHU_RECORD_ENTRY (picture_cells);
SHU_RECORD_ENTRY (picture_compare);
SHU_RECORD_ENTRY (mask_mean);
SHU_RECORD_ENTRY (mask_to_picture);
SHU_RECORD_ENTRY (mask_measure);

/* ---- record_planes.c ---- */

SHU_RECORD_ENTRY (plane_find_nearest);
SHU_RECORD_ENTRY (plane_smooth);
SHU_RECORD_ENTRY (plane_fill);
SHU_RECORD_ENTRY (photo_step);
SHU_RECORD_ENTRY (photo_background);
SHU_RECORD_ENTRY (photo_count_shares);

/* ---- record_bake.c ---- */

SHU_RECORD_ENTRY (texture_pack);
SHU_RECORD_ENTRY (bake_differences);
SHU_RECORD_ENTRY (bake_lacks);
SHU_RECORD_ENTRY (bake_texels);
SHU_RECORD_ENTRY (bake_photo_rows);
SHU_RECORD_ENTRY (bake_drawing_rows);
SHU_RECORD_ENTRY (field_spread);
SHU_RECORD_ENTRY (bake_picture);

G_END_DECLS
