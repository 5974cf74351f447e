/* SPDX-License-Identifier: MIT */
/* What shu_weights_probe() finds out. */
#pragma once
#include <glib.h>

typedef struct _ShuProbe ShuProbe;

ShuProbe *shu_probe_new (void);
void shu_probe_free (ShuProbe *p);

/* A sentence; (transfer full) */
void shu_probe_take (ShuProbe *p, char *problem);
GPtrArray *shu_probe_problems (ShuProbe *p);

/**
 * shu_probe_look:
 * A lookup of @name with @want (-1: any size).
 * @dtype: what is there, as safetensors has it, of shape @dims; NULL: nothing
 */
void shu_probe_look (ShuProbe *p, const char *name, int n_want,
    const gint64 *want, const char *dtype, int n_dims, const gint64 *dims);
gboolean shu_probe_has_seen (const ShuProbe *p, const char *name);

/* "[640,320,3,3]", a * for any size; (transfer full) */
char *shu_describe_dims (int n_dims, const gint64 *dims);
