#!/bin/sh
# demo.sh - three replicas agree on a file's lines while leaders are killed and hung; see demo.py.
exec /usr/bin/python3 "$(dirname "$0")/demo.py"
