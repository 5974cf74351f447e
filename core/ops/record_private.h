/* SPDX-License-Identifier: MIT */
/* What the files of a record share: it, and how an entry of its backend notes a
 * call. */
#pragma once
#include "base/error.h"
#include "ops/entries_private.h"
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

/* ---- record_pictures.c, record_planes.c, record_bake.c ---- */

SHU_PICTURE_ENTRIES (record);

G_END_DECLS
