/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Which model a folder holds: a SHA-256 over the names, the sizes and the first
 * 64 KiB of its files, which in files of weights describe the tensors.  To read
 * them whole would take longer than to load them.  (transfer full) */
char *model_print (const char *folder);
