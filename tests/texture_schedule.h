/* SPDX-License-Identifier: MIT */
/* The reference's way to a texture: steps of Adam, each towards one picture.
 * Written from its description, without anything of the library, to measure
 * what the library does instead. */
#pragma once
#include <glib.h>

/**
 * ScheduleView:
 * @n: pixels that the mask shows, whether or not the mesh is there
 * @uv: [n,2]; 0 beside the mesh
 * @uv_dr: [n,4] du/dX, du/dY, dv/dX, dv/dY, a pixel; 0 beside the mesh
 * @obs: [n,3] 0..1
 */
typedef struct {
  gsize n;
  float *uv, *uv_dr, *obs;
} ScheduleView;

void schedule_view_clear (ScheduleView *view);

/* @size: a power of two; @texture: [S,S,3], out.  Views 0 and 2 are front and
 * back, to which the last steps belong. */
void schedule_run (const ScheduleView *views, int n_views, int size,
    int n_steps, guint32 seed, float *texture);

/* The mean of the loss over the views: masked L1 and total variation. */
double schedule_objective (
    const ScheduleView *views, int n_views, int size, const float *texture);

/* The learning rate of step @i of @n. */
double schedule_rate (int i, int n);
