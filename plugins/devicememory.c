/* SPDX-License-Identifier: MIT */
#include "devicememory.h"

#define MEMORY_TYPE "ShuDeviceMemory"

typedef struct {
  GstMemory parent;
  ShuTensor *tensor;
  ShuTraffic *traffic;
} DeviceMemory;

static GstMemory *
no_alloc (GstAllocator *allocator, gsize size, GstAllocationParams *params)
{
  return NULL; /* there are tensors first, and memory of them */
}

static void
free_memory (GstAllocator *allocator, GstMemory *memory)
{
  DeviceMemory *m = (DeviceMemory *) memory;

  shu_tensor_unref (m->tensor);
  shu_traffic_unref (m->traffic);
  g_free (m);
}

/* The tensor keeps the copy, so there is nothing to undo. */
static gpointer
map (GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
  DeviceMemory *m = (DeviceMemory *) memory;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTensor) host = NULL;

  if (flags & GST_MAP_WRITE)
    return NULL;
  host = shu_tensor_to_host (m->tensor, m->traffic,
      m->tensor->dtype == SHU_DTYPE_U8 ? SHU_TRAFFIC_IMAGE : SHU_TRAFFIC_MESH,
      &error);
  if (!host)
    GST_ERROR_OBJECT (memory->allocator, "%s", error->message);
  return host ? host->data : NULL;
}

static void
unmap (GstMemory *memory)
{
}

static void
allocator_class_init (gpointer klass, gpointer data)
{
  GST_ALLOCATOR_CLASS (klass)->alloc = no_alloc;
  GST_ALLOCATOR_CLASS (klass)->free = free_memory;
}

static void
allocator_init (GTypeInstance *instance, gpointer klass)
{
  GstAllocator *allocator = GST_ALLOCATOR (instance);

  allocator->mem_type = MEMORY_TYPE;
  allocator->mem_map = map;
  allocator->mem_unmap = unmap;
  GST_OBJECT_FLAG_SET (allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

static GType
allocator_type (void)
{
  static GType type;

  /* a program that links this file has it beside the plugin's copy */
  if (g_once_init_enter (&type)) {
    GType there = g_type_from_name ("ShuDeviceAllocator");

    g_once_init_leave (
        &type, there ? there
                     : g_type_register_static_simple (GST_TYPE_ALLOCATOR,
                           "ShuDeviceAllocator", sizeof (GstAllocatorClass),
                           allocator_class_init, sizeof (GstAllocator),
                           allocator_init, 0));
  }
  return type;
}

static GstAllocator *
get_allocator (void)
{
  static GstAllocator *allocator;

  if (g_once_init_enter (&allocator)) {
    GstAllocator *a =
        g_object_ref_sink (g_object_new (allocator_type (), NULL));

    GST_OBJECT_FLAG_SET (a, GST_OBJECT_FLAG_MAY_BE_LEAKED);
    g_once_init_leave (&allocator, a);
  }
  return allocator;
}

GstMemory *
shu_device_memory_new (ShuTensor *t, ShuTraffic *traffic)
{
  DeviceMemory *m = g_new0 (DeviceMemory, 1);
  gsize size = shu_tensor_bytes (t);

  g_assert (!shu_tensor_is_host (t));
  gst_memory_init (GST_MEMORY_CAST (m),
      GST_MEMORY_FLAG_READONLY | GST_MEMORY_FLAG_NO_SHARE, get_allocator (),
      NULL, size, 0, 0, size);
  m->tensor = shu_tensor_ref (t);
  m->traffic = traffic ? shu_traffic_ref (traffic) : NULL;
  return GST_MEMORY_CAST (m);
}

ShuTensor *
shu_device_memory_tensor (GstMemory *memory)
{
  return gst_memory_is_type (memory, MEMORY_TYPE)
             ? ((DeviceMemory *) memory)->tensor
             : NULL;
}

const char *
shu_caps_device (const GstCaps *caps)
{
  if (!caps || gst_caps_is_any (caps) || gst_caps_is_empty (caps) ||
      !gst_caps_features_contains (
          gst_caps_get_features (caps, 0), SHU_CAPS_FEATURE_DEVICE))
    return NULL;
  return gst_structure_get_string (gst_caps_get_structure (caps, 0), "device");
}
