#!/bin/sh
# torture.sh ROUNDS=50 [DURABILITY=sync|memory] [SEED=n] - kill -9 of random nodes under load; see torture.py.
exec /usr/bin/python3 "$(dirname "$0")/torture.py" "$@"
