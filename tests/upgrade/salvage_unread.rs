//! Damage that no byte of a file shows: files that are not there, other things
//! in their place, holes, and blocks that a disk does not give.

use std::fs;
use std::path::Path;

use rustdb_migrate::engine::{
    Durability, Layout, Level, LiveStore, Store, StoreOptions, seal_beside, verify,
};
use rustdb_migrate::file::LocalDisk;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::{RowSource, ValueRef};
use rustdb_migrate::report::Report;

use crate::salvage_ours::{directory, files, judge, salvaged, truth};
use crate::support::run::{inspect, migrate};

/// Whether rows stand in a file, or it is derived from those.
fn is_of_rows(path: &Path) -> (bool, bool) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let derived = name.ends_with(".index") || name == "free_space.map";
    let catalog = ["metadata.db", "global.db"].contains(&name.as_str());
    let rows = name.ends_with(".dat") || (name.ends_with(".db") && !catalog);
    (rows && !derived, derived)
}

#[test]
fn a_hole_at_the_end_of_a_file_costs_no_row() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for path in files(dir.path()) {
            if !is_of_rows(&path).0 {
                continue;
            }
            let whole = fs::read(&path).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_len(1 << 20).unwrap();
            judge(&format!("{layout}: {}", path.display()), dir.path(), 0);
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn a_lost_file_is_damage_for_every_command_and_a_derived_one_for_none() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let name = dir.path().to_str().unwrap();
        let target = tempfile::tempdir().unwrap();
        let target = target.path().join("new");
        let target = target.to_str().unwrap();
        for path in files(dir.path()) {
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let what = path.strip_prefix(dir.path()).unwrap().display().to_string();
            let (_, derived) = is_of_rows(&path);
            let code = i32::from(!derived);
            let readers: [&[&str]; 5] = [
                &["info", name],
                &["info", "--salvage", name],
                &["dump", "--format", "jsonl", name],
                &["stats", name],
                &["hash", name],
            ];
            for args in readers {
                let run = inspect(args.iter().copied());
                assert_eq!(run.code, code, "{layout}: {what}: {args:?}\n{}", run.stderr);
                let said = format!("{}{}", run.stdout, run.stderr);
                assert!(
                    derived || said.contains(&what),
                    "{layout}: {args:?}: {said}"
                );
            }
            let run = migrate(["upgrade", "-n", name, target]);
            assert_eq!(run.code, code, "{layout}: {what}: upgrade\n{}", run.stderr);
            if !derived {
                let said = inspect(["info", "--format", "json", name]).exits(1);
                let found = said.json()["findings"].to_string();
                assert!(found.contains("missing-file"), "{layout}: {what}: {found}");
                assert_ne!(said.json()["next"].to_string(), "[]", "{layout}: {what}");
            }
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn something_else_in_place_of_a_file_is_damage_and_counts_as_lost_under_salvage() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let name = dir.path().to_str().unwrap();
        let path = files(dir.path())
            .into_iter()
            .rfind(|path| is_of_rows(path).0);
        let path = path.unwrap();
        fs::rename(&path, dir.path().join("aside")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("aside"), &path).unwrap();
        let run = inspect(["info", name]).exits(1);
        assert!(run.stdout.contains("--salvage"), "{layout}: {}", run.stdout);
        inspect(["hash", name]).exits(1);
        judge(&format!("{layout}: a link"), dir.path(), 2000);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        judge(&format!("{layout}: a directory"), dir.path(), 2000);
    }
}

#[test]
fn a_link_in_place_of_a_file_beside_the_data_is_named_as_lost() {
    for beside in ["quarantine.jsonl", "attribution.jsonl"] {
        let dir = directory(Layout::Append);
        let name = dir.path().to_str().unwrap();
        let path = dir.path().join(beside);
        fs::write(&path, "").unwrap();
        seal_beside(&LocalDisk, dir.path(), &[beside]).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let target = tempfile::tempdir().unwrap();
        let target = target.path().join("new");
        let target = target.to_str().unwrap();
        migrate(["upgrade", name, target]).exits(1);
        let run = migrate(["upgrade", "--salvage", name, target]).exits(1);
        assert!(run.stderr.contains(beside), "{}", run.stderr);
        assert!(salvaged(Path::new(target)).0 == truth());
    }
}

