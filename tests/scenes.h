/* SPDX-License-Identifier: MIT */
/* Photos made up for measuring: generated people that training never saw in
 * front of a background, whole or cut by the border, alone or several.  The
 * true cut-out is known. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * SceneKind:
 * @SCENE_WHOLE: one whole person with some room around
 * @SCENE_WAIST: the lower border cuts the person near the waist
 * @SCENE_CHEST: the lower border cuts the person near the chest
 * @SCENE_SEVERAL: two or three whole people, apart or touching
 * @SCENE_NOBODY: the background alone
 */
typedef enum {
  SCENE_WHOLE,
  SCENE_WAIST,
  SCENE_CHEST,
  SCENE_SEVERAL,
  SCENE_NOBODY,
  SCENE_N_KINDS,
} SceneKind;

/**
 * Scene:
 * @photo: RGB
 * @cutout: RGBA [same size], the people alone, with their true alpha
 */
typedef struct {
  ShuImage *photo;
  ShuImage *cutout;
} Scene;

/**
 * scene_new:
 * @number: which scene; the same number gives the same scene
 * @background: (nullable): RGB, a part of which is shown; NULL draws one
 *
 * Upright, square and broad pictures take turns (broad ones for several
 * people), about 500 pixels on a side.
 *
 * Returns: (transfer full):
 */
Scene *scene_new (SceneKind kind, int number, const ShuImage *background);
void scene_free (Scene *scene);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scene, scene_free)

G_END_DECLS
