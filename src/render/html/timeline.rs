//! The log as a row of signs: a letter and a colour for the database, a shape
//! for how sure it is.

use maud::{Markup, html};

use super::super::escape;
use super::style::COLORS;

/// Signs in one line.
const MARKS_A_LINE: usize = 40;
/// Side of a sign's square, in units of the drawing.
const CELL: usize = 22;
/// From one line to the next.
const LINE: usize = 28;
/// Databases that have a letter of their own.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The log in signs.
#[derive(Debug, Default)]
pub struct Timeline {
    /// How the log stands, in a sentence.
    pub verdict: String,
    /// Databases that a record belongs to, in name order.
    pub databases: Vec<String>,
    /// What stands in the log, in file order, each with what it says when
    /// pointed at.
    pub marks: Vec<(Mark, String)>,
    /// Marks that were left out at the end.
    pub left_out: usize,
}

/// One sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The server started.
    Start,
    /// A new segment of the same run.
    Segment,
    /// The snapshot was written.
    Checkpoint,
    /// Bytes that hold no readable record.
    Damage,
    /// A record, or several alike that follow one another.
    Record(RecordMark),
}

/// What became of a record, or of several alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordMark {
    /// In the snapshot already.
    InSnapshot,
    /// Of a failed statement.
    NoEffect,
    /// To be applied: the position of its database, if it is known, and how
    /// sure that is.
    Tail(Option<usize>, Sureness),
}

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sureness {
    /// Certain, or decided by the user.
    Certain,
    /// The best of several.
    Probable,
    /// Nothing separates several.
    Ambiguous,
    /// No known database fits.
    Orphan,
}

/// The section of the page.
pub(super) fn section(timeline: &Timeline) -> Markup {
    let lines = timeline.marks.len().div_ceil(MARKS_A_LINE).max(1);
    let size = format!("0 0 {} {}", MARKS_A_LINE * CELL, lines * LINE);
    html! {
        section {
            h2 { "The log" }
            p { (escape(&timeline.verdict)) }
            @if timeline.marks.is_empty() { p { "It holds no record." } } @else {
                svg class="timeline" viewBox=(size) role="img" aria-label="The records of the log in order" {
                    @for (position, (mark, says)) in timeline.marks.iter().enumerate() {
                        @let x = position % MARKS_A_LINE * CELL;
                        @let y = position / MARKS_A_LINE * LINE;
                        g transform={ "translate(" (x) " " (y) ")" } {
                            title { (escape(says)) }
                            (sign(*mark))
                        }
                    }
                }
                @if timeline.left_out > 0 {
                    p { "and " (timeline.left_out) " more signs, left out here; " code { "rustdb-inspect wal" } " shows all." }
                }
                (legend(timeline))
            }
        }
    }
}

/// A letter for a database; beyond the alphabet they share one.
fn letter(database: usize) -> char {
    LETTERS.chars().nth(database).unwrap_or('+')
}

fn sign(mark: Mark) -> Markup {
    match mark {
        Mark::Start => html! { polygon class="start" points="5,3 19,11 5,19" {} },
        Mark::Segment => html! { rect class="plain" x="10" y="1" width="2" height="20" {} },
        Mark::Checkpoint => html! {
            rect class="checkpoint" x="5" y="3" width="12" height="16" {}
            text class="plain" x="11" y="15" { "\u{2713}" }
        },
        Mark::Damage => html! {
            polygon class="damage" points="11,0 22,20 0,20" {}
            text class="on" x="11" y="17" { "!" }
        },
        Mark::Record(record) => record_sign(record),
    }
}

fn record_sign(record: RecordMark) -> Markup {
    match record {
        RecordMark::InSnapshot => html! { circle class="hollow" cx="11" cy="11" r="5" {} },
        RecordMark::NoEffect => html! {
            circle class="hollow" cx="11" cy="11" r="8" {}
            text class="plain" x="11" y="15" { "\u{d7}" }
        },
        RecordMark::Tail(Some(database), sureness) => {
            let class = format!("c{}", database % COLORS);
            html! {
                @match sureness {
                    Sureness::Certain => rect class=(class) x="1" y="1" width="20" height="20" {},
                    // Round: not every consistent assignment agrees.
                    _ => circle class=(class) cx="11" cy="11" r="10" {},
                }
                text class="on" x="11" y="15" { (letter(database)) }
            }
        }
        RecordMark::Tail(None, sureness) => {
            let word = match sureness {
                Sureness::Orphan => "0",
                _ => "?",
            };
            html! {
                rect class="open" x="2" y="2" width="18" height="18" {}
                text class="plain" x="11" y="15" { (word) }
            }
        }
    }
}

/// What the signs mean, those that can stand there.
fn legend(timeline: &Timeline) -> Markup {
    let tail = |database, sureness| Mark::Record(RecordMark::Tail(database, sureness));
    let signs = [
        (Mark::Start, "the server started"),
        (Mark::Segment, "a new segment"),
        (Mark::Checkpoint, "checkpoint"),
        (
            Mark::Record(RecordMark::InSnapshot),
            "in the snapshot already",
        ),
        (
            Mark::Record(RecordMark::NoEffect),
            "failed statement, no effect",
        ),
        (
            tail(None, Sureness::Ambiguous),
            "several databases could own it",
        ),
        (tail(None, Sureness::Orphan), "fits no known database"),
        (Mark::Damage, "damage or a torn tail"),
    ];
    let has_probable = timeline.marks.iter().any(|(mark, _)| {
        matches!(
            mark,
            Mark::Record(RecordMark::Tail(Some(_), Sureness::Probable))
        )
    });
    html! {
        ul class="legend" {
            @for (database, name) in timeline.databases.iter().enumerate() {
                (entry(tail(Some(database), Sureness::Certain), &escape(name)))
            }
            @if has_probable {
                (entry(tail(Some(0), Sureness::Probable), "round: probable; square: certain"))
            }
            @for (mark, meaning) in signs {
                @if timeline.marks.iter().any(|(one, _)| *one == mark) { (entry(mark, meaning)) }
            }
        }
    }
}

fn entry(mark: Mark, meaning: &str) -> Markup {
    html! {
        li { svg viewBox="0 0 22 22" aria-hidden="true" { (sign(mark)) } span { (meaning) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_differs_by_more_than_its_colour() {
        let tail = |database, sureness| Mark::Record(RecordMark::Tail(database, sureness));
        let marks = [
            Mark::Start,
            Mark::Segment,
            Mark::Checkpoint,
            Mark::Damage,
            Mark::Record(RecordMark::InSnapshot),
            Mark::Record(RecordMark::NoEffect),
            tail(Some(0), Sureness::Certain),
            tail(Some(0), Sureness::Probable),
            tail(Some(COLORS), Sureness::Certain),
            tail(None, Sureness::Ambiguous),
            tail(None, Sureness::Orphan),
        ];
        let mut signs: Vec<String> = marks
            .into_iter()
            .map(|mark| {
                let text = sign(mark).into_string();
                let mut plain = text.split("class=\"");
                let first = plain.next().unwrap().to_owned();
                // Without what the style sheet knows.
                plain.fold(first, |text, part| text + part.split_once('"').unwrap().1)
            })
            .collect();
        signs.sort();
        signs.dedup();
        assert_eq!(signs.len(), marks.len());
    }
}
