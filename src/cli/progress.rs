//! How far a command has come: on stderr, for work over a second.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::commands::{Phase, Progress, ProgressNow};

use super::options::{Common, ShowProgress};
use super::output::note;

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(100);
/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// From one line to the next where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Does the work, shows how far it is and, with `-v`, how long it took.
pub(super) fn shown<T>(common: &Common, streams: bool, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = watched(common, streams, work);
    if common.verbose > 0 {
        note(
            &format!("took {:.2} s", start.elapsed().as_secs_f64()),
            common,
        );
    }
    result
}

/// Does the work and shows how far it is. A command that `streams` writes its
/// data while it works: on one terminal both would be in each other's way.
fn watched<T>(common: &Common, streams: bool, work: impl FnOnce() -> T) -> T {
    let terminal = io::stderr().is_terminal();
    let in_the_way = streams && io::stdout().is_terminal();
    let wanted = match common.progress {
        ShowProgress::Auto => terminal && !common.quiet && !in_the_way,
        ShowProgress::Always => true,
        ShowProgress::Never => false,
    };
    if !wanted {
        return work();
    }
    thread::scope(|scope| {
        let (working, ended) = channel();
        // Nobody is shown what no thread is left for.
        let _ = Builder::new().spawn_scoped(scope, move || draw(&common.watch, &ended, terminal));
        let result = work();
        drop(working);
        result
    })
}

/// Looks from time to time until the work ends.
fn draw(progress: &Progress, ended: &Receiver<()>, terminal: bool) {
    let start = Instant::now();
    let mut last_line = start;
    let mut shown: Option<ShownPhase> = None;
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let now = progress.now();
        if now.total == 0 {
            continue;
        }
        if shown.as_ref().is_none_or(|shown| shown.phase != now.phase) {
            shown = Some(ShownPhase::new(
                &now,
                terminal && start.elapsed() >= PATIENCE,
            ));
        }
        let Some(one) = &mut shown else { continue };
        if start.elapsed() < PATIENCE {
            continue;
        }
        match terminal {
            true => one.bar(&now).set_position(now.done),
            false if last_line.elapsed() >= LINE_INTERVAL => {
                last_line = Instant::now();
                // Nothing is left to do when stderr is closed.
                let _ = writeln!(io::stderr(), "{}", line(&now, one.start.elapsed()));
            }
            false => {}
        }
    }
}

/// The phase that is shown.
struct ShownPhase {
    phase: Phase,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl ShownPhase {
    fn new(now: &ProgressNow, visible: bool) -> Self {
        let mut shown = ShownPhase {
            phase: now.phase,
            start: Instant::now(),
            bar: None,
        };
        if visible {
            shown.bar(now);
        }
        shown
    }

    fn bar(&mut self, now: &ProgressNow) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let template = "{msg:8} {bar:24} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
            let bar = ProgressBar::new(now.total);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(now.phase.as_str());
            bar
        })
    }
}

impl Drop for ShownPhase {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a bar would show, as a line.
fn line(now: &ProgressNow, elapsed: Duration) -> String {
    let millis = elapsed.as_millis().max(1);
    let rate = u128::from(now.done) * 1000 / millis;
    let left = u128::from(now.total.saturating_sub(now.done));
    let seconds = left
        .checked_div(rate)
        .and_then(|left| u64::try_from(left).ok());
    let left = seconds.map_or_else(
        || "unknown".to_owned(),
        |seconds| HumanDuration(Duration::from_secs(seconds)).to_string(),
    );
    format!(
        "{} {} of {}, {}/s, {left} left",
        now.phase.as_str(),
        HumanBytes(now.done),
        HumanBytes(now.total),
        HumanBytes(u64::try_from(rate).unwrap_or(u64::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_done_total_rate_and_time_left() {
        let now = ProgressNow {
            phase: Phase::Writing,
            done: 256 << 20,
            total: 1 << 30,
        };
        let text = line(&now, Duration::from_secs(2));
        assert_eq!(
            text,
            "writing 256.00 MiB of 1.00 GiB, 128.00 MiB/s, 6 seconds left"
        );
        let begun = ProgressNow { done: 0, ..now };
        assert!(line(&begun, Duration::ZERO).ends_with("unknown left"));
    }
}
