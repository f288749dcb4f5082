//! Whether a live process holds files of a directory open for writing.
//!
//! A server that still runs changes its files under the reader's feet; other
//! readers do no harm. Linux lists every process's open files under `/proc`;
//! those of other users can be seen by root only, so what could not be seen is
//! said beside what was found.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::descend::files_in_sight;

/// A process that holds files of a directory open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command name, as the system gives it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name.escape_debug(), self.pid)
    }
}

/// Why nobody can say whether a directory is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// The system does not list processes.
    NoProcesses,
    /// This many processes that could write the files are of users whose open
    /// files this one cannot see.
    OfOthers(usize),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unseen::NoProcesses => f.write_str("processes cannot be seen: there is no /proc"),
            Unseen::OfOthers(count) => write!(
                f,
                "processes of other users cannot be seen, and {count} of them may write these files"
            ),
        }
    }
}

/// Who uses a directory, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InUse {
    /// The processes, other than this one, that hold a file below it open for
    /// writing, by process id.
    pub holders: Vec<Holder>,
    /// What could not be seen.
    pub unseen: Option<Unseen>,
}

impl InUse {
    /// Looks at every process once.
    pub fn of(dir: &Path) -> Self {
        Self::among(Path::new("/proc"), dir)
    }

    fn among(processes: &Path, dir: &Path) -> Self {
        let files = Files::below(dir);
        // This process itself is there where processes are listed at all.
        if !processes.join("self").exists() {
            return InUse {
                holders: Vec::new(),
                unseen: Some(Unseen::NoProcesses),
            };
        }
        let (mut holders, mut unseen) = (Vec::new(), 0_usize);
        for entry in fs::read_dir(processes).into_iter().flatten().flatten() {
            let pid: Option<u32> = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
            let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else {
                continue;
            };
            let process = entry.path();
            match fs::read_dir(process.join("fd")) {
                Ok(open) => {
                    let mut open = open.flatten();
                    if open.any(|descriptor| files.are_written_by(&process, &descriptor)) {
                        let name = fs::read_to_string(process.join("comm"));
                        let name = name.map_or_else(
                            |_| "unknown".to_owned(),
                            |name| name.trim_end().to_owned(),
                        );
                        holders.push(Holder { pid, name });
                    }
                }
                // One that ended meanwhile holds nothing.
                Err(_) if files.may_be_written_by(&process) => {
                    unseen = unseen.saturating_add(1);
                }
                Err(_) => {}
            }
        }
        holders.sort_by_key(|holder| holder.pid);
        InUse {
            holders,
            unseen: (unseen > 0).then_some(Unseen::OfOthers(unseen)),
        }
    }
}

/// The files below a directory. A server in a container has other paths to
/// them, but not other device and inode numbers.
struct Files {
    numbers: BTreeSet<(u64, u64)>,
    owners: BTreeSet<u32>,
    /// Whether others than the owner may write one.
    shared: bool,
}

impl Files {
    fn below(dir: &Path) -> Self {
        let mut files = Files {
            numbers: BTreeSet::new(),
            owners: BTreeSet::new(),
            shared: false,
        };
        let mut note = |meta: &Metadata| {
            files.owners.insert(meta.uid());
            files.shared |= meta.mode() & 0o022 != 0;
        };
        if let Ok(meta) = dir.metadata() {
            note(&meta);
        }
        for path in files_in_sight(dir) {
            if let Ok(meta) = path.symlink_metadata() {
                note(&meta);
                files.numbers.insert((meta.dev(), meta.ino()));
            }
        }
        files
    }

    /// Whether a descriptor of a process is one of the files, for writing.
    fn are_written_by(&self, process: &Path, descriptor: &fs::DirEntry) -> bool {
        // Follows to the file itself, whatever its name is now.
        let meta = fs::metadata(descriptor.path());
        meta.is_ok_and(|meta| self.numbers.contains(&(meta.dev(), meta.ino())))
            && is_writable(&process.join("fdinfo").join(descriptor.file_name()))
    }

    /// Whether a process that cannot be looked into may write one of the files.
    /// Those of the kernel itself have no command line.
    fn may_be_written_by(&self, process: &Path) -> bool {
        let is_program = fs::read(process.join("cmdline")).is_ok_and(|line| !line.is_empty());
        let user = process.metadata().map(|meta| meta.uid());
        is_program && user.is_ok_and(|user| self.shared || self.owners.contains(&user))
    }
}

/// Whether a descriptor was opened for writing; its flags are in octal digits.
fn is_writable(info: &Path) -> bool {
    let info = fs::read_to_string(info).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    // O_WRONLY is 1 and O_RDWR is 2 in the two lowest bits.
    flags.is_some_and(|flags| flags & 3 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn holders_of(dir: &Path) -> Vec<Holder> {
        InUse::of(dir).holders
    }

    #[test]
    fn a_file_that_is_held_by_another_of_its_names_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("data/1.wal"), "bytes").unwrap();
        fs::hard_link(dir.path().join("data/1.wal"), dir.path().join("other")).unwrap();
        let held = fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join("other"))
            .unwrap();
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(held)
            .spawn()
            .unwrap();
        let found = holders_of(&dir.path().join("data"));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn where_no_processes_are_listed_nobody_knows() {
        let dir = tempfile::tempdir().unwrap();
        let found = InUse::among(&dir.path().join("proc"), dir.path());
        assert_eq!(found.unseen, Some(Unseen::NoProcesses));
    }

    #[test]
    fn a_process_that_cannot_be_looked_into_counts_where_it_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let processes = dir.path().join("proc");
        fs::create_dir_all(processes.join("self")).unwrap();
        for (pid, line) in [("7", "server"), ("8", "")] {
            fs::create_dir_all(processes.join(pid)).unwrap();
            fs::write(processes.join(pid).join("cmdline"), line).unwrap();
        }
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("server_instance.db"), "bytes").unwrap();
        let found = InUse::among(&processes, &data);
        assert_eq!(found.unseen, Some(Unseen::OfOthers(1)));
    }

    #[test]
    fn a_process_that_only_reads_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server_instance.db");
        fs::write(&file, "bytes").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "exec cat - <&0 3<\"$1\"", "sh"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(holders_of(dir.path()), []);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_holds_a_file_is_named_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server_instance.db");
        fs::write(&file, "bytes").unwrap();
        assert_eq!(holders_of(dir.path()), []);
        let mut child = Command::new("cat")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(fs::OpenOptions::new().append(true).open(&file).unwrap())
            .spawn()
            .unwrap();
        let found = holders_of(dir.path());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(
            found,
            [Holder {
                pid: child.id(),
                name: "cat".into()
            }]
        );
        assert_eq!(holders_of(dir.path()), []);
    }
}
