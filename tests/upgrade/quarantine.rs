//! Records that an upgrade kept aside, and what becomes of them when the
//! directory, or a file that says what it is, is no longer as it was written.

use std::fs;
use std::path::Path;

use crate::support::content::{column, fresh, loaded, table, text};
use crate::support::model::{DataType, Family, Operation, Row, WalEntry, frame};
use crate::support::run::{inspect, migrate};
use crate::support::server::Server;
use crate::support::tool::Bench;

/// Layouts, each with the file of the rows of a table.
const LAYOUTS: [(&str, &str); 3] = [
    ("paged", "db_left/notes/page_0000.dat"),
    ("per-table", "db_left/notes.db"),
    ("append", "db_left/notes.dat"),
];
/// Rows of a table that are not dead.
const LIVE: usize = 597;

/// A server whose databases `left` and `right` hold the same 600 rows, three of
/// them dead; then, of `left`, a row is inserted, and before it, `changes`, one is
/// changed and one deleted.
fn source(changes: bool) -> Bench {
    let mut server = fresh(Family::V1_4);
    server.create_database("left");
    let columns = vec![column("body", DataType::Text)];
    server.create_table("left", table("notes", columns));
    let row = |n| vec![text(&format!("row {n} {}", "x".repeat(40)))];
    server.insert("left", "notes", (0..600).map(row).collect());
    server.delete("left", "notes", &[1, 3, 5]);
    let mut right = server.database("left").clone();
    right.name = "right".into();
    server.instance.databases.push(("right".into(), right));
    let mut server = loaded(Family::V1_4, server);
    if changes {
        server.update("left", "notes", vec![(560, vec![text("changed")])]);
        server.delete("left", "notes", &[580]);
    }
    server.insert("left", "notes", vec![vec![text("new")]]);
    Bench::new(&server.killed())
}

/// The source upgraded to a layout, with everything undecided kept aside.
fn aside(bench: &Bench, layout: &str) -> String {
    let dir = at(bench, "aside");
    let source = at(bench, "data");
    let _ = fs::remove_dir_all(&dir);
    let flags = ["--to", layout, "--on-ambiguous", "quarantine"];
    migrate(["upgrade", &source, &dir].into_iter().chain(flags)).exits(0);
    dir
}

fn at(bench: &Bench, name: &str) -> String {
    bench.dir.path().join(name).to_str().unwrap().to_owned()
}

/// The first words of the visible rows of `left.notes`.
fn bodies(dir: &str, code: i32) -> Vec<String> {
    let said = inspect(["dump", dir, "--format", "jsonl", "--table", "left.notes"]).exits(code);
    let rows = said.lines().into_iter().map(|line| {
        let body = line["row"]["body"].as_str().unwrap().to_owned();
        body.trim_end_matches('x').trim_end().to_owned()
    });
    rows.collect()
}

/// Takes up everything for `left`; refused, nothing is written.
fn take_up(bench: &Bench, dir: &str, more: &[&str], code: i32) -> String {
    let target = at(bench, "taken");
    let _ = fs::remove_dir_all(&target);
    let args = ["upgrade", dir, &target, "--assign", "notes=left"];
    let said = migrate(args.into_iter().chain(more.iter().copied())).exits(code);
    assert_eq!(Path::new(&target).exists(), code == 0);
    said.stderr
}

fn is_refused(bench: &Bench, dir: &str, more: &[&str]) {
    let said = take_up(bench, dir, more, 3);
    let why = "row versions of notes were removed or changed since";
    assert!(said.contains(why), "{said}");
    let next = "`rustdb-migrate upgrade LEGACY NEW --assign notes=left`";
    assert!(said.contains(next), "{said}");
}

