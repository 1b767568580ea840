//! `[engagement.milestones]` and `[engagement.alerts]`: what is told about engagement.

use super::reader::Reader;
use super::typed::{integer, list};
use memberd_jobs::kernel::ports::Milestones;

/// What is told about engagement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analytics {
    /// Figures that are told when they are reached.
    pub milestones: Milestones,
    /// Interactions a day that an audience must usually have.
    pub alert_min_daily: i64,
}

impl Analytics {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["engagement", "milestones"]);
        let mut thresholds = |name| {
            let mut thresholds: Vec<i64> = section
                .optional(name, |value, kind| list(value, kind, integer))
                .unwrap_or_default();
            thresholds.sort_unstable();
            thresholds.dedup();
            thresholds
        };
        let milestones = Milestones {
            interactions: thresholds("interactions"),
            members: thresholds("members"),
        };
        let mut section = reader.section(&["engagement", "alerts"]);
        Self {
            milestones,
            alert_min_daily: section.required("min_daily", integer),
        }
    }
}
