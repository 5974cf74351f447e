/* SPDX-License-Identifier: MIT */
/* A generated person in front of a plain wall, as a JPEG: how the sample
 * pictures in examples/images were made.
 *
 *   make_photo PERSON PHOTO WIDTH HEIGHT FILE.jpg */
#include "human.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>

static uint32_t
hash (uint32_t x)
{
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* Film grain: about normal, standard deviation 1 */
static float
grain (int x, int y, int k)
{
  float sum = 0;

  for (int i = 0; i < 4; i++)
    sum += hash (x * 73856093u ^ y * 19349663u ^ (4 * k + i) * 83492791u) /
               4294967296.f -
           0.5f;
  return sum * 1.73f;
}

/* Wall, skirting board and floor; u, v in 0..1, v downwards. */
static void
room (float u, float v, float rgb[3])
{
  static const float wall[] = {0.74f, 0.72f, 0.68f};
  static const float floor_[] = {0.52f, 0.41f, 0.31f};
  float light = 1.06f - 0.35f * ((u - 0.35f) * (u - 0.35f) + 0.5f * v * v);
  float edge = 0.80f, board = 0.775f;

  for (int k = 0; k < 3; k++)
    rgb[k] = wall[k] * light;
  if (v > board)
    for (int k = 0; k < 3; k++)
      rgb[k] = 0.88f * light;
  if (v > edge) {
    float depth = 1 / (v - edge + 0.12f);
    float plank = sinf ((u - 0.5f) * depth * 6) > 0 ? 1.f : 0.93f;

    for (int k = 0; k < 3; k++)
      rgb[k] = floor_[k] * plank * (0.85f + 0.5f * (v - edge));
  }
}

/* Soft contact shadow around the feet, darkness 0..1 */
static float
shadow (const uint8_t *rgba, int width, int height, int x, int y)
{
  float sum = 0, all = 0;

  for (int dy = -24; dy <= 8; dy += 4)
    for (int dx = -40; dx <= 40; dx += 5) {
      int px = x + dx, py = y + dy;
      float weight = expf (-(dx * dx) / 600.f - dy * dy / 200.f);

      all += weight;
      if (px >= 0 && px < width && py >= 0 && py < height && py > 0.78 * height)
        sum += weight * rgba[4 * ((size_t) py * width + px) + 3] / 255;
    }
  return fminf (1.4f * sum / all, 0.6f);
}

static void
compose (const uint8_t *rgba, int width, int height, uint8_t *rgb)
{
#pragma omp parallel for
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const uint8_t *p = rgba + 4 * ((size_t) y * width + x);
      float back[3], a = p[3] / 255.f;
      float dark = y > 0.8 * height ? shadow (rgba, width, height, x, y) : 0;

      room ((x + 0.5f) / width, (y + 0.5f) / height, back);
      for (int k = 0; k < 3; k++) {
        float v = a * p[k] / 255 + (1 - a) * back[k] * (1 - dark);

        v = 255 * v + 2.2f * grain (x, y, k);
        rgb[3 * ((size_t) y * width + x) + k] =
            (uint8_t) fminf (fmaxf (v + 0.5f, 0), 255);
      }
    }
}

static int
write_jpeg (const char *path, const uint8_t *rgb, int width, int height)
{
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  FILE *file = fopen (path, "wb");

  if (!file)
    return -1;
  jpeg.err = jpeg_std_error (&errors);
  jpeg_create_compress (&jpeg);
  jpeg_stdio_dest (&jpeg, file);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults (&jpeg);
  jpeg_set_quality (&jpeg, 90, TRUE);
  jpeg_start_compress (&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = (JSAMPROW) rgb + (size_t) 3 * width * jpeg.next_scanline;

    jpeg_write_scanlines (&jpeg, &row, 1);
  }
  jpeg_finish_compress (&jpeg);
  jpeg_destroy_compress (&jpeg);
  return fclose (file);
}

int
main (int argc, char **argv)
{
  Human *human = malloc (sizeof *human);
  HumanFrame frame;
  uint8_t *rgba, *rgb;
  int width, height;

  if (argc != 6) {
    fprintf (stderr, "usage: make_photo PERSON PHOTO WIDTH HEIGHT FILE.jpg\n");
    return 2;
  }
  width = atoi (argv[3]);
  height = atoi (argv[4]);
  if (width < 64 || width > 4096 || height < 64 || height > 4096) {
    fprintf (stderr, "make_photo: 64 to 4096 pixels\n");
    return 2;
  }
  rgba = malloc ((size_t) 4 * width * height);
  rgb = malloc ((size_t) 3 * width * height);
  human_generate (human, strtoull (argv[1], NULL, 10));
  human_frame (human, &frame);
  human_photo (human, &frame, strtoull (argv[2], NULL, 10), width, height,
      0.07f, 3, rgba);
  compose (rgba, width, height, rgb);
  if (write_jpeg (argv[5], rgb, width, height) != 0) {
    perror (argv[5]);
    return 1;
  }
  free (rgb);
  free (rgba);
  free (human);
  return 0;
}
