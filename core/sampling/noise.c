/* SPDX-License-Identifier: MIT */
/* Mersenne twister (Matsumoto and Nishimura 1998) and Philox4x32-10 (Salmon et
 * al. 2011) with the Box-Muller transforms that PyTorch puts behind them. */
#include "noise.h"
#include "base/error.h"
#include "base/half.h"
#include <math.h>
#include <string.h>

enum { MT_SIZE = 624, MT_SHIFT = 397 };

const ShuNoiseDevice shu_noise_h100 = {132, 2048};
const ShuNoiseDevice shu_noise_a100 = {108, 2048};
const ShuNoiseDevice shu_noise_rtx4090 = {128, 1536};
const ShuNoiseDevice shu_noise_a40 = {84, 1536};

/* "MULTIPROCESSORSxTHREADS" */
static gboolean
parse_sizes (const char *text, ShuNoiseDevice *ret)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", 2);
  guint64 n, threads;

  if (g_strv_length (parts) != 2 ||
      !g_ascii_string_to_unsigned (parts[0], 10, 1, 1024, &n, NULL) ||
      !g_ascii_string_to_unsigned (parts[1], 10, 256, 4096, &threads, NULL))
    return FALSE;
  *ret = (ShuNoiseDevice){(int) n, (int) threads};
  return TRUE;
}

gboolean
shu_noise_device_parse (
    const char *text, ShuNoiseDevice *ret_device, GError **error)
{
  static const struct {
    const char *name;
    const ShuNoiseDevice *device;
  } known[] = {{"h100", &shu_noise_h100}, {"h200", &shu_noise_h100},
      {"h800", &shu_noise_h100}, {"a100", &shu_noise_a100},
      {"rtx4090", &shu_noise_rtx4090}, {"a40", &shu_noise_a40}};

  if (!text || !*text)
    text = known[0].name;
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (strcmp (text, known[i].name) == 0) {
      *ret_device = *known[i].device;
      return TRUE;
    }
  if (parse_sizes (text, ret_device))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "noise GPU \"%.40s\": expected h100, h200, h800, a100, rtx4090, a40, or "
      "the multiprocessors of another and the threads of each, as in 132x2048",
      text);
  return FALSE;
}

void
shu_noise_init (ShuNoise *noise, guint64 seed, const ShuNoiseDevice *device)
{
  guint32 x = (guint32) seed;

  *noise = (ShuNoise){.seed = seed,
      .device = device ? *device : shu_noise_h100,
      .mt_used = MT_SIZE};
  noise->mt[0] = x;
  for (guint32 i = 1; i < MT_SIZE; i++) {
    x = 1812433253u * (x ^ (x >> 30)) + i;
    noise->mt[i] = x;
  }
}

static void
mt_refill (guint32 *mt)
{
  for (int i = 0; i < MT_SIZE; i++) {
    guint32 next = mt[(i + 1) % MT_SIZE];
    guint32 y = (mt[i] & 0x80000000u) | (next & 0x7fffffffu);

    mt[i] =
        mt[(i + MT_SHIFT) % MT_SIZE] ^ (y >> 1) ^ (next & 1 ? 0x9908b0dfu : 0);
  }
}

