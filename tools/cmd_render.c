/* SPDX-License-Identifier: MIT */
/* synchuman render FILE: pictures of a model, or of Gaussians, from all sides.
 * The work is one launch description, which writes into a folder of its own;
 * what it wrote gets its names when all of it is there. */
#include "commands.h"
#include "job.h"
#include "launch.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Defaults */
enum {
  SIZE = 512,
  SIDES = 8,
  COLUMNS = 4,
  FRAMES = 72,
  SECONDS = 3,
  UNSAID = G_MININT
};

typedef struct {
  char *output, *size, *background;
  int frames; /* UNSAID: as many as the kind of output has */
  double degrees, seconds;
  gboolean json, print_pipeline;
  char **inputs;
} Options;

typedef struct {
  const char *ending;
  const char *description; /* after shuturntable */
  gboolean video;          /* opaque, even sizes */

  struct {
    const char *element, *package;
  } needs[4];
} Kind;

#define GOOD "gstreamer1.0-plugins-good"
#define BASE "gstreamer1.0-plugins-base"

/* The first two are one ending: the second for names with a number. */
static const Kind kinds[] = {
    {".png", "pngenc ! filesink", FALSE, {{"pngenc", GOOD}}},
    {".png", "pngenc ! multifilesink", FALSE,
        {{"pngenc", GOOD}, {"multifilesink", GOOD}}},
    {".webm",
        "queue max-size-buffers=8 ! videoconvert ! vp9enc deadline=1 "
        "cpu-used=4 row-mt=true end-usage=cq cq-level=24 "
        "target-bitrate=20000000 ! webmmux ! filesink",
        TRUE, {{"vp9enc", GOOD}, {"webmmux", GOOD}, {"videoconvert", BASE}}},
    {".mp4",
        "queue max-size-buffers=8 ! videoconvert ! video/x-raw,format=I420 ! "
        "x264enc pass=quant quantizer=20 ! mp4mux ! filesink",
        TRUE,
        {{"x264enc", "gstreamer1.0-plugins-ugly"}, {"mp4mux", GOOD},
            {"videoconvert", BASE}}},
};

static gboolean
parse (int argc, char **argv, Options *o, GError **error)
{
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
          "X.png: a sheet of eight sides; X-%03d.png: numbered pictures; "
          "X.webm, X.mp4: a video of the model that turns (NAME-sides.png "
          "here)",
          "FILE"},
      {"size", 0, 0, G_OPTION_ARG_STRING, &o->size,
          "Pixels of one picture, N or WxH (512)", "SIZE"},
      {"frames", 0, 0, G_OPTION_ARG_INT, &o->frames,
          "Pictures (72; of a sheet 8)", "N"},
      {"degrees", 0, 0, G_OPTION_ARG_DOUBLE, &o->degrees,
          "How far the model turns over all of them (360; less than 0: the "
          "other way)",
          "X"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o->seconds,
          "Length of a video (3)", "X"},
      {"background", 0, 0, G_OPTION_ARG_STRING, &o->background,
          "white, black, #RRGGBB or, in PNG files, transparent (white)",
          "COLOUR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o->json,
          "One JSON object a line on standard output", NULL},
      {"print-pipeline", 0, 0, G_OPTION_ARG_NONE, &o->print_pipeline,
          "Show what runs, as gst-launch-1.0 takes it", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->inputs, NULL,
          NULL},
      {NULL}};
  g_autoptr (GOptionContext) context =
      g_option_context_new ("FILE.glb|FILE.ply");

  g_option_context_set_summary (context,
      "Draws a GLB file (its first mesh), or the Gaussians of a PLY file, from "
      "all sides: a sheet, pictures or a video.");
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, &argc, &argv, error);
}

static gboolean G_GNUC_PRINTF (2, 3)
    bad (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (G_OPTION_ERROR,
                                G_OPTION_ERROR_BAD_VALUE, format, args));
  va_end (args);
  return FALSE;
}

/* Where @name has its number, %d or %03d: the length of that, else 0. */
static int
number_at (const char *name, const char **ret_at)
{
  for (const char *p = name; (p = strchr (p, '%')); p++) {
    int n = 1 + (int) strspn (p + 1, "0123456789");

    if (p[n] == 'd' && n <= 3) {
      *ret_at = p;
      return n + 1;
    }
  }
  return 0;
}

