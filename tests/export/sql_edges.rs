//! Values, keys and shapes that a load must not stumble over: each a table, and
//! what becomes of it.

use crate::loaded::{assert_holds, tables};
use crate::postgres::Postgres;
use crate::support::content::{column, fresh, int, key, loaded, references, table, text as words};
use crate::support::disk::on_disk;
use crate::support::model::{Column, DataType, Family, Row, Since, Table, Value};
use crate::support::run::{dumped, inspect, text};

/// A table of one column `c`, its values, and the type that it must have.
pub type Edge = (DataType, Vec<Value>, &'static str);

fn numeric(text: &str) -> Value {
    Value::Numeric(text.into())
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(text.into())
}

fn date(text: &str) -> Value {
    Value::Date(text.into())
}

fn real(value: f64) -> Value {
    Value::Real(value.to_bits())
}

fn label(text: &str) -> Value {
    Value::Enum("e".into(), text.into())
}

fn json(text: &str) -> Value {
    Value::Json(text.into())
}

const SHORT: DataType = DataType::Numeric {
    precision: 5,
    scale: 2,
};

fn numbers() -> Vec<Edge> {
    use DataType::{BigSerial, Integer, Real, SmallInt};
    let small = Value::SmallInt;
    let odd = |precision, scale| DataType::Numeric { precision, scale };
    vec![
        (SmallInt, vec![small(-32768), int(32767)], "smallint"),
        (SmallInt, vec![int(32768)], "bigint"),
        (SmallInt, vec![numeric("0.5")], "numeric"),
        (
            Integer,
            vec![small(5), int(i64::MIN), words("7"), numeric("8")],
            "bigint",
        ),
        (
            Integer,
            vec![numeric("12.0"), real(3.0), numeric("-0"), int(9)],
            "bigint",
        ),
        (SmallInt, vec![numeric("32767.00"), real(-1.0)], "smallint"),
        (SmallInt, vec![real(32768.0)], "bigint"),
        (Integer, vec![real(-0.0), int(1)], "double precision"),
        (Integer, vec![real(-0.0), int((1 << 53) + 1)], "text"),
        (Integer, vec![words("07")], "text"),
        (Integer, vec![numeric("9223372036854775808")], "numeric"),
        (
            Integer,
            vec![numeric("1.50"), real(2.5), real(f64::NAN)],
            "numeric",
        ),
        (BigSerial, vec![words("none")], "text"),
        (
            Real,
            vec![
                small(3),
                numeric("-92199.3152"),
                real(-0.0),
                real(f64::INFINITY),
            ],
            "double precision",
        ),
        (
            Real,
            vec![
                numeric("0.1234567890123456789"),
                real(5e-324),
                real(1.7e308),
            ],
            "numeric",
        ),
        (
            Real,
            vec![numeric("0.1234567890123456789"), real(-0.0)],
            "text",
        ),
        (Real, vec![int((1 << 53) + 1)], "numeric"),
        (Real, vec![Value::Boolean(true)], "text"),
        (
            SHORT,
            vec![
                numeric("999.99"),
                numeric("-0.10"),
                small(7),
                numeric("1.500"),
            ],
            "numeric(5,2)",
        ),
        (SHORT, vec![numeric("1000")], "numeric"),
        (SHORT, vec![numeric("0.001")], "numeric"),
        (SHORT, vec![real(0.5), words("7.10")], "numeric(5,2)"),
        (SHORT, vec![real(0.125)], "numeric"),
        (SHORT, vec![real(f64::NAN), words("1.5")], "numeric"),
        (SHORT, vec![real(-0.0), real(0.5)], "double precision"),
        (SHORT, vec![words("07.10")], "text"),
        (SHORT, vec![numeric("1e3")], "text"),
        (
            SHORT,
            vec![numeric(""), numeric("-"), numeric("NaN")],
            "text",
        ),
        (odd(0, 0), vec![numeric("1.5")], "numeric"),
        (odd(2, 5), vec![numeric("0.00001")], "numeric"),
        (odd(255, 255), vec![numeric("0.5")], "numeric(255,255)"),
        (odd(255, 255), vec![numeric("1")], "numeric"),
    ]
}

fn texts() -> Vec<Edge> {
    use DataType::{Char, Text, Varchar};
    let padded = |text: &str| Value::Char(text.into());
    vec![
        (
            Text,
            vec![
                words("\\N"),
                words("\\."),
                words(""),
                words("a\tb\r\n\u{8}\u{b}\u{c}\\"),
            ],
            "text",
        ),
        (
            Text,
            vec![
                date("2025-01-02"),
                int(1),
                real(-0.0),
                Value::Uuid(vec![7; 16]),
            ],
            "text",
        ),
        (
            Text,
            vec![Value::Bytea(vec![0, 255]), words("\u{10ffff}\u{fffe}")],
            "text",
        ),
        (
            Text,
            vec![words("nul\0inside"), int(5), words("\\x00")],
            "bytea",
        ),
        (
            Varchar(3),
            vec![words("éé\u{1f980}"), int(-12)],
            "character varying(3)",
        ),
        (Varchar(3), vec![words("abcd")], "text"),
        (Varchar(3), vec![words("ab\0")], "bytea"),
        (Varchar(0), vec![words("")], "text"),
        (Varchar(u64::MAX), vec![words("a")], "text"),
        (
            Varchar(10_485_760),
            vec![words("a")],
            "character varying(10485760)",
        ),
        (
            Char(3),
            vec![padded("a  "), padded("   "), padded("ééé")],
            "character(3)",
        ),
        (Char(3), vec![padded("a")], "text"),
        (Char(3), vec![padded("abcd")], "text"),
        (Char(0), vec![padded("")], "text"),
    ]
}

fn moments() -> Vec<Edge> {
    use DataType::{Boolean, Date, Timestamp, TimestampTz, Uuid};
    let tz = |text: &str| Value::TimestampTz(text.into());
    vec![
        (
            Date,
            vec![date("0001-01-01"), date("9999-12-31"), date("2024-02-29")],
            "date",
        ),
        (Date, vec![date("2025-02-30")], "text"),
        (Date, vec![date("0000-01-01")], "text"),
        (Date, vec![date("+12345-01-02")], "text"),
        (
            Date,
            vec![date("2025-01-02"), timestamp("2025-01-02T03:04:05")],
            "timestamp without time zone",
        ),
        (
            Date,
            vec![words("tomorrow"), words("infinity"), words("epoch")],
            "text",
        ),
        (
            Timestamp,
            vec![timestamp("0001-01-01T00:00:00.120"), date("2025-01-02")],
            "timestamp without time zone",
        ),
        (Timestamp, vec![timestamp("2016-12-31T23:59:60")], "text"),
        (Timestamp, vec![timestamp("2025-01-02")], "text"),
        (TimestampTz, vec![tz("2025-01-02")], "text"),
        (
            Timestamp,
            vec![timestamp("2025-01-02T03:04:05.1234567")],
            "text",
        ),
        (
            Timestamp,
            vec![tz("2025-01-02T03:04:05Z"), timestamp("2025-01-02T03:04:05")],
            "timestamp with time zone",
        ),
        (
            Timestamp,
            vec![
                words("2007-01-28 21:58:52.996577"),
                words("2007-01-28T21:58:52"),
                words("2007-01-28"),
                timestamp("2007-01-28T21:58:52.5"),
            ],
            "timestamp without time zone",
        ),
        (
            Timestamp,
            vec![words("2007-01-28 21:58:52.1234567")],
            "text",
        ),
        (Timestamp, vec![words("2007-01-28 21:58:60")], "text"),
        (Timestamp, vec![words("2007-01-28 21:58")], "text"),
        (Timestamp, vec![words("now")], "text"),
        (
            TimestampTz,
            vec![
                words("2007-01-28 21:58:52+00"),
                words("2007-01-28 21:58:52.123456+00:00"),
                words("2007-01-28T21:58:52Z"),
                words("2007-01-28 21:58:52.5+0000"),
                tz("2007-01-28T21:58:52Z"),
            ],
            "timestamp with time zone",
        ),
        (TimestampTz, vec![words("2007-01-28 21:58:52+02")], "text"),
        (
            Date,
            vec![words("2025-01-02 03:04:05"), words("2025-01-02")],
            "timestamp without time zone",
        ),
        (
            TimestampTz,
            vec![
                tz("2025-01-02T03:04:05.999999Z"),
                timestamp("2025-03-30T02:30:00"),
            ],
            "timestamp with time zone",
        ),
        (TimestampTz, vec![tz("-0044-03-15T00:00:00Z")], "text"),
        (
            Boolean,
            vec![Value::Boolean(false), Value::Boolean(true)],
            "boolean",
        ),
        (Boolean, vec![words("yes")], "text"),
        (
            Uuid,
            vec![words("01010101-0101-0101-0101-0101010101ab")],
            "uuid",
        ),
        (
            Uuid,
            vec![words("01010101-0101-0101-0101-0101010101AB")],
            "text",
        ),
    ]
}

fn documents() -> Vec<Edge> {
    use DataType::{Bytea, Json, Jsonb};
    let labels = |labels: &[&str]| {
        DataType::Enum("e".into(), labels.iter().map(|l| l.to_string()).collect())
    };
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        (
            Json,
            vec![
                words("{\"a\":1,\"a\":2}"),
                words("\"\\u0000\""),
                int(5),
                json(" [1e999] "),
            ],
            "json",
        ),
        (Json, vec![words("{\"a\":\"\\ud800\"}")], "json"),
        (Json, vec![json(&deep(100))], "json"),
        (Json, vec![json(&deep(50_000))], "text"),
        (Json, vec![words("{'a':1}")], "text"),
        (Json, vec![words("")], "text"),
        (
            Jsonb,
            vec![
                words("{\"b\": [1, 2.50, null], \"a\": \"\\u00e9\"}"),
                Value::Boolean(true),
                json("1e2"),
            ],
            "jsonb",
        ),
        (Jsonb, vec![words("\"\\u0000\"")], "json"),
        (Jsonb, vec![words("\"\\ud800\"")], "json"),
        (Jsonb, vec![words("{\"a\":1,\"a\":2}")], "json"),
        (Jsonb, vec![words("[1e999999]")], "json"),
        (Jsonb, vec![words("nope")], "text"),
        (
            Bytea,
            vec![
                Value::Bytea(vec![0, 92, 255]),
                words("\\xABcd"),
                words("\\x"),
            ],
            "bytea",
        ),
        (Bytea, vec![words("\\xabc")], "text"),
        (Bytea, vec![words("plain"), Value::Bytea(vec![1])], "text"),
        (
            labels(&["a", "", "it's \\ \n"]),
            vec![label("a"), label(""), label("it's \\ \n")],
            "e",
        ),
        (labels(&["z"]), vec![label("z")], "text"),
        (
            DataType::Enum("bad".into(), vec!["x".into(), "x".into()]),
            vec![label("x")],
            "text",
        ),
        (
            DataType::Enum("long".into(), vec!["x".repeat(64)]),
            vec![label(&"x".repeat(64))],
            "text",
        ),
    ]
}

