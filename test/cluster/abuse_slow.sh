#!/bin/sh
# tags: slow
# abuse_slow.sh - bad input to real processes, what takes long: floods, ten thousand connections, stalls of
# seconds and of single threads; see abuse_fast.py, abuse_quorum.py, abuse_machine.py and BAD_INPUT.md.
dir=$(dirname "$0")
failed=0
for part in fast quorum machine; do
  /usr/bin/python3 "$dir/abuse_$part.py" slow || failed=1
done
exit $failed
