/* SPDX-License-Identifier: MIT */
/* The atlas as a whole: measure the surface, cut it, flatten each chart and
 * split those that fold, glue what unrolls in one piece, pack, check the result
 * by drawing it. */
#include "geometry/atlas_private.h"
#include "base/error.h"
#include "geometry/raster.h"
#include <math.h>
#include <string.h>

enum {
  DEFAULT_SIZE = 1024,
  MIN_GUTTER = 2,
  GUTTER_SHARE = 128, /* of the side: 8 texels of 1024 */
  PACK_GRID = 512,    /* at most: cells a side of the board charts are put on */
  SWELL_GRID = 1024,  /* the same, of the one that gutters are measured on */
  MAX_REPAIRS = 8,
  MAX_FINER = 3,  /* of these look twice as close as the one before */
  UNEVEN = 32,    /* of a split: one part has so many times the other's faces */
  GLUED = 8,      /* charts that gluing makes one of, at most; bodies 2 to 5 */
  MAX_UNEVEN = 4, /* such splits of a chart, or splitting would take forever */
};

static const float min_cos = 0.15f; /* of a face to its chart: 81 degrees */
/* Texels are covered where their centre is, rounding aside. */
static const float texel_reach = 0.12f;
static const float default_detail = 1.5f;
/* Of the surface: a smaller face may be a line in the atlas. */
static const float least_area = 1e-8f;

/* Faces of the chart by distance, in faces, from @start; the last one found
 * is returned.  @index: chart face of a mesh face, @dist: -1 before. */
static int
flood (const ShuSurface *s, const ShuChart *c, GHashTable *index,
    const int *starts, int n_starts, gint32 *owner)
{
  g_autofree int *queue = g_new (int, c->n_faces);
  int head = 0, tail = 0;

  for (int i = 0; i < c->n_faces; i++)
    owner[i] = -1;
  for (int i = 0; i < n_starts; i++) {
    owner[starts[i]] = i;
    queue[tail++] = starts[i];
  }
  while (head < tail) {
    int i = queue[head++];
    for (int k = 0; k < 3; k++) {
      gpointer value;
      int next = s->next[c->faces[i]][k];
      if (next < 0 || !g_hash_table_lookup_extended (
                          index, GINT_TO_POINTER (next), NULL, &value))
        continue;
      int j = GPOINTER_TO_INT (value);
      if (owner[j] < 0) {
        owner[j] = owner[i];
        queue[tail++] = j;
      }
    }
  }
  return queue[tail - 1];
}

void
shu_chart_split (const ShuSurface *s, const ShuChart *c, const int *seed,
    ShuChart *ret_part[2])
{
  g_autoptr (GHashTable) index = g_hash_table_new (NULL, NULL);
  g_autofree gint32 *owner = g_new (gint32, c->n_faces);
  g_autofree gint32 *faces = g_new (gint32, c->n_faces);
  int starts[2] = {seed[0], seed[1]}, n_uneven = c->n_uneven;

  g_assert (c->n_faces >= 2);
  for (int i = 0; i < c->n_faces; i++)
    g_hash_table_insert (
        index, GINT_TO_POINTER (c->faces[i]), GINT_TO_POINTER (i));
  if (starts[0] < 0 || starts[0] == starts[1] || n_uneven >= MAX_UNEVEN) {
    int zero = 0;
    starts[0] = flood (s, c, index, &zero, 1, owner);
    starts[1] = flood (s, c, index, starts, 1, owner);
    if (starts[0] == starts[1])
      starts[1] = starts[0] ? 0 : 1;
  }
  flood (s, c, index, starts, 2, owner);
  for (int part = 0; part < 2; part++) {
    int n = 0;
    for (int i = 0; i < c->n_faces; i++)
      if (owner[i] == part || (part == 0 && owner[i] < 0))
        faces[n++] = c->faces[i];
    ret_part[part] = shu_chart_new (s, faces, n);
  }
  n_uneven += MAX (ret_part[0]->n_faces, ret_part[1]->n_faces) / UNEVEN >
              MIN (ret_part[0]->n_faces, ret_part[1]->n_faces);
  ret_part[0]->n_uneven = ret_part[1]->n_uneven = n_uneven;
}

