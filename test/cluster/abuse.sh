#!/bin/sh
# tags: quick
# abuse.sh - real zabd processes and what users and strangers do to them; see abuse.py.
exec /usr/bin/python3 "$(dirname "$0")/abuse.py" "$@"
