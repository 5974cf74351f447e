/* SPDX-License-Identifier: MIT */
/* Rules of thumb on the silhouette, reduced to a small grid.  They only warn:
 * they are wrong now and then, and the networks cope with more than this. */
#include "subject.h"
#include "base/error.h"

enum {
  GRID = 192,       /* longest side of the silhouette, cells */
  MIN_EXTENT = 16,  /* pixels of the picture */
  MIN_SHARE = 2000, /* of the picture's pixels: one in so many */
};

/* cell: 0 background, 1 foreground not yet visited, 2.. component + 2 */
typedef struct {
  int W, H;
  int step; /* pixels per cell */
  guint16 *cell;
} Silhouette;

typedef struct {
  int area, x0, y0, x1, y1; /* cells, inclusive */
} Part;

static gboolean
no_person (GError **error, const char *text)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
      "no person found: %s; use a photo of one whole person", text);
  return FALSE;
}

/* A cell belongs to the person where its mean alpha is one half or more.
 * Returns: pixels that are half opaque at least */
static gsize
fill_silhouette (ShuCtx *c, Silhouette *s, ShuTensor *cutout)
{
  g_autofree guint32 *sum = g_new (guint32, (gsize) s->W * s->H);
  int H = (int) cutout->dims[0], W = (int) cutout->dims[1];
  gsize n_pixels = 0;

  if (!shu_picture_cells (c, cutout, s->step, sum, &n_pixels))
    return 0;
  for (int y = 0; y < s->H; y++)
    for (int x = 0; x < s->W; x++) {
      guint32 count = (guint32) MIN (s->step, H - y * s->step) *
                      (guint32) MIN (s->step, W - x * s->step);

      s->cell[y * s->W + x] = sum[y * s->W + x] >= 128 * count;
    }
  return n_pixels;
}

/* Marks the eight-connected part that holds cell @start with @label. */
static Part
flood (Silhouette *s, int start, guint16 label, int *stack)
{
  Part p = {0, s->W, s->H, -1, -1};
  int n = 0;

  stack[n++] = start;
  s->cell[start] = label;
  while (n > 0) {
    int i = stack[--n], x = i % s->W, y = i / s->W;

    p.area++;
    p.x0 = MIN (p.x0, x);
    p.x1 = MAX (p.x1, x);
    p.y0 = MIN (p.y0, y);
    p.y1 = MAX (p.y1, y);
    for (int v = MAX (y - 1, 0); v <= MIN (y + 1, s->H - 1); v++)
      for (int u = MAX (x - 1, 0); u <= MIN (x + 1, s->W - 1); u++)
        if (s->cell[v * s->W + u] == 1) {
          s->cell[v * s->W + u] = label;
          stack[n++] = v * s->W + u;
        }
  }
  return p;
}

static int
height_of (const Part *p)
{
  return p->y1 - p->y0 + 1;
}

static int
width_of (const Part *p)
{
  return p->x1 - p->x0 + 1;
}

/* Of each column of the part's box: cells of the part, and the topmost one. */
static void
measure_columns (
    const Silhouette *s, const Part *p, guint16 label, int *fill, int *top)
{
  for (int x = p->x0; x <= p->x1; x++) {
    int i = x - p->x0;

    fill[i] = 0;
    top[i] = p->y1;
    for (int y = p->y1; y >= p->y0; y--)
      if (s->cell[y * s->W + x] == label) {
        fill[i]++;
        top[i] = y;
      }
  }
}

/* Whether one of the columns @from..@to - 1 has a trunk in it that rises above
 * @valley. */
static gboolean
has_trunk (const int *fill, const int *top, int from, int to, int H, int valley)
{
  for (int i = from; i < to; i++)
    if (fill[i] * 20 >= 9 * H && top[i] + H / 10 <= valley)
      return TRUE;
  return FALSE;
}

/* Two trunks, and between them a column with little in it that begins below
 * both: people who hold hands or overlap a bit.  One person's legs have the
 * trunk above their gap, arms that are raised or held out make no trunk. */
static gboolean
has_two_trunks (const Silhouette *s, const Part *p, guint16 label)
{
  int W = width_of (p), H = height_of (p);
  g_autofree int *fill = g_new (int, W), *top = g_new (int, W);

  measure_columns (s, p, label, fill, top);
  for (int i = 0; i < W; i++)
    if (fill[i] * 10 < 3 * H && has_trunk (fill, top, 0, i, H, top[i]) &&
        has_trunk (fill, top, i + 1, W, H, top[i]))
      return TRUE;
  return FALSE;
}

/* @cut: the height is not that of a person, so the shape says nothing */
static gboolean
shows_several (
    const Silhouette *s, GArray *parts, guint main_part, gboolean cut)
{
  const Part *p = &g_array_index (parts, Part, main_part);

  for (guint i = 0; i < parts->len; i++) {
    const Part *other = &g_array_index (parts, Part, i);

    if (i != main_part && other->area * 5 >= p->area &&
        height_of (other) * 2 >= height_of (p))
      return TRUE;
  }
  return !cut && (width_of (p) * 5 > height_of (p) * 7 ||
                     has_two_trunks (s, p, main_part + 2));
}

/* Foreground cells among @n from @first on, @step apart. */
static int
count_line (const Silhouette *s, int first, int step, int n)
{
  int count = 0;

  for (int i = 0; i < n; i++)
    count += s->cell[first + i * step] != 0;
  return count;
}

