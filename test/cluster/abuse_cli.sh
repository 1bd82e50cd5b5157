#!/bin/sh
# tags: quick
# abuse_cli.sh - bad input to real processes; see abuse_cli.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_cli.py" "$@"
