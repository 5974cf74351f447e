/* SPDX-License-Identifier: MIT */
/* The networks of Stage 2 over the voxels of the built-in body, and the
 * extraction of that body's surface. */
#include "geometry/flexicubes.h"
#include "models/dinov2.h"
#include "models/gs_decoder.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "sampling/flow_euler.h"
#include "stages/body_private.h"
#include "stages/parts_private.h"
#include <string.h>

enum { BODY_VIEWS = 4, DISTANCES = 53 };

/* ---- DINOv2 on the views ---- */

static gboolean
prepare_dino_views (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->up_size;

  p->runs[SHU_PART_STAGE2] = 2;
  p->size = g_strdup_printf ("%d of %d x %d", BODY_VIEWS, S, S);
  p->x = shu_part_input (p, "image", SHU_DIMS (BODY_VIEWS, S, S, 3));
  return TRUE;
}

static gboolean
run_dino_views (ShuPart *p, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  ShuTensor *taps[G_N_ELEMENTS (d->dino_taps)];

  shu_dinov2_taps (p->c, p->net, p->x, d->n_dino_taps, d->dino_taps, taps);
  return TRUE;
}

/* ---- voxels ---- */

static void
take_voxels (ShuPart *p)
{
  p->data = shu_model_body_voxels (p->model);
  p->data_free = (GDestroyNotify) g_array_unref;
}

static ShuVoxels
voxels_of (const ShuPart *p)
{
  const GArray *rows = p->data;

  return (ShuVoxels){(int) rows->len / 4, 4, (const gint32 *) rows->data};
}

/* ---- structured latents ---- */

static gboolean
prepare_slat_flow (ShuPart *p, GError **error)
{
  enum { BEFORE_PATCHES = 1 + 4 }; /* class token, registers */

  const ShuModelDefaults *d = shu_model_defaults (p->model);
  gint64 n = d->condition_size / 14;

  take_voxels (p);
  p->runs[SHU_PART_STAGE2] = 1;
  p->size =
      g_strdup_printf ("%d voxels, %d steps", voxels_of (p).n, d->slat_steps);
  p->x = shu_part_input (p, "feats",
      SHU_DIMS (voxels_of (p).n, shu_slat_flow_in_channels (p->net)));
  p->x2 = shu_part_input (p, "cond",
      SHU_DIMS (
          1, BEFORE_PATCHES + n * n, shu_slat_flow_cond_channels (p->net)));
  return TRUE;
}

typedef struct {
  const ShuPart *p;
  const ShuSlatFlowRun *run;
  ShuTensor *step;
  ShuSlatRows rows;
} FlowStep;

static void
flow_step (ShuCtx *c, gpointer data)
{
  FlowStep *s = data;

  shu_slat_flow_forward (c, s->run, s->p->x, s->step, s->rows);
  shu_count (c, s->step);
}

/* All evaluations of a job, as its sampler makes them, but each of the same
 * latents. */
