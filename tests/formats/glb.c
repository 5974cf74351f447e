/* SPDX-License-Identifier: MIT */
#include "formats/glb.h"
#include "base/error.h"
#include "formats/photo.h"
#include "formats/picture.h"
#include "formats/png.h"
#include "fixtures.h"
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
  GBytes *out = shu_glb_encode (m, png, NULL, NULL, &error);

  g_assert_no_error (error);
  return out;
}

/* The vertex of @m with about these coordinates: the order in the file is that
 * of the cache. */
static int
vertex_at (const ShuMesh *m, const float *uv)
{
  for (int i = 0; i < m->n_verts; i++)
    if (fabsf (m->uv[2 * i] - uv[0]) < 1e-4f &&
        fabsf (m->uv[2 * i + 1] - uv[1]) < 1e-4f)
      return i;
  g_assert_not_reached ();
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
  int seam[2] = {-1, -1};

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (file, again));
  g_assert_cmpint (g_bytes_get_size (file) % 4, ==, 0);
  g_assert_true (g_str_has_prefix (glb->generator, "synchuman "));
  g_assert_true (g_bytes_equal (glb->texture, png));
  g_assert_cmpint (glb->mesh->n_verts, ==, 6);
  g_assert_cmpint (glb->mesh->n_faces, ==, 4);
  for (int i = 0; i < 6; i++) {
    const float *q = glb->mesh->pos + 3 * i, *n = glb->normals + 3 * i;
    int from = vertex_at (m, glb->mesh->uv + 2 * i);
    const float *p = m->pos + 3 * from;
    if (from == 0)
      seam[0] = i;
    else if (from == 5)
      seam[1] = i;
    g_assert_cmpfloat_with_epsilon (q[0], scale * p[0], 1e-6);
    g_assert_cmpfloat_with_epsilon (q[1], scale * (p[2] + 0.4f), 1e-6);
    g_assert_cmpfloat_with_epsilon (q[2], -scale * p[1], 1e-6);
    g_assert_cmpfloat_with_epsilon (
        n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1, 1e-5);
  }
  /* No crease along the seam. */
  g_assert_cmpmem (
      glb->normals + 3 * seam[0], 12, glb->normals + 3 * seam[1], 12);
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
  g_autoptr (GBytes) file = shu_glb_encode (m, NULL, NULL, &params, &error);
  g_assert_no_error (error);
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
  g_assert_no_error (error);
  g_assert_cmpint (glb->mesh->n_faces, ==, n - 2);
  float top = 0;
  for (int i = 0; i < n; i++)
    top = MAX (top, glb->mesh->pos[3 * i + 1]);
  g_assert_cmpint (glb->mesh->n_verts, ==, n);
  g_assert_cmpfloat_with_epsilon (top, 2, 1e-5);
  g_assert_null (glb->texture);
  g_assert_null (glb->mesh->uv);
}

