//! Counts Numeric values, which no release can read back.

use std::sync::{Mutex, PoisonError};

use crate::codec::{Cursor, read_plain_value};
use crate::error::Result;
use crate::model::{PassThrough, PlainBuffer, PlainRows, RowBatch, RowSource, RowStream, ValueRef};

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
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(Box::new(CountingStream {
            rows,
            count: NumericCount::default(),
            total: &self.count,
        }))
    }
}

struct CountingStream<'s> {
    rows: Box<dyn RowStream + 's>,
    count: NumericCount,
    total: &'s Mutex<NumericCount>,
}

impl RowStream for CountingStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let batch = self.rows.next_batch()?;
        match &batch {
            None => {
                merge(self.total, std::mem::take(&mut self.count));
            }
            Some(batch) => {
                let rows = batch.rows();
                let values = rows.flat_map(|row| row.values.iter());
                values.for_each(|value| self.count.add(value));
            }
        }
        Ok(batch)
    }

    fn offers_plain(&mut self) -> Result<bool> {
        self.rows.offers_plain()
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        let rows = self.rows.next_plain(buffer)?;
        let Some(plain) = &rows else {
            merge(self.total, std::mem::take(&mut self.count));
            return Ok(rows);
        };
        for row in plain.iter() {
            let mut values = Cursor::new(row.values);
            // The rows were checked: what ends the loop is their end.
            if values.u64().is_ok() {
                while let Ok(value) = read_plain_value(&mut values) {
                    self.count.add(&value);
                }
            }
        }
        Ok(rows)
    }
}

fn merge(total: &Mutex<NumericCount>, count: NumericCount) {
    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
    total.values += count.values;
    total.inexact += count.inexact;
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
