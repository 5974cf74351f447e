/* SPDX-License-Identifier: MIT */
/* synchuman-bench: how fast the networks of a model folder are on a device, or
 * the operations on the CPU. */
#include "bench.h"
#include "base/error.h"
#include <stdio.h>

static gboolean
run (const BenchOptions *o, GError **error)
{
  if (o->ops && o->json) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "--ops shows its tables as text; leave out --json");
    return FALSE;
  }
  if (o->growth || bench_is_tail ((const char *const *) o->parts))
    return bench_tail (o, error);
  if (o->parts || o->device || o->ops || o->pytorch)
    return bench_parts (o, error);
  return bench_rows (o, error);
}

static gboolean
measure (int argc, char **argv, GError **error)
{
  BenchOptions o = {0};
  g_autofree char *parts = NULL, *precision = NULL;
  const GOptionEntry entries[] = {
      {"model", 0, 0, G_OPTION_ARG_STRING, &o.model,
          "Model folder, or synthetic:SEED (default: as everywhere)", "FOLDER"},
      {"device", 0, 0, G_OPTION_ARG_STRING, &o.device,
          "Measure the networks on this device: cpu, cuda:N, auto", "DEVICE"},
      {"part", 0, 0, G_OPTION_ARG_STRING, &parts,
          "Measure these parts (commas between them; all: each one); tail, or "
          "tail@1000000 for another body: from \"asset\" to the GLB file",
          "NAMES"},
      {"ops", 0, 0, G_OPTION_ARG_NONE, &o.ops,
          "Show what each network's operations take, and each stage's steps",
          NULL},
      {"growth", 0, 0, G_OPTION_ARG_NONE, &o.growth,
          "Measure from \"asset\" to the GLB file for 0.1 to 2 million faces",
          NULL},
      {"pytorch", 0, 0, G_OPTION_ARG_FILENAME, &o.pytorch,
          "Time the official PyTorch modules, too; a copy of the official "
          "repository",
          "FOLDER"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &precision,
          "Of the joint denoiser: f16 (default) or fp8", "WORD"},
      {"only", 0, 0, G_OPTION_ARG_STRING, &o.only,
          "Of the operations on the CPU only this one, e.g. conv2d, or load",
          "OP"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.seconds,
          "Time for each row (default 1, for operations 0.2)", "S"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Print JSON", NULL},
      {"processor-time", 0, 0, G_OPTION_ARG_NONE, &o.processor_time,
          "Count processor time, for a machine that is busy otherwise; with "
          "OMP_NUM_THREADS=1",
          NULL},
      {NULL},
  };
  g_autoptr (GOptionContext) options =
      g_option_context_new ("- measure networks and operations");
  gboolean ok;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, error))
    return FALSE;
  if (parts)
    o.parts = g_strsplit (parts, ",", -1);
  ok = shu_precision_parse (precision, &o.precision, error) && run (&o, error);
  g_strfreev (o.parts);
  g_free (o.pytorch);
  g_free (o.only);
  g_free (o.model);
  g_free (o.device);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (measure (argc, argv, &error))
    return 0;
  fprintf (stderr, "synchuman-bench: %s\n", error->message);
  return 1;
}
