//! File names of what is exported: names as they are written, wherever a file
//! system can hold them side by side.

use std::collections::BTreeMap;

use super::encode_name;
use super::names::is_reserved;

/// Bytes of the longest name that is kept: leaves room for a suffix in the 255
/// that file systems allow.
const MAX_KEPT_LEN: usize = 240;

/// A file name for each of the names in one directory, without suffix. One stays
/// as it is written, unless a file system cannot hold it, or cannot tell it from
/// another where it ignores case: then it is encoded as [`encode_name`] does.
/// `taken` is what else will stand there.
pub fn export_names(names: &[&str], taken: &[&str]) -> Vec<String> {
    let mut folded: BTreeMap<String, usize> = BTreeMap::new();
    for name in names.iter().chain(taken) {
        let count = folded.entry(name.to_lowercase()).or_default();
        *count = count.saturating_add(1);
    }
    let is_alone = |name: &str| folded.get(&name.to_lowercase()) == Some(&1);
    let numbered = names.iter().enumerate();
    numbered
        .map(|(id, name)| match is_alone(name) && can_be_held(name) {
            true => (*name).to_owned(),
            false => encode_name(name, id),
        })
        .collect()
}

fn can_be_held(name: &str) -> bool {
    let is_bad = |c: char| {
        // A percent sign opens what is encoded; combining marks are where file
        // systems differ in how they write a letter.
        matches!(c, '/' | '\\' | '%' | '\u{300}'..='\u{36f}') || c.is_control()
    };
    !name.is_empty()
        && name.len() <= MAX_KEPT_LEN
        && !name.contains(is_bad)
        && !name.starts_with('.')
        && !name.ends_with([' ', '.'])
        && !is_reserved(&name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_they_are_written() {
        let names = [
            "Orders",
            "Ünïcode",
            "a b",
            "_x",
            "order-items",
            "日本",
            "a.b",
        ];
        assert_eq!(export_names(&names, &[]), names);
    }

    #[test]
    fn what_collides_without_case_or_cannot_be_held_is_encoded() {
        let names = [
            "Orders",
            "orders",
            "a/b",
            "..",
            "",
            "100%",
            "nul",
            "Manifest.json",
        ];
        assert_eq!(
            export_names(&names, &["manifest.json"]),
            [
                "%4frders",
                "orders",
                "a%2fb",
                "%2e%2e",
                "%empty",
                "100%25",
                "%6eul",
                "%4danifest%2ejson"
            ]
        );
        let long = "é".repeat(121);
        assert!(export_names(&[&long], &[])[0].len() <= MAX_KEPT_LEN);
    }

    #[test]
    fn file_names_are_distinct_without_case() {
        let names = ["A", "a", "%41", "%2541", "B", "É", "é", "É%", "é%"];
        let files = export_names(&names, &[]);
        let folded: std::collections::BTreeSet<_> =
            files.iter().map(|file| file.to_lowercase()).collect();
        assert_eq!(folded.len(), names.len(), "{files:?}");
    }
}
