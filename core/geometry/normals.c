/* SPDX-License-Identifier: MIT */
#include "normals.h"
#include "vec3_private.h"

void
shu_mesh_normals (const ShuMesh *mesh, float *ret_normals)
{
  g_autofree Vec3 *sum = g_new0 (Vec3, mesh->n_verts + 1);

  for (int f = 0; f < mesh->n_faces; f++) {
    const gint32 *v = mesh->faces + 3 * (gsize) f;
    Vec3 p[3], normal;

    for (int k = 0; k < 3; k++)
      p[k] = vec3_load (mesh->pos + 3 * (gsize) v[k]);
    normal = vec3_unit (vec3_normal (p[0], p[1], p[2]));
    for (int k = 0; k < 3; k++) {
      Vec3 a = vec3_sub (p[(k + 1) % 3], p[k]);
      Vec3 b = vec3_sub (p[(k + 2) % 3], p[k]);
      double angle = atan2 (vec3_length (vec3_cross (a, b)), vec3_dot (a, b));

      sum[v[k]] = vec3_add (sum[v[k]], vec3_scale (normal, angle));
    }
  }
  for (int i = 0; i < mesh->n_verts; i++) {
    Vec3 n = vec3_unit (sum[i]);

    if (vec3_dot (n, n) < 0.5)
      n = (Vec3){0, 0, 1};
    vec3_store (n, ret_normals + 3 * (gsize) i);
  }
}
