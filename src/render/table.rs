//! Aligned tables.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::escape;

/// Characters of the longest cell that is shown whole.
const MAX_CELL_CHARS: usize = 60;
/// Characters of a longer one that are shown.
const SHOWN_CHARS: usize = 48;

/// Rows under a header, aligned; wrapped to a width where one is given.
#[derive(Debug)]
pub struct TextTable {
    table: Table,
}

impl TextTable {
    /// A table without rows; `None` for output that no terminal cuts.
    pub fn new(header: &[&str], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        // A header can be the name of a table.
        table.set_header(header.iter().map(|name| cut(escape(name))));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        TextTable { table }
    }

    /// Columns of numbers, by position: aligned to the right.
    pub fn right(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Adds a row. Its cells are escaped here, so that none is forgotten, and
    /// cut: a name can be of any length. The last column is shown whole.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let last = self.table.column_count().saturating_sub(1);
        let cells = cells.into_iter().enumerate().map(|(column, cell)| {
            let cell = escape(&cell);
            Cell::new(if column < last { cut(cell) } else { cell })
        });
        self.table.add_row(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table line by line, without trailing blanks.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
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

/// Rows under a header, aligned.
pub fn table_text(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = TextTable::new(header, None);
    rows.into_iter().for_each(|row| table.row(row));
    table.text()
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
}
