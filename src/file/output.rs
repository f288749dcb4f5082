//! Files that a command was asked to write: the one door that all of them go
//! through.
//!
//! The bytes go into a hidden file beside, which is synced and then takes its
//! name. What stands there is never followed, and only replaced when asked for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::LocalDisk;
use super::staging::{hidden_name, lies_inside, real_parent};
use crate::error::{Error, Result};

/// Files that their owner alone can read.
const PRIVATE: u32 = 0o600;
/// Names that are tried before giving up.
const MAX_TRIES: u64 = 100;

/// How a file is to be written.
#[derive(Debug, Clone, Copy)]
pub struct OutputOptions<'a> {
    /// Directories that must not hold it: each with what it is called.
    pub outside: &'a [(&'static str, &'a Path)],
    /// Whether a regular file of its name gives way.
    pub replace: bool,
    /// Its permissions, as `chmod` takes them.
    pub mode: u32,
}

impl Default for OutputOptions<'_> {
    fn default() -> Self {
        OutputOptions {
            outside: &[],
            replace: false,
            mode: PRIVATE,
        }
    }
}

/// A file that has no name yet. Dropped before it is published, it is gone.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// `None` for a pipe, a terminal or another device.
    beside: Option<Beside>,
}

/// Where the hidden file is, and what it is to be called.
#[derive(Debug)]
struct Beside {
    parent: File,
    hidden: OsString,
    name: OsString,
    replace: bool,
}

impl OutputFile {
    /// Makes the hidden file, so that what stands in the way is known before
    /// the work begins. A pipe or a device is opened instead: nothing in it
    /// could be overwritten.
    ///
    /// # Errors
    /// `Usage` when it would lie inside a directory that must not hold it, or
    /// has no file name; `NeedsDecision` when something is there that does not
    /// give way; I/O errors.
    pub fn create(path: &Path, options: &OutputOptions<'_>) -> Result<Self> {
        let parent = real_parent(&LocalDisk, path)?;
        for (called, outside) in options.outside {
            // One that is not there yet has no inside.
            let above = real_parent(&LocalDisk, outside);
            let is_it =
                above.is_ok_and(|above| above == parent) && outside.file_name() == path.file_name();
            if is_it || lies_inside(&LocalDisk, &parent, outside) {
                return Err(Error::Usage(format!(
                    "{} {} {called} {}\nGive a file outside it.",
                    path.display(),
                    if is_it { "is" } else { "lies inside" },
                    outside.display()
                )));
            }
        }
        if let Some(file) = open_stream(path)? {
            return Ok(OutputFile {
                path: path.to_owned(),
                file,
                beside: None,
            });
        }
        let Some(name) = path.file_name() else {
            let why = format!("{}: found a directory, expected a file", path.display());
            return Err(Error::Usage(why));
        };
        let io = |error: Errno| Error::io("write", path, error.into());
        // Of the directory that was checked, whatever its path leads to later.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = File::from(rustix::fs::open(&parent, flags, Mode::empty()).map_err(io)?);
        check_free(&parent, name, path, options.replace)?;
        let (hidden, file) = create_hidden(&parent, options.mode).map_err(io)?;
        // Tells others that it is not abandoned.
        let _ = file.try_lock();
        Ok(OutputFile {
            path: path.to_owned(),
            file,
            beside: Some(Beside {
                parent,
                hidden,
                name: name.to_owned(),
                replace: options.replace,
            }),
        })
    }

    /// Checks that the file could be written now, and leaves nothing.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn check(path: &Path, options: &OutputOptions<'_>) -> Result<()> {
        Self::create(path, options).map(drop)
    }

    /// Makes the bytes durable and gives the file its name.
    ///
    /// # Errors
    /// `NeedsDecision` when something of that name appeared meanwhile; I/O
    /// errors. Nothing is left behind then, unless only the last sync failed.
    pub fn publish(mut self) -> Result<()> {
        let Some(beside) = self.beside.take() else {
            return Ok(());
        };
        let synced = self.file.sync_all();
        let named = synced.and_then(|()| beside.give_name());
        if named.is_err() {
            beside.remove();
        }
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(in_the_way(&self.path))
            }
            Err(error) => Err(Error::io("write", &self.path, error)),
            Ok(()) => {
                let synced = beside.parent.sync_all();
                synced.map_err(|error| Error::io("sync the directory of", &self.path, error))
            }
        }
    }

    /// Writes all bytes and publishes.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn finish(mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.publish()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            beside.remove();
        }
    }
}

impl Beside {
    fn give_name(&self) -> io::Result<()> {
        let (dir, from, to) = (&self.parent, &*self.hidden, &*self.name);
        if self.replace {
            return Ok(rustix::fs::renameat(dir, from, dir, to)?);
        }
        match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
            // Not every file system can; a link takes no name that is taken either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
                Ok(rustix::fs::unlinkat(dir, from, AtFlags::empty())?)
            }
            renamed => Ok(renamed?),
        }
    }

    fn remove(&self) {
        // What cannot be removed now goes with the next run.
        let _ = rustix::fs::unlinkat(&self.parent, &*self.hidden, AtFlags::empty());
    }
}

