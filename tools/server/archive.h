/* SPDX-License-Identifier: MIT */
#pragma once
#include "api_job.h"
#include <gio/gio.h>

/**
 * archive_write_async:
 * Writes result.zip into the folder of @job, which is over: its results, under
 * stage1_output/ and stage2_output/.  Once; later calls find it there.
 */
void archive_write_async (ApiJob *job, GAsyncReadyCallback done, gpointer data);
/* Its path; (transfer full) */
char *archive_write_finish (GAsyncResult *result, GError **error);
