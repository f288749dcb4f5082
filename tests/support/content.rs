//! Databases, tables and rows that the fixtures are made of.

use super::model::{
    Column, DataType, Database, Family, Instance, Map, Metadata, Privilege, Role, Row, Since,
    Table, User, Value,
};
use super::server::Server;

pub const START: u64 = 1_700_000_000;

pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}

pub fn int(value: i64) -> Value {
    Value::Integer(value)
}

fn real(value: f64) -> Value {
    Value::Real(value.to_bits())
}

pub fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        data_type,
        nullable: true,
        primary_key: false,
        unique: Since(false),
        foreign_key: None,
    }
}

pub fn key(name: &str, data_type: DataType) -> Column {
    Column {
        nullable: false,
        primary_key: true,
        ..column(name, data_type)
    }
}

pub fn references(name: &str, table: &str, referenced: &str) -> Column {
    Column {
        foreign_key: Some((table.into(), referenced.into())),
        ..column(name, DataType::Integer)
    }
}

/// A table without rows; its sequences start at 1.
pub fn table(name: &str, columns: Vec<Column>) -> Table {
    let serial = |c: &&Column| matches!(c.data_type, DataType::Serial | DataType::BigSerial);
    let sequences = columns.iter().filter(serial).map(|c| (c.name.clone(), 1));
    Table {
        name: name.into(),
        rows: Vec::new(),
        sequences: sequences.collect(),
        owner: Since("postgres".into()),
        columns,
    }
}

fn user(name: &str, hash_digit: char, superuser: bool, roles: &[&str]) -> (String, User) {
    let user = User {
        username: name.into(),
        password_hash: hash_digit.to_string().repeat(64),
        is_superuser: superuser,
        can_create_db: superuser,
        can_create_user: superuser,
        roles: Since(roles.iter().map(|r| r.to_string()).collect()),
    };
    (name.into(), user)
}

pub fn metadata(name: &str, grants: &[(&str, &[Privilege])]) -> (String, Metadata) {
    let privileges = grants
        .iter()
        .map(|(user, set)| (user.to_string(), set.to_vec()));
    let metadata = Metadata {
        name: name.into(),
        owner: "postgres".into(),
        privileges: privileges.collect(),
    };
    (name.into(), metadata)
}

/// What a server makes of an empty directory: one database, one user.
pub fn fresh_instance() -> Instance {
    let database = Database {
        name: "postgres".into(),
        tables: Vec::new(),
        enums: Vec::new(),
        views: Since(Vec::new()),
        table_metadata: Since(Vec::new()),
    };
    Instance {
        databases: vec![("postgres".into(), database)],
        database_metadata: vec![metadata("postgres", &[("postgres", &[Privilege::All])])],
        users: vec![user("postgres", 'a', true, &[])],
        roles: Since(Vec::new()),
    }
}

/// A server on an empty directory.
pub fn fresh(family: Family) -> Server {
    Server::start(family, START, fresh_instance())
}

/// A server that starts on what `before` held when it went; its log is gone.
pub fn loaded(family: Family, before: Server) -> Server {
    Server::start(family, before.clock + 60, before.instance)
}

pub fn customers() -> Table {
    let mail = Column {
        unique: Since(true),
        ..column("mail", DataType::Text)
    };
    let name = column("name", DataType::Varchar(40));
    table("customers", vec![key("id", DataType::Serial), name, mail])
}

pub fn customer(id: i64, name: &str) -> Vec<Value> {
    vec![int(id), text(name), text(&format!("{id}@example.org"))]
}

