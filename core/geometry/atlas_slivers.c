/* SPDX-License-Identifier: MIT */
/* Faces that are no more than a line in the atlas, or turned over: slivers,
 * whose corners a warp or the last digit of a coordinate moves across the side
 * opposite to them. */
#include "geometry/atlas_private.h"
#include <math.h>

enum {
  N_SLIVER_ROUNDS = 6,
  MAX_SLIVERS = 1000, /* vertices of faces that may be turned back */
  N_RAISE_ROUNDS = 4,
  REACH = 8, /* units that a corner is moved by, at most */
};

/* The last digit of coordinates above a half. */
static const float unit = 0x1p-24f;

static gboolean
is_upright (const ShuMesh *m, int face)
{
  const float *p[3];

  for (int k = 0; k < 3; k++)
    p[k] = m->uv + 2 * (gsize) m->faces[3 * (gsize) face + k];
  return ((double) p[1][0] - p[0][0]) * ((double) p[2][1] - p[0][1]) -
             ((double) p[1][1] - p[0][1]) * ((double) p[2][0] - p[0][0]) >
         0;
}

static gboolean
all_upright (const ShuMesh *m)
{
  int n_turned = 0;

#pragma omp parallel for schedule(static) reduction(+ : n_turned)
  for (int f = 0; f < m->n_faces; f++)
    n_turned += !is_upright (m, f);
  return n_turned == 0;
}

/* What is around a vertex. */
typedef struct {
  gint32 vert;
  double sum[2]; /* of its neighbours, once a face */
  int n;
  gint64 turn; /* of the neighbours: 0 unless it is at a border */
} Around;

gboolean
shu_atlas_turn_slivers (ShuMesh *m)
{
  for (int round = 0; round < N_SLIVER_ROUNDS; round++) {
    if (all_upright (m))
      return TRUE;

    g_autoptr (GHashTable) index = g_hash_table_new (NULL, NULL);
    g_autoptr (GArray) list = g_array_new (FALSE, TRUE, sizeof (Around));

    for (int f = 0; f < m->n_faces; f++)
      for (int k = 0; k < 3 && !is_upright (m, f); k++) {
        Around a = {.vert = m->faces[3 * (gsize) f + k]};
        if (g_hash_table_contains (index, GINT_TO_POINTER (a.vert)))
          continue;
        g_hash_table_insert (
            index, GINT_TO_POINTER (a.vert), GINT_TO_POINTER (list->len));
        g_array_append_val (list, a);
      }
    if (list->len > MAX_SLIVERS)
      return FALSE;
    for (int f = 0; f < m->n_faces; f++)
      for (int k = 0; k < 3; k++) {
        const gint32 *v = m->faces + 3 * (gsize) f;
        gpointer at;

        if (!g_hash_table_lookup_extended (
                index, GINT_TO_POINTER (v[k]), NULL, &at))
          continue;
        Around *a = &g_array_index (list, Around, GPOINTER_TO_INT (at));
        int p = v[(k + 1) % 3], q = v[(k + 2) % 3];
        for (int d = 0; d < 2; d++)
          a->sum[d] += m->uv[2 * (gsize) p + d] + m->uv[2 * (gsize) q + d];
        a->n += 2;
        a->turn += (gint64) p - q;
      }
    for (guint i = 0; i < list->len; i++) {
      const Around *a = &g_array_index (list, Around, i);
      for (int d = 0; a->turn == 0 && d < 2; d++)
        m->uv[2 * (gsize) a->vert + d] = (float) (a->sum[d] / a->n);
    }
  }
  return FALSE;
}

/* ---- lifting what is flat ---- */

/* Faces around the vertices of some. */
typedef struct {
  GHashTable *index; /* of a vertex in the lists */
  GPtrArray *lists;  /* of GArray of faces */
} Fans;

