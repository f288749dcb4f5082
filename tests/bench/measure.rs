//! One process at a time: wall time and peak resident memory.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the kernel counts processor time in, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Wall time.
    pub seconds: f64,
    /// Processor time, which other processes do not stretch.
    pub cpu_seconds: f64,
    /// Highest resident memory, in MiB.
    pub peak_mib: f64,
}

/// Runs a command with its output thrown away. The kernel's own high-water mark
/// is read until the process ends, so at most the last millisecond is missed.
pub fn measure(command: &mut Command) -> Figures {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let stat = format!("/proc/{}/stat", child.id());
    let mut peak_kib = 0.0f64;
    let mut ticks = 0.0f64;
    let exit = loop {
        if let Ok(text) = std::fs::read_to_string(&stat) {
            // The 14th and 15th field; the second is the name, in parentheses.
            let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
            let times = fields.split_whitespace().skip(11).take(2);
            let spent: f64 = times.filter_map(|field| field.parse::<f64>().ok()).sum();
            ticks = ticks.max(spent);
        }
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak_kib = peak_kib.max(kib.unwrap_or(0.0));
        }
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(exit.success(), "{command:?} ended with {exit}");
    Figures {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: ticks / TICKS_PER_SECOND,
        peak_mib: peak_kib / 1024.0,
    }
}

/// Median time and median memory.
pub fn medians(pairs: &[(Figures, f64)]) -> Figures {
    Figures {
        seconds: median(pairs.iter().map(|(figures, _)| figures.seconds)),
        cpu_seconds: median(pairs.iter().map(|(figures, _)| figures.cpu_seconds)),
        peak_mib: median(pairs.iter().map(|(figures, _)| figures.peak_mib)),
    }
}

/// Median of the ratios, pair by pair.
pub fn median_ratio(pairs: &[(Figures, f64)]) -> f64 {
    median(
        pairs
            .iter()
            .map(|(figures, reference)| figures.seconds / reference),
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
