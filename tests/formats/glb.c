/* SPDX-License-Identifier: MIT */
#include "formats/glb.h"
#include "base/error.h"
#include "formats/png.h"
#include <math.h>
#include <string.h>

/* A tent of four faces with a seam: vertices 0 and 5 at one place. */
static ShuMesh *
tent (void)
{
  ShuMesh *m = shu_mesh_new (6, 4, TRUE, TRUE);
  float pos[18] = {-0.2f, -0.1f, -0.4f, 0.2f, -0.1f, -0.4f, 0.2f, 0.1f, -0.4f,
      -0.2f, 0.1f, -0.4f, 0, 0, 0.4f, -0.2f, -0.1f, -0.4f};
  gint32 faces[12] = {0, 1, 4, 1, 2, 4, 2, 3, 4, 3, 5, 4};

  memcpy (m->pos, pos, sizeof pos);
  memcpy (m->faces, faces, sizeof faces);
  for (int i = 0; i < 12; i++)
    m->uv[i] = i / 16.0f;
  for (int i = 0; i < 36; i++)
    m->attr[i] = 0.5f;
  return m;
}

static GBytes *
picture (void)
{
  g_autoptr (ShuImage) image = shu_image_new (8, 8, 3);
  GBytes *png;

  memset (image->data, 77, shu_image_size (image));
  png = shu_png_encode (image, NULL);
  g_assert_nonnull (png);
  return png;
}

static GBytes *
encode (void)
{
  g_autoptr (ShuMesh) m = tent ();
  g_autoptr (GBytes) png = picture ();
  g_autoptr (GError) error = NULL;
  GBytes *out = shu_glb_encode (m, png, NULL, &error);

  g_assert_no_error (error);
  return out;
}

static void
reader_returns_what_was_written (void)
{
  g_autoptr (ShuMesh) m = tent ();
  g_autoptr (GBytes) png = picture ();
  g_autoptr (GBytes) file = encode (), again = encode ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
  float scale = 1.7f / 0.8f;

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (file, again));
  g_assert_cmpint (g_bytes_get_size (file) % 4, ==, 0);
  g_assert_true (g_str_has_prefix (glb->generator, "synchuman "));
  g_assert_true (g_bytes_equal (glb->texture, png));
  g_assert_cmpint (glb->mesh->n_verts, ==, 6);
  g_assert_cmpmem (glb->mesh->faces, 48, m->faces, 48);
  g_assert_cmpmem (glb->mesh->uv, 48, m->uv, 48);
  for (int i = 0; i < 6; i++) {
    const float *p = m->pos + 3 * i, *q = glb->mesh->pos + 3 * i;
    const float *n = glb->normals + 3 * i;
    g_assert_cmpfloat_with_epsilon (q[0], scale * p[0], 1e-6);
    g_assert_cmpfloat_with_epsilon (q[1], scale * (p[2] + 0.4f), 1e-6);
    g_assert_cmpfloat_with_epsilon (q[2], -scale * p[1], 1e-6);
    g_assert_cmpfloat_with_epsilon (
        n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1, 1e-5);
  }
  /* No crease along the seam. */
  g_assert_cmpmem (glb->normals, 12, glb->normals + 15, 12);
}

static void
many_vertices_take_wide_indices (void)
{
  int n = 70000;
  g_autoptr (ShuMesh) m = shu_mesh_new (n, n - 2, FALSE, FALSE);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < n; i++) {
    m->pos[3 * i] = (float) sin (i);
    m->pos[3 * i + 1] = (float) cos (i);
    m->pos[3 * i + 2] = (float) i / n;
  }
  for (int i = 0; i < n - 2; i++)
    memcpy (m->faces + 3 * i, (gint32[]){i, i + 1, i + 2}, 12);
  ShuGlbParams params = {.height = 2};
  g_autoptr (GBytes) file = shu_glb_encode (m, NULL, &params, &error);
  g_assert_no_error (error);
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
  g_assert_no_error (error);
  g_assert_cmpint (glb->mesh->n_faces, ==, n - 2);
  g_assert_cmpmem (glb->mesh->faces, 12 * (n - 2), m->faces, 12 * (n - 2));
  g_assert_cmpfloat_with_epsilon (glb->mesh->pos[3 * n - 2], 2, 1e-5);
  g_assert_null (glb->texture);
  g_assert_null (glb->mesh->uv);
}