/* Name of picture @i, after the pattern @name. */
static char *
numbered (const char *name, int i)
{
  const char *at = name, *again;
  int n = number_at (name, &at);
  g_autofree char *digits = g_strdup_printf ("%d", i);
  int width = n > 2 ? atoi (at + 1) : 0;
  GString *s = g_string_new_len (name, at - name);
  char fill = n > 2 && at[1] == '0' ? '0' : ' ';

  g_assert (n > 0 && number_at (at + n, &again) == 0);
  for (int k = (int) strlen (digits); k < width; k++)
    g_string_append_c (s, fill);
  g_string_append (s, digits);
  g_string_append (s, at + n);
  return g_string_free (s, FALSE);
}

/* What Debian's GStreamer has no encoder for: of GIF there is none, webpenc
 * writes single pictures, and what avenc_apng writes no muxer takes. */
static const char *const animated[] = {".gif", ".webp", ".apng"};

static const Kind *
find_kind (const char *output, GError **error)
{
  g_autofree char *base = g_path_get_basename (output);
  const char *dot = strrchr (base, '.'), *at = base, *again;
  int n = number_at (base, &at);

  for (guint i = 0; dot && i < G_N_ELEMENTS (kinds); i++) {
    if (g_ascii_strcasecmp (dot, kinds[i].ending) != 0)
      continue;
    if (kinds[i].video || n == 0)
      return kinds + i;
    if (number_at (at + n, &again) == 0)
      return kinds + i + 1;
    bad (error, "-o %s: one number (%%d, %%03d) is enough", output);
    return NULL;
  }
  for (guint i = 0; dot && i < G_N_ELEMENTS (animated); i++)
    if (g_ascii_strcasecmp (dot, animated[i]) == 0) {
      bad (error,
          "-o %s: GStreamer of Debian 12 cannot write animated %s files; "
          ".webm and .mp4 are possible, and numbered pictures (NAME-%%03d.png) "
          "for other programs",
          output, dot + 1);
      return NULL;
    }
  bad (error, "-o %s: a name that ends in .png, .webm or .mp4 is expected",
      output);
  return NULL;
}

static gboolean
parse_size (const char *text, gboolean even, int *ret_width, int *ret_height,
    GError **error)
{
  char *end = NULL;
  guint64 w = SIZE, h = SIZE;

  if (text) {
    h = w = g_ascii_isdigit (*text) ? g_ascii_strtoull (text, &end, 10) : 0;
    if (w > 0 && *end == 'x' && g_ascii_isdigit (end[1]))
      h = g_ascii_strtoull (end + 1, &end, 10);
    if (w == 0 || *end)
      return bad (error, "--size: \"%s\" is neither N nor WxH", text);
  }
  if (w < 16 || w > 4096 || h < 16 || h > 4096)
    return bad (error, "--size: %s is out of range (16 to 4096)", text);
  if (even && (w % 2 || h % 2))
    return bad (error, "--size: %s: a video's width and height are even", text);
  *ret_width = (int) w;
  *ret_height = (int) h;
  return TRUE;
}

static gboolean
parse_background (
    const char *text, gboolean opaque, int *ret_color, GError **error)
{
  static const struct {
    const char *name;
    int color;
  } names[] = {{"white", 0xffffff}, {"black", 0}, {"transparent", -1}};

  char *end;

  *ret_color = 0xffffff;
  if (!text)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (text, names[i].name) == 0) {
      *ret_color = names[i].color;
      return *ret_color >= 0 || !opaque ||
             bad (error, "--background: a video cannot be transparent");
    }
  if (text[0] == '#' && strlen (text) == 7 && g_ascii_isxdigit (text[1])) {
    *ret_color = (int) g_ascii_strtoull (text + 1, &end, 16);
    if (!*end)
      return TRUE;
  }
  return bad (error,
      "--background: \"%s\" is neither white, black, transparent nor #RRGGBB",
      text);
}

