/* SPDX-License-Identifier: MIT */
/* What is copied between host memory and that of a device, and from one device
 * to another, counted by kind, so that a test can say that pictures and
 * features stay where they are. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuTrafficKind:
 * @SHU_TRAFFIC_TENSOR: what networks work on: latents, features
 * @SHU_TRAFFIC_IMAGE: pictures
 * @SHU_TRAFFIC_MESH: arrays of the mesh, of Gaussians and of voxels
 * @SHU_TRAFFIC_COUNT: a few numbers that say how to go on: boxes, sums
 * @SHU_TRAFFIC_PREVIEW: what a preview shows, where somebody looks
 */
typedef enum {
  SHU_TRAFFIC_TENSOR,
  SHU_TRAFFIC_IMAGE,
  SHU_TRAFFIC_MESH,
  SHU_TRAFFIC_COUNT,
  SHU_TRAFFIC_PREVIEW,
  SHU_N_TRAFFIC_KINDS,
} ShuTrafficKind;

/* "tensor", "image", ... */
const char *shu_traffic_kind_name (ShuTrafficKind kind);

/**
 * ShuTrafficCount:
 * @n_up, @up: copies to a device, and their bytes
 * @n_down, @down: copies to host memory, and their bytes
 * @n_across, @across: copies from another device, or from memory of another
 *   owner on the same one, and their bytes
 */
typedef struct {
  guint64 n_up, up;
  guint64 n_down, down;
  guint64 n_across, across;
} ShuTrafficCount;

/**
 * ShuTraffic:
 * Counts of one element, or of whoever else wants to know.  Reference counted;
 * thread-safe.
 */
typedef struct _ShuTraffic ShuTraffic;

ShuTraffic *shu_traffic_new (void);
ShuTraffic *shu_traffic_ref (ShuTraffic *t);
void shu_traffic_unref (ShuTraffic *t);

/* @t may be NULL: nobody counts. */
void shu_traffic_add_up (ShuTraffic *t, ShuTrafficKind kind, gsize bytes);
void shu_traffic_add_down (ShuTraffic *t, ShuTrafficKind kind, gsize bytes);
void shu_traffic_add_across (ShuTraffic *t, ShuTrafficKind kind, gsize bytes);
ShuTrafficCount shu_traffic_get (ShuTraffic *t, ShuTrafficKind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuTraffic, shu_traffic_unref)

G_END_DECLS
