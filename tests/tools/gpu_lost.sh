#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A GPU that is lost in the middle of a job: one clear error, and no part of a file is left.
# usage: gpu_lost.sh PLANT PHOTO PROGRAM ARGUMENTS...; @PHOTO and @OUT among these are the photo and the file to be made
set -eu
plant=$1 photo=$2
shift 2
if [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
  echo "no CUDA device"
  exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
arguments=("${@//@PHOTO/$photo}")
arguments=("${arguments[@]//@OUT/$out/made/a.glb}")
mkdir "$out/made"
# the official size takes seconds after its networks have been loaded
export SHU_MODEL=synthetic:701 SHU_DEVICE=cuda:0 SHU_TEST_FAULT_AFTER=4000 XDG_CACHE_HOME=$out/cache

fail () {
  echo "FAIL: $*"
  cat "$out/log"
  find "$out/made"
  exit 1
}

status=0
LD_PRELOAD=$plant "${arguments[@]}" >"$out/log" 2>&1 || status=$?
[ "$status" -eq 1 ] || fail "status $status"
[ "$(grep -c "start it again" "$out/log")" -eq 1 ] || fail "not one error that says what to do"
[ -z "$(ls -A "$out/made")" ] || fail "files are left"
grep "start it again" "$out/log"
