/* SPDX-License-Identifier: MIT */
/* Gaussians out of a polygon file, of this program or of others. */
#include "formats/ply.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum {
  MAX_HEADER = 1 << 16,
  MAX_STRIDE = 1 << 12,        /* bytes of a vertex */
  MAX_COUNT = G_MAXINT32 / 64, /* vertices */
  N_VALUES = 14,
};

static const float sh_c0 = 0.28209479177387814f; /* 1 / (2 sqrt (pi)) */

/* In the order of the values below */
static const char *const names[N_VALUES] = {"x", "y", "z", "scale_0", "scale_1",
    "scale_2", "rot_0", "rot_1", "rot_2", "rot_3", "opacity", "f_dc_0",
    "f_dc_1", "f_dc_2"};

typedef struct {
  gboolean binary;
  gsize n, stride;
  gsize at[N_VALUES]; /* of each value in a vertex, + 1; 0: not there */
} Header;

static gboolean G_GNUC_PRINTF (2, 3)
    bad (GError **error, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "ply: %s", what);
  return FALSE;
}

/* Bytes of a type; 0: unknown */
static gsize
size_of (const char *type)
{
  static const struct {
    const char *name;
    gsize size;
  } types[] = {{"char", 1}, {"uchar", 1}, {"int8", 1}, {"uint8", 1},
      {"short", 2}, {"ushort", 2}, {"int16", 2}, {"uint16", 2}, {"int", 4},
      {"uint", 4}, {"int32", 4}, {"uint32", 4}, {"float", 4}, {"float32", 4},
      {"double", 8}, {"float64", 8}};

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (type, types[i].name) == 0)
      return types[i].size;
  return 0;
}

static gboolean
add_property (Header *h, const char *type, const char *name, GError **error)
{
  gsize size = size_of (type);

  if (size == 0)
    return bad (error, "a vertex has a property of type \"%.20s\"", type);
  for (int i = 0; i < N_VALUES; i++) {
    if (strcmp (name, names[i]) != 0)
      continue;
    if (!g_str_has_prefix (type, "float") || size != 4)
      return bad (error, "%s is of type %s, float was expected", name, type);
    h->at[i] = h->stride + 1;
  }
  h->stride += size;
  return h->stride <= MAX_STRIDE || bad (error, "a vertex is too large");
}

/* One line; @in_vertex: whose properties come. */
static gboolean
parse_line (char *line, Header *h, int *n_elements, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (g_strchomp (line), " \t", 5);
  guint n = g_strv_length (words);
  guint64 count;

  if (n == 0 || strcmp (words[0], "comment") == 0 ||
      strcmp (words[0], "obj_info") == 0)
    return TRUE;
  if (strcmp (words[0], "format") == 0) {
    h->binary = n >= 2 && strcmp (words[1], "binary_little_endian") == 0;
    return h->binary || bad (error,
                            "its format is \"%.40s\", binary_little_endian was "
                            "expected",
                            n >= 2 ? words[1] : "");
  }
  if (strcmp (words[0], "element") == 0 && n == 3) {
    if (++*n_elements > 1)
      return TRUE; /* behind the vertices */
    if (strcmp (words[1], "vertex") != 0 ||
        !g_ascii_string_to_unsigned (words[2], 10, 1, MAX_COUNT, &count, NULL))
      return bad (error,
          "the first element is \"%.20s %.20s\", vertices were "
          "expected, 1 to %d",
          words[1], words[2], MAX_COUNT);
    h->n = (gsize) count;
    return TRUE;
  }
  if (strcmp (words[0], "property") == 0 && n >= 3)
    return *n_elements > 1 ||
           (*n_elements == 1 && n == 3
                   ? add_property (h, words[1], words[2], error)
                   : bad (error, "a vertex has a list"));
  return bad (error, "the header has a line \"%.40s\"", line);
}

/* Returns where the vertices begin; 0 with an error. */
static gsize
parse_header (const char *data, gsize size, Header *h, GError **error)
{
  gsize limit = MIN (size, MAX_HEADER), at = 0;
  int n_elements = 0;

  for (int i = 0;; i++) {
    const char *end = at < limit ? memchr (data + at, '\n', limit - at) : NULL;
    g_autofree char *line = NULL;

    if (!end) {
      bad (error, i == 0 ? "is no polygon file" : "its header does not end");
      return 0;
    }
    line = g_strndup (data + at, end - data - at);
    at = end - data + 1;
    g_strchomp (line);
    if (strcmp (line, "end_header") == 0)
      break;
    if (i == 0 && strcmp (line, "ply") != 0) {
      bad (error, "is no polygon file");
      return 0;
    }
    if (i > 0 && !parse_line (line, h, &n_elements, error))
      return 0;
  }
  for (int i = 0; i < N_VALUES; i++)
    if (!h->at[i]) {
      bad (error, "holds no Gaussians: its vertices have no %s", names[i]);
      return 0;
    }
  if (!h->binary || h->n > (size - at) / h->stride) {
    bad (error, "is cut off, or says no format");
    return 0;
  }
  return at;
}

void
shu_ply_set_free (ShuPlySet *set)
{
  if (!set)
    return;
  g_free (set->values);
  g_free (set);
}

ShuPlySet *
shu_ply_read_gaussians (GBytes *file, GError **error)
{
  gsize size, n, begin;
  const char *data = g_bytes_get_data (file, &size);
  Header h = {0};
  ShuPlySet *set;
  float *to[5];

  begin = parse_header (data, size, &h, error);
  if (begin == 0)
    return NULL;
  n = h.n;
  set = g_new0 (ShuPlySet, 1);
  set->values = g_try_new (float, N_VALUES *n);
  if (!set->values) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "ply: no memory for %zu Gaussians", n);
    shu_ply_set_free (set);
    return NULL;
  }
  to[0] = set->values; /* positions, deviations, rotations, ... */
  to[1] = to[0] + 3 * n;
  to[2] = to[1] + 3 * n;
  to[3] = to[2] + 4 * n;
  to[4] = to[3] + n;
  for (gsize i = 0; i < n; i++) {
    const char *row = data + begin + i * h.stride;
    float v[N_VALUES];

    for (int k = 0; k < N_VALUES; k++)
      memcpy (v + k, row + h.at[k] - 1, sizeof *v);
    for (int k = 0; k < 3; k++) {
      to[0][3 * i + k] = v[k];
      to[1][3 * i + k] = expf (v[3 + k]);
      to[4][3 * i + k] = MAX (0, 0.5f + sh_c0 * v[11 + k]);
    }
    memcpy (to[2] + 4 * i, v + 6, 4 * sizeof *v);
    to[3][i] = 1 / (1 + expf (-v[10]));
  }
  set->g = (ShuGaussians){(int) n, to[0], to[1], to[2], to[3], to[4]};
  return set;
}
