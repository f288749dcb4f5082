//! Independent parts of the tail: tables of different names have nothing to do
//! with one another, except through renames and foreign keys.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::legacy::Snapshot;
use crate::model::{Column, Operation};

use super::classes::Classes;
use super::problem::{NameId, Problem, Slot, index, number};

/// Records that can only be decided together.
#[derive(Debug, Clone, Default)]
pub(super) struct Component {
    /// Positions in [`Problem::records`], ascending.
    pub records: Vec<usize>,
    /// The names their tables have at any time.
    pub names: BTreeSet<NameId>,
    /// Names of tables that their foreign keys point at, and their own.
    pub looked_up: BTreeSet<NameId>,
    /// Whether tables are renamed.
    pub renames: bool,
    /// Whether tables are created, dropped or renamed.
    pub reshaped: bool,
    /// The databases, as far as the component tells them apart.
    pub classes: Rc<Classes>,
}

impl Component {
    /// The database that a list of classes leaves alone, if it does.
    pub fn only(&self, open: &[Slot]) -> Option<Slot> {
        match open {
            [only] if self.classes.size(*only) == 1 => Some(*only),
            _ => None,
        }
    }
}

/// Splits the tail, in order of first records.
pub(super) fn components(problem: &Problem<'_>, snapshot: &Snapshot) -> Vec<Component> {
    let mut sets = Sets::new(problem.names.len());
    let mut written = BTreeSet::new();
    for record in &problem.records {
        written.insert(record.table);
        if let Some(new) = record.renamed_to {
            written.insert(new);
            sets.join(record.table, new);
        }
    }
    let references = references(problem, snapshot);
    for (child, parent) in &references {
        if written.contains(child) && written.contains(parent) {
            sets.join(*child, *parent);
        }
    }
    let mut by_root: BTreeMap<NameId, Component> = BTreeMap::new();
    for (at, record) in problem.records.iter().enumerate() {
        let component = by_root.entry(sets.root(record.table)).or_default();
        component.records.push(at);
        component.names.insert(record.table);
        component.names.extend(record.renamed_to);
        component.renames |= record.renamed_to.is_some();
        component.reshaped |= matches!(
            record.operation,
            Operation::CreateTable { .. }
                | Operation::DropTable { .. }
                | Operation::RenameTable { .. }
        );
    }
    let mut all: Vec<Component> = by_root.into_values().collect();
    for component in &mut all {
        let names = component.names.iter();
        let parents = names.flat_map(|name| references.range((*name, 0)..=(*name, NameId::MAX)));
        component.looked_up = parents.map(|(_, parent)| *parent).collect();
        component.looked_up.extend(&component.names);
    }
    all.sort_by_key(|component| component.records.first().copied());
    all
}

/// Which table's columns point at which table, in any database at any time.
fn references(problem: &Problem<'_>, snapshot: &Snapshot) -> BTreeSet<(NameId, NameId)> {
    let mut found = BTreeSet::new();
    let mut add = |child: &str, columns: &[Column]| {
        for key in columns
            .iter()
            .filter_map(|column| column.foreign_key.as_ref())
        {
            if let (Some(child), Some(parent)) =
                (problem.name_id(child), problem.name_id(&key.table))
            {
                found.insert((child, parent));
            }
        }
    };
    for table in snapshot.catalog.databases.iter().flat_map(|d| &d.tables) {
        add(&table.name, &table.columns);
    }
    for record in &problem.records {
        match record.operation {
            Operation::CreateTable { table, schema, .. } => add(table, &schema.columns),
            Operation::AddColumn { table, column } => add(table, std::slice::from_ref(column)),
            _ => {}
        }
    }
    found
}

/// Disjoint sets of names.
struct Sets {
    parents: Vec<NameId>,
}

impl Sets {
    fn new(len: usize) -> Self {
        Sets {
            parents: (0..number(len)).collect(),
        }
    }

    fn root(&self, mut name: NameId) -> NameId {
        while let Some(parent) = self.parents.get(index(name)) {
            if *parent == name {
                break;
            }
            name = *parent;
        }
        name
    }

    fn join(&mut self, a: NameId, b: NameId) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number stays the root, whatever the order of joins.
        if let Some(parent) = self.parents.get_mut(index(a.max(b))) {
            *parent = a.min(b);
        }
    }
}
