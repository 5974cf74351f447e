/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shunpzenc
 * @title: shunpzenc
 * @short_description: writes NPZ for NumPy
 *
 * Every tensor of the bundle under its name; 16-bit brain floats have no NumPy
 * type and are refused.
 *
 * |[
 * gst-launch-1.0 filesrc location=views.safetensors ! shubundledec ! shunpzenc
 * ! filesink location=views.npz
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
} ShuNpzEnc;

typedef ShuTransformClass ShuNpzEncClass;

GType shu_npz_enc_get_type (void);
G_DEFINE_FINAL_TYPE (ShuNpzEnc, shu_npz_enc, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shunpzenc, "shunpzenc", GST_RANK_NONE, shu_npz_enc_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANY));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-npz"));

static gboolean
npy_type (ShuDType dtype, ShuNpyType *ret)
{
  switch (dtype) {
  case SHU_DTYPE_F32:
    *ret = SHU_NPY_F32;
    return TRUE;
  case SHU_DTYPE_F16:
    *ret = SHU_NPY_F16;
    return TRUE;
  case SHU_DTYPE_I32:
    *ret = SHU_NPY_I32;
    return TRUE;
  case SHU_DTYPE_U8:
    *ret = SHU_NPY_U8;
    return TRUE;
  case SHU_DTYPE_BF16:
  case SHU_DTYPE_E4M3:
    break;
  }
  return FALSE;
}

static GBytes *
encode (const ShuBundle *b, GError **error)
{
  g_autoptr (GPtrArray) arrays =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_npy_array_free);

  for (int i = 0; i < shu_bundle_n (b); i++) {
    ShuTensor *t = shu_bundle_nth (b, i);
    ShuNpyType type;

    if (!npy_type (t->dtype, &type)) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
          "NPZ has no type for the field \"%s\" (%s)", shu_bundle_name (b, i),
          shu_dtype_name (t->dtype));
      return NULL;
    }
    g_ptr_array_add (arrays,
        shu_npy_array_new (shu_bundle_name (b, i), type, t->n_dims, t->dims,
            g_bytes_new_with_free_func (t->data, shu_tensor_bytes (t),
                (GDestroyNotify) shu_tensor_unref, shu_tensor_ref (t))));
  }
  return shu_npz_encode (arrays, error);
}

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuBundle) b = shu_buffer_get_bundle (in, error);
  g_autoptr (GBytes) file = b ? encode (b, error) : NULL;

  if (!file)
    return FALSE;
  shu_buffer_fill_bytes (out, file);
  return TRUE;
}

static void
shu_npz_enc_class_init (ShuNpzEncClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->process = process;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "NPZ writer", "Codec/Encoder",
      "Writes any bundle as an NPZ file for NumPy", "The synchuman authors");
}

static void
shu_npz_enc_init (ShuNpzEnc *self)
{
}