static guint32
mt_next (ShuNoise *noise)
{
  guint32 y;

  if (noise->mt_used == MT_SIZE) {
    mt_refill (noise->mt);
    noise->mt_used = 0;
  }
  y = noise->mt[noise->mt_used++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

static float
mt_uniform (ShuNoise *noise)
{
  return (mt_next (noise) & 0xffffff) * 0x1p-24f;
}

static double
mt_uniform_double (ShuNoise *noise)
{
  guint64 high = mt_next (noise);
  guint64 low = mt_next (noise);

  return ((high << 32 | low) & ((G_GUINT64_CONSTANT (1) << 53) - 1)) * 0x1p-53;
}

/* Below 16 values: pairs in double, the second of which waits for the next
 * call. */
static double
normal_double (ShuNoise *noise)
{
  double u, r;

  if (noise->has_spare) {
    noise->has_spare = FALSE;
    return noise->spare;
  }
  u = mt_uniform_double (noise);
  r = sqrt (-2 * log1p (-mt_uniform_double (noise)));
  noise->spare = r * sin (2 * G_PI * u);
  noise->has_spare = TRUE;
  return r * cos (2 * G_PI * u);
}

/* 16 uniforms become 16 normals, in place. */
static void
normal_16 (float *v)
{
  for (int j = 0; j < 8; j++) {
    float r = sqrtf (-2 * logf (1 - v[j]));
    float angle = (float) (2 * G_PI) * v[j + 8];

    v[j] = r * cosf (angle);
    v[j + 8] = r * sinf (angle);
  }
}

void
shu_noise_cpu (ShuNoise *noise, float *ret, gsize n)
{
  if (n < 16) {
    for (gsize i = 0; i < n; i++)
      ret[i] = (float) normal_double (noise);
    return;
  }
  for (gsize i = 0; i < n; i++)
    ret[i] = mt_uniform (noise);
#pragma omp parallel for
  for (gsize i = 0; i < n / 16; i++)
    normal_16 (ret + 16 * i);
  if (n % 16 != 0) { /* the last 16 are drawn anew */
    for (gsize i = n - 16; i < n; i++)
      ret[i] = mt_uniform (noise);
    normal_16 (ret + n - 16);
  }
}

static void
philox (guint64 seed, guint64 counter, guint64 thread, guint32 ret[4])
{
  guint32 k0 = (guint32) seed, k1 = (guint32) (seed >> 32);
  guint32 c0 = (guint32) counter, c1 = (guint32) (counter >> 32);
  guint32 c2 = (guint32) thread, c3 = (guint32) (thread >> 32);

  for (int round = 0; round < 10; round++) {
    guint64 p0 = (guint64) c0 * 0xd2511f53u;
    guint64 p1 = (guint64) c2 * 0xcd9e8d57u;

    c0 = (guint32) (p1 >> 32) ^ c1 ^ k0;
    c1 = (guint32) p1;
    c2 = (guint32) (p0 >> 32) ^ c3 ^ k1;
    c3 = (guint32) p0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  ret[0] = c0;
  ret[1] = c1;
  ret[2] = c2;
  ret[3] = c3;
}

static void
philox_normals (guint64 seed, guint64 counter, guint64 thread, float ret[4])
{
  const float scale = 2.3283064e-10f; /* 2^-32 */
  const float angle_scale = scale * 6.2831855f;
  guint32 x[4];

  philox (seed, counter, thread, x);
  for (int i = 0; i < 4; i += 2) {
    float u = x[i] * scale + scale / 2;
    float angle = x[i + 1] * angle_scale + angle_scale / 2;
    float r = sqrtf (-2 * logf (u));

    ret[i] = r * sinf (angle);
    ret[i + 1] = r * cosf (angle);
  }
}

void
shu_noise_cuda (ShuNoise *noise, float *ret, gsize n)
{
  enum { BLOCK = 256 };

  guint64 blocks = (guint64) noise->device.n_multiprocessors *
                   (noise->device.threads_per_multiprocessor / BLOCK);
  guint64 G = BLOCK * MIN (MAX (blocks, 1), (n + BLOCK - 1) / BLOCK);
  guint64 first = noise->cuda_offset / 4;
  guint64 n_loops;

  if (n == 0)
    return;
  n_loops = (n - 1) / (4 * G) + 1;
  /* Thread q of G writes the elements q, q + G, q + 2 G, ... */
#pragma omp parallel for
  for (guint64 q = 0; q < G; q++)
    for (guint64 j = 0; j < n_loops; j++) {
      float r[4];

      philox_normals (noise->seed, first + j, q, r);
      for (guint64 i = 0; i < 4 && q + G * (4 * j + i) < n; i++)
        ret[q + G * (4 * j + i)] = r[i];
    }
  noise->cuda_offset += 4 * n_loops;
}

void
shu_noise_cuda_f16 (ShuNoise *noise, float *ret, gsize n)
{
  shu_noise_cuda (noise, ret, n);
  for (gsize i = 0; i < n; i++)
    ret[i] = shu_f16_round (ret[i]);
}

void
shu_noise_stage1 (guint64 seed, const ShuNoiseDevice *device,
    gsize n_embeddings, float *latents, gsize n_latents, float *structure,
    gsize n_structure)
{
  g_autofree float *unused = g_new (float, n_embeddings);
  ShuNoise noise;

  shu_noise_init (&noise, seed, device);
  shu_noise_cuda_f16 (&noise, unused, n_embeddings);
  shu_noise_cuda_f16 (&noise, latents, n_latents);
  shu_noise_cpu (&noise, structure, n_structure);
}
