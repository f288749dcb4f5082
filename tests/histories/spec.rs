//! What a random history of several clients follows from.

use super::random::Random;
use super::server::Release;

/// What a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Several clients, each in its own database, interleaved.
    Clients,
    /// One client that changes databases.
    Roaming,
    /// Databases that share some of their tables.
    Uneven,
    /// Databases that share no table.
    OwnTables,
    /// Killed and started again, and work after it.
    Restarts,
    /// Started again right after a checkpoint.
    CleanRestarts,
    /// Rows of transactions that a start hides, their keys entered again.
    Reentered,
    /// Tables made after the last checkpoint, in any of several databases.
    NewTables,
    /// The same where only one database had tables before.
    NewTablesOfEmpty,
    /// Tables made after the last checkpoint in the only database.
    NewTablesAlone,
    /// One database is named, another was made after the last checkpoint.
    YoungBesideOne,
    /// Several are named, one or more were made after the last checkpoint.
    Young,
    /// The same, with tables of names that no other database has.
    YoungApart,
    /// Databases dropped after the last checkpoint, some made again.
    Dropped,
    /// Two or three databases of equal content.
    EqualFew,
    /// Forty.
    EqualForty,
    /// Three hundred.
    EqualMany,
    /// Killed between a snapshot and its mark.
    Unmarked,
    /// Transactions, committed and rolled back.
    Rollbacks,
    /// CREATE TABLE of what exists, DROP TABLE of what does not.
    Failing,
    /// Tables without any key.
    Keyless,
    /// Ids given by hand, with gaps.
    ByHand,
    /// Rows that refer to others.
    Parents,
    /// Updates and deletes of many rows.
    Sweeping,
    /// Tables made, changed, renamed and dropped.
    Redefined,
    /// Releases that log neither updates nor deletes.
    Unlogged,
    /// Few statements after the last checkpoint: all that can be searched.
    Brief,
    /// The same in one database.
    BriefAlone,
    /// Anything.
    Anything,
}

impl Story {
    pub const ALL: [Story; 29] = [
        Story::Clients,
        Story::Roaming,
        Story::Uneven,
        Story::OwnTables,
        Story::Restarts,
        Story::CleanRestarts,
        Story::Reentered,
        Story::NewTables,
        Story::NewTablesOfEmpty,
        Story::NewTablesAlone,
        Story::YoungBesideOne,
        Story::Young,
        Story::YoungApart,
        Story::Dropped,
        Story::EqualFew,
        Story::EqualForty,
        Story::EqualMany,
        Story::Unmarked,
        Story::Rollbacks,
        Story::Failing,
        Story::Keyless,
        Story::ByHand,
        Story::Parents,
        Story::Sweeping,
        Story::Redefined,
        Story::Unlogged,
        Story::Brief,
        Story::BriefAlone,
        Story::Anything,
    ];
}

/// What columns a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A serial key, a name and a number.
    Serial,
    /// The same, but the serial column is no key.
    Counted,
    /// A key that is given by hand.
    ByHand,
    /// A serial key and a code that is unique.
    Unique,
    /// No number of its own.
    Keyless,
    /// A serial key and a reference to the first table.
    Child,
}

/// All that a history follows from, beside its random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub story: Story,
    pub seed: u64,
    pub release: Release,
    /// Databases at the last checkpoint.
    pub named: u64,
    /// So many of them had tables before it.
    pub filled: u64,
    /// Whether these began with equal content.
    pub equal: bool,
    /// Whether each has some of the tables only, or tables of its own.
    pub uneven: bool,
    pub own_tables: bool,
    /// Their tables.
    pub shapes: Vec<Shape>,
    /// Clients that stay in a database each; 0 for one that changes.
    pub clients: u64,
    /// How often, in 100, one that changes stays.
    pub stay: u64,
    /// Statements before the last checkpoint, and after it.
    pub before: u64,
    pub after: u64,
    /// Starts before the last checkpoint, and whether it came right before them.
    pub restarts: u64,
    pub clean: bool,
    /// Databases made after the last checkpoint, with their own table names or not.
    pub young: u64,
    pub apart: bool,
    /// Databases dropped after it, made again or not.
    pub dropped: u64,
    pub again: bool,
    /// Tables made after it.
    pub new_tables: u64,
    /// Of 100 statements, those that update or delete, begin a transaction, fail
    /// after they were logged, change a table.
    pub changes: u64,
    pub begins: u64,
    pub fails: u64,
    pub reshapes: u64,
    /// Of 100 inserts, those with an id given by hand, with a key no more shown.
    pub by_hand: u64,
    pub reenter: u64,
    /// Of 100 updates and deletes, those of many rows.
    pub sweeping: u64,
    /// Different texts.
    pub texts: u64,
    pub unmarked: bool,
}

