//! Attribution against brute force: every assignment of a small tail is tried
//! against the server's rules, by a check that shares nothing with the crate.
//!
//! `RUSTDB_HISTORIES` and `RUSTDB_SEED` as in `attribution_histories`.

use crate::histories::seeds;
use std::collections::BTreeSet;

use crate::histories::clients::History;
use crate::histories::search::{Limits, Rules, UNNAMED, consistent};
use crate::histories::server::Server;
use crate::histories::solve;
use crate::histories::spec::Story;
use crate::histories::workload::{Kind, Workload};
use rustdb_migrate::recovery::Confidence;

/// The longest tail that is tried through.
const RECORDS_MAX: usize = 9;

/// What became of the tails that were tried through.
#[derive(Debug, Default)]
struct Counts {
    tails: usize,
    records: usize,
    /// Records of which no more databases were given weight than by brute force.
    tight: usize,
    certain: usize,
    /// Claims that brute force contradicts, in words.
    wrong: Vec<String>,
}

impl Counts {
    fn count(&mut self, name: &str, server: &Server) {
        let searchable = server.release.logs_changes() && !server.unlogged && !server.unmarked;
        if !searchable || server.tail.len() > RECORDS_MAX {
            return;
        }
        let limits = Limits {
            unnamed: 2,
            rules: Rules {
                failing: true,
                keys_are_checked: server.release.checks_keys(),
            },
            steps: 200_000,
            found: usize::MAX,
        };
        let Some(consistent) = consistent(&server.held, &server.tail, limits) else {
            return;
        };
        let claims = solve(server);
        assert_eq!(consistent.len(), claims.len());
        self.tails += 1;
        for (claim, consistent) in claims.iter().zip(&consistent) {
            let at = format!("{name}: {} of {}", claim.sequence, claim.truth);
            let is_named = server.held.contains_key(&claim.truth);
            let truth = if is_named { &claim.truth } else { UNNAMED };
            assert!(consistent.contains(truth), "{at}: {consistent:?}");
            let named = consistent.iter().map(String::as_str);
            let named: BTreeSet<&str> = named.filter(|name| *name != UNNAMED).collect();
            let candidates = claim.attributed.candidates.iter();
            let wrong = candidates
                .filter(|one| {
                    one.database
                        .as_deref()
                        .is_some_and(|name| named.contains(name))
                })
                .find_map(|one| one.ruled_out.as_deref());
            // No database of a consistent assignment is ruled out.
            if let Some(fact) = wrong {
                self.wrong.push(format!("{at} is ruled out: {fact}"));
            }
            if claim.attributed.confidence == Confidence::Certain {
                if consistent.len() > 1 {
                    let claimed = &claim.attributed.database;
                    self.wrong
                        .push(format!("{at} is certainly {claimed:?}: {consistent:?}"));
                }
                self.certain += 1;
            }
            if !server.tells_of_changes() {
                // Unlogged changes may have freed any key: more is left open.
                continue;
            }
            self.records += 1;
            // What has next to no weight is left open because nothing proves it wrong.
            let mut weighed = claim
                .attributed
                .candidates
                .iter()
                .filter(|one| one.weight >= 0.0005)
                .filter_map(|one| one.database.as_deref());
            self.tight += usize::from(weighed.all(|name| named.contains(name)));
        }
    }
}

#[test]
fn exact_search_finds_what_brute_force_finds() {
    let kinds = [
        Kind::Wild,
        Kind::Reshaped,
        Kind::References,
        Kind::Purge,
        Kind::Late,
    ];
    let mut counts = Counts::default();
    for kind in kinds {
        for seed in seeds::seeds(25) {
            let workload = Workload::brief(kind, seed, 2 + seed % 5);
            counts.count(&format!("{kind:?} {seed}"), &workload.server);
        }
    }
    for story in [Story::Brief, Story::BriefAlone] {
        for seed in seeds::seeds(60) {
            let history = History::run(story, seed);
            counts.count(&format!("{:?}", history.spec), &history.server);
        }
    }
    eprintln!(
        "{} tails, {} records: {} as narrow, {} certain",
        counts.tails, counts.records, counts.tight, counts.certain
    );
    assert!(counts.wrong.is_empty(), "{:#?}", counts.wrong);
    assert!(counts.tails > 20 && counts.certain > 0, "{counts:?}");
    // Bounds and merged statements may leave more open, but rarely do.
    assert!(counts.tight * 100 >= counts.records * 98, "{counts:?}");
}
