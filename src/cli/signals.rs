//! Signals that ask a command to end: it stops, removes what it had begun, says
//! so, and exits with 128 and the signal's number. A second one ends it at once.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use super::asked::Asked;
use super::document::{ErrorObject, failure};
use super::{Exit, finish};
use crate::commands::Progress;

/// What is listened to, and its name.
const SIGNALS: [(i32, &str); 3] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP")];

/// Lets a file that grows past the size that is allowed be an error like any
/// other: the signal would end the process with what it had begun still there.
pub(super) fn tolerate_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Listens from now on.
#[derive(Debug)]
pub(super) struct Signals {
    /// The number of the last one that came; 0 before.
    came: Arc<AtomicUsize>,
}

impl Signals {
    /// Lets signals stop the work that `progress` belongs to. Those that are
    /// ignored stay so: `nohup` and shells that put work into the background
    /// mean it.
    pub(super) fn stop(progress: &Progress) -> io::Result<Self> {
        let came = Arc::new(AtomicUsize::new(0));
        let ignored = ignored_signals();
        for (signal, _) in SIGNALS {
            let bit = u32::try_from(signal - 1).unwrap_or_default();
            if ignored >> bit & 1 == 1 {
                continue;
            }
            let stopped = progress.stop_flag();
            flag::register_conditional_shutdown(signal, 128 + signal, stopped.clone())?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, came.clone(), number)?;
            flag::register(signal, stopped)?;
        }
        Ok(Signals { came })
    }

    /// As [`finish::finish`]; of a command that was stopped, says which signal came
    /// and what is left.
    pub(super) fn finish(
        &self,
        asked: &Asked,
        result: anyhow::Result<Exit>,
        left: &str,
    ) -> ExitCode {
        let came = self.came.load(Ordering::SeqCst);
        let known = SIGNALS
            .iter()
            .find(|(signal, _)| i32::try_from(came) == Ok(*signal));
        match known {
            // Done before the signal could stop it.
            Some((signal, name)) if result.is_err() => {
                let program = asked.program.name();
                let said = format!("stopped by {name}; {left}");
                if asked.json {
                    asked.print(&failure(asked, ErrorObject::stopped(&said), &[], &[]));
                }
                let _ = writeln!(io::stderr(), "{program}: {said}");
                ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
            }
            _ => finish::finish(asked, result),
        }
    }
}

/// A bit for each signal that this process ignores, the first one lowest.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