/// A visible version of these values.
pub fn row(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

pub fn orders() -> Table {
    let total = DataType::Numeric {
        precision: 10,
        scale: 2,
    };
    let columns = vec![
        key("id", DataType::BigSerial),
        references("customer", "customers", "id"),
        column("total", total),
        column("placed", DataType::Timestamp),
    ];
    table("orders", columns)
}

pub fn order(id: i64, customer: i64, total: &str) -> Vec<Value> {
    let placed = Value::Timestamp("2025-01-02T03:04:05".into());
    vec![int(id), int(customer), Value::Numeric(total.into()), placed]
}

pub fn events() -> Table {
    let what = column("what", DataType::Text);
    table("events", vec![key("id", DataType::Serial), what])
}

pub fn event(id: i64) -> Vec<Value> {
    vec![int(id), text("tick")]
}

pub fn moods() -> DataType {
    DataType::Enum("mood".into(), labels())
}

fn labels() -> Vec<String> {
    ["sad", "so so", "happy"].map(String::from).to_vec()
}

/// Three databases whose tables have distinct names, with every catalog part,
/// dead row versions and every value; the server has just started on them.
pub fn populated(family: Family) -> Server {
    let mut server = fresh(family);
    let s = &mut server;
    s.instance.users.push(user("amy", 'b', false, &["clerks"]));
    s.instance
        .users
        .insert(0, user("bob \"\n", 'c', false, &[]));
    s.instance
        .roles
        .0
        .push(role("clerks", &["amy"], &["staff"]));
    s.instance.roles.0.push(role("staff", &[], &[]));
    for name in ["shop", "lab"] {
        s.create_database(name);
        let grants: &[(&str, &[Privilege])] = &[
            ("postgres", &[Privilege::All]),
            ("amy", &[Privilege::Select, Privilege::Connect]),
            ("bob \"\n", &[]),
        ];
        s.instance.database_metadata.push(metadata(name, grants));
    }
    every_value(s);
    shop(s);
    lab(s);
    loaded(family, server)
}

fn role(name: &str, members: &[&str], member_of: &[&str]) -> (String, Role) {
    let strings = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    let role = Role {
        name: name.into(),
        is_superuser: false,
        can_create_db: true,
        can_create_role: false,
        members: strings(members),
        member_of: strings(member_of),
    };
    (name.into(), role)
}

fn shop(s: &mut Server) {
    s.create_table("shop", orders());
    s.create_table("shop", customers());
    s.insert(
        "shop",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    s.insert(
        "shop",
        "customers",
        vec![customer(7, "Cy"), customer(4, "")],
    );
    s.empty_transaction();
    s.update("shop", "customers", vec![(1, customer(2, "Bob"))]);
    // A dead version matches too, so the row is updated twice.
    s.update(
        "shop",
        "customers",
        vec![(1, customer(2, "Rob")), (4, customer(2, "Rob"))],
    );
    s.delete("shop", "customers", &[3]);
    s.insert(
        "shop",
        "orders",
        vec![order(1, 1, "12.50"), order(2, 7, "0.240")],
    );
    let database = s.database("shop");
    let sql = "SELECT id FROM orders WHERE total > 10";
    database.views.0.push(("big_orders".into(), sql.into()));
    let grants: &[(&str, &[Privilege])] = &[("amy", &[Privilege::Insert, Privilege::Update])];
    database.table_metadata.0.push(metadata("orders", grants));
    database.table_metadata.0.push(metadata("customers", &[]));
}

fn lab(s: &mut Server) {
    s.database("lab").enums.push(("mood".into(), labels()));
    s.database("lab").enums.push(("empty".into(), Vec::new()));
    let code = key("code", DataType::Char(6));
    let score = column("score", DataType::Real);
    s.create_table(
        "lab",
        table("samples", vec![code, column("mood", moods()), score]),
    );
    let sample = |code: &str, label: &str, score| {
        let mood = Value::Enum("mood".into(), label.into());
        vec![Value::Char(code.into()), mood, score]
    };
    let rows = vec![
        sample("A1    ", "so so", Value::SmallInt(3)),
        sample("B2    ", "happy", Value::Numeric("2.5".into())),
    ];
    s.insert("lab", "samples", rows);
    s.delete("lab", "samples", &[0]);
}

/// One column of every type and every value that is hard to carry.
fn every_value(s: &mut Server) {
    let types: Map<DataType> = [
        ("small", DataType::SmallInt),
        ("whole", DataType::Integer),
        ("approximate", DataType::Real),
        (
            "exact",
            DataType::Numeric {
                precision: 38,
                scale: 3,
            },
        ),
        ("words", DataType::Text),
        ("padded", DataType::Char(5)),
        ("truth", DataType::Boolean),
        ("day", DataType::Date),
        ("moment", DataType::Timestamp),
        ("instant", DataType::TimestampTz),
        ("name", DataType::Uuid),
        ("document", DataType::Jsonb),
        ("raw", DataType::Bytea),
        ("feeling", moods()),
        ("counter", DataType::Serial),
        ("other", DataType::Json),
    ]
    .map(|(name, data_type)| (name.to_string(), data_type))
    .to_vec();
    let columns = types
        .into_iter()
        .map(|(name, data_type)| column(&name, data_type));
    s.create_table("postgres", table("every_value", columns.collect()));
    let rows = (0..5).map(hard_values).collect();
    s.insert("postgres", "every_value", rows);
    s.insert("postgres", "every_value", vec![vec![Value::Null; 16]]);
}

/// A row of `every_value`, its values as awkward as the files allow.
pub fn hard_values(at: usize) -> Vec<Value> {
    let pick = |of: [&str; 5]| of[at].to_string();
    let bytes: [&[u8]; 5] = [b"", b"\0", b"hi", &[0xff, 0xfe], b"\\x6869"];
    let reals = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324];
    let big = "123456789012345678901234567890123456.789";
    vec![
        Value::SmallInt([i16::MIN, i16::MAX, 0, -1, 1][at]),
        int([i64::MIN, i64::MAX, 0, -1, 1 << 53][at]),
        real(reals[at]),
        Value::Numeric(pick(["0.240", "-0", big, "-0.00", "1e5"])),
        text(
            [
                "",
                "nul\0inside",
                "\u{1f980} \u{10ffff}",
                "\\N\t'\"\r\n",
                "\u{1b}[31m",
            ][at],
        ),
        Value::Char(pick(["     ", "ab   ", "\u{e9}\u{301}   ", "", "abcde"])),
        Value::Boolean(at.is_multiple_of(2)),
        Value::Date(pick([
            "2025-01-02",
            "+12345-01-02",
            "-0044-03-15",
            "0000-01-01",
            "9999-12-31",
        ])),
        Value::Timestamp(pick([
            "2025-01-02T03:04:05",
            "2025-01-02T03:04:05.120",
            "+262142-12-31T23:59:59.999999999",
            "2016-12-31T23:59:60",
            "-0001-01-01T00:00:00",
        ])),
        Value::TimestampTz(pick([
            "2025-01-02T03:04:05Z",
            "2025-01-02T03:04:05.000001Z",
            "+10000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "0001-01-01T00:00:00.5Z",
        ])),
        Value::Uuid([[0; 16], [0xff; 16], [0x12; 16], [1; 16], [0xab; 16]][at].to_vec()),
        Value::Json(pick([
            "{}",
            "{\"a\": [1, null]}",
            "not json",
            "",
            "\"\\u0000\"",
        ])),
        Value::Bytea(bytes[at].to_vec()),
        Value::Enum("mood".into(), pick(["sad", "so so", "happy", "gone", ""])),
        int([1, 2, 3, 4, 5][at]),
        // A tag need not match the column's type.
        [
            Value::Null,
            text("{\"k\": 1}"),
            Value::SmallInt(5),
            int(5),
            Value::Boolean(false),
        ][at]
            .clone(),
    ]
}
