#!/bin/sh
# in-wine.sh CACHE PREFIX PROGRAM WORDS...: runs a program of the Wine in CACHE on a Windows prefix. It sees this machine's
# temporary folder and CACHE under their own names, through mounts that end with it. Words may begin with `env NAME=VALUE`.
# Whatever else is mounted on this machine it lets go of: a Windows lives longer than the volumes of other tests.
set -eu
cache=$1 prefix=$2
shift 2
temp=${TMPDIR:-/tmp}
mkdir -p "$cache/root$cache" "$cache/root$temp"
exec unshare --mount --propagation private sh -ceu '
  root=$1 cache=$2 temp=$3 prefix=$4
  shift 4
  mount --bind "$root" "$root"
  mount --bind "$temp" "$root$temp"
  mount --bind "$cache" "$root$cache"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  cd "$root"
  pivot_root . mnt
  umount -l /mnt
  exec chroot . env -i PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8 WINEDEBUG=-all WINEPREFIX="$prefix" "$@"
' in-wine "$cache/root" "$cache" "$temp" "$prefix" "$@"
