/* SPDX-License-Identifier: MIT */
/* Glues flat charts together where their outlines match: two halves of a limb
 * become one strip.  The seam between two charts is a path in the plane of
 * either; where a rotation lays one path on the other, the surface around it
 * can be unrolled without the cut.  The longest seams go first, and a union
 * stays if it has no folds, little stretch, and a shape that packs. */
#include "geometry/atlas_private.h"
#include "geometry/sets_private.h"
#include <math.h>
#include <string.h>

enum {
  MAX_FACES = 1 << 16,   /* of a union: limits what a trial may take */
  N_RELAX = 3,           /* rounds that follow a union */
  MAX_ROUNDS = 200,      /* of choosing seams; bodies take 20 to 40 */
  TRIALS_OF_FACE = 16,   /* on average; bodies take 3 to 10... */
  FREE_TRIALS = 1 << 16, /* ...and small meshes more */
};

/* Of a union, as parts of the root of the whole area: its longest side; of a
 * seam's length: how far the two paths may lie apart (root mean square). */
static const float longest_side = 0.62f, largest_gap = 0.1f;
/* What a union's box may be less full than those of its parts. */
static const float lost_fill = 0.04f;
/* Charts of more different densities stay apart. */
static const float density_step = 0.1f;
/* Mean squared deviation of lengths. */
static const float most_stretch = 0.012f;

/* Two faces beside the seam, and which edge of each. */
typedef struct {
  gint32 face[2];
  gint8 side[2];
} Edge;

/* A path of edges between two charts. */
typedef struct {
  int chart[2];
  int first, n_edges; /* in the list of edges */
  float length;
} Seam;

/* What decides about the box around a chart. */
typedef struct {
  double area; /* of its faces */
  float fill;  /* how full the smallest box around it is */
  float *uv;   /* points of the map, outer ones */
  int n;
} Outline;

typedef struct {
  const ShuSurface *s;
  GPtrArray *charts; /* NULL where one went into another */
  gint32 *chart;     /* of each face */
  gint32 *slot;      /* of each face: where it is in its chart */
  GArray *outlines;  /* of each chart */
  float extent;      /* longest side that a union may have */
  float resolution;  /* of the test for folds, texels per unit */
  gint64 left;       /* faces that may be tried */
} Gluer;

/* Index in its chart of the vertex where an edge begins (@end 0) or ends. */
static int
edge_vertex (const Gluer *g, int face, int side, int end)
{
  const ShuChart *c = g->charts->pdata[g->chart[face]];

  return c->tris[3 * (gsize) g->slot[face] + (side + end) % 3];
}

static int
compare_edges (gconstpointer pa, gconstpointer pb, gpointer data)
{
  const Gluer *g = data;
  const Edge *a = pa, *b = pb;

  for (int i = 0; i < 2; i++) {
    int p = g->chart[a->face[i]], q = g->chart[b->face[i]];
    if (p != q)
      return p < q ? -1 : 1;
  }
  return a->face[0] != b->face[0] ? (a->face[0] < b->face[0] ? -1 : 1)
                                  : a->side[0] - b->side[0];
}

/* All edges between two charts of a zone. */
static GArray *
find_edges (const Gluer *g)
{
  const ShuSurface *s = g->s;
  GArray *edges = g_array_new (FALSE, FALSE, sizeof (Edge));

  for (int f = 0; f < s->mesh->n_faces; f++)
    for (int k = 0; k < 3; k++) {
      int n = s->next[f][k], j = 0;
      gboolean low;

      if (n < 0 || g->chart[n] <= g->chart[f] || s->zone[n] != s->zone[f])
        continue;
      /* The edge of @n that runs the other way. */
      while (j < 3 && s->mesh->faces[3 * (gsize) n + j] !=
                          s->mesh->faces[3 * (gsize) f + (k + 1) % 3])
        j++;
      low = j < 3 && s->next[n][j] == f;
      if (low)
        g_array_append_val (
            edges, ((Edge){.face = {f, n}, .side = {(gint8) k, (gint8) j}}));
    }
  return edges;
}

