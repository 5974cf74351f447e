/* SPDX-License-Identifier: MIT */
/* The networks of a model: made of their files when they are first asked for,
 * brought to the model's device, and shared. */
#include "stages/model_private.h"
#include "base/error.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/gs_decoder.h"
#include "models/joint.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "models/ss_decoder.h"
#include "models/u2net.h"
#include "models/vae.h"
#include <string.h>

const ShuNetKind shu_nets[SHU_N_LOADED] = {
    [SHU_NET_JOINT] = {"OneStage/SyncHuman_2D3DCrossSpaceDiffusion", NULL,
        (ShuNetLoad) shu_joint_new, (GDestroyNotify) shu_joint_free},
    [SHU_NET_VAE] = {"OneStage/vae", NULL, (ShuNetLoad) shu_vae_new,
        (GDestroyNotify) shu_vae_free},
    [SHU_NET_CLIP] = {"OneStage/image_encoder", NULL, (ShuNetLoad) shu_clip_new,
        (GDestroyNotify) shu_clip_free},
    [SHU_NET_DINO] = {"OneStage/dinov2", NULL, (ShuNetLoad) shu_dinov2_new,
        (GDestroyNotify) shu_dinov2_free},
    [SHU_NET_SS_DECODER] = {"OneStage/sparse_structure_decoder", NULL,
        (ShuNetLoad) shu_ss_decoder_new, (GDestroyNotify) shu_ss_decoder_free},
    [SHU_NET_MATTING] = {"OneStage/matting", NULL, (ShuNetLoad) shu_u2net_new,
        (GDestroyNotify) shu_u2net_free},
    [SHU_NET_SLAT_FLOW] = {"SecondStage", "slat_flow_model",
        (ShuNetLoad) shu_slat_flow_new, (GDestroyNotify) shu_slat_flow_free},
    [SHU_NET_MESH_DECODER] = {"SecondStage", "slat_decoder_mesh",
        (ShuNetLoad) shu_mesh_decoder_new,
        (GDestroyNotify) shu_mesh_decoder_free},
    [SHU_NET_GS_DECODER] = {"SecondStage", "slat_decoder_gs",
        (ShuNetLoad) shu_gs_decoder_new, (GDestroyNotify) shu_gs_decoder_free},
    [SHU_NET_JOINT_FP8] = {"OneStage/SyncHuman_2D3DCrossSpaceDiffusion", NULL,
        (ShuNetLoad) shu_joint_new_fp8, (GDestroyNotify) shu_joint_free},
};

/* Who waits looks for a cancel so often. */
static const gint64 PATIENCE = 100 * G_TIME_SPAN_MILLISECOND;

static gboolean
is_on_device (const ShuModel *m)
{
  return strcmp (m->device, "cpu") != 0;
}

/* ---- made, brought to the device, let go ---- */

/* Who has claimed the network calls, without the lock. */
static gboolean
open_net (ShuModel *m, ShuNet net, GError **error)
{
  const char *path =
      shu_nets[net].key ? m->stage2_paths[net] : shu_nets[net].path;
  g_autofree char *file = g_build_filename (path, "config.json", NULL);
  g_autoptr (ShuConfig) config = NULL;
  g_autoptr (ShuWeights) w = NULL;
  ShuLoaded *l = &m->loaded[net];

  if (l->net)
    return TRUE;
  config = shu_model_config (m, file, error);
  if (!config)
    return FALSE;
  w = shu_model_weights (
      m, path, net == SHU_NET_JOINT_FP8 ? SHU_NET_JOINT : net, error);
  if (!w)
    return FALSE;
  if (is_on_device (m))
    shu_weights_defer (w);
  l->net = shu_nets[net].load (config, w, error);
  if (!l->net)
    return FALSE;
  l->is_there = !is_on_device (m);
  l->bytes = l->is_there ? 0 : shu_weights_device_bytes (w);
  l->weights = g_steal_pointer (&w);
  return TRUE;
}

void
shu_loaded_clear (ShuModel *m, ShuNet net)
{
  ShuLoaded *l = &m->loaded[net];

  if (l->net)
    shu_nets[net].free (l->net);
  g_clear_pointer (&l->weights, shu_weights_unref);
  l->net = NULL;
  l->is_there = FALSE;
}

/* What is said of bytes that have gone up. */
typedef struct {
  const ShuProgress *progress;
  int steps;
} Report;

static void
report (gsize bytes, gpointer data)
{
  const Report *r = data;
  int step = (int) (bytes >> 20);

  /* a cancel stops the upload by itself */
  shu_progress (r->progress, "load", MIN (step, r->steps), r->steps, NULL);
}

