#!/usr/bin/env python3
"""run.py --build DIR [--seconds N] [--tests DIR] [TARGET...] - runs the fuzzers.

Seeds: what the unit tests in --tests hand to the decoders (ZABLINE_SEEDS,
test/harness/keep_seed.h), the sample configs, and test/fuzz/corpus/TARGET, the inputs that found
something or lead far in.  N seconds are shared by all targets.  What fails is kept as
build/fuzz/crash/TARGET-*, with the command that repeats it.  Last line: N passed, N failed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / 'test/fuzz/corpus'
OUT = ROOT / 'build/fuzz'

# target: kinds of seeds, largest input, share of the time
TARGETS = {
    'frame': (['frame'], 512, 1),
    'record': (['record'], 1024, 1),
    'notification': (['notification', 'hello'], 1024, 1),
    'packet': (['packet', 'snap', 'learnerinfo'], 2048, 2),
    'extension': (['extension', 'learnerinfo', 'txn'], 1024, 1),
    'repair': (['repair'], 512, 1),
    'config': (['config'], 4096, 2),
    'wire': (['arp', 'icmp'], 512, 1),
    'app_log': (['txn'], 2048, 2),
    'tree': ([], 4096, 3),
    'client': ([], 4096, 3),
    'store': ([], 4096, 3),
    'control': (['control'], 1024, 2),
    'election': ([], 2048, 2),
    'bcast': ([], 4096, 4),
    'replica': ([], 4096, 4),
}


def make_seeds(tests):
    seeds = OUT / 'seeds'
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir(parents=True)
    for name in ('proto', 'service', 'dpdk_app'):
        program = Path(tests) / f'test_{name}'
        if program.exists():
            only = '--gtest_filter=AppLog*:Control*:Arp*:Icmp*' if name != 'proto' else '--gtest_filter=*'
            subprocess.run([program, only], env={**os.environ, 'ZABLINE_SEEDS': str(seeds)},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    (seeds / 'config').mkdir()
    for n, file in enumerate(sorted(ROOT.glob('config/*/*.json'))):
        shutil.copy(file, seeds / 'config' / f'{n}.json')
    return seeds


def corpus_of(target, kinds, seeds):
    where = OUT / 'corpus' / target
    where.mkdir(parents=True, exist_ok=True)
    for source in [CORPUS / target] + [seeds / kind for kind in kinds]:
        for file in source.iterdir() if source.is_dir() else []:
            shutil.copy(file, where)
    return where


def run(target, args, seeds):
    kinds, longest, share = TARGETS[target]
    seconds = max(1, args.seconds * share // sum(t[2] for t in TARGETS.values()))
    corpus = corpus_of(target, kinds, seeds)
    missing = [kind for kind in kinds if not any((seeds / kind).glob('*'))]
    if missing:
        print(f'FAILED  {target}: no seeds of {", ".join(missing)}: are the tests in {args.tests} built?')
        return False
    program = Path(args.build) / f'fuzz_{target}'
    crash = OUT / 'crash'
    crash.mkdir(exist_ok=True)
    command = [program, f'-max_len={longest}', f'-max_total_time={seconds}', '-timeout=10',
               '-seed=1', '-rss_limit_mb=2000', '-use_value_profile=1', '-print_final_stats=1',
               f'-artifact_prefix={crash.relative_to(ROOT)}/{target}-', corpus]
    log = OUT / f'{target}.log'
    with open(log, 'wb') as out:
        status = subprocess.run(command, stdout=out, stderr=out, check=False).returncode
    text = log.read_text(errors='replace')
    runs = re.search(r'number_of_executed_units: (\d+)', text)
    cover = re.findall(r'cov: (\d+)', text)
    ran = int(runs.group(1)) if runs else 0
    good = status == 0 and ran > 0
    print(f'{"ok" if good else "FAILED":7} {target:14} {ran:9} inputs, '
          f'{cover[-1] if cover else 0:>6} edges, {len(list(corpus.iterdir())):5} in the corpus, '
          f'{seconds} s', flush=True)
    if not good:
        found = re.search(r'Test unit written to (\S+)', text)
        said = 'ERROR|SUMMARY|assert|runtime error|: not '
        print('\n'.join(line for line in text.splitlines() if re.search(said, line)))
        print(f'  log: {log.relative_to(ROOT)}')
        print(f'  repeat with: {program} {found.group(1) if found else ""}')
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--tests', default='build/gcc')
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('targets', nargs='*')
    args = parser.parse_args()
    os.chdir(ROOT)
    seeds = make_seeds(args.tests)
    results = [run(target, args, seeds) for target in args.targets or TARGETS]
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed')
    sys.exit(0 if results and all(results) else 1)


if __name__ == '__main__':
    main()