pub fn edges() -> Vec<Edge> {
    [numbers(), texts(), moments(), documents()].concat()
}

#[test]
fn a_value_never_stops_the_load_and_widens_its_column_only_where_it_must() {
    let mut server = fresh(Family::V1_4);
    let edges = edges();
    for (at, (of, values, _)) in edges.iter().enumerate() {
        let name = format!("t{at:03}");
        let made = table(&name, vec![column("c", of.clone())]);
        let rows = values
            .iter()
            .chain([&Value::Null])
            .map(|value| row(vec![value.clone()]));
        push(
            &mut server.instance,
            Table {
                rows: rows.collect(),
                ..made
            },
        );
    }
    let files = on_disk(&loaded(Family::V1_4, server).killed());
    let directory = text(files.path());
    let run = inspect(["dump", &directory]).exits(0);
    let expected = dumped(&inspect(["dump", &directory, "--format=jsonl", "--typed"]).exits(0));
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    let shown = tables(&server, "postgres_rustdb");
    for (at, (declared, values, of)) in edges.iter().enumerate() {
        let found = &shown[&format!("t{at:03}")].columns[0].1;
        assert_eq!(found, of, "t{at:03}: {declared:?} {values:?}");
    }
    let rows = assert_holds(&server, &run.stdout, &expected, "edges");
    assert_eq!(
        rows,
        edges
            .iter()
            .map(|(_, values, _)| values.len() + 1)
            .sum::<usize>()
    );
}