#[test]
fn a_record_that_means_a_row_is_taken_up_only_where_the_row_is_known() {
    let bench = source(true);
    let copy = at(&bench, "copy");
    for (layout, _) in LAYOUTS {
        let dir = aside(&bench, layout);
        take_up(&bench, &dir, &[], 0);
        let taken = bodies(&at(&bench, "taken"), 0);
        assert_eq!(taken.len(), LIVE, "{layout}");
        let has = |body: &str| taken.iter().any(|one| one == body);
        assert!(has("changed") && has("new"), "{layout}");
        assert!(!has("row 560") && !has("row 580"), "{layout}");
        let _ = fs::remove_dir_all(&copy);
        migrate(["compact", &dir, "-o", &copy]).exits(0);
        is_refused(&bench, &copy, &[]);
        migrate(["compact", &dir]).exits(0);
        is_refused(&bench, &dir, &[]);
        let _ = fs::remove_dir_all(&copy);
        migrate(["upgrade", &dir, &copy]).exits(0);
        is_refused(&bench, &copy, &[]);
    }
}

#[test]
fn a_snapshot_keeps_row_indexes_until_a_server_has_run_on_it() {
    let bench = source(true);
    let dir = aside(&bench, "snapshot");
    take_up(&bench, &dir, &[], 0);
    let taken = bodies(&at(&bench, "taken"), 0);
    assert_eq!(taken.len(), LIVE);
    assert!(taken.iter().any(|one| one == "changed"));
    let slip = migrate([
        "upgrade",
        &dir,
        &at(&bench, "slip"),
        "--assign",
        "nots=left",
    ])
    .exits(2);
    assert!(
        slip.stderr.contains("did you mean \"notes\"?"),
        "{}",
        slip.stderr
    );
    let first = WalEntry {
        sequence: 1,
        timestamp: 1_700_000_000,
        operation: Operation::Checkpoint(1_700_000_000),
    };
    let wal = Path::new(&dir).join("wal");
    fs::create_dir(&wal).unwrap();
    fs::write(
        wal.join("000000006553f100.wal"),
        frame(Family::V1_4, &first),
    )
    .unwrap();
    is_refused(&bench, &dir, &[]);
}

/// A server whose database `left` holds three rows, and inserted a fourth since; then
/// `after`, and that row kept aside by decision.
fn fourth_aside(after: impl Fn(&mut Server)) -> (Bench, String) {
    let mut server = fresh(Family::V1_4);
    server.create_database("left");
    let columns = || vec![column("body", DataType::Text)];
    server.create_table("left", table("notes", columns()));
    let row = |n| vec![text(&format!("row {n}"))];
    server.insert("left", "notes", (0..3).map(row).collect());
    let mut server = loaded(Family::V1_4, server);
    server.insert("left", "notes", vec![row(3)]);
    let (fourth, _) = server.tail.pop_last().unwrap();
    after(&mut server);
    let others = server.tail.iter();
    let others = others.map(|(sequence, owner)| format!("{sequence} = {owner:?}\n"));
    let decision = format!("{fourth} = quarantine\n{}", others.collect::<String>());
    let bench = Bench::new(&server.killed());
    let decisions = at(&bench, "decisions");
    fs::write(&decisions, decision).unwrap();
    let (source, dir) = (at(&bench, "data"), at(&bench, "aside"));
    migrate(["upgrade", &source, &dir, "--attribution", &decisions]).exits(0);
    (bench, dir)
}

#[test]
fn a_record_is_taken_up_into_no_table_of_another_form() {
    let add = |server: &mut Server| {
        server.add_column("left", "notes", column("more", DataType::Text));
    };
    let swap = |server: &mut Server| {
        add(server);
        server.drop_column("left", "notes", "body");
    };
    let anew = |server: &mut Server| {
        server.drop_table("left", "notes");
        let columns = vec![column("body", DataType::Text)];
        server.create_table("left", table("notes", columns));
    };
    let changes: [&dyn Fn(&mut Server); 3] = [&add, &swap, &anew];
    for change in changes {
        let (bench, dir) = fourth_aside(change);
        let said = take_up(&bench, &dir, &[], 3);
        assert!(said.contains("it has another form since"), "{said}");
        let next = "`rustdb-migrate upgrade LEGACY NEW --assign notes=left`";
        assert!(said.contains(next), "{said}");
    }
    let (bench, dir) = fourth_aside(|_| ());
    take_up(&bench, &dir, &[], 0);
    let rows = bodies(&at(&bench, "taken"), 0);
    assert_eq!(rows, ["row 0", "row 1", "row 2", "row 3"]);
}

