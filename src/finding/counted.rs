//! A number and what it counts.

use std::fmt::Display;

/// `1 table`, `2 tables`: for words whose plural ends in s.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        let said = [0_u64, 1, 2].map(|number| counted(number, "table"));
        assert_eq!(said, ["0 tables", "1 table", "2 tables"]);
    }
}
