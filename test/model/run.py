#!/usr/bin/env python3
"""run.py OUT [NAME...] - verify handover.pml in all its variants; OUT: directory for what is built.

One line for each: holds, or fails as it must, with the number of states and the time.  A variant
that must fail leaves its counterexample in OUT/<name>/trace.txt.  Last line: N passed, N failed.
"""
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

MODEL = Path(__file__).resolve().parent / 'handover.pml'
MEM_MB = 7500
LIMIT_S = 1800
SEEDS = (1, 2, 3)  # of a random search: for errors it is quicker than one order
DEPTH = 2000000
DEPTH_RANDOM = 300

SYNC = '-DRMAX=2 -DCRASHES=1'
SMALL = '-DRMAX=1 -DCRASHES=1'  # of class sync, too: an error is found sooner
QUIET = '-DRMAX=2 -DCRASHES=0'
LOST = '-DRMAX=1 -DCRASHES=0 -DLOSSES=1'
MEMORY = '-DRMAX=1 -DCRASHES=1 -DMEMORY'

# name, flags, what it is
HOLDS = [
    ('sync', SYNC, 'the design, class sync'),
    ('lost-disk', LOST, 'the design, a lost disk and --format --rejoin'),
    ('memory', MEMORY, 'the design, class memory'),
]
# Second locks: the design holds without them, in these bounds; README.md says more.
SECOND_LOCKS = [
    ('sync-no-count', SYNC + ' -DNO_COUNT', 'without COUNT'),
    ('sync-no-iteration', SYNC + ' -DNO_ITERATION', 'frames of old iterations are taken'),
]
FAILS = [
    ('epoch-first', SMALL + ' -DEPOCH_FIRST', 'R5: currentEpoch before the history'),
    ('ack-before-epoch', SMALL + ' -DACK_BEFORE_EPOCH', 'R5: ACK of NEWLEADER before currentEpoch'),
    ('ack-first', SMALL + ' -DACK_FIRST', 'R5: ACK of NEWLEADER before the history'),
    ('no-close', SMALL + ' -DNO_FENCE_FOLLOWER', 'a promise without CLOSE at the follower'),
    ('no-leader-fence', SMALL + ' -DNO_FENCE_LEADER', 'the leader does not fence itself'),
    ('no-wait', SYNC + ' -DNO_WAIT', "ATTACH does not wait for the leader's disk"),
    ('no-reset', QUIET + ' -DNO_RESET', 'ATTACH keeps old positions'),
    ('memory-no-reset', MEMORY + ' -DNO_RESET', 'the same, class memory'),
    ('no-rejoin', LOST + ' -DNO_REJOIN', 'after a lost disk a node votes at once'),
    ('no-e5', LOST + ' -DNO_E5', '... or before every other voter is in the epoch (E5)'),
    ('e5-once', LOST + ' -DE5_ONCE', '... or was in it once, perhaps before the disk was lost'),
    ('memory-no-rejoin', MEMORY + ' -DNO_REJOIN', 'after a crash in memory a node votes at once'),
    ('no-channel', SYNC + ' -DNO_CHANNEL', 'neither epoch nor iteration of a frame is compared'),
]
# What the right model must be able to reach: the assertion "never" has to fail.
REACH = [
    (1, SYNC, 'two leaders established, one after the other'),
    (2, SYNC, 'a third one, after commits'),
    (3, SYNC, 'a commit by the followers alone, before the leader\'s disk'),
    (4, SYNC, 'transactions committed in two epochs'),
    (5, SYNC, 'a third node counted while the leader broadcasts'),
    (31, SYNC, 'a late joiner attached after a commit'),
    (6, SYNC, 'a late joiner settled with records of this epoch from disk'),
    (30, SYNC, 'a node back with records of the epoch that goes on'),
    (32, SYNC, 'TRUNC'),
    (8, SYNC, 'a frame of an old iteration arrives in a new one'),
    (7, LOST, 'a node that lost its disk votes again'),
    (7, MEMORY, 'a node that crashed in memory votes again'),
    (10, SYNC, 'crash: promise durable, ACKEPOCH not sent'),
    (11, SYNC, 'crash: ACKEPOCH sent'),
    (12, SYNC, 'crash: a part of the history durable'),
    (13, SYNC, 'crash: history durable, currentEpoch not'),
    (14, SYNC, 'crash: currentEpoch durable, ACK not sent'),
    (15, SYNC, 'crash: ACK sent'),
    (16, SYNC, 'crash: leader, own promise durable'),
    (17, SYNC, 'crash: leader, own currentEpoch durable'),
    (18, SYNC, 'crash: leader, proposed and not durable'),
    (19, SYNC, 'crash: follower, received and not durable'),
    (20, SYNC, 'crash: follower, durable, its ACK on the way'),
    (21, LOST, 'a disk lost that held a committed transaction'),
]


