#!/bin/bash
# package.sh - the Debian package is installed, runs ensembles under a systemd of its own, and is purged.
# As root.  A root directory in namespaces of its own (mounts, processes, network) with systemd as process 1:
#   by default  this machine's Debian under an overlay in memory; nothing is downloaded, nothing stays
#   FRESH=1     the same over a new Debian 12 by debootstrap below build/package/, with what the package
#               depends on by apt; FRESH=keep takes that of the last run
# The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 2

. test/debian12.sh
readonly base=$PWD/build/package
readonly files=$PWD/test/package
readonly path=/usr/sbin:/usr/bin:/sbin:/bin
passed=0 failed=0 init=""

say() { echo "package-test: $*"; }

die() {
  say "cannot go on: $*" >&2
  echo "$passed passed, $((failed + 1)) failed"
  exit 1
}

# check WHAT COMMAND...: one line for each
check() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what: $*"
    tail -n 15 <<<"$output" | sed 's/^/   | /'
  fi
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { "$@"; return 1; }
    sleep 0.1
  done
}

in_root() { # COMMAND...: as root, in the namespaces of the new systemd
  nsenter --target "$init" --mount --pid --net --uts --ipc --cgroup \
    chroot "$root" env -i PATH="$path" LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

as_zabline() { in_root runuser -u zabline -- "$@"; }

# ---- the root directory ----

fresh_root() {
  local debian=$base/debian12
  lower=$debian
  [ "$FRESH" = keep ] && [ -e "$debian/.complete" ] && return
  say "debootstrap into $debian"
  new_debian "$debian" "$base/debootstrap.log" ca-certificates systemd || die "no Debian 12"
  cp "$deb" "$debian/zabline.deb"
  say "apt-get install ./zabline.deb, without a running systemd; then purge"
  unshare --mount --propagation private sh -c "mount -t proc proc $debian/proc && mount --rbind /dev $debian/dev &&
    chroot $debian env -i PATH=$path DEBIAN_FRONTEND=noninteractive sh -c '
      apt-get -q update && apt-get -q install -y --no-install-recommends /zabline.deb && dpkg --purge zabline'" \
    >"$base/apt.log" 2>&1
  check "apt finds what the package depends on" grep -q "^Setting up zabline" "$base/apt.log"
  check "apt's purge takes the user away" sh -c "! grep -q zabline '$debian/etc/passwd'"
  rm "$debian/zabline.deb"
  touch "$debian/.complete"
}

# Runs in the new namespaces and becomes systemd.  /sys and /proc/sys are read-only, so that nothing of
# this kernel is changed; /dev has the few devices every program needs.
become_init() {
  mount -t tmpfs -o size=2g tmpfs "$base/overlay"
  mkdir "$base/overlay/upper" "$base/overlay/work" "$root"
  mount -t overlay -o "lowerdir=$lower,upperdir=$base/overlay/upper,workdir=$base/overlay/work" overlay "$root"
  cp "$deb" "$root/zabline.deb"
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  local number
  for number in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${number%:*}" c 1 "${number#*:}"
  done
  mknod -m 666 "$root/dev/tty" c 5 0
  ip link set lo up
  cd /
  exec chroot "$root" env -i PATH="$path" container=zabline-test /lib/systemd/systemd --unit=basic.target \
    --log-target=null --show-status=0
}

start_systemd() {
  root=$root lower=$lower deb=$deb unshare --mount --propagation private --pid --fork --kill-child --cgroup --uts --ipc --net \
    "$files/package.sh" become_init >"$base/init.log" 2>&1 </dev/null &
  namespaces=$!
  trap 'kill -9 $namespaces 2>/dev/null; wait $namespaces 2>/dev/null' EXIT
  is_up() {
    init=$(pgrep -P "$namespaces" | head -1)
    [ -n "$init" ] && in_root systemctl is-system-running | grep -Eq "running|degraded"
  }
  wait_for 60 is_up || die "systemd does not start in namespaces, see $base/init.log"
}

# ---- what is looked at ----

property() { in_root systemctl show -P "$2" "zabd@$1"; }
has_property() { [ "$(property "$1" "$2")" = "$3" ]; }
status_of() { in_root zabctl --config "/etc/zabline/$1.json" status 2>&1; }
serves() { status_of "$1" | grep -Eq "^serving +yes"; }
leads() { status_of "$1" | grep -Eq "^state +leading"; }
all_serve() { for name in "$@"; do serves "$name" || return 1; done; }
is_attached() { [ "$(in_root zabctl --config "/etc/zabline/$1.json" status --json |
  grep -o '"path":"fast"' | wc -l)" = "$2" ]; }
digest_of() { in_root zabctl --config "/etc/zabline/$1.json" digest; }
same_digest() {
  local first
  first=$(digest_of n1)
  [ -n "$first" ] && [ "$first" = "$(digest_of n2)" ] && [ "$first" = "$(digest_of n3)" ]
}
submit() { seq "$2" "$3" | in_root zabctl --config "/etc/zabline/$1.json" submit --timeout 60; }
history_is() { [ "$(in_root zabctl --config "/etc/zabline/$1.json" tail | md5sum)" = "$(seq "$2" | md5sum)" ]; }
runs_as_zabline() { [ "$(in_root stat -c %U "/proc/$(property "$1" MainPID)")" = zabline ]; }
# Files that are there and not in the Debian below (which may change meanwhile: it is this machine's),
# without what dpkg, systemd and the system's log keep for themselves.
listing() {
  local file
  nsenter --target "$init" --mount find "$base/overlay/upper" -mindepth 1 ! -type c -printf '%P\n' |
    grep -vE '^var/(lib/(dpkg|systemd|apt|private)|log|cache|tmp)(/|$)|-$|\.pwd\.lock$|\.updated$' |
    while read -r file; do [ -e "$lower/$file" ] || [ -L "$lower/$file" ] || echo "$file"; done | sort
}
nothing_stays() { diff <(echo "$before") <(listing); }
# By the name that dpkg knows and by the other one of a merged /usr, which dpkg does not compare.
has_its_files_alone() {
  in_root bash -c 'cnt=0 bad=0
    while read -r file; do
      [ ! -d "$file" ] || continue
      cnt=$((cnt + 1))
      owners=$(dpkg-query --search "$file" "${file#/usr}" 2>/dev/null)
      [ "$owners" = "zabline: $file" ] || { echo "$owners"; bad=1; }
    done < <(dpkg-query --listfiles zabline)
    [ "$cnt" -gt 10 ] && [ "$bad" = 0 ]'
}
completes() { # LINE WORD
  in_root bash -c '. /usr/share/bash-completion/completions/zabctl; COMP_WORDS=('"$1"'); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _zabline "${COMP_WORDS[0]}"; printf "%s\n" "${COMPREPLY[@]}"' | grep -qx -- "$2"
}
installs_and_uninstalls() {
  local there
  there=$(mktemp -d)
  make --no-print-directory install DESTDIR="$there" && [ -x "$there/usr/local/bin/zabd" ] &&
    grep -q "^ExecStart=/usr/local/bin/zabd " "$there/usr/local/lib/systemd/system/zabd@.service" &&
    make --no-print-directory uninstall DESTDIR="$there" && [ -z "$(find "$there" -type f)" ]
  local status=$?
  find "$there" -type f
  rm -rf "$there"
  return $status
}

# A unit that systemd has given up, after so many restarts, with this exit code.
gave_up() {
  has_property "$1" ActiveState failed && has_property "$1" NRestarts 0 && has_property "$1" ExecMainStatus "$2"
}

config() { # NAME TEXT
  in_root sh -c "umask 027 && cat >/etc/zabline/$1.json && chgrp zabline /etc/zabline/$1.json" <<<"$2"
}

solo='"min_free_bytes": 1048576, "segment_bytes": 8388608, "snapshot_log_bytes": 8388608, "timeout_us": 1000000,
  "tick_ms": 500, "peers": [{"id": 1, "address": "127.0.0.1"}]'

three_of() { # ID
  local id=$1 peers="" ports="" other
  for other in 1 2 3; do
    [ $other = 1 ] || peers+=", "
    peers+="{\"id\": $other, \"address\": \"127.0.0.1\", \"quorum_port\": 288$other, \"election_port\": 388$other,
      \"fast\": {\"ip\": \"10.90.0.$other\""
    if [ "$other" != "$id" ]; then
      local low=$((id < other ? id : other)) high=$((id < other ? other : id))
      local role=server
      [ "$id" = "$low" ] || role=client
      peers+=", \"port\": \"net_memif$other\""
      ports+="${ports:+, }{\"name\": \"net_memif$other\", \"args\":
        \"role=$role,id=$low$high,socket-abstract=no,socket=/var/lib/zabline/memif-$low-$high.sock\"}"
    fi
    peers+="}}"
  done
  echo "{\"cluster\": \"three\", \"id\": $id, \"data_dir\": \"/var/lib/zabline/n$id\", \"client_port\": 219$id,
    \"min_free_bytes\": 1048576, \"segment_bytes\": 8388608, \"snapshot_log_bytes\": 8388608, \"idle_turns\": 50,
    \"heartbeat_us\": 50000, \"timeout_us\": 1000000, \"disk_timeout_ms\": 5000, \"tick_ms\": 500,
    \"peers\": [$peers], \"ports\": [$ports]}"
}

# A node on one end of a cable, in AF_XDP: what the unit allows the user must be enough.
two_of() { # ID
  echo "{\"cluster\": \"two\", \"id\": $1, \"data_dir\": \"/var/lib/zabline/x$1\", \"client_port\": 218$1,
    \"min_free_bytes\": 1048576, \"segment_bytes\": 8388608, \"snapshot_log_bytes\": 8388608, \"idle_turns\": 50,
    \"heartbeat_us\": 50000, \"timeout_us\": 1000000, \"disk_timeout_ms\": 5000, \"tick_ms\": 500,
    \"peers\": [
      {\"id\": 1, \"address\": \"127.0.0.1\", \"quorum_port\": 2871, \"election_port\": 3871,
       \"fast\": {\"ip\": \"10.91.0.1\"}},
      {\"id\": 2, \"address\": \"127.0.0.1\", \"quorum_port\": 2872, \"election_port\": 3872,
       \"fast\": {\"ip\": \"10.91.0.2\"}}],
    \"ports\": [{\"name\": \"net_af_xdp0\", \"args\": \"iface=cable$1\"}]}"
}

# ---- the steps ----

check_installed() {
  check "the package installs" in_root dpkg --install /zabline.deb
  check "user and group" in_root id zabline
  check "/etc/zabline is root's and the group's" [ "$(in_root stat -c %U:%G:%a /etc/zabline)" = root:zabline:750 ]
  check "/var/lib/zabline is the user's" [ "$(in_root stat -c %U:%G:%a /var/lib/zabline)" = zabline:zabline:750 ]
  check "zabd runs" in_root zabd --version
  check "the unit is good" in_root systemd-analyze verify --man=no zabd@x.service
  check "its files are as they were packed" [ -z "$(in_root dpkg --verify zabline 2>&1)" ]
  check "no file is in two packages" has_its_files_alone
  for page in man8/zabd.8 man1/zabctl.1 man5/zabline.json.5; do
    check "manual page $page" in_root sh -c "gzip -dc /usr/share/man/$page.gz | grep -q '^.Sh NAME'"
  done
  check "completion of commands" completes "zabctl --config f do" doctor
  check "completion of options" completes "zabd --check" --check-config
  check "completion of configs" in_root bash -c '. /usr/share/bash-completion/completions/zabd; cd /usr/share/zabline;
    COMP_WORDS=(zabd --config s) COMP_CWORD=2; _zabline zabd; [ "${COMPREPLY[*]}" = schema.json ]'
}

check_exit_codes() {
  config bad '{"cluster": "solo"}'
  config solo "{\"cluster\": \"solo\", \"id\": 1, \"data_dir\": \"/var/lib/zabline/solo\", $solo}"
  in_root systemctl start --no-block zabd@bad zabd@solo
  check "a bad config is not tried again (2)" wait_for 20 gave_up bad 2
  check "nor a missing data directory (5)" wait_for 20 gave_up solo 5
  in_root systemctl reset-failed
}

one_node() {
  check "doctor says what is to do" [ "$(in_root zabctl --config /etc/zabline/solo.json doctor |
    grep -c 'mend: runuser -u zabline -- zabd --config /etc/zabline/solo.json --format$')" = 1 ]
  check "format as the user" as_zabline zabd --config /etc/zabline/solo.json --format
  check "doctor has no FAIL before the start" in_root zabctl --config /etc/zabline/solo.json doctor
  check "one node starts" in_root systemctl start zabd@solo
  check "one node serves" wait_for 30 serves solo
  check "it runs as the user" runs_as_zabline solo
  check "transactions" submit solo 1 500
  check "doctor has no FAIL while it runs" in_root zabctl --config /etc/zabline/solo.json doctor
  check "the group may use zabctl" as_zabline zabctl --config /etc/zabline/solo.json digest
  in_root systemctl kill --signal=KILL zabd@solo
  check "a killed node is started again" wait_for 20 has_property solo NRestarts 1
  check "it serves again" wait_for 30 serves solo
  check "with what was acknowledged" history_is solo 500
  check "a clean stop" in_root systemctl stop zabd@solo
  check "is a success" has_property solo Result success
}

three_nodes() {
  local id leader="" other
  for id in 1 2 3; do
    config n$id "$(three_of $id)"
    check "format n$id" as_zabline zabd --config /etc/zabline/n$id.json --format
  done
  check "three nodes start" in_root systemctl start zabd@n1 zabd@n2 zabd@n3
  check "three nodes serve" wait_for 60 all_serve n1 n2 n3
  check "transactions at n1" submit n1 1 500
  for id in 1 2 3; do leads n$id && leader=n$id; done
  check "one leads, two are attached over the fast path" wait_for 30 is_attached "${leader:-n1}" 2
  local others=()
  for id in 1 2 3; do [ n$id = "$leader" ] || others+=(--peer-config /etc/zabline/n$id.json); done
  check "doctor at the leader" in_root zabctl --config "/etc/zabline/${leader:-n1}.json" doctor "${others[@]}"
  other=$([ "$leader" = n1 ] && echo n2 || echo n1)
  check "the leader stops" in_root systemctl stop "zabd@$leader"
  check "transactions go on" submit "$other" 501 1000
  check "it starts again" in_root systemctl start "zabd@$leader"
  check "all three have the same" wait_for 60 same_digest
  check "which is what was submitted" history_is "$leader" 1000
}

two_nodes_on_a_cable() {
  local id
  nsenter --target "$init" --net ip link add cable1 type veth peer name cable2
  nsenter --target "$init" --net sh -c "ip link set cable1 up && ip link set cable2 up"
  for id in 1 2; do
    config x$id "$(two_of $id)"
    as_zabline zabd --config /etc/zabline/x$id.json --format
    check "doctor finds the interface of x$id" [ "$(in_root zabctl --config /etc/zabline/x$id.json doctor |
      grep -cE '^ok +(port|link|mtu) ')" = 3 ]
  done
  check "two nodes start on AF_XDP" in_root systemctl start zabd@x1 zabd@x2
  check "they serve" wait_for 60 all_serve x1 x2
  check "over AF_XDP" wait_for 30 is_attached x1 1
  check "transactions" submit x1 1 200
  check "both have them" wait_for 30 history_is x2 200
  in_root systemctl kill --signal=KILL zabd@x1 # its XDP program stays behind
  check "one killed starts again on AF_XDP" wait_for 60 is_attached x1 1
  in_root systemctl restart zabd@x2
  check "one restarted, too" wait_for 60 is_attached x2 1
  check "transactions again" submit x2 201 300
  check "both have all" wait_for 30 history_is x1 300
  in_root systemctl stop zabd@x1 zabd@x2
}

upgrade_and_remove() {
  local pid
  check "a node is enabled" in_root systemctl enable zabd@n1
  pid=$(property n1 MainPID)
  check "an upgrade" in_root dpkg --install /zabline.deb
  check "restarts no node" has_property n1 MainPID "$pid"
  check "the package is removed" in_root dpkg --remove zabline
  check "the nodes have stopped" in_root sh -c '! grep -sqx zabd /proc/[0-9]*/comm'
  check "the data is kept" in_root test -s /etc/zabline/n1.json -a -d /var/lib/zabline/n1
  check "the package is purged" in_root dpkg --purge zabline
  check "the user is gone" in_root sh -c '! getent passwd zabline && ! getent group zabline'
  check "nothing stays" nothing_stays
}

main() {
  [ "$(id -u)" = 0 ] || { say "skipped: it needs root, for namespaces"; exit 77; }
  deb=$(ls -t build/zabline_*.deb 2>/dev/null | head -1)
  [ -n "$deb" ] || die "no package: make deb"
  deb=$PWD/$deb root=$base/overlay/root lower=/
  mkdir -p "$base/overlay"
  if [ -n "${FRESH:-}" ]; then fresh_root; fi
  check "make uninstall removes what make install brings" installs_and_uninstalls
  start_systemd
  before=$(listing)
  check_installed
  check_exit_codes
  one_node
  three_nodes
  two_nodes_on_a_cable
  upgrade_and_remove
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

if [ "${1:-}" = become_init ]; then
  set -e
  become_init
else
  main
fi
