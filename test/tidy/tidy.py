#!/usr/bin/python3
"""tidy.py --objects DIR - checks the laws that a program can check: one line "file:line: what, limit" each.

Layers (law 2), rte_* (law 1), purity (law 3), global mutable state, sizes and format of style.md, scripts
that parse, no paths of one machine. DIR holds the objects of the default build. Exit status 1 if any.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scan  # noqa: E402

MAX_FUNCTION, MAX_SWITCH, MAX_SOURCE, MAX_HEADER = 70, 100, 600, 300
MAX_PARAMETERS, MAX_NESTING, MAX_COLUMNS = 5, 4, 100

BELOW = {
    "config": {"config"},
    "proto": {"config", "proto"},
    "fastpath": {"config", "proto", "fastpath"},
    "storage": {"config", "proto", "storage"},
    "slowpath": {"config", "proto", "storage", "slowpath"},
    "service": {"config", "proto", "storage", "service"},
    "dpdk_app": {"config", "proto", "fastpath", "storage", "slowpath", "service", "dpdk_app"},
}
PURE_HEADERS = {"assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h",
                "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "string.h", "nmmintrin.h", "wmmintrin.h", "arm_acle.h",
                "atomic"}  # the last for C++ tests
PURE_SYMBOLS = re.compile(r"^(mem\w+|str(?!dup|ndup|error|tok$|ftime)\w+|__assert_fail|__stack_chk_fail"
                          r"|_GLOBAL_OFFSET_TABLE_|__popcountdi2)$")
PURE_CONFIG = {"config_peer_idx", "config_voter_cnt", "config_quorum_text"}
TEXT_SYMBOLS = re.compile(r"^(vsn|sn)printf$")
TEXT_OBJECTS = {"proto/log_event", "proto/zxid"}  # they write text for people into a caller's buffer

MACHINE_PATH = re.compile(r"(?<![\w.})$~*/-])/(work|root|home)(?=[/\s\"'`),;:]|$)")


class Report:
    def __init__(self):
        self.lines = []

    def add(self, path, line, what, limit):
        self.lines.append("%s:%d: %s, %s" % (path, line, what, limit))


def list_files():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if out.returncode == 0:
        files = out.stdout.splitlines()
    else:  # a copy without .git
        files = [os.path.relpath(os.path.join(d, f), ".") for d, _, names in os.walk(".") for f in names
                 if not re.match(r"\./(build|\.git)(/|$)", d)]
    return sorted(f for f in set(files) if os.path.isfile(f))


def layer_of(path):
    return path.split("/")[0]


def is_pure(path):
    layer = layer_of(path)
    return layer in ("proto", "fastpath") or (layer == "slowpath" and not re.search(r"_uv\.[cho]$", path))


def check_sizes(report, path, text, lengths):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            report.add(path, number, "%d columns" % len(line), "at most %d" % MAX_COLUMNS)
    if path.endswith(".def"):
        return
    limit = MAX_HEADER if path.endswith(".h") else MAX_SOURCE
    if len(lines) > limit and not path.endswith(".cc"):
        report.add(path, limit + 1, "%d lines" % len(lines), "at most %d" % limit)
    for f in scan.functions(text):
        limit = MAX_SWITCH if f.is_switch else MAX_FUNCTION
        if f.lines > limit:
            report.add(path, f.line, "%s has %d lines" % (f.name, f.lines), "at most %d" % limit)
        if f.parameters > MAX_PARAMETERS and not f.name.startswith("uv_"):  # libuv's own interface
            report.add(path, f.line, "%s has %d parameters" % (f.name, f.parameters),
                       "at most %d" % MAX_PARAMETERS)
        if f.nesting > MAX_NESTING:
            report.add(path, f.line, "%s nests %d deep" % (f.name, f.nesting), "at most %d" % MAX_NESTING)
        if layer_of(path) in BELOW:
            lengths.append(f.lines)


def check_includes(report, path, text):
    layer = layer_of(path)
    if layer not in BELOW:
        return
    for number, line in enumerate(scan.blank(text, keep_strings=True).splitlines(), 1):
        quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if quoted and not os.path.exists(quoted.group(1)):
            report.add(path, number, 'include "%s"' % quoted.group(1), "paths are from the root")
        elif quoted and layer_of(quoted.group(1)) not in BELOW[layer]:
            report.add(path, number, 'include "%s"' % quoted.group(1),
                       "%s may include only %s (law 2)" % (layer, ", ".join(sorted(BELOW[layer]))))
        if system and is_pure(path) and system.group(1) not in PURE_HEADERS:
            report.add(path, number, "include <%s>" % system.group(1), "not in pure code (law 3)")


def check_rte(report, path, text):
    layer = layer_of(path)
    of_layer = layer in BELOW and layer != "dpdk_app"
    of_test = re.match(r"test/(%s)(_uv)?/" % "|".join(set(BELOW) - {"dpdk_app"}), path)
    if not (of_layer or of_test):
        return
    code = scan.blank(text)
    for number, line in enumerate(code.splitlines(), 1):
        word = re.search(r"\b(rte|RTE)_\w+", line)
        if word:
            report.add(path, number, word.group(0), "only in dpdk_app (law 1)")
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*#\s*include\s*<rte_", line):
            report.add(path, number, line.strip(), "only in dpdk_app (law 1)")


def check_machine_paths(report, path, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = MACHINE_PATH.search(line)
        if found:
            report.add(path, number, "path %s" % found.group(0), "no paths of one machine")


def check_script(report, path, text):
    first = text.split("\n", 1)[0]
    if re.match(r"#!.*python", first) or path.endswith(".py"):
        try:
            compile(text, path, "exec")
        except SyntaxError as error:
            report.add(path, error.lineno or 1, "does not parse", "python 3")
    elif re.match(r"#!.*\b(ba)?sh\b", first) or path.endswith(".sh"):
        shell = "sh" if re.match(r"#!.*/sh\b", first) else "bash"
        out = subprocess.run([shell, "-n", path], capture_output=True, text=True)
        if out.returncode:
            line = re.search(r"(?:line |: )(\d+):", out.stderr)
            report.add(path, int(line.group(1)) if line else 1, "does not parse", shell)
    else:
        return
    if first.startswith("#!") and not os.access(path, os.X_OK):
        report.add(path, 1, "is a script without execute permission", "chmod +x")


def check_format(report, files):
    try:
        out = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    except FileNotFoundError:
        report.add(".clang-format", 1, "clang-format is not installed", "make deps-ci")
        return
    seen = set()
    for m in re.finditer(r"^(\S+?):(\d+):\d+: error: ", out.stderr, re.M):
        if m.group(1) not in seen:
            seen.add(m.group(1))
            report.add(m.group(1), int(m.group(2)), "is not formatted", "clang-format -i")


def check_mutant(report, path):
    """A patch that the code has moved away from shows nothing any more."""
    out = subprocess.run(["patch", "-p1", "--fuzz=0", "--dry-run", "-f", "-i", path], capture_output=True, text=True)
    if out.returncode:
        report.add(path, 1, "does not apply", "mend it with the code")


def symbols(objects):
    """{path without suffix: (defined names, undefined names, mutable objects)} of the objects."""
    result = {}
    for path, file in objects.items():
        defined, undefined, mutable = set(), set(), set()
        out = subprocess.run(["objdump", "-t", file], capture_output=True, text=True, check=True).stdout
        for line in out.splitlines():
            m = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
            if not m:
                continue
            flags, section, name = m.groups()
            if section == "*UND*":
                undefined.add(name)
            elif "d" not in flags:
                defined.add(name)
                is_data = re.match(r"\.(data|bss|tdata|tbss|sdata|sbss)(?!\.rel\.ro)", section)
                if (is_data or section == "*COM*") and "O" in flags:
                    mutable.add(name)
        result[path] = (defined, undefined, mutable)
    return result


def line_of(path, name):
    with open(path, errors="replace") as f:
        for number, line in enumerate(f, 1):
            if re.search(r"\b%s\b" % re.escape(name), line):
                return number
    return 1


def promised(files):
    """Functions that pure headers declare, whether or not they are there yet."""
    names = set()
    for path in files:
        if path.endswith(".h") and is_pure(path):
            with open(path, errors="replace") as f:
                names.update(re.findall(r"^[A-Za-z_][\w \t*]*?\b(\w+)\(", scan.blank(f.read()), re.M))
    return names


def check_objects(report, files, directory):
    sources = {f[:-2]: f for f in files if f.endswith(".c") and layer_of(f) in BELOW}
    objects = {}
    for base, source in sources.items():
        file = os.path.join(directory, base + ".o")
        if os.path.exists(file):
            objects[base] = file
        else:
            report.add(source, 1, "has no object in %s" % directory, "make builds every source")
    table = symbols(objects)
    pure = {base for base in table if is_pure(base + ".c")}
    impure = set().union(*(table[base][0] for base in table if base not in pure))
    known = set().union(promised(files) - impure, PURE_CONFIG, *(table[base][0] for base in pure))
    for base, (_, undefined, mutable) in sorted(table.items()):
        source = sources[base]
        for name in sorted(mutable):
            shown = name.split(".")[0]
            report.add(source, line_of(source, shown), "%s is global mutable state" % shown, "none")
        for name in sorted(undefined - known) if base in pure else []:
            if PURE_SYMBOLS.match(name) or (TEXT_SYMBOLS.match(name) and base in TEXT_OBJECTS):
                continue
            report.add(source, line_of(source, name), "uses %s" % name, "not in pure code (law 3)")


def by_place(line):
    path, number = line.split(":")[:2]
    return path, int(number), line


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", default="build/gcc")
    args = parser.parse_args()
    report, lengths, files = Report(), [], list_files()
    c_files = [f for f in files if re.search(r"\.(c|h|cc)$", f)]
    for path in files:
        with open(path, "rb") as f:
            raw = f.read()
        if b"\0" in raw:
            continue  # binary test data
        text = raw.decode(errors="replace")
        if path in c_files or path.endswith(".def"):
            check_sizes(report, path, text, lengths)
            check_includes(report, path, text)
            check_rte(report, path, text)
        check_script(report, path, text)
        if not path.startswith("test/tidy/"):
            check_machine_paths(report, path, text)
        if path.endswith(".patch"):
            check_mutant(report, path)
    check_format(report, c_files)
    check_objects(report, files, args.objects)
    for line in sorted(report.lines, key=by_place):
        print(line)
    median = statistics.median(lengths) if lengths else 0
    print("tidy: %d files, %d functions, median %d lines: %d violations"
          % (len(files), len(lengths), median, len(report.lines)))
    return 1 if report.lines else 0


if __name__ == "__main__":
    sys.exit(main())
