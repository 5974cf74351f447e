/* SPDX-License-Identifier: MIT */
/* The error domain's quark. */
#include "error.h"

G_DEFINE_QUARK (shu - error - quark, shu_error)
