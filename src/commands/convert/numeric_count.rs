//! Counts Numeric values, which no release can read back.

use std::ops::AddAssign;
use std::sync::Mutex;

use crate::error::Result;
use crate::model::{PassThrough, RowBatch, RowSource, RowStream, SummedRows, ValueRef, sum_of};

/// What Numeric values a source holds, by one pass over its rows.
#[derive(Debug, Default, Clone, Copy)]
pub struct NumericCount {
    /// Numeric values.
    pub values: u64,
    /// Those that no double equals digit for digit.
    pub inexact: u64,
}

impl NumericCount {
    fn add(&mut self, value: &ValueRef<'_>) {
        if let ValueRef::Numeric(text) = value {
            self.values += 1;
            self.inexact += u64::from(!is_exact_double(text));
        }
    }
}

impl AddAssign for NumericCount {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.inexact += other.inexact;
    }
}

/// Counts Numeric values on their way to a target. A stream adds its values
/// when it ends.
pub struct CountingRows<'s> {
    source: &'s dyn RowSource,
    count: Mutex<NumericCount>,
}

impl<'s> CountingRows<'s> {
    /// Counts what passes from `source`.
    pub fn new(source: &'s dyn RowSource) -> Self {
        CountingRows {
            source,
            count: Mutex::default(),
        }
    }

    /// What passed so far.
    pub fn count(&self) -> NumericCount {
        *sum_of(&self.count)
    }
}

impl PassThrough for CountingRows<'_> {
    fn source(&self) -> &dyn RowSource {
        self.source
    }

    fn stream<'r>(
        &'r self,
        _: (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        let add = |count: &mut NumericCount, batch: &mut RowBatch<'_>| {
            let values = batch.rows().flat_map(|row| row.values());
            values.for_each(|value| count.add(&value));
        };
        Ok(Box::new(SummedRows::new(rows, &self.count, add)))
    }
}

/// Whether the nearest double prints back as the same digits, leading signs and
/// trailing zeros aside.
fn is_exact_double(text: &str) -> bool {
    let plain = |text: &str| {
        let unsigned = text.trim_start_matches('+');
        match unsigned.split_once('.') {
            Some((whole, fraction)) => {
                let fraction = fraction.trim_end_matches('0');
                if fraction.is_empty() {
                    whole.to_owned()
                } else {
                    format!("{whole}.{fraction}")
                }
            }
            None => unsigned.to_owned(),
        }
    };
    text.parse::<f64>()
        .is_ok_and(|real| plain(&real.to_string()) == plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_that_print_back_are_exact() {
        for exact in ["12.50", "0.240", "-6.207", "0", "-0", "100", "+1.5"] {
            assert!(is_exact_double(exact), "{exact}");
        }
        for inexact in ["0.12345678901234567890", "9007199254740993", "x", "1e400"] {
            assert!(!is_exact_double(inexact), "{inexact}");
        }
    }
}
