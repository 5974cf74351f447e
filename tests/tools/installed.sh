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

# moved to where nobody looks, programs find plugin, pipelines and model beside themselves
moved="$out/another place"
mv "$there" "$moved"
env -u SHU_MODEL "XDG_DATA_HOME=$out/none" "XDG_DATA_DIRS=$out/none" "GST_REGISTRY=$out/registry-moved" GST_DEBUG=GST_PLUGIN_LOADING:5 \
  "$moved/bin/synchuman" run cutout "in=$photo" "out=$out/cutout.png" >"$out/log" 2>&1 || fail "moved: $(cat "$out/log")"
grep -q "\"$moved/$libdir/gstreamer-1.0/libgstsynchuman.so\" loaded" "$out/log" || fail "moved: another plugin: $(cat "$out/log")"
[ -s "$out/cutout.png" ] || fail "moved: no picture"

# the rest that programs need
for file in "$libdir/pkgconfig/synchuman.pc" share/doc/synchuman/LICENSE share/synchuman/models/mini/README.md; do
  [ -s "$moved/$file" ] || fail "not installed: $file"
done
if command -v nm >/dev/null; then
  exports=$(nm -D --defined-only "$moved/$libdir/libsynchuman.so" | sed -n '/ shu_/!p')
  [ -z "$exports" ] || fail "libsynchuman.so exports more than shu_*: $exports"
  exports=$(nm -D --defined-only "$moved/$libdir/gstreamer-1.0/libgstsynchuman.so" | grep ' shu_' || true)
  [ -z "$exports" ] || fail "the plugin exports what is only its own: $exports"
fi

# a program of others finds all headers, each stands alone, and C++ takes them, too
if command -v cc >/dev/null && command -v pkg-config >/dev/null; then
  sed "s|^prefix=.*|prefix=$out/flat|" "$moved/$libdir/pkgconfig/synchuman.pc" >"$out/synchuman.pc"
  ln -s "$moved" "$out/flat"
  flags=$(PKG_CONFIG_PATH=$out pkg-config --cflags --libs synchuman) || fail "synchuman.pc"
  # shellcheck disable=SC2086
  cc -o "$out/program" "$(dirname "$0")/../../examples/photo_to_glb.c" $flags >"$out/log" 2>&1 ||
    fail "a program: $(cat "$out/log")"
  LD_LIBRARY_PATH=$moved/$libdir "$out/program" "$photo" "$out/program.glb" >"$out/log" 2>&1 ||
    fail "a program: $(cat "$out/log")"
  [ "$(head -c 4 "$out/program.glb")" = glTF ] || fail "a program: no GLB file"
  languages=c
  ! command -v c++ >/dev/null || languages="c c++"
  for header in $(cd "$moved/include/synchuman" && find . -name '*.h'); do
    for language in $languages; do
      # shellcheck disable=SC2086
      echo "#include <$header>" | cc -x $language -Wall -Wextra -Werror -fsyntax-only $flags - >"$out/log" 2>&1 ||
        fail "$header as $language: $(cat "$out/log")"
    done
    grep -q G_BEGIN_DECLS "$moved/include/synchuman/$header" || [ "$header" = ./shu.h ] ||
      fail "$header: no G_BEGIN_DECLS"
  done
fi
