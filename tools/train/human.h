/* SPDX-License-Identifier: MIT */
/* Procedurally generated clothed people: a 64-bit number makes a person, as an
 * analytic distance field with colours. It gives ground truth for training and
 * for tests: orthographic views, photos, surface voxels, distances.
 *
 * A person lives in metres, z up, facing -y, x to the right of the front view.
 * A HumanFrame maps it to the unit cube [-0.5, 0.5]^3 of the pipeline.
 * Everything is plain data: no globals, no allocation kept, safe in threads.
 * The same field runs on CUDA (human_field.h, compiled at run time). */
#ifndef HUMAN_H
#define HUMAN_H
#include <stddef.h>
#include <stdint.h>

#define HUMAN_HEADER 40
#define HUMAN_MATERIALS 12
#define HUMAN_MATERIAL 12
#define HUMAN_PRIMITIVES 72
#define HUMAN_PRIMITIVE 20
#define HUMAN_FLOATS                                                           \
  (HUMAN_HEADER + HUMAN_MATERIALS * HUMAN_MATERIAL +                           \
      HUMAN_PRIMITIVES * HUMAN_PRIMITIVE)
#define HUMAN_CAMERA 32
/* Training uses persons 0, 1, 2 ...; tests and measurements start here. */
#define HUMAN_HELD_OUT 1000000

/* One person. The meaning of the floats is in human_field.h. */
typedef struct {
  float f[HUMAN_FLOATS];
} Human;

/* Unit cube to metres: metres = centre + size * cube. */
typedef struct {
  float centre[3];
  float size;
} HumanFrame;

/* A camera, a light and a tone curve; see human_field.h. */
typedef struct {
  float f[HUMAN_CAMERA];
} HumanCamera;

/**
 * human_generate:
 * @human: (out): the person
 * @number: which person; the same number always gives the same person
 */
void human_generate (Human *human, uint64_t number);

/**
 * human_frame:
 * @frame: (out): the cube that the person fills: its size is the longest side
 *   of the bounding box, without a margin, so head and feet of a standing
 *   person touch z = +-0.5. Centred on the box in x and z; in depth on the
 *   centroid of the side silhouette (the middle of the body), moved only as
 *   far as the box needs to fit. A photo shows where the middle of a body is
 *   and hides how far a foot or a bag reaches: the box's own middle varies
 *   half as much again seen from chest, head and legs. Accurate to about 4 mm.
 */
void human_frame (const Human *human, HumanFrame *frame);

/**
 * human_view:
 * @view: 0 front, 1 from +x, 2 back, 3 from -x, 4 face (upper middle third)
 * @side: pixels per side
 * @samples: samples per pixel and axis (2 is good)
 * @colour: (out) (nullable): u8 [side, side, 3] on white, columns grow with x
 *   (views 0, 2, 4) or y (views 1, 3)
 * @normal: (out) (nullable): u8 [side, side, 3] on white, front camera's
 *   OpenGL axes in every view: 0.5 + 0.5 (n_x, n_z, -n_y)
 *
 * Orthographic over [-0.5, 0.5]^2 (face: x in +-1/6, z in [1/6, 1/2]).
 */
void human_view (const Human *human, const HumanFrame *frame, int view,
    int side, int samples, uint8_t *colour, uint8_t *normal);

/**
 * human_photo:
 * @photo: which photo of this person: camera, light and tone follow from it
 * @width: @height: size of the picture in pixels, any
 * @margin: free border as a fraction of the picture; 0 touches the edges
 * @samples: samples per pixel and axis
 * @rgba: (out): u8 [height, width, 4], straight alpha, transparent background
 *
 * A perspective, lit photo, centred on the whole person.
 */
void human_photo (const Human *human, const HumanFrame *frame, uint64_t photo,
    int width, int height, float margin, int samples, uint8_t *rgba);

/**
 * human_orbit:
 * @right, @forward: axes of the picture, unit and at right angles
 * @side: pixels
 * @samples: samples per pixel and axis
 * @rgba: (out): u8 [side, side, 4], straight alpha, transparent background
 *
 * The person as human_view() shows it, from any side: orthographic over a
 * square that is the frame's size.
 */
void human_orbit (const Human *human, const HumanFrame *frame,
    const float right[3], const float forward[3], int side, int samples,
    uint8_t *rgba);

/**
 * human_voxels:
 * @res: voxels per side of the unit cube
 * @occupied: (out): u8 [res, res, res] in x, y, z order (z fastest), 1 where
 *   the sign of the distance differs among the 5^3 grid corners of the voxel
 *   (the 4 res lattice), which is what the mesh decoder needs
 *
 * Returns: the number of occupied voxels.
 */
size_t human_voxels (
    const Human *human, const HumanFrame *frame, int res, uint8_t *occupied);

/**
 * human_points:
 * @points: float [n, 3] in the unit cube
 * @distance: (out) (nullable): float [n], first-order signed distance in
 *   units of the cube, negative inside
 * @colour: (out) (nullable): float [n, 3], 0..1, at the nearest surface point
 * @normal: (out) (nullable): float [n, 3], unit, world axes
 */
void human_points (const Human *human, const HumanFrame *frame,
    const float *points, size_t n, float *distance, float *colour,
    float *normal);

/* Lower level, for a renderer that runs elsewhere (the training programs). */

/* The camera of human_view. */
void human_view_camera (const HumanFrame *frame, int view, HumanCamera *camera);

/* A wide, unlit camera that sees the whole person: axis 0 looks along +y,
 * axis 1 along -x. human_fit_frame() turns what it sees into a frame. */
void human_bound_camera (const Human *human, int axis, HumanCamera *camera);

/* @front, @side: box of the covered pixels (x0, y0, x1, y1; exclusive ends)
 * as fractions of the picture of human_bound_camera(); side[4]: their mean
 * column. */
void human_fit_frame (const Human *human, const float front[4],
    const float side[5], HumanFrame *frame);

/* The camera of a photo before it is fitted to the person (square, wide). */
void human_photo_camera (const Human *human, const HumanFrame *frame,
    uint64_t photo, HumanCamera *camera);

/* Narrows @camera to the covered box (x0, y0, x1, y1 as fractions) so that it
 * fits a picture of @width by @height with @margin. */
void human_fit_photo (HumanCamera *camera, const float box[4], int width,
    int height, float margin);

#endif
