//! `[node]`: this process among those that share the database.

use super::problem::Fault;
use super::reader::Reader;
use super::typed::{duration, list, one_of, text};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A lease is renewed this many times before it ends, so that two late renewals lose nothing.
const RENEWALS_PER_LEASE: u32 = 3;

/// Longest name of a node, in letters.
const ID_LENGTH_MAX: usize = 64;

/// This process among the processes that share the database.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name; `None` means made from the host name and the process.
    pub id: Option<String>,
    /// What it does; never empty.
    pub roles: BTreeSet<Role>,
    /// How long a job stays claimed by a node that shows no sign of life.
    pub lease: Duration,
}

impl Node {
    /// Pause between two renewals of a lease.
    pub fn renewal(&self) -> Duration {
        self.lease / RENEWALS_PER_LEASE
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["node"]);
        let id = section.optional("id", text);
        if id.as_deref().is_some_and(|id| !is_id(id)) {
            let fix = format!("use at most {ID_LENGTH_MAX} letters, digits, dots, _ and -");
            section.problem("id", Fault::new("is not the name of a node", fix));
        }
        let roles = section.required("roles", |value, kind| list(value, kind, one_of));
        Self {
            id,
            roles: roles.into_iter().collect(),
            lease: section.required("lease", duration),
        }
    }
}

/// Names of nodes are shown in logs and lists and are labels of metrics.
fn is_id(id: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    id.len() <= ID_LENGTH_MAX && id.chars().all(allowed)
}

/// Something that a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers HTTP.
    Api,
    /// Runs jobs.
    Worker,
    /// Fires schedules.
    Scheduler,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "api" => Ok(Self::Api),
            "worker" => Ok(Self::Worker),
            "scheduler" => Ok(Self::Scheduler),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        })
    }
}
