/* SPDX-License-Identifier: MIT */
#include "shapes.h"
#include <math.h>
#include <string.h>

double
field_sphere (const double *p)
{
  return sqrt (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]) - 0.3;
}

double
field_torus (const double *p)
{
  double ring = sqrt (p[0] * p[0] + p[1] * p[1]) - 0.3;

  return sqrt (ring * ring + p[2] * p[2]) - 0.1;
}

static double
capsule (const double *p, const double *c)
{
  double d[3], q[3], dd = 0, dq = 0, t, sum = 0;

  for (int k = 0; k < 3; k++) {
    d[k] = c[3 + k] - c[k];
    q[k] = p[k] - c[k];
    dd += d[k] * d[k];
    dq += d[k] * q[k];
  }
  t = CLAMP (dq / dd, 0, 1);
  for (int k = 0; k < 3; k++)
    sum += (q[k] - t * d[k]) * (q[k] - t * d[k]);
  return sqrt (sum) - c[6];
}

double
field_person (const double *p)
{
  static const double parts[][7] = {
      {0, 0, 0.05, 0, 0, 0.22, 0.1},       /* trunk */
      {0, 0, 0.43, 0, 0, 0.44, 0.075},     /* head */
      {0, 0, 0.25, 0, 0, 0.4, 0.04},       /* neck */
      {0.06, 0, 0, 0.09, 0, -0.47, 0.045}, /* legs */
      {-0.06, 0, 0, -0.09, 0, -0.47, 0.045},
      {0.1, 0, 0.26, 0.3, 0, 0.05, 0.035}, /* arms */
      {-0.1, 0, 0.26, -0.3, 0, 0.05, 0.035},
      {0.3, 0, 0.05, 0.26, -0.1, -0.1, 0.03}, /* forearms */
      {-0.3, 0, 0.05, -0.26, -0.1, -0.1, 0.03},
  };
  double d = 1;

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    d = MIN (d, capsule (p, parts[i]));
  return d;
}

ShuFlexiCubesInput
shapes_features (
    Field field, int resolution, double width, double noise, guint32 seed)
{
  int R = resolution;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  GArray *coords = g_array_new (FALSE, FALSE, sizeof (gint32));
  GArray *feats = g_array_new (FALSE, FALSE, sizeof (float));
  gint32 c[3];

  for (c[0] = 0; c[0] < R; c[0]++)
    for (c[1] = 0; c[1] < R; c[1]++)
      for (c[2] = 0; c[2] < R; c[2]++) {
        float f[101];
        double p[3];

        for (int k = 0; k < 3; k++)
          p[k] = (c[k] + 0.5) / R - 0.5;
        if (fabs (field (p)) * R > width)
          continue;
        for (int i = 0; i < 101; i++)
          f[i] = noise > 0 ? noise * g_rand_double_range (rand, -1, 1) : 0;
        for (int i = 0; i < 8; i++) {
          for (int k = 0; k < 3; k++)
            p[k] = (double) (c[k] + (i >> k & 1)) / R - 0.5;
          f[i] += R * field (p) + 1.0 / R;
        }
        g_array_append_vals (coords, c, 3);
        g_array_append_vals (feats, f, 101);
      }
  return (ShuFlexiCubesInput){.resolution = R,
      .n_cells = coords->len / 3,
      .coords = (gint32 *) g_array_free (coords, FALSE),
      .coord_stride = 3,
      .n_channels = 101,
      .feats = (float *) g_array_free (feats, FALSE)};
}

void
shapes_features_clear (ShuFlexiCubesInput *in)
{
  g_free ((gpointer) in->coords);
  g_free ((gpointer) in->feats);
}

ShuMesh *
shapes_extract (
    Field field, int resolution, double width, double noise, guint32 seed)
{
  ShuFlexiCubesInput in =
      shapes_features (field, resolution, width, noise, seed);
  g_autoptr (GError) error = NULL;
  ShuMesh *mesh = shu_flexicubes (&in, &error);

  g_assert_no_error (error);
  shapes_features_clear (&in);
  return mesh;
}

