//! What a user is shown of a decision, how he decides, and what is said of
//! records that were placed without one.

use std::fs;

use serde_json::Value as Json;

use crate::support::content::{column, fresh, int, key, loaded, table, text};
use crate::support::model::{self, DataType, Family, Value};
use crate::support::server::Server;
use crate::support::tool::{self, Bench, Said};

fn notes(rows: i64, of: &str) -> (model::Table, Vec<Vec<Value>>) {
    let columns = vec![
        column("what", DataType::Text),
        column("n", DataType::Integer),
    ];
    let rows = (0..rows).map(|n| vec![text(&format!("{of} {n}")), int(n)]);
    (table("notes", columns), rows.collect())
}

/// `left` and `right` with a table each that nothing separates; then, of `left`:
/// rows 4 and 5 are inserted, 0 to 2 changed by one statement, 3 deleted.
fn twins() -> (Bench, Server) {
    let mut server = fresh(Family::V1_4);
    for name in ["left", "right"] {
        server.create_database(name);
        let (table, rows) = notes(4, name);
        server.create_table(name, table);
        server.insert(name, "notes", rows);
    }
    let mut server = loaded(Family::V1_4, server);
    let rows = [("plumber\n\u{1b}[31m", 7), ("two", 8)];
    let rows = rows.map(|(what, n)| vec![text(what), int(n)]);
    server.insert("left", "notes", rows.to_vec());
    let changed = |at: u64| (at, vec![text(&format!("sold {at}")), int(9)]);
    server.update("left", "notes", vec![changed(0), changed(1), changed(2)]);
    server.delete("left", "notes", &[3]);
    (Bench::new(&server.killed()), server)
}

fn inspect(words: &[&str]) -> Said {
    tool::inspect(words)
}

fn migrate(words: &[&str]) -> Said {
    tool::migrate(words)
}

fn on(bench: &Bench, program: fn(&[&str]) -> Said, words: &[&str]) -> Said {
    let place = |word: &&str| match *word {
        "DATA" => bench.source().to_str().unwrap().to_owned(),
        word => match word.strip_prefix('@') {
            Some(name) => bench.dir.path().join(name).to_str().unwrap().to_owned(),
            None => word.to_owned(),
        },
    };
    let words: Vec<String> = words.iter().map(place).collect();
    program(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn wal(bench: &Bench, words: &[&str]) -> Said {
    on(bench, inspect, &[&["wal", "DATA"], words].concat())
}

fn rows(bench: &Bench, target: &str, table: &str) -> Vec<Json> {
    let flags = ["dump", target, "--format", "jsonl", "--table", table];
    let said = on(bench, inspect, &flags);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.map(|line| line["row"].clone()).collect()
}

fn findings(report: &Json, code: &str) -> Vec<Json> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["code"] == code)
        .cloned()
        .collect()
}

