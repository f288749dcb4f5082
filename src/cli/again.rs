//! A command to run again, with other options.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::shell::{beside, no_option, quoted, replaced};

/// An upgrade to run again: its words, from the program's name on; a path need
/// not be text.
#[derive(Debug, Clone)]
pub(super) struct Again(Vec<OsString>);

/// Options that take a value and say how SOURCE is read: what is asked about
/// must be found by the same reading.
const READING: [&str; 3] = ["--from-family", "--assign", "--attribution"];
/// And those that take none.
const BEYOND: [&str; 2] = ["--salvage", "--repair-replay"];
/// The short options of an upgrade that take no value and can stand in one word.
const SHORT: [char; 3] = ['n', 'q', 'v'];
/// Others that take one and that a further command may leave out.
const VALUED: [&str; 2] = ["--on-ambiguous", "--release"];

impl Again {
    /// An upgrade of a directory into a new one beside it.
    pub(super) fn upgrade(source: &Path) -> Self {
        let source = no_option(source);
        let target = beside(&source, "-new");
        let words = ["rustdb-migrate", "upgrade"].map(OsString::from);
        let paths = [source.into_os_string(), target.into_os_string()];
        Again(words.into_iter().chain(paths).collect())
    }

    /// An upgrade as it was given, by the program's name.
    pub(super) fn of_upgrade(words: impl Iterator<Item = OsString>) -> Self {
        let program = std::iter::once(OsString::from("rustdb-migrate"));
        Again(program.chain(words.skip(1)).collect())
    }

    /// The upgrade that was given, to be written; of another command, one of the
    /// directory into a new one beside it.
    pub(super) fn upgrade_or(words: &[OsString], source: &Path) -> Self {
        match words.get(1).is_some_and(|word| word == "upgrade") {
            true => Again::of_upgrade(words.iter().cloned()).undecided(),
            false => Again::upgrade(source),
        }
    }

    /// Any command, to run again.
    pub(super) fn of(words: &[OsString]) -> Self {
        Again(words.to_vec())
    }

    /// Its words.
    pub(super) fn words(&self) -> &[OsString] {
        &self.0
    }

    /// The options of these words, each with its value where it has one.
    pub(super) fn options(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        let mut words = self.0.iter().map(OsString::as_os_str);
        std::iter::from_fn(move || {
            let word = words.next()?;
            let text = word.to_str().unwrap_or_default();
            if let Some((name, value)) = text.split_once('=').filter(|_| text.starts_with("--")) {
                return Some((OsStr::new(name), Some(OsStr::new(value))));
            }
            let takes = READING.contains(&text) || VALUED.contains(&text);
            Some((word, if takes { words.next() } else { None }))
        })
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.options().any(|(name, _)| name == option)
    }

    /// Without some options.
    pub(super) fn without(&self, options: &[&str]) -> Self {
        let kept = self
            .options()
            .filter(|(name, _)| !options.iter().any(|option| name == option));
        let words = kept.flat_map(|(name, value)| [Some(name), value]);
        Again(words.flatten().map(OsStr::to_owned).collect())
    }

    /// Without what keeps an upgrade from writing.
    pub(super) fn in_earnest(&self) -> Self {
        let given = self.without(&["--dry-run"]);
        let end = given.0.iter().position(|word| word == "--");
        let kept = given.0.iter().enumerate().filter_map(|(at, word)| {
            let flags = word.to_str().and_then(|text| text.strip_prefix('-'));
            let flags = flags.filter(|flags| flags.chars().all(|flag| SHORT.contains(&flag)));
            match flags.filter(|flags| !flags.is_empty() && end.is_none_or(|end| at < end)) {
                Some(flags) => {
                    let rest = flags.replace('n', "");
                    (!rest.is_empty()).then(|| format!("-{rest}").into())
                }
                None => Some(word.clone()),
            }
        });
        Again(kept.collect())
    }

    /// To be written, without the option that a decision replaces.
    pub(super) fn undecided(&self) -> Self {
        self.without(&["--on-ambiguous"]).in_earnest()
    }

    /// With more options, before the word behind which there are none.
    pub(super) fn with(&self, words: &[&str]) -> Self {
        let mut all = self.0.clone();
        let end = all.iter().position(|word| word == "--");
        let at = end.unwrap_or(all.len());
        all.splice(at..at, words.iter().map(OsString::from));
        Again(all)
    }

    /// With another target.
    pub(super) fn beside(&self, target: &Path, suffix: &str) -> Self {
        Again(replaced(&self.0, target, &beside(target, suffix)))
    }

    /// With more words behind all others.
    pub(super) fn and(mut self, words: impl IntoIterator<Item = OsString>) -> Self {
        self.0.extend(words);
        self
    }

    /// As it can be pasted.
    pub(super) fn line(&self) -> String {
        let words: Vec<String> = self.0.iter().map(quoted).collect();
        words.join(" ")
    }

    /// What other commands take of it, so that they read SOURCE alike.
    pub(super) fn reading(&self) -> String {
        let words = self.reading_words();
        words
            .iter()
            .map(|word| format!(" {}", quoted(word)))
            .collect()
    }

    pub(super) fn reading_words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        for (option, value) in self.options() {
            let name = option.to_str().unwrap_or_default();
            match value.filter(|_| READING.contains(&name)) {
                Some(value) => words.extend([option.to_owned(), value.to_owned()]),
                None if BEYOND.contains(&name) => words.push(option.to_owned()),
                None => {}
            }
        }
        words
    }

    /// Whether a decision about a table is among them.
    pub(super) fn assigns(&self, table: &str) -> bool {
        let mut assigned = self.options().filter(|(name, _)| *name == "--assign");
        assigned.any(|(_, value)| {
            let decision = value
                .and_then(OsStr::to_str)
                .and_then(|v| v.split_once('='));
            decision.is_some_and(|(one, _)| one == table)
        })
    }
}
