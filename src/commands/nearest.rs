//! Which known name a mistyped one was meant to be.

/// Characters of a name that are compared: keeps the cost of long ones bounded.
const COMPARED_CHARS: usize = 64;
/// Names that are listed where none is near.
const LISTED: usize = 5;

/// What follows `found no table "ordres"`: the name that was meant, or the
/// first that there are.
pub fn hint<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let nearest = known.iter().map(|one| (distance(name, one), *one)).min();
    match nearest {
        None => "; there is none at all".to_owned(),
        Some((edits, nearest)) if edits <= slips(name) => {
            format!("; did you mean {nearest:?}?")
        }
        Some(_) => {
            let more = if known.len() > LISTED { ", ..." } else { "" };
            let listed: Vec<String> = known
                .iter()
                .take(LISTED)
                .map(|one| format!("{one:?}"))
                .collect();
            format!("; there are {}{more}", listed.join(", "))
        }
    }
}

/// Whether one name may have been meant by another.
pub fn is_near(name: &str, known: &str) -> bool {
    distance(name, known) <= slips(name)
}

/// Edits that can be a slip of the hand.
fn slips(name: &str) -> usize {
    name.chars().count().div_ceil(3).max(2)
}

/// Edit distance: how many characters must be added, taken away or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(COMPARED_CHARS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(COMPARED_CHARS).enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for ((cb, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            let changed = diagonal.saturating_add(usize::from(ca != *cb));
            let added = left.min(*above).saturating_add(1);
            next.push(changed.min(added));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        assert_eq!(distance("orders", "orders"), 0);
        assert_eq!(distance("order", "orders"), 1);
        assert_eq!(distance("odrers", "orders"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_slip_is_put_right_and_another_word_is_not() {
        let known = ["orders", "customers"];
        assert_eq!(hint("ordres", known), "; did you mean \"orders\"?");
        assert_eq!(
            hint("invoice", known),
            "; there are \"customers\", \"orders\""
        );
        assert_eq!(hint("x", []), "; there is none at all");
    }
}
