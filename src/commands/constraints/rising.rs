//! Whether keys rise.

/// Whether keys rise, as those that a server gave out do: then none stands twice.
#[derive(Debug, Default)]
pub(in crate::commands) struct Rising {
    first: Option<StoredKey>,
    last: Option<StoredKey>,
    fell: bool,
    /// Room for the next key.
    room: Vec<u8>,
}

/// A key in the form in which keys are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum StoredKey {
    Integer(i64),
    Bytes(Vec<u8>),
}

impl Rising {
    /// Whether one does not come after all before it.
    pub(in crate::commands) fn fell(&self) -> bool {
        self.fell
    }

    /// Adds an integer, which equals no key of other values.
    pub(in crate::commands) fn add_integer(&mut self, integer: i64) {
        if !self.fell {
            self.add_key(StoredKey::Integer(integer));
        }
    }

    /// Adds the key that `push` appends, if it says that there is one.
    pub(in crate::commands) fn add(&mut self, push: impl FnOnce(&mut Vec<u8>) -> bool) {
        if self.fell {
            return;
        }
        let mut key = std::mem::take(&mut self.room);
        key.clear();
        match push(&mut key) {
            true => self.add_key(StoredKey::Bytes(key)),
            false => self.room = key,
        }
    }

    fn add_key(&mut self, key: StoredKey) {
        self.fell = self.last.as_ref().is_some_and(|last| *last >= key);
        if self.first.is_none() {
            self.first = Some(key.clone());
        }
        if let Some(StoredKey::Bytes(room)) = self.last.replace(key) {
            self.room = room;
        }
    }

    /// Adds what was found in later rows.
    pub(in crate::commands) fn append(&mut self, later: Rising) {
        let falls = match (&self.last, &later.first) {
            (Some(last), Some(first)) => last >= first,
            _ => false,
        };
        self.fell |= later.fell || falls;
        self.first = self.first.take().or(later.first);
        self.last = later.last.or(self.last.take());
    }
}
