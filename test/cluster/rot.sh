#!/bin/sh
# tags: quick
# rot.sh - bit rot in the logs of real nodes, repaired from peers; see rot.py.
exec /usr/bin/python3 "$(dirname "$0")/rot.py" "$@"
