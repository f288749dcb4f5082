//! What happened to the tables of one name, by one reading of the log.

use std::collections::BTreeMap;

use crate::codec::ContentHash;
use crate::legacy::WalRecord;
use crate::model::{Operation, PackedRow};

use crate::recovery::cut::row_hash_owned;

use super::timeline::{Event, Replay, Timeline};

/// A row version that an UPDATE or DELETE ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// Position of the record.
    pub record: usize,
    /// Index of the version in the table as it stood.
    pub index: u64,
    /// Whether it came back with other values.
    pub updates: bool,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Create,
    /// The record at this position inserted a row.
    Insert(usize),
    /// One UPDATE or DELETE, or several that cannot be told apart.
    Change(Vec<Hit>),
    /// A checkpoint that a later start loads.
    Save,
    Start(Replay),
    /// See [`Event::Snapshot`].
    Snapshot,
}

/// The steps, and the records that starts replay.
#[derive(Debug)]
pub(super) struct Story<'w> {
    pub steps: Vec<Step>,
    /// Every record about the name, by position.
    pub records: Vec<(usize, &'w Operation)>,
    /// What each record pushed.
    pub hashes: BTreeMap<usize, ContentHash>,
}

impl<'w> Story<'w> {
    /// The part of a timeline that is about one name.
    pub fn new(name: &str, records: &'w [WalRecord], timeline: &Timeline) -> Self {
        let of_name = |at: usize| {
            let operation = records.get(at).map(|record| &record.operation);
            operation.filter(|operation| operation.table() == Some(name))
        };
        let mut story = Story {
            steps: Vec::new(),
            records: Vec::new(),
            hashes: BTreeMap::new(),
        };
        for event in &timeline.events {
            match event {
                Event::Record(at) => {
                    if let Some(operation) = of_name(*at) {
                        story.record(*at, operation);
                    }
                }
                Event::Save => story.steps.push(Step::Save),
                Event::Start(replay) => story.steps.push(Step::Start(*replay)),
                Event::Snapshot => story.steps.push(Step::Snapshot),
            }
        }
        story.keep_loaded_saves();
        story
    }

    fn record(&mut self, at: usize, operation: &'w Operation) {
        self.records.push((at, operation));
        if let Some(row) = operation.pushed_row() {
            self.hashes.insert(at, row_hash_owned(row));
        }
        let hit = |index: u64, updates| Hit {
            record: at,
            index,
            updates,
        };
        let hit = match operation {
            Operation::CreateTable { .. } => return self.steps.push(Step::Create),
            Operation::Insert { .. } => return self.steps.push(Step::Insert(at)),
            Operation::Update { index, .. } => hit(*index, true),
            Operation::Delete { index, .. } => hit(*index, false),
            _ => return,
        };
        // A statement logs the versions that it ends in a row, in their order.
        if let Some(Step::Change(hits)) = self.steps.last_mut()
            && hits.last().is_some_and(|last| {
                last.record + 1 == at && last.updates == hit.updates && last.index < hit.index
            })
        {
            hits.push(hit);
            return;
        }
        self.steps.push(Step::Change(vec![hit]));
    }

    /// A checkpoint matters only where a start comes before the next one.
    fn keep_loaded_saves(&mut self) {
        let mut is_loaded = false;
        let mut kept = Vec::new();
        for step in std::mem::take(&mut self.steps).into_iter().rev() {
            match &step {
                Step::Start(_) => is_loaded = true,
                Step::Save if !is_loaded => continue,
                Step::Save => is_loaded = false,
                _ => {}
            }
            kept.push(step);
        }
        kept.reverse();
        self.steps = kept;
    }

    /// The row that a record pushed.
    pub fn row(&self, record: usize) -> Option<&'w PackedRow> {
        let found = self.records.binary_search_by_key(&record, |(at, _)| *at);
        let (_, operation) = self.records.get(found.ok()?)?;
        operation.pushed_row()
    }

    /// Whether nothing but inserts is in the log.
    pub fn only_inserts(&self) -> bool {
        let mut steps = self.steps.iter();
        !steps.any(|step| matches!(step, Step::Change(_)))
    }

    /// Whether the log creates the table.
    pub fn creates(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Create))
    }
}