/* Every way to store a mesh comes back as the mesh. */
static void
every_way_is_read (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (40);
  g_autoptr (ShuImage) texture = fixture_noise (256, 256, 3, 5);
  g_autofree float *pos = g_new (float, 3 * (gsize) m->n_verts);
  static const char *const types[] = {"image/jpeg", "image/png", "image/webp"};

  g_assert_true (shu_mesh_to_y_up (m, 1.7f, pos, NULL));
  for (int i = 0; i < 8; i++) {
    ShuGlbParams params = {.quantize = i / 4, .texture_format = i % 4};
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) file =
        shu_glb_write (m, texture, NULL, &params, NULL, &error);
    g_assert_no_error (error);
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
    g_assert_no_error (error);
    g_autoptr (GBytes) again =
        shu_glb_write (m, texture, NULL, &params, NULL, &error);
    g_assert_true (g_bytes_equal (file, again));
    g_assert_cmpint (glb->mesh->n_faces, ==, m->n_faces);
    g_assert_true ((glb->mesh->attr != NULL) == (i % 4 == 3));
    if (i % 4 == 3) {
      g_assert_null (glb->texture);
      g_assert_cmpint (glb->mesh->n_verts, ==, 40 * 39);
      continue;
    }
    g_assert_cmpstr (
        shu_picture_mime (shu_picture_type (glb->texture)), ==, types[i % 4]);
    g_autoptr (ShuImage) back = shu_photo_decode (glb->texture, &error);
    g_assert_no_error (error);
    g_assert_cmpint (back->width, ==, 256);
    if (i % 4 == SHU_TEXTURE_PNG)
      g_assert_cmpmem (back->data, shu_image_size (back), texture->data,
          shu_image_size (texture));
    g_assert_cmpint (glb->mesh->n_verts, ==, m->n_verts);
    for (int v = 0; v < m->n_verts; v++) {
      int from = vertex_at (m, glb->mesh->uv + 2 * v);
      const float *n = glb->normals + 3 * v, *q = pos + 3 * from;
      float cosine = (n[0] * q[0] + n[2] * q[2]) / (0.2f * 1.7f);

      for (int k = 0; k < 3; k++)
        g_assert_cmpfloat_with_epsilon (glb->mesh->pos[3 * v + k], q[k],
            params.quantize ? 1.7f / 65535 : 1e-6f);
      g_assert_cmpfloat (cosine, >, 0.99f);
    }
  }
}

/* The file keeps to the limit, and says what that cost. */
static void
limits_are_kept (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (40);
  g_autoptr (ShuImage) texture = fixture_noise (1024, 1024, 3, 5);
  int last_size = 1024, last_quality = 90;
  ShuGlbReport r;

  for (guint32 limit = 2000000; limit > 200000; limit = limit * 4 / 5) {
    ShuGlbParams params = {.max_bytes = limit};
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) file =
        shu_glb_write (m, texture, NULL, &params, &r, &error);
    g_autofree char *text = NULL;

    g_assert_no_error (error);
    g_assert_cmpint (g_bytes_get_size (file), <=, limit);
    g_assert_cmpint (r.bytes, ==, g_bytes_get_size (file));
    g_assert_cmpint (r.texture_size, <=, last_size);
    g_assert_true (
        r.texture_size < last_size || r.texture_quality <= last_quality);
    g_assert_cmpint (r.texture_quality, >=, SHU_TEXTURE_LEAST_QUALITY);
    text = shu_glb_report_text (&r);
    g_assert_true (
        (text != NULL) == (r.texture_size < 1024 || r.texture_quality < 90));
    last_size = r.texture_size;
    last_quality = r.texture_quality;
  }
  g_assert_cmpint (last_size, <, 1024);
  for (int i = 0; i < 8; i++) {
    ShuGlbParams params = {
        .quantize = i / 4, .texture_format = i % 4, .max_bytes = 20000};
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_glb_write (m, texture, NULL, &params, &r, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
    g_assert_nonnull (strstr (error->message, "faces"));
  }
  /* PNG has sizes only */
  ShuGlbParams params = {
      .texture_format = SHU_TEXTURE_PNG, .max_bytes = 1200000};
  g_autoptr (GBytes) file = shu_glb_write (m, texture, NULL, &params, &r, NULL);
  g_assert_cmpint (g_bytes_get_size (file), <=, 1200000);
  g_assert_cmpint (r.texture_quality, ==, r.texture_quality_asked);
  g_assert_cmpint (r.texture_size, <, 1024);
}

/* Without a limit nothing is refused: a mesh beyond 10 MB is written with its
 * texture as it is, and a word about it. */
