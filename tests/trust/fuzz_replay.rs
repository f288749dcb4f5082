//! The targets of the fuzzer without the fuzzer: seeds made of the fixtures,
//! inputs that were found, and changed ones.

use std::collections::BTreeMap;
use std::path::Path;

use crate::effort::{in_parallel, scaled};
use crate::random::Random;
use crate::support::builder;
use crate::support::content::{customer, row};
use crate::support::hostile::names;
use crate::support::model::{Family, Row, decode_entry, encode_entry};
use crate::support::pages::page;
use crate::table::{End, Line, sum};
use crate::targets::{self, Target};

/// Inputs by target, each a good one to start from.
fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let mut seeds: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut add = |target, bytes: Vec<u8>| seeds.entry(target).or_default().push(bytes);
    for fixture in builder::all() {
        let tag = fixture.truth.family.unwrap_or(Family::V1_4) as u8;
        for (path, bytes) in &fixture.files {
            if path.starts_with("wal/") {
                add("wal_segment", bytes.clone());
                for at in builder::record_offsets(bytes).into_iter().take(12) {
                    let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                    let record = &bytes[at + 4..][..len as usize];
                    add("against_bincode", [&[4 | tag], record].concat());
                }
            } else {
                add("snapshot", bytes.clone());
                add("against_bincode", [&[tag], &bytes[..]].concat());
            }
        }
    }
    for rows in [0, 1, 5] {
        let rows: Vec<Row> = (0..rows).map(|id| row(customer(id, "Ada"))).collect();
        add("legacy_page", page(1, &rows));
    }
    targets::our_files_seeds()
        .into_iter()
        .for_each(|seed| add("our_files", seed));
    targets::our_log_seeds()
        .into_iter()
        .for_each(|seed| add("our_log", seed));
    add("row_codec", targets::row_codec_seed());
    names()
        .into_iter()
        .for_each(|name| add("names", name.into_bytes()));
    let decisions = "# a comment\n7 = \"shop\"  # Insert orders\n8 = ?\ntable \"orders\" = \"shop\"\n9 = quarantine\n";
    add("decision_file", decisions.as_bytes().to_vec());
    seeds
}

/// Inputs that once broke a promise.
fn found(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found");
    let Ok(entries) = std::fs::read_dir(root.join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Numbers that lengths and tags are changed to.
const NUMBERS: [u64; 8] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    u64::MAX >> 1,
    u64::MAX,
];

/// One change of some bytes, in one of the ways in which fuzzers change them.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let len = bytes.len() as u64;
    let at = random.below(len + 1) as usize;
    let some = (random.below(16) + 1) as usize;
    match random.below(8) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = random.next() as u8,
        3 => {
            let number = NUMBERS[random.below(8) as usize].to_le_bytes();
            let width = 1 << random.below(4);
            for (byte, new) in bytes[at..].iter_mut().zip(&number[..width]) {
                *byte = *new;
            }
        }
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at..(at + some).min(bytes.len()))),
        6 => {
            let from = random.below(other.len() as u64 + 1) as usize;
            let piece: Vec<u8> = other[from..].iter().take(some).copied().collect();
            bytes.splice(at..at, piece);
        }
        _ => {
            let from = random.below(len + 1) as usize;
            let piece: Vec<u8> = bytes[from..].iter().take(some * 4).copied().collect();
            bytes.splice(at..at, piece);
        }
    }
}

/// Runs a target on its seeds, on what was found, and on changed seeds.
fn tried((name, target): Target, seeds: &[Vec<u8>]) -> Vec<Line> {
    let mut line = Line::new(&format!("fuzz target `{name}` executed"));
    let mut run = |what: &dyn Fn() -> String, bytes: &[u8]| {
        line.trial(what, || {
            target(bytes);
            End::Harmless
        });
    };
    let found = found(name);
    for (number, bytes) in seeds.iter().chain(&found).enumerate() {
        run(&|| format!("seed {number}"), bytes);
    }
    let mut random = Random(name.len() as u64);
    for number in 0..scaled(200_000, 400) {
        let mut bytes = seeds[random.below(seeds.len() as u64) as usize].clone();
        let other = &seeds[random.below(seeds.len() as u64) as usize];
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut bytes, other);
        }
        let shown = &bytes[..bytes.len().min(400)];
        run(
            &|| format!("input {number}, {} bytes, {shown:02x?}", bytes.len()),
            &bytes,
        );
    }
    vec![line]
}

/// What hostile bytes do to each target.
pub fn lines() -> Vec<Line> {
    let seeds = seeds();
    sum(in_parallel(&targets::ALL, |target| {
        tried(*target, &seeds[target.0])
    }))
}

#[test]
fn the_forger_changes_nothing_that_is_right() {
    assert_eq!(targets::wrongly_forged(), Vec::<std::path::PathBuf>::new());
}

/// Every seed of a record is one: what the fuzzer starts from is not noise.
#[test]
fn seeds_are_good_inputs_and_can_be_written_for_the_fuzzer() {
    let seeds = seeds();
    assert_eq!(seeds.len(), targets::ALL.len());
    let records = seeds["against_bincode"]
        .iter()
        .filter(|seed| seed[0] & 4 > 0);
    let families = Family::ALL;
    let good = records.clone().filter(|seed| {
        let family = families[usize::from(seed[0]) % 4];
        decode_entry(family, &seed[1..]).is_ok_and(|read| encode_entry(family, &read) == seed[1..])
    });
    assert!(good.count() * 10 > records.count() * 9);
    let Some(root) = std::env::var_os("RUSTDB_SEEDS") else {
        return;
    };
    for (target, seeds) in seeds {
        let dir = Path::new(&root).join(target);
        std::fs::create_dir_all(&dir).unwrap();
        for (number, bytes) in seeds.iter().chain(&found(target)).enumerate() {
            std::fs::write(dir.join(format!("seed{number:04}")), bytes).unwrap();
        }
    }
}
