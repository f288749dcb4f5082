//! What a perfect tool gets out of a fixture, as JSON in the shapes that
//! scripts rely on: a value is `[tag, value]`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::model::{Database, Family, Instance, Map, Table, Value};

/// How the tool must judge a fixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The files determine the answer.
    Decidable,
    /// Two databases that nothing separates.
    Undecidable,
    /// Refused; `databases` is what the server held.
    Damaged,
    /// The snapshot does not hold the rows; `databases` is what can be kept.
    Salvage,
}

/// The truth about one fixture.
pub struct Truth {
    /// What the fixture shows, in a sentence.
    pub note: &'static str,
    /// The family; `None` where several have the same bytes.
    pub family: Option<Family>,
    pub class: Class,
    pub databases: Map<Database>,
    pub tail: BTreeMap<u64, String>,
    pub no_effect: BTreeMap<u64, String>,
    /// The log's verdict and its readable records.
    pub wal: (&'static str, usize),
}

impl Truth {
    pub fn new(note: &'static str, family: Family, class: Class) -> Self {
        Truth {
            note,
            family: Some(family),
            class,
            databases: Instance::<3>::default().databases,
            tail: BTreeMap::new(),
            no_effect: BTreeMap::new(),
            wal: ("clean", 0),
        }
    }

    /// One line a row, so that a difference can be read.
    pub fn to_json(&self) -> String {
        let class = match self.class {
            Class::Decidable => "decidable",
            Class::Undecidable => "undecidable",
            Class::Damaged => "damaged",
            Class::Salvage => "salvage",
        };
        let mut out = String::from("{\n\"schema\":1,\n");
        let mut field = |name: &str, value: Json| {
            out.push_str(&format!("{}:{value},\n", json!(name)));
        };
        field("note", json!(self.note));
        field("family", json!(self.family.map(Family::name)));
        field("class", json!(class));
        field("wal", json!({"verdict": self.wal.0, "records": self.wal.1}));
        field("tail", sequences(&self.tail));
        field("no_effect", sequences(&self.no_effect));
        let databases: Vec<_> = self.databases.iter().map(|(_, d)| database(d)).collect();
        out.push_str(&format!("\"databases\":{{{}}}\n}}\n", databases.join(",")));
        out
    }
}

fn sequences(map: &BTreeMap<u64, String>) -> Json {
    let pairs = map.iter().map(|(k, v)| (k.to_string(), json!(v)));
    Json::Object(pairs.collect())
}

fn database(database: &Database) -> String {
    let tables: Vec<_> = database.tables.iter().map(|(_, t)| table(t)).collect();
    format!("\n{}:{{{}}}", json!(database.name), tables.join(","))
}

fn table(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|c| &c.name).collect();
    let visible = table.rows.iter().filter(|row| row.xmax.is_none());
    let rows: Vec<_> = visible
        .map(|row| {
            let values: Vec<_> = row.values.iter().map(tagged).collect();
            format!("\n{}", Json::Array(values))
        })
        .collect();
    let (name, columns) = (json!(table.name), json!(columns));
    format!(
        "\n{name}:{{\"columns\":{columns},\"rows\":[{}]}}",
        rows.join(",")
    )
}

/// A value as `[tag, value]`.
pub fn tagged(value: &Value) -> Json {
    match value {
        Value::Null => json!(["Null", null]),
        Value::SmallInt(v) => json!(["SmallInt", v]),
        Value::Integer(v) => json!(["Integer", v]),
        Value::Real(bits) => json!(["Real", real(f64::from_bits(*bits))]),
        Value::Numeric(v) => json!(["Numeric", v]),
        Value::Text(v) => json!(["Text", v]),
        Value::Char(v) => json!(["Char", v]),
        Value::Boolean(v) => json!(["Boolean", v]),
        Value::Date(v) => json!(["Date", v]),
        Value::Timestamp(v) => json!(["Timestamp", v]),
        Value::TimestampTz(v) => json!(["TimestampTz", v]),
        Value::Uuid(v) => json!(["Uuid", hyphenated(v)]),
        Value::Json(v) => json!(["Json", v]),
        Value::Bytea(v) => json!(["Bytea", format!("\\x{}", hex(v))]),
        Value::Enum(_, label) => json!(["Enum", label]),
    }
}

fn real(value: f64) -> Json {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hyphenated(bytes: &[u8]) -> String {
    let parts = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ];
    parts.map(hex).join("-")
}
