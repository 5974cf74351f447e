/* SPDX-License-Identifier: MIT */
#include "geometry/weld.h"
#include "geometry/normals.h"
#include <string.h>

static int
compare_pos (gconstpointer a, gconstpointer b, gpointer data)
{
  const float *pos = data;
  gint32 i = *(const gint32 *) a, j = *(const gint32 *) b;
  int order =
      memcmp (pos + 3 * (gsize) i, pos + 3 * (gsize) j, 3 * sizeof (float));

  return order ? order : (i > j) - (i < j);
}

void
shu_mesh_weld (const ShuMesh *mesh, gint32 *ret_first)
{
  gsize n = mesh->n_verts;
  g_autofree gint32 *order = g_new (gint32, MAX (1, n));

  for (gsize i = 0; i < n; i++)
    order[i] = (gint32) i;
  g_qsort_with_data (order, (int) n, sizeof (gint32), compare_pos, mesh->pos);
  for (gsize i = 0; i < n; i++) {
    const float *p = mesh->pos + 3 * (gsize) order[i];
    gboolean same = i > 0 && !memcmp (p, mesh->pos + 3 * (gsize) order[i - 1],
                                 3 * sizeof (float));
    ret_first[order[i]] = same ? ret_first[order[i - 1]] : order[i];
  }
}

void
shu_mesh_normals_welded (
    const ShuMesh *mesh, const gint32 *first, float *ret_normals)
{
  g_autofree gint32 *faces = g_new (gint32, MAX (1, 3 * (gsize) mesh->n_faces));
  ShuMesh welded = *mesh;

  for (gsize i = 0; i < 3 * (gsize) mesh->n_faces; i++)
    faces[i] = first[mesh->faces[i]];
  welded.faces = faces;
  shu_mesh_normals (&welded, ret_normals);
  for (gsize i = 0; i < (gsize) mesh->n_verts; i++)
    memcpy (ret_normals + 3 * i, ret_normals + 3 * (gsize) first[i],
        3 * sizeof (float));
}
