#!/bin/bash
# rack.sh [NAME...] - ensembles in network namespaces under hostile networks: rack_test.py, ports_test.py,
# paths_test.py.  QUICK=1: a fixed subset, of rack_test.py.  NAME: tests of rack_test.py.  Needs root.
set -u
cd "$(dirname "$0")/../.." || exit 2

if [ -n "${QUICK:-}" ] || [ $# -gt 0 ]; then exec test/rack/rack_test.py "$@"; fi

passed=0 failed=0 skipped=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT
for script in rack_test ports_test paths_test; do
  "test/rack/$script.py" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  [ "$status" = 77 ] && exit 77
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
  [ -n "$counts" ] || counts="0 passed, 1 failed"
  passed=$((passed + ${counts%% *})) counts=${counts#*, }
  failed=$((failed + ${counts%% *}))
  counts=$(grep -oE '^[0-9]+ skipped' "$log" | tail -1)
  skipped=$((skipped + ${counts%% *} + 0))
done
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