ShuMesh *
shapes_sphere (const double *center, double radius, int n)
{
  int n_rows = n / 2 - 1, n_faces = 0;
  ShuMesh *m = shu_mesh_new (n_rows * n + 2, 2 * n_rows * n, TRUE, FALSE);

  for (int v = 0; v < m->n_verts; v++) {
    gboolean is_pole = v >= n_rows * n;
    double lat = is_pole ? (v == n_rows * n ? -G_PI_2 : G_PI_2)
                         : G_PI * (v / n + 1) / (n_rows + 1) - G_PI_2;
    double lon = is_pole ? 0 : 2 * G_PI * (v % n) / n;
    double d[3] = {cos (lat) * cos (lon), cos (lat) * sin (lon), sin (lat)};

    for (int k = 0; k < 3; k++) {
      m->pos[3 * v + k] = center[k] + radius * d[k];
      m->attr[6 * v + k] = 0.5 + 0.4 * d[k];
      m->attr[6 * v + 3 + k] = 0.5 + 0.5 * d[k];
    }
  }
  for (int i = 0; i < n; i++) {
    int j = (i + 1) % n, top = (n_rows - 1) * n;
    gint32 caps[6] = {n_rows * n, j, i, n_rows * n + 1, top + i, top + j};

    memcpy (m->faces + 3 * n_faces, caps, sizeof caps);
    n_faces += 2;
    for (int r = 0; r + 1 < n_rows; r++) {
      int a = r * n + i, b = r * n + j, c = b + n, d = a + n;
      gint32 quad[6] = {a, b, c, a, c, d};

      memcpy (m->faces + 3 * n_faces, quad, sizeof quad);
      n_faces += 2;
    }
  }
  g_assert_cmpint (n_faces, ==, m->n_faces);
  return m;
}

ShuMesh *
shapes_join (const ShuMesh *a, const ShuMesh *b)
{
  gboolean attr = a->attr && b->attr;
  ShuMesh *m = shu_mesh_new (
      a->n_verts + b->n_verts, a->n_faces + b->n_faces, attr, FALSE);

  memcpy (m->pos, a->pos, 12 * (gsize) a->n_verts);
  memcpy (m->pos + 3 * a->n_verts, b->pos, 12 * (gsize) b->n_verts);
  if (attr) {
    memcpy (m->attr, a->attr, 24 * (gsize) a->n_verts);
    memcpy (m->attr + 6 * a->n_verts, b->attr, 24 * (gsize) b->n_verts);
  }
  memcpy (m->faces, a->faces, 12 * (gsize) a->n_faces);
  for (int i = 0; i < 3 * b->n_faces; i++)
    m->faces[3 * a->n_faces + i] = b->faces[i] + a->n_verts;
  return m;
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  const gint32 *l = a, *r = b;

  for (int k = 0; k < 3; k++)
    if (l[k] != r[k])
      return l[k] < r[k] ? -1 : 1;
  return l[3] < r[3] ? -1 : l[3] > r[3];
}

static int
find (int *parent, int i)
{
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}

static gint32
sort3 (gint32 *v)
{
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < 2 - i; k++)
      if (v[k] > v[k + 1]) {
        gint32 t = v[k];
        v[k] = v[k + 1];
        v[k + 1] = t;
      }
  return v[0];
}

static int
count_duplicates (const ShuMesh *m)
{
  g_autofree gint32 *keys = g_new (gint32, 4 * m->n_faces + 1);
  int n = 0;

  for (int f = 0; f < m->n_faces; f++) {
    memcpy (keys + 4 * f, m->faces + 3 * f, 12);
    sort3 (keys + 4 * f);
    keys[4 * f + 3] = 0;
  }
  qsort (keys, m->n_faces, 16, compare_keys);
  for (int f = 1; f < m->n_faces; f++)
    n += compare_keys (keys + 4 * f - 4, keys + 4 * f) == 0;
  return n;
}

