#!/bin/sh
# tags: quick
# abuse_client.sh - bad input to the clients' port; see abuse_client.py and BAD_INPUT.md.
exec /usr/bin/python3 "$(dirname "$0")/abuse_client.py" "$@"
