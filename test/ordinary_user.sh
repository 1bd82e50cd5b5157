#!/bin/bash
# ordinary_user.sh COMMAND... - runs COMMAND in a copy of the tree that belongs to "nobody", as nobody.
# What is built for gcc goes along, so that nothing is compiled twice.  Without root we are ordinary
# already, and COMMAND runs here.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  exec "$@"
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/tree/build"
tar -c --exclude=./.git --exclude=./build . | tar -x -C "$copy/tree"
[ ! -d build/gcc ] || cp -a build/gcc "$copy/tree/build/"
chown -R nobody:nogroup "$copy"
cd "$copy/tree"
env -i PATH=/usr/bin:/bin HOME="$copy" LANG=C.UTF-8 \
  setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs -- "$@"