#[test]
fn a_directory_in_place_of_a_segment_is_named_once_and_costs_the_log_alone() {
    let dir = directory(Layout::Append);
    let mut store = LiveStore::open(dir.path(), StoreOptions::default()).unwrap();
    let posts = store.table("blog", "posts").unwrap().id();
    let new = [ValueRef::Integer(1000), ValueRef::Text("in the log alone")];
    let mut tx = store.begin().unwrap();
    tx.insert(posts, &new).unwrap();
    tx.commit(Durability::Sync).unwrap();
    drop(store);
    let segment = files(&dir.path().join("wal")).pop().unwrap();
    fs::remove_file(&segment).unwrap();
    fs::create_dir(&segment).unwrap();
    let mut report = Report::new();
    verify(dir.path(), Level::Structure, &mut report).unwrap();
    let of_it = report.findings().iter();
    let of_it = of_it.filter(|finding| finding.code == Code::NotRegular);
    assert_eq!(of_it.count(), 1, "{:?}", report.findings());
    inspect(["info", dir.path().to_str().unwrap()]).exits(1);
    judge("a directory", dir.path(), 0);
}

/// The log says once more what stood there, and cannot put it back.
#[test]
fn something_else_in_place_of_what_the_log_wrote_costs_that_alone() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let mut store = LiveStore::open(dir.path(), StoreOptions::default()).unwrap();
        let posts = store.table("blog", "posts").unwrap().id();
        let new = [ValueRef::Integer(1000), ValueRef::Text("new")];
        let mut tx = store.begin().unwrap();
        tx.insert(posts, &new).unwrap();
        tx.commit(Durability::Sync).unwrap();
        store.checkpoint().unwrap();
        store.close().unwrap();
        let descriptor = dir.path().join("db_blog/posts.table");
        fs::remove_file(&descriptor).unwrap();
        fs::create_dir(&descriptor).unwrap();
        fs::remove_file(dir.path().join("control")).unwrap();
        let (found, report) = salvaged(dir.path());
        assert!(report.has_errors(), "{layout}");
        let rows: Vec<_> = found.values().map(Vec::len).collect();
        assert_eq!(rows, [31, 40, 2000], "{layout}");
    }
}

#[test]
fn a_table_that_is_damaged_hides_no_other_from_a_dump() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let name = dir.path().to_str().unwrap();
        let orders = files(dir.path())
            .into_iter()
            .find(|path| is_of_rows(path).0 && path.display().to_string().contains("orders"));
        let orders = orders.unwrap();
        let mut bytes = fs::read(&orders).unwrap();
        let at = bytes.len().min(8192) - 200;
        bytes[at] ^= 1;
        bytes[150] ^= 1;
        fs::write(&orders, bytes).unwrap();
        let run = inspect(["dump", "--format", "jsonl", name]).exits(1);
        let of = |table: &str| {
            let table = format!("\"table\":\"{table}\"");
            run.stdout
                .lines()
                .filter(|line| line.contains(&table))
                .count()
        };
        assert_eq!((of("posts"), of("people")), (27, 1800), "{layout}");
        assert!(run.stderr.contains("orders"), "{layout}: {}", run.stderr);
        let again = "dump --format jsonl";
        let again = run
            .stderr
            .lines()
            .any(|line| line.contains(again) && line.ends_with("--salvage"));
        assert!(again, "{layout}: {}", run.stderr);
        let run = inspect(["dump", name]).exits(1);
        assert!(
            run.stdout.contains("CREATE TABLE public.\"people\""),
            "{layout}"
        );
        assert!(
            !run.stdout.contains("CREATE TABLE public.\"orders\""),
            "{layout}"
        );
        assert_eq!(run.stdout.matches("person 0").count(), 1827, "{layout}");
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("csv");
        let to = out.to_str().unwrap();
        inspect(["dump", "--format", "csv", "-o", to, name]).exits(1);
        assert!(out.join("shop/people.csv").exists(), "{layout}");
        assert!(!out.join("shop/orders.csv").exists(), "{layout}");
    }
}

#[test]
fn a_lost_descriptor_hides_no_table_from_a_dump() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        fs::remove_file(dir.path().join("db_shop/orders.table")).unwrap();
        let name = dir.path().to_str().unwrap();
        let run = inspect(["dump", "--format", "jsonl", name]).exits(1);
        assert_eq!(run.stdout.lines().count(), 27 + 1800, "{layout}");
        let kept = Store::salvage_on(&LocalDisk::shared(), dir.path()).unwrap();
        assert_eq!(kept.row_count(1, 1), 40, "{layout}");
    }
}
