//! What commands write, and where: whole or not at all, never through a link,
//! never into what is only read, never over what is there; and no more open
//! files, bytes or time than a user allows.

use crate::support;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::content::{column, customer, int, key, loaded, populated, row, table};
use crate::support::model::{DataType, Family};
use crate::support::tool::{Bench, Said, inspect, migrate, tree};

const MIGRATE: &str = env!("CARGO_BIN_EXE_rustdb-migrate");
const INSPECT: &str = env!("CARGO_BIN_EXE_rustdb-inspect");

/// A source with a log, and the names of what writes a file about it.
fn bench() -> Bench {
    let mut server = populated(Family::V1_4);
    server.insert("shop", "customers", vec![customer(8, "Di")]);
    Bench::new(&server.killed())
}

/// Every command that writes a file: its words, the file's name among them.
fn writers(bench: &Bench, file: &Path) -> [Vec<String>; 3] {
    let words = |program: &str, line: &str| {
        let mut words = vec![program.to_owned()];
        words.extend(line.split(' ').map(|word| match word {
            "SOURCE" => bench.source().display().to_string(),
            "TARGET" => bench.target().display().to_string(),
            "FILE" => file.display().to_string(),
            word => word.to_owned(),
        }));
        words
    };
    [
        words(MIGRATE, "attribute SOURCE -o FILE"),
        words(MIGRATE, "upgrade SOURCE TARGET --report FILE"),
        words(INSPECT, "report SOURCE -o FILE"),
    ]
}

fn run(words: &[String], more: &[&str]) -> Said {
    let (program, words) = words.split_first().unwrap();
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    match program.as_str() {
        MIGRATE => migrate(&words),
        _ => inspect(&words),
    }
}

/// Runs a program with limits of the shell, as `ulimit` sets them.
fn limited(limits: &str, words: &[&str]) -> Said {
    let script = format!("{limits}; exec \"$@\"");
    let mut command = Command::new("sh");
    let output = command
        .args(["-c", &script, "sh"])
        .args(words)
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_file_that_is_there_is_kept_unless_it_is_forced() {
    let bench = bench();
    for (at, words) in writers(&bench, &bench.dir.path().join("file"))
        .iter()
        .enumerate()
    {
        let file = bench.dir.path().join("file");
        fs::write(&file, "mine").unwrap();
        let said = run(words, &[]);
        assert_eq!(said.code, Some(3), "{words:?}: {}", said.err);
        assert!(said.err.contains("file exists"), "{}", said.err);
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        assert!(!bench.target().exists(), "refused before the work");
        let said = run(words, &["--force"]);
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.err);
        assert_ne!(fs::read(&file).unwrap(), b"mine", "{at}");
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&file).unwrap();
        let _ = fs::remove_dir_all(bench.target());
    }
}

#[test]
fn no_link_leads_a_file_into_the_source() {
    let bench = bench();
    let before = tree(&bench.source());
    let link = bench.dir.path().join("link");
    symlink(bench.source().join("server_instance.db"), &link).unwrap();
    let way = bench.dir.path().join("way");
    symlink(bench.source(), &way).unwrap();
    for file in [link, way.join("new"), bench.source().join("wal/new")] {
        for words in writers(&bench, &file) {
            for more in [&[][..], &["--force"]] {
                let said = run(&words, more);
                assert!(matches!(said.code, Some(2 | 3)), "{words:?}: {said:?}");
                assert!(!bench.target().exists(), "{words:?}");
            }
        }
    }
    assert_eq!(tree(&bench.source()), before);
}

#[test]
fn a_report_cannot_be_inside_the_target() {
    let bench = bench();
    fs::create_dir(bench.target()).unwrap();
    let words = writers(&bench, &bench.target().join("report.json"));
    let said = run(&words[1], &[]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert_eq!(fs::read_dir(bench.target()).unwrap().count(), 0);
}

#[test]
fn a_pipe_takes_an_output_as_it_is() {
    let bench = bench();
    let source = bench.source();
    let line = format!(
        "{MIGRATE} attribute {} -o /dev/stdout | cat",
        source.display()
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.stdout.starts_with(b"# Which database"), "{output:?}");
}

#[test]
fn what_is_no_decision_file_is_refused_in_a_few_lines() {
    let bench = bench();
    let at = |name: &str| bench.dir.path().join(name);
    fs::File::create(at("hole"))
        .unwrap()
        .set_len(64 << 30)
        .unwrap();
    fs::write(at("line"), "x".repeat(5 << 20)).unwrap();
    fs::write(at("bytes"), [0xff, 0xfe]).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("pipe"))
            .status()
            .unwrap()
            .success()
    );
    for name in ["hole", "line", "bytes", "pipe", "missing", "data"] {
        let file = at(name);
        let source = bench.source();
        let words = [
            "wal",
            source.to_str().unwrap(),
            "--attribution",
            file.to_str().unwrap(),
        ];
        let said = inspect(&words);
        assert_eq!(said.code, Some(2), "{name}: {}", said.err);
        assert!(
            said.err.len() < 2000 && said.err.contains(name),
            "{}",
            said.err
        );
    }
}