#[test]
fn a_row_of_too_many_values_is_taken_up_with_the_first_of_them() {
    let mut server = fresh(Family::V1_4);
    server.create_database("left");
    let columns = vec![column("body", DataType::Text)];
    server.create_table("left", table("notes", columns));
    let mut files = loaded(Family::V1_4, server).killed();
    let wide = Row {
        values: vec![text("first"), text("second")],
        xmin: 1,
        xmax: None,
    };
    let wide = WalEntry {
        sequence: 2,
        timestamp: 1_700_000_000,
        operation: Operation::Insert("notes".into(), wide),
    };
    let log = files.iter_mut().find(|(name, _)| name.starts_with("wal/"));
    log.unwrap().1.extend(frame(Family::V1_4, &wide));
    let bench = Bench::new(&files);
    migrate(["upgrade", &at(&bench, "data"), &at(&bench, "asked")]).exits(3);
    for (layout, _) in LAYOUTS {
        let dir = aside(&bench, layout);
        assert_eq!(bodies(&dir, 0), [""; 0]);
        let said = take_up(&bench, &dir, &[], 0);
        assert!(said.contains("extra-values"), "{said}");
        assert_eq!(bodies(&at(&bench, "taken"), 0), ["first"]);
    }
}

#[test]
fn the_first_screen_shows_how_to_decide_about_what_was_kept_aside() {
    let bench = source(true);
    let layouts = LAYOUTS.map(|(layout, _)| layout);
    for layout in layouts.into_iter().chain(["snapshot"]) {
        let dir = aside(&bench, layout);
        let said = inspect(["info", &dir]).exits(0).stdout;
        let command = format!("rustdb-migrate upgrade {dir} {dir}-new --assign notes=left");
        assert!(said.contains(&command), "{said}");
        let _ = fs::remove_dir_all(format!("{dir}-new"));
        migrate(command.split(' ').skip(1)).exits(0);
    }
}

#[test]
fn rows_that_are_lost_leave_no_index_to_trust() {
    let bench = source(true);
    let kept = at(&bench, "kept");
    for (layout, file) in LAYOUTS {
        let dir = aside(&bench, layout);
        let file = Path::new(&dir).join(file);
        let mut bytes = fs::read(&file).unwrap();
        bytes[4200..4300].fill(0);
        fs::write(&file, bytes).unwrap();
        is_refused(&bench, &dir, &["--salvage"]);
        let _ = fs::remove_dir_all(&kept);
        migrate(["upgrade", &dir, &kept, "--salvage"]).exits(1);
        is_refused(&bench, &kept, &[]);
    }
}

#[test]
fn a_new_row_whose_place_is_gone_goes_to_the_end() {
    let bench = source(false);
    for (layout, _) in LAYOUTS {
        let dir = aside(&bench, layout);
        migrate(["compact", &dir]).exits(0);
        take_up(&bench, &dir, &[], 0);
        let taken = bodies(&at(&bench, "taken"), 0);
        assert_eq!(taken.len(), LIVE + 1, "{layout}");
        assert_eq!(taken.last().unwrap(), "new", "{layout}");
    }
}

#[test]
fn a_quarantine_that_is_not_as_it_was_written_is_said_by_every_command() {
    let bench = source(true);
    let (out, kept) = (at(&bench, "out"), at(&bench, "kept"));
    type Change = fn(&str) -> Option<String>;
    let changes: [(Change, usize); 4] = [
        (|_| None, 0),
        (|text| Some(text.split_inclusive('\n').skip(1).collect()), 2),
        (|text| Some(text.repeat(2)), 3),
        (
            |text| Some(text.replacen("\"raw\":\"", "\"raw\":\"z", 1)),
            2,
        ),
    ];
    for (change, whole) in changes {
        let dir = aside(&bench, "append");
        let file = Path::new(&dir).join("quarantine.jsonl");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 3);
        match change(&text) {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        for command in ["info", "dump", "hash", "verify"] {
            let said = inspect([command, &dir]).exits(1);
            let said = said.stderr + &said.stdout;
            assert!(said.contains("quarantine.jsonl"), "{command}: {said}");
            assert!(said.contains("expected 3 lines"), "{command}: {said}");
        }
        let refused = migrate(["upgrade", &dir, &out]).exits(1).stderr;
        assert!(refused.contains("--salvage"), "{refused}");
        migrate(["compact", &dir, "-o", &out]).exits(1);
        assert!(!Path::new(&out).exists());
        let _ = fs::remove_dir_all(&kept);
        let said = migrate(["upgrade", &dir, &kept, "--salvage"]).exits(1);
        let said = said.stderr + &said.stdout;
        assert!(said.contains("expected 3 lines"), "{said}");
        let lines = fs::read_to_string(Path::new(&kept).join("quarantine.jsonl"));
        assert_eq!(lines.map_or(0, |text| text.lines().count()), whole);
        inspect(["verify", &kept]).exits(0);
        migrate(["compact", &dir]).exits(1);
        inspect(["verify", &dir]).exits(1);
    }
}

