/* SPDX-License-Identifier: MIT */
/* Runners for the sampler, for surface extraction, and for all of Stage 2's
 * networks in a row. */
#include "golden_stage2.h"
#include "geometry/flexicubes.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "sampling/flow_euler.h"
#include <math.h>
#include <string.h>

enum { MAX_STEPS = 1000 };

/* ---- sampler ---- */

typedef struct {
  int steps;
  double strength;
  double interval[2];
  double sigma_min;
  double t[MAX_STEPS + 1];
} Sampler;

static Sampler
read_sampler (ShuConfig *config)
{
  Sampler s = {
      .steps = shu_config_int (config, "steps", 1, MAX_STEPS, -1),
      .strength = shu_config_float (config, "cfg_strength", 0, 1000, NAN),
      .sigma_min = shu_config_float (config, "sigma_min", 0, 1, NAN),
  };

  shu_config_floats (config, "cfg_interval", 2, s.interval);
  shu_flow_times (
      s.steps, shu_config_float (config, "rescale_t", 1e-3, 1e3, NAN), s.t);
  return s;
}

/* The velocity that the file was made with */
static void
toy_velocity (
    const float *x, const float *cond, float time, float *ret_v, gsize n)
{
  double s = sin (0.002 * (double) time);

  for (gsize i = 0; i < n; i++)
    ret_v[i] = 0.3 * x[i] + (cond ? s * cond[i] : 0) - 0.05 * x[i] * x[i];
}

static float *
get_floats (GoldenCase *t, const char *name, gsize *ret_n)
{
  g_autofree double *values = golden_values (t, name, ret_n);
  float *floats = g_new0 (float, MAX (*ret_n, 1));

  for (gsize i = 0; i < *ret_n; i++)
    floats[i] = (float) values[i];
  return floats;
}

/* 1e-6 + 1e-5 of the largest magnitude, as the file says */
static void
expect_samples (GoldenCase *t, const char *name, const float *value, gsize n)
{
  g_autofree double *data = g_new (double, n);
  double max = 0;

  for (gsize i = 0; i < n; i++) {
    data[i] = value[i];
    max = MAX (max, fabs (data[i]));
  }
  golden_expect_within (t, name, data, n, 1e-6 + 1e-5 * max);
}

void
golden_run_slat_sampler (GoldenCase *t)
{
  Sampler s = read_sampler (t->config);
  gsize n, n_cond;
  g_autofree float *x = get_floats (t, "in.noise", &n);
  g_autofree float *cond = get_floats (t, "in.cond", &n_cond);
  g_autofree float *v = g_new (float, n);
  g_autofree float *u = g_new (float, n);
  g_autofree float *all_x = g_new (float, n *s.steps);
  g_autofree float *all_x0 = g_new (float, n *s.steps);
  g_autofree gint32 *used = g_new0 (gint32, s.steps);
  double t25[26];

  shu_flow_times (
      25, shu_config_float (t->config, "rescale_t", 0, 1e3, NAN), t25);
  golden_expect_within (t, "out.t_seq", s.t, s.steps + 1, 1e-15);
  golden_expect_within (t, "out.t_seq25", t25, 26, 1e-15);
  for (int i = 0; i < s.steps; i++) {
    float time = shu_flow_timestep (s.t[i]);

    used[i] = shu_flow_is_guided (s.t[i], s.interval[0], s.interval[1]);
    toy_velocity (x, cond, time, v, n);
    if (used[i]) {
      toy_velocity (x, NULL, time, u, n);
      shu_guide_strength (v, u, s.strength, v, n);
    }
    shu_flow_predict_data (x, v, s.t[i], s.sigma_min, all_x0 + i * n, n);
    shu_flow_step (x, v, s.t[i], s.t[i + 1], n, SHU_FLOW_F32);
    memcpy (all_x + i * n, x, n * sizeof *x);
  }
  golden_expect_exact (t, "mid.used_cfg", used, s.steps);
  expect_samples (t, "out.x", all_x, n * s.steps);
  expect_samples (t, "out.x0", all_x0, n * s.steps);
  expect_samples (t, "out.samples", x, n);
}

/* ---- surface extraction ---- */

