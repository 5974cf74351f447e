/* SPDX-License-Identifier: MIT */
/* Properties by table: one row each; installing, getting, setting, locking and
 * refusing is done here.  A value out of range is warned about, leaves the
 * property alone and makes the element refuse to start: unlike GObject's own
 * check, which gst-launch-1.0 would run past. */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  SHU_PROP_KIND_INT,
  SHU_PROP_KIND_INT64,
  SHU_PROP_KIND_DOUBLE,
  SHU_PROP_KIND_STRING,
  SHU_PROP_KIND_ENUM,
  SHU_PROP_KIND_BOOL,
  SHU_PROP_KIND_TRAFFIC,
} ShuPropKind;

/**
 * ShuProp:
 * @offset: of the field in the instance: int, gint64, double, char *, int, int
 *   or ShuTraffic *
 * @model_value: -1 is allowed beside the range, and the default
 * @settled: looked at when the element starts, and no later; others count for
 *   the next buffer
 */
typedef struct {
  ShuPropKind kind;
  const char *name;
  const char *blurb;
  gsize offset;
  gboolean model_value;
  gboolean settled;
  double min, max, def;
  const char *def_string;
  GType (*enum_type) (void);
} ShuProp;

#define SHU_PROP_AT(Type, field, name_, blurb_)                                \
  .name = name_, .blurb = blurb_, .offset = G_STRUCT_OFFSET (Type, field)

#define SHU_PROP_INT(Type, field, name, lo, hi, def_, blurb)                   \
  {                                                                            \
    .kind = SHU_PROP_KIND_INT, SHU_PROP_AT (Type, field, name, blurb),         \
    .min = lo, .max = hi, .def = def_                                          \
  }
#define SHU_PROP_DOUBLE(Type, field, name, lo, hi, def_, blurb)                \
  {                                                                            \
    .kind = SHU_PROP_KIND_DOUBLE, SHU_PROP_AT (Type, field, name, blurb),      \
    .min = lo, .max = hi, .def = def_                                          \
  }
/* -1, the default, means the model folder's value */
#define SHU_PROP_MODEL_INT(Type, field, name, lo, hi, blurb)                   \
  {                                                                            \
    .kind = SHU_PROP_KIND_INT, SHU_PROP_AT (Type, field, name, blurb),         \
    .model_value = TRUE, .min = lo, .max = hi, .def = -1                       \
  }
#define SHU_PROP_MODEL_DOUBLE(Type, field, name, lo, hi, blurb)                \
  {                                                                            \
    .kind = SHU_PROP_KIND_DOUBLE, SHU_PROP_AT (Type, field, name, blurb),      \
    .model_value = TRUE, .min = lo, .max = hi, .def = -1                       \
  }
/* -1 or a non-negative number of 53 bits */
#define SHU_PROP_SEED(Type, field, name, def_, blurb)                          \
  {                                                                            \
    .kind = SHU_PROP_KIND_INT64, SHU_PROP_AT (Type, field, name, blurb),       \
    .model_value = TRUE, .min = 0, .max = 9007199254740991., .def = def_       \
  }
#define SHU_PROP_STRING(Type, field, name, blurb)                              \
  {                                                                            \
    .kind = SHU_PROP_KIND_STRING, SHU_PROP_AT (Type, field, name, blurb)       \
  }
#define SHU_PROP_SETTLED_STRING(Type, field, name, blurb)                      \
  {                                                                            \
    .kind = SHU_PROP_KIND_STRING, SHU_PROP_AT (Type, field, name, blurb),      \
    .settled = TRUE                                                            \
  }
#define SHU_PROP_ENUM(Type, field, name, type_func, def_, blurb)               \
  {                                                                            \
    .kind = SHU_PROP_KIND_ENUM, SHU_PROP_AT (Type, field, name, blurb),        \
    .enum_type = type_func, .def = def_                                        \
  }
#define SHU_PROP_BOOL(Type, field, name, def_, blurb)                          \
  {                                                                            \
    .kind = SHU_PROP_KIND_BOOL, SHU_PROP_AT (Type, field, name, blurb),        \
    .def = def_                                                                \
  }
/* read-only: counts as a GstStructure */
#define SHU_PROP_TRAFFIC(Type, field, name, blurb)                             \
  {                                                                            \
    .kind = SHU_PROP_KIND_TRAFFIC, SHU_PROP_AT (Type, field, name, blurb)      \
  }

/**
 * shu_props_install:
 * @props: static; may be called once per class of a hierarchy
 *
 * Installs the properties and the class's way to get, set and free them.  The
 * range of a spec cannot say that between -1 and the least value there is
 * nothing; its qdata "shu-least", a const double *, is that least value.
 */
void shu_props_install (GObjectClass *klass, const ShuProp *props, guint n);

#define SHU_PROPS_INSTALL(klass, props)                                        \
  shu_props_install (G_OBJECT_CLASS (klass), props, G_N_ELEMENTS (props))

/* Frees the strings: call it from finalize where there are any. */
void shu_props_clear (gpointer object);

/**
 * shu_props_check:
 * Returns: FALSE where a property was set to something it cannot be
 */
gboolean shu_props_check (gpointer object, GError **error);

G_END_DECLS
