use std::fs;

use proptest::prelude::*;

use super::bench::{Bench, encoded, row};
use super::choice::Layout;
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::model::{Row, Value};

#[derive(Debug, Clone)]
enum Op {
    Insert(i64, usize),
    End(prop::sample::Index, u64),
    Find(i64),
    Checkpoint,
    Reopen,
    ReadOnly,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let len = prop_oneof![8 => 0..40usize, 2 => 3_000..9_000usize, 1 => 16_300..16_400usize, 1 => 60_000..90_000usize];
    let op = prop_oneof![
        8 => (0..30i64, len).prop_map(|(key, len)| Op::Insert(key, len)),
        6 => (any::<prop::sample::Index>(), 1..1u64 << 40).prop_map(|(at, xmax)| Op::End(at, xmax)),
        4 => (0..30i64).prop_map(Op::Find),
        2 => Just(Op::Checkpoint),
        1 => Just(Op::Reopen),
        1 => Just(Op::ReadOnly),
    ];
    prop::collection::vec(op, 1..60)
}

fn run(layout: Layout, keyed: bool, ops: Vec<Op>) {
    let start = (0..20).map(|n| row(1000 + n, "start")).collect();
    let start = if keyed { start } else { Vec::new() };
    let mut bench = Bench::new(layout, keyed, start);
    for op in ops {
        match op {
            Op::Insert(key, len) => bench.insert(row(key, &"x".repeat(len)), None),
            Op::End(at, xmax) if !bench.model.is_empty() => {
                bench.end(at.index(bench.model.len()), xmax, None);
            }
            Op::End(..) => {}
            Op::Find(key) => bench.check_find(key),
            Op::Checkpoint => {
                bench.checkpoint();
                assert_eq!(bench.verify(), []);
            }
            Op::Reopen => bench.reopen(true),
            Op::ReadOnly => {
                bench.reopen(false);
                bench.check();
                bench.reopen(true);
            }
        }
        bench.check_files();
    }
    bench.check();
    (0..30).for_each(|key| bench.check_find(key));
    bench.checkpoint();
    bench.check();
    bench.check_files();
    assert_eq!(bench.verify(), []);
}

/// The layouts whose tables can be changed.
const LAYOUTS: [Layout; 2] = [Layout::PerTable, Layout::Append];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_changes_give_what_a_list_of_rows_gives(
        ops in ops(),
        layout in prop::sample::select(&LAYOUTS[..]),
        keyed in any::<bool>(),
    ) {
        run(layout, keyed, ops);
    }
}

#[test]
fn nothing_changed_means_an_empty_batch() {
    for layout in LAYOUTS {
        let mut bench = Bench::new(layout, true, vec![row(1, "a")]);
        let mut batch = Batch::new();
        bench.live.checkpoint(Lsn(9), &mut batch).unwrap();
        assert_eq!(batch.changes(), []);
        bench.live.checkpointed().unwrap();
        bench.check();
    }
}

#[test]
fn a_place_in_the_log_that_cannot_be_is_damage() {
    for layout in LAYOUTS {
        let mut bench = Bench::new(layout, true, vec![row(1, "a")]);
        let bytes = encoded(&row(2, "b"));
        let error = bench.live.insert(&bytes, Some(RowId(12_345))).unwrap_err();
        assert!(error.to_string().contains("wrong-place"), "{error}");
        let error = bench.live.end(bench.ids[0], 5, Some(RowId(12_345)));
        assert!(error.unwrap_err().to_string().contains("wrong-place"));
    }
}

#[test]
fn a_row_of_other_values_is_refused() {
    for layout in LAYOUTS {
        let mut bench = Bench::new(layout, true, vec![]);
        let ended = Row {
            xmax: Some(3),
            ..row(1, "a")
        };
        let short = Row {
            values: vec![Value::Integer(1)],
            ..row(1, "a")
        };
        let more = [encoded(&row(1, "a")), vec![0]].concat();
        for bytes in [encoded(&ended), encoded(&short), more, vec![]] {
            assert!(bench.live.insert(&bytes, None).is_err());
        }
    }
}

#[test]
fn a_file_that_a_crash_left_is_no_obstacle() {
    let mut bench = Bench::new(Layout::PerTable, true, vec![row(1, "a")]);
    fs::write(bench.place.file(".db.new"), "half").unwrap();
    bench.insert(row(2, "b"), None);
    bench.checkpoint();
    bench.check();
    bench.check_files();
    assert!(!bench.place.file(".db.new").exists());
}
