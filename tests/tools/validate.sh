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
"$synchuman" --fast --quantize --texture-format webp -o "$out/fast.glb" "$photo"
"$synchuman" --normal-map jpeg -o "$out/normals.glb" "$photo"
"$synchuman" inspect "$out/normals.glb" | grep "normal map 1024x1024 pixels"

# every format of texture beside every format of normal map, quantized or not,
# within a limit or not: one model, written by many
cat >"$out/model.pipeline" <<'END'
filesrc location=${in} ! shuphotodec ! shumatting ! shupreprocess ! shustage1 ! shustage2 ! shumesh !
shutexture texture-size=512 normal-map=true ! shubundleenc ! shufilesink location=${out}
END
"$synchuman" run "$out/model.pipeline" in="$photo" out="$out/model"
echo 'filesrc location=${in} ! shubundledec ! tee name=model' >"$out/all.pipeline"
for format in jpeg png webp vertices; do
  for normals in none jpeg png webp; do
    for quantize in false true; do
      for limit in 0 260000; do
        echo "model. ! queue ! shuglbmux texture-format=$format normal-map=$normals" \
          "quantize=$quantize max-bytes=$limit !" \
          "shufilesink location=$out/$format-$normals-$quantize-$limit.glb"
      done
    done
  done
done >>"$out/all.pipeline"
"$synchuman" run "$out/all.pipeline" in="$out/model"
[ "$(ls "$out" | grep -c -- '-260000.glb$')" -eq 32 ]
[ -z "$(find "$out" -name '*-260000.glb' -size +260000c)" ]
for size in 2048 4096; do
  "$synchuman" --texture-size $size -o "$out/$size.glb" "$photo"
  "$synchuman" inspect "$out/$size.glb" | grep "${size}x$size pixels"
done
# less than its texture takes at full quality: less of that, but a sound file
limit=$(($(wc -c <"$out/plain.glb") * 3 / 4))
"$synchuman" --max-bytes $limit -o "$out/limit.glb" "$photo" 2>"$out/log"
grep "warning: to keep the file within its limit" "$out/log"
[ "$(wc -c <"$out/limit.glb")" -le $limit ]
if "$synchuman" --max-bytes 1000 -o "$out/no.glb" "$photo" 2>"$out/log" ||
    [ -e "$out/no.glb" ] || ! grep "Leave fewer faces" "$out/log"; then
  echo "a thousand bytes for a model are no error"
  exit 1
fi
node "$root/tests/tools/validate.js" "$npm" "$out"/*.glb
