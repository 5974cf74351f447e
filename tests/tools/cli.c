/* SPDX-License-Identifier: MIT */
/* The program as people run it: what it writes, what it refuses, and that it
 * leaves nothing behind.
 *   test_cli SYNCHUMAN PHOTO_TO_GLB EMBED */
#include "cli_fixture.h"
#include "../bad_assets.h"
#include "../ply_reader.h"
#include "formats/bundle_file.h"
#include "formats/glb.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program, *example, *embed;

/* ---- tests ---- */

static void
refuses (CliFixture *f, gconstpointer data)
{
  static const struct {
    const char *args;
    int status;
    const char *expected;
    gboolean disk_full;
  } rows[] = {
      {"", 2, "no photo"},
      {"--no-such-option", 2, "no-such-option"},
      {"IN/nothing.jpg", 1, "no such file"},
      {"IN/", 1, "folder"},
      {"IN/text.jpg", 1, "picture"},
      {"IN/empty.jpg", 1, "empty"},
      {"IN/short.png", 1, "cut short"},
      {"IN/short.jpg", 1, "short.jpg"},
      {"IN/huge.png", 1, "60000"},
      {"IN/clear.png", 1, "clear.png"},
      {"IN/dot.png", 1, "dot.png"},
      {"IN/good.png -o no/such/folder/x.glb", 1, "no/such/folder"},
      {"IN/good.png -o /dev/full", 1, "no ordinary file"},
      {"IN/good.png -o IN/good.png", 2, "would be replaced"},
      {"IN/good.png --sheet-file IN/good.png", 2, "would be replaced"},
      {"IN/dot.png IN/good.png --sheet -o IN/good.png", 2, "folder"},
      {"IN/good.png -o x\xff.glb", 2, "no UTF-8"},
      {"IN/good.png -o -", 2, "standard output"},
      {"IN/good.png --sheet-file good.glb", 2, "good.glb too"},
      {"IN/good.png --sheet-file no/such/s.png", 1, "no/such"},
      {"IN/good.png --fast --steps 1", 1, "good.glb", TRUE},
      {"IN/good.png --model IN/nowhere", 1, "nowhere"},
      {"IN/good.png --model IN/empty-model", 1, "empty-model"},
      {"IN/good.png --steps 1001", 2, "out of range"},
      {"IN/good.png --steps 0", 2, "out of range"},
      {"IN/good.png --steps 2.5", 2, "whole number"},
      {"IN/good.png --guidance nan", 2, "guidance"},
      {"IN/good.png --face-detail 0", 2, "0.5 to 4; -1: the default"},
      {"IN/good.png --texture-size 0", 2, "256 to 4096"},
      {"IN/good.png --texture-quality -1", 2, "(0 to 100)"},
      {"IN/good.png --face-detail 9", 2, "face-detail"},
      {"IN/good.png --texture-size 4097", 2, "texture-size"},
      {"IN/good.png --texture-quality 101", 2, "texture-quality"},
      {"IN/good.png --texture-format gif", 2, "none of jpeg, png, webp"},
      {"IN/good.png --normal-map gif", 2, "none of jpeg, png, webp, none"},
      {"IN/good.png --max-bytes 5e9", 2, "max-bytes"},
      {"IN/good.png --fast --max-bytes 1000", 1, "fewer faces"},
      {"IN/good.png --seed -7", 2, "out of range"},
      {"IN/good.png --device abacus", 1, "abacus"},
      {"IN/good.png --precision fp4", 2, "expected f16 or fp8"},
      {"IN/good.png --precision fp8 --device cpu", 1, "leave precision at f16"},
      {"IN/good.png --noise-gpu abacus", 1, "noise GPU \"abacus\": expected"},
      {"IN/good.png IN/good.png", 2, "another photo"},
      {"IN/good.png IN/dot.png -o x.glb", 2, "folder"},
      {"--from-stage1 IN/nowhere", 1, "no such file"},
      {"--from-stage1 IN/empty-model", 1, "empty-model"},
      {"run", 2, ""},
      {"run no-such-pipeline", 2, "no-such-pipeline"},
      {"run photo", 2, "in=VALUE"},
      {"run photo in=a out=b colour=red", 2, "colour"},
      {"run photo in=IN/text.jpg out=x.glb", 1, "IN/text.jpg"},
      {"run cutout in=IN/good.png out=no/such/x.png", 1, "no/such/x.png"},
      {"inspect IN/text.jpg", 1, "text.jpg"},
      {"inspect IN/nothing", 1, "nothing"},
      {"inspect IN/good.png", 1, "neither a GLB file nor a bundle"},
      {"inspect --json IN/good.png", 2, "unknown option --json"},
      {"render", 2, "no file"},
      {"render IN/box.glb IN/box.glb", 2, "one file"},
      {"render IN/nothing.glb", 1, "no such file"},
      {"render IN/empty-model", 1, "no GLB or PLY file"},
      {"render IN/good.png", 1, "not a binary glTF file"},
      {"render IN/empty.jpg", 1, "empty"},
      {"render IN/short.glb", 1, "incomplete"},
      {"render IN/short.glb -o x.webm", 1, "incomplete"},
      {"render IN/short.glb -o x-%d.png", 1, "incomplete"},
      {"render IN/box.glb -o x.bmp", 2, ".png, .webm or .mp4"},
      {"render IN/box.glb -o x.gif", 2, "animated gif"},
      {"render IN/box.glb -o x-%d-%d.png", 2, "one number"},
      {"render IN/box.glb -o no/such/folder/x.png", 1, "no/such/folder"},
      {"render IN/box.glb --size 5", 2, "16 to 4096"},
      {"render IN/box.glb --size 50x", 2, "WxH"},
      {"render IN/box.glb --size 51 -o x.webm", 2, "even"},
      {"render IN/box.glb --frames -1", 2, "--frames"},
      {"render IN/box.glb --frames 0", 2, "--frames: 0"},
      {"render IN/box.glb --frames 3000 --size 4096", 1, "too large"},
      {"render IN/box.glb --degrees nan", 2, "--degrees"},
      {"render IN/box.glb --seconds 0", 2, "--seconds"},
      {"render IN/box.glb --background pink", 2, "pink"},
      {"render IN/box.glb --background transparent -o x.webm", 2,
          "transparent"},
      {"render IN/box.glb -o x-%d.png --size 4096 --frames 1", 1, "box.glb",
          TRUE},
      {"models check IN/nowhere", 1, "nowhere"},
      {"models check --force IN/empty-model", 2, "--force"},
      {"models check -f IN/empty-model", 2, "-f"},
      {"models import IN/nowhere.pth", 1, "nowhere.pth"},
      {"models import IN/good.png", 1, "good.png"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    int status;

    g_test_message ("synchuman %s", rows[i].args);
    f->disk_full = rows[i].disk_full;
    status = cli_run (f, program, rows[i].args);
    g_test_message ("%d: %s", status, f->errors);
    g_assert_cmpint (status, ==, rows[i].status);
    g_assert_nonnull (strstr (f->errors, rows[i].expected));
    if (strcmp (rows[i].args, "run") != 0)
      g_assert_cmpint (cli_count_errors (f->errors), ==, 1);
    g_assert_cmpint (cli_count_files (f->out), ==, 0);
  }
  f->disk_full = FALSE;
}

static void
makes_one (CliFixture *f, gconstpointer data)
{
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;

  g_assert_cmpint (cli_run (f, program, "--fast IN/good.png"), ==, 0);
  g_assert_nonnull (strstr (f->errors, "will take about"));
  g_assert_nonnull (strstr (f->text, "good.glb"));
  g_assert_cmpint (cli_count_files (f->out), ==, 1);
  a = harness_contents (f->out, "good.glb");
  g_assert_true (memcmp (g_bytes_get_data (a, NULL), "glTF", 4) == 0);
  /* the same photo and seed give the same bytes, another seed others */
  g_assert_cmpint (cli_run (f, program, "--fast IN/good.png -o b.glb"), ==, 0);
  b = harness_contents (f->out, "b.glb");
  g_assert_true (g_bytes_equal (a, b));
  g_bytes_unref (b);
  g_assert_cmpint (
      cli_run (f, program, "--fast --seed 7 IN/good.png -o b.glb"), ==, 0);
  b = harness_contents (f->out, "b.glb");
  g_assert_false (g_bytes_equal (a, b));
  g_assert_cmpint (cli_run (f, program, "inspect b.glb"), ==, 0);
  g_assert_nonnull (strstr (f->text, "vertices"));
}

static void
keeps_stages (CliFixture *f, gconstpointer data)
{
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;
  g_autoptr (GBytes) mesh = NULL;
  g_autoptr (GBytes) points = NULL;
  g_autoptr (PlyFile) extracted = NULL;
  g_autoptr (PlyFile) gaussians = NULL;

  g_assert_cmpint (
      cli_run (f, program, "--fast --keep-stages --sheet IN/good.png -o m/"),
      ==, 0);
  g_assert_true (harness_exists (f->out, "m/good.glb"));
  g_assert_true (harness_exists (f->out, "m/good-sheet.png"));
  g_assert_true (harness_exists (f->out, "m/good/stage1_output/color_4.png"));
  g_assert_true (harness_exists (f->out, "m/good/stage1_output/latent.npz"));
  mesh = harness_contents (f->out, "m/good/stage2_output/output_mesh.ply");
  extracted = ply_read (mesh);
  g_assert_cmpint (extracted->n_faces, >, 1000);
  points = harness_contents (f->out, "m/good/stage2_output/gaussians.ply");
  gaussians = ply_read (points);
  g_assert_cmpint (gaussians->n_vertices, >, 100);
  g_assert_cmpint (gaussians->n_values, ==, 17);
  a = harness_contents (f->out, "m/good.glb");
  b = harness_contents (f->out, "m/good/stage2_output/output.glb");
  g_assert_true (g_bytes_equal (a, b));
  g_assert_cmpint (cli_run (f, program,
                       "--fast -v --from-stage1 m/good/stage1_output -o c.glb"),
      ==, 0);
  g_assert_nonnull (strstr (f->errors, " faces extracted"));
  g_assert_true (harness_exists (f->out, "c.glb"));
}

/* Instead of what is extracted, the mesh of the file. */
static void
keeps_final_mesh (CliFixture *f, gconstpointer data)
{
  g_autoptr (GBytes) glb = NULL;
  g_autoptr (GBytes) mesh = NULL;
  g_autoptr (PlyFile) ply = NULL;
  g_autoptr (ShuGlb) file = NULL;

  g_assert_cmpint (cli_run (f, program,
                       "--fast --keep-stages --mesh-ply final IN/good.png "
                       "-o final/"),
      ==, 0);
  glb = harness_contents (f->out, "final/good.glb");
  mesh = harness_contents (f->out, "final/good/stage2_output/output_mesh.ply");
  file = shu_glb_decode (glb, NULL);
  ply = ply_read (mesh);
  g_assert_cmpint (ply->n_faces, ==, file->mesh->n_faces);
  g_assert_cmpint (
      cli_run (f, program, "--keep-stages --mesh-ply raw IN/good.png"), ==, 2);
  g_assert_nonnull (strstr (f->errors, "none of extracted, final"));
  g_assert_cmpint (cli_run (f, program, "--mesh-ply final IN/good.png"), ==, 2);
  g_assert_nonnull (strstr (f->errors, "--keep-stages"));
}

/* Bundles of which no model can be made: one error, no file. */
static void
bad_bundles_end (CliFixture *f, gconstpointer data)
{
  for (const BadBundle *b = bad_bundles; b->name; b++) {
    g_autoptr (GBytes) bytes = bad_bundle_make (b);
    g_autofree char *args = NULL;
    static const char text[] = "filesrc location=${in} ! shubundledec ! shumesh"
                               " ! shutexture texture-size=256 ! shuglbmux ! "
                               "shufilesink location=${out}\n";

    if (strcmp (b->schema, "asset") != 0)
      continue;
    g_test_message ("%s", b->name);
    harness_put (f->in, "tail.pipeline", text, strlen (text));
    harness_put (f->in, "asset.safetensors", g_bytes_get_data (bytes, NULL),
        g_bytes_get_size (bytes));
    args = g_strdup_printf (
        "run IN/tail.pipeline in=%s/asset.safetensors out=bad.glb", f->in);
    g_assert_cmpint (cli_run (f, program, args), ==, b->says ? 1 : 0);
    g_assert_cmpint (harness_exists (f->out, "bad.glb"), ==, b->says == NULL);
    g_assert_true (!b->says || strstr (f->errors, b->says) != NULL);
    if (!b->says) {
      g_autofree char *path = g_build_filename (f->out, "bad.glb", NULL);

      g_unlink (path);
    }
  }
}

/* Every line is an object; the last one says where the file is. */
static void
speaks_json (CliFixture *f, gconstpointer data)
{
  g_auto (GStrv) lines = NULL;
  const char *last = NULL;
  int n_reports = 0;
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_assert_cmpint (
      cli_run (f, program, "--json --fast IN/good.png IN/text.jpg"), ==, 1);
  g_assert_cmpstr (f->errors, ==, "");
  lines = g_strsplit (g_strstrip (f->text), "\n", -1);
  for (char **l = lines; *l; l++) {
    g_assert_true (json_parser_load_from_data (parser, *l, -1, NULL));
    last = json_object_get_string_member (
        json_node_get_object (json_parser_get_root (parser)), "type");
    if (strcmp (last, "report") == 0) {
      JsonObject *o = json_node_get_object (json_parser_get_root (parser));

      n_reports++;
      g_assert_cmpint (
          json_object_get_int_member (o, "faces-extracted"), >, 100);
      g_assert_cmpint (json_object_get_int_member (o, "holes-left"), ==, 0);
    }
    if (strcmp (last, "result") == 0)
      g_assert_cmpstr (
          json_object_get_string_member (
              json_node_get_object (json_parser_get_root (parser)), "output"),
          ==, "good.glb");
  }
  g_assert_cmpstr (last, ==, "error");
  g_assert_cmpint (n_reports, ==, 1);
  g_assert_true (harness_exists (f->out, "good.glb"));
  g_assert_cmpint (cli_count_files (f->out), ==, 1);
}

/* Every stage says how far it is, and when it is done; steps of one only grow.
 */
static void
reports_progress (CliFixture *f, gconstpointer data)
{
  static const char *const stages[] = {"matting", "preprocess", "stage1",
      "stage2", "mesh", "texture", "glb", "sheet"};
  int done[G_N_ELEMENTS (stages)] = {0}, last[G_N_ELEMENTS (stages)];
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_auto (GStrv) lines = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    last[i] = -1;
  g_assert_cmpint (cli_run (f, program,
                       "--json --fast --sheet --normal-map png IN/good.png"),
      ==, 0);
  lines = g_strsplit (g_strstrip (f->text), "\n", -1);
  for (char **l = lines; *l; l++) {
    JsonObject *o;
    int step, total;

    g_assert_true (json_parser_load_from_data (parser, *l, -1, NULL));
    o = json_node_get_object (json_parser_get_root (parser));
    if (strcmp (json_object_get_string_member (o, "type"), "progress") != 0)
      continue;
    step = (int) json_object_get_int_member (o, "step");
    total = (int) json_object_get_int_member (o, "total");
    for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
      if (!strcmp (json_object_get_string_member (o, "stage"), stages[i])) {
        g_assert_cmpint (step, >, last[i]);
        g_assert_cmpint (step, <=, total);
        last[i] = step;
        done[i] += step == total;
      }
  }
  for (guint i = 0; i < G_N_ELEMENTS (stages); i++) {
    g_test_message ("%s: last step %d", stages[i], last[i]);
    g_assert_cmpint (done[i], ==, 1);
  }
}

/* A name stays one name on its way through the launch description. */
static void
strange_names (CliFixture *f, gconstpointer data)
{
  static const char *const names[] = {"\"q", "a\"b\\c!d;e$(f).x", "'s' ! x=y",
      "\xc3\xa9\xe2\x82\xac", "(string)x", "a,b", "${in}", "%d"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *png = g_strconcat (names[i], ".png", NULL);
    g_autofree char *glb = g_strconcat (names[i], ".glb", NULL);
    g_autofree char *in = g_build_filename (f->in, png, NULL);
    const char *argv[] = {program, "--fast", "--steps=1", in, NULL};
    g_autoptr (GError) error = NULL;
    int status;

    harness_put_png (f->in, png, 60, 90);
    g_spawn_sync (f->out, (char **) argv, NULL,
        G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
        NULL, NULL, &status, &error);
    g_assert_no_error (error);
    g_assert_cmpint (status, ==, 0);
    g_assert_true (harness_exists (f->out, glb));
  }
}

static void
named_pipelines (CliFixture *f, gconstpointer data)
{
  g_assert_cmpint (cli_run (f, program, "run --help"), ==, 0);
  g_assert_nonnull (strstr (f->text, "resume"));
  g_assert_cmpint (
      cli_run (f, program,
          "run photo in=IN/good.png out=a.glb steps=2 texture-size=256"),
      ==, 1);
  g_assert_cmpint (cli_count_files (f->out), ==, 0);
}

/* The paths in KEY=VALUE are the shell's, so they are made here. */
static void
resumes (CliFixture *f, gconstpointer data)
{
  g_autofree char *photo = g_strdup_printf (
      "run photo in=%s/good.png out=a.glb steps=2 steps2=2 texture-size=256",
      f->in);
  g_autofree char *views = g_strdup_printf (
      "run views in=%s/good.png out=v.safetensors steps=2", f->in);
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;

  g_assert_cmpint (cli_run (f, program, photo), ==, 0);
  g_assert_cmpint (cli_run (f, program, views), ==, 0);
  g_assert_cmpint (
      cli_run (f, program,
          "run resume in=v.safetensors out=b.glb steps2=2 texture-size=256"),
      ==, 0);
  a = harness_contents (f->out, "a.glb");
  b = harness_contents (f->out, "b.glb");
  g_assert_true (g_bytes_equal (a, b));
  g_assert_cmpint (cli_run (f, program, "inspect v.safetensors"), ==, 0);
  g_assert_nonnull (strstr (f->text, "bundle \"views\""));
  g_assert_cmpint (
      cli_run (f, program, "run pictures in=v.safetensors out=v-%02d.png"), ==,
      0);
  g_assert_true (harness_exists (f->out, "v-09.png"));
}

/* A terminal is not told what to do by what is written in a file. */
static void
prints_words (CliFixture *f, gconstpointer data)
{
  static const char key[] = "\"generator\":\"", escape[] = "\\u001b";
  g_autoptr (ShuBundle) b = shu_bundle_new ("views");
  ShuTensor *t = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (1));
  g_autoptr (GBytes) bundle = NULL, glb = harness_glb ();
  gsize size = g_bytes_get_size (glb);
  g_autofree char *copy = g_memdup2 (g_bytes_get_data (glb, NULL), size);
  char *generator = memmem (copy, size, key, strlen (key));

  *(guint8 *) t->data = 0;
  shu_bundle_take (b, "\033[2Jn", t);
  shu_bundle_set_string (b, "\033[2Jk", "\033]0;v\a");
  bundle = shu_bundle_encode (b);
  size = g_bytes_get_size (bundle);
  harness_put (f->in, "words", g_bytes_get_data (bundle, NULL), size);
  g_assert_cmpint (cli_run (f, program, "inspect IN/words"), ==, 0);
  g_assert_nonnull (strstr (f->text, "?[2Jn"));
  g_assert_nonnull (strstr (f->text, "?[2Jk = ?]0;v?"));
  g_assert_null (strchr (f->text, '\033'));
  harness_put (f->out, "short", g_bytes_get_data (bundle, NULL), size - 1);
  g_assert_cmpint (
      cli_run (f, program, "run resume in=short out=b.glb"), ==, 1);
  g_assert_nonnull (strstr (f->errors, "tensor \"?[2Jn\""));
  g_assert_null (strchr (f->errors, '\033'));

  memcpy (generator + strlen (key), escape, strlen (escape));
  harness_put (f->in, "words.glb", copy, g_bytes_get_size (glb));
  g_assert_cmpint (cli_run (f, program, "inspect IN/words.glb"), ==, 0);
  g_assert_nonnull (strstr (f->text, "written by ?"));
}

