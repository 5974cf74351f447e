#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sends a photo to synchuman-server and saves everything it makes of it.
# usage: client.sh PHOTO [FOLDER] [http://localhost:8000]
set -euo pipefail
photo=${1:?usage: client.sh PHOTO [FOLDER] [SERVER]} folder=${2:-results} server=${3:-http://localhost:8000}
zip=$(mktemp)
trap 'rm -f "$zip"' EXIT
status=$(curl -sS -X POST "$server/generate" -F "image=@$photo" -F "download=true" --output "$zip" --write-out '%{http_code}')
if [ "$status" != 200 ]; then
  cat "$zip" >&2
  exit 1
fi
mkdir -p "$folder"
unzip -q -o "$zip" -d "$folder"
find "$folder" -type f
