/* SPDX-License-Identifier: MIT */
#include "mesh.h"
#include "base/error.h"
#include <math.h>

ShuMesh *
shu_mesh_new (int n_verts, int n_faces, gboolean with_attr, gboolean with_uv)
{
  ShuMesh *mesh = g_new0 (ShuMesh, 1);

  g_assert (n_verts >= 0 && n_faces >= 0);
  mesh->n_verts = n_verts;
  mesh->n_faces = n_faces;
  mesh->pos = g_new (float, MAX (1, 3 * (gsize) n_verts));
  mesh->faces = g_new (gint32, MAX (1, 3 * (gsize) n_faces));
  if (with_attr)
    mesh->attr = g_new (float, MAX (1, 6 * (gsize) n_verts));
  if (with_uv)
    mesh->uv = g_new (float, MAX (1, 2 * (gsize) n_verts));
  return mesh;
}

ShuMesh *
shu_mesh_copy (const ShuMesh *mesh)
{
  gsize n = mesh->n_verts;
  ShuMesh *copy = g_new0 (ShuMesh, 1);

  *copy = *mesh;
  copy->pos = g_memdup2 (mesh->pos, 3 * n * sizeof (float));
  copy->faces =
      g_memdup2 (mesh->faces, 3 * (gsize) mesh->n_faces * sizeof (gint32));
  copy->attr =
      mesh->attr ? g_memdup2 (mesh->attr, 6 * n * sizeof (float)) : NULL;
  copy->uv = mesh->uv ? g_memdup2 (mesh->uv, 2 * n * sizeof (float)) : NULL;
  return copy;
}

void
shu_mesh_free (ShuMesh *mesh)
{
  if (!mesh)
    return;
  g_free (mesh->pos);
  g_free (mesh->attr);
  g_free (mesh->uv);
  g_free (mesh->faces);
  g_free (mesh);
}

gboolean
shu_mesh_check (const ShuMesh *mesh, GError **error)
{
  for (gsize i = 0; i < 3 * (gsize) mesh->n_faces; i++)
    if (mesh->faces[i] < 0 || mesh->faces[i] >= mesh->n_verts) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "face %zu: vertex %d of %d", i / 3, mesh->faces[i], mesh->n_verts);
      return FALSE;
    }
  for (gsize i = 0; i < 3 * (gsize) mesh->n_verts; i++)
    if (!isfinite (mesh->pos[i])) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "vertex %zu: its position is not finite", i / 3);
      return FALSE;
    }
  return TRUE;
}
