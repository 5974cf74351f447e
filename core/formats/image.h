/* SPDX-License-Identifier: MIT */
/* Moved: transitional, for files not yet changed. */
#pragma once
#include "base/image.h"
