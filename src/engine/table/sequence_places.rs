//! The sequences of a table, found by name.

use std::collections::BTreeMap;

/// Where the sequences of a list are, which a log can make very long: a damaged one
/// names more of them than the table has columns. Of two of one name the first counts.
/// Whoever puts another list in the place of the one before begins anew.
#[derive(Debug, Default)]
pub(in crate::engine) struct SequencePlaces {
    places: BTreeMap<String, usize>,
    /// How many of the list have their places here.
    known: usize,
}

impl SequencePlaces {
    /// The next value of a sequence of the list, to be changed.
    pub(in crate::engine) fn get<'s>(
        &mut self,
        sequences: &'s mut [(String, i64)],
        name: &str,
    ) -> Option<&'s mut i64> {
        for (at, (name, _)) in sequences.iter().enumerate().skip(self.known) {
            self.places.entry(name.clone()).or_insert(at);
        }
        self.known = sequences.len();
        let (_, next) = sequences.get_mut(*self.places.get(name)?)?;
        Some(next)
    }

    /// Sets the next value of a sequence; one that is not in the list comes last.
    pub(in crate::engine) fn set(
        &mut self,
        sequences: &mut Vec<(String, i64)>,
        name: String,
        next: i64,
    ) {
        match self.get(sequences, &name) {
            Some(value) => *value = next,
            None => sequences.push((name, next)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As whoever looks through the list for each. That it takes no step for each pair
    /// shows in that the test ends.
    #[test]
    fn very_many_names_keep_their_order_and_their_last_values() {
        let of = |name: &str, next| (name.to_owned(), next);
        let mut list = vec![of("a", 1), of("b", 2), of("a", 3)];
        let mut found = SequencePlaces::default();
        let count = 200_000;
        for round in 0..2 {
            for n in 0..count {
                found.set(&mut list, n.to_string(), n + round);
            }
            found.set(&mut list, "a".into(), round);
        }
        assert_eq!(found.get(&mut list, "b"), Some(&mut 2));
        assert_eq!(found.get(&mut list, "c"), None);
        assert_eq!(list[..3], [of("a", 1), of("b", 2), of("a", 3)]);
        let rest = (0..count).map(|n| (n.to_string(), n + 1));
        assert!(list[3..].iter().cloned().eq(rest));
    }
}
