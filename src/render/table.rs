//! Aligned tables.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::escape;

/// Rows under a header, aligned; wrapped to a width where one is given.
#[derive(Debug)]
pub struct TextTable {
    table: Table,
    right: Vec<usize>,
}

impl TextTable {
    /// A table without rows; `None` for output that no terminal cuts.
    pub fn new(header: &[&str], width: Option<u16>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(header.iter().copied());
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        TextTable {
            table,
            right: Vec::new(),
        }
    }

    /// Columns of numbers, by position: aligned to the right.
    pub fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        for column in columns {
            if let Some(column) = self.table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Adds a row; its cells are escaped here, so that none is forgotten.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| Cell::new(escape(&cell)));
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
}
