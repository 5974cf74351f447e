#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# GLB files in a real browser (headless Chromium, three.js): the outlines of our
# own renderer's pictures, the person's front towards the camera, and light that
# falls on a normal map as on the surface it was made of.
# usage: browser.sh SYNCHUMAN COMPARE_PICTURES NPM_FOLDER SOURCE_ROOT
set -euo pipefail
synchuman=$1 compare=$2 npm=$3 root=$4
browser=$(command -v chromium-headless-shell || command -v chromium || true)
if [ -z "$browser" ]; then
  echo "no Chromium: on Debian, apt-get install chromium-headless-shell"
  exit 77
fi
if ! command -v node >/dev/null || [ ! -d "$npm/node_modules/three" ]; then
  echo "three.js is not there: run tools/check where npm is installed"
  exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export SHU_MODEL=$root/examples/models/mini

# the usual file, a small one of extensions, one without pictures; and for the
# normal map the surface as it was, and few faces with and without
cat >"$out/all.pipeline" <<END
filesrc location=$root/examples/images/generated-person.jpg ! shuphotodec ! shumatting ! shupreprocess ! shustage1 !
tee name=views ! queue ! shustage2 ! tee name=asset ! queue ! shumesh ! shutexture normal-map=true texture-size=512 !
tee name=model ! queue !
shuglbmux normal-map=none ! shufilesink location=$out/plain.glb
model. ! queue ! shuglbmux quantize=true texture-format=webp normal-map=webp ! shufilesink location=$out/small.glb
model. ! queue ! shuglbmux texture-format=vertices ! shufilesink location=$out/vertices.glb
views. ! queue ! shuviewssink location=$out/views
asset. ! queue ! shumesh simplify=0 ! shutexture texture-size=256 ! shuglbmux ! shufilesink location=$out/fine.glb
asset. ! queue ! shumesh simplify=0.95 ! shutexture texture-size=512 normal-map=true ! tee name=few ! queue !
shuglbmux ! shufilesink location=$out/mapped.glb
few. ! queue ! shuglbmux normal-map=none ! shufilesink location=$out/few.glb
END
"$synchuman" run "$out/all.pipeline"

kinds=(plain small vertices)
shots=()
for kind in "${kinds[@]}"; do
  "$synchuman" render "$out/$kind.glb" --size 512 --frames 4 --background transparent -o "$out/$kind-ours-%d.png"
  shots+=("$out/$kind.glb" 0 plain "$out/$kind-0.png" "$out/$kind.glb" 90 plain "$out/$kind-1.png")
done
for kind in fine mapped few; do
  shots+=("$out/$kind.glb" 20 clay "$out/$kind.png")
done
node "$root/tests/tools/browser.js" "$browser" "$npm" "$root/tests/tools/browser.html" 512 "${shots[@]}" | tee "$out/log"
grep -q "small-0.png normal-maps=1 tangents=1" "$out/log"
grep -q "plain-0.png normal-maps=0 tangents=0" "$out/log"

status=0
check () {
  echo -n "${*##*/}: "
  "$compare" "$@" || status=1
}
for kind in "${kinds[@]}"; do
  check same "$out/$kind-0.png" "$out/$kind-ours-0.png" 0.98 25
  check same "$out/$kind-1.png" "$out/$kind-ours-1.png" 0.98 25
  # the views as Stage 1 made them: that of the back has the front's outline
  check front "$out/$kind-0.png" "$out/views/color_0.png" "$out/views/color_2.png" 1
done
check nearer "$out/fine.png" "$out/mapped.png" "$out/few.png" 2
exit $status
