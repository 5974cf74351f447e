/* SPDX-License-Identifier: MIT */
#include "atlas_bodies.h"
#include "base/error.h"
#include "geometry/bake_private.h"
#include "geometry/raster.h"
#include "geometry/render.h"
#include "geometry/splat.h"
#include "ops/pictures.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { S = 384, TEXTURE = 448, N_FACES = 4000 };

typedef struct {
  ShuMesh *mesh;
  BodiesPictures views;
} Case;

/* The painted person, unwrapped, with pictures of the sides given as bits. */
static Case
make_case (guint sides)
{
  Case c = {bodies_unwrapped (N_FACES, TEXTURE)};

  for (int v = 0; v < 4; v++)
    if (sides >> v & 1)
      bodies_photograph (c.mesh, v, S, &c.views.color[v], &c.views.normal[v]);
  return c;
}

static void
case_clear (Case *c)
{
  shu_mesh_free (c->mesh);
  bodies_pictures_clear (&c->views);
}

static ShuImage *
bake (const Case *c)
{
  ShuBakeParams params = {.size = TEXTURE};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  ShuBakeViews views = bodies_views (cpu, &c->views);
  ShuImage *out = shu_bake (c->mesh, &views, &params, NULL, &error);

  g_assert_no_error (error);
  return out;
}

/* Against the painted function at the texels' places, in dB. */
static double
texture_psnr (const ShuMesh *m, const ShuImage *texture)
{
  g_autoptr (ShuRaster) r = shu_raster_new (TEXTURE, TEXTURE, SHU_RASTER_BARY);
  double sum = 0;
  int n = 0;

  shu_raster_uv (r, m, SHU_RASTER_BARY, NULL);
  for (int i = 0; i < TEXTURE * TEXTURE; i++) {
    float p[3], rgb[3], b1 = r->bary[2 * i], b2 = r->bary[2 * i + 1];
    const gint32 *f = m->faces + 3 * MAX (0, r->face[i]);
    if (r->face[i] < 0)
      continue;
    for (int k = 0; k < 3; k++)
      p[k] = (1 - b1 - b2) * m->pos[3 * f[0] + k] + b1 * m->pos[3 * f[1] + k] +
             b2 * m->pos[3 * f[2] + k];
    bodies_paint (p, rgb);
    for (int k = 0; k < 3; k++, n++)
      sum += pow (rgb[k] - texture->data[3 * i + k], 2);
  }
  return 10 * log10 (255.0 * 255 * n / sum);
}

/* The front rendered again against the front picture, inside the mask. */
static double
front_psnr (const Case *c, const ShuImage *texture)
{
  ShuCamera camera = shu_camera_of_view (SHU_VIEW_FRONT);
  ShuRenderParams params = {.width = S, .height = S};
  g_autoptr (ShuImage) out = shu_render (c->mesh, texture, &camera, &params);
  double sum = 0;
  int n = 0;

  for (int i = 0; i < S * S; i++)
    if (out->data[4 * i + 3] == 255 && c->views.normal[0]->data[3 * i] < 230)
      for (int k = 0; k < 3; k++, n++)
        sum +=
            pow (out->data[4 * i + k] - c->views.color[0]->data[3 * i + k], 2);
  g_assert_cmpint (n, >, S * S / 10);
  return 10 * log10 (255.0 * 255 * n / sum);
}

static void
pictures_return_the_paint (void)
{
  Case c = make_case (15);
  g_autoptr (ShuImage) texture = bake (&c);
  double all = texture_psnr (c.mesh, texture), front = front_psnr (&c, texture);

  g_test_message ("texture %.1f dB, front %.1f dB", all, front);
  g_assert_cmpfloat (all, >, 28);
  g_assert_cmpfloat (front, >, 34);
  case_clear (&c);
}

