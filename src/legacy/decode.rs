//! Legacy rows, columns and catalog parts, from a cursor. As strict as the
//! values of a row are.

use std::sync::Arc;

use super::Family;
use crate::codec::{Cursor, Flaw, MIN_PLAIN_ROW_LEN, MIN_PLAIN_VALUE_LEN, read_plain_value};
use crate::finding::Code;
use crate::model::{
    Column, DataType, DatabaseGrants, ForeignKey, Operation, PackedRow, Privilege, PrivilegeMap,
    Role, RowRef, Table, TableGrants, User,
};

type Read<T> = Result<T, Flaw>;

/// Fewest bytes of an encoded string: its length.
const MIN_STR_LEN: usize = 8;
/// Fewest bytes of an encoded column: name, type, two booleans, option.
const MIN_COLUMN_LEN: usize = MIN_STR_LEN + 4 + 2 + 1;

/// One row of any arity, packed.
pub(super) fn packed_row(c: &mut Cursor<'_>) -> Read<PackedRow> {
    let bytes = c.rest();
    c.vec(MIN_PLAIN_VALUE_LEN, |c| read_plain_value(c).map(|_| ()))?;
    let len = bytes.len() - c.remaining();
    Ok(PackedRow::of(&RowRef {
        bytes: bytes.get(..len).unwrap_or_default(),
        xmin: c.u64()?,
        xmax: c.option(Cursor::u64)?,
    }))
}

fn string(c: &mut Cursor<'_>) -> Read<String> {
    c.str().map(str::to_owned)
}

fn shared(c: &mut Cursor<'_>) -> Read<Arc<str>> {
    c.str().map(Arc::from)
}

pub(super) fn strings(c: &mut Cursor<'_>) -> Read<Vec<String>> {
    c.vec(MIN_STR_LEN, string)
}

fn data_type(c: &mut Cursor<'_>) -> Read<DataType> {
    let at = c.position();
    Ok(match c.u32()? {
        0 => DataType::SmallInt,
        1 => DataType::Integer,
        2 => DataType::Real,
        3 => DataType::Numeric {
            precision: c.u8()?,
            scale: c.u8()?,
        },
        4 => DataType::Serial,
        5 => DataType::BigSerial,
        6 => DataType::Text,
        7 => DataType::Varchar(c.u64()?),
        8 => DataType::Char(c.u64()?),
        9 => DataType::Boolean,
        10 => DataType::Date,
        11 => DataType::Timestamp,
        12 => DataType::TimestampTz,
        13 => DataType::Uuid,
        14 => DataType::Json,
        15 => DataType::Jsonb,
        16 => DataType::Bytea,
        17 => DataType::Enum {
            name: string(c)?,
            labels: strings(c)?,
        },
        tag => return Cursor::bad(at, Code::BadTag, tag.into(), "a column type tag of 0 to 17"),
    })
}

pub(super) fn column(c: &mut Cursor<'_>, family: Family) -> Read<Column> {
    Ok(Column {
        name: string(c)?,
        data_type: data_type(c)?,
        nullable: c.bool()?,
        primary_key: c.bool()?,
        unique: if family.has_unique() {
            c.bool()?
        } else {
            false
        },
        foreign_key: c.option(|c| {
            Ok(ForeignKey {
                table: string(c)?,
                column: string(c)?,
            })
        })?,
    })
}

/// The name and columns that open a table; its rows follow.
pub(super) fn table_head(c: &mut Cursor<'_>, family: Family) -> Read<(String, Vec<Column>)> {
    let name = string(c)?;
    let columns = c.vec(MIN_COLUMN_LEN, |c| column(c, family))?;
    Ok((name, columns))
}

/// The next values of a table's sequences, and its owner.
type TableTail = (Vec<(String, i64)>, Option<String>);

/// Sequences and owner, which close a table after its rows.
pub(super) fn table_tail(c: &mut Cursor<'_>, family: Family) -> Read<TableTail> {
    let sequences = c.vec(MIN_STR_LEN + 8, |c| Ok((string(c)?, c.i64()?)))?;
    let owner = if family.has_roles() {
        Some(string(c)?)
    } else {
        None
    };
    Ok((sequences, owner))
}

/// A map entry's key, checked against the name that its value holds.
pub(super) fn same_name(at: usize, key: &str, name: &str) -> Read<()> {
    if key == name {
        Ok(())
    } else {
        Cursor::bad(
            at,
            Code::NameMismatch,
            0,
            "a map key equal to the name inside",
        )
    }
}

