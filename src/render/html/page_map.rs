//! Maps of pages: what stands in each rises from below, what is dead hangs from
//! above, and what is free lies between.

use maud::{Markup, html};

use super::super::escape;

/// Cells in one line.
const CELLS_A_LINE: usize = 48;
/// From one cell to the next.
const STEP: usize = 14;
/// From one line to the next.
const LINE: usize = 26;
/// Inner width and height of a cell.
const WIDTH: usize = 11;
const HEIGHT: usize = 22;

/// The pages of one table.
#[derive(Debug, Default)]
pub struct PageMapSection {
    /// The table.
    pub name: String,
    /// All pages in a sentence.
    pub says: String,
    /// The pages in order.
    pub cells: Vec<MapCell>,
}

/// One page, or neighbours together.
#[derive(Debug, Default)]
pub struct MapCell {
    /// Share of visible rows and what leads to them, 0 to 100.
    pub live: u8,
    /// Share of dead row versions, 0 to 100.
    pub dead: u8,
    /// Whether a page is damaged.
    pub damaged: bool,
    /// What it says when pointed at.
    pub says: String,
}

/// The section of the page.
pub(super) fn section(maps: &[PageMapSection], left_out: usize) -> Markup {
    html! {
        section id="pages" {
            h2 { "Pages" }
            (legend(maps))
            @for map in maps {
                div class="map" {
                    h3 { (escape(&map.name)) }
                    p { (escape(&map.says)) }
                    (drawing(map))
                }
            }
            @if left_out > 0 {
                p { "and " (left_out) " smaller tables without a map here; " code { "rustdb-inspect stats" } " shows all." }
            }
        }
    }
}

fn drawing(map: &PageMapSection) -> Markup {
    let lines = map.cells.len().div_ceil(CELLS_A_LINE).max(1);
    let size = format!("0 0 {} {}", CELLS_A_LINE * STEP, lines * LINE);
    let label = format!("Pages of {} in order", escape(&map.name));
    html! {
        svg class="pages" viewBox=(size) role="img" aria-label=(label) {
            @for (position, cell) in map.cells.iter().enumerate() {
                @let x = position % CELLS_A_LINE * STEP;
                @let y = position / CELLS_A_LINE * LINE;
                g transform={ "translate(" (x) " " (y) ")" } {
                    title { (escape(&cell.says)) }
                    (sign(cell))
                }
            }
        }
    }
}

fn sign(cell: &MapCell) -> Markup {
    let height = |share: u8| (usize::from(share) * HEIGHT).div_ceil(100);
    let (live, dead) = (height(cell.live), height(cell.dead));
    html! {
        rect class="cell" x="1" y="1" width=(WIDTH) height=(HEIGHT) {}
        @if live > 0 {
            rect class="live" x="1" y=(1 + HEIGHT - live) width=(WIDTH) height=(live) {}
        }
        @if dead > 0 {
            // Narrower: told apart without colours.
            rect class="dead" x="4" y="1" width=(WIDTH - 6) height=(dead) {}
        }
        @if cell.damaged {
            path class="broken" d={ "M1 1L" (1 + WIDTH) " " (1 + HEIGHT) "M" (1 + WIDTH) " 1L1 " (1 + HEIGHT) } {}
        }
    }
}

/// What the cells mean, those that stand there.
fn legend(maps: &[PageMapSection]) -> Markup {
    let cell = |live, dead, damaged| MapCell {
        live,
        dead,
        damaged,
        says: String::new(),
    };
    let any = |wanted: fn(&MapCell) -> bool| maps.iter().flat_map(|map| &map.cells).any(wanted);
    html! {
        ul class="legend" {
            (entry(&cell(60, 0, false), "from below: visible rows and what leads to them; the rest is free"))
            @if any(|cell| cell.dead > 0) {
                (entry(&cell(0, 40, false), "from above: dead row versions, which compaction gives back"))
            }
            @if any(|cell| cell.damaged) { (entry(&cell(0, 0, true), "damaged")) }
        }
    }
}

fn entry(cell: &MapCell, meaning: &str) -> Markup {
    html! {
        li { svg viewBox="-4 0 22 24" aria-hidden="true" { (sign(cell)) } span { (meaning) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_rises_what_is_dead_hangs_and_nothing_leaves_its_cell() {
        let cell = MapCell {
            live: 75,
            dead: 25,
            damaged: false,
            says: String::new(),
        };
        let text = sign(&cell).into_string();
        // 75 % of 22 rounded up is 17, down to the lower edge; 25 % is 6.
        assert!(text.contains("class=\"live\" x=\"1\" y=\"6\" width=\"11\" height=\"17\""));
        assert!(text.contains("class=\"dead\" x=\"4\" y=\"1\" width=\"5\" height=\"6\""));
        assert!(!text.contains("broken"));
        let full = MapCell { live: 100, ..cell };
        assert!(
            sign(&full)
                .into_string()
                .contains("y=\"1\" width=\"11\" height=\"22\"")
        );
    }

    #[test]
    fn the_drawing_is_as_high_as_its_lines() {
        let map = |cells: usize| PageMapSection {
            cells: std::iter::repeat_with(MapCell::default)
                .take(cells)
                .collect(),
            ..PageMapSection::default()
        };
        for (cells, height) in [(1, 26), (48, 26), (49, 52), (480, 260)] {
            let text = drawing(&map(cells)).into_string();
            assert!(
                text.contains(&format!("viewBox=\"0 0 672 {height}\"")),
                "{cells}"
            );
        }
    }
}
