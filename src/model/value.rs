//! One value of a row, owned ([`Value`]) and borrowed ([`ValueRef`]).
//!
//! Decimals, dates and timestamps stay the text they were stored as: no
//! library prints back every text that the server could write, and a value
//! that nobody re-parses cannot be changed by accident.

/// A value that owns its bytes. Its variant is the stored tag, which need not
/// match the type of its column (format page, "Values").
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// 16-bit integer.
    SmallInt(i16),
    /// 64-bit integer; also SERIAL and BIGSERIAL values.
    Integer(i64),
    /// IEEE 754 double; every bit is kept, also those of a NaN.
    Real(f64),
    /// Exact decimal, as the text it was stored as.
    Numeric(String),
    /// Text of any length.
    Text(String),
    /// Blank-padded text of a CHAR(n) column.
    Char(String),
    /// Truth value.
    Boolean(bool),
    /// Calendar date, `2025-01-02`.
    Date(String),
    /// Timestamp without zone, `2025-01-02T03:04:05`.
    Timestamp(String),
    /// Timestamp in UTC, `2025-01-02T03:04:05Z`.
    TimestampTz(String),
    /// 16 bytes of a UUID.
    Uuid([u8; 16]),
    /// JSON text, not parsed.
    Json(String),
    /// Raw bytes.
    Bytea(Vec<u8>),
    /// A label of an enum type.
    Enum {
        /// Name of the enum type.
        type_name: String,
        /// The label itself.
        label: String,
    },
}

/// A value that borrows its bytes from a file window or from a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// See [`Value::Null`].
    Null,
    /// See [`Value::SmallInt`].
    SmallInt(i16),
    /// See [`Value::Integer`].
    Integer(i64),
    /// See [`Value::Real`].
    Real(f64),
    /// See [`Value::Numeric`].
    Numeric(&'a str),
    /// See [`Value::Text`].
    Text(&'a str),
    /// See [`Value::Char`].
    Char(&'a str),
    /// See [`Value::Boolean`].
    Boolean(bool),
    /// See [`Value::Date`].
    Date(&'a str),
    /// See [`Value::Timestamp`].
    Timestamp(&'a str),
    /// See [`Value::TimestampTz`].
    TimestampTz(&'a str),
    /// See [`Value::Uuid`].
    Uuid([u8; 16]),
    /// See [`Value::Json`].
    Json(&'a str),
    /// See [`Value::Bytea`].
    Bytea(&'a [u8]),
    /// See [`Value::Enum`].
    Enum {
        /// Name of the enum type.
        type_name: &'a str,
        /// The label itself.
        label: &'a str,
    },
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::SmallInt(v) => ValueRef::SmallInt(*v),
            Value::Integer(v) => ValueRef::Integer(*v),
            Value::Real(v) => ValueRef::Real(*v),
            Value::Numeric(v) => ValueRef::Numeric(v),
            Value::Text(v) => ValueRef::Text(v),
            Value::Char(v) => ValueRef::Char(v),
            Value::Boolean(v) => ValueRef::Boolean(*v),
            Value::Date(v) => ValueRef::Date(v),
            Value::Timestamp(v) => ValueRef::Timestamp(v),
            Value::TimestampTz(v) => ValueRef::TimestampTz(v),
            Value::Uuid(v) => ValueRef::Uuid(*v),
            Value::Json(v) => ValueRef::Json(v),
            Value::Bytea(v) => ValueRef::Bytea(v),
            Value::Enum { type_name, label } => ValueRef::Enum { type_name, label },
        }
    }

    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl<'a> ValueRef<'a> {
    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// Copies the bytes into a [`Value`].
    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::Null => Value::Null,
            ValueRef::SmallInt(v) => Value::SmallInt(v),
            ValueRef::Integer(v) => Value::Integer(v),
            ValueRef::Real(v) => Value::Real(v),
            ValueRef::Numeric(v) => Value::Numeric(v.into()),
            ValueRef::Text(v) => Value::Text(v.into()),
            ValueRef::Char(v) => Value::Char(v.into()),
            ValueRef::Boolean(v) => Value::Boolean(v),
            ValueRef::Date(v) => Value::Date(v.into()),
            ValueRef::Timestamp(v) => Value::Timestamp(v.into()),
            ValueRef::TimestampTz(v) => Value::TimestampTz(v.into()),
            ValueRef::Uuid(v) => Value::Uuid(v),
            ValueRef::Json(v) => Value::Json(v.into()),
            ValueRef::Bytea(v) => Value::Bytea(v.into()),
            ValueRef::Enum { type_name, label } => Value::Enum {
                type_name: type_name.into(),
                label: label.into(),
            },
        }
    }

    /// The text of a value that is stored as text; of an enum, its label.
    pub fn as_text(&self) -> Option<&'a str> {
        match *self {
            ValueRef::Numeric(text)
            | ValueRef::Text(text)
            | ValueRef::Char(text)
            | ValueRef::Date(text)
            | ValueRef::Timestamp(text)
            | ValueRef::TimestampTz(text)
            | ValueRef::Json(text)
            | ValueRef::Enum { label: text, .. } => Some(text),
            ValueRef::Null
            | ValueRef::SmallInt(_)
            | ValueRef::Integer(_)
            | ValueRef::Real(_)
            | ValueRef::Boolean(_)
            | ValueRef::Uuid(_)
            | ValueRef::Bytea(_) => None,
        }
    }

    /// The name of the tag, as `dump --typed` prints it.
    pub fn tag_name(&self) -> &'static str {
        match self {
            ValueRef::Null => "Null",
            ValueRef::SmallInt(_) => "SmallInt",
            ValueRef::Integer(_) => "Integer",
            ValueRef::Real(_) => "Real",
            ValueRef::Numeric(_) => "Numeric",
            ValueRef::Text(_) => "Text",
            ValueRef::Char(_) => "Char",
            ValueRef::Boolean(_) => "Boolean",
            ValueRef::Date(_) => "Date",
            ValueRef::Timestamp(_) => "Timestamp",
            ValueRef::TimestampTz(_) => "TimestampTz",
            ValueRef::Uuid(_) => "Uuid",
            ValueRef::Json(_) => "Json",
            ValueRef::Bytea(_) => "Bytea",
            ValueRef::Enum { .. } => "Enum",
        }
    }

    /// Equality as the server's keys use it: the tag and the value, so that
    /// SmallInt 5 differs from Integer 5, and doubles by their bits, so that a
    /// NaN equals itself.
    pub fn same(&self, other: &ValueRef<'_>) -> bool {
        match (self, other) {
            (ValueRef::Real(a), ValueRef::Real(b)) => a.to_bits() == b.to_bits(),
            _ => self == other,
        }
    }
}
