//! `rustdb-inspect page`.

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use crate::commands::page::PagedTable;
use crate::legacy::Family;
use crate::model::{PageRow, PageView};
use crate::render::{page_hex, push_text};
use crate::report::Report;
use clap::ValueEnum;

use super::Exit;
use super::document::{Head, Source};
use super::options::{Common, FAMILIES, one_of};
use super::output::{Output, warn};
use super::page_json::{Content, PageJson};

/// Shows pages of a table: header, slots, rows, bytes
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A page is a page of 8 KB in the layout paged, a record in the layout append and a block in the \
layout per-table. In a legacy directory TABLE is the name of a directory of page files, table_N. \
A damaged page is shown as far as it can be read, with what is wrong. Without a number every page \
is a line; with --format json or hex, all of them are shown.")]
pub struct PageArgs {
    /// Data directory, upgraded, or a legacy one with page files
    dir: PathBuf,
    /// DATABASE.TABLE, or table_N in a legacy directory
    table: String,
    /// Number of a page from 0, or N..M, both among those shown
    #[arg(value_name = "N|N..M")]
    pages: Option<PageRange>,
    /// What to show of a page
    #[arg(long, value_enum, default_value_t)]
    format: PageFormat,
    /// Skip the detection of the legacy family
    #[arg(long, value_name = "FAMILY", value_parser = one_of::<Family>(FAMILIES))]
    from_family: Option<Family>,
}

/// How pages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PageFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// Every byte, with the names of fields and rows.
    Hex,
}

/// Numbers of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageRange {
    first: u64,
    last: u64,
}

impl FromStr for PageRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| text.parse::<u64>().ok();
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(PageRange { first, last }),
            _ => Err("expected a number from 0, or N..M with N not above M".into()),
        }
    }
}

/// Runs the subcommand.
pub fn run(args: &PageArgs, common: &Common) -> anyhow::Result<Exit> {
    let table = PagedTable::open(&args.dir, &args.table, args.from_family)?;
    let range = args.pages.unwrap_or(PageRange {
        first: 0,
        last: u64::MAX,
    });
    let in_full = args.pages.is_some() || args.format != PageFormat::Text;
    let mut pages = table.pages(range.first, in_full)?;
    let mut out = Output::new(common)?;
    let mut report = Report::new();
    let (mut shown, mut json) = (0_u64, Vec::new());
    let mut lines = out
        .table(&[
            "PAGE", "KIND", "OFFSET", "BYTES", "ROWS", "VISIBLE", "FREE", "DAMAGE",
        ])
        .right(&[0, 2, 3, 4, 5, 6]);
    while let Some(page) = pages.next_page()? {
        if page.number > range.last {
            break;
        }
        page.damage
            .iter()
            .for_each(|damage| report.add(damage.into()));
        shown += 1;
        match args.format {
            PageFormat::Json => json.push(PageJson::new(&page)),
            PageFormat::Hex => {
                title(&mut out, &table, &page)?;
                out.write_all(page_hex(&page).as_bytes())?;
            }
            PageFormat::Text if in_full => show(&mut out, &table, &page)?,
            PageFormat::Text => lines.row(line(&page)),
        }
    }
    if args.pages.is_some() && shown == 0 {
        anyhow::bail!(
            "no {} {} in {}",
            table.unit,
            range.first,
            args.table.escape_debug()
        );
    }
    match args.format {
        PageFormat::Json => {
            let source = Source::known(&args.dir, table.identity.clone());
            let content = Content {
                table: &args.table,
                unit: table.unit,
                columns: &table.columns,
                pages: json,
            };
            out.document(&Head::of("page", source, &report), &content)?;
        }
        _ if !in_full => out.write_all(lines.text().as_bytes())?,
        _ => {}
    }
    out.finish()?;
    if args.format != PageFormat::Json {
        warn(&report, common);
    }
    Ok(Exit::from(&report))
}

fn line(page: &PageView) -> [String; 8] {
    let visible = page.rows.iter().filter(|row| row.visible).count();
    let damage = page.damage.iter().map(|damage| damage.code.as_str());
    [
        page.number.to_string(),
        page.kind.clone(),
        page.offset.to_string(),
        page.bytes.len().to_string(),
        page.rows.len().to_string(),
        visible.to_string(),
        page.free_len.to_string(),
        damage.collect::<Vec<_>>().join(" "),
    ]
}

fn title(out: &mut Output, table: &PagedTable, page: &PageView) -> anyhow::Result<()> {
    let (unit, number, kind) = (table.unit, page.number, &page.kind);
    let text = format!("{kind}, {}, offset {}", page.file.display(), page.offset);
    out.field(&format!("{unit} {number}"), &text)?;
    Ok(())
}

fn show(out: &mut Output, table: &PagedTable, page: &PageView) -> anyhow::Result<()> {
    title(out, table, page)?;
    for field in &page.fields {
        out.field(&format!("  {}", field.name), &field.value)?;
    }
    if page.free_len > 0 {
        out.field("  free", &format!("{} bytes", page.free_len))?;
    }
    if !page.slots.is_empty() {
        let mut slots = out
            .table(&["SLOT", "OFFSET", "LENGTH", "STATE"])
            .right(&[0, 1, 2]);
        for slot in &page.slots {
            slots.row([
                slot.number.to_string(),
                slot.row_offset.to_string(),
                slot.row_len.to_string(),
                slot.state.clone(),
            ]);
        }
        out.write_all(slots.text().as_bytes())?;
    }
    show_rows(out, table, page)?;
    for end in &page.ends {
        out.field("  end", &format!("row {}, xmax {}", end.index, end.xmax))?;
    }
    for damage in &page.damage {
        let text = format!(
            "{} at offset {}: found {}, expected {}",
            damage.code, damage.offset, damage.found, damage.expected
        );
        out.field("  damage", &text)?;
    }
    writeln!(out)?;
    Ok(())
}

fn show_rows(out: &mut Output, table: &PagedTable, page: &PageView) -> anyhow::Result<()> {
    if page.rows.is_empty() {
        return Ok(());
    }
    let widest = page.rows.iter().filter_map(|row| row.row.as_ref());
    let arity = widest.map(|row| row.arity()).max().unwrap_or(0);
    let mut header: Vec<String> = ["ROW", "AT", "LENGTH", "XMIN", "XMAX"]
        .map(str::to_owned)
        .to_vec();
    let numbered = (1..).map(|n| format!("c{n}"));
    let named = table.columns.iter().cloned();
    header.extend(match table.columns.is_empty() {
        true => numbered.take(arity).collect::<Vec<_>>(),
        false => named.collect(),
    });
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut rows = out.table(&header).right(&[0, 1, 2, 3, 4]);
    for row in &page.rows {
        rows.row(cells(row));
    }
    out.write_all(rows.text().as_bytes())?;
    for row in page.rows.iter().filter(|row| !row.overflow.is_empty()) {
        let text = format!("row {} goes on in pages {:?}", row.slot, row.overflow);
        out.field("  overflow", &text)?;
    }
    Ok(())
}

fn cells(row: &PageRow) -> Vec<String> {
    let (at, len) = (row.at.to_string(), row.row_len.to_string());
    let mut cells = vec![row.slot.to_string(), at, len];
    let Some(row) = &row.row else {
        return cells;
    };
    cells.push(row.xmin.to_string());
    cells.push(row.xmax.map_or(String::new(), |xmax| xmax.to_string()));
    for value in row.values() {
        let mut text = Vec::new();
        push_text(&mut text, &value);
        cells.push(String::from_utf8_lossy(&text).into_owned());
    }
    cells
}
