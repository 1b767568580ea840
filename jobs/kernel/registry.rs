//! Finding a job's code by the kind that is stored with it.

use std::collections::BTreeMap;

use super::{
    family::{Family, Schedule},
    job::JobDef,
};

/// All job kinds and schedules of this binary.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    jobs: BTreeMap<&'static str, JobDef>,
    schedules: BTreeMap<&'static str, &'static Schedule>,
}

impl Registry {
    /// The jobs and schedules of `families`.
    pub fn of(families: &[&'static Family]) -> Self {
        let mut registry = Self::default();
        for family in families {
            for job in family.jobs {
                registry.jobs.insert(job.kind, *job);
            }
            for schedule in family.schedules {
                registry.schedules.insert(schedule.name, schedule);
            }
        }
        registry
    }

    /// Adds one job kind, for tests that bring their own.
    #[must_use]
    pub fn with(mut self, job: JobDef) -> Self {
        self.jobs.insert(job.kind, job);
        self
    }

    /// The job of a kind. `None` for a kind of another version of memberd.
    pub fn job(&self, kind: &str) -> Option<&JobDef> {
        self.jobs.get(kind)
    }

    /// All jobs, by kind.
    pub fn jobs(&self) -> impl Iterator<Item = &JobDef> {
        self.jobs.values()
    }

    /// All declared schedules, by name.
    pub fn schedules(&self) -> impl Iterator<Item = &'static Schedule> {
        self.schedules.values().copied()
    }
}