/* Keeps the edges that are still between two charts, by pairs of charts. */
static void
sort_edges (const Gluer *g, GArray *edges)
{
  guint n = 0;

  for (guint i = 0; i < edges->len; i++) {
    Edge e = g_array_index (edges, Edge, i);
    int by = g->chart[e.face[1]] - g->chart[e.face[0]];

    if (by > 0)
      g_array_index (edges, Edge, n++) = e;
    else if (by < 0)
      g_array_index (edges, Edge, n++) = (Edge){
          .face = {e.face[1], e.face[0]}, .side = {e.side[1], e.side[0]}};
  }
  g_array_set_size (edges, n);
  g_array_sort_with_data (edges, compare_edges, (gpointer) g);
}

/* An end of an edge: the vertices of both charts that meet there. */
typedef struct {
  gint32 a, b;
  int edge;
} End;

static int
compare_ends (gconstpointer pa, gconstpointer pb)
{
  const End *a = pa, *b = pb;

  if (a->a != b->a)
    return a->a < b->a ? -1 : 1;
  if (a->b != b->b)
    return a->b < b->b ? -1 : 1;
  return (a->edge > b->edge) - (a->edge < b->edge);
}

/* Cuts the edges of a pair of charts into paths, moves those of a path next to
 * each other, and adds them to @seams. */
static void
find_paths (const Gluer *g, Edge *edges, int first, int n, GArray *seams)
{
  g_autofree End *ends = g_new (End, 2 * n);
  g_autofree int *parent = g_new (int, n);
  g_autofree Edge *old = g_memdup2 (edges + first, n * sizeof (Edge));
  int to = first;

  for (int i = 0; i < n; i++) {
    const Edge *e = old + i;
    parent[i] = i;
    for (int end = 0; end < 2; end++)
      ends[2 * i + end] = (End){edge_vertex (g, e->face[0], e->side[0], end),
          edge_vertex (g, e->face[1], e->side[1], 1 - end), i};
  }
  qsort (ends, 2 * n, sizeof (End), compare_ends);
  for (int i = 1; i < 2 * n; i++)
    if (ends[i].a == ends[i - 1].a && ends[i].b == ends[i - 1].b) {
      int p = shu_find_root (parent, ends[i].edge);
      int q = shu_find_root (parent, ends[i - 1].edge);
      parent[MAX (p, q)] = MIN (p, q);
    }
  for (int i = 0; i < n; i++) {
    Seam seam = {{g->chart[old[0].face[0]], g->chart[old[0].face[1]]}, to, 0};

    if (parent[i] != i)
      continue;
    for (int j = i; j < n; j++)
      if (shu_find_root (parent, j) == i) {
        edges[to++] = old[j];
        seam.n_edges++;
        seam.length +=
            shu_edge_length (g->s->mesh, old[j].face[0], old[j].side[0]);
      }
    g_array_append_val (seams, seam);
  }
}

/* The motion of the plane that lays the second chart's side of the seam on the
 * first's: cosine, sine, shift.  Returns: how far apart they stay (root mean
 * square over the length) */
static float
fit_seam (const Gluer *g, const Edge *edges, const Seam *seam, double *ret)
{
  const ShuChart *a = g->charts->pdata[seam->chart[0]];
  const ShuChart *b = g->charts->pdata[seam->chart[1]];
  double mean[4] = {0}, cs = 0, sn = 0, square[2] = {0}, total = 0;

  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < seam->n_edges; i++) {
      const Edge *e = edges + seam->first + i;
      double w = shu_edge_length (g->s->mesh, e->face[0], e->side[0]);

      for (int end = 0; end < 2; end++) {
        const float *p =
            a->uv + 2 * edge_vertex (g, e->face[0], e->side[0], end);
        const float *q =
            b->uv + 2 * edge_vertex (g, e->face[1], e->side[1], 1 - end);
        if (pass == 0) {
          total += w;
          for (int k = 0; k < 2; k++) {
            mean[k] += w * p[k];
            mean[2 + k] += w * q[k];
          }
          continue;
        }
        double x = p[0] - mean[0], y = p[1] - mean[1];
        double u = q[0] - mean[2], v = q[1] - mean[3];
        cs += w * (u * x + v * y);
        sn += w * (u * y - v * x);
        square[0] += w * (x * x + y * y);
        square[1] += w * (u * u + v * v);
      }
    }
    for (int k = 0; pass == 0 && k < 4; k++)
      mean[k] /= MAX (total, 1e-30);
  }
  double len = sqrt (cs * cs + sn * sn);
  double error = square[0] + square[1] - 2 * len;
  ret[0] = len > 0 ? cs / len : 1;
  ret[1] = len > 0 ? sn / len : 0;
  ret[2] = mean[0] - (ret[0] * mean[2] - ret[1] * mean[3]);
  ret[3] = mean[1] - (ret[1] * mean[2] + ret[0] * mean[3]);
  return (float) sqrt (MAX (0, error) / MAX (total, 1e-30));
}

