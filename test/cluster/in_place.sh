#!/bin/sh
# tags: quick
# in_place.sh - the next epoch in place, under load: no client hears of it; see in_place.py.
dir=$(dirname "$0")
exec /usr/bin/python3 "$dir/in_place.py" "$@"
