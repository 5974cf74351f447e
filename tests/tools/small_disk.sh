# SPDX-License-Identifier: MIT
# To be sourced at the begin of a test that fills a disk: runs the test again in
# a name space of its own, where it may mount one, or skips it.
# shellcheck shell=bash
if [ -z "${SHU_FULL_DISK:-}" ]; then
  for unshare in "unshare -m" "unshare -rm"; do
    if $unshare mount -t tmpfs none /mnt 2>/dev/null; then
      SHU_FULL_DISK=yes exec $unshare "$0" "$@"
    fi
  done
  echo "a small disk cannot be mounted here"
  exit 77
fi
