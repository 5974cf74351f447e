/* SPDX-License-Identifier: MIT */
/* What comes of Stage 1's latents: views by the VAE, voxels by the structure
 * decoder.  Subject by subject, view by view: together they are not faster, and
 * take more memory. */
#include "stages/stage1_private.h"
#include "base/error.h"
#include "models/ss_decoder.h"
#include "models/vae.h"
#include "stages/fields_private.h"
#include <string.h>

enum { V = SHU_STAGE1_V, FACE = SHU_STAGE1_FACE };

/* Decoded view @v of domain @d of subject @b: scoped RGB [S,S,3]; NULL with an
 * error */
static ShuTensor *
decode_view (
    ShuStage1Job *job, const ShuVae *vae, int b, int d, int v, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  int S = shu_model_defaults (job->model)->view_size;
  int row = (d * job->B + b) * V + v;
  ShuTensor *z, *view;

  shu_ctx_set_part (c, "vae");
  z = shu_state_value (c, shu_slice (c, job->latents, 0, row, 1));
  z = shu_affine (c, z, 1 / shu_vae_scaling_factor (vae), 0);
  view = shu_vae_decode (c, vae, z);
  if (!shu_ctx_failed (c) && (view->dims[1] != S || view->dims[2] != S))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "the VAE gives views of %d pixels where %d are expected; the parts of "
        "the model folder do not fit each other",
        (int) view->dims[1], S);
  view = shu_keep (c, shu_picture_from_view (c, view));
  if (!shu_ctx_finish (c, error) || !shu_stage1_advance (job, error))
    return NULL;
  return view;
}

/* @pictures [S,S,3] as the field @name [V,S,S,3] */
static gboolean
put_views (ShuStage1Job *job, int b, const char *name, ShuTensor **pictures,
    GError **error)
{
  ShuCtx *c = job->c;
  int S = shu_model_defaults (job->model)->view_size;
  ShuTensor *all =
      shu_reshape (c, shu_concat (c, 0, V, pictures), SHU_DIMS (V, S, S, 3));
  g_autoptr (ShuTensor) own = shu_own (c, all);

  if (!shu_ctx_finish (c, error))
    return FALSE;
  shu_bundle_set (job->subjects[b].views, name, own);
  return TRUE;
}

/* Normal views; the front one gets the face's, which are sharper. */
static gboolean
decode_normals (ShuStage1Job *job, const ShuVae *vae, int b, GError **error)
{
  SHU_SCOPE (job->c);
  ShuTensor *pictures[V];

  for (int v = 0; v < V; v++) {
    pictures[v] = decode_view (job, vae, b, 0, v, error);
    if (!pictures[v])
      return FALSE;
  }
  pictures[0] = shu_picture_paste_face (job->c, pictures[0], pictures[FACE]);
  return put_views (job, b, "normal", pictures, error);
}

/* Colour views; the front one is the photo. */
static gboolean
decode_colors (ShuStage1Job *job, const ShuVae *vae, int b, GError **error)
{
  SHU_SCOPE (job->c);
  int S = shu_model_defaults (job->model)->view_size;
  ShuTensor *pictures[V] = {
      shu_stage1_square (job, &job->subjects[b], "front", S, error)};

  for (int v = 0; v < V; v++) {
    if (v > 0)
      pictures[v] = decode_view (job, vae, b, 1, v, error);
    if (!pictures[v])
      return FALSE;
  }
  return put_views (job, b, "color", pictures, error);
}

/* Rows (0,x,y,z) of subject @b's voxels: (transfer full) */
static GArray *
decode_voxels (
    ShuStage1Job *job, const ShuSsDecoder *decoder, int b, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  int R = shu_model_defaults (job->model)->voxel_res;
  gsize n = (gsize) R * R * R;
  g_autofree float *logits = g_new (float, n);
  ShuTensor *z = shu_state_value (c, shu_slice (c, job->structure, 0, b, 1));

  shu_fetch_as (c, SHU_TRAFFIC_MESH, shu_ss_decoder (c, decoder, z), n, logits);
  if (!shu_ctx_finish (c, error))
    return NULL;
  if (shu_ctx_is_dry (c))
    return g_array_new (FALSE, FALSE, sizeof (gint32));
  return shu_model_is_synthetic (job->model)
             ? shu_model_body_voxels (job->model)
             : shu_ss_occupied (logits, 1, R, R, R);
}

static void
put_voxels (ShuStage1Job *job, ShuStage1Subject *s, const GArray *rows)
{
  ShuTensor *coords;

  if (rows->len == 0) {
    g_set_error_literal (&s->error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no shape came out of this picture; use one that shows a whole person "
        "from the front, or another seed");
    return;
  }
  coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (rows->len / 4, 4));
  memcpy (coords->data, rows->data, shu_tensor_bytes (coords));
  shu_bundle_take (s->views, "coords", coords);
  shu_bundle_set_int (s->views, "seed", s->seed);
  shu_bundle_set_int (
      s->views, "voxel-resolution", shu_model_defaults (job->model)->voxel_res);
}

static gboolean
decode_structures (ShuStage1Job *job, GError **error)
{
  const ShuSsDecoder *decoder =
      shu_nets_take (job->nets, SHU_NET_SS_DECODER, error);

  if (!decoder)
    return FALSE;
  shu_ctx_set_part (job->c, "ss_decoder");
  for (int b = 0; b < job->B; b++) {
    g_autoptr (GArray) rows = decode_voxels (job, decoder, b, error);

    if (!rows)
      return FALSE;
    if (!shu_ctx_is_dry (job->c))
      put_voxels (job, &job->subjects[b], rows);
  }
  shu_nets_give (job->nets, SHU_NET_SS_DECODER);
  return TRUE;
}

gboolean
shu_stage1_results (ShuStage1Job *job, GError **error)
{
  const ShuVae *vae;

  if (!decode_structures (job, error) ||
      !(vae = shu_nets_take (job->nets, SHU_NET_VAE, error)))
    return FALSE;
  if (shu_ctx_is_dry (job->c)) /* one view takes what the others take */
    return decode_view (job, vae, 0, 0, 0, error) != NULL;
  for (int b = 0; b < job->B; b++) {
    if (job->subjects[b].error)
      job->step += SHU_STAGE1_ROWS - 1;
    else if (!decode_normals (job, vae, b, error) ||
             !decode_colors (job, vae, b, error))
      return FALSE;
  }
  return TRUE;
}
