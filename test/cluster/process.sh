#!/bin/sh
# tags: quick
# process.sh - real zabd processes: faults, wiped disks, syncs, limits, bad input; see process.py and abuse.py.
dir=$(dirname "$0")
exec /usr/bin/python3 "$dir/process.py" "$@"
