//! A family as data: what runs, when, and what it stores about a member.

use super::job::JobDef;

/// One folder under `jobs/`.
#[derive(Debug)]
pub struct Family {
    /// The folder's name and the prefix of its job kinds.
    pub name: &'static str,
    /// The job types it runs.
    pub jobs: &'static [JobDef],
    /// The jobs that start by the clock.
    pub schedules: &'static [Schedule],
    /// What happens to each of its tables when a member is deleted.
    pub data: &'static [Data],
}

/// A cron line and the job that it enqueues. The configuration may replace all but the kind and the arguments.
#[derive(Debug)]
pub struct Schedule {
    /// Its name, `family.verb_object`; usually the job's kind.
    pub name: &'static str,
    /// The kind of the job.
    pub kind: &'static str,
    /// The job's arguments as JSON.
    pub args: &'static str,
    /// Cron expression with seconds.
    pub cron: &'static str,
    /// IANA name of the time zone the expression is read in.
    pub timezone: &'static str,
    /// What to do about ticks that nobody was there to fire.
    pub catch_up: CatchUp,
}

/// What to do about ticks missed during a downtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Fire once for all of them.
    One,
    /// Fire each, at most [`super::limits::CATCH_UP_TICKS_MAX`].
    All,
    /// Fire none of them.
    None,
}

impl CatchUp {
    /// The word in configuration, table and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::One, Self::All, Self::None]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

/// The fate of one table's rows when their member is deleted.
#[derive(Debug)]
pub enum Data {
    /// Rows are deleted.
    Delete(&'static str),
    /// Rows stay, their personal columns are cleared.
    Anonymise(&'static str),
    /// Rows stay as they are; the reason goes on the receipt.
    Keep(&'static str, &'static str),
}

impl Data {
    /// The table.
    pub const fn table(&self) -> &'static str {
        match self {
            Self::Delete(table) | Self::Anonymise(table) | Self::Keep(table, _) => table,
        }
    }
}
