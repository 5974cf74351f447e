#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The viewer of the page, from the npm registry; an empty file where that cannot
# be had, and the page offers the download alone.
# usage: viewer.sh FILE
set -u
out=${1:?file}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if command -v npm >/dev/null && timeout 120 npm install --silent --no-audit --no-fund --ignore-scripts \
  --fetch-retries 0 --fetch-timeout 30000 --prefix "$folder" @google/model-viewer@4.1.0 >/dev/null 2>&1 &&
  cp "$folder/node_modules/@google/model-viewer/dist/model-viewer-umd.min.js" "$out"; then
  exit 0
fi
echo "no viewer: npm or its registry is not there, so the server's page will offer downloads only" >&2
: >"$out"
