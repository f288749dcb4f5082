//! What sections are made of.

use maud::{Markup, html};

use super::super::escape;

/// A sentence whose parts between backquotes are commands or file names.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in escape(text).split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A share of the largest, as a bar.
pub(super) fn bar(part: u64, largest: u64) -> Markup {
    let percent = u128::from(part) * 100 / u128::from(largest.max(1));
    html! {
        svg class="bar" viewBox="0 0 100 8" role="img" aria-label={ (percent) " % of the largest" } {
            rect class="bar-back" x="0" y="0" width="100" height="8" {}
            rect class="bar-fill" x="0" y="0" width=(percent) height="8" {}
        }
    }
}
