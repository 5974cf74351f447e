#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A disk that is truly full: one clear error, and no part of a file is left.
# usage: disk_full.sh SYNCHUMAN PHOTO
set -eu
# shellcheck source=tests/tools/small_disk.sh
. "$(dirname "$0")/small_disk.sh"
synchuman=$1 photo=$2
out=$(mktemp -d)
trap 'umount "$out/disk" 2>/dev/null || true; rm -rf "$out"' EXIT
mkdir "$out/disk"
disk=$out/disk
export SHU_MODEL=synthetic-tiny:7 XDG_CACHE_HOME=$out/cache

fail () {
  echo "FAIL: $*"
  cat "$out/log"
  find "$disk"
  exit 1
}

# refused SIZE KEPT COMMAND...: on a disk of SIZE the command fails and leaves
# KEPT files at most, none of them a temporary one
refused () {
  local size=$1 kept=$2 status=0
  shift 2
  mount -t tmpfs -o "size=$size" none "$disk"
  "$@" >"$out/log" 2>&1 || status=$?
  [ "$status" -eq 1 ] || fail "$*: status $status"
  [ "$(grep -cE '^(synchuman|ERROR): ' "$out/log")" -eq 1 ] || fail "$*: not one error"
  grep -q "No space left on device" "$out/log" || fail "$*: no cause"
  [ "$(find "$disk" -type f | wc -l)" -le "$kept" ] || fail "$*: files are left"
  if find "$disk" | grep -E '\.[A-Za-z0-9]{6}(/|$)'; then
    fail "$*: a temporary name is left"
  fi
  umount "$disk"
}

refused 16k 0 "$synchuman" --steps 1 -o "$disk/a.glb" "$photo"
refused 16k 0 "$synchuman" --steps 1 --keep-stages --sheet -o "$disk/a.glb" "$photo"
refused 1000k 20 "$synchuman" --steps 1 --keep-stages -o "$disk/a.glb" "$photo"
refused 1000k 0 "$synchuman" --steps 1 -o "$out/a.glb" --sheet-file "$disk/a.png" "$photo"
refused 16k 0 "$synchuman" run views "in=$photo" "out=$disk/v.safetensors" steps=1
# whichever came first
[ ! -e "$out/a.glb" ] || [ "$(head -c 4 "$out/a.glb")" = glTF ] || fail "the GLB file beside the sheet is not whole"