static void
writer_refuses_what_makes_no_file (void)
{
  g_autoptr (GBytes) text = g_bytes_new_static ("not a picture", 13);

  for (int i = 0; i < 5; i++) {
    g_autoptr (ShuMesh) m = tent ();
    g_autoptr (GError) error = NULL;
    GBytes *texture = NULL;
    if (i == 0)
      m->n_faces = 0;
    else if (i == 1)
      m->faces[5] = 6;
    else if (i == 2)
      texture = text;
    else if (i == 3)
      for (int v = 0; v < 6; v++)
        m->pos[3 * v + 2] = 0;
    else
      m->pos[7] = NAN;
    g_assert_null (shu_glb_encode (m, texture, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  }
}

static void
every_truncation_is_an_error (void)
{
  g_autoptr (GBytes) file = encode ();
  gsize size;
  const guint8 *data = g_bytes_get_data (file, &size);

  for (gsize n = 0; n < size; n++) {
    /* A copy of its own size, so that a sanitizer sees a read beyond. */
    g_autoptr (GBytes) cut = g_bytes_new (data, n);
    g_autoptr (GError) error = NULL;
    g_assert_null (shu_glb_decode (cut, &error));
    g_assert_nonnull (error);
    /* The same with lengths that fit: the contents do not. */
    if (n >= 12) {
      guint8 *copy = g_memdup2 (data, n);
      guint32 total = (guint32) n;
      memcpy (copy + 8, &total, 4);
      g_autoptr (GBytes) fitted = g_bytes_new_take (copy, n);
      g_clear_error (&error);
      g_assert_null (shu_glb_decode (fitted, &error));
      g_assert_nonnull (error);
    }
  }
}

/* Any byte changed: an error or a mesh that is sound, never a crash. */
static void
any_damage_is_survived (void)
{
  g_autoptr (GBytes) file = encode ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  gsize size;
  const guint8 *data = g_bytes_get_data (file, &size);
  int n_read = 0;

  for (int i = 0; i < 4000; i++) {
    guint8 *copy = g_memdup2 (data, size);
    for (int k = g_rand_int_range (rand, 1, 4); k > 0; k--)
      copy[g_rand_int_range (rand, 0, (int) size)] =
          (guint8) g_rand_int_range (rand, 0, 256);
    g_autoptr (GBytes) damaged = g_bytes_new_take (copy, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuGlb) glb = shu_glb_decode (damaged, &error);
    g_assert_true ((glb == NULL) == (error != NULL));
    if (glb) {
      g_assert_true (shu_mesh_check (glb->mesh, NULL));
      n_read++;
    }
  }
  g_assert_cmpint (n_read, >, 0);
  g_assert_cmpint (n_read, <, 4000);
}

/* A file around the JSON given, with 64 bytes of zeros as its buffer. */
static GBytes *
wrap (const char *json)
{
  gsize n = strlen (json), padded = (n + 3) / 4 * 4;
  guint32 head[5] = {0x46546C67, 2, (guint32) (28 + padded + 64),
      (guint32) padded, 0x4E4F534A};
  guint32 bin[2] = {64, 0x004E4942};
  guint8 *out = g_malloc0 (28 + padded + 64);

  memcpy (out, head, 20);
  memset (out + 20, ' ', padded);
  memcpy (out + 20, json, n);
  memcpy (out + 20 + padded, bin, 8);
  return g_bytes_new_take (out, 28 + padded + 64);
}

#define GLB(accessor, view, buffer, rest)                                      \
  "{\"asset\":{\"version\":\"2.0\"},\"meshes\":[{\"primitives\":[{"            \
  "\"attributes\":{\"POSITION\":0}" rest "}]}],\"accessors\":[{" accessor      \
  "}],\"bufferViews\":[{" view "}],\"buffers\":[{" buffer "}]}"
#define POINTS                                                                 \
  "\"bufferView\":0,\"componentType\":5126,\"count\":3,\"type\":\"VEC3\""
#define VIEW "\"buffer\":0,\"byteLength\":64"
#define BUFFER "\"byteLength\":64"

static void
hostile_files_are_errors (void)
{
  static const struct {
    const char *name, *json;
    int code;
  } rows[] = {
      {"no JSON", "", SHU_ERROR_INVALID},
      {"not an object", "[]", SHU_ERROR_INVALID},
      {"no meshes", "{}", SHU_ERROR_INVALID},
      {"meshes of another type", "{\"meshes\":3}", SHU_ERROR_INVALID},
      {"mesh of another type", "{\"meshes\":[3]}", SHU_ERROR_INVALID},
      {"count beyond the view",
          GLB ("\"bufferView\":0,\"componentType\":5126,\"count\":6,"
               "\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_TRUNCATED},
      {"huge count",
          GLB ("\"bufferView\":0,\"componentType\":5126,"
               "\"count\":4294967295,\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_LIMIT},
      {"count beyond 64 bits",
          GLB ("\"bufferView\":0,\"componentType\":5126,"
               "\"count\":1e300,\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_INVALID},
      {"negative offset", GLB (POINTS ",\"byteOffset\":-4", VIEW, BUFFER, ""),
          SHU_ERROR_INVALID},
      {"offset beyond the view",
          GLB (POINTS ",\"byteOffset\":60", VIEW, BUFFER, ""),
          SHU_ERROR_TRUNCATED},
      {"view beyond the buffer",
          GLB (POINTS,
              "\"buffer\":0,\"byteOffset\":4294967295,"
              "\"byteLength\":4294967295",
              BUFFER, ""),
          SHU_ERROR_TRUNCATED},
      {"items overlap", GLB (POINTS, VIEW ",\"byteStride\":4", BUFFER, ""),
          SHU_ERROR_INVALID},
      {"text for a number",
          GLB ("\"bufferView\":\"0\",\"componentType\":5126,\"count\":3,"
               "\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_INVALID},
      {"unknown component",
          GLB ("\"bufferView\":0,\"componentType\":9,\"count\":3,"
               "\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_INVALID},
      {"no such buffer",
          GLB (POINTS, "\"buffer\":7,\"byteLength\":64", BUFFER, ""),
          SHU_ERROR_INVALID},
      {"buffer elsewhere",
          GLB (POINTS, VIEW, BUFFER ",\"uri\":\"file:///etc/passwd\"", ""),
          SHU_ERROR_UNSUPPORTED},
      {"lines", GLB (POINTS, VIEW, BUFFER, ",\"mode\":1"),
          SHU_ERROR_UNSUPPORTED},
      {"indices that are positions",
          GLB (POINTS, VIEW, BUFFER, ",\"indices\":0"), SHU_ERROR_INVALID},
      {"no such material", GLB (POINTS, VIEW, BUFFER, ",\"material\":1"),
          SHU_ERROR_INVALID},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) file = wrap (rows[i].json);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
    if (glb || !g_error_matches (error, SHU_ERROR, rows[i].code))
      g_error ("%s: %s", rows[i].name, error ? error->message : "accepted");
  }
  /* The frame of these files is sound. */
  g_autoptr (GBytes) file = wrap (GLB (POINTS, VIEW, BUFFER, ""));
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, NULL);
  g_assert_nonnull (glb);
  g_assert_cmpint (glb->mesh->n_faces, ==, 1);
}

static void
deep_nesting_is_refused (void)
{
  g_autofree char *json = g_strnfill (1 << 20, '[');
  g_autoptr (GBytes) file = wrap (json);
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_glb_decode (file, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/glb/reader_returns_what_was_written",
      reader_returns_what_was_written);
  g_test_add_func ("/formats/glb/many_vertices_take_wide_indices",
      many_vertices_take_wide_indices);
  g_test_add_func ("/formats/glb/writer_refuses_what_makes_no_file",
      writer_refuses_what_makes_no_file);
  g_test_add_func ("/formats/glb/every_truncation_is_an_error",
      every_truncation_is_an_error);
  g_test_add_func (
      "/formats/glb/any_damage_is_survived", any_damage_is_survived);
  g_test_add_func (
      "/formats/glb/hostile_files_are_errors", hostile_files_are_errors);
  g_test_add_func (
      "/formats/glb/deep_nesting_is_refused", deep_nesting_is_refused);
  return g_test_run ();
}
