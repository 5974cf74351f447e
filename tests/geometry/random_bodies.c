/* SPDX-License-Identifier: MIT */
#include "random_bodies.h"
#include "shapes.h"
#include "geometry/normals.h"
#include <math.h>
#include <string.h>

enum { SPHERE, CAPSULE, BOX, RING, N_KINDS };

void
random_body (guint32 seed, RandomBody *ret_body)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  ret_body->seed = seed;
  ret_body->n_parts = g_rand_int_range (rand, 1, RANDOM_MAX_PARTS + 1);
  for (int i = 0; i < ret_body->n_parts; i++) {
    RandomPart *p = &ret_body->parts[i];
    double length = 0;

    p->kind = g_rand_int_range (rand, 0, N_KINDS);
    p->carved = i > 0 && g_rand_int_range (rand, 0, 4) == 0;
    for (int k = 0; k < 3; k++) {
      p->center[k] = g_rand_double_range (rand, -0.25, 0.25);
      p->axis[k] = g_rand_double_range (rand, -1, 1);
      length += p->axis[k] * p->axis[k];
    }
    for (int k = 0; k < 3; k++)
      p->axis[k] /= sqrt (length);
    p->length = g_rand_double_range (rand, 0.05, 0.3);
    p->radius = g_rand_double_range (rand, 0.06, i == 0 ? 0.25 : 0.15);
  }
}

static double
part_distance (const RandomPart *c, const double *p)
{
  double along = 0, d2 = 0, q[3], off;

  for (int k = 0; k < 3; k++) {
    q[k] = p[k] - c->center[k];
    along += q[k] * c->axis[k];
    d2 += q[k] * q[k];
  }
  off = sqrt (MAX (0, d2 - along * along)); /* from the axis */
  switch (c->kind) {
  case SPHERE:
    return sqrt (d2) - c->radius;
  case CAPSULE:
    return hypot (off, MAX (0, fabs (along) - c->length)) - c->radius;
  case BOX:
    return MAX (
        MAX (fabs (q[0]), fabs (q[1])) - c->radius, fabs (q[2]) - c->length);
  default:
    return hypot (off - c->length, along) - c->radius / 2;
  }
}

double
random_body_distance (const RandomBody *body, const double *p)
{
  double d = INFINITY;

  for (int i = 0; i < body->n_parts; i++) {
    double part = part_distance (&body->parts[i], p);

    d = body->parts[i].carved ? MAX (d, -part) : MIN (d, part);
  }
  return d;
}

ShuMesh *
random_body_extract (const RandomBody *body)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (body->seed + 1);
  int R = 14 + body->seed % 16;
  double noise = body->seed % 2 ? 0.8 : 0, width = 1.5 + body->seed % 3;
  int loss = body->seed % 4 == 3 ? 40 : 0; /* one cell of so many */
  g_autoptr (GArray) coords = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GArray) feats = g_array_new (FALSE, FALSE, sizeof (float));

  for (int i = 0; i < R * R * R; i++) {
    gint32 c[3] = {i / R / R, i / R % R, i % R};
    double p[3];
    float f[101];

    for (int k = 0; k < 3; k++)
      p[k] = (c[k] + 0.5) / R - 0.5;
    if (fabs (random_body_distance (body, p)) * R > width ||
        (loss && g_rand_int_range (rand, 0, loss) == 0))
      continue;
    for (int k = 0; k < 101; k++)
      f[k] = noise > 0 ? noise * g_rand_double_range (rand, -1, 1) : 0;
    for (int corner = 0; corner < 8; corner++) {
      for (int k = 0; k < 3; k++)
        p[k] = (double) (c[k] + (corner >> k & 1)) / R - 0.5;
      f[corner] += R * random_body_distance (body, p) + 1.0 / R;
    }
    g_array_append_vals (coords, c, 3);
    g_array_append_vals (feats, f, 101);
  }
  return shu_flexicubes (&(ShuFlexiCubesInput){.resolution = R,
                             .n_cells = coords->len / 3,
                             .coords = (const gint32 *) coords->data,
                             .coord_stride = 3,
                             .n_channels = 101,
                             .feats = (const float *) feats->data},
      NULL);
}

