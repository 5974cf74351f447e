/* SPDX-License-Identifier: MIT */
/* Forms that networks want of weights on devices, and how these get there. */
#include "weights/weights_private.h"

static void
set_use (ShuWeightsRoot *root, ShuWeightUse use)
{
  if (use.w == root->nil)
    return;
  g_mutex_lock (&root->lock);
  g_hash_table_replace (
      root->uses, shu_tensor_ref (use.w), g_memdup2 (&use, sizeof use));
  g_mutex_unlock (&root->lock);
}

ShuTensor *
shu_weights_use (ShuWeights *w, ShuTensor *t, ShuUse use)
{
  set_use (w->root, (ShuWeightUse){.w = t, .use = use});
  return t;
}

void
shu_weights_use_joined (ShuWeights *w, int n, ShuTensor *const *t)
{
  for (int i = 0; i < n; i++)
    set_use (w->root, (ShuWeightUse){t[i], SHU_USE_JOINED, t[0], i});
}

/* (transfer full): of ShuWeightUse; the tensors live as long as @root */
static GArray *
list_uses (ShuWeightsRoot *root)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (ShuWeightUse));
  GHashTableIter iter;
  gpointer use;

  g_mutex_lock (&root->lock);
  g_hash_table_iter_init (&iter, root->uses);
  while (g_hash_table_iter_next (&iter, NULL, &use))
    if (((ShuWeightUse *) use)->use != SHU_USE_NONE)
      g_array_append_vals (list, use, 1);
  g_mutex_unlock (&root->lock);
  return list;
}

gsize
shu_weights_device_bytes (ShuWeights *w)
{
  g_autoptr (GArray) list = list_uses (w->root);
  gsize bytes = 0;

  for (guint i = 0; i < list->len; i++)
    bytes += shu_weight_bytes (&g_array_index (list, ShuWeightUse, i));
  return bytes;
}

static void
array_unref (gpointer data)
{
  g_array_unref (data);
}

void
shu_weights_upload (
    int n, ShuWeights *const *w, ShuCtx *c, ShuUploadFunc func, gpointer data)
{
  g_autoptr (GPtrArray) lists = g_ptr_array_new_with_free_func (array_unref);
  g_autofree ShuWeightSet *sets = g_new (ShuWeightSet, (gsize) n);

  for (int i = 0; i < n; i++) {
    GArray *list = list_uses (w[i]->root);

    g_ptr_array_add (lists, list);
    sets[i] =
        (ShuWeightSet){(int) list->len, (const ShuWeightUse *) list->data};
  }
  shu_upload_weights (c, n, sets, func, data);
}