def build(where, flags, random):
    where.mkdir(parents=True, exist_ok=True)
    for old in where.iterdir():
        old.unlink()
    (where / 'handover.pml').write_bytes(MODEL.read_bytes())
    subprocess.run(['spin', '-a', *flags.split(), 'handover.pml'], cwd=where, check=True,
                   stdout=subprocess.DEVNULL)
    search = ['-DT_RAND', '-DP_RAND'] if random else ['-DCOLLAPSE']
    subprocess.run(['gcc', '-O2', '-w', '-DSAFETY', '-DNOREDUCE', '-DVECTORSZ=2048',
                    f'-DMEMLIM={MEM_MB}', *search, '-o', 'pan', 'pan.c'], cwd=where, check=True)


def number(pattern, text):
    found = re.search(pattern, text)
    return int(float(found.group(1))) if found else 0


def search(where, args):
    """Returns (errors or None if the search did not end, states, seconds)."""
    begin = time.monotonic()
    try:
        out = subprocess.run(['./pan', '-E', *args], cwd=where, capture_output=True, text=True,
                             timeout=LIMIT_S).stdout
    except subprocess.TimeoutExpired:
        return None, 0, LIMIT_S
    (where / 'pan.txt').write_text(out)
    errors, states = number(r'errors: (\d+)', out), number(r'([\d.e+]+) states, stored', out)
    # An error that stops the search counts; one that was cut short (by memory, too) proves nothing.
    ended = errors or not re.search('Search not completed|max search depth too small', out)
    return (errors if ended and states else None), states, time.monotonic() - begin


def keep_trace(where):
    out = subprocess.run(['./pan', '-r', 'handover.pml.trail'], cwd=where, capture_output=True,
                         text=True).stdout
    lines = [line for line in out.splitlines() if re.match(r'\d |  (node|committed)', line)]
    (where / 'trace.txt').write_text('\n'.join(lines) + '\n')


def verify(out, name, flags, must_fail):
    where = out / name
    build(where, flags, must_fail)
    if not must_fail:
        return search(where, [f'-m{DEPTH}'])
    states, seconds = 0, 0.0
    for seed in SEEDS:
        errors, more, took = search(where, [f'-RS{seed}', f'-m{DEPTH_RANDOM}'])
        states, seconds = states + more, seconds + took
        if errors:
            keep_trace(where)
            return errors, states, seconds
    return 0, states, seconds


def cases():
    for name, flags, what in HOLDS + SECOND_LOCKS:
        yield name, flags, what, False
    for name, flags, what in FAILS:
        yield name, flags, what, True
    for point, flags, what in REACH:
        kind = '-memory' if 'MEMORY' in flags else ''
        yield f'reach-{point}{kind}', f'{flags} -DREACH={point}', what, True


def main():
    out, only = Path(sys.argv[1]), sys.argv[2:]
    unknown = set(only) - {name for name, *_ in cases()}
    if unknown:
        print(f'run.py: no variant {" ".join(sorted(unknown))}; there are '
              f'{" ".join(name for name, *_ in cases())}', file=sys.stderr)
        sys.exit(2)
    passed = failed = 0
    for name, flags, what, must_fail in cases():
        if only and name not in only:
            continue
        errors, states, seconds = verify(out, name, flags, must_fail)
        good = errors is not None and bool(errors) == must_fail
        reach = name.startswith('reach-')
        word = {(False, True): 'holds', (False, False): 'FAILS or was cut short',
                (True, True): 'reached' if reach else 'fails as it must',
                (True, False): 'NOT REACHED' if reach else 'HOLDS, but must fail'}[must_fail, good]
        passed, failed = passed + good, failed + (not good)
        print(f'{word:17} {name:18} {states:9} states {seconds:6.1f} s  {what}', flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f'largest process: {peak} MB')
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
