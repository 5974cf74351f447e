/* SPDX-License-Identifier: MIT */
/* U²-Net's convolutions in the order in which it computes them, which is the
 * order of an exported graph: eleven stages, six side outputs and what joins
 * them.  Kernel sizes and dilations show whether a graph is that. */
#include "weights/onnx_private.h"

enum { N_SIDES = 6, N_CONVS = 119 };

/* @height units go down, the last of them dilated, and one fewer up again. */
static const struct {
  const char *name;
  int height;
  gboolean dilated;
} stages[] = {
    {"stage1", 7, FALSE},
    {"stage2", 6, FALSE},
    {"stage3", 5, FALSE},
    {"stage4", 4, FALSE},
    {"stage5", 4, TRUE},
    {"stage6", 4, TRUE},
    {"stage5d", 4, TRUE},
    {"stage4d", 4, FALSE},
    {"stage3d", 5, FALSE},
    {"stage2d", 6, FALSE},
    {"stage1d", 7, FALSE},
};

/* Unit @k of stage @s: its name and dilation. */
static char *
unit_name (gsize s, int k, int *ret_dilation)
{
  int L = stages[s].height, level = k <= L ? k : 2 * L - k;
  gboolean dilated = stages[s].dilated;

  *ret_dilation = k == 0 ? 1 : dilated ? 1 << (level - 1) : k == L ? 2 : 1;
  if (k == 0)
    return g_strdup_printf ("%s.rebnconvin.conv_s1", stages[s].name);
  return g_strdup_printf (
      "%s.rebnconv%d%s.conv_s1", stages[s].name, level, k > L ? "d" : "");
}

/* What convolution @i must be. */
static char *
expect (guint i, int *ret_kernel, int *ret_dilation)
{
  *ret_kernel = 3;
  *ret_dilation = 1;
  for (gsize s = 0; s < G_N_ELEMENTS (stages); s++) {
    guint n = 2 * (guint) stages[s].height;

    if (i < n)
      return unit_name (s, (int) i, ret_dilation);
    i -= n;
  }
  if (i < N_SIDES)
    return g_strdup_printf ("side%u", i + 1);
  *ret_kernel = 1;
  return g_strdup ("outconv");
}

char *
shu_u2net_conv_name (guint i)
{
  int kernel, dilation;

  return expect (i, &kernel, &dilation);
}

gboolean
shu_u2net_matches (const ShuOnnxConv *convs, guint n)
{
  for (guint i = 0; i < n && n == N_CONVS; i++) {
    int kernel, dilation;
    g_autofree char *name = expect (i, &kernel, &dilation);

    if (!*convs[i].weight || !*convs[i].bias || convs[i].kernel != kernel ||
        convs[i].dilation != dilation)
      return FALSE;
  }
  return n == N_CONVS;
}
