#!/bin/sh
# tags: slow
# abuse_veth.sh - bad input to real processes, over a network (as root); see abuse_veth.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_veth.py" "$@"