/// Writes a file: whole or not at all.
///
/// # Errors
/// As [`OutputFile::create`] and [`OutputFile::publish`].
pub fn write_output(path: &Path, options: &OutputOptions<'_>, bytes: &[u8]) -> Result<()> {
    OutputFile::create(path, options)?.finish(bytes)
}

/// Opens what a path leads to when that is a pipe or a device, as `/dev/stdout`
/// and `/dev/null` may be.
fn open_stream(path: &Path) -> Result<Option<File>> {
    let is_stream = |kind: std::fs::FileType| kind.is_fifo() || kind.is_char_device();
    let io = |error| Error::io("open", path, error);
    if !path
        .metadata()
        .is_ok_and(|meta| is_stream(meta.file_type()))
    {
        return Ok(None);
    }
    let file = File::options().write(true).open(path).map_err(io)?;
    // The path may have been swapped since; nothing was cut then.
    let kind = file.metadata().map_err(io)?.file_type();
    Ok(is_stream(kind).then_some(file))
}

fn check_free(parent: &File, name: &OsStr, path: &Path, replace: bool) -> Result<()> {
    let kind = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(|error| Error::io("look at", path, error.into()))?,
    };
    match rustix::fs::FileType::from_raw_mode(kind.st_mode).is_file() && replace {
        true => Ok(()),
        false => Err(in_the_way(path)),
    }
}

fn in_the_way(path: &Path) -> Error {
    let kind = path.symlink_metadata().map(|meta| meta.file_type());
    let (what, remedy) = match kind {
        Ok(kind) if kind.is_symlink() => (
            "is a symbolic link, which is never followed",
            "Name the file itself, or remove the link.",
        ),
        Ok(kind) if !kind.is_file() => ("is no regular file", "Give another file."),
        _ => (
            "exists",
            "Give another file, or --force to write over this one.",
        ),
    };
    Error::NeedsDecision(format!("{} {what}\n{remedy}", path.display()))
}

fn create_hidden(parent: &File, mode: u32) -> rustix::io::Result<(OsString, File)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for attempt in 0..MAX_TRIES {
        let name = hidden_name(attempt);
        match rustix::fs::openat(parent, &*name, flags, Mode::from_raw_mode(mode)) {
            Err(Errno::EXIST) => {}
            created => return Ok((name.into(), File::from(created?))),
        }
    }
    Err(Errno::EXIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const FORCE: OutputOptions<'_> = OutputOptions {
        outside: &[],
        replace: true,
        mode: 0o600,
    };

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_private_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        write_output(&path, &OutputOptions::default(), b"first").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = write_output(&path, &OutputOptions::default(), b"second");
        assert!(matches!(again, Err(Error::NeedsDecision(_))));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_output(&path, &FORCE, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(names(dir.path()), ["report.json"]);
    }

    #[test]
    fn nothing_but_a_regular_file_gives_way_even_when_forced() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("data"), "mine").unwrap();
        symlink(at("data"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::create_dir(at("dir")).unwrap();
        let before = names(dir.path());
        for name in ["link", "dangling", "dir"] {
            for options in [OutputOptions::default(), FORCE] {
                let written = write_output(&at(name), &options, b"new");
                assert!(matches!(written, Err(Error::NeedsDecision(_))), "{name}");
            }
        }
        assert_eq!(fs::read(at("data")).unwrap(), b"mine");
        assert_eq!(names(dir.path()), before);
    }

    #[test]
    fn a_name_that_is_taken_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let output = OutputFile::create(&path, &OutputOptions::default()).unwrap();
        symlink("/dev/null", &path).unwrap();
        assert!(matches!(output.finish(b"x"), Err(Error::NeedsDecision(_))));
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn a_directory_that_is_only_read_is_never_written_by_whatever_path() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("data");
        fs::create_dir_all(source.join("wal")).unwrap();
        symlink(&source, dir.path().join("way")).unwrap();
        let outside = [("SOURCE", &*source)];
        let options = OutputOptions {
            outside: &outside,
            ..FORCE
        };
        for path in ["data/out", "data/wal/out", "way/out", "way/../data/out"] {
            let written = write_output(&dir.path().join(path), &options, b"x");
            assert!(matches!(written, Err(Error::Usage(_))), "{path}");
        }
        assert_eq!(names(&source), ["wal"]);
    }

    #[test]
    fn what_is_not_published_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let output = OutputFile::create(&path, &OutputOptions::default()).unwrap();
        assert_eq!(names(dir.path()).len(), 1);
        drop(output);
        assert_eq!(names(dir.path()), Vec::<String>::new());
        assert!(write_output(&dir.path().join("no/out"), &FORCE, b"x").is_err());
    }
}
