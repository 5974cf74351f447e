/* SPDX-License-Identifier: MIT */
/* The stages of the job, one function each: a GStreamer element is one of
 * these, and a plain C program calls them in a row (examples/).
 *
 * Every function is thread-safe, leaves its input alone, reports progress
 * under the name of its stage and stops with %G_IO_ERROR_CANCELLED within one
 * step.  In parameters -1 means the model folder's value.
 *
 * Bundles may hold tensors of a device: those of Stage 1 and Stage 2 stay on
 * the model's, and go from one to the other, and on to the mesh work, without
 * copies.  Arrays of the mesh are in host memory; files bring here what they
 * need. */
#pragma once
#include "base/precision.h"
#include "base/progress.h"
#include "base/image.h"
#include "formats/glb.h"
#include "stages/mesh_report.h"
#include "stages/model.h"
#include "tensor/bundle.h"

G_BEGIN_DECLS

/* Between pictures in host memory and tensors u8 [H,W,C]; (transfer full).
 * @t may be on a device; @traffic (nullable) counts the copy. */
ShuTensor *shu_tensor_new_image (const ShuImage *image);
ShuImage *shu_tensor_to_image (
    ShuTensor *t, ShuTraffic *traffic, GError **error);

/**
 * shu_stage_matting:
 * @photo: RGB or RGBA
 * @ret_warning: (out) (optional) (nullable): what is doubtful about the
 *   subject, e.g. that only half a body is seen
 *
 * Cuts the person out (U^2-Net, Qin et al. 2020).  A picture that is cut out
 * already passes as it is: one with alpha below 128 somewhere, and a mean of
 * less than 98 % of opaque.  What is faint goes there, too, where it makes the
 * person's box larger by more than a twentieth.
 *
 * Returns: (transfer full): RGBA, of shu_stage_matting_size() where it was
 *   cut out; NULL with %SHU_ERROR_NO_PERSON
 */
ShuImage *shu_stage_matting (ShuModel *model, const ShuImage *photo,
    char **ret_warning, const ShuProgress *progress, GError **error);

/**
 * shu_stage_matting_size:
 * @width, @height: (inout): of a photo that is cut out; become those of the
 *   cut-out: at most %SHU_MATTING_SIDE on the long side
 */
void shu_stage_matting_size (int *width, int *height);
/* Whether larger photos have cut-outs of that size, too. */
gboolean shu_stage_matting_reduces_to (int width, int height);

/**
 * shu_stage_matting_picture:
 * @photo: u8 [H,W,3] or [H,W,4], in host memory or on a device
 *
 * As shu_stage_matting(), on the model's device, where the result stays.
 */
ShuTensor *shu_stage_matting_picture (ShuModel *model, ShuTensor *photo,
    char **ret_warning, const ShuProgress *progress, GError **error);

typedef struct {
  gint64 seed;        /* kept for the stages that follow */
  int view_size;      /* pixels, multiple of 24 */
  int condition_size; /* pixels, multiple of 14 */
} ShuPreprocessParams;

/**
 * shu_stage_preprocess:
 * @cutout: RGBA
 *
 * Returns: (transfer full): bundle "subject"
 */
ShuBundle *shu_stage_preprocess (const ShuImage *cutout,
    const ShuPreprocessParams *params, const ShuProgress *progress,
    GError **error);

/**
 * shu_stage_preprocess_picture:
 * @device: (nullable): where to work; NULL: where @cutout is
 * @cutout: u8 [H,W,4], in host memory or on a device
 *
 * As shu_stage_preprocess(); the bundle's pictures stay on the device.
 */
ShuBundle *shu_stage_preprocess_picture (const char *device, ShuTensor *cutout,
    const ShuPreprocessParams *params, const ShuProgress *progress,
    GError **error);

/* Subjects that a stage takes at most: with so many no tensor of the official
 * sizes has 2^31 values. */
enum { SHU_BATCH_MAX = 4 };

/**
 * ShuOutcome:
 * What became of one of several subjects: a bundle, or what was wrong with it
 * alone; neither where the work did not get that far.  (transfer full)
 */
typedef struct {
  ShuBundle *bundle;
  GError *error;
} ShuOutcome;

/**
 * ShuPreviewFunc:
 * @picture: (transfer none): RGB; the colour views above the normal views as
 *   they look at this step, coarsely; of several subjects one above the other
 *
 * Called in the thread that works.
 */
typedef void (*ShuPreviewFunc) (const ShuImage *picture, gpointer data);

typedef struct {
  gint64 seed;            /* -1: the bundle's (official 43) */
  int steps;              /* 1..1000, -1: the model's (official 50) */
  double guidance;        /* 0..20, -1: the model's (official 3.0) */
  ShuPrecision precision; /* of the denoiser; FP8 only on GPUs that have it */
  ShuPreviewFunc preview; /* (nullable) */
  gpointer preview_data;
  int preview_interval; /* steps from one to the next, 0: 1; and the last */
  /* (nullable): the GPU whose noise a seed means, "h100" where NULL; see
   * shu_noise_device_parse() */
  const char *noise_gpu;
} ShuStage1Params;

/**
 * shu_stage_stage1:
 * @subject: bundle "subject"
 *
 * Makes five colour and five normal views and the sparse voxels (SyncHuman,
 * arXiv 2510.07723, section 3.2).
 *
 * Returns: (transfer full): bundle "views"
 */
ShuBundle *shu_stage_stage1 (ShuModel *model, const ShuBundle *subject,
    const ShuStage1Params *params, const ShuProgress *progress, GError **error);

