#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The server's page in headless Chromium, from the upload to the model.
# usage: server_page.sh SERVER PHOTO SOURCE_ROOT [OUT.png]
set -eu
server=$(realpath "$1") photo=$(realpath "$2") root=$(realpath "$3") out=${4:-}
browser=$(command -v chromium-headless-shell || command -v chromium || true)
[ -n "$browser" ] || { echo "no Chromium: on Debian, apt-get install chromium-headless-shell"; exit 77; }
command -v node >/dev/null || { echo "no node"; exit 77; }
work=$(mktemp -d)
SHU_MODEL=${SHU_MODEL:-synthetic-tiny:7} XDG_CACHE_HOME=$work/cache "$server" --devices cpu --port 0 --root "$work/jobs" >"$work/banner" 2>"$work/log" &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 300); do grep -q address "$work/banner" && break; sleep 0.1; done
url=$(sed -n 's|.*address *\(http://[^ ]*\)$|\1|p' "$work/banner")
node "$root/tests/tools/server_page.js" "$browser" "$url" "$photo" "$work/page.png" || { cat "$work/log"; exit 1; }
[ -z "$out" ] || cp "$work/page.png" "$out"
