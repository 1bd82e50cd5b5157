#!/bin/sh
# deps.sh PACKAGE... - installs the Debian packages that are missing; quick and silent if none is.
# As an ordinary user: one line that says what to run as root.
set -eu

if ! command -v dpkg-query >/dev/null; then
  echo "deps: not a Debian system; these packages, or their like, are needed: $*" >&2
  exit 0
fi

missing=""
for package in "$@"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "deps: packages are missing; run as root: apt-get update && apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi

echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086  # a list
apt-get -q install -y --no-install-recommends $missing