/* As open_net() */
static gboolean
upload (ShuModel *m, ShuCtx *c, int n, const ShuNet *nets,
    const ShuProgress *progress, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  ShuWeights *weights[SHU_N_NETS];
  Report r = {progress, 1};
  gsize bytes = 0;
  int n_weights = 0;

  for (int i = 0; i < n; i++)
    if (!m->loaded[nets[i]].is_there) {
      weights[n_weights++] = m->loaded[nets[i]].weights;
      bytes += m->loaded[nets[i]].bytes;
    }
  if (bytes == 0)
    return TRUE;
  r.steps = (int) (bytes >> 20) + 1;
  if (!shu_progress (progress, "load", 0, r.steps, error))
    return FALSE;
  shu_weights_upload (n_weights, weights, c, report, &r);
  if (!shu_ctx_finish (c, error))
    return FALSE;
  shu_ctx_trim (c); /* what was under way is in nobody's sum */
  g_info ("%s: %zu MB of weights in %.3f s", m->device, bytes >> 20,
      (double) (g_get_monotonic_time () - start) * 1e-6);
  return shu_progress (progress, "load", r.steps, r.steps, error);
}

/* ---- one loads, others wait ---- */

/* Until nobody loads any of @nets; with the lock held, but not meanwhile. */
static gboolean
wait_for_others (ShuModel *m, int n, const ShuNet *nets,
    GCancellable *cancellable, GError **error)
{
  for (int i = 0; i < n;) {
    const GThread *loader = m->loaded[nets[i]].loader;

    if (!loader) {
      i++;
      continue;
    }
    if (loader == g_thread_self ()) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: %s is asked for while it is loaded, by who reports that",
          m->folder, shu_nets[nets[i]].path);
      return FALSE;
    }
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    g_cond_wait_until (
        &m->loaded_some, &m->lock, g_get_monotonic_time () + PATIENCE);
    i = 0; /* the others may be loaded meanwhile */
  }
  return TRUE;
}

typedef struct {
  ShuModel *m;
  ShuNet net;
  GThread *thread; /* NULL: there is none */
  GError *error;
} Opening;

static gpointer
open_one (gpointer data)
{
  Opening *o = data;

  open_net (o->m, o->net, &o->error);
  return NULL;
}

