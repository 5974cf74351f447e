/* SPDX-License-Identifier: MIT */
/* Several subjects in one go: each gets what it would get alone, one that
 * cannot be worked on keeps nobody from anything, and what they take of a GPU
 * is known before. */
#include "base/error.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include "stages/model_private.h"
#include <stdlib.h>
#include <string.h>

enum { N = 3 };

static ShuModel *
model_on (const char *device)
{
  g_autoptr (GError) error = NULL;
  ShuModel *m = shu_model_get ("synthetic-tiny:7", device, &error);

  if (!m)
    g_test_skip (error->message);
  return m;
}

/* Another picture and another seed for each */
static ShuBundle *
make_subject (const ShuModel *m, int i)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  g_autoptr (ShuImage) cutout = fixture_cutout (50 + 10 * i, 90);
  ShuPreprocessParams p = {.seed = 11 + i,
      .view_size = d->view_size,
      .condition_size = d->condition_size};
  g_autoptr (GError) error = NULL;
  ShuBundle *b = shu_stage_preprocess (cutout, &p, NULL, &error);

  g_assert_no_error (error);
  return b;
}

/* N subjects, with what they get one by one */
typedef struct {
  ShuModel *model;
  const ShuBundle *subjects[N];
  ShuBundle *alone[N];
} Group;

static gboolean
group_init (Group *g, const char *device)
{
  g_autoptr (GError) error = NULL;

  *g = (Group){.model = model_on (device)};
  for (int i = 0; g->model && i < N; i++) {
    g->subjects[i] = make_subject (g->model, i);
    g->alone[i] = shu_stage_stage1 (
        g->model, g->subjects[i], &fixture_stage1, NULL, &error);
    g_assert_no_error (error);
  }
  return g->model != NULL;
}