/* decodebin in place of shuphotodec: a video, here of one frame. */
static void
takes_video (CliFixture *f, gconstpointer data)
{
  g_autofree char *video =
      g_strdup_printf ("run video in=%s/good.png out=f-%%d.glb", f->in);

  g_assert_cmpint (cli_run (f, program, video), ==, 0);
  g_assert_true (harness_exists (f->out, "f-0.glb"));
  g_assert_cmpint (cli_count_files (f->out), ==, 1);
}

/* Ctrl-C in the middle: soon over, status 130, nothing left. */
static void
stops (CliFixture *f, gconstpointer data)
{
  g_autofree char *photo = g_build_filename (f->in, "good.png", NULL);
  const char *argv[] = {
      program, "--json", "--keep-stages", "--steps=1000", photo, NULL};
  g_autoptr (GError) error = NULL;
  gint64 before;
  FILE *out;
  char line[4096];
  GPid pid;
  int fd, status;

  g_assert_true (g_spawn_async_with_pipes (f->out, (char **) argv, NULL,
      G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &fd, NULL, &error));
  out = fdopen (fd, "r");
  while (fgets (line, sizeof line, out) && !strstr (line, "\"stage1\""))
    ;
  before = g_get_monotonic_time ();
  kill (pid, SIGINT);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  /* one second is promised; the rest is for a busy machine */
  g_assert_cmpint (g_get_monotonic_time () - before, <, 5 * G_TIME_SPAN_SECOND);
  fclose (out);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 130);
  g_assert_false (harness_exists (f->out, "good.glb"));
}

