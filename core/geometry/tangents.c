/* SPDX-License-Identifier: MIT */
#include "geometry/tangents.h"
#include "geometry/vec3_private.h"
#include <string.h>

/* @a without its part along the unit vector @n */
static Vec3
flatten (Vec3 a, Vec3 n)
{
  return vec3_sub (a, vec3_scale (n, vec3_dot (a, n)));
}

/* The direction in which u grows on face @f, unit length, and what side of the
 * picture the face shows: 1, -1 where it is mirrored, 0 for neither. */
static int
face_tangent (const ShuMesh *mesh, const gint32 *v, Vec3 *ret)
{
  const float *a = mesh->uv + 2 * (gsize) v[0];
  const float *b = mesh->uv + 2 * (gsize) v[1];
  const float *c = mesh->uv + 2 * (gsize) v[2];
  Vec3 p = vec3_load (mesh->pos + 3 * (gsize) v[0]);
  Vec3 e1 = vec3_sub (vec3_load (mesh->pos + 3 * (gsize) v[1]), p);
  Vec3 e2 = vec3_sub (vec3_load (mesh->pos + 3 * (gsize) v[2]), p);
  double u1 = (double) b[0] - a[0], v1 = (double) b[1] - a[1];
  double u2 = (double) c[0] - a[0], v2 = (double) c[1] - a[1];
  double turn = u1 * v2 - u2 * v1;
  Vec3 t = vec3_sub (vec3_scale (e1, v2), vec3_scale (e2, v1));

  *ret = vec3_unit (vec3_scale (t, turn < 0 ? -1 : 1));
  if (turn == 0 || vec3_dot (*ret, *ret) < 0.5)
    return 0;
  /* v points down */
  return turn < 0 ? 1 : -1;
}

/* Adds face @v's tangent to its corners: in the plane of each one's normal,
 * weighted by the angle there. */
static void
add_face (const ShuMesh *mesh, const float *normals, const gint32 *v,
    Vec3 *sums, double *sides)
{
  Vec3 tangent;
  int side = face_tangent (mesh, v, &tangent);

  for (int k = 0; k < 3 && side; k++) {
    Vec3 n = vec3_load (normals + 3 * (gsize) v[k]);
    Vec3 p = vec3_load (mesh->pos + 3 * (gsize) v[k]);
    Vec3 q = vec3_load (mesh->pos + 3 * (gsize) v[(k + 1) % 3]);
    Vec3 r = vec3_load (mesh->pos + 3 * (gsize) v[(k + 2) % 3]);
    Vec3 a = flatten (vec3_sub (q, p), n), b = flatten (vec3_sub (r, p), n);
    double angle = atan2 (vec3_length (vec3_cross (a, b)), vec3_dot (a, b));
    Vec3 t = vec3_unit (flatten (tangent, n));

    sums[v[k]] = vec3_add (sums[v[k]], vec3_scale (t, angle));
    sides[v[k]] += side * angle;
  }
}

/* Any direction at right angles to @n */
static Vec3
across (Vec3 n)
{
  Vec3 axis = fabs (n.x) < 0.7 ? (Vec3){1, 0, 0} : (Vec3){0, 1, 0};

  return vec3_unit (flatten (axis, n));
}

void
shu_mesh_tangents (
    const ShuMesh *mesh, const float *normals, float *ret_tangents)
{
  g_autofree Vec3 *sums = g_new0 (Vec3, mesh->n_verts + 1);
  g_autofree double *sides = g_new0 (double, mesh->n_verts + 1);

  g_assert (mesh->uv);
  for (gsize f = 0; f < (gsize) mesh->n_faces; f++)
    add_face (mesh, normals, mesh->faces + 3 * f, sums, sides);
  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    Vec3 n = vec3_load (normals + 3 * i);
    /* again, as sums of opposite directions are mere rounding */
    Vec3 t = vec3_length (sums[i]) > 1e-9
                 ? vec3_unit (flatten (vec3_unit (sums[i]), n))
                 : across (n);

    vec3_store (t, ret_tangents + 4 * i);
    ret_tangents[4 * i + 3] = sides[i] < 0 ? -1 : 1;
  }
}

static void
store_unit (Vec3 a, float *ret)
{
  vec3_store (vec3_unit (a), ret);
}

ShuFrame
shu_frame_at (const float *normals, const float *tangents, const gint32 *face,
    const float *weights)
{
  Vec3 n = {0}, t = {0}, b = {0};
  ShuFrame frame;

  for (int k = 0; k < 3; k++) {
    const float *tangent = tangents + 4 * (gsize) face[k];
    Vec3 vn = vec3_load (normals + 3 * (gsize) face[k]);
    Vec3 vt = vec3_load (tangent);

    n = vec3_add (n, vec3_scale (vn, weights[k]));
    t = vec3_add (t, vec3_scale (vt, weights[k]));
    b = vec3_add (
        b, vec3_scale (vec3_cross (vn, vt), (double) tangent[3] * weights[k]));
  }
  store_unit (t, frame.tangent);
  store_unit (b, frame.bitangent);
  store_unit (n, frame.normal);
  return frame;
}
