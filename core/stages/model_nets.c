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

const ShuNetKind shu_nets[SHU_N_NETS] = {
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
};

static gboolean
is_on_device (const ShuModel *m)
{
  return strcmp (m->device, "cpu") != 0;
}

/* ---- made, brought to the device, let go; all with the lock held ---- */

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
  w = shu_model_weights (m, path, net, error);
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
  gsize before, total;
} Report;

static void
report (gsize bytes, gpointer data)
{
  const Report *r = data;

  /* a cancel stops the upload by itself */
  shu_progress (r->progress, "load", (int) ((r->before + bytes) >> 20),
      (int) (r->total >> 20) + 1, NULL);
}

static gboolean
upload (ShuModel *m, ShuCtx *c, int n, const ShuNet *nets,
    const ShuProgress *progress, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  Report r = {progress};
  int steps;

  for (int i = 0; i < n; i++)
    if (!m->loaded[nets[i]].is_there)
      r.total += m->loaded[nets[i]].bytes;
  if (r.total == 0)
    return TRUE;
  steps = (int) (r.total >> 20) + 1;
  if (!shu_progress (progress, "load", 0, steps, error))
    return FALSE;
  for (int i = 0; i < n; i++) {
    ShuLoaded *l = &m->loaded[nets[i]];

    if (l->is_there)
      continue;
    shu_weights_upload (l->weights, c, report, &r);
    r.before += l->bytes;
  }
  if (!shu_ctx_finish (c, error))
    return FALSE;
  for (int i = 0; i < n; i++)
    m->loaded[nets[i]].is_there = TRUE;
  g_info ("%s: %zu MB of weights in %.3f s", m->device, r.total >> 20,
      (double) (g_get_monotonic_time () - start) * 1e-6);
  return shu_progress (progress, "load", steps, steps, error);
}

/* ---- for who wants one for good ---- */

gconstpointer
shu_model_net (ShuModel *m, ShuNet net, GError **error)
{
  g_autoptr (ShuCtx) c = NULL;
  gboolean ok;

  g_mutex_lock (&m->lock);
  ok = open_net (m, net, error);
  if (ok && !m->loaded[net].is_there) {
    c = shu_model_context (m, NULL, error);
    ok = c && upload (m, c, 1, &net, NULL, error);
  }
  if (ok)
    m->loaded[net].kept = TRUE;
  g_mutex_unlock (&m->lock);
  return ok ? m->loaded[net].net : NULL;
}

/* ---- for a stage ---- */

/* As upload(), or what would be if this were more than a rehearsal */
static gboolean
bring (ShuNetUser *u, int n, const ShuNet *nets, GError **error)
{
  if (!shu_ctx_is_dry (u->c))
    return upload (u->model, u->c, n, nets, u->progress, error);
  for (int i = 0; i < n; i++) {
    ShuLoaded *l = &u->model->loaded[nets[i]];

    if (l->is_there || u->brought[nets[i]])
      continue;
    shu_ctx_reserve (u->c, (gssize) l->bytes);
    u->brought[nets[i]] = TRUE;
  }
  return TRUE;
}

static gboolean
take (ShuNetUser *u, int n, const ShuNet *nets, gboolean now, GError **error)
{
  ShuModel *m = u->model;
  gboolean ok = TRUE;

  g_mutex_lock (&m->lock);
  for (int i = 0; i < n && ok; i++)
    ok = open_net (m, nets[i], error);
  ok = ok && (!now || bring (u, n, nets, error));
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
    if (u->low && !shu_ctx_is_dry (u->c) && l->users == 0 && !l->kept)
      shu_loaded_clear (m, net);
  }
  g_mutex_unlock (&m->lock);
}

void
shu_nets_clear (ShuNetUser *u)
{
  for (int i = 0; i < SHU_N_NETS; i++)
    while (u->c && u->users[i] > 0)
      shu_nets_give (u, (ShuNet) i);
}
