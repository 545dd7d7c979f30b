# SPDX-License-Identifier: Apache-2.0
# For scripts that run what is in an image without a container engine: its files mounted read-only, /tmp and /var of its
# own, the image's user. Sourced; needs root and buildah.

# A fresh mount of the local image; prints the folder. drop_root undoes it.
make_root() { # IMAGE
  local container mounted root
  container=$(buildah from --pull-never "$1")
  mounted=$(buildah mount "$container")
  mkdir -p "$mounted/proc"
  root=$(mktemp -d)
  echo "$container" >"$root.container"
  mount --bind "$mounted" "$root"
  mount -t tmpfs -o mode=755 tmpfs "$root/var"
  install -d -o 10001 -g 10001 "$root/var/lib/lwq" "$root/var/cache/lwq"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t proc proc "$root/proc"
  mount -o remount,bind,ro "$root"
  echo "$root"
}

drop_root() { # FOLDER
  umount "$1/proc" "$1/tmp" "$1/var" "$1"
  rmdir "$1"
  buildah rm "$(cat "$1.container")" >/dev/null
  rm -f "$1.container"
}

# Runs a command in the root as the image's user, with the environment's AWS_* and nothing else of it.
in_root() { # FOLDER COMMAND...
  local root=$1 variable keep=()
  shift
  for variable in ${!AWS_@}; do keep+=("$variable=${!variable}"); done
  exec env -i PATH=/usr/bin HOME=/tmp OMP_WAIT_POLICY=passive "${keep[@]}" "$(command -v chroot)" --userspec=10001:10001 "$root" "$@"
}

# Waits until the file has something in it; fails when the process ends before.
wait_for_file() { # FILE PID
  until [ -s "$1" ]; do
    kill -0 "$2" 2>/dev/null || return 1
    sleep 0.1
  done
}
