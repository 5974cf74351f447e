/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/**
 * sandbox_enter:
 * Takes away from this process and its threads what decoding a stranger's
 * picture never needs: sockets, other programs, other processes, and files
 * larger than a result.  For good; to be called when everything that needs
 * them is open.
 */
gboolean sandbox_enter (GError **error);