/// A key, then a value that repeats it as its name.
fn keyed<T>(
    c: &mut Cursor<'_>,
    read: impl FnOnce(&mut Cursor<'_>) -> Read<T>,
    name: impl FnOnce(&T) -> &str,
) -> Read<T> {
    let at = c.position();
    let key = c.str()?;
    let value = read(c)?;
    same_name(at, key, name(&value))?;
    Ok(value)
}

fn privileges(c: &mut Cursor<'_>) -> Read<PrivilegeMap> {
    c.vec(MIN_STR_LEN + 8, |c| {
        let user = string(c)?;
        let set = c.vec(4, |c| {
            let at = c.position();
            let tag = c.u32()?;
            let found = Privilege::ALL.get(tag as usize);
            found.copied().ok_or(Flaw::Bad {
                at,
                code: Code::BadTag,
                found: tag.into(),
                expected: "a privilege of 0 to 6",
            })
        })?;
        Ok((user, set))
    })
}

/// An entry of `database_metadata`.
pub(super) fn database_grants(c: &mut Cursor<'_>) -> Read<DatabaseGrants> {
    let read = |c: &mut Cursor<'_>| {
        Ok(DatabaseGrants {
            database: string(c)?,
            owner: string(c)?,
            privileges: privileges(c)?,
        })
    };
    keyed(c, read, |grants| &grants.database)
}

/// An entry of `table_metadata`.
pub(super) fn table_grants(c: &mut Cursor<'_>) -> Read<TableGrants> {
    let read = |c: &mut Cursor<'_>| {
        Ok(TableGrants {
            table: string(c)?,
            owner: string(c)?,
            privileges: privileges(c)?,
        })
    };
    keyed(c, read, |grants| &grants.table)
}

/// An entry of `users`.
pub(super) fn user(c: &mut Cursor<'_>, family: Family) -> Read<User> {
    let read = |c: &mut Cursor<'_>| {
        Ok(User {
            name: string(c)?,
            password_hash: string(c)?,
            is_superuser: c.bool()?,
            can_create_db: c.bool()?,
            can_create_user: c.bool()?,
            roles: if family.has_roles() {
                strings(c)?
            } else {
                Vec::new()
            },
        })
    };
    keyed(c, read, |user| &user.name)
}

/// An entry of `roles`.
pub(super) fn role(c: &mut Cursor<'_>) -> Read<Role> {
    let read = |c: &mut Cursor<'_>| {
        Ok(Role {
            name: string(c)?,
            is_superuser: c.bool()?,
            can_create_db: c.bool()?,
            can_create_role: c.bool()?,
            members: strings(c)?,
            member_of: strings(c)?,
        })
    };
    keyed(c, read, |role| &role.name)
}

/// An entry of `enums`.
pub(super) fn enum_type(c: &mut Cursor<'_>) -> Read<(String, Vec<String>)> {
    Ok((string(c)?, strings(c)?))
}

/// An entry of `views`.
pub(super) fn view(c: &mut Cursor<'_>) -> Read<(String, String)> {
    Ok((string(c)?, string(c)?))
}

/// The operation of a WAL record.
pub(super) fn operation(c: &mut Cursor<'_>, family: Family) -> Read<Operation> {
    let at = c.position();
    Ok(match c.u32()? {
        0 => {
            let table = shared(c)?;
            let (name, columns) = table_head(c, family)?;
            let rows = c.vec(MIN_PLAIN_ROW_LEN, packed_row)?;
            let (sequences, owner) = table_tail(c, family)?;
            let schema = Table {
                name,
                columns,
                sequences,
                owner,
            };
            Operation::CreateTable {
                table,
                schema: Box::new(schema),
                rows,
            }
        }
        1 => Operation::DropTable { table: shared(c)? },
        2 => Operation::Insert {
            table: shared(c)?,
            row: packed_row(c)?,
        },
        3 => Operation::Update {
            table: shared(c)?,
            index: c.u64()?,
            row: packed_row(c)?,
        },
        4 => Operation::Delete {
            table: shared(c)?,
            index: c.u64()?,
        },
        5 => Operation::Checkpoint {
            timestamp: c.u64()?,
        },
        6 => Operation::AddColumn {
            table: shared(c)?,
            column: Box::new(column(c, family)?),
        },
        7 => Operation::DropColumn {
            table: shared(c)?,
            column: string(c)?,
        },
        8 => Operation::RenameColumn {
            table: shared(c)?,
            old: string(c)?,
            new: string(c)?,
        },
        9 => Operation::RenameTable {
            old: shared(c)?,
            new: string(c)?,
        },
        tag => return Cursor::bad(at, Code::BadTag, tag.into(), "an operation tag of 0 to 9"),
    })
}
