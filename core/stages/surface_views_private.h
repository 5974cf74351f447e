/* SPDX-License-Identifier: MIT */
/* The pictures that a texture is made from. */
#pragma once
#include "geometry/bake.h"
#include "tensor/bundle.h"

/* The five pictures of a bundle, and where the front shows the person, where
 * @c works; scoped.  Of @ret the Gaussians are not looked at. */
gboolean shu_surface_views (
    ShuCtx *c, const ShuBundle *b, ShuBakeViews *ret, GError **error);
