/* SPDX-License-Identifier: MIT */
/* See plant.h.  Loaded into any program with LD_PRELOAD, it does so as many
 * milliseconds after the start as SHU_TEST_FAULT_AFTER says. */
#include "plant.h"
#include <dlfcn.h>

static const char code[] = ".version 7.0\n"
                           ".target sm_80\n"
                           ".address_size 64\n"
                           ".visible .entry plant ()\n"
                           "{\n"
                           "  .reg .b64 at;\n"
                           "  .reg .b32 value;\n"
                           "  mov.b64 at, 4096;\n"
                           "  mov.b32 value, 1;\n"
                           "  st.global.b32 [at], value;\n"
                           "  ret;\n"
                           "}\n";

typedef int Result; /* 0: as asked */

static Result
launch (void *lib, void *function)
{
  Result (*launch_kernel) (void *, unsigned, unsigned, unsigned, unsigned,
      unsigned, unsigned, unsigned, void *, void **, void **) =
      dlsym (lib, "cuLaunchKernel");

  return launch_kernel (function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
}

gboolean
plant_fault (void)
{
  void *lib = dlopen ("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  void *context = NULL, *module = NULL, *function = NULL;
  Result (*init) (unsigned), (*device_get) (int *, int);
  Result (*retain) (void **, int), (*push) (void *), (*pop) (void **);
  Result (*load) (void **, const void *);
  Result (*get) (void **, void *, const char *);
  int device = 0;
  gboolean ok;

  if (!lib)
    return FALSE;
  init = dlsym (lib, "cuInit");
  device_get = dlsym (lib, "cuDeviceGet");
  retain = dlsym (lib, "cuDevicePrimaryCtxRetain");
  push = dlsym (lib, "cuCtxPushCurrent_v2");
  pop = dlsym (lib, "cuCtxPopCurrent_v2");
  load = dlsym (lib, "cuModuleLoadData");
  get = dlsym (lib, "cuModuleGetFunction");
  if (init (0) != 0 || device_get (&device, 0) != 0 ||
      retain (&context, device) != 0 || push (context) != 0)
    return FALSE;
  ok = load (&module, code) == 0 && get (&function, module, "plant") == 0 &&
       launch (lib, function) == 0;
  pop (&context);
  return ok;
}

static gpointer
wait_and_plant (gpointer data)
{
  g_usleep ((gulong) GPOINTER_TO_INT (data) * 1000);
  if (!plant_fault ())
    g_printerr ("no fault could be planted\n");
  return NULL;
}

__attribute__ ((constructor)) static void
begin (void)
{
  const char *after = g_getenv ("SHU_TEST_FAULT_AFTER");
  guint64 milliseconds;

  if (after &&
      g_ascii_string_to_unsigned (after, 10, 1, 100000, &milliseconds, NULL))
    g_thread_unref (g_thread_new (
        "plant", wait_and_plant, GINT_TO_POINTER ((int) milliseconds)));
}
