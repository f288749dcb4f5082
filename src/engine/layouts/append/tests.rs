use std::fs;
use std::path::PathBuf;

use crate::engine::layouts::bench::{Bench, row};
use crate::engine::layouts::choice::Layout;
use crate::engine::log::Batch;
use crate::engine::pages::address::Lsn;
use crate::finding::Code;

/// A table with rows of its file, ends beside them, and an index of several
/// pages; the last checkpoint but one left the index that is returned.
fn bench() -> (Bench, Vec<u8>) {
    let start = (0..900).map(|n| row(n, "start")).collect();
    let mut bench = Bench::new(Layout::Append, true, start);
    (0..40).for_each(|n| bench.end(n * 3, 50, None));
    bench.checkpoint();
    let index = fs::read(bench.place.file(".index")).unwrap();
    (900..950).for_each(|n| bench.insert(row(n, "more"), None));
    bench.end(905, 60, None);
    bench.end(1, 61, None);
    bench.checkpoint();
    (bench, index)
}

fn index_path(bench: &Bench) -> PathBuf {
    bench.place.file(".index")
}

/// Finds, changes and checks everything.
fn all_goes_on(bench: &mut Bench) {
    for key in [0, 1, 2, 3, 117, 118, 120, 899, 900, 905, 949, 950] {
        bench.check_find(key);
    }
    bench.insert(row(2, "again"), None);
    bench.end(2, 70, None);
    bench.end(3, 71, None);
    bench.insert(row(5000, "new"), None);
    for key in [2, 3, 5000] {
        bench.check_find(key);
    }
    bench.check();
    bench.checkpoint();
    for key in [1, 2, 3, 5000] {
        bench.check_find(key);
    }
    bench.check_files();
    bench.reopen(true);
    bench.check();
}