/* "NAME limit on faces with area > least" of the stated tolerance */
static void
stated_normal_limit (GoldenCase *t, double *ret_limit, double *ret_area)
{
  const char *text = golden_metadata (t, "tolerance");
  const char *at = text ? strstr (text, "face_normals ") : NULL;
  const char *area = at ? strstr (at, "area > ") : NULL;

  *ret_limit = at ? g_ascii_strtod (at + strlen ("face_normals "), NULL) : 1e-2;
  *ret_area = area ? g_ascii_strtod (area + strlen ("area > "), NULL) : 1e-7;
}

/* Normals say nothing about faces without area. */
static void
expect_face_normals (GoldenCase *t, const ShuMesh *m)
{
  gsize n;
  g_autofree double *golden = golden_values (t, "out.face_normals", &n);
  double limit, least, worst = 0;

  stated_normal_limit (t, &limit, &least);
  if (!golden || n != 3 * (gsize) m->n_faces)
    return;
  for (int f = 0; f < m->n_faces; f++) {
    const gint32 *v = m->faces + 3 * (gsize) f;
    const float *p = m->pos + 3 * (gsize) v[0];
    double a[3], b[3], normal[3], area;

    for (int k = 0; k < 3; k++) {
      a[k] = (double) m->pos[3 * (gsize) v[1] + k] - p[k];
      b[k] = (double) m->pos[3 * (gsize) v[2] + k] - p[k];
    }
    for (int k = 0; k < 3; k++) {
      int i = (k + 1) % 3, j = (k + 2) % 3;

      normal[k] = a[i] * b[j] - a[j] * b[i];
    }
    area = sqrt (
        normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    for (int k = 0; k < 3 && area / 2 > least; k++)
      worst = MAX (worst, fabs (normal[k] / area - golden[3 * (gsize) f + k]));
  }
  golden_expect_error (t, "out.face_normals", worst, limit);
}

/* @vertex_limit: absolute, or 0 for the set's own */
static void
expect_mesh (GoldenCase *t, const ShuMesh *m, double vertex_limit)
{
  gsize n = 3 * (gsize) m->n_verts;

  golden_expect_exact (t, "out.faces", m->faces, 3 * (gsize) m->n_faces);
  if (vertex_limit > 0) {
    g_autofree double *pos = g_new (double, MAX (n, 1));

    for (gsize i = 0; i < n; i++)
      pos[i] = m->pos[i];
    golden_expect_within (t, "out.vertices", pos, n, vertex_limit);
  } else {
    golden_expect_floats (t, "out.vertices", m->pos, n);
  }
  if (m->attr)
    golden_expect_floats (t, "out.vertex_attrs", m->attr, 2 * n);
  expect_face_normals (t, m);
}

/* Half precision moves vertices over edges and turns faces of no size: so it is
 * the surface that must agree, its area and how far apart the vertices are. */

static double
area_of (const double *pos, const double *faces, gsize n_faces)
{
  double area = 0;

  for (gsize f = 0; f < n_faces; f++) {
    const double *p[3];
    double a[3], b[3], square = 0;

    for (int k = 0; k < 3; k++)
      p[k] = pos + 3 * (gsize) faces[3 * f + k];
    for (int k = 0; k < 3; k++) {
      a[k] = p[1][k] - p[0][k];
      b[k] = p[2][k] - p[0][k];
    }
    for (int k = 0; k < 3; k++)
      square += pow (a[k] * b[(k + 1) % 3] - a[(k + 1) % 3] * b[k], 2);
    area += sqrt (square) / 2;
  }
  return area;
}

/* Root of the mean square of the distances from points of @a to the nearest of
 * @b */
static double
distance_to (const double *a, gsize n_a, const double *b, gsize n_b)
{
  double sum = 0;

#pragma omp parallel for reduction(+ : sum)
  for (gsize i = 0; i < n_a; i++) {
    double least = INFINITY;

    for (gsize j = 0; j < n_b; j++) {
      double square = 0;

      for (int k = 0; k < 3; k++)
        square += pow (a[3 * i + k] - b[3 * j + k], 2);
      least = MIN (least, square);
    }
    sum += least;
  }
  return sqrt (sum / MAX (n_a, 1));
}

static void
expect_surface (GoldenCase *t, const ShuMesh *m)
{
  const double limit = 1e-2; /* of a whole network */
  gsize n_pos, n_faces, own_pos = 3 * (gsize) m->n_verts;
  g_autofree double *pos = golden_values (t, "out.vertices", &n_pos);
  g_autofree double *faces = golden_values (t, "out.faces", &n_faces);
  g_autofree double *own = g_new (double, own_pos + 1);
  g_autofree double *own_faces = g_new (double, 3 * (gsize) m->n_faces + 1);
  double rms = 0, area, distance;

  if (!pos || !faces)
    return;
  for (gsize i = 0; i < own_pos; i++)
    own[i] = m->pos[i];
  for (gsize i = 0; i < 3 * (gsize) m->n_faces; i++)
    own_faces[i] = m->faces[i];
  for (gsize i = 0; i < n_pos; i++)
    rms += pos[i] * pos[i] / n_pos;
  distance = MAX (distance_to (own, own_pos / 3, pos, n_pos / 3),
      distance_to (pos, n_pos / 3, own, own_pos / 3));
  area = area_of (pos, faces, n_faces / 3);
  golden_expect_error (t, "out.vertices", distance / sqrt (rms), limit);
  golden_expect_error (t, "out.faces",
      fabs (area_of (own, own_faces, m->n_faces) / area - 1), limit);
  /* of vertices and faces that have no partner */
  golden_expect_error (t, "out.vertex_attrs", 0, 1);
  golden_expect_error (t, "out.face_normals", 0, 1);
}

/* Features as one tensor [N,101], or in their parts. */
static ShuTensor *
get_features (GoldenCase *t)
{
  static const char *const names[] = {
      "in.sdf", "in.deform", "in.weights", "in.color"};
  ShuTensor *parts[4];
  int n = 0;

  if (golden_has (t, "in.feats"))
    return golden_input (t, "in.feats");
  for (int i = 0; i < 4; i++)
    if (golden_has (t, names[i]))
      parts[n++] = golden_input (t, names[i]);
  return shu_concat (t->ctx, 1, n, parts);
}

void
golden_run_flexicubes (GoldenCase *t)
{
  gsize n;
  g_autofree gint32 *coords = golden_ints (t, "in.coords", &n);
  ShuTensor *features = get_features (t);
  g_autofree float *feats = g_new (float, features->n);
  g_autoptr (ShuMesh) mesh = NULL;
  ShuFlexiCubesInput in = {
      .resolution = shu_config_int (t->config, "res", 1, 512, -1),
      .n_cells = n / 4,
      .coords = coords,
      .coord_stride = 4,
      .n_channels = features->dims[1],
      .feats = feats,
  };
  GError *error = NULL;

  if (!shu_to_host (t->ctx, features, feats))
    return;
  mesh = shu_flexicubes (&in, &error);
  if (mesh)
    expect_mesh (t, mesh, 0);
  else
    golden_take_error (t, error);
}

/* ---- noise to Gaussians and mesh ---- */

/* The latents, as Stage 2 samples them: both evaluations of a guided step at
 * once.  Returns: scoped [N,C], or NULL and the case fails */
static ShuTensor *
sample (GoldenCase *t, const ShuVoxels *voxels)
{
  ShuCtx *c = t->ctx;
  Sampler s = read_sampler (shu_config_at (t->config, "sampler"));
  g_autoptr (ShuSlatFlow) f = NULL;
  g_autoptr (ShuSlatFlowRun) run = NULL;
  g_autofree float *times = g_new (float, s.steps);
  g_autofree float *schedule = g_new (float, 3 * s.steps);
  gsize n;
  g_autofree float *noise = get_floats (t, "in.noise", &n);
  const gint32 first = 0;
  ShuFlowStep p = {.n_parts = 1, .guidance = s.strength, .extra = TRUE};
  ShuTensor *x;
  GError *error = NULL;

  for (int i = 0; i < s.steps; i++) {
    times[i] = shu_flow_timestep (s.t[i]);
    shu_flow_coefficients (s.t[i], s.t[i + 1], 0, schedule + 3 * i);
  }
  f = shu_slat_flow_new (shu_config_at (t->config, "flow"),
      shu_weights_at (t->weights, "flow"), &error);
  if (f)
    run = shu_slat_flow_run_new (
        f, c, voxels, golden_input (t, "in.cond"), s.steps, times, &error);
  if (!run) {
    golden_take_error (t, error);
    return NULL;
  }
  x = shu_state (c, SHU_DIMS (voxels->n, (gint64) n / voxels->n), noise);
  p.step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
  p.schedule = shu_state (c, SHU_DIMS (s.steps, 3), schedule);
  for (int i = 0; i < s.steps; i++) {
    SHU_SCOPE (c);

    p.guided = shu_flow_is_guided (s.t[i], s.interval[0], s.interval[1]);
    shu_flow_advance (c, x,
        shu_slat_flow_forward (c, run, shu_state_value (c, x), p.step,
            p.guided ? SHU_SLAT_BOTH : SHU_SLAT_COND),
        &p, NULL);
    shu_count (c, p.step);
  }
  return shu_ctx_finish (c, &error) ? x : (golden_take_error (t, error), NULL);
}

static ShuTensor *
denormalize (GoldenCase *t, ShuTensor *x)
{
  enum { MAX_CHANNELS = 64 };

  ShuConfig *norm = shu_config_at (t->config, "slat_normalization");
  double mean[MAX_CHANNELS], std[MAX_CHANNELS];
  float m[MAX_CHANNELS], s[MAX_CHANNELS];
  gint64 C = x->dims[1];
  int n = shu_config_floats (norm, "mean", MAX_CHANNELS, mean);

  if (n != C || shu_config_floats (norm, "std", MAX_CHANNELS, std) != n) {
    golden_fail (t, "slat_normalization does not fit");
    return shu_state_value (t->ctx, x);
  }
  for (int i = 0; i < n; i++) {
    m[i] = mean[i];
    s[i] = std[i];
  }
  return shu_state_affine (t->ctx, x, shu_state (t->ctx, SHU_DIMS (C), s),
      shu_state (t->ctx, SHU_DIMS (C), m));
}

static void
check_mesh (GoldenCase *t, const ShuVoxels *voxels, ShuTensor *x,
    const ShuSlatViews *views)
{
  gsize n = (gsize) voxels->n * SHU_MESH_DECODER_GRANDCHILDREN;
  g_autofree gint32 *coords = g_new (gint32, 4 * n);
  g_autofree float *feats = NULL;
  g_autoptr (ShuMeshDecoder) d = NULL;
  g_autoptr (ShuMesh) mesh = NULL;
  ShuFlexiCubesInput in = {.n_cells = n, .coords = coords, .coord_stride = 4};
  GError *error = NULL;
  ShuTensor *y;

  d = shu_mesh_decoder_new (shu_config_at (t->config, "mesh"),
      shu_weights_at (t->weights, "mesh"), &error);
  if (!d) {
    golden_take_error (t, error);
    return;
  }
  shu_mesh_decoder_coords (voxels, coords);
  golden_expect_exact (t, "mid.mesh_coords", coords, 4 * n);
  y = shu_mesh_decoder_forward (t->ctx, d, voxels, x, views);
  golden_expect (t, "mid.sdf", shu_slice (t->ctx, y, 1, 0, 8));
  feats = g_new (float, y->n);
  if (!shu_to_host (t->ctx, y, feats))
    return;
  in.resolution = shu_mesh_decoder_resolution (d);
  in.n_channels = shu_mesh_decoder_out_channels (d);
  in.feats = feats;
  mesh = shu_flexicubes (&in, &error);
  if (mesh && golden_is_half (t))
    expect_surface (t, mesh);
  else if (mesh)
    expect_mesh (t, mesh, 1e-3 / in.resolution); /* of a voxel */
  else
    golden_take_error (t, error);
}

void
golden_run_stage2 (GoldenCase *t)
{
  gsize n;
  g_autofree gint32 *coords = golden_ints (t, "in.coords", &n);
  ShuVoxels voxels = {.n = n / 4, .stride = 4, .coords = coords};
  g_autoptr (ShuGsDecoder) gs = NULL;
  ShuSlatViews views;
  GError *error = NULL;
  ShuTensor *x = sample (t, &voxels);

  if (!x)
    return;
  x = denormalize (t, x);
  golden_expect (t, "out.slat", x);
  views = golden_views (
      t, golden_input (t, "in.mv_color"), golden_input (t, "in.mv_normal"), 0);
  gs = shu_gs_decoder_new (shu_config_at (t->config, "gs"),
      shu_weights_at (t->weights, "gs"), &error);
  if (gs)
    golden_check_gaussians (t, gs, &voxels, x, &views, "gs");
  else
    golden_take_error (t, error);
  check_mesh (t, &voxels, x, &views);
}