pub fn row(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

fn push(instance: &mut crate::support::model::Instance<3>, table: Table) {
    let (_, database) = &mut instance.databases[0];
    database.tables.push((table.name.clone(), table));
}

fn unique(name: &str, of: DataType) -> Column {
    Column {
        unique: Since(true),
        ..column(name, of)
    }
}

fn not_null(name: &str, of: DataType) -> Column {
    Column {
        nullable: false,
        ..column(name, of)
    }
}

/// Tables whose constraints hold for the old server and not for PostgreSQL, or
/// for neither.
fn constrained() -> Vec<Table> {
    use DataType::{Char, Integer, Json, Real, Text, Timestamp, Uuid};
    let with = |name: &str, columns: Vec<Column>, rows: Vec<Vec<Value>>| Table {
        rows: rows.into_iter().map(row).collect(),
        ..table(name, columns)
    };
    let one = |values: Vec<Value>| values.into_iter().map(|value| vec![value]).collect();
    // No two bytes alike, so that nothing is gained by packing them.
    let mut seed = 7_u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (seed >> 16) % 20_000).unwrap()
    };
    let long: String = (0..3000).map(|_| noise()).collect();
    vec![
        with(
            "holds",
            vec![key("id", Integer)],
            one(vec![Value::SmallInt(1), int(2)]),
        ),
        with(
            "tags",
            vec![key("id", Integer)],
            one(vec![Value::SmallInt(5), int(5)]),
        ),
        with(
            "zeros",
            vec![unique("c", Real)],
            one(vec![real(0.0), real(-0.0)]),
        ),
        with(
            "scales",
            vec![unique("c", SHORT)],
            one(vec![numeric("1.5"), numeric("1.50")]),
        ),
        with(
            "blanks",
            vec![unique("c", Text)],
            one(vec![words("a"), words("a ")]),
        ),
        with(
            "shapes",
            vec![unique("c", Text)],
            one(vec![words("2025-01-02"), date("2025-01-02")]),
        ),
        with(
            "midnight",
            vec![unique("c", Timestamp)],
            one(vec![timestamp("2025-01-02T00:00:00"), date("2025-01-02")]),
        ),
        with(
            "chars",
            vec![unique("c", Char(2))],
            one(vec![Value::Char("a ".into()), Value::Char("b ".into())]),
        ),
        with(
            "nulls",
            vec![unique("c", Uuid)],
            one(vec![Value::Null, Value::Null]),
        ),
        with(
            "null_key",
            vec![key("id", Integer)],
            one(vec![Value::Null, int(1)]),
        ),
        with(
            "null_value",
            vec![not_null("c", Integer)],
            one(vec![Value::Null]),
        ),
        with("documents", vec![unique("c", Json)], one(vec![json("1")])),
        with(
            "two_keys",
            vec![key("a", Integer), key("b", Integer)],
            vec![vec![int(1), int(1)]],
        ),
        with("long", vec![unique("c", Text)], one(vec![words(&long)])),
        with(
            "child",
            vec![references("c", "holds", "id")],
            one(vec![int(2), Value::Null]),
        ),
        with(
            "orphans",
            vec![references("c", "holds", "id")],
            one(vec![int(3)]),
        ),
        with(
            "of_widened",
            vec![references("c", "holds", "id")],
            one(vec![words("x")]),
        ),
        with(
            "of_nothing",
            vec![references("c", "gone", "id")],
            one(vec![int(1)]),
        ),
        with(
            "of_no_column",
            vec![references("c", "holds", "gone")],
            one(vec![int(1)]),
        ),
        with(
            "of_no_key",
            vec![references("c", "tags", "id")],
            one(vec![int(5)]),
        ),
        with(
            "itself",
            vec![key("id", Integer), references("up", "itself", "id")],
            vec![vec![int(1), int(1)]],
        ),
    ]
}