/* A mesh that is a little larger than its picture must not turn white. */
static void
background_does_not_bleed (void)
{
  Case c = make_case (15);
  g_autoptr (ShuImage) texture = NULL;
  g_autoptr (ShuRaster) r = shu_raster_new (TEXTURE, TEXTURE, 0);

  for (int i = 0; i < 3 * c.mesh->n_verts; i++)
    c.mesh->pos[i] *= 1.02f;
  texture = bake (&c);
  shu_raster_uv (r, c.mesh, 0, NULL);
  for (int i = 0; i < TEXTURE * TEXTURE; i++)
    g_assert_cmpint (MIN (texture->data[3 * i], MIN (texture->data[3 * i + 1],
                                                    texture->data[3 * i + 2])),
        <, 215);
  case_clear (&c);
}

static void
blur_picture (ShuImage *image, int radius)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  ShuPhotoJob job = {.picture = shu_picture_from_image (c, image)};
  const float *plane;

  g_assert_true (shu_photo_step (c, SHU_PHOTO_COLORS, &job));
  plane = shu_plane_smooth (c, job.colors, radius)->data;
  for (gsize i = 0; i < shu_image_size (image); i++)
    image->data[i] = (guint8) CLAMP (plane[i] + 0.5f, 0, 255);
}

/* Drawn pictures whose outlines are blurred into the white behind, while
 * their masks are not. */
static void
blurred_borders_do_not_bleed (void)
{
  Case c = make_case (15);
  double all, front;

  for (int v = SHU_VIEW_RIGHT; v <= SHU_VIEW_LEFT; v++)
    blur_picture (c.views.color[v], 2);
  g_autoptr (ShuImage) texture = bake (&c);
  all = texture_psnr (c.mesh, texture);
  front = front_psnr (&c, texture);
  g_test_message ("texture %.1f dB, front %.1f dB", all, front);
  g_assert_cmpfloat (all, >, 25);
  g_assert_cmpfloat (front, >, 34);
  case_clear (&c);
}

/* Normals that reach @reach pixels farther than the colours, as where two
 * decoders disagree on the outline. */
static void
widen_normals (ShuImage *normal, int reach)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  ShuPhotoJob job = {
      .picture = shu_picture_from_image (c, normal), .level = 230};
  const gint32 *near;

  g_assert_true (shu_photo_step (c, SHU_PHOTO_BELOW, &job));
  near = shu_plane_find_nearest (c, job.mask, MAX (reach, 0.5f), NULL)->data;
  for (int i = 0; i < 3 * S * S; i++)
    if (near[i / 3] >= 0)
      normal->data[i] = 128;
}

/* Texels lighter by 48 than the paint at their place and around it, of all. */
static double
share_lighter (const ShuMesh *m, const ShuImage *texture, float shade)
{
  g_autoptr (ShuRaster) r = shu_raster_new (TEXTURE, TEXTURE, SHU_RASTER_BARY);
  int n = 0, n_lighter = 0;

  shu_raster_uv (r, m, SHU_RASTER_BARY, NULL);
  for (int i = 0; i < TEXTURE * TEXTURE; i++) {
    float b1 = r->bary[2 * i], b2 = r->bary[2 * i + 1], most[3] = {0};
    const gint32 *f = m->faces + 3 * MAX (0, r->face[i]);
    gboolean lighter = TRUE;
    if (r->face[i] < 0)
      continue;
    for (int around = 0; around < 7; around++) {
      float p[3], rgb[3];
      for (int k = 0; k < 3; k++) {
        p[k] = (1 - b1 - b2) * m->pos[3 * f[0] + k] +
               b1 * m->pos[3 * f[1] + k] + b2 * m->pos[3 * f[2] + k];
        if (around % 3 == k && around < 6)
          p[k] += around < 3 ? 0.02f : -0.02f;
      }
      bodies_paint (p, rgb);
      for (int k = 0; k < 3; k++)
        most[k] = MAX (most[k], shade * rgb[k]);
    }
    for (int k = 0; k < 3; k++)
      lighter = lighter && texture->data[3 * i + k] > most[k] + 48;
    n++;
    n_lighter += lighter;
  }
  return (double) n_lighter / n;
}

