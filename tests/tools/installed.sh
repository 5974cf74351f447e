#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What "meson install" puts in place works from there, and "meson devenv" too.
# usage: installed.sh BUILD PREFIX LIBDIR PHOTO
set -eu
build=$1 prefix=$2 libdir=$3 photo=$4
if ! command -v gst-launch-1.0 >/dev/null || ! command -v meson >/dev/null; then
  echo "gst-launch-1.0 or meson is not there"
  exit 77
fi
out=$(mktemp -d)
job=
trap '[ -z "$job" ] || kill -KILL "$job" 2>/dev/null || true; rm -rf "$out"' EXIT
# nothing of the build tree comes in by the environment of the tests
unset GST_PLUGIN_PATH LD_LIBRARY_PATH
export SHU_MODEL=synthetic-tiny:7 XDG_CACHE_HOME=$out/cache

fail () {
  echo "FAIL: $*"
  exit 1
}

# the pipeline of the README
line="filesrc location=$photo ! shuphotodec ! shumatting ! shupreprocess !
  shustage1 ! shustage2 ! shumesh ! shutexture ! shuglbmux ! filesink"
elements=$(sed -n 's/^## \(shu.*\)/\1/p' "$(dirname "$0")/../../docs/elements.md")

# works NAME COMMAND...: COMMAND runs what follows with the elements at hand
works () {
  local name=$1
  shift
  export GST_REGISTRY=$out/registry-$name
  for element in $elements; do
    "$@" gst-inspect-1.0 "$element" >"$out/log" 2>&1 || fail "$name: no $element: $(cat "$out/log")"
  done
  # shellcheck disable=SC2086
  "$@" gst-launch-1.0 $line "location=$out/$name.glb" >"$out/log" 2>&1 || fail "$name: $(cat "$out/log")"
  [ "$(head -c 4 "$out/$name.glb")" = glTF ] || fail "$name: no GLB file"
}

works devenv meson devenv -C "$build"
DESTDIR=$out/root meson install -C "$build" --no-rebuild --quiet >"$out/log" 2>&1 || fail "$(cat "$out/log")"
there=$out/root$prefix
works installed env "LD_LIBRARY_PATH=$there/$libdir" "GST_PLUGIN_PATH=$there/$libdir/gstreamer-1.0"
cmp "$out/devenv.glb" "$out/installed.glb"

# Ctrl-C in the middle of a job of minutes: over at once, nothing is written
export LD_LIBRARY_PATH=$there/$libdir GST_PLUGIN_PATH=$there/$libdir/gstreamer-1.0
set -m # without job control, what runs in the background ignores Ctrl-C
# shellcheck disable=SC2086
gst-launch-1.0 -m ${line/ shustage1 / shustage1 num-inference-steps=1000 } \
  "location=$out/stopped.glb" >"$out/log" 2>&1 &
job=$!
until grep -q 'synchuman-progress, stage=(string)stage1, step=(int)[1-9]' "$out/log"; do
  kill -0 "$job" || fail "no step was done: $(cat "$out/log")"
  sleep 0.1
done
kill -INT "$job"
for ((i = 0; i < 200; i++)); do
  kill -0 "$job" 2>"$out/gone" || break
  sleep 0.1
done
! kill -KILL "$job" 2>"$out/gone" || fail "Ctrl-C took long: $(cat "$out/log")"
set +m
job=
grep -q "handling interrupt" "$out/log" || fail "ended before Ctrl-C: $(cat "$out/log")"
[ ! -s "$out/stopped.glb" ] || fail "Ctrl-C left a file"
unset LD_LIBRARY_PATH GST_PLUGIN_PATH

# the rest that programs need
for file in bin/synchuman include/synchuman/shu.h "$libdir/pkgconfig/synchuman.pc" \
  share/synchuman/pipelines/photo.pipeline share/synchuman/models/mini/README.md; do
  [ -s "$there/$file" ] || fail "not installed: $file"
done
LD_LIBRARY_PATH=$there/$libdir "$there/bin/synchuman" --version >/dev/null

# a program of others finds all headers
if command -v cc >/dev/null && command -v pkg-config >/dev/null; then
  # shellcheck disable=SC2046
  cc -o "$out/program" "$(dirname "$0")/../../examples/photo_to_glb.c" "-I$there/include/synchuman" \
    "-L$there/$libdir" -lsynchuman $(pkg-config --cflags --libs gio-2.0) >"$out/log" 2>&1 ||
    fail "a program: $(cat "$out/log")"
  LD_LIBRARY_PATH=$there/$libdir "$out/program" "$photo" "$out/program.glb" >"$out/log" 2>&1 ||
    fail "a program: $(cat "$out/log")"
  [ "$(head -c 4 "$out/program.glb")" = glTF ] || fail "a program: no GLB file"
fi
