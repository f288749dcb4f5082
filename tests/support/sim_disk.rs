//! A disk in memory that forgets what was not synced: after a crash, each write
//! since the last sync is there, gone, or torn at a sector, whatever the order;
//! of names, so many changes as were synced, and maybe more.

// Every test binary uses another part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::file::{Disk, DiskFile, EntryKind, Lock, SourceEntry};

use crate::random::Random;

const SECTOR: usize = 512;

/// Files and their bytes.
pub type Files = BTreeMap<PathBuf, Arc<Vec<u8>>>;

/// The disk; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    /// Changes of names that no sync covered.
    pending: Vec<NameChange>,
    /// Changes made so far, and which one fails.
    changes: u64,
    written: u64,
    fail_at: Option<u64>,
    /// Whether those after it go well again.
    once: bool,
    /// Every how many reads and writes one is hindered, and how many there were.
    hinder: Option<(u64, u64)>,
    error: Option<ErrorKind>,
    /// Sectors that cannot be read, by inode and number.
    bad: BTreeSet<(usize, usize)>,
    /// What was read since somebody wanted to know, by this disk or a fork of it.
    reads: Option<Arc<Mutex<Reads>>>,
}

/// What was read of the files that a disk has.
#[derive(Debug, Default)]
struct Reads(BTreeMap<usize, FileReads>);

/// What was read of one file.
#[derive(Debug, Default, Clone)]
pub struct FileReads {
    /// Whether anybody could tell its length: asked, or read to its end.
    pub len: bool,
    /// For each byte whether it was read; those after it were not.
    bytes: Vec<bool>,
}

impl FileReads {
    /// Whether a byte was read.
    pub fn has(&self, at: usize) -> bool {
        self.bytes.get(at) == Some(&true)
    }

    /// Whether nothing of it was read and nobody could tell its length.
    pub fn is_none(&self) -> bool {
        !self.len && !self.bytes.contains(&true)
    }
}

#[derive(Debug, Default, Clone)]
struct Inode {
    // Forks have them in common.
    current: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    pending: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

/// What stands at each path. Paths are compared as bytes: component by component
/// takes longer than all else that a test does.
#[derive(Debug, Clone, Default)]
struct Names(BTreeMap<OsString, Node>);

impl Names {
    /// A path without the slash that a directory's may end with.
    fn key(path: &Path) -> &OsStr {
        match path.as_os_str().as_bytes() {
            [name @ .., b'/'] if !name.is_empty() => OsStr::from_bytes(name),
            name => OsStr::from_bytes(name),
        }
    }

    fn get(&self, path: &Path) -> Option<Node> {
        self.0.get(Self::key(path)).copied()
    }

    fn insert(&mut self, path: &Path, node: Node) {
        self.0.insert(Self::key(path).into(), node);
    }

    fn remove(&mut self, path: &Path) -> Option<Node> {
        self.0.remove(Self::key(path))
    }

    fn iter(&self) -> impl Iterator<Item = (&Path, Node)> {
        self.0.iter().map(|(path, node)| (Path::new(path), *node))
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.get(path) == Some(Node::Dir)
    }

    fn has_parent(&self, path: &Path) -> bool {
        path.parent().is_some_and(|dir| self.is_dir(dir))
    }

    /// The names in a directory, sorted.
    fn inside(&self, dir: &Path) -> impl Iterator<Item = (&Path, Node)> {
        let mut start = OsString::from(Self::key(dir));
        if start != "/" {
            start.push("/");
        }
        let len = start.len();
        let below = self.0.range(start.clone()..);
        let below =
            below.take_while(move |(path, _)| path.as_bytes().starts_with(start.as_bytes()));
        let inside = below.filter(move |(path, _)| {
            let name = &path.as_bytes()[len..];
            !name.is_empty() && !name.contains(&b'/')
        });
        inside.map(|(path, node)| (Path::new(path), *node))
    }
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Write {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Write::Bytes(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Write::Len(len) => bytes.resize(*len, 0),
        }
    }

