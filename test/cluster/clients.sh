#!/bin/sh
# tags: quick
# clients.sh - ZooKeeper's own clients against real nodes; see clients.py.
dir=$(dirname "$0")
"$dir"/../deps.sh python3-kazoo zookeeper-bin >/dev/null 2>&1 || true # without them: skipped, which says why
exec /usr/bin/python3 "$dir/clients.py" "$@"