#[test]
fn a_record_is_explained_by_its_values_and_by_the_row_that_each_owner_would_lose() {
    let (bench, _) = twins();
    let insert = wal(&bench, &["--explain", "2"]);
    assert!(
        insert
            .out
            .contains(r#"values       {"what":"plumber\n\u001b[31m","n":7}"#),
        "{}",
        insert.out
    );
    assert!(
        insert.out.contains("the share of all likelihood"),
        "{}",
        insert.out
    );
    let update = wal(&bench, &["--explain", "5"]);
    for shown in [
        r#"{"what":"sold 1","n":9}"#,
        r#"in left, row 1: {"what":"left 1","n":1}"#,
        r#"in right, row 1: {"what":"right 1","n":1}"#,
    ] {
        assert!(update.out.contains(shown), "{}", update.out);
    }
    let delete = wal(&bench, &["--explain", "7", "--format", "json"]);
    let delete: Json = serde_json::from_str(&delete.out).unwrap();
    let record = &delete["records"][0];
    assert_eq!(record["values"], Json::Null);
    let ends = record["ends"].as_array().unwrap();
    let of_right = ends.iter().find(|one| one["database"] == "right").unwrap();
    assert_eq!(of_right["row"]["what"], "right 3");
    assert_eq!(of_right["doubtful"], false);
    for explained in ["2", "5", "7"] {
        let hidden = wal(&bench, &["--explain", explained, "--redact"]);
        assert_eq!(hidden.code, Some(0));
        for value in ["plumber", "sold", "left 1", "right 3"] {
            assert!(!hidden.out.contains(value), "{}", hidden.out);
        }
        assert!(hidden.out.contains("<redacted len:"), "{}", hidden.out);
    }
}

#[test]
fn a_row_behind_undecided_ones_is_not_taken_for_another() {
    let (_, mut server) = twins();
    // Row 4 is the first of those that nobody has placed.
    server.delete("left", "notes", &[4]);
    let bench = Bench::new(&server.killed());
    let said = wal(&bench, &["--explain", "8"]);
    assert!(
        said.out
            .contains("in left, row 4: not known: it lies behind the rows that are placed"),
        "{}",
        said.out
    );
}

#[test]
fn a_decision_file_has_one_line_a_statement_and_reads_back() {
    let (bench, server) = twins();
    let first = on(&bench, migrate, &["attribute", "DATA", "-o", "@decisions"]);
    assert_eq!(first.code, Some(3), "{}", first.err);
    let file = bench.dir.path().join("decisions");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let starts = [
        "2 = ?  # ambiguous Insert \"notes\" {\"what\":\"plumber",
        "3 = ?  #",
        "4-6 = ?  # ambiguous Update \"notes\"",
        "7 = ?  #",
    ];
    assert_eq!(lines.len(), starts.len(), "{text}");
    assert!(
        lines
            .iter()
            .zip(starts)
            .all(|(line, start)| line.starts_with(start)),
        "{text}"
    );
    for comment in [
        r#"#   5 {"what":"sold 1","n":9}"#,
        r#"#   5 ends row 1 in "right": {"what":"right 1","n":1}"#,
        r#"#   7 ends row 3 in "right": {"what":"right 3","n":3}"#,
    ] {
        assert!(text.lines().any(|line| line == comment), "{text}");
    }
    assert!(
        text.lines()
            .all(|line| !line.contains('\u{1b}') && line.len() < 500)
    );
    // The user decides, in two goes.
    fs::write(&file, text.replace("4-6 = ?", "4-6 = \"left\"")).unwrap();
    let more = [
        "attribute",
        "DATA",
        "--attribution",
        "@decisions",
        "-o",
        "@more",
    ];
    assert_eq!(on(&bench, migrate, &more).code, Some(3));
    let more = bench.dir.path().join("more");
    let text = fs::read_to_string(&more).unwrap();
    assert!(text.contains("4-6 = \"left\"  # assigned"), "{text}");
    let text = text
        .replace("2 = ?", "2 = \"left\"")
        .replace("3 = ?", "3 = \"left\"")
        .replace("7 = ?", "7 = quarantine");
    fs::write(&more, text).unwrap();
    let last = on(
        &bench,
        migrate,
        &["attribute", "DATA", "--attribution", "@more"],
    );
    assert_eq!(last.code, Some(0), "{}", last.err);
    assert!(last.out.contains("7 = quarantine"), "{}", last.out);
    let up = on(
        &bench,
        migrate,
        &["upgrade", "DATA", "@new", "--attribution", "@more"],
    );
    assert_eq!(up.code, Some(0), "{}", up.err);
    let truth = &server
        .instance
        .databases
        .iter()
        .find(|(name, _)| name == "left")
        .unwrap()
        .1;
    // All that was done but the DELETE.
    let visible = truth.tables[0]
        .1
        .rows
        .iter()
        .filter(|row| row.xmax.is_none())
        .count();
    assert_eq!(rows(&bench, "@new", "left.notes").len(), visible + 1);
    let hidden = on(&bench, migrate, &["attribute", "DATA", "--redact"]);
    assert!(!hidden.out.contains("plumber") && hidden.out.contains("redacted"));
}

#[test]
fn decisions_that_are_there_are_not_written_over() {
    let (bench, _) = twins();
    let file = bench.dir.path().join("decisions");
    fs::write(&file, "4 = \"left\"\n").unwrap();
    let write = ["attribute", "DATA", "-o", "@decisions"];
    let said = on(&bench, migrate, &write);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("--force"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "4 = \"left\"\n");
    on(&bench, migrate, &[&write[..], &["--force"]].concat());
    assert!(fs::read_to_string(&file).unwrap().contains("4-6 = ?"));
}

#[test]
fn names_are_held_against_those_of_the_files() {
    let (bench, _) = twins();
    for (flags, code, words) in [
        (&["--assign", "left.notes=left"][..], 0, ""),
        (
            &["--assign", "notes=left", "--assign", "left.notes=left"],
            0,
            "",
        ),
        (&["--assign", "left.notes=right"], 2, "--assign notes=right"),
        (&["--assign", "left.nots=left"], 2, "did you mean \"notes\""),
        (&["--assign", "notes=lef"], 2, "did you mean \"left\""),
        (
            &["--assign", "notes=left", "--assign", "notes=right"],
            2,
            "one decision about a table",
        ),
        (
            &["--assign", "notes=left", "--assign", "right.notes=right"],
            2,
            "one decision",
        ),
    ] {
        let said = bench.upgrade("append", flags);
        assert_eq!(said.code, Some(code), "{flags:?}: {}", said.err);
        assert!(said.err.contains(words), "{flags:?}: {}", said.err);
        assert_eq!(bench.target().exists(), code == 0, "{flags:?}");
        let _ = fs::remove_dir_all(bench.target());
    }
    let of_left = wal(
        &bench,
        &[
            "--assign",
            "notes=left",
            "--table",
            "left.notes",
            "--op",
            "Insert",
        ],
    );
    assert_eq!(
        of_left
            .out
            .lines()
            .filter(|line| line.contains("Insert"))
            .count(),
        2
    );
    assert_eq!(wal(&bench, &["--table", "left.other"]).code, Some(2));
    // Two decisions in one file.
    let file = bench.dir.path().join("decisions");
    fs::write(&file, "2-4 = \"left\"\n4-7 = \"right\"\n").unwrap();
    let said = on(
        &bench,
        migrate,
        &["upgrade", "DATA", "@new", "--attribution", "@decisions"],
    );
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("line 2") && said.err.contains("line 1 says left"),
        "{}",
        said.err
    );
    fs::write(&file, "2-7 = \"lft\"\n").unwrap();
    let said = on(
        &bench,
        migrate,
        &["upgrade", "DATA", "@new", "--attribution", "@decisions"],
    );
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("did you mean \"left\""), "{}", said.err);
}

