"""Reads every table of an export with every engine that is installed, as its
users read it, and compares each value with what pyarrow has.

usage: read_engines.py EXPORT

Prints a line for each engine: its version, and how many tables and values are
equal.  Spark's rules are held against the schema, as it is not run.
"""
import collections
import importlib
import json
import math
import os
import sys
import uuid
from decimal import Decimal

import pyarrow.parquet as pq


def plain(value):
    """One form for equal values, whatever an engine's type for it."""
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ("double", value, math.copysign(1, value))
    if isinstance(value, (int, Decimal)):
        return ("number", Decimal(value).normalize())
    if hasattr(value, "isoformat"):
        if getattr(value, "tzinfo", None) is not None:
            import datetime
            value = value.astimezone(datetime.timezone.utc)
        return value.isoformat()
    return value


def rows_of(columns):
    return [tuple(map(plain, row)) for row in zip(*columns)]


def with_pyarrow(place):
    return rows_of([column.to_pylist() for column in pq.read_table(place).columns])


def with_duckdb(place):
    import duckdb
    where = place + "/*.parquet" if os.path.isdir(place) else place
    session = duckdb.connect()
    session.execute("SET TimeZone = 'UTC'")
    found = session.execute(f"SELECT * FROM '{where}'").fetchall()
    return [tuple(map(plain, row)) for row in found]


def with_polars(place):
    import polars
    where = place + "/*.parquet" if os.path.isdir(place) else place
    found = polars.read_parquet(where)
    # It does not know JSON, and shows the bytes.
    files = [os.path.join(place, name) for name in os.listdir(place)] if os.path.isdir(place) else [place]
    schema = pq.ParquetFile(files[0]).schema
    for column in (schema.column(at) for at in range(len(schema))):
        if column.logical_type.type == "JSON" and found.schema[column.name] == polars.Binary:
            found = found.with_columns(polars.col(column.name).cast(polars.String))
    return [tuple(map(plain, row)) for row in found.rows()]


def with_datafusion(place):
    import datafusion
    context = datafusion.SessionContext()
    slash = "/" if os.path.isdir(place) else ""
    context.sql(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{place}{slash}'")
    found = []
    for batch in context.sql("SELECT * FROM t").collect():
        found += rows_of([column.to_pylist() for column in batch.columns])
    return found


def refused_by_spark(file):
    """Columns whose type Spark 3.5 and 4 do not read."""
    schema = pq.ParquetFile(file).schema
    columns = [schema.column(at) for at in range(len(schema))]
    kinds = {
        "BOOLEAN": {"NONE"},
        "INT32": {"NONE", "INT", "DATE", "DECIMAL"},
        "INT64": {"NONE", "INT", "TIMESTAMP", "DECIMAL"},
        "DOUBLE": {"NONE"},
        "BYTE_ARRAY": {"NONE", "STRING", "ENUM", "JSON", "DECIMAL"},
        "FIXED_LEN_BYTE_ARRAY": {"NONE", "DECIMAL"},
    }
    return [c.name for c in columns if c.logical_type.type not in kinds.get(c.physical_type, ())]


def main(export):
    with open(os.path.join(export, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    places = {}
    for table in manifest["tables"]:
        files = [os.path.join(export, file["path"]) for file in table["files"]]
        if files:
            in_parts = os.path.basename(files[0]).startswith("part-")
            places[os.path.dirname(files[0]) if in_parts else files[0]] = files
    for files in places.values():
        for file in files:
            if refused := refused_by_spark(file):
                sys.exit(f"{file}: Spark refuses {refused}")
    expected = {place: with_pyarrow(place) for place in places}
    engines = {"duckdb": with_duckdb, "polars": with_polars, "datafusion": with_datafusion}
    for name, read in engines.items():
        try:
            version = importlib.import_module(name).__version__
        except ImportError:
            print(name, "missing", sep="\t")
            continue
        values = 0
        for place in places:
            found = read(place)
            wanted = expected[place]
            if collections.Counter(found) != collections.Counter(wanted):
                differing = [(a, b) for a, b in zip(found, wanted) if a != b][:3]
                sys.exit(f"{name} {version}: {place}: found {len(found)} rows, expected {len(wanted)}: {differing}")
            values += sum(map(len, found))
        print(name, version, len(places), values, sep="\t")


main(*sys.argv[1:])
