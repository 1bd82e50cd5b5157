#!/bin/sh
# schema.sh - config/schema.json and zabd --check-config agree, on the samples and on what is wrong with them.
if ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
  echo "skipped: python3-jsonschema is not installed (make deps-ci)"
  exit 77
fi
exec /usr/bin/python3 "$(dirname "$0")/schema.py"
