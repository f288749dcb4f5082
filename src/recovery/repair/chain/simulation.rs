//! The server over one name, statement by statement and start by start: what
//! its tables hold, and which row that a user's statement made each version is.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::model::Operation;

use crate::recovery::server_replay::is_read_back;

use super::story::{Hit, Step, Story};
use super::timeline::Replay;

/// What a version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// The same as this row of those that were there when the log begins.
    Base(usize),
    /// The row of the record at this position.
    Logged(usize),
}

/// A version in a table as the server had it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub content: Content,
    /// Which true version it is, or a copy of.
    pub of: usize,
    /// Whether a logged statement ended it.
    pub ended: bool,
}

/// A version that a user's statement made.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueVersion {
    pub content: Content,
    /// Whether a logged statement ended it.
    pub ended: bool,
    /// Whether an INSERT made it, and not an UPDATE.
    pub inserted: bool,
}

/// What is assumed.
#[derive(Debug, Clone, Copy)]
pub(super) struct World<'h> {
    /// The database whose table the statements were written for.
    pub home: usize,
    /// Into which database each start replayed.
    pub firsts: &'h [usize],
    /// How many databases there are.
    pub databases: usize,
    /// Which true row each row is that was there when the log begins.
    pub origins: &'h [usize],
    /// How many true rows these are.
    pub count: usize,
    /// The last rows of those, which a start replayed from a segment that is gone.
    pub again: usize,
    /// Whether the home had the table when the log begins.
    pub exists: bool,
}

/// What became of the name.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// By database, what the snapshot holds.
    pub tables: BTreeMap<usize, Vec<Version>>,
    /// What it should hold.
    pub truth: Vec<TrueVersion>,
    /// By record after the snapshot: the true version that it ends, `None` when
    /// it ends another copy of one.
    pub meant: Vec<(usize, Option<u64>)>,
    /// Why the statements cannot be told from what the starts did.
    pub open: Option<&'static str>,
}

const COPIES: &str = "a statement since a start ended only some of the equal rows that it found";
const LOST: &str = "a statement since a start came upon rows of which an equal one had been lost";
const WHOSE: &str = "which database the records were for that no snapshot held is not proven";
const ANEW: &str = "the table was created anew after a start had lost it";

type Tables = BTreeMap<usize, Vec<Version>>;

struct Simulation<'s, 'w> {
    story: &'s Story<'w>,
    world: World<'s>,
    tables: Tables,
    saved: Option<Tables>,
    truth: Vec<TrueVersion>,
    existed: bool,
    /// The true version that each record made.
    made: BTreeMap<usize, usize>,
    /// Statements since the last checkpoint, and whether one created the table.
    since_save: (bool, bool),
    meant: Vec<(usize, Option<u64>)>,
    open: Option<&'static str>,
}

/// Follows a name through a timeline; `None` where that cannot have happened.
pub(super) fn simulate(story: &Story<'_>, world: World<'_>) -> Option<Outcome> {
    let base = world.origins.iter().enumerate();
    let base = base.map(|(at, of)| Version {
        content: Content::Base(at),
        of: *of,
        ended: false,
    });
    let mut simulation = Simulation {
        story,
        world,
        tables: match world.exists {
            true => Tables::from([(world.home, base.collect())]),
            false => Tables::new(),
        },
        saved: None,
        truth: true_base(world),
        existed: world.exists,
        made: BTreeMap::new(),
        since_save: (false, false),
        meant: Vec::new(),
        open: None,
    };
    let mut at_snapshot: Option<Outcome> = None;
    for step in &story.steps {
        if matches!(step, Step::Snapshot) {
            at_snapshot = Some(Outcome {
                tables: simulation.tables.clone(),
                truth: simulation.truth.clone(),
                ..Outcome::default()
            });
            simulation.meant.clear();
            continue;
        }
        if at_snapshot.is_some() && simulation.is_elsewhere() {
            simulation.open = simulation.open.or(Some(WHOSE));
        }
        simulation.step(step)?;
    }
    let mut outcome = at_snapshot?;
    outcome.meant = simulation.meant;
    outcome.open = simulation.open;
    Some(outcome)
}

fn true_base(world: World<'_>) -> Vec<TrueVersion> {
    let mut truth = vec![None; world.count];
    for (at, of) in world.origins.iter().enumerate() {
        if let Some(place) = truth.get_mut(*of) {
            place.get_or_insert(TrueVersion {
                content: Content::Base(at),
                ended: false,
                inserted: true,
            });
        }
    }
    truth.into_iter().flatten().collect()
}

