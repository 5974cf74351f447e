/* SPDX-License-Identifier: MIT */
/* Functions of a backend, declared by its table, so that each stands with its
 * parameters in one place: SHU_ENTRY (cpu, splat) declares shu_cpu_splat(). */
#pragma once
#include "ops/backend_private.h"

#define SHU_ENTRY(backend, op)                                                 \
  __typeof__ (*((ShuBackend *) NULL)->op) shu_##backend##_##op

/* What every backend has under these names */
#define SHU_PICTURE_ENTRIES(backend)                                           \
  /* pictures */                                                               \
  SHU_ENTRY (backend, picture_resize);                                         \
  SHU_ENTRY (backend, picture_crop);                                           \
  SHU_ENTRY (backend, picture_flatten);                                        \
  SHU_ENTRY (backend, picture_paste_face);                                     \
  SHU_ENTRY (backend, picture_normalize);                                      \
  SHU_ENTRY (backend, picture_from_view);                                      \
  SHU_ENTRY (backend, picture_measure);                                        \
  SHU_ENTRY (backend, picture_window);                                         \
  SHU_ENTRY (backend, picture_clean);                                          \
  SHU_ENTRY (backend, picture_cells);                                          \
  SHU_ENTRY (backend, picture_compare);                                        \
  SHU_ENTRY (backend, mask_mean);                                              \
  SHU_ENTRY (backend, mask_to_picture);                                        \
  SHU_ENTRY (backend, mask_measure);                                           \
  /* planes and photos */                                                      \
  SHU_ENTRY (backend, plane_find_nearest);                                     \
  SHU_ENTRY (backend, plane_smooth);                                           \
  SHU_ENTRY (backend, plane_fill);                                             \
  SHU_ENTRY (backend, photo_step);                                             \
  SHU_ENTRY (backend, photo_background);                                       \
  SHU_ENTRY (backend, photo_count_shares);                                     \
  /* drawings */                                                               \
  SHU_ENTRY (backend, splat);                                                  \
  SHU_ENTRY (backend, rasterize);                                              \
  SHU_ENTRY (backend, count_seen);                                             \
  /* textures */                                                               \
  SHU_ENTRY (backend, texture_gather);                                         \
  SHU_ENTRY (backend, texture_solve);                                          \
  SHU_ENTRY (backend, texture_pack);                                           \
  SHU_ENTRY (backend, bake_differences);                                       \
  SHU_ENTRY (backend, bake_lacks);                                             \
  SHU_ENTRY (backend, bake_texels);                                            \
  SHU_ENTRY (backend, bake_photo_rows);                                        \
  SHU_ENTRY (backend, bake_drawing_rows);                                      \
  SHU_ENTRY (backend, field_spread);                                           \
  SHU_ENTRY (backend, bake_picture)
