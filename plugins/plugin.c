/* SPDX-License-Identifier: MIT */
/* The elements of the plugin. */
#include <gst/gst.h>

/* clang-format off */
#define ELEMENTS(X)                                                            \
  X (shuphotodec) X (shumatting) X (shupreprocess) X (shustage1)               \
  X (shustage2) X (shumesh) X (shutexture) X (shuglbmux) X (shubundleenc)      \
  X (shubundledec) X (shuviews) X (shuviewssrc) X (shuviewssink)               \
  X (shuplyenc) X (shunpzenc) X (shusheet) X (shufilesink) X (shupick)         \
  X (shuturntable)
#define DECLARE(name) GST_ELEMENT_REGISTER_DECLARE (name)
#define REGISTER(name) && GST_ELEMENT_REGISTER (name, plugin)
/* clang-format on */

ELEMENTS (DECLARE)

static gboolean
plugin_init (GstPlugin *plugin)
{
  return TRUE ELEMENTS (REGISTER);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, synchuman,
    "One photo of a person in, one textured 3D model out", plugin_init, VERSION,
    "MIT/X11", "synchuman", "synchuman")