impl Simulation<'_, '_> {
    fn step(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::Save => {
                self.saved = Some(self.tables.clone());
                self.since_save = (false, false);
            }
            Step::Start(replay) => self.start(*replay)?,
            Step::Create => {
                self.since_save = (true, true);
                if !self.tables.contains_key(&self.world.home) {
                    if std::mem::replace(&mut self.existed, true) {
                        self.open = self.open.or(Some(ANEW));
                    }
                    self.tables.insert(self.world.home, Vec::new());
                }
            }
            Step::Insert(record) => {
                self.since_save.0 = true;
                let of = self.make(*record, true);
                let table = self.tables.get_mut(&self.world.home)?;
                table.push(pushed(*record, of));
            }
            Step::Change(hits) => {
                self.since_save.0 = true;
                self.change(hits)?;
            }
            Step::Snapshot => {}
        }
        Some(())
    }

    /// A true version that a record makes.
    fn make(&mut self, record: usize, inserted: bool) -> usize {
        self.truth.push(TrueVersion {
            content: Content::Logged(record),
            ended: false,
            inserted,
        });
        self.made.insert(record, self.truth.len() - 1);
        self.truth.len() - 1
    }

    /// Whether another database has the table too.
    fn is_elsewhere(&self) -> bool {
        self.tables.keys().any(|at| *at != self.world.home)
    }

    /// Applies statements that end versions; those that end a version which
    /// one of them pushed are taken for the next statement.
    fn change(&mut self, hits: &[Hit]) -> Option<()> {
        let mut rest = hits;
        while !rest.is_empty() {
            let count = self.tables.get(&self.world.home)?.len() as u64;
            let of_one = rest.iter().take_while(|hit| hit.index < count).count();
            let (statement, later) = rest.split_at_checked(of_one.max(1))?;
            self.statement(statement)?;
            rest = later;
        }
        Some(())
    }

    fn statement(&mut self, hits: &[Hit]) -> Option<()> {
        let table = self.tables.get_mut(&self.world.home)?;
        let mut ended: BTreeMap<usize, Vec<Hit>> = BTreeMap::new();
        let mut of_hits = Vec::new();
        for hit in hits {
            let version = table.get_mut(usize::try_from(hit.index).ok()?)?;
            version.ended = true;
            ended.entry(version.of).or_default().push(*hit);
            of_hits.push(version.of);
        }
        self.judge(&ended);
        let mut made: BTreeMap<usize, usize> = BTreeMap::new();
        for (hit, of) in hits.iter().zip(of_hits) {
            if let Some(version) = self.truth.get_mut(of) {
                version.ended = true;
            }
            // A row that stands several times was ended once.
            let meant = (!made.contains_key(&of)).then_some(of as u64);
            self.meant.push((hit.record, meant));
            let new = match (made.get(&of), hit.updates) {
                (Some(new), _) => *new,
                (None, true) => self.make(hit.record, false),
                (None, false) => of,
            };
            made.insert(of, new);
            if hit.updates {
                self.made.insert(hit.record, new);
                let table = self.tables.get_mut(&self.world.home)?;
                table.push(pushed(hit.record, new));
            }
        }
        Some(())
    }

    /// Whether a statement says which true versions it ended: one that chooses
    /// by values ends every copy of a version, and gives all the same values.
    fn judge(&mut self, ended: &BTreeMap<usize, Vec<Hit>>) {
        let Some(table) = self.tables.get(&self.world.home) else {
            return;
        };
        let mut standing: BTreeMap<usize, usize> = BTreeMap::new();
        for version in table {
            *standing.entry(version.of).or_insert(0) += 1;
        }
        for (of, hits) in ended {
            let mut made = hits.iter().map(|hit| self.story.hashes.get(&hit.record));
            let first = made.next();
            let alike = made.all(|hash| Some(hash) == first);
            if standing.get(of) != Some(&hits.len()) || !alike {
                self.open = self.open.or(Some(COPIES));
            }
        }
        let lost = (0..self.truth.len()).filter(|of| !standing.contains_key(of));
        let wanted: BTreeSet<_> = ended.keys().map(|of| self.logged(*of)).collect();
        // What stood there when the log begins may equal anything.
        let mut lost = lost.map(|of| self.logged(of));
        if lost.any(|hash| hash.is_none() || wanted.contains(&None) || wanted.contains(&hash)) {
            self.open = self.open.or(Some(LOST));
        }
    }

    /// What a true version holds, if the log says it.
    fn logged(&self, of: usize) -> Option<ContentHash> {
        match self.truth.get(of)?.content {
            Content::Logged(record) => self.story.hashes.get(&record).copied(),
            Content::Base(_) => None,
        }
    }

    /// A start: the snapshot is loaded, and every record is applied to one
    /// database, whose ever it was.
    fn start(&mut self, replay: Replay) -> Option<()> {
        if replay.from_saved {
            self.tables = self.saved.clone()?;
        }
        let (any, created) = std::mem::take(&mut self.since_save);
        if self.world.databases > 1 && any && (created || self.is_elsewhere()) {
            self.open = self.open.or(Some(WHOSE));
        }
        let first = *self.world.firsts.get(replay.number)?;
        if replay.lost {
            let from = self.world.origins.len().checked_sub(self.world.again)?;
            let again = self.world.origins.iter().enumerate().skip(from);
            let again = again.map(|(at, of)| Version {
                content: Content::Base(at),
                of: *of,
                ended: false,
            });
            match self.tables.get_mut(&first) {
                Some(table) => table.extend(again),
                None if self.world.again > 0 => return None,
                None => {}
            }
        }
        let end = self
            .story
            .records
            .partition_point(|(at, _)| *at < replay.end);
        for (record, operation) in self.story.records.iter().take(end) {
            self.apply_again(first, *record, operation)?;
        }
        Some(())
    }

    fn apply_again(&mut self, first: usize, record: usize, operation: &Operation) -> Option<()> {
        if let Operation::CreateTable { .. } = operation {
            self.tables.entry(first).or_default();
            return Some(());
        }
        let Some(table) = self.tables.get_mut(&first) else {
            return Some(());
        };
        if !is_read_back(operation) {
            return Some(());
        }
        let version = self.made.get(&record).map(|of| pushed(record, *of));
        match operation {
            Operation::Insert { .. } => table.push(version?),
            Operation::Update { index, .. } => {
                let old = usize::try_from(*index)
                    .ok()
                    .and_then(|at| table.get_mut(at));
                if let Some(old) = old {
                    *old = version?;
                }
            }
            Operation::Delete { index, .. } => {
                let at = usize::try_from(*index).ok().filter(|at| *at < table.len());
                at.map(|at| table.remove(at));
            }
            _ => {}
        }
        Some(())
    }
}

/// A version as its record pushes it.
fn pushed(record: usize, of: usize) -> Version {
    Version {
        content: Content::Logged(record),
        of,
        ended: false,
    }
}
