"""Compares Parquet files with the rows that jsonl has, read by pyarrow.

usage: compare_parquet.py ROWS FILE DATABASE TABLE

Prints how many rows are equal, the row groups, and each column's type.
"""
import json
import sys
from decimal import Decimal

import pyarrow.parquet as pq
import pyarrow.types as types


class Number(str):
    """A number of JSON in its digits, told apart from a text."""


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def moment(value):
    """Whole seconds and microseconds, without what only the form says."""
    value = value.replace(" ", "T")
    if "T" not in value:
        value += "T00:00:00"
    for zone in ("Z", "+00", "+00:00", "+0000"):
        value = value.removesuffix(zone)
    whole, _, fraction = value.partition(".")
    return whole, fraction.ljust(6, "0").rstrip("0") if fraction else ""


def same(found, kind, stored):
    if stored is None or found is None:
        return stored is None and found is None
    if types.is_boolean(kind):
        return isinstance(stored, bool) and found == stored
    if types.is_integer(kind) or types.is_decimal(kind):
        return found == Decimal(text(stored))
    if types.is_floating(kind):
        return found == float(text(stored)) or (found != found and stored == "NaN")
    if types.is_date(kind):
        return found.isoformat() == stored
    if types.is_timestamp(kind):
        found = found.replace(tzinfo=None).isoformat()
        return moment(found) == moment(stored)
    if types.is_string(kind) or str(kind) == "extension<arrow.json>":
        return found == text(stored)
    if str(kind) == "extension<arrow.uuid>":
        return str(found) == stored
    return "\\x" + found.hex() == stored.lower()


def main(rows, file, database, table):
    parquet = pq.ParquetFile(file)
    names = parquet.schema_arrow.names
    kinds = parquet.schema_arrow.types
    columns = [column.to_pylist() for column in parquet.read().columns]
    found = list(zip(*columns))
    stored = []
    with open(rows, encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line, parse_float=Number, parse_int=Number)
            if (one["database"], one["table"]) == (database, table):
                stored.append(one["row"])
    if len(found) != len(stored):
        sys.exit(f"{file}: found {len(found)} rows, expected {len(stored)}")
    for at, (row, expected) in enumerate(zip(found, stored)):
        if list(expected) != names:
            sys.exit(f"{file}: found columns {names}, expected {list(expected)}")
        for name, kind, value in zip(names, kinds, row):
            if not same(value, kind, expected[name]):
                sys.exit(f"{file}: row {at}, {name} is {value!r}, expected {expected[name]!r}")
    print(len(found), parquet.num_row_groups, *(f"{n}={k}" for n, k in zip(names, kinds)), sep="\t")


main(*sys.argv[1:])
