/* SPDX-License-Identifier: MIT */
/* Fills gaps of fields by spreading values from vertex to vertex. */
#include "geometry/bake_private.h"
#include <math.h>
#include <string.h>

void
shu_field_init (ShuField *f, const ShuMesh *mesh, const gint32 *first)
{
  gsize n = mesh->n_verts, n_idx = 3 * (gsize) mesh->n_faces;

  *f = (ShuField){.n_verts = mesh->n_verts, .first = first};
  f->start = g_new0 (gint32, n + 1);
  f->next = g_new (gint32, MAX (1, 2 * n_idx));
  for (gsize i = 0; i < n_idx; i++)
    f->start[first[mesh->faces[i]] + 1] += 2;
  for (gsize i = 0; i < n; i++)
    f->start[i + 1] += f->start[i];
  g_autofree gint32 *at = g_memdup2 (f->start, MAX (1, n) * sizeof (gint32));
  for (gsize i = 0; i < n_idx; i += 3)
    for (int k = 0; k < 3; k++) {
      gint32 v = first[mesh->faces[i + k]];
      f->next[at[v]++] = first[mesh->faces[i + (k + 1) % 3]];
      f->next[at[v]++] = first[mesh->faces[i + (k + 2) % 3]];
    }
}

void
shu_field_clear (ShuField *f)
{
  g_clear_pointer (&f->start, g_free);
  g_clear_pointer (&f->next, g_free);
}

/* Gauss-Seidel, forwards and backwards in turn: serial, so the same always. */
void
shu_field_spread (const ShuField *f, float *value, const float *weight,
    float decay, int n_rounds)
{
  gsize n = f->n_verts;
  g_autofree float *held = g_memdup2 (value, MAX (1, 3 * n) * sizeof (float));

  for (int round = 0; round < n_rounds; round++)
    for (gsize j = 0; j < n; j++) {
      gsize i = round & 1 ? n - 1 - j : j;
      int m = f->start[i + 1] - f->start[i];
      float sum[3] = {0}, total = weight[i] + decay;

      if (!m || f->first[i] != (gint32) i)
        continue;
      for (gint32 e = f->start[i]; e < f->start[i + 1]; e++)
        for (int c = 0; c < 3; c++)
          sum[c] += value[3 * (gsize) f->next[e] + c];
      total += 1;
      for (int c = 0; c < 3; c++)
        value[3 * i + c] = (sum[c] / m + weight[i] * held[3 * i + c]) / total;
    }
  for (gsize i = 0; i < n; i++)
    memcpy (value + 3 * i, value + 3 * (gsize) f->first[i], 3 * sizeof (float));
}
