/* SPDX-License-Identifier: MIT */
/* Tensors of a device as memory of a buffer.  Caps with the feature
 * memory:ShuDevice say that a buffer may hold such memory, and their field
 * "device" on which device it is: "cuda:0".  Whoever maps it for reading gets a
 * copy in host memory, made once and counted. */
#pragma once
#include <gst/gst.h>
#include "shu.h"

G_BEGIN_DECLS

#define SHU_CAPS_FEATURE_DEVICE "memory:ShuDevice"

/**
 * shu_device_memory_new:
 * @t: not in host memory; finished
 * @traffic: (nullable): counts what a mapping copies
 *
 * Returns: (transfer full): read-only, not shared in parts
 */
GstMemory *shu_device_memory_new (ShuTensor *t, ShuTraffic *traffic);

/* (transfer none) (nullable): the tensor, where @memory is of this kind */
ShuTensor *shu_device_memory_tensor (GstMemory *memory);

/* The device that @caps name; NULL where they are for system memory. */
const char *shu_caps_device (const GstCaps *caps);

G_END_DECLS
