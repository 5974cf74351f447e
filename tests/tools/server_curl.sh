#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The lines of the documentation, as people type them, and both clients.
# usage: server_curl.sh SERVER PHOTO EXAMPLES
set -eu
script=$(realpath "$0") server=$(realpath "$1") photo=$(realpath "$2") examples=$(realpath "$3")
for program in curl unzip python3; do
  command -v $program >/dev/null || { echo "no $program"; exit 77; }
done
work=$(mktemp -d)
cd "$work"
set -m # a group of its own
OMP_NUM_THREADS=1 SHU_MODEL=synthetic-tiny:7 XDG_CACHE_HOME=$work/cache "$server" --devices cpu --port 0 >banner 2>log &
pid=$!
set +m
trap 'kill $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 300); do grep -q address banner && break; sleep 0.1; done
port=$(sed -n 's|.*address *http://127.0.0.1:\([0-9]*\)/.*|\1|p' banner)

fail () {
  echo "FAIL: $*"
  cat log
  exit 1
}

# the lines name port 8000 and image.png
cp "$photo" image.png
line () {
  eval "${1//localhost:8000/127.0.0.1:$port}"
}

for word in synchuman-server models devices address docs; do
  grep -q "$word" banner || fail "no $word in the banner"
done
for _ in $(seq 300); do grep -q ready banner && break; sleep 0.1; done
grep -q "ready *cpu: the CPU, .*B; models from synthetic-tiny:7" banner || fail "no device, memory and models in the banner"
# shellcheck disable=SC2016
line 'curl -sS -X POST http://localhost:8000/generate -F "image=@image.png"' >answer.json
python3 - answer.json <<'P' || fail "the answer: $(cat answer.json)"
import json, os, sys
a = json.load(open(sys.argv[1]))
assert a['status'] == 'completed' and 0 < a['alpha_coverage'] <= 1 and len(a['job_id']) >= 8, a
assert a['stage1']['parameters'].keys() == {'seed', 'guidance_scale', 'num_inference_steps', 'mv_img_wh', 'num_views', 'background_color'}, a
assert a['stage2']['parameters'].keys() == {'num_steps', 'cfg_strength', 'cfg_interval', 'texture_size', 'simplify', 'up_size'}, a
assert a['stage1']['parameters']['seed'] == 43 and a['stage2']['parameters']['simplify'] == 0.7
files = {**a['stage1']['files'], **a['stage2']['files']}
assert len(files) == 13 and all(os.path.getsize(f) > 0 for f in files.values()), files
assert a['stage1']['output_dir'] == f"tmp_api_jobs/{a['job_id']}/stage1_output"
P
"$(dirname "$script")/server_docs.py" "http://127.0.0.1:$port" "$examples/../docs/api.md" image.png answer.json || fail "the documentation"
line 'curl -sS -X POST http://localhost:8000/generate -F "image=@image.png" -F "download=true" --output results.zip'
unzip -q results.zip
for file in stage1_output/{color,normal}_{0,1,2,3,4}.png stage1_output/input.png stage2_output/output.glb stage2_output/output_mesh.ply; do
  [ -s "$file" ] || fail "$file is not in the ZIP"
done
status=$(line 'curl -sS -X POST http://localhost:8000/generate -F "image_url=https://example.com/a.png" -o refusal.json -w "%{http_code}"')
[ "$status" = 403 ] || fail "image_url: $status"
grep -q -- "--allow-url" refusal.json || fail "image_url: no reason"
"$examples/client.py" image.png model.glb "http://127.0.0.1:$port" num_inference_steps=1 texture_size=256 >/dev/null || fail "client.py"
[ "$(head -c 4 model.glb)" = glTF ] || fail "client.py saved no GLB file"
"$examples/client.py" banner model2.glb "http://127.0.0.1:$port" 2>error && fail "client.py takes a text for a photo"
grep -q "415" error || fail "client.py: $(cat error)"
"$examples/client.sh" image.png all "http://127.0.0.1:$port" >/dev/null || fail "client.sh"
[ "$(head -c 4 all/stage2_output/output.glb)" = glTF ] || fail "client.sh saved no GLB file"
# what runs comes to its end, new jobs are refused, the program ends by itself
curl -sS -X POST "http://127.0.0.1:$port/generate" -F "image=@image.png" -F texture_size=256 >last.json &
client=$!
for _ in $(seq 100); do [ "$(curl -sS "http://127.0.0.1:$port/metrics" | grep -c "^synchuman_jobs_running 1")" = 1 ] && break; sleep 0.05; done
kill -TERM -- -$pid # its worker, too, as what ends services does
wait $client
grep -q '"completed"' last.json || fail "SIGTERM lost a job: $(cat last.json)"
wait $pid || fail "status $? after SIGTERM"
