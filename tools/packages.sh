# SPDX-License-Identifier: MIT
# Sourced by tools/demo and tools/check: Debian packages that the build needs,
# and a function that installs what is missing.
# shellcheck shell=bash

build_packages=(
  gcc libc6-dev pkg-config meson ninja-build
  libglib2.0-dev libjson-glib-dev
  libpng-dev libjpeg62-turbo-dev libwebp-dev libzip-dev
  libdnnl-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  libsoup-3.0-dev libseccomp-dev glib-networking
)
# the browser shows GLB files in a test: 98 MB, half a minute
check_packages=(clang-format curl unzip python3 chromium-headless-shell)
# where there is nvcc: GStreamer's library for CUDA, and all that it pulls in
cuda_packages=(libgstreamer-plugins-bad1.0-dev)

has_nvcc () {
  command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || [ -x /opt/cuda/bin/nvcc ]
}

# install_packages NAME...: asks for nothing where all of them are there.
install_packages () {
  local name missing=() as_root=()

  if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian system: please install the equivalents of: $*" >&2
    return 0
  fi
  for name in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
      missing+=("$name")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "These packages are missing; install them as root, then run this again:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build_tree FOLDER OPTION...: configures once, then compiles what changed.
build_tree () {
  local folder=$1
  shift
  if [ ! -f "$folder/build.ninja" ]; then
    meson setup "$folder" "$@" >/dev/null || { tail -n 20 "$folder/meson-logs/meson-log.txt" >&2; return 1; }
  fi
  # ninja's "no work to do" is not news; its errors are
  local log
  log=$(mktemp)
  if ! ninja -C "$folder" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    rm -f "$log"
    return 1
  fi
  grep -E 'warning:' "$log" >&2 || true
  rm -f "$log"
}
