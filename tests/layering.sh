#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The layers of docs/architecture.md as a test: who may include what.
# usage: layering.sh SOURCE_ROOT
set -u
cd "${1:?source root}" || exit 1
status=0

# forbid WHY PATTERN PATH...: no line of these files may match
forbid () {
  local why=$1 pattern=$2 hits
  shift 2
  hits=$(grep -rnE --include='*.[ch]' --include='*.cu' "$pattern" "$@" 2>/dev/null)
  if [ -n "$hits" ]; then
    echo "$why:"
    echo "$hits"
    status=1
  fi
}

forbid "core knows GLib, not GStreamer" '#include <gst/' core
forbid "HTTP only in tools/server and its tests" '#include <libsoup' core plugins examples \
  $(find tools tests -name '*.[ch]' -not -path 'tools/server/*' -not -path 'tests/tools/server*')
forbid "oneDNN only in core/ops/cpu" '#include .*(dnnl|oneapi)' \
  $(find core plugins tools tests examples -name '*.[ch]' -not -path 'core/ops/cpu/*')
forbid "CUDA only in core/ops/cuda and core/tensor/*_cuda.c" '#include .*(cuda[._]|cublas|cudnn)' \
  $(find core plugins tools examples -name '*.[ch]' -not -path 'core/ops/cuda/*' -not -path 'core/tensor/*_cuda.c')
forbid "GStreamer's CUDA library only in plugins/cudashare.c" '#include <gst/cuda/' \
  $(find core plugins tools examples -name '*.[ch]' -not -path plugins/cudashare.c)
forbid "plugins, tools and examples include only shu.h from core" \
  '#include "(base|tensor|ops|weights|nn|models|sampling|geometry|formats|stages)/' \
  $(find plugins tools examples -name '*.[ch]' -not -path 'tools/bench/*' -not -path 'tools/train/*')

# lowest first; a layer includes only itself and what stands before it
layers=(base tensor ops weights nn models sampling geometry formats stages)
for i in "${!layers[@]}"; do
  above=$(IFS='|'; echo "${layers[*]:i+1}")
  [ -n "$above" ] || continue
  forbid "core/${layers[$i]} must not use what stands above it" \
    "#include \"($above)/" "core/${layers[$i]}"
done

# private headers stay in their folder (tests may look inside)
while read -r header; do
  folder=$(dirname "$header")
  forbid "$header is private to $folder" \
    "#include \".*$(basename "$header")\"" \
    $(find core plugins tools examples -name '*.[ch]' -not -path "$folder/*")
done < <(find core plugins -name '*_private.h')

exit $status
