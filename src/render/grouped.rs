//! Numbers for people.

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
}
