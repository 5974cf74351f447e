/* SPDX-License-Identifier: MIT */
/* Makes a GPU useless to this process, as a bad kernel of somebody else would:
 * writes to an address that is none. */
#pragma once
#include <glib.h>

/* FALSE where there is no driver, or it does not do that. */
gboolean plant_fault (void);
