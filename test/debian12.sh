# debian12.sh - sourced by bash scripts that need a new Debian 12; as root.
#
# new_debian DIRECTORY LOG PACKAGES...: a debootstrap from where this machine gets its own packages, with
# its sources of packages and its names of hosts.  1 with a line on stderr.
new_debian() {
  local where=$1 log=$2 mirror
  shift 2
  command -v debootstrap >/dev/null || { apt-get update && apt-get install -y debootstrap; } >"$log" 2>&1 ||
    { echo "debootstrap cannot be installed, see $log" >&2; return 1; }
  grep -q " $where" /proc/mounts && { echo "something is mounted under $where" >&2; return 1; }
  rm -rf "$where"
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
    awk '$2 == "bookworm" {print $1; exit}')
  [ -n "$mirror" ] || { echo "this machine's apt knows no source of Debian 12" >&2; return 1; }
  eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
  export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"
  # it mounts a /proc of its own and leaves it
  unshare --mount --propagation private debootstrap --variant=minbase --include="$(IFS=,; echo "$*")" \
    bookworm "$where" "$mirror" >"$log" || { echo "debootstrap failed, see $log" >&2; return 1; }
  rm -rf "$where/etc/apt" "$where"/var/lib/apt/lists/* &&
    cp -a /etc/apt "$where/etc/apt" &&
    cp -L /etc/resolv.conf /etc/hosts "$where/etc/"
}
