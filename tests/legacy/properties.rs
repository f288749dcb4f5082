//! Random snapshots and logs, written by bincode: the tool reads them equal,
//! writes them back alike, and refuses exactly what bincode and the format
//! page's strict rules refuse.

use std::path::Path;

use proptest::prelude::*;
use rustdb_migrate::error::Error;
use rustdb_migrate::legacy::Verdict;

use crate::support::arbitrary;
use crate::support::convert::{instance, reencode, scan};
use crate::support::disk::write;
use crate::support::model::{
    Family, Instance, WalEntry, decode_entry, decode_instance, encode_entry, encode_instance,
    frame, frame_bytes,
};
use crate::support::{strict, wal};

/// What the oracle makes of a snapshot; `None` when it must be refused.
fn oracle(family: Family, bytes: &[u8]) -> Option<Instance> {
    let decoded = decode_instance(family, bytes).ok()?;
    strict::instance(&decoded).ok().map(|()| decoded)
}

/// What the tool makes of a snapshot; damage must have a place in the file.
fn tool(path: &Path, family: Family, len: usize) -> Option<Instance> {
    match scan(path, Some(family)) {
        Ok(snapshot) => Some(instance(&snapshot).unwrap()),
        Err(Error::Damage(damage)) => {
            assert!(damage.offset <= len as u64, "{damage}");
            assert_eq!(damage.file, path);
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// Checks what the tool makes of a snapshot whose family it must find: what the
/// oracle's readings demand. Bytes valid under two families with other content
/// exist (a foreign key to a table called NUL is one) and need a decision.
fn found_without_help(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let valid = Family::ALL.into_iter();
    let valid: Vec<_> = valid
        .filter_map(|family| oracle(family, bytes).map(|read| (family, read)))
        .collect();
    let same = valid.windows(2).all(|pair| pair[0].1 == pair[1].1);
    match (scan(path, None), valid.last()) {
        (Err(Error::Damage(_)), None) => Ok(()),
        (Err(Error::NeedsDecision(_)), Some(_)) if !same => Ok(()),
        (Ok(found), Some((newest, read))) if same => {
            let accepted = found.accepted().map(|family| family.to_string());
            let accepted: Vec<_> = accepted.collect();
            let names: Vec<_> = valid.iter().map(|(family, _)| family.name()).collect();
            assert_eq!(accepted, names);
            assert_eq!(found.family.to_string(), newest.name());
            assert_eq!(instance(&found).unwrap(), *read);
            Ok(())
        }
        (outcome, _) => Err(format!(
            "{names} valid, same {same}: {outcome:?}",
            names = valid.len()
        )),
    }
}

/// Bytes changed in one of the ways that disks and editors know.
fn mutated(bytes: &[u8], kind: u8, at: prop::sample::Index, with: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let index = at.index(bytes.len());
    match kind {
        0 => changed[index] ^= with.max(1),
        1 => changed.truncate(index),
        2 => changed.insert(index, with),
        3 => drop(changed.remove(index)),
        _ => changed[index..].fill(with),
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_snapshots_are_read_equal_and_written_back_alike(
        family in arbitrary::family(), original in arbitrary::instance()
    ) {
        let bytes = encode_instance(family, &original);
        let expected = oracle(family, &bytes).unwrap();
        let path = write(&bytes);
        let forced = scan(&path, Some(family)).unwrap();
        prop_assert_eq!(instance(&forced).unwrap(), expected.clone());
        prop_assert_eq!(reencode(&forced, None), bytes.clone());

        prop_assert_eq!(found_without_help(&path, &bytes), Ok(()));
    }

    #[test]
    fn changed_snapshots_are_refused_exactly_when_the_oracle_refuses(
        family in arbitrary::family(), original in arbitrary::instance(),
        kind in 0u8..5, at in any::<prop::sample::Index>(), with in any::<u8>()
    ) {
        let bytes = encode_instance(family, &original);
        let changed = mutated(&bytes, kind, at, with);
        let path = write(&changed);
        for family in Family::ALL {
            let expected = oracle(family, &changed);
            prop_assert_eq!(tool(&path, family, changed.len()), expected, "{}", family.name());
        }
        prop_assert_eq!(found_without_help(&path, &changed), Ok(()));
    }

    #[test]
    fn random_records_are_read_equal(family in arbitrary::family(), log in arbitrary::log(0..8)) {
        // A whole record stands behind them, so that zeros at the end of one are
        // no space that was never written.
        let after = log.last().map_or(1, |entry| entry.sequence.saturating_add(1));
        let last = wal::insert(after);
        let frames = log.iter().chain([&last]).map(|entry| frame(family, entry));
        let read = wal::read(family, &[frames.collect::<Vec<_>>().concat()]);
        prop_assert_eq!(read.verdict(), Verdict::Clean);
        let expected: Vec<WalEntry> = log
            .iter()
            .map(|entry| decode_entry(family, &encode_entry(family, entry)).unwrap())
            .collect();
        let mut entries = wal::entries(&read);
        prop_assert_eq!(entries.pop().map(|entry| entry.sequence), Some(after));
        prop_assert_eq!(entries, expected);
        wal::assert_covered(&read);
    }

    #[test]
    fn a_changed_record_is_refused_exactly_when_the_oracle_refuses(
        family in arbitrary::family(), operation in arbitrary::operation(),
        kind in 0u8..5, at in any::<prop::sample::Index>(), with in any::<u8>()
    ) {
        let entry = WalEntry { sequence: 5, timestamp: 6, operation };
        let changed = mutated(&encode_entry(family, &entry), kind, at, with);
        let decoded = decode_entry(family, &changed).ok();
        let expected = decoded.filter(|entry| strict::entry(entry).is_ok());
        // A whole record stands behind it, so that nothing counts as torn.
        let last = wal::insert(u64::MAX);
        let segment = [frame_bytes(&changed), frame(family, &last)].concat();
        let read = wal::read(family, &[segment]);
        wal::assert_covered(&read);
        let mut records = wal::entries(&read);
        let end = records.pop().filter(|entry| entry.sequence == u64::MAX);
        match expected {
            Some(entry) => {
                prop_assert!(end.is_some());
                prop_assert_eq!(records, vec![entry]);
            }
            None => {
                prop_assert_eq!(read.verdict(), Verdict::DamagedMiddle);
                prop_assert_eq!(read.bad[0].offset, 0);
            }
        }
    }

    #[test]
    fn a_changed_log_loses_no_record_before_the_change(
        log in arbitrary::log(1..8), kind in 0u8..5, at in any::<prop::sample::Index>(), with in any::<u8>()
    ) {
        // The one family that keeps every field.
        let family = Family::V2_3;
        let frames: Vec<Vec<u8>> = log.iter().map(|entry| frame(family, entry)).collect();
        let bytes = frames.concat();
        let index = at.index(bytes.len());
        // A whole record stands behind it, as above.
        let last = frame(family, &wal::insert(u64::MAX));
        let read = wal::read(family, &[[mutated(&bytes, kind, at, with), last].concat()]);
        wal::assert_covered(&read);
        let mut end = 0;
        let untouched = frames.iter().take_while(|frame| {
            end += frame.len();
            end <= index
        });
        let untouched = untouched.count();
        // A changed sequence number changes the order.
        let mut entries = wal::entries(&read);
        for before in &log[..untouched] {
            let at = entries.iter().position(|entry| entry == before);
            prop_assert!(at.is_some(), "{before:?}");
            entries.remove(at.unwrap());
        }
    }
}
