/* SPDX-License-Identifier: MIT */
#include "stages/parts_private.h"
#include "base/error.h"
#include "weights/formula.h"
#include <stdatomic.h>
#include <string.h>

static const ShuPartKind *const lists[] = {
    shu_parts_stage1, shu_parts_stage2, shu_parts_whole, shu_parts_tail};

enum { MIN_FACES = 1000, MAX_FACES = 4000000 };

static const ShuPartKind *
find (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
    for (const ShuPartKind *k = lists[i]; k->name; k++)
      if (strcmp (k->name, name) == 0)
        return k;
  return NULL;
}

const char *const *
shu_part_names (void)
{
  static gsize ready;

  if (g_once_init_enter (&ready)) {
    GPtrArray *names = g_ptr_array_new ();

    for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
      for (const ShuPartKind *k = lists[i]; k->name; k++)
        g_ptr_array_add (names, (gpointer) k->name);
    g_ptr_array_add (names, NULL);
    g_once_init_leave (&ready, (gsize) g_ptr_array_free (names, FALSE));
  }
  return (const char *const *) ready;
}

ShuTensor *
shu_part_input (ShuPart *p, const char *name, int n_dims, const gint64 *dims)
{
  SHU_SCOPE (p->c);
  g_autofree char *key = g_strdup_printf ("%s/in.%s", p->kind->name, name);
  g_autoptr (ShuTensor) host = shu_tensor_new (SHU_DTYPE_F32, n_dims, dims);
  float *values = host->data;
  ShuTensor *t;

  shu_formula_values (key, host->n, values);
#pragma omp parallel for if (host->n > 100000)
  for (gsize i = 0; i < host->n; i++)
    values[i] *= 1.75f;
  t = shu_own (p->c, shu_from_host (p->c, SHU_DTYPE_F32, n_dims, dims, values));
  if (t)
    g_ptr_array_add (p->owned, t);
  return t;
}

void
shu_part_look_at_memory (ShuPart *p)
{
  gsize now = shu_ctx_device_bytes (p->c), most = p->memory;

  while (now > most && !atomic_compare_exchange_weak (&p->memory, &most, now))
    ;
}

static void
on_progress (const char *stage, int step, int total, gpointer data)
{
  ShuPart *p = data;

  shu_part_look_at_memory (p);
  if (p->listener && p->listener->func)
    p->listener->func (stage, step, total, p->listener->data);
}

static void
on_lap (const char *part, gpointer data)
{
  ShuPart *p = data;

  shu_part_look_at_memory (p);
  shu_progress_lap (p->listener, part);
}

/* NAME or NAME@FACES */
static gboolean
choose (ShuPart *p, const char *name, GError **error)
{
  g_auto (GStrv) words = g_strsplit (name, "@", 2);
  g_autofree char *list = NULL;
  guint64 faces = 0;

  p->kind = words[0] ? find (words[0]) : NULL;
  if (p->kind && !words[1])
    return TRUE;
  if (p->kind && p->kind->any_size) {
    gboolean ok = g_ascii_string_to_unsigned (
        words[1], 10, MIN_FACES, MAX_FACES, &faces, error);

    p->faces = (int) faces;
    if (!ok)
      g_prefix_error (error, "part \"%s\": ", name);
    return ok;
  }
  list = g_strjoinv (", ", (char **) shu_part_names ());
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      p->kind ? "part \"%s\" has one size only; the parts are %s"
              : "there is no part \"%s\"; the parts are %s",
      name, list);
  return FALSE;
}

/* The network that @p is about, brought to the device */
static gboolean
load (ShuPart *p, GError **error)
{
  gboolean fp8 =
      p->kind->net == SHU_NET_JOINT && p->precision == SHU_PRECISION_FP8;

  if (p->kind->net == SHU_N_NETS)
    return TRUE;
  if (fp8 && !shu_has_fp8 (p->c)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "%s: %s does not gain from FP8", p->kind->name,
        shu_model_device (p->model));
    return FALSE;
  }
  p->net =
      shu_model_net (p->model, fp8 ? SHU_NET_JOINT_FP8 : p->kind->net, error);
  return p->net != NULL;
}

/* A network's first run makes what is made once, and where it can be recorded,
 * the next context does it: as in a job that is not its process's first. */
static gboolean
pass_first_job (ShuPart *p, GError **error)
{
  if (p->data || p->kind->net == SHU_N_NETS || !shu_ctx_on_gpu (p->c))
    return TRUE;
  if (!shu_part_run (p, error))
    return FALSE;
  shu_ctx_free (p->c);
  p->c = shu_model_context (p->model, NULL, error);
  if (p->c)
    shu_ctx_set_part (p->c, p->kind->name);
  return p->c != NULL;
}

ShuPart *
shu_part_new (
    ShuModel *model, const char *name, ShuPrecision precision, GError **error)
{
  g_autoptr (ShuPart) p = g_new0 (ShuPart, 1);

  p->model = shu_model_ref (model);
  p->precision = precision;
  p->owned = g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  p->progress = (ShuProgress){.func = on_progress, .lap = on_lap, .data = p};
  if (!choose (p, name, error))
    return NULL;
  p->c = shu_model_context (model, NULL, error);
  if (!p->c || !load (p, error))
    return NULL;
  shu_ctx_set_part (p->c, p->kind->name);
  if (!p->kind->prepare (p, error) || !shu_ctx_finish (p->c, error) ||
      !pass_first_job (p, error))
    return NULL;
  return g_steal_pointer (&p);
}

void
shu_part_free (ShuPart *p)
{
  if (!p)
    return;
  if (p->data)
    p->data_free (p->data);
  g_ptr_array_unref (p->owned);
  shu_ctx_free (p->c);
  shu_model_unref (p->model);
  g_free (p->size);
  g_free (p);
}

ShuCtx *
shu_part_context (ShuPart *p)
{
  gboolean counted = p->kind->counted && shu_ctx_on_gpu (p->c);

  return p->kind->net == SHU_N_NETS && !counted ? NULL : p->c;
}

int
shu_part_runs (const ShuPart *p, ShuPartStage stage)
{
  return p->runs[stage];
}

gboolean
shu_part_covers (const ShuPart *p, ShuPartStage stage)
{
  return (p->kind->covers & 1u << stage) != 0;
}

const char *
shu_part_size (const ShuPart *p)
{
  return p->size;
}

void
shu_part_set_progress (ShuPart *p, const ShuProgress *progress)
{
  p->listener = progress;
  p->progress.traffic = shu_progress_traffic (progress);
}

gboolean
shu_part_run (ShuPart *p, GError **error)
{
  gboolean ok;

  {
    SHU_SCOPE (p->c);

    ok = p->kind->run (p, error);
  }
  return ok && shu_ctx_finish (p->c, error);
}

gsize
shu_part_results (ShuPart *p)
{
  return shu_ctx_peak_bytes (p->c);
}

gsize
shu_part_memory (const ShuPart *p)
{
  return p->memory;
}
