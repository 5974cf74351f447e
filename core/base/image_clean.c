/* SPDX-License-Identifier: MIT */
/* Takes the haze and the crumbs off a matte. */
#include "image.h"

enum { FAINT = SHU_CLEAN_FAINT, SMALL_SHARE = SHU_CLEAN_SMALL_SHARE };

/* The four-connected piece of @mask >= FAINT that holds pixel @start: its
 * pixels in @list, marked in @seen.  Returns: how many */
static int
collect (const ShuImage *mask, int start, guint8 *seen, int *list)
{
  int W = mask->width, H = mask->height, n = 1;

  list[0] = start;
  seen[start] = 1;
  for (int k = 0; k < n; k++) {
    int i = list[k], x = i % W, y = i / W;
    int next[4] = {x > 0 ? i - 1 : -1, x < W - 1 ? i + 1 : -1,
        y > 0 ? i - W : -1, y < H - 1 ? i + W : -1};

    for (int d = 0; d < 4; d++)
      if (next[d] >= 0 && !seen[next[d]] && mask->data[next[d]] >= FAINT) {
        seen[next[d]] = 1;
        list[n++] = next[d];
      }
  }
  return n;
}

typedef struct {
  int first, n; /* in the list of pixels */
  guint64 sum;  /* of alpha */
} Piece;

void
shu_image_clean (ShuImage *mask)
{
  gsize n = (gsize) mask->width * mask->height;
  g_autofree guint8 *seen = g_malloc0 (n);
  g_autofree int *list = g_new (int, n);
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  guint64 largest = 0;
  int end = 0;

  g_return_if_fail (mask->n_channels == 1);
  for (gsize i = 0; i < n; i++) {
    if (mask->data[i] < FAINT)
      mask->data[i] = 0;
    else if (!seen[i]) {
      Piece p = {end, collect (mask, i, seen, list + end), 0};

      for (int k = 0; k < p.n; k++)
        p.sum += mask->data[list[p.first + k]];
      largest = MAX (largest, p.sum);
      end += p.n;
      g_array_append_val (pieces, p);
    }
  }
  for (guint i = 0; i < pieces->len; i++) {
    const Piece *p = &g_array_index (pieces, Piece, i);

    for (int k = 0; p->sum * SMALL_SHARE < largest && k < p->n; k++)
      mask->data[list[p->first + k]] = 0;
  }
}