#[test]
fn ends_stand_in_a_record_of_their_own() {
    let mut bench = Bench::new(Layout::Append, true, vec![row(1, "a"), row(2, "b")]);
    let path = bench.place.file(".dat");
    let before = fs::read(&path).unwrap();
    bench.end(1, 300, None);
    bench.insert(row(3, "c"), None);
    bench.end(2, 7, None);
    bench.checkpoint();
    let data = fs::read(&path).unwrap();
    assert_eq!(data[..before.len()], before);
    // Flags, xmin, two values: Integer 3 and Text "c".
    let new_row = [0, 7, 2, 2, 6, 5, 1, b'c'];
    let rows = &data[before.len()..before.len() + 36 + 8];
    assert_eq!(
        (&rows[..13], &rows[36..]),
        (&b"RREC\x08\0\0\0\x01\0\0\0\x01"[..], &new_row[..])
    );
    let ends = &data[before.len() + 36 + 8..];
    assert_eq!(ends[..16], *b"RREC\x05\0\0\0\x02\0\0\0\x02\0\0\0");
    // The LSN, and the row that comes next.
    assert_eq!(
        ends[16..32],
        [9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(ends[36..], [1, 0xac, 0x02, 2, 7]);
    assert_eq!(
        (bench.counts.ends, bench.counts.data_len),
        (2, data.len() as u64)
    );
}

#[test]
fn bytes_that_a_crash_left_are_ignored_told_of_and_cut() {
    let (mut bench, _) = bench();
    let path = bench.place.file(".dat");
    let data = fs::read(&path).unwrap();
    for left in [&b"RREC"[..], &data[48..], &[0; 5000]] {
        fs::write(&path, [&data, left].concat()).unwrap();
        assert_eq!(bench.verify(), [Code::CrashLeftover]);
        bench.reopen(true);
        bench.check();
        bench.check_files();
    }
    bench.insert(row(7777, "x"), None);
    bench.checkpoint();
    let len = fs::metadata(&path).unwrap().len();
    assert_eq!(len, data.len() as u64 + 36 + 9);
    bench.check();
}

#[test]
fn a_checkpoint_that_was_not_carried_out_is_written_again() {
    let (mut bench, _) = bench();
    bench.insert(row(951, "x"), None);
    bench.end(7, 80, None);
    bench.live.checkpoint(Lsn(10), &mut Batch::new()).unwrap();
    // The batch was lost.
    assert_eq!(bench.verify(), [Code::CrashLeftover]);
    bench.reopen(true);
    bench.check();
    all_goes_on(&mut bench);
    assert_eq!(bench.verify(), []);
}

#[test]
fn an_index_that_is_missing_stale_or_cut_is_made_anew() {
    let (mut bench, stale) = bench();
    let path = index_path(&bench);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() >= 4 * 8192);
    let of_another_table = {
        let other = Bench::new(Layout::Append, true, vec![]);
        fs::read(index_path(&other)).unwrap()
    };
    let broken = [
        None,
        Some(vec![]),
        Some(whole[..8191].to_vec()),
        Some(whole[..whole.len() - 1].to_vec()),
        Some([&whole[..], &[0; 8192]].concat()),
        Some(stale),
        Some(of_another_table),
        Some(vec![0xff; whole.len()]),
    ];
    for index in broken {
        match index {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        fs::write(bench.place.file(".index.new"), "half").unwrap();
        assert_ne!(bench.verify(), []);
        bench.reopen(false);
        bench.check();
        bench.reopen(true);
        assert!(!bench.place.file(".index.new").exists());
        // Whoever asks first has it made.
        bench.check_find(117);
        assert_eq!(bench.verify(), []);
        all_goes_on(&mut bench);
        assert_eq!(bench.verify(), []);
    }
}

#[test]
fn damage_of_any_page_of_the_index_costs_no_answer() {
    let (bench, _) = bench();
    let pages = fs::read(index_path(&bench)).unwrap().len() / 8192;
    for page in 0..pages {
        for at in [0, 5, 30, 33, 40, 400, 8000] {
            let (mut bench, _) = self::bench();
            let path = index_path(&bench);
            let mut index = fs::read(&path).unwrap();
            index[page * 8192 + at] ^= 0x41;
            fs::write(&path, index).unwrap();
            assert_ne!(bench.verify(), [], "{at} of page {page}");
            bench.reopen(true);
            all_goes_on(&mut bench);
        }
    }
}

#[test]
fn an_index_that_breaks_while_it_is_used_costs_no_answer() {
    for page in 1..4 {
        let (mut bench, _) = bench();
        // Opened while it was whole.
        bench.reopen(true);
        bench.check_find(117);
        let path = index_path(&bench);
        let mut index = fs::read(&path).unwrap();
        index[page * 8192 + 100] ^= 1;
        fs::write(&path, index).unwrap();
        all_goes_on(&mut bench);
    }
}

#[test]
fn damage_that_was_met_is_gone_with_the_next_checkpoint() {
    let (mut bench, _) = bench();
    let path = index_path(&bench);
    let whole = fs::read(&path).unwrap();
    let mut index = whole.clone();
    // Every page but the first one.
    for page in 1..whole.len() / 8192 {
        index[page * 8192 + 100] ^= 1;
    }
    fs::write(&path, index).unwrap();
    bench.reopen(true);
    bench.check_find(117);
    // Without a change of the rows, too.
    bench.checkpoint();
    assert_eq!(bench.verify(), []);
    bench.check_find(117);
    all_goes_on(&mut bench);
    assert_eq!(bench.verify(), []);
}

#[test]
fn many_ends_take_several_records() {
    let start = (0..9000).map(|n| row(n, "")).collect();
    let mut bench = Bench::new(Layout::Append, true, start);
    (0..9000)
        .step_by(2)
        .for_each(|n| bench.end(n, 1 << 40, None));
    bench.checkpoint();
    bench.check();
    let ends = bench.counts.ends;
    assert_eq!((ends, bench.counts.live), (4500, 4500));
    bench.reopen(false);
    bench.end(1, 5, None);
    assert_eq!(bench.live.counts().live, 4499);
    bench.check();
}
