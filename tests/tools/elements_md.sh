#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/elements.md says what the elements say:
#   elements_md.sh ELEMENTS-DOC PLUGIN.so elements.md
"$1" "$2" | diff -u "$3" - || {
  echo "write it again: $1 $2 >docs/elements.md" >&2
  exit 1
}
