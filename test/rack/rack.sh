#!/bin/sh
# rack.sh [NAME...] - ensembles in network namespaces under hostile networks; see rack_test.py.  QUICK=1: a
# fixed subset.  Needs root.
exec /usr/bin/python3 "$(dirname "$0")/rack_test.py" "$@"
