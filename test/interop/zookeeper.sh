#!/bin/sh
# tags: quick
# zookeeper.sh - one node each of zabd and Debian's ZooKeeper server form an ensemble of two; see zookeeper.py.
dir=$(dirname "$0")
exec /usr/bin/python3 "$dir/zookeeper.py" "$@"