static void
group_clear (Group *g)
{
  for (int i = 0; i < N; i++) {
    g_clear_pointer ((ShuBundle **) &g->subjects[i], shu_bundle_unref);
    g_clear_pointer (&g->alone[i], shu_bundle_unref);
  }
  g_clear_pointer (&g->model, shu_model_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Group, group_clear)

static void
clear_outcomes (int n, ShuOutcome *o)
{
  for (int i = 0; i < n; i++) {
    g_clear_pointer (&o[i].bundle, shu_bundle_unref);
    g_clear_error (&o[i].error);
  }
}

static void
assert_same (const ShuBundle *a, const ShuBundle *b)
{
  g_autoptr (GBytes) x = shu_bundle_encode (a), y = shu_bundle_encode (b);

  g_assert_true (g_bytes_equal (x, y));
}

/* How far values of 0..255 are from each other in the mean, and at most */
static double
difference (
    const ShuBundle *a, const ShuBundle *b, const char *field, int *ret_most)
{
  g_autoptr (ShuBundle) x = shu_bundle_to_host (a, NULL, NULL);
  g_autoptr (ShuBundle) y = shu_bundle_to_host (b, NULL, NULL);
  const ShuTensor *p = shu_bundle_get (x, field);
  const ShuTensor *q = shu_bundle_get (y, field);
  double sum = 0;

  g_assert_cmpuint (p->n, ==, q->n);
  *ret_most = 0;
  for (gsize i = 0; i < p->n; i++) {
    int d = abs (((guint8 *) p->data)[i] - ((guint8 *) q->data)[i]);

    sum += d;
    *ret_most = MAX (*ret_most, d);
  }
  return sum / (double) p->n;
}

/* ---- results ---- */

static void
test_one_by_one (void)
{
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  ShuOutcome o[N];

  group_init (&g, "cpu");
  g_assert_true (shu_stage_stage1_batch (
      g.model, N, g.subjects, &fixture_stage1, NULL, o, &error));
  g_assert_no_error (error);
  for (int i = 0; i < N; i++) {
    g_assert_no_error (o[i].error);
    assert_same (o[i].bundle, g.alone[i]);
  }
  clear_outcomes (N, o);
}

/* A device has them together.  Products of more rows add up in another order,
 * so a value beside the edge between two bytes may fall on the other side; the
 * more of them the coarser the numbers are. */
typedef struct {
  const char *device;
  double mean; /* difference that is fine */
  int most;
} Together;

static void
test_together (gconstpointer data)
{
  static const char *const fields[] = {"normal", "color"};
  const Together *t = data;
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  ShuOutcome o[N], again[N];
  int most;

  if (!group_init (&g, t->device))
    return;
  g_assert_true (shu_stage_stage1_batch (
      g.model, N, g.subjects, &fixture_stage1, NULL, o, &error));
  g_assert_true (shu_stage_stage1_batch (
      g.model, N, g.subjects, &fixture_stage1, NULL, again, &error));
  for (int i = 0; i < N; i++) {
    for (gsize k = 0; k < G_N_ELEMENTS (fields); k++) {
      double mean = difference (o[i].bundle, g.alone[i], fields[k], &most);

      g_test_message ("subject %d, %s: differ by %.4f, %d at most", i,
          fields[k], mean, most);
      g_assert_cmpfloat (mean, <, t->mean);
      g_assert_cmpint (most, <=, t->most);
      g_assert_cmpfloat (
          difference (o[i].bundle, again[i].bundle, fields[k], &most), ==, 0);
      if (i > 0) /* and they are not all the same */
        g_assert_cmpfloat (
            difference (o[i].bundle, g.alone[0], fields[k], &most), >, 5);
    }
    g_assert_cmpint (shu_bundle_int (o[i].bundle, "seed", 0), ==, 11 + i);
  }
  clear_outcomes (N, o);
  clear_outcomes (N, again);
}

static void
test_stage2 (void)
{
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  ShuOutcome o[N];

  group_init (&g, "cpu");
  g_assert_true (shu_stage_stage2_batch (g.model, N,
      (const ShuBundle *const *) g.alone, &fixture_stage2, NULL, o, &error));
  for (int i = 0; i < N; i++) {
    g_autoptr (ShuBundle) alone =
        shu_stage_stage2 (g.model, g.alone[i], &fixture_stage2, NULL, &error);

    g_assert_no_error (error);
    assert_same (o[i].bundle, alone);
  }
  clear_outcomes (N, o);
}

/* ---- failures ---- */

static void
test_fails_alone (gconstpointer device)
{
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) bad = NULL;
  g_autoptr (ShuTensor) small =
      shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (10, 10, 3));
  ShuOutcome o[N];

  group_init (&g, device);
  bad = make_subject (g.model, 1);
  memset (small->data, 0, small->n);
  shu_bundle_set (bad, "front", small); /* which is looked at last */
  g_assert_true (shu_stage_stage1_batch (g.model, N,
      (const ShuBundle *[]){g.subjects[0], bad, g.subjects[2]}, &fixture_stage1,
      NULL, o, &error));
  g_assert_no_error (error);
  g_assert_null (o[1].bundle);
  fixture_expect (&o[1].error, SHU_ERROR_INVALID, "\"front\" has 10 x 10");
  for (int i = 0; i < N; i += 2) {
    int most;

    g_assert_no_error (o[i].error);
    g_assert_cmpfloat (
        difference (o[i].bundle, g.alone[i], "normal", &most), <, 0.05);
  }
  g_clear_pointer (&o[0].bundle, shu_bundle_unref);
  /* views of one have no pictures: Stage 2 */
  bad = (shu_bundle_unref (bad), shu_bundle_new ("views"));
  clear_outcomes (N, o);
  g_assert_true (shu_stage_stage2_batch (g.model, 2,
      (const ShuBundle *[]){bad, g.alone[1]}, &fixture_stage2, NULL, o,
      &error));
  fixture_expect (&o[0].error, SHU_ERROR_MISSING, "coords");
  g_assert_nonnull (o[1].bundle);
  clear_outcomes (2, o);
}

typedef struct {
  GCancellable *cancellable;
  int at, last, total;
} Watch;

static void
watch (const char *stage, int step, int total, gpointer data)
{
  Watch *w = data;

  g_assert_cmpint (step, ==, w->last + 1);
  w->last = step;
  w->total = total;
  if (step == w->at)
    g_cancellable_cancel (w->cancellable);
}

