//! `[schedules."<name>"]`: overrides of the schedules that the code declares.

use super::reader::Reader;
use super::typed::{boolean, cron, one_of, time_zone};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What differs from the schedule as the code declares it; `None` leaves a part as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleOverride {
    /// When it fires: a cron expression with seconds.
    pub cron: Option<String>,
    /// Time zone of the expression.
    pub timezone: Option<Tz>,
    /// Whether it fires at all.
    pub enabled: Option<bool>,
    /// What happens to ticks that were missed while nothing ran.
    pub catch_up: Option<CatchUp>,
}

/// What happens to the ticks of a schedule that were missed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Fire once for all of them.
    One,
    /// Fire each of them, up to a bound.
    All,
    /// Fire none of them.
    None,
}

impl FromStr for CatchUp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "one" => Ok(Self::One),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

impl ScheduleOverride {
    /// Every override by the schedule's name.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<String, Self> {
        let mut schedules = BTreeMap::new();
        for name in reader.names("schedules") {
            let mut section = reader.section(&["schedules", &name]);
            let schedule = Self {
                cron: section.optional("cron", cron),
                timezone: section.optional("timezone", time_zone),
                enabled: section.optional("enabled", boolean),
                catch_up: section.optional("catch_up", one_of),
            };
            schedules.insert(name, schedule);
        }
        schedules
    }
}
