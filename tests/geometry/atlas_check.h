/* SPDX-License-Identifier: MIT */
/* What must hold of every atlas. */
#pragma once
#include "geometry/mesh.h"

/* Fails the test unless @after has the faces of @before, none turned over, all
 * within the unit square, no texel of a picture of @size twice, and @gutter
 * texels between charts. */
void check_atlas (
    const ShuMesh *before, const ShuMesh *after, int size, int gutter);