#[test]
fn a_database_that_no_file_names_is_taken_where_a_table_was_made() {
    let (_, mut server) = twins();
    server.create_database("young");
    server.create_table("young", notes(0, "").0);
    server.insert("young", "notes", vec![vec![text("first"), int(1)]]);
    let young: Vec<String> = server
        .tail
        .iter()
        .map(|(sequence, database)| format!("{sequence} = {database:?}\n"))
        .collect();
    let bench = Bench::new(&server.killed());
    fs::write(bench.dir.path().join("decisions"), young.concat()).unwrap();
    let said = on(
        &bench,
        migrate,
        &["upgrade", "DATA", "@new", "--attribution", "@decisions"],
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(rows(&bench, "@new", "young.notes").len(), 1);
}

#[test]
fn a_table_made_in_a_transaction_is_kept_where_the_user_says() {
    let mut server = loaded(Family::V1_4, fresh(Family::V1_4));
    server.create_database("young");
    server.empty_transaction();
    let sold = || {
        let columns = vec![column("n", DataType::Integer), column("t", DataType::Text)];
        table("sold", columns)
    };
    for database in ["young", "postgres"] {
        server.create_table_unlogged(database, sold());
        server.insert(database, "sold", vec![vec![int(1), text(database)]]);
    }
    server.insert("young", "sold", vec![vec![int(2), text("again")]]);
    let bench = Bench::new(&server.killed());
    // Nobody says whose it is.
    let said = bench.upgrade("append", &[]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("orphan-record: sold"), "{}", said.err);
    // All of it one database's.
    let said = bench.upgrade("append", &["--assign", "sold=young"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("schema-lost: young.sold"), "{}", said.err);
    let target = bench.target();
    let kept = rows(&bench, target.to_str().unwrap(), "young.sold");
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0]["column_1"], 1);
    assert_eq!(kept[0]["column_2"], "young");
    // Record by record, of two.
    let lines = server
        .tail
        .iter()
        .map(|(sequence, database)| format!("{sequence} = {database:?}\n"));
    let decisions = bench.dir.path().join("decisions");
    fs::write(decisions, lines.collect::<String>()).unwrap();
    let words = ["upgrade", "DATA", "@other", "--attribution", "@decisions"];
    let said = on(&bench, migrate, &words);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(rows(&bench, "@other", "young.sold").len(), 2);
    let own = rows(&bench, "@other", "postgres.sold");
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["column_2"], "postgres");
}

