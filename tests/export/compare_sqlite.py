"""Compares a database of SQLite with the rows that jsonl has, value by value.

usage: compare_sqlite.py DATABASE_FILE ROWS

Prints each table's name, its rows, and each column's type.
"""
import collections
import json
import sqlite3
import sys
from decimal import Decimal


class Number(str):
    """A number of JSON in its digits, told apart from a text."""


def same(found, stored, tag):
    if found is None or stored is None:
        return found is None and stored is None
    if isinstance(found, bytes):
        return "\\x" + found.hex() == stored.lower()
    if isinstance(found, str):
        if isinstance(stored, bool):
            stored = "true" if stored else "false"
        return found == stored
    if isinstance(stored, bool):
        return found == int(stored)
    if tag == "Real":
        return float(found) == float(stored)
    if isinstance(found, float) and found in (float("inf"), float("-inf")):
        return False
    # The shortest decimal that is the double.
    return Decimal(repr(found)) == Decimal(stored)


def main(file, rows):
    base = sqlite3.connect(file)
    tables = collections.defaultdict(list)
    with open(rows, encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line, parse_float=Number, parse_int=Number)
            tables[one["table"]].append((list(one["row"].values()), list(one["types"].values())))
    names = [row[0] for row in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")]
    for name in set(tables) - set(names):
        sys.exit(f"found no table {name!r}")
    for name in sorted(names):
        quoted = '"' + name.replace('"', '""') + '"'
        columns = base.execute(f"SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall()
        found = base.execute(f"SELECT * FROM {quoted} ORDER BY rowid").fetchall()
        stored = tables.get(name, [])
        if len(found) != len(stored):
            sys.exit(f"{name}: found {len(found)} rows, expected {len(stored)}")
        at_primary = base.execute("SELECT count(*) FROM pragma_table_info(?) WHERE pk AND type = 'INTEGER'", (name,)).fetchone()[0]
        if at_primary:
            # Such rows stand in the order of their key.
            at = [c[0] for c in base.execute("SELECT cid FROM pragma_table_info(?) WHERE pk", (name,))][0]
            stored.sort(key=lambda one: Decimal(one[0][at]))
        for row, (values, tags) in zip(found, stored):
            for value, expected, tag in zip(row, values, tags):
                if not same(value, expected, tag):
                    sys.exit(f"{name}: found {value!r}, expected {expected!r} ({tag})")
        print(name, len(found), *(kind for _, kind in columns), sep="\t")


main(*sys.argv[1:])
