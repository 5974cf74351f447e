/* SPDX-License-Identifier: MIT */
/* Network configurations: the JSON files of a model folder, read with types,
 * ranges and defaults checked. */
#pragma once
#include <glib.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

enum { SHU_CONFIG_MAX_BYTES = 16 * 1024 * 1024, SHU_CONFIG_MAX_DEPTH = 64 };

/**
 * ShuConfig:
 * A JSON object with a name for messages and the first failure of a lookup.
 */
typedef struct _ShuConfig ShuConfig;

ShuConfig *shu_config_open (const char *path, GError **error);
ShuConfig *shu_config_parse (
    const char *text, gssize size, const char *name, GError **error);
void shu_config_free (ShuConfig *config);

/* The object under @key; an empty one where it is absent.  Lives as long as
 * @config.  @key may be a path with slashes ("args/models"). */
ShuConfig *shu_config_at (ShuConfig *config, const char *key);
gboolean shu_config_has (ShuConfig *config, const char *key);

/* A whole number in @lo..@hi; @fallback where the key is absent or null;
 * a @fallback outside @lo..@hi means that the key must be there. */
int shu_config_int (
    ShuConfig *config, const char *key, int lo, int hi, int fallback);
/* the same; NAN as @fallback: must be there */
double shu_config_float (
    ShuConfig *config, const char *key, double lo, double hi, double fallback);
gboolean shu_config_bool (
    ShuConfig *config, const char *key, gboolean fallback);
/* NULL as @fallback: must be there.  Returns: (transfer none) */
const char *shu_config_string (
    ShuConfig *config, const char *key, const char *fallback);
/* Up to @max numbers, each in @lo..@hi; returns how many.  A single number
 * counts as a list of one; absent: 0 */
int shu_config_ints (ShuConfig *config, const char *key, int lo, int hi,
    int max, int *ret_values);
int shu_config_floats (
    ShuConfig *config, const char *key, int max, double *ret_values);
/* member names, (transfer container), NULL-terminated */
const char **shu_config_keys (ShuConfig *config);

void shu_config_fail (ShuConfig *config, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* FALSE with the first failure in any part */
gboolean shu_config_finish (ShuConfig *config, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuConfig, shu_config_free)

G_END_DECLS