/**
 * shu_stage_stage1_batch:
 * @n: 1..%SHU_BATCH_MAX
 * @subjects: (array length=n): bundles "subject"
 * @ret: (out caller-allocates) (array length=n)
 *
 * The same for several subjects: together where a GPU has the memory for that
 * (as many as fit with memory=auto or low; an error with normal), one after the
 * other on a CPU.  On a CPU the result is that of shu_stage_stage1() to the
 * bit, on a GPU to the rounding of its products, and the same every time for
 * the same batch.
 *
 * Returns: FALSE with what failed for all of them
 */
gboolean shu_stage_stage1_batch (ShuModel *model, int n,
    const ShuBundle *const *subjects, const ShuStage1Params *params,
    const ShuProgress *progress, ShuOutcome *ret, GError **error);

typedef struct {
  gint64 seed; /* -1: the bundle's */
  /* what follows: -1: the model's */
  int steps;           /* 1..1000, official 25 */
  double cfg_strength; /* 0..20, official 5.0 */
  double cfg_start;    /* 0..1, official 0.5 */
  double cfg_end;      /* 0..1, official 1.0 */
  int up_size;         /* pixels, multiple of 14, official 896 */
} ShuStage2Params;

/**
 * shu_stage_stage2:
 * @views: bundle "views"
 *
 * Structured latents from views and voxels, decoded to Gaussians and mesh
 * features (SyncHuman section 3.3; TRELLIS, arXiv 2412.01506).
 *
 * Returns: (transfer full): bundle "asset"
 */
ShuBundle *shu_stage_stage2 (ShuModel *model, const ShuBundle *views,
    const ShuStage2Params *params, const ShuProgress *progress, GError **error);

/* As shu_stage_stage1_batch(), one after the other everywhere: what there would
 * be to gain is said in docs/performance.md. */
gboolean shu_stage_stage2_batch (ShuModel *model, int n,
    const ShuBundle *const *views, const ShuStage2Params *params,
    const ShuProgress *progress, ShuOutcome *ret, GError **error);

typedef struct {
  double simplify; /* 0..0.99: share of the faces removed, -1: official 0.7 */
  int faces;       /* how many to leave instead; 0: by the share */
} ShuMeshParams;

/* FlexiCubes, outer surface, simplification: "asset" -> (transfer full)
 * bundle "mesh", with a report: shu_bundle_mesh_report() */
ShuBundle *shu_stage_mesh (const ShuBundle *asset, const ShuMeshParams *params,
    const ShuProgress *progress, GError **error);

typedef struct {
  int texture_size;    /* 256..4096, -1: 1024, as official */
  double face_detail;  /* 0.5..4: pixels per length on the face against those
                          elsewhere; 0, -1: 1.5 */
  gboolean normal_map; /* bake one of the surface before simplification */
} ShuTextureParams;

/* Atlas and texture: "mesh" -> (transfer full) bundle "model" */
ShuBundle *shu_stage_texture (const ShuBundle *mesh,
    const ShuTextureParams *params, const ShuProgress *progress,
    GError **error);

/* "model" -> (transfer full): a GLB file; a height <= 0 means 1.7 m */
GBytes *shu_stage_glb (
    const ShuBundle *model, const ShuGlbParams *params, GError **error);
/* The same; @ret_report (out) (optional): what the limit of bytes did */
GBytes *shu_stage_glb_with_report (const ShuBundle *model,
    const ShuGlbParams *params, const ShuProgress *progress,
    ShuGlbReport *ret_report, GError **error);
/* "asset" or later -> (transfer full): mesh as PLY in the GLB's frame: of
 * "asset" as it is extracted, with the colours of its vertices, of "mesh"
 * cleaned and simplified, of "model" with the texture's colours */
GBytes *shu_stage_mesh_ply (const ShuBundle *bundle, const ShuGlbParams *params,
    const ShuProgress *progress, GError **error);
/* "asset" or later -> (transfer full): Gaussians as PLY */
GBytes *shu_stage_gaussian_ply (
    const ShuBundle *bundle, const ShuProgress *progress, GError **error);

/**
 * shu_bundle_to_device:
 * @b: from a file, or from another device
 * @device: auto, cpu or cuda:N
 * @traffic: (nullable): counts the copies
 *
 * What Stage 1 and Stage 2 would have left on @device - pictures, features and
 * Gaussians - goes there, so that the mesh work is done there, too; arrays of
 * voxels and of the mesh stay where they are.
 *
 * Returns: (transfer full): NULL with an error
 */
ShuBundle *shu_bundle_to_device (const ShuBundle *b, const char *device,
    ShuTraffic *traffic, GError **error);

/**
 * shu_views_frame:
 * @views: bundle "views" or later
 *
 * Picture @i of 10 in the order color_0, normal_0, color_1, ... as the PNG
 * files hold them.
 *
 * Returns: (transfer full): RGB
 */
ShuImage *shu_views_frame (const ShuBundle *views, int i, GError **error);

/* Folders as the official code writes and reads them (stage1_output: PNG, NPZ,
 * PLY).  Written beside, then renamed. */
gboolean shu_views_save (
    const ShuBundle *views, const char *folder, GError **error);
ShuBundle *shu_views_load (const char *folder, GError **error);

/* Contact sheet: photo (nullable), cut-out, views, model from eight sides.
 * @model: bundle "model"; (transfer full): RGB */
ShuImage *shu_contact_sheet (const ShuImage *photo, const ShuBundle *model,
    const ShuProgress *progress, GError **error);

G_END_DECLS
