//! Databases that a component's records cannot tell apart: their tables were
//! equal at the checkpoint, as far as the tail asks. Whatever is true of one is
//! as true of any other, so one stands for all of them, and what it is given is
//! shared out evenly among them.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use crate::codec::ByteWriter;

use super::base::Base;
use super::problem::{NameId, Problem, Slot, index, number};

/// The size of a class that always has another member: databases that no file
/// names.
pub(super) const UNBOUNDED: u32 = u32::MAX;

/// The databases of a component by class; a class is named by its first member.
#[derive(Debug, Clone, Default)]
pub(super) struct Classes {
    first_of: Vec<Slot>,
    members: Vec<Rc<[Slot]>>,
    unknown: Slot,
    all: Rc<[Slot]>,
}

impl Classes {
    /// Of the databases whose tables of some names records look at. One that
    /// the user named in a decision stands alone.
    pub fn new(
        problem: &Problem<'_>,
        base: &Base,
        looked_up: &BTreeSet<NameId>,
        records: &[usize],
    ) -> Self {
        let mut tables: Vec<ByteWriter> = Vec::new();
        tables.resize_with(problem.slot_count(), ByteWriter::new);
        for table in base.of_names(looked_up) {
            if let Some(bytes) = tables.get_mut(index(table.slot)) {
                bytes.u32(table.name);
                bytes.u128(table.digest);
            }
        }
        let mut alone = vec![false; problem.slot_count()];
        for record in records.iter().filter_map(|at| problem.records.get(*at)) {
            for slot in [record.decision, record.wish].into_iter().flatten() {
                if let Some(alone) = alone.get_mut(index(slot)) {
                    *alone = true;
                }
            }
        }
        let mut known: HashMap<u128, Slot> = HashMap::new();
        let mut first_of = Vec::with_capacity(tables.len());
        let mut members: Vec<Vec<Slot>> = vec![Vec::new(); tables.len()];
        for ((bytes, alone), slot) in tables.iter().zip(alone).zip(0..) {
            let named = slot < problem.snapshot_databases && !alone;
            let first = match named {
                true => *known.entry(xxh3_128(bytes.as_slice())).or_insert(slot),
                false => slot,
            };
            first_of.push(first);
            if let Some(members) = members.get_mut(index(first)) {
                members.push(slot);
            }
        }
        let numbered = (0..number(first_of.len())).zip(&first_of);
        let all = numbered.filter(|(slot, first)| slot == *first);
        Classes {
            all: all.map(|(slot, _)| slot).collect(),
            unknown: problem.unknown(),
            members: members.into_iter().map(Rc::from).collect(),
            first_of,
        }
    }

    /// Every class, by its first member.
    pub fn all(&self) -> Rc<[Slot]> {
        self.all.clone()
    }

    /// The databases of a class, ascending.
    pub fn members(&self, class: Slot) -> &[Slot] {
        self.members
            .get(index(class))
            .map_or(&[], |members| members)
    }

    /// The class of a database.
    pub fn of(&self, slot: Slot) -> Slot {
        self.first_of.get(index(slot)).copied().unwrap_or(slot)
    }

    /// Databases of a class: 0 for a slot that stands for none.
    pub fn size(&self, class: Slot) -> u32 {
        match class == self.unknown {
            true => UNBOUNDED,
            false => number(self.members(class).len()),
        }
    }
}
