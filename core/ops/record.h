/* SPDX-License-Identifier: MIT */
/* What the operations of a context do: how often each is called with which
 * shapes, how much it computes and moves, and how long it takes.  For
 * benchmarks and tests; a context without a record pays nothing. */
#pragma once
#include "tensor/context.h"

G_BEGIN_DECLS

typedef struct _ShuRecord ShuRecord;

typedef enum {
  SHU_RECORD_WORK = 1 << 0, /* count operations and bytes; reads index tables
                             * back, so what is timed beside it waits */
  SHU_RECORD_TIME = 1 << 1, /* time each operation on its device */
  SHU_RECORD_DRY = 1 << 2,  /* compute nothing: results hold garbage, what is
                             * downloaded is zero.  On the CPU alone */
} ShuRecordFlags;

/**
 * ShuRecordRow:
 * All calls of one operation with the same shapes.
 * @op: e.g. "linear"
 * @shapes: of the result and the operands, e.g. "[2,320] [2,64] [320,64]"
 * @flop: additions and multiplications of products, convolutions (of sparse
 *   ones: of the neighbours that are there) and attention; 0 for the rest
 * @bytes: the least that must be moved: operands read once, results written
 *   once, weights as the device has them
 * @seconds: on the device, from the first launch to the end of the last
 */
typedef struct {
  const char *op;
  char *shapes;
  guint64 calls;
  double flop;
  double bytes;
  double seconds;
} ShuRecordRow;

/**
 * shu_record_new:
 * From here on the operations of @c are recorded, until the record is freed,
 * which must be before @c is.
 *
 * Returns: (transfer full)
 */
ShuRecord *shu_record_new (ShuCtx *c, ShuRecordFlags flags);
void shu_record_free (ShuRecord *r);

/**
 * shu_record_rows:
 * Waits for the device.
 *
 * Returns: (transfer none) (element-type ShuRecordRow): most seconds first,
 *   then most operations, then most bytes
 */
GPtrArray *shu_record_rows (ShuRecord *r);
/* Sum of all rows; "op" and "shapes" are NULL.  Waits for the device. */
ShuRecordRow shu_record_total (ShuRecord *r);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuRecord, shu_record_free)

G_END_DECLS
