/* SPDX-License-Identifier: MIT */
/* Silhouettes drawn with boxes and discs, and what is said of them. */
#include "base/error.h"
#include "formats/subject.h"
#include <string.h>

enum { W = 300, H = 400 };

static void
box (ShuImage *image, int x0, int y0, int x1, int y1)
{
  for (int y = MAX (y0, 0); y < MIN (y1, image->height); y++)
    for (int x = MAX (x0, 0); x < MIN (x1, image->width); x++)
      memset (image->data + ((gsize) y * image->width + x) * 4, 255, 4);
}

static void
disc (ShuImage *image, int cx, int cy, int rx, int ry)
{
  for (int y = cy - ry; y <= cy + ry; y++) {
    int dx = 0;

    while ((gint64) (dx + 1) * (dx + 1) * ry * ry +
               (gint64) (y - cy) * (y - cy) * rx * rx <=
           (gint64) rx * rx * ry * ry)
      dx++;
    box (image, cx - dx, y, cx + dx + 1, y + 1);
  }
}

/* Someone 300 pixels tall whose head top is at (@x, @y). */
static void
person (ShuImage *image, int x, int y)
{
  disc (image, x, y + 22, 18, 22);
  box (image, x - 8, y + 40, x + 8, y + 55);
  box (image, x - 35, y + 50, x + 35, y + 150);
  box (image, x - 50, y + 52, x - 38, y + 150); /* arms */
  box (image, x + 38, y + 52, x + 50, y + 150);
  box (image, x - 40, y + 52, x + 40, y + 62);
  box (image, x - 32, y + 150, x - 4, y + 290);
  box (image, x + 4, y + 150, x + 32, y + 290);
  disc (image, x - 18, y + 290, 16, 9);
  disc (image, x + 18, y + 290, 16, 9);
}

static void
t_pose (ShuImage *image, int x, int y)
{
  person (image, x, y);
  box (image, x - 145, y + 55, x + 145, y + 72);
}

/* Forearms beside the head: columns fuller than those between arm and head. */
static void
cheer (ShuImage *image, int x, int y)
{
  person (image, x, y);
  box (image, x - 75, y + 52, x + 75, y + 66);
  box (image, x - 75, y - 40, x - 60, y + 66);
  box (image, x + 60, y - 40, x + 75, y + 66);
}

typedef struct {
  const char *name;
  int x[2], y; /* second person where x[1] > 0 */
  gboolean arms_out;
  gboolean arms_up;
  gboolean hands_held;
  ShuSubjectFlags flags;
} Row;

static const Row rows[] = {
    {"one", {150}, 50},
    {"t_pose", {150}, 50, .arms_out = TRUE},
    {"arms_up", {150}, 80, .arms_up = TRUE},
    {"feet_touch_the_edge", {150}, 100},
    {"head_touches_the_edge", {150}, 0},
    {"half_a_body", {150}, 200, .flags = SHU_SUBJECT_CUT_BELOW},
    {"half_a_body_arms_out", {150}, 240, .arms_out = TRUE,
        .flags = SHU_SUBJECT_CUT_BELOW},
    {"without_feet", {150}, 130, .flags = SHU_SUBJECT_CUT_BELOW},
    {"without_head", {150}, -30, .flags = SHU_SUBJECT_CUT_ABOVE},
    {"cut_at_the_side", {10}, 50, .flags = SHU_SUBJECT_CUT_ASIDE},
    {"two", {80, 220}, 50, .flags = SHU_SUBJECT_SEVERAL},
    {"two_halves", {80, 220}, 200,
        .flags = SHU_SUBJECT_SEVERAL | SHU_SUBJECT_CUT_BELOW},
    {"two_arm_over_arm", {105, 195}, 50, .flags = SHU_SUBJECT_SEVERAL},
    {"two_hand_in_hand", {80, 220}, 50, .hands_held = TRUE,
        .flags = SHU_SUBJECT_SEVERAL},
};

static gboolean
check (const ShuImage *image, ShuSubjectFlags *ret_flags, char **ret_text,
    GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", NULL);

  return shu_subject_check (
      c, shu_picture_from_image (c, image), ret_flags, ret_text, error);
}

static void
test_row (gconstpointer data)
{
  const Row *r = data;
  g_autoptr (ShuImage) image = shu_image_new (W, H, 4);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  ShuSubjectFlags flags;

  if (r->arms_out)
    t_pose (image, r->x[0], r->y);
  else if (r->arms_up)
    cheer (image, r->x[0], r->y);
  else
    person (image, r->x[0], r->y);
  if (r->x[1])
    person (image, r->x[1], r->y);
  if (r->hands_held)
    box (image, r->x[0], r->y + 140, r->x[1], r->y + 150);
  g_assert_true (check (image, &flags, &text, &error));
  g_assert_no_error (error);
  g_assert_cmpint (flags, ==, r->flags);
  g_assert_true ((text == NULL) == (flags == SHU_SUBJECT_FINE));
}

static void
test_lying (void)
{
  g_autoptr (ShuImage) image = shu_image_new (W, H, 4);
  ShuSubjectFlags flags;

  disc (image, 150, 200, 120, 40);
  g_assert_true (check (image, &flags, NULL, NULL));
  g_assert_cmpint (flags, ==, SHU_SUBJECT_SEVERAL);
}

static void
test_nobody (void)
{
  static const int sides[] = {0, 1, 9};

  for (guint i = 0; i < G_N_ELEMENTS (sides); i++) {
    g_autoptr (ShuImage) image = shu_image_new (W, H, 4);
    g_autoptr (GError) error = NULL;

    box (image, 30, 30, 30 + sides[i], 30 + sides[i]);
    g_assert_false (check (image, NULL, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON);
  }
}

static void
test_tiny_pictures (void)
{
  for (int n = 1; n < 5; n++) {
    g_autoptr (ShuImage) image = shu_image_new (n, 5 - n, 4);
    g_autoptr (ShuImage) rgb = shu_image_new (n, 5 - n, 3);
    g_autoptr (GError) error = NULL;

    box (image, 0, 0, n, n);
    g_assert_false (check (image, NULL, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON);
    g_clear_error (&error);
    g_assert_false (check (rgb, NULL, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strdup_printf ("/formats/subject/%s", rows[i].name);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/formats/subject/lying", test_lying);
  g_test_add_func ("/formats/subject/nobody_is_an_error", test_nobody);
  g_test_add_func ("/formats/subject/tiny_pictures", test_tiny_pictures);
  return g_test_run ();
}