/* Texels per unit on this chart against the rest. */
static float
chart_density (const ShuSurface *s, const ShuChart *c, float detail)
{
  double area = 0, front = 0;

  if (!s->zone[c->faces[0]])
    return 1;
  for (int i = 0; i < c->n_faces; i++) {
    area += s->area[c->faces[i]];
    front -= (double) s->area[c->faces[i]] * s->normal[c->faces[i]][1];
  }
  double t = area > 0 ? CLAMP (front / area / 0.6, 0, 1) : 0;
  return (float) (1 + (detail - 1) * t);
}

/* Flattens the charts from @first on, splitting those that fold.  Some have no
 * map where it was told to stop. */
static void
flatten_all (
    const ShuSurface *s, GPtrArray *charts, guint first, float resolution)
{
  while (first < charts->len) {
    guint n = charts->len;
    g_autofree int *seeds = g_new (int, 2 * (n - first));
    g_autofree gboolean *ok = g_new (gboolean, n - first);

#pragma omp parallel for schedule(dynamic, 1)
    for (guint i = first; i < n; i++)
      ok[i - first] = shu_progress_stops (s->progress) ||
                      shu_chart_flatten (s, charts->pdata[i], resolution,
                          seeds + 2 * (i - first));
    for (guint i = first; i < n && !shu_progress_stops (s->progress); i++) {
      ShuChart *c = charts->pdata[i], *part[2];
      if (ok[i - first] || c->n_faces < 2)
        continue;
      shu_chart_split (s, c, seeds + 2 * (i - first), part);
      g_ptr_array_add (charts, part[0]);
      g_ptr_array_add (charts, part[1]);
      shu_chart_free (c);
      charts->pdata[i] = NULL;
    }
    first = n;
  }
}

/* Closes the gaps in the list of charts, and gets them ready to be packed. */
static void
finish_charts (const ShuSurface *s, GPtrArray *charts, float detail)
{
  guint n = 0;

  for (guint i = 0; i < charts->len; i++)
    if (charts->pdata[i])
      charts->pdata[n++] = charts->pdata[i];
  /* The moved pointers must not be freed with the tail. */
  for (guint i = n; i < charts->len; i++)
    charts->pdata[i] = NULL;
  g_ptr_array_set_size (charts, n);
  for (guint i = 0; i < n; i++) {
    ShuChart *c = charts->pdata[i];
    c->density = chart_density (s, c, detail);
    shu_chart_align (c);
  }
}

/* Faces keep their order; vertices come chart by chart. */
static ShuMesh *
assemble (const ShuMesh *mesh, GPtrArray *charts, float scale, int grid)
{
  int n_verts = 0, base = 0;
  ShuMesh *out;

  for (guint i = 0; i < charts->len; i++)
    n_verts += ((ShuChart *) charts->pdata[i])->n_verts;
  out = shu_mesh_new (n_verts, mesh->n_faces, mesh->attr != NULL, TRUE);
  for (guint i = 0; i < charts->len; i++) {
    const ShuChart *c = charts->pdata[i];
    for (int j = 0; j < c->n_verts; j++) {
      gsize v = base + j, from = c->verts[j];
      memcpy (out->pos + 3 * v, mesh->pos + 3 * from, 3 * sizeof (float));
      if (mesh->attr)
        memcpy (out->attr + 6 * v, mesh->attr + 6 * from, 6 * sizeof (float));
      shu_chart_place (c, scale, c->uv + 2 * j, out->uv + 2 * v);
      out->uv[2 * v] /= grid;
      out->uv[2 * v + 1] /= grid;
    }
    for (int j = 0; j < 3 * c->n_faces; j++)
      out->faces[3 * (gsize) c->faces[j / 3] + j % 3] = base + c->tris[j];
    base += c->n_verts;
  }
  return out;
}

