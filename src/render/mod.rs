//! Output for people and for programs. Nothing here knows where the data came
//! from.

mod columns;
mod csv;
mod escape;
mod findings;
mod grouped;
mod hex;
#[cfg(feature = "report")]
pub mod html;
mod json;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
pub mod sql;
mod table;
mod time;
mod value;
mod wrap;

pub use crate::finding::counted;
pub use columns::{distinct_names, names_without_nul};
pub use csv::{CsvRows, push_csv_line};
pub use escape::{escape, escape_lines};
pub use findings::{Detail, findings_text};
pub use grouped::grouped;
pub use hex::page_hex;
pub use json::{cut_text, json_document, json_value, row_text};
pub use jsonl::{JsonRows, RowOptions};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetBatch, ParquetColumn, ParquetCompression, ParquetRows, parquet_type};
pub use table::TextTable;
pub use time::utc_text;
pub use value::{REDACTED, push_redacted, push_text, redacted_text};
pub use wrap::wrapped;
