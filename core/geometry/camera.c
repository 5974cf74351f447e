/* SPDX-License-Identifier: MIT */
#include "geometry/camera.h"
#include <math.h>
#include <string.h>

/* Matrix [R | -R eye] from rows x, y, z. */
static void
set_view (float *ret, const float *x, const float *y, const float *z,
    const float *eye)
{
  const float *rows[3] = {x, y, z};

  for (int r = 0; r < 3; r++) {
    memcpy (ret + 4 * r, rows[r], 3 * sizeof (float));
    ret[4 * r + 3] =
        -(rows[r][0] * eye[0] + rows[r][1] * eye[1] + rows[r][2] * eye[2]);
  }
  ret[12] = ret[13] = ret[14] = 0;
  ret[15] = 1;
}

void
shu_camera_extrinsics (float yaw, float pitch, float radius, float *ret_view)
{
  float eye[3] = {radius * (sinf (yaw) * cosf (pitch)),
      radius * (cosf (yaw) * cosf (pitch)), radius * sinf (pitch)};
  float len = sqrtf (eye[0] * eye[0] + eye[1] * eye[1] + eye[2] * eye[2]);
  float z[3] = {-eye[0] / len, -eye[1] / len, -eye[2] / len};
  float flat = sqrtf (z[0] * z[0] + z[1] * z[1]);
  /* (0,0,-1) x z, of unit length */
  float x[3] = {z[1] / flat, -z[0] / flat, 0};
  float y[3] = {z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2],
      z[0] * x[1] - z[1] * x[0]};

  if (flat == 0) {
    x[0] = 1, x[1] = 0;
    y[0] = 0, y[1] = z[2];
  }
  set_view (ret_view, x, y, z, eye);
}

ShuCamera
shu_camera_orbit (float yaw, float pitch, float radius, float fov)
{
  ShuCamera c = {.perspective = TRUE, .cx = 0.5f, .cy = 0.5f};

  c.focal = (float) (0.5 / tan (fov * G_PI / 360));
  shu_camera_extrinsics (yaw, pitch, radius, c.view);
  return c;
}

ShuCamera
shu_camera_turntable (float yaw, float extent)
{
  ShuCamera c = {.focal = 1 / extent, .cx = 0.5f, .cy = 0.5f};

  shu_camera_extrinsics (yaw, 0, 2, c.view);
  return c;
}

ShuCamera
shu_camera_of_view (ShuView view)
{
  /* The sines and cosines of the four directions are exact here: pictures and
   * mesh must meet to the pixel. */
  static const float dirs[4][2] = {{0, -1}, {1, 0}, {0, 1}, {-1, 0}};
  int k = view == SHU_VIEW_FACE ? SHU_VIEW_FRONT : view;
  float eye[3] = {2 * dirs[k][0], 2 * dirs[k][1], 0};
  float x[3] = {-dirs[k][1], dirs[k][0], 0};
  float y[3] = {0, 0, -1};
  float z[3] = {-dirs[k][0], -dirs[k][1], 0};
  ShuCamera c = {.focal = 1, .cx = 0.5f, .cy = 0.5f};

  g_assert (view < SHU_N_VIEWS);
  set_view (c.view, x, y, z, eye);
  if (view == SHU_VIEW_FACE) {
    c.focal = 3;
    c.cy = 1.5f;
  }
  return c;
}

static double
radical_inverse (int base, int n)
{
  double digit = 1.0 / base, value = 0;

  for (; n > 0; n /= base) {
    value += (n % base) * digit;
    digit /= base;
  }
  return value;
}

void
shu_hammersley (int i, int n, int n_dims, double *ret_point)
{
  static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};

  g_assert (n > 0 && n_dims >= 1 && n_dims <= 10);
  ret_point[0] = (double) i / n;
  for (int d = 1; d < n_dims; d++)
    ret_point[d] = radical_inverse (primes[d - 1], i);
}

void
shu_hammersley_sphere (int i, int n, double *ret_yaw, double *ret_pitch)
{
  double uv[2];

  shu_hammersley (i, n, 2, uv);
  *ret_yaw = 2 * G_PI * uv[1];
  *ret_pitch = acos (1 - 2 * uv[0]) - G_PI / 2;
}

void
shu_camera_render_angles (int i, int n_views, float *ret_yaw, float *ret_pitch)
{
  static const double first[SHU_N_VIEWS] = {
      -G_PI, -1.5 * G_PI, 0, -0.5 * G_PI, -G_PI};
  double yaw, pitch = 0;

  g_assert (i >= 0 && i < n_views);
  if (i < SHU_N_VIEWS)
    yaw = first[i];
  else
    shu_hammersley_sphere (
        i - SHU_N_VIEWS, n_views - SHU_N_VIEWS, &yaw, &pitch);
  *ret_yaw = (float) yaw;
  *ret_pitch = (float) pitch;
}

void
shu_camera_renders (int n_views, float radius, float fov, ShuCamera *ret)
{
  for (int i = 0; i < n_views; i++) {
    float yaw, pitch;

    shu_camera_render_angles (i, n_views, &yaw, &pitch);
    ret[i] = shu_camera_orbit (yaw, pitch, radius, fov);
  }
}

void
shu_camera_gl_look_at (double yaw, double pitch, double radius, float *ret_view)
{
  double z[3] = {sin (yaw) * cos (pitch), cos (yaw) * cos (pitch), sin (pitch)};
  double flat = sqrt (z[0] * z[0] + z[1] * z[1]);
  double x[3] = {1, 0, 0}, y[3];

  if (flat > 0) {
    x[0] = -z[1] / flat;
    x[1] = z[0] / flat;
  }
  y[0] = z[1] * x[2] - z[2] * x[1];
  y[1] = z[2] * x[0] - z[0] * x[2];
  y[2] = z[0] * x[1] - z[1] * x[0];
  for (int c = 0; c < 3; c++) {
    ret_view[c] = (float) x[c];
    ret_view[4 + c] = (float) y[c];
    ret_view[8 + c] = (float) z[c];
    ret_view[12 + c] = 0;
  }
  /* The eye lies on the z axis of the camera, so x and y see none of it. */
  ret_view[3] = ret_view[7] = 0;
  ret_view[11] = (float) -radius;
  ret_view[15] = 1;
}

void
shu_camera_gl_view (const float *view, float *ret_view)
{
  for (int i = 0; i < 16; i++)
    ret_view[i] = i / 4 == 1 || i / 4 == 2 ? -view[i] : view[i];
}

void
shu_projection_perspective (
    float focal, float near, float far, float *ret_projection)
{
  float *p = ret_projection;

  memset (p, 0, 16 * sizeof (float));
  p[0] = p[5] = 2 * focal;
  p[10] = (near + far) / (near - far);
  p[11] = 2 * near * far / (near - far);
  p[14] = -1;
}

void
shu_projection_ortho (float near, float far, float *ret_projection)
{
  float *p = ret_projection;

  memset (p, 0, 16 * sizeof (float));
  p[0] = 2;
  p[5] = -2;
  p[10] = -2 / (far - near);
  p[11] = -(far + near) / (far - near);
  p[15] = 1;
}

void
shu_projection_splat (float focal, float near, float far, float *ret_projection)
{
  float *p = ret_projection;

  memset (p, 0, 16 * sizeof (float));
  p[0] = p[5] = 2 * focal;
  p[10] = far / (far - near);
  p[11] = near * far / (near - far);
  p[14] = 1;
}