/* Dark clothes: whatever the blur of the drawn pictures, and where their
 * normals show more person than their colours, no light specks. */
static void
dark_clothes_have_no_light_specks (void)
{
  const float shade = 0.3f;

  for (int blur = 0; blur <= 4; blur += 4)
    for (int wide = 0; wide <= 5; wide += 5) {
      Case c = make_case (15);
      double share;

      for (int v = 0; v < 4; v++) {
        ShuImage *color = c.views.color[v];
        ShuImage *normal = c.views.normal[v];
        for (int i = 0; i < 3 * S * S; i++)
          if (normal->data[i] < 230)
            color->data[i] = (guint8) (shade * color->data[i]);
        if (v != SHU_VIEW_FRONT)
          blur_picture (color, blur);
        widen_normals (normal, wide);
      }
      /* A mesh a little larger than the pictures show the person. */
      for (int i = 0; i < 3 * c.mesh->n_verts; i++)
        c.mesh->pos[i] *= 1.015f;
      for (int i = 0; i < 6 * c.mesh->n_verts; i++)
        c.mesh->attr[i] = shade * 0.5f;
      g_autoptr (ShuImage) texture = bake (&c);
      share = share_lighter (c.mesh, texture, shade);
      g_test_message ("blur %d, normals %d wider: %.3f %% of texels lighter",
          blur, wide, 100 * share);
      g_assert_cmpfloat (share, <, wide ? 0.01 : 0.0005);
      case_clear (&c);
    }
}

/* White that the cut-out owns stays: shirts and soles. */
static void
white_of_the_person_stays (void)
{
  Case c = make_case (15);
  ShuImage *person = c.views.person = shu_image_new (S, S, 1);

  for (int i = 0; i < S * S; i++)
    person->data[i] = c.views.normal[0]->data[3 * i] < 230 ? 255 : 0;
  memset (c.views.color[0]->data, 255, 3 * S * S);
  g_autoptr (ShuImage) texture = bake (&c);
  ShuCamera camera = shu_camera_of_view (SHU_VIEW_FRONT);
  ShuRenderParams params = {.width = S, .height = S};
  g_autoptr (ShuImage) out = shu_render (c.mesh, texture, &camera, &params);
  int n = 0, n_white = 0;
  for (int i = 0; i < S * S; i++)
    if (out->data[4 * i + 3] == 255) {
      n++;
      n_white += out->data[4 * i] > 240 && out->data[4 * i + 2] > 240;
    }
  g_assert_cmpfloat (n_white, >, 0.88 * n);
  case_clear (&c);
}

/* The back, which no picture shows, from Gaussians; then from the vertices. */
static void
unseen_parts_take_other_colours (void)
{
  for (int gaussians = 0; gaussians < 2; gaussians++) {
    Case c = make_case (1 << SHU_VIEW_FRONT);
    int n = c.mesh->n_verts;
    g_autofree float *scale = g_new (float, 3 * n);
    g_autofree float *quat = g_new0 (float, 4 * n);
    g_autofree float *opacity = g_new (float, n);
    g_autofree float *rgb = g_new (float, 3 * n);

    for (int i = 0; i < n; i++) {
      bodies_paint (c.mesh->pos + 3 * i, rgb + 3 * i);
      for (int k = 0; k < 3; k++) {
        scale[3 * i + k] = 0.004f;
        rgb[3 * i + k] /= 255;
        if (!gaussians)
          c.mesh->attr[6 * i + k] = rgb[3 * i + k];
      }
      quat[4 * i] = 1;
      opacity[i] = 0.7f;
    }
    ShuGaussians g = {n, c.mesh->pos, scale, quat, opacity, rgb};
    g_autoptr (ShuCtx) ctx = shu_ctx_new ("cpu", NULL);
    SHU_SCOPE (ctx);
    ShuSplatInput input = shu_splat_input (ctx, &g);
    if (gaussians)
      c.views.gaussians = &input;
    g_autoptr (ShuImage) texture = bake (&c);
    double all = texture_psnr (c.mesh, texture);
    g_test_message ("%s: %.1f dB", gaussians ? "Gaussians" : "vertices", all);
    g_assert_cmpfloat (all, >, 27);
    case_clear (&c);
  }
}