static gboolean
check_installed (const Kind *kind, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (kind->needs); i++) {
    const char *name = kind->needs[i].element;
    g_autoptr (GstElementFactory) factory =
        name ? gst_element_factory_find (name) : NULL;

    if (name && !factory)
      return bad (error,
          "%s files need GStreamer's %s, which is not installed: on Debian, "
          "apt-get install %s",
          kind->ending + 1, name, kind->needs[i].package);
  }
  return TRUE;
}

/* ---- the pipeline ---- */

/* Where the pipeline writes: in @folder, which is taken away afterwards. */
static char *
raw_name (const char *folder, const Kind *kind)
{
  g_auto (GStrv) parts = NULL;
  g_autofree char *plain = NULL;

  if (kind != kinds + 1)
    return g_build_filename (folder, "whole", NULL);
  /* multifilesink takes all of its location for a pattern */
  parts = g_strsplit (folder, "%", -1);
  plain = g_strjoinv ("%%", parts);
  return g_build_filename (plain, "%05d", NULL);
}

/* Returns: (transfer full) (nullable): NULL with an error of usage */
static char *
describe (const Options *o, const Kind *kind, const char *input,
    const char *folder, int *ret_n_frames, GError **error)
{
  g_autofree char *in = launch_quote (input);
  g_autofree char *raw = raw_name (folder, kind);
  g_autofree char *out = launch_quote (raw);
  gboolean sheet = kind == kinds;
  int n = o->frames != UNSAID ? o->frames : sheet ? SIDES : FRAMES;
  char degrees[G_ASCII_DTOSTR_BUF_SIZE];
  int width = SIZE, height = SIZE, background = -1, ms;

  if (!parse_size (o->size, kind->video, &width, &height, error) ||
      !parse_background (o->background, kind->video, &background, error))
    return NULL;
  if (n < 1 || n > 3600) {
    bad (error, "--frames: %d is out of range (1 to 3600)", n);
    return NULL;
  }
  if (!(o->degrees >= -36000 && o->degrees <= 36000)) {
    bad (error, "--degrees: %g is out of range (-36000 to 36000)", o->degrees);
    return NULL;
  }
  if (!(o->seconds >= 0.1 && o->seconds <= 3600)) {
    bad (error, "--seconds: %g is out of range (0.1 to 3600)", o->seconds);
    return NULL;
  }
  ms = CLAMP ((int) (o->seconds * 1000 / n + 0.5), 1, 60000);
  g_ascii_dtostr (degrees, sizeof degrees, o->degrees);
  *ret_n_frames = kind == kinds + 1 ? n : 1;
  return g_strdup_printf (
      "filesrc location=%s ! shuturntable width=%d height=%d num-frames=%d "
      "degrees=%s columns=%d background=%d frame-duration=%d ! %s location=%s",
      in, width, height, n, degrees, sheet ? COLUMNS : 0, background, ms,
      kind->description, out);
}

/* ---- files ---- */

/* Moves what the pipeline wrote to its names.  Adds up the sizes. */
static gboolean
move_files (const char *folder, const Kind *kind, const char *output, int n,
    gsize *ret_bytes, GError **error)
{
  g_autofree char *raw = raw_name (folder, kind);

  *ret_bytes = 0;
  for (int i = 0; i < n; i++) {
    g_autofree char *dir = g_path_get_dirname (output);
    g_autofree char *base = g_path_get_basename (output);
    g_autofree char *name =
        kind == kinds + 1 ? numbered (base, i) : g_strdup (base);
    g_autofree char *number = g_strdup_printf ("%05d", i);
    g_autofree char *from =
        g_build_filename (folder, kind == kinds + 1 ? number : "whole", NULL);
    g_autofree char *to = g_build_filename (dir, name, NULL);
    GStatBuf st;

    if (g_stat (from, &st) != 0)
      return bad (error, "%s: %s", from, g_strerror (errno));
    if (g_rename (from, to) != 0)
      return bad (error, "%s: cannot be written: %s", to, g_strerror (errno));
    *ret_bytes += (gsize) st.st_size;
  }
  return TRUE;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_rmdir (folder);
}