#[test]
fn changes_of_a_table_made_in_a_transaction_count_its_unlogged_rows() {
    let mut server = loaded(Family::V1_4, fresh(Family::V1_4));
    server.empty_transaction();
    let columns = vec![column("n", DataType::Integer), column("t", DataType::Text)];
    server.create_table_unlogged("postgres", table("sold", columns));
    server.insert_unlogged("postgres", "sold", vec![int(1), text("i")]);
    for (n, word) in [(2, "j"), (3, "k")] {
        server.insert("postgres", "sold", vec![vec![int(n), text(word)]]);
    }
    server.update("postgres", "sold", vec![(1, vec![int(2), text("jj")])]);
    server.delete("postgres", "sold", &[0]);
    server.delete("postgres", "sold", &[2]);
    let bench = Bench::new(&server.killed());
    let said = bench.upgrade("append", &["--assign", "sold=postgres"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let told = said.err.matches("without proof").count();
    assert_eq!(told, 3, "{}", said.err);
    let kept = rows(&bench, bench.target().to_str().unwrap(), "postgres.sold");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["column_2"], "jj");
}

#[test]
fn what_was_set_aside_and_what_was_guessed_is_said_also_quietly() {
    let (bench, _) = twins();
    let flags = ["--on-ambiguous", "quarantine", "-q"];
    let quiet = bench.upgrade("append", &flags);
    let new = bench.target();
    let file = new.join("quarantine.jsonl");
    let line = format!("6 records were kept aside in {}", file.display());
    assert!(quiet.out.lines().any(|said| said == line), "{}", quiet.out);
    fs::remove_dir_all(&new).unwrap();
    let told = bench.upgrade("append", &flags[..2]);
    let attribute = format!(
        "rustdb-migrate attribute {} -o decisions",
        bench.source().display()
    );
    assert!(told.err.contains(&attribute), "{}", told.err);
    fs::remove_dir_all(&new).unwrap();
    let best = bench.upgrade("append", &["--on-ambiguous", "best", "-q"]);
    let line = format!("  {}/attribution.jsonl lists them", new.display());
    let mut said = best.out.lines().rev();
    assert_eq!(said.next(), Some(&*line), "{}", best.out);
    let said = said.next().unwrap();
    assert!(
        said.starts_with("6 records were placed by likelihood, the lowest weight 0."),
        "{said}"
    );
}

#[test]
fn what_was_placed_by_likelihood_is_kept_and_can_be_moved_later() {
    let (bench, _) = twins();
    let flags = ["--on-ambiguous", "best", "--format", "json"];
    let report: Json = serde_json::from_str(&bench.upgrade("paged", &flags).out).unwrap();
    assert_eq!(report["likelihood"]["records"], 6);
    assert!(!findings(&report, "placed-by-likelihood").is_empty());
    let file = bench.target().join("attribution.jsonl");
    let kept = fs::read_to_string(&file).unwrap();
    let kept: Vec<Json> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sequences: Vec<u64> = kept
        .iter()
        .map(|one| one["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [2, 3, 4, 5, 6, 7]);
    assert_eq!(
        (&kept[0]["op"], &kept[0]["table"]),
        (&"Insert".into(), &"notes".into())
    );
    assert!(kept[0]["candidates"].as_array().unwrap().len() > 1);
    let verified = on(&bench, inspect, &["verify", "@new", "--format", "json"]);
    let verified: Json = serde_json::from_str(&verified.out).unwrap();
    assert_eq!(
        verified["directories"][0]["findings"],
        serde_json::json!([])
    );
    // It goes along into what is made of the directory.
    let along = on(
        &bench,
        migrate,
        &["upgrade", "@new", "@along", "--to", "append"],
    );
    assert_eq!(along.code, Some(0), "{}", along.err);
    let copied = fs::read(bench.dir.path().join("along/attribution.jsonl")).unwrap();
    assert_eq!(copied, fs::read(&file).unwrap());
    // What it says, as a decision file, and the same the other way round.
    let other = |name: &str| if name == "left" { "right" } else { "left" };
    for (moves, target) in [(false, "@same"), (true, "@moved")] {
        let lines = kept.iter().map(|one| {
            let guessed = one["database"].as_str().unwrap();
            let database = if moves { other(guessed) } else { guessed };
            format!("{} = {database:?}\n", one["sequence"])
        });
        fs::write(bench.dir.path().join("file"), lines.collect::<String>()).unwrap();
        let flags = ["upgrade", "DATA", target, "--attribution", "@file"];
        assert_eq!(on(&bench, migrate, &flags).code, Some(0));
    }
    for name in ["left.notes", "right.notes"] {
        assert_eq!(rows(&bench, "@same", name), rows(&bench, "@new", name));
        assert_ne!(rows(&bench, "@moved", name), rows(&bench, "@new", name));
    }
}

#[test]
fn a_decision_file_that_nobody_edited_decides_nothing() {
    // A table made since the checkpoint, in a directory that names one database.
    let mut server = fresh(Family::V1_4);
    let (notes, rows) = notes(3, "some");
    server.create_table("postgres", notes);
    server.insert("postgres", "notes", rows);
    let bench = Bench::new(&server.killed());
    let json = ["--format", "json"];
    let plain: Json = serde_json::from_str(&bench.upgrade("paged", &json).out).unwrap();
    assert_eq!(findings(&plain, "assumed-database").len(), 1, "{plain}");
    let written = on(&bench, migrate, &["attribute", "DATA", "-o", "@file"]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    let obeyed = |target: &str| {
        let flags = ["upgrade", "DATA", target, "--attribution", "@file"];
        let said = on(&bench, migrate, &[&flags[..], &json].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        serde_json::from_str::<Json>(&said.out).unwrap()
    };
    let same = obeyed("@same");
    for code in ["assumed-database", "placed-by-likelihood"] {
        assert_eq!(findings(&same, code), findings(&plain, code));
    }
    assert_eq!(same["attribution"], plain["attribution"]);
    // What is decided by hand is nobody's guess.
    let flags = ["upgrade", "DATA", "@assigned", "--assign", "notes=postgres"];
    let said = on(&bench, migrate, &[&flags[..], &json].concat());
    let assigned: Json = serde_json::from_str(&said.out).unwrap();
    assert!(
        findings(&assigned, "placed-by-likelihood").is_empty(),
        "{assigned}"
    );
}

/// One database whose server ran transactions: what a server that starts anew
/// would make of its numbers differs from what is visible.
fn with_transactions() -> Server {
    let mut server = fresh(Family::V1_4);
    let columns = vec![key("id", DataType::Integer), column("v", DataType::Text)];
    server.create_table("postgres", table("t", columns));
    let row = |id: i64, v: &str| vec![int(id), text(v)];
    server.insert("postgres", "t", vec![row(1, "a"), row(2, "b"), row(3, "c")]);
    (0..4).for_each(|_| server.empty_transaction());
    server.insert("postgres", "t", vec![row(4, "d")]);
    server.update("postgres", "t", vec![(1, row(2, "new b"))]);
    server.delete("postgres", "t", &[0]);
    loaded(Family::V1_4, server)
}

/// The values that a server shows which starts on a snapshot.
fn shown(bytes: &[u8]) -> Vec<Vec<Value>> {
    let instance = model::decode_instance(Family::V1_4, bytes).unwrap();
    let rows = &instance.databases[0].1.tables[0].1.rows;
    let shown = rows
        .iter()
        .filter(|row| row.xmin <= 1 && row.xmax.is_none_or(|xmax| xmax > 1));
    shown.map(|row| row.values.clone()).collect()
}

#[test]
fn a_snapshot_for_a_server_shows_what_is_visible_and_nothing_else() {
    let server = with_transactions();
    let files = server.killed();
    let rows = &server.instance.databases[0].1.tables[0].1.rows;
    let visible = rows.iter().filter(|row| row.xmax.is_none());
    let visible: Vec<Vec<Value>> = visible.map(|row| row.values.clone()).collect();
    for (flags, versions) in [
        (&["--release", "1.4.1"][..], 5),
        (&["--release", "1.4.1", "--drop-dead"], 3),
    ] {
        let bench = Bench::new(&files);
        let said = bench.upgrade("snapshot", &[flags, &["--format", "json"]].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        let report: Json = serde_json::from_str(&said.out).unwrap();
        assert_eq!(findings(&report, "renumbered").len(), 1, "{report}");
        assert!(findings(&report, "start-differs").is_empty());
        let bytes = fs::read(bench.target().join("server_instance.db")).unwrap();
        assert_eq!(shown(&bytes), visible);
        let instance = model::decode_instance(Family::V1_4, &bytes).unwrap();
        assert_eq!(instance.databases[0].1.tables[0].1.rows.len(), versions);
        // The same visible content, whatever the numbers are.
        assert_eq!(on(&bench, inspect, &["diff", "DATA", "@new"]).code, Some(0));
        let hash = |at: &str| {
            let said = on(&bench, inspect, &["hash", at, "--format", "json"]);
            let document: Json = serde_json::from_str(&said.out).unwrap();
            document["hash"].clone()
        };
        assert_ne!(hash("DATA"), Json::Null);
        assert_eq!(hash("DATA"), hash("@new"));
    }
}

#[test]
fn without_a_release_a_snapshot_keeps_its_numbers_and_it_is_said_what_a_server_makes_of_them() {
    let mut files = with_transactions().killed();
    files.retain(|path, _| path == "server_instance.db");
    let bench = Bench::new(&files);
    let said = bench.upgrade("snapshot", &["--format", "json"]);
    let report: Json = serde_json::from_str(&said.out).unwrap();
    let bytes = fs::read(bench.target().join("server_instance.db")).unwrap();
    assert_eq!(bytes, files["server_instance.db"]);
    // Rows 4 and "new b" are of transaction 5, which also ended 1 and "b".
    let told = findings(&report, "start-differs");
    let detail = "2 visible rows would not show, 2 invisible rows would show again";
    assert_eq!(told[0]["detail"], detail);
    assert_eq!(shown(&bytes).len(), 3);
}

#[test]
fn a_server_that_shows_no_row_is_written_for_by_force_alone() {
    let bench = Bench::new(&with_transactions().killed());
    for release in ["2.0.0", "v2.2.0", "2.6.0"] {
        let flags = ["--release", release];
        let said = bench.upgrade("snapshot", &flags);
        assert_eq!(said.code, Some(3), "{}", said.err);
        assert!(!bench.target().exists());
        for words in [
            "no-row-shown",
            "--release 1.11.0",
            "rustdb-inspect dump",
            "--force",
        ] {
            assert!(said.err.contains(words), "{words}: {}", said.err);
        }
        let said = bench.upgrade("snapshot", &[&flags[..], &["--force"]].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("warning: no-row-shown"), "{}", said.err);
        fs::remove_dir_all(bench.target()).unwrap();
    }
    let said = bench.upgrade("snapshot", &["--release", "1.11.0"]);
    assert!(!said.err.contains("no-row-shown"), "{}", said.err);
}

#[test]
fn changes_that_a_release_does_not_log_are_said_of_every_log_without_any() {
    // Either way something may be missing, and one line says what.
    let told = |server: &Server| {
        let bench = Bench::new(&server.killed());
        let up = bench.upgrade("append", &[]);
        let info = on(&bench, inspect, &["info", "DATA"]);
        let said = [up.err, info.out].map(|text| {
            let changes = text.contains("warning: unlogged-changes");
            let transactions = text.contains("warning: unlogged-transactions");
            assert_ne!(changes, transactions, "{text}");
            changes
        });
        assert_eq!(said[0], said[1]);
        said[0]
    };
    for family in [Family::V1_3, Family::V1_4, Family::V1_10] {
        let mut server = fresh(family);
        let (notes, rows) = notes(2, "x");
        server.create_table("postgres", notes);
        server.insert("postgres", "notes", rows);
        assert_eq!(told(&server), family != Family::V1_3, "{family:?}");
        server.delete("postgres", "notes", &[0]);
        assert_eq!(told(&server), family == Family::V1_10, "{family:?}");
    }
    // Just after a checkpoint nobody knows what ran since, either.
    assert!(told(&fresh(Family::V1_10)));
    // A snapshot by itself is all there is.
    let mut files = fresh(Family::V1_10).killed();
    files.retain(|path, _| path == "server_instance.db");
    let said = Bench::new(&files).upgrade("append", &[]);
    assert!(!said.err.contains("unlogged-"), "{}", said.err);
}

#[test]
fn a_drop_of_no_table_asks_nothing() {
    for remade in [true, false] {
        let mut server = fresh(Family::V1_4);
        let (table, two) = notes(2, "postgres");
        server.create_table("postgres", table.clone());
        let mut server = loaded(Family::V1_4, server);
        server.drop_table("postgres", "sold");
        if remade {
            server.create_table(
                "postgres",
                model::Table {
                    name: "sold".into(),
                    ..table
                },
            );
            server.insert("postgres", "sold", two.clone());
        }
        server.insert("postgres", "notes", two);
        let bench = Bench::new(&server.killed());
        let said = bench.upgrade("append", &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let named = said.err.lines().any(|line| line.contains("sold"));
        assert!(named, "{}", said.err);
        let table = if remade { "sold" } else { "notes" };
        let target = bench.target();
        let target = target.to_str().unwrap();
        assert_eq!(rows(&bench, target, table).len(), 2, "{remade}");
    }
}

#[test]
fn a_decision_for_a_table_covers_a_statement_that_fails_there() {
    let mut server = fresh(Family::V1_4);
    server.create_database("shop");
    let numbers = || table("numbers", vec![column("n", DataType::Integer)]);
    server.create_table("postgres", numbers());
    let mut server = loaded(Family::V1_4, server);
    server.create_table("shop", numbers());
    server.insert("shop", "numbers", vec![vec![int(1)]]);
    let bench = Bench::new(&server.killed());
    assert_eq!(bench.upgrade("append", &[]).code, Some(3));
    for (database, tables) in [("postgres", 1), ("shop", 2)] {
        let decision = format!("numbers={database}");
        let said = bench.upgrade("append", &["--assign", &decision]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let target = bench.target();
        let rows = inspect(&["dump", target.to_str().unwrap(), "--format", "jsonl"]).out;
        assert_eq!(rows.lines().count(), 1, "{rows}");
        assert!(
            rows.contains(&format!("\"database\":\"{database}\"")),
            "{rows}"
        );
        let all = inspect(&["info", target.to_str().unwrap()]).out;
        assert_eq!(all.matches("numbers").count(), tables, "{all}");
        std::fs::remove_dir_all(target).unwrap();
    }
}
