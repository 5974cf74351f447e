/* SPDX-License-Identifier: MIT */
/* What the elements with a property "location" share. */
#pragma once
#include <gst/gst.h>

static inline gboolean
shu_need_location (gpointer element, const char *location)
{
  if (location && *location)
    return TRUE;
  GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS,
      ("Say where: the property \"location\" is not set."), (NULL));
  return FALSE;
}
