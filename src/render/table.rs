//! Aligned tables.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::escape;

/// Characters of the longest cell that is shown whole.
const MAX_CELL_CHARS: usize = 60;
/// Characters of a longer one that are shown.
const SHOWN_CHARS: usize = 48;
/// Blanks between columns.
const GAP: u16 = 2;
/// Fewest characters to which a column of texts is wrapped.
const MIN_TEXT_CHARS: usize = 8;

/// Rows under a header, aligned; where a width is given, texts are wrapped to
/// it, and where numbers alone are too wide, every row is a list of its cells.
#[derive(Debug)]
pub struct TextTable {
    header: Vec<String>,
    right: Vec<usize>,
    rows: Vec<Vec<String>>,
    width: Option<u16>,
}

impl TextTable {
    /// A table without rows; `None` for output that no terminal cuts.
    pub fn new(header: &[&str], width: Option<u16>) -> Self {
        TextTable {
            // A header can be the name of a table.
            header: header.iter().map(|name| cut(escape(name))).collect(),
            right: Vec::new(),
            rows: Vec::new(),
            width,
        }
    }

    /// Columns of numbers, by position: aligned to the right, never wrapped.
    pub fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    /// Adds a row. Its cells are escaped here, so that none is forgotten, and
    /// cut: a name can be of any length. The last column is shown whole.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let last = self.header.len().saturating_sub(1);
        let cells = cells.into_iter().enumerate().map(|(column, cell)| {
            let cell = escape(&cell);
            if column < last { cut(cell) } else { cell }
        });
        self.rows.push(cells.collect());
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table line by line, without trailing blanks.
    pub fn text(&self) -> String {
        let needed = self.needed_chars();
        let fits = self.width.is_none_or(|width| needed <= width.into());
        let table = if fits { self.aligned() } else { self.listed() };
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Characters of a line whose texts are wrapped as far as they can be.
    fn needed_chars(&self) -> usize {
        let column = |(at, name): (usize, &String)| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let chars = cells.chain([name]).map(|cell| cell.chars().count());
            let longest = chars.max().unwrap_or_default();
            match self.right.contains(&at) {
                true => longest,
                false => longest.min(MIN_TEXT_CHARS),
            }
        };
        let gaps = self.header.len().saturating_mul(GAP.into());
        self.header.iter().enumerate().map(column).sum::<usize>() + gaps
    }

    fn aligned(&self) -> Table {
        let mut table = self.empty();
        table.set_header(&self.header);
        for row in &self.rows {
            table.add_row(row.iter().map(Cell::new));
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if self.right.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table
    }

    /// A line a cell, and an empty one between rows.
    fn listed(&self) -> Table {
        let mut table = self.empty();
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                table.add_row([""]);
            }
            for pair in self.header.iter().zip(row) {
                table.add_row([pair.0, pair.1]);
            }
        }
        if let Some(names) = table.column_mut(0) {
            names.set_constraint(ColumnConstraint::ContentWidth);
        }
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, GAP));
        });
        table
    }

    fn empty(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        table
    }
}

/// The start of a long text, and how many characters follow.
fn cut(text: String) -> String {
    let count = text.chars().count();
    if count <= MAX_CELL_CHARS {
        return text;
    }
    let mut cut: String = text.chars().take(SHOWN_CHARS).collect();
    cut.push_str(&format!("...(+{})", count.saturating_sub(SHOWN_CHARS)));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_control_characters_become_text() {
        let mut table = TextTable::new(&["name", "rows"], None).right(&[1]);
        table.row(["a\x1b[2J".to_owned(), "7".to_owned()]);
        table.row(["b".to_owned(), "12345".to_owned()]);
        let text = table.text();
        assert!(!text.contains('\x1b'), "{text:?}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].ends_with("     7"), "{text}");
        assert_eq!(lines[1].len(), lines[2].len());
    }

    #[test]
    fn a_long_name_is_cut_and_says_so() {
        let mut table = TextTable::new(&["name", "rows"], None);
        table.row(["x".repeat(61), "1".to_owned()]);
        table.row(["y".repeat(60), "1".to_owned()]);
        let text = table.text();
        assert!(
            text.contains(&format!("{}...(+13)", "x".repeat(48))),
            "{text}"
        );
        assert!(text.contains(&"y".repeat(60)), "{text}");
    }

    #[test]
    fn on_a_narrow_terminal_texts_are_wrapped_and_numbers_are_not() {
        let mut table = TextTable::new(&["name", "rows"], Some(20)).right(&[1]);
        table.row(["abcdefghijklmnopq".to_owned(), "1234567".to_owned()]);
        let text = table.text();
        assert!(text.contains("1234567\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 20),
            "{text}"
        );
    }

    #[test]
    fn where_numbers_alone_are_too_wide_each_row_is_a_list() {
        let mut table = TextTable::new(&["name", "rows", "bytes"], Some(20)).right(&[1, 2]);
        for name in ["a", "b"] {
            table.row([name, "1234567", "12345678"].map(str::to_owned));
        }
        let expected = "name   a\nrows   1234567\nbytes  12345678\n\n\
                        name   b\nrows   1234567\nbytes  12345678\n";
        assert_eq!(table.text(), expected);
    }
}
