#!/bin/sh
# tags: quick
# harness.sh - what runs and counts the tests here; see harness_test.py.
exec /usr/bin/python3 "$(dirname "$0")/harness_test.py" "$@"
