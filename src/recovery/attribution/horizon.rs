//! What later records still ask for: states that differ only in what nobody
//! asks for again are one.

use std::collections::HashMap;

use crate::codec::RowValues;
use crate::model::Operation;

use super::base::Base;
use super::component::Component;
use super::hashed::HashedMap;
use super::problem::{Problem, number, reference_hashes};

/// Pushes of one value that are looked through; a value more frequent than
/// this separates nothing.
const PUSHES_MAX: usize = 256;

/// Stages into which the records are divided at most, which bounds what a
/// table needs to know of the rows that later records can notice.
const STAGES_MAX: usize = 1024;

/// Per component: the last record that asks for a row or a value.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    /// The last Update or Delete.
    pub last_index: u32,
    /// The last Insert, where sequences count as evidence.
    pub last_insert: u32,
    stage_bits: u32,
    pointed: HashMap<u64, u32>,
    asked: HashedMap<u64, u32>,
    pushes: HashedMap<u64, Vec<u32>>,
}

/// What a search asks of the states it merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Hard facts alone.
    Facts,
    /// Also what predicates could select.
    Evidence,
}

impl Horizon {
    /// Looks through a component's records.
    pub fn new(problem: &Problem<'_>, base: &Base, component: &Component, asks: Asks) -> Self {
        let mut horizon = Horizon {
            stage_bits: stage_bits(problem.records.len()),
            ..Horizon::default()
        };
        for &at in &component.records {
            let Some(record) = problem.records.get(at) else {
                continue;
            };
            let now = number(at);
            for value in record.values.iter() {
                let pushes = horizon.pushes.entry(*value).or_default();
                if pushes.last() != Some(&now) {
                    pushes.push(now);
                }
            }
            match record.operation {
                Operation::Insert { row, .. } => {
                    if asks == Asks::Evidence {
                        horizon.last_insert = now;
                    }
                    for value in row.values().filter(|value| !value.is_null()) {
                        for hash in reference_hashes(&value) {
                            horizon.asked.insert(hash, now);
                        }
                    }
                }
                Operation::Update { index, .. } | Operation::Delete { index, .. } => {
                    horizon.last_index = now;
                    horizon.pointed.insert(*index, now);
                    if asks == Asks::Evidence {
                        horizon.ask_predicate(record.values.iter().copied(), now);
                        for table in base.of_names(&component.names) {
                            let row = table.row(*index).into_iter().flat_map(|r| r.iter());
                            horizon.ask_predicate(row.copied(), now);
                        }
                    }
                }
                _ => {}
            }
        }
        horizon.asked.remove(&problem.null);
        horizon
    }

    fn ask_predicate(&mut self, values: impl Iterator<Item = u64>, now: u32) {
        for value in values {
            self.asked.insert(value, now);
        }
    }

    /// The stage of a record.
    pub fn stage(&self, record: u32) -> u32 {
        record >> self.stage_bits
    }

    /// The first record of a stage; `u32::MAX` for one past any record.
    pub fn begin_of(&self, stage: u32) -> u32 {
        stage
            .checked_shl(self.stage_bits)
            .filter(|at| at >> self.stage_bits == stage)
            .unwrap_or(u32::MAX)
    }

    /// The last record that points at a row index.
    pub fn last_pointed(&self, at: u64) -> u32 {
        self.pointed.get(&at).copied().unwrap_or(0)
    }

    /// The last record that asks for one of some values.
    pub fn last_asked(&self, values: &[u64]) -> u32 {
        let last = values
            .iter()
            .filter_map(|value| self.asked.get(value))
            .max();
        last.copied().unwrap_or(0)
    }

    /// Records that push a row with a value, ascending; `None` when there are
    /// too many to look through.
    pub fn pushes_of(&self, value: u64) -> Option<&[u32]> {
        match self.pushes.get(&value) {
            None => Some(&[]),
            Some(pushes) if pushes.len() <= PUSHES_MAX => Some(pushes),
            Some(_) => None,
        }
    }
}

/// The binary logarithm of the records of a stage.
fn stage_bits(records: usize) -> u32 {
    (0..31)
        .find(|bits| records >> bits <= STAGES_MAX)
        .unwrap_or(31)
}
