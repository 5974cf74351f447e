/* SPDX-License-Identifier: MIT */
#pragma once
#include "formats/npz.h"

G_BEGIN_DECLS

/* Returns: (transfer full): a NPY file */
GByteArray *shu_npy_write (const ShuNpyArray *array);

G_END_DECLS
