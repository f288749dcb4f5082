//! A report as one page of HTML: no script, nothing loaded from elsewhere.

mod elements;
mod page_map;
mod style;
mod timeline;
mod writes;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::finding::{Code, Finding, Severity};

use super::{escape, grouped};

use elements::{bar, prose};

pub use page_map::{MapCell, PageMapSection};
pub use timeline::{Mark, RecordMark, Sureness, Timeline};
pub use writes::{WriteBar, WritesSection};

/// Findings of one code whose places are shown.
const SHOWN_PER_CODE: usize = 20;

/// What a page says.
#[derive(Debug, Default)]
pub struct Page {
    /// The directory.
    pub title: String,
    /// How it stands, in a sentence.
    pub verdict: String,
    /// The heaviest severity, if anything was found.
    pub worst: Option<Severity>,
    /// What to do next, `to ...`, with its commands.
    pub next: Vec<(&'static str, Vec<String>)>,
    /// Label and text.
    pub facts: Vec<(&'static str, String)>,
    /// The databases; absent when no snapshot can be read.
    pub databases: Option<Vec<DatabaseSection>>,
    /// The pages of its tables.
    pub maps: Vec<PageMapSection>,
    /// Tables without a map here.
    pub maps_left_out: usize,
    /// What the changes of its log cost to write.
    pub writes: Option<WritesSection>,
    /// The log of a legacy directory.
    pub timeline: Option<Timeline>,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// What the page shows of a database.
#[derive(Debug)]
pub struct DatabaseSection {
    /// As the source has it; it is escaped where it is shown.
    pub name: String,
    /// In the order in which they are shown.
    pub tables: Vec<TableSection>,
}

/// What the page shows of a table.
#[derive(Debug)]
pub struct TableSection {
    /// As the source has it.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnLine>,
    /// Visible row versions.
    pub live: u64,
    /// Row versions that are not visible.
    pub dead: u64,
    /// Its size in words.
    pub size: String,
    /// The same as a number, for the length of its bar.
    pub bytes: u64,
}

/// What the page shows of a column.
#[derive(Debug)]
pub struct ColumnLine {
    /// As the source has it.
    pub name: String,
    /// Its declared type.
    pub data_type: String,
    /// Keys and other constraints, and the next value of its sequence.
    pub marks: String,
}

/// The page as text.
pub fn page_html(page: &Page) -> String {
    let title = escape(&page.title);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                title { "RustDB report: " (title) }
                style { (PreEscaped(style::CSS)) }
            }
            body {
                main {
                    h1 { "RustDB directory " code { (title) } }
                    (summary(page))
                    (findings(&by_code(&page.findings)))
                    @if let Some(timeline) = &page.timeline { (timeline::section(timeline)) }
                    (contents(page))
                    @if !page.maps.is_empty() { (page_map::section(&page.maps, page.maps_left_out)) }
                    @if let Some(writes) = &page.writes { (writes::section(writes)) }
                }
                footer { "rustdb-inspect " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    markup.into_string()
}

/// What was found, and what to do next.
fn summary(page: &Page) -> Markup {
    let class = severity_class(page.worst);
    html! {
        section class={ "verdict " (class) } {
            p { strong { (severity_word(page.worst)) } " " (page.verdict) }
            (codes(&by_code(&page.findings)))
        }
        @if !page.next.is_empty() {
            section {
                h2 { "What to do next" }
                @for (purpose, commands) in &page.next {
                    p { (sentence(purpose)) }
                    @for command in commands { pre { (escape(command)) } }
                }
            }
        }
        section {
            h2 { "The directory" }
            table class="facts" {
                @for (label, text) in &page.facts {
                    tr { th scope="row" { (label) } td { (escape(text)) } }
                }
            }
        }
    }
}

/// `to do it` as the start of a line.
fn sentence(purpose: &str) -> String {
    let mut chars = purpose.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).chain([':']).collect()
}

/// The codes that were found, each leading to what it means.
fn codes(by_code: &ByCode<'_>) -> Markup {
    html! {
        @if !by_code.is_empty() {
            p {
                "Found: "
                @for (position, (code, findings)) in by_code.iter().enumerate() {
                    @if position > 0 { ", " }
                    a href={ "#" (code) } { (code) }
                    @if findings.len() > 1 { " (" (findings.len()) ")" }
                }
            }
        }
    }
}

/// The heaviest finding by a sign and a word, so that colour is never alone.
fn severity_word(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Error) => "\u{2716} Error:",
        Some(Severity::Warning) => "\u{25b2} Warning:",
        Some(Severity::Info) | None => "\u{2714} In order:",
    }
}

fn severity_class(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Error) => "error",
        Some(Severity::Warning) => "warning",
        Some(Severity::Info) | None => "fine",
    }
}

