#!/bin/sh
# tags: slow
# abuse_slow.sh - bad input to real processes, what takes minutes; see abuse_slow.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_slow.py" "$@"
