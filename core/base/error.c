/* SPDX-License-Identifier: MIT */
/* The error domain's quark.  The formatter takes its dashes for minus signs. */
#include "error.h"

/* clang-format off */
G_DEFINE_QUARK (shu-error-quark, shu_error)
/* clang-format on */
