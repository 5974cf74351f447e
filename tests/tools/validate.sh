#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Models of several kinds pass the Khronos validator.
# usage: validate.sh SYNCHUMAN NPM_FOLDER SOURCE_ROOT
set -eu
synchuman=$1 npm=$2 root=$3
if ! command -v node >/dev/null || [ ! -d "$npm/node_modules/gltf-validator" ]; then
  echo "gltf-validator is not there: run tools/check where npm is installed"
  exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
photo=$root/examples/images/generated-person.jpg
export SHU_MODEL=synthetic-tiny:7
"$synchuman" -o "$out/plain.glb" "$photo"
"$synchuman" --fast -o "$out/fast.glb" "$photo"
node "$root/tests/tools/validate.js" "$npm" "$out"/*.glb
