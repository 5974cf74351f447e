/* SPDX-License-Identifier: MIT */
/* Which faces are seen in many views, one thread a view. */
#include "base/raster_private.h"
#include <omp.h>
#include <string.h>

/* What one thread works in. */
typedef struct {
  RasterCorner *corners;
  gint32 *face;
  float *depth;
  guint32 *seen; /* [n_faces] a bit each view */
  int *missed;   /* thin faces that cover no pixel centre */
} Worker;

static void
worker_init (Worker *k, const ShuTriangles *t, int size)
{
  k->corners = g_new (RasterCorner, MAX (1, t->n_verts));
  k->face = g_new (gint32, (gsize) size * size);
  k->depth = g_new (float, (gsize) size *size);
  k->seen = g_new0 (guint32, MAX (1, t->n_faces));
  k->missed = g_new (int, MAX (1, t->n_faces));
}

static void
worker_clear (Worker *k)
{
  g_free (k->corners);
  g_free (k->face);
  g_free (k->depth);
  g_free (k->seen);
  g_free (k->missed);
}

/* Whether the centre of a face is in view. */
static gboolean
shows (const RasterScreen *s, int face, float slack)
{
  const gint32 *f = s->faces + 3 * (gsize) face;
  const RasterCorner *a = s->corners + f[0], *b = s->corners + f[1],
                     *c = s->corners + f[2];
  gint64 x, y;
  float depth;
  gsize i;

  if (a->x == RASTER_NOWHERE || b->x == RASTER_NOWHERE ||
      c->x == RASTER_NOWHERE)
    return FALSE;
  x = (gint64) a->x + b->x + c->x;
  y = (gint64) a->y + b->y + c->y;
  if (x < 0 || y < 0 || x >= s->width * 768LL || y >= s->height * 768LL)
    return FALSE;
  i = (gsize) (y / 768) * s->width + x / 768;
  depth = s->perspective ? 3 / (a->w + b->w + c->w) : (a->z + b->z + c->z) / 3;
  return s->face[i] < 0 || depth <= s->depth[i] + slack;
}

static void
draw_view (Worker *k, const ShuTriangles *t, const guint8 *kinds,
    const ShuCamera *camera, int size, float slack, guint32 bit)
{
  RasterScreen s = {.corners = k->corners,
      .faces = t->faces,
      .width = size,
      .height = size,
      .face = k->face,
      .depth = k->depth,
      .perspective = camera->perspective};
  gsize n = (gsize) size * size;
  gint64 n_doubles = 0;
  int n_missed = 0;

  raster_corners (t, camera, size, size, 0, t->n_verts, k->corners);
  memset (k->face, 0xff, n * sizeof *k->face);
  for (int f = 0; f < t->n_faces; f++) {
    gboolean front = (kinds[f] & SHU_SEEN_FRONT) != 0;

    if (raster_face (&s, f, front, 0, size, &n_doubles) == RASTER_MISSED &&
        kinds[f] & SHU_SEEN_THIN)
      k->missed[n_missed++] = f;
  }
  for (gsize i = 0; i < n; i++)
    if (k->face[i] >= 0)
      k->seen[k->face[i]] |= bit;
  for (int i = 0; i < n_missed; i++)
    if (shows (&s, k->missed[i], slack))
      k->seen[k->missed[i]] |= bit;
}

void
shu_raster_seen (const ShuTriangles *t, const guint8 *kinds, int n_views,
    const ShuCamera *cameras, int size, float slack, gint32 *seen)
{
  int n_workers = MIN (omp_get_max_threads (), n_views);
  g_autofree Worker *workers = g_new0 (Worker, n_workers);

  g_assert (n_views >= 1 && n_views <= SHU_SEEN_VIEWS && size > 0);
#pragma omp parallel for num_threads(n_workers)
  for (int i = 0; i < n_workers; i++)
    worker_init (&workers[i], t, size);
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_workers)
  for (int i = 0; i < n_views; i++)
    draw_view (&workers[omp_get_thread_num ()], t, kinds, &cameras[i], size,
        slack, 1u << i);
#pragma omp parallel for
  for (int f = 0; f < t->n_faces; f++)
    for (int i = 0; i < n_workers; i++)
      seen[f] += __builtin_popcount (workers[i].seen[f]);
  for (int i = 0; i < n_workers; i++)
    worker_clear (&workers[i]);
}
