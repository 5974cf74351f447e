/* SPDX-License-Identifier: MIT */
/* Seeded normal noise: the same numbers as PyTorch draws on a CPU and on a
 * CUDA device, so that a seed gives the same person as the official code. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuNoiseDevice:
 * The shape of the GPU that is imitated: it decides the order of the numbers
 * once a tensor has more elements than the GPU has threads.
 */
typedef struct {
  int n_multiprocessors;
  int threads_per_multiprocessor;
} ShuNoiseDevice;

/* H100, H800, H200: what the authors of SyncHuman ran on. */
extern const ShuNoiseDevice shu_noise_h100;
extern const ShuNoiseDevice shu_noise_a100;
extern const ShuNoiseDevice shu_noise_rtx4090;
extern const ShuNoiseDevice shu_noise_a40;

/**
 * shu_noise_device_parse:
 * @text: (nullable): "h100", "h200", "h800", "a100", "rtx4090" or "a40",
 *   or "MULTIPROCESSORSxTHREADS" of another GPU (1 to 1024, 256 to 4096 threads
 *   of each); NULL or "": "h100"
 */
gboolean shu_noise_device_parse (
    const char *text, ShuNoiseDevice *ret_device, GError **error);

/**
 * ShuNoise:
 * The state of both generators after manual_seed().  Each draw continues where
 * the one before it ended, so the order of the calls matters.
 */
typedef struct {
  guint64 seed;
  ShuNoiseDevice device;
  guint64 cuda_offset;
  guint32 mt[624];
  int mt_used;
  gboolean has_spare;
  double spare;
} ShuNoise;

/**
 * shu_noise_init:
 * @device: (nullable): NULL is shu_noise_h100
 */
void shu_noise_init (
    ShuNoise *noise, guint64 seed, const ShuNoiseDevice *device);

/**
 * shu_noise_cpu:
 * @ret: (out caller-allocates): @n values, as torch.randn() on the CPU in
 *   float32 (to 3e-7: its vector logarithm differs in the last place)
 */
void shu_noise_cpu (ShuNoise *noise, float *ret, gsize n);

/**
 * shu_noise_cuda:
 * @ret: (out caller-allocates): @n values, as torch.randn() on a CUDA device in
 *   float32 (to 3e-6: GPUs have a short sine)
 */
void shu_noise_cuda (ShuNoise *noise, float *ret, gsize n);

/* The same, rounded to float16: torch.randn (dtype=float16) on the device. */
void shu_noise_cuda_f16 (ShuNoise *noise, float *ret, gsize n);

/**
 * shu_noise_stage1:
 * @n_embeddings: elements of the CLIP embeddings (official 10 x 1024), for
 *   which noise is drawn and thrown away
 * @latents: (out caller-allocates): @n_latents values (official 10 x 4 x 96 x
 *   96, in the order [row, channel, y, x]), float16 in the reference
 * @structure: (out caller-allocates): @n_structure values (official 8 x 16 x 16
 *   x 16, channels outermost), from the CPU generator
 *
 * All that the official Stage 1 draws, in its order.
 */
void shu_noise_stage1 (guint64 seed, const ShuNoiseDevice *device,
    gsize n_embeddings, float *latents, gsize n_latents, float *structure,
    gsize n_structure);

G_END_DECLS