/// Databases and tables with their sizes.
fn contents(page: &Page) -> Markup {
    let Some(databases) = &page.databases else {
        return html! {
            section {
                h2 { "Databases" }
                p { "No snapshot can be read, so it is not known which tables there are." }
            }
        };
    };
    let tables = || databases.iter().flat_map(|database| &database.tables);
    let largest = tables().map(|table| table.bytes).max().unwrap_or(0);
    html! {
        section {
            h2 { "Databases" }
            @if databases.is_empty() { p { "There is none." } }
            @for database in databases {
                h3 { (escape(&database.name)) }
                @if database.tables.is_empty() { p { "No tables." } } @else {
                    table class="tables" {
                        thead {
                            tr {
                                th scope="col" { "Table" }
                                th scope="col" class="number" { "Columns" }
                                th scope="col" class="number" { "Rows" }
                                th scope="col" class="number" { "Dead versions" }
                                th scope="col" class="number" { "Size" }
                                th scope="col" { "Share" }
                            }
                        }
                        tbody {
                            @for table in &database.tables { (table_row(table, largest)) }
                        }
                    }
                    @for table in &database.tables { (schema(&database.name, table)) }
                }
            }
        }
    }
}

fn table_row(table: &TableSection, largest: u64) -> Markup {
    html! {
        tr {
            td { (escape(&table.name)) }
            td class="number" { (grouped(table.columns.len() as u64)) }
            td class="number" { (grouped(table.live)) }
            td class="number" { (grouped(table.dead)) }
            td class="number" { (table.size) }
            td {
                (bar(table.bytes, largest))
            }
        }
    }
}

/// The columns of a table, folded.
fn schema(database: &str, table: &TableSection) -> Markup {
    html! {
        details {
            summary {
                "Columns of " code { (escape(database)) "." (escape(&table.name)) }
            }
            table class="tables" {
                thead {
                    tr {
                        th scope="col" { "Column" }
                        th scope="col" { "Type" }
                        th scope="col" { "Keys and constraints" }
                    }
                }
                tbody {
                    @for column in &table.columns {
                        tr {
                            td { (escape(&column.name)) }
                            td { (escape(&column.data_type)) }
                            td { (escape(&column.marks)) }
                        }
                    }
                }
            }
        }
    }
}

/// Findings in the order of their codes.
type ByCode<'f> = BTreeMap<Code, Vec<&'f Finding>>;

fn by_code(findings: &[Finding]) -> ByCode<'_> {
    let mut by_code = ByCode::new();
    for finding in findings {
        by_code.entry(finding.code).or_default().push(finding);
    }
    by_code
}

/// Each code explained once.
fn findings(by_code: &ByCode<'_>) -> Markup {
    html! {
        section {
            h2 { "Findings" }
            @if by_code.is_empty() { p { "None." } } @else {
                p { (prose("The codes are those of FINDINGS in rustdb-inspect(1) and of `rustdb-inspect explain`.")) }
            }
            @for (code, findings) in by_code {
                @let worst = findings.iter().map(|finding| finding.severity).max();
                article id=(code) class=(severity_class(worst)) {
                    h3 {
                        @match worst {
                            // Alone it leaves all in order, and does not say so.
                            Some(Severity::Info) => "Note:",
                            worst => (severity_word(worst)),
                        }
                        " " code { (code) }
                        @if findings.len() > 1 { " (" (findings.len()) ")" }
                    }
                    p { (prose(code.meaning())) }
                    p { strong { "What to do: " } (prose(code.remedy())) }
                    ul {
                        @for finding in findings.iter().take(SHOWN_PER_CODE) {
                            li { (prose(&place(finding))) }
                        }
                        @if findings.len() > SHOWN_PER_CODE {
                            li { "and " (findings.len() - SHOWN_PER_CODE) " more" }
                        }
                    }
                }
            }
        }
    }
}

fn place(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(file) = &finding.file {
        parts.push(escape(&file.display().to_string()));
    }
    if let Some(offset) = finding.offset {
        parts.push(format!("offset {offset}"));
    }
    if let Some(database) = &finding.database {
        parts.push(format!("database {}", escape(database)));
    }
    if let Some(table) = &finding.table {
        parts.push(format!("table {}", escape(table)));
    }
    if let Some(sequence) = finding.sequence {
        parts.push(format!("record {sequence}"));
    }
    let place = parts.join(", ");
    match &finding.detail {
        Some(detail) if place.is_empty() => escape(detail),
        Some(detail) => format!("{place}: {}", escape(detail)),
        None if place.is_empty() => "the directory as a whole".to_owned(),
        None => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_stays_text() {
        let hostile = "<script>alert(1)</script>\"'&\u{1b}[31m\u{202e}";
        let page = Page {
            title: hostile.into(),
            next: vec![("to go on", vec![hostile.into()])],
            facts: vec![("users", hostile.into())],
            databases: Some(vec![DatabaseSection {
                name: hostile.into(),
                tables: vec![TableSection {
                    name: hostile.into(),
                    columns: vec![ColumnLine {
                        name: hostile.into(),
                        data_type: hostile.into(),
                        marks: hostile.into(),
                    }],
                    live: 2,
                    dead: 3,
                    size: "4 B".into(),
                    bytes: 4,
                }],
            }]),
            maps: vec![PageMapSection {
                name: hostile.into(),
                says: hostile.into(),
                cells: vec![MapCell {
                    says: hostile.into(),
                    ..MapCell::default()
                }],
            }],
            findings: vec![
                Finding::new(Code::TornTail)
                    .file(hostile)
                    .database(hostile)
                    .table(hostile)
                    .detail(hostile),
            ],
            ..Page::default()
        };
        let html = page_html(&page);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
        assert_eq!(html.matches("&lt;script&gt;").count(), 19, "{html}");
    }
}
