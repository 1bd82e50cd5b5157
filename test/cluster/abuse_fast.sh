#!/bin/sh
# tags: quick
# abuse_fast.sh - bad input to real processes; see abuse_fast.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_fast.py" "$@"