static void
fans_init (Fans *fans, const ShuMesh *m, const GArray *faces)
{
  fans->index = g_hash_table_new (NULL, NULL);
  fans->lists = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  for (guint i = 0; i < 3 * faces->len; i++) {
    gsize f = g_array_index (faces, gint32, i / 3);
    gpointer vert = GINT_TO_POINTER (m->faces[3 * f + i % 3]);

    if (g_hash_table_contains (fans->index, vert))
      continue;
    g_hash_table_insert (
        fans->index, vert, GUINT_TO_POINTER (fans->lists->len));
    g_ptr_array_add (fans->lists, g_array_new (FALSE, FALSE, sizeof (gint32)));
  }
  for (gsize i = 0; i < 3 * (gsize) m->n_faces; i++) {
    gint32 face = (gint32) (i / 3);
    gpointer at;

    if (g_hash_table_lookup_extended (
            fans->index, GINT_TO_POINTER (m->faces[i]), NULL, &at))
      g_array_append_val (
          (GArray *) fans->lists->pdata[GPOINTER_TO_UINT (at)], face);
  }
}

static void
fans_clear (Fans *fans)
{
  g_clear_pointer (&fans->index, g_hash_table_unref);
  g_clear_pointer (&fans->lists, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fans, fans_clear)

/* Appends those of @faces that stand and are no smaller than @least. */
static void
list_upright (const ShuMesh *m, const GArray *faces, const float *area,
    float least, GArray *ret)
{
  for (guint i = 0; i < faces->len; i++) {
    gint32 f = g_array_index (faces, gint32, i);

    if (area[f] >= least && is_upright (m, f))
      g_array_append_val (ret, f);
  }
}

static gboolean
all_stand (const ShuMesh *m, const GArray *faces)
{
  for (guint i = 0; i < faces->len; i++)
    if (!is_upright (m, g_array_index (faces, gint32, i)))
      return FALSE;
  return TRUE;
}

/* Moves a corner of @face by as little as stands it up, if none as large falls
 * for it. */
static gboolean
move_corner (
    ShuMesh *m, const float *area, int face, gint32 vert, const GArray *around)
{
  g_autoptr (GArray) others = g_array_new (FALSE, FALSE, sizeof (gint32));
  float *uv = m->uv + 2 * (gsize) vert, u = uv[0], v = uv[1];

  list_upright (m, around, area, area[face], others);
  for (int reach = 1; reach <= REACH; reach++)
    for (int i = -reach; i <= reach; i++)
      for (int j = -reach; j <= reach; j++) {
        if (MAX (ABS (i), ABS (j)) < reach)
          continue;
        uv[0] = CLAMP (u + (float) i * unit, 0, 1);
        uv[1] = CLAMP (v + (float) j * unit, 0, 1);
        if (is_upright (m, face) && all_stand (m, others))
          return TRUE;
      }
  uv[0] = u;
  uv[1] = v;
  return FALSE;
}

static GArray *
list_flat (const ShuMesh *m)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (gint32 f = 0; f < m->n_faces; f++)
    if (!is_upright (m, f))
      g_array_append_val (list, f);
  return list;
}

gboolean
shu_atlas_raise_slivers (ShuMesh *m, const float *area)
{
  for (int round = 0; round < N_RAISE_ROUNDS && !all_upright (m); round++) {
    g_autoptr (GArray) flat = list_flat (m);
    g_auto (Fans) fans = {0};

    fans_init (&fans, m, flat);
    for (guint i = 0; i < flat->len; i++) {
      gint32 f = g_array_index (flat, gint32, i);

      for (int k = 0; k < 3 && !is_upright (m, f); k++) {
        gint32 vert = m->faces[3 * (gsize) f + k];
        gpointer at = g_hash_table_lookup (fans.index, GINT_TO_POINTER (vert));

        move_corner (
            m, area, f, vert, fans.lists->pdata[GPOINTER_TO_UINT (at)]);
      }
    }
  }
  return all_upright (m);
}
