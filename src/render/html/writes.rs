//! What the log costs to write, by who writes it, as bars.

use maud::{Markup, html};

use super::super::escape;
use super::elements::{bar, prose};

/// What the same changes cost several writers.
#[derive(Debug, Default)]
pub struct WritesSection {
    /// Which changes, in a sentence.
    pub says: String,
    /// The writers.
    pub bars: Vec<WriteBar>,
}

/// One writer.
#[derive(Debug, Default)]
pub struct WriteBar {
    /// A layout, or the old server.
    pub writer: String,
    /// Bytes that it writes.
    pub bytes: u64,
    /// Them in words.
    pub size: String,
    /// Bytes written for each byte of the changes, in words.
    pub per_byte: String,
}

/// The section of the page.
pub(super) fn section(shown: &WritesSection) -> Markup {
    let most = shown.bars.iter().map(|bar| bar.bytes).max().unwrap_or(0);
    html! {
        section id="writes" {
            h2 { "Bytes written" }
            p { (prose(&shown.says)) }
            table class="tables" {
                thead {
                    tr {
                        th scope="col" { "Writer" }
                        th scope="col" class="number" { "Written" }
                        th scope="col" class="number" { "For each byte" }
                        th scope="col" { "Share of the most" }
                    }
                }
                tbody {
                    @for one in &shown.bars {
                        tr {
                            td { (escape(&one.writer)) }
                            td class="number" { (escape(&one.size)) }
                            td class="number" { (escape(&one.per_byte)) }
                            td { (bar(one.bytes, most)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_that_of_the_most_bytes() {
        let one = |writer: &str, bytes| WriteBar {
            writer: writer.into(),
            bytes,
            ..WriteBar::default()
        };
        let shown = WritesSection {
            says: String::new(),
            bars: vec![one("old server", 400), one("<append>", 100), one("none", 0)],
        };
        let text = section(&shown).into_string();
        let widths: Vec<&str> = text
            .split("class=\"bar-fill\" x=\"0\" y=\"0\" width=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(widths, ["100", "25", "0"]);
        assert!(text.contains("&lt;append&gt;") && !text.contains("<append>"));
    }
}
