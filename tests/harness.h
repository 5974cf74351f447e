/* SPDX-License-Identifier: MIT */
/* What tests of files, elements and programs share: a picture of a person, and
 * folders that come and go. */
#pragma once
#include "shu.h"

/* A figure on a transparent ground: head, trunk and two legs.  Not @visible:
 * all of it is transparent. */
ShuImage *harness_figure (int width, int height, gboolean visible);
/* The same as a PNG file. */
GBytes *harness_png (int width, int height, gboolean visible);

/* A box, 0.4 m wide, 0.8 high and 0.2 deep, without top and bottom; its
 * sides red, green, blue and yellow: front, right, back, left. */
GBytes *harness_glb (void);

/* (transfer full): the path of a new folder */
char *harness_folder (void);
/* With everything in it; of links to folders, the links. */
void harness_remove (const char *folder);

void harness_put (
    const char *folder, const char *name, gconstpointer data, gsize size);
void harness_put_png (
    const char *folder, const char *name, int width, int height);
gboolean harness_exists (const char *folder, const char *name);
GBytes *harness_contents (const char *folder, const char *name);
