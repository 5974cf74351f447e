/* SPDX-License-Identifier: MIT */
/* What goes wrong on a GPU while a mesh and its texture are made: one clear
 * error wherever it happens, all memory back, and the next job as before.  All
 * of it needs a GPU. */
#include "base/error.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include "gpu.h"
#include "plant.h"
#include "tensor/device.h"
#include <string.h>

enum { TEXTURE = 2048 };

/* Parts of the work after which something happens: of the mesh the extraction
 * and what looks at the surface follow, of the texture photos, drawings, texels
 * and sharpening. */
static const char *const moments[] = {
    "begin", "extraction", "atlas", "photos", "drawings", "texels"};

typedef struct {
  const char *moment;
  const char *last; /* part that came to its end */
  void (*happen) (gpointer event);
  GPtrArray *others; /* memory that somebody else has taken */
  gboolean planted;
} Event;

static void
note (const char *part, gpointer data)
{
  Event *e = data;

  e->last = part;
  if (strcmp (part, e->moment) == 0)
    e->happen (e);
}

static void
note_begin (const char *stage, int step, int total, gpointer data)
{
  if (strcmp (stage, "mesh") == 0 && step == 0)
    note ("begin", data);
}

/* A person of formula weights, as the networks leave it on the device */
static ShuBundle *
new_asset (ShuModel *m)
{
  g_autoptr (ShuBundle) subject = gpu_subject (m), views = NULL;
  g_autoptr (GError) error = NULL;
  ShuBundle *asset;

  views = shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);
  g_assert_no_error (error);
  asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);
  g_assert_no_error (error);
  return asset;
}

/* (transfer full): the file; NULL with an error */
static GBytes *
run (const ShuBundle *asset, Event *e, GError **error)
{
  const ShuProgress progress = {
      .func = e ? note_begin : NULL, .lap = e ? note : NULL, .data = e};
  g_autoptr (ShuBundle) mesh =
      shu_stage_mesh (asset, &(ShuMeshParams){-1, 0}, &progress, error);
  g_autoptr (ShuBundle) model =
      mesh ? shu_stage_texture (mesh,
                 &(ShuTextureParams){.texture_size = TEXTURE}, &progress, error)
           : NULL;

  return model ? shu_stage_glb (model, &(ShuGlbParams){0}, error) : NULL;
}

/* ---- memory ---- */

static void
give_back (gpointer p)
{
  shu_device_free (0, p);
}

static void
steal (gpointer event)
{
  Event *e = event;
  gsize n_free = 0, total = 0;
  gpointer p;

  shu_device_memory (0, &n_free, &total);
  for (gsize piece = n_free; piece >= 2 << 20; piece /= 2)
    while ((p = shu_device_alloc (0, piece)))
      g_ptr_array_add (e->others, p);
}

/* Returns: whether there was an error, as it should be */
static gboolean
run_robbed (const ShuBundle *asset, const char *moment, GBytes *expected)
{
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (give_back);
  Event e = {.moment = moment, .happen = steal, .others = others};
  g_autoptr (GError) error = NULL;
  gsize before = gpu_used ();
  g_autoptr (GBytes) file = run (asset, &e, &error);
  gboolean failed = file == NULL;

  g_assert_cmpuint (others->len, >, 0);
  g_ptr_array_set_size (others, 0);
  g_test_message ("all memory taken after \"%s\": the last part was \"%s\": %s",
      moment, e.last, failed ? error->message : "enough was held");
  if (failed)
    fixture_expect (&error, SHU_ERROR_MEMORY, "close other programs");
  else
    g_assert_true (g_bytes_equal (file, expected));
  g_test_message ("%.1f MB more in use than before",
      ((double) gpu_used () - (double) before) / 1e6);
  g_assert_cmpuint (gpu_used (), <=, before + (8 << 20));
  return failed;
}

static void
test_no_memory (void)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:5", SHU_MEMORY_NORMAL);
  g_autoptr (ShuBundle) asset = NULL;
  g_autoptr (GBytes) expected = NULL;
  g_autoptr (GError) error = NULL;

  if (!m)
    return;
  asset = new_asset (m);
  expected = run (asset, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (moments); i++) {
    g_autoptr (GBytes) file = NULL;
    gboolean failed = run_robbed (asset, moments[i], expected);

    /* afterwards the stage may hold all that it needs */
    g_assert_true (failed || i > 3);
    file = run (asset, NULL, &error);
    g_assert_no_error (error);
    g_assert_true (g_bytes_equal (file, expected));
  }
}

/* ---- a lost device ---- */

static void
plant (gpointer event)
{
  Event *e = event;

  e->planted = plant_fault ();
}

static gpointer
plant_later (gpointer event)
{
  g_usleep (2000);
  plant (event);
  return NULL;
}

/* In the middle of what follows */
static void
plant_soon (gpointer event)
{
  g_thread_unref (g_thread_new ("plant", plant_later, event));
}

/* In a process of its own, which has no GPU afterwards */
static void
lose (const char *moment, void (*happen) (gpointer event))
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:5", SHU_MEMORY_NORMAL);
  g_autoptr (ShuBundle) asset = new_asset (m);
  g_autoptr (GError) error = NULL;
  Event e = {.moment = moment, .happen = happen}, none = {.moment = ""};

  g_assert_null (run (asset, &e, &error));
  g_assert_true (e.planted);
  g_printerr (
      "lost after \"%s\", last \"%s\": %s\n", moment, e.last, error->message);
  fixture_expect (&error, SHU_ERROR_INTERNAL, "start it again");
  g_assert_null (run (asset, &none, &error));
  g_printerr ("next: %s\n", error->message);
  fixture_expect (&error, SHU_ERROR_INTERNAL, "start it again");
}

static void
test_lost_inside (gconstpointer moment)
{
  lose (moment, plant);
}

static void
test_lost_soon_inside (gconstpointer moment)
{
  lose (moment, plant_soon);
}

static void
test_lost (gconstpointer path)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:1", SHU_MEMORY_NORMAL);
  g_autofree char *inside = g_strconcat (path, "/subprocess/inside", NULL);

  if (!m)
    return;
  g_test_trap_subprocess (inside, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

/* @path lives as long as the tests */
static void
add_lost (char *path, const char *moment, GTestDataFunc inside)
{
  g_autofree char *subprocess = g_strconcat (path, "/subprocess/inside", NULL);

  g_test_add_data_func_full (path, path, test_lost, g_free);
  g_test_add_data_func (subprocess, moment, inside);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/tail_faults/no_memory", test_no_memory);
  for (gsize i = 0; i < G_N_ELEMENTS (moments); i++)
    add_lost (g_strconcat ("/stages/tail_faults/lost_after_", moments[i], NULL),
        moments[i], test_lost_inside);
  add_lost (g_strdup ("/stages/tail_faults/lost_while_drawing"), "photos",
      test_lost_soon_inside);
  return g_test_run ();
}
