//! What people see: a line that updates on a terminal, plain lines otherwise.
//!
//! Progress goes to standard error and the story to standard output, so that `--json` and pipes get nothing else.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _, stderr, stdout},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Off a terminal, progress is told no more often.
const PLAIN_PAUSE: Duration = Duration::from_secs(5);
/// On a terminal, the line changes no more often.
const LINE_PAUSE: Duration = Duration::from_millis(100);
/// Back to the first column, and the rest of the line cleared.
const CLEAR: &str = "\r\x1b[K";

/// Where the story is told.
#[derive(Debug)]
pub(super) struct Screen {
    quiet: bool,
    terminal: bool,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    at: Option<Instant>,
    open: bool,
}

impl Screen {
    /// The process's own. Quiet: standard output stays free for JSON, and only problems are told.
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: stderr().is_terminal(),
            shown: Mutex::new(Shown::default()),
        }
    }

    /// Tells a line of the story.
    pub(super) fn say(&self, line: impl Display) {
        self.clear();
        if !self.quiet {
            // Nobody is left to tell that standard output is closed.
            let _closed = stdout().write_all(format!("{line}\n").as_bytes());
            let _closed = stdout().flush();
        }
    }

    /// Tells a line beside the story: what is going on, or wrong. Also when quiet.
    pub(super) fn note(&self, line: impl Display) {
        self.clear();
        let _closed = stderr().write_all(format!("{line}\n").as_bytes());
    }

    /// Shows how far something is. The text is made only when it is shown.
    pub(super) fn progress<D: Display>(&self, text: impl FnOnce() -> D) {
        let pause = if self.terminal {
            LINE_PAUSE
        } else {
            PLAIN_PAUSE
        };
        let now = Instant::now();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.at.is_some_and(|at| now - at < pause) {
            return;
        }
        shown.at = Some(now);
        if self.terminal {
            shown.open = true;
            let _closed = write!(stderr(), "{CLEAR}  {}", text());
            let _closed = stderr().flush();
        } else {
            let _closed = writeln!(stderr(), "  {}", text());
        }
    }

    /// Takes the updating line away.
    pub(super) fn clear(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut shown.open) {
            let _closed = write!(stderr(), "{CLEAR}");
        }
    }
}
