#!/bin/sh
# tags: quick
# differential.sh - the same requests to Debian's ZooKeeper and to Zabline; see differential.py.
exec /usr/bin/python3 "$(dirname "$0")/differential.py" "$@"