/* Steps count through, and what was finished when somebody stopped it stays. */
static void
test_stops (void)
{
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Watch w = {cancellable, -1, -1, 0};
  ShuProgress progress = {.func = watch, .data = &w, cancellable};
  ShuOutcome o[N];

  group_init (&g, "cpu");
  g_assert_true (shu_stage_stage1_batch (
      g.model, N, g.subjects, &fixture_stage1, &progress, o, &error));
  g_assert_cmpint (w.last, ==, w.total);
  clear_outcomes (N, o);
  w = (Watch){cancellable, w.total / N + 1, -1, 0};
  g_assert_false (shu_stage_stage1_batch (
      g.model, N, g.subjects, &fixture_stage1, &progress, o, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_same (o[0].bundle, g.alone[0]);
  for (int i = 1; i < N; i++) {
    g_assert_null (o[i].bundle);
    g_assert_no_error (o[i].error);
  }
  clear_outcomes (N, o);
}

static void
test_refuses_params (void)
{
  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  ShuStage1Params p = fixture_stage1;
  ShuOutcome o[N];

  group_init (&g, "cpu");
  p.steps = 5000;
  g_assert_false (
      shu_stage_stage1_batch (g.model, N, g.subjects, &p, NULL, o, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "5000 steps");
  for (int i = 0; i < N; i++)
    g_assert_true (!o[i].bundle && !o[i].error);
}

/* ---- preview ---- */

typedef struct {
  int n, width, height;
} Shown;

static void
show (const ShuImage *picture, gpointer data)
{
  Shown *s = data;

  s->n++;
  s->width = picture->width;
  s->height = picture->height;
}

static void
test_preview (void)
{
  static const struct {
    int steps, interval, n;
  } rows[] = {{4, 0, 4}, {4, 1, 4}, {4, 2, 2}, {5, 2, 3}, {4, 100, 1}};

  g_auto (Group) g = {NULL};
  g_autoptr (GError) error = NULL;
  ShuStage1Params p = fixture_stage1;
  Shown s = {0, 0, 0};
  int one;

  p.preview = show;
  p.preview_data = &s;
  group_init (&g, "mock");
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuBundle) b = NULL;

    p.steps = rows[i].steps;
    p.preview_interval = rows[i].interval;
    s = (Shown){0, 0, 0};
    b = shu_stage_stage1 (g.model, g.subjects[0], &p, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpint (s.n, ==, rows[i].n);
  }
  one = s.height;
  {
    ShuOutcome o[N];

    g_assert_true (
        shu_stage_stage1_batch (g.model, N, g.subjects, &p, NULL, o, &error));
    clear_outcomes (N, o);
  }
  g_assert_cmpint (s.height, ==, N * one);
}

/* ---- memory ---- */

/* At the official sizes, as if on a GPU: what each one more takes */
static void
test_memory (void)
{
  static const double GB = 1 << 30;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get ("synthetic:701", "cpu", &error);
  g_autoptr (ShuBundle) subject = NULL;
  gsize before = 0, first = 0;

  g_assert_no_error (error);
  g_free (m->device);
  m->device = g_strdup ("cuda:0");
  subject = make_subject (m, 0);
  for (int n = 1; n <= SHU_BATCH_MAX; n++) {
    gsize now =
        shu_stage1_memory (m, n, subject, &fixture_stage1, FALSE, &error);
    gsize low =
        shu_stage1_memory (m, n, subject, &fixture_stage1, TRUE, &error);

    g_assert_no_error (error);
    g_test_message (
        "%d: %.2f GB, low %.2f GB", n, (double) now / GB, (double) low / GB);
    g_assert_cmpuint (low, <, now);
    if (n > 1) {
      g_assert_cmpuint (now, >, before);
      g_assert_cmpfloat ((double) (now - first) / GB, <, 2.6 * (n - 1));
    } else {
      first = now;
    }
    before = now;
  }
}

int
main (int argc, char **argv)
{
  const Together mock = {"mock", 0.01, 2}, cuda = {"cuda", 0.5, 6};

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/batch/same_bytes_on_cpu", test_one_by_one);
  g_test_add_data_func ("/stages/batch/together", &mock, test_together);
  g_test_add_data_func ("/stages/batch/together_on_gpu", &cuda, test_together);
  g_test_add_func ("/stages/batch/stage2", test_stage2);
  g_test_add_data_func (
      "/stages/batch/one_fails_alone", "cpu", test_fails_alone);
  g_test_add_data_func (
      "/stages/batch/one_fails_alone_together", "mock", test_fails_alone);
  g_test_add_func ("/stages/batch/stops", test_stops);
  g_test_add_func ("/stages/batch/refuses_params", test_refuses_params);
  g_test_add_func ("/stages/batch/preview", test_preview);
  g_test_add_func ("/stages/batch/memory_of_official_sizes", test_memory);
  return g_test_run ();
}
