//! Whether a live process holds files of a directory open for writing.
//!
//! A server that still runs changes its files under the reader's feet; other
//! readers do no harm. Linux lists every process's open files under `/proc`;
//! those of other users can be seen by root only, so an empty answer is no proof.

use std::fmt;
use std::fs;
use std::path::Path;

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

/// The processes, other than this one, that hold a file below `dir` open for
/// writing, by process id. What cannot be looked at is passed over.
pub fn holders(dir: &Path) -> Vec<Holder> {
    let Ok(dir) = dir.canonicalize() else {
        return Vec::new();
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id());
    let mut holders: Vec<Holder> = pids
        .filter(|pid| holds(*pid, &dir))
        .map(|pid| Holder {
            pid,
            name: fs::read_to_string(format!("/proc/{pid}/comm"))
                .map_or_else(|_| "unknown".to_owned(), |name| name.trim_end().to_owned()),
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn holds(pid: u32, dir: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten().any(|entry| {
        // The directory itself may be some shell's working place; a file is meant.
        let file = fs::read_link(entry.path());
        let below = file.is_ok_and(|file| file.starts_with(dir) && file != dir);
        below && is_writable(pid, &entry.file_name().to_string_lossy())
    })
}

/// Whether a descriptor was opened for writing; its flags are in octal digits.
fn is_writable(pid: u32, descriptor: &str) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}"));
    let info = info.unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    // O_WRONLY is 1 and O_RDWR is 2 in the two lowest bits.
    flags.is_some_and(|flags| flags & 3 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

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
        assert_eq!(holders(dir.path()), []);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_holds_a_file_is_named_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server_instance.db");
        fs::write(&file, "bytes").unwrap();
        assert_eq!(holders(dir.path()), []);
        let mut child = Command::new("cat")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(fs::OpenOptions::new().append(true).open(&file).unwrap())
            .spawn()
            .unwrap();
        let found = holders(dir.path());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(
            found,
            [Holder {
                pid: child.id(),
                name: "cat".into()
            }]
        );
        assert_eq!(holders(dir.path()), []);
    }
}