impl Spec {
    /// The spec of a story and a seed, and the numbers for the rest.
    pub fn of(story: Story, seed: u64) -> (Self, Random) {
        let mut random = Random::new(seed ^ (story as u64 + 1) << 40);
        let usual = [Shape::Serial, Shape::Serial, Shape::Counted, Shape::Unique];
        let all = [
            Shape::Serial,
            Shape::Counted,
            Shape::ByHand,
            Shape::Unique,
            Shape::Keyless,
            Shape::Child,
        ];
        let several = 1 + random.below(3);
        let shapes: Vec<Shape> = (0..several)
            .map(|_| usual[random.below(4) as usize])
            .collect();
        let releases = [
            Release::V1_3,
            Release::V1_4,
            Release::V1_4,
            Release::V1_4,
            Release::V1_5,
            Release::V1_10,
        ];
        let release = releases[random.below(6) as usize];
        let logging = releases[random.below(4) as usize];
        let named = 2 + random.below(2);
        let mut spec = Spec {
            story,
            seed,
            release: logging,
            named,
            filled: named,
            equal: random.chance(25),
            uneven: false,
            own_tables: false,
            shapes,
            clients: [0, named][random.below(2) as usize],
            stay: random.below(90),
            before: random.below(120),
            after: 5 + random.below(60),
            restarts: 0,
            clean: false,
            young: 0,
            apart: false,
            dropped: 0,
            again: false,
            new_tables: 0,
            changes: [0, 15, 35][random.below(3) as usize],
            begins: 0,
            fails: 0,
            reshapes: 0,
            by_hand: [0, 0, 10][random.below(3) as usize],
            reenter: 0,
            sweeping: 10,
            texts: [5, 40, 100_000][random.below(3) as usize],
            unmarked: false,
        };
        match story {
            Story::Clients => (spec.clients, spec.release) = (named + random.below(3), release),
            Story::Roaming => (spec.clients, spec.release) = (0, release),
            Story::Uneven => {
                (spec.uneven, spec.release) = (true, release);
                spec.shapes.push(usual[random.below(4) as usize]);
                spec.new_tables = random.below(2);
            }
            Story::OwnTables => {
                spec.own_tables = true;
                spec.restarts = random.below(2);
            }
            Story::Restarts => (spec.restarts, spec.reenter) = (1 + random.below(2), 10),
            Story::CleanRestarts => (spec.restarts, spec.clean) = (1 + random.below(2), true),
            Story::Reentered => {
                spec.restarts = 1 + random.below(2);
                (spec.begins, spec.reenter, spec.by_hand) = (6, 40, 20);
                spec.shapes.push(Shape::ByHand);
            }
            Story::NewTables => spec.new_tables = 1 + random.below(3),
            Story::NewTablesOfEmpty => {
                (spec.named, spec.filled) = (3, 1);
                (spec.clients, spec.new_tables) = (3, 1 + random.below(3));
            }
            Story::NewTablesAlone => {
                (spec.named, spec.filled) = (1, random.below(2));
                spec.new_tables = 1 + random.below(3);
            }
            Story::YoungBesideOne => {
                (spec.named, spec.filled, spec.young) = (1, 1, 1);
                spec.new_tables = random.below(2);
                spec.apart = random.chance(30);
            }
            Story::Young => (spec.young, spec.release) = (1 + random.below(3), release),
            Story::YoungApart => {
                (spec.young, spec.apart) = (1 + random.below(2), true);
                spec.new_tables = random.below(2);
            }
            Story::Dropped => {
                (spec.dropped, spec.again) = (1, random.chance(50));
                spec.named = 3;
                spec.filled = 3;
            }
            Story::EqualFew | Story::EqualForty | Story::EqualMany => {
                spec.named = match story {
                    Story::EqualFew => named,
                    Story::EqualForty => 40,
                    _ => 300,
                };
                (spec.filled, spec.equal) = (spec.named, true);
                spec.before = [0, 60][random.below(2) as usize];
                spec.after = 5 + random.below(35);
                spec.new_tables = random.below(2);
                spec.shapes.truncate(1);
            }
            Story::Unmarked => {
                spec.unmarked = true;
                spec.named = 1 + random.below(3);
                spec.filled = spec.named;
                spec.new_tables = random.below(2);
            }
            Story::Rollbacks => spec.begins = 8,
            Story::Failing => (spec.fails, spec.new_tables) = (12, random.below(2)),
            Story::Keyless => spec.shapes = vec![Shape::Keyless],
            Story::ByHand => (spec.shapes, spec.by_hand) = (vec![Shape::ByHand, Shape::Serial], 30),
            Story::Parents => {
                spec.shapes = vec![Shape::Serial, Shape::Child];
                spec.by_hand = 10;
            }
            Story::Sweeping => (spec.changes, spec.sweeping, spec.texts) = (40, 70, 5),
            Story::Redefined => (spec.reshapes, spec.new_tables) = (20, random.below(2)),
            Story::Unlogged => {
                spec.release = [Release::V1_5, Release::V1_10][random.below(2) as usize];
                spec.changes = 20;
                spec.young = random.below(2);
                spec.new_tables = random.below(2);
            }
            Story::Brief | Story::BriefAlone => {
                spec.named = [1, named][usize::from(story == Story::Brief)];
                spec.filled = spec.named;
                spec.uneven = random.chance(60);
                spec.before = random.below(60);
                spec.after = 1 + random.below(7);
                spec.restarts = random.below(2);
                spec.young = u64::from(random.chance(15));
                spec.new_tables = u64::from(random.chance(25));
                (spec.by_hand, spec.reenter) = (20, 20);
                spec.shapes = vec![all[random.below(5) as usize], all[random.below(6) as usize]];
            }
            Story::Anything => {
                spec.named = 1 + random.below(4);
                spec.filled = random.below(spec.named + 1);
                spec.uneven = random.chance(30);
                spec.release = release;
                spec.clients = random.below(4);
                spec.restarts = random.below(3);
                spec.clean = random.chance(30);
                (spec.young, spec.apart) = (random.below(2), random.chance(30));
                (spec.dropped, spec.again) = (u64::from(random.chance(15)), random.chance(50));
                spec.new_tables = random.below(3);
                spec.begins = [0, 0, 4][random.below(3) as usize];
                spec.fails = [0, 0, 4][random.below(3) as usize];
                spec.reshapes = [0, 0, 6][random.below(3) as usize];
                (spec.by_hand, spec.reenter) = (random.below(20), random.below(20));
                spec.unmarked = random.chance(10);
                spec.shapes = (0..several)
                    .map(|_| all[random.below(6) as usize])
                    .collect();
            }
        }
        (spec, random)
    }
}
