//! What the tool makes of each fixture against what the server that left it
//! held in memory: every version of every row, columns, sequences, and whose
//! each record of the tail is.

use std::collections::BTreeMap;
use std::path::Path;

use rustdb_migrate::commands::{Backend, Directory, OpenOptions};
use rustdb_migrate::legacy::{LegacyDir, Wal};
use rustdb_migrate::recovery::{Confidence, Recovery, Request};

use crate::support::builder::{self, Fixture};
use crate::support::convert::instance_of;
use crate::support::model::{Database, Family, Map};
use crate::support::truth::Class;

fn open(fixture: &Fixture, request: Request) -> Directory {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let options = OpenOptions {
        recovery: request,
        ..OpenOptions::default()
    };
    Directory::open(&root.join(fixture.name).join("data"), &options).unwrap()
}

fn legacy(directory: &Directory) -> (&LegacyDir, &Recovery) {
    match directory.backend() {
        Backend::Legacy { legacy, recovery } => (legacy, recovery),
        Backend::Ours(_) => panic!("not a legacy directory"),
    }
}

/// Database by sequence of the records that have an effect, and of the others.
type Owners = (BTreeMap<u64, String>, BTreeMap<u64, String>);

/// Whose the tool says the records are, however sure it is.
fn owners(wal: &Wal, recovery: &Recovery) -> Owners {
    let (mut effective, mut failed) = Owners::default();
    for attributed in &recovery.attribution.tail {
        let sequence = wal.records[attributed.record].sequence;
        let of_kind = match attributed.no_effect {
            None => &mut effective,
            Some(_) => &mut failed,
        };
        if let Some(database) = attributed.database.as_deref() {
            of_kind.insert(sequence, database.to_owned());
        }
    }
    (effective, failed)
}

/// Fields that a family does not write are not in the truth either.
fn as_written(family: Family, databases: &Map<Database>) -> Map<Database> {
    let mut databases = databases.clone();
    for (_, database) in &mut databases {
        if family < Family::V1_10 {
            database.views.0.clear();
        }
        if family < Family::V2_3 {
            database.table_metadata.0.clear();
        }
        for (_, table) in &mut database.tables {
            if family < Family::V2_3 {
                table.owner.0.clear();
            }
            if family < Family::V1_4 {
                table.columns.iter_mut().for_each(|c| c.unique.0 = false);
            }
        }
    }
    databases
}

/// Asserts that the tool recovers exactly what the server held.
fn assert_recovered(fixture: &Fixture, request: Request) {
    let directory = open(fixture, request);
    let (read, recovery) = legacy(&directory);
    let owners = owners(&read.wal, recovery);
    let truth = &fixture.truth;
    assert_eq!(owners.0, truth.tail, "{}", fixture.name);
    // Whose a failed statement was need not be known: it changed nothing.
    let known = owners.1.iter();
    let mut wrong = known.filter(|(at, owner)| truth.no_effect.get(*at) != Some(*owner));
    assert_eq!(wrong.next(), None, "{}", fixture.name);
    let found = instance_of(directory.catalog(), &directory)
        .unwrap()
        .databases;
    let family = truth.family.unwrap_or(Family::V1_4);
    let expected = as_written(family, &truth.databases);
    assert_eq!(found.len(), expected.len(), "{}", fixture.name);
    for ((_, found), (_, expected)) in found.iter().zip(&expected) {
        assert_eq!(found.name, expected.name, "{}", fixture.name);
        // Tables of the tail may stand anywhere: the map has no order.
        let by_name = |tables: &Map<_>| tables.iter().cloned().collect::<BTreeMap<_, _>>();
        assert_eq!(
            by_name(&found.tables),
            by_name(&expected.tables),
            "{}",
            fixture.name
        );
    }
}

fn of_class(class: Class) -> Vec<Fixture> {
    let mut all = builder::all();
    all.retain(|fixture| fixture.truth.class == class);
    all
}

/// Whether only a foreign key says whose a table of the tail is.
fn needs_foreign_keys(fixture: &Fixture) -> bool {
    fixture.name.starts_with("family_")
}

#[test]
fn decidable_fixtures_are_recovered_exactly() {
    let mut fixtures = of_class(Class::Decidable);
    fixtures.retain(|fixture| !needs_foreign_keys(fixture));
    assert_eq!(fixtures.len(), 12);
    for fixture in &fixtures {
        assert_recovered(fixture, Request::default());
    }
}

#[test]
fn every_family_is_recovered_exactly_when_told_whose_the_new_table_is() {
    for fixture in of_class(Class::Decidable)
        .iter()
        .filter(|f| needs_foreign_keys(f))
    {
        let mut request = Request::default();
        request.decisions.assign("order_lines=shop").unwrap();
        assert_recovered(fixture, request);
    }
}

#[test]
fn every_family_is_recovered_exactly_by_its_foreign_keys() {
    for fixture in of_class(Class::Decidable)
        .iter()
        .filter(|f| needs_foreign_keys(f))
    {
        assert_recovered(fixture, Request::default());
    }
}

#[test]
fn twins_are_certain_of_nothing() {
    let fixtures = of_class(Class::Undecidable);
    assert_eq!(fixtures.len(), 1);
    let directory = open(&fixtures[0], Request::default());
    let (_, recovery) = legacy(&directory);
    let counts = recovery.attribution.counts();
    assert_eq!(
        (counts.ambiguous, counts.certain, counts.probable),
        (3, 0, 0)
    );
    assert_eq!(recovery.set_aside.len(), 3);
}

#[test]
fn what_is_called_certain_is_true() {
    let mut certain = 0;
    for fixture in of_class(Class::Decidable)
        .iter()
        .chain(&of_class(Class::Undecidable))
    {
        let directory = open(fixture, Request::default());
        let (read, recovery) = legacy(&directory);
        for attributed in &recovery.attribution.tail {
            if attributed.confidence != Confidence::Certain {
                continue;
            }
            let sequence = read.wal.records[attributed.record].sequence;
            let truth = match attributed.no_effect {
                None => fixture.truth.tail.get(&sequence),
                Some(_) => fixture.truth.no_effect.get(&sequence),
            };
            assert_eq!(
                attributed.database.as_deref(),
                truth.map(String::as_str),
                "{} {sequence}",
                fixture.name
            );
            certain += 1;
        }
    }
    assert!(certain > 30, "{certain}");
}
