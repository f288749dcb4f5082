//! Command lines as a shell reads them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::render::escape;

/// A word of a command line, between quotes where a shell would read it
/// otherwise; what no terminal should get and what is no text, as bash and zsh
/// read it.
pub(super) fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_bytes();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Ok(text) if escape(text) == text => format!("'{}'", text.replace('\'', "'\\''")),
        _ => {
            let digits = |byte: &u8| match byte {
                b' '..=b'~' if !b"'\\".contains(byte) => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", bytes.iter().map(digits).collect::<String>())
        }
    }
}

/// A path as such a word; one that begins as an option does is no option.
pub(super) fn quoted_path(path: &Path) -> String {
    quoted(no_option(path))
}

/// A path that no program takes for an option.
pub(super) fn no_option(path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes().first() {
        Some(b'-') => Path::new(".").join(path),
        _ => path.to_owned(),
    }
}

/// The words of a command that was made of [`quoted`] ones. What only a shell
/// can say, as another program's input or bytes that are no text, is left to
/// one.
pub(super) fn arguments(command: &str) -> Vec<String> {
    let by_shell = || ["bash", "-c", command].map(str::to_owned).to_vec();
    let mut words = vec![String::new()];
    let mut inside = false;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (inside, c) {
            (_, '\'') => inside = !inside,
            (false, '\\') => words
                .last_mut()
                .into_iter()
                .for_each(|w| w.extend(chars.next())),
            (false, ' ') => words.push(String::new()),
            (false, '$' | '|' | '>' | '<' | '&' | ';') => return by_shell(),
            (_, c) => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words
}

/// A path with something after its last name.
pub(super) fn beside(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let plain: PathBuf = path.components().collect();
    let mut text = match plain.file_name() {
        Some(_) => plain.into_os_string(),
        // What lies beside `.` and `..` lies above them.
        None if plain == Path::new(".") => "../data".into(),
        None => plain.join("../data").into_os_string(),
    };
    text.push(suffix.as_ref());
    text.into()
}

/// A command line with another path in place of one.
pub(super) fn replaced(words: &[OsString], path: &Path, by: &Path) -> Vec<OsString> {
    let word = |word: &OsString| match word == path.as_os_str() {
        true => by.as_os_str().to_owned(),
        false => word.clone(),
    };
    words.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        let words = [
            "plain",
            "",
            "two words",
            "it's",
            "a\\b",
            "--assign=t=x",
            "*?[]",
        ];
        let line: Vec<String> = words.iter().map(quoted).collect();
        assert_eq!(arguments(&line.join(" ")), words);
    }

    #[test]
    fn a_path_is_no_option() {
        assert_eq!(quoted_path(Path::new("-x y")), "'./-x y'");
        assert_eq!(quoted_path(Path::new("a-x")), "a-x");
    }

    #[test]
    fn what_only_a_shell_can_say_is_left_to_one() {
        let name = OsStr::from_bytes(b"a\xff'\n");
        assert_eq!(quoted(name), "$'a\\xff\\x27\\x0a'");
        let line = format!("rustdb-inspect info {}", quoted(name));
        assert_eq!(arguments(&line), ["bash", "-c", line.as_str()]);
        assert_eq!(arguments("a | b"), ["bash", "-c", "a | b"]);
    }

    #[test]
    fn what_lies_beside_a_path_has_a_name_of_its_own() {
        for (path, expected) in [
            ("data", "data-new"),
            ("a/b/", "a/b-new"),
            (".", "../data-new"),
            ("..", "../../data-new"),
        ] {
            assert_eq!(
                beside(Path::new(path), "-new"),
                Path::new(expected),
                "{path}"
            );
        }
    }
}
