/* SPDX-License-Identifier: MIT */
/* What a model folder holds, compared with what its networks ask for, without
 * loading anything. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuPartCheck:
 * @name: for people
 * @path: where it is; where it should be, if it is not there
 * @found: whether there is such a file or folder
 * @holds: formats and types, e.g. "safetensors, F16"; NULL: no weights
 * @n_tensors, @n_bytes: as stored
 * @problems: sentences; empty: all that is needed is there and fits
 * @notes: sentences on what does no harm
 * @origin: where people usually get it
 */
typedef struct {
  char *name;
  char *path;
  gboolean found;
  char *holds;
  int n_tensors;
  guint64 n_bytes;
  GPtrArray *problems;
  GPtrArray *notes;
  const char *origin;
} ShuPartCheck;

/**
 * ShuModelCheck:
 * @parts: ShuPartCheck, in the order of their use
 */
typedef struct {
  char *folder;
  GPtrArray *parts;
  int n_problems;
} ShuModelCheck;

/**
 * shu_model_check:
 * @folder: any folder, however much of a model folder it is
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_MISSING: there is no such
 *   folder
 */
ShuModelCheck *shu_model_check (const char *folder, GError **error);
void shu_model_check_free (ShuModelCheck *check);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuModelCheck, shu_model_check_free)

G_END_DECLS
