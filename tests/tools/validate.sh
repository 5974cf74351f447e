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
for format in jpeg png webp vertices; do
  for quantize in "" --quantize; do
    # shellcheck disable=SC2086
    "$synchuman" --texture-format $format $quantize --texture-size 512 \
      -o "$out/$format$quantize.glb" "$photo"
  done
done
for size in 512 2048 4096; do
  "$synchuman" --texture-size $size -o "$out/$size.glb" "$photo"
  "$synchuman" inspect "$out/$size.glb" | grep "${size}x$size pixels"
done
# less than its texture takes at full quality: less of that, but a sound file
limit=$(($(wc -c <"$out/2048.glb") * 3 / 4))
"$synchuman" --texture-size 2048 --max-bytes $limit -o "$out/limit.glb" "$photo" 2>"$out/log"
grep "warning: to keep the file within its limit" "$out/log"
[ "$(wc -c <"$out/limit.glb")" -le $limit ]
if "$synchuman" --max-bytes 1000 -o "$out/no.glb" "$photo" 2>"$out/log" ||
    [ -e "$out/no.glb" ] || ! grep "Leave fewer faces" "$out/log"; then
  echo "a thousand bytes for a model are no error"
  exit 1
fi
node "$root/tests/tools/validate.js" "$npm" "$out"/*.glb
