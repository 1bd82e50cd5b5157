#!/bin/sh
# tags: quick
# abuse_quorum.sh - bad input to real processes; see abuse_quorum.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_quorum.py" "$@"