#[test]
fn what_stands_beside_data_is_read_only_when_it_is_a_small_file() {
    let bench = bench();
    let expected = bench.dir.path().join("expected.json");
    let check = || inspect(&["check", bench.dir.path().to_str().unwrap()]);
    symlink("/dev/zero", &expected).unwrap();
    assert_eq!(check().code, Some(2));
    fs::remove_file(&expected).unwrap();
    fs::File::create(&expected)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let said = check();
    assert_eq!(said.code, Some(2));
    assert!(said.out.contains("expected at most"), "{}", said.out);
    fs::remove_file(&expected).unwrap();
    let many: Vec<String> = (0..20_000).map(|at| format!("\"k{at}\": {at}")).collect();
    let text = format!("{{\"schema\": 1, \"findings\": {{{}}}}}", many.join(","));
    fs::write(&expected, text).unwrap();
    let said = check();
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.lines().count() < 120,
        "{}",
        said.out.lines().count()
    );
}

/// A source of so many rows.
fn large(rows: i64) -> Bench {
    let mut server = populated(Family::V1_4);
    let rows = (0..rows).map(|id| row(customer(id + 100, "a name of some length")));
    server.table("shop", "customers").rows.extend(rows);
    Bench::new(&loaded(Family::V1_4, server).killed())
}

#[test]
fn a_source_that_changes_while_it_is_read_is_never_published() {
    // So many rows that whoever writes has his turn while they are read.
    let bench = large(60_000);
    let words = writers(&bench, &bench.dir.path().join("file"));
    // Somebody appends to the log for as long as the command runs.
    let segment = fs::read_dir(bench.source().join("wal"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let script = "while kill -0 $2 2>/dev/null; do printf x >> \"$1\"; done";
    let script =
        format!("( {script} ) & p=$!; shift 2; \"$@\"; code=$?; kill $p; wait $p; exit $code");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(segment.path());
    command.arg(std::process::id().to_string());
    let output = command.args(&words[1]).arg("--force").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{err}");
    assert!(!bench.target().exists(), "{err}");
}

#[test]
fn a_limit_of_the_size_of_files_ends_cleanly() {
    let bench = large(4000);
    let (source, target) = (bench.source(), bench.target());
    for layout in ["paged", "per-table", "append", "snapshot"] {
        let words = [
            "upgrade",
            "--to",
            layout,
            source.to_str().unwrap(),
            target.to_str().unwrap(),
        ];
        let said = limited("ulimit -f 32", &[&[MIGRATE][..], &words].concat());
        assert_eq!(said.code, Some(2), "{layout}: {}", said.err);
        let left: Vec<_> = fs::read_dir(bench.dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{layout}: {left:?}");
    }
}

#[test]
fn few_open_files_are_enough_for_many_tables() {
    let mut server = populated(Family::V1_4);
    for at in 0..120 {
        let name = format!("t{at}");
        let columns = vec![key("id", DataType::Integer), column("v", DataType::Integer)];
        server.create_table("shop", table(&name, columns));
        let dead = |id: i64| support::model::Row {
            xmax: (id % 2 == 0).then_some(2),
            ..row(vec![int(id), int(at)])
        };
        server.table("shop", &name).rows = (0..10).map(dead).collect();
    }
    let bench = Bench::new(&loaded(Family::V1_4, server).killed());
    let source = bench.source().display().to_string();
    for layout in ["paged", "per-table", "append"] {
        let target = bench.dir.path().join(layout).display().to_string();
        let run = |words: &[&str]| {
            let said = limited("ulimit -n 64", words);
            assert_eq!(said.code, Some(0), "{layout} {words:?}: {}", said.err);
        };
        run(&[MIGRATE, "upgrade", "-q", "--to", layout, &source, &target]);
        for command in ["info", "verify", "hash", "dump", "stats"] {
            run(&[INSPECT, command, &target]);
        }
        run(&[INSPECT, "diff", &source, &target]);
        run(&[MIGRATE, "compact", &target]);
        run(&[INSPECT, "verify", "-q", &target]);
    }
}
