//! One process at a time: wall time and peak resident memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
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
pub fn measure(command: &mut Command) -> Result<Figures, String> {
    let (exit, figures) = watched(command)?;
    match exit.success() {
        true => Ok(figures),
        false => Err(format!("{command:?} ended with {exit}")),
    }
}

/// As [`measure`], however it ends.
pub fn watched(command: &mut Command) -> Result<(ExitStatus, Figures), String> {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0f64;
    let mut cpu = 0.0f64;
    let exit = loop {
        cpu = cpu.max(cpu_seconds(child.id()));
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
    let figures = Figures {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu,
        peak_mib: peak_kib / 1024.0,
    };
    Ok((exit, figures))
}

/// The processor time that a process has used, 0 of one that is gone.
pub fn cpu_seconds(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The 14th and 15th field; the second is the name, in parentheses.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = times.filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// What `cp` of a file or a directory and a sync of every copy take.
pub fn copy_and_sync(from: &Path, to: &Path) -> f64 {
    let start = Instant::now();
    copy(from, to);
    let seconds = start.elapsed().as_secs_f64();
    remove(to);
    seconds
}

/// Copies a file or a directory, and syncs every copy.
pub fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let inner = entry.path().strip_prefix(from).unwrap();
        let target = match inner.as_os_str().is_empty() {
            true => to.to_owned(),
            false => to.join(inner),
        };
        if entry.file_type().is_dir() {
            fs::create_dir(target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
            File::open(target).unwrap().sync_all().unwrap();
        }
    }
}

/// Removes a file or a directory, if it is there.
pub fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
}

/// Bytes of a file, or of all files of a directory.
pub fn len_of(path: &Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}

/// Median of some numbers.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The exponent e of time ~ rows^e that fits best, by least squares of the
/// logarithms.
pub fn growth(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| logs.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let both: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    both / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}
