//! Whose TARGET is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::support::run::{Run, copy, data, migrate, text};

const SERVICE: u32 = 4242;

/// A copy of a fixture that belongs to a service; `None` where files cannot be
/// given away.
fn of_service(place: &Path) -> Option<String> {
    let source = place.join("data");
    copy(Path::new(&data("torn_tail")), &source);
    for entry in walkdir::WalkDir::new(&source) {
        if chown(entry.unwrap().path(), Some(SERVICE), Some(SERVICE + 1)).is_err() {
            println!("skipped: only root can give files away");
            return None;
        }
    }
    fs::set_permissions(&source, fs::Permissions::from_mode(0o750)).unwrap();
    let snapshot = source.join("server_instance.db");
    fs::set_permissions(snapshot, fs::Permissions::from_mode(0o640)).unwrap();
    Some(text(&source))
}

/// User, group and rights of everything written.
fn owners(target: &Path) -> Vec<(u32, u32, u32)> {
    let entries = walkdir::WalkDir::new(target)
        .into_iter()
        .map(Result::unwrap);
    let mut owners: Vec<_> = entries
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            (meta.uid(), meta.gid(), meta.mode() & 0o777)
        })
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

#[test]
fn a_target_that_root_writes_belongs_to_the_owner_of_the_source() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(source) = of_service(scratch.path()) else {
        return;
    };
    for layout in ["paged", "snapshot"] {
        let target = scratch.path().join(layout);
        let run: Run = migrate(["upgrade", &source, &text(&target), "--to", layout]).exits(0);
        let (user, group) = (SERVICE, SERVICE + 1);
        assert_eq!(
            owners(&target),
            [(user, group, 0o640), (user, group, 0o750)],
            "{layout}"
        );
        assert!(
            run.stderr.contains("belongs to 4242:4243"),
            "{}",
            run.stderr
        );
    }
    let target = scratch.path().join("other");
    let args = ["upgrade", &source, &text(&target), "--owner", "7:9"];
    migrate(args).exits(0);
    assert_eq!(owners(&target), [(7, 9, 0o640), (7, 9, 0o750)]);
    let packed = scratch.path().join("packed");
    migrate(["compact", &text(&target), "-o", &text(&packed)]).exits(0);
    assert_eq!(owners(&packed), owners(&target));
    let never = text(&scratch.path().join("never"));
    migrate(["upgrade", &source, &never, "--owner", "nobody-of-this-name"]).exits(2);
    assert!(!Path::new(&never).exists());
}
