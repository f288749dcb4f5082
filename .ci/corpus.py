#!/usr/bin/env python3
"""Runs the check over real directories and fails when a case of .ci/corpus-cases no longer passes.

usage: corpus.py CHECK CORPUS

Cases that pass and are not listed yet are named, so that the list only grows.
"""
import json
import os
import subprocess
import sys
import tempfile

LAYOUTS = "paged,per-table,append,snapshot"

here = os.path.dirname(os.path.abspath(__file__))
check, corpus = sys.argv[1:]
with open(os.path.join(here, "corpus-cases")) as f:
    listed = {line.strip() for line in f if line.strip() and not line.startswith("#")}

with tempfile.TemporaryDirectory() as scratch:
    result = os.path.join(scratch, "result.json")
    command = [sys.executable, check, "target/release", corpus, "--layouts", LAYOUTS, "--json", result]
    subprocess.run(command)
    with open(result) as f:
        cases = json.load(f)["cases"]

passed = {case["case"] for case in cases if not case["problems"]}
fallen = sorted(case["case"] for case in cases if case["case"] in listed - passed)
new = sorted(passed - listed)
if new:
    print("pass and are not listed in .ci/corpus-cases:", *new)
if fallen:
    sys.exit("no longer pass: " + ", ".join(fallen))
print(f"{len(listed & passed)} listed cases pass")
