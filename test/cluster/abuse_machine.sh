#!/bin/sh
# tags: quick
# abuse_machine.sh - bad input to real processes; see abuse_machine.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_machine.py" "$@"
