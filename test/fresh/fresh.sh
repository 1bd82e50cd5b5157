#!/bin/bash
# fresh.sh - the README's two commands on a fresh Debian 12, as root and again as an ordinary user.
# By hand, as root: a debootstrap under build/fresh/ (1.5 GB with everything), in mount and process
# namespaces of its own, so that at the end no mount and no process is left.  Packages come from where
# this machine gets its own.  FRESH_KEEP=1: use the Debian of the last run (not so fresh, but quick).
set -euo pipefail
cd "$(dirname "$0")/../.."

. test/debian12.sh
readonly base=$PWD/build/fresh
readonly root=$base/debian12
readonly commands=("make demo" "make test")

say() { echo "fresh-test: $*"; }

fail() {
  say "FAILED: $*" >&2
  exit 1
}

prepare() {
  [ "$(id -u)" = 0 ] || fail "run it as root"
  for command in "${commands[@]}"; do
    grep -qx "$command.*" README.md || fail "README.md does not say \"$command\""
  done
  mkdir -p "$base"
  [ -n "${FRESH_KEEP:-}" ] && [ -e "$root/etc/debian_version" ] && return
  say "debootstrap into $root"
  new_debian "$root" "$base/debootstrap.log" make git ca-certificates || fail "no Debian 12"
  chroot "$root" useradd --create-home --home-dir /srv/ordinary ordinary
}

# Runs inside the namespaces.
mount_kernel() {
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
}

in_root() { # USER DIRECTORY COMMAND
  chroot "$root" setpriv --reuid="$1" --regid="$1" --init-groups -- \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 sh -c "cd $2 && $3"
}

clone_for() { # USER DIRECTORY
  rm -rf "${root:?}$2"
  git clone -q --no-hardlinks . "$root$2"
  chroot "$root" chown -R "$1:$1" "$2"
}

run_commands() { # USER DIRECTORY
  local command log
  for command in "${commands[@]}"; do
    log="$base/$1-${command// /-}.log"
    say "$1: $command"
    in_root "$1" "$2" "$command" >"$log" 2>&1 || {
      tail -n 40 "$log"
      fail "$1: $command, see $log"
    }
    tail -n 3 "$log" | sed 's/^/   | /'
  done
  grep -qE '^[1-9][0-9]* passed, 0 failed$' <(tail -n 1 "$log") || fail "$1: make test ends otherwise"
}

inside() {
  mount_kernel
  clone_for root /srv/by-root
  clone_for ordinary /srv/ordinary/zabline
  if [ -z "${FRESH_KEEP:-}" ]; then
    say "ordinary: make test before the packages are there names the command for root"
    in_root ordinary /srv/ordinary/zabline "make test" >"$base/missing.log" 2>&1 &&
      fail "make test passed without its packages"
    grep -q "run as root: apt-get update && apt-get install" "$base/missing.log" ||
      fail "no line that names the command, see $base/missing.log"
  fi
  run_commands root /srv/by-root
  run_commands ordinary /srv/ordinary/zabline
  say "passed"
}

if [ "${1:-}" = inside ]; then
  inside
else
  prepare
  unshare --mount --propagation private --pid --fork --kill-child "$0" inside
fi