#[test]
fn a_quarantine_that_the_catalog_does_not_name_is_not_taken_up() {
    let bench = source(false);
    for (layout, _) in LAYOUTS {
        let with_it = aside(&bench, layout);
        let quarantine = fs::read(Path::new(&with_it).join("quarantine.jsonl")).unwrap();
        take_up(&bench, &at(&bench, "data"), &["--to", layout], 0);
        let decided = at(&bench, "taken");
        let (before, new) = (bodies(&decided, 0), at(&bench, "new"));
        for stray in [&*quarantine, b"{"] {
            fs::write(Path::new(&decided).join("quarantine.jsonl"), stray).unwrap();
            for more in [&[][..], &["--salvage"]] {
                let _ = fs::remove_dir_all(&new);
                let args = ["upgrade", &decided, &new].into_iter();
                migrate(args.chain(more.iter().copied())).exits(0);
                assert_eq!(bodies(&new, 0), before, "{layout}");
                assert!(!Path::new(&new).join("quarantine.jsonl").exists());
            }
            let said = inspect(["verify", &decided, "-v"]).exits(0);
            let said = said.stderr + &said.stdout;
            assert!(
                said.contains("extra-file") && said.contains("quarantine.jsonl"),
                "{said}"
            );
        }
    }
}

#[test]
fn the_folder_of_a_database_is_no_directory_by_itself() {
    let bench = source(false);
    let dir = aside(&bench, "append");
    let folder = Path::new(&dir).join("db_left");
    let said = inspect(["info", folder.to_str().unwrap()]).exits(2).stderr;
    assert!(said.contains("the folder of one database"), "{said}");
}

#[test]
fn a_bad_slot_of_control_is_said_and_the_rows_stay_readable() {
    let bench = source(false);
    let kept = at(&bench, "kept");
    for slot in [0, 4096] {
        let dir = aside(&bench, "per-table");
        let file = Path::new(&dir).join("control");
        let mut bytes = fs::read(&file).unwrap();
        bytes[slot..slot + 4096].fill(0);
        fs::write(&file, bytes).unwrap();
        assert_eq!(bodies(&dir, 1).len(), LIVE);
        let said = inspect(["info", &dir]).exits(1).stdout;
        let place = format!("control, offset {slot}");
        assert!(said.contains(&place), "{said}");
        migrate(["upgrade", &dir, &kept]).exits(1);
        migrate(["upgrade", &dir, &kept, "--salvage"]).exits(1);
        assert_eq!(bodies(&kept, 0).len(), LIVE);
        fs::remove_dir_all(&kept).unwrap();
        // Written anew, and said once.
        migrate(["compact", &dir]).exits(1);
        inspect(["verify", &dir]).exits(0);
        migrate(["compact", &dir]).exits(0);
    }
}

#[test]
fn a_compaction_leaves_two_good_copies_of_a_descriptor() {
    let bench = source(true);
    for (layout, _) in LAYOUTS {
        let dir = aside(&bench, layout);
        // Once packed, nothing but the descriptor is written.
        for _ in 0..2 {
            let file = Path::new(&dir).join("db_left/notes.table");
            let mut bytes = fs::read(&file).unwrap();
            bytes[100] ^= 1;
            fs::write(&file, bytes).unwrap();
            inspect(["verify", &dir]).exits(1);
            migrate(["compact", &dir]).exits(0);
            inspect(["verify", &dir]).exits(0);
        }
    }
}