#[test]
fn a_constraint_is_there_exactly_where_it_holds() {
    let mut server = fresh(Family::V1_4);
    constrained()
        .into_iter()
        .for_each(|table| push(&mut server.instance, table));
    let files = on_disk(&loaded(Family::V1_4, server).killed());
    let directory = text(files.path());
    let run = inspect(["dump", &directory]).exits(0);
    let expected = dumped(&inspect(["dump", &directory, "--format=jsonl", "--typed"]).exits(0));
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    assert_holds(&server, &run.stdout, &expected, "constraints");
    let query = "SELECT conrelid::regclass::text || ' ' || contype::text FROM pg_constraint \
                 WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace";
    let mut found: Vec<String> = server
        .query("postgres_rustdb", query)
        .into_iter()
        .map(|mut record| record.remove(0).unwrap())
        .collect();
    found.sort();
    let expected = [
        "blanks u",
        "chars u",
        "child f",
        "holds p",
        "itself f",
        "itself p",
        "null_key u",
        "nulls u",
        "two_keys p",
        "two_keys u",
    ];
    assert_eq!(found, expected);
    let not_null = "SELECT count(*) FROM pg_attribute WHERE attnotnull AND attnum > 0 \
                    AND attrelid = 'null_value'::regclass";
    assert_eq!(server.value("postgres_rustdb", not_null), "0");
    let left_out = run.stdout.matches("-- constraint-left-out: ").count();
    // Those that are not found, NOT NULL twice, and two keys that became UNIQUE.
    assert_eq!(left_out, 16, "{}", run.stdout);
}