/* Both charts as one, the second moved, their vertices along the seam made
 * one; (transfer full) */
static ShuChart *
join_charts (
    const Gluer *g, const Edge *edges, const Seam *seam, const double *motion)
{
  const ShuChart *part[2] = {
      g->charts->pdata[seam->chart[0]], g->charts->pdata[seam->chart[1]]};
  int n_a = part[0]->n_verts, n = n_a + part[1]->n_verts;
  g_autofree int *parent = g_new (int, n);
  g_autofree int *index = g_new (int, n);
  g_autofree int *count = g_new0 (int, n);
  ShuChart *c = g_new0 (ShuChart, 1);

  for (int i = 0; i < n; i++)
    parent[i] = i;
  for (int i = 0; i < seam->n_edges; i++) {
    const Edge *e = edges + seam->first + i;
    for (int end = 0; end < 2; end++) {
      int p =
          shu_find_root (parent, edge_vertex (g, e->face[0], e->side[0], end));
      int q = shu_find_root (
          parent, n_a + edge_vertex (g, e->face[1], e->side[1], 1 - end));
      parent[MAX (p, q)] = MIN (p, q);
    }
  }
  c->density = (part[0]->density * part[0]->n_faces +
                   part[1]->density * part[1]->n_faces) /
               (part[0]->n_faces + part[1]->n_faces);
  c->n_faces = part[0]->n_faces + part[1]->n_faces;
  c->faces = g_new (gint32, c->n_faces);
  c->tris = g_new (gint32, 3 * (gsize) c->n_faces);
  c->verts = g_new (gint32, n);
  c->uv = g_new0 (float, 2 * (gsize) n);
  for (int i = 0; i < n; i++) {
    const ShuChart *from = part[i >= n_a];
    const float *uv = from->uv + 2 * (i >= n_a ? i - n_a : i);
    int root = shu_find_root (parent, i);

    if (root == i) {
      index[i] = c->n_verts;
      c->verts[c->n_verts++] = from->verts[i >= n_a ? i - n_a : i];
    }
    index[i] = index[root];
    float *to = c->uv + 2 * index[i];
    if (i < n_a) {
      to[0] += uv[0];
      to[1] += uv[1];
    } else {
      to[0] += (float) (motion[0] * uv[0] - motion[1] * uv[1] + motion[2]);
      to[1] += (float) (motion[1] * uv[0] + motion[0] * uv[1] + motion[3]);
    }
    count[index[i]]++;
  }
  for (int i = 0; i < 2 * c->n_verts; i++)
    c->uv[i] /= count[i / 2];
  for (int p = 0, f = 0; p < 2; p++)
    for (int i = 0; i < part[p]->n_faces; i++, f++) {
      c->faces[f] = part[p]->faces[i];
      for (int k = 0; k < 3; k++)
        c->tris[3 * f + k] = index[part[p]->tris[3 * i + k] + (p ? n_a : 0)];
    }
  return c;
}

/* Whether the charts beside a seam may become one, as far as the seam and the
 * box around both tell.  @ret_motion: of fit_seam() */
