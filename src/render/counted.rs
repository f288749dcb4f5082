//! A number and what it counts.

use std::fmt::Display;

/// `1 table`, `2 tables`: for words whose plural ends in s.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A number in groups of three digits: `8,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let numbers = [0, 999, 1_000, 12_345, 8_000_000].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "8,000,000"]);
    }

    #[test]
    fn one_thing_is_no_plural() {
        let said = [0_u64, 1, 2].map(|number| counted(number, "table"));
        assert_eq!(said, ["0 tables", "1 table", "2 tables"]);
    }
}
