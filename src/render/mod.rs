//! Output for people and for programs.

mod escape;
mod findings;
mod table;

pub use escape::escape;
pub use findings::findings_text;
pub use table::table_text;