/* Chart of each vertex: vertices come chart by chart. */
static gint32 *
number_charts (GPtrArray *charts, int n_verts)
{
  gint32 *chart = g_new (gint32, n_verts);
  int v = 0;

  for (guint i = 0; i < charts->len; i++)
    for (int j = 0; j < ((ShuChart *) charts->pdata[i])->n_verts; j++)
      chart[v++] = i;
  return chart;
}

/* A gutter in whole cells, at least as wide as the one asked for. */
static int
cells_of (int gutter, int size, int grid)
{
  return MAX (1, (gutter * grid + size - 1) / size);
}

/* Lets the charts swell, if no texel of @r, which shows the atlas before and
 * after, is there twice for it. */
static void
swell (ShuMesh *m, GPtrArray *charts, int gutter, ShuRaster *r,
    const ShuProgress *progress)
{
  int size = r->width, grid = MIN (size, SWELL_GRID);
  /* What a cell's centre does not show may reach half a cell farther. */
  int cells = cells_of (gutter, size, grid) + (size > grid);
  g_autofree float *packed =
      g_memdup2 (m->uv, 2 * (gsize) m->n_verts * sizeof (float));
  g_autofree gint32 *chart = number_charts (charts, m->n_verts);
  int n_doubles;

  shu_charts_swell (
      m, chart, &(ShuPackGrid){grid, cells, .progress = progress});
  shu_raster_uv (r, m, 0, &n_doubles);
  if (n_doubles) {
    memcpy (m->uv, packed, 2 * (gsize) m->n_verts * sizeof (float));
    shu_raster_uv (r, m, 0, NULL);
  }
}

/* Whether faces of the chart share texels of an atlas of @size, where its
 * vertices lie at @uv: corners rounded to parts of a texel may fold what is
 * flat.  Drawn alone, moved by whole texels into a picture whose sides are
 * powers of two, so that it is rounded as it is there. */
static gboolean
folds_in_place (const ShuChart *c, const float *uv, int size)
{
  g_autofree float *at = g_new (float, 2 * (gsize) c->n_verts);
  ShuMesh alone = {
      .n_verts = c->n_verts, .n_faces = c->n_faces, .uv = at, .faces = c->tris};
  float lo[2] = {G_MAXFLOAT, G_MAXFLOAT}, hi[2] = {-1, -1};
  int side[2], n_doubles;
  g_autoptr (ShuRaster) r = NULL;

  for (int i = 0; i < 2 * c->n_verts; i++) {
    at[i] = uv[i] * size;
    lo[i & 1] = MIN (lo[i & 1], floorf (at[i]));
    hi[i & 1] = MAX (hi[i & 1], at[i]);
  }
  for (int d = 0; d < 2; d++)
    side[d] = 1 << g_bit_storage ((gulong) (hi[d] - lo[d]));
  for (int i = 0; i < 2 * c->n_verts; i++)
    at[i] = (at[i] - lo[i & 1]) / side[i & 1];
  r = shu_raster_new (side[0], side[1], 0);
  shu_raster_uv (r, &alone, 0, &n_doubles);
  return n_doubles > 0;
}

/* Whether a face of the chart that matters has no area where its vertices lie
 * at @uv. */
static gboolean
is_flat_in_place (const ShuSurface *s, const ShuChart *c, const float *uv)
{
  for (int i = 0; i < c->n_faces; i++) {
    const gint32 *t = c->tris + 3 * (gsize) i;
    const float *p = uv + 2 * t[0], *q = uv + 2 * t[1], *r = uv + 2 * t[2];

    if (s->area[c->faces[i]] > least_area * s->total &&
        !(((double) q[0] - p[0]) * ((double) r[1] - p[1]) -
                ((double) q[1] - p[1]) * ((double) r[0] - p[0]) >
            0))
      return TRUE;
  }
  return FALSE;
}