/* All at the same time: most of it is reading the headers of files. */
static gboolean
open_nets (ShuModel *m, int n, const ShuNet *nets, GError **error)
{
  Opening all[SHU_N_NETS];
  GError *cause = NULL;

  for (int i = 0; i < n; i++) {
    all[i] = (Opening){m, nets[i], NULL, NULL};
    if (i + 1 < n)
      all[i].thread = g_thread_try_new ("open", open_one, &all[i], NULL);
    if (!all[i].thread)
      open_one (&all[i]);
  }
  for (int i = 0; i < n; i++) {
    if (all[i].thread)
      g_thread_join (all[i].thread);
    if (all[i].error && cause)
      g_error_free (all[i].error);
    else if (all[i].error)
      cause = all[i].error;
  }
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

static gboolean
make_nets (ShuModel *m, ShuCtx *c, int n, const ShuNet *nets,
    const ShuProgress *progress, GError **error)
{
  return open_nets (m, n, nets, error) &&
         (!c || upload (m, c, n, nets, progress, error));
}

/* Sees to it that @nets are made and, with @c, on its device; with the lock
 * held, but not while anything is loaded: this may take long, and reports. */
static gboolean
load (ShuModel *m, ShuCtx *c, int n, const ShuNet *nets,
    const ShuProgress *progress, GError **error)
{
  ShuNet missing[SHU_N_NETS];
  int n_missing = 0;
  gboolean ok;

  if (!wait_for_others (
          m, n, nets, progress ? progress->cancellable : NULL, error))
    return FALSE;
  for (int i = 0; i < n; i++) {
    ShuLoaded *l = &m->loaded[nets[i]];

    if (l->net && (l->is_there || !c))
      continue;
    l->loader = g_thread_self ();
    missing[n_missing++] = nets[i];
  }
  if (n_missing == 0)
    return TRUE;
  g_mutex_unlock (&m->lock);
  ok = make_nets (m, c, n_missing, missing, progress, error);
  g_mutex_lock (&m->lock);
  for (int i = 0; i < n_missing; i++) {
    m->loaded[missing[i]].loader = NULL;
    if (ok && c)
      m->loaded[missing[i]].is_there = TRUE;
  }
  g_cond_broadcast (&m->loaded_some);
  return ok;
}

/* ---- for who wants one for good ---- */

gconstpointer
shu_model_net (ShuModel *m, ShuNet net, GError **error)
{
  g_autoptr (ShuCtx) c = shu_model_context (m, NULL, error);
  gboolean ok;

  if (!c)
    return NULL;
  g_mutex_lock (&m->lock);
  ok = load (m, c, 1, &net, NULL, error);
  if (ok)
    m->loaded[net].kept = TRUE;
  g_mutex_unlock (&m->lock);
  return ok ? m->loaded[net].net : NULL;
}

/* With the lock held */
static gboolean
load_and_keep (ShuModel *m, ShuCtx *c, int n, const ShuNet *nets,
    const ShuProgress *progress, GError **error)
{
  if (!load (m, c, n, nets, progress, error))
    return FALSE;
  for (int i = 0; i < n; i++)
    m->loaded[nets[i]].kept = TRUE;
  return TRUE;
}

gboolean
shu_model_load (ShuModel *m, ShuPrecision precision,
    const ShuProgress *progress, GError **error)
{
  const ShuNet all[] = {SHU_NET_CLIP, SHU_NET_VAE, SHU_NET_DINO,
      precision == SHU_PRECISION_FP8 ? SHU_NET_JOINT_FP8 : SHU_NET_JOINT,
      SHU_NET_SS_DECODER, SHU_NET_SLAT_FLOW, SHU_NET_GS_DECODER,
      SHU_NET_MESH_DECODER};
  const ShuNet matting = SHU_NET_MATTING;
  g_autoptr (ShuCtx) c = NULL;
  g_autoptr (GError) cause = NULL;
  gboolean ok;

  if (m->memory == SHU_MEMORY_LOW)
    return TRUE;
  c = shu_model_context (m, NULL, error);
  if (!c)
    return FALSE;
  g_mutex_lock (&m->lock);
  ok = load_and_keep (m, c, G_N_ELEMENTS (all), all, progress, &cause);
  /* pictures may come cut out */
  if (ok && !load_and_keep (m, c, 1, &matting, progress, &cause) &&
      g_error_matches (cause, SHU_ERROR, SHU_ERROR_MISSING))
    g_clear_error (&cause);
  g_mutex_unlock (&m->lock);
  if (m->memory == SHU_MEMORY_AUTO &&
      g_error_matches (cause, SHU_ERROR, SHU_ERROR_MEMORY))
    g_clear_error (&cause);
  if (!cause)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* ---- for a stage ---- */

/* What bringing @nets would take, if this were more than a rehearsal */
static void
reserve (ShuNetUser *u, int n, const ShuNet *nets)
{
  for (int i = 0; i < n; i++) {
    ShuLoaded *l = &u->model->loaded[nets[i]];

    if (l->is_there || u->brought[nets[i]])
      continue;
    shu_ctx_reserve (u->c, (gssize) l->bytes);
    u->brought[nets[i]] = TRUE;
  }
}

static gboolean
take (ShuNetUser *u, int n, const ShuNet *nets, gboolean now, GError **error)
{
  ShuModel *m = u->model;
  gboolean dry = shu_ctx_is_dry (u->c), ok;

  g_mutex_lock (&m->lock);
  ok = load (m, now && !dry ? u->c : NULL, n, nets, u->progress, error);
  if (ok && now && dry)
    reserve (u, n, nets);
  for (int i = 0; i < n && ok; i++) {
    m->loaded[nets[i]].users += u->users[nets[i]] == 0;
    u->users[nets[i]]++;
  }
  g_mutex_unlock (&m->lock);
  return ok;
}

gboolean
shu_nets_begin (ShuNetUser *u, int n, const ShuNet *nets, GError **error)
{
  return u->low || take (u, n, nets, TRUE, error);
}

gconstpointer
shu_nets_take (ShuNetUser *u, ShuNet net, GError **error)
{
  return take (u, 1, &net, TRUE, error) ? u->model->loaded[net].net : NULL;
}

gconstpointer
shu_nets_peek (ShuNetUser *u, ShuNet net, GError **error)
{
  return take (u, 1, &net, FALSE, error) ? u->model->loaded[net].net : NULL;
}

void
shu_nets_give (ShuNetUser *u, ShuNet net)
{
  ShuModel *m = u->model;
  ShuLoaded *l = &m->loaded[net];

  if (!u->c || u->users[net] == 0)
    return;
  shu_ctx_trim (u->c);
  g_mutex_lock (&m->lock);
  if (--u->users[net] == 0) {
    l->users--;
    if (u->low && u->brought[net])
      shu_ctx_reserve (u->c, -(gssize) l->bytes);
    u->brought[net] = FALSE;
    if (u->low && !shu_ctx_is_dry (u->c) && l->users == 0 && !l->kept &&
        !l->loader)
      shu_loaded_clear (m, net);
  }
  g_mutex_unlock (&m->lock);
}

void
shu_nets_clear (ShuNetUser *u)
{
  for (int i = 0; i < SHU_N_LOADED; i++)
    while (u->c && u->users[i] > 0)
      shu_nets_give (u, (ShuNet) i);
}