/* A side picture that is darker than the front joins it without a step. */
static void
side_pictures_follow_the_front (void)
{
  Case c = make_case (15);
  double all;

  for (int v = SHU_VIEW_RIGHT; v <= SHU_VIEW_LEFT; v += 2)
    for (int i = 0; i < 3 * S * S; i++)
      if (c.views.normal[v]->data[i] < 230)
        c.views.color[v]->data[i] = MAX (0, c.views.color[v]->data[i] - 25);
  g_autoptr (ShuImage) texture = bake (&c);
  all = texture_psnr (c.mesh, texture);
  g_test_message ("%.1f dB", all);
  /* Left alone, an error of 25 over a quarter of the surface is 26 dB. */
  g_assert_cmpfloat (all, >, 27);
  case_clear (&c);
}

static void
without_anything_it_is_grey (void)
{
  Case c = make_case (0);
  g_autoptr (ShuImage) texture = bake (&c);

  for (int i = 0; i < 3 * TEXTURE * TEXTURE; i++)
    g_assert_cmpint (ABS (texture->data[i] - 128), <=, 1);
  case_clear (&c);
}

static void
gaps_take_the_colours_around (void)
{
  Case c = make_case (15);
  g_autoptr (ShuImage) texture = bake (&c);
  g_autoptr (ShuRaster) r = shu_raster_new (TEXTURE, TEXTURE, 0);

  shu_raster_uv (r, c.mesh, 0, NULL);
  for (int y = 8; y < TEXTURE - 8; y++)
    for (int x = 8; x < TEXTURE - 8; x++) {
      int lo = 255, hi = 0, v = texture->data[3 * (y * TEXTURE + x)];
      if (r->face[y * TEXTURE + x] >= 0)
        continue;
      for (int j = -8; j <= 8; j++)
        for (int i = -8; i <= 8; i++) {
          int at = (y + j) * TEXTURE + x + i;
          if (i * i + j * j > 64 || r->face[at] < 0)
            continue;
          lo = MIN (lo, texture->data[3 * at]);
          hi = MAX (hi, texture->data[3 * at]);
        }
      if (lo <= hi)
        g_assert_true (v >= lo && v <= hi);
    }
  case_clear (&c);
}

static void
threads_do_not_matter (void)
{
  Case c = make_case (15);
  int n_threads = omp_get_max_threads ();
  g_autoptr (ShuImage) a = bake (&c);

  omp_set_num_threads (n_threads > 1 ? 1 : 2);
  g_autoptr (ShuImage) b = bake (&c);
  omp_set_num_threads (n_threads);
  g_assert_cmpmem (a->data, shu_image_size (a), b->data, shu_image_size (b));
  case_clear (&c);
}

static void
expect_refused (const Case *c, const char *words)
{
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  ShuBakeViews views = bodies_views (cpu, &c->views);
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_bake (c->mesh, &views, NULL, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, words));
}

static void
bad_pictures_are_errors (void)
{
  Case c = make_case (1);

  c.views.normal[0]->height--;
  expect_refused (&c, "normals of view 0");
  c.views.normal[0]->height++;
  c.views.person = shu_image_new (S, S - 1, 1);
  expect_refused (&c, "mask of view 0");
  c.views.color[0]->height--;
  expect_refused (&c, "square RGB");
  case_clear (&c);
}

