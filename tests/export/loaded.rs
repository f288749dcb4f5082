//! What a server holds after a load, and whether that is what was stored.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::postgres::Postgres;
use crate::support::run::Rows;

/// One table as the server shows it.
#[derive(Debug, Default)]
pub struct Table {
    /// Names and types of its columns.
    pub columns: Vec<(String, String)>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// Every table of a database.
pub fn tables(server: &Postgres, database: &str) -> BTreeMap<String, Table> {
    let query = "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) \
        FROM pg_class c LEFT JOIN pg_attribute a \
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace \
        ORDER BY c.relname, a.attnum";
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for record in server.query(database, query) {
        let [table, column, of] = <[_; 3]>::try_from(record).unwrap();
        let table = tables.entry(table.unwrap()).or_default();
        table
            .columns
            .extend(column.map(|column| (column, of.unwrap())));
    }
    let quoted = |name: &String| format!("TABLE public.\"{}\"", name.replace('"', "\"\""));
    let queries: Vec<String> = tables.keys().map(quoted).collect();
    let rows = server.copies(database, &queries);
    for (table, rows) in tables.values_mut().zip(rows) {
        table.rows = rows;
    }
    tables
}

/// The names that a script gives in place of the source's.
#[derive(Debug, Default)]
pub struct Names {
    databases: BTreeMap<String, String>,
    tables: BTreeMap<(String, String), String>,
}

impl Names {
    /// Reads them from the script's comments.
    pub fn of(script: &str) -> Names {
        let mut names = Names::default();
        let mut database = String::new();
        for line in script.lines() {
            if let Some(name) = line.strip_prefix("-- database ") {
                database = name.to_owned();
            }
            let Some(change) = line.strip_prefix("-- name-changed: ") else {
                continue;
            };
            let (source, name) = change.rsplit_once(" is ").unwrap();
            let name = unescaped(&name[1..name.len() - 1]);
            if let Some(source) = source.strip_prefix("database ") {
                names.databases.insert(source.to_owned(), name);
            } else if let Some(source) = source.strip_prefix("table ") {
                let key = (database.clone(), source.to_owned());
                names.tables.insert(key, name);
            }
        }
        names
    }

    pub fn database(&self, source: &str) -> String {
        let changed = self.databases.get(&format!("{source:?}"));
        changed.cloned().unwrap_or_else(|| source.to_owned())
    }

    fn table(&self, database: &str, source: &str) -> String {
        let database = format!("{:?}", self.database(database));
        let changed = self.tables.get(&(database, format!("{source:?}")));
        changed.cloned().unwrap_or_else(|| source.to_owned())
    }
}

/// A text as it was before `{:?}`.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().strip_prefix("u{")) {
            ('\\', Some(rest)) => {
                let (digits, rest) = rest.split_once('}').unwrap();
                let code = u32::from_str_radix(digits, 16).unwrap();
                plain.push(char::from_u32(code).unwrap());
                chars = rest.chars();
            }
            ('\\', None) => plain.push(chars.next().unwrap()),
            _ => plain.push(c),
        }
    }
    plain
}

/// Asserts that a server holds these rows, whose values are `[tag, value]`, and
/// no others; how many there are.
pub fn assert_holds(server: &Postgres, script: &str, expected: &Rows, what: &str) -> usize {
    let names = Names::of(script);
    let mut wanted: BTreeMap<String, BTreeMap<String, Vec<Json>>> = BTreeMap::new();
    for ((database, table), rows) in expected {
        let rows = rows.iter().map(|row| serde_json::from_str(row).unwrap());
        let tables = wanted.entry(names.database(database)).or_default();
        tables.insert(names.table(database, table), rows.collect());
    }
    let mut seen = 0;
    for database in server.databases() {
        let mut wanted = wanted.remove(&database).unwrap_or_default();
        for (name, table) in tables(server, &database) {
            let wanted = wanted.remove(&name).unwrap_or_default();
            let place = format!("{what}: {database}.{name}");
            assert_eq!(table.rows.len(), wanted.len(), "{place}");
            seen += wanted.len();
            assert_eq!(stored(&table, &wanted), shown(&table), "{place}");
        }
        assert!(
            wanted.is_empty(),
            "{what}: {database} lacks {:?}",
            wanted.keys()
        );
    }
    assert!(
        wanted.is_empty(),
        "{what}: no databases {:?}",
        wanted.keys()
    );
    seen
}