static void
examples (CliFixture *f, gconstpointer data)
{
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;

  g_assert_cmpint (cli_run (f, example, "IN/good.png a.glb"), ==, 0);
  g_assert_cmpint (cli_run (f, embed, "IN/good.png b.glb"), ==, 0);
  g_assert_cmpint (cli_run (f, example, "IN/text.jpg c.glb"), ==, 1);
  g_assert_cmpint (cli_run (f, embed, "IN/text.jpg c.glb"), ==, 1);
  g_assert_true (harness_exists (f->out, "a.glb"));
  g_assert_true (harness_exists (f->out, "b.glb"));
  g_assert_false (harness_exists (f->out, "c.glb"));
}

static void
assert_png (CliFixture *f, const char *name, int width, int height)
{
  g_autoptr (GBytes) file = harness_contents (f->out, name);
  g_autoptr (ShuImage) image = shu_photo_decode (file, NULL);

  g_assert_cmpint (image->width, ==, width);
  g_assert_cmpint (image->height, ==, height);
}

static void
renders (CliFixture *f, gconstpointer data)
{
  int status;

  g_assert_cmpint (cli_run (f, program, "render IN/box.glb --size 64"), ==, 0);
  assert_png (f, "box-sides.png", 256, 128);
  g_assert_cmpint (cli_count_files (f->out), ==, 1);
  g_assert_cmpint (cli_run (f, program,
                       "render IN/box.glb -o a%%-%03d.PNG --frames 11 --size "
                       "64x32 --background transparent --json"),
      ==, 0);
  g_assert_nonnull (strstr (f->text, "\"render\""));
  assert_png (f, "a%%-000.PNG", 64, 32);
  assert_png (f, "a%%-010.PNG", 64, 32);
  g_assert_cmpint (cli_count_files (f->out), ==, 12);
  g_assert_cmpint (
      cli_run (f, program, "render IN/box.glb -o b.webm --frames 5 --size 64"),
      ==, 0);
  g_assert_true (harness_exists (f->out, "b.webm"));
  /* where there is no encoder: what to install */
  status =
      cli_run (f, program, "render IN/box.glb -o c.mp4 --frames 5 --size 64");
  g_assert_true (status == 0 ? harness_exists (f->out, "c.mp4")
                             : !!strstr (f->errors, "gstreamer1.0-plugins-"));
  g_assert_cmpint (cli_count_files (f->out), ==, 13 + (status == 0));
  g_assert_cmpint (cli_run (f, program, "render --help"), ==, 0);
  g_assert_nonnull (strstr (f->text, "--degrees"));
}

