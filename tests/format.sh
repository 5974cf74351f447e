#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-format has the last word on layout.  usage: format.sh SOURCE_ROOT
cd "${1:?source root}" || exit 1
command -v clang-format >/dev/null || { echo "no clang-format here"; exit 77; }
find core plugins tools tests examples \( -name '*.[ch]' -o -name '*.cu' \) -print0 |
  xargs -0 -r clang-format --dry-run --Werror
