//! Figures and their medians.

use std::{fmt, time::Duration};

use crate::{
    load::Answers,
    page::{median, percentile},
    usage::{Spent, mib},
};

/// What is measured, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) rounds: usize,
    pub(crate) load: Duration,
    pub(crate) idle: Duration,
}

/// The figures of one load; times in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// Wanted events a second; 0 is as many as it takes.
    pub(crate) wanted: u32,
    /// Answered events a second.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The p99 of the worst round.
    pub(crate) p99_worst: f64,
    pub(crate) max: f64,
    pub(crate) effect_p50: f64,
    pub(crate) effect_p99: f64,
    pub(crate) failed: f64,
    pub(crate) cpu_percent: f64,
    /// What other programs used meanwhile, in percent of one core.
    pub(crate) others_percent: f64,
    pub(crate) peak_mib: f64,
}

/// The daemon at rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idle {
    pub(crate) rss_mib: f64,
    pub(crate) cpu_percent: f64,
    /// That of the worst round.
    pub(crate) cpu_percent_max: f64,
    /// Jobs that schedules started meanwhile.
    pub(crate) jobs: i64,
}

impl Row {
    /// From what was measured.
    pub(crate) fn of(wanted: u32, answers: &Answers, effects: &[Duration], spent: &Spent) -> Self {
        let (answered, effects) = (sorted(&answers.times), sorted(effects));
        Self {
            wanted,
            rate: count(answered.len()) / answers.took.as_secs_f64(),
            p50: percentile(&answered, 50),
            p99: percentile(&answered, 99),
            p99_worst: percentile(&answered, 99),
            max: percentile(&answered, 100),
            effect_p50: percentile(&effects, 50),
            effect_p99: percentile(&effects, 99),
            failed: count(answers.failed),
            cpu_percent: spent.cpu_percent,
            others_percent: spent.others_percent,
            peak_mib: mib(spent.peak_kib),
        }
    }

    /// The median of each figure over the rounds.
    pub(crate) fn median(rows: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&rows.iter().map(figure).collect::<Vec<_>>());
        Self {
            wanted: rows[0].wanted,
            rate: of(|row| row.rate),
            p50: of(|row| row.p50),
            p99: of(|row| row.p99),
            p99_worst: rows.iter().map(|row| row.p99).fold(0.0, f64::max),
            max: of(|row| row.max),
            effect_p50: of(|row| row.effect_p50),
            effect_p99: of(|row| row.effect_p99),
            failed: of(|row| row.failed),
            cpu_percent: of(|row| row.cpu_percent),
            others_percent: of(|row| row.others_percent),
            peak_mib: of(|row| row.peak_mib),
        }
    }

    /// What the load is called.
    pub(crate) fn name(&self) -> String {
        match self.wanted {
            0 => "as fast as it goes".to_owned(),
            wanted => format!("{wanted}/s"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.0}/s answered, p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms, effect p50 {:.1} ms, p99 {:.1} ms, \
             {} failed, CPU {:.0} %, others {:.0} %, peak {:.1} MiB",
            self.name(),
            self.rate,
            self.p50,
            self.p99,
            self.max,
            self.effect_p50,
            self.effect_p99,
            self.failed,
            self.cpu_percent,
            self.others_percent,
            self.peak_mib
        )
    }
}

impl Idle {
    /// The median of each figure over the rounds.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
        Self {
            rss_mib: of(|one| one.rss_mib),
            cpu_percent: of(|one| one.cpu_percent),
            cpu_percent_max: all.iter().map(|one| one.cpu_percent).fold(0.0, f64::max),
            jobs: all.iter().map(|one| one.jobs).sum(),
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "idle: {:.1} MiB resident, {:.2} % of a core, {} jobs of schedules",
            self.rss_mib, self.cpu_percent, self.jobs
        )
    }
}

fn sorted(times: &[Duration]) -> Vec<f64> {
    let mut millis: Vec<f64> = times
        .iter()
        .map(|time| time.as_secs_f64() * 1_000.0)
        .collect();
    millis.sort_by(f64::total_cmp);
    millis
}

fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