static gboolean
run_slat_flow (ShuPart *p, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  ShuVoxels voxels = voxels_of (p);
  const gint32 first = 0;
  g_autofree double *t = g_new (double, d->slat_steps + 1);
  g_autofree float *times = g_new (float, d->slat_steps);
  g_autoptr (ShuSlatFlowRun) run = NULL;
  g_autoptr (ShuReplay) step = NULL;
  FlowStep s = {.p = p};

  shu_flow_times (d->slat_steps, d->slat_rescale_t, t);
  for (int i = 0; i < d->slat_steps; i++)
    times[i] = 1000 * t[i];
  s.run = run = shu_slat_flow_run_new (
      p->net, p->c, &voxels, p->x2, d->slat_steps, times, error);
  if (!run)
    return FALSE;
  s.step = shu_from_host (p->c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
  for (int i = 0; i < d->slat_steps; i++) {
    gboolean guided =
        d->cfg_strength > 0 &&
        shu_flow_is_guided (t[i], d->cfg_interval[0], d->cfg_interval[1]);
    ShuSlatRows rows = guided ? SHU_SLAT_BOTH : SHU_SLAT_COND;

    if (!step || rows != s.rows) {
      g_clear_pointer (&step, shu_replay_free);
      s.rows = rows;
      step = shu_replay_new (p->c, flow_step, &s);
    }
    shu_replay_run (step);
  }
  return shu_ctx_finish (p->c, error); /* before the run goes */
}

/* ---- decoders ---- */

static gboolean
prepare_decoder (ShuPart *p, const ShuSlatTrunk *trunk)
{
  gint64 R = shu_slat_trunk_resolution (trunk);
  gint64 F = shu_slat_trunk_view_channels (trunk);

  take_voxels (p);
  p->runs[SHU_PART_STAGE2] = 1;
  p->size = g_strdup_printf ("%d voxels", voxels_of (p).n);
  p->x = shu_part_input (p, "feats",
      SHU_DIMS (voxels_of (p).n, shu_slat_trunk_latent_channels (trunk)));
  p->x2 = shu_part_input (p, "mv_color", SHU_DIMS (BODY_VIEWS, R, R, F));
  p->x3 = shu_part_input (p, "mv_normal", SHU_DIMS (BODY_VIEWS, R, R, F));
  return TRUE;
}

static gboolean
prepare_gs_decoder (ShuPart *p, GError **error)
{
  return prepare_decoder (p, shu_gs_decoder_trunk (p->net));
}

static gboolean
run_gs_decoder (ShuPart *p, GError **error)
{
  ShuVoxels voxels = voxels_of (p);

  shu_gs_decoder_forward (
      p->c, p->net, &voxels, p->x, &(ShuSlatViews){p->x2, p->x3});
  return TRUE;
}

static gboolean
prepare_mesh_decoder (ShuPart *p, GError **error)
{
  return prepare_decoder (p, shu_mesh_decoder_trunk (p->net));
}

static gboolean
run_mesh_decoder (ShuPart *p, GError **error)
{
  ShuVoxels voxels = voxels_of (p);

  shu_mesh_decoder_forward (
      p->c, p->net, &voxels, p->x, &(ShuSlatViews){p->x2, p->x3});
  return TRUE;
}

/* ---- surface ---- */

typedef struct {
  int n;         /* cells */
  gint32 *cells; /* [n,4] */
  float *feats;  /* [n,DISTANCES] */
} Surface;

static void
surface_free (gpointer data)
{
  Surface *s = data;

  g_free (s->cells);
  g_free (s->feats);
  g_free (s);
}

static gboolean
on_device (const ShuPart *p)
{
  return strcmp (shu_ctx_device (p->c), "cpu") != 0;
}

/* The cells where they are after a mesh decoder. */
static void
put_on_device (ShuPart *p, const Surface *s)
{
  SHU_SCOPE (p->c);

  p->x = shu_own (
      p->c, shu_from_host (p->c, SHU_DTYPE_I32, SHU_DIMS (s->n, 3), s->cells));
  p->x2 = shu_own (p->c, shu_from_host (p->c, SHU_DTYPE_F32,
                             SHU_DIMS (s->n, DISTANCES), s->feats));
  if (p->x)
    g_ptr_array_add (p->owned, p->x);
  if (p->x2)
    g_ptr_array_add (p->owned, p->x2);
}

static gboolean
prepare_flexicubes (ShuPart *p, GError **error)
{
  int R = shu_model_defaults (p->model)->mesh_res;
  g_autoptr (GArray) rows = shu_model_body_voxels (p->model);
  ShuVoxels voxels = {(int) rows->len / 4, 4, (const gint32 *) rows->data};
  Surface *s = g_new0 (Surface, 1);
  g_autofree gint32 *with_batch = NULL;

  p->data = s;
  p->data_free = surface_free;
  s->n = SHU_MESH_DECODER_GRANDCHILDREN * voxels.n;
  s->cells = g_new (gint32, (gsize) 3 * s->n);
  s->feats = g_new (float, (gsize) DISTANCES * s->n);
  with_batch = g_new (gint32, (gsize) 4 * s->n);
  shu_mesh_decoder_coords (&voxels, with_batch);
  for (int i = 0; i < s->n; i++)
    memcpy (s->cells + 3 * (gsize) i, with_batch + 4 * (gsize) i + 1,
        3 * sizeof *s->cells);
  shu_body_set_distances (
      shu_model_body_size (p->model), R, s->n, s->cells, DISTANCES, s->feats);
  if (on_device (p))
    put_on_device (p, s);
  p->runs[SHU_PART_MESH] = 1;
  p->size = g_strdup_printf ("%d cells of %d^3", s->n, R);
  return TRUE;
}

static gboolean
run_flexicubes (ShuPart *p, GError **error)
{
  const Surface *s = p->data;
  int R = shu_model_defaults (p->model)->mesh_res;
  g_autoptr (ShuMesh) mesh = NULL;

  if (on_device (p))
    mesh = shu_flexicubes_on_device (p->c, R, p->x, p->x2, error);
  else
    mesh = shu_flexicubes (&(ShuFlexiCubesInput){.resolution = R,
                               .n_cells = s->n,
                               .coords = s->cells,
                               .coord_stride = 3,
                               .n_channels = DISTANCES,
                               .feats = s->feats},
        error);
  return mesh != NULL;
}

const ShuPartKind shu_parts_stage2[] = {
    {"slat-flow", SHU_NET_SLAT_FLOW, 0, prepare_slat_flow, run_slat_flow},
    {"dino-views", SHU_NET_DINO, 0, prepare_dino_views, run_dino_views},
    {"gs-decoder", SHU_NET_GS_DECODER, 0, prepare_gs_decoder, run_gs_decoder},
    {"mesh-decoder", SHU_NET_MESH_DECODER, 0, prepare_mesh_decoder,
        run_mesh_decoder},
    {"flexicubes", SHU_N_NETS, 0, prepare_flexicubes, run_flexicubes,
        .counted = TRUE},
    {NULL},
};
