//! Whose files are, so that who could read the source can read the target.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use crate::error::{Error, Result};

/// Rights that a directory of ours leaves to its owner in any case.
const OWNER_OF_DIR: u32 = 0o700;
const OWNER_OF_FILE: u32 = 0o600;

/// Owner, group and rights of a directory and its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Rights of directories.
    dir_mode: u32,
    /// Rights of files.
    file_mode: u32,
}

impl Ownership {
    /// That of a directory, and of the first file in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(dir: &Path) -> Result<Self> {
        let cannot = |error| Error::io("read the owner of", dir, error);
        let meta = fs::metadata(dir).map_err(cannot)?;
        let files = fs::read_dir(dir).map_err(cannot)?.flatten();
        let mut files = files.filter_map(|entry| entry.metadata().ok());
        let file = files.find(Metadata::is_file);
        Ok(Ownership {
            uid: meta.uid(),
            gid: meta.gid(),
            dir_mode: meta.mode() & 0o777 | OWNER_OF_DIR,
            file_mode: file.map_or(0, |file| file.mode() & 0o666) | OWNER_OF_FILE,
        })
    }

    /// Gives a directory that was just written, with all below it, to this
    /// owner, and sets the rights. Links are neither followed nor changed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give(&self, dir: &Path) -> Result<()> {
        let mut left = vec![dir.to_owned()];
        while let Some(path) = left.pop() {
            let cannot = |error| Error::io("give away", &path, error);
            let meta = path.symlink_metadata().map_err(cannot)?;
            if meta.is_symlink() {
                continue;
            }
            let mode = if meta.is_dir() {
                self.dir_mode
            } else {
                self.file_mode
            };
            // The owner last: what is not ours any more may refuse the rest.
            fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(cannot)?;
            if meta.is_dir() {
                for entry in fs::read_dir(&path).map_err(cannot)? {
                    left.push(entry.map_err(cannot)?.path());
                }
            }
            lchown(&path, Some(self.uid), Some(self.gid)).map_err(cannot)?;
        }
        Ok(())
    }

    /// With another user and group, `USER` or `USER:GROUP`, by name or number.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn named(self, text: &str) -> std::result::Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let users = entries("/etc/passwd");
        let user_entry = users.iter().find(|entry| entry.name == user);
        let uid = match user_entry {
            Some(entry) => entry.id,
            None => user
                .parse()
                .map_err(|_| format!("found no user {user:?}"))?,
        };
        let gid = match (group, user_entry.and_then(|entry| entry.group)) {
            (Some(group), _) => {
                let groups = entries("/etc/group");
                match groups.iter().find(|entry| entry.name == group) {
                    Some(entry) => entry.id,
                    None => group
                        .parse()
                        .map_err(|_| format!("found no group {group:?}"))?,
                }
            }
            (None, Some(group)) => group,
            (None, None) => uid,
        };
        Ok(Ownership { uid, gid, ..self })
    }

    /// User and group as `USER:GROUP`, numbers where they have no name.
    pub fn names(&self) -> String {
        let name = |file, id: u32| {
            let entries = entries(file);
            let found = entries.into_iter().find(|entry| entry.id == id);
            found.map_or_else(|| id.to_string(), |entry| entry.name)
        };
        format!(
            "{}:{}",
            name("/etc/passwd", self.uid),
            name("/etc/group", self.gid)
        )
    }
}

/// One line of /etc/passwd or /etc/group.
struct Account {
    name: String,
    id: u32,
    /// Of a user: the number of its group.
    group: Option<u32>,
}

fn entries(file: &str) -> Vec<Account> {
    let text: io::Result<String> = fs::read_to_string(file);
    let text = text.unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        Some(Account {
            name: fields.next()?.to_owned(),
            id: fields.nth(1)?.parse().ok()?,
            group: fields.next().and_then(|group| group.parse().ok()),
        })
    };
    text.lines().filter_map(entry).collect()
}
