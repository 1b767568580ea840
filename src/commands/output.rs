//! Answers for people and for programs: a table, or JSON with `--json`.

use std::io::{IsTerminal as _, Write as _, stderr};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use memberd_jobs::kernel::Timestamp;
use serde_json::Value;

use super::{Outcome, print};
use crate::cli::Global;

/// What stands where a value is missing.
const NONE: &str = "-";

/// Rows under their headings.
#[derive(Debug)]
pub struct Rows {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// A table with these headings and no rows yet.
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; an empty cell prints as `-`.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let dash = |cell: String| {
            if cell.is_empty() {
                NONE.to_owned()
            } else {
                cell
            }
        };
        self.rows.push(cells.into_iter().map(dash).collect());
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(self.headings.iter().map(|heading| heading.to_uppercase()));
        for row in &self.rows {
            table.add_row(row);
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Prints a list: the table, or `json` with `--json`. An empty table says so.
///
/// # Errors
/// When standard output is closed.
pub fn list(global: &Global, rows: &Rows, json: &Value) -> Outcome {
    if global.json {
        print(&json.to_string())
    } else if rows.rows.is_empty() {
        print("none")
    } else {
        print(&rows.text())
    }
}

/// Prints one answer: the sentence, or `json` with `--json`.
///
/// # Errors
/// When standard output is closed.
pub fn one(global: &Global, sentence: &str, json: &Value) -> Outcome {
    print(&if global.json {
        json.to_string()
    } else {
        sentence.to_owned()
    })
}

/// A time, or nothing.
pub fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// A time, or that there was none.
pub fn time_or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

/// How often a line of progress is written where there is no terminal to write over.
const PROGRESS_EVERY: u64 = 10_000;

/// How far long work has come, on standard error: one line that is written over on a terminal, else a line now and then.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    told: u64,
}

impl Progress {
    /// Of work that begins.
    pub fn begin() -> Self {
        Self {
            terminal: stderr().is_terminal(),
            told: 0,
        }
    }

    /// Tells that so many things are done, in these words.
    pub fn tell(&mut self, done: u64, words: impl FnOnce() -> String) {
        // Nobody is left to tell that standard error is closed.
        if self.terminal {
            let _closed = write!(stderr(), "\r\x1b[K  {}", words());
        } else if done >= self.told + PROGRESS_EVERY {
            self.told = done;
            let _closed = writeln!(stderr(), "  {}", words());
        }
    }

    /// Takes the line away again.
    pub fn end(&self) {
        if self.terminal {
            let _closed = write!(stderr(), "\r\x1b[K");
        }
    }
}