/* What a photo has, in host memory: [S,S,3] colours, smooth ones, [S,S] trust
 * and openness */
static float *
photo_planes (const Case *c, const char *device, ShuView view, gsize *ret_n)
{
  g_autoptr (ShuCtx) ctx = shu_ctx_new (device, NULL);
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (ctx);
  ShuBakeViews views = bodies_views (cpu, &c->views);
  ShuBaker b = {.c = ctx, .mesh = c->mesh, .views = &views};
  ShuBakePicture picture = {.color = views.color[view],
      .normal = views.normal[view],
      .person = view ? NULL : views.person,
      .mirror = view == SHU_VIEW_BACK};
  g_autofree ShuBakePhoto *p = NULL;
  gsize n = S * S;
  float *planes = g_new (float, *ret_n = 8 * n);
  g_autoptr (GError) error = NULL;

  shu_bake_prepare_mesh (&b);
  p = shu_bake_photo_new (&b, &picture, view);
  shu_to_host (ctx, p->rgb, planes);
  shu_to_host (ctx, p->smooth, planes + 3 * n);
  shu_to_host (ctx, p->trust, planes + 6 * n);
  shu_to_host (ctx, p->open, planes + 7 * n);
  shu_ctx_finish (ctx, &error);
  g_assert_no_error (error);
  return planes;
}

/* To the bit: what decides by thresholds decides the same. */
static void
photos_are_the_same_on_every_device (void)
{
  static const char *const devices[] = {"mock", "cuda"};
  Case c = make_case (7);
  int n_devices = 1;
  g_autoptr (ShuCtx) cuda = shu_ctx_new ("cuda", NULL);

  if (cuda)
    n_devices++;
  else
    g_test_message ("no CUDA device");
  widen_normals (c.views.normal[SHU_VIEW_RIGHT], 4);
  blur_picture (c.views.color[SHU_VIEW_BACK], 2);
  for (int person = 0; person < 2; person++)
    for (int view = 0; view < (person ? 1 : 3); view++)
      for (int i = 0; i < n_devices; i++) {
        gsize n;

        if (person && i == 0) {
          c.views.person = shu_image_new (S, S, 1);
          for (int k = 0; k < S * S; k++)
            c.views.person->data[k] = 255 - c.views.color[0]->data[3 * k];
        }
        g_autofree float *want = photo_planes (&c, "cpu", view, &n);
        g_autofree float *got = photo_planes (&c, devices[i], view, &n);
        g_assert_cmpmem (got, n * sizeof (float), want, n * sizeof (float));
      }
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/bake/pictures_return_the_paint", pictures_return_the_paint);
  g_test_add_func (
      "/geometry/bake/background_does_not_bleed", background_does_not_bleed);
  g_test_add_func ("/geometry/bake/blurred_borders_do_not_bleed",
      blurred_borders_do_not_bleed);
  g_test_add_func ("/geometry/bake/dark_clothes_have_no_light_specks",
      dark_clothes_have_no_light_specks);
  g_test_add_func (
      "/geometry/bake/white_of_the_person_stays", white_of_the_person_stays);
  g_test_add_func ("/geometry/bake/unseen_parts_take_other_colours",
      unseen_parts_take_other_colours);
  g_test_add_func ("/geometry/bake/side_pictures_follow_the_front",
      side_pictures_follow_the_front);
  g_test_add_func ("/geometry/bake/without_anything_it_is_grey",
      without_anything_it_is_grey);
  g_test_add_func ("/geometry/bake/gaps_take_the_colours_around",
      gaps_take_the_colours_around);
  g_test_add_func (
      "/geometry/bake/threads_do_not_matter", threads_do_not_matter);
  g_test_add_func (
      "/geometry/bake/bad_pictures_are_errors", bad_pictures_are_errors);
  g_test_add_func ("/geometry/bake/photos_are_the_same_on_every_device",
      photos_are_the_same_on_every_device);
  return g_test_run ();
}
