#!/bin/sh
# tags: quick
# abuse_disk.sh - bad input to real processes; see abuse_disk.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_disk.py" "$@"
