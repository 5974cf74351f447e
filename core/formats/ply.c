/* SPDX-License-Identifier: MIT */
#include "formats/ply.h"
#include "base/error.h"
#include "formats/glb.h"
#include <math.h>
#include <string.h>

static const float default_height = 1.7f;
static const float sh_c0 = 0.28209479177387814f; /* 1 / (2 sqrt (pi)) */

static guint8
to_byte (float v)
{
  return (guint8) (CLAMP (v, 0.0f, 1.0f) * 255 + 0.5f);
}

static char *
mesh_header (const ShuMesh *mesh)
{
  return g_strdup_printf (
      "ply\nformat binary_little_endian 1.0\nelement vertex %d\n"
      "property float x\nproperty float y\nproperty float z\n%s"
      "element face %d\nproperty list uchar int vertex_indices\n"
      "end_header\n",
      mesh->n_verts,
      mesh->attr ? "property uchar red\nproperty uchar green\n"
                   "property uchar blue\n"
                 : "",
      mesh->n_faces);
}

GBytes *
shu_ply_mesh (const ShuMesh *mesh, float height, GError **error)
{
  gsize n = mesh->n_verts, size;
  g_autofree float *pos = g_new (float, MAX (1, 3 * n));
  g_autofree char *header = NULL;
  guint8 *out, *at;

  if (!shu_mesh_check (mesh, error) ||
      !shu_mesh_to_y_up (
          mesh, height > 0 ? height : default_height, pos, error))
    return NULL;
  header = mesh_header (mesh);
  size =
      strlen (header) + n * (mesh->attr ? 15 : 12) + 13 * (gsize) mesh->n_faces;
  out = at = g_malloc (size);
  at = (guint8 *) stpcpy ((char *) at, header);
  for (gsize i = 0; i < n; i++) {
    memcpy (at, pos + 3 * i, 3 * sizeof (float));
    at += 3 * sizeof (float);
    for (int k = 0; mesh->attr && k < 3; k++)
      *at++ = to_byte (mesh->attr[6 * i + k]);
  }
  for (gsize i = 0; i < (gsize) mesh->n_faces; i++) {
    *at++ = 3;
    memcpy (at, mesh->faces + 3 * i, 3 * sizeof (gint32));
    at += 3 * sizeof (gint32);
  }
  return g_bytes_new_take (out, size);
}

GBytes *
shu_ply_gaussians (const ShuGaussians *g, GError **error)
{
  static const char *const names[] = {"x", "y", "z", "nx", "ny", "nz", "f_dc_0",
      "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0",
      "rot_1", "rot_2", "rot_3"};
  g_autoptr (GString) out =
      g_string_sized_new (1024 + sizeof names / 2 * (gsize) g->n);

  g_string_append_printf (
      out, "ply\nformat binary_little_endian 1.0\nelement vertex %d\n", g->n);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_string_append_printf (out, "property float %s\n", names[i]);
  g_string_append (out, "end_header\n");
  for (gsize i = 0; i < (gsize) g->n; i++) {
    float row[G_N_ELEMENTS (names)] = {0};
    /* Logits and logarithms of the ends of the range stay finite. */
    float o = CLAMP (g->opacity[i], 1e-6f, 1 - 1e-6f);

    for (int k = 0; k < 3; k++) {
      row[k] = g->pos[3 * i + k];
      row[6 + k] = (g->rgb[3 * i + k] - 0.5f) / sh_c0;
      row[10 + k] = logf (MAX (g->scale[3 * i + k], 1e-12f));
    }
    row[9] = logf (o / (1 - o));
    memcpy (row + 13, g->quat + 4 * i, 4 * sizeof (float));
    for (gsize k = 0; k < G_N_ELEMENTS (row); k++)
      if (!isfinite (row[k])) {
        g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
            "Gaussian %zu: its %s is not finite", i, names[k]);
        return NULL;
      }
    g_string_append_len (out, (const char *) row, sizeof row);
  }
  return g_string_free_to_bytes (g_steal_pointer (&out));
}

/* A whole or half number, as "3.0" or "3.5". */
static void
append_half (GString *out, int doubled, char end)
{
  g_string_append_printf (out, "%s%d.%d%c", doubled == -1 ? "-" : "",
      doubled / 2, doubled & 1 ? 5 : 0, end);
}

GBytes *
shu_ply_voxels (const gint32 *coords, int n, GError **error)
{
  static const int quads[6][4] = {{2, 3, 1, 0}, {4, 5, 7, 6}, {3, 2, 6, 7},
      {0, 1, 5, 4}, {2, 0, 4, 6}, {1, 3, 7, 5}};
  GString *out;

  if (n < 1 || n > G_MAXINT32 / 16) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%d voxels: nothing to write, or too much", n);
    return NULL;
  }
  out = g_string_new (NULL);
  g_string_append_printf (out,
      "ply\nformat ascii 1.0\nelement vertex %d\ncomment vertices\n"
      "property float x\nproperty float y\nproperty float z\n"
      "element face %d\nproperty list uchar int vertex_indices\n"
      "end_header\n",
      9 * n, 6 * n);
  for (int i = 0; i < n; i++)
    for (int k = 1; k <= 3; k++)
      append_half (out, 2 * coords[4 * (gsize) i + k], k < 3 ? ' ' : '\n');
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 8; c++)
      for (int k = 1; k <= 3; k++)
        append_half (out,
            2 * coords[4 * (gsize) i + k] + ((c >> (k - 1) & 1) ? 1 : -1),
            k < 3 ? ' ' : '\n');
  for (int i = 0; i < n; i++)
    for (int q = 0; q < 6; q++) {
      gint64 b = n + 8 * (gint64) i;
      g_string_append_printf (out, "4 %d %d %d %d\n", (int) (b + quads[q][0]),
          (int) (b + quads[q][1]), (int) (b + quads[q][2]),
          (int) (b + quads[q][3]));
    }
  return g_string_free_to_bytes (out);
}