static gboolean
may_unite (
    const Gluer *g, const Edge *edges, const Seam *seam, double *ret_motion)
{
  const ShuChart *a = g->charts->pdata[seam->chart[0]];
  const ShuChart *b = g->charts->pdata[seam->chart[1]];
  const Outline *p = &g_array_index (g->outlines, Outline, seam->chart[0]);
  const Outline *q = &g_array_index (g->outlines, Outline, seam->chart[1]);
  const double *m = ret_motion;
  float side;

  if (a->n_faces + b->n_faces > MAX_FACES ||
      fabsf (a->density - b->density) > density_step ||
      fit_seam (g, edges, seam, ret_motion) > largest_gap * seam->length)
    return FALSE;
  g_autofree float *uv = g_new (float, 2 * (p->n + q->n));
  memcpy (uv, p->uv, 2 * p->n * sizeof (float));
  for (int i = 0; i < q->n; i++) {
    float *to = uv + 2 * (p->n + i);
    to[0] = (float) (m[0] * q->uv[2 * i] - m[1] * q->uv[2 * i + 1] + m[2]);
    to[1] = (float) (m[1] * q->uv[2 * i] + m[0] * q->uv[2 * i + 1] + m[3]);
  }
  double box = shu_smallest_box (uv, p->n + q->n, NULL, &side);
  double fill = (p->area + q->area) / MAX (box, 1e-30);
  double wanted =
      ((double) p->fill * a->n_faces + (double) q->fill * b->n_faces) /
      (a->n_faces + b->n_faces);
  return side <= g->extent && fill >= wanted - lost_fill;
}

/* The union along a seam, if it is a good one; (transfer full) (nullable) */
static ShuChart *
try_union (const Gluer *g, const Edge *edges, const Seam *seam)
{
  double motion[4];
  float stretch;
  ShuChart *c;

  fit_seam (g, edges, seam, motion);
  c = join_charts (g, edges, seam, motion);
  if (!shu_chart_relax (g->s, c, N_RELAX, &stretch) || stretch > most_stretch ||
      shu_chart_overlaps (c, g->resolution, NULL)) {
    shu_chart_free (c);
    return NULL;
  }
  return c;
}

static int
compare_seams (gconstpointer pa, gconstpointer pb)
{
  const Seam *a = pa, *b = pb;

  if (a->length != b->length)
    return a->length > b->length ? -1 : 1;
  return a->first - b->first;
}

static void
outline_clear (gpointer data)
{
  g_free (((Outline *) data)->uv);
}

/* Takes in all charts from @first on. */
static void
index_charts (Gluer *g, guint first)
{
  g_array_set_size (g->outlines, g->charts->len);
#pragma omp parallel for schedule(dynamic, 1)
  for (guint i = first; i < g->charts->len; i++) {
    const ShuChart *c = g->charts->pdata[i];
    Outline *o = &g_array_index (g->outlines, Outline, i);

    if (!c)
      continue;
    o->uv = shu_outer_points (c->uv, c->n_verts, &o->n);
    for (int j = 0; j < c->n_faces; j++) {
      o->area += g->s->area[c->faces[j]];
      g->chart[c->faces[j]] = i;
      g->slot[c->faces[j]] = j;
    }
    o->fill = (float) (o->area /
                       MAX (shu_smallest_box (o->uv, o->n, NULL, NULL), 1e-30));
  }
}

/* All seams, longest first. */
static GArray *
find_seams (const Gluer *g, GArray *edges)
{
  GArray *seams = g_array_new (FALSE, FALSE, sizeof (Seam));
  Edge *e = (Edge *) edges->data;
  int n = edges->len;

  for (int i = 0, j; i < n; i = j) {
    for (j = i + 1; j < n && g->chart[e[j].face[0]] == g->chart[e[i].face[0]] &&
                    g->chart[e[j].face[1]] == g->chart[e[i].face[1]];
         j++)
      ;
    find_paths (g, e, i, j - i, seams);
  }
  g_array_sort (seams, compare_seams);
  return seams;
}

/* Charts are never the same ones again after a union. */
static guint64
seam_key (const Edge *edges, const Seam *s)
{
  const Edge *e = edges + s->first;

  return ((guint64) s->chart[0] << 20 ^ s->chart[1]) * 1000003 +
         3 * (guint64) e->face[0] + e->side[0];
}