static void
version (CliFixture *f, gconstpointer data)
{
  static const char *const helped[] = {"-h", "make -h", "run -h",
      "run photo -h", "inspect -h", "render -h", "models -h",
      "models check --help"};

  g_assert_cmpint (cli_run (f, program, "--version"), ==, 0);
  g_assert_true (g_str_has_prefix (f->text, "synchuman 0."));
  g_assert_cmpint (cli_run (f, program, "--help"), ==, 0);
  g_assert_nonnull (strstr (f->text, "--keep-stages"));
  for (guint i = 0; i < G_N_ELEMENTS (helped); i++) {
    g_assert_cmpint (cli_run (f, program, helped[i]), ==, 0);
    g_assert_nonnull (strstr (f->text, "synchuman "));
    g_assert_cmpstr (f->errors, ==, "");
  }
}

#define ADD(path, func)                                                        \
  g_test_add (                                                                 \
      "/tools/cli/" path, CliFixture, NULL, cli_setup, func, cli_teardown)

int
main (int argc, char **argv)
{
  g_autofree char *home = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 4);
  program = g_canonicalize_filename (argv[1], NULL);
  example = g_canonicalize_filename (argv[2], NULL);
  embed = g_canonicalize_filename (argv[3], NULL);
  home = cli_stay_apart ();
  ADD ("version", version);
  ADD ("refuses", refuses);
  ADD ("makes_one", makes_one);
  ADD ("keeps_stages", keeps_stages);
  ADD ("keeps_final_mesh", keeps_final_mesh);
  ADD ("bad_bundles_end", bad_bundles_end);
  ADD ("json", speaks_json);
  ADD ("progress", reports_progress);
  ADD ("strange_names", strange_names);
  ADD ("named_pipelines", named_pipelines);
  ADD ("resumes", resumes);
  ADD ("prints_words", prints_words);
  ADD ("takes_video", takes_video);
  ADD ("stops", stops);
  ADD ("renders", renders);
  ADD ("examples", examples);
  status = g_test_run ();
  harness_remove (home);
  return status;
}
