#!/usr/bin/env python3
"""Runs a check of many named items and holds its verdicts against two lists.

usage: listed.py directories CHECK FOLDER...    real data directories, by the check over them, with --strict
       listed.py cases RUN                      faults as programs

`.ci/directories` and `.ci/cases` name what must pass: they only grow. `.ci/known-failures` names what does not
pass yet, each with its reason: it only shrinks. An item in neither list must pass.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

LAYOUTS = "paged,per-table,append,snapshot"

here = os.path.dirname(os.path.abspath(__file__))


def lines(name):
    with open(os.path.join(here, name)) as f:
        return [line.strip() for line in f if line.strip() and not line.startswith("#")]


kind, program, *rest = sys.argv[1:]
must = set(lines(kind))
known = {}
for line in lines("known-failures"):
    name, reason = line.split(": ", 1)
    known[name] = reason
both = sorted(must & set(known))
if both:
    sys.exit("both in the list of what must pass and in that of known failures: " + ", ".join(both))

with tempfile.TemporaryDirectory() as scratch:
    # Some cases run the tools as another user, who may not see where this is.
    os.chmod(scratch, 0o755)
    for tool in ("rustdb-migrate", "rustdb-inspect"):
        shutil.copy(os.path.join("target/release", tool), scratch)
    os.environ["RUSTDB_MAIN"] = os.getcwd()
    result = os.path.join(scratch, "result.json")
    command = [sys.executable, program, scratch, *rest, "--json", result]
    if kind == "directories":
        command += ["--strict", "--layouts", LAYOUTS]
    subprocess.run(command)
    with open(result) as f:
        found = json.load(f)

if kind == "directories":
    verdicts = {case["case"]: "; ".join(case["problems"]) or "ok" for case in found["cases"]}
else:
    verdicts = found

passed = {name for name, verdict in verdicts.items() if verdict == "ok"}
skipped = {name for name, verdict in verdicts.items() if verdict == "skipped"}
failed = set(verdicts) - passed - skipped
for name in sorted(failed & set(known)):
    print(f"known failure: {name}: {known[name]}")
new = sorted(passed - must)
if new:
    print(f"pass and are not listed in .ci/{kind}:", *new)
mended = sorted(passed & set(known))
wrong = [f"{name}: {verdicts[name]}" for name in sorted(failed - set(known))]
wrong += [f"{name}: must pass and was skipped" for name in sorted(skipped & must)]
wrong += [f"{name}: must pass and was not there" for name in sorted(must - set(verdicts))]
wrong += [f"{name}: passes, and stands in .ci/known-failures" for name in mended]
if wrong:
    sys.exit("\n".join(["not as listed:", *wrong]))
print(f"{len(passed & must)} listed pass, {len(failed)} fail as known, {len(skipped)} skipped")