/* Seams to try, of which no two touch the same chart, longest first: their
 * trials do not depend on each other.  @tried: what does not match */
static GArray *
choose_seams (
    Gluer *g, const GArray *seams, const Edge *edges, GHashTable *tried)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (Seam));
  g_autofree guint8 *busy = g_malloc0 (g->charts->len);
  g_autofree guint8 *ok = g_malloc0 (MAX (1, seams->len));

#pragma omp parallel for schedule(dynamic, 1)
  for (guint i = 0; i < seams->len; i++) {
    const Seam *s = &g_array_index (seams, Seam, i);
    guint64 key = seam_key (edges, s);
    double motion[4];

    ok[i] = !g_hash_table_contains (tried, &key) &&
            !shu_progress_stops (g->s->progress) &&
            may_unite (g, edges, s, motion);
  }
  for (guint i = 0; i < seams->len; i++) {
    const Seam *s = &g_array_index (seams, Seam, i);
    guint64 key = seam_key (edges, s);

    if (ok[i] && (busy[s->chart[0]] || busy[s->chart[1]]))
      continue;
    if (ok[i]) {
      if (g->left <= 0)
        break;
      for (int k = 0; k < 2; k++) {
        busy[s->chart[k]] = 1;
        g->left -= ((ShuChart *) g->charts->pdata[s->chart[k]])->n_faces;
      }
      g_array_append_val (chosen, *s);
    }
    g_hash_table_add (tried, g_memdup2 (&key, sizeof key));
  }
  return chosen;
}

/* One pass over all seams.  @edges: (inout): those between charts
 * Returns: how many unions were tried */
static int
glue_once (Gluer *g, GArray *edges, GHashTable *tried)
{
  sort_edges (g, edges);

  g_autoptr (GArray) seams = find_seams (g, edges);
  const Edge *e = (const Edge *) edges->data;
  g_autoptr (GArray) chosen = choose_seams (g, seams, e, tried);
  g_autofree ShuChart **made = g_new0 (ShuChart *, MAX (1, chosen->len));
  int n_charts = g->charts->len;

  /* One alone has the threads for its pictures. */
#pragma omp parallel for schedule(dynamic, 1) if (chosen->len > 1)
  for (guint i = 0; i < chosen->len; i++)
    if (!shu_progress_stops (g->s->progress))
      made[i] = try_union (g, e, &g_array_index (chosen, Seam, i));
  for (guint i = 0; i < chosen->len; i++) {
    const Seam *s = &g_array_index (chosen, Seam, i);
    if (!made[i])
      continue;
    for (int k = 0; k < 2; k++) {
      shu_chart_free (g->charts->pdata[s->chart[k]]);
      g->charts->pdata[s->chart[k]] = NULL;
    }
    g_ptr_array_add (g->charts, made[i]);
  }
  index_charts (g, n_charts);
  return chosen->len;
}

void
shu_charts_glue (const ShuSurface *s, GPtrArray *charts, float resolution)
{
  gsize n = s->mesh->n_faces;
  g_autofree gint32 *chart = g_new (gint32, n);
  g_autofree gint32 *slot = g_new (gint32, n);
  g_autoptr (GHashTable) tried =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GArray) outlines = g_array_new (FALSE, TRUE, sizeof (Outline));
  g_autoptr (GArray) edges = NULL;
  Gluer g = {s, charts, chart, slot, outlines, 0, resolution,
      TRIALS_OF_FACE * (gint64) n + FREE_TRIALS};
  double area = 0;

  g_array_set_clear_func (outlines, outline_clear);
  for (gsize f = 0; f < n; f++)
    area += s->area[f];
  g.extent = (float) (longest_side * sqrt (area));
  index_charts (&g, 0);
  edges = find_edges (&g);
  for (int round = 0; round < MAX_ROUNDS && !shu_progress_stops (s->progress);
       round++)
    if (glue_once (&g, edges, tried) == 0)
      break;
}
