/* SPDX-License-Identifier: MIT */
/* What a request for a job says. */
#pragma once
#include "params.h"
#include "web.h"

G_BEGIN_DECLS

/**
 * Upload:
 * @photo: (nullable): a file whose first bytes are those of JPEG, PNG or WebP
 * @url: (nullable): where to get it; one of both is there
 * @download: the answer shall be a ZIP
 * @detached: the answer shall come before the job is done
 * @values: parameters (params_set())
 */
typedef struct {
  GBytes *photo;
  char *url;
  gboolean download, detached;
  GHashTable *values;
} Upload;

gboolean upload_parse (SoupServerMessage *msg, Upload *ret, Problem *p);
/* The same of a body by itself, with its content type. */
gboolean upload_parse_body (
    const char *type, GBytes *body, Upload *ret, Problem *p);
void upload_clear (Upload *u);
/* Whether the photo is of a kind that is decoded here, by its first bytes;
 * what it says it is does not count. */
gboolean upload_check_kind (GBytes *photo, Problem *p);
/* A digest: of two requests the same if they ask for the same.
 * (transfer full) */
char *upload_print (const Upload *u);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Upload, upload_clear)

G_END_DECLS
