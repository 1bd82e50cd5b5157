#!/usr/bin/python3
"""schema.py - every sample is good, and a sample with one thing wrong is bad, for schema and zabd alike.

What only zabd knows (relations between keys) is not tried here; config_test.cc compares schema and C
tables key by key.
"""
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile

import jsonschema

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
ZABD = os.path.join(os.environ.get("ZABLINE_BUILD", "build/gcc"), "zabd")
BASE = "config/rack5/mlx5-1.json"


def zabd_takes(text):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write(text)
        f.flush()
        run = subprocess.run([ZABD, "--check-config", f.name], capture_output=True, text=True)
    assert run.returncode in (0, 2), run
    return run.returncode == 0, run.stderr


def objects(value, path=()):
    """Every object in value, with its path."""
    if isinstance(value, dict):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, inner in items:
        if path != ("peers",) or key == 0:  # one peer stands for all
            yield from objects(inner, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def wrong_values(schema, key):
    """Values that the schema of one key refuses."""
    wrong = [None, [], {}] if schema.get("type") not in ("array", "object") else [None, 1, "text"]
    if schema.get("type") == "integer":
        wrong += [schema["minimum"] - 1, schema["maximum"] + 1, schema["minimum"] + 0.5, "1", True]
    if schema.get("type") == "string":
        wrong += [1, "x" * (schema["maxLength"] + 1) if "maxLength" in schema else "x", "a\nb"]
        wrong += [""] if schema.get("minLength") else []
    if key == "ip":
        wrong += ["0.0.0.0", "224.0.0.1", "10.0.0.256", "10.0.0", "10.0.0.01", "::1"]
    if key == "mac":
        wrong += ["00:00:00:00:00:00", "01:00:00:00:00:01", "02:00:00:00:00", "02:5a:42:00:00:0g"]
    if "enum" in schema:
        wrong += ["none", 0]
    return wrong


def variants(base, schema):
    """Yields (what, sample that is wrong)."""
    def properties(path):
        if not path:
            return schema
        name = {"peers": "peer", "ports": "port"}.get(path[0], path[0])
        return schema["$defs"]["fast"] if "fast" in path else schema["$defs"].get(name) or schema["properties"][name]
    for path, _ in objects(base):
        own = properties(path)
        for key, rule in list(own["properties"].items()) + [("unknown", None)]:
            for value in wrong_values(rule, key) if rule else [1]:
                if rule and "oneOf" in rule and value in ([], {}):
                    value = [{}, {}, {}]  # one too many; one or none may be good
                bad = copy.deepcopy(base)
                at(bad, path)[key] = value
                yield "%s %s = %.40r" % (".".join(map(str, path)), key, value), bad
        for key in own.get("required", []):
            bad = copy.deepcopy(base)
            del at(bad, path)[key]
            yield "%s without %s" % (".".join(map(str, path)), key), bad


def main():
    os.chdir(ROOT)
    with open("config/schema.json", encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    passed, failed = 0, []

    def expect(what, text, good):
        nonlocal passed
        taken, line = zabd_takes(text)
        valid = validator.is_valid(json.loads(text))
        if taken == valid == good:
            passed += 1
        else:
            failed.append("%s: schema %s, zabd %s %s" % (what, valid, taken, line.strip()))

    samples = sorted(glob.glob("config/*/*.json"))
    assert len(samples) >= 20, samples
    for sample in samples:
        with open(sample, encoding="utf-8") as f:
            expect(sample, f.read(), True)
    with open(BASE, encoding="utf-8") as f:
        base = json.load(f)
    for what, bad in variants(base, schema):
        expect(what, json.dumps(bad), False)
    for line in failed:
        print("FAILED %s" % line)
    print("%d passed, %d failed" % (passed, len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