/// What was stored, in a form that equal values share.
fn stored(table: &Table, rows: &[Json]) -> Vec<Vec<Option<String>>> {
    let holds_nul = |at: usize| {
        let mut texts = rows.iter().filter_map(|row| row[at][1].as_str());
        texts.any(|text| text.contains('\0'))
    };
    let as_bytes: Vec<bool> = (0..table.columns.len()).map(holds_nul).collect();
    let value = |(at, value): (usize, &Json)| {
        let text = match &value[1] {
            Json::Null => return None,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(match table.columns[at].1.as_str() {
            "bytea" if as_bytes[at] => hex(text.as_bytes()),
            "timestamp without time zone" | "timestamp with time zone" if text.len() == 10 => {
                moment(&format!("{text}T00:00:00"))
            }
            of => canonical(&text, of),
        })
    };
    let row = |row: &Json| {
        row.as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(value)
            .collect()
    };
    sorted(rows.iter().map(row).collect())
}

fn shown(table: &Table) -> Vec<Vec<Option<String>>> {
    let row = |row: &Vec<Option<String>>| {
        let values = row.iter().zip(&table.columns);
        values
            .map(|(text, (_, of))| text.as_ref().map(|text| canonical(text, of)))
            .collect()
    };
    sorted(table.rows.iter().map(row).collect())
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

/// One form for equal values of a type.
fn canonical(text: &str, of: &str) -> String {
    match of {
        "smallint" | "bigint" | "numeric" => decimal(text),
        numeric if numeric.starts_with("numeric(") => decimal(text),
        "double precision" => match text.parse::<f64>().unwrap() {
            nan if nan.is_nan() => "NaN".to_owned(),
            double => format!("{:016x}", double.to_bits()),
        },
        "boolean" => text.chars().next().unwrap().to_string(),
        "timestamp without time zone" | "timestamp with time zone" => moment(text),
        "jsonb" => as_doubles(serde_json::from_str(text).unwrap()).to_string(),
        "bytea" => text.to_ascii_lowercase(),
        // Text of any kind: every character counts.
        _ => text.to_owned(),
    }
}

/// A document whose numbers do not tell how they were written.
fn as_doubles(document: Json) -> Json {
    match document {
        Json::Number(number) => number.as_f64().into(),
        Json::Array(items) => items.into_iter().map(as_doubles).collect(),
        Json::Object(entries) => {
            let entries = entries.into_iter();
            entries
                .map(|(name, item)| (name, as_doubles(item)))
                .collect()
        }
        other => other,
    }
}

/// Without superfluous zeros.
fn decimal(text: &str) -> String {
    if let Some((_, exponent)) = text.split_once(['e', 'E']) {
        assert!(exponent.parse::<i32>().is_ok(), "{text}");
        return decimal(&text.parse::<f64>().unwrap().to_string());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    match (whole, fraction) {
        ("", "") => "0".to_owned(),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// `2025-01-02 03:04:05.12`, without a zone, which is always UTC.
fn moment(text: &str) -> String {
    let text = text.replacen('T', " ", 1);
    let zones = ["Z", "+00:00", "+0000", "+00"];
    let zone = zones.iter().find_map(|zone| text.strip_suffix(zone));
    let text = zone.unwrap_or(&text);
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            format!("{whole}{dot}{fraction}")
        }
        None => text.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}
