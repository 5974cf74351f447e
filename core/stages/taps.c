/* SPDX-License-Identifier: MIT */
/* See taps_private.h. */
#include "stages/taps_private.h"
#include "base/error.h"
#include "base/file.h"
#include "formats/bundle_file.h"
#include "ops/ops.h"
#include <math.h>
#include <string.h>

static gboolean
matches (const char *name)
{
  const char *text = g_getenv ("SHU_TAPS");
  g_auto (GStrv) patterns = g_strsplit (text ? text : "", ",", -1);

  for (char **p = patterns; *p; p++)
    if (g_pattern_match_simple (*p, name))
      return TRUE;
  return FALSE;
}

static double
element (const ShuTensor *t, gsize i)
{
  return t->dtype == SHU_DTYPE_I32 ? ((const gint32 *) t->data)[i]
                                   : ((const float *) t->data)[i];
}

static char *
shape_of (const ShuTensor *t)
{
  GString *s = g_string_new ("[");

  for (int i = 0; i < t->n_dims; i++)
    g_string_append_printf (s, "%s%" G_GINT64_FORMAT, i ? "," : "", t->dims[i]);
  g_string_append_c (s, ']');
  return g_string_free (s, FALSE);
}

static void
describe (int number, const char *name, const ShuTensor *t)
{
  g_autofree char *shape = shape_of (t);
  double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
  gsize n = 0;

  for (gsize i = 0; i < t->n; i++) {
    double v = element (t, i);

    if (!isfinite (v))
      continue;
    n++;
    low = MIN (low, v);
    high = MAX (high, v);
    sum += v;
    squares += v * v;
  }
  g_message ("tap %d %s %s%s: min %g, max %g, mean %g, rms %g%s", number, name,
      shu_dtype_name (t->dtype), shape, low, high, sum / MAX (n, 1),
      sqrt (squares / MAX (n, 1)), n < t->n ? ", NOT ALL FINITE" : "");
}

static gboolean
save (const char *folder, int number, const char *name, ShuTensor *t,
    GError **error)
{
  g_autoptr (ShuBundle) b = shu_bundle_new ("tap");
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *plain = g_strdelimit (g_strdup (name), "/", '-');
  g_autofree char *file =
      g_strdup_printf ("%06d-%s.safetensors", number, plain);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  gsize size;
  gconstpointer data;

  shu_bundle_set (b, name, t);
  bytes = shu_bundle_encode (b);
  data = g_bytes_get_data (bytes, &size);
  return shu_file_write (path, data, size, error);
}

static void
tap (const char *name, ShuTensor *t, gpointer data)
{
  static gint count; /* of the process: several contexts work at a time */
  ShuCtx *c = data;
  const char *folder = g_getenv ("SHU_TAPS_DIR");
  g_autofree char *full = g_strconcat (shu_ctx_part (c), "/", name, NULL);
  g_autoptr (ShuTensor) host = NULL;
  GError *error = NULL;
  int number;

  if (!matches (full))
    return;
  host = shu_tensor_new (
      t->dtype == SHU_DTYPE_I32 ? t->dtype : SHU_DTYPE_F32, t->n_dims, t->dims);
  if (!shu_to_host (c, t, host->data))
    return;
  number = g_atomic_int_add (&count, 1) + 1;
  describe (number, full, host);
  if (folder && *folder && !save (folder, number, full, host, &error))
    shu_ctx_take_error (c, error);
}

void
shu_taps_install (ShuCtx *c)
{
  const char *text = g_getenv ("SHU_TAPS");

  if (text && *text)
    shu_ctx_set_tap (c, tap, c);
}