static void
large_meshes_are_written (void)
{
  g_autoptr (ShuMesh) m = fixture_tube (480);
  g_autoptr (ShuImage) texture = fixture_noise (256, 256, 3, 5);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  ShuGlbReport r;
  g_autoptr (GBytes) file = shu_glb_write (m, texture, NULL, NULL, &r, &error);

  g_assert_no_error (error);
  g_assert_cmpint (g_bytes_get_size (file), >, SHU_GLB_BYTES);
  g_assert_true (r.too_large);
  g_assert_cmpint (r.texture_size, ==, 256);
  text = shu_glb_report_text (&r);
  g_assert_nonnull (strstr (text, "quantize"));
  g_autoptr (GBytes) half = shu_glb_write (
      m, texture, NULL, &(ShuGlbParams){.quantize = TRUE}, &r, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_bytes_get_size (half), <, SHU_GLB_BYTES);
  g_assert_false (r.too_large);
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
    g_assert_null (shu_glb_encode (m, texture, NULL, NULL, &error));
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
#define NODE(members)                                                          \
  GLB (POINTS, VIEW, BUFFER "}],\"nodes\":[{\"mesh\":0," members, "")
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
      {"32-bit positions",
          GLB ("\"bufferView\":0,\"componentType\":5125,\"count\":3,"
               "\"type\":\"VEC3\"",
              VIEW, BUFFER, ""),
          SHU_ERROR_UNSUPPORTED},
      {"scale of another type", NODE ("\"scale\":\"big\""), SHU_ERROR_INVALID},
      {"scale of two", NODE ("\"scale\":[1,2]"), SHU_ERROR_INVALID},
      {"text in a matrix",
          NODE ("\"matrix\":[1,0,0,0,0,1,0,0,0,0,1,0,0,0,\"x\",1]"),
          SHU_ERROR_INVALID},
      {"endless translation", NODE ("\"translation\":[0,1e300,0]"),
          SHU_ERROR_INVALID},
      {"no such material", GLB (POINTS, VIEW, BUFFER, ",\"material\":1"),
          SHU_ERROR_INVALID},
      {"no such normal map",
          GLB (POINTS, VIEW,
              BUFFER "}],\"materials\":[{\"normalTexture\":{\"index\":3}",
              ",\"material\":0"),
          SHU_ERROR_INVALID},
      {"normal map elsewhere",
          GLB (POINTS, VIEW,
              BUFFER "}],\"materials\":[{\"normalTexture\":{\"index\":0}}],"
                     "\"textures\":[{\"source\":0}],"
                     "\"images\":[{\"uri\":\"http://x/\"",
              ",\"material\":0"),
          SHU_ERROR_UNSUPPORTED},
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

/* What a node says about its mesh is done to it. */
static void
nodes_place_the_mesh (void)
{
  static const char *const members[] = {
      "\"translation\":[1,2,3],\"rotation\":[0,0,1,0],\"scale\":[2,2,2]",
      "\"matrix\":[-2,0,0,0, 0,-2,0,0, 0,0,2,0, 1,2,3,1]"};

  for (int i = 0; i < 2; i++) {
    g_autofree char *json = g_strdup_printf (
        "{\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0}}]}],"
        "\"accessors\":[{\"bufferView\":0,\"componentType\":5121,\"count\":3,"
        "\"normalized\":true,\"type\":\"VEC3\"}],\"bufferViews\":[{"
        "\"buffer\":0,\"byteLength\":64,\"byteStride\":4}],"
        "\"buffers\":[{\"byteLength\":64}],\"nodes\":[{\"mesh\":0,%s}]}",
        members[i]);
    g_autoptr (GBytes) zeros = wrap (json);
    gsize size;
    guint8 *copy =
        g_memdup2 (g_bytes_get_data (zeros, &size), g_bytes_get_size (zeros));
    memcpy (copy + size - 64, (guint8[]){255, 0, 0, 9, 0, 255, 0, 9}, 8);
    g_autoptr (GBytes) file = g_bytes_new_take (copy, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
    const float want[9] = {-1, 2, 3, 1, 0, 3, 1, 2, 3};

    g_assert_no_error (error);
    for (int k = 0; k < 9; k++)
      g_assert_cmpfloat_with_epsilon (glb->mesh->pos[k], want[k], 1e-6);
  }
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
  g_test_add_func ("/formats/glb/every_way_is_read", every_way_is_read);
  g_test_add_func ("/formats/glb/limits_are_kept", limits_are_kept);
  g_test_add_func (
      "/formats/glb/large_meshes_are_written", large_meshes_are_written);
  g_test_add_func ("/formats/glb/nodes_place_the_mesh", nodes_place_the_mesh);
  return g_test_run ();
}