#[test]
fn a_table_that_is_too_wide_comes_as_json() {
    let mut server = fresh(Family::V1_4);
    let columns = |count: usize| -> Vec<Column> {
        let name = |at: usize| format!("c{at}");
        (0..count)
            .map(|at| column(&name(at), DataType::Text))
            .collect()
    };
    let wide = |name: &str, count: usize, value: Value| Table {
        rows: vec![row(vec![value; count])],
        ..table(name, columns(count))
    };
    let text_of = |len: usize| words(&"x".repeat(len));
    // 1,600 columns, but all NULL; 1,601; and 400 whose values fill more than a page.
    push(&mut server.instance, wide("most", 1600, Value::Null));
    push(&mut server.instance, wide("more", 1601, words("a\0b")));
    push(&mut server.instance, wide("full", 400, text_of(100)));
    push(&mut server.instance, wide("fits", 300, text_of(100)));
    let files = on_disk(&loaded(Family::V1_4, server).killed());
    let run = inspect(["dump", &text(files.path())]).exits(0);
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    let shown = tables(&server, "postgres_rustdb");
    let shape = |name: &str| (shown[name].columns.len(), shown[name].rows.len());
    assert_eq!(shape("most"), (1600, 1));
    assert_eq!(shape("fits"), (300, 1));
    assert_eq!((shape("more"), shape("full")), ((1, 1), (1, 1)));
    let object = shown["more"].rows[0][0].as_deref().unwrap();
    let object: serde_json::Value = serde_json::from_str(object).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 1601);
    assert_eq!(object["c1600"], "a\0b");
}
