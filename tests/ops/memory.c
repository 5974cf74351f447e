/* SPDX-License-Identifier: MIT */
/* Where the memory ends, an operation fails its context and the process goes
 * on; with memory back, the same operation works. */
#include "base/error.h"
#include "harness.h"
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARE = 8 << 20 }; /* bytes that the operations may still have */

typedef struct {
  ShuTensor *x, *index, *start;
  ShuConv conv;
} Subject;

static ShuTensor *
tensor (ShuDType dtype, int n_dims, const gint64 *dims)
{
  ShuTensor *t = shu_tensor_new (dtype, n_dims, dims);

  /* zeros, and every page is there */
  for (gsize i = 0; i < t->n; i++)
    ((gint32 *) t->data)[i] = 0;
  return t;
}

static void
attention (ShuCtx *c, const Subject *s)
{
  ShuTensor *x = shu_reshape (c, s->x, SHU_DIMS (1, s->x->dims[0], 32));

  shu_attention (c, x, x, x, 1);
}

static void
attention_groups (ShuCtx *c, const Subject *s)
{
  shu_attention_groups (c, s->x, s->x, s->x, s->index, s->start, 1);
}

static void
group_norm (ShuCtx *c, const Subject *s)
{
  shu_group_norm (c, s->x, NULL, 32, 1e-5f, SHU_ACT_NONE);
}

static void
sparse_conv (ShuCtx *c, const Subject *s)
{
  shu_sparse_conv (c, s->x, s->index, &s->conv);
}

static void
sparse_conv_subdivided (ShuCtx *c, const Subject *s)
{
  shu_sparse_conv_subdivided (c, s->x, s->index, &s->conv);
}

/* rows of x, its columns; output channels of the convolutions */
static const struct {
  const char *name;
  void (*run) (ShuCtx *, const Subject *);
  gint64 n, C, Co;
} rows[] = {
    {"attention", attention, 40000, 32, 0},
    {"attention_groups", attention_groups, 40000, 32, 0},
    {"group_norm", group_norm, 40000, 32, 0},
    {"sparse_conv", sparse_conv, 2, 512, 512},
    {"sparse_conv_subdivided", sparse_conv_subdivided, 2, 256, 256},
};

static Subject
subject_new (gsize i)
{
  gint64 n = rows[i].n, C = rows[i].C, Co = rows[i].Co;
  Subject s = {.x = tensor (SHU_DTYPE_F32, SHU_DIMS (n, C))};

  if (Co > 0) {
    s.index = tensor (SHU_DTYPE_I32, SHU_DIMS (n, 27));
    s.conv.w = tensor (SHU_DTYPE_F32, SHU_DIMS (Co, 3, 3, 3, C));
    return s;
  }
  s.index = tensor (SHU_DTYPE_I32, SHU_DIMS (n));
  s.start = tensor (SHU_DTYPE_I32, SHU_DIMS (3));
  for (gint64 k = 0; k < n; k++)
    ((gint32 *) s.index->data)[k] = (gint32) k;
  /* one large group, one of a token: who allocates is not who needs */
  ((gint32 *) s.start->data)[1] = (gint32) n - 1;
  ((gint32 *) s.start->data)[2] = (gint32) n;
  return s;
}

static void
subject_clear (Subject *s)
{
  shu_tensor_unref (s->x);
  shu_tensor_unref (s->index);
  shu_tensor_unref (s->start);
  shu_tensor_unref (s->conv.w);
}

static void
limit_memory (struct rlimit *old)
{
  unsigned long pages = 0;
  FILE *f = fopen ("/proc/self/statm", "r");
  struct rlimit r;

  g_assert_nonnull (f);
  g_assert_cmpint (fscanf (f, "%lu", &pages), ==, 1);
  fclose (f);
  g_assert_cmpint (getrlimit (RLIMIT_AS, old), ==, 0);
  r = *old;
  r.rlim_cur = pages * (gsize) sysconf (_SC_PAGESIZE) + SPARE;
  g_assert_cmpint (setrlimit (RLIMIT_AS, &r), ==, 0);
}

static void
test_fails_and_works_again (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);
  g_autoptr (GError) error = NULL;
  Subject s = subject_new (i);
  struct rlimit old;

#ifdef __SANITIZE_ADDRESS__
  g_test_skip ("the sanitizer's own memory knows no such limit");
  subject_clear (&s);
  return;
#endif
  /* threads and their stacks are there before */
  shu_add (c, s.x, s.x);
  g_assert_true (shu_ctx_finish (c, &error));
  limit_memory (&old);
  rows[i].run (c, &s);
  g_assert_cmpint (setrlimit (RLIMIT_AS, &old), ==, 0);
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MEMORY);
  g_assert_nonnull (strstr (error->message, "no memory for"));
  g_clear_error (&error);
  if (rows[i].run != attention && rows[i].run != attention_groups) {
    rows[i].run (c, &s); /* those two would take long */
    shu_ctx_finish (c, &error);
    g_assert_no_error (error);
  }
  subject_clear (&s);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strconcat ("/ops/memory/ends_within_", rows[i].name, NULL);

    g_test_add_data_func (
        path, GSIZE_TO_POINTER (i), test_fails_and_works_again);
  }
  return g_test_run ();
}
