#!/bin/sh
# tags: quick
# abuse_space.sh - bad input to real processes; see abuse_space.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_space.py" "$@"