/* Splits the charts that fold when drawn at @resolution, or in @atlas of @size
 * texels, or that have a flat face there.  Returns: whether there are any */
static gboolean
repair_charts (const ShuSurface *s, GPtrArray *charts, const ShuMesh *atlas,
    int size, float resolution, float detail)
{
  guint n = charts->len;
  g_autofree int *first = g_new (int, n + 1);
  g_autofree int *seeds = g_new (int, 2 * n);
  g_autofree gboolean *bad = g_new (gboolean, n);

  first[0] = 0;
  for (guint i = 0; i < n; i++)
    first[i + 1] = first[i] + ((ShuChart *) charts->pdata[i])->n_verts;
#pragma omp parallel for schedule(dynamic, 1)
  for (guint i = 0; i < n; i++) {
    const ShuChart *c = charts->pdata[i];
    const float *uv = atlas->uv + 2 * (gsize) first[i];

    bad[i] =
        !shu_progress_stops (s->progress) &&
        (shu_chart_overlaps (c, resolution * c->density, seeds + 2 * i) > 0 ||
            folds_in_place (c, uv, size) || is_flat_in_place (s, c, uv));
  }
  for (guint i = 0; i < n; i++) {
    ShuChart *c = charts->pdata[i], *part[2];

    if (c->n_faces < 2 || !bad[i])
      continue;
    shu_chart_split (s, c, seeds + 2 * i, part);
    shu_chart_free (c);
    charts->pdata[i] = NULL;
    g_ptr_array_add (charts, part[0]);
    g_ptr_array_add (charts, part[1]);
  }
  if (charts->len == n)
    return FALSE;
  flatten_all (s, charts, n, resolution);
  if (shu_progress_stops (s->progress))
    return FALSE;
  finish_charts (s, charts, detail);
  return TRUE;
}

static ShuPackGrid
pack_grid (int size, int gutter, const ShuProgress *progress)
{
  int grid = MIN (size, PACK_GRID);

  return (ShuPackGrid){grid, cells_of (gutter, size, grid),
      grid == size ? texel_reach : 0.5f, progress};
}

/* Packs, draws the result, and splits charts that double texels, until none
 * does.  Returns: NULL when the charts do not fit. */
static ShuMesh *
pack_and_check (const ShuSurface *s, GPtrArray *charts, int size, int gutter,
    float detail, ShuAtlasReport *report)
{
  ShuPackGrid pack = pack_grid (size, gutter, s->progress);
  int grid = pack.side;
  gboolean flat;
  g_autoptr (ShuRaster) r = shu_raster_new (size, size, 0);
  g_autoptr (ShuMesh) out = NULL;

  for (int repair = 0; repair <= MAX_REPAIRS; repair++) {
    float scale = shu_charts_pack (charts, &pack);

    if (!(scale > 0))
      return NULL;
    g_clear_pointer (&out, shu_mesh_free);
    out = assemble (s->mesh, charts, scale, grid);
    flat = !shu_atlas_raise_slivers (out, s->area) && repair == 0;
    shu_raster_uv (r, out, 0, &report->n_doubles);
    if ((!report->n_doubles && !flat) || repair == MAX_REPAIRS ||
        !repair_charts (s, charts, out, size,
            scale / grid * size * (4 << MIN (repair, MAX_FINER)), detail))
      break;
  }
  if (!report->n_doubles)
    swell (out, charts, gutter, r, s->progress);
  report->n_charts = charts->len;
  shu_atlas_measure (out, r, report);
  return g_steal_pointer (&out);
}

