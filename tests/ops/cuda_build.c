/* SPDX-License-Identifier: MIT */
/* What a build with CUDA has, seen without a GPU: every file of kernels for all
 * the compute capabilities that the build names, and as PTX for the last; an
 * entry for every operation.
 *   test_ops_cuda_build LIBRARY */
#include "base/bytes.h"
#include "base/file.h"
#include "ops/backend_private.h"
#include "tensor/gpu_archs.h"
#include <string.h>

enum { MAGIC_SIZE = 4, HEAD = 16, PTX = 1, ELF = 2 };

static const guint8 magic[MAGIC_SIZE] = {0x50, 0xed, 0x55, 0xba};

static const char *library;

/* Whether the entries in @c, of one file, have such code for @arch. */
static gboolean
has_code (ShuCursor c, guint kind, guint arch)
{
  gboolean found = FALSE;

  while (!found && c.pos < c.size) {
    gsize begin = c.pos, header, size;
    guint of = (guint) shu_cursor_uint (&c, 2);

    shu_cursor_take (&c, 2);
    header = shu_cursor_uint (&c, 4);
    size = shu_cursor_uint (&c, 8);
    shu_cursor_take (&c, 12);
    found = shu_cursor_uint (&c, 4) == arch && of == kind;
    g_assert_false (c.failed);
    c.pos = begin;
    g_assert_nonnull (shu_cursor_take (&c, header + size));
  }
  return found;
}

static void
test_all_archs (void)
{
  g_auto (GStrv) archs = g_strsplit (SHU_GPU_ARCHS, " ", -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *p, *at;
  int n_files = 0;
  gsize size;

  if (!library)
    g_error ("no library is given; meson test cuda_build does so");
  bytes = shu_file_map (library, &error);
  g_assert_no_error (error);
  p = at = g_bytes_get_data (bytes, &size);

  while ((at = memmem (at, (gsize) (p + size - at), magic, MAGIC_SIZE))) {
    ShuCursor head = shu_cursor (at, (gsize) (p + size - at));
    gsize length;

    at += MAGIC_SIZE;
    shu_cursor_take (&head, MAGIC_SIZE + 2);
    if (shu_cursor_uint (&head, 2) != HEAD)
      continue; /* the same bytes by chance */
    length = shu_cursor_uint (&head, 8);
    n_files++;
    for (int i = 0; archs[i]; i++) {
      ShuCursor c = shu_cursor (head.data + HEAD, length);
      guint arch = (guint) g_ascii_strtoull (archs[i], NULL, 10);

      g_assert_true (has_code (c, ELF, arch));
      g_assert_true (archs[i + 1] || has_code (c, PTX, arch));
    }
  }
  g_test_message ("%d files of kernels for %s", n_files, SHU_GPU_ARCHS);
  g_assert_cmpint (n_files, >, 20);
}

/* One without would be an error: nothing goes to the CPU instead. */
static void
test_all_operations (void)
{
  const gpointer *entries = (const gpointer *) &shu_backend_cuda;

  for (gsize i = 0; i < sizeof (ShuBackend) / sizeof *entries; i++)
    if (!entries[i])
      g_error ("entry %zu of ShuBackend is empty", i);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  library = argc == 2 ? argv[1] : NULL;
  g_test_add_func ("/ops/kernels/all_archs", test_all_archs);
  g_test_add_func ("/ops/kernels/all_operations", test_all_operations);
  return g_test_run ();
}
