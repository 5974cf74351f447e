/* SPDX-License-Identifier: MIT */
/* Readers of other programs' weights against files damaged at random. */
#include "base/error.h"
#include "fixtures.h"
#include "mutate.h"
#include "weights/tensor_file.h"

static guint
sum (gconstpointer data, gsize size)
{
  const guint8 *p = data;
  volatile guint s = 0;

  for (gsize i = 0; i < size; i++)
    s += p[i];
  return s;
}

/* Looks at all that it is given. */
static gboolean
read_file (GBytes *bytes, gpointer name, GError **error)
{
  g_autoptr (ShuTensorFile) file = shu_tensor_file_parse (bytes, name, error);

  for (int i = 0; file && i < shu_tensor_file_n (file); i++) {
    g_autoptr (GError) unsupported = NULL, strange = NULL;
    g_autoptr (ShuTensor) t = shu_tensor_file_tensor (file, i, &unsupported);
    g_autoptr (GBytes) all = shu_tensor_file_bytes (file, i, &strange);

    g_assert_cmpint (
        shu_tensor_file_find (file, shu_tensor_file_name (file, i)), ==, i);
    g_assert_true ((t == NULL) == (unsupported != NULL));
    g_assert_true ((all == NULL) == (strange != NULL));
    if (t)
      sum (t->data, shu_tensor_bytes (t));
    if (all)
      sum (g_bytes_get_data (all, NULL), g_bytes_get_size (all));
  }
  return file != NULL;
}

static const float floats[24] = {1, 2, 3};
static const gint64 swapped[] = {1, 2}, steps[] = {7};

static const TorchTensor tensors[] = {
    {"conv.weight", "Float", "0", 24, 0, 4, {2, 2, 2, 3}, NULL, floats, 96},
    {"turned", "Half", "1", 8, 0, 2, {2, 4}, swapped, floats, 16},
    {"view", "Float", "0", 24, 3, 1, {3}, steps, NULL, 0},
    {"count", "Long", "2", 1, 0, 0, {0}, NULL, floats, 8},
};

static GBytes *
make_onnx (void)
{
  GByteArray *graph = g_byte_array_new (), *t;

  onnx_message (graph, 1, onnx_conv ("5", "b", 3, 2));
  onnx_message (
      graph, 5, onnx_tensor ("5", 4, (const gint64[]){1, 2, 2, 2}, floats));
  t = onnx_tensor ("b", 0, NULL, floats);
  onnx_number (t, 14, 0);
  onnx_message (graph, 5, t);
  t = g_byte_array_new ();
  onnx_bytes (t, 1, "\2\2", 2);
  onnx_number (t, 2, 7);
  onnx_text (t, 8, "numbers");
  onnx_bytes (t, 7, "\1\2\x80\1\3", 5);
  onnx_message (graph, 5, t);
  t = g_byte_array_new ();
  onnx_bytes (t, 1, "\2\2", 2);
  onnx_number (t, 2, 9);
  onnx_text (t, 8, "flags");
  onnx_bytes (t, 5, "\1\0\1\1", 4);
  onnx_message (graph, 5, t);
  return onnx_model (graph);
}

static void
test_target (gconstpointer data)
{
  mutate_run (data);
}

int
main (int argc, char **argv)
{
  const int n = G_N_ELEMENTS (tensors);
  MutateTarget targets[] = {
      {"torch_zip", torch_zip (n, tensors, NULL), read_file, NULL, MUTATE_BYTES,
          4000, "fuzz.pth", 200},
      {"torch_legacy", torch_legacy (n, tensors), read_file, NULL, MUTATE_BYTES,
          4000, "fuzz.pth", 200},
      {"onnx", make_onnx (), read_file, NULL, MUTATE_BYTES, 4000, "fuzz.onnx",
          200},
      {"onnx_u2net", onnx_u2net (), read_file, NULL, MUTATE_BYTES, 500,
          "fuzz.onnx", 50},
  };
  int status;

  mutate_init (&argc, argv);
  g_test_init (&argc, &argv, NULL);
  mutate_share (60, G_N_ELEMENTS (targets));
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autofree char *path =
        g_strdup_printf ("/fuzz/%s/fails_clearly", targets[i].name);

    g_test_add_data_func (path, &targets[i], test_target);
  }
  status = g_test_run ();
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++)
    g_bytes_unref (targets[i].valid);
  return status;
}