static ShuMesh *
add (ShuMesh *mesh, ShuMesh *more)
{
  ShuMesh *both = shapes_join (mesh, more);

  shu_mesh_free (mesh);
  shu_mesh_free (more);
  return both;
}

/* The same a little further in, or out of the body's inner surface. */
static ShuMesh *
inner_copy (const ShuMesh *mesh, gboolean turned)
{
  ShuMesh *copy = shu_mesh_copy (mesh);
  g_autofree float *normals = g_new (float, 3 * mesh->n_verts + 1);

  shu_mesh_normals (mesh, normals);
  for (int i = 0; i < 3 * copy->n_verts; i++)
    copy->pos[i] -= 0.01f * normals[i];
  for (int f = 0; f < copy->n_faces && turned; f++) {
    gint32 t = copy->faces[3 * f];

    copy->faces[3 * f] = copy->faces[3 * f + 1];
    copy->faces[3 * f + 1] = t;
  }
  return copy;
}

/* Eight-sided, open at both ends, along z from one place to another. */
static ShuMesh *
tube (const double *at, double radius, double length)
{
  ShuMesh *m = shu_mesh_new (16, 16, TRUE, FALSE);

  for (int v = 0; v < 16; v++) {
    m->pos[3 * v] = at[0] + radius * cos (v % 8 * G_PI / 4);
    m->pos[3 * v + 1] = at[1] + radius * sin (v % 8 * G_PI / 4);
    m->pos[3 * v + 2] = at[2] + v / 8 * length;
    for (int k = 0; k < 6; k++)
      m->attr[6 * v + k] = 0.5f;
  }
  for (int i = 0; i < 8; i++)
    memcpy (m->faces + 6 * i,
        (gint32[]){i, (i + 1) % 8, i + 8, (i + 1) % 8, (i + 1) % 8 + 8, i + 8},
        6 * sizeof (gint32));
  return m;
}

static ShuMesh *
add_pieces (ShuMesh *m, GRand *rand, guint32 bits)
{
  double at[3];

  if (bits & 1)
    m = add (m, inner_copy (m, bits & 2));
  for (int i = 0; i < 3 && bits & 4; i++) {
    for (int k = 0; k < 3; k++)
      at[k] = g_rand_double_range (rand, -0.2, 0.2);
    m = add (m, tube (at, 0.02, 0.2));
  }
  for (int i = 0; i < 3 && bits & 8; i++) {
    for (int k = 0; k < 3; k++)
      at[k] = g_rand_double_range (rand, -0.45, 0.45);
    m = add (m, shapes_sphere (at, 0.01, 8));
  }
  return m;
}

static void
damage_faces (ShuMesh *m, GRand *rand, guint32 bits)
{
  int n = MAX (1, m->n_faces / 50), drop = 0;

  for (int i = 0; i < n; i++) {
    gint32 *f = m->faces + 3 * g_rand_int_range (rand, 0, m->n_faces);
    gint32 *g = m->faces + 3 * g_rand_int_range (rand, 0, m->n_faces), t;

    if (bits & 1) { /* turned */
      t = f[0];
      f[0] = f[1];
      f[1] = t;
    }
    if (bits & 2) /* there twice, and a hole */
      memcpy (f, g, 3 * sizeof *f);
    if (bits & 4 && i % 4 == 0) /* without extent */
      f[1] = f[2];
    if (bits & 8 && i % 8 == 0) /* to a vertex elsewhere */
      f[0] = g[0];
    if (bits & 16 && i % 4 == 0) /* vertices that meet */
      memcpy (m->pos + 3 * f[0], m->pos + 3 * g[0], 3 * sizeof (float));
  }
  if (bits & 32) /* a hole of any size */
    drop = g_rand_int_range (rand, 1, MAX (2, m->n_faces / 8));
  m->n_faces -= drop;
}

ShuMesh *
random_damage (const ShuMesh *mesh, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed + 2);
  ShuMesh *m = shu_mesh_copy (mesh);

  if (m->n_faces == 0)
    return m;
  m = add_pieces (m, rand, g_rand_int (rand) & g_rand_int (rand));
  damage_faces (m, rand, g_rand_int (rand) & g_rand_int (rand));
  return m;
}
