/* SPDX-License-Identifier: MIT */
/* A bake on a device: the texture of the CPU, of which nothing else comes down.
 */
#include "atlas_bodies.h"
#include "geometry/atlas.h"
#include "geometry/splat.h"
#include <stdlib.h>
#include <string.h>

enum { S = 256, TEXTURE = 256 };

typedef struct {
  ShuMesh *mesh;
  BodiesPictures pictures;
  ShuGaussians gaussians;
  float *arrays[4];
} Case;

/* The painted person from three sides, and Gaussians at its vertices */
static Case
make_case (void)
{
  ShuAtlasParams params = {.size = TEXTURE};
  g_autoptr (ShuMesh) body = bodies_person (3000);
  Case c = {shu_atlas (body, &params, NULL, NULL, NULL)};
  int n = c.mesh->n_verts;

  for (int v = 0; v < 3; v++)
    bodies_photograph (
        c.mesh, v, S, &c.pictures.color[v], &c.pictures.normal[v]);
  for (int i = 0; i < 4; i++)
    c.arrays[i] = g_new0 (float, 4 * n);
  for (int i = 0; i < n; i++) {
    bodies_paint (c.mesh->pos + 3 * i, c.arrays[3] + 3 * i);
    for (int k = 0; k < 3; k++) {
      c.arrays[0][3 * i + k] = 0.006f;
      c.arrays[3][3 * i + k] /= 255;
    }
    c.arrays[1][4 * i] = 1;
    c.arrays[2][i] = 0.8f;
  }
  c.gaussians = (ShuGaussians){
      n, c.mesh->pos, c.arrays[0], c.arrays[1], c.arrays[2], c.arrays[3]};
  return c;
}

static void
case_clear (Case *c)
{
  shu_mesh_free (c->mesh);
  bodies_pictures_clear (&c->pictures);
  for (int i = 0; i < 4; i++)
    g_free (c->arrays[i]);
}

static ShuImage *
bake (const Case *c, const char *device, ShuTraffic *traffic)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  g_autoptr (ShuCtx) ctx = shu_ctx_new (device, NULL);
  SHU_SCOPE (cpu);
  ShuBakeViews views = bodies_views (cpu, &c->pictures);
  ShuSplatInput gaussians = shu_splat_input (cpu, &c->gaussians);
  ShuBakeParams params = {.ctx = ctx, .size = TEXTURE, .n_renders = 20};
  ShuImage *out;

  views.gaussians = &gaussians;
  shu_ctx_set_traffic (ctx, traffic);
  out = shu_bake (c->mesh, &views, &params, NULL, &error);
  g_assert_no_error (error);
  return out;
}

static void
check_traffic (ShuTraffic *traffic)
{
  ShuTrafficCount image = shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE);
  ShuTrafficCount mesh = shu_traffic_get (traffic, SHU_TRAFFIC_MESH);
  ShuTrafficCount tensor = shu_traffic_get (traffic, SHU_TRAFFIC_TENSOR);

  g_assert_cmpuint (image.n_down, ==, 1);
  g_assert_cmpuint (image.down, ==, 3 * TEXTURE * TEXTURE);
  g_assert_cmpuint (mesh.n_down + tensor.n_down, ==, 0);
}

/* What differs is where a place lies beside the edge of what a camera sees. */
static void
compare (const ShuImage *a, const ShuImage *b)
{
  double sum = 0;
  int n_far = 0, n = 3 * TEXTURE * TEXTURE;

  for (int i = 0; i < n; i++) {
    int d = abs (a->data[i] - b->data[i]);

    sum += d;
    n_far += d > 3;
  }
  g_test_message (
      "mean difference %.4f, %.4f %% far off", sum / n, 100.0 * n_far / n);
  g_assert_cmpfloat (sum / n, <, 0.05);
  g_assert_cmpfloat ((double) n_far / n, <, 0.001);
}

static void
check_device (const char *device, gboolean same_bits)
{
  Case c = make_case ();
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  g_autoptr (ShuImage) here = bake (&c, "cpu", NULL);
  g_autoptr (ShuImage) there = bake (&c, device, traffic);
  g_autoptr (ShuImage) again = bake (&c, device, NULL);

  check_traffic (traffic);
  g_assert_cmpmem (
      again->data, shu_image_size (again), there->data, shu_image_size (there));
  if (same_bits)
    g_assert_cmpmem (
        here->data, shu_image_size (here), there->data, shu_image_size (there));
  compare (here, there);
  case_clear (&c);
}

static void
mock_gives_the_bits_of_the_cpu (void)
{
  check_device ("mock", TRUE);
}

static void
gpu_gives_nearly_the_same (void)
{
  g_autoptr (ShuCtx) cuda = shu_ctx_new ("cuda", NULL);

  if (cuda)
    check_device ("cuda", FALSE);
  else
    g_test_skip ("no CUDA device");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/bake_devices/mock_gives_the_bits_of_the_cpu",
      mock_gives_the_bits_of_the_cpu);
  g_test_add_func ("/geometry/bake_devices/gpu_gives_nearly_the_same",
      gpu_gives_nearly_the_same);
  return g_test_run ();
}
