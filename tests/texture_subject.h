/* SPDX-License-Identifier: MIT */
/* Bodies to texture, with all that textures are made from: the five pictures
 * and Gaussians. */
#pragma once
#include "geometry/atlas_bodies.h"
#include "geometry/splat.h"
#include "tensor/bundle.h"
#include "texture_schedule.h"

typedef struct {
  ShuMesh *mesh; /* unwrapped */
  BodiesPictures views;
  ShuGaussians gaussians;
  float *arrays[4];  /* that the Gaussians need, if they are the subject's */
  ShuBundle *bundle; /* nullable: where they are otherwise */
} Subject;

/* A body of capsules with painted stripes, of about @n_faces; pictures of
 * @photo pixels */
Subject subject_painted (int n_faces, int texture, int photo);
/* Person @number of those that training never saw, by the model in a folder */
Subject subject_person (
    const char *model, int number, int texture, GError **error);
/* The same person as the generator knows it: the surface itself, @cells of a
 * side, pictures of @photo pixels, and Gaussians a tenth darker */
Subject subject_true (int number, int cells, int texture, int photo);
void subject_clear (Subject *s);

/* What the reference learns from: the pictures, and Gaussians drawn at @size
 * from views 5 to @n_views - 1; [n_views], to be freed */
ScheduleView *subject_observe (const Subject *s, int n_views, int size);