/* Whether a line of the border is about as full as the one a little further
 * in: feet and heads taper off, a cut does not. */
static gboolean
is_cut (int at_border, int further_in, int least)
{
  return at_border >= MAX (least, 2) && at_border * 5 >= further_in * 4;
}

/* The same below.  Soles on the border seldom have half of the silhouette's
 * mean width, a cut through the thighs or higher has 0.8 and more. */
static gboolean
is_cut_below (const Silhouette *s, const Part *p)
{
  int dy = MAX (height_of (p) / 30, 2), last = s->H - 1;
  int row = count_line (s, last * s->W, 1, s->W);
  int further_in = count_line (s, (last - dy) * s->W, 1, s->W);
  int mean = p->area / height_of (p);

  return p->y1 == last &&
         (row * 4 >= mean * 3 || is_cut (row, further_in, mean / 2));
}

static ShuSubjectFlags
find_cuts (const Silhouette *s, const Part *p)
{
  int W = s->W, H = s->H;
  int dy = MAX (height_of (p) / 30, 2), dx = MAX (width_of (p) / 30, 2);
  int least_x = width_of (p) / 8, least_y = height_of (p) / 20;
  ShuSubjectFlags flags = SHU_SUBJECT_FINE;

  if (H <= dy || W <= dx)
    return flags;
  if (is_cut_below (s, p))
    flags |= SHU_SUBJECT_CUT_BELOW;
  if (p->y0 == 0 &&
      is_cut (count_line (s, 0, 1, W), count_line (s, dy * W, 1, W), least_x))
    flags |= SHU_SUBJECT_CUT_ABOVE;
  if ((p->x0 == 0 && is_cut (count_line (s, 0, W, H), count_line (s, dx, W, H),
                         least_y)) ||
      (p->x1 == W - 1 && is_cut (count_line (s, W - 1, W, H),
                             count_line (s, W - 1 - dx, W, H), least_y)))
    flags |= SHU_SUBJECT_CUT_ASIDE;
  return flags;
}

static char *
describe (ShuSubjectFlags flags)
{
  static const struct {
    ShuSubjectFlags flag;
    const char *text;
  } texts[] = {
      {SHU_SUBJECT_SEVERAL,
          "The picture seems to show several people, or one who does not "
          "stand upright; use a photo of one standing person."},
      {SHU_SUBJECT_CUT_BELOW,
          "The lower edge of the picture cuts through the person; use a photo "
          "that shows the feet."},
      {SHU_SUBJECT_CUT_ABOVE,
          "The upper edge of the picture cuts through the person; use a photo "
          "that shows the whole head."},
      {SHU_SUBJECT_CUT_ASIDE,
          "The side of the picture cuts through the person; use a photo with "
          "room on both sides."},
  };

  g_autoptr (GString) all = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (flags & texts[i].flag)
      g_string_append_printf (
          all, "%s%s", all->len > 0 ? " " : "", texts[i].text);
  return all->len > 0 ? g_string_free (g_steal_pointer (&all), FALSE) : NULL;
}

/* All parts of the silhouette, the largest of which is @ret_main. */
static GArray *
find_parts (Silhouette *s, guint *ret_main)
{
  GArray *parts = g_array_new (FALSE, FALSE, sizeof (Part));
  g_autofree int *stack = g_new (int, (gsize) s->W * s->H);
  int largest = 0;

  for (int i = 0; i < s->W * s->H; i++)
    if (s->cell[i] == 1) {
      Part p = flood (s, i, parts->len + 2, stack);

      if (p.area > largest) {
        largest = p.area;
        *ret_main = parts->len;
      }
      g_array_append_val (parts, p);
    }
  return parts;
}

gboolean
shu_subject_check (ShuCtx *c, ShuTensor *cutout, ShuSubjectFlags *ret_flags,
    char **ret_text, GError **error)
{
  int width = (int) cutout->dims[1], height = (int) cutout->dims[0];
  int step = (MAX (width, height) + GRID - 1) / GRID;
  Silhouette s = {.W = (width + step - 1) / step,
      .H = (height + step - 1) / step,
      .step = step};
  g_autofree guint16 *cells = g_new0 (guint16, (gsize) s.W * s.H);
  g_autoptr (GArray) parts = NULL;
  ShuSubjectFlags flags;
  guint main_part = 0;
  const Part *p;
  gsize n;

  if (cutout->n_dims != 3 || cutout->dims[2] != 4) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a picture without alpha is no cut-out");
    return FALSE;
  }
  s.cell = cells;
  n = fill_silhouette (c, &s, cutout);
  if (!shu_ctx_finish (c, error))
    return FALSE;
  if (n == 0)
    return no_person (error, "nothing stands out from the background");
  parts = find_parts (&s, &main_part);
  if (parts->len == 0)
    return no_person (error, "only specks stand out from the background");
  p = &g_array_index (parts, Part, main_part);
  if (MAX (width_of (p), height_of (p)) * step < MIN_EXTENT ||
      n * MIN_SHARE < (gsize) width * height)
    return no_person (error, "what stands out is too small");
  flags = find_cuts (&s, p);
  if (shows_several (&s, parts, main_part, flags != SHU_SUBJECT_FINE))
    flags |= SHU_SUBJECT_SEVERAL;
  if (ret_flags)
    *ret_flags = flags;
  if (ret_text)
    *ret_text = describe (flags);
  return TRUE;
}