    /// What may be left of it: sectors of it, or nothing.
    fn torn(&self, random: &mut Random) -> Option<Write> {
        match (self, random.below(3)) {
            (_, 0) => None,
            (Write::Bytes(at, new), 1) => {
                let mut cut = random.below(new.len() as u64 + 1) as usize;
                // At a sector's border on disk, not in the write.
                cut -= ((at + cut) % SECTOR).min(cut);
                let from_start = random.chance(50);
                let (from, to) = if from_start {
                    (0, cut)
                } else {
                    (cut, new.len())
                };
                Some(Write::Bytes(at + from, new[from..to].to_vec()))
            }
            _ => Some(self.clone()),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Put(path, node) => {
                if names.has_parent(path) {
                    names.insert(path, *node);
                }
            }
            NameChange::Rename(from, to) => {
                if names.has_parent(to)
                    && let Some(node) = names.remove(from)
                {
                    names.insert(to, node);
                    let moved = names.iter().filter_map(|(path, node)| {
                        let below = path.strip_prefix(from).ok()?;
                        Some((path.to_owned(), to.join(below), node))
                    });
                    for (old, new, node) in moved.collect::<Vec<_>>() {
                        names.remove(&old);
                        names.insert(&new, node);
                    }
                }
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        match self {
            NameChange::Put(path, _) | NameChange::Remove(path) => path.parent() == Some(dir),
            NameChange::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

impl SimDisk {
    /// A disk with one empty directory.
    pub fn new(dir: &Path) -> Self {
        let disk = SimDisk::default();
        let mut state = disk.state.lock().unwrap();
        state.names.insert(dir, Node::Dir);
        state.durable_names.insert(dir, Node::Dir);
        drop(state);
        disk
    }

    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Another disk with the same files; nothing else is the same.
    pub fn fork(&self) -> SimDisk {
        let state = self.state.lock().unwrap().clone();
        SimDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What work reads of each file that is there, on this disk and its forks.
    pub fn reads_of(&self, work: impl FnOnce()) -> BTreeMap<PathBuf, FileReads> {
        let reads = Arc::new(Mutex::new(Reads::default()));
        self.state.lock().unwrap().reads = Some(reads.clone());
        work();
        let mut state = self.state.lock().unwrap();
        state.reads = None;
        let Reads(mut reads) = std::mem::take(&mut *reads.lock().unwrap());
        let files = state.names.iter().filter_map(|(path, node)| match node {
            Node::File(inode) => Some((path.to_owned(), reads.remove(&inode).unwrap_or_default())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// Lets the n-th change from now on fail, and every one after it.
    pub fn fail_after(&self, changes: u64, error: ErrorKind) {
        let mut state = self.state.lock().unwrap();
        state.fail_at = Some(state.changes + changes);
        state.error = Some(error);
    }

    /// Lets the n-th change from now on fail, and no other.
    pub fn fail_once(&self, changes: u64, error: ErrorKind) {
        self.fail_after(changes, error);
        self.state.lock().unwrap().once = true;
    }

    /// Lets every n-th read or write be interrupted by a signal, or end after
    /// some of its bytes, by turns. No kernel promises better.
    pub fn hinder(&self, every: u64) {
        self.state.lock().unwrap().hinder = Some((every, 0));
    }

    /// Changes made so far.
    pub fn changes(&self) -> u64 {
        self.state.lock().unwrap().changes
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.state.lock().unwrap().written
    }

    /// Lets everything go well again.
    pub fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        (state.fail_at, state.once, state.hinder) = (None, false, None);
    }

    /// A process ends without another byte: whatever letting go of its store does to the
    /// disk has not been.
    pub fn kill<T>(&self, store: T) {
        let before = self.state.lock().unwrap().clone();
        drop(store);
        *self.state.lock().unwrap() = before;
    }

    /// The power goes, and comes back.
    pub fn crash(&self, random: &mut Random) {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        for inode in &mut state.inodes {
            let mut bytes = std::mem::take(&mut inode.durable);
            for write in inode.pending.drain(..) {
                if let Some(write) = write.torn(random) {
                    write.apply(Arc::make_mut(&mut bytes));
                }
            }
            inode.current.clone_from(&bytes);
            inode.durable = bytes;
        }
        let mut names = std::mem::take(&mut state.durable_names);
        // A journal keeps the order of names.
        let kept = random.below(state.pending.len() as u64 + 1) as usize;
        for change in state.pending.drain(..).take(kept) {
            change.apply(&mut names);
        }
        state.durable_names.clone_from(&names);
        state.names = names;
        (state.fail_at, state.once, state.hinder) = (None, false, None);
    }

    /// Every file and its bytes, as they are now.
    pub fn files(&self) -> Files {
        let state = self.state.lock().unwrap();
        let files = state.names.iter().filter_map(|(path, node)| match node {
            Node::File(inode) => Some((path.to_owned(), state.inodes[inode].current.clone())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// Lets the sector of a file that holds a byte be unreadable, and no other.
    pub fn lose_sector(&self, path: &Path, at: usize) {
        let mut state = self.state.lock().unwrap();
        let Some(Node::File(inode)) = state.names.get(path) else {
            panic!("{} is no file", path.display());
        };
        state.bad = BTreeSet::from([(inode, at / SECTOR)]);
    }

    /// Changes one byte of a file.
    pub fn patch(&self, path: &Path, at: usize, byte: u8) {
        let mut state = self.state.lock().unwrap();
        let Some(Node::File(inode)) = state.names.get(path) else {
            panic!("{} is no file", path.display());
        };
        Arc::make_mut(&mut state.inodes[inode].current)[at] = byte;
    }

    /// Gives a file these bytes; it is made when it is missing, and so are the
    /// directories above it.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        for dir in path.ancestors().skip(1) {
            if state.names.get(dir).is_none() {
                state.names.insert(dir, Node::Dir);
            }
        }
        let inode = match state.names.get(path) {
            Some(Node::File(inode)) => inode,
            _ => {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.names.insert(path, Node::File(inode));
                inode
            }
        };
        state.inodes[inode].current = Arc::new(bytes.to_vec());
    }

    /// Makes everything durable, as it is now.
    pub fn settle(&self) {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        for inode in &mut state.inodes {
            inode.durable.clone_from(&inode.current);
            inode.pending.clear();
        }
        state.durable_names.clone_from(&state.names);
        state.pending.clear();
    }

    /// Takes a file away.
    pub fn forget(&self, path: &Path) {
        self.state.lock().unwrap().names.remove(path);
    }

    /// Counts a change; refuses it when it is the one to fail.
    fn change(state: &mut State) -> io::Result<()> {
        state.changes += 1;
        let (at, changes) = (state.fail_at, state.changes - 1);
        if at.is_some_and(|at| changes == at || (changes > at && !state.once)) {
            return Err(state.error.unwrap_or(ErrorKind::Other).into());
        }
        Ok(())
    }

    fn named(&self, path: &Path, change: impl FnOnce(&mut State) -> io::Result<()>) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        let changed = Self::change(&mut state).and_then(|()| change(&mut state));
        changed.map_err(|error| Error::io("change", path, error))
    }

    fn file(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let state = self.state.lock().unwrap();
        match state.names.get(path) {
            Some(Node::File(inode)) => Ok(Arc::new(SimFile {
                disk: self.clone(),
                inode,
            })),
            _ => Err(Error::io("open", path, ErrorKind::NotFound.into())),
        }
    }
}

impl State {
    /// How many of `len` bytes a read or a write takes.
    fn hindered(&mut self, len: usize) -> io::Result<usize> {
        let Some((every, count)) = &mut self.hinder else {
            return Ok(len);
        };
        *count += 1;
        match (*count % *every, *count / *every % 2) {
            (0, 0) => Err(ErrorKind::Interrupted.into()),
            (0, _) => Ok(len.div_ceil(2)),
            _ => Ok(len),
        }
    }

    /// Notes that `len` bytes of `wanted` were read.
    fn read(&self, inode: usize, offset: usize, len: usize, wanted: usize) {
        let Some(reads) = &self.reads else {
            return;
        };
        let mut reads = reads.lock().unwrap();
        let file = reads.0.entry(inode).or_default();
        file.len |= len < wanted;
        let end = offset + len;
        if file.bytes.len() < end {
            file.bytes.resize(end, false);
        }
        file.bytes[offset..end].fill(true);
    }

    fn apply(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn has_parent(&self, path: &Path) -> io::Result<()> {
        match self.names.has_parent(path) {
            true => Ok(()),
            false => Err(ErrorKind::NotFound.into()),
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.file(path)
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.file(path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.named(path, |state| {
            state.has_parent(path)?;
            if state.names.get(path).is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.inodes.push(Inode::default());
            let inode = state.inodes.len() - 1;
            state.apply(NameChange::Put(path.to_owned(), Node::File(inode)));
            Ok(())
        })?;
        self.file(path)
    }

    fn temporary(&self, dir: &Path) -> Result<Arc<dyn DiskFile>> {
        let mut inode = 0;
        self.named(dir, |state| {
            state.has_parent(&dir.join("nameless"))?;
            inode = state.inodes.len();
            state.inodes.push(Inode::default());
            Ok(())
        })?;
        let disk = self.clone();
        Ok(Arc::new(SimFile { disk, inode }))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.named(path, |state| {
            state.has_parent(path)?;
            if state.names.get(path).is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.apply(NameChange::Put(path.to_owned(), Node::Dir));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.named(from, |state| {
            state.has_parent(to)?;
            match (state.names.get(from), state.names.get(to)) {
                (Some(Node::File(_)), Some(Node::File(_)) | None) => {}
                (Some(Node::Dir), None) => {}
                (Some(Node::Dir), Some(Node::Dir)) if state.names.inside(to).next().is_none() => {}
                (Some(_), Some(_)) => return Err(ErrorKind::AlreadyExists.into()),
                (None, _) => return Err(ErrorKind::NotFound.into()),
            }
            state.apply(NameChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.named(path, |state| match state.names.get(path) {
            Some(Node::File(_)) => {
                state.apply(NameChange::Remove(path.to_owned()));
                Ok(())
            }
            _ => Err(ErrorKind::NotFound.into()),
        })
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.named(path, |state| {
            if !state.names.is_dir(path) {
                return Err(ErrorKind::NotFound.into());
            }
            if state.names.inside(path).next().is_some() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.apply(NameChange::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>> {
        let state = self.state.lock().unwrap();
        if !state.names.is_dir(dir) {
            return Err(Error::io("list", dir, ErrorKind::NotFound.into()));
        }
        let inside = state.names.inside(dir);
        let entries = inside.map(|(path, node)| SourceEntry {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            path: path.to_owned(),
            is_file: node != Node::Dir,
            is_dir: node == Node::Dir,
        });
        Ok(entries.collect())
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        let state = self.state.lock().unwrap();
        Ok(state.names.get(path).map(|node| match node {
            Node::Dir => EntryKind::Dir,
            Node::File(_) => EntryKind::File,
        }))
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        match self.kind(dir)? {
            Some(_) => Ok(dir.to_owned()),
            None => Err(Error::io("open", dir, ErrorKind::NotFound.into())),
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.named(dir, |state| {
            // Those before them in the journal are durable with them.
            let last = state.pending.iter().rposition(|change| change.is_in(dir));
            let covered = last.map_or(0, |last| last + 1);
            let covered: Vec<_> = state.pending.drain(..covered).collect();
            for change in covered {
                change.apply(&mut state.durable_names);
            }
            Ok(())
        })
    }

    fn lock(&self, path: &Path, _: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        self.file(path).map(Some)
    }

    // One process at a time: whoever held a lock before is gone.
    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
        let disk = self.clone();
        let held = SimFile { disk, inode: 0 };
        self.real_path(dir).map(|_| Some(Arc::new(held) as _))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl SimFile {
    fn write(&self, write: Write) -> io::Result<()> {
        let mut state = self.disk.state.lock().unwrap();
        let failed = SimDisk::change(&mut state);
        let inode = &mut state.inodes[self.inode];
        // Of a write that fails, some bytes may be there.
        let write = match (&failed, write) {
            (Ok(()), write) => write,
            (Err(_), Write::Bytes(at, bytes)) => {
                Write::Bytes(at, bytes[..bytes.len() / 2].to_vec())
            }
            (Err(_), Write::Len(_)) => return failed,
        };
        write.apply(Arc::make_mut(&mut inode.current));
        inode.pending.push(write);
        failed
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state.lock().unwrap();
        state.read(self.inode, 0, 0, 1);
        Ok(state.inodes[self.inode].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock().unwrap();
        let most = state.hindered(buffer.len())?;
        let sectors =
            offset as usize / SECTOR..=(offset as usize + buffer.len().max(1) - 1) / SECTOR;
        let mut bad = state.bad.iter();
        if bad.any(|(inode, sector)| *inode == self.inode && sectors.contains(sector)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let bytes = &state.inodes[self.inode].current;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(most);
        buffer[..len].copy_from_slice(&rest[..len]);
        state.read(self.inode, offset as usize, len, buffer.len());
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let most = self.disk.state.lock().unwrap().hindered(bytes.len())?;
        self.write(Write::Bytes(offset as usize, bytes[..most].to_vec()))?;
        self.disk.state.lock().unwrap().written += most as u64;
        Ok(most)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write(Write::Len(len as usize))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock().unwrap();
        SimDisk::change(&mut state)?;
        let inode = &mut state.inodes[self.inode];
        inode.pending.clear();
        inode.durable = inode.current.clone();
        Ok(())
    }
}
