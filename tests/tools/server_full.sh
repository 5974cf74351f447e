#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A disk that is truly full, under the server: jobs fail with 507, nothing that
# is half there is served, the cause is counted, and once there is room all is well.
# usage: server_full.sh SERVER PHOTO
set -eu
# shellcheck source=tests/tools/small_disk.sh
. "$(dirname "$0")/small_disk.sh"
server=$(realpath "$1") photo=$(realpath "$2")
command -v curl >/dev/null || { echo "no curl"; exit 77; }
work=$(mktemp -d)
mkdir "$work/disk"
mount -t tmpfs -o size=200k none "$work/disk"
SHU_MODEL=synthetic-tiny:7 XDG_CACHE_HOME=$work/cache "$server" --devices cpu --port 0 --root "$work/disk/jobs" >"$work/banner" 2>"$work/log" &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; umount "$work/disk"; rm -rf "$work"' EXIT
for _ in $(seq 300); do grep -q address "$work/banner" && break; sleep 0.1; done
url=$(sed -n 's|.*address *\(http://[^ ]*\)/$|\1|p' "$work/banner")

fail () {
  echo "FAIL: $*"
  cat "$work/log"
  find "$work/disk"
  exit 1
}

# asked STATUS CURL_ARGUMENT...: the answer is in $work/answer
asked () {
  local want=$1 got
  shift
  got=$(curl -sS -o "$work/answer" -w '%{http_code}' "$@")
  [ "$got" = "$want" ] || fail "$*: $got, not $want: $(head -c 400 "$work/answer")"
}

generate () {
  local want=$1
  shift
  asked "$want" -F "image=@$photo" -F texture_size=256 -F num_inference_steps=1 "$@" "$url/generate"
}

failures () {
  curl -sS "$url/metrics" | sed -n 's/^synchuman_jobs_failed_total{cause="disk"} //p'
}

# no room for the photo
head -c 190000 /dev/zero >"$work/disk/filler"
generate 507
grep -q '"status":507' "$work/answer" || fail "no problem document"
asked 200 "$url/health"
[ "$(find "$work/disk/jobs" -type f | wc -l)" = 0 ] || fail "a part of a photo is left"
[ "$(failures)" = 1 ] || fail "the photo: $(failures) failures"
# room for the photo, not for what is made of it
rm "$work/disk/filler"
generate 507
[ "$(failures)" = 2 ] || fail "a job: $(failures) failures"
generate 202 -F async=true
id=$(sed 's/.*"job_id":"\([0-9a-f]*\)".*/\1/' "$work/answer")
for _ in $(seq 300); do
  asked 200 "$url/jobs/$id"
  grep -q '"failed"' "$work/answer" && break
  sleep 0.1
done
grep -q '"cause":"disk"' "$work/answer" || fail "the job says: $(cat "$work/answer")"
for file in output.glb color_0.png input.png; do asked 409 "$url/jobs/$id/files/$file"; done
asked 409 "$url/jobs/$id/result.zip"
[ -z "$(find "$work/disk" -name '*.png' -o -name '*.glb' -o -name '*.ply' -o -name '*.??????')" ] || fail "files are left"
# room for the results, not for the ZIP
mount -o remount,size=20m "$work/disk"
generate 200
id=$(sed 's/.*"job_id":"\([0-9a-f]*\)".*/\1/' "$work/answer")
dd if=/dev/zero of="$work/disk/filler" bs=4k 2>/dev/null || true
asked 507 "$url/jobs/$id/result.zip"
[ -z "$(find "$work/disk" -name 'result.zip*')" ] || fail "a part of a ZIP is left"
asked 200 "$url/jobs/$id/files/output.glb"
# and all is well
rm "$work/disk/filler"
asked 200 "$url/jobs/$id/result.zip"
generate 200 -F download=true
[ "$(head -c 2 "$work/answer")" = PK ] || fail "no ZIP"
kill -TERM $pid
wait $pid || fail "status $? at the end"
