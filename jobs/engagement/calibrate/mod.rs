//! Constants of the score that fit an organization's own members: proposed, never put in force.

mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Day, Formula, Sums, definition::Definition, whole};
use crate::kernel::{
    Env,
    db::Result,
    scoring::{Level, Levels},
};

/// Members that are read at once.
const PAGE: i64 = 5_000;
/// The highest score.
const SCORE_MAX: usize = 100;

/// The shares of the living members that should have each level, in percent; the rest is inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// [`Level::Superfan`]
    pub superfan: i64,
    /// [`Level::Engaged`]
    pub engaged: i64,
    /// [`Level::Casual`]
    pub casual: i64,
}

/// What a factor should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfFactor {
    /// Its name.
    pub id: String,
    /// Its present `half_at`.
    pub before: i64,
    /// The median of those who do anything in it; as before where nobody does.
    pub half_at: i64,
    /// How many do.
    pub active: i64,
}

/// Proposed constants, and what would follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The factors.
    pub factors: Vec<OfFactor>,
    /// The thresholds.
    pub levels: Levels,
    /// Living members.
    pub members: i64,
    /// How many of them would reach each level by their score of today, in the order of [`Level::ALL`].
    pub reached: [i64; Level::ALL.len()],
}

/// Proposes constants; `None` while nothing was counted.
pub async fn calibrate(env: &Env, organization: &str, wanted: Shares) -> Result<Option<Calibration>> {
    let definition = Definition::of(env, organization).await?;
    let Some(version) = definition.version else { return Ok(None) };
    let mut formula = definition.formula(env, 0).await?;
    let mut medians = Medians::of(&formula);
    each(env, organization, version, |row| medians.add(&formula, &row.sums(), row.as_of)).await?;
    let factors = medians.factors(&formula);
    for (factor, of) in formula.scoring.factors.iter_mut().zip(&factors) {
        factor.half_at = of.half_at;
    }
    let mut scores = Scores([0; SCORE_MAX + 1]);
    let add = |row: &store::Row| scores.add(formula.score_milli(&row.sums(), row.as_of));
    each(env, organization, version, add).await?;
    let members = store::living(&env.db, organization).await?;
    let levels = scores.levels(wanted, members, formula.levels().keep_percent);
    let reached = scores.reached(&levels, members);
    Ok(Some(Calibration { factors, levels, members, reached }))
}

/// Shows the sums of each living member.
async fn each(
    env: &Env,
    organization: &str,
    version: i64,
    mut show: impl FnMut(&store::Row),
) -> Result<()> {
    let mut after = 0;
    loop {
        let page = store::page(&env.db, organization, version, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.member_no;
        for row in &page {
            show(row);
        }
    }
}

/// How many members have how much in each factor.
struct Medians(Vec<BTreeMap<i64, i64>>);

impl Medians {
    fn of(formula: &Formula) -> Self {
        Self(vec![BTreeMap::new(); formula.scoring.factors.len()])
    }

    fn add(&mut self, formula: &Formula, sums: &Sums, as_of: Day) {
        for (at, counts) in self.0.iter_mut().enumerate() {
            let weight = formula.weights.get(at, as_of);
            if sums[at] > 0 && weight > 0 {
                *counts.entry((sums[at] + weight / 2) / weight).or_default() += 1;
            }
        }
    }

    fn factors(self, formula: &Formula) -> Vec<OfFactor> {
        let of = |(counts, factor): (BTreeMap<i64, i64>, &crate::kernel::scoring::Factor)| {
            let active: i64 = counts.values().sum();
            let mut below = 0;
            let median = counts.into_iter().find_map(|(worth, members)| {
                below += members;
                (below * 2 >= active).then_some(worth)
            });
            OfFactor {
                id: factor.id.clone(),
                before: factor.half_at,
                half_at: median.map_or(factor.half_at, |worth| worth.max(1)),
                active,
            }
        };
        self.0.into_iter().zip(&formula.scoring.factors).map(of).collect()
    }
}

/// How many members have each score.
struct Scores([i64; SCORE_MAX + 1]);

impl Scores {
    fn add(&mut self, milli: i64) {
        let at = usize::try_from(whole(milli)).unwrap_or_default().min(SCORE_MAX);
        self.0[at] += 1;
    }

    fn from(&self, threshold: i64) -> i64 {
        let at = usize::try_from(threshold).unwrap_or_default();
        self.0.iter().skip(at).sum()
    }

    /// Thresholds that come closest to the wanted shares, each below the one above it.
    fn levels(&self, wanted: Shares, members: i64, keep_percent: i64) -> Levels {
        let closest = |percent: i64, range: std::ops::RangeInclusive<i64>| {
            let off = |threshold: &i64| (self.from(*threshold) * 100 - percent * members).abs();
            range.rev().min_by_key(off).unwrap_or(1)
        };
        let superfan = closest(wanted.superfan, 3..=100);
        let engaged = closest(wanted.superfan + wanted.engaged, 2..=superfan - 1);
        let casual = closest(wanted.superfan + wanted.engaged + wanted.casual, 1..=engaged - 1);
        Levels { superfan, engaged, casual, keep_percent }
    }

    fn reached(&self, levels: &Levels, members: i64) -> [i64; Level::ALL.len()] {
        let (superfans, engaged, casual) =
            (self.from(levels.superfan), self.from(levels.engaged), self.from(levels.casual));
        [members - casual, casual - engaged, engaged - superfans, superfans]
    }
}