Facts
shapes_facts (const ShuMesh *m)
{
  int n_corners = 3 * m->n_faces, n_edges = 0, n_used = 0, n_fans = 0;
  g_autofree gint32 *keys = g_new (gint32, 4 * n_corners + 1);
  g_autofree int *face_set = g_new (int, m->n_faces + 1);
  g_autofree int *corner_set = g_new (int, n_corners + 1);
  g_autofree guint8 *used = g_new0 (guint8, m->n_verts + 1);
  Facts facts = {0};

  for (int f = 0; f < m->n_faces; f++) {
    double p[3][3], n[3], cross = 0;

    face_set[f] = f;
    for (int k = 0; k < 3; k++) {
      int a = m->faces[3 * f + k], b = m->faces[3 * f + (k + 1) % 3];
      gint32 key[4] = {MIN (a, b), MAX (a, b), a > b, 3 * f + k};

      memcpy (keys + 4 * (3 * f + k), key, 16);
      corner_set[3 * f + k] = 3 * f + k;
      used[a] = TRUE;
      for (int d = 0; d < 3; d++)
        p[k][d] = m->pos[3 * a + d];
    }
    for (int d = 0; d < 3; d++) {
      int e = (d + 1) % 3, g = (d + 2) % 3;

      n[d] = (p[1][e] - p[0][e]) * (p[2][g] - p[0][g]) -
             (p[1][g] - p[0][g]) * (p[2][e] - p[0][e]);
      facts.volume += n[d] * p[0][d] / 6;
      cross += n[d] * n[d];
    }
    facts.area += sqrt (cross) / 2;
    facts.n_degenerate += !(sqrt (cross) > 1e-14);
  }
  qsort (keys, n_corners, 16, compare_keys);
  for (int i = 0, end; i < n_corners; i = end) {
    int forward = 0;

    for (end = i; end < n_corners && keys[4 * end] == keys[4 * i] &&
                  keys[4 * end + 1] == keys[4 * i + 1];
         end++) {
      int c = keys[4 * i + 3], o = keys[4 * end + 3];
      int cn = c - c % 3 + (c + 1) % 3, on = o - o % 3 + (o + 1) % 3;
      /* Corners at the same vertex join into fans across the edge. */
      gboolean same = m->faces[c] == m->faces[o];

      forward += keys[4 * end + 2] == 0;
      face_set[find (face_set, o / 3)] = find (face_set, c / 3);
      corner_set[find (corner_set, same ? o : on)] = find (corner_set, c);
      corner_set[find (corner_set, same ? on : o)] = find (corner_set, cn);
    }
    n_edges++;
    facts.n_border += end - i == 1;
    facts.n_bad_edges += end - i > 2 || (end - i == 2 && forward != 1);
  }
  for (int f = 0; f < m->n_faces; f++)
    facts.n_components += face_set[f] == f;
  for (int c = 0; c < n_corners; c++)
    n_fans += corner_set[c] == c;
  for (int v = 0; v < m->n_verts; v++)
    n_used += used[v];
  facts.n_bad_verts = n_fans - n_used;
  facts.n_duplicate = count_duplicates (m);
  facts.euler = n_used - n_edges + m->n_faces;
  return facts;
}

void
shapes_assert_closed (const ShuMesh *mesh)
{
  Facts f;

  g_assert_nonnull (mesh);
  g_assert_true (shu_mesh_check (mesh, NULL));
  f = shapes_facts (mesh);
  g_assert_cmpint (f.n_border, ==, 0);
  g_assert_cmpint (f.n_bad_edges, ==, 0);
  g_assert_cmpint (f.n_bad_verts, ==, 0);
  g_assert_cmpint (f.n_degenerate, ==, 0);
  g_assert_cmpint (f.n_duplicate, ==, 0);
  g_assert_cmpfloat (f.volume, >, 0);
}