/* @n: charts there are at least */
static gboolean
may_fit (int n, int size, int gutter, GError **error)
{
  ShuPackGrid pack = pack_grid (size, gutter, NULL);

  if (n <= shu_most_charts (&pack))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
      "atlas: %d charts at least do not fit into %d x %d texels: the mesh is "
      "in too many pieces",
      n, size, size);
  return FALSE;
}

/* Whether gluing can leave so few charts that they fit. */
static gboolean
may_be_glued (const GPtrArray *charts, int size, int gutter, GError **error)
{
  ShuPackGrid pack = pack_grid (size, gutter, NULL);
  int n = 0;

  for (guint i = 0; i < charts->len; i++)
    n += charts->pdata[i] != NULL;
  if (n / GLUED <= shu_most_charts (&pack))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
      "atlas: the surface comes apart into %d charts, too many for %d x %d "
      "texels: it is too rough or in too many pieces",
      n, size, size);
  return FALSE;
}

ShuMesh *
shu_atlas (const ShuMesh *mesh, const ShuAtlasParams *params,
    ShuAtlasReport *ret_report, const ShuProgress *progress, GError **error)
{
  int size = params && params->size ? params->size : DEFAULT_SIZE;
  int gutter = params && params->gutter ? params->gutter
                                        : MAX (MIN_GUTTER, size / GUTTER_SHARE);
  float detail =
      params && params->face_detail > 0 ? params->face_detail : default_detail;
  gsize n = mesh->n_faces;
  g_autofree void *normal = g_new (float, MAX (1, 3 * n));
  g_autofree void *next = g_new (gint32, MAX (1, 3 * n));
  g_autofree float *area = g_new (float, MAX (1, n));
  g_autofree guint8 *zone = g_new (guint8, MAX (1, n));
  ShuSurface s = {mesh, normal, area, next, zone, 0, progress};
  ShuAtlasReport report = {0};
  g_autoptr (GPtrArray) charts = NULL;
  g_autoptr (ShuMesh) out = NULL;
  double total = 0;

  g_return_val_if_fail (size >= 64 && size <= 8192, NULL);
  g_return_val_if_fail (gutter > 0 && gutter <= 64, NULL);
  if (!shu_mesh_check (mesh, error) ||
      !shu_progress (progress, "atlas", 0, 3, error))
    return NULL;
  shu_surface_measure (&s);
  for (gsize f = 0; f < n; f++)
    total += area[f];
  if (!(total > 0) || !isfinite (total)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "atlas: %d faces with an area of %g", mesh->n_faces, total);
    return NULL;
  }
  shu_surface_link (&s);
  if (!shu_progress (progress, "atlas", 0, 3, error))
    return NULL;
  if (!may_fit (shu_surface_count_parts (&s), size, gutter, error))
    return NULL;
  charts = shu_charts_cut (&s, min_cos);
  if (!shu_progress (progress, "atlas", 1, 3, error))
    return NULL;
  s.total = (float) total;
  float resolution = (float) (2 * size * sqrt (0.7 / total));
  flatten_all (&s, charts, 0, resolution);
  if (!shu_progress (progress, "atlas", 1, 3, error) ||
      !may_be_glued (charts, size, gutter, error))
    return NULL;
  for (guint i = 0; i < charts->len; i++)
    if (charts->pdata[i])
      ((ShuChart *) charts->pdata[i])->density =
          chart_density (&s, charts->pdata[i], detail);
  shu_charts_glue (&s, charts, resolution);
  if (!shu_progress (progress, "atlas", 1, 3, error))
    return NULL;
  finish_charts (&s, charts, detail);
  if (!shu_progress (progress, "atlas", 2, 3, error))
    return NULL;
  out = pack_and_check (&s, charts, size, gutter, detail, &report);
  if (!shu_progress (progress, "atlas", 3, 3, error))
    return NULL;
  if (!out) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "atlas: %u charts do not fit into %d x %d texels", charts->len, size,
        size);
    return NULL;
  }
  if (ret_report)
    *ret_report = report;
  return g_steal_pointer (&out);
}