static gboolean
check_input (const char *input, GError **error)
{
  if (!g_file_test (input, G_FILE_TEST_EXISTS))
    return bad (error, "there is no such file");
  if (!g_file_test (input, G_FILE_TEST_IS_REGULAR))
    return bad (error, "is no GLB or PLY file");
  if (!g_utf8_validate (input, -1, NULL))
    return bad (error, "the name is no UTF-8, which a pipeline's text must be: "
                       "rename it");
  return g_access (input, R_OK) == 0 ||
         bad (error, "cannot be read: %s", g_strerror (errno));
}

/* A folder beside the output, so that moving is renaming. */
static char *
make_folder (const char *output, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (output);
  g_autofree char *folder =
      g_build_filename (parent, ".synchuman-XXXXXX", NULL);

  if (!g_utf8_validate (output, -1, NULL))
    bad (error, "-o %s: the name is no UTF-8, which a pipeline's text must be",
        output);
  else if (g_file_test (output, G_FILE_TEST_EXISTS) &&
           !g_file_test (output, G_FILE_TEST_IS_REGULAR))
    bad (error, "%s: is there and no ordinary file", output);
  else if (!g_mkdtemp (folder))
    bad (error, "%s: cannot be written to: %s", parent, g_strerror (errno));
  else
    return g_steal_pointer (&folder);
  return NULL;
}

/* ---- all of it ---- */

static int
work (const Options *o, const Kind *kind, const char *input, const char *output,
    const char *folder, Output *out)
{
  Job job = {.input = input, .estimate = -1};
  g_autoptr (GError) error = NULL;
  int n, status;
  gsize bytes;
  g_autofree char *description = describe (o, kind, input, folder, &n, &error);

  if (!description) {
    output_error (out, NULL, error->message, NULL);
    return STATUS_USAGE;
  }
  if (o->print_pipeline)
    fprintf (stderr, "gst-launch-1.0 %s\n", description);
  status = job_run (&job, description, out);
  if (status == STATUS_OK &&
      !move_files (folder, kind, output, n, &bytes, &error)) {
    output_error (out, input, error->message, NULL);
    status = STATUS_FAILED;
  }
  if (status == STATUS_OK)
    output_result (out, input, output, bytes, job.seconds);
  job_clear (&job);
  return status;
}

static char *
default_output (const char *input)
{
  g_autofree char *base = g_path_get_basename (input);
  char *dot = strrchr (base, '.');

  if (dot && dot != base)
    *dot = 0;
  return g_strconcat (base, "-sides.png", NULL);
}

static int
render (const Options *o, Output *out)
{
  g_autoptr (GError) error = NULL;
  const char *input = o->inputs ? o->inputs[0] : NULL;
  g_autofree char *output = NULL;
  g_autofree char *folder = NULL;
  const Kind *kind;
  int status = STATUS_USAGE;

  if (!input || o->inputs[1]) {
    output_error (out, NULL,
        input ? "one file at a time" : "no file given (--help)", NULL);
    return status;
  }
  output = o->output ? g_strdup (o->output) : default_output (input);
  kind = find_kind (output, &error);
  if (kind) {
    status = STATUS_FAILED;
    if (check_installed (kind, &error) && check_input (input, &error))
      folder = make_folder (output, &error);
  }
  if (!folder) {
    output_error (out, input, error->message, NULL);
    return status;
  }
  status = work (o, kind, input, output, folder, out);
  remove_folder (folder);
  return status;
}

int
cmd_render (int argc, char **argv)
{
  Options o = {.frames = UNSAID, .degrees = 360, .seconds = SECONDS};
  Output output;
  g_autoptr (GError) error = NULL;
  int status = STATUS_USAGE;

  g_set_prgname ("synchuman render"); /* in the help */
  if (!parse (argc, argv, &o, &error)) {
    fprintf (stderr, "synchuman: %s\n", error->message);
  } else {
    gst_init (NULL, NULL);
    output_init (&output, o.json);
    if (launch_load_plugin (&error))
      status = render (&o, &output);
    else {
      output_error (&output, NULL, error->message, NULL);
      status = STATUS_FAILED;
    }
    output_clear (&output);
  }
  g_free (o.output);
  g_free (o.size);
  g_free (o.background);
  g_strfreev (o.inputs);
  return status;
}
