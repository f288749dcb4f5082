//! The pages of a report, cell by cell.

use bytesize::ByteSize;

use crate::commands::page_map::{PageCell, PageMap};
use crate::render::html::{MapCell, PageMapSection};

/// The map of one table.
pub(super) fn page_map(map: &PageMap) -> PageMapSection {
    let mut all = PageCell::default();
    map.cells.iter().for_each(|cell| all.join(cell));
    let plural = if all.pages == 1 { "" } else { "s" };
    let mut says = format!(
        "{} {}{plural}, {}: {} % filled, {} dead, {} free",
        all.pages,
        map.unit,
        ByteSize(all.bytes),
        all.fill_percent(),
        ByteSize(all.dead_bytes),
        ByteSize(all.free_bytes),
    );
    if all.damaged > 0 {
        says.push_str(&format!("; {} damaged", all.damaged));
    }
    PageMapSection {
        name: map.name.clone(),
        says,
        cells: map.cells.iter().map(|one| cell(one, map.unit)).collect(),
    }
}

fn cell(cell: &PageCell, unit: &str) -> MapCell {
    let which = match cell.pages {
        1 => format!("{unit} {}", cell.first),
        _ => format!("{unit}s {} to {}", cell.first, cell.last),
    };
    let damaged = match (cell.damaged, cell.pages) {
        (0, _) => String::new(),
        (_, 1) => ", damaged".to_owned(),
        (count, _) => format!(", {count} damaged"),
    };
    let (fill, dead) = (cell.fill_percent(), cell.dead_percent());
    MapCell {
        live: fill.saturating_sub(dead),
        dead,
        damaged: cell.damaged > 0,
        says: format!(
            "{which}: {fill} % filled, {} bytes dead{damaged}",
            cell.dead_bytes
        ),
    }
}
