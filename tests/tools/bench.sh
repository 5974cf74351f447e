#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# synchuman-bench on the smallest networks: all parts, the two kinds of output, PyTorch's times beside ours, and its errors.
# usage: bench.sh SYNCHUMAN_BENCH
set -eu
bench=${1:?synchuman-bench}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

run () {
  "$bench" --device cpu --model synthetic-tiny:7 --seconds 0.01 "$@" >"$folder/out" 2>"$folder/err"
}

# expect FILE TEXT WHAT: the text must be there
expect () {
  if ! grep -qF -- "$2" "$folder/$1"; then
    echo "$3: no \"$2\" in"
    cat "$folder/$1"
    status=1
  fi
}

run --part all --ops
for part in matting joint slat-flow flexicubes stage1 stage2 job gaussians tail; do
  expect out "$part " "all parts"
done
expect out "ms in operations" "--ops"
expect out "to stage2" "--ops"

if command -v python3 >/dev/null; then
  if run --part clip --pytorch "$folder/nowhere"; then
    echo "--pytorch with a folder that is not there: no failure"
    status=1
  fi
  expect err "nowhere: not the official repository" "a folder that is not there"
fi

# a PyTorch that knows one part and lacks something for another
mkdir "$folder/bin"
cat >"$folder/bin/python3" <<'PYTHON'
#!/bin/sh
cat >/dev/null
echo "clip 12.5000 12.0000"
printf "dino - ModuleNotFoundError: No module named 'transformers'\033[0m\n"
PYTHON
chmod +x "$folder/bin/python3"
PATH=$folder/bin:$PATH run --part clip,dino,matting --pytorch "$folder"
expect out "12.500" "PyTorch's time"
expect out "No module named 'transformers'" "why there is none"
PATH=$folder/bin:$PATH run --part clip,dino --pytorch "$folder" --json
expect out '"pytorch_median_ms": 12.5000' "JSON"
expect out '"pytorch_missing": "ModuleNotFoundError: No module' "JSON"
for field in part size median_ms min_ms tflop gb tflops gbs least_ms share bound memory_mb; do
  expect out "\"$field\": " "JSON"
done
if command -v python3 >/dev/null; then
  python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$folder/out" || status=1
fi
if run --part clip --ops --json; then
  echo "--ops --json: no failure"
  status=1
fi
expect err "leave out --json" "--ops --json"

printf '#!/bin/sh\ncat >/dev/null\necho "no torch" >&2\nexit 1\n' >"$folder/bin/python3"
if PATH=$folder/bin:$PATH run --part clip --pytorch "$folder"; then
  echo "a PyTorch that fails: no failure"
  status=1
fi
expect err "PyTorch: no torch" "a PyTorch that fails"
run --part tail@3000 --processor-time
expect out "tail@3000: " "a size"
expect out "ms  simplification" "what follows the networks"
expect out "MB  of the host" "what follows the networks"
run --part tail@3000 --json
expect out '"laps": {"extraction"' "JSON of what follows the networks"
run --part gaussians@3000
expect out "ms a view" "views of the Gaussians"
for part in clip@3000 tail@x tail@1 tail@; do
  if run --part $part; then
    echo "$part: no failure"
    status=1
  fi
  expect err "$part" "a size that does not fit"
done
if run --part nothing; then
  echo "an unknown part: no failure"
  status=1
fi
expect err 'no part "nothing"; the parts are matting' "an unknown part"
exit $status
